"""Certificates that count no longer: an organisation's revocation list, put into the channel's configuration.

From the block with that configuration on, peers and orderers let nobody in who holds such a certificate, and
endorsements under it do not count. What was committed before stays valid. The organisation's own ADMIN signs, nobody
else has to.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import msp_config_pb2
from google.protobuf.message import DecodeError

from evidence.errors import ConfigInvalid, LedgerUnavailable, Malformed
from network.bring_up import Network
from network.topology import Node
from sdk.authority import Authority, load_authority
from sdk.fabric_proposal import Message

# Where an organisation's certificates are told: the two must agree, or the channel refuses the configuration.
GROUPS = ("Application", "Orderer")
TAKEN_S = 30.0

Serials: TypeAlias = set[int]


def revoke(network: Network, msp: str, certificates: Sequence[bytes], *, now_us: int) -> int:
    """Add certificates (DER) of one organisation to its revocation list, and wait until the peers have it.

    Returns how many are on the list now. A list that names all of them already changes nothing.

    Raises:
        ConfigInvalid: no certificates of this organisation's authority. KeyUnavailable: its key is not here.
        LedgerUnavailable: the channel did not take the configuration; nothing is revoked then. Malformed.
    """
    node = network.topology.peer_of(msp)
    authority = load_authority(network.material.organisation(node.organisation) / "ca")
    wanted = {serial_of(authority, each) for each in certificates}
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        current = _configuration(network, node, Path(folder) / "block")
        updated = configtx_pb2.Config.FromString(current.SerializeToString())
        listed = add_to_list(updated, msp, authority, wanted, now_us)
        if updated != current:
            # The peers that stay: one that is revoked is not even told that it is.
            told = [
                peer for peer in network.topology.peers if peer.msp != msp or _serial_of(network, peer) not in listed
            ]
            _update(network, node, Path(folder), current, updated)
            for peer in told:
                _await(network, peer, Path(folder) / "block", current.sequence)
    return len(listed)


def revoked_serials(network: Network, msp: str) -> Serials:
    """Serial numbers on the organisation's lists in the channel. Raises LedgerUnavailable, Malformed."""
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        config = _configuration(network, network.topology.peer_of(msp), Path(folder) / "block")
    return listed_serials(_msp(config.channel_group.groups[GROUPS[0]].groups[msp]).revocation_list)


def read_certificate(path: Path) -> bytes:
    """A certificate file (PEM) as DER. Raises ConfigInvalid."""
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError) as error:
        raise ConfigInvalid("this is no certificate in a file (PEM)", where=str(path)) from error


def serial_of(authority: Authority, der: bytes) -> int:
    try:
        certificate = x509.load_der_x509_certificate(der)
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise ConfigInvalid(
            f"this is no certificate that the authority of {authority.msp} issued",
            next_step="each organisation revokes its own",
        ) from error
    return certificate.serial_number


def _serial_of(network: Network, node: Node) -> int:
    path = network.material.node(node) / "signing" / "certificate.pem"
    return x509.load_pem_x509_certificate(path.read_bytes()).serial_number


def _configuration(network: Network, node: Node, path: Path, *, ordered: bool = True) -> Message:
    """The channel's configuration, from an orderer or as the peer has it: a revoked one is not told the newest."""
    orderer = network.orderer_arguments(node) if ordered else ()
    network.peer(node, ["channel", "fetch", "config", str(path), "-c", network.topology.channel, *orderer])
    return parse_configuration_block(path.read_bytes())


def parse_configuration_block(data: bytes) -> Message:
    """The common.Config in a configuration block. Raises Malformed."""
    try:
        block = common_pb2.Block.FromString(data)
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
        return configtx_pb2.ConfigEnvelope.FromString(payload.data).config
    except (DecodeError, IndexError) as error:
        raise Malformed("a configuration block cannot be read") from error


def _msp(organisation: Message) -> Message:
    try:
        wrapped = msp_config_pb2.MSPConfig.FromString(organisation.values["MSP"].value)
        return msp_config_pb2.FabricMSPConfig.FromString(wrapped.config)
    except DecodeError as error:
        raise Malformed("an organisation of the channel's configuration cannot be read") from error


def add_to_list(config: Message, msp: str, authority: Authority, wanted: Serials, now_us: int) -> Serials:
    """Put one list with all that was revoked and `wanted` into every place where the organisation stands."""
    listed: Serials = set()
    places = [config.channel_group.groups[name].groups for name in GROUPS if name in config.channel_group.groups]
    for organisations in places:
        if msp in organisations:
            listed |= listed_serials(_msp(organisations[msp]).revocation_list)
    if wanted <= listed:
        return listed
    document = authority.revocation_list(sorted(listed | wanted), now_us=now_us)
    for organisations in places:
        if msp in organisations:
            definition = _msp(organisations[msp])
            del definition.revocation_list[:]
            definition.revocation_list.append(document)
            organisations[msp].values["MSP"].value = msp_config_pb2.MSPConfig(
                type=0, config=definition.SerializeToString(deterministic=True)
            ).SerializeToString(deterministic=True)
    return listed | wanted


def listed_serials(lists: Sequence[bytes]) -> Serials:
    try:
        return {each.serial_number for document in lists for each in x509.load_pem_x509_crl(document)}
    except ValueError as error:
        raise Malformed("a revocation list of the channel's configuration cannot be read") from error


def _update(network: Network, node: Node, folder: Path, current: Message, updated: Message) -> None:
    channel = network.topology.channel
    (folder / "current").write_bytes(current.SerializeToString())
    (folder / "updated").write_bytes(updated.SerializeToString())
    network.configtxlator(
        "compute_update",
        *("--channel_id", channel, "--original", str(folder / "current"), "--updated", str(folder / "updated")),
        *("--output", str(folder / "update")),
    )
    header = common_pb2.ChannelHeader(channel_id=channel, type=common_pb2.CONFIG_UPDATE)
    change = configtx_pb2.ConfigUpdateEnvelope(config_update=(folder / "update").read_bytes())
    payload = common_pb2.Payload(
        header=common_pb2.Header(channel_header=header.SerializeToString()), data=change.SerializeToString()
    )
    (folder / "envelope").write_bytes(common_pb2.Envelope(payload=payload.SerializeToString()).SerializeToString())
    # `peer` adds the signature of the organisation's ADMIN.
    network.peer(
        node,
        ["channel", "update", "-f", str(folder / "envelope"), "-c", channel, *network.orderer_arguments(node)],
    )


def _await(network: Network, peer: Node, path: Path, sequence: int) -> None:
    deadline = time.monotonic() + TAKEN_S
    while _configuration(network, peer, path, ordered=False).sequence <= sequence:
        if time.monotonic() > deadline:
            raise LedgerUnavailable(f"{peer.name} has not taken the new configuration in time")
        time.sleep(0.1)
