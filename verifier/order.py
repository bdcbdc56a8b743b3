"""Order among pictures: which to keep in place, so that the fewest moved; and what two short sequences share."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence

__all__ = ["common_subsequence", "longest_increasing"]

WORK_BUDGET = 2_000_000
"""Steps that one call of `common_subsequence` may take before it settles for less; about a second."""


def longest_increasing(values: Sequence[int]) -> list[int]:
    """Return indices of a longest strictly increasing subsequence, O(n log n).

    Among equally long ones the subsequence that leaves out what comes first, so that of two runs of one length the
    first counts as moved.
    """
    # From the right: lowest[k] = minus the largest head of an increasing run of k + 1 values. Equal lengths form a
    # level; within a level values never increase from left to right.
    lowest: list[int] = []
    levels: list[list[int]] = []
    for index in range(len(values) - 1, -1, -1):
        value = values[index]
        level = bisect_left(lowest, -value)
        if level == len(lowest):
            lowest.append(-value)
            levels.append([index])
        else:
            lowest[level] = -value
            levels[level].append(index)
    kept: list[int] = []
    above = -1
    for candidates in reversed(levels):
        # Candidates stand from right to left; the first one that fits is the rightmost.
        for index in candidates:
            if (not kept or index > kept[-1]) and values[index] > above:
                kept.append(index)
                above = values[index]
                break
    return kept


def common_subsequence(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    """Return index pairs of a common subsequence: a longest one where that is affordable, else a good one.

    Negative values never match.

    Source: Myers, An O(ND) Difference Algorithm, 1986; beyond the budget every value takes the next free equal one.
    """
    shared = set(left) & set(right)
    lefts = [index for index, value in enumerate(left) if value >= 0 and value in shared]
    rights = [index for index, value in enumerate(right) if value >= 0 and value in shared]
    if not lefts or not rights:
        return []
    pairs = _myers([left[i] for i in lefts], [right[i] for i in rights])
    if pairs is None:
        pairs = _greedy([left[i] for i in lefts], [right[i] for i in rights])
    return [(lefts[i], rights[j]) for i, j in pairs]


def _myers(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]] | None:
    width, height = len(left), len(right)
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    work = 0
    for differences in range(width + height + 1):
        work += differences + 1
        if work > WORK_BUDGET:
            return None
        reached: dict[int, int] = {}
        for diagonal in range(-differences, differences + 1, 2):
            if diagonal > width or -diagonal > height:
                continue
            down, across = furthest.get(diagonal + 1, -1), furthest.get(diagonal - 1, -2)
            x = down if down > across else across + 1
            y = x - diagonal
            if x > width or y > height or x < 0 or y < 0:
                continue
            while x < width and y < height and left[x] == right[y]:
                x += 1
                y += 1
                work += 1
            reached[diagonal] = x
            if x == width and y == height:
                trace.append(reached)
                return _walk_back(trace, width, height)
        trace.append(reached)
        furthest = reached
    return None  # pragma: no cover - the longest script has width + height differences


def _walk_back(trace: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    pairs: list[tuple[int, int]] = []
    for differences in range(len(trace) - 1, -1, -1):
        if differences == 0:
            start_x, start_y = 0, 0
            entry_x, entry_y = 0, 0
        else:
            before = trace[differences - 1]
            diagonal = x - y
            down, across = before.get(diagonal + 1, -1), before.get(diagonal - 1, -2)
            if down > across:
                start_x, start_y = down, down - diagonal - 1
                entry_x, entry_y = start_x, start_y + 1
            else:
                start_x, start_y = across, across - diagonal + 1
                entry_x, entry_y = start_x + 1, start_y
        while x > entry_x and y > entry_y:
            x -= 1
            y -= 1
            pairs.append((x, y))
        x, y = start_x, start_y
    pairs.reverse()
    return pairs


def _greedy(left: Sequence[int], right: Sequence[int]) -> list[tuple[int, int]]:
    where: dict[int, list[int]] = defaultdict(list)
    for index, value in enumerate(right):
        where[value].append(index)
    pairs: list[tuple[int, int]] = []
    # What would skip much of `right` is left out: one far match must not cost all that lie before it.
    reach = max(64, 2 * abs(len(right) - len(left)))
    behind = -1
    for index, value in enumerate(left):
        places = where[value]
        at = bisect_left(places, behind + 1)
        if at < len(places) and places[at] - behind <= reach:
            behind = places[at]
            pairs.append((index, behind))
    return pairs
