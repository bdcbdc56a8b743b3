"""What an AVI says about showing its pictures: their size, a frame aspect, and raw pictures turned upside down.

Source: AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02 (`vprp`).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

from evidence.errors import Malformed
from media.display import Stated

_HEADER_BYTES = 4 << 20
_CHUNKS = 10_000
_BITMAP_BYTES = 40


def is_avi(head: bytes) -> bool:
    """Tell from a file's first 12 bytes whether it is an AVI."""
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def stated_by_avi(file: BinaryIO, index: int) -> Stated:
    """What the headers of an AVI say about showing its stream `index`.

    Raises:
        Malformed: a header that contradicts itself.
    """
    file.seek(0)
    stream, bitmap, properties = -1, b"", b""
    for kind, body in _chunks(file.read(_HEADER_BYTES)):
        if kind == b"strh":
            stream += 1
        elif stream == index and kind == b"strf":
            if bitmap:
                raise Malformed("AVI states the form of a stream twice")
            bitmap = body[:_BITMAP_BYTES]
        elif stream == index and kind == b"vprp":
            if properties:
                raise Malformed("AVI states the aspect of a stream twice")
            properties = body
    if len(bitmap) < 20:
        return Stated()
    width, height = struct.unpack_from("<ii", bitmap, 4)
    # Raw pictures stand upside down in an AVI; a negative height says that these do not.
    flipped = height < 0 and bitmap[16:20] == bytes(4)
    return Stated(
        turn=(180, True) if flipped else None,
        ratio=_ratio(properties),
        entry=(abs(width), abs(height)) if width and height else None,
    )


def decoder_header(file: BinaryIO, index: int) -> bytes:
    """The decoder header that an AVI really holds for its stream `index`: what follows the bitmap header.

    FFmpeg fills in what it finds in the packets, which would hide that a cut file lacks its parameter sets.
    """
    file.seek(0)
    stream = -1
    for kind, body in _chunks(file.read(_HEADER_BYTES)):
        if kind == b"strh":
            stream += 1
        elif kind == b"strf" and stream == index:
            return body[_BITMAP_BYTES:]
    return b""


def _ratio(properties: bytes) -> Fraction | None:
    if len(properties) < 24:
        return None
    below, above = struct.unpack_from("<HH", properties, 20)
    return Fraction(above, below) if above and below else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks before the pictures, lists opened."""
    at = 12
    for _ in range(_CHUNKS):
        if at + 12 > len(data):
            return
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind == b"LIST":
            if data[at + 8 : at + 12] == b"movi":
                return
            at += 12
            continue
        yield kind, data[at + 8 : at + 8 + size]
        at += 8 + size + (size & 1)
