"""A client names the organisations that endorsed before, and leaves the choice to the gateway whenever that fails."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from evidence.errors import Refused
from sdk import gateway_blocking
from sdk.gateway import Outcome
from sdk.gateway_blocking import BlockingGateway
from sdk.gateway_endorsers import AGAIN_EVERY, LEARNING, Endorsers
from tests.fabric.double.gateway import DoubleGateway, Fault
from tests.fabric.double.stand import Stand
from tests.hosts.cast import NOW_US, members, the_cast

BOTH = ("ControlRoomMSP", "PoliceMSP")


class Noting(DoubleGateway):
    """Notes whom each endorsement was asked of; the empty list leaves it to the gateway."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.most = self.now = 0
        self._counting = threading.Lock()
        super().__init__(*arguments, **named)

    def Endorse(self, request: Any, context: Any) -> Any:
        self.asked.append(tuple(request.endorsing_organizations))
        with self._counting:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return super().Endorse(request, context)
        finally:
            with self._counting:
                self.now -= 1


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    made = Stand(the_cast())
    made.gateway.close()
    made.gateway = Noting(made.ledger, made.peers)
    with BlockingGateway(made.profile(), the_cast().admin(), clock=lambda: NOW_US) as admin:
        admin.submit("init", the_cast().genesis.canonical())
        admin.submit("register_participant", members(**the_cast().registration("operator")))
    yield made
    made.close()


@pytest.fixture
def gateway(stand: Stand) -> Noting:
    assert isinstance(stand.gateway, Noting)
    stand.gateway.faults.clear()
    stand.gateway.asked.clear()
    return stand.gateway


@pytest.fixture
def operator(stand: Stand, gateway: Noting) -> Iterator[BlockingGateway]:
    with BlockingGateway(stand.profile(), the_cast()["operator"], clock=lambda: NOW_US) as client:
        yield client


_cameras = iter(range(10_000))


def propose(client: BlockingGateway, **named: Any) -> None:
    client.submit("propose_camera", members(**the_cast().camera(f"cam-{next(_cameras)}")), **named)


def learn(client: BlockingGateway, gateway: Noting) -> None:
    for _ in range(LEARNING):
        propose(client)
    assert gateway.asked == [()] * LEARNING
    gateway.asked.clear()


def test_after_some_transactions_the_same_organisations_are_named(operator: BlockingGateway, gateway: Noting) -> None:
    learn(operator, gateway)
    propose(operator)
    propose(operator)
    assert gateway.asked == [BOTH, BOTH]


def test_when_one_of_them_is_away_the_gateway_chooses_again(operator: BlockingGateway, gateway: Noting) -> None:
    learn(operator, gateway)
    gateway.faults.append(Fault(call="endorse", status=grpc.StatusCode.UNAVAILABLE, text="PoliceMSP: no peer"))
    propose(operator)
    propose(operator)
    assert gateway.asked == [BOTH, (), ()]


def test_when_they_no_longer_satisfy_the_rule_the_gateway_chooses_again(
    operator: BlockingGateway, gateway: Noting
) -> None:
    learn(operator, gateway)
    gateway.faults.append(Fault(call="commit status", code=10))
    with pytest.raises(Refused, match="is taken"):  # only the code is another: the double has committed it
        propose(operator)
    assert gateway.asked == [BOTH, ()]


def test_a_refusal_of_the_contract_makes_nobody_forgotten(operator: BlockingGateway, gateway: Noting) -> None:
    learn(operator, gateway)
    with pytest.raises(Refused):
        operator.submit("approve_camera", members(camera="cam-0"))
    propose(operator)
    assert gateway.asked == [BOTH, BOTH]


def test_who_is_named_by_the_caller_is_asked_and_not_remembered(operator: BlockingGateway, gateway: Noting) -> None:
    named = ("ControlRoomMSP", "AuditorMSP")
    for _ in range(LEARNING):
        propose(operator, organisations=named)
    propose(operator)
    assert gateway.asked == [named] * LEARNING + [()]


def test_what_is_private_is_left_to_the_gateway(operator: BlockingGateway, gateway: Noting) -> None:
    learn(operator, gateway)
    propose(operator, transient={"a": b"b"})
    assert gateway.asked == [()]


def test_many_calls_do_not_all_come_at_once(
    operator: BlockingGateway, gateway: Noting, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras = [members(**the_cast().camera(f"cam-{next(_cameras)}")) for _ in range(24)]
    monkeypatch.setattr(gateway_blocking, "AT_ONCE", 3)
    gateway.most = 0
    found = operator.submit_many([("propose_camera", (each,)) for each in cameras])
    assert len({each.tx_id for each in found if isinstance(each, Outcome)}) == 24
    assert 1 < gateway.most <= 3


def test_known_sets_come_in_turn_and_the_gateway_chooses_now_and_then() -> None:
    endorsers = Endorsers()
    for _ in range(LEARNING):
        assert endorsers.next("veriframe") is None
    endorsers.counted("veriframe", ("PoliceMSP", "ControlRoomMSP"))
    endorsers.counted("veriframe", ("ControlRoomMSP", "AuditorMSP"))
    endorsers.counted("veriframe", ("ControlRoomMSP", "PoliceMSP"))
    named = [endorsers.next("veriframe") for _ in range(2 * AGAIN_EVERY)]
    assert named.count(None) == 2
    assert {each for each in named if each} == {BOTH, ("AuditorMSP", "ControlRoomMSP")}
    assert abs(named.count(BOTH) - AGAIN_EVERY) <= 2
    assert endorsers.next("another") is None
