"""Fabric's own command line asks and submits to our contract, on the double and on real peers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from network.bring_up import Network
from network.founding import profile_file
from network.material import make_material
from network.topology import SERVICE
from sdk.fabric_profile import Deadlines, read_profile
from sdk.gateway_blocking import BlockingGateway
from tests.fabric.conftest import network_of_the_cast, now_us
from tests.fabric.double.node import DoubleNode
from tests.fabric.double.stand import Stand
from tests.fabric.lifecycle import define
from tests.hosts.cast import members, the_cast

pytestmark = pytest.mark.needs("fabric")

CHAINCODE = "peercommand"
PERSON = "operator-1"
OWN = "ControlRoomMSP"
ENDORSERS = (OWN, "PoliceMSP", "AuditorMSP")
COMMAND_S = 60


class Failed(Exception):
    """What `peer` said when it ended with an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCommand:
    """`peer chaincode` of an operator with a key in a folder.

    Args:
        orderer: arguments that name the orderer.
        endorsers: arguments that name each organisation's peer.
        ours: our client for the ADMIN, on the same channel.
    """

    program: Path
    environment: Mapping[str, str]
    place: tuple[str, ...]
    orderer: tuple[str, ...]
    endorsers: Mapping[str, tuple[str, ...]]
    ours: BlockingGateway

    def query(self, function: str, argument: bytes) -> str:
        return self._run("query", function, argument)[0].strip()

    def invoke(self, function: str, argument: bytes, *msps: str) -> str:
        """Endorsed by these organisations; comes back when their peers have committed it. Gives the answer."""
        peers = [each for msp in msps for each in self.endorsers[msp]]
        told = self._run("invoke", function, argument, *self.orderer, *peers, "--waitForEvent")[1]
        found = re.search(r'Chaincode invoke successful\. result: status:200\s+payload:("(?:[^"\\]|\\.)*")', told)
        assert found is not None, told
        return str(json.loads(found[1]))

    def _run(self, verb: str, function: str, argument: bytes, *more: str) -> tuple[str, str]:
        call = json.dumps({"Args": [function, argument.decode()]})
        done = subprocess.run(
            [str(self.program), "chaincode", verb, *self.place, "-c", call, *more],
            env={
                **self.environment,
                "PATH": os.environ.get("PATH", ""),
                "FABRIC_LOGGING_SPEC": "chaincodeCmd=info:error",
            },
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(done.stderr)
        return done.stdout, done.stderr


def environment(network: Network) -> dict[str, str]:
    """Who asks, and with which settings."""
    peer = network.topology.peer_of(OWN)
    return {
        "FABRIC_CFG_PATH": str(network.root / "configuration" / peer.name),
        "CORE_PEER_LOCALMSPID": OWN,
        "CORE_PEER_MSPCONFIGPATH": str(network.material.person_msp(PERSON)),
    }


def found(network: Network, ours: BlockingGateway) -> None:
    ours.submit("init", the_cast().genesis.canonical())
    key = network.material.identity(PERSON).key_id
    ours.submit("register_participant", members(**the_cast().registration("operator", key=key)))


@pytest.fixture(scope="module")
def on_the_double(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PeerCommand]:
    cast, network = the_cast(), network_of_the_cast(tmp_path_factory.mktemp("not-up"))
    make_material(network.topology, network.root, now_us=now_us())
    network._configure()
    stand = Stand(cast, now_s=lambda: now_us() / 1e6)
    nodes = {msp: DoubleNode(stand.ledger, *stand.peers[msp], now_s=lambda: now_us() / 1e6) for msp in ENDORSERS}
    try:
        with BlockingGateway(stand.profile(deadlines=Deadlines()), cast.admin(), clock=now_us) as ours:
            found(network, ours)
            yield PeerCommand(
                program=network.programs["peer"],
                environment={
                    **environment(network),
                    "CORE_PEER_ADDRESS": nodes[OWN].address,
                    "CORE_PEER_TLS_ENABLED": "false",
                },
                place=("-C", "evidence", "-n", "veriframe"),
                orderer=("-o", nodes[OWN].address),
                endorsers={msp: ("--peerAddresses", node.address) for msp, node in nodes.items()},
                ours=ours,
            )
    finally:
        for node in nodes.values():
            node.close()
        stand.close()


@pytest.fixture(scope="module")
def on_fabric(fabric_network: Network) -> Iterator[PeerCommand]:
    cast, material = the_cast(), fabric_network.material
    define(fabric_network, [CHAINCODE])
    peers = {msp: fabric_network.topology.peer_of(msp) for msp in ENDORSERS}
    tls = material.node(peers[OWN]) / "tls"
    profile = read_profile(profile_file(fabric_network.root, "control-room"))
    with BlockingGateway(profile.model_copy(update={"chaincode": CHAINCODE}), cast.admin(), clock=now_us) as ours:
        found(fabric_network, ours)
        yield PeerCommand(
            program=fabric_network.programs["peer"],
            environment={
                **environment(fabric_network),
                "CORE_PEER_ADDRESS": peers[OWN].address(SERVICE),
                "CORE_PEER_TLS_ENABLED": "true",
                "CORE_PEER_TLS_ROOTCERT_FILE": str(material.tls_root(peers[OWN].organisation)),
                "CORE_PEER_TLS_CLIENTAUTHREQUIRED": "true",
                "CORE_PEER_TLS_CLIENTCERT_FILE": str(tls / "certificate.pem"),
                "CORE_PEER_TLS_CLIENTKEY_FILE": str(tls / "key.pem"),
            },
            place=("-C", fabric_network.topology.channel, "-n", CHAINCODE),
            orderer=tuple(fabric_network.orderer_arguments(peers[OWN])),
            endorsers={
                msp: (
                    *("--peerAddresses", peer.address(SERVICE)),
                    *("--tlsRootCertFiles", str(material.tls_root(peer.organisation))),
                )
                for msp, peer in peers.items()
            },
            ours=ours,
        )


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("on_the_double"),
        pytest.param("on_fabric", marks=[pytest.mark.slow, pytest.mark.xdist_group("fabric")]),
    ],
)
def peer(request: pytest.FixtureRequest) -> PeerCommand:
    command: PeerCommand = request.getfixturevalue(request.param)
    return command


