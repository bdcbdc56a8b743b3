"""What stretches between placed pictures still share with the record there, by digests that repeat."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.order import common_subsequence

__all__ = ["align_gaps", "grow"]


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
        bounds: first position that the file may begin with, and the one behind the last that it may end with, where
            that is known.
    """
    for before, behind in list(_gaps(place)):
        units = [unit for unit in range(before + 1, behind) if not closed[unit]]
        if not units:
            continue
        low = place[before] + 1 if before >= 0 else bounds[0]
        high = place[behind] if behind < len(place) else bounds[1]
        free = [] if low is None or high is None else [at for at in range(low, high) if not taken[at]]
        if (before >= 0 and behind < len(place)) or len(free) == len(units):
            pairs = _between(ids, recorded, units, free)
        elif before < 0:
            pairs = _beside(ids, recorded, units[::-1], behind, place[behind], -1)
        else:
            pairs = _beside(ids, recorded, units, before, place[before], 1)
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
    ids: Sequence[int], recorded: Sequence[int], units: Sequence[int], anchor: int, position: int, step: int
) -> list[tuple[int, int]]:
    """Go on beyond the first or last placed unit at the same distance, as far as half of the pictures agree."""
    agreed: list[tuple[int, int]] = []
    reach = 0
    for unit in units:
        other = position + unit - anchor
        if not 0 <= other < len(recorded):
            break
        if ids[unit] == recorded[other]:
            agreed.append((unit, other))
            if 2 * len(agreed) >= step * (unit - anchor):
                reach = len(agreed)
    return agreed[:reach]
