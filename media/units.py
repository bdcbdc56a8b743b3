"""Packets in, coded pictures out.

A unit is one coded picture, whatever the packets are: several packets may hold one picture, one packet may hold two
fields, or nothing but side data. Nothing is decoded; only the first bytes of slices are read.
"""

from __future__ import annotations

from dataclasses import dataclass

from media.columns import Columns
from media.footage import Side
from media.h264 import StreamFormat
from media.packets import Packet
from media.readers import reader_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One coded picture.

    Attributes:
        packet: how many packets were fed before the one that it begins in.
        clean: as in `Footage`: 1 an entry, 2 a leading picture of one, else 0.
        context: None where the stream lacks the parameter sets that it refers to.
        sides: side data that stands before it.
    """

    index: int
    packet: int
    coded: bytes
    pts: int
    inferred: bool
    key: bool
    clean: int
    context: bytes | None
    sides: tuple[Side, ...]


class UnitAssembler:
    """Assembles the packets of one track into units.

    Args:
        codec: h264, hevc, av1 or another decoder's name.
        header: what the container's header holds for the decoder; empty where a container has no such thing and a
            library made it up from the packets.
        annex_b: the container holds Annex B by definition (MPEG-TS, raw streams), so lengths are never looked for.
    """

    def __init__(self, codec: str, header: bytes, *, annex_b: bool = False) -> None:
        self.columns = Columns()
        self._reader = reader_for(codec, self.columns, annex_b=annex_b)
        self._reader.header(header)
        self._units_given = self._sides_given = self._headers_given = 0
        self._doubtful: int | None = None

    def feed(self, packet: Packet) -> list[Unit]:
        """Take a packet; returns the units that are complete now, which may be none."""
        self.take(packet)
        return self._new_units()

    def finish(self) -> list[Unit]:
        """End of the track; returns the last unit. What `trailing_sides` gives then follows it."""
        self._reader.close()
        if self._doubtful is not None:
            # A packet that the end of the file cuts may read as anything: a length of 256 to 511 in front is also a
            # start code. Only there: elsewhere players use what a packet holds although it is marked as damaged.
            self.columns.drop_sides(self._doubtful)
        return self._new_units()

    def take(self, packet: Packet) -> None:
        """As `feed`, for callers that read `columns` at the end."""
        if packet.header is not None:
            self._reader.header(packet.header)
        begun, sides = self.columns.begun, len(self.columns.side_units)
        self._reader.packet(packet.data, packet.time, packet.inferred, packet.keyframe)
        self._doubtful = None
        if packet.corrupt and self.columns.begun:
            self.columns.cut.append(self.columns.begun - 1)
        if packet.corrupt and self.columns.begun == begun:
            self._doubtful = sides

    @property
    def stream_format(self) -> StreamFormat | None:
        """What the stream says about the pictures of its first unit; None when it says nothing that can be read."""
        return self._reader.stream_format

    @property
    def trailing_sides(self) -> tuple[Side, ...]:
        """Side data behind the last unit given."""
        return tuple(self.columns.sides(self._sides_given))

    def state(self) -> object:
        """What of the packets so far still counts for later ones."""
        return self._reader.state()

    def _new_units(self) -> list[Unit]:
        columns, units = self.columns, []
        for index in range(self._units_given, columns.complete):
            headers = columns.headers
            if self._headers_given < len(headers) and headers[self._headers_given][0] == index:
                self._headers_given += 1
            begin = end = self._sides_given
            while end < len(columns.side_units) and columns.side_units[end] <= index:
                end += 1
            self._sides_given = end
            units.append(
                Unit(
                    index=index,
                    packet=columns.packets[index],
                    coded=bytes(columns.coded[32 * index : 32 * index + 32]),
                    pts=columns.pts[index],
                    inferred=bool(columns.inferred[index]),
                    key=bool(columns.keys[index]),
                    clean=columns.clean[index],
                    context=headers[self._headers_given - 1][1],
                    sides=tuple(columns.sides(begin, end)),
                )
            )
        self._units_given = columns.complete
        return units
