"""Rules about evidence locks: one person locks, two of two organisations release."""

from __future__ import annotations

from chaincode import documents
from chaincode.arguments import Arguments
from chaincode.cameras import existing_camera
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import refuse
from chaincode.second_person import confirmed, waits
from chaincode.world import World
from evidence.errors import Malformed
from evidence.registry import ParticipantEntry

STATUSES = ("LOCKED", "RELEASED")


def lock_evidence(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("lock")
    documents.require_new(world, "lock", subject)
    from_us, until_us = arguments.number("from_us"), arguments.number("until_us")
    documents.check_span(from_us, until_us)
    if arguments.number("review_us") <= world.tx_time_us:
        raise Malformed(
            "the date on which somebody looks at the lock again lies in the past", next_step="name a later review date"
        )
    rooms = {existing_camera(world, each).control_room for each in arguments.names("cameras")}
    if len(rooms) != 1:
        raise refuse("invalid", "a lock names cameras of one control room", "make a lock for each control room")
    room = rooms.pop()
    _check_room(actor, room)
    members = {
        "lock": subject,
        "status": "LOCKED",
        "cameras": list(arguments.names("cameras")),
        "control_room": room,
        "from_us": from_us,
        "until_us": until_us,
        "review_us": arguments.number("review_us"),
        "reason": arguments.data("reason").hex(),
        "msp": actor.msp,
        "locked_by": actor.id,
        "released_by": None,
    }
    documents.append(world, "lock", subject, members, n=0)
    return {"lock": subject}


def release_evidence(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Takes two persons of two organisations, so that one of them is from outside the locker's."""
    subject = arguments.text("lock")
    found = documents.require(world, "lock", subject, "lock_evidence makes one")
    room = found.text("control_room")
    _check_room(actor, room)
    if found.status != "LOCKED":
        raise refuse("conflict", f"a lock is released once, and {subject} has been")
    first = confirmed(world, actor, "release_evidence", arguments, room=room)
    if first is None:
        return waits(f"a CRM, PO or PCRO of another organisation than {actor.msp}")
    documents.follow(
        world,
        "lock",
        subject,
        found,
        status="RELEASED",
        reason=arguments.data("reason").hex(),
        released_by=[first.id, actor.id],
    )
    return {"executed": True, "lock": subject}


def _check_room(actor: ParticipantEntry, room: str) -> None:
    if actor.msp == CONTROL_ROOM and actor.control_room != room:
        raise refuse(
            "denied",
            f"a manager locks and releases footage of the own control room, and this is of {room}",
            f"a control room manager (CRM) of {room}, or the police, can do this",
        )
