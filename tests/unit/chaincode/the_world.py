"""A ledger with one of everything on it, and arguments with which every transaction can succeed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from chaincode.anchors import open_batch
from chaincode.dispatch import invoke
from chaincode.world import MemoryState, MemoryWorld
from evidence.canonical import canonical
from evidence.certificates import Caller
from evidence.digests import to_base64
from evidence.keys import PublicKey
from evidence.policy import DEFAULT_POLICY
from evidence.registry import ACTIVE, PROPOSED, REJECTED, SUSPENDED, CameraEntry, ParticipantEntry
from tests.hosts.cast import CHAIN, ENCRYPTION_KEY, NOW_US, REASON, Cast, members, the_cast

HOUR_US = 3_600_000_000
SPAN = {"from_us": NOW_US - HOUR_US, "until_us": NOW_US + HOUR_US}
OTHER = "22" * 32
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


def places(role: str, control_room: str = "cr-1") -> dict[str, str]:
    if role in ("CRM", "CRS", "OPERATOR", "OWNER"):
        return {"control_room": control_room}
    if role == "RECORDER":
        return {"control_room": control_room, "site": "north"}
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
        **places(role),
        **changed,
    }
    return ParticipantEntry(**values)  # type: ignore[arg-type]


def camera(cast: Cast, name: str, status: str, proposer: str = "somebody", owner: str | None = None) -> CameraEntry:
    values = {key: value for key, value in cast.camera(name).items() if key not in ("camera", "device_key")}
    return CameraEntry(
        **{**values, "id": name, "n": 0, "status": status, "device_key": cast.key(name).public_key},
        owner=owner,
        view_of=None,
        proposer=proposer,
        decided_by=None,
        reason=None,
    )


def request(name: str, **changed: object) -> dict[str, object]:
    return {
        "type": "veriframe/request/1",
        "n": 0,
        "request": name,
        "status": "REQUESTED",
        "requester": "requester",
        "cameras": ["active-1"],
        "control_room": "cr-1",
        "owner": None,
        **SPAN,
        "purpose": REASON,
        "legal_basis": REASON,
        "encryption_key": ENCRYPTION_KEY,
        "expires_us": NOW_US + HOUR_US,
        "incident": "incident-1",
        "masking": False,
        "reason": None,
        "by": "requester",
        **changed,
    }


@cache
def _common() -> Mapping[str, bytes]:
    """Everything that does not depend on who calls."""
    cast = the_cast()
    state: dict[str, bytes] = {"genesis": cast.genesis.canonical()}
    control, police, local = "ControlRoomMSP", "PoliceMSP", "LocalAuthorityMSP"
    for name, msp, role in (
        ("supervisor", control, "CRS"),
        ("suspended", control, "CRS"),
        ("recorder", control, "RECORDER"),
        ("manager", control, "CRM"),
        ("deputy", control, "CRS"),
        ("grantee", police, "PO"),
        ("requester", police, "PO"),
        ("lost", local, "ADMIN"),
    ):
        status = SUSPENDED if name == "suspended" else ACTIVE
        entry = person(name, msp, role, cast.key(name).public_key, status=status)
        state[f"participant/{name}/0000000000"] = entry.canonical()
        state[f"key/{entry.key}"] = members(participant=name)
    cameras = (("proposed-1", PROPOSED, None), ("active-1", ACTIVE, None), ("suspended-1", SUSPENDED, None))
    for name, status, owner in (*cameras, ("x", REJECTED, None), ("porch", ACTIVE, "actor")):
        state[f"camera/{name}/0000000000"] = camera(cast, name, status, owner=owner).canonical()
    state[f"chain/active-1/{CHAIN:010d}"] = b'{"recorder":"recorder"}'
    state[f"block/active-1/{CHAIN:010d}/0000000000"] = cast.blocks(0, camera="active-1")[0].canonical()
    state["root/north/recorder/0000000000"] = canonical(BATCH)
    documents: dict[str, dict[str, object]] = {
        "delegation/deputy": {"participant": "deputy", "control_room": "cr-1", "by": "manager", **SPAN,
            "status": ACTIVE,
        },
        "grant/active-1/grantee": {
            "camera": "active-1", "participant": "grantee", "status": "GRANTED", "purpose": REASON,
            **SPAN, "by": "manager",
        },
        "grant/porch/grantee": {
            "camera": "porch", "participant": "grantee", "status": "GRANTED", "purpose": REASON, **SPAN, "by": "actor",
        },
        "incident/incident-1": {
            "incident": "incident-1", "status": "REPORTED", "kind": "actual", "cameras": ["active-1"],
            "control_room": "cr-1", "at_us": NOW_US, "text": None, "reported_by": "x", "answer": None, "by": "x",
        },
        "lock/lock-1": {
            "lock": "lock-1", "status": "LOCKED", "cameras": ["active-1"], "control_room": "cr-1", **SPAN,
            "review_us": NOW_US, "reason": REASON, "msp": police, "locked_by": "x", "released_by": None,
        },
        "verification/report-2": {
            "verification": "report-2", "status": "RECORDED", "footage": REASON, "state": "VERIFIED", "report": REASON,
            "msp": police, "by": "x", "superseded_by": None, "error": None,
        },
        "request/ask-1": request("ask-1"),
        "request/ask-porch": request("ask-porch", cameras=["porch"], owner="actor"),
        "request/granted-1": request("granted-1", status="GRANTED", by="manager"),
        "request/mine-1": request("mine-1", requester="actor"),
    }  # fmt: skip
    for key, document in documents.items():
        kind = key.partition("/")[0]
        state[f"{key}/0000000000"] = canonical({"type": f"veriframe/{kind}/1", "n": 0, **document})
    state["change/active-1/0000000000/0000000000"] = canonical(
        {
            "type": "veriframe/change/1", "camera": "active-1", "number": 0, "n": 0, "status": "PROPOSED",
            "kind": "firmware", "proposer": "somebody", "firmware": "2.0",
            **dict.fromkeys(
                ("decided_by", "reason", "ip", "location", "make", "model", "serial", "hardware_address", "device_key",
                 "key_custody", "key_from")
            ),
        }
    )  # fmt: skip
    return state


def state_with(actor: ParticipantEntry, **more: bytes) -> MemoryState:
    """A ledger on which `actor` is registered exactly as said, whether or not a rule would have let them be."""
    state = MemoryState()
    for key, value in _common().items():
        state.set(key, value)
    report = {
        "type": "veriframe/verification/1", "n": 0, "verification": "report-1", "status": "RECORDED", "footage": REASON,
        "state": "VERIFIED", "report": REASON, "msp": actor.msp, "by": "x", "superseded_by": None, "error": None,
    }  # fmt: skip
    state.set("verification/report-1/0000000000", canonical(report))
    exhibit = {
        "type": "veriframe/exhibit/1", "n": 0, "exhibit": "exhibit-1", "footage": REASON, "copy": "copy",
        "clock_check": None, "text": None, "msp": actor.msp, "receiver": "x",
    }  # fmt: skip
    state.set("exhibit/exhibit-1/0000000000", canonical(exhibit))
    state.set(f"participant/{actor.id}/0000000000", actor.canonical())
    state.set(f"key/{actor.key}", members(participant=actor.id))
    for key, value in more.items():
        state.set(key, value)
    return state


@cache
def arguments(function: str) -> bytes:
    cast = the_cast()
    slot: dict[str, Any] = {"camera": "active-1", "chain": CHAIN}
    batches = {"site": "north", "recorder": "recorder"}
    key = cast.key("newcomer").public_key
    ask = {"purpose": REASON, "legal_basis": REASON, "encryption_key": ENCRYPTION_KEY, "expires_us": NOW_US + HOUR_US}
    by_function: dict[str, bytes] = {
        "init": cast.genesis.canonical(),
        "register_participant": members(participant="newcomer", key=key.key_id, role="CRM", control_room="cr-1"),
        "change_participant": members(participant="supervisor", role="CRM", control_room="cr-1"),
        "suspend_participant": members(participant="supervisor"),
        "reinstate_participant": members(participant="suspended"),
        "rotate_participant_key": members(participant="supervisor", key=key.key_id),
        "replace_admin": members(lost="lost", participant="newcomer", key=key.key_id),
        "activate_rules": members(version=2),
        "delegate": members(participant="supervisor", **SPAN),
        "end_delegation": members(participant="deputy"),
        "propose_camera": members(**cast.camera("gate-9")),
        "recommend_camera": members(camera="proposed-1"),
        "approve_camera": members(camera="proposed-1"),
        "reject_camera": members(camera="proposed-1", reason=REASON),
        "suspend_camera": members(camera="active-1", reason=REASON),
        "reinstate_camera": members(camera="suspended-1", reason=REASON),
        "retire_camera": members(camera="active-1", reason=REASON),
        "propose_change": members(
            camera="active-1", kind="key", device_key=to_base64(key.spki), key_custody="file", chain=CHAIN, sequence=9
        ),
        "approve_change": members(camera="active-1", number=0),
        "reject_change": members(camera="active-1", number=0, reason=REASON),
        "revoke_key": members(
            camera="active-1", key=cast.key("active-1").public_key.key_id, compromised_since_us=NOW_US, reason=REASON
        ),
        "announce_maintenance": members(camera="active-1", **SPAN),
        "set_policy": members(policy=DEFAULT_POLICY.to_json()),
        "anchor": open_batch(cast.blocks(1, camera="active-1")),
        "grant_access": members(camera="active-1", participant="requester", purpose=REASON, **SPAN),
        "revoke_access": members(camera="active-1", participant="grantee"),
        "access": members(camera="active-1", **SPAN),
        "report_incident": members(incident="incident-2", kind="suspicious", cameras=["active-1"], at_us=NOW_US),
        "respond_incident": members(incident="incident-1", answer=REASON),
        "close_incident": members(incident="incident-1", reason=REASON),
        "request_footage": members(request="ask-2", cameras=["active-1"], **SPAN, **ask),
        "withdraw_request": members(request="mine-1"),
        "decide_request": members(request="ask-1", decision="grant"),
        "record_disclosure": members(
            request="granted-1", camera="active-1", recipient="requester", masked=False, objects=[REASON], **SPAN
        ),
        "record_verification": members(verification="report-3", footage=REASON, state="ALTERED", report=REASON),
        "supersede_verification": members(verification="report-1", superseded_by="report-2", error=REASON),
        "receive_exhibit": members(exhibit="exhibit-2", footage=REASON, copy="master"),
        "lock_evidence": members(
            lock="lock-2", cameras=["active-1"], reason=REASON, review_us=NOW_US + HOUR_US, **SPAN
        ),
        "release_evidence": members(lock="lock-1", reason=REASON),
        "attest_leaves": members(**batches, batch=0, leaves=REASON),
        "get_policy": members(control_room="cr-1"),
        "history_policy": members(control_room="cr-1"),
        "get_block": members(**slot, sequence=0),
        "find_blocks": members(**slot),
        "read_proof": members(
            ranges=[["block/active-1/", "block/active-10"], ["participant/", "participant0"], ["genesis", "genesis0"]]
        ),
        "get_batch": members(**batches, batch=0),
        "find_batches": members(**batches),
        "find_attestations": members(**batches),
        "find_disclosures": members(request="granted-1"),
        "get_request": members(request="ask-1"),
        "history_request": members(request="ask-1"),
    }  # fmt: skip
    for name in ("get_camera", "history_camera", "find_chains", "find_changes", "find_recommendations"):
        by_function[name] = members(camera="active-1")
    for name in ("find_revocations", "find_maintenance", "find_grants", "find_holds"):
        by_function[name] = members(camera="active-1")
    for subject, name in (
        ("participant", "supervisor"), ("incident", "incident-1"), ("verification", "report-1"), ("lock", "lock-1"),
        ("exhibit", "exhibit-1"),
    ):  # fmt: skip
        by_function[f"get_{subject}"] = by_function[f"history_{subject}"] = members(**{subject: name})
    return by_function.get(function, members())


def private_arguments(function: str) -> bytes:
    """The same for the private camera of whoever calls."""
    hidden = {"owner": "actor", "ip": REASON, "location": REASON}
    by_function = {
        "propose_camera": members(**the_cast().camera("gate-9", **hidden)),
        "grant_access": members(camera="porch", participant="requester", purpose=REASON, **SPAN),
        "revoke_access": members(camera="porch", participant="grantee"),
        "decide_request": members(request="ask-porch", decision="deny", reason=OTHER),
        "get_camera": members(camera="porch"),
        "find_blocks": members(camera="porch", chain=CHAIN),
        "find_holds": members(camera="porch"),
    }
    return by_function[function]


def caller(key: PublicKey, msp: str, role: str, **attributes: str) -> Caller:
    return Caller(
        msp=msp,
        subject="CN=somebody",
        role=role,
        attributes={"role": role, **attributes},
        public_key=key,
        certificate_sha256=bytes(32),
    )


def call(
    function: str, actor: ParticipantEntry, who: Caller, argument: bytes, *, time_us: int = NOW_US, **more: bytes
) -> MemoryWorld:
    """`who` calls on a ledger where `actor` is registered; raises what the contract raises."""
    world = MemoryWorld(state_with(actor, **more), caller=who, tx_id="ab" * 32, tx_time_us=time_us)
    invoke(world, function, [argument])
    return world
