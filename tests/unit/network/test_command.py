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


def test_a_folder_knows_its_network_and_takes_no_other(elsewhere: Path) -> None:
    folder = ["--folder", str(elsewhere / "net")]
    made = CliRunner().invoke(app, ["network", "prepare", "--topology", "bft", "--port", "20000", *folder])
    assert made.exit_code == 0, made.exception
    profile = elsewhere / "net" / "profiles" / "control-room.yaml"
    assert "127.0.0.1:20000" in profile.read_text()
    for again in ([], ["--topology", "bft"], ["--port", "20000"]):
        assert CliRunner().invoke(app, ["network", "prepare", *again, *folder]).exit_code == 0, again
    assert "127.0.0.1:20000" in profile.read_text()
    assert len(list((elsewhere / "net" / "nodes").glob("orderer-*"))) == 4
    for other in (["--port", "30000"], ["--topology", "raft"]):
        refused = CliRunner().invoke(app, ["network", "prepare", *other, *folder])
        assert isinstance(refused.exception, ConfigInvalid) and "another network stands" in str(refused.exception)
    assert CliRunner().invoke(app, ["network", "down", "--purge", *folder]).exit_code == 0
    assert CliRunner().invoke(app, ["network", "prepare", "--port", "30000", *folder]).exit_code == 0


def test_no_network_is_no_sick_network(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs = elsewhere / "programs"
    programs.mkdir()
    for name in ("peer", "orderer", "configtxgen", "osnadmin"):
        (programs / name).write_text("#!/bin/sh\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("FABRIC_BIN", str(programs))
    for command in ("status", "upgrade", "renew", "restart"):
        run = CliRunner().invoke(app, ["network", command, "--folder", str(elsewhere / "net")])
        assert isinstance(run.exception, ConfigInvalid), command
        assert "no network stands here" in str(run.exception) and "network up" in str(run.exception)


def test_a_topology_that_is_not_there_is_named(elsewhere: Path) -> None:
    run = CliRunner().invoke(app, ["network", "down", "--topology", "rafd"])
    assert isinstance(run.exception, ConfigInvalid)
    assert "raft, bft or a file" in str(run.exception)
