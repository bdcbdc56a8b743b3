"""Rules about participants: the founding document, and whom each organisation's ADMIN registers."""

from __future__ import annotations

from dataclasses import replace

from chaincode import entries
from chaincode.arguments import Arguments
from chaincode.bound_keys import bind_to_participant, require_free
from chaincode.roles import PLACES, ROLES
from chaincode.rule import refuse
from chaincode.world import World
from evidence.certificates import Caller
from evidence.genesis import parse_genesis
from evidence.registry import ParticipantEntry


def founding_admin_id(key_id: str) -> str:
    """Pseudonym of an ADMIN who stands in the genesis document by key id alone."""
    return f"admin-{key_id[:32]}"


def _founding_entry(msp: str, key_id: str) -> ParticipantEntry:
    return ParticipantEntry(
        id=founding_admin_id(key_id),
        n=0,
        status="ACTIVE",
        msp=msp,
        role="ADMIN",
        key=key_id,
        control_room=None,
        department=None,
        site=None,
        valid_until_us=None,
    )


def founding_admin(caller: Caller) -> ParticipantEntry:
    """The caller of `init` as a participant; whether the genesis document names them, `init` asks."""
    return _founding_entry(caller.msp, caller.public_key.key_id)


def init(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Found the ledger on a genesis document, and register the ADMINs that it names."""
    if world.get(entries.GENESIS_KEY) is not None:
        raise refuse("conflict", "a ledger is founded once, and this one has been", "nobody can found it again")
    genesis = parse_genesis(arguments.document)
    organisation = genesis.msps.get(actor.msp)
    if organisation is None or actor.key not in organisation.admins:
        raise refuse(
            "denied",
            f"only an ADMIN named in the genesis document founds the ledger, and it does not name you for {actor.msp}",
            "one of the ADMINs it names can do this",
        )
    admins = [(msp, key_id) for msp in sorted(genesis.msps) for key_id in genesis.msps[msp].admins]
    if len({key_id for _, key_id in admins}) != len(admins):
        raise refuse("invalid", "the genesis document names one key as ADMIN twice")
    world.put(entries.GENESIS_KEY, arguments.document)
    for msp, key_id in admins:
        entry = _founding_entry(msp, key_id)
        bind_to_participant(world, key_id, entry.id)
        entries.append_participant(world, entry)
    return {"admins": [founding_admin_id(key_id) for _, key_id in admins]}


def register_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("participant")
    if entries.newest(world, "participant", subject) is not None:
        raise refuse("conflict", f"a participant's id is used once, and {subject} exists", "choose another id")
    key_id = arguments.text("key")
    require_free(world, key_id)
    entry = ParticipantEntry(
        id=subject,
        n=0,
        status="ACTIVE",
        msp=actor.msp,
        role=arguments.text("role"),
        key=key_id,
        control_room=arguments.maybe_text("control_room"),
        department=arguments.maybe_text("department"),
        site=arguments.maybe_text("site"),
        valid_until_us=arguments.maybe_number("valid_until_us"),
    )
    _check_placed(entry)
    bind_to_participant(world, key_id, subject)
    entries.append_participant(world, entry)
    return {"participant": subject}


def change_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Replace role, places and end of validity; id, organisation and key stay."""
    entry = _own_participant(world, actor, arguments.text("participant"))
    changed = replace(
        entry,
        n=entry.n + 1,
        role=arguments.text("role"),
        control_room=arguments.maybe_text("control_room"),
        department=arguments.maybe_text("department"),
        site=arguments.maybe_text("site"),
        valid_until_us=arguments.maybe_number("valid_until_us"),
    )
    if entry.id == actor.id:
        raise refuse("denied", "an ADMIN may not change their own entry", f"another ADMIN of {actor.msp} can do this")
    _check_placed(changed)
    entries.append_participant(world, changed)
    return {"participant": entry.id, "n": changed.n}


def suspend_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = _own_participant(world, actor, arguments.text("participant"))
    if entry.id == actor.id:
        # The last ADMIN of an organisation would lock it out of its own registry.
        raise refuse("denied", "an ADMIN may not suspend themselves", f"another ADMIN of {actor.msp} can do this")
    return _set_status(world, entry, "ACTIVE", "SUSPENDED")


def reinstate_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = _own_participant(world, actor, arguments.text("participant"))
    return _set_status(world, entry, "SUSPENDED", "ACTIVE")


def rotate_participant_key(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Give a participant another key; the old one counts no longer and is never given away again."""
    entry = _own_participant(world, actor, arguments.text("participant"))
    if entry.id == actor.id:
        raise refuse("denied", "an ADMIN may not change their own entry", f"another ADMIN of {actor.msp} can do this")
    key_id = arguments.text("key")
    require_free(world, key_id)
    bind_to_participant(world, key_id, entry.id)
    entries.append_participant(world, replace(entry, n=entry.n + 1, key=key_id))
    return {"participant": entry.id, "n": entry.n + 1}


def _own_participant(world: World, actor: ParticipantEntry, subject: str) -> ParticipantEntry:
    entry = entries.participant(world, subject)
    if entry is None:
        raise refuse("not_found", f"there is no participant {subject}", "register_participant makes one")
    if entry.msp != actor.msp:
        raise refuse(
            "denied",
            f"an ADMIN decides about their own organisation only, and {subject} belongs to {entry.msp}",
            f"an ADMIN of {entry.msp} can do this",
        )
    return entry


def _set_status(world: World, entry: ParticipantEntry, expected: str, status: str) -> object:
    if entry.status != expected:
        raise refuse("conflict", f"only {expected} participants become {status}, and {entry.id} is {entry.status}")
    entries.append_participant(world, replace(entry, n=entry.n + 1, status=status))
    return {"participant": entry.id, "n": entry.n + 1}


def _check_placed(entry: ParticipantEntry) -> None:
    """A role exists in its organisations only, and within exactly the places that the role needs."""
    role = ROLES[entry.role]
    if entry.msp not in role.msps:
        raise refuse(
            "denied",
            f"{entry.msp} has no {role.words} ({entry.role})",
            f"an ADMIN of {' or '.join(role.msps)} can register one",
        )
    for place in PLACES:
        stated = getattr(entry, place) is not None
        if stated != (place in role.within):
            needs = "needs" if place in role.within else "takes no"
            raise refuse("invalid", f"a {role.words} ({entry.role}) {needs} {place.replace('_', ' ')}")
