"""Why nothing in a file matches: NO_MATCH, NOT_ANCHORED, or a doubt about the evidence itself."""

from __future__ import annotations

from collections.abc import Iterable

from evidence.blocks import Block
from evidence.records import GapRecord
from evidence.registry import ACTIVE
from verifier import sentences
from verifier.anchor import Judgement, Standing, broken
from verifier.asked import Asked
from verifier.court import Court
from verifier.model import Finding, Span, State
from verifier.script import Script

Explanation = tuple[State, str, tuple[Finding, ...]]

_FOREVER = 2**62


def lacking(court: Court) -> Judgement:
    """The judgement on proof that should be at hand and is not."""
    (camera, chain, sequence), reason = min(court.bundle.lacking.items())
    return broken(
        "proof_absent", f"the proof of record {sequence} of {camera}, chain {chain}, is not usable ({reason})"
    )


def explain(court: Court, asked: Asked, script: Script, *, assume: bool) -> Explanation:
    """State and sentence for a file nothing of which matches (or nothing of the camera that was named).

    Args:
        script: may hold a match with another camera than the one named; it is cited.
        assume: take what is merely untrusted for trusted.
    """
    if not asked.named:
        return State.NOT_ANCHORED, sentences.nothing_known(), ()
    equals, findings = _elsewhere(script)
    overlapping = list(court.anchored(lambda block: _concerns(block, asked), assume=assume))
    segments = sorted({block.camera for block in overlapping if block.kind == "segment"})
    when = sentences.between(asked.start_us, asked.end_us)
    if segments:
        return State.NO_MATCH, sentences.no_match(segments, when=when, equals=equals), findings
    refused = court.untrusted(lambda block: _concerns(block, asked) and block.kind == "segment")
    if refused is not None:
        finding = Finding.of("anchor_not_trusted", sentences.whole(refused.text))
        return State.UNTRUSTED_PROOF, sentences.untrusted(refused.text, None), (finding, *findings)
    doubt = _doubt(court, asked)
    if doubt:
        return State.UNDETERMINED, sentences.undetermined([doubt]), findings
    whom = "any camera known here" if asked.camera is None else f"camera {asked.camera}"
    cause = _cause(court, asked, overlapping)
    return State.NOT_ANCHORED, sentences.nothing_expected(cause, whom=whom, when=when), findings


def _elsewhere(script: Script) -> tuple[str, tuple[Finding, ...]]:
    own = script.own
    if own is None or script.hull is None:
        return "", ()
    span_us = own.time_us(*script.hull)
    text = sentences.elsewhere(own.camera, span_us)
    return text, (Finding.of("equals_elsewhere", text, time_us=span_us),)


def _span(asked: Asked) -> Span:
    return asked.start_us or 0, _FOREVER if asked.end_us is None else asked.end_us


def _concerns(block: Block, asked: Asked) -> bool:
    start, end = _span(asked)
    return asked.camera in (None, block.camera) and block.start_us < end and block.end_us > start


def _doubt(court: Court, asked: Asked) -> str:
    """A reason why nothing can be said although nothing is anchored there."""
    start, end = _span(asked)
    for judged in court.judged.values():
        record = None if judged.proof is None else judged.proof.record
        if (
            judged.standing is Standing.PENDING
            and record is not None
            and asked.camera in (None, record.camera)
            and record.start_us < end
            and record.end_us > start
        ):
            return "records for that time are signed, but not anchored yet"
    if court.bundle.reads:
        # They show a few ranges as they stood at one moment: what came later, or in a sealed batch, is not in them.
        return "the signed reads at hand do not show everything that the ledger holds for that time"
    return _hole(court.blocks, asked)


def _hole(blocks: Iterable[Block], asked: Asked) -> str:
    start, end = _span(asked)
    last: Block | None = None
    for block in sorted(blocks, key=lambda block: block.order):
        if asked.camera not in (None, block.camera):
            continue
        if (
            last is not None
            and (last.camera, last.chain) == (block.camera, block.chain)
            and block.sequence > last.sequence + 1
            and last.end_us < end
            and block.start_us > start
        ):
            return f"records of camera {block.camera} that belong to that time are not at hand"
        last = block
    return ""


def _cause(court: Court, asked: Asked, overlapping: Iterable[Block]) -> str:
    gaps = {
        judged.proof.record.cause
        for judged in court.judged.values()
        if judged.proof is not None
        and isinstance(judged.proof.record, GapRecord)
        and judged.standing <= Standing.PENDING
        if asked.camera in (None, judged.slot[0])
    }
    if any(block.kind == "gap" for block in overlapping):
        named = f": {sentences.joined(sorted(gaps))}" if gaps else ""
        return f"a gap that the recorder signed{named}"
    if asked.camera is None:
        return "no record of that time is known"
    entry = court.camera(asked.camera)
    if entry is None:
        return "not enrolled"
    if entry.status != ACTIVE:
        return entry.status.lower()
    return "no recording of that time was announced"
