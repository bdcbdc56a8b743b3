"""The embedded ledger's bytes: signed transaction, write set, hash-chained block and receipt.

Everything is canonical JSON. A receipt holds what an examiner needs to check offline that a transaction wrote certain
values into a ledger: see docs/formats/embedded-ledger.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.checkpoint import MAX_NOTE_BYTES
from evidence.digests import parse_base64, parse_digest, sha256, to_base64
from evidence.dsse import Envelope, envelope_from_json
from evidence.errors import Malformed
from evidence.genesis import is_msp
from evidence.merkle import MAX_PATH

TRANSACTION_TYPE = "veriframe/tx/1"
TRANSACTION_PAYLOAD_TYPE = "application/vnd.veriframe.tx+json"
LEDGER_BLOCK_TYPE = "veriframe/ledger-block/1"
RECEIPT_TYPE = "veriframe/receipt/1"

MAX_ARGUMENT_BYTES = 1 << 20
MAX_ARGUMENTS = 16
MAX_PAYLOAD_BYTES = 2 << 20
MAX_WRITES = 5000
MAX_WRITE_SET_BYTES = 8 << 20
MAX_LEDGER_BLOCK_BYTES = 4 << 20
MAX_TRANSACTIONS = 10_000
MAX_RECEIPT_BYTES = 24 << 20
MAX_KEY_BYTES = 256

# What became of a transaction: applied, or ordered but overtaken by one that wrote what it had read.
VALID, CONFLICT = "VALID", "CONFLICT"
CODES = (VALID, CONFLICT)

_FUNCTION = re.compile(r"[a-z][a-z0-9_]{0,62}")
_NONCE = re.compile(r"[0-9a-f]{48}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What a client signs: `ledger` is the genesis digest, `certificate` DER, `nonce` 24 bytes."""

    ledger: bytes
    function: str
    arguments: tuple[bytes, ...]
    msp: str
    certificate: bytes
    time_us: int
    nonce: bytes

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": TRANSACTION_TYPE,
                "ledger": self.ledger.hex(),
                "function": self.function,
                "arguments": [to_base64(argument) for argument in self.arguments],
                "caller": {"msp": self.msp, "certificate": to_base64(self.certificate)},
                "time_us": self.time_us,
                "nonce": self.nonce.hex(),
            }
        )


def transaction_id(payload: bytes) -> str:
    """Id of a transaction: SHA-256 of its canonical payload, lower-case hex."""
    return sha256(payload).hex()


def parse_transaction(payload: bytes) -> Transaction:
    """Read a transaction's payload. Raises Malformed."""
    f = Fields(
        parse_canonical(payload, "transaction", limit=MAX_PAYLOAD_BYTES),
        "transaction",
        ("type", "ledger", "function", "arguments", "caller", "time_us", "nonce"),
    )
    f.const("type", TRANSACTION_TYPE)
    function, nonce = f.text("function", limit=63), f.text("nonce", limit=48)
    if _FUNCTION.fullmatch(function) is None or _NONCE.fullmatch(nonce) is None:
        raise Malformed("transaction's function is not a name, or its nonce not 48 lower-case hexadecimal characters")
    caller = Fields(f.raw("caller"), "transaction: caller", ("msp", "certificate"))
    msp = caller.text("msp", limit=64)
    if not is_msp(msp):
        raise Malformed("transaction's caller names no MSP id")
    return Transaction(
        ledger=f.digest("ledger"),
        function=function,
        arguments=tuple(
            parse_base64(each, "transaction: argument", limit=MAX_ARGUMENT_BYTES)
            for each in f.list("arguments", limit=MAX_ARGUMENTS)
        ),
        msp=msp,
        certificate=caller.base64("certificate", limit=16 << 10),
        time_us=f.integer("time_us"),
        nonce=bytes.fromhex(nonce),
    )


def write_set(writes: Mapping[str, bytes]) -> bytes:
    """Canonical bytes of what a transaction writes: `[[key, base64 value], …]`, ascending by key."""
    return canonical(_write_set_json(writes))


def _write_set_json(writes: Mapping[str, bytes]) -> list[list[str]]:
    return [[key, to_base64(writes[key])] for key in sorted(writes)]


