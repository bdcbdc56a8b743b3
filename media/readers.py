"""What each coding's packets hold, put into columns."""

from __future__ import annotations

import hashlib
from typing import Protocol

from evidence.errors import Malformed
from media import av1, side
from media.columns import ENTRY, Columns
from media.h264 import StreamFormat
from media.nal_readers import H264Reader, H265Reader
from media.parameter_sets import context_digest
from media.tags import TAGGED


class Reader(Protocol):
    """Puts the units of one coding into columns."""

    def header(self, data: bytes) -> None:
        """Take what the container's header holds for the decoder; may come again where a file changes it."""

    def packet(self, data: bytes, time: int, inferred: bool, keyframe: bool) -> None:
        """Take the next packet; `keyframe` is the container's word, which most codings do not need."""

    def close(self) -> None:
        """End of the track."""

    @property
    def stream_format(self) -> StreamFormat | None:
        """What the stream says about the pictures of its first unit."""

    def state(self) -> object:
        """What of earlier packets still counts for later ones; equal states go on equally."""


def reader_for(codec: str, columns: Columns, *, annex_b: bool) -> Reader:
    """The reader of a coding, by its decoder's name; `annex_b` as in `UnitAssembler`."""
    if codec == "h264":
        return H264Reader(columns, annex_b=annex_b)
    if codec == "hevc":
        return H265Reader(columns, annex_b=annex_b)
    if codec == "av1":
        return Av1Reader(columns)
    return PacketReader(columns, bound_header=codec == "mpeg4", bound_tag=codec in TAGGED)


class Av1Reader:
    """A unit is what one temporal unit holds of frames."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._packets = 0
        self._sequence = b""
        self._context: bytes | None = None
        self._reduced = False
        self._format: StreamFormat | None = None
        self._header_sides: list[tuple[bytes, bool]] = []

    @property
    def stream_format(self) -> StreamFormat | None:
        return self._format

    def state(self) -> object:
        return self._sequence

    def header(self, data: bytes) -> None:
        self._header_sides = []
        try:
            units = av1.parse_configuration(data)
        except Malformed:
            self._columns.notes.add("damaged_header")
            return
        for unit in units:
            if unit.kind == av1.SEQUENCE_HEADER:
                self._take_sequence(unit)
            elif unit.kind == av1.METADATA:
                user = side.metadata_class(unit.payload) == side.USER
                self._header_sides.append((hashlib.sha256(unit.data).digest(), user))

    def packet(self, data: bytes, time: int, inferred: bool, keyframe: bool) -> None:
        columns = self._columns
        try:
            units = list(av1.parse_obus(data))
        except Malformed:
            columns.notes.add("damaged_packet")
            columns.begin(pts=time, inferred=inferred, key=False, clean=0, packet=self._packets)
            columns.finish(hashlib.sha256(data).digest(), None)
            columns.cut.append(columns.begun - 1)
            self._packets += 1
            return
        pictures = hashlib.sha256()
        found, key, clean, header = False, False, 0, b""
        for unit in units:
            if unit.kind == av1.SEQUENCE_HEADER:
                self._take_sequence(unit)
            elif unit.kind == av1.METADATA:
                user = side.metadata_class(unit.payload) == side.USER
                columns.side(hashlib.sha256(unit.data).digest(), user=user)
            elif unit.kind == av1.REDUNDANT_HEADER and not av1.is_copy(unit.payload, header):
                columns.side(hashlib.sha256(unit.data).digest(), user=False)
            elif unit.kind in av1.PICTURE:
                pictures.update(unit.data)
                if unit.kind != av1.TILE_GROUP:
                    header = unit.payload if unit.kind == av1.FRAME_HEADER else b""
                if unit.kind != av1.TILE_GROUP:
                    is_key, shown = av1.is_key(unit.payload, reduced=self._reduced)
                    clean = ENTRY if not found and is_key and shown else clean
                    key = key or is_key
                found = True
        if found:
            if key:
                for digest, user in self._header_sides:
                    columns.side(digest, user=user)
            columns.begin(pts=time, inferred=inferred, key=key, clean=clean, packet=self._packets)
            columns.finish(pictures.digest(), self._context)
        self._packets += 1

    def _take_sequence(self, unit: av1.Obu) -> None:
        if unit.data == self._sequence:
            return
        self._sequence = unit.data
        self._context = context_digest(unit.data)
        try:
            sequence = av1.parse_sequence(unit.payload)
        except Malformed:
            return
        self._reduced = sequence.reduced
        if self._format is None:
            self._format = StreamFormat(
                width=sequence.width, height=sequence.height, chroma=1, sar=None, colour=sequence.colour
            )

    def close(self) -> None:
        pass


class PacketReader:
    """Any other coding: a unit is a packet, and the container's word on key pictures is all there is.

    Its header is the decoder's (`bound_header`), or what the container's tag says, once before all packets.
    """

    def __init__(self, columns: Columns, *, bound_header: bool, bound_tag: bool) -> None:
        self._columns = columns
        self._bound_header = bound_header
        self._bound_tag = bound_tag
        self._packets = 0
        self._context: bytes | None = None if bound_header else context_digest()

    @property
    def stream_format(self) -> StreamFormat | None:
        return None

    def state(self) -> object:
        return self._context

    def header(self, data: bytes) -> None:
        if data and (self._bound_header or self._bound_tag):
            self._context = context_digest(data)
        self._bound_tag = False

    def packet(self, data: bytes, time: int, inferred: bool, keyframe: bool) -> None:
        columns = self._columns
        columns.begin(pts=time, inferred=inferred, key=keyframe, clean=ENTRY if keyframe else 0, packet=self._packets)
        columns.finish(hashlib.sha256(data).digest(), self._context)
        self._packets += 1

    def close(self) -> None:
        pass
