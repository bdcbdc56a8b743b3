"""Peers, orderers and contract processes that die while clients submit: nothing acknowledged is lost or doubled."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from evidence.errors import LedgerUnavailable
from network.bring_up import Network
from network.founding import profile_file
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile, read_profile
from sdk.gateway_blocking import BlockingGateway
from tests.fabric.conftest import now_us
from tests.fabric.lifecycle import define
from tests.hosts.cast import NOW_US, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAME = "faults"


@pytest.fixture(scope="module")
def profile(fabric_network: Network) -> Profile:
    define(fabric_network, [NAME])
    found = read_profile(profile_file(fabric_network.root, "control-room")).model_copy(update={"chaincode": NAME})
    cast = the_cast()
    with BlockingGateway(found, cast.admin(), clock=lambda: NOW_US) as admin:
        admin.submit("init", cast.genesis.canonical())
        admin.submit("register_participant", members(**cast.registration("operator")))
    return found


@pytest.fixture
def mended(fabric_network: Network) -> Iterator[None]:
    yield
    fabric_network.up(now_us=now_us())


def submitted_while(profile: Profile, prefix: str, disturb: Callable[[], None]) -> None:
    """Submit one after the other, disturb in between; then every one stands on the ledger exactly once."""
    ledger = FabricLedger(profile, identity=the_cast()["operator"], clock=lambda: NOW_US)
    acknowledged = []
    try:
        for number in range(12):
            if number == 3:
                worker = threading.Thread(target=disturb)
                worker.start()
            name = f"{prefix}-{number}"
            assert ledger.submit("propose_camera", members(**the_cast().camera(name))).position is not None
            acknowledged.append(name)
        worker.join()
        written = [
            write.key
            for _, transaction in ledger.transactions()
            for write in transaction.writes
            if write.chaincode == NAME and write.key.startswith(f"camera/{prefix}-")
        ]
        assert sorted(written) == sorted(f"camera/{name}/0000000000" for name in acknowledged)
    finally:
        ledger.close()


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("victim", ["peer-police", "chaincode-police"])
def test_one_of_two_other_organisations_is_enough(fabric_network: Network, profile: Profile, victim: str) -> None:
    submitted_while(profile, victim, lambda: _kill(fabric_network, victim))


@pytest.mark.usefixtures("mended")
@pytest.mark.parametrize("victim", ["orderer-control-room", "orderer-police", "orderer-auditor"])
def test_any_one_orderer_may_die(fabric_network: Network, profile: Profile, victim: str) -> None:
    # One of the three is the leader: then the rest elect another one first.
    submitted_while(profile, victim, lambda: _kill(fabric_network, victim))


@pytest.mark.usefixtures("mended")
def test_submissions_wait_for_the_own_contract_process(fabric_network: Network, profile: Profile) -> None:
    def disturb() -> None:
        _kill(fabric_network, "chaincode-control-room")
        time.sleep(2)
        fabric_network.start_chaincode()

    submitted_while(profile, "own-chaincode", disturb)


@pytest.mark.usefixtures("mended")
def test_where_the_own_contract_process_stays_away_that_is_an_outage_and_no_refusal(
    fabric_network: Network, profile: Profile
) -> None:
    _kill(fabric_network, "chaincode-control-room")
    with BlockingGateway(profile, the_cast()["operator"], clock=lambda: NOW_US) as operator:
        assert operator.evaluate("describe", b"{}")  # another organisation's answers
        with pytest.raises(LedgerUnavailable):
            operator.evaluate("describe", b"{}", organisations=["ControlRoomMSP"], timeout_s=4)
        with pytest.raises(LedgerUnavailable):
            operator.submit("propose_camera", members(**the_cast().camera("away")), timeout_s=4)


def _kill(network: Network, name: str) -> None:
    assert network.processes.stop(name, kill=True)
