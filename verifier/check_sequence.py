"""Check 9: do the records of the interval form one unbroken sequence, and is it the only one?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from evidence.batches import Batch, batch_key, parse_batch
from evidence.blocks import Block, SignedBlock, chain_key, slot_key
from evidence.errors import Malformed
from evidence.leaf_list import parse_leaf_list
from evidence.records import MAX_SLOT_NUMBER, GapRecord, Record, SegmentRecord
from evidence.registry import Position
from verifier.anchor import NOWHERE, AnchorJudge, Standing
from verifier.bundle import Bundle, SlotName
from verifier.check_proof import Judged, read_signed_block
from verifier.check_registry import RegistryJudge
from verifier.model import Finding, Span
from verifier.sentences import utc

AnchoredBatch = tuple[Position, str, Batch, bytes]
"""A sealed batch where it stands on the ledger: position, key, document parsed and as written."""

# File names of recorders carry whole seconds, so that imported files that follow each other seem to overlap by up to
# one; a second more for the last picture's duration.
IMPORT_OVERLAP_US = 2_000_000


def record_of(judged: Judged) -> Record | None:
    return None if judged.proof is None else judged.proof.record


def check_links(own: Iterable[Judged]) -> list[Finding]:
    """Whether each record names its predecessor and continues its numbering.

    Args:
        own: records of one camera that may be used, in any order.
    """
    findings = []
    chains: dict[int, list[tuple[Record, bytes]]] = defaultdict(list)
    for judged in own:
        if judged.proof is not None:
            # The block's word for the record's digest: that it is right has been checked with the proof.
            record = judged.proof.record
            chains[record.chain].append((record, judged.proof.signed.block.record))
    for chain, records in chains.items():
        records.sort(key=lambda each: each[0].sequence)
        for (before, digest), (behind, _) in pairwise(records):
            if behind.sequence != before.sequence + 1:
                continue
            pictures = 0 if isinstance(before, GapRecord) else before.units.count
            if behind.previous != digest or behind.first_unit != before.first_unit + pictures:
                text = f"Record {behind.sequence} does not continue record {before.sequence} of its chain."
                findings.append(Finding.of("link_broken", text, time_us=(before.start_us, behind.end_us), chain=chain))
    return findings


def check_chains(
    own: Sequence[Judged],
    usable: Sequence[Judged],
    bundle: Bundle,
    receipts: AnchorJudge,
    *,
    camera: str,
    interval_us: Span,
    assume: bool,
) -> list[Finding]:
    """Whether another chain of the camera covers the same time, and whether the interval spans several chains.

    A file that was recorded twice is no second version: records of another chain that say the same about the same
    pictures at the same time are only named.

    Args:
        own: records of the interval.
        usable: all records that may be used.
        assume: take what is merely untrusted for trusted.
    """
    chains = {judged.slot[1] for judged in own}
    imported = any(record.tap == "import" for record in map(record_of, own) if record is not None)
    tolerance_us = IMPORT_OVERLAP_US if imported else 0
    findings = []
    if len(chains) > 1:
        text = f"The interval spans {len(chains)} chains of records: {', '.join(map(str, sorted(chains)))}."
        findings.append(Finding.of("chain_change", text, time_us=interval_us))
    same = _recorded_again(usable, camera, chains)
    for chain, blocks in sorted(_other_chains(bundle, receipts, camera, chains).items()):
        again = [block for block in blocks if block in same and _overlap_us(block, interval_us)]
        if again:
            between = f"between {utc(again[0].start_us)} and {utc(again[-1].end_us)}"
            text = f"Chain {chain} of this camera holds the same records once more, {between}."
            findings.append(Finding.of("further_chain", text, chain=chain))
            blocks = [block for block in blocks if block not in same]
        overlaps = [
            (max(block.start_us, interval_us[0]), min(block.end_us, interval_us[1]))
            for block in blocks
            if block.kind == "segment"
        ]
        overlaps = [(start, end) for start, end in overlaps if end > start]
        length_us = sum(end - start for start, end in overlaps)
        if not length_us:
            continue
        span_us = min(start for start, _ in overlaps), max(end for _, end in overlaps)
        between = f"between {utc(span_us[0])} and {utc(span_us[1])}"
        if length_us > tolerance_us:
            text = f"Chain {chain} of this camera also holds records {between}, which are not shown."
            findings.append(Finding.of("parallel_chain", text, time_us=span_us, chain=chain))
        else:
            text = f"Chain {chain} of this camera touches the interval {between}, within what import times can tell."
            findings.append(Finding.of("further_chain", text, time_us=span_us, chain=chain))
    anchored = [judged.anchor.position for judged in own if judged.anchor is not None]
    if anchored and not receipts.shows_all(f"chain/{camera}/", f"chain/{camera}0", since=max(anchored), assume=assume):
        text = "Not all chains are shown that this camera has on the ledger."
        findings.append(Finding.of("parallel_chain", text))
    since = max(anchored, default=NOWHERE)
    for chain, start, end in _next_to(bundle, receipts, camera, chains, interval_us, assume=assume):
        if receipts.shows_all(start, end, since=since, assume=assume):
            continue
        text = f"Not everything is shown that chain {chain} of this camera holds around this time."
        findings.append(Finding.of("parallel_chain", text, chain=chain))
    for chain in _unshown(bundle, camera, chains):
        text = f"Chain {chain} of this camera was opened on the ledger, but none of its records is at hand."
        findings.append(Finding.of("parallel_chain", text, chain=chain))
    return findings


def _overlap_us(block: Block, span_us: Span) -> int:
    """For how long a block's time lies within `span_us`, 0 where it does not."""
    return max(0, min(block.end_us, span_us[1]) - max(block.start_us, span_us[0]))


