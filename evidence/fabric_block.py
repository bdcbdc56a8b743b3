"""Blocks of a Fabric channel: header, envelopes, what orderers signed, and what the peer noted beside it.

The data hash joins all envelopes without lengths between them. That is safe only because every envelope must marshal
to itself, with payload and signature: then one sequence of bytes can be cut into envelopes in one way only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.fabric_checks import refusal
from evidence.fabric_identities import FabricIdentity, parse_identity
from evidence.fabric_messages import (
    BLOCK,
    CHANNEL_HEADER,
    ENVELOPE,
    IDENTIFIER_HEADER,
    METADATA,
    ORDERER_BLOCK_METADATA,
    PAYLOAD,
    SIGNATURE_HEADER,
)
from evidence.fabric_wire import Values, read_message

MAX_BLOCK_BYTES = 100 << 20
MAX_SIGNATURES = 1000
CONFIG = 1  # common.HeaderType
VALID = 0  # peer.TxValidationCode

_SIGNATURES, _FLAGS, _COMMIT_HASH = 0, 2, 4  # common.BlockMetadataIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockHeader:
    """`previous`: digest of the header before, empty in block 0. It holds no time."""

    number: int
    previous: bytes
    data_hash: bytes

    def der(self) -> bytes:
        """The ASN.1 sequence that is hashed, and that orderers sign."""
        number = self.number.to_bytes(self.number.bit_length() // 8 + 1, "big")
        body = b"".join(map(_der, (0x02, 0x04, 0x04), (number, self.previous, self.data_hash)))
        return _der(0x30, body)

    @property
    def digest(self) -> bytes:
        return sha256(self.der())


def _der(tag: int, content: bytes) -> bytes:
    # All that stands in a header is shorter than 128 bytes.
    return bytes((tag, len(content))) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSignature:
    """One orderer's signature over `message`: with Raft under an `identity`, with SmartBFT under its number."""

    identity: FabricIdentity | None
    identifier: int | None
    signature: bytes
    message: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A transaction as it was ordered; `payload` is what its creator signed."""

    payload: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricBlock:
    """A block whose envelopes are those that its header was made over.

    Args:
        last_config: block of the configuration in force, as orderers signed it; None without such metadata.
        flags: a validation code for each envelope, and `commit_hash` likewise: the peer's word, which nobody signs.
    """

    header: BlockHeader
    envelopes: tuple[Envelope, ...]
    signatures: tuple[BlockSignature, ...]
    last_config: int | None
    flags: bytes
    commit_hash: bytes

    @property
    def number(self) -> int:
        return self.header.number

    @property
    def previous(self) -> bytes:
        return self.header.previous

    @property
    def data_hash(self) -> bytes:
        return self.header.data_hash

    @property
    def digest(self) -> bytes:
        return self.header.digest

    @property
    def is_configuration(self) -> bool:
        """Tell whether it holds a configuration of the channel, and therefore nothing else."""
        return len(self.envelopes) == 1 and _type_of(self.envelopes[0]) == CONFIG

    def signers(self, consenters: Mapping[int, FabricIdentity] | None = None) -> tuple[FabricIdentity, ...]:
        """The orderers whose signature verifies, each once.

        Args:
            consenters: by number, from the channel's configuration; without them no SmartBFT orderer is known.
        """
        found: dict[tuple[str, bytes], FabricIdentity] = {}
        for each in self.signatures:
            identity = each.identity
            if identity is None and each.identifier is not None:
                identity = (consenters or {}).get(each.identifier)
            if identity is not None and identity.signed(each.signature, each.message):
                found[identity.msp, identity.certificate] = identity
        return tuple(found.values())


def parse_fabric_block(data: bytes) -> FabricBlock:
    """Read a serialized common.Block.

    Raises:
        Malformed: the data hash is another, an envelope does not marshal to itself, or metadata cannot be read.
    """
    values = read_message(BLOCK, data, limit=MAX_BLOCK_BYTES)
    if values["header"] is None or values["data"] is None or values["metadata"] is None:
        raise refusal("block")
    header = block_header(
        values["header"]["number"], values["header"]["previous_hash"], values["header"]["data_hash"], "block"
    )
    raw = values["data"]["data"]
    if not raw:
        raise refusal("block", "it holds no envelope")
    if sha256(*raw) != header.data_hash:
        raise refusal("block_data_hash")
    envelopes = tuple(_envelope(each) for each in raw)
    # A configuration may stand unsigned in its envelope (block 0 does); it is alone in its block.
    if not all(each.payload for each in envelopes) or (
        not all(each.signature for each in envelopes) and not (len(raw) == 1 and _type_of(envelopes[0]) == CONFIG)
    ):
        raise refusal("block_envelope")
    metadata = values["metadata"]["metadata"]
    signatures, last_config = _signatures(header, _item(metadata, _SIGNATURES))
    commit = read_message(METADATA, _item(metadata, _COMMIT_HASH))
    flags = _item(metadata, _FLAGS)
    if flags and len(flags) != len(envelopes):
        raise refusal("block_metadata", "it does not have one validation code for each envelope")
    return FabricBlock(
        header=header,
        envelopes=envelopes,
        signatures=signatures,
        last_config=last_config,
        flags=flags,
        commit_hash=commit["value"],
    )


def block_header(number: int, previous: bytes, data_hash: bytes, check: str) -> BlockHeader:
    """A header with digests of the right size. Raises Malformed under the name of `check`."""
    if len(previous) != (32 if number else 0) or len(data_hash) != 32:
        raise refusal(check, "a digest in the header does not have 32 bytes, or block 0 names a predecessor")
    return BlockHeader(number=number, previous=previous, data_hash=data_hash)


def channel_header(envelope: Envelope) -> Values:
    """The channel header of one envelope. Raises Malformed."""
    header = read_message(PAYLOAD, envelope.payload)["header"]
    if header is None:
        raise refusal("block_envelope", "it has no header")
    return read_message(CHANNEL_HEADER, header["channel_header"])


def _type_of(envelope: Envelope) -> int | None:
    try:
        return int(channel_header(envelope)["type"])
    except Malformed:
        return None


def _envelope(data: bytes) -> Envelope:
    values = read_message(ENVELOPE, data)
    return Envelope(payload=values["payload"], signature=values["signature"])


def _item(metadata: list[bytes], index: int) -> bytes:
    return metadata[index] if index < len(metadata) else b""


def _signatures(header: BlockHeader, data: bytes) -> tuple[tuple[BlockSignature, ...], int | None]:
    values = read_message(METADATA, data)
    if len(values["signatures"]) > MAX_SIGNATURES:
        raise refusal("block_metadata", f"more than {MAX_SIGNATURES} signatures")
    signed = read_message(ORDERER_BLOCK_METADATA, values["value"])
    # An index of 0 is left out when it is written, and so is then the whole of LastConfig's content.
    last_config = None if signed["last_config"] is None else int(signed["last_config"]["index"])
    der = header.der()
    return tuple(_signature(each, values["value"], der) for each in values["signatures"]), last_config


def _signature(values: dict[str, Any], value: bytes, der: bytes) -> BlockSignature:
    under, numbered = values["signature_header"], values["identifier_header"]
    identity = identifier = None
    if under:
        identity = parse_identity(read_message(SIGNATURE_HEADER, under)["creator"])
    elif numbered:
        identifier = int(read_message(IDENTIFIER_HEADER, numbered)["identifier"])
    else:
        raise refusal("block_metadata", "a signature names no signer")
    return BlockSignature(
        identity=identity,
        identifier=identifier,
        signature=values["signature"],
        message=value + (under or numbered) + der,
    )
