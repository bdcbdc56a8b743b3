"""The wire reader against the official parser: what we accept, it reads alike and writes to the same bytes."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import example, given
from hypothesis import strategies as st

from evidence import fabric_messages
from evidence.errors import Malformed
from evidence.fabric_wire import MAX_DEPTH, MAX_ELEMENTS, Field, Shape, Values, read_message

MODULES = (
    "common.common_pb2",
    "common.configtx_pb2",
    "common.configuration_pb2",
    "common.policies_pb2",
    "ledger.rwset.rwset_pb2",
    "ledger.rwset.kvrwset.kv_rwset_pb2",
    "msp.identities_pb2",
    "msp.msp_config_pb2",
    "peer.chaincode_pb2",
    "peer.proposal_pb2",
    "peer.proposal_response_pb2",
    "peer.transaction_pb2",
)
# Fields that Fabric has and that are refused on purpose: see `fabric_messages`.
LEFT_OUT = {("ChaincodeInput", "decorations"), ("ChaincodeProposalPayload", "TransientMap")}

SHAPES: dict[str, Shape] = {
    shape.name: shape for shape in vars(fabric_messages).values() if isinstance(shape, Shape) and not shape.entry
}
"""Every named shape; those that stand inside others are reached from these."""


def official(name: str) -> Any:
    """The official class of a message."""
    if name == "Timestamp":
        return Timestamp
    for module in MODULES:
        found = getattr(importlib.import_module(f"fabric_protos.{module}"), name, None)
        if found is not None:
            return found
    raise LookupError(name)


def inner(shape: Shape, seen: set[str]) -> Iterator[Shape]:
    if shape.name in seen:
        return
    seen.add(shape.name)
    yield shape
    for field in shape.fields:
        if isinstance(field.kind, Shape):
            yield from inner(field.kind, seen)


def all_shapes() -> list[Shape]:
    seen: set[str] = set()
    return [each for shape in SHAPES.values() for each in inner(shape, seen)]


KINDS = {3: "int64", 4: "uint64", 5: "int32", 8: "bool", 9: "text", 12: "bytes", 13: "uint32", 14: "int32"}


@pytest.mark.parametrize("shape", [each for each in all_shapes() if not each.entry], ids=lambda each: each.name)
def test_a_shape_is_what_the_proto_files_say(shape: Shape) -> None:
    descriptor = official(shape.name).DESCRIPTOR
    stated = {(f.number, f.name) for f in descriptor.fields if (shape.name, f.name) not in LEFT_OUT}
    assert {(f.number, f.name) for f in shape.fields} == stated
    for ours in shape.fields:
        theirs = descriptor.fields_by_number[ours.number]
        assert ours.repeated == (theirs.label == theirs.LABEL_REPEATED)
        if isinstance(ours.kind, Shape):
            assert ours.kind.name == theirs.message_type.name
            assert ours.kind.entry == theirs.message_type.GetOptions().map_entry
        else:
            assert ours.kind == KINDS[theirs.type]


def same(shape: Shape, ours: Values, theirs: Any) -> None:
    for field in shape.fields:
        value = getattr(theirs, field.name)
        if isinstance(field.kind, Shape) and field.kind.entry:
            continue  # maps have no order: compared by what they marshal to
        if field.repeated:
            assert len(ours[field.name]) == len(value)
            pairs = list(zip(ours[field.name], value, strict=True))
        elif isinstance(field.kind, Shape):
            assert (ours[field.name] is not None) == theirs.HasField(field.name)
            pairs = [] if ours[field.name] is None else [(ours[field.name], value)]
        else:
            pairs = [(ours[field.name], value)]
        for mine, other in pairs:
            if isinstance(field.kind, Shape):
                same(field.kind, mine, other)
            else:
                assert mine == other


FLAT = [each for each in all_shapes() if not each.entry and all(not deep.entry for deep in inner(each, set()))]


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def spelled(shape: Shape) -> st.SearchStrategy[bytes]:
    """Mostly right spellings of a message: fields mostly in order, numbers mostly short, lengths mostly true."""

    @st.composite
    def draw(pick: st.DrawFn) -> bytes:
        fields = pick(st.lists(st.sampled_from(shape.fields), max_size=5))
        if pick(st.integers(0, 9)):
            fields.sort(key=lambda field: field.number)
        out = b""
        for field in fields:
            if isinstance(field.kind, Shape):
                content = pick(spelled(field.kind))
            elif field.kind == "text":
                content = pick(st.text(max_size=4)).encode() if pick(st.integers(0, 9)) else pick(st.binary(max_size=4))
            elif field.kind == "bytes":
                content = pick(st.binary(max_size=4))
            else:
                number = pick(st.integers(0, 3) | st.integers(0, 1 << 65))
                out += varint(field.tag) + varint(number)
                continue
            length = len(content) if pick(st.integers(0, 19)) else pick(st.integers(0, 1 << 40))
            out += varint(field.tag) + varint(length) + content
        return out

    return draw()


@given(st.data())
def test_what_is_accepted_the_official_parser_reads_alike(data: st.DataObject) -> None:
    shape = data.draw(st.sampled_from(FLAT))
    message = data.draw(spelled(shape) | st.binary(max_size=24))
    try:
        values = read_message(shape, message)
    except Malformed as error:
        assert error.where in ("encoding", "too_large")
        return
    theirs = official(shape.name).FromString(message)
    assert theirs.SerializeToString(deterministic=True) == message
    same(shape, values, theirs)


@given(st.data())
def test_what_the_official_writer_writes_is_accepted(data: st.DataObject) -> None:
    """The other direction: nothing that is spelled right is refused, but for what shapes leave out."""
    shape = data.draw(st.sampled_from(FLAT))
    message = data.draw(spelled(shape))
    try:
        theirs = official(shape.name).FromString(message)
    except DecodeError:
        return
    if theirs.SerializeToString(deterministic=True) != message or negative(theirs):
        return
    try:
        read_message(shape, message)
    except Malformed:
        unknown = [f for f, _ in theirs.ListFields() if (shape.name, f.name) in LEFT_OUT]
        assert unknown or has_unknown(theirs)


def negative(message: Any) -> bool:
    """Numbers below 0, which Fabric's messages do not hold."""
    for field, value in message.ListFields():
        values = list(value) if field.label == field.LABEL_REPEATED else [value]
        if any(negative(each) if field.message_type else isinstance(each, int) and each < 0 for each in values):
            return True
    return False


