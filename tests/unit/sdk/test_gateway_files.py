"""Checkpoints survive crashes, profiles are read strictly, and a URL finds its ledger."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, Malformed
from sdk import ledger as ledgers
from sdk.fabric_profile import GatewayAddress, read_profile
from sdk.gateway_checkpoint import Checkpoint, CheckpointFile
from tests.hosts.cast import NOW_US, the_cast

PROFILE = """
channel: evidence
chaincode: veriframe
msp: ControlRoomMSP
gateways:
  - {address: "10.0.0.5:7051", tls_root: tls/ca.pem, server_name: peer0}
tls_client: {certificate: /etc/client.pem, key: client.key}
"""


def test_a_checkpoint_is_the_last_one_saved(tmp_path: Path) -> None:
    kept = CheckpointFile(tmp_path / "deep" / "checkpoint")
    assert kept.load() is None
    for block in (0, 7, 3):
        kept.save(Checkpoint(block=block, tx_id="ab" * 32))
        assert CheckpointFile(tmp_path / "deep" / "checkpoint").load() == Checkpoint(block=block, tx_id="ab" * 32)
    assert [each.name for each in (tmp_path / "deep").iterdir()] == ["checkpoint"]


def test_a_crash_while_saving_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = CheckpointFile(tmp_path / "checkpoint")
    old = Checkpoint(block=1, tx_id="old")
    kept.save(old)

    def crash(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(ConfigInvalid, match="cannot be written"):
        kept.save(Checkpoint(block=2, tx_id="new"))
    assert kept.load() == old
    assert [each.name for each in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"{}", b'{"block":-1,"tx_id":""}', b'{"block":1,"more":2,"tx_id":""}', b"x" * 9999]
)
def test_a_damaged_checkpoint_is_not_taken_for_the_beginning(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_bytes(data)
    with pytest.raises(Malformed):
        CheckpointFile(path).load()


def test_a_checkpoint_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(ConfigInvalid):
        CheckpointFile(tmp_path / "checkpoint").load()


def test_a_profile_finds_its_files_beside_itself(tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(PROFILE)
    found = read_profile(path)
    assert found.gateways[0].tls_root == tmp_path / "tls" / "ca.pem"
    assert found.tls_client is not None
    assert found.tls_client.certificate == Path("/etc/client.pem")
    assert found.tls_client.key == tmp_path / "client.key"
    assert found.deadlines.total_s == 180


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PROFILE + "colour: red\n", "colour"),
        (PROFILE.replace("10.0.0.5:7051", "grpcs://10.0.0.5:7051"), "gateways.0.address"),
        (PROFILE.replace("msp: ControlRoomMSP", "msp: ''"), "msp"),
        (PROFILE + "deadlines: {evaluate_s: 0}\n", "deadlines.evaluate_s"),
        ("channel: x", "chaincode"),
        ("[", "not YAML"),
        ("", "channel"),
        ("\x00", "not YAML"),
        ("gateways: " + "[" * 30_000, "too deeply"),
        ("gateways: " + "{a: " * 15_000, "too deeply"),
        ("a: &a [x]\nb: [*a, *a]\n", "anchors"),
        (PROFILE + "channel: other\n", "second time"),
        (PROFILE.replace("tls_root: tls/ca.pem, ", ""), "tls_root is missing"),
        (PROFILE.replace("tls_root: tls/ca.pem", 'tls_root: "ca\\0.pem"'), "zero"),
        ("#" * 70_000, "larger"),
    ],
)
def test_a_wrong_profile_is_refused_by_member(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "profile.yaml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as caught:
        read_profile(path)
    assert says in str(caught.value)


@pytest.mark.parametrize("address", ["127.0.0.1:7051", "[::1]:7051", "localhost:7051"])
def test_only_this_machine_is_spoken_to_in_the_clear(address: str, tmp_path: Path) -> None:
    assert GatewayAddress(address=address).tls_root is None
    for other in ("127.0.0.1.example:7051", "10.0.0.5:7051", "0.0.0.0:7051", "localhost.example:7051", "x:7051"):
        with pytest.raises(ValueError, match="tls_root is missing"):
            GatewayAddress(address=other)


def test_without_the_libraries_a_fabric_ledger_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sdk.fabric_ledger", None)
    with pytest.raises(ConfigInvalid, match=r"veriframe\[fabric\]"):
        ledgers.open("fabric:profile.yaml", identity=the_cast()["operator"], clock=lambda: NOW_US)


def test_a_url_opens_the_ledger_it_names(tmp_path: Path) -> None:
    who = the_cast()["operator"]
    for url in ("fabric:", f"fabric:{tmp_path}/absent.yaml", "hfc:profile.yaml", "sqlite:///absent.db"):
        with pytest.raises(ConfigInvalid):
            ledgers.open(url, identity=who, clock=lambda: NOW_US)
    path = tmp_path / "profile.yaml"
    path.write_text(PROFILE)
    with pytest.raises(ConfigInvalid, match="TLS file"):
        ledgers.open(f"fabric:{path}", identity=who, clock=lambda: NOW_US)
    with pytest.raises(ConfigInvalid, match="PoliceMSP"):
        ledgers.open(f"fabric:{path}", identity=the_cast()["officer"], clock=lambda: NOW_US)
