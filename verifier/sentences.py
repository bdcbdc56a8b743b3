"""The sentences a verdict may say: fixed texts, versioned, filled only with what was covered.

A sentence never claims more than the checks established, names whose word it rests on, and is the same for the same
facts. Change a text and `VERSION` goes up, since reports quote it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from verifier.model import Span, State

VERSION = 1

FORBIDDEN = (
    "authentic", "genuine", "real", "proves", "100 %", "forged", "tampered", "fake", "edited to hide", "invalid",
)  # fmt: skip
"""Words that no sentence contains, whatever it is filled with: each claims what the method cannot know."""

MEANINGS = MappingProxyType(
    {
        State.VERIFIED: "every picture examined equals what was anchored",
        State.ALTERED: "picture data differs from what was recorded",
        State.INCOMPLETE: "recorded pictures are not shown as recorded",
        State.NOT_ANCHORED: "nothing was anchored that this footage could be compared with",
        State.NO_MATCH: "the camera was being anchored, but nothing in the file matches",
        State.UNTRUSTED_PROOF: "proof exists, but not under what the examiner trusts",
        State.UNDETERMINED: "the examination could not be completed",
        State.SIMILAR_ONLY: "only perceptual fingerprints agree: an indication",
    }
)
"""One line for tables and help texts."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_A_FINDING = "This is not a finding against the footage."
_SOUND = "The sound was not examined."


