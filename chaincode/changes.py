"""Rules about what changes in a camera's life: address, device, key, firmware; revoked keys; announced maintenance.

A change is proposed by one person and decided by another, like the camera itself. A new key counts from a named slot
on; a revoked one for nothing that is anchored later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from chaincode import documents, entries
from chaincode.arguments import Arguments
from chaincode.bound_keys import bind_to_camera, require_free
from chaincode.cameras import check_addresses, decidable, existing_camera
from chaincode.rule import refuse
from chaincode.world import World, prefix_range
from evidence.blocks import chain_key
from evidence.decisions import (
    Change,
    Revocation,
    change_key,
    changed_camera,
    check_change,
    parse_change,
    parse_revocation,
)
from evidence.errors import Malformed
from evidence.keys import parse_public_key
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import ACTIVE, REJECTED, RETIRED, SUSPENDED, CameraEntry, ParticipantEntry, numbered_key


def propose_change(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = _changeable(world, actor, arguments.text("camera"))
    key = parse_public_key(arguments.data("device_key")) if arguments.has("device_key") else None
    number = _next_number(world, entry.id)
    change = Change(
        camera=entry.id,
        number=number,
        n=0,
        status="PROPOSED",
        kind=arguments.text("kind"),
        proposer=actor.id,
        ip=arguments.maybe_text("ip"),
        location=arguments.maybe_text("location"),
        make=arguments.maybe_text("make"),
        model=arguments.maybe_text("model"),
        serial=arguments.maybe_text("serial"),
        firmware=arguments.maybe_text("firmware"),
        hardware_address=arguments.maybe_text("hardware_address"),
        device_key=key,
        key_custody=arguments.maybe_text("key_custody"),
        key_from=_slot(arguments),
    )
    check_change(change)
    if change.ip is not None and change.location is not None:
        check_addresses(change.ip, change.location, private=entry.owner is not None)
    entries.check_camera(changed_camera(entry, change, actor.id))
    if key is not None:
        require_free(world, key.key_id)
        _check_slot(world, change)
        bind_to_camera(world, key.key_id, entry.id)
    world.put(change_key(change), change.canonical())
    return {"camera": entry.id, "number": number}


def approve_change(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    change = _proposed(world, actor, entry, arguments.number("number"))
    _check_changeable(entry)
    if change.device_key is not None:
        _check_slot(world, change)
        if entry.key_from is not None and change.key_from is not None and change.key_from < entry.key_from:
            raise refuse(
                "conflict",
                f"a key counts from a later slot than the one before it, and that one counts from {entry.key_from}",
                "propose the change again with a later slot",
            )
    changed = changed_camera(entry, change, actor.id)
    entries.append_camera(world, changed)
    _decide(world, change, actor, "APPROVED", None)
    return {"camera": entry.id, "n": changed.n, "number": change.number}


def reject_change(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    change = _proposed(world, actor, entry, arguments.number("number"))
    _decide(world, change, actor, "REJECTED", arguments.data("reason"))
    return {"camera": entry.id, "number": change.number}


def revoke_key(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """From here on no block under the key is anchored; what was anchored by `compromised_since_us` stays valid."""
    entry = decidable(world, actor, arguments.text("camera"), "CRM")
    key, since_us = arguments.text("key"), arguments.number("compromised_since_us")
    known = [each.device_key.key_id for each in entries.camera_history(world, entry.id)]
    if key not in known:
        raise refuse("not_found", f"camera {entry.id} never had this key", "history_camera lists its keys")
    n = 0
    for before in revocations(world, entry.id):
        n = before.n + 1
        if before.key == key and before.compromised_since_us <= since_us:
            raise refuse(
                "conflict",
                f"the key is revoked as compromised since {before.compromised_since_us} already",
                "only an earlier moment can be added",
            )
    revocation = Revocation(
        camera=entry.id, n=n, key=key, compromised_since_us=since_us, reason=arguments.data("reason"), by=actor.id
    )
    world.put(numbered_key("revocation", entry.id, n), revocation.canonical())
    return {"camera": entry.id, "n": n}


def announce_maintenance(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Explains gaps and excuses nothing."""
    entry = decidable(world, actor, arguments.text("camera"), "OPERATOR or CRM")
    if entry.status in (REJECTED, RETIRED):
        raise refuse("conflict", f"a camera that is {entry.status} has no maintenance, and {entry.id} is")
    from_us, until_us = arguments.number("from_us"), arguments.number("until_us")
    documents.check_span(from_us, until_us)
    members = {"camera": entry.id, "from_us": from_us, "until_us": until_us, "by": actor.id}
    return {"camera": entry.id, "n": documents.append_next(world, "maintenance", entry.id, members)}


