"""What stretches between placed pictures still share with the record there, by digests that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.order import common_subsequence

__all__ = ["align_gaps", "grow"]

EDGE_PICTURES = 16
"""How many more pictures than half as many again as the file has beyond its last match are looked at in the record."""


def grow(ids: Sequence[int], recorded: Sequence[int], place: list[int]) -> None:
    """Extend placed runs over equal digests: forward first, so that the first of two showings is the recorded one.

    Args:
        ids: digest numbers of the file; `recorded`: of the record.
        place: positions, ascending where not -1; filled in place.
    """
    for before, behind in list(_gaps(place)):
        low = place[before] if before >= 0 else -1
        high = place[behind] if behind < len(place) else len(recorded)
        if before >= 0:
            while before + 1 < behind and low + 1 < high and ids[before + 1] == recorded[low + 1]:
                before, low = before + 1, low + 1
                place[before] = low
        if behind < len(place):
            while before < behind - 1 and low < high - 1 and ids[behind - 1] == recorded[high - 1]:
                behind, high = behind - 1, high - 1
                place[behind] = high


def align_gaps(
    ids: Sequence[int],
    recorded: Sequence[int],
    place: list[int],
    closed: Sequence[bool],
    taken: bytearray,
    bounds: tuple[int | None, int | None],
) -> None:
    """Place what is left between and beside placed units.

    Args:
        place: positions, ascending where not -1; filled in place.
        closed: units that are told already.
        taken: positions that are told already; filled in place.
        bounds: first position that the file can begin with, and the one behind the last that it can end with, where
            the record or what was asked for ends.
    """
    for before, behind in list(_gaps(place)):
        units = [unit for unit in range(before + 1, behind) if not closed[unit]]
        if not units:
            continue
        reach = len(units) + len(units) // 2 + EDGE_PICTURES
        low = place[before] + 1 if before >= 0 else max(bounds[0] or 0, place[behind] - reach)
        high = place[behind] if behind < len(place) else min(bounds[1] or len(recorded), place[before] + 1 + reach)
        free = [at for at in range(low, high) if not taken[at]]
        if before < 0:
            pairs = _beside(ids, recorded, units[::-1], free[::-1], behind, place[behind])
        elif behind == len(place):
            pairs = _beside(ids, recorded, units, free, before, place[before])
        else:
            pairs = _between(ids, recorded, units, free)
        for unit, position in pairs:
            if not taken[position]:
                place[unit] = position
                taken[position] = 1


def _gaps(place: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield the placed units before and behind every stretch of unplaced ones (-1 and the count at the edges)."""
    before = -1
    for unit, position in enumerate(place):
        if position >= 0:
            if unit > before + 1:
                yield before, unit
            before = unit
    if 0 <= before < len(place) - 1:
        yield before, len(place)


def _between(
    ids: Sequence[int], recorded: Sequence[int], units: Sequence[int], positions: Sequence[int]
) -> list[tuple[int, int]]:
    """Pair equal pictures in order; straight across where that pairs as many."""
    left, right = [ids[unit] for unit in units], [recorded[position] for position in positions]
    pairs = common_subsequence(left, right)
    if len(left) == len(right):
        straight = [(index, index) for index, digest in enumerate(left) if digest == right[index]]
        pairs = pairs if len(pairs) > len(straight) else straight
    return [(units[index], positions[other]) for index, other in pairs]


def _beside(
    ids: Sequence[int],
    recorded: Sequence[int],
    units: Sequence[int],
    positions: Sequence[int],
    anchor: int,
    position: int,
) -> list[tuple[int, int]]:
    """Pair equal pictures beyond the first or last placed unit (`anchor`, at `position`), from there outwards.

    What stands at the end of a file may as well be of another origin, so at least half of the pictures must agree.
    """
    pairs = _between(ids, recorded, units, positions)
    straight: list[tuple[int, int]] = []
    reach = 0
    for unit in units:
        other = position + unit - anchor
        if not 0 <= other < len(recorded):
            break
        if ids[unit] == recorded[other]:
            straight.append((unit, other))
            if 2 * len(straight) >= abs(unit - anchor):
                reach = len(straight)
    return pairs if len(pairs) > reach and 2 * len(pairs) >= len(units) else straight[:reach]
