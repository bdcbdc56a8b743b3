"""Containers' names of codings (FourCC) by which decoders decode otherwise: what they change is bound like a header.

A coding with parameter sets says everything itself. Of the others these are read by their tag, too, as FFmpeg does:
fields of Motion JPEG in another order, colours of MPEG-2 exchanged, the layout of raw pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

# By coding: the tags that say nothing but its name. None at all is one of them.
_USUAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "mjpeg": frozenset({"", "MJPG", "JPEG", "MJPA", "MP4V"}),
        "mpeg1video": frozenset({"", "MPG1", "MPG2", "MPEG", "MP1V", "M1V", "M1V1", "MP4V"}),
        "mpeg2video": frozenset({"", "MPG1", "MPG2", "MPEG", "MP2V", "M2V", "M2V1", "MP4V"}),
        "h263": frozenset({"", "H263", "S263"}),
    }
)
TAGGED = frozenset(_USUAL) | {"rawvideo"}
# Names under which raw pictures of one layout have their colours exchanged or shifted.
_RAW_NAMED = frozenset({"YV12", "YV16", "YV24", "YVU9", "YUV2", "CYUV", "B64A", "AVUP", "Y1"})
_RAW_USUAL = ("bgr24", "")
# Transport streams give the type of the stream, MPEG-1 in AVI a number, where others have four letters.
_NUMBER = 0x20


def bound_tag(codec: str, tag: str, layout: str = "") -> bytes:
    """What of a container's tag is bound as the decoder's header; nothing where it says no more than the coding.

    Args:
        tag: four characters, zeros where there is none.
        layout: of raw pictures, by FFmpeg's name.
    """
    name = tag.upper().strip("\0 ")
    if any(not _NUMBER < ord(character) < 0x7F for character in name):
        name = ""
    if codec == "rawvideo":
        named = name if name in _RAW_NAMED else ""
        return b"" if (layout, named) == _RAW_USUAL or not layout else f"{layout} {named}".strip().encode()
    usual = _USUAL.get(codec)
    return name.encode() if usual is not None and name not in usual else b""
