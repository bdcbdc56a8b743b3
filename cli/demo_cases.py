"""What the demo shows: each copy, how it was made, and what the examination has to say about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cli.demo_edits import Edited
from verifier.model import Op, Operation, Span, State
from verifier.sentences import utc
from verifier.verdict import Verdict

CAMERAS = ("gate-1", "gate-2")

Wrong = str | None
"""What of an expectation was not met; None: all of it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One copy.

    name: stem of its file.
    edit: how it is made, by name in `EDITS`; None: it is not made from the first camera's clip by an edit.
    holds: compares what was found with what the edit really did.
    """

    name: str
    title: str
    edit: str | None
    state: State
    expected: str
    holds: Callable[[Verdict, Edited], Wrong]


def told(verdict: Verdict) -> str:
    """What was found, in one line for the table."""
    # `unknown` is told where some of the file matched; elsewhere the state says it of all of it.
    dull = (Op.SAME,) if Op.SAME in _ops(verdict) else (Op.SAME, Op.UNKNOWN)
    parts = [_operation(each) for each in verdict.script if each.op not in dull]
    parts += [_ranged(each.code, each.file) for each in verdict.findings if each.severity == "state"]
    parts += [_ranged(each.code, each.file) for each in verdict.findings if each.code == "affected"]
    if verdict.if_trusted is not None:
        parts.append(f"if it were trusted: {verdict.if_trusted.state.name}")
    if verdict.state is State.VERIFIED:
        parts.append("excerpt" if verdict.excerpt else "all of it")
    few = parts if len(parts) <= 4 else [*parts[:3], f"and {len(parts) - 3} more"]
    return f"{verdict.state.name}: {'; '.join(few)}" if few else verdict.state.name


def _operation(each: Operation) -> str:
    # By its place in the record where it has one: that is what was removed, moved or changed.
    whose = each.record if each.record is not None else each.file
    text = _ranged(each.op.value, whose)
    if each.of is not None:
        text += f", camera {each.of.camera} from {utc(each.of.time_us[0])}"
    return text


def _ranged(what: str, span: tuple[int, int] | None) -> str:
    if span is None:
        return what
    return f"{what} {span[0]}" if span[0] == span[1] else f"{what} {span[0]}–{span[1]}"


def _plain(verdict: Verdict, _: Edited) -> Wrong:
    if verdict.excerpt:
        return "called an excerpt"
    return None if set(_ops(verdict)) == {Op.SAME} else "not every picture is the same"


def _excerpt(verdict: Verdict, _: Edited) -> Wrong:
    if not verdict.excerpt:
        return "not called an excerpt"
    return None if set(_ops(verdict)) == {Op.SAME} else "not every picture is the same"


def _changed(verdict: Verdict, edited: Edited) -> Wrong:
    if _files(verdict, Op.MODIFIED) != edited.ranges:
        return f"the changed picture is {_ranges(edited)}"
    followed = edited.ranges[-1][1] + 1
    affected = [each.file for each in verdict.findings if each.code == "affected" and each.file is not None]
    return None if affected and affected[0][0] == followed else "no affected range behind it"


def _missing(verdict: Verdict, edited: Edited) -> Wrong:
    return None if _records(verdict, Op.MISSING) == edited.ranges else f"removed were {_ranges(edited)}"


def _moved(verdict: Verdict, edited: Edited) -> Wrong:
    return None if _records(verdict, Op.REORDERED) == edited.ranges else f"one part was moved: {_ranges(edited)}"


def _foreign(verdict: Verdict, edited: Edited) -> Wrong:
    foreign = [each for each in verdict.script if each.op is Op.FOREIGN]
    if _files(verdict, Op.FOREIGN) != edited.ranges:
        return f"foreign are {_ranges(edited)}"
    named = foreign[0].of is not None and foreign[0].of.camera == CAMERAS[1]
    return None if named else f"they come from {CAMERAS[1]}"


def _side(verdict: Verdict, _: Edited) -> Wrong:
    if not any(each.code == "side_changed" for each in verdict.findings):
        return "the added message is not named"
    return None if set(_ops(verdict)) == {Op.SAME} else "every picture unit is the same"


def _hidden(verdict: Verdict, edited: Edited) -> Wrong:
    hidden = tuple(each.file for each in verdict.findings if each.code == "hidden")
    return None if hidden == edited.ranges else f"hidden are {_ranges(edited)}"


def _nothing(verdict: Verdict, _: Edited) -> Wrong:
    return None if Op.SAME not in _ops(verdict) else "something is said to match"


def _would_verify(verdict: Verdict, _: Edited) -> Wrong:
    would = verdict.if_trusted
    return None if would is not None and would.state is State.VERIFIED else "not said what it would be if trusted"


def _ops(verdict: Verdict) -> list[Op]:
    return [each.op for each in verdict.script]


def _files(verdict: Verdict, op: Op) -> tuple[Span | None, ...]:
    return tuple(each.file for each in verdict.script if each.op is op)


def _records(verdict: Verdict, op: Op) -> tuple[Span | None, ...]:
    return tuple(each.record for each in verdict.script if each.op is op)


def _ranges(edited: Edited) -> str:
    return ", ".join(_ranged("", each).strip() for each in edited.ranges)


CASES = (
    Case(
        name="untouched", title="untouched", edit=None, state=State.VERIFIED, expected="every picture", holds=_plain,
    ),
    Case(
        name="repackage", title="re-packaged into another container", edit="repackage", state=State.VERIFIED,
        expected="every picture", holds=_plain,
    ),
    Case(
        name="excerpt", title="the middle third of it", edit="excerpt", state=State.VERIFIED,
        expected="an excerpt", holds=_excerpt,
    ),
    Case(
        name="change-picture", title="one picture changed", edit="change-picture", state=State.ALTERED,
        expected="the picture, and those that decode from it", holds=_changed,
    ),
    Case(
        name="remove", title="five seconds removed, gap closed", edit="remove", state=State.INCOMPLETE,
        expected="what is missing", holds=_missing,
    ),
    Case(
        name="swap", title="two parts exchanged", edit="swap", state=State.INCOMPLETE,
        expected="one move", holds=_moved,
    ),
    Case(
        name="splice", title="three seconds of the other camera", edit="splice", state=State.INCOMPLETE,
        expected="foreign, with camera and time", holds=_foreign,
    ),
    Case(
        name="film-grain", title="a film-grain message on every picture", edit="film-grain", state=State.ALTERED,
        expected="side data, though every picture matches", holds=_side,
    ),
    Case(
        name="hide", title="an edit list that hides four seconds", edit="hide", state=State.INCOMPLETE,
        expected="what is hidden", holds=_hidden,
    ),
    Case(
        name="unknown", title="a clip that nobody recorded", edit=None, state=State.NOT_ANCHORED,
        expected="nothing about it", holds=_nothing,
    ),
    Case(
        name="forged", title="untouched, with evidence of a forger", edit=None, state=State.UNTRUSTED_PROOF,
        expected="what it would be if trusted", holds=_would_verify,
    ),
)  # fmt: skip
"""In the order of the table. `untouched` is the first camera's clip itself; `forged` is it under another home."""
