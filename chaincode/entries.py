"""Append-only numbered entries: `<kind>/<id>/<n, 10 digits>`, n from 0, never overwritten.

The newest entry is the one in force, and a plain range read proves the whole history, which a ledger's own key history
could not (Fabric serves that one unsigned).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar

from chaincode.world import World
from evidence.canonical import parse_canonical
from evidence.errors import Malformed
from evidence.registry import (
    CameraEntry,
    ParticipantEntry,
    numbered_key,
    parse_camera_entry,
    parse_participant_entry,
)

GENESIS_KEY = "genesis"

T = TypeVar("T")


def key_entry_key(key_id: str) -> str:
    """Ledger key under which a public key is bound to one participant or camera, for ever."""
    return f"key/{key_id}"


def newest(world: World, kind: str, subject: str) -> tuple[int, bytes] | None:
    """Number and bytes of the newest entry, None without any."""
    found = list(numbered(world, kind, subject))
    return (len(found) - 1, found[-1]) if found else None


# How many entries are looked for at once, at first: one more than there usually are.
_AT_ONCE = {"camera": 3, "participant": 2, "delegation": 1, "revocation": 1}


def first_keys(kind: str, subject: str) -> list[str]:
    """The keys that `numbered` reads first."""
    return [numbered_key(kind, subject, number) for number in range(_AT_ONCE.get(kind, 2))]


def numbered(world: World, kind: str, subject: str) -> Iterator[bytes]:
    """The entries 0, 1, 2 … up to the first number under which nothing stands, which counts as read.

    Asked by key, several at once, and not as a range: on Fabric a range read is a conversation of its own. As entries
    are only ever appended, whoever appends one concurrently conflicts with this read just as with a range's.
    """
    first, keys = 0, first_keys(kind, subject)
    while True:
        for value in world.get_many(keys):
            if value is None:
                return
            yield value
        first += len(keys)
        keys = [numbered_key(kind, subject, first + each) for each in range(min(2 * len(keys), 64))]


def number_of(key: str) -> int:
    """The number of ten digits that ends the key of a numbered entry or chain.

    Raises:
        Malformed: it ends in something else; no rule wrote that.
    """
    digits = key.rpartition("/")[2]
    if len(digits) != 10 or not digits.isascii() or not digits.isdigit():
        raise Malformed("the ledger holds a key that no rule wrote", where=key)
    return int(digits)


@contextmanager
def stored(key: str) -> Iterator[None]:
    """Reading what the ledger holds under `key`: if that does not parse, the ledger is damaged, not the argument wrong.

    `dispatch` tells the two apart by `where`.
    """
    try:
        yield
    except Malformed as error:
        raise Malformed(f"what the ledger holds here is damaged ({error.detail})", where=key) from error


def append_camera(world: World, entry: CameraEntry) -> None:
    """Write one more entry of a camera.

    Raises:
        Malformed: a member is longer than an entry may hold. Asked by reading the bytes back: what is written here must
            be readable for ever.
    """
    data = entry.canonical()
    parse_camera_entry(data)
    world.put(numbered_key("camera", entry.id, entry.n), data)


def check_camera(entry: CameraEntry) -> None:
    """Raises Malformed where a member is longer than an entry may hold; asked before something is proposed."""
    parse_camera_entry(entry.canonical())


def camera_history(world: World, subject: str) -> list[CameraEntry]:
    """All entries of a camera, oldest first."""
    history = []
    for n, value in enumerate(numbered(world, "camera", subject)):
        with stored(numbered_key("camera", subject, n)):
            history.append(_parse_camera(value))
    return history


def append_participant(world: World, entry: ParticipantEntry) -> None:
    """Write one more entry of a participant; see `append_camera`."""
    data = entry.canonical()
    parse_participant_entry(data)
    world.put(numbered_key("participant", entry.id, entry.n), data)


# Entries are parsed again with every transaction that touches them; the bytes decide the result, so remember it.
_parse_camera = lru_cache(maxsize=4096)(parse_camera_entry)
_parse_participant = lru_cache(maxsize=4096)(parse_participant_entry)


def _newest_parsed(world: World, kind: str, subject: str, parse: Callable[[bytes], T]) -> T | None:
    found = newest(world, kind, subject)
    if found is None:
        return None
    with stored(numbered_key(kind, subject, found[0])):
        return parse(found[1])


def camera(world: World, subject: str) -> CameraEntry | None:
    return _newest_parsed(world, "camera", subject, _parse_camera)


def participant(world: World, subject: str) -> ParticipantEntry | None:
    return _newest_parsed(world, "participant", subject, _parse_participant)


def participant_of_key(world: World, key_id: str) -> str | None:
    """Id of the participant to whom the key is bound; None where it is unknown or a camera's."""
    data = world.get(key_entry_key(key_id))
    if data is None:
        return None
    with stored(key_entry_key(key_id)):
        return _participant_named(data)


@lru_cache(maxsize=4096)
def _participant_named(data: bytes) -> str | None:
    value = parse_canonical(data, "key entry")
    if not isinstance(value, dict):
        raise Malformed("key entry is not a JSON object")
    subject = value.get("participant")
    return subject if isinstance(subject, str) else None
