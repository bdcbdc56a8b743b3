"""Every refusal names the thing that is meant, under the name the user knows, and what to do next."""

from __future__ import annotations

import pytest

from tests.cli.conftest import START, Place


@pytest.mark.parametrize("damage", ["lost", "malformed"])
def test_a_ledger_that_is_lost_or_malformed_is_named_where_it_belongs(recorded: Place, damage: str) -> None:
    for path in recorded.home.glob("ledger.db*"):
        path.unlink()
    if damage == "malformed":
        (recorded.home / "ledger.db").write_bytes(b"notes, not tables" * 300)
    for command in (("store", "fsck"), ("camera", "list")):
        ended = recorded.run(*command)
        assert ended.returncode in (2, 3), ended
        assert f"where: {recorded.home / 'ledger.db'}\n" in ended.stderr
        assert "restore it from" in ended.stderr and "back-up" in ended.stderr
        assert "veriframe init" not in ended.stderr


def test_a_place_without_a_home_is_answered_with_the_place_of_the_evidence(empty: Place) -> None:
    for command in (("verify", "clip.mp4", "--trust", "home"), ("camera", "list"), ("inspect", "clip.mp4")):
        ended = empty.run(*command, "--home", "nowhere")
        assert ended.returncode == 2
        assert "name the folder where the evidence is" in ended.stderr
        assert "veriframe init" not in ended.stderr


def test_a_camera_that_nobody_knows_is_said_so_with_those_that_are(recorded: Place) -> None:
    ended = recorded.run("store", "ls", "--camera", "nosuch")
    assert ended.returncode == 2
    assert "no camera nosuch" in ended.stderr and "gate-1, gate-2" in ended.stderr
    ended = recorded.run("verify", "clip.mp4", "--trust", "home", "--camera", "BAD_x")
    assert ended.returncode == 2
    assert "not a camera's name" in ended.stderr and not ended.stdout
    ended = recorded.run("verify", "clip.mp4", "--trust", "trust.json", "--track", "3")
    assert ended.returncode == 15
    assert "none named" not in ended.stdout


def test_what_waits_of_one_camera_is_no_matter_of_another(empty: Place) -> None:
    empty.ok("init")
    for name, role, place in (
        ("otto", "OPERATOR", ()), ("mia", "CRM", ()), ("rita", "RECORDER", ("--site", "north")),
    ):  # fmt: skip
        empty.ok("participant", "register", name, "--role", role, "--control-room", "cr-1", *place)
    warned = []
    for camera, site in (("gate-1", "north"), ("yard-1", "south")):
        proposed = empty.run("camera", "propose", camera, "--site", site, "--ip", "10.0.4.17")
        approved = empty.run("camera", "approve", camera)
        assert proposed.returncode == approved.returncode == 0
        warned += ["no recorder of site" in ended.stderr for ended in (proposed, approved)]
    assert warned == [False, False, True, True]
    ended = empty.run("sample", "other.mp4", "--camera", "yard-1", "--start", START)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (6, "PENDING")
    assert "--role RECORDER --site south --control-room cr-1" in ended.stderr
    ended = empty.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "ANCHORED")
    assert "not anchored yet of camera yard-1" in ended.stderr
