"""Fabric's own command line asks and submits to our contract: answer, refusal, commit, and a commit that is void."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from evidence.errors import LedgerUnavailable
from network.bring_up import Network
from network.founding import profile_file
from network.topology import SERVICE
from sdk.fabric_profile import read_profile
from sdk.gateway_blocking import BlockingGateway
from tests.fabric.conftest import now_us
from tests.fabric.lifecycle import define
from tests.hosts.cast import members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

CHAINCODE = "peercommand"
PERSON = "operator-1"


@dataclass(frozen=True, slots=True)
class PeerCommand:
    """`peer chaincode` at the control room's peer, as an operator with a key in a folder."""

    network: Network

    def query(self, function: str, argument: bytes) -> str:
        return self._run("query", function, argument)

    def invoke(self, function: str, argument: bytes, *msps: str) -> None:
        """Endorsed by these organisations; comes back when their peers have committed it."""
        own = self.network.topology.peer_of("ControlRoomMSP")
        endorsers = []
        for msp in msps:
            peer = self.network.topology.peer_of(msp)
            endorsers += ["--peerAddresses", peer.address(SERVICE)]
            endorsers += ["--tlsRootCertFiles", str(self.network.material.tls_root(peer.organisation))]
        self._run("invoke", function, argument, *self.network.orderer_arguments(own), *endorsers, "--waitForEvent")

    def _run(self, verb: str, function: str, argument: bytes, *more: str) -> str:
        call = json.dumps({"Args": [function, argument.decode()]})
        place = ["-C", self.network.topology.channel, "-n", CHAINCODE, "-c", call]
        own = self.network.topology.peer_of("ControlRoomMSP")
        return self.network.peer(own, ["chaincode", verb, *place, *more], as_person=PERSON)


@pytest.fixture(scope="module")
def ours(fabric_network: Network) -> Iterator[BlockingGateway]:
    """Our client for the ADMIN; the contract is founded and knows the operator."""
    cast = the_cast()
    define(fabric_network, [CHAINCODE])
    profile = read_profile(profile_file(fabric_network.root, "control-room"))
    with BlockingGateway(profile.model_copy(update={"chaincode": CHAINCODE}), cast.admin(), clock=now_us) as gateway:
        gateway.submit("init", cast.genesis.canonical())
        key = fabric_network.material.identity(PERSON).key_id
        gateway.submit("register_participant", members(**cast.registration("operator", key=key)))
        yield gateway


@pytest.fixture(scope="module")
def peer(fabric_network: Network, ours: BlockingGateway) -> PeerCommand:
    return PeerCommand(fabric_network)


def test_a_question_is_answered(peer: PeerCommand, ours: BlockingGateway) -> None:
    assert peer.query("describe", b"{}").strip().encode() == ours.evaluate("describe", b"{}")


def test_a_transaction_is_committed(peer: PeerCommand, ours: BlockingGateway) -> None:
    camera = the_cast().camera("command-1")
    peer.invoke("propose_camera", members(**camera), "ControlRoomMSP", "AuditorMSP")
    found = peer.query("get_camera", members(camera="command-1")).strip()
    assert json.loads(found)["status"] == "PROPOSED"
    stream = ours.events()
    event = next(each for each in stream if each.name == "propose_camera")
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert json.loads(event.payload)["tx_id"] == event.tx_id


def test_a_refusal_is_told_in_the_contracts_words(peer: PeerCommand) -> None:
    for ask in (peer.query, lambda *call: peer.invoke(*call, "ControlRoomMSP", "PoliceMSP")):
        with pytest.raises(LedgerUnavailable, match="status:403") as caught:
            ask("approve_camera", members(camera="command-1"))
        message = str(caught.value).partition(" message:")[2]
        refusal = json.loads(json.loads(message.rpartition('"')[0] + '"'))
        assert (refusal["code"], refusal["where"]) == ("denied", "approve_camera")
        assert "CRM" in refusal["detail"] + refusal["next_step"]


def test_one_organisation_alone_commits_nothing(peer: PeerCommand) -> None:
    with pytest.raises(LedgerUnavailable, match="ENDORSEMENT_POLICY_FAILURE"):
        peer.invoke("propose_camera", members(**the_cast().camera("command-2")), "ControlRoomMSP")
    with pytest.raises(LedgerUnavailable, match="status:404"):
        peer.query("get_camera", members(camera="command-2"))
