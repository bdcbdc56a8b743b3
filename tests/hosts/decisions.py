"""What people decide and report on a ledger, told once and played on every host; continues `scenarios`."""

from __future__ import annotations

from typing import Any

from evidence.batches import make_batch
from evidence.blocks import SignedBlock, chain_key, sign_block, slot_key
from evidence.canonical import parse_canonical
from evidence.digests import to_base64
from evidence.keys import PrivateKeySigner
from evidence.registry import parse_camera_entry
from sdk.keys import generate_key
from tests.hosts.cast import CHAIN, ENCRYPTION_KEY, NOW_US, REASON, members
from tests.hosts.stage import Stage

HOUR_US = 3_600_000_000
SPAN = {"from_us": NOW_US - HOUR_US, "until_us": NOW_US}
OTHER = "33" * 32


def request(name: str = "ask-1", **changed: Any) -> dict[str, Any]:
    return {
        "request": name,
        "cameras": ["gate-1"],
        **SPAN,
        "purpose": REASON,
        "legal_basis": REASON,
        "encryption_key": ENCRYPTION_KEY,
        "expires_us": NOW_US + HOUR_US,
        **changed,
    }


def disclosure(name: str = "ask-1", **changed: Any) -> dict[str, Any]:
    return {
        "request": name,
        "camera": "gate-1",
        "recipient": "officer",
        "masked": False,
        "objects": [REASON],
        **SPAN,
        **changed,
    }


