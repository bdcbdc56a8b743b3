"""From what was found to the sentence that says it: which fixed text, filled with what, narrowed by which clauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from verifier import sentences
from verifier.model import CUT_BEGIN, CUT_PICTURE, Finding, Op, Operation, Span, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a sentence about a matched file may draw on.

    interval_us: first to last matched anchored picture that is shown; None where only pending pictures matched.
    picture_us: the usual distance of two pictures, so that a single missing one lasts longer than nothing.
    when: the clause of `sentences.anchored_when`.
    before, after: recorded footage continues outside the interval.
    outside: a clause where no picture is of the time that was named.
    """

    camera: str
    ledger: str
    interval_us: Span | None
    picture_us: int
    when: str
    keeper: bool
    before: bool
    after: bool
    script: tuple[Operation, ...]
    findings: tuple[Finding, ...]
    outside: str = ""


# How INCOMPLETE names what became of recorded pictures, and which operations are other material between them.
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        Op.MISSING.value: "missing",
        "hidden": "hidden",
        Op.DUPLICATED.value: "repeated",
        Op.REORDERED.value: "moved",
        "retimed": "at other times",
    }
)
OPEN_END = "open_end"
"""The cause of an `unknown` last picture of a stream that does not say whether it ends within it."""

_ADDED = (Op.INSERTED, Op.REPLAYED, Op.FOREIGN)

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        Op.UNKNOWN.value: "{n} pictures could not be compared with a sound record",
        "record_missing": "records that belong between those shown are not at hand",
        "parallel_chain": "another chain of records of this camera covers the same time",
        "not_anchored_yet": "records of the interval are not anchored yet",
        "ambiguous_time": "pictures fit several places of the record equally well",
        "undecodable": (
            "file and record do not both hold what any of its pictures is decoded by (parameter sets, or a name of the "
            "coding); an export that begins earlier, or the recorder's original file, would hold it"
        ),
        "several_video_tracks": "the file holds several video tracks and none was chosen",
    }
)


def statement(state: State, facts: Facts) -> str:
    """The sentence for a file that matches anchored or pending records."""
    if state is State.VERIFIED and facts.interval_us is not None:
        return sentences.verified(
            facts.interval_us, ledger=facts.ledger, when=facts.when, keeper=facts.keeper, clauses=_clauses(facts)
        )
    if state is State.ALTERED:
        return _altered(facts)
    if state is State.INCOMPLETE:
        return _incomplete(facts)
    return sentences.undetermined(_reasons(facts))


def _altered(facts: Facts) -> str:
    everything: list[Operation | Finding] = [*facts.script, *facts.findings]
    causes = [each for each in everything if each.state is State.ALTERED]
    spans = _merged([each.time_us for each in causes if each.time_us is not None])
    if not spans:
        spans = [facts.interval_us or (0, 0)]
    damaged_only = all(isinstance(each, Operation) and each.op is Op.DAMAGED for each in causes)
    clauses = []
    missing_us, kinds, added = _not_shown(facts)
    if kinds or added:
        clauses.append(f"Besides: {sentences.incomplete(missing_us, kinds=kinds, added=added, alone=False)}")
    clauses += _limits(facts)
    return sentences.altered((spans[0][0], spans[-1][1]), places=len(spans), damaged_only=damaged_only, clauses=clauses)


def _incomplete(facts: Facts) -> str:
    missing_us, kinds, added = _not_shown(facts)
    return sentences.incomplete(missing_us, kinds=kinds, added=added, clauses=_limits(facts))


def _not_shown(facts: Facts) -> tuple[int, list[str], int]:
    """Microseconds of recorded pictures not shown as recorded, the ways, and pictures of other material."""
    spans: list[Span] = []
    ways: set[str] = set()
    added = 0
    for operation in facts.script:
        if operation.state is not State.INCOMPLETE:
            continue
        if operation.op in _ADDED:
            added += operation.pictures
            continue
        ways.add(operation.op.value)
        span_us = operation.time_us or (operation.of.time_us if operation.of else None)
        if span_us is not None:
            spans.append(span_us)
    for finding in facts.findings:
        if finding.state is State.INCOMPLETE:
            ways.add(finding.code)
            if finding.time_us is not None:
                spans.append(finding.time_us)
    duration_us = sum(end - start + facts.picture_us for start, end in _merged(spans))
    return duration_us, [words for code, words in _KINDS.items() if code in ways], added


def _clauses(facts: Facts) -> list[str]:
    return [*_limits(facts), sentences.continues(facts.before, facts.after)]


def _limits(facts: Facts) -> list[str]:
    """What narrows the statement, from the notes."""
    codes = {finding.code for finding in facts.findings}
    clauses = []
    gaps = [finding for finding in facts.findings if finding.code == "recording_gap" and finding.time_us is not None]
    if gaps:
        causes = sorted({str(dict(gap.detail).get("cause", "unknown")) for gap in gaps})
        missing_us = sum(gap.time_us[1] - gap.time_us[0] for gap in gaps if gap.time_us is not None)
        clauses.append(sentences.gap(missing_us, causes))
    if any(operation.op is Op.UNKNOWN and operation.cause == CUT_PICTURE for operation in facts.script):
        clauses.append(sentences.CUT_PICTURE)
    if "imported" in codes:
        clauses.append(sentences.IMPORTED)
    if "times_not_compared" in codes:
        clauses.append(sentences.NO_TIMES)
    if "sealed_leaves" in codes or "chain_change" in codes:
        clauses.append(sentences.OTHER_VERSIONS)
    if facts.outside:
        clauses.append(sentences.whole(facts.outside))
    return clauses


def _reasons(facts: Facts) -> list[str]:
    reasons = []
    pending = sum(operation.pictures for operation in facts.script if operation.op is Op.PENDING)
    if pending and facts.interval_us is not None:
        reasons.append(sentences.pending(*facts.interval_us))
    elif pending:
        reasons.append(sentences.ONLY_PENDING)
    if any(operation.cause == OPEN_END for operation in facts.script):
        reasons.append(sentences.OPEN_END)
    if any(operation.cause == CUT_BEGIN for operation in facts.script):
        reasons.append(sentences.CUT_BEGIN)
    unknown = sum(
        operation.pictures
        for operation in facts.script
        if operation.state is State.UNDETERMINED
        and operation.op is Op.UNKNOWN
        and operation.cause not in (OPEN_END, CUT_BEGIN)
    )
    if unknown:
        reasons.append(_REASONS[Op.UNKNOWN.value].format(n=unknown))
    called = {finding.code: finding for finding in facts.findings if finding.state is State.UNDETERMINED}
    if facts.outside:
        # That nothing is known of the time named is no riddle then.
        called.pop("record_missing", None)
        reasons.append(facts.outside)
    reasons += [_REASONS.get(code, finding.text) for code, finding in called.items()]
    return reasons or ["no picture of the file that is shown could be matched"]


def _merged(spans: Iterable[Span]) -> Sequence[Span]:
    """Spans in order, those that touch joined."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
