"""Making a home: whole or not at all, with four organisations, and for a demo with people who can act."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from chaincode.roles import MSPS
from evidence.errors import ConfigInvalid, Refused
from evidence.genesis import parse_genesis
from sdk.acting import act_as, camera_entry, enrol_demo_camera, participant_entry
from sdk.home import open_home
from sdk.identities import identity_names
from sdk.init import DEMO_SITE, init_home
from sdk.ledger import check_ledger, read_ledger


def test_a_home_has_four_organisations_with_an_admin_each(tmp_path: Path, clock: Any) -> None:
    made = init_home(tmp_path / "home", demo=False, now=clock)
    home = open_home(tmp_path / "home")
    assert home.ledger_id == made.genesis.ledger_id
    assert not home.demo
    assert set(made.genesis.msps) == set(MSPS)
    assert identity_names(home.identities) == (
        "admin-auditor", "admin-control-room", "admin-local-authority", "admin-police",
    )  # fmt: skip
    assert check_ledger(home.ledger) == ()
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        entry = reader.get("genesis")
    assert entry is not None
    assert parse_genesis(entry.value) == made.genesis
    assert all((home.path / name.rstrip("/")).exists() or name == "people.db" for name, _ in made.keep_safe)
    # Nobody's trust is written on their behalf.
    assert not list(home.path.rglob("*trust*"))


def test_every_private_file_is_private(tmp_path: Path, clock: Any) -> None:
    made = init_home(tmp_path / "home", demo=True, now=clock)
    keys = [path for path in made.home.path.rglob("*.pem") if b"PRIVATE" in path.read_bytes()]
    assert len(keys) == 4 + 4 + 3 + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in keys} == {0o600}
    assert stat.S_IMODE(made.home.ledger.stat().st_mode) & 0o077 == 0


def test_a_demo_home_enrols_a_camera_as_two_people(tmp_path: Path, clock: Any) -> None:
    home = init_home(tmp_path / "home", demo=True, now=clock).home
    done = enrol_demo_camera(home, "gate-1", ip="10.0.4.17", now=clock)
    assert (done.proposed, done.approved) == (True, True)
    assert (done.entry.status, done.entry.proposer, done.entry.decided_by) == ("ACTIVE", "operator", "manager")
    assert (done.entry.site, done.entry.ip) == (DEMO_SITE, "10.0.4.17")
    again = enrol_demo_camera(home, "gate-1", now=clock)
    assert (again.proposed, again.approved, again.entry) == (False, False, done.entry)
    ledger = act_as(home, "recorder", now=clock)
    recorder = participant_entry(ledger.reader, "recorder")
    assert recorder is not None
    assert (recorder.role, recorder.site) == ("RECORDER", DEMO_SITE)
    assert camera_entry(ledger.reader, "gate-2") is None
    ledger.close()


def test_an_interrupted_enrolment_is_completed(tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sdk.acting

    home = init_home(tmp_path / "home", demo=True, now=clock).home
    real = sdk.acting.camera_entry
    calls = iter([False, True])

    def crash(*arguments: Any) -> Any:
        if next(calls):
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(sdk.acting, "camera_entry", crash)
        with pytest.raises(KeyboardInterrupt):
            enrol_demo_camera(home, "gate-1", now=clock)
    done = enrol_demo_camera(home, "gate-1", now=clock)
    assert (done.proposed, done.approved, done.entry.status) == (False, True, "ACTIVE")


def test_a_camera_that_was_retired_is_not_enrolled_again(site: Any) -> None:
    site.as_manager("retire_camera", camera="gate-1", reason="ab" * 32)
    with pytest.raises(Refused, match="RETIRED"):
        enrol_demo_camera(site.home, "gate-1", now=site.clock)


def test_only_a_demo_home_enrols_by_itself(tmp_path: Path, clock: Any) -> None:
    home = init_home(tmp_path / "home", demo=False, now=clock).home
    with pytest.raises(ConfigInvalid, match="only a demo home") as error:
        enrol_demo_camera(home, "gate-1", now=clock)
    assert "veriframe camera propose gate-1" in error.value.next_step


def test_an_init_that_fails_leaves_nothing_and_can_be_repeated(tmp_path: Path, clock: Any) -> None:
    def stops() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        init_home(tmp_path / "home", demo=True, now=stops)
    assert list((tmp_path / "home").iterdir()) == []
    init_home(tmp_path / "home", demo=True, now=clock)
    with pytest.raises(ConfigInvalid, match="home here already"):
        init_home(tmp_path / "home", demo=True, now=clock)


def test_two_homes_are_two_ledgers(tmp_path: Path, clock: Any) -> None:
    one = init_home(tmp_path / "one", demo=True, now=clock)
    two = init_home(tmp_path / "two", demo=True, now=clock)
    assert one.genesis.ledger_id != two.genesis.ledger_id
    assert one.genesis.operator != two.genesis.operator


def test_acting_as_somebody_unknown_names_who_is_there(site: Any) -> None:
    with pytest.raises(ConfigInvalid, match="no identity nobody") as error:
        act_as(site.home, "nobody", now=site.clock)
    assert "recorder" in error.value.next_step
    assert os.path.exists(site.home.identities)
