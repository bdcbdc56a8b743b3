"""Edit lists: which pictures a player shows, and when.

Ordinary tools write one edit at rate 1, possibly behind an empty one: it makes up for the delay of B pictures, or
leaves out pictures that are needed only to start decoding at a cut. That is allowed. Several edits that go forward hide
what lies between them; whatever repeats, reorders, overlaps, pauses, stretches or inserts emptiness changes the times.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from media.movie_header import RATE_ONE, Edit
from media.mp4 import Movie, MovieTrack

Ranges = tuple[tuple[int, int], ...]

_EDGE = 1 << 62
# A list that repeats or reorders is told as such; beyond this many entries its times are not worked out any more.
_MAPPED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What an edit list makes of a track.

    Attributes:
        shown_us: presentation time of every unit from the start of play, microseconds, as its edit would show it; None
            without an edit list.
        hidden: inclusive ranges of units, decode order, that lie between edits; all when nothing is shown.
        preroll: those before the first or after the last edit.
        retimed: the list repeats, reorders, overlaps, pauses, stretches or inserts emptiness.
    """

    shown_us: array[int] | None
    hidden: Ranges
    preroll: Ranges
    retimed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """One edit in ticks of the track: shows what begins in [start, end) from `at_us` on."""

    start: int
    end: int
    at_us: Fraction
    rate: Fraction


def edits_of(movie: Movie, track: MovieTrack, pts: NDArray[np.int64] | None = None) -> Edited:
    """Apply the edit list of `track` to the presentation times of its samples, or to `pts` in its ticks."""
    samples = track.samples
    edited = apply_edits(
        track.edits,
        samples.pts if pts is None and samples is not None else np.zeros(0, np.int64) if pts is None else pts,
        timescale=track.timescale,
        movie_timescale=movie.timescale,
        fragmented=movie.fragmented,
        media_end=int((samples.pts + samples.durations).max()) if samples is not None and samples.count else None,
    )
    # A preferred rate other than 1 makes some players play the whole file slower or faster.
    return edited if movie.rate in (0, RATE_ONE) else replace(edited, retimed=True)


