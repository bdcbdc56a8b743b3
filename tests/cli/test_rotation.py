"""New keys inside a home: made where they are used, in force from the moment the ledger says so, whatever crashes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from cli.acting import now_us
from cli.camera_changes import approve_change, change
from cli.participant_keys import rotate_key
from cli.sample import sample
from evidence.blocks import parse_signed_block
from evidence.canonical import canonical
from evidence.policy import DEFAULT_POLICY
from sdk.acting import act_as, camera_entry, participant_entry
from sdk.home import Home, open_home
from sdk.ledger import read_ledger
from tests.cli.conftest import Place
from tests.cli.crash_after import DIED
from tests.conftest import SceneMaker
from verifier.examine import examine

pytestmark = pytest.mark.slow

CRASH = Path(__file__).with_name("crash_after.py")
LATER = "2026-10-02T08:00:00Z"


def _crash(place: Place, steps: int, *arguments: str) -> bool:
    """Run a command that dies behind so many steps; False where it had fewer and ended by itself."""
    ended = place.shell([sys.executable, str(CRASH), str(steps), *arguments])
    assert ended.returncode in (0, DIED), ended.stderr
    return ended.returncode == DIED


def _keys(place: Place, folder: str) -> set[bytes]:
    return {path.read_bytes() for path in (place.home / folder).rglob("*.pem") if b"PRIVATE" in path.read_bytes()}


def _entry(place: Place, name: str) -> str:
    listed = json.loads(place.ok("participant", "list", "--json"))["participants"]
    return str(next(each["key"] for each in listed if each["id"] == name))


def test_a_participant_acts_with_the_new_key_and_the_old_one_is_kept(founded: Place) -> None:
    before, keys = _entry(founded, "manager"), _keys(founded, "identities/manager")
    said = founded.ok("participant", "rotate-key", "manager")
    assert _entry(founded, "manager") in said
    assert _entry(founded, "manager") != before
    assert keys < _keys(founded, "identities/manager")
    founded.ok("camera", "policy", "--minimum", "2", "--maximum", "4", "--as", "manager")
    by_hand = founded.home / "identities/manager/in-use"
    kept, _ = by_hand.read_text(), by_hand.unlink()
    founded.ok("camera", "policy", "--minimum", "2", "--maximum", "5", "--as", "manager")
    assert by_hand.read_text() == kept, "whoever acts is switched to the key that the ledger knows"


@pytest.mark.parametrize("steps", range(6))
def test_a_rotation_that_is_cut_off_anywhere_leaves_somebody_who_can_act(founded: Place, steps: int) -> None:
    """Steps: key, organisation, certificate, transaction, switch; with more nothing is cut off."""
    home = open_home(founded.home)
    before, keys = participant_key(home), _keys(founded, "identities/manager")
    died = _crash(founded, steps, "participant", "rotate-key", "manager")
    assert died == (steps <= 5)
    act(home, minimum=2)
    assert (participant_key(home) != before) == (steps >= 4)
    rotate_key("manager", home=founded.home)
    act(home, minimum=3)
    after = _keys(founded, "identities/manager")
    assert keys < after
    assert len(after) == len(keys) + (2 if steps >= 4 else 1), "a key that nobody knew yet is taken up, not left behind"


def participant_key(home: Home) -> str:
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        entry = participant_entry(reader, "manager")
    assert entry is not None
    return entry.key


def act(home: Home, *, minimum: int) -> None:
    policy = replace(DEFAULT_POLICY, minimum_per_s=minimum, maximum_per_s=8)
    ledger = act_as(home, "manager", now=now_us)
    ledger.submit("set_policy", canonical({"policy": policy.to_json()}))
    ledger.close()


def test_a_key_made_elsewhere_is_not_switched_to(founded: Place) -> None:
    founded.ok("participant", "register", "ben", "--role", "CRS", "--control-room", "cr-1")
    made = founded.shell(
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out s.pem && "
        "openssl pkey -in s.pem -pubout -out key.pem"
    )
    assert made.returncode == 0
    founded.ok("participant", "rotate-key", "ben", "key.pem")
    ended = founded.run("camera", "policy", "--minimum", "2", "--as", "ben")
    assert ended.returncode == 4, "the key in this home counts no longer"


def test_a_changed_role_gets_its_certificate_by_a_rotation(founded: Place) -> None:
    founded.ok("participant", "register", "ben", "--role", "CRS", "--control-room", "cr-1")
    admin = ("--as", "admin-control-room")
    founded.ok("participant", "change", "ben", "--role", "CRM", "--control-room", "cr-1", *admin)
    assert founded.run("camera", "policy", "--minimum", "2", "--as", "ben").returncode == 4
    founded.ok("participant", "rotate-key", "ben")
    founded.ok("camera", "policy", "--minimum", "2", "--as", "ben")


def test_a_camera_signs_with_its_new_key_from_the_named_slot_on(recorded: Place) -> None:
    recorded.ok("sample", "other.mp4", "--camera", "gate-1", "--start", LATER, "--no-wait")
    recorded.ok("camera", "change", "gate-1", "--new-key", "--as", "operator")
    ended = recorded.run("camera", "change", "gate-1", "--new-key", "--as", "operator")
    assert (ended.returncode, "waits" in ended.stderr) == (2, True), "one new key at a time"
    recorded.ok("camera", "approve-change", "gate-1", "0")
    recorded.ok("sample", "clip.mp4", "--camera", "gate-1", "--start", "2026-10-03T08:00:00Z")
    blocks = json.loads(recorded.ok("camera", "blocks", "gate-1", "--json"))["blocks"]
    chains = sorted({each["chain"] for each in blocks})
    used = [{each["key"] for each in blocks if each["chain"] == chain} for chain in chains]
    assert used[0] == used[1] != used[2], "what was sealed before the approval was anchored before it"
    assert recorded.ok("verify", "other.mp4", "--camera", "gate-1", "--trust", "trust.json", "--quiet") == "VERIFIED\n"


def test_nothing_is_recorded_under_a_revoked_key_and_everything_under_the_next(recorded: Place) -> None:
    recorded.ok("camera", "revoke-key", "gate-1", "--since", LATER, "--reason", "stolen", "--as", "manager")
    later = ("sample", "other.mp4", "--camera", "gate-1", "--start", LATER)
    ended = recorded.run(*later)
    assert ended.returncode == 4, "sealed under that key it could never be anchored, nor be recorded again"
    assert "the key of camera gate-1 is revoked" in ended.stderr and "--new-key" in ended.stderr
    recorded.ok("camera", "change", "gate-1", "--new-key", "--as", "operator")
    recorded.ok("camera", "approve-change", "gate-1", "0")
    assert recorded.ok(*later).startswith("ANCHORED")
    assert recorded.ok("verify", "other.mp4", "--camera", "gate-1", "--trust", "trust.json", "--quiet") == "VERIFIED\n"


@pytest.mark.parametrize("steps", range(4))
def test_a_new_key_that_is_cut_off_anywhere_leaves_a_camera_that_records(
    recorded: Place, steps: int, scene: SceneMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Steps: key, proposal; then the approval by another person, cut off before and behind its transaction."""
    home, at = open_home(recorded.home), recorded.home
    keys = _keys(recorded, "keys/devices")
    if steps < 2:
        assert _crash(recorded, steps, "camera", "change", "gate-1", "--new-key", "--as", "operator")
    else:
        change("gate-1", new_key=True, acting="operator", home=at)
        assert _crash(recorded, steps - 2, "camera", "approve-change", "gate-1", "0", "--as", "manager")
    sample([str(recorded.folder / "other.mp4")], camera="gate-1", start=LATER, home=at)
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        proposed, decided = len(reader.entries("change/gate-1/")) > 0, len(reader.entries("change/gate-1/")) > 1
    assert (proposed, decided) == (steps >= 2, steps == 3)
    if not proposed:
        change("gate-1", new_key=True, acting="operator", home=at)
    if not decided:
        approve_change("gate-1", 0, acting="manager", home=at)
    third = scene(seconds=12, gop=10, seed=3)
    sample([str(third)], camera="gate-1", start="2026-10-03T08:00:00Z", home=at)
    capsys.readouterr()
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        entry = camera_entry(reader, "gate-1")
        blocks = [parse_signed_block(each.value).block for each in reader.entries("block/gate-1/")]
    assert entry is not None
    newest = max(block.chain for block in blocks)
    assert {block.key for block in blocks if block.chain == newest} == {entry.device_key.key_id}
    assert len({block.chain for block in blocks}) == 3, "all of it is anchored"
    assert len(_keys(recorded, "keys/devices") - keys) == 1, "none is lost, and none is made twice"
    (verdict,) = examine([third], source=at, trust="home", camera="gate-1")
    assert verdict.state.name == "VERIFIED", verdict.sentence


