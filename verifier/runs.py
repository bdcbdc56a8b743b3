"""Stretches of a file that stand elsewhere in a record, and spans of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from verifier.lookup import REPEATED, Lookup
from verifier.model import Op, Span

__all__ = ["runs", "spans_of", "untaken", "widened"]


def runs(
    ids: Sequence[int], lookup: Lookup, ops: Sequence[Op | None], *, never: Lookup | None = None
) -> Iterator[tuple[int, int, int]]:
    """Yield (first, last, position of first) of unmatched stretches that stand in one piece in a record.

    A stretch begins at a unit that stands there once (and several times nowhere in `never`); repeated ones extend it.
    """
    floor = unit = 0
    while unit < len(ids):
        position = lookup.unique[ids[unit]]
        if ops[unit] is not None or position < 0 or (never is not None and never.unique[ids[unit]] == REPEATED):
            unit += 1
            continue
        first = last = unit
        start = end = position
        while first > floor and start > 0 and ops[first - 1] is None and ids[first - 1] == lookup.ids[start - 1]:
            first, start = first - 1, start - 1
        while (
            last + 1 < len(ids)
            and end + 1 < len(lookup.ids)
            and ops[last + 1] is None
            and ids[last + 1] == lookup.ids[end + 1]
        ):
            last, end = last + 1, end + 1
        yield first, last, start
        floor = unit = last + 1


def untaken(taken: bytearray, first: int, last: int) -> Iterator[Span]:
    yield from spans_of([position for position in range(first, last + 1) if not taken[position]])


def widened(hull: Span, spans: Sequence[Span], barriers: Sequence[int]) -> Span:
    """Widen what the file covers by moved runs that lie beside it; farther ones were brought from elsewhere.

    A run lies beside it when at most a quarter of its own length lies between, and no barrier (the position behind it).
    """
    low, high = hull
    floor = max((barrier for barrier in barriers if barrier <= low), default=0)
    ceiling = min((barrier for barrier in barriers if barrier > high), default=None)
    for first, last in sorted(spans, reverse=True):
        if floor <= first < low and 4 * (low - last - 1) <= last - first + 1:
            low = first
    for first, last in sorted(spans):
        if (ceiling is None or last < ceiling) and last > high and 4 * (first - high - 1) <= last - first + 1:
            high = last
    return low, high


def spans_of(positions: Sequence[int]) -> Iterator[Span]:
    """Join ascending numbers to spans."""
    first = last = -1
    for position in positions:
        if first >= 0 and position == last + 1:
            last = position
            continue
        if first >= 0:
            yield first, last
        first = last = position
    if first >= 0:
        yield first, last
