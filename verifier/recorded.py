"""What was recorded: segments and gaps of one camera as columns, one entry per picture in decode order."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from evidence.digests import DIGEST_BYTES
from evidence.leaves import KEY, TIME_INFERRED
from evidence.records import Display, GapRecord, SegmentRecord
from verifier.model import Span

__all__ = ["SEAM_US", "Hole", "Place", "Recorded", "RecordedSegment", "RecordedSide"]

Column = NDArray[np.int64]

SEAM_US = 2_000_000
"""By how much the end of one chain and the begin of the next may miss each other and still be a seam without anything
in between: file names of exported chunks carry whole seconds, and clocks are set.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSide:
    """A side message of the record: `index` of the unit that follows it in the segment, the count after the last.

    user: it is a user message, which ordinary equipment may add, change or drop.
    """

    index: int
    digest: bytes
    user: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedSegment:
    """One record, its leaves, and whether an anchor of it was accepted.

    anchored: False while the record is only signed (`pending`).
    first: running number of the first picture in the chain; of a gap, that of the next picture.
    coded, offsets, flags: columns of the unit leaves: 32 bytes, microseconds after the first unit, `evidence.leaves`.
    headers: (index, context digest) where the context begins or changes; None where the stream lacked the sets.
    source_us: source time of the first unit, continuous within a connection.
    odd: notes on the original's container about showing its pictures that `display` cannot express.
    cause: of a gap, from the closed list of gap causes.
    """

    camera: str
    chain: int
    sequence: int
    anchored: bool
    start_us: int
    end_us: int
    first: int
    coded: bytes = b""
    offsets: array[int]
    flags: bytes = b""
    headers: tuple[tuple[int, bytes | None], ...] = ()
    sides: tuple[RecordedSide, ...] = ()
    display: Display | None = None
    odd: tuple[str, ...] = ()
    width: int = 0
    height: int = 0
    source_us: int = 0
    connection: int = 0
    codec: str = ""
    cause: str | None = None

    @property
    def is_gap(self) -> bool:
        return self.cause is not None

    @property
    def count(self) -> int:
        return len(self.flags)

    @classmethod
    def segment(
        cls,
        record: SegmentRecord,
        *,
        coded: bytes,
        offsets: array[int],
        flags: bytes,
        sides: Iterable[RecordedSide],
        anchored: bool,
    ) -> RecordedSegment:
        """Put a segment's leaves, already checked against the record's roots, beside the record."""
        return cls(
            camera=record.camera, chain=record.chain, sequence=record.sequence, anchored=anchored,
            start_us=record.start_us, end_us=record.end_us, first=record.units.first,
            coded=coded, offsets=offsets, flags=flags,
            headers=tuple((header.at, header.sha256) for header in record.headers),
            sides=tuple(sides), display=record.display, width=record.width, height=record.height,
            source_us=record.units.source_us, connection=record.connection, codec=record.codec,
            odd=_odd(record),
        )  # fmt: skip

    @classmethod
    def gap(cls, record: GapRecord, *, anchored: bool) -> RecordedSegment:
        """Take over a signed gap."""
        return cls(
            camera=record.camera, chain=record.chain, sequence=record.sequence, anchored=anchored,
            start_us=record.start_us, end_us=record.end_us, first=record.first_unit, offsets=array("q"),
            connection=record.connection, cause=record.cause,
        )  # fmt: skip


def _odd(record: SegmentRecord) -> tuple[str, ...]:
    noted = record.extra.get("display_notes")
    return tuple(note for note in noted if isinstance(note, str)) if isinstance(noted, list) else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """Numbers that are missing between two records of one chain, without a signed gap.

    position: of the first picture behind the hole.
    sequences: first and last sequence number that is lacking; None between two chains.
    pictures: how many running numbers are lacking; 0 where only gaps may be.
    """

    position: int
    chain: int
    sequences: Span | None
    pictures: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A picture's place: its segment, its index therein and its running number."""

    segment: RecordedSegment
    index: int

    @property
    def number(self) -> int:
        return self.segment.first + self.index


