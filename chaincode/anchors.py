"""The rule that everything else serves: one slot holds one block, for ever.

*Open* anchors put every block on the ledger; *sealed* ones put the root over a batch there, and the verifier does later
what this rule does now, from the same registry. No counters and no head key: parallel anchoring of running chains never
conflicts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from chaincode import entries
from chaincode.arguments import Arguments
from chaincode.changes import revocations
from chaincode.rule import refuse
from chaincode.world import World, prefix_range
from evidence.batches import Batch, batch_from_json, batch_key
from evidence.blocks import SignedBlock, chain_key, parse_signed_block, signed_block_from_json, slot_key
from evidence.canonical import canonical, parse_canonical
from evidence.digests import sha256
from evidence.errors import Malformed, Refused, RefusedReason
from evidence.registry import CameraEntry, ParticipantEntry, judge_block

MAX_BATCH_BLOCKS = 500
MAX_BATCH_BYTES = 1 << 20
# A sealed batch writes one key for each chain that begins in it; a write set has room for 5,000.
MAX_OPENED = 4000

_WHY: dict[str, tuple[RefusedReason, str, str]] = {
    "camera_unknown": (
        "not_found",
        "blocks are anchored for registered cameras",
        "propose and approve the camera first",
    ),
    "camera_not_active": ("denied", "blocks are anchored for active cameras", "a CRM can approve or reinstate it"),
    "key_differs": ("denied", "a block names the camera's registered key", "sign with the camera's own key"),
    "key_revoked": (
        "denied",
        "nothing is anchored under a revoked key",
        "a CRM can approve a change of the camera's key (approve_change)",
    ),
    "signature_invalid": ("denied", "a block carries its camera's signature", "send the block as it was signed"),
}


def open_batch(blocks: Iterable[SignedBlock]) -> bytes:
    """The argument of `anchor` for an open batch: several blocks say much the same, so they go compressed.

    What stands under the slots is the same either way; the argument is what a ledger keeps beside it.
    """
    listed = [each.to_json() for each in blocks]
    document = canonical(listed)
    return zlib.compress(document) if len(listed) > 1 else document


def anchor(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Anchor a list of signed blocks (open) or a batch document (sealed); what stands there already is not written.

    The list may be compressed with zlib.
    """
    parsed = _parse(arguments.document)
    if isinstance(parsed, Batch):
        return _anchor_sealed(world, actor, parsed, arguments.document)
    return _anchor_open(world, actor, parsed)


def keys_ahead(arguments: Arguments) -> Iterator[str]:
    """What `anchor` reads for this document, whatever stands on the ledger: slots, chains, cameras."""
    try:
        parsed = _parse(arguments.document)
    except Malformed:
        return  # refused in a moment, when it is known who calls
    if isinstance(parsed, Batch):
        yield batch_key(parsed.site, parsed.recorder, parsed.batch)
        return
    for block in (each.block for each in parsed):
        yield slot_key(block.camera, block.chain, block.sequence)
    for camera in dict.fromkeys(each.block.camera for each in parsed):
        yield from entries.first_keys("camera", camera)
        yield from entries.first_keys("revocation", camera)
    yield from (chain_key(*chain) for chain in _continued(parsed))


@lru_cache(maxsize=32)  # asked for twice in a transaction; the bytes decide the result
def _parse(document: bytes) -> tuple[SignedBlock, ...] | Batch:
    packed = document[:1] not in (b"[", b"{")
    value = parse_canonical(_unpacked(document) if packed else document, "batch", limit=MAX_BATCH_BYTES)
    if isinstance(value, list):
        return _signed_blocks(value)
    if packed:
        raise Malformed("a sealed batch stands on the ledger as it comes, so it is not compressed")
    return batch_from_json(value)


