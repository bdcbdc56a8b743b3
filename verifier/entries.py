"""From what became of every picture to the operations that a verdict lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from verifier.model import Op, Operation, Origin, Span
from verifier.recorded import Recorded
from verifier.script import NOWHERE, Script

__all__ = ["operations_of"]

RECORD_COUNTED = frozenset({Op.SAME, Op.MODIFIED, Op.REORDERED})
CITES = frozenset({Op.DUPLICATED, Op.REPLAYED, Op.FOREIGN})


@dataclass(frozen=True, slots=True)
class _Entry:
    """A run of units with one fate, and the positions first to last of `record` that belong to it."""

    op: Op
    file: Span | None
    positions: Span | None
    record: Recorded | None
    cause: str | None = None


def operations_of(script: Script, causes: Mapping[int, str]) -> Iterator[Operation]:
    """List what became of file and record, in file order; `missing` before the entry that follows it in the record.

    Args:
        script: with all but `operations` filled.
        causes: of units that are `unknown`.
    """
    entries = [piece for run in _file_runs(script, causes) for piece in _pieces(run)]
    lacking = [
        piece
        for span in script.missing
        for piece in _pieces(_Entry(Op.MISSING, None, span, script.own))
    ]  # fmt: skip
    for entry, before, behind in _with_neighbours(_woven(entries, lacking, script.own)):
        yield _operation(entry, before, behind, script)


def _file_runs(script: Script, causes: Mapping[int, str]) -> Iterator[_Entry]:
    """Join units that share their fate and follow each other in file and record."""
    first, count = 0, len(script.ops)
    while first < count:
        op, cause = script.ops[first], causes.get(first)
        index, start = _equal_picture(script, first)
        last = first
        while last + 1 < count and script.ops[last + 1] is op and causes.get(last + 1) == cause:
            follows = _equal_picture(script, last + 1)
            if follows != (index, start + last + 1 - first if start >= 0 else NOWHERE):
                break
            last += 1
        positions = (start, start + last - first) if start >= 0 else None
        yield _Entry(op, (first, last), positions, script.sources[index] if index >= 0 else None, cause)
        first = last + 1


def _equal_picture(script: Script, unit: int) -> tuple[int, int]:
    """Return recording and position that the unit is listed with."""
    if script.ops[unit] in RECORD_COUNTED:
        return 0, script.place[unit]
    return script.source[unit]


def _pieces(run: _Entry) -> Iterator[_Entry]:
    """Cut where running numbers jump, the chain changes or the anchoring does; only signed pictures are `pending`."""
    if run.positions is None or run.record is None:
        yield run
        return
    for first, last, anchored in run.record.spans(*run.positions):
        file = None
        if run.file is not None:
            file = (run.file[0] + first - run.positions[0], run.file[0] + last - run.positions[0])
        op = run.op
        if not anchored:
            # What differs from a picture that is only signed, or repeats it, is reported as unknown, never as wrong.
            if op in (Op.MODIFIED, Op.DUPLICATED):
                yield _Entry(Op.UNKNOWN, file, None, None, "pending")
                file = None
            if op is Op.DUPLICATED:
                continue
            op = Op.PENDING
        yield _Entry(op, file, (first, last), run.record, run.cause)


def _woven(entries: list[_Entry], lacking: list[_Entry], own: Recorded | None) -> list[_Entry]:
    """Put what is missing before the entry that follows it in the record."""
    starts = sorted(
        (entry.positions[0], index)
        for index, entry in enumerate(entries)
        if entry.positions is not None and entry.record is own and entry.op not in CITES
    )
    before: dict[int, list[_Entry]] = {}
    for entry in lacking:
        assert entry.positions is not None
        at = bisect_left(starts, (entry.positions[1], len(entries)))
        before.setdefault(starts[at][1] if at < len(starts) else len(entries), []).append(entry)
    woven: list[_Entry] = []
    for index, entry in enumerate(entries):
        woven.extend(before.get(index, ()))
        woven.append(entry)
    woven.extend(before.get(len(entries), ()))
    return woven


def _with_neighbours(entries: list[_Entry]) -> Iterator[tuple[_Entry, int | None, int | None]]:
    """Yield each entry with the recorded times at which what stands around it in the file ends and begins."""
    behind: list[int | None] = [None] * len(entries)
    upcoming: int | None = None
    for index in range(len(entries) - 1, -1, -1):
        behind[index] = upcoming
        upcoming = _edge_time(entries[index], first=True, otherwise=upcoming)
    before: int | None = None
    for index, entry in enumerate(entries):
        yield entry, before, behind[index]
        before = _edge_time(entry, first=False, otherwise=before)


def _edge_time(entry: _Entry, *, first: bool, otherwise: int | None) -> int | None:
    if entry.record is None or entry.positions is None or entry.op in CITES:
        return otherwise
    times = entry.record.time_us(*entry.positions)
    return times[0] if first else times[1]


def _operation(entry: _Entry, before: int | None, behind: int | None, script: Script) -> Operation:
    shown = None
    if entry.file is not None:
        indices = script.shown[entry.file[0] : entry.file[1] + 1]
        shown = (min(indices), max(indices))
    around = (before, behind) if before is not None and behind is not None and before <= behind else None
    record, positions = entry.record, entry.positions
    if record is None or positions is None:
        return Operation(op=entry.op, file=entry.file, time_us=around, shown=shown, cause=entry.cause)
    numbers, times, chain = (
        record.numbers(*positions),
        record.time_us(*positions),
        record.segment_of(positions[0]).chain,
    )
    if entry.op in CITES:
        of = Origin(camera=record.camera, chain=chain, record=numbers, time_us=times)
        return Operation(op=entry.op, file=entry.file, time_us=around, shown=shown, of=of)
    return Operation(op=entry.op, file=entry.file, record=numbers, time_us=times, shown=shown, chain=chain)
