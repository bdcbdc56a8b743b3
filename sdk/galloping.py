"""Finding a place in a long ascending row that only answers one question at a time."""

from __future__ import annotations

from collections.abc import Callable


def first_that(holds: Callable[[int], bool], start: int) -> int:
    """The first number from `start` on of which `holds` is true, where it is true of all that follow as well.

    Asks about twice the binary logarithm of the distance: steps that double, then halves.
    """
    step, low = 1, start - 1
    while not holds(low + step):
        low, step = low + step, step * 2
    high = low + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high
