"""Rules about sampling policies: versioned per control room, newest in force."""

from __future__ import annotations

from dataclasses import replace

from chaincode import entries
from chaincode.arguments import Arguments
from chaincode.rule import refuse
from chaincode.world import World
from evidence.canonical import Fields, parse_canonical
from evidence.errors import Malformed
from evidence.genesis import parse_genesis
from evidence.policy import MAX_RATE, Policy, parse_policy
from evidence.registry import ParticipantEntry, numbered_key

_ASK_CRM = "a control room manager (CRM) of your control room can do this"


def set_policy(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Append a policy for the caller's control room; a CRM may set bounds with it, a CRS must stay inside them."""
    room = _room(actor)
    policy = parse_policy(arguments.data("policy"))
    bounds = arguments.data("bounds") if arguments.has("bounds") else None
    if actor.role == "CRS":
        if bounds is not None:
            raise refuse("denied", "bounds for supervisors are set by a manager", _ASK_CRM)
        _check_bounds(world, room, policy)
    n = _next(world, "policy", room)
    if bounds is not None:
        low, high = parse_bounds(bounds)
        if not low <= policy.minimum_per_s <= policy.maximum_per_s <= high:
            raise Malformed("the policy itself lies outside the bounds that come with it")
        world.put(numbered_key("bounds", room, _next(world, "bounds", room)), bounds)
    world.put(numbered_key("policy", room, n), policy.canonical())
    return {"control_room": room, "n": n, "policy": policy.digest.hex()}


def policy_in_force(world: World, control_room: str) -> Policy:
    """The newest policy of the control room, else the founding one.

    Raises:
        Refused: the ledger has not been founded.
    """
    found = entries.newest(world, "policy", control_room)
    if found is not None:
        with entries.stored(numbered_key("policy", control_room, found[0])):
            return parse_policy(found[1])
    genesis = world.get(entries.GENESIS_KEY)
    if genesis is None:
        raise refuse("not_found", "this ledger has not been founded", "an ADMIN of the genesis document can (init)")
    with entries.stored(entries.GENESIS_KEY):
        return parse_genesis(genesis).policy


def parse_bounds(data: bytes) -> tuple[int, int]:
    """Lowest minimum and highest maximum of samples a second. Raises Malformed."""
    fields = Fields(parse_canonical(data, "bounds"), "bounds", ("lowest_per_s", "highest_per_s"))
    low = fields.integer("lowest_per_s", 0, MAX_RATE)
    return low, fields.integer("highest_per_s", low, MAX_RATE)


def _check_bounds(world: World, room: str, policy: Policy) -> None:
    found = entries.newest(world, "bounds", room)
    if found is None:
        raise refuse("denied", "a supervisor sets policies within a manager's bounds, and none are set", _ASK_CRM)
    with entries.stored(numbered_key("bounds", room, found[0])):
        low, high = parse_bounds(found[1])
    if not low <= policy.minimum_per_s <= policy.maximum_per_s <= high:
        raise refuse(
            "denied", f"a supervisor sets {low} to {high} samples a second, the bounds that a manager set", _ASK_CRM
        )
    now = policy_in_force(world, room)
    if replace(now, minimum_per_s=policy.minimum_per_s, maximum_per_s=policy.maximum_per_s) != policy:
        raise refuse("denied", "a supervisor changes the sampling rate only, nothing else in a policy", _ASK_CRM)


def _room(actor: ParticipantEntry) -> str:
    assert actor.control_room is not None  # CRM and CRS are registered within one
    return actor.control_room


def _next(world: World, kind: str, subject: str) -> int:
    found = entries.newest(world, kind, subject)
    return 0 if found is None else found[0] + 1


def get_policy(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    room = arguments.text("control_room")
    policy = policy_in_force(world, room)
    return {"control_room": room, "digest": policy.digest.hex(), "policy": policy.to_json()}
