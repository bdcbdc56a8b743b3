"""Which pictures are sampled. Pure: `(policy, state, features) -> (decision, state)`.

The promise of the policy comes first: time is cut into slots of one minimum interval, counted from the segment's first
unit, and the first picture of every slot is taken whatever else holds. Importance adds pictures between them: it raises
the rate at once, lowers it only after it has stayed low for a while, and never spends more than the budget.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from evidence.policy import Policy

Reason = Literal["promised", "key", "important"]

_SECOND_US = 1_000_000
_MINUTE_S = 60
_FULL_SCORE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What is known of one decoded picture.

    `time_us` is its presentation offset from the segment's first unit; `score` its importance, 0 to 1,000; `leading`
    marks a picture shown before the segment's first key picture, which refers to the segment before.
    """

    time_us: int
    key: bool
    score: int
    leading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What earlier pictures left behind.

    `peak` is the highest score of the present stretch of importance (0: none), `calm_at_us` when it last was not low.
    `spent` counts the samples beyond the promise in each of the last 61 seconds, the newest first; `second` is the
    newest of these seconds. Times count from `base_us`, the sum of the segments before.
    """

    base_us: int = 0
    last_us: int | None = None
    peak: int = 0
    calm_at_us: int = 0
    second: int = 0
    spent: tuple[int, ...] = ()


START = State()


def next_segment(state: State, length_us: int) -> State:
    """The state for a segment that begins `length_us` after the one before; its first picture fills a slot again."""
    return replace(state, base_us=state.base_us + max(0, length_us), last_us=None)


def worth_a_look(policy: Policy, state: State, *, time_us: int, key: bool) -> bool:
    """Tell whether a picture could be taken at all, whatever its importance: only then must it be looked at."""
    if policy.maximum_per_s == 0:
        return False
    # Neither rate need be a multiple of the other, so a slot of the minimum may begin inside one of the maximum.
    rates = (policy.minimum_per_s, policy.maximum_per_s)
    return (key and policy.key_pictures) or any(_fills_a_slot(state.last_us, time_us, per_s) for per_s in rates)


def decide(policy: Policy, state: State, features: Features) -> tuple[Reason | None, State]:
    """Decide whether one picture is sampled. Pictures come in the order they are shown, from `START` on.

    Returns:
        Why the picture is sampled (None: it is not), and the state for the next picture.
    """
    if features.leading or not worth_a_look(policy, state, time_us=features.time_us, key=features.key):
        return None, state
    now_us = state.base_us + features.time_us
    state = _importance(policy, state, features.score, now_us)
    if _fills_a_slot(state.last_us, features.time_us, policy.minimum_per_s):
        return "promised", replace(state, last_us=features.time_us)
    if features.key and policy.key_pictures:
        return "key", replace(state, last_us=features.time_us)
    if not _fills_a_slot(state.last_us, features.time_us, rate(policy, state)):
        return None, state
    spent = _spent(state, now_us)
    if sum(spent) >= policy.budget_per_minute:
        return None, state
    second = max(state.second, now_us // _SECOND_US)
    return "important", replace(state, last_us=features.time_us, second=second, spent=(spent[0] + 1, *spent[1:]))


def rate(policy: Policy, state: State) -> int:
    """Pictures a second that the present importance calls for."""
    if state.peak == 0:
        return policy.minimum_per_s
    above = policy.maximum_per_s - policy.minimum_per_s
    # The threshold itself already asks for one picture more; full importance for all of them.
    part = (state.peak - policy.raise_at) * above // max(1, _FULL_SCORE - policy.raise_at)
    return policy.minimum_per_s + min(above, 1 + part)


def _importance(policy: Policy, state: State, score: int, now_us: int) -> State:
    if score >= policy.raise_at and score > 0:
        return replace(state, peak=max(state.peak, score), calm_at_us=now_us)
    if state.peak and score >= policy.lower_at:
        return replace(state, calm_at_us=now_us)
    if state.peak and now_us - state.calm_at_us >= policy.hold_s * _SECOND_US:
        return replace(state, peak=0)
    return state


def _fills_a_slot(last_us: int | None, time_us: int, per_s: int) -> bool:
    return last_us is None or time_us * per_s // _SECOND_US > last_us * per_s // _SECOND_US


def _spent(state: State, now_us: int) -> tuple[int, ...]:
    """Samples beyond the promise in this and the 60 seconds before: any minute that ends now lies within them."""
    passed = max(0, now_us // _SECOND_US - state.second)
    kept = state.spent[: max(0, _MINUTE_S + 1 - passed)]
    spent = (0,) * min(passed, _MINUTE_S + 1) + kept
    return spent or (0,)