def write_set_from_json(value: object) -> dict[str, bytes]:
    """Read a write set that stands inside another document. Raises Malformed."""
    if not isinstance(value, list) or len(value) > MAX_WRITES:
        raise Malformed(f"write set is not a list of at most {MAX_WRITES} entries")
    writes: dict[str, bytes] = {}
    for entry in value:
        if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], str):
            raise Malformed("write set does not list [key, value] pairs")
        key = entry[0]
        if not key.isascii() or not key.isprintable() or not 0 < len(key) <= MAX_KEY_BYTES:
            raise Malformed("write set holds a key that is not short printable ASCII")
        writes[key] = parse_base64(entry[1], "write set: value", limit=MAX_ARGUMENT_BYTES)
    if len(writes) != len(value) or any(b <= a for a, b in pairwise(writes)):
        raise Malformed("write set is not in strictly ascending order")
    return writes


def parse_write_set(data: bytes) -> dict[str, bytes]:
    """Read a canonical write set. Raises Malformed."""
    return write_set_from_json(parse_canonical(data, "write set", limit=MAX_WRITE_SET_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One transaction in a ledger block: its id, what became of it, and the digest of its write set."""

    tx_id: str
    code: str
    writes: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBlock:
    """A block of the embedded ledger; block 0 has no `previous`. Its canonical bytes are the log's leaf at `height`."""

    height: int
    previous: bytes | None
    time_us: int
    transactions: tuple[Entry, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "type": LEDGER_BLOCK_TYPE,
            "height": self.height,
            "previous": None if self.previous is None else self.previous.hex(),
            "time_us": self.time_us,
            "transactions": [{"id": e.tx_id, "code": e.code, "writes": e.writes.hex()} for e in self.transactions],
        }

    def canonical(self) -> bytes:
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


def ledger_block_from_json(value: object) -> LedgerBlock:
    """Read a ledger block that stands inside another document. Raises Malformed."""
    f = Fields(value, "ledger block", ("type", "height", "previous", "time_us", "transactions"))
    f.const("type", LEDGER_BLOCK_TYPE)
    height, previous = f.integer("height"), f.optional("previous", f.digest)
    if (previous is None) != (height == 0):
        raise Malformed("ledger block: exactly block 0 has no predecessor")
    entries = []
    for each in f.list("transactions", limit=MAX_TRANSACTIONS):
        e = Fields(each, "ledger block: transaction", ("id", "code", "writes"))
        entries.append(
            Entry(
                tx_id=parse_digest(e.raw("id"), "transaction id").hex(),
                code=e.choice("code", CODES),
                writes=e.digest("writes"),
            )
        )
    if not entries or len({entry.tx_id for entry in entries}) != len(entries):
        raise Malformed("ledger block holds no transaction, or one twice")
    return LedgerBlock(height=height, previous=previous, time_us=f.integer("time_us"), transactions=tuple(entries))


def parse_ledger_block(data: bytes) -> LedgerBlock:
    """Read a canonical ledger block. Raises Malformed."""
    return ledger_block_from_json(parse_canonical(data, "ledger block", limit=MAX_LEDGER_BLOCK_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Transaction, write set, ledger block, its inclusion in a log of `size` blocks, and the log's checkpoint."""

    transaction: Envelope
    writes: Mapping[str, bytes]
    block: LedgerBlock
    size: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    @property
    def tx_id(self) -> str:
        return transaction_id(self.transaction.payload)

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": RECEIPT_TYPE,
                "transaction": self.transaction.to_json(),
                "writes": _write_set_json(self.writes),
                "block": self.block.to_json(),
                "size": self.size,
                "path": [each.hex() for each in self.path],
                "checkpoint": self.checkpoint.decode("utf-8"),
            }
        )


def parse_receipt(data: bytes) -> Receipt:
    """Read a canonical receipt; its proofs are not checked here. Raises Malformed."""
    f = Fields(
        parse_canonical(data, "receipt", limit=MAX_RECEIPT_BYTES),
        "receipt",
        ("type", "transaction", "writes", "block", "size", "path", "checkpoint"),
    )
    f.const("type", RECEIPT_TYPE)
    note = f.raw("checkpoint")
    if not isinstance(note, str):
        raise Malformed("receipt: 'checkpoint' is not text")
    encoded = note.encode("utf-8")
    if len(encoded) > MAX_NOTE_BYTES:
        raise Malformed("receipt: 'checkpoint' is too large")
    path: Sequence[object] = f.list("path", limit=MAX_PATH)
    return Receipt(
        transaction=envelope_from_json(
            f.raw("transaction"), TRANSACTION_PAYLOAD_TYPE, limit=MAX_PAYLOAD_BYTES, what="receipt: transaction"
        ),
        writes=write_set_from_json(f.raw("writes")),
        block=ledger_block_from_json(f.raw("block")),
        size=f.integer("size", 1),
        path=tuple(parse_digest(each, "receipt: path") for each in path),
        checkpoint=encoded,
    )
