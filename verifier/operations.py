"""Put every picture of the file, and every recorded picture that it should show, into exactly one operation."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from media.footage import Footage
from verifier.coding import ENTRY, LEADING
from verifier.entries import operations_of
from verifier.gaps import align_gaps
from verifier.lookup import Lookup
from verifier.matching import Matching, match_pictures
from verifier.model import CUT_BEGIN, CUT_PICTURE, Op, Span
from verifier.recorded import Recorded
from verifier.repeats import settle_by_time
from verifier.runs import runs, spans_of, untaken, widened
from verifier.script import NO_SOURCE, NOWHERE, Script
from verifier.timing import TOLERANCE_US, played_us, tick_us_of

__all__ = ["match"]

LARGEST_TICK_US = 40_000
"""Ticks coarser than this do not tell neighbouring pictures apart."""

HAS_PLACE = frozenset({Op.SAME, Op.REORDERED, Op.MODIFIED})


def match(
    footage: Footage,
    records: Sequence[Recorded],
    *,
    camera: str | None = None,
    asked_us: Span | None = None,
) -> Script:
    """Compare a file with what was recorded.

    Args:
        records: candidates, one per camera and chain, the earliest anchored first. Each holds all that is known
            between the pictures that the file may show, and the segment beyond them on both sides where there is one.
        camera: claimed camera.
        asked_us: start (inclusive) and end (exclusive) that the file is asked to show, Unix microseconds UTC.
    """
    matching = match_pictures(footage.coded, records, camera=camera, asked_us=asked_us)
    return _Sorter(footage, matching, asked_us).script()


class _Sorter:
    """Works through the kinds of operation in their order of precedence; used once."""

    def __init__(self, footage: Footage, matching: Matching, asked_us: Span | None) -> None:
        self.footage = footage
        self.matching = matching
        self.ids = matching.digests.ids
        self.count = len(self.ids)
        self.ops: list[Op | None] = [None] * self.count
        self.causes: dict[int, str] = {}
        self.place = list(matching.place)
        self.source: list[tuple[int, int]] = [NO_SOURCE] * self.count
        self.own = matching.own.record if matching.own is not None else None
        total = self.own.count if self.own is not None else 0
        self.taken = bytearray(total)
        self.expected = bytearray(total)
        for position in () if matching.own is None else matching.own.shadowed:
            self.taken[position] = 1
        self.asked_us = asked_us
        self.hull: Span | None = None

    def script(self) -> Script:
        matching, own = self.matching, self.own
        sources: tuple[Recorded, ...] = ()
        if matching.own is not None and own is not None:
            sources = (own, *(lookup.record for lookup in matching.others))
            self._same()
            self._moved(matching.own)
            self._elsewhere(own.camera)
            if self.hull is not None:
                self._repeated(matching.own)
                self._modified()
        self._rest()
        missing = tuple(self._missing())
        columns = Script(
            own=own,
            operations=(),
            ops=[op for op in self.ops if op is not None],
            place=array("q", self.place),
            source=self.source,
            sources=sources,
            hull=self.hull,
            missing=missing,
            shown=presentation_indices(self.footage),
            ambiguous=matching.ambiguous,
            unplaceable=self.count > 0 and own is not None and self.hull is None,
        )
        return replace(columns, operations=tuple(operations_of(columns, self.causes)))

    # Kinds, in order of precedence.

    def _same(self) -> None:
        placed = [unit for unit, position in enumerate(self.place) if position >= 0 and self.ops[unit] is None]
        for unit in placed:
            self.ops[unit] = Op.SAME
            self.source[unit] = (0, self.place[unit])
            self.taken[self.place[unit]] = 1
        if placed:
            self._cover(self.place[placed[0]], self.place[placed[-1]])

    def _cover(self, low: int, high: int) -> None:
        """Widen what the file speaks of."""
        if self.hull is not None:
            low, high = min(low, self.hull[0]), max(high, self.hull[1])
        self.hull = (low, high)
        self.expected[low : high + 1] = b"\x01" * (high + 1 - low)

    def _repeated(self, own: Lookup) -> None:
        """Place what repeated digests still show between the others, then choose among equal ones by their times."""
        place = [at if self.ops[unit] is Op.SAME else NOWHERE for unit, at in enumerate(self.place)]
        align_gaps(self.ids, own.ids, place, [op is not None for op in self.ops], self.taken, self._bounds())
        if self.footage.times and not self.matching.ambiguous:
            tolerance_us = TOLERANCE_US + min(tick_us_of(self.footage), LARGEST_TICK_US)
            settle_by_time(self.ids, own, place, played_us(self.footage), tolerance_us, self.taken)
        for unit, position in enumerate(place):
            if position >= 0:
                self.ops[unit], self.place[unit] = None, position
        self._same()

    def _moved(self, own: Lookup) -> None:
        if self.hull is None:
            return
        moved = list(runs(self.ids, own, self.ops))
        spans = [span for first, last, start in moved for span in untaken(self.taken, start, start + last - first)]
        low, high = widened(self.hull, spans, [hole.position for hole in own.record.holes])
        self._cover(low, high)
        for first, last, start in moved:
            for unit in range(first, last + 1):
                position = start + unit - first
                self.source[unit] = (0, position)
                if self.taken[position]:
                    self.ops[unit] = Op.DUPLICATED
                elif low <= position <= high:
                    self.ops[unit] = Op.REORDERED
                    self.place[unit] = position
                    self.taken[position] = 1
                else:
                    self.ops[unit] = Op.REPLAYED

    def _elsewhere(self, camera: str) -> None:
        """Name pictures of other recordings: the longest run first, then this camera, then the earliest anchored."""
        own = self.matching.own
        found = []
        for index, lookup in enumerate(self.matching.others, start=1):
            for first, last, position in runs(self.ids, lookup, self.ops, never=own):
                found.append((first - last, lookup.record.camera != camera, index, first, last, position))
        for _, _, index, first, last, start in sorted(found):
            record = self.matching.others[index - 1].record
            op = Op.REPLAYED if record.camera == camera else Op.FOREIGN
            for unit in range(first, last + 1):
                position = start + unit - first
                if self.ops[unit] is None and record.segment_of(position).anchored:
                    self.ops[unit] = op
                    self.source[unit] = (index, position)

    def _modified(self) -> None:
        """Pair equally many unmatched pictures of file and record that stand between the same two matches."""
        for kinds in ((Op.SAME, Op.REORDERED), (Op.SAME,)):
            before = NOWHERE
            for unit in range(self.count):
                if self.ops[unit] not in kinds:
                    continue
                if before >= 0 and unit > before + 1:
                    self._pair(before, unit, straight=len(kinds) > 1)
                before = unit
        self._pair_edges()

    def _bounds(self) -> tuple[int | None, int | None]:
        """Where the record, or the interval asked for, begins and ends; None where it goes on beyond what is known."""
        own = self.own
        if own is None:
            return None, None
        if self.asked_us is not None:
            asked = np.flatnonzero((own.wall_us >= self.asked_us[0]) & (own.wall_us < self.asked_us[1]))
            if len(asked):
                return int(asked[0]), int(asked[-1]) + 1
        return 0 if not own.earlier else None, own.count if not own.later else None

    def _pair_edges(self) -> None:
        """Do the same at the ends, where the record or the interval asked for ends as well."""
        own = self.own
        placed = [unit for unit, op in enumerate(self.ops) if op is Op.SAME]
        if own is None or not placed:
            return
        low, high = self._bounds()
        first, last = placed[0], placed[-1]
        if low is not None:
            self._pair_open(range(first), range(low, self.place[first]))
        if high is not None:
            self._pair_open(range(last + 1, self.count), range(self.place[last] + 1, high))

    def _pair_open(self, units: range, positions: range) -> None:
        open_units = [unit for unit in units if self.ops[unit] is None]
        cut = any(unit in self.footage.cut for unit in open_units)
        if cut or not positions or self._hole_between(positions[0] - 1, positions[-1] + 1):
            return
        free = [position for position in positions if not self.taken[position]]
        if len(open_units) == len(free):
            self._modify(open_units, free)
            if free:
                self._cover(free[0], free[-1])

    def _modify(self, units: Sequence[int], positions: Sequence[int]) -> None:
        for unit, position in zip(units, positions, strict=True):
            equal = self.matching.own is not None and self.matching.own.ids[position] == self.ids[unit]
            self.ops[unit] = Op.SAME if equal else Op.MODIFIED
            self.source[unit] = (0, position) if equal else NO_SOURCE
            self.place[unit] = position
            self.taken[position] = 1

    def _pair(self, before: int, behind: int, *, straight: bool) -> None:
        low, high = self.place[before], self.place[behind]
        if high <= low or (straight and high - low != behind - before):
            return
        units = [unit for unit in range(before + 1, behind) if self.ops[unit] is None]
        if not units or self._hole_between(low, high):
            return
        positions = [position for position in range(low + 1, high) if not self.taken[position]]
        if len(units) != len(positions) or (straight and len(units) != behind - before - 1):
            return
        self._modify(units, positions)

    def _rest(self) -> None:
        """Pictures that equal nothing known: added, unless it cannot be known what was recorded there."""
        cut = set(self.footage.cut) & {0, self.count - 1}
        placed = [unit for unit, op in enumerate(self.ops) if op in HAS_PLACE]
        for first, last in spans_of([unit for unit, op in enumerate(self.ops) if op is None]):
            at = bisect_left(placed, first)
            before = placed[at - 1] if at else NOWHERE
            behind = placed[at] if at < len(placed) else NOWHERE
            cause = self._unknowable(before, behind)
            for unit in range(first, last + 1):
                reason = self._cut_cause(unit) if unit in cut else cause
                self.ops[unit] = Op.INSERTED if reason is None else Op.UNKNOWN
                if reason is not None:
                    self.causes[unit] = reason

    def _cut_cause(self, unit: int) -> str:
        """Pictures that are decoded from a cut one look like whatever was made of it, so nothing excuses it then."""
        clean = self.footage.clean
        leads = (self.count > 1 and clean[1] != ENTRY) or (self.count > 2 and clean[2] == LEADING)
        return CUT_BEGIN if unit == 0 and leads else CUT_PICTURE

    def _unknowable(self, before: int, behind: int) -> str | None:
        """Tell why nothing may be concluded about unmatched pictures between these placed units, if so."""
        own = self.own
        if own is None or self.hull is None:
            return "unplaceable" if own is not None else None
        low = self.place[before] if before >= 0 else NOWHERE
        high = self.place[behind] if behind >= 0 else NOWHERE
        if (low < 0 and high == 0 and own.earlier) or (high < 0 and low == own.count - 1 and own.later):
            return "record_missing"
        if 0 <= low < high and self._hole_between(low, high):
            return "record_missing"
        near = [position for position in (low, high) if position >= 0]
        if 0 <= low < high:
            near.extend(base for base in own.bases if low < base < high)
        return None if all(own.segment_of(position).anchored for position in near) else "pending"

    def _hole_between(self, low: int, high: int) -> bool:
        return self.own is not None and any(low < hole.position <= high for hole in self.own.holes)

    def _missing(self) -> Iterator[Span]:
        if self.own is None:
            return
        if self.asked_us is not None:
            start, end = self.asked_us
            for position in np.flatnonzero((self.own.wall_us >= start) & (self.own.wall_us < end)):
                self.expected[int(position)] = 1
        lacking = np.frombuffer(self.expected, dtype=np.uint8) > np.frombuffer(self.taken, dtype=np.uint8)
        yield from spans_of(np.flatnonzero(lacking).tolist())


def presentation_indices(footage: Footage) -> array[int]:
    """Return for every unit its index in the order of presentation; equal times keep decode order."""
    order = np.argsort(np.frombuffer(footage.pts, dtype=np.int64), kind="stable")
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return array("q", ranks.tobytes())
