"""A chaincode of a network: each organisation's package and process, and the definition that they share.

An organisation moves to another package by itself: it runs a second process beside the first, approves the definition
in force with the new package, from which moment its peer asks the new process, and ends the old one. Which package is
in use stands on the channel; `packages/` holds the packages themselves, and more than one of an organisation only where
such a move was interrupted.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evidence.errors import LedgerUnavailable
from network.package import Package, make_package
from network.services import Service, contract_service
from network.topology import CHAINCODE, NEXT_CHAINCODE, SERVICE, Node

if TYPE_CHECKING:
    from network.bring_up import Network

CHECKOUT = Path(__file__).resolve().parent.parent
LIFECYCLE = ("lifecycle", "chaincode")
ORDER_S = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One chaincode.

    Args:
        module: that its processes run.
        ports: of a node, that its packages use in turn: while one replaces the other, both processes run.
    """

    network: Network
    name: str
    module: str = "chaincode.fabric"
    ports: tuple[int, int] = (CHAINCODE, NEXT_CHAINCODE)

    # -- packages ------------------------------------------------------------------------------------------------

    def package(self, peer: Node) -> Package:
        """The package that the organisation uses; made where there is none yet."""
        found = self._releases(peer)
        if not found:
            return self._make(peer, 1)
        if len(found) > 1:
            approved = self._approved(peer)
            for package in found.values():
                if package.id == approved:
                    return package
        return found[min(found)]

    def _releases(self, peer: Node) -> dict[int, Package]:
        found = {}
        for path in self._folder.glob(f"{peer.organisation}-*.tar.gz"):
            number = path.name.removesuffix(".tar.gz").rpartition("-")[2]
            # A name may continue another one: `police-north-1` is no package of `police`.
            if path.name == f"{peer.organisation}-{number}.tar.gz" and number.isdecimal():
                found[int(number)] = Package(label=self._label(int(number)), data=path.read_bytes())
        return found

    def _forget_others(self, peer: Node, package: Package) -> None:
        for number in self._releases(peer):
            if number != self._number(package):
                self._path(peer, number).unlink()

    def _make(self, peer: Node, number: int) -> Package:
        material = self.network.material
        tls = material.node(peer) / "tls"
        package = make_package(
            self._label(number),
            address=f"{peer.contract_host}:{peer.port(self._port(number))}",
            root_pem=material.tls_root(peer.organisation).read_text(encoding="ascii"),
            client_pem=(tls / "certificate.pem").read_text(encoding="ascii"),
            client_key_pem=(tls / "key.pem").read_text(encoding="ascii"),
        )
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = self._path(peer, number).with_suffix(".new")
        draft.touch(0o600)  # it holds the peer's client key
        draft.write_bytes(package.data)
        draft.rename(self._path(peer, number))
        return package

    @property
    def _folder(self) -> Path:
        return self.network.root / "packages" / self.name

    def _path(self, peer: Node, number: int) -> Path:
        return self._folder / f"{peer.organisation}-{number}.tar.gz"

    def _label(self, number: int) -> str:
        return f"{self.name}_{number}"

    def _number(self, package: Package) -> int:
        return int(package.label.rpartition("_")[2])

    def _port(self, number: int) -> int:
        return self.ports[(number - 1) % 2]

    # -- processes -----------------------------------------------------------------------------------------------

    def process(self, peer: Node) -> str:
        """Name of the organisation's process."""
        infix = "" if self.name == self.network.topology.chaincode else f"{self.name}-"
        return f"chaincode-{infix}{peer.organisation}"

    def service(self, peer: Node, package: Package) -> Service:
        network = self.network
        genesis = network.genesis if network.founded else None
        return contract_service(
            network.root,
            peer,
            package_id=package.id,
            genesis=genesis.digest.hex() if genesis else None,
            checkout=str(CHECKOUT),
            slot=self._port(self._number(package)),
            name=self.process(peer),
        )

    def start(self) -> None:
        """Start the processes that do not run, and wait until all listen."""
        processes, waiting = self.network.processes, []
        for peer in self.network.own_peers:
            name = self.process(peer)
            if processes.running(name) is None:
                processes.stop(f"{name}-next")  # what an interrupted move left: the package in use may be this one's
                package = self.package(peer)
                waiting.append((self._start(peer, package, name), name))
                self._forget_others(peer, package)
        for service, name in waiting:
            self._wait(service, name)

    def _start(self, peer: Node, package: Package, name: str) -> Service:
        service = self.service(peer, package)
        if not self.network.elsewhere:
            self.network.require_free_port(name, service.host, service.ports["contract"])
            self.network.processes.start(
                name,
                [*self.network.enter.get(peer.host, ()), sys.executable, "-m", self.module, *service.arguments],
                {**os.environ, **service.environment},
                self.network.root,
            )
        return service

    def runs(self, peer: Node) -> bool:
        port = peer.port(self._port(self._number(self.package(peer))))
        return self.network.runs(self.process(peer), peer, peer.contract_host, port)

    def _wait(self, service: Service, name: str) -> None:
        self.network.wait_for_port(name, service.host, service.ports["contract"])

    # -- definition ----------------------------------------------------------------------------------------------

    def define(self) -> bool:
        """Install, approve and commit whatever of it is missing; returns whether the definition is committed.

        Only the own organisations approve. Until a majority of all has, nothing is committed; whoever approves later
        endorses from then on.
        """
        for peer in self.network.own_peers:
            self._install(peer, self.package(peer))
        sequence = self.sequence()
        if sequence is None:
            return self._advance(1)
        lost = [peer for peer in self.network.own_peers if not self._approve_late(peer, sequence)]
        return not lost or self._advance(sequence + 1)

    def _approve_late(self, peer: Node, sequence: int) -> bool:
        """Approve the definition in force unless that was done; False where only the next one can be approved.

        Approvals are private to an organisation's peers: where the only one lost its folder, it knows that it approved
        and not what, and refuses to do so again.
        """
        if self._approved(peer) is not None:
            return True
        try:
            self._approve(peer, self.package(peer), sequence)
        except LedgerUnavailable as error:
            if "is not available" not in error.detail:
                raise
            return False
        return True

    def advance(self) -> bool:
        """Approve the definition after the one in force; returns whether it was committed."""
        return self._advance((self.sequence() or 0) + 1)

    def replace(self, peer: Node) -> str:
        """Move an organisation to a new package and a new process, without a moment in which none answers.

        A crash leaves two processes and two packages; the next call goes on with them.

        Returns: the new package's id. Raises: LedgerUnavailable, with the old process still in use.
        """
        self.network.require_own_processes()
        processes, name = self.network.processes, self.process(peer)
        found = self._releases(peer)
        old = self.package(peer)
        package = found[max(found)] if len(found) > 1 else self._make(peer, self._number(old) + 1)
        following = f"{name}-next"
        self._install(peer, package)
        service = self._start(peer, package, following)
        self._wait(service, following)
        sequence = self.sequence()
        if sequence is None:
            raise LedgerUnavailable(f"{self.name} is not defined on the channel yet", next_step="veriframe network up")
        if self._approved(peer) != package.id:
            self._approve(peer, package, sequence)
        self._require_answer(peer)
        processes.stop(name)  # running transactions end first
        processes.rename(following, name)
        self._forget_others(peer, package)
        return package.id

    def sequence(self) -> int | None:
        """Sequence of the definition in force, None where none is."""
        try:
            text = self._ask(self.network.own_peers[0], "querycommitted")
        except LedgerUnavailable as error:
            if "is not defined" in error.detail:
                return None
            raise
        return int(json.loads(text)["sequence"])

    def _advance(self, sequence: int) -> bool:
        network, first = self.network, self.network.own_peers[0]
        ready = self._readiness(sequence)
        for peer in network.own_peers:
            if not ready.get(peer.msp, False):
                self._approve(peer, self.package(peer), sequence)
        ready = self._readiness(sequence)
        if 2 * sum(ready.values()) <= len(ready):
            return False
        endorsers: list[str] = []
        for peer in network.topology.peers:
            if not ready.get(peer.msp, False):
                continue
            endorsers += ["--peerAddresses", peer.address(SERVICE)]
            endorsers += ["--tlsRootCertFiles", str(network.material.tls_root(peer.organisation))]
        commit = [*LIFECYCLE, "commit", *network.orderer_arguments(first), *self._definition(sequence), *endorsers]
        self._order(first, commit, lambda: self.sequence() == sequence)
        return True

    def _install(self, peer: Node, package: Package) -> None:
        if package.id not in self.network.peer(peer, [*LIFECYCLE, "queryinstalled", "-O", "json"]):
            self.network.peer(peer, [*LIFECYCLE, "install", str(self._path(peer, self._number(package)))])

    def _approve(self, peer: Node, package: Package, sequence: int) -> None:
        arguments = [
            *(*LIFECYCLE, "approveformyorg", *self.network.orderer_arguments(peer), *self._definition(sequence)),
            *("--package-id", package.id),
        ]
        self._order(peer, arguments, lambda: self._approved(peer, sequence) == package.id)

    def _order(self, peer: Node, arguments: list[str], done: Callable[[], bool]) -> None:
        """Have something ordered, again where that may help.

        While no orderer takes it, the rest may just elect one anew. Where a peer does not tell in time that it was
        committed, that may have happened all the same.
        """
        deadline = time.monotonic() + ORDER_S
        while True:
            try:
                self.network.peer(peer, arguments)
                return
            except LedgerUnavailable as error:
                passing = "SERVICE_UNAVAILABLE" in error.detail or "timed out waiting for txid" in error.detail
                if passing and done():
                    return
                if not passing or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def _definition(self, sequence: int) -> list[str]:
        topology = self.network.topology
        return [
            *("--channelID", topology.channel, "--name", self.name),
            *("--version", str(sequence), "--sequence", str(sequence)),
            *("--signature-policy", topology.settings.endorsement),
        ]

    def _readiness(self, sequence: int) -> dict[str, bool]:
        first = self.network.own_peers[0]
        text = self.network.peer(first, [*LIFECYCLE, "checkcommitreadiness", *self._definition(sequence), "-O", "json"])
        approvals = json.loads(text).get("approvals", {})
        return {str(msp): bool(approved) for msp, approved in approvals.items()}

    def _approved(self, peer: Node, sequence: int | None = None) -> str | None:
        """Package that the organisation approved, for the definition in force or another one."""
        which = () if sequence is None else ("--sequence", str(sequence))
        try:
            value: dict[str, Any] = json.loads(self._ask(peer, "queryapproved", *which))
            return str(value["source"]["Type"]["LocalPackage"]["package_id"])
        except (LedgerUnavailable, KeyError, TypeError):
            return None

    def _require_answer(self, peer: Node) -> None:
        """Raises LedgerUnavailable unless the peer gets an answer of the contract, be it a refusal."""
        question = json.dumps({"Args": ["get_genesis", "{}"]})
        try:
            self.network.peer(
                peer, ["chaincode", "query", "-C", self.network.topology.channel, "-n", self.name, "-c", question]
            )
        except LedgerUnavailable as error:
            if "status:4" not in error.detail:
                raise

    def _ask(self, peer: Node, question: str, *further: str) -> str:
        channel = self.network.topology.channel
        return self.network.peer(
            peer, [*LIFECYCLE, question, "--channelID", channel, "--name", self.name, "-O", "json"]
        )
