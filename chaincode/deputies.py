"""Rules about deputies: a manager lets a supervisor act in the manager's place for a time, under their own name."""

from __future__ import annotations

from dataclasses import replace

from chaincode import documents, entries
from chaincode.arguments import Arguments
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import Rule, refuse
from chaincode.world import World
from evidence.decisions import delegation_in_force, parse_delegation
from evidence.registry import ParticipantEntry

KIND = "delegation"


def delegate(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject, from_us, until_us = (
        arguments.text("participant"),
        arguments.number("from_us"),
        arguments.number("until_us"),
    )
    documents.check_span(from_us, until_us)
    deputy = entries.participant(world, subject)
    if deputy is None:
        raise refuse("not_found", f"there is no participant {subject}", "register_participant makes one")
    if deputy.role != "CRS" or deputy.msp != CONTROL_ROOM or deputy.control_room != actor.control_room:
        raise refuse(
            "denied",
            f"a manager's deputy is a supervisor (CRS) of the same control room, and {subject} is {deputy.role} of "
            f"{deputy.control_room or deputy.msp}",
            f"name a supervisor of {actor.control_room}",
        )
    n = documents.append_next(
        world, KIND, subject, _members(subject, actor, status="ACTIVE", from_us=from_us, until_us=until_us)
    )
    return {"participant": subject, "n": n}


def end_delegation(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("participant")
    found = documents.require(world, KIND, subject, "delegate makes one")
    if found.text("control_room") != actor.control_room:
        raise refuse(
            "denied",
            f"a delegation is ended in its own control room, and that of {subject} is {found.text('control_room')}",
            f"a control room manager (CRM) of {found.text('control_room')} can do this",
        )
    if found.status != "ACTIVE":
        raise refuse("conflict", f"only a delegation that stands is ended, and that of {subject} has been")
    n = documents.follow(world, KIND, subject, found, status="ENDED", by=actor.id)
    return {"participant": subject, "n": n}


def _members(subject: str, actor: ParticipantEntry, **more: object) -> dict[str, object]:
    return {"participant": subject, "control_room": actor.control_room, "by": actor.id, **more}


def acting(world: World, rule: Rule, actor: ParticipantEntry) -> ParticipantEntry:
    """`actor` in the role in which they act: a deputy acts as manager, under their own name."""
    return as_manager(world, actor) if rule.permits_deputy(actor.role, actor.msp) else actor


def as_manager(world: World, actor: ParticipantEntry) -> ParticipantEntry:
    """A supervisor in the role of manager while a manager's delegation to them is in force, else as registered."""
    found = entries.newest(world, KIND, actor.id)
    if found is None:
        return actor
    with entries.stored(f"{KIND}/{actor.id}"):
        delegation = parse_delegation(found[1])
    # Who may no longer act cannot be acted for.
    manager = entries.participant(world, delegation.by)
    if not delegation_in_force(delegation, actor, manager, world.tx_time_us):
        return actor
    return replace(actor, role="CRM")
