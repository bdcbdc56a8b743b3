"""`veriframe network` where no network stands: what it does, what it says, and that it changes nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from evidence.errors import ConfigInvalid, Malformed
from network.programs import CACHE


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any of Fabric's programs."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    monkeypatch.delenv("FABRIC_BIN", raising=False)
    return tmp_path


def test_install_puts_the_programs_into_the_users_cache(elsewhere: Path) -> None:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name in ("peer", "orderer"):
            entry = tarfile.TarInfo(f"bin/{name}")
            entry.size = 4
            tar.addfile(entry, io.BytesIO(b"#!/\n"))
    path = elsewhere / "fabric.tar.gz"
    path.write_bytes(gzip.compress(plain.getvalue()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    wrong = CliRunner().invoke(app, ["network", "install", str(path), "--sha256", "00" * 32])
    assert isinstance(wrong.exception, Malformed)
    done = CliRunner().invoke(app, ["network", "install", str(path), "--sha256", digest])
    assert done.exit_code == 0
    assert done.stdout.split() == ["INSTALLED", "peer", "orderer"]
    assert sorted(each.name for each in (elsewhere / "user" / CACHE).iterdir()) == ["orderer", "peer"]
    # Two are still missing, and these are the ones that are named.
    up = CliRunner().invoke(app, ["network", "up", "--folder", str(elsewhere / "net")])
    assert isinstance(up.exception, ConfigInvalid)
    assert "(configtxgen, osnadmin)" in str(up.exception)


def test_where_nothing_stands_nothing_is_made(elsewhere: Path) -> None:
    folder = ["--folder", str(elsewhere / "net")]
    assert CliRunner().invoke(app, ["network", "down", *folder]).stdout.startswith("DOWN")
    assert CliRunner().invoke(app, ["network", "down", "--purge", *folder]).stdout.startswith("PURGED")
    listed = CliRunner().invoke(app, ["network", "identities", "--json", *folder])
    assert json.loads(listed.stdout)["identities"] == []
    assert not (elsewhere / "net").exists()


def test_a_network_stands_beside_the_home_by_channel_and_port(elsewhere: Path) -> None:
    run = CliRunner().invoke(app, ["network", "down", "--home", str(elsewhere / "home"), "--port", "20000"])
    assert str(elsewhere / "home" / "networks" / "evidence-20000") in run.stdout.replace("\n", "")


def test_a_topology_that_is_not_there_is_named(elsewhere: Path) -> None:
    run = CliRunner().invoke(app, ["network", "down", "--topology", "rafd"])
    assert isinstance(run.exception, ConfigInvalid)
    assert "raft, bft or a file" in str(run.exception)
