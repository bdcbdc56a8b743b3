"""One organisation alone, with a contract altered to its liking, commits nothing."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.errors import EndorseFailed, VeriframeError
from network.bring_up import Network
from network.founding import profile_file
from network.topology import CHAINCODE
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile, read_profile
from tests.fabric.lifecycle import define
from tests.hosts.cast import NOW_US, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "endorsement"


@pytest.fixture(scope="module")
def profile(fabric_network: Network) -> Profile:
    define(fabric_network, [NAME])
    found = read_profile(profile_file(fabric_network.root, "control-room"))
    return found.model_copy(update={"chaincode": NAME})


@pytest.fixture
def altered(fabric_network: Network, profile: Profile) -> Iterator[None]:
    """ControlRoom's chaincode process is the altered one; the honest one comes back at the end."""
    peer = fabric_network.topology.peer_of("ControlRoomMSP")
    name = f"chaincode-{peer.organisation}"
    tls = fabric_network.material.node(peer) / "tls"
    fabric_network.processes.stop(name)
    fabric_network.processes.start(
        name,
        [
            *(sys.executable, "-m", "tests.fabric.altered", "--address", peer.address(CHAINCODE)),
            *("--package-id", fabric_network.package(peer).id, "--certificate", str(tls / "certificate.pem")),
            *("--key", str(tls / "key.pem"), "--client-root", str(fabric_network.material.tls_root(peer.organisation))),
        ],
        {**os.environ, "PYTHONPATH": str(REPOSITORY)},
        REPOSITORY,
    )
    fabric_network.wait_for_port(name, peer.host, peer.port(CHAINCODE))
    try:
        yield
    finally:
        fabric_network.processes.stop(name)
        fabric_network.start_chaincode()


@pytest.mark.usefixtures("altered")
def test_an_altered_contract_of_one_organisation_commits_nothing(profile: Profile) -> None:
    cast = the_cast()
    ledger = FabricLedger(profile, identity=cast["manager"], clock=lambda: NOW_US)
    try:
        # The altered contract does answer: what follows is stopped by the other organisations and by nothing else.
        alone = ledger.gateway.endorse(ledger.gateway.propose("anything", members(), organisations=["ControlRoomMSP"]))
        assert alone.writes
        with pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
            ledger.gateway.commit_status(ledger.gateway.send(alone))
        with pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
            ledger.gateway.submit("anything", members(), organisations=["ControlRoomMSP"])
        for organisations in ([], ["ControlRoomMSP", "PoliceMSP"], ["ControlRoomMSP", "AuditorMSP"]):
            with pytest.raises(VeriframeError):
                ledger.gateway.submit("anything", members(), organisations=organisations, timeout_s=5)
        assert ledger.entries() == []
    finally:
        ledger.close()


def test_with_honest_contracts_the_same_ledger_takes_its_founding(profile: Profile) -> None:
    cast = the_cast()
    ledger = FabricLedger(profile, identity=cast.admin(), clock=lambda: NOW_US)
    try:
        assert ledger.submit("init", cast.genesis.canonical()).position is not None
        assert {entry.key.split("/")[0] for entry in ledger.entries()} >= {"genesis", "participant"}
    finally:
        ledger.close()
