"""Where the segment indexes of a fragmented MP4 lead: who follows one must meet the boxes that all others meet.

Source: ISO/IEC 14496-12, 8.16.3 (`sidx`) and 8.8.9 to 8.8.11 (`mfra`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import BinaryIO

from evidence.errors import Malformed
from media.boxes import Budget, Cursor, TopBox, children

INDEXES = frozenset((b"sidx", b"mfra"))
_REFERENCE_BYTES = 12
_SIZE = 0x7FFF_FFFF


def check_indexes(file: BinaryIO, indexes: Iterable[TopBox], starts: Collection[int], end: int, budget: Budget) -> None:
    """Refuse an index that leads into a box.

    Args:
        indexes: boxes of the kinds in `INDEXES`, whole.
        starts: where the boxes of the file itself begin.
        end: where the last of them ends; a file that was cut leads behind it.

    Raises:
        Malformed: a target is none of `starts`.
    """
    for box in indexes:
        data = box.read(file, budget)
        if box.kind == b"sidx":
            targets = _segments(data, box.end, budget)
        else:
            targets = [
                target
                for kind, payload in children(data, b"mfra", budget)
                if kind == b"tfra"
                for target in _fragments(payload, budget)
            ]
        if any(target < end and target not in starts for target in targets):
            raise Malformed(f"index '{box.kind.decode()}' leads into the middle of a box, where other pictures may be")


def _segments(data: memoryview, anchor: int, budget: Budget) -> list[int]:
    """Where what a `sidx` lists begins."""
    cursor = Cursor(data, "sidx")
    wide = cursor.version() > 0
    cursor.skip(16 if wide else 12)
    at = anchor + (cursor.u64() if wide else cursor.u32())
    cursor.skip(2)
    count = cursor.u16()
    budget.spend_samples(count)
    targets = []
    for _ in range(count):
        targets.append(at)
        at += cursor.u32() & _SIZE
        cursor.skip(_REFERENCE_BYTES - 4)
    return targets


def _fragments(data: memoryview, budget: Budget) -> list[int]:
    """Where the fragments that a `tfra` lists begin."""
    cursor = Cursor(data, "tfra")
    wide = cursor.version() > 0
    cursor.skip(4)
    lengths = cursor.u32()
    behind = sum((lengths >> shift & 3) + 1 for shift in (4, 2, 0))
    count = cursor.u32()
    budget.spend_samples(count)
    targets = []
    for _ in range(count):
        cursor.skip(8 if wide else 4)
        targets.append(cursor.u64() if wide else cursor.u32())
        cursor.skip(behind)
    return targets
