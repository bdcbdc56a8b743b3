"""A file's name gives its start only where it is certain."""

from contextlib import suppress
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import ConfigInvalid
from frame_sampler.file_times import start_of, zone_named

BERLIN = ZoneInfo("Europe/Berlin")


def _us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    "name",
    [
        "gate_20250701_101530.mp4",
        "20250701101530.mkv",
        "2025-07-01_10-15-30.mp4",
        "cam1/2025-07-01 10.15.30 gate.avi",
        "NVR_ch1_20250701T101530.ts",
        "20250701_101530_20250701_101530.mp4",
    ],
)
def test_common_names_are_understood_in_the_zone_that_is_named(name: str) -> None:
    assert start_of(name, zone=BERLIN) == _us("2025-07-01T10:15:30+02:00")


@pytest.mark.parametrize(
    ("name", "moment"),
    [
        ("gate_20250701_101530Z.mp4", "2025-07-01T10:15:30+00:00"),
        ("gate_20250701T101530+0530.mp4", "2025-07-01T10:15:30+05:30"),
        ("gate_2025-07-01T10:15:30-08:00.mp4", "2025-07-01T10:15:30-08:00"),
    ],
)
def test_a_zone_in_the_name_wins(name: str, moment: str) -> None:
    assert start_of(name, zone=BERLIN) == _us(moment)


def test_fractions_of_a_second_count() -> None:
    assert start_of("20250701_101530.250Z.mp4") == _us("2025-07-01T10:15:30+00:00") + 250_000


def test_a_pattern_reads_the_whole_path() -> None:
    name = "2025-07-01/10/gate/15.30.mp4"
    assert start_of(name, zone=BERLIN, pattern="%Y-%m-%d/%H/*/%M.%S.mp4") == _us("2025-07-01T10:15:30+02:00")


def test_a_pattern_chooses_between_start_and_end() -> None:
    name = "ch1_20250701101530_20250701102030.mp4"
    assert start_of(name, zone=BERLIN, pattern="*_%Y%m%d%H%M%S_*") == _us("2025-07-01T10:15:30+02:00")
    with pytest.raises(ConfigInvalid, match="several times"):
        start_of(name, zone=BERLIN)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("20251026_023000.mp4", "happened twice"),
        ("20250330_023000.mp4", "never happened"),
        ("20250631_101530.mp4", "does not exist"),
        ("20250701_251530.mp4", "does not exist"),
        ("00010701_101530.mp4", "no date"),
        ("gate.mp4", "no date"),
        ("20250701.mp4", "no date"),
        ("120250701101530.mp4", "no date"),
        ("20250701_101530+2500.mp4", "impossible offset"),
    ],
)
def test_what_is_not_certain_is_refused(name: str, said: str) -> None:
    with pytest.raises(ConfigInvalid, match=said):
        start_of(name, zone=BERLIN)


def test_a_local_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ConfigInvalid, match="time zone"):
        start_of("20250701_101530.mp4")


@pytest.mark.parametrize("pattern", ["%Y-%m-%d", "%Y%m%d%H%M%Q", "%q"])
def test_a_pattern_that_cannot_tell_a_start_is_refused(pattern: str) -> None:
    with pytest.raises(ConfigInvalid):
        start_of("20250701_101530.mp4", zone=BERLIN, pattern=pattern)


def test_a_path_that_repeats_its_date_differently_does_not_fit() -> None:
    pattern = "%Y%m%d/%Y%m%d_%H%M%S.mp4"
    assert start_of("20250701/20250701_101530.mp4", zone=BERLIN, pattern=pattern)
    with pytest.raises(ConfigInvalid, match="does not fit"):
        start_of("20250702/20250701_101530.mp4", zone=BERLIN, pattern=pattern)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../../etc/passwd", "x\0y"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ConfigInvalid):
        zone_named(name)


@given(st.integers(631_152_000, 3_786_912_000))
def test_any_utc_time_is_read_back_from_its_name(second: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    assert start_of(f"gate_{moment:%Y%m%d_%H%M%S}Z.mp4") == second * 1_000_000


@given(st.text(max_size=60))
def test_any_name_gives_a_time_or_a_clear_error(name: str) -> None:
    with suppress(ConfigInvalid):
        assert isinstance(start_of(name, zone=BERLIN), int)
