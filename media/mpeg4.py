"""MPEG-4 Part 2 and JPEG: the little that their streams say about showing pictures.

Source: ISO/IEC 14496-2, 6.2.3; JFIF 1.02.
"""

from __future__ import annotations

from evidence.errors import Malformed
from media.h264 import UNSTATED_COLOUR
from media.nal import Bits

# JFIF defines its pictures as full range with the matrix of ITU-R BT.601.
JPEG_COLOUR = (2, 2, 5, 1)

_ASPECTS = {1: (1, 1), 2: (12, 11), 3: (10, 11), 4: (16, 11), 5: (40, 33)}
_EXTENDED = 15
_LAYER_CODES = range(0x20, 0x30)
_START = b"\x00\x00\x01"


def parse_aspect(header: bytes) -> tuple[int, int] | None:
    """The sample aspect ratio that the video object layer in a decoder header states; None: it states none.

    Raises:
        Malformed: the layer's header ends too early.
    """
    begin = header.find(_START)
    while 0 <= begin < len(header) - 3 and header[begin + 3] not in _LAYER_CODES:
        begin = header.find(_START, begin + 3)
    if not 0 <= begin < len(header) - 3:
        return None
    bits = Bits(header[begin + 4 :])
    bits.u(9)
    if bits.flag():
        bits.u(7)
    index = bits.u(4)
    if index != _EXTENDED:
        return _ASPECTS.get(index)
    width, height = bits.u(8), bits.u(8)
    return (width, height) if width and height else None


def stream_says(codec: str, header: bytes) -> tuple[tuple[int, int] | None, tuple[int, int, int, int]]:
    """Sample aspect and colour as a stream of a coding without parameter sets states them."""
    if codec == "mjpeg":
        return None, JPEG_COLOUR
    if codec != "mpeg4":
        return None, UNSTATED_COLOUR
    try:
        return parse_aspect(header), UNSTATED_COLOUR
    except Malformed:
        return None, UNSTATED_COLOUR
