"""Check 9, sealed batches: do they leave room for a second version of a record?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from evidence.batches import Batch, batch_key, parse_batch
from evidence.blocks import Block, SignedBlock, chain_key, slot_key
from evidence.errors import Malformed
from evidence.leaf_list import parse_leaf_list
from evidence.registry import Position
from verifier.anchor import NOWHERE, AnchorJudge, Standing
from verifier.bundle import Bundle, SlotName
from verifier.check_proof import Judged
from verifier.check_registry import RegistryJudge
from verifier.model import Finding, Span

AnchoredBatch = tuple[Position, str, Batch, bytes]
"""A sealed batch where it stands on the ledger: position, key, document parsed and as written."""


def check_sealed(
    own: Sequence[Judged],
    bundle: Bundle,
    receipts: AnchorJudge,
    registry: RegistryJudge,
    *,
    site: str,
    assume: bool,
) -> list[Finding]:
    """Whether sealed batches leave room for a second version of a record, however the record itself is anchored.

    Passes only where the leaf lists of every batch of all the site's recorders, from the one that holds the record
    before (or opened the chain) to the one shown, are at hand and hold no second leaf for a slot; and where it is shown
    that there are no batches but these, which may be none at all. A leaf that the contract would have refused is no
    version: else any recorder of the site could cast doubt on all others.
    """
    anchored = [judged for judged in own if judged.anchor is not None]
    if not anchored:
        return []
    batches = _batches(bundle, receipts, site)
    limit = Standing.UNTRUSTED if assume else Standing.SOUND
    believed = [each for each in batches if receipts.anchor(bundle.state[each[1]]).judgement.standing <= limit]
    last = max(judged.anchor.position for judged in anchored if judged.anchor is not None)
    recorders = {*registry.registry.recorders(site), *(batch.recorder for _, _, batch, _ in batches)}
    if not batches and all(judged.batch is None for judged in anchored):
        if all(receipts.shows_all(*_from(site, each, 0), since=last, assume=assume) for each in recorders):
            return []
        text = "It is not shown whether the site's recorders also sealed batches, which could hold other versions."
        return [Finding.of("sealed_leaves", text)]
    begin, complete = _begin(anchored, believed, bundle, receipts, limit)
    batches = [each for each in batches if begin <= each[0] <= last]
    for recorder in recorders:
        numbers = {batch.batch: position for position, _, batch, _ in believed if batch.recorder == recorder}
        open_from = _shown_to(numbers, begin, last)
        complete = complete and (
            open_from is None
            or (open_from >= 0 and receipts.shows_all(*_from(site, recorder, open_from), since=last, assume=assume))
        )
    versions = {judged.slot: {judged.proof.signed.block} for judged in anchored if judged.proof is not None}
    for _, key, batch, _ in batches:
        leaves = _leaves(bundle, key, batch)
        complete = complete and leaves is not None
        for signed in leaves or ():
            block = signed.block
            known = versions.get(_slot(block), {block})
            if block not in known and registry.lets_in(signed, receipts.anchor(bundle.state[key])):
                known.add(block)
    twice = sorted(slot[1:] for slot, blocks in versions.items() if len(blocks) > 1)
    if twice:
        chain, sequence = twice[0]
        text = f"Record {sequence} was sealed in two versions; the earlier one counts."
        return [Finding.of("parallel_chain", text, chain=chain)]
    if not complete:
        text = "Leaf lists of neighbouring sealed batches are not at hand: the recorder could hold other versions."
        return [Finding.of("sealed_leaves", text)]
    return []


class SealedBlock(NamedTuple):
    """A block in a leaf list that fits its batch, with where the batch stands and what it is worth."""

    position: Position
    standing: Standing
    block: Block


def sealed_blocks(bundle: Bundle, receipts: AnchorJudge, camera: str) -> dict[int, list[SealedBlock]]:
    """The camera's blocks in sealed batches whose evidence holds together, by chain in ledger order.

    Reads and hashes every leaf list at hand, so it is asked once.
    """
    found: dict[int, list[SealedBlock]] = defaultdict(list)
    for site in sorted({key.split("/")[1] for key in bundle.leaf_lists}):
        for position, key, batch, _ in _batches(bundle, receipts, site):
            standing = receipts.anchor(bundle.state[key]).judgement.standing
            if standing is Standing.BROKEN:
                continue
            for signed in _leaves(bundle, key, batch) or ():
                if signed.block.camera == camera:
                    found[signed.block.chain].append(SealedBlock(position, standing, signed.block))
    return found


def open_ended(
    blocks: Sequence[SealedBlock],
    bundle: Bundle,
    receipts: AnchorJudge,
    site: str,
    *,
    interval_us: Span,
    last: Position,
) -> bool:
    """Whether a sealed chain could hold more near an interval than these blocks of it show.

    Chains run forward: nothing more can lie there if one begins behind the interval with its first block, if two
    neighbours enclose the interval, or if every later batch up to `last` is at hand with its leaves.
    """
    ordered = sorted((block.sequence, position, block) for position, _, block in blocks)
    before = [each for each in ordered if each[2].end_us <= interval_us[0]]
    behind = {sequence for sequence, _, block in ordered if block.start_us >= interval_us[1]}
    reached = before[-1] if before else None
    following = 0 if reached is None else reached[0] + 1
    inside = {sequence for sequence, _, _ in ordered} - behind - {each[0] for each in before}
    while following in inside:
        following += 1
    if following in behind:
        return False
    begin = max((position for _, position, _ in ordered), default=NOWHERE)
    batches = [each for each in _batches(bundle, receipts, site) if begin <= each[0] <= last]
    numbers: dict[str, list[int]] = defaultdict(list)
    for _, key, batch, _ in batches:
        numbers[batch.recorder].append(batch.batch)
        if _leaves(bundle, key, batch) is None:
            return True
    return any(sorted(each) != list(range(min(each), min(each) + len(each))) for each in numbers.values())


def _shown_to(numbers: Mapping[int, Position], begin: Position, last: Position) -> int | None:
    """From which number on it is still to be shown that a recorder sealed nothing more up to `last`.

    A recorder's batches are numbered from 0 without a hole, in the order in which they stand on the ledger, each under
    one key for good. So what lies between the last one before a while and the first one behind it is all there ever
    was; where none stands behind, the range to the end must be shown.

    Args:
        numbers: of its batches that are believed, with where they stand.

    Returns:
        None: nothing more has to be shown. -1: batches in between are lacking.
    """
    first = max((number for number, position in numbers.items() if position <= begin), default=0)
    behind = min((number for number, position in numbers.items() if position >= last), default=None)
    reached = max(numbers, default=-1) if behind is None else behind
    if any(number not in numbers for number in range(first, reached + 1)):
        return -1
    return reached + 1 if behind is None else None


def _from(site: str, recorder: str, number: int) -> tuple[str, str]:
    """The range of ledger keys of a recorder's batches from `number` on."""
    return batch_key(site, recorder, number), f"root/{site}/{recorder}0"


