"""A verdict in words for people: state, strip, sentence, what was found where, and whose word it rests on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise

from cli.console import result, stdout
from verifier.model import OPERATIONS, STRIP_WORST_FIRST, Finding, Op, Operation, Span, State
from verifier.sentences import seconds, utc
from verifier.strip import MOST_PICTURES
from verifier.verdict import Exhibit, Verdict

_MINUTE_US, _HOUR_US = 60_000_000, 3_600_000_000
_MOST_LINES = 40  # of operations or findings; `--json` has all of them
_STYLES = {State.VERIFIED: "bold green", State.ALTERED: "bold red", State.INCOMPLETE: "bold red"}
_LEGEND = {rule.strip: op.value for op, rule in OPERATIONS.items()} | {
    "H": "header, side data or display changed",
    "#": "region changed",
    "h": "hidden",
    "T": "at another time",
    "a": "decodes from a changed picture",
}


def print_verdicts(verdicts: Sequence[Verdict], state: State) -> None:
    """Print the state of all exhibits together on the first line, then each verdict."""
    stdout().print(state.name, style=_STYLES.get(state, "bold yellow"))
    for verdict in verdicts:
        if len(verdicts) > 1:
            result("", f"{verdict.name}: {verdict.state.name}")
        if verdict.strip:
            shown = sys.stdout.isatty() or "COLUMNS" in os.environ
            result(strip_for(verdict.strip, stdout().width if shown else MOST_PICTURES))
        result(verdict.sentence, "")
        for name, text in facts(verdict):
            result(f"{name:<11} {text}".rstrip())


def strip_for(strip: str, width: int) -> str:
    """The strip in at most `width` characters, the worst of each slot winning."""
    if len(strip) <= width:
        return strip
    edges = [slot * len(strip) // width for slot in range(width + 1)]
    return "".join(min(strip[a:b], key=STRIP_WORST_FIRST.index) for a, b in pairwise(edges))


def facts(verdict: Verdict) -> Iterator[tuple[str, str]]:
    """Everything below the sentence, as (name, text)."""
    for exhibit in verdict.exhibits:
        yield from _exhibit(exhibit)
    if verdict.camera is not None:
        yield "camera", verdict.camera
    if verdict.interval_us is not None:
        part = " (an excerpt of what was recorded)" if verdict.excerpt else ""
        yield "interval", f"{utc(verdict.interval_us[0])} to {utc(verdict.interval_us[1])}{part}"
    signs = [sign for sign in STRIP_WORST_FIRST if sign in verdict.strip and sign != "."]
    if signs:
        yield "strip", ", ".join(f"{sign} {_LEGEND[sign]}" for sign in signs)
    yield from _shortened("pictures", [_operation(each) for each in verdict.script if each.op is not Op.SAME])
    yield from _shortened("finding", [_finding(each) for each in verdict.findings if each.severity == "state"])
    yield from _shortened("note", [_finding(each) for each in verdict.findings if each.severity == "note"])
    axes = ", ".join(f"{axis.value} {found.result.value}" for axis, found in verdict.axes.items())
    if axes:
        yield "axes", axes
    if verdict.kept_by:
        yield "kept by", ", ".join(verdict.kept_by)
    for fact in verdict.proof[:3]:
        when = "at a time not independently proven" if fact.anchored_by_us is None else f"by {utc(fact.anchored_by_us)}"
        shown = f"shown by signed read {fact.transaction}" if fact.signed_read else f"transaction {fact.transaction}"
        yield "anchored", f"{fact.ledger}, block {fact.block}, {shown}, {when}"
    if len(verdict.proof) > 3:
        yield "", f"and {len(verdict.proof) - 3} further transactions; --json lists them"
    if verdict.exposure_us is not None:
        yield "exposure", f"{_lasting(verdict.exposure_us)} at most between capture and anchoring, unprotected"
    yield from _trust(verdict)
    if verdict.next_step:
        yield "next", verdict.next_step


def _exhibit(exhibit: Exhibit) -> Iterator[tuple[str, str]]:
    size = f", {exhibit.width}×{exhibit.height}" if exhibit.width else ""
    what = f"{exhibit.container}, {exhibit.codec}{size}, {exhibit.pictures} pictures" if exhibit.codec else "unusable"
    yield "footage", f"{exhibit.name}: {what}"
    yield "", f"sha256 {exhibit.sha256.hex()}, {exhibit.size_bytes} bytes"
    unseen = [f"{track.kind} {track.codec}".strip() for track in exhibit.tracks if not track.examined]
    if unseen:
        yield "", f"not examined: {', '.join(unseen)}"


def _trust(verdict: Verdict) -> Iterator[tuple[str, str]]:
    trust = verdict.trust
    if trust is None:
        return  # the file could not be examined, so nobody's word was asked for
    if trust.source == "none":
        yield "trust", "none named"
        return
    named = "this home's own word" if trust.source == "home" else f"file with sha256 {trust.sha256}"
    known = "" if trust.registry_as_of is None else f"; registry as of block {trust.registry_as_of}"
    yield "trust", f"{named}{known}; later revocations not seen"


def _lasting(duration_us: int) -> str:
    """Seconds, and beside many of them what they come to: `28011600.4 s (324 d 5 h)`."""
    hours, minutes = duration_us // _HOUR_US, duration_us // _MINUTE_US % 60
    days, rest = divmod(hours, 24)
    about = f" ({days} d {rest} h)" if days else f" ({hours} h {minutes} min)" if hours else ""
    return f"{seconds(duration_us)} s{about}"


def _shortened(name: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(lines[:_MOST_LINES]):
        yield (name if number == 0 else ""), line
    if len(lines) > _MOST_LINES:
        yield "", f"and {len(lines) - _MOST_LINES} more; --json lists them"


def _operation(each: Operation) -> str:
    parts = [f"{each.op.value}: {each.pictures} {'picture' if each.pictures == 1 else 'pictures'}"]
    if each.shown is not None:
        parts.append(f"shown at {_span(each.shown)} of the file")
    if each.time_us is not None:
        parts.append(f"recorded {_times(each.time_us)}")
    if each.of is not None:
        parts.append(f"from camera {each.of.camera}, {_times(each.of.time_us)}")
    if each.cause is not None:
        parts.append(each.cause)
    return ", ".join(parts)


def _finding(each: Finding) -> str:
    places = []
    if each.file is not None:
        places.append(f"{'picture' if each.file[0] == each.file[1] else 'pictures'} {_span(each.file)} of the file")
    if each.time_us is not None and utc(each.time_us[0]) not in each.text:
        places.append(_times(each.time_us))
    where = f" ({', '.join(places)})" if places else ""
    return f"{each.text.removesuffix('.')}{where}. [{each.code}]"


def _span(span: Span) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"


def _times(span_us: Span) -> str:
    return utc(span_us[0]) if span_us[0] == span_us[1] else f"{utc(span_us[0])} to {utc(span_us[1])}"
