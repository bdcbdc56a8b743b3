"""Importance follows what moves, not noise and not light."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from evidence.errors import Malformed
from frame_sampler.motion import FULL_SCORE, MAX_REGIONS, Background, Motion, look

Grid = NDArray[np.uint8]


def _still(level: int = 100) -> Grid:
    return np.full((36, 64), level, np.uint8)


def _watch(grids: list[Grid], *, width: int = 640, height: int = 360) -> list[Motion]:
    background: Background | None = None
    seen = []
    for grid in grids:
        motion, background = look(background, grid.tobytes(), width=width, height=height)
        seen.append(motion)
    return seen


def test_a_still_scene_has_no_importance() -> None:
    assert {motion.score for motion in _watch([_still()] * 20)} == {0}


def test_the_first_picture_cannot_show_movement() -> None:
    assert _watch([_still()])[0] == Motion(score=0, regions=())


def test_something_that_appears_is_found_where_it_is() -> None:
    grid = _still()
    grid[10:14, 20:22] = 180
    found = _watch([_still()] * 5 + [grid])[-1]
    assert found.regions == ((200, 100, 20, 40),)
    assert 0 < found.score < FULL_SCORE


def test_more_movement_is_more_important() -> None:
    scores = []
    for cells in (1, 4, 16, 288):
        grid = _still()
        grid.reshape(-1)[:cells] = 200
        scores.append(_watch([_still()] * 3 + [grid])[-1].score)
    assert scores == sorted(scores) and len(set(scores)) == 4 and scores[-1] == FULL_SCORE


def test_light_that_changes_everywhere_is_not_movement() -> None:
    assert _watch([_still(100)] * 5 + [_still(140)])[-1].score == 0


def test_sensor_noise_is_learnt() -> None:
    random = np.random.default_rng(1)
    grids = [(100 + random.integers(-3, 4, (36, 64))).astype(np.uint8) for _ in range(200)]
    scores = [motion.score for motion in _watch(grids)]
    assert max(scores[:20]) > 200 and max(scores[100:]) < 100


def test_what_stays_becomes_background() -> None:
    parked = _still()
    parked[4:8, 4:10] = 200
    scores = [motion.score for motion in _watch([_still()] * 3 + [parked] * 400)]
    assert scores[3] > 0 and scores[-1] == 0


def test_a_flickering_picture_names_a_bounded_number_of_regions() -> None:
    grid = _still()
    grid[::3, ::3] = 220
    assert len(_watch([_still()] * 3 + [grid])[-1].regions) == MAX_REGIONS


@given(
    seed=st.integers(0, 1 << 32), changed=st.integers(0, 2304), width=st.integers(1, 5000), height=st.integers(1, 5000)
)
def test_any_two_grids_give_a_score_in_range_and_regions_inside_the_picture(
    seed: int, changed: int, width: int, height: int
) -> None:
    random = np.random.default_rng(seed)
    one = random.integers(0, 256, 2304).astype(np.uint8)
    other = one.copy()
    other[random.permutation(2304)[:changed]] = random.integers(0, 256)
    _, background = look(None, one.tobytes(), width=width, height=height)
    motion, _ = look(background, other.tobytes(), width=width, height=height)
    assert 0 <= motion.score <= FULL_SCORE
    for x, y, wide, tall in motion.regions:
        assert x >= 0 and y >= 0 and wide >= 1 and tall >= 1
        assert x + wide <= max(width, x + 1) and y + tall <= max(height, y + 1)


@pytest.mark.parametrize(("grid", "width"), [(b"", 640), (bytes(2303), 640), (bytes(2304), 0)])
def test_what_is_no_grid_is_refused(grid: bytes, width: int) -> None:
    with pytest.raises(Malformed):
        look(None, grid, width=width, height=360)
