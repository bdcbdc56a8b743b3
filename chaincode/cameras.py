"""Rules about cameras: proposed by one person, approved by another, then suspended, reinstated or retired.

PROPOSED ─approve→ ACTIVE ─suspend→ SUSPENDED        every arrow appends an entry; ids are never used again,
    │                │ ↖──reinstate──┘ │             whatever became of the camera
    └─reject→ REJECTED └──retire→ RETIRED ←┘
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import replace

from chaincode import documents, entries
from chaincode.arguments import Arguments
from chaincode.bound_keys import bind_to_camera, require_free
from chaincode.rule import refuse
from chaincode.world import World
from evidence.errors import Malformed
from evidence.keys import parse_public_key
from evidence.registry import ACTIVE, PROPOSED, REJECTED, RETIRED, SUSPENDED, CameraEntry, ParticipantEntry

_COMMITMENT = re.compile(r"[0-9a-f]{64}")


def propose_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("camera")
    if entries.newest(world, "camera", subject) is not None:
        raise refuse(
            "conflict",
            f"a camera's id is used once, also after retirement, and {subject} is taken",
            "choose another id",
        )
    control_room, owner = arguments.text("control_room"), arguments.maybe_text("owner")
    if control_room != actor.control_room:
        raise refuse(
            "denied",
            f"cameras are proposed within one's own control room, and yours is {actor.control_room}",
            f"an operator of {control_room} can do this",
        )
    _check_owner(actor, owner)
    check_addresses(arguments.text("ip"), arguments.text("location"), private=owner is not None)
    view_of = arguments.maybe_text("view_of")
    if view_of is not None:
        viewed = existing_camera(world, view_of)
        if (viewed.control_room, viewed.site, viewed.owner) != (control_room, arguments.text("site"), owner):
            raise refuse("invalid", f"another view of a camera stands at the same place, and {view_of} does not")
    key = parse_public_key(arguments.data("device_key"))
    require_free(world, key.key_id)
    entry = CameraEntry(
        id=subject,
        n=0,
        status=PROPOSED,
        site=arguments.text("site"),
        ip=arguments.text("ip"),
        make=arguments.text("make"),
        model=arguments.text("model"),
        serial=arguments.text("serial"),
        firmware=arguments.text("firmware"),
        hardware_address=arguments.text("hardware_address"),
        location=arguments.text("location"),
        control_room=control_room,
        owner=owner,
        view_of=view_of,
        device_key=key,
        key_custody=arguments.text("key_custody"),
        specification=arguments.text("specification"),
        proposer=actor.id,
        decided_by=None,
        reason=None,
    )
    bind_to_camera(world, key.key_id, subject)
    entries.append_camera(world, entry)
    return {"camera": subject}


def recommend_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """A supervisor's word on the record; it activates nothing."""
    entry = decidable(world, actor, arguments.text("camera"), "CRS")
    if entry.status != PROPOSED:
        raise refuse("conflict", f"only a proposed camera is recommended; {entry.id} is {entry.status}")
    for before in documents.every(world, "recommendation", entry.id):
        if before.text("by") == actor.id:
            raise refuse("conflict", f"you have recommended {entry.id} already")
    members = {"camera": entry.id, "entry": entry.n, "by": actor.id}
    return {"camera": entry.id, "n": documents.append_next(world, "recommendation", entry.id, members)}


def approve_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    if entry.proposer == actor.id:
        raise refuse(
            "denied",
            f"nobody approves a camera that they proposed, and you proposed {entry.id}",
            f"another control room manager (CRM) of {entry.control_room} can do this",
        )
    return _move(world, entry, actor, (PROPOSED,), ACTIVE, None)


def reject_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM or CRS")
    return _move(world, entry, actor, (PROPOSED,), REJECTED, arguments.data("reason"))


def suspend_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM or CRS")
    return _move(world, entry, actor, (ACTIVE,), SUSPENDED, arguments.data("reason"))


def reinstate_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    return _move(world, entry, actor, (SUSPENDED,), ACTIVE, arguments.data("reason"))


def retire_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    return _move(world, entry, actor, (ACTIVE, SUSPENDED), RETIRED, arguments.data("reason"))


def existing_camera(world: World, subject: str) -> CameraEntry:
    """The camera in force. Raises Refused where there is none."""
    entry = entries.camera(world, subject)
    if entry is None:
        raise refuse("not_found", f"there is no camera {subject}", "an operator can propose it (propose_camera)")
    return entry


def decidable(world: World, actor: ParticipantEntry, subject: str, deciders: str) -> CameraEntry:
    """The camera in force, where `actor` belongs to its control room."""
    entry = existing_camera(world, subject)
    if entry.control_room != actor.control_room:
        raise refuse(
            "denied",
            f"a camera is decided about in its own control room: {subject} belongs to {entry.control_room}, "
            f"you to {actor.control_room}",
            f"{deciders} of {entry.control_room} can do this",
        )
    return entry


def _move(
    world: World,
    entry: CameraEntry,
    actor: ParticipantEntry,
    before: tuple[str, ...],
    after: str,
    reason: bytes | None,
) -> object:
    if entry.status not in before:
        raise refuse(
            "conflict", f"only a camera that is {' or '.join(before)} becomes {after}; {entry.id} is {entry.status}"
        )
    moved = replace(entry, n=entry.n + 1, status=after, decided_by=actor.id, reason=reason)
    entries.append_camera(world, moved)
    return {"camera": entry.id, "n": moved.n, "status": after}


def _check_owner(actor: ParticipantEntry, owner: str | None) -> None:
    if actor.role == "OWNER" and owner != actor.id:
        raise refuse(
            "denied", "a camera owner proposes their own cameras only", "an operator proposes cameras without owner"
        )
    if actor.role == "OPERATOR" and owner is not None:
        raise refuse("denied", "a private camera is proposed by its owner", f"its owner ({owner}) can do this")


def check_addresses(ip: str, location: str, *, private: bool) -> None:
    """Address and place of a private camera are personal data: commitments only. Others stand in clear."""
    if private:
        if _COMMITMENT.fullmatch(ip) is None or _COMMITMENT.fullmatch(location) is None:
            raise Malformed("address and location of a private camera are commitments: 64 hexadecimal digits")
        return
    try:
        address = ipaddress.ip_address(ip)
        # An IPv4 address inside an IPv6 one is spelt differently by Python 3.13: organisations would not agree on it.
        mapped = address.version == 6 and address.ipv4_mapped is not None
        usual = "%" not in ip and not mapped and str(address) == ip
    except ValueError:
        usual = False
    if not usual:
        raise Malformed("'ip' is not an IPv4 or IPv6 address in its usual spelling")
