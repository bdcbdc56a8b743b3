"""The contract is upgraded by one organisation after the other, and transactions go on all the while."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from evidence.errors import Refused, VeriframeError
from network.bring_up import Network
from network.contract import Contract
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile
from tests.fabric.stage import profiles_of
from tests.hosts.cast import NOW_US, REASON, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAME = "upgrade"
PORTS = (6, 7)  # of each node, beside those of the network's own contract


@pytest.fixture
def contract(fabric_network: Network) -> Iterator[Contract]:
    """A contract of its own, founded, with an operator and an officer."""
    made = Contract(network=fabric_network, name=NAME, ports=PORTS)
    assert made.define()
    made.start()
    try:
        yield made
    finally:
        for peer in fabric_network.topology.peers:
            fabric_network.processes.stop(made.process(peer))
            fabric_network.processes.stop(f"{made.process(peer)}-next")


def ledger(network: Network, who: str) -> FabricLedger:
    cast = the_cast()
    identity = cast.admin(who) if who.endswith("MSP") else cast[who]
    profile: Profile = profiles_of(network)(identity.msp).model_copy(update={"chaincode": NAME})
    return FabricLedger(profile, identity=identity, clock=lambda: NOW_US)


class Traffic:
    """Proposes one camera after the other until it is left."""

    def __init__(self, network: Network) -> None:
        self._ledger = ledger(network, "operator")
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.done = 0
        self.trouble: VeriframeError | None = None

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._left.set()
        self._thread.join()
        self._ledger.close()

    def _run(self) -> None:
        for number in itertools.count():
            if self._left.is_set():
                return
            try:
                self._ledger.submit("propose_camera", members(**the_cast().camera(f"camera-{number}")))
            except VeriframeError as error:
                self.trouble = error
                return
            self.done += 1

    def goes_on(self) -> bool:
        """Tell whether two more are committed from now on."""
        target = self.done + 2
        while self.done < target and self.trouble is None and self._thread.is_alive():
            self._left.wait(0.02)
        return self.trouble is None


def receive(network: Network, exhibit: str, organisations: list[str]) -> bytes:
    """The officer's exhibit, endorsed by exactly these organisations."""
    officer = ledger(network, "officer")
    try:
        argument = members(exhibit=exhibit, footage=REASON, copy="master")
        result = officer.gateway.submit("receive_exhibit", argument, organisations=organisations).result
        assert result is not None
        return result
    finally:
        officer.close()


def activate(network: Network, msp: str) -> bytes | None:
    admin = ledger(network, msp)
    try:
        return admin.submit("activate_rules", members(version=2)).result
    finally:
        admin.close()


def test_one_organisation_after_the_other_moves_to_a_newer_contract(
    fabric_network: Network, contract: Contract
) -> None:
    network, cast = fabric_network, the_cast()
    peers = {peer.msp: peer for peer in network.topology.peers}
    for msp, function, argument in (
        ("ControlRoomMSP", "init", cast.genesis.canonical()),
        ("ControlRoomMSP", "register_participant", members(**cast.registration("operator"))),
        ("PoliceMSP", "register_participant", members(**cast.registration("officer"))),
    ):
        admin = ledger(network, msp)
        admin.submit(function, argument)
        admin.close()
    newer = replace(contract, module="tests.fabric.newer")
    with Traffic(network) as traffic:
        assert traffic.goes_on()
        # Mixed: one organisation runs the newer contract, the others do not, and what they endorse agrees.
        newer.replace(peers["ControlRoomMSP"])
        assert traffic.goes_on(), traffic.trouble
        assert receive(network, "mixed", ["ControlRoomMSP", "PoliceMSP"]) == members(exhibit="mixed")
        newer.replace(peers["PoliceMSP"])
        newer.replace(peers["AuditorMSP"])
        assert traffic.goes_on(), traffic.trouble
        assert receive(network, "before", ["ControlRoomMSP", "PoliceMSP"]) == members(exhibit="before")
        # Installed everywhere that endorses, the newer rules count only from the second ADMIN's word on.
        assert b'"executed":false' in (activate(network, "ControlRoomMSP") or b"")
        assert receive(network, "waiting", ["ControlRoomMSP", "PoliceMSP"]) == members(exhibit="waiting")
        assert b'"executed":true' in (activate(network, "PoliceMSP") or b"")
        assert receive(network, "after", ["ControlRoomMSP", "AuditorMSP"]) == members(exhibit="after", rules=2)
        assert traffic.goes_on(), traffic.trouble
        # Whoever stayed behind endorses nothing any more, and says why.
        with pytest.raises(Refused, match="version 2 of the rules is in force, and this contract knows version 1"):
            receive(network, "behind", ["LocalAuthorityMSP"])
        newer.replace(peers["LocalAuthorityMSP"])
        assert contract.sequence() == 1
        assert newer.advance()
        assert contract.sequence() == 2
        assert traffic.goes_on(), traffic.trouble
    assert traffic.trouble is None
    reader = ledger(network, "operator")
    try:
        cameras = {entry.key for entry in reader.entries() if entry.key.startswith("camera/")}
    finally:
        reader.close()
    assert cameras == {f"camera/camera-{number}/0000000000" for number in range(traffic.done)}


def test_an_interrupted_move_is_continued(fabric_network: Network, contract: Contract) -> None:
    peer = fabric_network.topology.peer_of("AuditorMSP")
    first = contract.package(peer)
    processes, name = fabric_network.processes, contract.process(peer)
    # As a crash leaves it: the next package is made and its process runs, but nothing is approved.
    number = int(first.label.rpartition("_")[2]) + 1
    following = contract._make(peer, number)
    contract._start(peer, following, f"{name}-next")
    assert contract.package(peer).id == first.id
    assert contract.replace(peer) == following.id
    assert contract.package(peer).id == following.id
    assert processes.running(f"{name}-next") is None
    # The machine went down: what starts again is the package that the channel names.
    contract._make(peer, number + 1)
    processes.stop(name)
    contract.start()
    assert contract.package(peer).id == following.id
    assert len(list((fabric_network.root / "packages" / NAME).glob("auditor-*"))) == 1
    contract._require_answer(peer)
