"""Longest increasing and common subsequences, against trying everything."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier import order
from verifier.order import common_subsequence, longest_increasing

FEW = st.lists(st.integers(-1, 4), max_size=11)


@given(st.lists(st.integers(0, 8), max_size=9))
def test_the_longest_increasing_subsequence_leaves_out_what_comes_first(values: list[int]) -> None:
    for size in range(len(values), -1, -1):
        fitting = [
            chosen
            for chosen in combinations(range(len(values)), size)
            if all(values[a] < values[b] for a, b in pairwise(chosen))
        ]
        if fitting:
            assert tuple(longest_increasing(values)) == max(fitting)
            return


@given(FEW, FEW)
def test_common_subsequences_are_as_long_as_any(left: list[int], right: list[int]) -> None:
    @cache
    def length(i: int, j: int) -> int:
        if i == len(left) or j == len(right):
            return 0
        if left[i] == right[j] >= 0:
            return 1 + length(i + 1, j + 1)
        return max(length(i + 1, j), length(i, j + 1))

    pairs = common_subsequence(left, right)
    assert len(pairs) == length(0, 0)
    check(left, right, pairs)


@given(FEW, FEW)
def test_beyond_the_budget_a_common_subsequence_is_still_one(left: list[int], right: list[int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "WORK_BUDGET", 0)
        check(left, right, common_subsequence(left, right))


def check(left: list[int], right: list[int], pairs: list[tuple[int, int]]) -> None:
    assert all(left[a] == right[b] >= 0 for a, b in pairs)
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in pairwise(pairs))
