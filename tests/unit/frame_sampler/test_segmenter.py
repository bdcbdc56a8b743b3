"""Where segments end: at key pictures after ten seconds, at any picture after twenty, and where the footage changes."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import ConfigInvalid
from frame_sampler.segmenter import MAX_UNITS, Cause, Lengths, Open, Seen, step

FORM = ("h264", 640, 360)


def _cuts(units: Iterable[Seen]) -> list[tuple[int, Cause]]:
    segment: Open | None = None
    cuts: list[tuple[int, Cause]] = []
    for index, unit in enumerate(units):
        cause, segment = step(segment, unit)
        if cause is not None:
            cuts.append((index, cause))
    return cuts


def _stream(
    count: int, *, gop: int, interval_us: int = 100_000, form: tuple[str, int, int] = FORM, start_us: int = 0
) -> list[Seen]:
    return [Seen(time_us=start_us + i * interval_us, key=i % gop == 0, form=form) for i in range(count)]


def test_a_segment_ends_before_the_first_key_picture_after_ten_seconds() -> None:
    assert _cuts(_stream(250, gop=30)) == [(120, "key"), (240, "key")]


def test_a_key_picture_at_exactly_ten_seconds_ends_it() -> None:
    assert _cuts(_stream(101, gop=100)) == [(100, "key")]


def test_without_key_pictures_a_segment_ends_before_the_unit_at_twenty_seconds() -> None:
    assert _cuts(_stream(450, gop=1000)) == [(200, "long"), (400, "long")]


def test_a_late_key_picture_after_a_long_segment_counts_from_that_segment() -> None:
    assert _cuts(_stream(600, gop=250)) == [(200, "long"), (400, "long"), (500, "key")]


@pytest.mark.parametrize("form", [("h264", 320, 180), ("hevc", 640, 360)])
def test_another_size_or_codec_ends_a_segment_at_once(form: tuple[str, int, int]) -> None:
    assert _cuts(_stream(5, gop=5) + _stream(5, gop=5, form=form, start_us=500_000)) == [(5, "changed")]


def test_another_connection_ends_a_segment_at_once() -> None:
    units = [Seen(time_us=i, key=True, form=FORM, connection=i // 3) for i in range(9)]
    assert _cuts(units) == [(3, "changed"), (6, "changed")]


def test_pictures_shown_before_their_key_picture_do_not_end_a_segment() -> None:
    times_us = (300_000, 100_000, 200_000, 600_000, 400_000)
    assert _cuts(Seen(time_us=time_us, key=i == 0, form=FORM) for i, time_us in enumerate(times_us)) == []


def test_times_that_fall_back_by_a_whole_segment_end_it() -> None:
    assert _cuts(_stream(50, gop=50, start_us=60_000_000) + _stream(50, gop=50)) == [(50, "jump")]


def test_footage_without_moving_time_still_ends_segments() -> None:
    assert _cuts(_stream(MAX_UNITS + 2, gop=MAX_UNITS * 2, interval_us=0)) == [(MAX_UNITS, "jump")]


@given(st.lists(st.tuples(st.integers(0, 400_000), st.booleans()), min_size=1, max_size=400))
def test_no_segment_is_longer_than_promised_and_none_ends_early(steps: list[tuple[int, bool]]) -> None:
    time_us = 0
    units = []
    for interval_us, key in steps:
        units.append(Seen(time_us=time_us, key=key, form=FORM))
        time_us += interval_us
    cuts = [0, *(index for index, _ in _cuts(units)), len(units)]
    for first, end in pairwise(cuts):
        segment = units[first:end]
        assert segment[-1].time_us - segment[0].time_us < 20_000_000
        assert all(not unit.key or unit.time_us - segment[0].time_us < 10_000_000 for unit in segment)
        if end < len(units):
            assert units[end].time_us - segment[0].time_us >= 10_000_000


def test_an_impossible_pair_of_lengths_is_refused() -> None:
    with pytest.raises(ConfigInvalid):
        Lengths(key_us=20, long_us=10)
