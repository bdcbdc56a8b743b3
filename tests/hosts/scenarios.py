"""What people do on a ledger, told once and played on every host. A scenario's name is a sentence."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from chaincode.anchors import open_batch
from evidence.batches import batch_key, make_batch
from evidence.blocks import SignedBlock, chain_key, sign_block, slot_key
from evidence.canonical import canonical, parse_canonical
from evidence.keys import PrivateKeySigner
from evidence.policy import DEFAULT_POLICY, Policy
from evidence.registry import parse_camera_entry
from sdk.keys import generate_key
from tests.hosts.cast import CHAIN, NOW_US, REASON, members
from tests.hosts.stage import Stage

Scenario = Callable[[Stage], None]


def founding_registers_the_admins_and_happens_once(stage: Stage) -> None:
    assert len(stage.keys("participant/")) == 4
    stage.refuses("conflict", stage.cast.admin(), "init", stage.cast.genesis.canonical(), says="founded once")
    assert stage.asks(stage.cast.admin(), "get_genesis")["digest"] == stage.cast.genesis.digest.hex()


def each_admin_registers_people_of_the_own_organisation(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("manager", "officer", "staff", "auditor")
    police = cast.admin("PoliceMSP")
    stage.refuses(
        "denied", police, "register_participant", **cast.registration("operator"), says="ControlRoomMSP can register"
    )
    stage.refuses("denied", police, "suspend_participant", participant="manager", says="an ADMIN of ControlRoomMSP can")
    stage.refuses("denied", "manager", "register_participant", **cast.registration("operator"), says="ADMIN")
    assert stage.asks("officer", "get_participant", participant="manager")["role"] == "CRM"


def an_id_and_a_key_are_given_away_once(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("manager", "operator")
    admin = cast.admin()
    stage.refuses("conflict", admin, "register_participant", **cast.registration("manager"))
    other = cast.registration("supervisor", key=cast["manager"].key_id)
    stage.refuses("conflict", admin, "register_participant", **other, says="make a new key")
    stage.does("operator", "propose_camera", **cast.camera())
    same_key = cast.camera("gate-2", device_key=cast.camera("gate-1")["device_key"])
    stage.refuses("conflict", "operator", "propose_camera", **same_key)
    device = cast.registration("supervisor", key=cast.key("gate-1").public_key.key_id)
    stage.refuses("conflict", admin, "register_participant", **device)


def an_admin_has_no_say_about_themselves(stage: Stage) -> None:
    cast = stage.cast
    admin = cast.admin()
    me = f"admin-{admin.key_id[:32]}"
    stage.refuses("denied", admin, "suspend_participant", participant=me, says="another ADMIN")
    stage.refuses("denied", admin, "change_participant", participant=me, role="ADMIN", says="another ADMIN")
    stage.refuses("not_found", admin, "suspend_participant", participant="nobody")
    second = cast.identity("admin-2", "ControlRoomMSP", "ADMIN", {})
    stage.does(admin, "register_participant", participant="admin-2", key=second.key_id, role="ADMIN")
    stage.does(second, "suspend_participant", participant=me)
    stage.refuses("denied", admin, "register_participant", **cast.registration("manager"))
    stage.does(second, "register_participant", **cast.registration("manager"))


def a_role_needs_its_places_and_takes_no_others(stage: Stage) -> None:
    admin, cast = stage.cast.admin(), stage.cast
    stage.refuses("invalid", admin, "register_participant", **cast.registration("recorder", site=None))
    stage.refuses("invalid", admin, "register_participant", **cast.registration("manager", department="d-1"))
    police = cast.admin("PoliceMSP")
    stage.refuses("invalid", police, "register_participant", **cast.registration("officer", control_room="cr-1"))


def a_suspended_participant_can_do_nothing_until_reinstated(stage: Stage) -> None:
    stage.opens_for_business()
    admin = stage.cast.admin()
    stage.does(admin, "suspend_participant", participant="operator")
    stage.refuses("denied", "operator", "propose_camera", **stage.cast.camera("gate-2"), says="reinstate_participant")
    stage.refuses("conflict", admin, "suspend_participant", participant="operator")
    stage.does(admin, "reinstate_participant", participant="operator")
    stage.does("operator", "propose_camera", **stage.cast.camera("gate-2"))
    assert [
        each["status"] for each in stage.asks("manager", "history_participant", participant="operator")["items"]
    ] == [
        "ACTIVE",
        "SUSPENDED",
        "ACTIVE",
    ]


def a_registration_ends_when_it_says(stage: Stage) -> None:
    cast = stage.cast
    until = NOW_US + 3_600_000_000
    stage.does(cast.admin(), "register_participant", **cast.registration("operator", valid_until_us=until))
    stage.now_us = until
    stage.does("operator", "propose_camera", **cast.camera("gate-1"))
    stage.now_us = until + 1
    stage.refuses("expired", "operator", "propose_camera", **cast.camera("gate-2"), says="change_participant")
    stage.does(cast.admin(), "change_participant", participant="operator", role="OPERATOR", control_room="cr-1")
    stage.does("operator", "propose_camera", **cast.camera("gate-2"))


def a_certificate_that_the_registry_contradicts_is_worth_nothing(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("operator", "manager")
    stage.does("operator", "propose_camera", **cast.camera())
    # The right role under the wrong organisation: the police's authority issues what it likes.
    forged = cast.identity("manager", "PoliceMSP", "CRM", {"control_room": "cr-1"})
    stage.refuses("denied", forged, "approve_camera", camera="gate-1", says="you are CRM of PoliceMSP")
    promoted = cast.identity("operator", "ControlRoomMSP", "CRM", {"control_room": "cr-1"})
    stage.refuses("denied", promoted, "approve_camera", camera="gate-1", says="certificate and registry must agree")
    moved = cast.identity("manager", "ControlRoomMSP", "CRM", {"control_room": "cr-2"})
    stage.refuses("denied", moved, "approve_camera", camera="gate-1", says="certificate and registry must agree")
    nobody = cast.identity("somebody", "ControlRoomMSP", "CRM", {"control_room": "cr-1"})
    stage.refuses("denied", nobody, "approve_camera", camera="gate-1", says="register_participant")


def a_camera_is_proposed_by_one_and_approved_by_another(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("manager", "manager-2", "manager-elsewhere", "supervisor", "operator")
    stage.does("operator", "propose_camera", **cast.camera())
    stage.refuses("denied", "operator", "approve_camera", camera="gate-1")
    stage.refuses("denied", "supervisor", "approve_camera", camera="gate-1")
    stage.refuses("denied", "manager-elsewhere", "approve_camera", camera="gate-1", says="CRM of cr-1")
    stage.does("manager", "approve_camera", camera="gate-1")
    stage.refuses("conflict", "manager-2", "approve_camera", camera="gate-1", says="gate-1 is ACTIVE")
    stage.refuses("not_found", "manager", "approve_camera", camera="gate-9")
    stage.refuses("conflict", "operator", "propose_camera", **cast.camera(device_key=cast.camera("x")["device_key"]))


def nobody_approves_what_they_proposed(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("operator", "manager")
    stage.does("operator", "propose_camera", **cast.camera())
    stage.does(cast.admin(), "change_participant", participant="operator", role="CRM", control_room="cr-1")
    promoted = cast.identity("operator", "ControlRoomMSP", "CRM", {"control_room": "cr-1"})
    stage.refuses("denied", promoted, "approve_camera", camera="gate-1", says="nobody approves a camera that they")
    stage.does("manager", "approve_camera", camera="gate-1")


def a_rejection_needs_a_reason_and_is_final(stage: Stage) -> None:
    stage.registers("supervisor", "manager", "operator")
    stage.does("operator", "propose_camera", **stage.cast.camera())
    stage.refuses("invalid", "manager", "reject_camera", camera="gate-1", says="reason")
    stage.refuses("invalid", "manager", "reject_camera", camera="gate-1", reason="because")
    stage.does("supervisor", "reject_camera", camera="gate-1", reason=REASON)
    stage.refuses("conflict", "manager", "approve_camera", camera="gate-1")
    again = stage.cast.camera("gate-1", device_key=stage.cast.camera("x")["device_key"])
    stage.refuses("conflict", "operator", "propose_camera", **again, says="used once")
    assert stage.asks("operator", "get_camera", camera="gate-1")["reason"] == REASON


def a_camera_is_suspended_reinstated_and_retired(stage: Stage) -> None:
    stage.opens_for_business()
    for function in ("suspend_camera", "retire_camera"):
        stage.refuses("invalid", "manager", function, camera="gate-1", says="reason")
    stage.does("supervisor", "suspend_camera", camera="gate-1", reason=REASON)
    stage.refuses("denied", "supervisor", "reinstate_camera", camera="gate-1", reason=REASON)
    stage.does("manager", "reinstate_camera", camera="gate-1", reason=REASON)
    stage.refuses("denied", "supervisor", "retire_camera", camera="gate-1", reason=REASON)
    stage.does("manager", "retire_camera", camera="gate-1", reason=REASON)
    stage.refuses("conflict", "manager", "reinstate_camera", camera="gate-1", reason=REASON)
    history = stage.asks("manager", "history_camera", camera="gate-1")["items"]
    assert [each["status"] for each in history] == ["PROPOSED", "ACTIVE", "SUSPENDED", "ACTIVE", "RETIRED"]
    assert [each["n"] for each in history] == [0, 1, 2, 3, 4]


def a_private_camera_shows_neither_address_nor_place(stage: Stage) -> None:
    cast = stage.cast
    stage.registers("owner", "operator", "manager")
    private = cast.camera("porch", owner="owner")
    stage.refuses("invalid", "owner", "propose_camera", **private, says="commitments")
    hidden = {**private, "ip": REASON, "location": REASON}
    stage.refuses("denied", "operator", "propose_camera", **hidden, says="its owner (owner)")
    stage.refuses("denied", "owner", "propose_camera", **{**hidden, "owner": "operator"})
    stage.does("owner", "propose_camera", **hidden)
    stage.refuses("denied", "owner", "propose_camera", **cast.camera("gate-3"))
    stage.does("manager", "approve_camera", camera="porch")
    assert stage.asks("owner", "find_cameras")["items"][0]["id"] == "porch"


def an_address_has_one_spelling(stage: Stage) -> None:
    stage.registers("operator")
    mapped = ("::ffff:a00:411", "::ffff:10.0.4.17")  # which of them is usual depends on the version of Python
    for ip in ("10.0.4.017", "gate.example", "", "FE80::1", "fe80::1%eth0", "10.0.4.17 ", *mapped):
        stage.refuses("invalid", "operator", "propose_camera", **stage.cast.camera(ip=ip))
    stage.does("operator", "propose_camera", **stage.cast.camera(ip="fe80::1"))


def another_view_stands_where_its_camera_stands(stage: Stage) -> None:
    stage.opens_for_business()
    stage.refuses("not_found", "operator", "propose_camera", **stage.cast.camera("gate-1-sub", view_of="gate-7"))
    south = stage.cast.camera("gate-1-sub", view_of="gate-1", site="south")
    stage.refuses("invalid", "operator", "propose_camera", **south)
    stage.does("operator", "propose_camera", **stage.cast.camera("gate-1-sub", view_of="gate-1"))


def arguments_are_read_strictly(stage: Stage) -> None:
    stage.registers("operator", "manager")
    stage.does("operator", "propose_camera", **stage.cast.camera())
    for argument in (
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"camera":"gate-1","camera":"gate-1"}',
        b'{"camera":"gate-1","note":"x"}',
        b'{"camera": "gate-1"}',
        b'{"camera":"Gate-1"}',
        b'{"camera":"gate-1/0000000000"}',
        b'{"camera":1}',
        b'{"camera":null}',
        b"\xff",
        b'{"camera":"' + b"a" * 70_000 + b'"}',
    ):
        stage.refuses("invalid", "manager", "approve_camera", argument or b" ")
    stage.refuses("invalid", "manager", "approve_everything", b"{}", says="describe")
    long = stage.cast.camera("gate-2", make="x" * 129)
    stage.refuses("invalid", "operator", "propose_camera", **long)


def a_policy_is_versioned_and_bounds_bind_the_supervisor(stage: Stage) -> None:
    stage.registers("manager", "supervisor", "operator")
    ask = lambda: stage.asks("operator", "get_policy", control_room="cr-1")  # noqa: E731
    assert ask()["digest"] == DEFAULT_POLICY.digest.hex()
    faster = Policy(minimum_per_s=2, maximum_per_s=8)
    stage.refuses("denied", "supervisor", "set_policy", policy=faster.to_json(), says="none are set")
    bounds = {"lowest_per_s": 1, "highest_per_s": 8}
    stage.does("manager", "set_policy", policy=DEFAULT_POLICY.to_json(), bounds=bounds)
    stage.does("supervisor", "set_policy", policy=faster.to_json())
    assert ask()["digest"] == faster.digest.hex()
    too_fast = Policy(minimum_per_s=2, maximum_per_s=9)
    stage.refuses("denied", "supervisor", "set_policy", policy=too_fast.to_json(), says="1 to 8")
    stage.refuses("denied", "supervisor", "set_policy", policy=Policy(kept="none").to_json(), says="rate only")
    stage.refuses("denied", "supervisor", "set_policy", policy=faster.to_json(), bounds=bounds)
    stage.refuses("denied", "operator", "set_policy", policy=faster.to_json())
    stage.refuses("invalid", "manager", "set_policy", policy={**faster.to_json(), "colour": 1})
    stage.refuses("invalid", "manager", "set_policy", policy=too_fast.to_json(), bounds=bounds)
    assert [
        entry["maximum_per_s"] for entry in stage.asks("manager", "history_policy", control_room="cr-1")["items"]
    ] == [4, 8]


def an_anchor_takes_its_slot_for_ever(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    assert stage.anchors(cast.blocks(0, 1)) == {"anchored": 2, "standing": 0}
    other = cast.signed(cast.block(1, record=bytes(32)))
    stage.refuses_anchor("conflict", [other], says="nobody can replace it")
    # Whoever has the key opens no second slot by moving a microsecond.
    later = cast.block(1)
    stage.refuses_anchor("conflict", [cast.signed(cast.block(1, start_us=later.start_us + 1))])
    stage.refuses_anchor("conflict", [*cast.blocks(2), other])
    assert parse_canonical(dict(stage.host.state())[slot_key("gate-1", CHAIN, 1)], "slot")["block"] == later.to_json()


def the_same_block_again_succeeds_and_writes_nothing(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.anchors(cast.blocks(0, 1))
    before, events = stage.host.state(), list(stage.host.events())
    assert stage.anchors(cast.blocks(0, 1)) == {"anchored": 0, "standing": 2}
    again = sign_block(cast.block(1), cast.key("gate-1"))  # ECDSA is randomised: another signature, the same block
    assert stage.anchors([again]) == {"anchored": 0, "standing": 1}
    assert stage.host.state() == before
    assert stage.host.events() == events
    assert stage.anchors(cast.blocks(1, 2)) == {"anchored": 1, "standing": 1}
    stage.does("manager", "suspend_camera", camera="gate-1", reason=REASON)
    # A recorder that never heard the answer asks again, whatever happened to the camera meanwhile.
    assert stage.anchors(cast.blocks(0, 1, 2)) == {"anchored": 0, "standing": 3}


def only_active_cameras_are_anchored(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.refuses_anchor("not_found", cast.blocks(0, camera="gate-8"), says="camera_unknown")
    stage.does("operator", "propose_camera", **cast.camera("gate-2"))
    stage.refuses_anchor("denied", cast.blocks(0, camera="gate-2"), says="it is PROPOSED")
    stage.does("manager", "reject_camera", camera="gate-2", reason=REASON)
    stage.refuses_anchor("denied", cast.blocks(0, camera="gate-2"), says="it is REJECTED")
    stage.does("manager", "suspend_camera", camera="gate-1", reason=REASON)
    stage.refuses_anchor("denied", cast.blocks(0), says="it is SUSPENDED")
    stage.does("manager", "reinstate_camera", camera="gate-1", reason=REASON)
    stage.anchors(cast.blocks(0))
    stage.does("manager", "retire_camera", camera="gate-1", reason=REASON)
    stage.refuses_anchor("denied", cast.blocks(1), says="it is RETIRED")


def only_the_camera_key_signs(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    thief = PrivateKeySigner(generate_key())
    stolen = cast.block(0, key=thief.public_key.key_id)
    stage.refuses_anchor("denied", [sign_block(stolen, thief)], says="key_differs")
    pretended = SignedBlock(block=cast.block(0), signature=thief.sign(cast.block(0).signing_input()))
    stage.refuses_anchor("denied", [pretended], says="signature_invalid")
    moved = SignedBlock(block=cast.block(1), signature=cast.signed(cast.block(0)).signature)
    stage.refuses_anchor("denied", [*cast.blocks(0), moved], says="signature_invalid")


def a_recorder_anchors_for_its_own_site(stage: Stage) -> None:
    stage.opens_for_business()
    stage.refuses_anchor("denied", stage.cast.blocks(0), "recorder-south", says="gate-1 stands at north of cr-1")
    stage.refuses_anchor("denied", stage.cast.blocks(0), "operator")
    stage.anchors(stage.cast.blocks(0), "recorder-2")


def chains_begin_at_zero_and_only_go_up(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.refuses_anchor("invalid", cast.blocks(1), says="a chain begins with sequence 0")
    stage.anchors(cast.blocks(1, 0))  # order inside a batch does not matter
    stage.anchors(cast.blocks(5))  # nor do holes: they are the verifier's
    stage.refuses_anchor("conflict", cast.blocks(0, chain=CHAIN - 1), says="numbered above")
    stage.anchors([*cast.blocks(0, chain=CHAIN + 7), *cast.blocks(0, chain=CHAIN + 3)])
    stage.refuses_anchor("conflict", cast.blocks(0, chain=CHAIN + 5))
    stage.anchors(cast.blocks(6))  # an older chain may still deliver what it has
    assert stage.keys("chain/") == [chain_key("gate-1", CHAIN + each) for each in (0, 3, 7)]
    assert dict(stage.host.state())[chain_key("gate-1", CHAIN)] == b'{"recorder":"recorder"}'


def an_open_batch_is_bounded_and_names_a_slot_once(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.refuses_anchor("invalid", [])
    stage.refuses_anchor("invalid", [*cast.blocks(0), cast.signed(cast.block(0, record=bytes(32)))], says="twice")
    stage.refuses("invalid", "recorder", "anchor", b"[" + b" " * (1 << 20) + b"]", says="larger than")
    many = [SignedBlock(block=cast.block(each), signature=b"x") for each in range(501)]
    stage.refuses_anchor("invalid", many, says="500")
    surplus = canonical([{**cast.blocks(0)[0].to_json(), "note": "x"}])
    stage.refuses("invalid", "recorder", "anchor", surplus)
    stage.refuses("invalid", "recorder", "anchor", b'"gate-1"')
    stage.refuses("invalid", "recorder", "anchor", open_batch(cast.blocks(0)) + b" ")


def an_open_batch_is_the_same_compressed_or_not(stage: Stage) -> None:
    stage.opens_for_business()
    blocks = stage.cast.blocks(0, 1, 2)
    plain = canonical([each.to_json() for each in blocks])
    assert stage.does("recorder", "anchor", plain) == {"anchored": 3, "standing": 0}
    for level in (0, 1, 9):
        again = zlib.compress(plain, level)
        assert stage.does("recorder", "anchor", again) == {"anchored": 0, "standing": 3}
    packed = zlib.compress(canonical([each.to_json() for each in stage.cast.blocks(3)]))
    bomb = zlib.compress(b"[" + b" " * (1 << 20) + b"]")
    for wrong in (packed[:-1], packed + b"\0", zlib.compress(packed), packed[2:], b"\x78\xbb" + packed[2:], bomb):
        stage.refuses("invalid", "recorder", "anchor", wrong)
    stage.does("recorder", "anchor", packed)
    assert dict(stage.host.state())[slot_key("gate-1", CHAIN, 3)] == stage.cast.blocks(3)[0].canonical()


def sealed_batches_follow_each_other(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    blocks = [cast.block(each) for each in range(4)]
    place = {"site": "north", "recorder": "recorder"}
    first, _ = make_batch(blocks[:2], **place, batch=0, previous=None)  # type: ignore[arg-type]
    second, _ = make_batch(blocks[2:], **place, batch=1, previous=first.digest)  # type: ignore[arg-type]
    stage.refuses("invalid", "recorder", "anchor", second.canonical(), says="is not on the ledger")
    assert stage.does("recorder", "anchor", first.canonical()) == {"anchored": 1, "standing": 0}
    before = stage.host.state()
    assert stage.does("recorder", "anchor", first.canonical()) == {"anchored": 0, "standing": 1}
    assert stage.host.state() == before
    assert stage.keys("chain/") == [chain_key("gate-1", CHAIN)]
    wrong, _ = make_batch(blocks[2:], **place, batch=1, previous=bytes(32))  # type: ignore[arg-type]
    stage.refuses("invalid", "recorder", "anchor", wrong.canonical(), says="is another one")
    stage.does("recorder", "anchor", second.canonical())
    replaced, _ = make_batch(blocks[1:], **place, batch=1, previous=first.digest)  # type: ignore[arg-type]
    stage.refuses("conflict", "recorder", "anchor", replaced.canonical(), says="nobody can replace it")
    stage.refuses("denied", "recorder-2", "anchor", first.canonical(), says="recorder can do this")
    assert stage.asks("recorder-2", "get_batch", **place, batch=1) == second.to_json()
    assert len(stage.asks("manager", "find_batches", **place)["items"]) == 2
    assert stage.keys("root/") == [batch_key("north", "recorder", each) for each in (0, 1)]


def a_sealed_batch_opens_chains_of_active_cameras_only(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.does("operator", "propose_camera", **cast.camera("gate-2"))
    stage.enrols("gate-3", site="south")
    for camera, reason in (("gate-9", "not_found"), ("gate-2", "denied"), ("gate-3", "denied")):
        batch, _ = make_batch([cast.block(0, camera=camera)], site="north", recorder="recorder", batch=0, previous=None)
        stage.refuses(reason, "recorder", "anchor", batch.canonical())
    stage.anchors(cast.blocks(0))
    fork, _ = make_batch([cast.block(0)], site="north", recorder="recorder", batch=0, previous=None)
    stage.refuses("conflict", "recorder", "anchor", fork.canonical(), says="numbered above")


def questions_are_answered_in_pages(stage: Stage) -> None:
    stage.opens_for_business()
    cast = stage.cast
    stage.anchors(cast.blocks(*range(7)))
    where = {"camera": "gate-1", "chain": CHAIN}
    got, bookmark = [], None
    while True:
        page = stage.asks("manager", "find_blocks", **where, limit=3, bookmark=bookmark)
        got += [each["block"]["sequence"] for each in page["items"]]
        bookmark = page["next"]
        if bookmark is None:
            break
    assert got == list(range(7))
    assert [e["block"]["sequence"] for e in stage.asks("manager", "find_blocks", **where, first=5)["items"]] == [5, 6]
    assert stage.asks("recorder", "get_block", **where, sequence=3) == cast.blocks(3)[0].to_json()
    assert stage.asks("manager", "find_chains", camera="gate-1")["items"] == [{"chain": CHAIN, "recorder": "recorder"}]
    for limit in (0, 1):
        stage.asks("manager", "find_blocks", **where, limit=limit)
    for wrong in ({"limit": 1001}, {"bookmark": "genesis"}, {"first": 10_000_000_000}):
        stage.refuses("invalid", "manager", "find_blocks", **where, **wrong)


def cameras_and_participants_are_listed_once_each_with_their_newest_entry(stage: Stage) -> None:
    stage.opens_for_business()
    for camera in ("gate-10", "gate-2", "a-1"):
        stage.enrols(camera)
    stage.does("manager", "suspend_camera", camera="gate-10", reason=REASON)
    first = stage.asks("manager", "find_cameras", limit=2)
    assert [each["id"] for each in first["items"]] == ["a-1", "gate-1"]
    rest = stage.asks("manager", "find_cameras", limit=2, bookmark=first["next"])
    assert [(each["id"], each["status"]) for each in rest["items"]] == [("gate-10", "SUSPENDED"), ("gate-2", "ACTIVE")]
    assert rest["next"] is None
    assert [each["id"] for each in stage.asks("manager", "find_cameras", status="SUSPENDED")["items"]] == ["gate-10"]
    assert stage.asks("manager", "find_cameras", site="south")["items"] == []
    recorders = stage.asks("operator", "find_participants", role="RECORDER")["items"]
    # In the order of the ledger's keys, where "-" comes before the "/" that ends an id.
    assert [each["id"] for each in recorders] == ["recorder-2", "recorder-south", "recorder"]


def everybody_sees_what_concerns_them(stage: Stage) -> None:
    stage.opens_for_business()
    stage.registers("manager-elsewhere", "owner", "officer", "staff", "auditor")
    stage.anchors(stage.cast.blocks(0))
    slot = {"camera": "gate-1", "chain": CHAIN, "sequence": 0}
    assert stage.asks("auditor", "get_block", **slot)
    assert stage.asks("staff", "get_camera", camera="gate-1")
    stage.refuses("denied", "staff", "get_block", **slot)
    for blind in ("officer", "owner", "manager-elsewhere"):
        stage.refuses("denied", blind, "get_block", **slot)
        stage.refuses("denied", blind, "get_camera", camera="gate-1", says="CRM) of cr-1")
        assert stage.asks(blind, "find_cameras")["items"] == []
    described = stage.asks("officer", "describe")
    assert {"anchor", "approve_camera", "describe"} <= {each["name"] for each in described["transactions"]}


def a_transaction_that_writes_tells_once_who_did_what(stage: Stage) -> None:
    stage.opens_for_business()
    before = len(stage.host.events())
    stage.does("manager", "suspend_camera", camera="gate-1", reason=REASON)
    stage.asks("manager", "find_cameras")
    events = stage.host.events()[before:]
    assert len(events) == 1
    event = parse_canonical(events[0], "event")
    assert set(event) == {"actor", "name", "subject", "tx_id"}
    assert (event["actor"], event["name"], event["subject"]) == ("manager", "suspend_camera", "gate-1")


def an_entry_in_force_is_what_was_written(stage: Stage) -> None:
    stage.opens_for_business()
    state = dict(stage.host.state())
    entry = parse_camera_entry(state["camera/gate-1/0000000001"])
    assert (entry.status, entry.proposer, entry.decided_by, entry.n) == ("ACTIVE", "operator", "manager", 1)
    assert state[f"key/{entry.device_key.key_id}"] == members(camera="gate-1")
    assert not any(b"tx_id" in value or str(NOW_US).encode() in value for value in state.values())


SCENARIOS: tuple[Scenario, ...] = (
    founding_registers_the_admins_and_happens_once,
    each_admin_registers_people_of_the_own_organisation,
    an_id_and_a_key_are_given_away_once,
    an_admin_has_no_say_about_themselves,
    a_role_needs_its_places_and_takes_no_others,
    a_suspended_participant_can_do_nothing_until_reinstated,
    a_registration_ends_when_it_says,
    a_certificate_that_the_registry_contradicts_is_worth_nothing,
    a_camera_is_proposed_by_one_and_approved_by_another,
    nobody_approves_what_they_proposed,
    a_rejection_needs_a_reason_and_is_final,
    a_camera_is_suspended_reinstated_and_retired,
    a_private_camera_shows_neither_address_nor_place,
    an_address_has_one_spelling,
    another_view_stands_where_its_camera_stands,
    arguments_are_read_strictly,
    a_policy_is_versioned_and_bounds_bind_the_supervisor,
    an_anchor_takes_its_slot_for_ever,
    the_same_block_again_succeeds_and_writes_nothing,
    only_active_cameras_are_anchored,
    only_the_camera_key_signs,
    a_recorder_anchors_for_its_own_site,
    chains_begin_at_zero_and_only_go_up,
    an_open_batch_is_bounded_and_names_a_slot_once,
    an_open_batch_is_the_same_compressed_or_not,
    sealed_batches_follow_each_other,
    a_sealed_batch_opens_chains_of_active_cameras_only,
    questions_are_answered_in_pages,
    cameras_and_participants_are_listed_once_each_with_their_newest_entry,
    everybody_sees_what_concerns_them,
    a_transaction_that_writes_tells_once_who_did_what,
    an_entry_in_force_is_what_was_written,
)
