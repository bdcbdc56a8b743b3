"""Which state the findings call for, and what each axis ended in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from media.footage import Footage
from verifier.anchor import Standing
from verifier.check_proof import Judged
from verifier.model import WITHIN_FILE, Axis, Finding, Op, Operation, State, worst_within_file
from verifier.verdict import AxisResult, Result

NEEDS_TRUST = frozenset({State.VERIFIED, State.ALTERED, State.INCOMPLETE, State.NO_MATCH, State.SIMILAR_ONLY})
"""States that are said only against records which the examiner's trust covers."""

# Which axis an operation speaks to, and how.
_OPERATIONS: Mapping[Op, tuple[Axis, Result]] = MappingProxyType(
    {
        Op.MODIFIED: (Axis.INTEGRITY, Result.FAIL),
        Op.DAMAGED: (Axis.INTEGRITY, Result.FAIL),
        Op.INSERTED: (Axis.INTEGRITY, Result.FAIL),
        Op.DUPLICATED: (Axis.INTEGRITY, Result.FAIL),
        Op.REORDERED: (Axis.INTEGRITY, Result.FAIL),
        Op.REPLAYED: (Axis.INTEGRITY, Result.FAIL),
        Op.FOREIGN: (Axis.INTEGRITY, Result.FAIL),
        Op.MISSING: (Axis.COMPLETENESS, Result.FAIL),
        Op.REENCODED: (Axis.INTEGRITY, Result.INCONCLUSIVE),
        Op.PENDING: (Axis.ANCHORING, Result.INCONCLUSIVE),
        Op.UNKNOWN: (Axis.INTEGRITY, Result.INCONCLUSIVE),
    }
)
# Notes that keep an axis from a plain pass; findings that call for a state speak for themselves.
_NOTES: Mapping[str, Result] = MappingProxyType(
    {
        "clocks_disagree": Result.FAIL,
        "fewer_samples": Result.FAIL,
        "imported": Result.INCONCLUSIVE,
        "clock_free": Result.INCONCLUSIVE,
        "beacon_unproven": Result.INCONCLUSIVE,
        "times_not_compared": Result.INCONCLUSIVE,
        "chain_change": Result.INCONCLUSIVE,
        "sealed_leaves": Result.INCONCLUSIVE,
        "policy_unknown": Result.INCONCLUSIVE,
    }
)
_WORST_FIRST = (Result.FAIL, Result.INCONCLUSIVE, Result.PASS)


def state_of(script: Iterable[Operation], findings: Iterable[Finding]) -> State:
    """The state that a file which matches records ends in.

    No picture that equals an anchored one and is shown: nothing was verified, whatever else is in order.
    """
    operations = tuple(script)
    called = {operation.state for operation in operations} | {finding.state for finding in findings}
    state = worst_within_file(state for state in called if state is not None and state in WITHIN_FILE)
    if state is State.VERIFIED and not any(operation.op is Op.SAME for operation in operations):
        return State.UNDETERMINED
    return state


def axes_of(
    footage: Footage, script: Sequence[Operation], findings: Sequence[Finding], in_use: Sequence[Judged]
) -> dict[Axis, AxisResult]:
    """What each axis ended in, with the code of what weighed most."""
    said: dict[Axis, list[AxisResult]] = {axis: [] for axis in Axis}
    for operation in script:
        if operation.op in _OPERATIONS:
            axis, result = _OPERATIONS[operation.op]
            said[axis].append(AxisResult(result=result, reason=operation.cause or operation.op.value))
    for finding in findings:
        called = Result.FAIL if finding.state in (State.ALTERED, State.INCOMPLETE) else Result.INCONCLUSIVE
        noted = _NOTES.get(finding.code)
        if finding.state is not None or noted is not None:
            said[finding.axis].append(AxisResult(result=noted or called, reason=finding.code))
    if any(judged.standing is Standing.PENDING for judged in in_use):
        said[Axis.ANCHORING].append(AxisResult(result=Result.INCONCLUSIVE, reason="pending"))
    for judged in in_use:
        if judged.standing is Standing.UNTRUSTED:
            said[Axis.ANCHORING].append(AxisResult(result=Result.FAIL, reason=judged.judgement.code))
            break
    axes = {
        axis: min(results, key=lambda each: _WORST_FIRST.index(each.result), default=AxisResult(result=Result.PASS))
        for axis, results in said.items()
    }
    sound = any(track.kind == "audio" for track in footage.tracks)
    axes[Axis.SOUND] = AxisResult(result=Result.NOT_COVERED if sound else Result.NOT_PRESENT)
    axes[Axis.AUTHORISATION] = AxisResult(result=Result.NOT_PRESENT)
    return axes


def axes_without_match(reason: str, anchoring: Result = Result.NOT_PRESENT) -> dict[Axis, AxisResult]:
    """Axes of a verdict for which no picture could be compared."""
    nothing = AxisResult(result=Result.NOT_PRESENT, reason=reason)
    axes = dict.fromkeys(Axis, nothing)
    axes[Axis.ANCHORING] = AxisResult(result=anchoring, reason=reason)
    axes[Axis.SOUND] = AxisResult(result=Result.NOT_COVERED)
    axes[Axis.AUTHORISATION] = AxisResult(result=Result.NOT_PRESENT)
    return axes
