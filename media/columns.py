"""Units under way: one growing column per fact, as in `Footage`."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from media.footage import Side

# Values of the column `clean`.
ENTRY, LEADING = 1, 2


@dataclass(slots=True, kw_only=True)
class Columns:
    """Columns over units begun, but `coded` and `headers` over units complete.

    `packets` counts the packets before the one that a unit begins in; `cut` are units whose bytes are known to be
    incomplete, anywhere in the file.
    """

    coded: bytearray = field(default_factory=bytearray)
    pts: array[int] = field(default_factory=lambda: array("q"))
    keys: bytearray = field(default_factory=bytearray)
    inferred: bytearray = field(default_factory=bytearray)
    clean: bytearray = field(default_factory=bytearray)
    packets: array[int] = field(default_factory=lambda: array("q"))
    headers: list[tuple[int, bytes | None]] = field(default_factory=list)
    side_units: array[int] = field(default_factory=lambda: array("q"))
    side_digests: bytearray = field(default_factory=bytearray)
    side_users: bytearray = field(default_factory=bytearray)
    cut: list[int] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)

    @property
    def begun(self) -> int:
        return len(self.keys)

    @property
    def complete(self) -> int:
        return len(self.coded) // 32

    def begin(self, *, pts: int, inferred: bool, key: bool, clean: int, packet: int) -> None:
        self.pts.append(pts)
        self.inferred.append(inferred)
        self.keys.append(key)
        self.clean.append(clean)
        self.packets.append(packet)

    def finish(self, digest: bytes, context: bytes | None) -> None:
        if not self.headers or self.headers[-1][1] != context:
            self.headers.append((self.complete, context))
        self.coded += digest

    def side(self, digest: bytes, *, user: bool) -> None:
        """Side data that stands before the next unit to begin."""
        self.side_units.append(self.begun)
        self.side_digests += digest
        self.side_users.append(user)

    def drop_sides(self, begin: int) -> None:
        """Forget side data from entry `begin` on."""
        del self.side_units[begin:], self.side_digests[32 * begin :], self.side_users[begin:]

    def sides(self, begin: int = 0, end: int | None = None) -> Iterator[Side]:
        """Side data as objects, by position in the columns."""
        for index in range(begin, len(self.side_units) if end is None else end):
            yield Side(
                unit=self.side_units[index],
                digest=bytes(self.side_digests[32 * index : 32 * index + 32]),
                user=bool(self.side_users[index]),
            )

    def extend(self, other: Columns, *, packets: int) -> None:
        """Put behind these complete units those of `other`, which began `packets` packets later with nothing open."""
        first, complete = self.begun, self.complete
        self.coded += other.coded
        for mine, theirs in ((self.pts, other.pts), (self.keys, other.keys), (self.inferred, other.inferred)):
            mine.extend(theirs)
        self.clean += other.clean
        self.packets.extend(packets + packet for packet in other.packets)
        for at, context in other.headers:
            if not self.headers or self.headers[-1][1] != context:
                self.headers.append((complete + at, context))
        self.side_units.extend(first + unit for unit in other.side_units)
        self.side_digests += other.side_digests
        self.side_users += other.side_users
        self.cut += [first + unit for unit in other.cut]
        self.notes |= other.notes