def has_unknown(message: Any) -> bool:
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is not None:
            values = list(value) if field.label == field.LABEL_REPEATED else [value]
            if any(has_unknown(each) for each in values):
                return True
    return False


TWO = Shape("Two", Field(1, "number", "uint64"), Field(2, "text", "text"), Field(3, "many", "bytes", repeated=True))


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (b"\x08", "ends within a number"),
        (b"\x08\x80", "ends within a number"),
        (b"\x08\x81\x00", "shortest form"),
        (b"\x88\x00\x01", "shortest form"),
        (b"\x08" + b"\xff" * 9 + b"\x02", "shortest form"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than ten bytes"),
        (b"\x08\x00", "although it holds nothing"),
        (b"\x12\x00", "although it holds nothing"),
        (b"\x08\x01\x08\x01", "twice, or behind a later one"),
        (b"\x12\x01a\x08\x01", "twice, or behind a later one"),
        (b"\x1a\x00\x12\x01a", "twice, or behind a later one"),
        (b"\x20\x01", "a field 4"),
        (b"\x0a\x01a", "a field 1"),  # the right number on the wrong wire type
        (b"\x0b\x0c", "a field 1"),  # a group
        (b"\x00", "a field 0"),
        (b"\x12\x02a", "ends within its field text"),
        (b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01a", "ends within its field text"),
        (b"\x12\x01\xff", "not UTF-8"),
        (b"\x12\x03\xed\xa0\x80", "not UTF-8"),
        (b"\x08\x01\x00", "a field 0"),
    ],
)
def test_every_other_spelling_is_refused(message: bytes, says: str) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        read_message(TWO, message)
    assert caught.value.where == "encoding"


def test_what_is_absent_reads_as_its_default() -> None:
    assert read_message(TWO, b"") == {"number": 0, "text": "", "many": []}
    assert read_message(TWO, b"\x1a\x00\x1a\x01x") == {"number": 0, "text": "", "many": [b"", b"x"]}
    assert read_message(fabric_messages.KV_READ, b"\x12\x00")["version"] == {"block_num": 0, "tx_num": 0}
    assert read_message(fabric_messages.KV_READ, b"")["version"] is None


def test_a_map_entry_is_written_with_key_and_value_whatever_they_hold() -> None:
    group = fabric_messages.CONFIG_GROUP
    entry = b"\x0a\x00\x12\x00"
    assert read_message(group, b"\x12\x04" + entry)["groups"][0]["key"] == ""
    for short in (b"\x0a\x00", b"\x12\x00", b""):
        with pytest.raises(Malformed, match="lacks its key or its value"):
            read_message(group, b"\x12" + bytes([len(short)]) + short)


def test_messages_are_bounded_in_number() -> None:
    assert len(read_message(TWO, b"\x1a\x00" * MAX_ELEMENTS)["many"]) == MAX_ELEMENTS
    inside = b"\x12\x04\x22\x02\x0a\x00"  # a range that read one key
    half = MAX_ELEMENTS // 2
    for message, shape in ((b"\x1a\x00" * (MAX_ELEMENTS + 1), TWO), (inside * (half + 1), fabric_messages.KV_RW_SET)):
        with pytest.raises(Malformed, match="more than 250000 elements") as caught:
            read_message(shape, message)
        assert caught.value.where == "too_large"


def test_messages_are_bounded_in_size_and_depth() -> None:
    with pytest.raises(Malformed) as caught:
        read_message(TWO, b"\x12\x05abcde", limit=6)
    assert caught.value.where == "too_large"
    nested = b""
    for _ in range(MAX_DEPTH):
        entry = b"\x0a\x01g\x12" + varint(len(nested)) + nested
        nested = b"\x12" + varint(len(entry)) + entry
    with pytest.raises(Malformed, match="nested deeper"):
        read_message(fabric_messages.CONFIG_GROUP, nested)


@given(st.binary(max_size=64))
@example(b"\xff" * 64)
def test_the_reader_is_total(data: bytes) -> None:
    for shape in SHAPES.values():
        try:
            read_message(shape, data)
        except Malformed as error:
            assert error.where == "encoding"
