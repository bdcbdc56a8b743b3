"""Whether pictures are shown at the times at which they were recorded, but for one shift per connection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from media.footage import Footage
from verifier.model import Op, Span
from verifier.recorded import Column, Recorded
from verifier.script import Script

__all__ = ["TOLERANCE_US", "Timing", "compare_times", "held", "played_us", "tick_us_of"]

TOLERANCE_US = 2_000
STEP_US = 200_000
STEP_PICTURES = 10
INFERRED_US = 1_000_000
"""By how much a picture whose recorded time was inferred may be off: other tools infer a little differently."""
RATE = 0.01
"""Share by which constant rates may differ where only rates can be compared."""
HELD_US = 1_000_000
"""By how much longer than recorded the last picture may stay: tools that know no length write one of their own."""
LARGEST_TICKS = 1 << 62
NEVER = -(1 << 63)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a comparison of times found.

    retimed: units shown at other times; `stepped`: units that are off by a constant step, as where chunks were joined.
    judged: units whose times could be compared.
    rates: shown and recorded microseconds per picture, where these differ and only rates could be compared.
    """

    retimed: list[int] = field(default_factory=list)
    stepped: list[int] = field(default_factory=list)
    judged: int = 0
    rates: tuple[int, int] | None = None


def compare_times(script: Script, footage: Footage) -> Timing:
    """Judge the units that stand where they were recorded, run by run.

    A run is a stretch without missing or hidden units within one connection of the record. Its shift is the median of
    copy minus recorded time; the rate is exactly 1.
    """
    own = script.own
    if own is None:
        return Timing()
    retimed: set[int] = set()
    stepped: set[int] = set()
    judged = 0
    copy_us = played_us(footage)
    preroll = _marked(footage.preroll, footage.count)
    tick_us = tick_us_of(footage)
    latest, floor, connection = NEVER, NEVER, -1
    runs = list(_runs(script, footage, own)) if footage.times else []
    for first, last in runs:
        begin = script.place[first]
        positions = slice(begin, begin + last - first + 1)
        source, copy = own.source_us[positions], copy_us[first : last + 1]
        usable = ~own.inferred[positions] & _alone(source) & ~preroll[first : last + 1]
        judged += int(usable.sum())
        tolerance = TOLERANCE_US + min(tick_us, _usual_distance(source))
        wrong, steps = _judge(source, copy, usable, tolerance, tick_us)
        # Shifts of connections are free, but a later one is never shown before an earlier one has ended.
        if int(own.connections[begin]) != connection:
            connection, floor = int(own.connections[begin]), latest
        wrong |= usable & (copy < floor)
        latest = max(latest, int(copy[usable].max(initial=NEVER)))
        wrong &= ~preroll[first : last + 1]
        retimed.update((first + np.flatnonzero(wrong)).tolist())
        stepped.update((first + np.flatnonzero(steps)).tolist())
    rates = None
    if not judged and (footage.times or footage.container == "avi"):
        rates = _rates(script, footage, own, copy_us, tick_us)
    return Timing(retimed=sorted(retimed), stepped=sorted(stepped), judged=judged, rates=rates)


def held(script: Script, footage: Footage) -> tuple[int, bool] | None:
    """Return the unit that is shown last if it stays much longer than recorded, and whether the record tells how long.

    A record knows how long a picture was shown by the one behind it, so not for its own last one.
    """
    own, last_us = script.own, footage.last_us
    if own is None or last_us is None or not footage.times or not footage.count:
        return None
    left_out = _marked((*footage.hidden, *footage.preroll), footage.count)
    played = np.where(left_out, NEVER, played_us(footage))
    unit = int(played.argmax())
    if left_out[unit] or script.ops[unit] is not Op.SAME:
        return None
    at = int(own.wall_us[script.place[unit]])
    behind, before = own.wall_us[own.wall_us > at], own.wall_us[own.wall_us < at]
    usual = max(_usual_distance(own.wall_us), at - int(before.max(initial=NEVER)) if len(before) else 0)
    recorded = int(behind.min()) - at if len(behind) else 0
    if last_us <= HELD_US + max(usual, recorded):
        return None
    return unit, len(behind) > 0


