"""Check 9: do the records of the interval form one unbroken sequence, and is it the only one?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from evidence.blocks import Block, slot_key
from evidence.errors import Malformed
from evidence.records import MAX_SLOT_NUMBER, GapRecord, Record, SegmentRecord
from verifier.anchor import NOWHERE, AnchorJudge, Standing
from verifier.bundle import Bundle
from verifier.check_proof import Judged, read_signed_block
from verifier.check_sealed import SealedBlock, open_ended, sealed_blocks
from verifier.model import Finding, Span
from verifier.sentences import utc

Sealed = Mapping[int, Sequence[SealedBlock]]
"""A camera's sealed blocks by chain."""

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
    site: str,
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
    sealed = sealed_blocks(bundle, receipts, camera)
    for chain, blocks in sorted(_other_chains(bundle, receipts, sealed, camera, chains).items()):
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
    for chain, start, end in _next_to(bundle, receipts, sealed, camera, chains, interval_us, assume=assume):
        if receipts.shows_all(start, end, since=since, assume=assume):
            continue
        text = f"Not everything is shown that chain {chain} of this camera holds around this time."
        findings.append(Finding.of("parallel_chain", text, chain=chain))
    for chain, leaves in sorted(sealed.items()):
        if chain not in chains and open_ended(leaves, bundle, receipts, site, interval_us=interval_us, last=since):
            text = f"Sealed batches that could hold more of chain {chain} of this camera at this time are not at hand."
            findings.append(Finding.of("sealed_leaves", text, chain=chain))
    for chain in _unshown(bundle, camera, {*chains, *sealed}):
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


def _other_chains(
    bundle: Bundle, receipts: AnchorJudge, sealed: Sealed, camera: str, chains: set[int]
) -> dict[int, list[Block]]:
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
    for chain, leaves in sealed.items():
        if chain not in chains:
            found[chain] += [each.block for each in leaves]
    return found


def _next_to(
    bundle: Bundle,
    receipts: AnchorJudge,
    sealed: Sealed,
    camera: str,
    chains: set[int],
    interval_us: Span,
    *,
    assume: bool,
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
    for chain, leaves in sealed.items():
        shown[chain] += [each.block for each in leaves if each.standing <= limit]
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
