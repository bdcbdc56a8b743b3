"""What operators do to a network that runs: upgrade, renew, back up, restore; transactions go on all the while."""

from __future__ import annotations

import itertools
import json
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from typer.testing import CliRunner

from cli.main import app
from evidence.errors import EndorseFailed, Refused, VeriframeError
from network.bring_up import Network
from network.contract import Contract
from network.heights import wait_until_caught_up
from network.material import issue_node
from network.renewal import renew, restart
from network.status import commit_hash, network_status
from network.topology import SERVICE
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile
from tests.fabric.conftest import now_us
from tests.fabric.stage import profiles_of
from tests.hosts.cast import NOW_US, REASON, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAME = "operations"
DAY_US = 86_400 * 1_000_000
PORTS = (6, 7)  # of each node, beside those of the network's own contract


@pytest.fixture(scope="module")
def contract(fabric_network: Network) -> Iterator[Contract]:
    """A contract of its own, founded, with an operator and an officer."""
    made, cast = Contract(network=fabric_network, name=NAME, ports=PORTS), the_cast()
    try:
        assert made.define()
        made.start()
        for msp, function, argument in (
            ("ControlRoomMSP", "init", cast.genesis.canonical()),
            ("ControlRoomMSP", "register_participant", members(**cast.registration("operator"))),
            ("PoliceMSP", "register_participant", members(**cast.registration("officer"))),
        ):
            admin = ledger(fabric_network, msp)
            submit_once_endorsers_are_known(admin, function, argument)
            admin.close()
        yield made
    finally:
        for peer in fabric_network.topology.peers:
            fabric_network.processes.stop(made.process(peer))
            fabric_network.processes.stop(f"{made.process(peer)}-next")


def submit_once_endorsers_are_known(admin: FabricLedger, function: str, argument: bytes) -> None:
    """Peers tell each other every few seconds what they run."""
    deadline = time.monotonic() + 60
    while True:
        try:
            admin.submit(function, argument)
            return
        except EndorseFailed:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.2)


def ledger(network: Network, who: str) -> FabricLedger:
    cast = the_cast()
    identity = cast.admin(who) if who.endswith("MSP") else cast[who]
    profile: Profile = profiles_of(network)(identity.msp).model_copy(update={"chaincode": NAME})
    return FabricLedger(profile, identity=identity, clock=lambda: NOW_US)


class Traffic:
    """Proposes one camera after the other until it is left; all of them must then stand on the ledger."""

    def __init__(self, network: Network, prefix: str) -> None:
        self._prefix = prefix
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
        try:
            assert self.trouble is None
            keys = {entry.key for entry in self._ledger.entries()}
            wanted = {f"camera/{self._prefix}-{number}/0000000000" for number in range(self.done)}
            assert {key for key in keys if key.startswith(f"camera/{self._prefix}-")} == wanted
        finally:
            self._ledger.close()

    def _run(self) -> None:
        for number in itertools.count():
            if self._left.is_set():
                return
            try:
                self._ledger.submit("propose_camera", members(**the_cast().camera(f"{self._prefix}-{number}")))
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
    network = fabric_network
    peers = {peer.msp: peer for peer in network.topology.peers}
    newer = replace(contract, module="tests.fabric.newer")
    with Traffic(network, "upgrade") as traffic:
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


def test_an_interrupted_move_is_continued(fabric_network: Network, contract: Contract) -> None:
    peer = fabric_network.topology.peer_of("LocalAuthorityMSP")
    contract = replace(contract, module="tests.fabric.newer")
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
    assert len(list((fabric_network.root / "packages" / NAME).glob("local-authority-*"))) == 1
    contract._require_answer(peer)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def shown_status(network: Network) -> tuple[int, Any]:
    """Exit code of `network status`, and what it shows."""
    places = ["--port", str(network.topology.settings.base_port), "--folder", str(network.root)]
    run = CliRunner().invoke(app, ["network", "status", "--json", *places], catch_exceptions=False)
    return run.exit_code, json.loads(run.stdout)


