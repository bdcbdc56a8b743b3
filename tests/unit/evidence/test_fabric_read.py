"""Signed reads at their bounds, and what an honest one may look like beside the plainest."""

from __future__ import annotations

import time
from typing import Any

import pytest

from evidence.errors import Malformed
from evidence.fabric_read import SignedRead, parse_signed_read, signed_read_document
from evidence.fabric_sets import MAX_KEYS
from evidence.fabric_transaction import parse_endorsed_transaction
from evidence.proof_ranges import MAX_ENTRIES, MAX_RAW_READS, covered, joined
from evidence.registry import Position
from tests.vectors import fabric_parts as parts

PER_RANGE = MAX_RAW_READS


def block(sequence: int) -> Any:
    """A value of the size that slots have."""
    return {
        "block": {
            "type": "veriframe/block/1",
            "camera": "gate-1",
            "ip": "10.0.4.17",
            "chain": parts.SECONDS,
            "sequence": sequence,
            "kind": "segment",
            "start_us": parts.SECONDS * 1_000_000,
            "end_us": parts.SECONDS * 1_000_000,
            "key": "7d" * 32,
            "previous": "ab" * 32,
            "record": "cd" * 32,
        },
        "signature": "MEUCIQ" + "A" * 90,
    }


def many(count: int) -> parts.Transaction:
    """A read of `count` slots in ranges of 50."""
    keys = [parts.slot(number) for number in range(count + 1)]
    ranges = [(keys[first], keys[min(first + PER_RANGE, count)]) for first in range(0, count, PER_RANGE)]
    reads = [
        (
            start,
            end,
            [
                (key, (7 + number // PER_RANGE, number % PER_RANGE))
                for number, key in enumerate(keys)
                if start <= key < end
            ],
        )
        for start, end in ranges
    ]
    sets = parts.results(
        parts.LIFECYCLE, parts.space("veriframe", reads=parts.READS, ranges=[parts.range_read(*each) for each in reads])
    )
    answer = {
        "ranges": [
            {
                "start": start,
                "end": end,
                "entries": [{"key": key, "value": block(keys.index(key))} for key, _ in found],
            }
            for start, end, found in reads
        ]
    }
    question = parts.json_bytes({"ranges": [list(each) for each in ranges]})
    return parts.Transaction([b"read_proof", question], parts.json_bytes(answer), sets)


def read(transaction: parts.Transaction) -> SignedRead:
    return parse_signed_read(signed_read_document(transaction.payload()))


def refused(transaction: parts.Transaction) -> str:
    with pytest.raises(Malformed) as caught:
        read(transaction)
    return caught.value.where


def test_a_thousand_slots_are_read_in_ranges_of_fifty() -> None:
    whole = many(MAX_ENTRIES).payload()
    document = parts.read_document(whole)
    started = time.process_time()
    found = parse_signed_read(document)
    # About 50 ms on one core; the bound is far off, so that only another order of growth fails it.
    assert time.process_time() - started < 2
    assert len(found.entries) == MAX_ENTRIES
    assert len(found.ranges) == MAX_ENTRIES // PER_RANGE
    assert covered(found.ranges, parts.slot(0), parts.slot(MAX_ENTRIES))
    assert joined(found.ranges) == ((parts.slot(0), parts.slot(MAX_ENTRIES)),)
    assert found.as_of == Position(26, 49)
    assert len(found.transaction.signers()) == 3


def test_more_than_a_thousand_slots_are_refused() -> None:
    assert refused(many(MAX_ENTRIES + 1)) == "read_too_many"


def test_a_range_that_the_contract_reads_anyway_stands_once() -> None:
    """Peers note equal ranges once, where the contract looked up the camera before it answered."""
    camera = ("camera/gate-1/", "camera/gate-10")
    transaction = parts.signed_read([("genesis", "genesis0"), camera])
    transaction.sets = parts.results(
        parts.LIFECYCLE,
        parts.space("veriframe", reads=parts.READS, ranges=parts.ranges_read([camera, ("genesis", "genesis0")])),
    )
    assert read(transaction).ranges == (("genesis", "genesis0"), camera)


def test_what_the_contract_reads_to_know_who_asks_is_no_further_read() -> None:
    ranges = [
        parts.range_read("participant/manager/", "participant/manager0", [("participant/manager/0000000000", (6, 0))]),
        parts.range_read("rules/", "rules0", []),
        parts.range_read("grant/gate-1/manager/", "grant/gate-1/manager0", [], summary=True),
        parts.range_read(
            "request/r-1/", "request/r-1/0000000000", [("request/r-1/0000000000", (6, 1))], exhausted=False
        ),
    ]
    transaction = parts.changed(sets=parts.own(ranges=[*ranges, *parts.ranges_read(parts.RANGES)]))
    assert len(read(transaction).entries) == 4


def test_an_empty_range_is_as_new_as_what_was_read_beside_it() -> None:
    empty = parts.signed_read([("revocation/gate-2/", "revocation/gate-20")])
    found = read(empty)
    assert (dict(found.entries), found.as_of) == ({}, Position(6, 0))


@pytest.mark.parametrize(("count", "check"), [(64, ""), (65, "endorsements")])
def test_endorsements_are_bounded(count: int, check: str) -> None:
    transaction = parts.changed(endorsers=(parts.POLICE,) * count)
    if check:
        assert refused(transaction) == check
    else:
        assert [each.msp for each in read(transaction).transaction.signers()] == ["PoliceMSP"]


def test_a_transaction_is_read_also_where_it_is_no_signed_read() -> None:
    writing = parts.Transaction(
        [b"anchor", b"\x00\xff"], b"done", parts.own(writes=[("a", b"1"), ("b", None)], metadata=["a"], collection="c")
    )
    writing.status, writing.message, writing.event = 202, "late", b"event"
    found = parse_endorsed_transaction(writing.payload())
    assert (found.status, found.message, found.response, found.event) == (202, "late", b"done", b"event")
    assert found.arguments == (b"anchor", b"\x00\xff")
    space = found.space("veriframe")
    assert space is not None
    assert (space.writes, space.further, space.changes_nothing) == ((("a", b"1"), ("b", None)), True, False)
    assert found.space("another") is None
    assert len(found.signers()) == 3


def test_a_function_that_is_no_text_is_shown_as_far_as_it_is() -> None:
    found = parse_endorsed_transaction(parts.changed(arguments=[b"\xff", b""]).payload())
    assert found.function == "\ufffd"


@pytest.mark.parametrize("claimed", [1 << 31, (1 << 63) - 1, (1 << 64) - 1])
def test_huge_lengths_are_refused_without_their_room(claimed: int) -> None:
    payload = parts.varint(1 << 3 | 2) + parts.varint(claimed) + b"x"
    with pytest.raises(Malformed) as caught:
        parse_endorsed_transaction(payload)
    assert caught.value.where == "encoding"


def test_a_transaction_of_more_keys_than_are_read_is_refused() -> None:
    """Each namespace is a message of its own; together they are bounded too."""
    spaces = [parts.space(f"n{number:03}", reads=[("", None)] * 1) for number in range(3)]
    read_twice = parts.part(2, parts.some(1, "z") + parts.some(2, b"\x12\x00" * (MAX_KEYS - 2)))
    with pytest.raises(Malformed) as caught:
        parse_endorsed_transaction(parts.changed(sets=parts.results(*spaces) + read_twice).payload())
    assert caught.value.where == "too_large"
