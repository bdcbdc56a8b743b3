"""Packets and the pictures they hold, in pieces that a file may be cut between.

Usually one packet holds one picture. One picture may also lie in several packets, and one packet may hold two fields or
nothing but side data; a group is the smallest run of packets in which whole pictures lie.
"""

from __future__ import annotations

from dataclasses import dataclass

from frame_sampler.splice import Splice
from media.packets import Packet
from media.units import Unit, UnitAssembler


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Packets in a row and the units that begin in them.

    Packets of side data alone stand in front: such data belongs to the picture that follows. Only the last group of a
    stream may have some at its end.
    """

    packets: tuple[Packet, ...]
    units: tuple[Unit, ...]


class Grouper:
    """Turns packets into groups, one group late: where a picture ends is known when the next one begins."""

    def __init__(self, assembler: UnitAssembler, splice: Splice) -> None:
        self._assembler = assembler
        self._splice = splice
        self._packets: list[tuple[Packet, bool]] = []
        self._first = 0  # number of the first packet held
        self._units: list[Unit] = []

    def feed(self, packet: Packet) -> list[Group]:
        """Take the next packet; returns the groups that are complete now."""
        self._packets.append((packet, self._splice.has_picture(packet.data)))
        return self._take(self._assembler.feed(packet))

    def finish(self) -> list[Group]:
        """End of the stream; returns what is left."""
        groups = self._take(self._assembler.finish())
        if self._units:
            packets = tuple(packet for packet, _ in self._packets)
            groups.append(Group(packets=packets, units=tuple(self._units)))
        self._packets, self._units = [], []
        return groups

    def _take(self, units: list[Unit]) -> list[Group]:
        groups = []
        for unit in units:
            if self._units and unit.packet > self._units[-1].packet:
                groups.append(self._cut(unit.packet - self._first))
            self._units.append(unit)
        return groups

    def _cut(self, count: int) -> Group:
        """The pending units with the packets before the next unit's, less those of side data for that unit."""
        while count > 1 and not self._packets[count - 1][1]:
            count -= 1
        group = Group(packets=tuple(packet for packet, _ in self._packets[:count]), units=tuple(self._units))
        del self._packets[:count]
        self._first += count
        self._units = []
        return group
