"""How much is going on in a picture, judged from its 64 x 36 luma grid alone.

A slow background, kept per cell together with the cell's usual noise, is compared with each grid. Light that changes
everywhere at once (a lamp, automatic exposure) is taken out first, because it is not movement. Integers throughout: the
same grids give the same scores on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from evidence.commitments import GRID_BYTES, GRID_COLUMNS, GRID_ROWS
from evidence.errors import Malformed

FULL_SCORE = 1000
MAX_REGIONS = 8

# Background and noise are held in 1/256 luma levels.
_SCALE = 256
# One part in 2^n of the difference is learnt with each look; a cell in which something moves is learnt more slowly.
_LEARN_STILL, _LEARN_MOVED, _LEARN_NOISE = 3, 6, 4
# A cell has changed when it differs by more than 4 luma levels and by more than 4 times its usual noise. A block mean
# of a noisy sensor (sigma 3 per sample) over the smallest usual block (10 x 10) wanders by less than one level.
_FLOOR, _TIMES_NOISE = 4 * _SCALE, 4
# An eighth of the picture in movement counts as full importance.
_FULL_CELLS = GRID_COLUMNS * GRID_ROWS // 8

Region = tuple[int, int, int, int]
_Cells = NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """What the still scene looks like: per cell its luma and its usual noise, in 1/256 levels."""

    luma: _Cells
    noise: _Cells


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """Importance 0 to 1,000, and where: at most 8 regions as (x, y, width, height) in luma pixels, largest first."""

    score: int
    regions: tuple[Region, ...]


STILL = Motion(score=0, regions=())


def look(background: Background | None, grid: bytes, *, width: int, height: int) -> tuple[Motion, Background]:
    """Compare one grid with the background and learn from it.

    Args:
        background: from the previous look; None: the first one, which shows no movement.
        grid: 2,304 block means, row-major.
        width: size of the picture in luma pixels, for the regions.
        height: likewise.

    Raises:
        Malformed: a grid of another size, or a picture without pixels.
    """
    if len(grid) != GRID_BYTES or width < 1 or height < 1:
        raise Malformed("movement needs a grid of 2,304 bytes and the picture's size")
    luma = np.frombuffer(grid, np.uint8).astype(np.int32).reshape(GRID_ROWS, GRID_COLUMNS) * _SCALE
    if background is None:
        return STILL, Background(luma=luma, noise=np.full_like(luma, _SCALE))
    difference = luma - background.luma
    light = int(np.median(difference))
    local = np.abs(difference - light)
    moved = local > np.maximum(_FLOOR, _TIMES_NOISE * background.noise)
    learnt = Background(
        luma=background.luma + np.where(moved, difference >> _LEARN_MOVED, difference >> _LEARN_STILL),
        # Learning much of a movement as noise would blind the cell; learning none would keep a cell awake for ever
        # that was taken for stiller than it is.
        noise=background.noise
        + np.where(
            moved,
            (np.minimum(local, 2 * _FLOOR) - background.noise) >> _LEARN_MOVED,
            (local - background.noise) >> _LEARN_NOISE,
        ),
    )
    return Motion(score=_score(int(moved.sum())), regions=_regions(moved, width, height)), learnt


def _score(cells: int) -> int:
    # The root makes one walking person (about 1 % of the picture) visible between nothing and a crowd.
    return min(FULL_SCORE, isqrt(FULL_SCORE * FULL_SCORE * cells // _FULL_CELLS))


def _regions(moved: NDArray[np.bool_], width: int, height: int) -> tuple[Region, ...]:
    boxes = sorted(_boxes(moved), key=lambda box: (-box[0], box[1:]))[:MAX_REGIONS]
    regions = []
    for _, left, top, right, bottom in boxes:
        x0, y0 = left * width // GRID_COLUMNS, top * height // GRID_ROWS
        x1 = max(x0 + 1, (right + 1) * width // GRID_COLUMNS)
        y1 = max(y0 + 1, (bottom + 1) * height // GRID_ROWS)
        regions.append((x0, y0, x1 - x0, y1 - y0))
    return tuple(regions)


def _boxes(moved: NDArray[np.bool_]) -> list[tuple[int, int, int, int, int]]:
    """Connected groups of cells (8 neighbours) as (cells, left, top, right, bottom)."""
    waiting = {(int(row), int(column)) for row, column in np.argwhere(moved)}
    boxes = []
    while waiting:
        front = [waiting.pop()]
        group = []
        while front:
            row, column = front.pop()
            group.append((row, column))
            for near in ((row + dy, column + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)):
                if near in waiting:
                    waiting.remove(near)
                    front.append(near)
        rows, columns = [cell[0] for cell in group], [cell[1] for cell in group]
        boxes.append((len(group), min(columns), min(rows), max(columns), max(rows)))
    return boxes
