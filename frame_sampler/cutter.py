"""Segment files: a stream copy that gives the very same units, contexts and side data when it is scanned again.

Matroska carries nearly every coding unchanged. What it cannot carry (FFmpeg's writer refuses uncompressed pictures of
most layouts, or worse) goes into AVI, which keeps packets as they stand but knows a constant rate only. Both are
written without dates, names or random ids, so that the same packets give the same file.

Runs in the media child only. `reread` is the proof of the first sentence, asked before a file is handed over.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import av.error
from av.packet import Packet as RawPacket
from av.video.stream import VideoStream

from evidence.errors import Malformed, SpoolFull, StoreUnavailable
from media.packets import PacketSource
from media.units import UnitAssembler

MATROSKA, AVI = "matroska", "avi"
_NOT_IN_MATROSKA = frozenset({"rawvideo"})
_TICK = Fraction(1, 1000)
_MAX_MS = 1 << 53

SideSet = frozenset[tuple[int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a segment must read as: digests, contexts where they change, side data as a set."""

    coded: bytes
    headers: tuple[tuple[int, bytes | None], ...]
    sides: SideSet


def container_for(codec: str) -> str:
    """The container that carries the packets of this coding unchanged."""
    return AVI if codec in _NOT_IN_MATROSKA else MATROSKA


class Cutter:
    """Writes one segment's file.

    Args:
        stream: the track that is copied.
        size: width and height of the segment's pictures where the stream states them.

    Raises:
        SpoolFull, StoreUnavailable: the disk. Malformed: the container does not take these packets.
    """

    def __init__(
        self, path: Path, stream: VideoStream, *, container: str, size: tuple[int, int] | None, source_us: int
    ) -> None:
        self._path = path
        # Segments keep the stream's own time axis, so that they can be joined again.
        self._base_us = source_us if 0 <= source_us < _MAX_MS else 0
        self._avi = container == AVI
        self._count = 0
        with _explained(path):
            self._output = av.open(str(path), "w", format=container, options={"fflags": "+bitexact"})
            self._stream = self._output.add_stream_from_template(stream)
            if size is not None and size != (stream.width, stream.height):
                self._stream.width, self._stream.height = size
            self._tick = _TICK
            if self._avi and stream.time_base is not None:
                self._stream.time_base = self._tick = stream.time_base

    def write(self, data: bytes, offset_us: int, *, key: bool) -> None:
        """Add one packet, shown `offset_us` after the segment's first unit."""
        packet = RawPacket(data)
        packet.stream = self._stream
        packet.is_keyframe = key
        packet.time_base = self._tick
        if self._avi:
            packet.pts = packet.dts = self._count
        else:
            packet.pts = max(0, (self._base_us + offset_us + 500) // 1000)
            # Matroska keeps presentation times alone. A decode time that never moves satisfies the writer's order
            # checks whatever the order of the presentation times is.
            packet.dts = 0
        self._count += 1
        with _explained(self._path):
            self._output.mux_one(packet)

    def close(self) -> None:
        with _explained(self._path):
            self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def reread(path: Path) -> Reading:
    """Scan a segment's file as any examiner would.

    Raises:
        Malformed, UnsupportedMedia: it cannot be read at all.
    """
    with PacketSource(path) as source:
        assembler = UnitAssembler(source.codec, source.header, annex_b=source.annex_b)
        for packet in source.packets():
            assembler.take(packet)
        assembler.finish()
    columns = assembler.columns
    sides = frozenset((side.unit, side.digest) for side in columns.sides())
    return Reading(coded=bytes(columns.coded), headers=tuple(columns.headers), sides=sides)


def reads_as(found: Reading, expected: Reading) -> bool:
    """Tell whether a file reads as its segment.

    Where the stream lacked parameter sets (a capture that began in the middle), a file whose header holds them is more
    complete than the stream was; that is no difference.
    """
    if found.coded != expected.coded or found.sides != expected.sides:
        return False
    count = len(expected.coded) // 32
    theirs, ours = _spread(found.headers, count), _spread(expected.headers, count)
    return all(mine is None or other == mine for other, mine in zip(theirs, ours, strict=True))


def _spread(headers: tuple[tuple[int, bytes | None], ...], count: int) -> list[bytes | None]:
    """The context of every unit."""
    ends = [at for at, _ in headers[1:]] + [count]
    return [context for (at, context), end in zip(headers, ends, strict=True) for _ in range(at, end)]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the writer's errors into ours."""
    where = str(path)
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise SpoolFull("no space left for the segment being recorded", where=where) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOENT):
            raise StoreUnavailable(f"a segment file cannot be written ({error.strerror})", where=where) from error
        raise Malformed(f"a segment file cannot hold these packets ({error.strerror})", where=where) from error
