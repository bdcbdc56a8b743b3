"""Running a rule over a snapshot of the embedded ledger, and noting what it read.

At commit the reads are looked at again: where one of them would now answer differently, a concurrent transaction has
won and this one is a conflict. Fabric validates transactions in the same way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chaincode.ledger_file import blob, position_of
from chaincode.world import check_write
from evidence.certificates import Caller
from evidence.registry import Position

_SCAN_ROWS = 100


@dataclass(slots=True, kw_only=True)
class RangeRead:
    """What a range read saw: the entries in order, and whether it came to the range's end."""

    start: str
    end: str
    seen: list[tuple[str, Position]] = field(default_factory=list)
    exhausted: bool = False


class SnapshotWorld:
    """A `World` over one connection inside `ledger_file.snapshot`."""

    def __init__(self, connection: sqlite3.Connection, *, caller: Caller, tx_id: str, tx_time_us: int) -> None:
        self.caller = caller
        self.tx_id = tx_id
        self.tx_time_us = tx_time_us
        self.reads: dict[str, Position | None] = {}
        self.ranges: list[RangeRead] = []
        self.writes: dict[str, bytes] = {}
        self.event: tuple[str, bytes] | None = None
        self._connection = connection

    def get(self, key: str) -> bytes | None:
        row = self._connection.execute("SELECT value, height, position FROM state WHERE key=?", (key,)).fetchone()
        self.reads[key] = None if row is None else position_of(row[1], row[2])
        return None if row is None else blob(row[0], key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def put(self, key: str, value: bytes) -> None:
        check_write(key, value)
        self.writes[key] = value

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        noted = RangeRead(start=start, end=end)
        self.ranges.append(noted)
        for key, value, position in _rows(self._connection, start, end):
            noted.seen.append((key, position))
            yield key, value
        noted.exhausted = True

    def emit(self, name: str, payload: bytes) -> None:
        if self.event is not None:
            raise ValueError("a transaction emits at most one event")
        self.event = (name, payload)


def still_true(connection: sqlite3.Connection, world: SnapshotWorld) -> bool:
    """Tell whether everything that `world` read would be read again, from the state as it is now."""
    for key, position in world.reads.items():
        row = connection.execute("SELECT height, position FROM state WHERE key=?", (key,)).fetchone()
        if (None if row is None else position_of(row[0], row[1])) != position:
            return False
    return all(_same_range(connection, noted) for noted in world.ranges)


def _same_range(connection: sqlite3.Connection, noted: RangeRead) -> bool:
    seen = iter(noted.seen)
    for key, _, position in _rows(connection, noted.start, noted.end):
        expected = next(seen, None)
        if expected is None:
            return not noted.exhausted  # the rule stopped reading here: what follows did not matter to it
        if expected != (key, position):
            return False
    return next(seen, None) is None


def _rows(connection: sqlite3.Connection, start: str, end: str) -> Iterator[tuple[str, bytes, Position]]:
    """Entries of the state in key order, read in portions so that no statement stays open between them."""
    comparison = ">="
    while True:
        rows = connection.execute(
            f"SELECT key, value, height, position FROM state WHERE key {comparison} ? AND key < ? ORDER BY key LIMIT ?",
            (start, end, _SCAN_ROWS),
        ).fetchall()
        for key, value, height, position in rows:
            yield key, blob(value, key), position_of(height, position)
        if len(rows) < _SCAN_ROWS:
            return
        start, comparison = rows[-1][0], ">"
