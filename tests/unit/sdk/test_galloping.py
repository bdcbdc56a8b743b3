"""The first place in an ascending row, found with few questions."""

from __future__ import annotations

import pytest

from sdk.galloping import first_that


@pytest.mark.parametrize("start", [0, 7])
@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 5, 63, 64, 65, 100_000])
def test_the_first_place_is_found_with_few_questions(start: int, distance: int) -> None:
    asked: list[int] = []

    def holds(number: int) -> bool:
        asked.append(number)
        return number >= start + distance

    assert first_that(holds, start) == start + distance
    assert min(asked) >= start
    assert len(asked) <= 2 * (distance + 1).bit_length() + 1
