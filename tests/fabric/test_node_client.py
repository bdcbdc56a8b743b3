"""Hyperledger's own Node client speaks to our contract, through the double and through real peers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from evidence.canonical import parse_canonical
from network.bring_up import Network
from network.founding import profile_file
from sdk.fabric_profile import Deadlines, Profile, read_profile
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import Identity, create_identity
from tests.fabric.conftest import now_us
from tests.fabric.double.stand import Stand
from tests.fabric.lifecycle import define
from tests.fabric.parties import FOLDER, NodeClient, write_profile
from tests.hosts.cast import NOW_US, PEOPLE, Cast, members, the_cast

CHAINCODE = "nodeclient"
ON_FABRIC = pytest.param(
    "fabric", marks=[pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]
)


@dataclass(frozen=True, slots=True)
class Place:
    """A founded contract, and people who reach it through either client."""

    profile: Profile
    cast: Cast
    folder: Path

    def identity(self, name: str) -> Identity:
        """A person of the cast with a key in a wallet of files."""
        msp, role, places = PEOPLE[name]
        return create_identity(
            self.folder, name, self.cast.authorities[msp], role=role, attributes=places, now_us=NOW_US
        )

    def python(self, who: Identity) -> BlockingGateway:
        return BlockingGateway(self.profile, who, clock=now_us)

    def node(self, name: str) -> NodeClient:
        return NodeClient(write_profile(self.folder / "profile.json", self.profile), self.folder / name)


@pytest.fixture(scope="module", params=[pytest.param("double"), ON_FABRIC])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    cast = the_cast()
    folder = tmp_path_factory.mktemp("wallet")
    if request.param == "double":
        stand = Stand(cast, now_s=lambda: now_us() / 1e6)
        request.addfinalizer(stand.close)
        profile = stand.profile(deadlines=Deadlines())
    else:
        network: Network = request.getfixturevalue("fabric_network")
        define(network, [CHAINCODE])
        profile = read_profile(profile_file(network.root, "control-room")).model_copy(update={"chaincode": CHAINCODE})
    yield Place(profile, cast, folder)


@pytest.fixture(scope="module")
def manager(place: Place) -> Iterator[BlockingGateway]:
    """Our client with the manager's key; the contract is founded and knows manager and operator."""
    people = {name: place.identity(name) for name in ("manager", "operator")}
    with place.python(place.cast.admin()) as gateway:
        gateway.submit("init", place.cast.genesis.canonical())
        for name, who in people.items():
            gateway.submit("register_participant", members(**place.cast.registration(name, key=who.key_id)))
    with place.python(people["manager"]) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def operator(place: Place, manager: BlockingGateway) -> NodeClient:
    return place.node("operator")


@pytest.mark.needs("node")
def test_a_camera_is_proposed_there_approved_here_and_read_there(
    place: Place, manager: BlockingGateway, operator: NodeClient
) -> None:
    done = operator.submit("propose_camera", **place.cast.camera("node-1"))
    assert (done["successful"], done["status"], done["code"]) == (True, "VALID", 0)
    # Our client is told the same about this transaction.
    assert manager.commit_status(manager.commit_request(done["tx_id"])) == done["block"]
    assert json.loads(operator.evaluate("get_camera", camera="node-1")["result"])["status"] == "PROPOSED"
    manager.submit("approve_camera", members(camera="node-1"))
    read = operator.evaluate("get_camera", camera="node-1")["result"]
    assert json.loads(read)["status"] == "ACTIVE"
    assert read.encode() == manager.evaluate("get_camera", members(camera="node-1"))


@pytest.mark.needs("node")
def test_a_refusal_arrives_with_the_contracts_own_words(operator: NodeClient) -> None:
    asked = operator.evaluate("approve_camera", camera="node-1")
    assert (asked["error"], asked["grpc"]) == ("GatewayError", 2)
    sent = operator.submit("approve_camera", camera="node-1")
    assert (sent["error"], sent["grpc"]) == ("EndorseError", 10)
    assert {each["msp"] for each in sent["details"]} <= {"ControlRoomMSP", "PoliceMSP", "AuditorMSP"}
    assert sent["details"]
    for found in (asked, sent):
        refusal = found["refusal"]
        assert (refusal["status"], refusal["code"], refusal["where"]) == (403, "denied", "approve_camera")
        assert "CRM" in refusal["detail"] + refusal["next_step"]
    unknown = operator.evaluate("no_such_function")["refusal"]
    assert (unknown["status"], unknown["code"]) == (400, "invalid")


@pytest.mark.needs("node")
def test_a_transaction_that_is_void_is_told_to_be_void(place: Place, operator: NodeClient) -> None:
    alone = place.profile.model_copy(update={"endorsing_organisations": ("ControlRoomMSP",)})
    client = NodeClient(write_profile(place.folder / "alone.json", alone), operator.identity)
    done = client.submit("propose_camera", **place.cast.camera("node-void"))
    assert (done["successful"], done["status"], done["code"]) == (False, "ENDORSEMENT_POLICY_FAILURE", 10)
    assert operator.evaluate("get_camera", camera="node-void")["refusal"]["status"] == 404


@pytest.mark.needs("node")
def test_events_arrive_there_as_they_were_emitted(place: Place, manager: BlockingGateway, operator: NodeClient) -> None:
    sent = [operator.submit("propose_camera", **place.cast.camera(f"node-event-{number}")) for number in range(2)]
    for found, done in zip(operator.events(sent[0]["block"], 2), sent, strict=True):
        assert (found["name"], found["tx_id"], found["block"]) == ("propose_camera", done["tx_id"], done["block"])
        payload = parse_canonical(found["payload"].encode(), "event")
        assert payload["tx_id"] == done["tx_id"]
        stream = manager.events()
        ours = next(event for event in stream if event.tx_id == done["tx_id"])
        stream.close()  # type: ignore[attr-defined]  # a generator
        assert ours.payload.decode() == found["payload"]


# The lock, on machines without Node as well.


def test_the_lock_pins_every_package_by_digest_and_names_no_host() -> None:
    text = (FOLDER / "package-lock.json").read_text(encoding="utf-8")
    assert re.findall(r"https?:|resolved|[a-z0-9]\.(?:com|org|net|io|dev)/", text) == []
    packages = json.loads(text)["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name, version in wanted.items():
        assert re.fullmatch(r"\d+\.\d+\.\d+", version)
        assert packages[f"node_modules/{name}"]["version"] == version
    for name, entry in packages.items():
        if name:
            assert entry["integrity"].startswith("sha512-"), name
