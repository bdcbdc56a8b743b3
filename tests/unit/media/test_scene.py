"""The rendered scene: the pictures asked for, the same bytes every time, fast enough to be used everywhere."""

import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from media.scene import Scene, pictures, render_scene

LETTERS = {PictureType.I: "I", PictureType.P: "P", PictureType.B: "B"}


def types_shown(path: Path) -> str:
    with av.open(str(path)) as container:
        return "".join(LETTERS[frame.pict_type] for frame in container.decode(video=0))


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_pattern_becomes_exactly_these_pictures(tmp_path: Path, codec: str, suffix: str) -> None:
    path = tmp_path / f"scene.{suffix}"
    assert render_scene(path, pattern="IPPP IPBBP", codec=codec, width=320, height=180) == 9
    assert types_shown(path) == "IPPPIPBBP"


def test_open_entries_are_not_instantaneous_refreshes(tmp_path: Path) -> None:
    path = tmp_path / "scene.h264"
    render_scene(path, pattern="IBBP IBBP", open_gop=True, width=160, height=90)
    kinds = [data[0] & 31 for data in path.read_bytes().split(b"\0\0\1")[1:]]
    assert kinds.count(5) == 1
    assert types_shown(path) == "IBBPIBBP"


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.mkv", "b.mkv"):
        render_scene(tmp_path / name, seconds=1, b_frames=2, seed=7, width=320, height=180)
    render_scene(tmp_path / "c.mkv", seconds=1, b_frames=2, seed=8, width=320, height=180)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()
    assert (tmp_path / "a.mkv").read_bytes() != (tmp_path / "c.mkv").read_bytes()


def test_noise_moves_and_a_frozen_or_covered_lens_does_not() -> None:
    scene = Scene(seconds=3, fps=10, width=64, height=36, frozen=(1, 2), covered=(2, 3), start_us=None)
    shown = [luma.copy() for luma, _, _ in pictures(scene)]
    assert len(shown) == 30
    assert not np.array_equal(shown[3], shown[4])
    assert all(np.array_equal(shown[9], picture) for picture in shown[10:20])
    assert all((picture == 16).all() for picture in shown[20:])


def test_the_clock_is_burned_in() -> None:
    with_clock = next(iter(pictures(Scene(width=320, height=180))))[0]
    assert {16, 235} <= set(np.unique(with_clock[4:12, 4:200]).tolist())


def test_odd_sizes_rates_and_covering_formats(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    count = render_scene(path, seconds=0.5, fps=Fraction(30000, 1001), width=161, height=91, pixel_format="yuv444p")
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert (len(frames), frames[0].width, frames[0].height, frames[0].format.name) == (count, 161, 91, "yuv444p")


def test_twenty_seconds_take_less_than_four(tmp_path: Path) -> None:
    started = time.process_time()
    assert render_scene(tmp_path / "scene.mp4", seconds=20, fps=15, width=640, height=360) == 300
    assert time.process_time() - started < 4
