"""Times are unambiguous or refused, and nothing is overwritten unasked."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.options import moment_us, refuse_overwrite
from evidence.errors import ConfigInvalid


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000),
        ("2026-11-01T08:00:00Z", 1_793_520_000_000_000),
        ("2026-11-01T09:00:00+01:00", 1_793_520_000_000_000),
        ("2026-11-01T08:00:00.250001Z", 1_793_520_000_250_001),
    ],
)
def test_a_time_with_a_zone_is_exact_to_the_microsecond(text: str, expected_us: int) -> None:
    assert moment_us(text, option="--start") == expected_us


@pytest.mark.parametrize("text", ["2026-11-01T08:00:00", "2026-11-01", "08:00", "yesterday", "", "2026-02-30T00:00Z"])
def test_a_time_that_is_not_one_moment_is_refused(text: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        moment_us(text, option="--start")
    assert caught.value.where == "--start"
    assert caught.value.next_step


def test_a_file_that_is_there_is_only_overwritten_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    refuse_overwrite(path, force=False)
    path.write_text("{}")
    with pytest.raises(ConfigInvalid, match="already"):
        refuse_overwrite(path, force=False)
    refuse_overwrite(path, force=True)