def _begin(
    anchored: Sequence[Judged],
    batches: Sequence[AnchoredBatch],
    bundle: Bundle,
    receipts: AnchorJudge,
    limit: Standing,
) -> tuple[Position, bool]:
    """Where another version of the records could first stand, and whether that is shown for all their chains.

    That is where the record before the first was anchored, or where the chain was opened.
    """
    found, complete = [judged.anchor.position for judged in anchored if judged.anchor is not None], True
    lowest = {judged.slot[:2]: judged.slot for judged in sorted(anchored, key=lambda each: each.slot, reverse=True)}
    for camera, chain, sequence in lowest.values():
        before = (camera, chain, sequence - 1)
        key = slot_key(*before) if sequence else chain_key(camera, chain)
        receipt = bundle.state.get(key)
        anchor = None if receipt is None or key not in receipt.writes else receipts.anchor(receipt)
        if anchor is not None and anchor.judgement.standing <= limit:
            found.append(anchor.position)
            continue
        holding = [
            position
            for position, name, batch, _ in batches
            if any(_slot(each.block) == before for each in _leaves(bundle, name, batch) or ())
        ]
        found += holding[:1]
        complete = complete and bool(holding)
    return min(found), complete


def _batches(bundle: Bundle, receipts: AnchorJudge, site: str) -> list[AnchoredBatch]:
    found = []
    for key, receipt in bundle.state.items():
        if key.startswith(f"root/{site}/") and key in receipt.writes and not receipts.overrules(receipt):
            try:
                document = receipt.writes[key]
                batch = parse_batch(document)
            except Malformed:
                continue
            if key == batch_key(batch.site, batch.recorder, batch.batch):
                found.append((receipts.anchor(receipt).position, key, batch, document))
    return sorted(found, key=lambda each: each[:2])


def _slot(block: Block) -> SlotName:
    return block.camera, block.chain, block.sequence


def _leaves(bundle: Bundle, key: str, batch: Batch) -> tuple[SignedBlock, ...] | None:
    data = bundle.leaf_lists.get(key)
    if data is None:
        return None
    try:
        leaves = parse_leaf_list(data)
        return leaves.blocks if leaves.belongs_to(batch) else None
    except Malformed:
        return None
