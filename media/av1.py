"""AV1: open bitstream units, brought into the one form that survives re-packaging, and the sequence header.

Source: AV1 Bitstream & Decoding Process Specification, version 1.0.0 with errata 1, 5.3 to 5.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evidence.errors import Malformed
from media.h264 import UNSTATED_COLOUR
from media.nal import Bits

SEQUENCE_HEADER, FRAME_HEADER, TILE_GROUP, METADATA, FRAME, REDUNDANT_HEADER = 1, 3, 4, 5, 6, 7
PICTURE = frozenset({FRAME_HEADER, TILE_GROUP, FRAME})
T35 = 4  # metadata type of user messages
_HAS_SIZE, _HAS_EXTENSION = 2, 4
_KEY_FRAME = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Obu:
    """One unit in normal form: `data` has a size field in minimal leb128 whatever the container wrote."""

    kind: int
    data: bytes
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """What a sequence header says. `colour` is H.273 primaries, transfer, matrix and full range."""

    width: int
    height: int
    reduced: bool
    colour: tuple[int, int, int, int]


def parse_obus(data: bytes) -> Iterator[Obu]:
    """Cut a temporal unit into its OBUs.

    Raises:
        Malformed: a size that reaches beyond the data, or a forbidden bit.
    """
    position = 0
    while position < len(data):
        header = data[position]
        if header & 0x80:
            raise Malformed("AV1 unit has its forbidden bit set")
        head_end = position + (2 if header & _HAS_EXTENSION else 1)
        size, begin = _parse_leb128(data, head_end) if header & _HAS_SIZE else (max(0, len(data) - head_end), head_end)
        end = begin + size
        if end > len(data):
            raise Malformed("AV1 unit is longer than its packet")
        payload = data[begin:end]
        head = bytes((header | _HAS_SIZE,)) + data[position + 1 : head_end]
        yield Obu(kind=header >> 3 & 15, data=head + _leb128(size) + payload, payload=payload)
        position = end


def _parse_leb128(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for count in range(8):
        if position + count >= len(data):
            break
        byte = data[position + count]
        value |= (byte & 0x7F) << (7 * count)
        if not byte & 0x80:
            return value, position + count + 1
    raise Malformed("size of an AV1 unit cannot be read")


def _leb128(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def split_metadata(payload: bytes) -> tuple[int, bytes]:
    """The type of a metadata OBU, and what stands behind it.

    Raises:
        Malformed: the type cannot be read.
    """
    kind, begin = _parse_leb128(payload, 0)
    return kind, payload[begin:]


def is_copy(payload: bytes, header: bytes) -> bool:
    """Whether a redundant frame header says nothing that the frame header before it does not.

    Decoders take one that stands behind a whole picture for a frame header of its own, which may show a picture again.
    """
    return payload == header and not payload[:1] >= b"\x80"


def is_key(payload: bytes, *, reduced: bool) -> tuple[bool, bool]:
    """Whether a frame header says key frame, and whether that frame is shown at once."""
    if reduced:
        return True, True
    if not payload:
        return False, False
    if payload[0] & 0x80:
        return False, True
    return payload[0] >> 5 & 3 == _KEY_FRAME, bool(payload[0] & 0x10)


def parse_configuration(data: bytes) -> list[Obu]:
    """The OBUs of an AV1CodecConfigurationRecord, or of bare OBUs, which some demultiplexers hand over.

    Raises:
        Malformed: neither.
    """
    return list(parse_obus(data[4:] if data[:1] == b"\x81" else data))


def parse_sequence(payload: bytes) -> Sequence:
    """Read size and colour out of a sequence header.

    Raises:
        Malformed: it ends too early or says what the specification does not allow.
    """
    bits = Bits(payload)
    profile = bits.u(3)
    bits.u(1)
    reduced = bits.flag()
    if reduced:
        bits.u(5)
    else:
        _skip_operating_points(bits)
    width_bits, height_bits = bits.u(4) + 1, bits.u(4) + 1
    width, height = bits.u(width_bits) + 1, bits.u(height_bits) + 1
    if not reduced and bits.flag():
        bits.u(7)
    bits.u(3)
    if not reduced:
        _skip_tools(bits)
    bits.u(3)
    return Sequence(width=width, height=height, reduced=reduced, colour=_parse_colour(bits, profile))


def _skip_operating_points(bits: Bits) -> None:
    delay_bits = None
    if bits.flag():
        bits.u(64)
        if bits.flag():
            bits.ue()
        if bits.flag():
            delay_bits = bits.u(5) + 1
            bits.u(42)
    display_delay = bits.flag()
    for _ in range(bits.u(5) + 1):
        bits.u(12)
        if bits.u(5) > 7:
            bits.u(1)
        if delay_bits is not None and bits.flag():
            bits.u(2 * delay_bits + 1)
        if display_delay and bits.flag():
            bits.u(4)


def _skip_tools(bits: Bits) -> None:
    bits.u(4)
    order_hint = bits.flag()
    if order_hint:
        bits.u(2)
    screen_content = bits.flag() or bits.flag()
    if screen_content and not bits.flag():
        bits.u(1)
    if order_hint:
        bits.u(3)


def _parse_colour(bits: Bits, profile: int) -> tuple[int, int, int, int]:
    if bits.flag() and profile == 2:
        bits.u(1)
    monochrome = profile != 1 and bits.flag()
    primaries, transfer, matrix = (bits.u(8), bits.u(8), bits.u(8)) if bits.flag() else UNSTATED_COLOUR[:3]
    # sRGB with identity matrix is full range by definition and carries no flag.
    full = 1 if not monochrome and (primaries, transfer, matrix) == (1, 13, 0) else bits.u(1)
    return primaries, transfer, matrix, full
