"""One key, one owner: a public key is bound to one participant or camera, for ever."""

from __future__ import annotations

from chaincode.entries import key_entry_key
from chaincode.rule import refuse
from chaincode.world import World
from evidence.canonical import canonical


def require_free(world: World, key_id: str) -> None:
    """Raises Refused where the key was ever given to somebody."""
    if world.get(key_entry_key(key_id)) is not None:
        raise refuse("conflict", "a key belongs to one participant or camera, and this one is taken", "make a new key")


def bind_to_participant(world: World, key_id: str, participant: str) -> None:
    world.put(key_entry_key(key_id), canonical({"participant": participant}))


def bind_to_camera(world: World, key_id: str, camera: str) -> None:
    world.put(key_entry_key(key_id), canonical({"camera": camera}))
