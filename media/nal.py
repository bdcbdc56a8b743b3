"""NAL units: where they stand in a packet, and reading bits out of them.

One packet may hold them behind start codes (Annex B) or behind lengths, and one file may mix both, so it is decided for
every packet: lengths count only where they chain exactly to the packet's end.
"""

from __future__ import annotations

from evidence.errors import Malformed

START_CODE = b"\x00\x00\x01"
FIRST_START_CODE = b"\x00\x00\x00\x01"

# What was odd about a packet, as bits.
START_CODE_INSIDE = 1  # an Annex B start code inside a length-prefixed unit: players split there, so it is split here
CUT_SHORT = 2  # the last length states more bytes than the packet has
UNREADABLE = 4  # neither lengths nor start codes

Ranges = list[tuple[int, int]]


def split_packet(
    data: bytes | bytearray, length_size: int, begin: int = 0, end: int | None = None, *, clear: bool = False
) -> tuple[Ranges, int]:
    """Find the NAL units of one packet.

    Args:
        length_size: bytes of each length when the container speaks of lengths (1–4); 0 where it holds Annex B only.
        begin, end: where the packet stands in `data`.
        clear: no start code stands wholly in the packet, as the caller knows.

    Returns:
        Where each unit begins and ends in `data`, without start code, length and trailing zeros, and what was odd.
    """
    if end is None:
        end = len(data)
    if length_size:
        chained = _chain(data, length_size, begin, end)
        if chained is not None:
            return _split_inside(data, chained, clear=clear)
    ranges = split_annex_b(data, begin, end)
    if not length_size or _begins_with_start_code(data, begin, end):
        return ranges, 0 if ranges else UNREADABLE
    cut = _chain(data, length_size, begin, end, cut_short=True)
    if cut:
        ranges, odd = _split_inside(data, cut, clear=clear)
        return ranges, odd | CUT_SHORT
    return ranges, 0 if ranges else UNREADABLE


def split_annex_b(data: bytes | bytearray, begin: int = 0, end: int | None = None) -> Ranges:
    """Find the NAL units between start codes; what stands before the first start code belongs to none."""
    if end is None:
        end = len(data)
    ranges: Ranges = []
    start = data.find(START_CODE, begin, end)
    while start >= 0:
        start += 3
        following = data.find(START_CODE, start, end)
        stop = _without_zeros(data, start, following if following >= 0 else end)
        if stop > start:
            ranges.append((start, stop))
        start = following
    return ranges


def _chain(
    data: bytes | bytearray, length_size: int, begin: int, end: int, *, cut_short: bool = False
) -> Ranges | None:
    """Follow lengths to the packet's end; None unless they end exactly there, or run past it where that is allowed."""
    ranges: Ranges = []
    position = begin
    while position < end:
        start = position + length_size
        length = int.from_bytes(data[position:start], "big")
        position = start + length
        if position > end:
            # Some recorders pad packets with zeros.
            if not any(data[start - length_size : end]):
                break
            if not cut_short or start >= end:
                return None
            position = end
        if length:
            ranges.append((start, position))
        elif length_size < 4:
            return None  # short lengths of zero are how a start code reads
    return ranges


def _split_inside(data: bytes | bytearray, chained: Ranges, *, clear: bool) -> tuple[Ranges, int]:
    """Drop trailing zeros, and split where a start code stands wholly inside a unit."""
    ranges: Ranges = []
    odd = 0
    for begin, end in chained:
        # Looked for in each unit by itself: a hit that reaches into a length field is a length, not a start code.
        hit = -1 if clear else data.find(START_CODE, begin, end)
        while hit >= 0:
            odd = START_CODE_INSIDE
            stop = _without_zeros(data, begin, hit)
            if stop > begin:
                ranges.append((begin, stop))
            begin = hit + 3
            hit = data.find(START_CODE, begin, end)
        if data[end - 1] == 0:
            end = _without_zeros(data, begin, end)
        if end > begin:
            ranges.append((begin, end))
    return ranges, odd


def _without_zeros(data: bytes | bytearray, begin: int, end: int) -> int:
    return begin + len(data[begin:end].rstrip(b"\x00")) if end > begin and data[end - 1] == 0 else end


def _begins_with_start_code(data: bytes | bytearray, begin: int, end: int) -> bool:
    hit = data.find(START_CODE, begin, end)
    return hit >= 0 and not any(data[begin:hit])


def unescape(nal: bytes) -> bytes:
    """Take out the emulation prevention bytes."""
    return nal.replace(b"\x00\x00\x03", b"\x00\x00")


class Bits:
    """Reads an RBSP bit by bit; running out of bits is `Malformed`."""

    __slots__ = ("_left", "_value")

    LIMIT_BYTES = 1 << 14

    def __init__(self, rbsp: bytes) -> None:
        data = rbsp[: self.LIMIT_BYTES]
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def u(self, count: int) -> int:
        """Unsigned, `count` bits."""
        self._left -= count
        if self._left < 0:
            raise Malformed("parameter set or header ends too early")
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        return self.u(1) == 1

    def ue(self) -> int:
        """Exp-Golomb, unsigned; at most 32 leading zeros."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 32:
                raise Malformed("number in a parameter set or header is too long")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Exp-Golomb, signed."""
        value = self.ue()
        return (value + 1) // 2 if value & 1 else -(value // 2)


def within(value: int, highest: int) -> int:
    """Let a value pass that the standard allows."""
    if value > highest:
        raise Malformed("value in a parameter set or slice header is outside what the standard allows")
    return value
