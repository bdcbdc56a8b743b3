"""Times are unambiguous or refused, nothing is overwritten unasked, and a channel is named in one way."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.options import moment_us, profile_of, refuse_overwrite, with_profile
from evidence.errors import ConfigInvalid
from sdk.home import Home


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


@pytest.mark.parametrize("address", ["fabric:", "sqlite:////l.db", "profile.yaml", "hfc:profile.yaml"])
def test_only_a_fabric_profile_is_a_channel_to_record_on(address: str) -> None:
    with pytest.raises(ConfigInvalid, match="not a Fabric ledger's address"):
        profile_of(address)


def test_a_home_with_a_ledger_of_its_own_is_not_moved_to_a_channel(tmp_path: Path) -> None:
    own = Home(path=tmp_path, databases=tmp_path, ledger_id="embedded:" + "ab" * 32, demo=False)
    assert with_profile(own, profile_of(None)) is own
    with pytest.raises(ConfigInvalid, match="a ledger of its own") as caught:
        with_profile(own, profile_of("fabric:p.yaml"))
    assert "veriframe init" in caught.value.next_step
    channel = Home(path=tmp_path, databases=tmp_path, ledger_id="fabric:c:" + "ab" * 32, demo=False, profile=Path("/p"))
    assert with_profile(channel, profile_of("fabric:/other.yaml")).profile == Path("/other.yaml")