def _unpacked(document: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(document, MAX_BATCH_BYTES + 1)
    except zlib.error as error:
        raise Malformed("a batch is canonical JSON, or that compressed with zlib") from error
    if len(found) > MAX_BATCH_BYTES:
        raise Malformed(f"batch is larger than {MAX_BATCH_BYTES} bytes")
    if not inflater.eof or inflater.unused_data:
        raise Malformed("the compressed batch is cut off, or something follows it")
    return found


def _signed_blocks(listed: Sequence[object]) -> tuple[SignedBlock, ...]:
    if not 1 <= len(listed) <= MAX_BATCH_BLOCKS:
        raise Malformed(f"an open batch holds 1 to {MAX_BATCH_BLOCKS} blocks")
    blocks = tuple(signed_block_from_json(each) for each in listed)
    if len({each.block.order for each in blocks}) != len(blocks):
        raise Malformed("an open batch names a slot twice")
    return blocks


def _continued(blocks: Sequence[SignedBlock]) -> list[tuple[str, int]]:
    """Chains of which there are blocks, and not the one that opens it."""
    chains = dict.fromkeys((each.block.camera, each.block.chain) for each in blocks)
    opened = {(each.block.camera, each.block.chain) for each in blocks if each.block.sequence == 0}
    return [chain for chain in chains if chain not in opened]


def _anchor_open(world: World, actor: ParticipantEntry, blocks: Sequence[SignedBlock]) -> object:
    cameras: dict[str, list[CameraEntry]] = {}
    revoked: dict[str, set[str]] = {}
    slots = [slot_key(each.block.camera, each.block.chain, each.block.sequence) for each in blocks]
    continued = _continued(blocks)
    begun = dict(zip(continued, world.get_many([chain_key(*chain) for chain in continued]), strict=True))
    written = 0
    for signed, slot, standing in zip(blocks, slots, world.get_many(slots), strict=True):
        block = signed.block
        if standing is not None:
            # Another signature over the same block is the same block: ECDSA is randomised.
            with entries.stored(slot):
                same = parse_signed_block(standing).block == block
            if not same:
                raise refuse("conflict", f"a slot holds one block, and {slot} holds another", "nobody can replace it")
            continue
        if block.camera not in cameras:
            cameras[block.camera] = entries.camera_history(world, block.camera)
            revoked[block.camera] = {each.key for each in revocations(world, block.camera)}
        history = cameras[block.camera]
        camera = history[-1] if history else None
        reason = judge_block(camera, signed, earlier=history[:-1], revoked=revoked[block.camera])
        if reason is not None:
            raise _cannot_anchor(reason, slot, camera)
        _check_site(actor, camera, block.camera)
        chain = (block.camera, block.chain)
        if block.sequence == 0:
            _open_chain(world, actor, *chain)
        elif chain in begun and begun[chain] is None:
            raise refuse(
                "invalid",
                f"a chain begins with sequence 0, and chain {block.chain} of {block.camera} has not begun",
                "anchor the chain's first block before or together with its others",
            )
        world.put(slot, signed.canonical())
        written += 1
    return {"anchored": written, "standing": len(blocks) - written}


def _anchor_sealed(world: World, actor: ParticipantEntry, batch: Batch, document: bytes) -> object:
    if (batch.site, batch.recorder) != (actor.site, actor.id):
        raise refuse(
            "denied",
            f"a recorder seals batches of its own: this one names {batch.recorder} at {batch.site}, "
            f"you are {actor.id} at {actor.site}",
            f"{batch.recorder} can do this",
        )
    key = batch_key(batch.site, batch.recorder, batch.batch)
    standing = world.get(key)
    if standing is not None:
        if standing != document:
            raise refuse(
                "conflict", f"a batch number holds one batch, and {key} holds another", "nobody can replace it"
            )
        return {"anchored": 0, "standing": 1}
    if batch.batch > 0:
        before = world.get(batch_key(batch.site, batch.recorder, batch.batch - 1))
        if before is None or sha256(before) != batch.previous:
            raise refuse(
                "invalid",
                f"a batch names its predecessor by digest, and batch {batch.batch - 1} of {batch.recorder} "
                f"{'is not on the ledger' if before is None else 'is another one'}",
                "anchor the batches in order",
            )
    if len(batch.opened) > MAX_OPENED:
        raise Malformed(f"a batch opens at most {MAX_OPENED} chains")
    cameras: dict[str, CameraEntry] = {}
    for subject, chain in batch.opened:
        if subject not in cameras:
            camera = entries.camera(world, subject)
            if camera is None or camera.status != "ACTIVE":
                reason = "camera_unknown" if camera is None else "camera_not_active"
                raise _cannot_anchor(reason, chain_key(subject, chain), camera)
            _check_site(actor, camera, subject)
            cameras[subject] = camera
        _open_chain(world, actor, subject, chain)
    world.put(key, document)
    return {"anchored": 1, "standing": 0}


def _open_chain(world: World, actor: ParticipantEntry, camera: str, chain: int) -> None:
    """Write the chain's key. Chains of a camera only ever begin later than all before, so forks are listed.

    One range read from this chain's own key upwards answers for all earlier chains, however many there are, and makes
    two recorders that open chains at once conflict.
    """
    key = chain_key(camera, chain)
    for later, _ in world.scan(key, prefix_range(f"chain/{camera}/")[1]):
        raise refuse(
            "conflict",
            f"a new chain is numbered above all earlier ones, and {later} stands on the ledger",
            "begin a new chain with a higher number",
        )
    world.put(key, canonical({"recorder": actor.id}))


def _check_site(actor: ParticipantEntry, camera: CameraEntry | None, subject: str) -> None:
    if camera is None or camera.site != actor.site or camera.control_room != actor.control_room:
        place = "unknown" if camera is None else f"{camera.site} of {camera.control_room}"
        raise refuse(
            "denied",
            f"a recorder anchors for the cameras of its site: {subject} stands at {place}, "
            f"you at {actor.site} of {actor.control_room}",
            f"a recorder of {place} can do this",
        )


def _cannot_anchor(reason: str, where: str, camera: CameraEntry | None) -> Refused:
    kind, rule, who = _WHY[reason]
    state = "" if camera is None or reason != "camera_not_active" else f", it is {camera.status}"
    return refuse(kind, f"{rule}: {where} ({reason}{state})", who)
