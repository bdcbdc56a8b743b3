"""EBML, the form that Matroska and WebM are written in: bounded walking of a file and of what was read from it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from evidence.errors import Malformed

_UNKNOWN = -1


@dataclass(slots=True, kw_only=True)
class Budget:
    """What reading one file may still cost.

    The defaults leave room for a day of 30 pictures per second in clusters of unknown size.
    """

    elements: int = 4_000_000
    header_bytes: int = 64 << 20  # of everything that is read into memory
    tracks: int = 64
    attachments: int = 1000

    def spend_element(self) -> None:
        self.elements -= 1
        if self.elements < 0:
            raise Malformed("container holds more elements than any footage needs")

    def spend_bytes(self, count: int) -> None:
        self.header_bytes -= count
        if self.header_bytes < 0:
            raise Malformed("container's headers are larger than any footage needs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element of the file: `end` is None where its size is unknown; it may lie beyond the file."""

    id: int
    start: int
    payload: int
    end: int | None

    def read(self, file: BinaryIO, budget: Budget) -> memoryview:
        """The payload of an element that is held in memory."""
        if self.end is None:
            raise Malformed(f"element {self.id:X} has no size")
        size = self.end - self.payload
        budget.spend_bytes(size)
        file.seek(self.payload)
        data = file.read(size)
        if len(data) != size:
            raise Malformed(f"element {self.id:X} is cut off")
        return memoryview(data)


def element_at(file: BinaryIO, start: int, budget: Budget) -> Element | None:
    """The element that begins at `start`, or None where the bytes are no element."""
    budget.spend_element()
    file.seek(start)
    head = file.read(12)
    found = _head(memoryview(head), 0)
    if found is None:
        return None
    number, size, payload = found
    return Element(
        id=number, start=start, payload=start + payload, end=None if size == _UNKNOWN else start + payload + size
    )


def _head(data: memoryview, at: int) -> tuple[int, int, int] | None:
    """Read id, size and place of the payload; None where there is no whole head."""
    if at >= len(data) or data[at] < 0x10:
        return None
    id_bytes = 9 - data[at].bit_length()
    after = at + id_bytes
    if after >= len(data) or not data[after]:
        return None
    size_bytes = 9 - data[after].bit_length()
    payload = after + size_bytes
    if payload > len(data):
        return None
    number = int.from_bytes(data[at:after], "big")
    bits = 7 * size_bytes
    size = int.from_bytes(data[after:payload], "big") & ((1 << bits) - 1)
    return number, _UNKNOWN if size == (1 << bits) - 1 else size, payload


class Fields:
    """The children of one element in memory, by id.

    Raises:
        Malformed: they do not fill it exactly, or one that is not in `many` stands twice; readers differ in which they
            take.
    """

    def __init__(self, data: memoryview, what: str, budget: Budget, *, many: frozenset[int] = frozenset()) -> None:
        self._what = what
        self._found: dict[int, list[memoryview]] = {}
        at = 0
        while at < len(data):
            budget.spend_element()
            found = _head(data, at)
            if found is None or found[1] == _UNKNOWN or found[1] > len(data) - found[2]:
                raise Malformed(f"{what} of the Matroska file is damaged")
            number, size, payload = found
            self._found.setdefault(number, []).append(data[payload : payload + size])
            at = payload + size
        for number, values in self._found.items():
            if len(values) > 1 and number not in many and number not in _FREE:
                raise Malformed(f"{what} of the Matroska file states element {number:X} twice")

    def __contains__(self, number: int) -> bool:
        return number in self._found

    def all(self, number: int) -> list[memoryview]:
        return self._found.get(number, [])

    def bytes(self, number: int) -> memoryview | None:
        values = self._found.get(number)
        return values[0] if values else None

    def uint(self, number: int, default: int) -> int:
        value = self.bytes(number)
        if value is None or not len(value):
            return default
        if len(value) > 8:
            raise Malformed(f"{self._what} of the Matroska file holds a number that is too long")
        return int.from_bytes(value, "big")

    def float(self, number: int, default: float) -> float:
        value = self.bytes(number)
        if value is None or not len(value):
            return default
        if len(value) not in (4, 8):
            raise Malformed(f"{self._what} of the Matroska file holds a number of a wrong length")
        number_read: float = struct.unpack(">f" if len(value) == 4 else ">d", value)[0]
        return number_read

    def text(self, number: int) -> str:
        value = self.bytes(number)
        return bytes(value or b"").rstrip(b"\0").decode("utf-8", "replace")[:256]


# Filler and checksums may stand anywhere, any number of times.
VOID, CHECKSUM = 0xEC, 0xBF
_FREE = frozenset((VOID, CHECKSUM))


def elements(file: BinaryIO, start: int, end: int, budget: Budget) -> Iterator[Element]:
    """Walk the elements between two places of the file; stops where bytes are none, and behind one of unknown size."""
    at = start
    while at < end:
        element = element_at(file, at, budget)
        if element is None:
            return
        yield element
        if element.end is None:
            return
        at = element.end
