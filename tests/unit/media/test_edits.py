"""Edit lists: what ordinary tools write is clean, what hides or retimes pictures is named, as a player shows it."""

import struct
import subprocess
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from media.edits import Edited, apply_edits, edits_of
from media.footage_reader import read_footage
from media.movie_header import RATE_ONE, Edit
from media.mp4 import read_movie
from media.scene import render_scene
from tests.unit.media.surgery import Box, changed, set_edits

# Ten pictures of 100 ms in a track of 1000 ticks a second, in a movie of 1000.
PTS = np.arange(10, dtype=np.int64) * 100


def edited(edits: Sequence[tuple[int, int] | tuple[int, int, float]], **settings: Any) -> Edited:
    rows = [(*each, 1.0)[:3] for each in edits]
    made = [Edit(duration=duration, media_time=at, rate=round(rate * RATE_ONE)) for duration, at, rate in rows]
    settings = {"pts": PTS, "timescale": 1000, "movie_timescale": 1000, **settings}
    return apply_edits(made, settings.pop("pts"), **settings)


def clean(found: Edited) -> bool:
    return not (found.hidden or found.preroll or found.retimed)


@pytest.mark.parametrize("edits", [[], [(1000, 0)], [(500, -1), (1000, 0)], [(1, -1), (2, -1), (1000, 0)], [(2000, 0)]])
def test_one_edit_over_everything_is_clean(edits: list[tuple[int, int]]) -> None:
    assert clean(edited(edits))


def test_the_delay_of_b_pictures_is_made_up_for() -> None:
    pts = np.array([200, 500, 300, 400, 800, 600, 700], np.int64)
    found = edited([(700, 200)], pts=pts)
    assert clean(found)
    assert found.shown_us is not None
    assert found.shown_us.tolist() == [0, 300_000, 100_000, 200_000, 600_000, 400_000, 500_000]


def test_what_stands_outside_one_edit_is_preroll() -> None:
    found = edited([(400, 250)])
    assert (found.preroll, found.hidden, found.retimed) == (((0, 2), (7, 9)), (), False)
    assert found.shown_us is not None and found.shown_us[3] == 50_000


def test_a_picture_without_length_at_the_end_of_the_track_is_shown() -> None:
    assert clean(edited([(900, 0)], media_end=900))
    assert edited([(900, 0)], media_end=1000).preroll == ((9, 9),)


def test_an_edit_without_length_shows_all_of_a_fragmented_file_and_nothing_of_a_whole_one() -> None:
    assert clean(edited([(0, 0)], fragmented=True))
    assert edited([(0, 300)], fragmented=True).preroll == ((0, 2),)
    assert edited([(0, 0)]).hidden == ((0, 9),)


@pytest.mark.parametrize("edits", [[(500, -1)], [(100, 5000)], [(300, -1), (300, -1)]])
def test_a_list_that_shows_nothing_hides_everything(edits: list[tuple[int, int]]) -> None:
    assert edited(edits).hidden == ((0, 9),)


def test_what_lies_between_edits_is_hidden() -> None:
    found = edited([(300, 0), (400, 500)])
    assert (found.hidden, found.preroll, found.retimed) == (((3, 4),), ((9, 9),), False)
    assert found.shown_us is not None
    assert [found.shown_us[at] for at in (0, 2, 5, 8)] == [0, 200_000, 300_000, 600_000]


@pytest.mark.parametrize("seam", [-1, 0, 1])
def test_edits_that_meet_but_for_rounding_hide_and_overlap_nothing(seam: int) -> None:
    # 90,000 ticks against 1,000: a length is exact to a millisecond only.
    pts = np.arange(10, dtype=np.int64) * 9003
    found = edited([(400, 0), (500, 36000 + 90 * seam)], pts=pts, timescale=90_000)
    assert (found.hidden, found.retimed) == ((), False)


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        ([(500, 0), (500, 0)], "repeats"),
        ([(500, 500), (500, 0)], "reorders"),
        ([(600, 0), (600, 400)], "overlaps"),
        ([(1000, 0, 2.0)], "is faster"),
        ([(1000, 0, 0.5)], "is slower"),
        ([(1000, 0, -1.0)], "plays backwards"),
        ([(300, 0), (200, 300, 0.0), (700, 300)], "dwells"),
        ([(300, 0), (200, -1), (700, 300)], "pauses"),
        ([(1000, 0), (200, -1)], "ends empty"),
        ([(1000, -5)], "begins before the track"),
        ([(0, 0), (1000, 0)], "has an edit without length before others"),
    ],
)
def test_every_other_list_retimes(edits: list[tuple[int, int]], why: str) -> None:
    assert edited(edits).retimed, why


