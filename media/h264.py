"""H.264: what a NAL unit is, which parameter sets a slice refers to, and what a sequence parameter set says.

Source: ITU-T H.264 (08/2021), 7.3 and annex E.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from evidence.errors import Malformed
from media.nal import Bits, unescape, within

IDR, SEI, SPS, PPS, DELIMITER, FILLER = 5, 6, 7, 8, 9, 12

MAX_SPS_ID, MAX_PPS_ID = 31, 255
_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 144, 244})

# Table E-1: aspect_ratio_idc to sample aspect ratio.
SAMPLE_ASPECTS = (
    *((0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11)),
    *((80, 33), (18, 11), (15, 11), (64, 33), (160, 99), (4, 3), (3, 2), (2, 1)),
)
EXTENDED_ASPECT = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFormat:
    """What the stream itself says about its pictures.

    `width` and `height` are of the cropped picture; `sar` is None when unstated; `colour` is H.273 primaries, transfer,
    matrix and full range, 2 and 0 when unstated.
    """

    width: int
    height: int
    chroma: int
    sar: tuple[int, int] | None
    colour: tuple[int, int, int, int]


def parse_sps_id(nal: bytes) -> int:
    """The id of a sequence parameter set given with its NAL header.

    Raises:
        Malformed: too short, or an id that the standard does not allow.
    """
    bits = Bits(unescape(nal[1:24]))
    bits.u(24)
    return within(bits.ue(), MAX_SPS_ID)


def parse_pps_ids(nal: bytes) -> tuple[int, int]:
    """The id of a picture parameter set, and the id of the sequence parameter set that it refers to."""
    bits = Bits(unescape(nal[1:24]))
    return within(bits.ue(), MAX_PPS_ID), within(bits.ue(), MAX_SPS_ID)


def parse_slice_pps(head: bytes) -> int:
    """The id of the picture parameter set that a slice refers to; its first bit says whether it begins a picture.

    Args:
        head: the first bytes behind the NAL header, with emulation prevention; 24 are enough.
    """
    bits = Bits(unescape(head))
    bits.ue()
    bits.ue()
    return within(bits.ue(), MAX_PPS_ID)


def parse_sps(nal: bytes) -> StreamFormat:
    """Read size, cropping, sample aspect and colour out of a sequence parameter set given with its NAL header.

    Raises:
        Malformed: not a sequence parameter set that the standard allows.
    """
    bits = Bits(unescape(nal[1:]))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    chroma, separate = 1, False
    if profile in _WITH_CHROMA:
        chroma = within(bits.ue(), 3)
        separate = chroma == 3 and bits.flag()
        bits.ue()
        bits.ue()
        bits.flag()
        if bits.flag():
            _skip_scaling_lists(bits, 12 if chroma == 3 else 8)
    bits.ue()
    _skip_picture_order(bits)
    bits.ue()
    bits.flag()
    width = 16 * (within(bits.ue(), 8191) + 1)
    height = 16 * (within(bits.ue(), 8191) + 1)
    frames_only = bits.flag()
    if not frames_only:
        height *= 2
        bits.flag()
    bits.flag()
    if bits.flag():
        unit_x = 2 if chroma in (1, 2) and not separate else 1
        unit_y = (2 if chroma == 1 and not separate else 1) * (1 if frames_only else 2)
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
        if width <= 0 or height <= 0:
            raise Malformed("sequence parameter set crops the whole picture away")
    sar, colour = parse_vui_start(bits) if bits.flag() else (None, UNSTATED_COLOUR)
    return StreamFormat(width=width, height=height, chroma=chroma, sar=sar, colour=colour)


UNSTATED_COLOUR = (2, 2, 2, 0)


def parse_vui_start(bits: Bits) -> tuple[tuple[int, int] | None, tuple[int, int, int, int]]:
    """Sample aspect ratio and colour at the start of VUI parameters, which H.264 and H.265 share."""
    sar = None
    if bits.flag():
        index = bits.u(8)
        if index == EXTENDED_ASPECT:
            sar = (bits.u(16), bits.u(16))
        elif index < len(SAMPLE_ASPECTS):
            sar = SAMPLE_ASPECTS[index]
        if sar is not None and not all(sar):
            sar = None
    if bits.flag():
        bits.flag()
    colour = UNSTATED_COLOUR
    if bits.flag():
        bits.u(3)
        full = bits.u(1)
        primaries, transfer, matrix = (bits.u(8), bits.u(8), bits.u(8)) if bits.flag() else UNSTATED_COLOUR[:3]
        colour = (primaries, transfer, matrix, full)
    return sar, colour


def _skip_scaling_lists(bits: Bits, count: int) -> None:
    for index in range(count):
        if not bits.flag():
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _skip_picture_order(bits: Bits) -> None:
    kind = within(bits.ue(), 2)
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.flag()
        bits.se()
        bits.se()
        for _ in range(within(bits.ue(), 255)):
            bits.se()


def parse_configuration(data: bytes) -> tuple[int, list[bytes]]:
    """Read an AVCDecoderConfigurationRecord: bytes of each length, and the NAL units that stand in the header.

    Raises:
        Malformed: not such a record.
    """
    if len(data) < 7 or data[0] != 1:
        raise Malformed("decoder configuration is not that of H.264")
    units: list[bytes] = []
    position = take_units(data, 6, data[5] & 31, units)
    if position < len(data):
        position = take_units(data, position + 1, data[position], units)
    if data[1] in _WITH_CHROMA and len(data) >= position + 4:
        # Decoders do not read this last part, so damage to it must not hide the sets in front of it.
        with suppress(Malformed):
            take_units(data, position + 4, data[position + 3], units)
    return (data[4] & 3) + 1, units


def take_units(data: bytes, position: int, count: int, units: list[bytes]) -> int:
    """Append `count` units behind 16-bit lengths to `units`; returns where they end."""
    for _ in range(count):
        begin = position + 2
        position = begin + int.from_bytes(data[position:begin], "big")
        if position > len(data):
            raise Malformed("decoder configuration ends too early")
        units.append(data[begin:position].rstrip(b"\x00"))
    return position