def a_participant_acts_with_the_newest_key_only(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    new = cast.key("operator-renewed").public_key
    stage.refuses("denied", "manager", "rotate_participant_key", participant="operator", key=new.key_id)
    stage.refuses(
        "conflict", cast.admin(), "rotate_participant_key", participant="operator", key=cast["manager"].key_id
    )
    stage.does(cast.admin(), "rotate_participant_key", participant="operator", key=new.key_id)
    stage.refuses("denied", "operator", "propose_camera", **cast.camera("gate-2"), says="newest key")
    renewed = cast.identity("operator-renewed", "ControlRoomMSP", "OPERATOR", {"control_room": "cr-1"})
    stage.does(renewed, "propose_camera", **cast.camera("gate-2"))
    assert parse_camera_entry(dict(stage.host.state())["camera/gate-2/0000000000"]).proposer == "operator"
    old = cast["operator"].key_id
    stage.refuses("conflict", cast.admin(), "rotate_participant_key", participant="operator", key=old, says="is taken")


def a_lost_admin_is_replaced_by_two_other_organisations(stage: Stage) -> None:
    cast = stage.cast
    lost = f"admin-{cast.admin().key_id[:32]}"
    call = {"lost": lost, "participant": "admin-new", "key": cast.key("admin-new").public_key.key_id}
    police, audit = cast.admin("PoliceMSP"), cast.admin("AuditorMSP")
    stage.refuses("denied", cast.admin(), "replace_admin", **call, says="two other organisations")
    assert stage.does(police, "replace_admin", **call)["executed"] is False
    stage.refuses("denied", police, "replace_admin", **call, says="called already")
    other = stage.does(audit, "replace_admin", **{**call, "participant": "admin-else"})
    assert other["executed"] is False, "other arguments are another proposal"
    assert len(stage.asks(police, "find_pending")["items"]) == 2
    assert stage.does(audit, "replace_admin", **call) == {"executed": True, "participant": "admin-new"}
    stage.refuses("denied", cast.admin(), "register_participant", **cast.registration("manager"), says="is suspended")
    made = cast.identity("admin-new", "ControlRoomMSP", "ADMIN", {})
    stage.does(made, "register_participant", **cast.registration("manager"))
    stage.refuses("conflict", police, "replace_admin", **call, says="used once")


def rules_are_activated_by_two_organisations_and_stop_older_contracts(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("operator")
    stage.refuses("conflict", cast.admin(), "activate_rules", version=3, says="one version after the other")
    stage.does(cast.admin(), "activate_rules", version=2)
    stage.refuses("denied", cast.admin(), "activate_rules", version=2)
    assert stage.asks("operator", "get_rules") == {"in_force": 1}
    stage.does(cast.admin("PoliceMSP"), "activate_rules", version=2)
    assert stage.asks("operator", "get_rules") == {"in_force": 2}
    stage.refuses("denied", "operator", "propose_camera", **cast.camera(), says="install the newer contract")


def a_deputy_acts_in_the_managers_place_under_the_own_name(stage: Stage) -> None:
    stage.opens_for_business()
    stage.does("operator", "propose_camera", **stage.cast.camera("gate-2"))
    stage.refuses("denied", "supervisor", "approve_camera", camera="gate-2", says="delegate")
    term = {"from_us": NOW_US + 1, "until_us": NOW_US + HOUR_US}
    stage.refuses("denied", "manager", "delegate", participant="operator", **term, says="is OPERATOR")
    stage.refuses("invalid", "manager", "delegate", participant="supervisor", from_us=5, until_us=5)
    stage.does("manager", "delegate", participant="supervisor", **term)
    stage.refuses("denied", "supervisor", "approve_camera", camera="gate-2")
    stage.now_us = NOW_US + 1
    stage.refuses("denied", "supervisor", "delegate", participant="supervisor", **term)
    stage.does("supervisor", "approve_camera", camera="gate-2")
    assert stage.asks("manager", "get_camera", camera="gate-2")["decided_by"] == "supervisor"
    stage.does("manager", "end_delegation", participant="supervisor")
    stage.refuses("denied", "supervisor", "retire_camera", camera="gate-2", reason=REASON)
    stage.refuses("conflict", "manager", "end_delegation", participant="supervisor")
    assert [each["status"] for each in stage.asks("manager", "find_delegations")["items"]] == ["ACTIVE", "ENDED"]


def a_recommendation_is_on_the_record_and_activates_nothing(stage: Stage) -> None:
    stage.registers("manager", "supervisor", "operator")
    stage.does("operator", "propose_camera", **stage.cast.camera())
    stage.does("supervisor", "recommend_camera", camera="gate-1")
    stage.refuses("conflict", "supervisor", "recommend_camera", camera="gate-1", says="already")
    assert stage.asks("manager", "get_camera", camera="gate-1")["status"] == "PROPOSED"
    assert [e["by"] for e in stage.asks("manager", "find_recommendations", camera="gate-1")["items"]] == ["supervisor"]
    stage.does("manager", "approve_camera", camera="gate-1")
    stage.refuses("conflict", "supervisor", "recommend_camera", camera="gate-1", says="only a proposed camera")


def a_change_is_proposed_by_one_and_decided_by_another(stage: Stage) -> None:
    stage.opens_for_business()
    moved = {"camera": "gate-1", "kind": "address", "ip": "10.0.4.99", "location": "South gate"}
    stage.refuses("invalid", "operator", "propose_change", **{**moved, "ip": "10.0.4.099"})
    stage.refuses("invalid", "operator", "propose_change", **moved, firmware="2", says="does not state 'firmware'")
    stage.refuses("invalid", "operator", "propose_change", camera="gate-1", kind="address", ip="10.0.4.99")
    stage.refuses("denied", "manager", "propose_change", **moved)
    assert stage.does("operator", "propose_change", **moved) == {"camera": "gate-1", "number": 0}
    stage.does("recorder", "propose_change", camera="gate-1", kind="firmware", firmware="9.9")
    stage.refuses("not_found", "manager", "approve_change", camera="gate-1", number=7)
    stage.does("manager", "approve_change", camera="gate-1", number=0)
    stage.does("manager-2", "reject_change", camera="gate-1", number=1, reason=REASON)
    stage.refuses("conflict", "manager", "approve_change", camera="gate-1", number=1, says="is REJECTED")
    entry = stage.asks("operator", "get_camera", camera="gate-1")
    assert (entry["ip"], entry["firmware"], entry["n"], entry["status"]) == ("10.0.4.99", "1.2.3", 2, "ACTIVE")
    statuses = [each["status"] for each in stage.asks("operator", "find_changes", camera="gate-1")["items"]]
    assert statuses == ["PROPOSED", "APPROVED", "PROPOSED", "REJECTED"]
    stage.does("manager", "retire_camera", camera="gate-1", reason=REASON)
    stage.refuses("conflict", "operator", "propose_change", **moved, says="is RETIRED")
    stage.refuses("conflict", "operator", "announce_maintenance", camera="gate-1", **SPAN, says="RETIRED")


def nobody_decides_about_a_change_that_they_proposed(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.does("operator", "propose_change", camera="gate-1", kind="firmware", firmware="2")
    stage.does(cast.admin(), "change_participant", participant="operator", role="CRM", control_room="cr-1")
    promoted = cast.identity("operator", "ControlRoomMSP", "CRM", {"control_room": "cr-1"})
    for function in ("approve_change", "reject_change"):
        more = {"reason": REASON} if function == "reject_change" else {}
        stage.refuses("denied", promoted, function, camera="gate-1", number=0, **more, says="nobody decides")


def a_new_key_counts_from_the_slot_that_the_change_names(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.anchors(cast.blocks(0, 1))
    new = PrivateKeySigner(generate_key())
    change = {
        "camera": "gate-1", "kind": "key", "key_custody": "tpm", "device_key": to_base64(new.public_key.spki),
        "chain": CHAIN, "sequence": 3,
    }  # fmt: skip
    stage.refuses("invalid", "operator", "propose_change", **{**change, "chain": CHAIN + 1}, says="has not")
    stage.does("operator", "propose_change", **change)
    stage.refuses("conflict", "operator", "propose_change", **change, says="is taken")
    stage.does("manager", "approve_change", camera="gate-1", number=0)

    def by_new(sequence: int, chain: int = CHAIN) -> SignedBlock:
        return sign_block(cast.block(sequence, chain=chain, key=new.public_key.key_id), new)

    stage.refuses_anchor("denied", [by_new(2)], says="key_differs")
    stage.anchors(cast.blocks(2))  # below the slot the old key goes on counting
    stage.refuses_anchor("denied", cast.blocks(3), says="key_differs")
    stage.anchors([by_new(3), by_new(0, CHAIN + 1)])
    stage.refuses_anchor("denied", cast.blocks(0, chain=CHAIN + 2), says="key_differs")
    assert stage.asks("manager", "get_camera", camera="gate-1")["key_from"] == [CHAIN, 3]


def a_revoked_key_anchors_nothing_more(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.anchors(cast.blocks(0))
    key = cast.key("gate-1").public_key.key_id
    word = {"camera": "gate-1", "key": key, "compromised_since_us": NOW_US, "reason": REASON}
    stage.refuses("not_found", "manager", "revoke_key", **{**word, "key": OTHER})
    stage.refuses("denied", "supervisor", "revoke_key", **word)
    stage.does("manager", "revoke_key", **word)
    stage.refuses_anchor("denied", cast.blocks(1), says="key_revoked")
    assert stage.anchors(cast.blocks(0)) == {"anchored": 0, "standing": 1}
    stage.refuses("conflict", "manager", "revoke_key", **word, says="only an earlier moment")
    stage.does("manager", "revoke_key", **{**word, "compromised_since_us": NOW_US - 1})
    assert [each["n"] for each in stage.asks("manager", "find_revocations", camera="gate-1")["items"]] == [0, 1]


def maintenance_is_announced(stage: Stage) -> None:
    stage.opens_for_business()
    stage.refuses("invalid", "operator", "announce_maintenance", camera="gate-1", from_us=2, until_us=1, says="begins")
    stage.refuses("denied", "supervisor", "announce_maintenance", camera="gate-1", **SPAN)
    stage.does("operator", "announce_maintenance", camera="gate-1", **SPAN)
    stage.does("manager", "announce_maintenance", camera="gate-1", **SPAN)
    assert [each["by"] for each in stage.asks("operator", "find_maintenance", camera="gate-1")["items"]] == [
        "operator",
        "manager",
    ]


def access_is_granted_and_revoked(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer", "manager-elsewhere", "auditor")
    stage.anchors(stage.cast.blocks(0))
    ask = lambda: stage.asks("officer", "access", camera="gate-1", **SPAN)["decision"]  # noqa: E731
    grant = {"camera": "gate-1", "participant": "officer"}
    term = {"purpose": REASON, "from_us": NOW_US, "until_us": NOW_US + HOUR_US}
    stage.refuses("denied", "manager-elsewhere", "grant_access", **grant, **term, says="CRM of cr-1")
    stage.refuses("not_found", "manager", "grant_access", **{**grant, "participant": "nobody"}, **term)
    assert ask() == "denied"
    stage.does("manager", "grant_access", **grant, **term)
    assert ask() == "granted"
    assert stage.asks("officer", "find_cameras")["items"][0]["id"] == "gate-1"
    slots, chains = ["block/gate-1/", "block/gate-10"], ["chain/gate-1/", "chain/gate-10"]
    shown = stage.asks("officer", "read_proof", ranges=[slots, chains])["ranges"]
    assert [(each["start"], [entry["key"] for entry in each["entries"]]) for each in shown] == [
        (slots[0], [slot_key("gate-1", CHAIN, 0)]),
        (chains[0], [chain_key("gate-1", CHAIN)]),
    ]
    assert shown[0]["entries"][0]["value"]["block"]["sequence"] == 0
    stage.does("manager-2", "revoke_access", **grant)
    stage.refuses("conflict", "manager", "revoke_access", **grant)
    assert ask() == "denied"
    assert [each["status"] for each in stage.asks("auditor", "find_grants", camera="gate-1")["items"]] == [
        "GRANTED",
        "REVOKED",
    ]


def an_incident_is_reported_answered_and_closed(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer", "staff", "manager-elsewhere")
    report = {"incident": "i-1", "kind": "actual", "cameras": ["gate-1"], "at_us": NOW_US}
    stage.refuses("denied", "manager", "report_incident", **report)
    stage.refuses("not_found", "staff", "report_incident", **{**report, "cameras": ["gate-7"]})
    stage.does("staff", "report_incident", **report, text=REASON)
    stage.refuses("conflict", "officer", "report_incident", **report)
    stage.refuses("denied", "manager-elsewhere", "respond_incident", incident="i-1", answer=REASON)
    stage.does("operator", "respond_incident", incident="i-1", answer=REASON)
    stage.refuses("conflict", "operator", "respond_incident", incident="i-1", answer=REASON)
    stage.refuses("invalid", "operator", "close_incident", incident="i-1", says="reason")
    stage.does("supervisor", "close_incident", incident="i-1", reason=REASON)
    stage.refuses("conflict", "manager", "close_incident", incident="i-1", reason=REASON, says="is CLOSED")
    history = [each["status"] for each in stage.asks("officer", "history_incident", incident="i-1")["items"]]
    assert history == ["REPORTED", "RESPONDED", "CLOSED"]
    assert stage.asks("staff", "find_incidents", status="REPORTED")["items"] == []


def a_request_is_granted_narrowed_and_disclosed_within_it(stage: Stage) -> None:
    stage.opens_for_business()
    stage.enrols("gate-2")
    stage.registers("officer", "police-operator", "staff", "auditor")
    stage.refuses("invalid", "officer", "request_footage", **request(expires_us=NOW_US))
    stage.refuses("invalid", "officer", "request_footage", **request(until_us=SPAN["from_us"]))
    stage.refuses("not_found", "officer", "request_footage", **request(incident="i-9"))
    stage.does("staff", "report_incident", incident="i-1", kind="suspicious", cameras=["gate-1"], at_us=NOW_US)
    stage.does("officer", "request_footage", **request(cameras=["gate-1", "gate-2"], incident="i-1"))
    assert stage.asks("staff", "get_request", request="ask-1") == {
        "request": "ask-1", "status": "REQUESTED", "incident": "i-1", "n": 0,
    }  # fmt: skip
    stage.refuses("denied", "police-operator", "get_request", request="ask-1")
    assert [each["request"] for each in stage.asks("operator", "find_holds", camera="gate-2")["items"]] == ["ask-1"]
    stage.refuses("denied", "recorder", "record_disclosure", **disclosure(), says="is REQUESTED")
    decide = {"request": "ask-1", "decision": "grant"}
    stage.refuses("invalid", "manager", "decide_request", **decide, until_us=NOW_US + 1, says="not widen")
    stage.refuses("denied", "operator", "decide_request", **decide)
    stage.does("supervisor", "decide_request", **decide, cameras=["gate-1"], masking=True)
    stage.refuses("conflict", "manager", "decide_request", request="ask-1", decision="deny", reason=REASON, says="once")
    assert stage.asks("operator", "find_holds", camera="gate-2")["items"] == []
    granted = stage.asks("officer", "access", camera="gate-1", **SPAN)
    assert (granted["decision"], "masked footage only" in granted["reason"]) == ("granted", True)
    late = {"from_us": NOW_US - HOUR_US, "until_us": NOW_US + 1}
    assert "outside" in stage.asks("officer", "access", camera="gate-1", **late)["reason"]
    for wrong, says in (
        ({"camera": "gate-2"}, "outside"),
        ({"until_us": NOW_US + 1}, "Z to 20"),
        ({"recipient": "police-operator"}, "who asked"),
        ({}, "masked"),
    ):
        stage.refuses("denied", "recorder", "record_disclosure", **disclosure(**wrong), says=says)
    stage.refuses("denied", "recorder-south", "record_disclosure", **disclosure(masked=True))
    stage.does("recorder", "record_disclosure", **disclosure(masked=True))
    assert stage.asks("operator", "find_holds", camera="gate-1")["items"] == []
    assert [each["by"] for each in stage.asks("officer", "find_disclosures", request="ask-1")["items"]] == ["recorder"]
    stage.now_us = NOW_US + HOUR_US + 1
    stage.refuses("expired", "recorder", "record_disclosure", **disclosure(masked=True))


def a_request_is_denied_with_a_reason_withdrawn_or_expires(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer", "auditor")
    for name, who in (("ask-1", "officer"), ("ask-2", "auditor"), ("ask-3", "officer")):
        stage.does(who, "request_footage", **request(name))
    stage.refuses("conflict", "officer", "request_footage", **request("ask-2"))
    stage.refuses("invalid", "manager", "decide_request", request="ask-1", decision="deny", says="reason")
    stage.refuses("invalid", "manager", "decide_request", request="ask-1", decision="deny", reason=REASON, masking=True)
    stage.does("manager", "decide_request", request="ask-1", decision="deny", reason=REASON)
    stage.refuses("denied", "officer", "withdraw_request", request="ask-2", says="who made it")
    stage.does("auditor", "withdraw_request", request="ask-2")
    stage.refuses("conflict", "auditor", "withdraw_request", request="ask-2")
    stage.refuses("conflict", "manager", "decide_request", request="ask-2", decision="grant")
    assert [each["request"] for each in stage.asks("manager", "find_holds", camera="gate-1")["items"]] == ["ask-3"]
    assert stage.asks("officer", "get_camera", camera="gate-1")["id"] == "gate-1"
    stage.now_us = NOW_US + HOUR_US + 1
    assert stage.asks("manager", "find_holds", camera="gate-1")["items"] == []
    stage.refuses("expired", "manager", "decide_request", request="ask-3", decision="grant")
    stage.refuses("denied", "officer", "get_camera", camera="gate-1")


def footage_of_a_private_camera_is_its_owners_to_give(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("owner", "operator", "manager", "supervisor", "officer", "recorder")
    stage.does("owner", "propose_camera", **cast.camera("porch", owner="owner", ip=REASON, location=OTHER))
    stage.does("manager", "approve_camera", camera="porch")
    stage.does("officer", "request_footage", **request(cameras=["porch"]))
    stage.refuses("denied", "manager", "decide_request", request="ask-1", decision="grant", says="its owner (owner)")
    term = {"camera": "porch", "participant": "officer", "purpose": REASON, **SPAN}
    stage.refuses("denied", "manager", "grant_access", **term, says="owner's to give")
    stage.does("owner", "grant_access", **term)
    stage.does("owner", "decide_request", request="ask-1", decision="grant")
    stage.does("recorder", "record_disclosure", **disclosure(camera="porch"))
    stage.enrols("gate-1")
    both = request("ask-2", cameras=["gate-1", "porch"])
    stage.refuses("invalid", "officer", "request_footage", **both, says="one party decides")
    # Whoever was an owner once and works in the control room now decides about the control room's cameras only.
    stage.does("officer", "request_footage", **request("ask-3", cameras=["porch"]))
    stage.does(cast.admin(), "change_participant", participant="owner", role="CRM", control_room="cr-1")
    promoted = cast.identity("owner", "ControlRoomMSP", "CRM", {"control_room": "cr-1"})
    stage.refuses("denied", promoted, "decide_request", request="ask-3", decision="grant", says="owner's to give")


def footage_is_held_until_it_is_handed_over_itself(stage: Stage) -> None:
    stage.opens_for_business()
    stage.enrols("gate-2")
    stage.registers("officer")
    stage.does("officer", "request_footage", **request(cameras=["gate-1", "gate-2"]))
    stage.does("manager", "decide_request", request="ask-1", decision="grant")
    stage.does("recorder", "record_disclosure", **disclosure())
    held = {each: stage.asks("operator", "find_holds", camera=each)["items"] for each in ("gate-1", "gate-2")}
    assert (held["gate-1"], [each["request"] for each in held["gate-2"]]) == ([], ["ask-1"])
    stage.does("recorder", "record_disclosure", **disclosure(camera="gate-2"))
    assert stage.asks("operator", "find_holds", camera="gate-2")["items"] == []


def a_verification_is_recorded_and_superseded(stage: Stage) -> None:
    stage.registers("manager", "officer", "auditor")
    report = {"footage": REASON, "state": "VERIFIED", "report": OTHER}
    stage.refuses("invalid", "officer", "record_verification", verification="v-1", **{**report, "state": "FINE"})
    stage.does("officer", "record_verification", verification="v-1", **report)
    stage.does("officer", "record_verification", verification="v-2", **{**report, "state": "ALTERED"})
    better = {"verification": "v-1", "superseded_by": "v-2", "error": REASON}
    stage.refuses("denied", "manager", "supersede_verification", **better, says="PoliceMSP")
    stage.refuses("not_found", "officer", "supersede_verification", **{**better, "superseded_by": "v-3"})
    stage.does("officer", "supersede_verification", **better)
    stage.refuses("conflict", "officer", "supersede_verification", **better)
    back = {"verification": "v-2", "superseded_by": "v-1", "error": REASON}
    stage.refuses("conflict", "officer", "supersede_verification", **back, says="v-1 is superseded itself")
    found = stage.asks("auditor", "find_verifications", footage=REASON)["items"]
    assert [(each["verification"], each["status"]) for each in found] == [("v-1", "SUPERSEDED"), ("v-2", "RECORDED")]


def an_exhibit_is_received_once(stage: Stage) -> None:
    stage.registers("manager", "officer", "police-operator", "auditor")
    exhibit = {"exhibit": "x-1", "footage": REASON, "copy": "master", "clock_check": OTHER}
    stage.refuses("denied", "manager", "receive_exhibit", **exhibit)
    stage.does("officer", "receive_exhibit", **exhibit)
    stage.refuses("conflict", "police-operator", "receive_exhibit", **exhibit)
    assert stage.asks("police-operator", "get_exhibit", exhibit="x-1")["receiver"] == "officer"
    stage.does("auditor", "receive_exhibit", **{**exhibit, "exhibit": "x-2"})
    assert [each["exhibit"] for each in stage.asks("officer", "find_exhibits")["items"]] == ["x-1"]
    assert len(stage.asks("auditor", "find_exhibits")["items"]) == 2


def a_lock_is_released_by_two_persons_of_two_organisations(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer", "police-operator", "manager-elsewhere")
    lock = {"lock": "l-1", "cameras": ["gate-1"], **SPAN, "review_us": NOW_US + HOUR_US, "reason": REASON}
    stage.refuses("denied", "manager-elsewhere", "lock_evidence", **lock)
    stage.refuses("invalid", "officer", "lock_evidence", **{**lock, "review_us": NOW_US})
    stage.does("officer", "lock_evidence", **lock)
    release = {"lock": "l-1", "reason": OTHER}
    assert stage.does("officer", "release_evidence", **release)["executed"] is False
    stage.refuses("denied", "officer", "release_evidence", **release, says="called already")
    stage.refuses("denied", "police-operator", "release_evidence", **release, says="another organisation")
    stage.refuses("denied", "manager-elsewhere", "release_evidence", **release)
    assert stage.asks("officer", "get_lock", lock="l-1")["status"] == "LOCKED"
    assert stage.does("manager", "release_evidence", **release) == {"executed": True, "lock": "l-1"}
    assert stage.asks("manager", "get_lock", lock="l-1")["released_by"] == ["officer", "manager"]
    stage.refuses("conflict", "manager", "release_evidence", **release)


def a_first_person_who_may_no_longer_act_counts_for_nothing(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer", "police-operator")
    lock = {"lock": "l-1", "cameras": ["gate-1"], **SPAN, "review_us": NOW_US + HOUR_US, "reason": REASON}
    stage.does("manager", "lock_evidence", **lock)
    release = {"lock": "l-1", "reason": OTHER}
    stage.does("officer", "release_evidence", **release)
    stage.does(stage.cast.admin("PoliceMSP"), "suspend_participant", participant="officer")
    assert stage.does("manager", "release_evidence", **release)["executed"] is False
    assert stage.does("police-operator", "release_evidence", **release)["executed"] is True
    # A manager who has moved to another control room has no say about this one's footage any more.
    lock, release = {**lock, "lock": "l-2"}, {**release, "lock": "l-2"}
    stage.does("manager", "lock_evidence", **lock)
    stage.does("manager", "release_evidence", **release)
    stage.does(stage.cast.admin(), "change_participant", participant="manager", role="CRM", control_room="cr-2")
    assert stage.does("police-operator", "release_evidence", **release)["executed"] is False
    assert stage.does("manager-2", "release_evidence", **release)["executed"] is True


def a_deputy_is_one_of_two_persons_while_the_delegation_lasts(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("officer")
    lock = {"lock": "l-1", "cameras": ["gate-1"], **SPAN, "review_us": NOW_US + HOUR_US, "reason": REASON}
    release = {"lock": "l-1", "reason": OTHER}
    stage.does("officer", "lock_evidence", **lock)
    stage.does("officer", "lock_evidence", **{**lock, "lock": "l-2"})
    stage.does("manager", "delegate", participant="supervisor", from_us=NOW_US, until_us=NOW_US + HOUR_US)
    stage.does("supervisor", "release_evidence", **release)
    assert stage.does("officer", "release_evidence", **release)["executed"] is True
    assert stage.asks("officer", "get_lock", lock="l-1")["released_by"] == ["supervisor", "officer"]
    stage.does("supervisor", "release_evidence", **{**release, "lock": "l-2"})
    stage.does("manager", "end_delegation", participant="supervisor")
    assert stage.does("officer", "release_evidence", **{**release, "lock": "l-2"})["executed"] is False


def a_leaf_list_is_attested_once_by_each_auditor(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("auditor")
    batch, _ = make_batch([stage.cast.block(0)], site="north", recorder="recorder", batch=0, previous=None)
    which = {"site": "north", "recorder": "recorder", "batch": 0, "leaves": REASON}
    stage.refuses("not_found", "auditor", "attest_leaves", **which)
    stage.does("recorder", "anchor", batch.canonical())
    stage.refuses("denied", "manager", "attest_leaves", **which)
    assert stage.does("auditor", "attest_leaves", **which) == {"attested": True}
    assert stage.does("auditor", "attest_leaves", **which) == {"attested": False}
    stage.refuses("conflict", "auditor", "attest_leaves", **{**which, "leaves": OTHER})
    found = stage.asks("manager", "find_attestations", site="north", recorder="recorder", batch=0)["items"]
    assert [(each["by"], each["leaves"]) for each in found] == [("auditor", REASON)]


def state_holds_neither_times_of_transactions_nor_their_ids(stage: Stage) -> None:
    stage.now_us = NOW_US + 777
    stage.opens_for_business()
    stage.registers("officer")
    stage.does("officer", "request_footage", **request())
    stage.does("manager", "decide_request", request="ask-1", decision="grant")
    for key, value in stage.host.state():
        assert str(NOW_US + 777).encode() not in value, key
        assert b"tx_id" not in value, key
    events = [parse_canonical(each, "event") for each in stage.host.events()]
    assert [each["subject"] for each in events][-2:] == ["ask-1", "ask-1"]
    assert members(request="ask-1") in dict(stage.host.state()).values()


DECISIONS = tuple(
    value
    for value in list(globals().values())
    if getattr(value, "__module__", "") == __name__ and getattr(value, "__annotations__", {}).get("stage") == "Stage"
)
