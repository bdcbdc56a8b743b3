"""Blocks: the few fields of a record that go to the ledger and that the device key signs.

The signature covers camera, chain and sequence, so nobody but the key's holder chooses the slot a record takes.
Identity of a block is its payload: ECDSA is randomised, and a second signature over the same block must not conflict.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import sha256, to_base64
from evidence.dsse import pae
from evidence.errors import Malformed
from evidence.keys import MAX_SIGNATURE_BYTES, Signer
from evidence.records import MAX_SLOT_NUMBER, Record

BLOCK_TYPE = "veriframe/block/1"
PAYLOAD_TYPE = "application/vnd.veriframe.block+json"
MAX_BLOCK_BYTES = 2048
KINDS = ("segment", "gap")

_NAMES = ("type", "camera", "ip", "chain", "sequence", "kind", "start_us", "end_us", "key", "previous", "record")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What the ledger keeps of one record; `record` is the record's SHA-256, `key` the signing key's id."""

    camera: str
    ip: str
    chain: int
    sequence: int
    kind: str
    start_us: int
    end_us: int
    key: str
    previous: bytes | None
    record: bytes

    def to_json(self) -> dict[str, Any]:
        return {
            "type": BLOCK_TYPE,
            "camera": self.camera,
            "ip": self.ip,
            "chain": self.chain,
            "sequence": self.sequence,
            "kind": self.kind,
            "start_us": self.start_us,
            "end_us": self.end_us,
            "key": self.key,
            "previous": None if self.previous is None else self.previous.hex(),
            "record": self.record.hex(),
        }

    def canonical(self) -> bytes:
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())

    @property
    def order(self) -> tuple[bytes, int, int]:
        """Where the block stands among others: ids compare as bytes."""
        return (self.camera.encode("ascii"), self.chain, self.sequence)

    def signing_input(self) -> bytes:
        """The bytes that the device signs (DSSE pre-authentication encoding)."""
        return pae(PAYLOAD_TYPE, self.canonical())


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedBlock:
    """A block and the device's signature over its DSSE encoding."""

    block: Block
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        return {"block": self.block.to_json(), "signature": to_base64(self.signature)}

    def canonical(self) -> bytes:
        return canonical(self.to_json())


def block_of(record: Record) -> Block:
    """The block that anchors `record`: every field equals the record's."""
    return Block(
        camera=record.camera,
        ip=record.ip,
        chain=record.chain,
        sequence=record.sequence,
        kind=record.kind,
        start_us=record.start_us,
        end_us=record.end_us,
        key=record.key,
        previous=record.previous,
        record=record.digest,
    )


def sign_block(block: Block, signer: Signer) -> SignedBlock:
    """Sign `block`; called once per record, before anything leaves the recorder.

    Raises:
        Malformed: the block names another key than the signer's.
    """
    if block.key != signer.public_key.key_id:
        raise Malformed("block names another key than the one that is to sign it")
    return SignedBlock(block=block, signature=signer.sign(block.signing_input()))


def block_from_json(value: object) -> Block:
    """Read a block that stands inside another document. Raises Malformed."""
    f = Fields(value, "block", _NAMES)
    f.const("type", BLOCK_TYPE)
    start_us, end_us = f.integer("start_us"), f.integer("end_us")
    if end_us < start_us:
        raise Malformed("block ends before it starts")
    return Block(
        camera=f.ident("camera"),
        ip=f.text("ip", limit=64),
        chain=f.integer("chain", 0, MAX_SLOT_NUMBER),
        sequence=f.integer("sequence", 0, MAX_SLOT_NUMBER),
        kind=f.choice("kind", KINDS),
        start_us=start_us,
        end_us=end_us,
        key=f.digest("key").hex(),
        previous=f.optional("previous", f.digest),
        record=f.digest("record"),
    )


def parse_block(data: bytes) -> Block:
    """Read a canonical block. Raises Malformed."""
    return block_from_json(parse_canonical(data, "block", limit=MAX_BLOCK_BYTES))


def signed_block_from_json(value: object) -> SignedBlock:
    """Read a signed block that stands inside another document. Raises Malformed."""
    f = Fields(value, "signed block", ("block", "signature"))
    return SignedBlock(
        block=block_from_json(f.raw("block")), signature=f.base64("signature", limit=MAX_SIGNATURE_BYTES)
    )


def parse_signed_block(data: bytes) -> SignedBlock:
    """Read a canonical `{"block", "signature"}`. Raises Malformed."""
    return signed_block_from_json(parse_canonical(data, "signed block", limit=2 * MAX_BLOCK_BYTES))


def slot_key(camera: str, chain: int, sequence: int) -> str:
    """Ledger key of one slot. It holds no time: moving a microsecond opens no second slot."""
    return f"block/{camera}/{chain:010d}/{sequence:010d}"


def chain_key(camera: str, chain: int) -> str:
    return f"chain/{camera}/{chain:010d}"
