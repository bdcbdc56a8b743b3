"""The auditor's word that a sealed batch's leaf list was delivered, so that nobody can lose or exchange it later."""

from __future__ import annotations

from chaincode.arguments import Arguments
from chaincode.rule import refuse
from chaincode.world import World
from evidence.batches import batch_key
from evidence.canonical import canonical
from evidence.errors import Malformed
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import ParticipantEntry


def attest_leaves(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    site, recorder, batch = arguments.text("site"), arguments.text("recorder"), arguments.number("batch")
    if batch > MAX_SLOT_NUMBER:
        raise Malformed(f"'batch' is larger than {MAX_SLOT_NUMBER}")
    if world.get(batch_key(site, recorder, batch)) is None:
        raise refuse("not_found", f"there is no batch {batch} of {recorder} at {site}", "find_batches lists them")
    key = f"attested/{site}/{recorder}/{batch:010d}/{actor.id}"
    document = canonical(
        {"type": "veriframe/attested/1", "leaves": arguments.data("leaves").hex(), "batch": batch, "by": actor.id}
    )
    standing = world.get(key)
    if standing is not None and standing != document:
        raise refuse("conflict", f"an auditor attests a leaf list once, and batch {batch} has been with another digest")
    if standing is None:
        world.put(key, document)
    return {"attested": standing is None}
