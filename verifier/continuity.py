"""What the record itself lacks where the file was compared: signed gaps, holes, and what is not anchored yet."""

from __future__ import annotations

from collections.abc import Iterator

from verifier.model import CUT_PICTURE, Finding, Op, Span
from verifier.recorded import Recorded
from verifier.script import Script

__all__ = ["ambiguity_findings", "record_findings", "unaccounted"]

EDGE_US = 1_000_000
"""By how much an asked interval may exceed what was recorded: it is mostly given in whole seconds."""


def record_findings(script: Script, asked_us: Span | None) -> Iterator[Finding]:
    """Name gaps and holes between the first and last picture concerned, and pictures that are not anchored."""
    own = script.own
    if own is not None and script.hull is not None:
        low, high = script.hull
        for position, segment in own.gaps:
            if low < position <= high or _within(segment.start_us, segment.end_us, asked_us):
                seconds = max(0, segment.end_us - segment.start_us) / 1e6
                text = f"{seconds:.3f} s were not recorded, according to the recorder: {segment.cause}."
                code = "recording_gap" if segment.anchored else "not_anchored_yet"
                yield Finding.of(
                    code, text, time_us=(segment.start_us, segment.end_us), chain=segment.chain,
                    detail=(("cause", str(segment.cause)),),
                )  # fmt: skip
        for hole in own.holes:
            if low < hole.position <= high or _within(hole.start_us, hole.end_us, asked_us):
                text = "Between two chains of records nothing says what was recorded."
                if hole.sequences is not None:
                    first, last = hole.sequences
                    which = f"Record {first} is" if first == last else f"Records {first} to {last} are"
                    text = f"{which} missing from the sequence, and no signed gap accounts for that."
                yield Finding.of("record_missing", text, time_us=(hole.start_us, hole.end_us), chain=hole.chain)
        if asked_us is not None:
            for start, end in unaccounted(own, asked_us):
                text = "For part of the time asked for there is neither a record nor a signed gap."
                yield Finding.of("record_missing", text, time_us=(start, end))
    for operation in script.operations:
        if operation.op is Op.PENDING:
            text = f"{operation.pictures} pictures are recorded and signed, but not anchored yet."
            yield Finding.of(
                "not_anchored_yet", text, file=operation.file, record=operation.record,
                time_us=operation.time_us, chain=operation.chain,
            )  # fmt: skip
        elif operation.op is Op.UNKNOWN and operation.cause == CUT_PICTURE:
            text = "A picture at the end of the file is only partly there: it is displayed, but not covered."
            yield Finding.of("cut_picture", text, file=operation.file)


def _within(start_us: int, end_us: int, asked_us: Span | None) -> bool:
    return asked_us is not None and start_us < asked_us[1] and end_us > asked_us[0]


def unaccounted(own: Recorded, asked_us: Span) -> list[Span]:
    """Return the ends of an asked interval that lie outside all that was recorded or signed as a gap."""
    parts = []
    if own.start_us - asked_us[0] > EDGE_US:
        parts.append((asked_us[0], min(own.start_us, asked_us[1])))
    if asked_us[1] - own.end_us > EDGE_US:
        parts.append((max(own.end_us, asked_us[0]), asked_us[1]))
    return parts


def ambiguity_findings(script: Script) -> Iterator[Finding]:
    """List all places of pictures that fit several."""
    for place in script.ambiguous:
        low, high = place.record.segment_of(place.first), place.record.segment_of(place.last)
        text = f"The pictures also fit camera {place.record.camera} here; none of them stands only once in the record."
        yield Finding.of(
            "ambiguous_time",
            text,
            record=place.record.numbers(place.first, place.last) if low.chain == high.chain else None,
            time_us=place.record.time_us(place.first, place.last),
            chain=low.chain,
        )
    if script.unplaceable and not script.ambiguous:
        text = "Pictures like these stand in the record several times each, and nothing shows which of them these are."
        yield Finding.of("ambiguous_time", text, file=(0, len(script.ops) - 1))
