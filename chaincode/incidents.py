"""Rules about incidents: reported by whoever notices, answered and closed by the control room of the cameras.

REPORTED ─respond→ RESPONDED ─close→ CLOSED; one that needs no answer is closed at once.
"""

from __future__ import annotations

from chaincode import documents
from chaincode.arguments import Arguments
from chaincode.cameras import existing_camera
from chaincode.documents import Document
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import refuse
from chaincode.world import World
from evidence.registry import ParticipantEntry

KINDS = ("suspicious", "actual")
STATUSES = ("REPORTED", "RESPONDED", "CLOSED")


def report_incident(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("incident")
    documents.require_new(world, "incident", subject)
    cameras = [existing_camera(world, each) for each in arguments.names("cameras")]
    rooms = {each.control_room for each in cameras}
    if len(rooms) != 1:
        raise refuse("invalid", "an incident names cameras of one control room", "report it once for each control room")
    room = rooms.pop()
    if actor.msp == CONTROL_ROOM and actor.control_room != room:
        raise refuse(
            "denied",
            f"an operator reports incidents of the own control room, and these cameras belong to {room}",
            f"an operator of {room} can do this",
        )
    members = {
        "incident": subject,
        "status": "REPORTED",
        "kind": arguments.text("kind"),
        "cameras": list(arguments.names("cameras")),
        "control_room": room,
        "at_us": arguments.number("at_us"),
        "text": arguments.maybe_hex("text"),
        "reported_by": actor.id,
        "answer": None,
        "by": actor.id,
    }
    documents.append(world, "incident", subject, members, n=0)
    return {"incident": subject, "control_room": room}


def respond_incident(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _move(world, actor, arguments, ("REPORTED",), "RESPONDED", "answer")


def close_incident(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _move(world, actor, arguments, ("REPORTED", "RESPONDED"), "CLOSED", "reason")


def existing_incident(world: World, subject: str) -> Document:
    """The incident in force. Raises Refused where there is none."""
    return documents.require(world, "incident", subject, "report_incident makes one")


def _move(
    world: World, actor: ParticipantEntry, arguments: Arguments, before: tuple[str, ...], after: str, said: str
) -> object:
    subject = arguments.text("incident")
    found = existing_incident(world, subject)
    room = found.text("control_room")
    if actor.control_room != room:
        raise refuse(
            "denied",
            f"an incident is handled by the control room of its cameras, and {subject} belongs to {room}",
            f"an operator, supervisor or manager of {room} can do this",
        )
    if found.status not in before:
        raise refuse(
            "conflict", f"only an incident that is {' or '.join(before)} becomes {after}; {subject} is {found.status}"
        )
    n = documents.follow(
        world, "incident", subject, found, status=after, answer=arguments.data(said).hex(), by=actor.id
    )
    return {"incident": subject, "n": n, "status": after}
