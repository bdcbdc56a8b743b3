"""Fragments of MP4 files: samples listed piece by piece, each piece behind the data of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evidence.errors import Malformed
from media.boxes import Budget, Cursor, children, name_of
from media.sample_tables import FARTHEST, Column, TrackTables

_NOT_SYNC = 0x0001_0000
_FEW = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """A fragment's defaults for one track (`trex`)."""

    entry: int = 1
    duration: int = 0
    size: int = 0
    flags: int = 0


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
        if base >= FARTHEST:
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
            if table.next_dts >= FARTHEST:
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
    if begin < 0 or end >= FARTHEST:
        raise Malformed("fragment's data lie outside any file")