def test_footage_that_could_not_be_anchored_afterwards_holds_up_the_new_key(recorded: Place) -> None:
    recorded.ok("sample", "other.mp4", "--camera", "gate-1", "--start", LATER, "--no-wait")
    recorded.ok("camera", "change", "gate-1", "--new-key", "--as", "operator")
    recorded.ok("participant", "suspend", "recorder")
    ended = recorded.run("camera", "approve-change", "gate-1", "0")
    assert ended.returncode == 2
    assert "not anchored yet" in ended.stderr
    assert "--anyway" in ended.stderr
    recorded.ok("participant", "reinstate", "recorder")
    assert recorded.ok("camera", "approve-change", "gate-1", "0").startswith("APPROVED")


def test_what_waits_under_a_revoked_key_is_named_and_given_up_with_a_note(recorded: Place) -> None:
    later = ("sample", "other.mp4", "--camera", "gate-1", "--start", LATER)
    recorded.ok(*later, "--no-wait")
    before = {path.name for path in (recorded.home / "spool/media").iterdir()}
    recorded.ok("camera", "revoke-key", "gate-1", "--since", LATER, "--reason", "stolen", "--as", "manager")
    give_up = ("store", "give-up", "--camera", "gate-1", "--reason", "stolen with the van")
    ended = recorded.run(*give_up)
    assert (ended.returncode, "not in the store yet" in ended.stderr) == (2, True), "its only copy is in the spool"
    assert {path.name for path in (recorded.home / "spool/media").iterdir()} == before
    recorded.ok("camera", "change", "gate-1", "--new-key", "--as", "operator")
    recorded.ok("camera", "approve-change", "gate-1", "0")
    third = ("sample", "clip.mp4", "--camera", "gate-1", "--start", "2026-10-03T08:00:00Z")
    ended = recorded.run(*third)
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "ANCHORED"), ended.stderr
    assert "can never be anchored" in ended.stderr and "veriframe store give-up --camera gate-1" in ended.stderr
    assert "nothing is lost" not in ended.stderr, "nothing else waits"
    checks = {each["name"]: each for each in json.loads(recorded.run("doctor", "--json").stdout)["checks"]}
    assert checks["spool"]["next_step"].startswith("veriframe store give-up --camera gate-1")
    proofs = sorted((recorded.home / "store/proof").rglob("*.*"))
    assert recorded.ok(*give_up, "--dry-run").startswith("UNANCHORABLE")
    assert recorded.ok(*give_up).startswith("GIVEN UP")
    assert sorted((recorded.home / "store/proof").rglob("*.*")) == proofs, "the store keeps everything"
    notes = [json.loads(path.read_bytes()) for path in sorted((recorded.home / "spool/given-up").iterdir())]
    assert len(notes) == len(before) and {each["reason"] for each in notes} == {"stolen with the van"}
    assert recorded.ok(*give_up).startswith("NOTHING")
    assert json.loads(recorded.ok("doctor", "--json"))["healthy"]
    assert recorded.run("store", "fsck").stdout.startswith("SOUND")
    assert recorded.ok(*later).startswith("ANCHORED"), "the file is recorded anew, under the new key"
    assert recorded.ok("verify", "other.mp4", "--camera", "gate-1", "--trust", "trust.json", "--quiet") == "VERIFIED\n"
