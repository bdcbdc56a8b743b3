"""The grid: 64x36 luma block means of one picture, the same integers on every machine."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from media.decode import Picture, Samples

COLUMNS, ROWS = 64, 36
GRID_BYTES = COLUMNS * ROWS


def grid(picture: Picture) -> bytes:
    """The grid of a picture, 2,304 bytes, row by row.

    Column i spans x0 = ⌊iW/64⌋ to max(x0+1, ⌊(i+1)W/64⌋), rows alike; the mean is rounded half up.

    Args:
        picture: YUV or grey; deeper luma is brought to 8 bits by a shift first.
    """
    return luma_grid(picture.planes[0], picture.depth)


def luma_grid(luma: Samples, depth: int = 8) -> bytes:
    """The grid of a luma plane whose samples have `depth` significant bits."""
    height, width = luma.shape
    columns, rows, counts = _places(width, height)
    shifted = luma if depth == 8 else luma >> (depth - 8)
    # At most 255 · 2^32 pixels per block would overflow 64 bits; 32 bits hold blocks of 2^24 pixels (16K has 2^16).
    sums = np.add.reduceat(np.add.reduceat(shifted, rows, axis=0, dtype=np.uint32), columns, axis=1, dtype=np.uint64)
    return ((2 * sums + counts) // (2 * counts)).astype(np.uint8).tobytes()


@functools.lru_cache(maxsize=16)
def _places(width: int, height: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.uint64]]:
    """First pixel of every column and row, and the number of pixels in every block."""
    # Where the picture has fewer pixels than blocks, neighbouring blocks begin at the same one; `reduceat` then takes
    # just that pixel, as the definition wants.
    columns = np.arange(COLUMNS) * width // COLUMNS
    rows = np.arange(ROWS) * height // ROWS
    wide = np.maximum(1, np.diff(columns, append=width))
    tall = np.maximum(1, np.diff(rows, append=height))
    return columns.astype(np.intp), rows.astype(np.intp), np.outer(tall, wide).astype(np.uint64)
