"""What takes two persons of two organisations: they call the same transaction with identical arguments.

A transaction has one creator, so the first call writes `pending/<function>/<digest of the arguments>/<n>` and the
second one executes. Both stay on the ledger.
"""

from __future__ import annotations

from dataclasses import replace

from chaincode import documents, entries
from chaincode.arguments import Arguments
from chaincode.bound_keys import bind_to_participant, require_free
from chaincode.deputies import as_manager
from chaincode.documents import Document
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import refuse
from chaincode.world import World
from evidence.canonical import canonical
from evidence.digests import sha256
from evidence.registry import ACTIVE, SUSPENDED, ParticipantEntry

FIRST_ACTIVATED = 2  # version 1 of the rules counts from the founding on


def confirmed(
    world: World, actor: ParticipantEntry, function: str, arguments: Arguments, *, room: str | None = None
) -> ParticipantEntry | None:
    """The first person, where `actor` is the second; None where `actor` is the first and now waits for another.

    A first person who may no longer act counts for nothing: `actor` takes their place.

    Args:
        room: the control room whose people alone may act for that organisation; None: it does not matter.

    Raises:
        Refused: the same person, or somebody of the same organisation, calls again.
    """
    subject = f"{function.replace('_', '-')}/{sha256(arguments.document).hex()}"
    waiting = documents.newest(world, "pending", subject)
    number = 0 if waiting is None else waiting.n + 1
    members = {"function": function, "by": actor.id, "msp": actor.msp, "role": actor.role}
    if waiting is not None and waiting.status == "WAITING":
        first = _still_acting(world, waiting, room)
        if first is not None:
            if first.msp == actor.msp:
                caller = "you have" if first.id == actor.id else f"{first.id} of {first.msp} has"
                raise refuse(
                    "denied",
                    f"this takes two persons of two organisations, and {caller} called already",
                    f"somebody of another organisation than {first.msp} can do this, with the same arguments",
                )
            documents.append(world, "pending", subject, {**members, "status": "EXECUTED", "first": first.id}, n=number)
            return first
    documents.append(world, "pending", subject, {**members, "status": "WAITING"}, n=number)
    return None


def _still_acting(world: World, waiting: Document, room: str | None) -> ParticipantEntry | None:
    """Who called first, where they could call again now, in the role in which they did; a deputy as manager."""
    first = entries.participant(world, waiting.text("by"))
    if first is None or not first.active_at(world.tx_time_us):
        return None
    if room is not None and first.msp == CONTROL_ROOM and first.control_room != room:
        return None
    if first.role != waiting.text("role"):
        first = as_manager(world, first)
    return first if first.role == waiting.text("role") else None


def waits(detail: str) -> object:
    """The result of a first call."""
    return {"executed": False, "waits_for": detail}


def replace_admin(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Suspend a lost ADMIN and register another of the same organisation."""
    lost, made = arguments.text("lost"), arguments.text("participant")
    entry = entries.participant(world, lost)
    if entry is None:
        raise refuse("not_found", f"there is no participant {lost}", "find_participants lists the ADMINs")
    if entry.role != "ADMIN":
        raise refuse("denied", f"only ADMINs are replaced in this way, and {lost} is {entry.role}")
    if entry.msp == actor.msp:
        raise refuse(
            "denied",
            f"a lost ADMIN is replaced by the ADMINs of two other organisations, and {lost} is of your own",
            f"ADMINs of two organisations other than {entry.msp} can do this",
        )
    if entries.newest(world, "participant", made) is not None:
        raise refuse("conflict", f"a participant's id is used once, and {made} exists", "choose another id")
    key_id = arguments.text("key")
    require_free(world, key_id)
    if confirmed(world, actor, "replace_admin", arguments) is None:
        return waits(f"an ADMIN of a third organisation, neither {actor.msp} nor {entry.msp}")
    if entry.status == ACTIVE:
        entries.append_participant(world, replace(entry, n=entry.n + 1, status=SUSPENDED))
    bind_to_participant(world, key_id, made)
    entries.append_participant(world, replace(entry, id=made, n=0, status=ACTIVE, key=key_id, valid_until_us=None))
    return {"executed": True, "participant": made}


def activate_rules(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Let the rules of the next version count from here on; contracts that do not know them stop writing.

    Until then a newer contract follows the rules in force, to the byte: it reads the same keys and writes the same
    values, else no two organisations endorse the same while some have upgraded and some have not.
    """
    version, now = arguments.number("version"), rules_in_force(world)
    if version != now + 1:
        raise refuse("conflict", f"rules are activated one version after the other, and version {now} is in force")
    if confirmed(world, actor, "activate_rules", arguments) is None:
        return waits(f"an ADMIN of another organisation than {actor.msp}")
    world.put(rules_key(version), canonical({"type": "veriframe/rules/1", "version": version, "by": actor.id}))
    return {"executed": True, "version": version}


def rules_key(version: int) -> str:
    return f"rules/{version:010d}"


def rules_in_force(world: World) -> int:
    """Version of the rules that count; 1 from the founding on. Reads the same keys whatever version asks."""
    version = FIRST_ACTIVATED - 1
    while world.get(rules_key(version + 1)) is not None:
        version += 1
    return version
