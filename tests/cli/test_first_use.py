"""First use as a newcomer meets it: an empty machine, a clip, a question."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from tests.cli.conftest import START, Place


def files(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_the_first_sample_makes_a_demo_home_and_says_so(empty: Place) -> None:
    ended = empty.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[0] == "ANCHORED"
    assert "demo home was made" in ended.stderr
    assert "proposed by the operator and approved by the manager" in ended.stderr


def test_the_same_file_again_adds_nothing(recorded: Place) -> None:
    before = json.loads(recorded.ok("store", "ls", "--json"))
    ended = recorded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0] == "COMPLETE"
    assert "nothing added" in ended.stdout
    assert json.loads(recorded.ok("store", "ls", "--json")) == before


def test_an_unknown_camera_of_a_demo_home_is_refused_with_the_word_that_enrols_it(founded: Place) -> None:
    ended = founded.run("sample", "clip.mp4", "--camera", "yard-9", "--start", START)
    assert ended.returncode == 4
    assert "--enrol" in ended.stderr
    assert founded.run("sample", "clip.mp4", "--camera", "yard-9", "--start", START, "--enrol").returncode == 0


def test_in_earnest_an_unknown_camera_is_refused_with_the_command_that_proposes_it(empty: Place) -> None:
    empty.ok("init")
    ended = empty.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert ended.returncode == 4
    assert "veriframe camera propose gate-1" in ended.stderr


def test_four_people_bring_a_camera_to_work_in_a_home_that_is_no_demo(empty: Place) -> None:
    empty.ok("init")
    for name, role, place in (
        ("otto", "OPERATOR", ()), ("mia", "CRM", ()), ("rita", "RECORDER", ("--site", "north")),
    ):  # fmt: skip
        empty.ok("participant", "register", name, "--role", role, "--control-room", "cr-1", *place)
    empty.ok("camera", "propose", "gate-1", "--site", "north", "--ip", "10.0.4.17")
    refused = empty.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert refused.returncode == 4
    assert "veriframe camera approve gate-1" in refused.stderr
    empty.ok("camera", "approve", "gate-1")
    refused = empty.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START, "--as", "otto")
    assert refused.returncode == 4
    assert "a recorder (RECORDER)" in refused.stderr
    assert empty.ok("sample", "clip.mp4", "--camera", "gate-1", "--start", START).startswith("ANCHORED")
    assert empty.run("verify", "clip.mp4", "--trust", "home").returncode == 0


def test_nobody_approves_what_they_proposed(founded: Place) -> None:
    founded.ok("camera", "propose", "gate-7", "--site", "site-1", "--ip", "10.0.0.7")
    ended = founded.run("camera", "approve", "gate-7", "--as", "operator")
    assert ended.returncode == 4
    assert "control room manager" in ended.stderr


def test_a_reason_is_kept_here_and_only_a_commitment_stands_on_the_ledger(recorded: Place) -> None:
    recorded.ok("camera", "suspend", "gate-1", "--reason", "lens damaged by Mr Miller")
    entry = json.loads(recorded.ok("camera", "history", "gate-1", "--json"))["entries"][-1]
    assert entry["status"] == "SUSPENDED"
    assert entry["reason_text"] == "lens damaged by Mr Miller"
    assert len(entry["reason"]) == 64
    assert b"Miller" not in (recorded.home / "ledger.db").read_bytes()
    refused = recorded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", "2026-10-02T08:00:00Z")
    assert refused.returncode == 4
    assert "veriframe camera reinstate gate-1" in refused.stderr


def test_no_wait_leaves_it_pending_and_the_next_sample_anchors_it(founded: Place) -> None:
    ended = founded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START, "--enrol", "--no-wait")
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "PENDING")
    found = founded.run("verify", "clip.mp4", "--trust", "home")
    assert found.stdout.splitlines()[0] == "UNDETERMINED"
    assert founded.run("doctor").returncode == 1
    again = founded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert again.returncode == 0, again.stderr
    assert founded.run("verify", "clip.mp4", "--trust", "home").stdout.splitlines()[0] == "VERIFIED"
    assert founded.run("doctor").returncode == 0


def test_a_folder_is_recorded_by_the_times_in_its_names(empty: Place) -> None:
    ended = empty.run("sample", "export", "--camera", "gate-1", "--timezone", "Europe/Berlin", "--json")
    assert ended.returncode == 0, ended.stderr
    assert [each["start_us"] for each in json.loads(ended.stdout)["files"]] == [1_790_841_600_000_000]


def test_a_folder_whose_names_say_no_zone_is_refused(empty: Place) -> None:
    ended = empty.run("sample", "export", "--camera", "gate-1")
    assert ended.returncode == 2
    assert "--timezone" in ended.stderr


def test_keys_are_readable_by_their_owner_only(founded: Place) -> None:
    for path in (founded.home / "identities").rglob("key.pem"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(founded.home.stat().st_mode) == 0o700


def test_looking_changes_nothing(recorded: Place) -> None:
    before = files(recorded.folder)
    for command in (
        ("verify", "doubtful.mp4", "--trust", "trust.json"), ("inspect", "clip.mp4"), ("store", "ls"),
        ("store", "fsck"), ("camera", "list"), ("camera", "history", "gate-1"), ("camera", "policy"),
        ("participant", "list"), ("trust", "show", "trust.json"), ("doctor",), ("config", "show"),
    ):  # fmt: skip
        assert recorded.run(*command).returncode == 0, command
    assert files(recorded.folder) == before


def test_nothing_is_overwritten_unasked(recorded: Place) -> None:
    before = (recorded.folder / "trust.json").read_bytes()
    ended = recorded.run("trust", "export", "-o", "trust.json")
    assert ended.returncode == 2
    assert "--force" in ended.stderr
    assert (recorded.folder / "trust.json").read_bytes() == before
    assert recorded.run("init").returncode == 2
