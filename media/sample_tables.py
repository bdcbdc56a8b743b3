"""Sample tables of MP4 and MOV, whole or in fragments, as columns: 90,000 pictures an hour, so nothing per sample."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evidence.errors import Malformed
from media.boxes import Budget, Cursor, children, name_of

Column = NDArray[np.int64]

_NOT_SYNC = 0x0001_0000
_FARTHEST = 1 << 62
_FEW = 16


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """A fragment's defaults for one track (`trex`)."""

    entry: int = 1
    duration: int = 0
    size: int = 0
    flags: int = 0


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
        if len(wide) and int(wide.max()) >= _FARTHEST:
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


def read_fragment(
    data: memoryview,
    moof_start: int,
    defaults: Mapping[int, Defaults],
    entries: Mapping[int, int],
    tables: Mapping[int, TrackTables],
    budget: Budget,
) -> None:
    """Add the samples of one `moof` box to their tracks.

    Args:
        moof_start: where the box begins in the file.
        defaults: by track id.
        entries: number of sample descriptions by track id; samples of tracks that are not named here are only counted.
        tables: by track id.
    """
    base = moof_start
    for kind, payload in children(data, b"moof", budget):
        if kind == b"traf":
            base = _track_fragment(payload, moof_start, base, defaults, entries, tables, budget)


def _track_fragment(
    data: memoryview,
    moof_start: int,
    base: int,
    defaults: Mapping[int, Defaults],
    entries: Mapping[int, int],
    tables: Mapping[int, TrackTables],
    budget: Budget,
) -> int:
    """Read one `traf`; returns where its data end, which is where the next one's begin unless it says otherwise."""
    boxes = list(children(data, b"traf", budget))
    heads = [payload for kind, payload in boxes if kind == b"tfhd"]
    if not heads:
        raise Malformed("fragment does not say which track it belongs to")
    cursor = Cursor(heads[0], "tfhd")
    flags = cursor.u32() & 0xFF_FFFF
    track = cursor.u32()
    if track not in tables:
        raise Malformed("fragment belongs to a track that is not there")
    given = defaults.get(track, Defaults())
    if flags & 0x1:
        base = cursor.u64()
        if base >= _FARTHEST:
            raise Malformed("fragment's data lie beyond any file")
    elif flags & 0x2_0000:
        base = moof_start
    entry = (cursor.u32() if flags & 0x2 else given.entry) - 1
    given = Defaults(
        duration=cursor.u32() if flags & 0x8 else given.duration,
        size=cursor.u32() if flags & 0x10 else given.size,
        flags=cursor.u32() if flags & 0x20 else given.flags,
    )
    table = tables[track]
    for kind, payload in boxes:
        if kind == b"tfdt":
            time = Cursor(payload, "tfdt")
            table.next_dts = time.u64() if time.version() else time.u32()
            if table.next_dts >= _FARTHEST:
                raise Malformed("fragment's time lies beyond any recording")
    at = base
    for kind, payload in boxes:
        if kind == b"trun":
            if track in entries and not 0 <= entry < entries[track]:
                raise Malformed("samples name a description that is not there")
            at = _run(payload, base, at, entry, given, table, budget, keep=track in entries)
        elif kind in (b"stsd", b"elst", b"tkhd"):
            raise Malformed(f"box '{name_of(kind)}' stands in a fragment")
    return at


def _run(
    data: memoryview,
    base: int,
    at: int,
    entry: int,
    given: Defaults,
    table: TrackTables,
    budget: Budget,
    *,
    keep: bool,
) -> int:
    cursor = Cursor(data, "trun")
    flags = cursor.u32() & 0xFF_FFFF
    count = cursor.u32()
    budget.spend_samples(count)
    if flags & 0x1:
        at = base + cursor.i32()
    first_flags = cursor.u32() if flags & 0x4 else None
    fields = [bit for bit in (0x100, 0x200, 0x400, 0x800) if flags & bit]
    values = np.frombuffer(cursor.take(4 * len(fields) * count), ">u4")
    if not count:
        return at
    if count <= _FEW:
        return _few(values.tolist(), fields, count, at, entry, given, first_flags, table, keep=keep)
    rows = values.reshape(count, len(fields)).astype(np.int64)

    def column(bit: int, default: int) -> Column:
        return rows[:, fields.index(bit)] if bit in fields else np.full(count, default, np.int64)

    durations, sizes = column(0x100, given.duration), column(0x200, given.size)
    sample_flags = column(0x400, given.flags)
    if first_flags is not None:
        sample_flags = np.concatenate(([first_flags], sample_flags[1:]))
    shifts = column(0x800, 0)
    # Version 0 has no negative offsets by the letter, but every reader takes them as such.
    shifts = shifts - ((shifts >= 1 << 31).astype(np.int64) << 32)
    ends = np.cumsum(sizes)
    starts = np.cumsum(durations) - durations + table.next_dts
    _check_place(at, at + int(ends[-1]))
    table.next_dts += int(durations.sum())
    if keep:
        table.add(
            offsets=ends - sizes + at,
            sizes=sizes,
            dts=starts,
            pts=starts + shifts,
            sync=(sample_flags & _NOT_SYNC) == 0,
            entries=np.full(count, entry, np.int64),
            durations=durations,
        )
    return at + int(ends[-1])


def _few(
    values: list[int],
    fields: list[int],
    count: int,
    at: int,
    entry: int,
    given: Defaults,
    first_flags: int | None,
    table: TrackTables,
    *,
    keep: bool,
) -> int:
    """A run of a few samples, without the cost of columns: files fragmented picture by picture hold 90,000 an hour."""
    width = len(fields)
    for index in range(count):
        said = dict(zip(fields, values[width * index : width * (index + 1)], strict=True))
        duration, size = said.get(0x100, given.duration), said.get(0x200, given.size)
        flags = said.get(0x400, given.flags) if index or first_flags is None else first_flags
        shift = said.get(0x800, 0)
        _check_place(at, at + size)
        if keep:
            table.offsets.append(at)
            table.sizes.append(size)
            table.dts.append(table.next_dts)
            table.pts.append(table.next_dts + shift - (shift >> 31 << 32))
            table.entries.append(entry)
            table.durations.append(duration)
            table.sync.append(not flags & _NOT_SYNC)
        table.next_dts += duration
        at += size
    return at


def _check_place(begin: int, end: int) -> None:
    if begin < 0 or end >= _FARTHEST:
        raise Malformed("fragment's data lie outside any file")
