"""A strict reader of the protobuf messages that Hyperledger Fabric hashes and signs.

It accepts exactly the bytes that Fabric's own writer makes of a message: shortest numbers, fields ascending and known,
nothing twice, nothing that holds its default value, nothing left over. One message has one spelling, so what was
accepted marshals to itself again, and no signature or hash can cover two readings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from evidence.fabric_checks import refusal

MAX_MESSAGE_BYTES = 100 << 20  # what Fabric's own connections carry at most
MAX_DEPTH = 24  # groups of a channel's configuration are the only message that holds itself
# Repeated values in one message and those inside it: two bytes are enough to claim one, hundreds are needed to hold it.
MAX_ELEMENTS = 250_000

_VARINT, _BYTES = 0, 2
_LARGEST = {"int32": 2**31 - 1, "int64": 2**63 - 1, "uint32": 2**32 - 1, "uint64": 2**64 - 1}

Scalar: TypeAlias = Literal["int32", "int64", "uint32", "uint64", "bool", "bytes", "text"]
# What was read: one entry for each field of the shape, also for absent ones: 0, False, empty, an empty list, or None
# for an absent message.
Values: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message. `kind`: a scalar (enumerations are int32, negative numbers refused), or a message."""

    number: int
    name: str
    kind: Scalar | Shape
    repeated: bool = False

    @property
    def tag(self) -> int:
        return self.number << 3 | (_VARINT if self.kind in (*_LARGEST, "bool") else _BYTES)

    @property
    def absent(self) -> object:
        if isinstance(self.kind, Shape):
            return None
        return {"bool": False, "bytes": b"", "text": ""}.get(self.kind, 0)


class Shape:
    """A message's fields, as Fabric's .proto files number them.

    Args:
        entry: the message is an entry of a map. Its two fields are always written, also with default values.
    """

    def __init__(self, name: str, *fields: Field, entry: bool = False) -> None:
        self.name = name
        self.entry = entry
        self._by_tag: dict[int, Field] = {}
        self._absent: dict[str, Any] = {}
        self._lists: list[str] = []
        self.add(*fields)

    def add(self, *fields: Field) -> None:
        """Further fields; for a message that holds itself."""
        for field in fields:
            self._by_tag[field.tag] = field
            if field.repeated:
                self._lists.append(field.name)
            else:
                self._absent[field.name] = field.absent

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(self._by_tag.values())

    def read(self, data: bytes, start: int, end: int, depth: int, left: list[int]) -> Values:
        """Read the message from `start` to `end`; `left` holds how many elements there may still be."""
        if depth > MAX_DEPTH:
            raise refusal("encoding", f"{self.name} is nested deeper than {MAX_DEPTH} messages")
        values = {} if self.entry else self._absent.copy()
        for name in self._lists:
            values[name] = []
        by_tag, at, last = self._by_tag, start, 0
        while at < end:
            tag = data[at]
            if tag < 0x80:
                at += 1
            else:
                tag, at = _number(data, at, end, self.name)
            field = by_tag.get(tag)
            if field is None:
                raise refusal("encoding", f"{self.name} has a field {tag >> 3} that it does not have in Fabric")
            if tag <= last and not (tag == last and field.repeated):
                raise refusal("encoding", f"{self.name} has its field {field.name} twice, or behind a later one")
            last = tag
            kind = field.kind
            # Every number on the way is mostly one byte; the function is for the others.
            if at < end and data[at] < 0x80:
                number = data[at]
                at += 1
            else:
                number, at = _number(data, at, end, self.name)
            value: Any
            if tag & 7 == _VARINT:
                if kind == "bool":
                    largest, value = 1, bool(number)
                else:
                    assert isinstance(kind, str)
                    largest, value = _LARGEST[kind], number
                if number > largest:
                    raise refusal("encoding", f"{self.name} has a number in {field.name} that is no {kind}")
            else:
                stop = at + number
                if stop > end:
                    raise refusal("encoding", f"{self.name} ends within its field {field.name}")
                if isinstance(kind, Shape):
                    value = kind.read(data, at, stop, depth + 1, left)
                else:
                    value = data[at:stop]
                    if kind == "text":
                        value = _text(value, self.name, field.name)
                at = stop
            if field.repeated:
                left[0] -= 1
                if left[0] < 0:
                    raise refusal("too_large", f"more than {MAX_ELEMENTS} elements, with {field.name} of {self.name}")
                values[field.name].append(value)
                continue
            if not value and not self.entry and not isinstance(kind, Shape):
                raise refusal("encoding", f"{self.name} writes {field.name} out although it holds nothing")
            values[field.name] = value
        if self.entry and len(values) != len(by_tag):
            raise refusal("encoding", f"{self.name} lacks its key or its value")
        return values


def _number(data: bytes, at: int, end: int, what: str) -> tuple[int, int]:
    """A number of seven bits a byte, in its shortest form, below 2^64, and where it ends."""
    number = shift = 0
    while True:
        if at >= end:
            raise refusal("encoding", f"{what} ends within a number")
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
        if shift > 63:
            raise refusal("encoding", f"{what} has a number of more than ten bytes")
    if (byte == 0 and shift) or number >= 1 << 64:
        raise refusal("encoding", f"{what} has a number that is not in its shortest form")
    return number, at


def _text(data: bytes, what: str, name: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise refusal("encoding", f"{what} has bytes in {name} that are not UTF-8") from error


def read_message(shape: Shape, data: bytes, *, limit: int = MAX_MESSAGE_BYTES) -> Values:
    """Read one message; see `Values`.

    Raises:
        Malformed: larger than `limit`, or not byte for byte what Fabric writes for these values.
    """
    if len(data) > limit:
        raise refusal("too_large", f"{shape.name} is larger than {limit} bytes")
    return shape.read(data, 0, len(data), 1, [MAX_ELEMENTS])
