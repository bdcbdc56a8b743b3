"""Take an MP4 apart into its boxes, change one thing, put it together again."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

PARENTS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"}

Matrix = tuple[float, float, float, float]
IDENTITY: Matrix = (1, 0, 0, 1)


@dataclass
class Box:
    kind: bytes
    payload: bytes = b""
    children: list[Box] = field(default_factory=list)

    def bytes(self) -> bytes:
        body = b"".join(child.bytes() for child in self.children) if self.kind in PARENTS else self.payload
        return box(self.kind, body)

    def find(self, *path: bytes) -> Box:
        """The first box down this way."""
        here = self
        for kind in path:
            here = next(child for child in here.children if child.kind == kind)
        return here


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def take_apart(data: bytes) -> Box:
    """The boxes of a whole file, under a nameless one."""
    return Box(b"moov", children=list(_boxes(data)))


def _boxes(data: bytes) -> Iterable[Box]:
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        yield Box(kind, children=list(_boxes(body))) if kind in PARENTS else Box(kind, body)
        at += size


def put_together(file: Box) -> bytes:
    return b"".join(child.bytes() for child in file.children)


def changed(source: Path, target: Path, change: Callable[[Box], None]) -> Path:
    """Write `source` to `target` with its movie header changed; sample data keep their place, as the header is last."""
    file = take_apart(source.read_bytes())
    change(file.find(b"moov"))
    target.write_bytes(put_together(file))
    return target


def set_matrix(header: Box, matrix: Matrix) -> None:
    """Put a matrix into a track header or movie header of version 0."""
    at = {b"tkhd": 40, b"mvhd": 36}[header.kind]
    a, b, c, d = (round(value * 65536) for value in matrix)
    packed = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    header.payload = header.payload[:at] + packed + header.payload[at + 36 :]


def set_size(header: Box, width: float, height: float) -> None:
    """Put a displayed size into a track header."""
    header.payload = header.payload[:-8] + struct.pack(">II", round(width * 65536), round(height * 65536))


def set_edits(track: Box, edits: Iterable[tuple[int, int] | tuple[int, int, float]]) -> None:
    """Give a track these edits: duration in ticks of the movie, media time, rate."""
    rows = [(*edit, 1.0)[:3] for edit in edits]
    body = b"".join(struct.pack(">Iii", duration, time, round(rate * 65536)) for duration, time, rate in rows)
    track.children = [child for child in track.children if child.kind != b"edts"]
    made = Box(b"edts", children=[Box(b"elst", struct.pack(">II", 0, len(rows)) + body)])
    track.children.insert(1, made)


def add_to_entry(track: Box, *boxes: bytes, without: bytes = b"") -> None:
    """Put boxes into the first sample description of a track, taking one kind out."""
    description = track.find(b"mdia", b"minf", b"stbl", b"stsd")
    size, kind = struct.unpack_from(">I4s", description.payload, 8)
    fixed, rest = description.payload[16 : 16 + 78], description.payload[16 + 78 : 8 + size]
    kept = b"".join(each.bytes() for each in _boxes(rest) if each.kind != without)
    entry = box(kind, fixed, kept, *boxes)
    description.payload = description.payload[:8] + entry + description.payload[8 + size :]
