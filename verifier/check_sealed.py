"""Check 9, sealed batches: do they leave room for a second version of a record?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evidence.batches import Batch, batch_key, parse_batch
from evidence.blocks import Block, SignedBlock, chain_key, slot_key
from evidence.errors import Malformed
from evidence.leaf_list import parse_leaf_list
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import Position
from verifier.anchor import AnchorJudge, Standing
from verifier.bundle import Bundle, SlotName
from verifier.check_proof import Judged
from verifier.check_registry import RegistryJudge
from verifier.model import Finding

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
    before (or opened the chain) to the one shown, are at hand and hold no second leaf for a slot. A leaf that the
    contract would have refused is no version: else any recorder of the site could cast doubt on all others.
    """
    anchored = [judged for judged in own if judged.anchor is not None]
    batches = _batches(bundle, receipts, site)
    if not anchored or not (batches or any(judged.batch is not None for judged in anchored)):
        return []
    limit = Standing.UNTRUSTED if assume else Standing.SOUND
    believed = [each for each in batches if receipts.anchor(bundle.state[each[1]]).judgement.standing <= limit]
    begin, complete = _begin(anchored, believed, bundle, receipts, limit)
    last = max(judged.anchor.position for judged in anchored if judged.anchor is not None)
    batches = [each for each in batches if begin <= each[0] <= last]
    complete = complete and _contiguous(batches)
    for recorder in {*registry.registry.recorders(site), *(batch.recorder for _, _, batch, _ in batches)}:
        numbers = {position: batch.batch for position, _, batch, _ in believed if batch.recorder == recorder}
        start, end = _while(site, recorder, numbers.get(begin), numbers.get(last))
        complete = complete and receipts.shows_all(start, end, since=last, assume=assume)
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


def _while(site: str, recorder: str, first: int | None, last: int | None) -> tuple[str, str]:
    """The range of ledger keys in which a recorder's batches of a while stand.

    Args:
        first, last: number of its batch with which the while begins or ends; None where that is another's.
    """
    stem = f"root/{site}/{recorder}"
    return (
        f"{stem}/" if first is None else batch_key(site, recorder, first),
        f"{stem}0" if last is None or last == MAX_SLOT_NUMBER else batch_key(site, recorder, last + 1),
    )


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
        if key.startswith(f"root/{site}/") and key in receipt.writes:
            try:
                document = receipt.writes[key]
                batch = parse_batch(document)
            except Malformed:
                continue
            if key == batch_key(batch.site, batch.recorder, batch.batch):
                found.append((receipts.anchor(receipt).position, key, batch, document))
    return sorted(found, key=lambda each: each[:2])


def _contiguous(batches: Sequence[AnchoredBatch]) -> bool:
    """Whether no recorder's batch is lacking between the ones at hand."""
    numbers: dict[str, list[int]] = defaultdict(list)
    for _, _, batch, _ in batches:
        numbers[batch.recorder].append(batch.batch)
    return all(sorted(each) == list(range(min(each), min(each) + len(each))) for each in numbers.values())


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
