"""Sample tables of MP4 and MOV as columns: 90,000 pictures an hour, so nothing is done per sample."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evidence.errors import Malformed
from media.boxes import Budget, Cursor

Column = NDArray[np.int64]

FARTHEST = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """One entry per sample, decode order.

    Attributes:
        offsets: where it begins in the file, bytes.
        sizes: bytes.
        dts: decode time in ticks of the track, from the first sample's.
        pts: presentation time in ticks, edit list ignored.
        sync: the container's own key flag.
        entries: index of its sample description, from 0.
    """

    offsets: Column
    sizes: Column
    dts: Column
    pts: Column
    sync: NDArray[np.bool_]
    entries: Column
    durations: Column

    @property
    def count(self) -> int:
        return len(self.sizes)


@dataclass(slots=True, kw_only=True)
class TrackTables:
    """What the tables of one track have told so far; fragments are added to it in file order."""

    offsets: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    dts: array[int] = field(default_factory=lambda: array("q"))
    pts: array[int] = field(default_factory=lambda: array("q"))
    entries: array[int] = field(default_factory=lambda: array("q"))
    durations: array[int] = field(default_factory=lambda: array("q"))
    sync: bytearray = field(default_factory=bytearray)
    next_dts: int = 0
    disagreeing: bool = False  # tables of different length; the shortest reading is used

    def add(self, *, offsets: Column, sizes: Column, dts: Column, pts: Column, entries: Column, durations: Column,
            sync: NDArray[np.bool_]) -> None:  # fmt: skip
        """Append samples given as columns."""
        self.offsets.frombytes(offsets.tobytes())
        self.sizes.frombytes(sizes.tobytes())
        self.dts.frombytes(dts.tobytes())
        self.pts.frombytes(pts.tobytes())
        self.entries.frombytes(entries.tobytes())
        self.durations.frombytes(durations.tobytes())
        self.sync += sync.tobytes()

    def samples(self) -> Samples:
        """All of them; the columns share memory with these, which must not grow any more."""
        return Samples(
            offsets=np.frombuffer(self.offsets, np.int64),
            sizes=np.frombuffer(self.sizes, np.int64),
            dts=np.frombuffer(self.dts, np.int64),
            pts=np.frombuffer(self.pts, np.int64),
            entries=np.frombuffer(self.entries, np.int64),
            durations=np.frombuffer(self.durations, np.int64),
            sync=np.frombuffer(self.sync, np.bool_),
        )


def read_tables(boxes: Mapping[bytes, memoryview], entries: int, budget: Budget, tables: TrackTables) -> None:
    """Read the tables of a `stbl` box into `tables`.

    Args:
        boxes: its children by type.
        entries: how many sample descriptions there are.
    """
    sizes = _sizes(boxes, budget)
    count = len(sizes)
    if not count:
        return
    deltas = _runs(boxes.get(b"stts"), "stts", count, tables, signed=False)
    dts = np.cumsum(deltas) - deltas
    pts = dts + _runs(boxes[b"ctts"], "ctts", count, tables, signed=True) if b"ctts" in boxes else dts
    offsets, entry = _offsets(boxes, sizes, entries, tables)
    sync = np.ones(count, np.bool_)
    if b"stss" in boxes:
        sync[:] = False
        numbers = _table(boxes[b"stss"], "stss", 1)[:, 0].astype(np.int64)
        sync[numbers[(numbers >= 1) & (numbers <= count)] - 1] = True
    tables.next_dts = int(dts[-1] + deltas[-1])
    tables.add(offsets=offsets, sizes=sizes, dts=dts, pts=pts, sync=sync, entries=entry, durations=deltas)


def _table(data: memoryview, what: str, width: int, *, signed: bool = False) -> NDArray[np.int32] | NDArray[np.uint32]:
    """The rows of a full box that holds a count and then rows of `width` 32-bit numbers."""
    cursor = Cursor(data, what)
    cursor.version()
    rows = cursor.u32()
    values = np.frombuffer(cursor.take(4 * width * rows), ">i4" if signed else ">u4")
    return values.reshape(rows, width)


def _sizes(boxes: Mapping[bytes, memoryview], budget: Budget) -> Column:
    if b"stsz" in boxes and b"stz2" in boxes:
        raise Malformed("track has two tables of sample sizes")
    if b"stz2" in boxes:
        cursor = Cursor(boxes[b"stz2"], "stz2")
        cursor.version()
        width, count = cursor.u32() & 0xFF, cursor.u32()
        budget.spend_samples(count)
        if width in (8, 16):
            return np.frombuffer(cursor.take(count * width // 8), f">u{width // 8}").astype(np.int64)
        if width == 4:
            packed = np.frombuffer(cursor.take((count + 1) // 2), np.uint8)
            return np.stack((packed >> 4, packed & 15), axis=1).reshape(-1)[:count].astype(np.int64)
        raise Malformed("table of sample sizes has an unknown width")
    if b"stsz" not in boxes:
        return np.zeros(0, np.int64)
    cursor = Cursor(boxes[b"stsz"], "stsz")
    cursor.version()
    same, count = cursor.u32(), cursor.u32()
    budget.spend_samples(count)
    if same:
        return np.full(count, same, np.int64)
    return np.frombuffer(cursor.take(4 * count), ">u4").astype(np.int64)


def _runs(data: memoryview | None, what: str, count: int, tables: TrackTables, *, signed: bool) -> Column:
    """Expand a run-length table to exactly `count` values; the last value stands for what is missing."""
    rows = _table(data, what, 2, signed=signed) if data is not None else np.zeros((0, 2), np.uint32)
    # At most 2^25 runs of at most 2^32 samples fit into a box: the sums stay far below 64 bits.
    lengths = rows[:, 0].astype(np.int64) & 0xFFFF_FFFF
    ends = np.minimum(np.cumsum(lengths), count)
    total = int(ends[-1]) if len(ends) else 0
    values = np.repeat(rows[:, 1].astype(np.int64), np.diff(ends, prepend=0))
    if total != count or int(lengths.sum()) != count:
        tables.disagreeing = True
    if total < count:
        # Composition offsets that are not given are 0; durations go on as they were.
        filler = 0 if signed or not total else int(values[-1])
        values = np.concatenate((values, np.full(count - total, filler, np.int64)))
    return values


def _offsets(
    boxes: Mapping[bytes, memoryview], sizes: Column, entries: int, tables: TrackTables
) -> tuple[Column, Column]:
    """Where each sample begins, and its sample description, from the tables of chunks."""
    count = len(sizes)
    if b"co64" in boxes:
        cursor = Cursor(boxes[b"co64"], "co64")
        cursor.version()
        wide = np.frombuffer(cursor.take(8 * cursor.u32()), ">u8")
        if len(wide) and int(wide.max()) >= FARTHEST:
            raise Malformed("track has samples beyond any file")
        chunks = wide.astype(np.int64)
    elif b"stco" in boxes:
        chunks = _table(boxes[b"stco"], "stco", 1)[:, 0].astype(np.int64)
    else:
        raise Malformed("track has samples but no chunks")
    if b"stsc" not in boxes:
        raise Malformed("track has samples but no map from chunks to samples")
    runs = _table(boxes[b"stsc"], "stsc", 3).astype(np.int64)
    firsts, per_chunk, entry = runs[:, 0] - 1, runs[:, 1], runs[:, 2] - 1
    if not len(runs) or firsts[0] != 0 or bool((np.diff(firsts) <= 0).any()):
        raise Malformed("map from chunks to samples is not in order")
    used = firsts < len(chunks)
    if bool(((entry < 0) | (entry >= entries))[used].any()):
        raise Malformed("samples name a description that is not there")
    lengths = np.diff(np.append(np.minimum(firsts, len(chunks)), len(chunks)))
    # No chunk holds more than all samples: bounds the sums below whatever the table claims.
    in_chunk = np.repeat(np.minimum(per_chunk, count + 1), lengths)
    ends = np.minimum(np.cumsum(in_chunk), count)
    held = np.diff(ends, prepend=0)
    if not len(ends) or int(ends[-1]) < count:
        raise Malformed("track lists more samples than its chunks hold")
    if int(in_chunk.sum()) != count:
        tables.disagreeing = True
    before = np.cumsum(sizes) - sizes
    begin = before[np.minimum(ends - held, count - 1)]
    offsets = np.repeat(chunks - begin, held) + before
    return offsets, np.repeat(np.repeat(entry, lengths), held)
