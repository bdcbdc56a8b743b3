"""What a network is doing: per organisation height, state digest and contract, and how long certificates last.

The state digest is the peer's own commit hash, chained over the validity flags and the writes of every block: peers
with the same one at the same height hold the same state. It is compared at the lowest height that all of them have.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from evidence.errors import LedgerUnavailable, VeriframeError
from network.bring_up import Network
from network.topology import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganisationStatus:
    """One organisation. Members are None where its peer did not answer; `trouble` says why."""

    msp: str
    peer_runs: bool
    chaincode_runs: bool
    height: int | None = None
    digest_height: int | None = None
    state_digest: str | None = None
    chaincode_version: str | None = None
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """One certificate of the network's own folders."""

    path: Path
    subject: str
    days_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkStatus:
    organisations: tuple[OrganisationStatus, ...]
    orderers: tuple[tuple[str, bool], ...]
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
            and all(each.chaincode_runs and each.chaincode_version for each in self.organisations)
            and all(runs for _, runs in self.orderers)
            and all(each.days_left >= 0 for each in self.certificates)
        )


def network_status(network: Network, *, now_us: int) -> NetworkStatus:
    """Look at everything; what does not answer is named, never raised."""
    heights: dict[str, int] = {}
    troubles: dict[str, str] = {}

    def look(peer: Node) -> None:
        try:
            heights[peer.msp] = _height(network, peer)
        except VeriframeError as error:
            troubles[peer.msp] = str(error)

    # Side by side: a peer that is away takes its program seconds to find out.
    with ThreadPoolExecutor(len(network.topology.peers)) as pool:
        list(pool.map(look, network.topology.peers))
        common = min(heights.values(), default=0) - 1
        organisations = pool.map(
            lambda peer: _organisation(network, peer, heights.get(peer.msp), common, troubles.get(peer.msp, "")),
            network.topology.peers,
        )
    return NetworkStatus(
        organisations=tuple(organisations),
        orderers=tuple(
            (node.name, network.processes.running(node.name) is not None) for node in network.topology.orderers
        ),
        certificates=tuple(sorted(_certificates(network, now_us), key=lambda each: (each.days_left, each.path))),
    )


def _organisation(network: Network, peer: Node, height: int | None, common: int, trouble: str) -> OrganisationStatus:
    digest = version = None
    if height is not None:
        try:
            digest = commit_hash(network, peer, common).hex()
            version = _chaincode_version(network, peer)
        except VeriframeError as error:
            trouble = str(error)
    return OrganisationStatus(
        msp=peer.msp,
        peer_runs=network.processes.running(peer.name) is not None,
        chaincode_runs=network.processes.running(f"chaincode-{peer.organisation}") is not None,
        height=height,
        digest_height=common if digest else None,
        state_digest=digest,
        chaincode_version=version,
        trouble=trouble,
    )


def _height(network: Network, peer: Node) -> int:
    text = network.peer(peer, ["channel", "getinfo", "-c", network.topology.channel])
    return int(_json_behind(text, "Blockchain info:").get("height", 0))


def _chaincode_version(network: Network, peer: Node) -> str | None:
    """Version of the committed definition as this peer holds it, None where nothing is defined yet."""
    names = ["--channelID", network.topology.channel, "-O", "json"]
    listed = _json_behind(network.peer(peer, ["lifecycle", "chaincode", "querycommitted", *names]), "")
    for definition in listed.get("chaincode_definitions", []):
        if definition.get("name") == network.topology.chaincode:
            return f"{definition.get('version')} (sequence {definition.get('sequence')})"
    return None


def _json_behind(text: str, prefix: str) -> dict[str, Any]:
    try:
        value = json.loads(text.strip().removeprefix(prefix))
    except ValueError as error:
        raise LedgerUnavailable("the peer program printed something else than JSON") from error
    if not isinstance(value, dict):
        raise LedgerUnavailable("the peer program printed something else than an object")
    return value


def commit_hash(network: Network, peer: Node, number: int) -> bytes:
    """The peer's own hash over everything up to block `number`.

    Raises:
        LedgerUnavailable: the peer does not answer, or its block carries no such hash.
    """
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        path = Path(folder) / "block"
        network.peer(peer, ["channel", "fetch", str(number), str(path), "-c", network.topology.channel])
        try:
            block = common_pb2.Block.FromString(path.read_bytes())
            place = common_pb2.BlockMetadataIndex.Value("COMMIT_HASH")
            digest = bytes(common_pb2.Metadata.FromString(block.metadata.metadata[place]).value)
        except (OSError, DecodeError, IndexError) as error:
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