def tick_us_of(footage: Footage) -> int:
    """One tick of the copy, rounded up."""
    return -(-1_000_000 * footage.time_base[0] // footage.time_base[1])


def played_us(footage: Footage) -> Column:
    """When each unit is shown, microseconds from the first one's time stamp or the start of play."""
    if footage.shown_us is not None:
        return np.frombuffer(footage.shown_us, dtype=np.int64)
    if not footage.count:
        return np.zeros(0, dtype=np.int64)
    factor, divisor = 1_000_000 * footage.time_base[0], footage.time_base[1]
    ticks, origin = np.frombuffer(footage.pts, dtype=np.int64), footage.pts[0]
    farthest = max(abs(int(ticks.min()) - origin), abs(int(ticks.max()) - origin))
    if farthest < LARGEST_TICKS and farthest * factor < LARGEST_TICKS:
        return (ticks - origin) * factor // divisor
    exact = [(tick - origin) * factor // divisor for tick in footage.pts]
    return np.array([max(-LARGEST_TICKS, min(LARGEST_TICKS, value)) for value in exact], dtype=np.int64)


def _runs(script: Script, footage: Footage, own: Recorded) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of units that follow each other in file and record: one connection, no hole, none hidden."""
    unseen = _marked(footage.hidden, footage.count)
    holes = np.array([hole.position for hole in own.holes], dtype=np.int64)
    stretches = own.connections + own.count * np.searchsorted(holes, np.arange(own.count), side="right")
    first = -1
    for unit in range(footage.count + 1):
        usable = unit < footage.count and script.ops[unit] is Op.SAME and not unseen[unit]
        if first >= 0:
            position = script.place[unit - 1]
            follows = usable and script.place[unit] == position + 1 and stretches[position] == stretches[position + 1]
            if follows:
                continue
            yield first, unit - 1
            first = -1
        if usable:
            first = unit


def _marked(ranges: Sequence[Span], count: int) -> NDArray[np.bool_]:
    marked = np.zeros(count, dtype=np.bool_)
    for first, last in ranges:
        marked[first : last + 1] = True
    return marked


def _alone(source: Column) -> NDArray[np.bool_]:
    """True where no other picture of the run was recorded with the same time."""
    _, inverse, counts = np.unique(source, return_inverse=True, return_counts=True)
    return np.asarray(counts[inverse] == 1)


def _usual_distance(source: Column) -> int:
    distances = np.diff(np.sort(source))
    distances = distances[distances > 0]
    return int(np.median(distances)) if len(distances) else 0


def _judge(
    source: Column, copy: Column, usable: NDArray[np.bool_], tolerance: int, tick_us: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which units of a run are retimed, and which are off by a tolerable constant step."""
    error = copy - source
    known = np.sort(error[usable] if usable.any() else error)
    error = error - int(known[len(known) // 2])
    off = usable & (np.abs(error) > tolerance)
    wrong, stepped = np.zeros_like(off), np.zeros_like(off)
    for piece in _pieces(np.flatnonzero(usable), off, error, tolerance):
        level = int(np.median(error[piece]))
        steady = len(piece) >= STEP_PICTURES and abs(level) <= STEP_US
        (stepped if steady else wrong)[piece] = True
    wrong |= _out_of_order(source, copy, usable, tick_us)
    limit = max(INFERRED_US, STEP_PICTURES * _usual_distance(source))
    wrong |= ~usable & (np.abs(error) > limit)
    return wrong, stepped & ~wrong


def _pieces(
    usable: NDArray[np.intp], off: NDArray[np.bool_], error: Column, tolerance: int
) -> Iterator[NDArray[np.intp]]:
    """Yield stretches of usable units that are off by about the same."""
    piece: list[int] = []
    for index in usable.tolist():
        if piece and (not off[index] or abs(int(error[index]) - int(error[piece[0]])) > tolerance):
            yield np.array(piece, dtype=np.intp)
            piece = []
        if off[index]:
            piece.append(index)
    if piece:
        yield np.array(piece, dtype=np.intp)


def _out_of_order(source: Column, copy: Column, usable: NDArray[np.bool_], tick_us: int) -> NDArray[np.bool_]:
    """True where a picture is not shown behind the one recorded before it; rounding may let two fall together."""
    wrong = np.zeros(len(source), dtype=np.bool_)
    order = np.flatnonzero(usable)[np.argsort(source[usable], kind="stable")]
    distance, shown = np.diff(source[order]), np.diff(copy[order])
    late = (shown < 0) | ((shown == 0) & (distance >= tick_us))
    wrong[order[1:][late]] = True
    return wrong


def _rates(script: Script, footage: Footage, own: Recorded, copy_us: Column, tick_us: int) -> tuple[int, int] | None:
    """Compare constant rates where single times cannot be: microseconds per picture as shown and as recorded."""
    for first, last in sorted(_runs(script, footage, own), key=lambda run: run[0] - run[1]):
        length = last - first
        if length < STEP_PICTURES:
            return None
        begin = script.place[first]
        source = np.sort(own.source_us[begin : begin + length + 1])
        usual = _usual_distance(source)
        if not usual or int(np.abs(np.diff(source) - usual).max()) > TOLERANCE_US:
            continue
        copy = copy_us[first : last + 1]
        shown = (int(copy.max()) - int(copy.min())) // length
        if abs(shown - usual) * length > max(RATE * usual * length, STEP_US + tick_us):
            return shown, usual
    return None