def _recorded_again(usable: Iterable[Judged], camera: str, chains: set[int]) -> set[Block]:
    """Blocks of the camera's other chains whose records say the same as one of `chains`."""
    known: set[tuple[object, ...]] = set()
    others: list[tuple[Block, tuple[object, ...]]] = []
    for judged in usable:
        record = record_of(judged)
        if judged.proof is None or not isinstance(record, SegmentRecord) or record.camera != camera:
            continue
        said = (
            record.start_us, record.end_us, record.codec, record.width, record.height, record.display, record.headers,
            record.units.count, record.units.root, record.side, str(record.extra.get("display_notes")),
        )  # fmt: skip
        if record.chain in chains:
            known.add(said)
        else:
            others.append((judged.proof.signed.block, said))
    return {block for block, said in others if said in known}


def _other_chains(bundle: Bundle, receipts: AnchorJudge, camera: str, chains: set[int]) -> dict[int, list[Block]]:
    """Blocks of the camera's other chains that stand on the ledger under receipts that hold together."""
    found: dict[int, list[Block]] = defaultdict(list)
    prefix = f"block/{camera}/"
    for key, receipt in bundle.state.items():
        if key.startswith(prefix) and int(key[len(prefix) : len(prefix) + 10]) not in chains:
            if receipts.anchor(receipt).judgement.standing is Standing.BROKEN or key not in receipt.writes:
                continue
            try:
                block = read_signed_block(receipt.writes[key]).block
            except Malformed:
                continue
            found[block.chain].append(block)
    for leaf_list in bundle.leaf_lists.values():
        try:
            blocks = parse_leaf_list(leaf_list).blocks
        except Malformed:
            continue
        for block in (signed.block for signed in blocks):
            if block.camera == camera and block.chain not in chains:
                found[block.chain].append(block)
    return found


def _next_to(
    bundle: Bundle, receipts: AnchorJudge, camera: str, chains: set[int], interval_us: Span, *, assume: bool
) -> Iterator[tuple[int, str, str]]:
    """The camera's other chains, each with the range of ledger keys in which blocks could touch the interval.

    Chains run forward: that is what lies between a block that ends before the interval and one that begins behind it,
    these included, or the chain's own ends.
    """
    limit = Standing.UNTRUSTED if assume else Standing.SOUND
    shown: dict[int, list[Block]] = defaultdict(list)
    for key, each in bundle.state.items():
        if key.startswith(f"block/{camera}/") and receipts.anchor(each).judgement.standing <= limit:
            try:
                block = read_signed_block(each.writes[key]).block
            except Malformed:
                continue
            shown[block.chain].append(block)
    for chain in sorted(_opened(bundle, camera) - chains):
        before = max((each.sequence for each in shown[chain] if each.end_us <= interval_us[0]), default=0)
        behind = (each.sequence for each in shown[chain] if each.start_us >= interval_us[1])
        last = min((sequence for sequence in behind if sequence >= before), default=MAX_SLOT_NUMBER)
        end = f"block/{camera}/{chain:010d}0" if last >= MAX_SLOT_NUMBER else slot_key(camera, chain, last + 1)
        yield chain, slot_key(camera, chain, before), end


def _opened(bundle: Bundle, camera: str) -> set[int]:
    prefix = f"chain/{camera}/"
    return {int(key[len(prefix) :]) for key in bundle.state if key.startswith(prefix)}


def _unshown(bundle: Bundle, camera: str, chains: set[int]) -> list[int]:
    opened = _opened(bundle, camera)
    shown = {int(key.split("/")[2]) for key in bundle.state if key.startswith(f"block/{camera}/")}
    shown |= {slot[1] for slot in (*bundle.sealed, *bundle.proofs, *bundle.lacking) if slot[0] == camera}
    return sorted(opened - shown - chains)


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
