"""What became of every picture of a file and of the record, per picture and as operations."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from verifier.matching import Stretch
from verifier.model import Op, Operation, Span
from verifier.recorded import Recorded

__all__ = ["NOWHERE", "NO_SOURCE", "Script"]

NOWHERE = -1
NO_SOURCE = (-1, -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The operations, and the columns that findings are made from.

    own: the recording that the file is a copy of; None where nothing was found.
    operations: in file order; `missing` before what follows it in the record.
    ops: one per unit of the file.
    place: per unit its own position in `own` (same, modified, reordered, pending); -1 where it has none.
    source: per unit (index into `sources`, position) of the equal recorded picture, wherever that stands; (-1, -1)
        where none is equal.
    sources: `own` first, then the other recordings.
    hull: first and last position of `own` that the file speaks of; None where nothing matched.
    missing: spans of positions that the file should show and does not.
    shown: presentation index of every unit.
    """

    own: Recorded | None
    operations: tuple[Operation, ...]
    ops: Sequence[Op]
    place: array[int]
    source: Sequence[tuple[int, int]]
    sources: tuple[Recorded, ...]
    hull: Span | None
    missing: tuple[Span, ...]
    shown: array[int]
    ambiguous: tuple[Stretch, ...] = ()
    unplaceable: bool = False

    @property
    def matched(self) -> bool:
        """Some picture of the file equals a recorded one of `own`."""
        return self.hull is not None

    def counts(self) -> dict[str, int]:
        """Pictures per operation, every operation named."""
        totals = {op.value: 0 for op in Op}
        for operation in self.operations:
            totals[operation.op.value] += operation.pictures
        return totals
