"""Decisions on the command line: a table of cameras, refusals that say who could, and two persons."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chaincode.reader import LedgerReader
from evidence.commitments import text_commitment
from evidence.ledger_format import parse_transaction
from tests.cli.conftest import Place

pytestmark = pytest.mark.slow

SPAN = ("--from", "2026-10-01T08:00Z", "--to", "2026-10-01T09:00Z")


def test_three_hundred_cameras_from_a_table(founded: Place) -> None:
    table = founded.folder / "cameras.csv"
    rows = [f"cam-{n},north,10.1.{n // 250}.{n % 250 + 1},Axis,P1\n" for n in range(300)]
    table.write_text("camera,site,ip,make,model\n" + "".join(rows) + "cam-7-sub,north,10.1.0.8,Axis,P1\n")
    before = founded.ok("camera", "list", "--json")
    planned = json.loads(founded.ok("camera", "import", table, "--dry-run", "--json"))["cameras"]
    assert len(planned) == 301
    assert all(each["problem"] is None and each["done"] is None for each in planned)
    assert founded.ok("camera", "list", "--json") == before, "a dry run changes nothing"
    assert founded.ok("camera", "import", table).startswith("PROPOSED: 301 cameras, 0 with a problem")
    again = json.loads(founded.ok("camera", "import", table, "--json"))["cameras"]
    assert {each["done"] for each in again} == {"already PROPOSED"}
    assert founded.ok("camera", "import", table).startswith("NOTHING NEW: 301 cameras, 0 with a problem")
    approved = founded.run("camera", "approve-all", table)
    assert approved.stdout.startswith("APPROVED: 301 cameras, 0 with a problem")
    assert "no recorder of site north, so nothing of its 301 cameras can be anchored" in approved.stderr
    listed = json.loads(founded.ok("camera", "list", "--json"))["cameras"]
    assert [each["status"] for each in listed] == ["ACTIVE"] * 301


def test_nothing_of_a_table_is_proposed_while_a_line_is_wrong(founded: Place) -> None:
    table = founded.folder / "cameras.csv"
    table.write_text(
        "camera,site,ip,view_of\ngood-1,north,10.0.0.1,\nGood-2,north,10.0.0.2,\ngood-3,north,10.0.0.300,\n"
        "good-1,north,10.0.0.4,\ngood-5,north,10.0.0.5,,surplus\n"
    )
    ended = founded.run("camera", "import", table)
    assert ended.returncode == 2
    assert "4 of 5 lines cannot be proposed; nothing was" in ended.stderr
    for said in ("an id", "usual spelling", "stands in line 2 already", "more cells than columns"):
        assert said in ended.stdout
    assert json.loads(founded.ok("camera", "list", "--json"))["cameras"] == []
    for text in ("camera,site\na,b\n", "camera,site,ip,colour\n", "", "\x00", "camera,site,ip\n\xff\xfe"):
        table.write_bytes(text.encode("latin-1"))
        ended = founded.run("camera", "import", table)
        assert (ended.returncode, ended.stdout) in ((2, ""), (0, ended.stdout)), ended.stderr


def test_a_refusal_says_which_rule_and_who_could(recorded: Place) -> None:
    ended = recorded.run("camera", "retire", "gate-1", "--reason", "x", "--as", "operator")
    assert ended.returncode == 4
    assert "a manager of the camera's control room retires a camera for good" in ended.stderr
    assert "you are OPERATOR of ControlRoomMSP" in ended.stderr
    assert "a control room manager (CRM) of ControlRoomMSP can do this" in ended.stderr


def test_who_belongs_to_no_control_room_is_refused_for_the_role(founded: Place) -> None:
    founded.ok("participant", "register", "po-7", "--role", "PO", "--department", "d-1")
    ended = founded.run("camera", "propose", "gate-1", "--site", "north", "--ip", "10.0.0.1", "--as", "po-7")
    assert (ended.returncode, "you are PO of PoliceMSP" in ended.stderr) == (4, True)


def test_who_decides_about_a_change_sees_what_it_sets(recorded: Place) -> None:
    recorded.ok("camera", "change", "gate-1", "--ip", "10.0.4.99", "--as", "operator")
    recorded.ok("camera", "change", "gate-1", "--new-key", "--as", "operator")
    shown = recorded.ok("camera", "changes", "gate-1")
    _, key = json.loads(recorded.ok("camera", "changes", "gate-1", "--json"))["changes"]
    words = " ".join(shown.replace("│", " ").split())  # cells are wrapped
    assert "10.0.4.99" in words and f"chain {key['key_from'][0]}" in words


def test_a_lock_is_released_by_two(recorded: Place) -> None:
    recorded.ok("participant", "register", "po-7", "--role", "PO", "--department", "d-1")
    recorded.ok(
        "lock", "set", "l-1", "--camera", "gate-1", *SPAN, "--review", "2036-01-01T00:00Z", "--reason", "trial",
        "--as", "po-7",
    )  # fmt: skip
    called = recorded.run("lock", "release", "l-1", "--reason", "case closed", "--as", "manager")
    first = called.stdout
    assert first.startswith("WAITING")
    commitment = first.split("with reason ")[1].strip()
    assert f"veriframe lock release l-1 --commitment {commitment}" in called.stderr
    assert recorded.run("lock", "release", "l-1", "--commitment", commitment, "--as", "manager").returncode == 4
    assert recorded.ok("lock", "release", "l-1", "--commitment", commitment, "--as", "po-7").startswith("RELEASED")
    (lock,) = json.loads(recorded.ok("lock", "list", "--json"))["locks"]
    assert (lock["status"], lock["released_by"]) == ("RELEASED", ["manager", "po-7"])
    assert "case closed" in recorded.ok("lock", "list")


def test_in_one_home_the_same_reason_is_the_same_release(recorded: Place) -> None:
    recorded.ok("participant", "register", "po-7", "--role", "PO", "--department", "d-1")
    until = ("--review", "2036-01-01T00:00Z", "--reason", "case closed")
    recorded.ok("lock", "set", "l-1", "--camera", "gate-1", *SPAN, *until, "--as", "po-7")
    release = ("lock", "release", "l-1", "--reason")
    assert recorded.ok(*release, "case closed", "--as", "manager").startswith("WAITING")
    assert recorded.ok(*release, "appeal over", "--as", "po-7").startswith("WAITING"), "another reason is another call"
    assert recorded.ok(*release, "case closed", "--as", "po-7").startswith("RELEASED")


def test_a_supervisor_sets_policies_within_the_bounds_of_a_manager(founded: Place) -> None:
    founded.ok("participant", "register", "ben", "--role", "CRS", "--control-room", "cr-1")
    assert founded.run("camera", "policy", "--minimum", "2", "--as", "ben").returncode == 4, "no bounds are set yet"
    assert founded.run("camera", "policy", "--lowest", "2", "--as", "manager").returncode == 2
    founded.ok("camera", "policy", "--minimum", "2", "--lowest", "1", "--highest", "6", "--as", "manager")
    assert "1 to 6" in founded.ok("camera", "policy", "--minimum", "3", "--maximum", "6", "--as", "ben")
    ended = founded.run("camera", "policy", "--maximum", "7", "--as", "ben")
    assert (ended.returncode, "1 to 6 samples a second" in ended.stderr) == (4, True)
    shown = json.loads(founded.ok("camera", "policy", "--json"))
    assert (shown["policy"]["minimum_per_s"], shown["bounds"]) == (3, {"lowest_per_s": 1, "highest_per_s": 6})


def test_of_a_private_camera_the_ledger_knows_neither_address_nor_place(founded: Place) -> None:
    personal = ("192.168.178.77", "192.168.178.78", "Lindenallee 17, third floor", "Lindenallee 18", "Wilhelmina Brown")
    founded.ok("participant", "register", "own-1", "--role", "OWNER", "--control-room", "cr-1", "--name", personal[4])
    place = ("--ip", personal[0], "--location", personal[2])
    wrong = founded.run("camera", "propose", "porch", "--site", "home", "--ip", "192.168.178.077", "--as", "own-1")
    assert (wrong.returncode, "usual spelling" in wrong.stderr) == (3, True)
    founded.ok("camera", "propose", "porch", "--site", "home", *place, "--as", "own-1")
    founded.ok("camera", "propose", "yard", "--site", "home", "--ip", personal[0], "--as", "own-1")
    founded.ok("camera", "approve", "porch")
    assert "private" in founded.ok("camera", "list")
    shown = founded.ok("camera", "show", "porch")
    assert personal[0] in shown and personal[2] in shown, "this home keeps the texts"
    founded.ok("camera", "change", "porch", "--ip", personal[1], "--as", "operator")
    founded.ok("camera", "approve-change", "porch", "0")
    founded.ok("camera", "change", "porch", "--location", personal[3], "--as", "operator")
    founded.ok("camera", "approve-change", "porch", "1")
    shown = founded.ok("camera", "show", "porch")
    assert personal[1] in shown and personal[3] in shown
    with LedgerReader(founded.home / "ledger.db") as reader:
        said = b"".join(
            part
            for entry in reader.entries()
            for part in (entry.value, reader.receipt_at(entry.position).transaction.payload)
        )
        arguments = [
            argument
            for event in reader.events()
            for argument in parse_transaction(reader.receipt_at(event.position).transaction.payload).arguments
        ]
    (entry,) = [each for each in json.loads(founded.ok("camera", "list", "--json"))["cameras"] if each["id"] == "porch"]
    assert len(entry["ip"]) == 64 and entry["ip"].encode() in said and any(b"porch" in each for each in arguments)
    for path in founded.home.rglob("*"):
        if path.is_file() and not path.name.startswith("people.db"):
            said += path.name.encode() + path.read_bytes()
    for each in personal:
        assert each.encode() not in said + b"".join(arguments), each


def test_a_revoked_key_reaches_the_verdict(recorded: Place) -> None:
    trusting = ("--trust", "trust.json", "--json")
    assert json.loads(recorded.ok("verify", "clip.mp4", *trusting))["state"] == "VERIFIED"
    recorded.ok("camera", "revoke-key", "gate-1", "--since", "2036-01-01T00:00Z", "--reason", "sold", "--as", "manager")
    assert json.loads(recorded.ok("verify", "clip.mp4", *trusting))["state"] == "VERIFIED"
    recorded.ok("camera", "revoke-key", "gate-1", "--since", "2020-01-01T00:00Z", "--reason", "copied")
    ended = recorded.run("verify", "clip.mp4", *trusting)
    assert ended.returncode == 14
    assert "compromised" in ended.stdout
    assert recorded.run("verify", "other.mp4", *trusting).returncode == 0, "the other camera has another key"


def test_every_transaction_is_listed_with_date_kind_participant_and_record(recorded: Place) -> None:
    recorded.ok("camera", "suspend", "gate-1", "--reason", "lens damaged", "--as", "manager")
    listed = json.loads(recorded.ok("ledger", "list", "--json"))["transactions"]
    assert listed[0]["kind"] == "init"
    last = listed[-1]
    assert (last["kind"], last["participant"], last["about"]) == ("suspend_camera", "manager", "gate-1")
    assert last["records"] == ["camera/gate-1/0000000002"]
    assert [(each["block"], each["index"]) for each in listed] == sorted((e["block"], e["index"]) for e in listed)
    assert all(each["records"] and each["time_us"] > 0 and len(each["transaction"]) == 64 for each in listed)
    assert json.loads(recorded.ok("ledger", "list", "--by", "manager", "--json"))["transactions"][-1] == last
    assert recorded.ok("ledger", "list", "--kind", "suspend_camera").startswith("1 transaction\n")


def test_an_examination_is_recorded_and_corrected(recorded: Place) -> None:
    verdict = recorded.shell("veriframe verify clip.mp4 --trust trust.json --json > verdict.json")
    assert verdict.returncode == 0
    said = recorded.ok("verification", "record", "v-1", "--verdict", "verdict.json", "--as", "manager")
    footage = json.loads((recorded.folder / "verdict.json").read_text())["footage"][0]["sha256"]
    assert f"v-1: VERIFIED, footage {footage}" in said
    by_hand = ("--footage", "doubtful.mp4", "--state", "INCOMPLETE", "--report", "verdict.json")
    recorded.ok("verification", "record", "v-2", *by_hand, "--as", "manager")
    wrong = recorded.run("verification", "record", "v-3", "--verdict", "verdict.json", "--footage", "other.mp4")
    assert (wrong.returncode, "not about this footage" in wrong.stderr) == (2, True)
    for text in ("{}", "[]", "not JSON", '{"schema": "veriframe/verdict/1", "state": "VERIFIED", "footage": [1]}'):
        (recorded.folder / "bad.json").write_text(text)
        ended = recorded.run("verification", "record", "v-3", "--verdict", "bad.json", "--as", "manager")
        assert (ended.returncode, "no verdict" in ended.stderr) == (3, True), text
    recorded.ok("verification", "supersede", "v-1", "v-2", "--error", "the wrong clip", "--as", "manager")
    again = recorded.run("verification", "supersede", "v-1", "v-2", "--error", "x", "--as", "manager")
    assert (again.returncode, "superseded once" in again.stderr) == (4, True)
    first, _ = json.loads(recorded.ok("verification", "list", "--json"))["verifications"]
    assert (first["verification"], first["status"], first["superseded_by"]) == ("v-1", "SUPERSEDED", "v-2")
    assert "the wrong clip" in recorded.ok("verification", "list")


def test_names_stand_beside_pseudonyms_and_on_no_ledger(founded: Place) -> None:
    name = "Wilhelmina Ōta-Brown"
    founded.ok("participant", "register", "wil", "--role", "CRM", "--control-room", "cr-1", "--name", name)
    founded.ok("camera", "propose", "gate-1", "--site", "site-1", "--ip", "10.0.4.17")
    founded.ok("camera", "approve", "gate-1", "--as", "wil")
    for command in ("participant list", "camera list", "camera show gate-1", "participant name wil"):
        assert name in founded.ok(*command.split()), command
    for file in founded.home.glob("ledger.db*"):
        assert b"Brown" not in file.read_bytes()
    assert founded.ok("participant", "name", "wil", "--forget").startswith("FORGOTTEN")
    assert "Brown" not in founded.ok("participant", "list") + founded.ok("camera", "list")
    assert all(b"Brown" not in file.read_bytes() for file in founded.home.glob("people.db*"))


def test_a_text_is_shown_with_what_proves_it_and_can_be_forgotten(recorded: Place) -> None:
    recorded.ok("camera", "suspend", "gate-1", "--reason", "lens covered", "--as", "manager")
    (opening,) = json.loads(recorded.ok("text", "show", "--about", "camera/gate-1", "--json"))["openings"]
    assert opening["text"] == "lens covered"
    salt, commitment = bytes.fromhex(opening["salt"]), bytes.fromhex(opening["commitment"])
    assert text_commitment(salt, opening["text"]) == commitment
    assert recorded.ok("text", "forget", opening["commitment"]).startswith("FORGOTTEN")
    assert "(not known here)" in recorded.ok("camera", "history", "gate-1")
    assert recorded.run("text", "show", opening["commitment"]).returncode == 2


def test_the_rules_are_activated_by_the_admins_of_two_organisations(founded: Place) -> None:
    ended = founded.run("rules", "activate", "2", "--as", "admin-police")
    assert (ended.returncode, "write nothing more" in ended.stderr) == (2, True), "that would end this ledger for good"
    assert json.loads(founded.ok("rules", "pending", "--json"))["pending"] == []
    anyway = ("rules", "activate", "2", "--anyway")
    assert founded.ok(*anyway, "--as", "admin-police").startswith("WAITING")
    assert "activate_rules" in founded.ok("rules", "pending")
    assert founded.run(*anyway, "--as", "admin-police").returncode == 4
    assert founded.ok(*anyway, "--as", "admin-auditor").startswith("ACTIVE")


def test_the_contract_is_asked_with_what_a_question_takes(founded: Place) -> None:
    answer = json.loads(founded.ok("ledger", "ask", "find_participants", "role=CRM", "limit=5", "--as", "manager"))
    assert [each["id"] for each in answer["items"]] == ["manager"]
    for wrong in (
        "find_nothing",
        "approve_camera camera=x",
        "find_participants colour=red",
        "find_participants limit=x",
    ):
        ended = founded.run("ledger", "ask", *wrong.split())
        assert (ended.returncode, ended.stdout) == (2, ""), wrong


def test_what_has_expired_is_shown_so_and_a_registration_never_begins_in_the_past(founded: Place) -> None:
    register = ("participant", "register", "po-7", "--role", "PO", "--department", "d-1", "--until")
    ended = founded.run(*register, "2020-01-01T00:00Z")
    assert (ended.returncode, "lies in the past (2020-01-01" in ended.stderr) == (2, True)
    founded.ok(*register, "2036-01-01T00:00Z")
    admin = ("--as", "admin-police")
    ended = founded.run(
        "participant", "change", "po-7", "--role", "PO", "--department", "d-1", "--until", "2020-01-01T00:00Z", *admin
    )
    assert (ended.returncode, "EXPIRED" in ended.stderr) == (0, True)
    listed = json.loads(founded.ok("participant", "list", "--json"))["participants"]
    (found,) = [each for each in listed if each["id"] == "po-7"]
    assert (found["status"], found["standing"]) == ("ACTIVE", "EXPIRED")
    (row,) = [line for line in founded.ok("participant", "list").splitlines() if "po-7" in line]
    assert "EXPIRED" in row and "ACTIVE" not in row
    assert founded.ok("participant", "history", "po-7").startswith("participant po-7: EXPIRED")


def test_histories_say_when_and_that_of_a_camera_what_changed(recorded: Place) -> None:
    recorded.ok("camera", "change", "gate-1", "--ip", "10.0.4.99", "--as", "operator")
    recorded.ok("camera", "approve-change", "gate-1", "0")
    entries = json.loads(recorded.ok("camera", "history", "gate-1", "--json"))["entries"]
    times = [each["block_time_us"] for each in entries]
    with LedgerReader(recorded.home / "ledger.db") as reader:
        assert times == [reader.block(each["block"]).time_us for each in entries]
    shown = " ".join(recorded.ok("camera", "history", "gate-1").replace("│", " ").split())
    assert "ip 10.0.4.99" in shown and str(datetime.fromtimestamp(times[0] // 1_000_000, UTC).date()) in shown
    assert "written" in recorded.ok("participant", "history", "manager")


def test_what_waits_says_with_what_and_for_whom(recorded: Place) -> None:
    recorded.ok("participant", "register", "po-7", "--role", "PO", "--department", "d-1")
    until = ("--review", "2036-01-01T00:00Z", "--reason", "trial")
    recorded.ok("lock", "set", "l-1", "--camera", "gate-1", *SPAN, *until, "--as", "po-7")
    release = ("lock", "release", "l-1", "--reason")
    recorded.ok(*release, "case closed", "--as", "manager")
    ended = recorded.run(*release, "case closed", "--as", "manager")
    assert (ended.returncode, "you have called already" in ended.stderr) == (4, True)
    ended = recorded.run(*release, "appeal over", "--as", "manager")
    assert "a release with another reason waits already, called by manager" in ended.stderr
    shown = recorded.shell("COLUMNS=500 veriframe rules pending").stdout
    assert "lock l-1" in shown and "case closed" in shown and "another organisation than ControlRoomMSP" in shown
    recorded.ok(*release, "case closed", "--as", "po-7")
    (left,) = json.loads(recorded.ok("rules", "pending", "--json"))["pending"]
    assert (left["arguments"]["lock"], left["overtaken"]) == ("l-1", "lock l-1 is RELEASED")


def test_a_founding_admin_is_known_by_both_names(founded: Place) -> None:
    listed = json.loads(founded.ok("participant", "list", "--json"))["participants"]
    (founder,) = [each for each in listed if each["identity"] == "admin-police"]
    assert founder["id"] != "admin-police"
    both = [founded.ok("participant", "history", name) for name in ("admin-police", founder["id"])]
    assert both[0] == both[1]


def test_what_may_not_be_deleted_names_requests_and_locks(recorded: Place) -> None:
    recorded.ok("participant", "register", "po-7", "--role", "PO", "--department", "d-1")
    until = ("--review", "2036-01-01T00:00Z", "--reason", "trial")
    recorded.ok("lock", "set", "l-1", "--camera", "gate-1", *SPAN, *until, "--as", "po-7")
    recorded.ok("lock", "set", "l-2", "--camera", "gate-2", *SPAN, *until, "--as", "po-7")
    holds = recorded.ok("request", "holds", "gate-1")
    assert holds.startswith("1 hold on camera gate-1") and "lock l-1" in holds and "l-2" not in holds
    ended = recorded.run("request", "disclosures", "ask-99")
    assert (ended.returncode, "no request ask-99" in ended.stderr) == (2, True)


def test_small_questions_are_answered_with_what_to_add(recorded: Place) -> None:
    at = ("--at", "2036-01-01T00:00Z", "--as", "operator")
    for words, says in (
        (("access", "check", "gate-1", *SPAN), "add --as NAME"),
        (("camera", "policy", "--control-room", "cr-99"), "nobody of a control room cr-99"),
        (("incident", "report", "i-1", "--camera", "gate-1", *at), "lies in the future"),
    ):
        ended = recorded.run(*words)
        assert (ended.returncode, says in ended.stderr) == (2, True), ended.stderr


def test_who_recorded_a_verification_stays_named_when_another_supersedes_it(recorded: Place) -> None:
    verdict = recorded.folder / "verdict.json"
    verdict.write_text(recorded.ok("verify", "clip.mp4", "--trust", "trust.json", "--json"))
    recorded.ok("participant", "register", "ben", "--role", "CRS", "--control-room", "cr-1")
    for number in ("v-1", "v-2"):
        recorded.ok("verification", "record", number, "--verdict", verdict, "--as", "manager")
    recorded.ok("verification", "supersede", "v-1", "v-2", "--error", "wrong file", "--as", "ben")
    found = json.loads(recorded.ok("verification", "list", "--json"))["verifications"]
    assert [(each["recorded_by"], each["by"]) for each in found] == [("manager", "ben"), ("manager", "manager")]