@given(
    st.lists(st.tuples(st.integers(0, 1 << 64), st.integers(-(1 << 63), 1 << 63), st.integers(-(1 << 31), 1 << 31)),
             max_size=6),
    st.lists(st.integers(-(1 << 61), 1 << 61), min_size=1, max_size=12),
    st.integers(1, 1 << 32), st.integers(1, 1 << 32), st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_list_is_told_without_failing(
    rows: list[tuple[int, int, int]], times: list[int], timescale: int, movie_timescale: int, fragmented: bool
) -> None:
    edits = [Edit(duration=duration, media_time=at, rate=rate) for duration, at, rate in rows]
    pts = np.array(times, np.int64)
    found = apply_edits(edits, pts, timescale=timescale, movie_timescale=movie_timescale, fragmented=fragmented)
    for first, last in (*found.hidden, *found.preroll):
        assert 0 <= first <= last < len(times)
    assert found.shown_us is None or len(found.shown_us) == len(times)


@given(st.integers(0, 1 << 40), st.integers(1, 200_000), st.integers(1, 200_000), st.integers(0, 1 << 30))
@settings(max_examples=100, deadline=None)
def test_times_are_exact(tick: int, timescale: int, movie_timescale: int, delay: int) -> None:
    edits = [Edit(duration=delay, media_time=-1), Edit(duration=1 << 60, media_time=7)]
    found = apply_edits(edits, np.array([tick + 7]), timescale=timescale, movie_timescale=movie_timescale)
    exact = Fraction(delay * 1_000_000, movie_timescale) + Fraction(tick * 1_000_000, timescale)
    assert found.shown_us is not None and found.shown_us[0] == (exact + Fraction(1, 2)) // 1


def test_long_lists_and_tracks_are_fast() -> None:
    pts = np.arange(90_000, dtype=np.int64) * 512
    many = [Edit(duration=10, media_time=at * 512) for at in range(6_000)]
    backwards = list(reversed(many))
    for edits in (many[:1], many, backwards):
        started = time.process_time()
        apply_edits(edits, pts, timescale=12_800, movie_timescale=1000)
        assert time.process_time() - started < 3


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    "edits",
    [[(2000, 0)], [(1000, 0)], [(700, 4)], [(500, None), (800, 3)], [(500, 0), (500, 10)],
     [(300, 2), (300, 8), (300, 14)]],
)  # fmt: skip
def test_a_player_shows_just_what_is_neither_hidden_nor_preroll(
    tmp_path: Path, edits: list[tuple[int, int | None]]
) -> None:
    source = tmp_path / "clip.mp4"
    render_scene(source, pattern="IBBP IBBP IBBP IBBP IBBP", fps=10, width=160, height=90)
    with source.open("rb") as file:
        plain = read_movie(file).tracks[0]
    assert plain.samples is not None
    start, step = int(plain.samples.pts.min()), plain.timescale // 10
    rows = [(duration, -1 if picture is None else start + step * picture) for duration, picture in edits]
    path = changed(source, tmp_path / "edited.mp4", lambda moov: set_edits(moov.find(b"trak"), rows))
    with path.open("rb") as file:
        movie = read_movie(file)
    track = movie.tracks[0]
    assert track.samples is not None
    found = edits_of(movie, track)
    out = {unit for first, last in (*found.hidden, *found.preroll) for unit in range(first, last + 1)}
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-i",
        str(path),
        "-vsync",
        "passthrough",
        "-f",
        "framehash",
        "-hash",
        "md5",
        "-",
    ]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shown = [line for line in printed.splitlines() if not line.startswith("#")]
    assert len(shown) == track.samples.count - len(out)
    assert not found.retimed


def test_a_preferred_rate_retimes(tmp_path: Path) -> None:
    source = tmp_path / "clip.mp4"
    render_scene(source, pattern="IPPP", width=160, height=90)

    def double(moov: Any) -> None:
        header = moov.find(b"mvhd")
        header.payload = header.payload[:20] + b"\0\2\0\0" + header.payload[24:]

    with changed(source, tmp_path / "fast.mp4", double).open("rb") as file:
        movie = read_movie(file)
    assert edits_of(movie, movie.tracks[0]).retimed


def test_how_long_the_last_picture_stays(tmp_path: Path) -> None:
    """In the sample table's last length, and held to the end of the track where that is longer."""
    path = tmp_path / "clip.mp4"
    render_scene(path, pattern="IBBP PBBP", fps=10, width=160, height=90)
    usual = read_footage(str(path)).last_us
    assert usual is not None and 90_000 < usual < 310_000

    def stretch(moov: Box) -> None:
        table = moov.find(b"trak", b"mdia", b"minf", b"stbl", b"stts")
        rows = [struct.unpack_from(">II", table.payload, 8 + 8 * row) for row in range((len(table.payload) - 8) // 8)]
        each = [delta for count, delta in rows for _ in range(count)]
        each[-1] *= 1000
        table.payload = struct.pack(">II", 0, len(each)) + b"".join(struct.pack(">II", 1, delta) for delta in each)
        track = moov.find(b"trak")
        track.children = [child for child in track.children if child.kind != b"edts"]

    held = read_footage(str(changed(path, tmp_path / "held.mp4", stretch)))
    assert held.last_us is not None and held.last_us > 90_000_000
    assert held.coded == read_footage(str(path)).coded


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv"])
def test_no_tool_lets_the_last_picture_stay(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    render_scene(path, pattern="IPPP PPPP", fps=10, width=160, height=90)
    assert (read_footage(str(path)).last_us or 0) < 310_000