def revocations(world: World, camera: str) -> Iterable[Revocation]:
    """Revocations of a camera's keys, oldest first."""
    for n, value in enumerate(entries.numbered(world, "revocation", camera)):
        with entries.stored(numbered_key("revocation", camera, n)):
            yield parse_revocation(value)


def _next_number(world: World, camera: str) -> int:
    number = 0
    for key, _ in world.scan(*prefix_range(f"change/{camera}/")):
        number = entries.number_of(key.rpartition("/")[0]) + 1
    return number


def _changeable(world: World, actor: ParticipantEntry, camera: str) -> CameraEntry:
    entry = existing_camera(world, camera)
    if entry.control_room != actor.control_room or (actor.role == "RECORDER" and entry.site != actor.site):
        raise refuse(
            "denied",
            f"changes are proposed in the camera's own control room, by recorders for their site: {camera} stands at "
            f"{entry.site} of {entry.control_room}",
            f"an operator of {entry.control_room} can do this",
        )
    _check_changeable(entry)
    return entry


def _check_changeable(entry: CameraEntry) -> None:
    if entry.status not in (ACTIVE, SUSPENDED):
        raise refuse("conflict", f"only a camera that is {ACTIVE} or {SUSPENDED} changes; {entry.id} is {entry.status}")


def _slot(arguments: Arguments) -> tuple[int, int] | None:
    chain, sequence = arguments.maybe_number("chain"), arguments.maybe_number("sequence")
    if (chain is None) != (sequence is None):
        raise Malformed("'chain' and 'sequence' are stated together")
    if chain is None or sequence is None:
        return None
    if max(chain, sequence) > MAX_SLOT_NUMBER:
        raise Malformed(f"'chain' or 'sequence' is larger than {MAX_SLOT_NUMBER}")
    return chain, sequence


def _check_slot(world: World, change: Change) -> None:
    """The slot stands in a chain that has begun, so that every chain that begins later lies above it."""
    assert change.key_from is not None
    chain, sequence = change.key_from
    if (chain, sequence) != (0, 0) and world.get(chain_key(change.camera, chain)) is None:
        raise refuse(
            "invalid",
            f"a new key counts from a slot of a chain that has begun, and chain {chain} of {change.camera} has not",
            "name a chain of find_chains, or chain 0 and sequence 0 where nothing was anchored yet",
        )


def _proposed(world: World, actor: ParticipantEntry, entry: CameraEntry, number: int) -> Change:
    if number > MAX_SLOT_NUMBER:
        raise Malformed(f"'number' is larger than {MAX_SLOT_NUMBER}")
    found = entries.newest(world, f"change/{entry.id}", f"{number:010d}")
    if found is None:
        raise refuse("not_found", f"there is no change {number} of camera {entry.id}", "propose_change makes one")
    with entries.stored(numbered_key(f"change/{entry.id}", f"{number:010d}", found[0])):
        change = parse_change(found[1])
    if change.status != "PROPOSED":
        raise refuse("conflict", f"a change is decided once, and change {number} of {entry.id} is {change.status}")
    if change.proposer == actor.id:
        raise refuse(
            "denied",
            f"nobody decides about a change that they proposed, and you proposed change {number} of {entry.id}",
            f"another control room manager (CRM) of {entry.control_room} can do this",
        )
    return change


def _decide(world: World, change: Change, actor: ParticipantEntry, status: str, reason: bytes | None) -> None:
    decided = replace(change, n=change.n + 1, status=status, decided_by=actor.id, reason=reason)
    world.put(change_key(decided), decided.canonical())
