"""The boxes that MP4, MOV and their fragments are built of: bounded walking, bounded reading, nothing else."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from evidence.errors import Malformed

# Boxes that decide what plays, and the one box each may stand in. Readers differ in where they look for them (some
# take an edit list wherever it stands), so one that stands elsewhere could be seen by the player and not by us.
PLACE = {
    b"mvhd": b"moov", b"trak": b"moov", b"mvex": b"moov", b"trex": b"mvex", b"tkhd": b"trak", b"edts": b"trak",
    b"elst": b"edts", b"tref": b"trak", b"mdia": b"trak", b"mdhd": b"mdia", b"minf": b"mdia", b"stbl": b"minf",
    b"stsd": b"stbl", b"stts": b"stbl", b"ctts": b"stbl", b"stsc": b"stbl", b"stsz": b"stbl", b"stz2": b"stbl",
    b"stco": b"stbl", b"co64": b"stbl", b"stss": b"stbl", b"traf": b"moof", b"tfhd": b"traf", b"tfdt": b"traf",
    b"trun": b"traf", b"mfhd": b"moof", b"moov": b"", b"moof": b"", b"sidx": b"", b"mfra": b"", b"tfra": b"mfra",
}  # fmt: skip
# Those of which a parent holds at most one.
SINGLE = frozenset(PLACE) - {b"trak", b"traf", b"trun", b"trex", b"moof", b"sidx", b"tfra"}
# Boxes that hold boxes which are none of ours, but which some readers look into.
TRANSPARENT = frozenset(
    (b"udta", b"meta", b"ilst", b"dinf", b"gmhd", b"wide", b"tref", b"tapt", b"sinf", b"schi", b"wave")
)
# Those that hold what a decoder begins with. FFmpeg takes the first one that it meets, in whichever box.
CONFIGURATIONS = frozenset((b"avcC", b"hvcC", b"av1C", b"vpcC", b"esds", b"glbl", b"strf"))
# Those that decide how pictures are decoded or shown, and stand directly in a sample description. FFmpeg takes them
# wherever they stand, and for the latest track.
ENTRY_ONLY = CONFIGURATIONS | {
    b"pasp", b"clap", b"colr", b"fiel", b"gama", b"lhvC", b"st3d", b"sv3d", b"vexu", b"dvcC", b"dvvC", b"dvwC",
}  # fmt: skip
# FFmpeg takes it for a movie header if it holds one.
_HIDDEN = b"hoov"
_STRUCTURE = frozenset(PLACE.values()) | TRANSPARENT | {b"stsd", b"dref"}
_DEPTH = 6


@dataclass(slots=True, kw_only=True)
class Budget:
    """What reading one file may still cost; shared by all who read it.

    The defaults leave room for a day of 30 pictures per second and for an hour fragmented picture by picture.
    """

    boxes: int = 2_000_000
    header_bytes: int = 512 << 20  # all of moov and moof together
    box_bytes: int = 256 << 20  # one of them
    samples: int = 3_000_000
    tracks: int = 64
    edits: int = 100_000
    entries: int = 256

    def spend_box(self) -> None:
        self.boxes -= 1
        if self.boxes < 0:
            raise Malformed("container holds more boxes than any footage needs")

    def spend_bytes(self, count: int) -> None:
        self.header_bytes -= count
        if count > self.box_bytes or self.header_bytes < 0:
            raise Malformed("container's headers are larger than any footage needs")

    def spend_samples(self, count: int) -> None:
        self.samples -= count
        if self.samples < 0:
            raise Malformed("container lists more samples than can be examined at once")


@dataclass(slots=True)
class Cursor:
    """Reads big-endian fields one after the other; past the end is `Malformed`."""

    data: memoryview
    what: str
    at: int = field(default=0)

    @property
    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, count: int) -> memoryview:
        if count > self.left:
            raise Malformed(f"box '{self.what}' ends early")
        self.at += count
        return self.data[self.at - count : self.at]

    def skip(self, count: int) -> None:
        self.take(count)

    def u8(self) -> int:
        return self.take(1)[0]

    def u16(self) -> int:
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def i16(self) -> int:
        return int.from_bytes(self.take(2), "big", signed=True)

    def i32(self) -> int:
        return int.from_bytes(self.take(4), "big", signed=True)

    def i64(self) -> int:
        return int.from_bytes(self.take(8), "big", signed=True)

    def version(self) -> int:
        """Version and flags of a full box; the flags are dropped."""
        return self.u32() >> 24


def name_of(kind: bytes) -> str:
    """A box type as text, for messages."""
    return kind.decode("latin-1").encode("ascii", "backslashreplace").decode()


def children(
    data: memoryview, parent: bytes, budget: Budget, *, lenient: bool = False
) -> Iterator[tuple[bytes, memoryview]]:
    """Yield (type, payload) of the boxes inside one box.

    Args:
        lenient: stop quietly where the bytes are no more boxes (user data, QuickTime's zero terminators), unless they
            begin one that matters: players read that as far as there are bytes.

    Raises:
        Malformed: a box outside its parent, in the wrong place, or twice where one is allowed.
    """
    at, seen = 0, set[bytes]()
    while at + 8 <= len(data):
        budget.spend_box()
        size, kind = struct.unpack_from(">I4s", data, at)
        header = 8
        if size == 1 and at + 16 <= len(data):
            size, header = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            if (lenient and not _matters(kind)) or kind == b"\0\0\0\0":
                return
            size = len(data) - at
        if size < header or size > len(data) - at:
            if lenient and not _matters(kind):
                return
            raise Malformed(f"box '{name_of(kind)}' does not fit into '{name_of(parent)}'")
        if PLACE.get(kind, parent) != parent or (kind in ENTRY_ONLY and parent in _STRUCTURE):
            raise Malformed(f"box '{name_of(kind)}' stands in '{name_of(parent)}'")
        _refuse_hidden(kind)
        if kind in SINGLE:
            if kind in seen:
                raise Malformed(f"box '{name_of(kind)}' stands twice in '{name_of(parent)}'")
            seen.add(kind)
        yield kind, data[at + header : at + size]
        at += size


def _refuse_hidden(kind: bytes) -> None:
    if kind == _HIDDEN:
        raise Malformed("file hides a movie header in a box that some players open")


def _matters(kind: bytes) -> bool:
    return kind in PLACE or kind in ENTRY_ONLY or kind in TRANSPARENT


def inside(data: memoryview, kind: bytes) -> memoryview:
    """Where the boxes inside a box begin: `meta` is a full box in ISO files, a plain one in QuickTime's."""
    return data[4:] if kind == b"meta" and bytes(data[4:8]) != b"hdlr" else data


def refuse_misplaced(data: memoryview, parent: bytes, budget: Budget, depth: int = 0) -> None:
    """Look through a box that holds nothing of ours.

    Raises:
        Malformed: it does hold a box that decides what plays.
    """
    for kind, payload in children(inside(data, parent), parent, budget, lenient=True):
        if kind in TRANSPARENT and depth < _DEPTH:
            refuse_misplaced(payload, kind, budget, depth + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopBox:
    """A box of the file itself: where its payload is, and whether the file holds all of it."""

    kind: bytes
    start: int  # of its header
    payload: int
    end: int  # as declared, may lie beyond the file
    whole: bool

    def read(self, file: BinaryIO, budget: Budget) -> memoryview:
        """The payload of a box that is held in memory."""
        size = self.end - self.payload
        budget.spend_bytes(size)
        file.seek(self.payload)
        data = file.read(size)
        if len(data) != size:
            raise Malformed(f"box '{name_of(self.kind)}' is cut off")
        return memoryview(data)


def top_boxes(file: BinaryIO, size_bytes: int, budget: Budget) -> Iterator[TopBox]:
    """Walk the boxes of a file without reading what they hold. What is no box any more at the end is left out."""
    at = 0
    while at + 8 <= size_bytes:
        budget.spend_box()
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack_from(">Q", head, 8)[0], 16
        elif size == 0:
            if kind == b"\0\0\0\0" and at:
                return
            size = size_bytes - at
        # A box without a name is passed over by players, which go on behind it; padding reads as one of no size.
        if size < header or (kind == b"\0\0\0\0" and at + size > size_bytes):
            return
        _refuse_hidden(kind)
        if PLACE.get(kind, b"") != b"" or kind in ENTRY_ONLY:
            raise Malformed(f"box '{name_of(kind)}' stands outside '{name_of(PLACE.get(kind, b'stsd'))}'")
        yield TopBox(kind=kind, start=at, payload=at + header, end=at + size, whole=at + size <= size_bytes)
        at += size