@dataclass(frozen=True)
class Recorded:
    """Records of one camera in the order of time; positions count its pictures from 0 across segments and chains.

    The segments must be all that is known between the first and the last one given: what lacks in between is a hole.

    earlier, later: recording is known to go on before the first, behind the last segment given.
    """

    camera: str
    segments: tuple[RecordedSegment, ...]
    bases: tuple[int, ...]
    coded: bytes
    earlier: bool = False
    later: bool = False

    @classmethod
    def of(cls, segments: Iterable[RecordedSegment], *, earlier: bool = False, later: bool = False) -> Recorded:
        """Join segments and gaps of one chain, in any order.

        Raises:
            ValueError: no segment, several cameras or chains, or two records in one slot.
        """
        ordered = sorted(segments, key=lambda segment: segment.sequence)
        if len({(segment.camera, segment.chain) for segment in ordered}) != 1:
            raise ValueError("records of one camera and chain are needed")
        if len({segment.sequence for segment in ordered}) != len(ordered):
            raise ValueError("two records in one slot")
        return cls._of(ordered, earlier=earlier or ordered[0].sequence > 0, later=later)

    @classmethod
    def _of(cls, ordered: Sequence[RecordedSegment], *, earlier: bool, later: bool) -> Recorded:
        bases, base = [], 0
        for segment in ordered:
            bases.append(base)
            base += segment.count
        return cls(
            camera=ordered[0].camera,
            segments=tuple(ordered),
            bases=tuple(bases),
            coded=b"".join(segment.coded for segment in ordered),
            earlier=earlier,
            later=later,
        )

    @classmethod
    def join(cls, chains: Sequence[Recorded]) -> Recorded:
        """Put chains of one camera one behind the other, in the order given."""
        if len(chains) == 1:
            return chains[0]
        if len({chain.camera for chain in chains}) != 1:
            raise ValueError("chains of one camera are needed")
        segments = [segment for chain in chains for segment in chain.segments]
        return cls._of(segments, earlier=chains[0].earlier, later=chains[-1].later)

    @property
    def chain(self) -> int:
        """The first chain."""
        return self.segments[0].chain

    @property
    def count(self) -> int:
        return len(self.coded) // DIGEST_BYTES

    @property
    def start_us(self) -> int:
        return self.segments[0].start_us

    @property
    def end_us(self) -> int:
        return max(segment.end_us for segment in self.segments)

    def place(self, position: int) -> Place:
        """Return where the picture at `position` stands."""
        if not 0 <= position < self.count:
            raise IndexError(position)
        at = bisect_right(self.bases, position) - 1
        return Place(segment=self.segments[at], index=position - self.bases[at])

    def segment_of(self, position: int) -> RecordedSegment:
        return self.place(position).segment

    def next_break(self, position: int) -> int:
        """Return the position of the first picture of the segment behind the one that holds `position`."""
        at = bisect_right(self.bases, position)
        return self.bases[at] if at < len(self.bases) else self.count

    def spans(self, first: int, last: int) -> Iterable[tuple[int, int, bool]]:
        """Cut positions first to last where running numbers jump, the chain changes or the anchoring does.

        Yields (first, last, anchored).
        """
        while first <= last:
            segment, end = self.segment_of(first), first
            while (stop := self.next_break(end)) <= last:
                following = self.segment_of(stop)
                before = self.segment_of(stop - 1)
                if (following.chain, following.anchored) != (segment.chain, segment.anchored):
                    break
                if following.first != before.first + before.count:
                    break
                end = stop
            end = min(stop - 1, last)
            yield first, end, segment.anchored
            first = end + 1

    def numbers(self, first: int, last: int) -> Span:
        """Running numbers of the pictures at these positions, which must not cross a chain."""
        return self.place(first).number, self.place(last).number

    def time_us(self, first: int, last: int) -> Span:
        """Earliest and latest presentation of the pictures at these positions, Unix microseconds UTC."""
        part = self.wall_us[first : last + 1]
        return int(part.min()), int(part.max())

    @cached_property
    def wall_us(self) -> Column:
        """Presentation of every picture by the recorder's clock, Unix microseconds UTC."""
        return self._shifted([segment.start_us for segment in self.segments])

    @cached_property
    def source_us(self) -> Column:
        """Source time of every picture, to be compared within one connection only."""
        return self._shifted([segment.source_us for segment in self.segments])

    def _shifted(self, starts: list[int]) -> Column:
        columns = [
            np.frombuffer(segment.offsets, dtype=np.int64) + start
            for segment, start in zip(self.segments, starts, strict=True)
            if segment.count
        ]
        return np.concatenate(columns) if columns else np.zeros(0, dtype=np.int64)

    @cached_property
    def flags(self) -> bytes:
        return b"".join(segment.flags for segment in self.segments)

    @cached_property
    def keys(self) -> NDArray[np.bool_]:
        return (np.frombuffer(self.flags, dtype=np.uint8) & KEY).astype(np.bool_)

    @cached_property
    def inferred(self) -> NDArray[np.bool_]:
        """True where the recorded time was inferred, so that nothing may be concluded from it."""
        return (np.frombuffer(self.flags, dtype=np.uint8) & TIME_INFERRED).astype(np.bool_)

    @cached_property
    def connections(self) -> Column:
        """A number per picture that changes with the connection and with the chain."""
        counts: list[int] = []
        labels: list[int] = []
        seen: dict[tuple[int, int], int] = {}
        for segment in self.segments:
            counts.append(segment.count)
            labels.append(seen.setdefault((segment.chain, segment.connection), len(seen)))
        return np.repeat(np.array(labels, dtype=np.int64), counts)

    @cached_property
    def holes(self) -> tuple[Hole, ...]:
        """Breaks in the sequence of a chain, and time between two chains that no signed gap accounts for."""
        found = []
        for at in range(1, len(self.segments)):
            before, behind = self.segments[at - 1], self.segments[at]
            if before.chain == behind.chain:
                if behind.sequence == before.sequence + 1:
                    continue
                sequences, pictures = (
                    (before.sequence + 1, behind.sequence - 1),
                    behind.first - before.first - before.count,
                )
            else:
                if behind.start_us - before.end_us <= SEAM_US:
                    continue
                sequences, pictures = None, 0
            found.append(
                Hole(
                    position=self.bases[at],
                    chain=behind.chain,
                    sequences=sequences,
                    pictures=max(0, pictures),
                    start_us=before.end_us,
                    end_us=behind.start_us,
                )
            )
        return tuple(found)

    @cached_property
    def gaps(self) -> tuple[tuple[int, RecordedSegment], ...]:
        """Signed gaps, each with the position of the first picture behind it."""
        return tuple((base, segment) for base, segment in zip(self.bases, self.segments, strict=True) if segment.is_gap)