@pytest.mark.usefixtures("contract")
def test_what_ends_soon_is_renewed_while_transactions_go_on(fabric_network: Network) -> None:
    network = fabric_network
    material, ends_in_15_days_us = network.material, now_us() - 350 * DAY_US
    due = [node for node in network.topology.nodes if node.organisation == "police"]  # its orderer and its peer
    for node in due:
        for part in ("signing", "tls"):
            issue_node(material, node, part, ends_in_15_days_us)
    before = {path: certificate(path) for path in network.root.glob("nodes/*/*/certificate.pem")}
    with Traffic(network, "renewal") as traffic:
        assert traffic.goes_on()
        assert renew(network, within_days=30, now_us=now_us()) == [node.name for node in due]
        assert traffic.goes_on(), traffic.trouble
    for path, old in before.items():
        new = certificate(path)
        renewed = path.parts[-3] in {node.name for node in due}
        assert (new.not_valid_after_utc > old.not_valid_after_utc) == renewed
        assert (new.serial_number != old.serial_number) == renewed
        assert (new.public_key(), new.subject) == (old.public_key(), old.subject)
    for node in due:  # and it is the new one that they show
        shown = x509.load_pem_x509_certificate(ssl.get_server_certificate((node.host, node.port(SERVICE))).encode())
        assert shown == certificate(material.node(node) / "tls" / "certificate.pem")
        signing = material.node(node) / "msp" / "signcerts" / "cert.pem"
        assert certificate(signing) == certificate(material.node(node) / "signing" / "certificate.pem")
    status = network_status(network, now_us=now_us())
    assert status.healthy, status
    assert status.certificates[0].days_left > 300
    packages = {each.msp: each.package for each in status.organisations}
    assert packages.pop("PoliceMSP") == "veriframe_2"  # it holds the new TLS certificate
    assert set(packages.values()) == {"veriframe_1"}


@pytest.mark.usefixtures("contract")
def test_a_peer_comes_back_from_a_copy_and_catches_up(fabric_network: Network, tmp_path: Path) -> None:
    network = fabric_network
    peer = network.topology.peer_of("AuditorMSP")
    data = network.data(peer)
    network.processes.stop(peer.name)
    shutil.copytree(data, tmp_path / "copy")
    with Traffic(network, "backup") as traffic:
        assert traffic.goes_on()  # without this peer
    # Somebody changes what the peer holds: its digest differs from then on, and the command says so.
    network.start_node(peer)
    network.wait_for_node(peer)
    settled = network_status(network, now_us=now_us())
    height = settled.organisations[3].height
    assert settled.healthy, settled
    assert height is not None
    digest = commit_hash(network, peer, height - 1)
    network.processes.stop(peer.name)
    blocks = data / "ledgersData" / "chains" / "chains" / network.topology.channel / "blockfile_000000"
    content = blocks.read_bytes()
    assert content.count(digest) == 1
    blocks.write_bytes(content.replace(digest, bytes([digest[0] ^ 1]) + digest[1:]))
    network.start_node(peer)
    network.wait_for_node(peer)
    exit_code, status = shown_status(network)
    assert exit_code == 1
    assert (status["agreed"], status["healthy"]) == (False, False)
    digests = {each["msp"]: each["state_digest"] for each in status["organisations"]}
    assert digests.pop("AuditorMSP") not in digests.values()
    assert len(set(digests.values())) == 1
    # It is stopped, its folder lost, and the copy put in its place.
    network.processes.stop(peer.name)
    shutil.rmtree(data)
    shutil.copytree(tmp_path / "copy", data)
    restart(network, peer)
    assert network_status(network, now_us=now_us()).healthy


def test_status_names_a_peer_that_is_behind(fabric_network: Network, contract: Contract) -> None:
    network = fabric_network
    peer = network.topology.peer_of("AuditorMSP")
    core = network.root / "configuration" / peer.name / "core.yaml"
    cut_off = json.loads(core.read_text())
    cut_off["peer"]["deliveryclient"]["addressOverrides"] = [
        {"from": node.address(), "to": "127.0.0.1:1", "caCertsFile": str(network.material.tls_root(node.organisation))}
        for node in network.topology.orderers
    ]
    network.processes.stop(peer.name)
    core.write_text(json.dumps(cut_off))
    try:
        network.start_node(peer)
        network.wait_for_node(peer)
        with Traffic(network, "behind") as traffic:
            assert traffic.goes_on()
        exit_code, status = shown_status(network)
        assert exit_code == 1
        behind = {each["msp"]: each["behind"] for each in status["organisations"]}
        assert behind.pop("AuditorMSP") >= 2
        assert set(behind.values()) == {0}
        assert status["agreed"]  # as far as it has come
        assert not status["healthy"]
    finally:
        network.processes.stop(peer.name)
        network.up(now_us=now_us())
    wait_until_caught_up(network, peer)
    assert network_status(network, now_us=now_us()).healthy
