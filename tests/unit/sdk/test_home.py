"""A home: made whole or not at all, found where it should be, and looked at without being changed."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, Malformed
from sdk.home import Home, building, is_empty, is_home, locate, open_home, snapshot, write_manifest

LEDGER = "embedded:" + "ab" * 32


def make(path: Path) -> Home:
    with building(path) as folder:
        (folder / "keys").mkdir()
        write_manifest(folder, ledger_id=LEDGER, demo=False)
    return open_home(path)


def contents(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_home_is_where_it_was_asked_for(tmp_path: Path) -> None:
    environment = {"VERIFRAME_HOME": "/from/environment", "XDG_DATA_HOME": "/data"}
    assert locate(tmp_path, environment) == tmp_path
    assert locate(None, environment) == Path("/from/environment")
    assert locate(None, {"XDG_DATA_HOME": "/data"}) == Path("/data/veriframe")
    assert locate(None, {}).name == "veriframe"


def test_a_made_home_opens_and_is_private(tmp_path: Path) -> None:
    home = make(tmp_path / "a" / "home")
    assert (home.ledger_id, home.demo) == (LEDGER, False)
    assert stat.S_IMODE(home.path.stat().st_mode) == 0o700
    assert is_home(home.path)
    assert not is_empty(home.path)
    assert [path.name for path in home.path.iterdir() if path.name.startswith(".")] == []


def test_an_interrupted_making_leaves_no_home_and_can_be_repeated(tmp_path: Path) -> None:
    path = tmp_path / "home"
    with pytest.raises(KeyboardInterrupt), building(path) as folder:
        (folder / "ledger.db").write_bytes(b"half")
        raise KeyboardInterrupt
    assert not is_home(path)
    (path / ".init-dead").mkdir()
    (path / ".init-dead" / "left by kill -9").write_bytes(b"")
    assert is_empty(path)
    make(path)
    assert sorted(each.name for each in path.iterdir()) == ["home.json", "keys"]


def test_a_folder_with_something_in_it_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"")
    with pytest.raises(ConfigInvalid, match="not empty"), building(tmp_path):
        pass
    home = make(tmp_path / "home")
    with pytest.raises(ConfigInvalid, match="home here already"), building(home.path):
        pass


def test_what_is_no_home_is_said_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no Veriframe home") as error:
        open_home(tmp_path)
    assert f"veriframe init --home {tmp_path}" in error.value.next_step


@pytest.mark.parametrize("data", [b"", b"{}", b'{"demo":false,"ledger":"x","type":"veriframe/home/2"}', b"\xff" * 10])
def test_a_damaged_manifest_is_malformed(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "home.json").write_bytes(data)
    with pytest.raises(Malformed):
        open_home(tmp_path)


def test_a_home_that_others_can_write_is_refused_for_writing_only(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    home.path.chmod(0o777)
    with pytest.raises(ConfigInvalid, match="other users can write"):
        open_home(home.path)
    assert open_home(home.path, writing=False).ledger_id == LEDGER


def test_a_home_of_another_user_is_refused_for_writing(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: only root gives files to others")
    home = make(tmp_path / "home")
    os.chown(home.path, 12345, 12345)
    with pytest.raises(ConfigInvalid, match="another user"):
        open_home(home.path)


def test_looking_at_a_home_changes_nothing_and_sees_the_journal(tmp_path: Path) -> None:
    home = make(tmp_path / "home")
    home.spool.mkdir()
    writer = sqlite3.connect(home.ledger)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t(x)")
    writer.execute("INSERT INTO t VALUES('only in the journal')")
    writer.commit()
    before = contents(home.path)
    with snapshot(home) as copy:
        assert copy.store == home.store
        assert copy.ledger != home.ledger
        reader = sqlite3.connect(copy.ledger)
        assert reader.execute("SELECT x FROM t").fetchall() == [("only in the journal",)]
        reader.execute("DELETE FROM t")
        reader.commit()
        reader.close()
        private = copy.ledger.parent
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert contents(home.path) == before
    assert not private.exists()
    writer.close()
