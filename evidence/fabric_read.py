"""The signed read: whole ranges of the ledger, "these keys and only these", signed by several organisations.

The contract's question `read_proof` goes to the peers as a transaction that is endorsed and never submitted. What
counts is what the peers themselves noted while the contract read: every key of the range, with the transaction that
wrote it, and that the range was read to its end. The contract's answer adds the values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, canonical_again, parse_canonical
from evidence.digests import parse_base64, to_base64
from evidence.errors import Malformed
from evidence.fabric_checks import refusal
from evidence.fabric_sets import KeyRead, Space
from evidence.fabric_transaction import EndorsedTransaction, parse_endorsed_transaction
from evidence.proof_ranges import FURTHER_KINDS, MAX_ENTRIES, READ_FUNCTION, KeyRange, parse_request
from evidence.registry import Position

FABRIC_READ_TYPE = "veriframe/fabric-read/1"
LIFECYCLE = "_lifecycle"  # where peers look up which definition of the chaincode is in force

MAX_READ_BYTES = 16 << 20
MAX_ANSWER_BYTES = 12 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRead:
    """What a signed read shows, if its signers are believed.

    Args:
        ranges: in the order asked; `entries` holds every key of them, in ascending order within each range, with the
            transaction that wrote it and its bytes.
        as_of: the highest version that was read, (0, 0) where nothing was: the ledger was at least there.
        document: the canonical bytes.
    """

    transaction: EndorsedTransaction
    ranges: tuple[KeyRange, ...]
    entries: Mapping[str, tuple[Position, bytes]]
    as_of: Position
    document: bytes


def signed_read_document(payload: bytes) -> bytes:
    """The document around the serialized common.Payload that `Endorse` prepared. Raises Malformed if it is none."""
    document = canonical({"type": FABRIC_READ_TYPE, "payload": to_base64(payload)})
    parse_signed_read(document)
    return document


def parse_signed_read(document: bytes) -> SignedRead:
    """Read a signed read and hold its parts against each other; who signed is not judged here.

    Raises:
        Malformed: `where` names the check of docs/formats/fabric.md.
    """
    transaction = parse_endorsed_transaction(_payload(document))
    ranges = _question(transaction)
    if transaction.status != 200 or transaction.message:
        raise refusal("read_status")
    if transaction.event:
        raise refusal("read_event")
    if not all(space.changes_nothing for space in transaction.spaces):
        raise refusal("read_writes")
    space = transaction.space(transaction.chaincode)
    if space is None:
        raise refusal("read_range", "the contract read nothing")
    shown = [_shown(space, asked) for asked in ranges]
    if sum(map(len, shown)) > MAX_ENTRIES:
        raise refusal("read_too_many")
    _check_further(transaction, ranges)
    values = _answer(transaction.response, ranges)
    entries: dict[str, tuple[Position, bytes]] = {}
    for reads, answered in zip(shown, values, strict=True):
        if [each.key for each in reads] != [key for key, _ in answered]:
            raise refusal("read_answer")
        for read, (key, value) in zip(reads, answered, strict=True):
            assert read.version is not None  # `parse_spaces` takes no other range
            entries[key] = (read.version, value)
    return SignedRead(
        transaction=transaction, ranges=ranges, entries=entries, as_of=_as_of(transaction), document=document
    )


def _payload(document: bytes) -> bytes:
    try:
        f = Fields(parse_canonical(document, "signed read", limit=MAX_READ_BYTES), "signed read", ("type", "payload"))
        f.const("type", FABRIC_READ_TYPE)
        return parse_base64(f.raw("payload"), "signed read: 'payload'", limit=MAX_READ_BYTES)
    except Malformed as error:
        raise refusal("document", error.detail) from error


def _question(transaction: EndorsedTransaction) -> tuple[KeyRange, ...]:
    if len(transaction.arguments) != 2 or transaction.arguments[0] != READ_FUNCTION.encode("ascii"):
        raise refusal("read_question")
    try:
        return parse_request(transaction.arguments[1])
    except Malformed as error:
        raise refusal("read_question", error.detail) from error


def _shown(space: Space, asked: KeyRange) -> tuple[KeyRead, ...]:
    found = [each for each in space.ranges if (each.start, each.end) == asked]
    if len(found) != 1 or not found[0].exhausted:
        raise refusal("read_range", f"from {asked.start!r} to {asked.end!r}")
    if found[0].reads is None:
        raise refusal("read_summary", f"from {asked.start!r} to {asked.end!r}")
    return found[0].reads


def _check_further(transaction: EndorsedTransaction, ranges: tuple[KeyRange, ...]) -> None:
    """Nothing was read but what was asked for, what the contract needs to know who asks, and its own definition."""
    asked = set(ranges)
    for space in transaction.spaces:
        if space.namespace == LIFECYCLE and not space.ranges:
            continue
        if space.namespace != transaction.chaincode:
            raise refusal("read_further", f"of {space.namespace!r}")
        for read in space.reads:
            if _kind(read.key) not in FURTHER_KINDS:
                raise refusal("read_further", repr(read.key))
        for each in space.ranges:
            if KeyRange(each.start, each.end) in asked:
                continue
            kind = _kind(each.start)
            # `rules0` ends what `rules/` begins; all other such ends have the kind before their first slash.
            if kind not in FURTHER_KINDS or (_kind(each.end) != kind and each.end != f"{kind}0"):
                raise refusal("read_further", f"from {each.start!r} to {each.end!r}")


def _kind(key: str) -> str:
    return key.partition("/")[0]


def _answer(response: bytes, ranges: tuple[KeyRange, ...]) -> list[list[tuple[str, bytes]]]:
    """Keys and values of each range, as the contract answered: canonical bytes of what it read under each key."""
    try:
        value = parse_canonical(response, "answer", limit=MAX_ANSWER_BYTES)
        listed = Fields(value, "answer", ("ranges",)).list("ranges", limit=len(ranges))
        found = [_entries(each, asked) for each, asked in zip(listed, ranges, strict=True)]
    except (Malformed, ValueError) as error:
        detail = error.detail if isinstance(error, Malformed) else "it has another number of ranges"
        raise refusal("read_answer", detail) from error
    return found


def _entries(value: object, asked: KeyRange) -> list[tuple[str, bytes]]:
    f = Fields(value, "answer: range", ("start", "end", "entries"))
    if (f.raw("start"), f.raw("end")) != asked:
        raise Malformed("it shows another range than was asked for")
    return [_entry(each) for each in f.list("entries", limit=MAX_ENTRIES)]


def _entry(value: object) -> tuple[str, bytes]:
    f = Fields(value, "answer: entry", ("key", "value"))
    key: Any = f.raw("key")
    if not isinstance(key, str):
        raise Malformed("an entry's key is not text")
    return key, canonical_again(f.raw("value"))


def _as_of(transaction: EndorsedTransaction) -> Position:
    newest = Position(0, 0)
    for space in transaction.spaces:
        for read in (*space.reads, *(read for each in space.ranges for read in each.reads or ())):
            if read.version is not None and read.version > newest:
                newest = read.version
    return newest
