"""The hfc client against real peers, without their gateway: scenarios, errors, races, and a worker that is lost."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from chaincode.anchors import open_batch
from evidence.errors import CommitUnknown, EndorseFailed, LedgerUnavailable, Refused, VeriframeError
from evidence.fabric_read import parse_signed_read
from evidence.proof_ranges import whole_range
from evidence.registry import Position
from network.bring_up import Network
from network.founding import hfc_profile_file, profile_file
from sdk import ledger as ledgers
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import read_profile
from sdk.fabric_reads import collect
from sdk.hfc_ledger import HfcLedger
from sdk.hfc_process import Worker, hfc_python
from sdk.hfc_profile import HfcProfile, OrdererAddress, read_hfc_profile
from sdk.hfc_steps import HfcSteps
from sdk.identities import Identity
from tests.fabric.conftest import now_us
from tests.fabric.lifecycle import define
from tests.fabric.stage import FabricStage, profiles_of
from tests.fabric.test_scenarios import play
from tests.hosts import decisions, scenarios
from tests.hosts.cast import MSPS, NOW_US, Cast, members, the_cast
from tests.hosts.scenarios import Scenario

pytestmark = [
    pytest.mark.needs("fabric", "hfc"),
    pytest.mark.slow,
    pytest.mark.xdist_group("fabric"),
]

# Of each kind one: registry of four organisations, cameras, anchors with and without writes, two organisations.
PLAYED: tuple[Scenario, ...] = (
    scenarios.each_admin_registers_people_of_the_own_organisation,
    scenarios.an_anchor_takes_its_slot_for_ever,
    scenarios.the_same_block_again_succeeds_and_writes_nothing,
    decisions.a_lock_is_released_by_two_persons_of_two_organisations,
)
NAMES = {scenario.__name__: f"hfc{number}" for number, scenario in enumerate(PLAYED)}
NAME = "hfc"


def clock() -> int:
    return NOW_US


def python() -> Path:
    found = hfc_python(os.environ, Path.home())
    assert found is not None
    return found


class HfcStage(FabricStage):
    """People and state through hfc; that every peer has the newest block is looked up through their gateways."""

    def __init__(self, network: Network, name: str, cast: Cast) -> None:
        self._network = network
        by_msp = profiles_of(network)
        self._watchers = [FabricLedger(by_msp(msp), identity=cast.admin(msp), clock=clock) for msp in MSPS]
        super().__init__(by_msp, name, cast)

    def close(self) -> None:
        super().close()
        for each in self._watchers:
            each.close()

    def _settle(self) -> None:
        newest = max(each.height() for each in self._watchers)
        deadline = time.monotonic() + 20
        while any(each.height() < newest for each in self._watchers):
            assert time.monotonic() < deadline, "a peer stays behind"
            time.sleep(0.02)

    def _ledger(self, who: Identity) -> FabricLedger:
        if who.certificate not in self._ledgers:
            self._ledgers[who.certificate] = opened(profile_of(self._network, who.msp, self._name), who, self._clock)
        return self._ledgers[who.certificate]


def profile_of(network: Network, msp: str, chaincode: str) -> HfcProfile:
    path = hfc_profile_file(network.root, network.topology.peer_of(msp).organisation)
    return read_hfc_profile(path).model_copy(update={"chaincode": chaincode})


def opened(profile: HfcProfile, who: Identity, clock: Callable[[], int] = clock) -> HfcLedger:
    return HfcLedger(profile, identity=who, python=python(), clock=clock)


@pytest.fixture(scope="module")
def defined(fabric_network: Network) -> Network:
    define(fabric_network, [*NAMES.values(), NAME])
    return fabric_network


@pytest.fixture(scope="module")
def profile(defined: Network) -> HfcProfile:
    """Of the control room, over a chaincode that is founded and knows manager, operator, recorder and gate-1."""
    cast = the_cast()
    found = profile_of(defined, "ControlRoomMSP", NAME)
    with closing(opened(found, cast.admin())) as admin:
        admin.submit("init", cast.genesis.canonical())
        for name in ("manager", "operator", "recorder", "supervisor"):
            admin.submit("register_participant", members(**cast.registration(name)))
    with closing(opened(found, cast["operator"])) as operator:
        operator.submit("propose_camera", members(**cast.camera()))
    with closing(opened(found, cast["manager"])) as manager:
        manager.submit("approve_camera", members(camera="gate-1"))
    return found


@pytest.fixture(scope="module")
def operator(profile: HfcProfile) -> Iterator[HfcLedger]:
    with closing(opened(profile, the_cast()["operator"])) as ledger:
        yield ledger


class closing:
    """`contextlib.closing` that keeps the type of what it closes."""

    def __init__(self, ledger: HfcLedger) -> None:
        self._ledger = ledger

    def __enter__(self) -> HfcLedger:
        return self._ledger

    def __exit__(self, *_: object) -> None:
        self._ledger.close()


@pytest.mark.parametrize("scenario", PLAYED, ids=lambda each: each.__name__)
def test_scenarios_end_in_the_same_state(scenario: Scenario, defined: Network, tmp_path: Path) -> None:
    play(scenario, HfcStage(defined, NAMES[scenario.__name__], the_cast()), tmp_path)


def test_a_profile_from_the_network_opens_a_ledger(
    defined: Network, profile: HfcProfile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = yaml.safe_load(hfc_profile_file(defined.root, "control-room").read_text(encoding="utf-8"))
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump({**text, "chaincode": NAME}), encoding="utf-8")
    monkeypatch.setenv("HFC_VENV", str(python().parent.parent))
    ledger = ledgers.open(f"hfc:{path}", identity=the_cast()["operator"], clock=clock)
    assert isinstance(ledger, HfcLedger)
    with closing(ledger):
        committed = ledger.submit("propose_camera", members(**the_cast().camera("gate-20")))
        assert committed.position is not None
        assert committed.event is not None
        behind = Position(height=committed.position.height - 1, index=1 << 20)
        assert [event.position for event in ledger.events(behind)] == [committed.position]
        assert [entry.key for entry in ledger.entries("camera/gate-20/")] == ["camera/gate-20/0000000000"]
        # The same events, in the same places, as through the gateway.
        through = read_profile(profile_file(defined.root, "control-room")).model_copy(update={"chaincode": NAME})
        gateway = FabricLedger(through, identity=the_cast()["operator"], clock=clock)
        try:
            assert list(gateway.events()) == list(ledger.events())
        finally:
            gateway.close()


def test_refusals_are_the_contracts_own(profile: HfcProfile, operator: HfcLedger) -> None:
    cast = the_cast()
    for reason, function, argument in (
        ("invalid", "no_such_thing", b"{}"),
        ("invalid", "propose_camera", b"{}"),
        ("denied", "approve_camera", members(camera="gate-1")),
        ("denied", "set_policy", members(policy={})),
        ("conflict", "propose_camera", members(**cast.camera("gate-1"))),
    ):
        with pytest.raises(Refused) as caught:
            operator.submit(function, argument)
        assert caught.value.reason == reason, (function, str(caught.value))
    with pytest.raises(Refused) as caught:
        operator.evaluate("get_camera", members(camera="nowhere"))
    assert caught.value.reason == "not_found"


def test_an_anchor_that_stands_there_is_not_sent_again(profile: HfcProfile) -> None:
    with closing(opened(profile, the_cast()["recorder"])) as recorder:
        batch = open_batch(the_cast().blocks(0, 1))
        assert recorder.submit("anchor", batch).position is not None
        assert recorder.submit("anchor", batch).position is None
        several = recorder.submit_many([("anchor", [open_batch(the_cast().blocks(0))]), ("anchor", [b"{}"])])
        assert [type(each).__name__ for each in several] == ["Committed", "Refused"]


def test_who_loses_a_race_is_told_by_the_contract(operator: HfcLedger) -> None:
    # All are endorsed on the same state and ordered together: one commits, the others lose by read version, are
    # endorsed anew under new transaction ids, and hear from the contract that the name is taken.
    calls = [("propose_camera", [members(**the_cast().camera("gate-race"))])] * 6
    outcomes = operator.submit_many(calls)
    assert sum(not isinstance(each, VeriframeError) for each in outcomes) == 1, outcomes
    lost = [each for each in outcomes if isinstance(each, VeriframeError)]
    assert {each.reason for each in lost if isinstance(each, Refused)} == {"conflict"}
    assert all(isinstance(each, Refused) for each in lost), lost
    void = [transaction.code for number in range(operator.height()) for transaction in operator._block(number)]
    assert 11 in void or 12 in void  # so there was a race


def test_reads_are_signed_without_a_gateway_too(operator: HfcLedger) -> None:
    written = "camera/gate-1/0000000001"
    (document,) = collect(operator.gateway, [whole_range("camera", "gate-1")], shows=[written])
    read = parse_signed_read(document)
    assert read.entries[written] == next((e.position, e.value) for e in operator.entries(written))
    assert [each.msp for each in read.transaction.signers()] == ["ControlRoomMSP", "PoliceMSP"]


def test_without_a_client_certificate_nobody_answers(profile: HfcProfile) -> None:
    bare = opened(profile.model_copy(update={"tls_client": None}), the_cast()["operator"])
    with closing(bare) as ledger, pytest.raises(LedgerUnavailable):
        ledger.gateway.evaluate("describe", b"{}", timeout_s=2)


def test_too_few_endorsements_are_void(operator: HfcLedger) -> None:
    with pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
        operator.gateway.submit(
            "propose_camera", members(**the_cast().camera("gate-alone")), organisations=["ControlRoomMSP"]
        )
    assert operator.entries("camera/gate-alone/") == []


def test_another_organisation_endorses_where_one_is_away(profile: HfcProfile) -> None:
    peers = tuple(
        each.model_copy(update={"address": "127.0.0.1:9"}) if each.msp == "PoliceMSP" else each
        for each in profile.peers
    )
    with closing(opened(profile.model_copy(update={"peers": peers}), the_cast()["operator"])) as ledger:
        assert ledger.submit("propose_camera", members(**the_cast().camera("gate-away"))).position is not None


def test_the_next_orderer_takes_it_where_one_is_down(defined: Network, profile: HfcProfile) -> None:
    first = defined.topology.orderers[0]
    assert profile.orderers[0].address == first.address()
    with closing(opened(profile, the_cast()["operator"])) as ledger:
        assert defined.processes.stop(first.name, kill=True)
        try:
            assert ledger.submit("propose_camera", members(**the_cast().camera("gate-down"))).position is not None
        finally:
            defined.up(now_us=now_us())


def test_where_no_orderer_is_there_nothing_was_ordered(profile: HfcProfile) -> None:
    nobody = tuple(OrdererAddress(address=f"127.0.0.1:{port}") for port in (9, 10))
    with closing(opened(profile.model_copy(update={"orderers": nobody}), the_cast()["operator"])) as ledger:
        with pytest.raises(LedgerUnavailable, match="no orderer"):
            ledger.gateway.submit("propose_camera", members(**the_cast().camera("gate-none")), timeout_s=3)
        assert ledger.entries("camera/gate-none/") == []


def test_a_hanging_worker_is_killed_and_the_next_call_has_a_new_one(
    profile: HfcProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sdk.hfc_process.GRACE_S", 0.3)
    with closing(opened(profile, the_cast()["operator"])) as ledger:
        answer = ledger.evaluate("describe", b"{}")
        first = worker_of(ledger)
        os.kill(pid_of(first), signal.SIGSTOP)
        with pytest.raises(LedgerUnavailable):
            ledger.gateway.evaluate("describe", b"{}", timeout_s=0.5)
        assert ledger.evaluate("describe", b"{}") == answer
        assert first.starts == 2


def test_a_commit_is_found_although_the_worker_that_sent_it_is_gone(profile: HfcProfile) -> None:
    with closing(opened(profile, the_cast()["operator"])) as ledger:
        gateway = ledger.gateway
        transaction = gateway.endorse(gateway.propose("propose_camera", members(**the_cast().camera("gate-gone"))))
        asked = gateway.send(transaction)
        os.kill(pid_of(worker_of(ledger)), signal.SIGKILL)
        block = gateway.commit_status(asked)
        assert [each.tx_id for each in ledger._block(block) if each.tx_id == transaction.tx_id]


def test_what_nobody_ordered_stays_unknown(profile: HfcProfile) -> None:
    short = profile.deadlines.model_copy(update={"commit_s": 1.0})
    impatient = opened(profile.model_copy(update={"deadlines": short}), the_cast()["operator"])
    with closing(impatient) as ledger, pytest.raises(CommitUnknown):
        ledger.gateway.commit_status(ledger.gateway.commit_request("ab" * 32))


def test_the_event_hub_begins_anew_where_it_was_broken_off(defined: Network, profile: HfcProfile) -> None:
    with closing(opened(profile, the_cast()["operator"])) as ledger:
        ledger.submit("propose_camera", members(**the_cast().camera("gate-before")))
        assert defined.processes.stop("peer-control-room", kill=True)
        defined.up(now_us=now_us())
        assert ledger.submit("propose_camera", members(**the_cast().camera("gate-after"))).position is not None


def worker_of(ledger: HfcLedger) -> Worker:
    steps = ledger.gateway._gateway._steps
    assert isinstance(steps, HfcSteps)
    return steps.worker


def pid_of(worker: Worker) -> int:
    assert worker.pid is not None
    return worker.pid
