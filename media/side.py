"""Side data: what stands beside the pictures and may change how they look.

Most of it never changes (camera time stamps, delimiters) and some is added and dropped by ordinary equipment; the rest
(film grain, orientation, tone mapping …) is bound as firmly as the pictures.
"""

from __future__ import annotations

import hashlib
import re

from evidence.errors import Malformed
from media import av1
from media.nal import unescape

FREE, USER, BOUND = 0, 1, 2

# SEI payload types that say nothing about how a picture looks: buffering, timing, recovery point; in H.265 also active
# parameter sets, decoding unit timing and picture hash.
FREE_H264 = frozenset({0, 1, 6})
FREE_H265 = FREE_H264 | {129, 130, 132}
USER_TYPES = frozenset({4, 5})

# Digests of the units that end a sequence or a stream, H.264 then H.265. They stand in the packet of the picture before
# them, so they go where that picture goes.
ENDINGS = frozenset(hashlib.sha256(unit).digest() for unit in (b"\x0a", b"\x0b", b"\x48\x01", b"\x4a\x01"))

# How registered messages (ITU-T T.35: country, provider) begin that decoders draw from: film grain of AOM, and the
# enhancement layer of LCEVC.
_DRAWN_FROM = (b"\xb5\x58\x90", b"\xb4\x00\x50")

_REGISTERED, _UNREGISTERED = 4, 5
_UUID_BYTES = 16
_X264 = re.compile(rb"x264 - core ([1-9]\d{1,2})(?!\d)")
_X264_FIRST, _X264_FIRST_444, _X264_LAST = 34, 151, 999


def sei_class(nal: bytes, *, header_bytes: int, chroma_444: bool = False) -> int:
    """Say whether an SEI unit is `FREE`, a `USER` message, or `BOUND`.

    Args:
        nal: with its NAL header, of one byte (H.264) or two (H.265), and emulation prevention.
        chroma_444: a sequence parameter set in force says 4:4:4, for which FFmpeg heeds later encoder versions.
    """
    h264 = header_bytes == 1
    free = FREE_H264 if h264 else FREE_H265
    found = FREE
    for kind, payload in _messages(unescape(nal[header_bytes:])):
        if kind in free:
            continue
        if kind not in USER_TYPES:
            return BOUND
        if kind == _REGISTERED and payload.startswith(_DRAWN_FROM):
            return BOUND
        if h264 and kind == _UNREGISTERED and not _harmless(payload[_UUID_BYTES:], chroma_444=chroma_444):
            return BOUND
        found = USER
    return found


def _messages(rbsp: bytes) -> list[tuple[int, bytes]]:
    """Type and payload of every message; a last one that is cut off is given as far as it goes.

    A message cut off is common: some cameras write their own without emulation prevention.
    """
    messages = []
    end = len(rbsp.rstrip(b"\x00"))
    position = 0
    # What is left after the last message is the stop bit.
    while position < end and not (position == end - 1 and rbsp[position] == 0x80):
        kind, position = _sum(rbsp, position)
        size, position = _sum(rbsp, position)
        messages.append((kind, rbsp[position : position + size]))
        position += size
    return messages


def _sum(rbsp: bytes, position: int) -> tuple[int, int]:
    """A number as SEI writes it: bytes of 255 that add up, then the last one."""
    value = 0
    while position < len(rbsp):
        value += rbsp[position]
        position += 1
        if rbsp[position - 1] != 255:
            break
    return value, position


def _harmless(text: bytes, *, chroma_444: bool) -> bool:
    """FFmpeg takes the version of x264 from this message, whatever its UUID, and decodes by it."""
    if not text.startswith(b"x264"):
        return True
    match = _X264.match(text)
    first = _X264_FIRST_444 if chroma_444 else _X264_FIRST
    return match is not None and first <= int(match[1]) <= _X264_LAST


def metadata_class(payload: bytes) -> int:
    """Say whether an AV1 metadata OBU is a `USER` message or `BOUND`."""
    try:
        kind, message = av1.split_metadata(payload)
    except Malformed:
        return BOUND
    return USER if kind == av1.T35 and not message.startswith(_DRAWN_FROM) else BOUND
