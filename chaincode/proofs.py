"""The read that organisations sign: "under these keys stands this, and only this".

On Fabric its answer is endorsed by several organisations and not submitted; what they sign is the set of keys read. So
every range that was asked for is read to its end, and the answer holds every key in it.
"""

from __future__ import annotations

from chaincode.arguments import Arguments
from chaincode.queries import value_of, visible_camera, visible_recorder
from chaincode.world import World
from evidence.errors import Malformed
from evidence.proof_ranges import MAX_ENTRIES, PROOF_PREFIXES, Owner, owner_of
from evidence.registry import ParticipantEntry

# Several organisations answer with it and a client takes them all in one message of at most 100 MiB.
MAX_ANSWER_BYTES = 4 << 20
_LESS = "ask for fewer or narrower ranges, and for the rest in a further read"


def read_proof(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Every entry of each range, in the order asked. Raises Refused, and Malformed where the answer would be too large.

    Whose keys may be seen is asked before any range is read.
    """
    ranges = arguments.ranges("ranges")
    for owner in dict.fromkeys(owner_of(each) for each in ranges):
        _check_shown(world, actor, owner)
    answered: list[object] = []
    left, left_bytes = MAX_ENTRIES, MAX_ANSWER_BYTES
    for asked in ranges:
        entries = []
        for key, value in world.scan(asked.start, asked.end):
            left, left_bytes = left - 1, left_bytes - len(value)
            if left < 0:
                raise Malformed(f"the ranges hold more than {MAX_ENTRIES} entries", next_step=_LESS)
            if left_bytes < 0:
                raise Malformed(f"what the ranges hold is larger than {MAX_ANSWER_BYTES} bytes", next_step=_LESS)
            entries.append({"key": key, "value": value_of((key, value))})
        answered.append({"start": asked.start, "end": asked.end, "entries": entries})
    return {"ranges": answered}


def _check_shown(world: World, actor: ParticipantEntry, owner: Owner) -> None:
    names = PROOF_PREFIXES[owner.kind]
    if names == ("camera",):
        visible_camera(world, actor, owner.subject[0], blocks=True)
    elif names == ("site", "recorder"):
        visible_recorder(world, actor, owner.subject[1])