def last_us_of(movie: Movie, track: MovieTrack) -> int | None:
    """How long the picture that is shown last stays, microseconds; None without sample tables.

    Its own length counts, and the length of the whole track, to the end of which players hold it.
    """
    samples = track.samples
    if samples is None or not samples.count or not track.timescale:
        return None
    pts = samples.pts
    end = max(
        int((pts + samples.durations)[pts == pts.max()].max()),
        int(samples.dts[-1] + samples.durations[-1] + pts.min() - samples.dts.min()),
    )
    if track.edits and movie.timescale and track.edits[-1].duration and track.edits[-1].media_time >= 0:
        edit = track.edits[-1]
        end = min(end, edit.media_time + -(-edit.duration * track.timescale // movie.timescale))
    shown = pts[pts < end]
    return int(1_000_000 * (end - int(shown.max())) // track.timescale) if len(shown) else None


def apply_edits(
    edits: Sequence[Edit],
    pts: NDArray[np.int64],
    *,
    timescale: int,
    movie_timescale: int,
    fragmented: bool = False,
    media_end: int | None = None,
) -> Edited:
    """Tell what `edits` show of units with these presentation times.

    Args:
        edits: as they stand in the file.
        pts: one per unit, decode order, in ticks of the track, edit list ignored.
        timescale: ticks of the track per second.
        movie_timescale: ticks of the movie per second; edit durations count these.
        fragmented: an edit of length 0 then shows everything to the end, since nobody knew the length when it was
            written; in a whole file it shows nothing.
        media_end: where the track ends, in its ticks. An edit that reaches it shows a last picture of no length too.
    """
    if not edits or not len(pts):
        return Edited(shown_us=None, hidden=(), preroll=(), retimed=False)
    spans, retimed = _spans(edits, timescale, movie_timescale, fragmented)
    tick = Fraction(timescale, movie_timescale)  # the least step an edit's length can express
    if spans and media_end is not None and spans[-1].end >= media_end - tick:
        spans[-1] = replace(spans[-1], end=_EDGE)
    covered = _covered(spans, pts, tick) if spans else np.zeros(len(pts), np.bool_)
    if not covered.any():
        return Edited(shown_us=None, hidden=((0, len(pts) - 1),), preroll=(), retimed=retimed)
    for before, after in pairwise(spans):
        retimed |= after.start < before.end - tick
    first, last = min(span.start for span in spans), max(span.end for span in spans)
    outside = (pts < first) | (pts >= last)
    return Edited(
        shown_us=_shown(spans[:_MAPPED], pts, timescale),
        hidden=_ranges(~covered & ~outside),
        preroll=_ranges(outside),
        retimed=retimed,
    )


def _spans(edits: Sequence[Edit], timescale: int, movie_timescale: int, fragmented: bool) -> tuple[list[_Span], bool]:
    """The edits that show something, in order of play, and whether the list retimes by its form alone."""
    spans: list[_Span] = []
    retimed = False
    at = 0  # ticks of the movie
    for index, edit in enumerate(edits):
        if edit.media_time == -1:
            retimed |= bool(spans)
            at += edit.duration
            continue
        rate = Fraction(edit.rate, RATE_ONE)
        retimed |= rate != 1 or edit.media_time < 0
        start = max(-_EDGE, min(_EDGE, edit.media_time))
        if edit.duration == 0:
            retimed |= index != len(edits) - 1
            end = _EDGE if fragmented else start
        else:
            length = edit.duration * abs(rate) * timescale / movie_timescale
            # Ends between two ticks of the track: what begins before it is still shown.
            end = min(_EDGE, int(-(-(start + length) // 1))) if rate else start + 1
        spans.append(_Span(start=start, end=end, at_us=Fraction(at * 1_000_000, movie_timescale), rate=rate))
        at += edit.duration
    return spans, retimed


def _covered(spans: Sequence[_Span], pts: NDArray[np.int64], tick: Fraction) -> NDArray[np.bool_]:
    """Which units begin inside some edit; a gap shorter than a tick of the movie is rounding, not a gap."""
    joined: list[list[int]] = []
    for span in sorted(spans, key=lambda span: span.start):
        if joined and span.start <= joined[-1][1] + tick:
            joined[-1][1] = max(joined[-1][1], span.end)
        else:
            joined.append([span.start, span.end])
    starts = np.array([start for start, _ in joined], np.int64)
    ends = np.array([end for _, end in joined], np.int64)
    place = np.searchsorted(starts, pts, side="right") - 1
    return (place >= 0) & (pts < ends[np.maximum(place, 0)])


def _shown(spans: Sequence[_Span], pts: NDArray[np.int64], timescale: int) -> array[int]:
    """Times of play; a unit in several edits has that of the first, one in none that of the nearest before it."""
    order = np.argsort(pts, kind="stable")
    ascending = pts[order]
    choice = np.zeros(len(pts), np.int64)
    by_start = sorted(range(len(spans)), key=lambda index: spans[index].start)
    starts = np.array([spans[index].start for index in by_start], np.int64)
    nearest = np.maximum(np.searchsorted(starts, ascending, side="right") - 1, 0)
    choice[:] = np.array(by_start, np.int64)[nearest]
    for index in reversed(range(len(spans))):
        begin, end = np.searchsorted(ascending, (spans[index].start, spans[index].end), side="left")
        choice[begin:end] = index
    chosen = np.empty(len(pts), np.int64)
    chosen[order] = choice
    shown = np.zeros(len(pts), np.int64)
    for index in np.unique(chosen).tolist():
        mask = chosen == index
        shown[mask] = _times(spans[index], pts[mask], timescale)
    return array("q", shown.tobytes())


def _times(span: _Span, pts: NDArray[np.int64], timescale: int) -> NDArray[np.int64]:
    """⌊at + (pts - start)·10⁶/(timescale·rate) + ½⌋ in exact integers."""
    scale = Fraction(1_000_000, timescale) / (abs(span.rate) or 1)
    divisor = scale.denominator * span.at_us.denominator
    factor = int(scale * divisor)
    base = int(span.at_us * divisor)
    farthest = max(abs(int(pts.min()) - span.start), abs(int(pts.max()) - span.start))
    if 2 * (farthest * factor + abs(base)) + divisor < _EDGE:
        return (2 * ((pts - span.start) * factor + base) + divisor) // (2 * divisor)
    exact = [(2 * ((tick - span.start) * factor + base) + divisor) // (2 * divisor) for tick in pts.tolist()]
    return np.array([max(-_EDGE, min(_EDGE, value)) for value in exact], np.int64)


def _ranges(mask: NDArray[np.bool_]) -> Ranges:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    return tuple((int(first), int(end) - 1) for first, end in edges.reshape(-1, 2))
