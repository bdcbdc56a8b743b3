"""What stands beside the operations: every finding about a matched file, and the mark of each on the strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from media.footage import Footage
from verifier.coding import affected_units, header_units, side_units
from verifier.continuity import ambiguity_findings, record_findings
from verifier.model import FINDINGS, STRIP_WORST_FIRST, Finding, Span
from verifier.presentation import display_findings, left_out, track_findings
from verifier.runs import spans_of
from verifier.script import Script
from verifier.timing import compare_times, held

__all__ = ["Examined", "examine_script"]

MOST_LISTED = 24
"""Stretches of one finding that are listed singly; more are told as one, and drawn one by one all the same."""

HIDDEN = "{n} pictures are in the file, but its edit list keeps them from being shown."

UNDECODABLE = (
    "Parameter sets of {n} pictures are not at hand on both sides, and no picture that is shown has its own: what a "
    "player makes of them is open. Ask for an export that begins earlier, or for the recorder's original file."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """Findings, and the worst mark that they leave on each picture of the file (`.` for none)."""

    findings: tuple[Finding, ...]
    marks: str


def examine_script(
    script: Script, footage: Footage, *, asked_us: Span | None = None, track_chosen: bool = False
) -> Examined:
    """Find what equal picture data does not show.

    Args:
        script: of `footage`, as `verifier.operations.match` made it.
        asked_us: as given to `match`.
        track_chosen: the examiner said which video track is meant.
    """
    pending = _pending(script)
    found = [*track_findings(footage, track_chosen=track_chosen), *ambiguity_findings(script)]
    drawn: list[tuple[str, Sequence[int]]] = []
    if script.ambiguous:
        # Which records these pictures belong to is open, so nothing can be said by comparing with one of them.
        hidden = sorted({unit for first, last in footage.hidden for unit in range(first, last + 1)})
        found.extend(_listed(script, "hidden", hidden, HIDDEN, pending))
        return Examined(findings=tuple(found), marks=_marks(footage.count, [("hidden", hidden)]))
    for code, units, text in _by_units(script, footage, asked_us):
        found.extend(_listed(script, code, units, text, pending))
        drawn.append((code, _without(units, pending)))
    for finding in display_findings(script, footage):
        found.append(finding)
        if finding.file is not None and finding.severity == "state":
            drawn.append((finding.code, range(finding.file[0], finding.file[1] + 1)))
    found.extend(_times(script, footage, drawn, pending))
    found.extend(record_findings(script, asked_us))
    return Examined(findings=tuple(found), marks=_marks(footage.count, drawn))


def _by_units(script: Script, footage: Footage, asked_us: Span | None) -> Iterator[tuple[str, list[int], str]]:
    """Yield code, units and text of findings that concern single pictures."""
    headers, lacking, blind = header_units(script, footage)
    sides, user = side_units(script, footage)
    yield "headers_changed", headers, "{n} pictures are decoded by other parameter sets than were recorded."
    if blind:
        yield "undecodable", lacking, UNDECODABLE
    else:
        yield "undecodable_start", lacking, "For {n} pictures the parameter sets are not at hand on both sides."
    for happened, what in (("added", "were added to"), ("dropped", "are missing from"), ("changed", "differ at")):
        units = [unit for unit, how in sides.items() if (how[0] if len(how) == 1 else "changed") == happened]
        yield "side_changed", units, f"Side messages that change what is seen {what} {{n}} pictures."
    yield "user_data_changed", user, "User messages differ at {n} pictures; players do not act on them."
    affected = affected_units(script, footage, {*headers, *sides})
    yield "affected", affected, "{n} pictures are coded as recorded, but decoded from pictures that are not."
    hidden, preroll = left_out(script, footage, asked_us)
    yield "hidden", hidden, HIDDEN
    yield "preroll", preroll, "{n} pictures are in the file before or behind the part that is shown, but not shown."


def _times(
    script: Script, footage: Footage, drawn: list[tuple[str, Sequence[int]]], pending: frozenset[int]
) -> Iterator[Finding]:
    timing = compare_times(script, footage)
    signed_only = bool(pending) and not _without([u for u, (at, _) in enumerate(script.source) if at >= 0], pending)
    retimed = "{n} pictures are shown at other times than recorded."
    if footage.edits_retimed:
        text = "The edit list repeats, reorders, pauses or stretches pictures."
        whole = (0, footage.count - 1) if footage.count else None
        yield Finding.of("retimed", text, file=whole, note=signed_only)
        drawn.append(("retimed", _without(range(footage.count), pending)))
    if script.own is not None and timing.rates is not None:
        shown, usual = (1e6 / rate if rate else 0 for rate in timing.rates)
        text = f"The file shows {shown:.2f} pictures per second, {usual:.2f} were recorded: times were re-made."
        yield Finding.of("retimed", text, file=(0, footage.count - 1), note=signed_only)
        drawn.append(("retimed", _without(range(footage.count), pending)))
    if 2 * len(timing.retimed) > timing.judged:
        retimed = "{n} pictures are shown at other times than recorded: times were re-made."
    yield from _listed(script, "retimed", timing.retimed, retimed, pending)
    drawn.append(("retimed", _without(timing.retimed, pending)))
    if stays := held(script, footage):
        unit, known = stays
        length = f"The last picture is shown for {(footage.last_us or 0) / 1e6:.1f} s"
        text = f"{length}, longer than recorded." if known else f"{length}; how long it was recorded for is not known."
        note = unit in pending
        yield Finding.of(
            "retimed" if known else "held", text, file=(unit, unit), time_us=_time(script, (unit, unit)), note=note
        )
        if known:
            drawn.append(("retimed", _without((unit,), pending)))
    stepped = "{n} pictures are shown up to 0.2 s off, all alike, as where files were joined."
    yield from _listed(script, "time_step", timing.stepped, stepped, pending)
    if script.matched and not timing.judged:
        text = "File or record has no presentation times of its own, so single times could not be compared."
        yield Finding.of("times_not_compared", text)


def _pending(script: Script) -> frozenset[int]:
    """Units whose recorded picture is signed, but not anchored: what differs from it is told, and calls for nothing."""
    anchored = {
        index: np.repeat([each.anchored for each in record.segments], [each.count for each in record.segments])
        for index, record in enumerate(script.sources)
        if not all(each.anchored for each in record.segments)
    }
    return frozenset(
        unit for unit, (index, at) in enumerate(script.source) if index in anchored and not anchored[index][at]
    )


def _without(units: Sequence[int], pending: frozenset[int]) -> Sequence[int]:
    return [unit for unit in units if unit not in pending] if pending else units


def _worded(text: str, count: int) -> str:
    if count == 1:
        text = text.replace("{n} pictures are", "{n} picture is").replace("{n} pictures", "{n} picture")
    return text.format(n=count)


def _listed(
    script: Script, code: str, units: Sequence[int], text: str, pending: frozenset[int] = frozenset()
) -> Iterator[Finding]:
    """One finding per stretch, or one over all stretches where there are many; a note about what is only signed."""
    anchored = _without(units, pending)
    for part, note in ((anchored, False), ([unit for unit in units if unit in pending], True)):
        spans = list(spans_of(part))
        counts = [last - first + 1 for first, last in spans]
        if len(spans) > MOST_LISTED:
            spans, counts = [(part[0], part[-1])], [len(part)]
        for span, count in zip(spans, counts, strict=True):
            yield Finding.of(
                code, _worded(text, count), file=span, time_us=_time(script, span), detail=(("pictures", count),),
                note=note,
            )  # fmt: skip


def _time(script: Script, span: Span) -> Span | None:
    """Recorded times of the pictures of a span that have a place."""
    positions = [position for position in script.place[span[0] : span[1] + 1] if position >= 0]
    if script.own is None or not positions:
        return None
    return script.own.time_us(min(positions), max(positions))


def _marks(count: int, drawn: Sequence[tuple[str, Sequence[int]]]) -> str:
    rank = {character: index for index, character in enumerate(STRIP_WORST_FIRST)}
    marks = ["."] * count
    for code, units in drawn:
        character = FINDINGS[code].strip
        if character is not None:
            for unit in units:
                if rank[character] < rank[marks[unit]]:
                    marks[unit] = character
    return "".join(marks)
