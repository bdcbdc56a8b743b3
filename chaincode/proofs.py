"""The read that organisations sign: "these slots, and only these".

On Fabric its answer is endorsed by several organisations and not submitted; what they sign is the set of keys read. So
the answer holds every key that was read, in whole ranges: the slots asked for, and the camera's chains.
"""

from __future__ import annotations

from chaincode.arguments import Arguments
from chaincode.queries import slot_number, value_of, visible_camera
from chaincode.world import World, prefix_range
from evidence.blocks import slot_key
from evidence.errors import Malformed
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import ParticipantEntry

MAX_SLOTS = 1000


def read_proof(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Slots `first` to `last` of a chain, and of `others` those beside the interval; at most 1,000 slots a page.

    `next` is the sequence with which to ask again, null where the range is exhausted.
    """
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=True)
    chain, first, last = (slot_number(arguments, name) for name in ("chain", "first", "last"))
    others = arguments.spans("others") if arguments.has("others") else ()
    if any(low > high for _, low, high in ((chain, first, last), *others)):
        raise Malformed("'last' lies before 'first'")
    if sum(high - low + 1 for _, low, high in others) > MAX_SLOTS:
        raise Malformed(f"'others' asks for more than {MAX_SLOTS} slots")
    end = min(last, first + MAX_SLOTS - 1)
    return {
        "camera": camera.id,
        "chains": _range(world, *prefix_range(f"chain/{camera.id}/")),
        "slots": _slots(world, camera.id, chain, first, end),
        "others": [_slots(world, camera.id, *each) for each in others],
        "next": end + 1 if end < last else None,
    }


def _slots(world: World, camera: str, chain: int, first: int, last: int) -> object:
    end = prefix_range(f"block/{camera}/{chain:010d}/")[1]
    if last < MAX_SLOT_NUMBER:
        end = slot_key(camera, chain, last + 1)
    return _range(world, slot_key(camera, chain, first), end)


def _range(world: World, start: str, end: str) -> object:
    entries = [{"key": key, "value": value_of((key, value))} for key, value in world.scan(start, end)]
    return {"start": start, "end": end, "entries": entries}
