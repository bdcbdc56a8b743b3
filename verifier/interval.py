"""Which recorded time a file shows, and whether that is all that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from media.footage import Footage
from verifier.model import Op, Span
from verifier.presentation import left_out
from verifier.script import Script

__all__ = ["Interval", "interval_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From the first to the last matched anchored picture that is shown.

    span_us: their recorded presentation, Unix microseconds UTC.
    positions: lowest and highest position in the record among them.
    excerpt: more was asked for, or recorded, than the file shows.
    before, after: recorded footage continues there.
    """

    span_us: Span
    positions: Span
    excerpt: bool
    before: bool
    after: bool


def interval_of(script: Script, footage: Footage, *, asked_us: Span | None = None) -> Interval | None:
    """Return what the file shows of its record; None where no anchored picture of it has one certain place."""
    own = script.own
    if own is None or script.ambiguous:
        return None
    shown = np.ones(footage.count, dtype=np.bool_)
    for units in left_out(script, footage, asked_us):
        shown[units] = False
    shown &= np.array([op in (Op.SAME, Op.REORDERED) for op in script.ops], dtype=np.bool_)
    place = np.frombuffer(script.place, dtype=np.int64)[shown]
    place = place[_anchored(script)[place]] if len(place) else place
    if not len(place):
        return None
    times = own.wall_us[place]
    low, high = int(place.min()), int(place.max())
    covered = np.zeros(own.count, dtype=np.bool_)
    covered[place] = True
    wanted = np.ones(own.count, dtype=np.bool_)
    if asked_us is not None:
        wanted = (own.wall_us >= asked_us[0]) & (own.wall_us < asked_us[1])
    before, after = low > 0 or own.earlier, high < own.count - 1 or own.later
    whole = bool(covered[wanted].all()) and (asked_us is not None or not (own.earlier or own.later))
    return Interval(
        span_us=(int(times.min()), int(times.max())),
        positions=(low, high),
        excerpt=not whole,
        before=before,
        after=after,
    )


def _anchored(script: Script) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    assert script.own is not None
    segments = script.own.segments
    return np.repeat(np.array([segment.anchored for segment in segments]), [segment.count for segment in segments])
