"""Grid and pixel digest: against implementations written straight from the definition."""

import hashlib
import struct
import time

import numpy as np
import pytest
from av.video.frame import VideoFrame
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from media.decode import Picture, picture_of
from media.grid import GRID_BYTES, grid, luma_grid
from media.pixels import pixels_digest, plain_format, raster, tiles


def grid_by_definition(luma: NDArray[np.uint8]) -> bytes:
    rows: list[list[int]] = luma.tolist()
    height, width = len(rows), len(rows[0])
    means = []
    for j in range(36):
        y0, y1 = j * height // 36, max(j * height // 36 + 1, (j + 1) * height // 36)
        for i in range(64):
            x0, x1 = i * width // 64, max(i * width // 64 + 1, (i + 1) * width // 64)
            block = [value for row in rows[y0:y1] for value in row[x0:x1]]
            means.append((2 * sum(block) + len(block)) // (2 * len(block)))
    return bytes(means)


def made(format: str, width: int, height: int, seed: int = 1) -> Picture:
    frame = VideoFrame(width, height, format)
    random = np.random.default_rng(seed)
    depth = frame.format.components[0].bits
    for plane in frame.planes:
        kind = np.uint16 if depth > 8 else np.uint8
        plane.update(random.integers(0, 1 << depth, size=plane.buffer_size // kind().itemsize, dtype=kind).tobytes())
    return picture_of(frame)


@given(st.integers(1, 200), st.integers(1, 120), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_the_grid_is_exactly_the_definition(width: int, height: int, seed: int) -> None:
    luma = np.random.default_rng(seed).integers(0, 256, size=(height, width), dtype=np.uint8)
    assert luma_grid(luma) == grid_by_definition(luma)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (63, 35), (64, 36), (65, 37), (640, 360), (768, 576), (1921, 1)])
def test_the_grid_of_particular_sizes(width: int, height: int) -> None:
    luma = np.random.default_rng(width).integers(0, 256, size=(height, width), dtype=np.uint8)
    assert luma_grid(luma) == grid_by_definition(luma)


def test_halves_are_rounded_up_and_white_stays_white() -> None:
    luma = np.zeros((36, 128), np.uint8)
    luma[:, 1::2] = 1
    assert luma_grid(luma) == b"\x01" * GRID_BYTES
    assert luma_grid(np.full((2160, 3840), 255, np.uint8)) == b"\xff" * GRID_BYTES


def test_deeper_luma_is_shifted_before_it_is_averaged() -> None:
    picture = made("yuv420p10le", 130, 74)
    assert grid(picture) == grid_by_definition((picture.planes[0] >> 2).astype(np.uint8))
    assert grid(made("gray", 70, 40)) == grid_by_definition(made("gray", 70, 40).planes[0].astype(np.uint8))


def test_the_grid_takes_few_milliseconds() -> None:
    luma = np.random.default_rng(1).integers(0, 256, size=(1080, 1920), dtype=np.uint8)
    luma_grid(luma)
    started = time.process_time()
    for _ in range(10):
        luma_grid(luma)
    assert (time.process_time() - started) / 10 < 0.05


@pytest.mark.parametrize(
    ("format", "width", "height", "chroma"),
    [("yuv420p", 33, 17, (17, 9)), ("yuv422p", 33, 17, (17, 17)), ("yuv444p", 8, 4, (8, 4)), ("gray", 31, 3, None),
     ("yuv420p10le", 34, 18, (17, 9))],
)  # fmt: skip
def test_the_pixel_digest_is_exactly_the_definition(
    format: str, width: int, height: int, chroma: tuple[int, int] | None
) -> None:
    picture = made(format, width, height)
    assert [plane.shape for plane in picture.planes[1:]] == ([chroma[::-1]] * 2 if chroma else [])
    data = struct.pack(">B", len(format)) + format.encode() + struct.pack(">II", width, height)
    for plane in picture.planes:
        for row in plane.tolist():
            data += b"".join(value.to_bytes(plane.dtype.itemsize, "little") for value in row)
    assert pixels_digest(picture) == hashlib.sha256(data).digest()


def test_the_full_range_marking_of_a_format_does_not_count() -> None:
    assert plain_format("yuvj420p") == "yuv420p"
    assert plain_format("yuv420p") == "yuv420p"
    assert plain_format("gray") == "gray"
    assert pixels_digest(made("yuvj420p", 32, 16)) == pixels_digest(made("yuv420p", 32, 16))


@pytest.mark.parametrize("format", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 63), (130, 129), (1, 1)])
def test_tiles_cover_every_sample_once(format: str, width: int, height: int) -> None:
    picture = made(format, width, height)
    cut = list(tiles(picture))
    columns, rows = raster(width, height)
    assert [tile.number for tile in cut] == list(range(columns * rows))
    assert sum(len(tile.samples) for tile in cut) == sum(plane.nbytes for plane in picture.planes)
    last = cut[-1]
    assert (last.width, last.height) == (width - 64 * (columns - 1), height - 64 * (rows - 1))
    start = last.width * last.height * picture.planes[0].dtype.itemsize
    corner = np.ascontiguousarray(picture.planes[0][64 * (rows - 1) :, 64 * (columns - 1) :])
    assert last.samples[:start] == corner.tobytes()
