"""H.265: what a NAL unit is, which parameter sets a slice refers to, and what a sequence parameter set says.

Source: ITU-T H.265 (08/2021), 7.3 and annex E.
"""

from __future__ import annotations

from evidence.errors import Malformed
from media.h264 import UNSTATED_COLOUR, StreamFormat, parse_vui_start, take_units
from media.nal import Bits, unescape, within

FIRST_KEY, LAST_KEY = 16, 21
FIRST_IRAP, LAST_IRAP = 16, 23
RASL = frozenset({8, 9})  # leading pictures that may refer to pictures before the entry
LAST_VCL = 31
VPS, SPS, PPS, DELIMITER, FILLER, PREFIX_SEI, SUFFIX_SEI = 32, 33, 34, 35, 38, 39, 40

MAX_VPS_ID, MAX_SPS_ID, MAX_PPS_ID = 15, 15, 63
_MAX_SHORT_TERM_SETS, _MAX_LONG_TERM, _MAX_PICTURES = 64, 32, 16


def layer(nal: bytes) -> int:
    """nuh_layer_id of a unit; one of a single byte has none and counts as of no layer that decodes."""
    return (nal[0] & 1) << 5 | nal[1] >> 3 if len(nal) > 1 else 63


def parse_vps_id(nal: bytes) -> int:
    """The id of a video parameter set given with its NAL header."""
    return Bits(nal[2:3]).u(4)


def parse_sps_ids(nal: bytes) -> tuple[int, int]:
    """The id of a sequence parameter set, and the id of the video parameter set that it refers to."""
    bits = Bits(unescape(nal[2:160]))
    vps, _ = _skip_profile(bits)
    return within(bits.ue(), MAX_SPS_ID), vps


def parse_pps_ids(nal: bytes) -> tuple[int, int]:
    """The id of a picture parameter set, and the id of the sequence parameter set that it refers to."""
    bits = Bits(unescape(nal[2:24]))
    return within(bits.ue(), MAX_PPS_ID), within(bits.ue(), MAX_SPS_ID)


def parse_slice_pps(kind: int, head: bytes) -> int:
    """The id of the picture parameter set that a slice segment refers to.

    Args:
        kind: NAL unit type, 0 to 31.
        head: the first bytes behind the NAL header, with emulation prevention; 24 are enough.
    """
    bits = Bits(unescape(head))
    bits.flag()
    if FIRST_IRAP <= kind <= LAST_IRAP:
        bits.flag()
    return within(bits.ue(), MAX_PPS_ID)


def parse_sps(nal: bytes) -> StreamFormat:
    """Read size, cropping, sample aspect and colour out of a sequence parameter set given with its NAL header.

    Raises:
        Malformed: not a sequence parameter set that the standard allows.
    """
    bits = Bits(unescape(nal[2:]))
    _, sub_layers = _skip_profile(bits)
    bits.ue()
    chroma = within(bits.ue(), 3)
    separate = chroma == 3 and bits.flag()
    width, height = within(bits.ue(), 65535), within(bits.ue(), 65535)
    if bits.flag():
        unit_x = 2 if chroma in (1, 2) and not separate else 1
        unit_y = 2 if chroma == 1 and not separate else 1
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    if width <= 0 or height <= 0:
        raise Malformed("sequence parameter set leaves nothing of the picture")
    _skip_to_vui(bits, sub_layers)
    sar, colour = parse_vui_start(bits) if bits.flag() else (None, UNSTATED_COLOUR)
    return StreamFormat(width=width, height=height, chroma=chroma, sar=sar, colour=colour)


def _skip_profile(bits: Bits) -> tuple[int, int]:
    """Read the start of a sequence parameter set; returns the VPS id and sps_max_sub_layers_minus1."""
    vps, sub_layers = bits.u(4), bits.u(3)
    bits.u(1 + 96)
    present = [(bits.flag(), bits.flag()) for _ in range(sub_layers)]
    if sub_layers:
        bits.u(2 * (8 - sub_layers))
    for profile, level in present:
        bits.u(88 * profile + 8 * level)
    return vps, sub_layers


def _skip_to_vui(bits: Bits, sub_layers: int) -> None:
    bits.ue()
    bits.ue()
    order_bits = within(bits.ue(), 12) + 4
    for _ in range(sub_layers + 1 if bits.flag() else 1):
        bits.ue()
        bits.ue()
        bits.ue()
    for _ in range(6):
        bits.ue()
    if bits.flag() and bits.flag():
        _skip_scaling_lists(bits)
    bits.u(2)
    if bits.flag():
        bits.u(8)
        bits.ue()
        bits.ue()
        bits.u(1)
    _skip_reference_sets(bits)
    if bits.flag():
        for _ in range(within(bits.ue(), _MAX_LONG_TERM)):
            bits.u(order_bits + 1)
    bits.u(2)


def _skip_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not bits.flag():
                bits.ue()
                continue
            if size > 1:
                bits.se()
            for _ in range(min(64, 1 << (4 + 2 * size))):
                bits.se()


def _skip_reference_sets(bits: Bits) -> None:
    pictures: list[int] = []
    for index in range(within(bits.ue(), _MAX_SHORT_TERM_SETS)):
        if index and bits.flag():
            bits.flag()
            bits.ue()
            kept = 0
            for _ in range(pictures[-1] + 1):
                used = bits.flag()
                kept += used or bits.flag()
            pictures.append(within(kept, _MAX_PICTURES))
            continue
        negative, positive = within(bits.ue(), _MAX_PICTURES), within(bits.ue(), _MAX_PICTURES)
        for _ in range(negative + positive):
            bits.ue()
            bits.flag()
        pictures.append(within(negative + positive, _MAX_PICTURES))


def parse_configuration(data: bytes) -> tuple[int, list[bytes]]:
    """Read an HEVCDecoderConfigurationRecord: bytes of each length, and the NAL units that stand in the header.

    Raises:
        Malformed: not such a record.
    """
    # Early writers left the version byte 0.
    if len(data) < 23 or data[0] > 1:
        raise Malformed("decoder configuration is not that of H.265")
    units: list[bytes] = []
    position = 23
    for _ in range(data[22]):
        if position + 3 > len(data):
            raise Malformed("decoder configuration ends too early")
        position = take_units(data, position + 3, int.from_bytes(data[position + 1 : position + 3], "big"), units)
    return (data[21] & 3) + 1, units
