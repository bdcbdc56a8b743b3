"""Every transaction, called by every role under every organisation, in every condition the caller may be in.

What must happen is written in `the_page`, by hand and apart from the table that dispatch reads: where the two differ,
one of them is wrong.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from chaincode.dispatch import invoke
from chaincode.table import TABLE
from chaincode.world import MemoryState, MemoryWorld
from evidence.canonical import canonical, parse_canonical
from evidence.errors import Refused
from evidence.registry import PROPOSED, SUSPENDED
from tests.hosts.cast import ADMINS, NOW_US, REASON, members, the_cast
from tests.unit.chaincode.the_page import CONTROL, CRM, DEPUTY, ELSEWHERE, MAY, MSPS, PRIVATE, ROLES
from tests.unit.chaincode.the_world import (
    SPAN,
    arguments,
    call,
    caller,
    camera,
    person,
    places,
    private_arguments,
    request,
    state_with,
)

EVERYBODY = tuple(itertools.product(ROLES, MSPS))


def refused(function: str, actor: object, who: object, argument: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        call(function, actor, who, argument)  # type: ignore[arg-type]
    assert caught.value.where == function
    return caught.value


def succeeds(function: str, actor: object, who: object, argument: bytes) -> None:
    world = call(function, actor, who, argument)  # type: ignore[arg-type]
    assert (world.event is not None) == bool(world.writes) == (TABLE[function].kind == "submit"), function
    if world.event is not None:
        event = parse_canonical(world.event[1], "event")
        assert (event["name"], event["actor"]) == (function, "actor")


def test_the_page_names_the_same_transactions_as_the_table() -> None:
    assert set(MAY) == set(TABLE)


@pytest.mark.parametrize("function", sorted(MAY))
def test_active(function: str) -> None:
    key = the_cast().key("actor").public_key
    for role, msp in EVERYBODY:
        actor, who = person("actor", msp, role, key), caller(key, msp, role)
        if (role, msp) in MAY[function]:
            succeeds(function, actor, who, arguments(function))
            continue
        said = refused(function, actor, who, arguments(function))
        expected = "conflict" if (function, role) == ("init", "ADMIN") else "denied"
        assert said.reason == expected, (role, msp, str(said))
        assert said.next_step, f"a refusal says who could do it: {said}"


@pytest.mark.parametrize("function", sorted(set(MAY) - {"init"}))
def test_suspended_unregistered_or_in_another_control_room(function: str) -> None:
    cast = the_cast()
    key, stranger = cast.key("actor").public_key, cast.key("stranger").public_key
    for role, msp in EVERYBODY:
        actor, who = person("actor", msp, role, key), caller(key, msp, role)
        assert refused(function, replace(actor, status=SUSPENDED), who, arguments(function)).reason == "denied"
        assert refused(function, actor, caller(stranger, msp, role), arguments(function)).reason == "denied"
        if "control_room" not in places(role):
            continue
        elsewhere = replace(actor, control_room="cr-2")
        if (role, msp) in MAY[function] and function in ELSEWHERE:
            succeeds(function, elsewhere, who, arguments(function))
        elif (role, msp) not in MAY[function] or TABLE[function].kind == "submit" or role != "OWNER":
            assert refused(function, elsewhere, who, arguments(function)).reason == "denied", (role, msp)


@pytest.mark.parametrize("function", sorted(PRIVATE))
def test_on_a_private_camera_its_owner_decides(function: str) -> None:
    key = the_cast().key("actor").public_key
    for role, msp in EVERYBODY:
        if (role, msp) in PRIVATE[function]:
            succeeds(function, person("actor", msp, role, key), caller(key, msp, role), private_arguments(function))
        elif role != "OWNER":
            # Somebody else than the owner: the cameras and requests of the arguments are another's.
            other = person("other", msp, role, key)
            assert refused(function, other, caller(key, msp, role), private_arguments(function)).reason == "denied"


@pytest.mark.parametrize("function", sorted(set(MAY) - {"init"}))
def test_nobody_expired_or_falsely_certified_calls_it(function: str) -> None:
    cast = the_cast()
    role, msp = MAY[function][0]
    key = cast.key("actor").public_key
    good = person("actor", msp, role, key)
    cases = [
        (replace(good, valid_until_us=NOW_US - 1), caller(key, msp, role), "expired"),
        (replace(good, role="LAS" if role != "LAS" else "PO"), caller(key, msp, role), "denied"),
        (replace(good, msp=next(each for each in MSPS if each != msp)), caller(key, msp, role), "denied"),
        (good, caller(key, msp, role, control_room="cr-9"), "denied"),
        (good, caller(key, msp, ""), "denied"),
    ]
    for actor, who, reason in cases:
        assert refused(function, actor, who, arguments(function)).reason == reason, (actor, who)
    succeeds(function, replace(good, valid_until_us=NOW_US), caller(key, msp, role), arguments(function))


@pytest.mark.parametrize("function", sorted(name for name, who in MAY.items() if CRM in who))
def test_a_deputy_acts_for_the_manager_and_in_their_own_name(function: str) -> None:
    key = the_cast().key("actor").public_key
    actor, who = person("actor", CONTROL, "CRS", key), caller(key, CONTROL, "CRS")
    word = {"participant": "actor", "control_room": "cr-1", "by": "manager", "n": 0, "type": "veriframe/delegation/1"}
    good = {**word, **SPAN, "status": "ACTIVE"}
    key_ = {"delegation/actor/0000000000": canonical(good)}
    if function in DEPUTY:
        world = call(function, actor, who, arguments(function), **key_)
        if world.event is not None:
            assert parse_canonical(world.event[1], "event")["actor"] == "actor"
        for bad in (
            {**good, "status": "ENDED"},
            {**good, "until_us": NOW_US - 1},
            {**good, "from_us": NOW_US + 1},
            {**good, "by": "supervisor"},
            {**good, "by": "nobody"},
            {**good, "control_room": "cr-2"},
        ):
            with pytest.raises(Refused) as caught:
                call(function, actor, who, arguments(function), **{"delegation/actor/0000000000": canonical(bad)})
            assert caught.value.reason == "denied"
    elif function in ("delegate", "end_delegation"):
        with pytest.raises(Refused):
            call(function, actor, who, arguments(function), **key_)


@pytest.mark.parametrize("function", ["approve_camera", "approve_change", "reject_change", "decide_request"])
def test_nobody_decides_what_they_proposed_or_asked_for(function: str) -> None:
    cast = the_cast()
    key = cast.key("actor").public_key
    actor, who = person("actor", CONTROL, "CRM", key), caller(key, CONTROL, "CRM")
    change = parse_canonical(state_with(actor).get("change/active-1/0000000000/0000000000") or b"", "change")
    more = {
        "camera/proposed-1/0000000000": camera(cast, "proposed-1", PROPOSED, proposer="actor").canonical(),
        "change/active-1/0000000000/0000000000": canonical({**change, "proposer": "actor"}),
        "request/ask-1/0000000000": canonical(request("ask-1", requester="actor")),
    }
    with pytest.raises(Refused, match="nobody") as caught:
        call(function, actor, who, arguments(function), **more)
    assert caught.value.reason == "denied"


def test_a_recorder_of_another_site_has_no_say() -> None:
    key = the_cast().key("actor").public_key
    actor, who = person("actor", CONTROL, "RECORDER", key, site="south"), caller(key, CONTROL, "RECORDER")
    for function in ("anchor", "propose_change", "record_disclosure"):
        assert refused(function, actor, who, arguments(function)).reason == "denied"


@pytest.mark.parametrize("msp", MSPS)
def test_only_a_named_admin_founds(msp: str) -> None:
    cast = the_cast()
    document = cast.genesis.canonical()
    for role in ROLES:
        who = caller(cast.key(ADMINS[msp]).public_key, msp, role)
        world = MemoryWorld(MemoryState(), caller=who, tx_id="ab" * 32, tx_time_us=NOW_US)
        if role == "ADMIN":
            invoke(world, "init", [document])
            assert len([key for key in world.writes if key.startswith("participant/")]) == len(MSPS)
        else:
            with pytest.raises(Refused):
                invoke(world, "init", [document])
    stranger = caller(cast.key("stranger").public_key, msp, "ADMIN")
    with pytest.raises(Refused, match="does not name you"):
        invoke(MemoryWorld(MemoryState(), caller=stranger, tx_id="a", tx_time_us=0), "init", [document])
    for other in MSPS:
        if other != msp:
            borrowed = caller(cast.key(ADMINS[msp]).public_key, other, "ADMIN")
            with pytest.raises(Refused, match="does not name you"):
                invoke(MemoryWorld(MemoryState(), caller=borrowed, tx_id="a", tx_time_us=0), "init", [document])


@pytest.mark.parametrize(
    ("camera_exists", "query_valid", "listed", "role_allows"), list(itertools.product((True, False), repeat=4))
)
def test_access_is_granted_in_one_of_sixteen_cases(
    camera_exists: bool, query_valid: bool, listed: bool, role_allows: bool
) -> None:
    key = the_cast().key("actor").public_key
    role, msp = ("PO", "PoliceMSP") if role_allows else ("LAS", "LocalAuthorityMSP")
    actor = person("actor", msp, role, key)
    grant = {"camera": "active-1", "participant": "actor", "status": "GRANTED", "purpose": REASON, "by": "manager"}
    more = {"grant/active-1/actor/0000000000": canonical({"type": "veriframe/grant/1", "n": 0, **grant, **SPAN})}
    state = state_with(actor, **(more if listed else {}))
    world = MemoryWorld(state, caller=caller(key, msp, role), tx_id="ab" * 32, tx_time_us=NOW_US)
    span = SPAN if query_valid else {"from_us": 5, "until_us": 5}
    answer = parse_canonical(
        invoke(world, "access", [members(camera="active-1" if camera_exists else "gate-7", **span)]), "answer"
    )
    granted = camera_exists and query_valid and listed and role_allows
    assert answer["decision"] == ("granted" if granted else "denied")
    first = "no camera" if not camera_exists else "not valid" if not query_valid else "not in the list"
    if not (camera_exists and query_valid and listed):
        assert first in answer["reason"]
    elif not role_allows:
        assert "role LAS" in answer["reason"]


def test_access_ends_with_the_grant() -> None:
    key = the_cast().key("actor").public_key
    actor = person("actor", "PoliceMSP", "PO", key)
    grant = {"camera": "active-1", "participant": "actor", "status": "GRANTED", "purpose": REASON, "by": "manager"}
    asked = {"asked/active-1/actor/mine-9": members(request="mine-9")}
    mine = request("mine-9", requester="actor", status="GRANTED", expires_us=NOW_US + 5)
    in_force = {"grant/active-1/actor/0000000000": canonical({"type": "veriframe/grant/1", "n": 0, **grant, **SPAN})}
    by_request = {**asked, "request/mine-9/0000000000": canonical(mine)}
    for more, time_us, decision, why in (
        (in_force, SPAN["until_us"], "granted", "grant 0"),
        (in_force, SPAN["until_us"] + 1, "denied", "expired"),
        (in_force, SPAN["from_us"] - 1, "denied", "not begun"),
        (by_request, NOW_US + 5, "granted", "request mine-9"),
        (by_request, NOW_US + 6, "denied", "expired"),
    ):
        world = MemoryWorld(
            state_with(actor, **more), caller=caller(key, "PoliceMSP", "PO"), tx_id="ab" * 32, tx_time_us=time_us
        )
        answer = parse_canonical(invoke(world, "access", [members(camera="active-1", **SPAN)]), "answer")
        assert (answer["decision"], why in answer["reason"]) == (decision, True), answer