def utc(time_us: int) -> str:
    """RFC 3339 in UTC with milliseconds, rounded down; years that a date cannot hold are written as microseconds."""
    try:
        moment = _EPOCH + timedelta(microseconds=time_us)
    except OverflowError:
        return f"{time_us} us"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def seconds(duration_us: int) -> str:
    """A duration with the fewest decimals that still tell it from zero: `12`, `0.4`, `0.04`."""
    if duration_us % 1_000_000 == 0:
        return str(duration_us // 1_000_000)
    decimals = 1 if duration_us >= 1_000_000 else 3
    return f"{duration_us / 1_000_000:.{decimals}f}".rstrip("0").rstrip(".")


def short_ledger(ledger_id: str) -> str:
    """A ledger's id as a sentence names it; the whole of it stands beside the sentence."""
    kind, _, rest = ledger_id.partition(":")
    channel, separator, digest = rest.rpartition(":")
    return f"{kind}:{channel}{separator}{digest[:16]}…"


def joined(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def anchored_when(anchored_by_us: int | None, whose: str) -> str:
    """The clause behind `anchored in …`: by when, and whose clock says so."""
    if anchored_by_us is None:
        return "at a time not independently proven"
    return f"by {utc(anchored_by_us)} ({whose})"


def continues(before: bool, after: bool) -> str:
    """Whether recorded footage goes on outside what the file shows."""
    if before and after:
        return "Recorded footage continues before and after."
    if before or after:
        return f"Recorded footage continues {'before' if before else 'after'}."
    return ""


def gap(missing_us: int, causes: Sequence[str]) -> str:
    """A signed gap within the interval: named, and no change of state."""
    return f"Within it {seconds(missing_us)} s were not recorded, according to the recorder: {joined(causes)}."


IMPORTED = "Times as stated at import."
NO_TIMES = "Presentation times were not compared, since the record or the copy carries none."
CUT_PICTURE = "A cut picture at the edge of the file is displayed but not covered by this."
CUT_BEGIN = "the file begins within a picture, and those behind it are decoded from what is left of it"
ONLY_PENDING = "the pictures are signed, but none of them is anchored yet"
OPEN_END = (
    "the last picture equals no recorded one, and a raw stream does not say whether it is cut or changed; "
    "everything before it was compared"
)
OTHER_VERSIONS = "Whether one version only was sealed is not established: the recorder could hold other versions."


def pending(start_us: int, end_us: int) -> str:
    """A reason for UNDETERMINED: a part is signed and not yet anchored; names the part that is anchored."""
    part = f"from {utc(start_us)} to {utc(end_us)}"
    return f"only the part {part} is anchored; the rest is signed and waits to be anchored"


def _text(*parts: str) -> str:
    return " ".join(part for part in parts if part)


def verified(
    interval: Span,
    *,
    ledger: str,
    when: str,
    keeper: bool,
    clauses: Sequence[str] = (),
) -> str:
    """VERIFIED.

    Args:
        interval: first and last time shown, Unix microseconds UTC.
        when: from `anchored_when`.
        keeper: no witness stands beside the one who keeps the ledger.
        clauses: what narrows the statement, in order.
    """
    unless = " unless the keeper of this ledger rewrote it" if keeper else ""
    return _text(
        f"The picture data in this file, from {utc(interval[0])} to {utc(interval[1])}, is identical to the data "
        f"anchored in {ledger} {when}.",
        f"A change to it after that moment would have been detected{unless}.",
        *clauses,
        _SOUND,
    )


def altered(span: Span, *, places: int, damaged_only: bool = False, clauses: Sequence[str] = ()) -> str:
    """ALTERED: between the first and the last moment that differs."""
    where = f" ({places} places)" if places > 1 else ""
    return _text(
        f"Between {utc(span[0])} and {utc(span[1])}{where} the picture data differs from what was recorded.",
        "Damage explains it: the parts that survive equal what was recorded." if damaged_only else "",
        "This does not say who, why, or whether on purpose; damage in transmission and re-encoding can also cause it.",
        *clauses,
        _SOUND,
    )


def incomplete(
    missing_us: int, *, kinds: Sequence[str], added: int = 0, alone: bool = True, clauses: Sequence[str] = ()
) -> str:
    """INCOMPLETE.

    Args:
        missing_us: how long the recorded pictures last that are not shown as recorded.
        kinds: `missing`, `hidden`, `repeated`, `moved`, `at other times`: those that occur.
        added: pictures of other material that stand between.
        alone: nothing else is wrong; without it the sentence is a clause of ALTERED and claims no match.
    """
    named = [*kinds, "with other material between them"] if added else list(kinds)
    ways = " or ".join((", ".join(named[:-1]), named[-1])) if len(named) > 1 else "".join(named)
    amount = f"{seconds(missing_us)} s of recorded pictures" if kinds else "Recorded pictures"
    # "Present" would take in the added pictures, which match nothing.
    recorded = "recorded picture data" if added else "picture data"
    rest = f"The {recorded} that is present matches."
    first = f"{amount} are not shown as recorded ({ways})."
    return _text(first, rest, *clauses, _SOUND) if alone else first


def nothing_expected(cause: str, *, whom: str, when: str = "") -> str:
    """NOT_ANCHORED where a camera or time was named.

    Args:
        whom: `camera gate-1`, or `any camera known here`.
        when: ` between … and …`, or empty where only a camera was named.
    """
    return _text(
        f"Nothing was anchored for {whom}{when}, and nothing was expected ({cause}).",
        "The method says nothing about this footage.",
    )


def nothing_known() -> str:
    """NOT_ANCHORED where neither camera nor time was named."""
    return (
        "No anchored picture known here equals any in this file, and no camera or time was named. "
        "The method says nothing about this footage."
    )


def between(start_us: int | None, end_us: int | None) -> str:
    """The time that was named, with a space before it; empty where none was."""
    if start_us is not None and end_us is not None:
        return f" between {utc(start_us)} and {utc(end_us)}"
    if start_us is not None:
        return f" from {utc(start_us)} on"
    return "" if end_us is None else f" until {utc(end_us)}"


def no_match(cameras: Sequence[str], *, when: str = "", equals: str = "") -> str:
    """NO_MATCH.

    Args:
        when: ` between … and …`, or empty where only a camera was named.
        equals: where the pictures were anchored instead, if anywhere.
    """
    who = f"Camera {cameras[0]}" if len(cameras) == 1 else f"Cameras {joined(cameras)}"
    was = "was" if len(cameras) == 1 else "were"
    named = when or " in the time that the ledger covers"
    return _text(
        f"{who} {was} being anchored{named}, but nothing in this file matches.",
        "Another coding, another time or another camera explain it as well as a change does.",
        equals,
    )


def elsewhere(camera: str, span: Span) -> str:
    """The clause of NO_MATCH that names where the pictures do stand."""
    return f"Pictures in it equal those anchored for camera {camera} from {utc(span[0])} to {utc(span[1])}."


def outside(camera: str, span: Span) -> str:
    """A clause for pictures that match, but none of which is of the time that was named."""
    return (
        f"the pictures equal those anchored for camera {camera} from {utc(span[0])} to {utc(span[1])}, "
        "which is outside the time named"
    )


def whole(clause: str) -> str:
    """A clause as a sentence of its own."""
    return f"{clause[:1].upper()}{clause[1:]}."


def if_trusted(state: State) -> str:
    """What trust would change."""
    return f"If it were trusted, the result would be {state.name}."


def untrusted(what: str, would: State | None) -> str:
    """UNTRUSTED_PROOF, always with the reason and what trust would change."""
    return _text(f"Proof exists, but {what}.", "" if would is None else if_trusted(would))


def undetermined(reasons: Sequence[str], clauses: Sequence[str] = ()) -> str:
    """UNDETERMINED, with every reason."""
    return _text(f"The examination could not be completed because {joined(reasons)}.", *clauses, _NOT_A_FINDING)


def similar_only(interval: Span, *, distance: str, false_match_rate: str) -> str:
    """SIMILAR_ONLY: perceptual agreement and nothing more."""
    return (
        "Bit-level proof is lost. The pictures are consistent with the anchored fingerprints from "
        f"{utc(interval[0])} to {utc(interval[1])} "
        f"(distance {distance}, measured false-match rate {false_match_rate}). "
        f"An indication, not proof. {_SOUND}"
    )