def test_a_question_is_answered(peer: PeerCommand) -> None:
    assert peer.query("describe", b"{}").encode() == peer.ours.evaluate("describe", b"{}")


def test_a_transaction_is_answered_and_committed(peer: PeerCommand) -> None:
    answer = peer.invoke("propose_camera", members(**the_cast().camera("command-1")), OWN, "AuditorMSP")
    assert json.loads(answer) == {"camera": "command-1"}
    assert json.loads(peer.query("get_camera", members(camera="command-1")))["status"] == "PROPOSED"
    stream = peer.ours.events()
    event = next(each for each in stream if each.name == "propose_camera")
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert json.loads(event.payload)["tx_id"] == event.tx_id


def test_a_refusal_is_told_in_the_contracts_words(peer: PeerCommand) -> None:
    for ask in (peer.query, lambda *call: peer.invoke(*call, OWN, "PoliceMSP")):
        with pytest.raises(Failed, match="status:403") as caught:
            ask("approve_camera", members(camera="command-1"))
        message = re.search(r'message:("(?:[^"\\]|\\.)*")', str(caught.value))
        assert message is not None
        refusal = json.loads(json.loads(message[1]))
        assert (refusal["code"], refusal["where"]) == ("denied", "approve_camera")
        assert "CRM" in refusal["detail"] + refusal["next_step"]


def test_one_organisation_alone_commits_nothing(peer: PeerCommand) -> None:
    with pytest.raises(Failed, match="ENDORSEMENT_POLICY_FAILURE"):
        peer.invoke("propose_camera", members(**the_cast().camera("command-2")), OWN)
    with pytest.raises(Failed, match="status:404"):
        peer.query("get_camera", members(camera="command-2"))
