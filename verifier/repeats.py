"""Which of several equal pictures a file shows, told by its times: where a frozen picture was shortened, and how much.

Equal digests leave open which of them were taken out. A copy that kept its times shows it. The times only choose
between equal pictures, and only where they then explain every picture of the stretch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.lookup import Lookup
from verifier.recorded import Column

__all__ = ["settle_by_time"]

REORDER_US = 2_000_000
"""How far behind a picture in decode order one that is shown at the same time may stand."""


def settle_by_time(
    ids: Sequence[int], own: Lookup, place: list[int], copy_us: Column, tolerance_us: int, taken: bytearray
) -> None:
    """Move units that stand several times in the record to those equal pictures that their times name.

    Args:
        ids: the file's digest numbers.
        place: positions, ascending; changed in place, ascending again.
        copy_us: when the file shows each unit.
        tolerance_us: by how much a unit may be off that is shown as recorded.
        taken: positions that are told already; follows `place`.
    """
    for first, last in list(_repeated_stretches(ids, own, place)):
        before = first - 1 if first > 0 and place[first - 1] >= 0 else None
        behind = last + 1 if last + 1 < len(place) and place[last + 1] >= 0 else None
        if before is not None and behind is not None and place[behind] - place[before] == behind - before:
            continue
        if before is not None:
            stop = place[behind] if behind is not None else len(own.ids)
            _settle(ids, own, place, copy_us, tolerance_us, taken, before, range(first, last + 1), stop)
        elif behind is not None:
            _settle(ids, own, place, copy_us, tolerance_us, taken, behind, range(last, first - 1, -1), -1)


def _repeated_stretches(ids: Sequence[int], own: Lookup, place: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = -1
    for unit in range(len(place) + 1):
        repeated = unit < len(place) and place[unit] >= 0 and own.unique[ids[unit]] < 0
        if repeated and first < 0:
            first = unit
        elif not repeated and first >= 0:
            yield first, unit - 1
            first = -1


def _settle(
    ids: Sequence[int],
    own: Lookup,
    place: list[int],
    copy_us: Column,
    tolerance_us: int,
    taken: bytearray,
    anchor: int,
    units: range,
    stop: int,
) -> None:
    source_us, connections = own.record.source_us, own.record.connections
    step = units.step
    shift = int(copy_us[anchor]) - int(source_us[place[anchor]])
    connection = connections[place[anchor]]
    if all(abs(int(copy_us[unit]) - int(source_us[place[unit]]) - shift) <= tolerance_us for unit in units):
        return
    chosen: list[int] = []
    held = {place[unit] for unit in units}
    position = place[anchor]
    for unit in units:
        wanted = int(copy_us[unit]) - shift
        position += step
        while (
            position != stop
            and connections[position] == connection
            and (
                own.ids[position] != ids[unit]
                or (taken[position] and position not in held)
                or abs(int(source_us[position]) - wanted) > tolerance_us
            )
        ):
            if step * (int(source_us[position]) - wanted) > REORDER_US:
                return
            position += step
        if position == stop or connections[position] != connection:
            return
        chosen.append(position)
    for position in held:
        taken[position] = 0
    for unit, position in zip(units, chosen, strict=True):
        place[unit] = position
        taken[position] = 1
