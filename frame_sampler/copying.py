"""From packets to closed segments: columns of units, notes, and a file that is a stream copy. Nothing is decoded here.

Runs in the media child only. The same packets give the same segments, also when copying starts at a later segment.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from evidence.errors import Malformed, UnsupportedMedia
from evidence.leaves import KEY, TIME_INFERRED, USER_SIDE
from frame_sampler import cutter, segmenter
from frame_sampler.cutter import Cutter, Reading
from frame_sampler.groups import Group, Grouper
from frame_sampler.pieces import Copied, Piece, Plan
from frame_sampler.segmenter import Open, Seen
from frame_sampler.splice import Splice
from media.footage import Side, offsets_us
from media.packets import PacketSource
from media.units import Unit, UnitAssembler

# A unit shown this much later than all before it, or this much earlier, is on another time axis or after a stall.
JUMP_US = 2_000_000


@dataclass(slots=True, kw_only=True)
class _Making:
    """The segment under way."""

    number: int
    first_unit: int
    size: tuple[int, int]
    source_us: int
    since_us: int
    mono_us: int
    writer: Cutter | None
    mono_end_us: int = 0
    coded: bytearray = field(default_factory=bytearray)
    pts: array[int] = field(default_factory=lambda: array("q"))
    flags: bytearray = field(default_factory=bytearray)
    headers: list[tuple[int, bytes | None]] = field(default_factory=list)
    sides: list[tuple[int, bytes]] = field(default_factory=list)
    notes: list[tuple[int, str, int]] = field(default_factory=list)
    front: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.flags)


def copy_segments(source: PacketSource, plan: Plan, mono_us: Callable[[], int]) -> Iterator[Piece | Copied]:
    """Copy a track segment by segment.

    Every `Piece` of a segment comes before its `Copied`; the next segment's pieces come after it.

    Raises:
        Malformed: the source cannot be read at all, or a segment's file cannot hold its packets.
        UnsupportedMedia: the footage does not say how large its pictures are.
        SpoolFull, StoreUnavailable: the disk that the segments are written to.
    """
    copy = _Copy(source, plan, mono_us)
    try:
        for packet in source.packets():
            for group in copy.grouper.feed(packet):
                yield from copy.take(group)
    except Malformed:
        # What could be read up to here is footage all the same; whoever scanned the file knows that there was more.
        if not copy.begun:
            raise
    for group in copy.grouper.finish():
        yield from copy.take(group)
    yield from copy.finish()


class _Copy:
    def __init__(self, source: PacketSource, plan: Plan, mono_us: Callable[[], int]) -> None:
        self._source, self._plan, self._mono_us = source, plan, mono_us
        self._assembler = UnitAssembler(source.codec, source.header, annex_b=source.annex_b)
        # The segments' files repeat the header that the library has, which it may have made up from packets.
        made_up = bytes(source.stream.codec_context.extradata or b"")
        self._splice = Splice(source.codec, made_up, annex_b=source.annex_b)
        self.grouper = Grouper(self._assembler, self._splice)
        self._size = (source.width, source.height)
        self._origin: int | None = None
        self._number = 0
        self._open: Open | None = None
        self._making: _Making | None = None
        self._held: Group | None = None
        self._context: bytes | None = None
        self._latest_us: int | None = None

    @property
    def begun(self) -> bool:
        return self._origin is not None

    def take(self, group: Group) -> Iterator[Piece | Copied]:
        first = group.units[0]
        if self._origin is None:
            self._origin = first.pts
        sets = self._splice.missing_sets()
        front = self._see(group)
        if first.index < self._plan.first_unit:
            self._skip(group)
            if first.index >= self._plan.warm_up:
                yield self._warm_up(group, sets)
            return
        since_us = self._since_us(first.pts)
        seen = Seen(time_us=since_us, key=first.key, form=(self._source.codec, *self._size))
        cause, self._open = segmenter.step(self._open, seen, self._plan.lengths)
        if cause is not None or self._making is None:
            # Side data may stand in the last packet of the segment before, and belong to this one.
            tail = yield from self._write_held(group)
            yield from self._close(())
            self._making = self._begin(first, since_us, [*sets, *tail])
        else:
            yield from self._write_held(None)
        self._making.front += front
        self._enter(group)
        self._held = group

    def finish(self) -> Iterator[Piece | Copied]:
        yield from self._write_held(None)
        yield from self._close(self._assembler.trailing_sides)

    def _see(self, group: Group) -> list[bytes]:
        """Take note of the sets in a group; returns units of a new header, which the file must hold in-band."""
        front: list[bytes] = []
        for packet in group.packets:
            if packet.header is not None:
                front += self._splice.see_header(packet.header)
            self._splice.see(packet.data)
        for packet in group.packets:
            self._size = self._splice.size(packet.data) or self._size
        if min(self._size) < 1:
            raise UnsupportedMedia("it does not say how large its pictures are")
        return front

    def _skip(self, group: Group) -> None:
        self._context = group.units[-1].context
        self._latest_us = max(
            self._since_us(group.units[-1].pts), self._latest_us if self._latest_us is not None else -(1 << 62)
        )

    def _warm_up(self, group: Group, sets: list[bytes]) -> Piece:
        data = [packet.data for packet in group.packets]
        if group.units[0].index == self._plan.warm_up:
            data[0] = self._splice.put_in_front(sets, data[0])
        return Piece(number=-1, data=b"".join(data), units=group.units, first_in_segment=0, offsets_us=())

    def _since_us(self, pts: int) -> int:
        assert self._origin is not None
        return offsets_us(array("q", (pts,)), self._source.time_base, self._origin)[0]

    def _begin(self, first: Unit, since_us: int, front: list[bytes]) -> _Making:
        source_us = offsets_us(array("q", (first.pts,)), self._source.time_base, 0)[0]
        writer = None
        if self._plan.kept != "none":
            writer = Cutter(
                self._plan.path(self._number),
                self._source.stream,
                container=self._plan.container or cutter.container_for(self._source.codec),
                size=self._size,
                source_us=source_us,
            )
        return _Making(
            number=self._number, first_unit=first.index, size=self._size, source_us=source_us, since_us=since_us,
            mono_us=self._mono_us(), writer=writer, front=front,
        )  # fmt: skip

    def _enter(self, group: Group) -> None:
        """Put a group's units into the columns of the segment under way."""
        making = self._making
        assert making is not None
        making.mono_end_us = self._mono_us()
        for unit in group.units:
            at = making.count
            making.coded += unit.coded
            making.pts.append(unit.pts)
            making.flags.append(KEY * unit.key + TIME_INFERRED * unit.inferred)
            making.sides += _sides(unit.sides, at)
            if not making.headers or making.headers[-1][1] != unit.context:
                making.headers.append((at, unit.context))
            if unit.index and unit.context != self._context:
                making.notes.append((at, "headers", 1))
            self._context = unit.context
            time_us = self._since_us(unit.pts)
            if self._latest_us is not None and abs(time_us - self._latest_us) > JUMP_US:
                making.notes.append((at, "time_jump", 1))
                self._latest_us = time_us
            self._latest_us = time_us if self._latest_us is None else max(self._latest_us, time_us)
        lost = sum(packet.corrupt for packet in group.packets)
        if lost:
            making.notes.append((making.count - 1, "loss", lost))

    def _write_held(self, following: Group | None) -> Generator[Piece, None, list[bytes]]:
        """Write the group that was held back; returns side data at its end that belongs to `following`."""
        group, making = self._held, self._making
        tail: list[bytes] = []
        if group is None or making is None:
            return tail
        self._held = None
        data = [packet.data for packet in group.packets]
        data[0] = self._splice.put_in_front(making.front, data[0])
        making.front = []
        if following is not None:
            digests = frozenset(side.digest for side in following.units[0].sides)
            data[-1], tail = self._splice.take_off_tail(data[-1], digests)
        at = group.units[0].index - making.first_unit
        times = offsets_us(making.pts[at : at + len(group.units)], self._source.time_base, making.pts[0])
        if making.writer is not None and (self._plan.kept == "all" or group.units[0].key):
            # All packets of a picture have its time; only the one that it begins in is an entry.
            key_at = next((i for i, p in enumerate(group.packets) if self._splice.has_picture(p.data)), 0)
            for index, piece in enumerate(data):
                making.writer.write(piece, times[0], key=group.units[0].key and index == key_at)
        yield Piece(
            number=making.number, data=b"".join(data), units=group.units, first_in_segment=at, offsets_us=tuple(times)
        )
        return tail

    def _close(self, trailing: tuple[Side, ...]) -> Iterator[Copied]:
        making = self._making
        if making is None:
            return
        making.sides += _sides(trailing, making.count)
        self._making = None
        self._number += 1
        offsets = offsets_us(making.pts, self._source.time_base)
        faithful = None
        if making.writer is not None:
            making.writer.close()
            faithful = self._reads_the_same(making)
        yield Copied(
            number=making.number, first_unit=making.first_unit, width=making.size[0], height=making.size[1],
            source_us=making.source_us, since_us=making.since_us, coded=bytes(making.coded), offsets_us=offsets,
            flags=bytes(making.flags), interval_us=self._interval_us(offsets), headers=tuple(making.headers),
            sides=tuple(dict.fromkeys(making.sides)), notes=tuple(making.notes), mono_us=making.mono_us,
            mono_end_us=making.mono_end_us, faithful=faithful,
        )  # fmt: skip

    def _reads_the_same(self, making: _Making) -> bool:
        found = cutter.reread(self._plan.path(making.number))
        if self._plan.kept == "keys":
            keys = [i for i, flags in enumerate(making.flags) if flags & KEY]
            return found.coded == b"".join(bytes(making.coded[32 * i : 32 * i + 32]) for i in keys)
        sides = frozenset((unit & ~USER_SIDE, digest) for unit, digest in making.sides)
        expected = Reading(coded=bytes(making.coded), headers=tuple(making.headers), sides=sides)
        return cutter.reads_as(found, expected)

    def _interval_us(self, offsets: array[int]) -> int:
        """The usual interval between pictures: the middle one of those that occur, else what the container states."""
        times = sorted(offsets)
        steps = sorted(later - earlier for earlier, later in pairwise(times) if later > earlier)
        if steps:
            return steps[len(steps) // 2]
        numerator, denominator = self._source.time_base
        return self._source.nominal * numerator * 1_000_000 // denominator


def _sides(sides: tuple[Side, ...], unit: int) -> list[tuple[int, bytes]]:
    return [(unit | (USER_SIDE if side.user else 0), side.digest) for side in sides]
