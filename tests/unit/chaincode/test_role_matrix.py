"""Every transaction, called by every role under every organisation.

`MAY` is written down from the design page of the contract, by hand and apart from the table that dispatch reads: where
the two differ, one of them is wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest

from chaincode.anchors import open_batch
from chaincode.dispatch import invoke
from chaincode.table import TABLE
from chaincode.world import MemoryState, MemoryWorld
from evidence.canonical import canonical
from evidence.certificates import Caller
from evidence.errors import Refused
from evidence.keys import PublicKey
from evidence.policy import DEFAULT_POLICY
from evidence.registry import ACTIVE, PROPOSED, REJECTED, SUSPENDED, CameraEntry, ParticipantEntry
from tests.hosts.cast import ADMINS, CHAIN, MSPS, NOW_US, REASON, Cast, members, the_cast

CONTROL, POLICE, LOCAL, AUDIT = MSPS
ROLES = ("CRM", "CRS", "OPERATOR", "RECORDER", "OWNER", "PO", "PCRO", "LAS", "AUDITOR", "ADMIN")

CRM, CRS, OPERATOR, RECORDER, OWNER = ((role, CONTROL) for role in ROLES[:5])
PO, PCRO, LAS, AUDITOR = ("PO", POLICE), ("PCRO", POLICE), ("LAS", LOCAL), ("AUDITOR", AUDIT)
ADMIN = tuple(("ADMIN", msp) for msp in MSPS)
ALL = (CRM, CRS, OPERATOR, RECORDER, OWNER, PO, PCRO, LAS, AUDITOR, *ADMIN)
CAMERAS_SHOWN = (CRM, CRS, OPERATOR, RECORDER, LAS, AUDITOR)
BLOCKS_SHOWN = (CRM, CRS, OPERATOR, RECORDER, AUDITOR)

# Who succeeds with the arguments below. OWNER, PO and PCRO may ask for cameras, and are shown none that are not theirs
# or granted to them.
MAY: Mapping[str, tuple[tuple[str, str], ...]] = {
    "init": (),  # only on an empty ledger, see test_only_a_named_admin_founds
    "register_participant": (("ADMIN", CONTROL),),  # the arguments register a CRM, whom only this organisation has
    "change_participant": (("ADMIN", CONTROL),),
    "suspend_participant": (("ADMIN", CONTROL),),
    "reinstate_participant": (("ADMIN", CONTROL),),
    "propose_camera": (OPERATOR,),
    "approve_camera": (CRM,),
    "reject_camera": (CRM, CRS),
    "suspend_camera": (CRM, CRS),
    "reinstate_camera": (CRM,),
    "retire_camera": (CRM,),
    "set_policy": (CRM,),  # and CRS within bounds, of which there are none here
    "anchor": (RECORDER,),
    "describe": ALL,
    "get_genesis": ALL,
    "get_camera": CAMERAS_SHOWN,
    "find_cameras": (*CAMERAS_SHOWN, OWNER, PO, PCRO),
    "history_camera": CAMERAS_SHOWN,
    "get_participant": ALL,
    "find_participants": ALL,
    "history_participant": ALL,
    "get_policy": ALL,
    "history_policy": ALL,
    "get_block": BLOCKS_SHOWN,
    "find_blocks": BLOCKS_SHOWN,
    "find_chains": BLOCKS_SHOWN,
    "get_batch": BLOCKS_SHOWN,
    "find_batches": BLOCKS_SHOWN,
}
BATCH = {
    "type": "veriframe/batch/1",
    "site": "north",
    "recorder": "recorder",
    "batch": 0,
    "previous": None,
    "from_us": 0,
    "to_us": 1,
    "count": 1,
    "root": REASON,
    "opened": [],
}


def arguments(function: str, cast: Cast) -> bytes:
    slot = {"camera": "active-1", "chain": CHAIN, "sequence": 0}
    batches = {"site": "north", "recorder": "recorder"}
    key = cast.key("newcomer").public_key.key_id
    by_function: dict[str, bytes] = {
        "init": cast.genesis.canonical(),
        "register_participant": members(participant="newcomer", key=key, role="CRM", control_room="cr-1"),
        "change_participant": members(participant="supervisor", role="CRM", control_room="cr-1"),
        "suspend_participant": members(participant="supervisor"),
        "reinstate_participant": members(participant="suspended"),
        "propose_camera": members(**cast.camera("gate-9")),
        "approve_camera": members(camera="proposed-1"),
        "reject_camera": members(camera="proposed-1", reason=REASON),
        "suspend_camera": members(camera="active-1", reason=REASON),
        "reinstate_camera": members(camera="suspended-1", reason=REASON),
        "retire_camera": members(camera="active-1", reason=REASON),
        "set_policy": members(policy=DEFAULT_POLICY.to_json()),
        "anchor": open_batch(cast.blocks(1, camera="active-1")),
        "get_camera": members(camera="active-1"),
        "history_camera": members(camera="active-1"),
        "get_participant": members(participant="supervisor"),
        "history_participant": members(participant="supervisor"),
        "get_policy": members(control_room="cr-1"),
        "history_policy": members(control_room="cr-1"),
        "get_block": members(**slot),
        "find_blocks": members(camera="active-1", chain=CHAIN),
        "find_chains": members(camera="active-1"),
        "get_batch": members(**batches, batch=0),
        "find_batches": members(**batches),
    }
    return by_function.get(function, members())


def places(role: str, msp: str) -> dict[str, str]:
    if role in ("CRM", "CRS", "OPERATOR", "OWNER"):
        return {"control_room": "cr-1"}
    if role == "RECORDER":
        return {"control_room": "cr-1", "site": "north"}
    return {"department": "d-1"} if role in ("PO", "PCRO") else {}


def person(name: str, msp: str, role: str, key: PublicKey, **changed: object) -> ParticipantEntry:
    values: dict[str, object] = {
        "id": name,
        "n": 0,
        "status": ACTIVE,
        "msp": msp,
        "role": role,
        "key": key.key_id,
        **dict.fromkeys(("control_room", "department", "site", "valid_until_us")),
        **places(role, msp),
        **changed,
    }
    return ParticipantEntry(**values)  # type: ignore[arg-type]


def camera(cast: Cast, name: str, status: str, proposer: str = "somebody") -> CameraEntry:
    values = {key: value for key, value in cast.camera(name).items() if key not in ("camera", "device_key")}
    return CameraEntry(
        **{**values, "id": name, "n": 0, "status": status, "device_key": cast.key(name).public_key},
        owner=None,
        view_of=None,
        proposer=proposer,
        decided_by=None,
        reason=None,
    )


def state_with(cast: Cast, actor: ParticipantEntry) -> MemoryState:
    """A ledger on which `actor` is registered exactly as said, whether or not a rule would have let them be."""
    state = MemoryState()
    state.set("genesis", cast.genesis.canonical())
    people = [
        actor,
        person("supervisor", CONTROL, "CRS", cast.key("supervisor").public_key),
        person("suspended", CONTROL, "CRS", cast.key("suspended").public_key, status=SUSPENDED),
    ]
    if actor.id != "recorder":
        people.append(person("recorder", CONTROL, "RECORDER", cast.key("recorder").public_key))
    for each in people:
        state.set(f"participant/{each.id}/0000000000", each.canonical())
        state.set(f"key/{each.key}", members(participant=each.id))
    for name, status in (("proposed-1", PROPOSED), ("active-1", ACTIVE), ("suspended-1", SUSPENDED), ("x", REJECTED)):
        state.set(f"camera/{name}/0000000000", camera(cast, name, status).canonical())
    state.set(f"chain/active-1/{CHAIN:010d}", b'{"recorder":"recorder"}')
    state.set(f"block/active-1/{CHAIN:010d}/0000000000", cast.blocks(0, camera="active-1")[0].canonical())
    state.set("root/north/recorder/0000000000", canonical(BATCH))
    return state


def caller(key: PublicKey, msp: str, role: str, **attributes: str) -> Caller:
    return Caller(
        msp=msp,
        subject="CN=somebody",
        role=role,
        attributes={"role": role, **attributes},
        public_key=key,
        certificate_sha256=bytes(32),
    )


def call(cast: Cast, function: str, actor: ParticipantEntry, who: Caller, time_us: int = NOW_US) -> MemoryWorld:
    world = MemoryWorld(state_with(cast, actor), caller=who, tx_id="ab" * 32, tx_time_us=time_us)
    invoke(world, function, [arguments(function, cast)])
    return world


def test_the_transcription_names_the_same_transactions_as_the_table() -> None:
    assert set(MAY) == set(TABLE)


@pytest.mark.parametrize("function", sorted(MAY))
def test_each_transaction_by_each_role_of_each_organisation(function: str) -> None:
    cast = the_cast()
    for role, msp in itertools.product(ROLES, MSPS):
        key = cast.key("actor").public_key
        actor = person("actor", msp, role, key)
        who = caller(key, msp, role)
        if (role, msp) in MAY[function]:
            world = call(cast, function, actor, who)
            assert (world.event is not None) == bool(world.writes)
            assert bool(world.writes) == (TABLE[function].kind == "submit")
            continue
        with pytest.raises(Refused) as caught:
            call(cast, function, actor, who)
        assert caught.value.reason == ("conflict" if (function, role) == ("init", "ADMIN") else "denied"), (role, msp)
        assert caught.value.where == function
        assert caught.value.next_step, "a refusal says who could do it"


@pytest.mark.parametrize("function", sorted(set(MAY) - {"init"}))
def test_nobody_suspended_expired_unregistered_or_falsely_certified_calls_it(function: str) -> None:
    cast = the_cast()
    role, msp = MAY[function][0]
    key, other = cast.key("actor").public_key, cast.key("other").public_key
    good = person("actor", msp, role, key)
    cases = [
        (person("actor", msp, role, key, status=SUSPENDED), caller(key, msp, role), "denied"),
        (person("actor", msp, role, key, valid_until_us=NOW_US - 1), caller(key, msp, role), "expired"),
        (good, caller(other, msp, role), "denied"),
        (person("actor", msp, "LAS" if role != "LAS" else "PO", key), caller(key, msp, role), "denied"),
        (person("actor", next(m for m in MSPS if m != msp), role, key), caller(key, msp, role), "denied"),
        (good, caller(key, msp, role, control_room="cr-9"), "denied"),
        (good, caller(key, msp, ""), "denied"),
    ]
    for actor, who, reason in cases:
        with pytest.raises(Refused) as caught:
            call(cast, function, actor, who)
        assert caught.value.reason == reason, (actor, who)
    assert call(cast, function, person("actor", msp, role, key, valid_until_us=NOW_US), caller(key, msp, role))


@pytest.mark.parametrize(
    "function", [each for each in MAY if each.endswith("_camera") and TABLE[each].kind == "submit"] + ["anchor"]
)
def test_another_control_room_or_site_has_no_say(function: str) -> None:
    cast = the_cast()
    role, msp = MAY[function][0]
    key = cast.key("actor").public_key
    with pytest.raises(Refused) as caught:
        call(cast, function, person("actor", msp, role, key, control_room="cr-2"), caller(key, msp, role))
    assert caught.value.reason == "denied"
    if function == "anchor":
        with pytest.raises(Refused, match="stands at north"):
            call(cast, function, person("actor", msp, role, key, site="south"), caller(key, msp, role))


def test_the_proposer_does_not_approve_whatever_their_role_is_now() -> None:
    cast = the_cast()
    key = cast.key("actor").public_key
    actor = person("actor", CONTROL, "CRM", key)
    state = state_with(cast, actor)
    state.set("camera/proposed-1/0000000000", camera(cast, "proposed-1", PROPOSED, proposer="actor").canonical())
    world = MemoryWorld(state, caller=caller(key, CONTROL, "CRM"), tx_id="ab" * 32, tx_time_us=NOW_US)
    with pytest.raises(Refused, match="another control room manager"):
        invoke(world, "approve_camera", [members(camera="proposed-1")])


@pytest.mark.parametrize("msp", MSPS)
def test_only_a_named_admin_founds(msp: str) -> None:
    cast = the_cast()
    document = cast.genesis.canonical()
    for role in ROLES:
        world = MemoryWorld(
            MemoryState(),
            caller=caller(cast.key(ADMINS[msp]).public_key, msp, role),
            tx_id="ab" * 32,
            tx_time_us=NOW_US,
        )
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
