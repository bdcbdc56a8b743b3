"""What a network is doing: per organisation height, state digest and contract, and how long certificates last.

A peer is behind when it does not reach, within a few seconds, the height that any node had when it was first looked at.
The state digest is the peer's own commit hash, chained over the validity flags and the writes of every block: peers
with the same one at the same height hold the same state. It is compared at the lowest height that all of them have.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from evidence.errors import LedgerUnavailable, VeriframeError
from network.bring_up import Network
from network.heights import block_of, json_behind, node_height
from network.topology import SERVICE, Node

SETTLE_S = 5.0  # what a node gets to catch up with the others: blocks come in fractions of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationStatus:
    """One organisation. A member is None where its peer did not answer (`trouble` says why) or only it may know."""

    msp: str
    peer_runs: bool
    chaincode_runs: bool | None
    height: int | None = None
    behind: int = 0
    digest_height: int | None = None
    state_digest: str | None = None
    chaincode_version: str | None = None
    package: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """One certificate of the network's own folders."""

    path: Path
    subject: str
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrdererStatus:
    """One orderer; `takes_part` in the channel and `height` are None where only its organisation may know."""

    name: str
    runs: bool
    takes_part: bool | None
    height: int | None = None
    behind: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    organisations: tuple[OrganisationStatus, ...]
    orderers: tuple[OrdererStatus, ...]
    certificates: tuple[CertificateStatus, ...]

    @property
    def agreed(self) -> bool:
        """Every organisation answered, and all of them hold the same state."""
        digests = {each.state_digest for each in self.organisations}
        return len(digests) == 1 and None not in digests

    @property
    def healthy(self) -> bool:
        return (
            self.agreed
            and all(each.chaincode_runs is not False and each.chaincode_version for each in self.organisations)
            and all(each.package for each in self.organisations if each.chaincode_runs is not None)
            and all(each.runs and (each.takes_part is not False) for each in self.orderers)
            and not any(each.behind for each in self.organisations)
            and not any(each.behind for each in self.orderers)
            and all(each.days_left >= 0 for each in self.certificates)
        )


def network_status(network: Network, *, now_us: int) -> NetworkStatus:
    """Look at everything; what does not answer is named, never raised. Takes seconds only where something is behind."""
    # Only an organisation itself may ask its orderers.
    nodes = [node for node in network.topology.nodes if node.kind == "peer" or network.is_own(node)]
    heights, troubles = dict[str, int](), dict[str, str]()

    def look(node: Node) -> None:
        try:
            heights[node.name] = node_height(network, node)
        except VeriframeError as error:
            troubles[node.name] = str(error)

    # Side by side: a node that is away takes its program seconds to find out.
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(look, nodes))
        target = max(heights.values(), default=0)
        deadline = time.monotonic() + SETTLE_S
        while (late := [node for node in nodes if heights.get(node.name, target) < target]) and (
            time.monotonic() < deadline
        ):
            time.sleep(0.2)
            list(pool.map(look, late))
        peers = network.topology.peers
        common = min((heights[peer.name] for peer in peers if peer.name in heights), default=0) - 1

        def organisation(peer: Node) -> OrganisationStatus:
            height = heights.get(peer.name)
            behind = 0 if height is None else max(0, target - height)
            return _organisation(network, peer, height, behind, common, troubles.get(peer.name, ""))

        organisations = tuple(pool.map(organisation, peers))
    return NetworkStatus(
        organisations=organisations,
        orderers=tuple(
            OrdererStatus(
                name=node.name,
                runs=network.runs(node.name, node, node.host, node.port(SERVICE)),
                takes_part=node.name in heights if network.is_own(node) else None,
                height=heights.get(node.name),
                behind=max(0, target - heights.get(node.name, target)),
            )
            for node in network.topology.orderers
        ),
        certificates=tuple(sorted(_certificates(network, now_us), key=lambda each: (each.days_left, each.path))),
    )


def _organisation(
    network: Network, peer: Node, height: int | None, behind: int, common: int, trouble: str
) -> OrganisationStatus:
    digest = version = package = None
    if height is not None:
        try:
            digest = commit_hash(network, peer, common).hex()
            version = _chaincode_version(network, peer)
            package = _package(network, peer) if network.is_own(peer) else None
            if version and network.is_own(peer) and not package:
                trouble = "asks no contract: this version of the definition is not approved (veriframe network up)"
        except VeriframeError as error:
            trouble = str(error)
    if behind:
        trouble = trouble or f"{behind} {'block' if behind == 1 else 'blocks'} behind"
    return OrganisationStatus(
        msp=peer.msp,
        peer_runs=network.runs(peer.name, peer, peer.host, peer.port(SERVICE)),
        chaincode_runs=network.contract.runs(peer) if network.is_own(peer) else None,
        height=height,
        behind=behind,
        digest_height=common if digest else None,
        state_digest=digest,
        chaincode_version=version,
        package=package,
        trouble=trouble,
    )


def _package(network: Network, peer: Node) -> str | None:
    """Label of the package that the peer asks for this chaincode, None where it asks none."""
    listed = json_behind(network.peer(peer, ["lifecycle", "chaincode", "queryinstalled", "-O", "json"]), "")
    for package in listed.get("installed_chaincodes", []):
        used = package.get("references", {}).get(network.topology.channel, {}).get("chaincodes", [])
        if any(each.get("name") == network.topology.chaincode for each in used):
            return str(package.get("label"))
    return None


def _chaincode_version(network: Network, peer: Node) -> str | None:
    """Version of the committed definition as this peer holds it, None where nothing is defined yet."""
    names = ["--channelID", network.topology.channel, "-O", "json"]
    listed = json_behind(network.peer(peer, ["lifecycle", "chaincode", "querycommitted", *names]), "")
    for definition in listed.get("chaincode_definitions", []):
        if definition.get("name") == network.topology.chaincode:
            return f"{definition.get('version')} (sequence {definition.get('sequence')})"
    return None


def commit_hash(network: Network, peer: Node, number: int) -> bytes:
    """The peer's own hash over everything up to block `number`.

    Raises:
        LedgerUnavailable: the peer does not answer, or its block carries no such hash.
    """
    block = block_of(network, peer, str(number))
    try:
        place = common_pb2.BlockMetadataIndex.Value("COMMIT_HASH")
        digest = bytes(common_pb2.Metadata.FromString(block.metadata.metadata[place]).value)
    except (DecodeError, IndexError) as error:
        raise LedgerUnavailable(f"block {number} of {peer.name} cannot be read") from error
    if not digest:
        raise LedgerUnavailable(f"block {number} of {peer.name} carries no commit hash")
    return digest


def _certificates(network: Network, now_us: int) -> Iterator[CertificateStatus]:
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    patterns = ("organisations/*/*/root.pem", "nodes/*/signing/certificate.pem", "nodes/*/tls/certificate.pem")
    for pattern in (*patterns, "people/*/certificate.pem"):
        for path in network.root.glob(pattern):
            try:
                certificate = x509.load_pem_x509_certificate(path.read_bytes())
            except (OSError, ValueError):
                yield CertificateStatus(path=path, subject="unreadable", days_left=-1)
                continue
            left = certificate.not_valid_after_utc - now
            yield CertificateStatus(path=path, subject=certificate.subject.rfc4514_string(), days_left=left.days)
