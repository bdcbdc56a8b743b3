"""What the container makes of equal pictures: how they are shown, which are left out, and what else the file holds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from evidence.records import Display
from media.display import Comparison, compare
from media.footage import Footage
from verifier.model import Finding, Op, Span
from verifier.recorded import RecordedSegment
from verifier.script import Script
from verifier.timing import INFERRED_US

__all__ = ["display_findings", "left_out", "track_findings"]

# Codings whose headers state the size of the picture: it is bound with them, and may change within a stream.
SIZED = frozenset({"h264", "hevc", "av1"})
LISTED = {"rotate": "rotation or mirroring", "sar": "aspect", "crop": "crop", "colour": "colour"}


def display_findings(script: Script, footage: Footage) -> Iterator[Finding]:
    """Compare how the container wants the pictures shown with the records that the file's pictures stand in."""
    compared: dict[tuple[Display, tuple[str, ...], bool], Comparison] = {}
    spans: dict[tuple[Display, tuple[str, ...], bool], Span] = {}
    sizes: dict[tuple[Display, tuple[str, ...], bool], set[Span]] = {}
    codings: dict[tuple[Display, tuple[str, ...], bool], set[str]] = {}
    for first, last, segment in _segments(script):
        if segment.display is None:
            continue
        key = (segment.display, segment.odd, segment.anchored)
        if key not in compared:
            compared[key] = compare(
                footage.display,
                footage.stream_display,
                segment.display,
                width=footage.width,
                height=footage.height,
                notes=footage.notes,
                recorded_notes=segment.odd,
            )
        sizes.setdefault(key, set()).add((segment.width, segment.height))
        codings.setdefault(key, set()).add(_coding(segment.codec))
        spans[key] = spans.get(key, (first, last))[0], last
    for key, span in spans.items():
        found, note = compared[key], not key[2]  # what is only signed calls for nothing
        for code, names in (("display_changed", found.changed), ("display_dropped", found.dropped)):
            if names:
                listed = ", ".join(LISTED.get(name, name.replace("_", " ")) for name in names)
                how = "other than recorded and coded" if code == "display_changed" else "no longer stated as recorded"
                yield Finding.of(code, f"The file shows its pictures with {listed} {how}.", file=span, note=note)
        if _resized(footage, sizes[key]):
            text = f"The file shows its pictures at {footage.width}x{footage.height}, other than recorded."
            yield Finding.of("display_changed", text, file=span, note=note)
        if others := sorted(codings[key] - {_coding(footage.codec)}):
            text = f"The file says that its pictures are coded as {footage.codec}, other than recorded ({others[0]})."
            yield Finding.of("display_changed", text, file=span, note=note)
        if found.full_range and not found.changed:
            yield Finding.of("display_dropped", "The file states another colour range than was recorded.", file=span)


def _coding(name: str) -> str:
    """One name for what one decoder reads and containers name differently."""
    return "mpeg2video" if name == "mpeg1video" else name


def _resized(footage: Footage, recorded: set[Span]) -> bool:
    """Tell whether pictures whose size only the container states are shown at another one."""
    return footage.codec not in SIZED and (footage.width, footage.height) not in recorded


def _segments(script: Script) -> Iterator[tuple[int, int, RecordedSegment]]:
    """Yield first unit, last unit and segment of stretches whose equal recorded pictures stand in one segment."""
    first = last = -1
    index = low = high = -1
    for unit, (source, position) in enumerate(script.source):
        if source >= 0 and source == index and low <= position < high:
            last = unit
            continue
        if first >= 0:
            yield first, last, script.sources[index].segment_of(low)
            first = index = -1
        if source >= 0:
            place = script.sources[source].place(position)
            low, high = position - place.index, position - place.index + place.segment.count
            first = last = unit
            index = source
    if first >= 0:
        yield first, last, script.sources[index].segment_of(low)


def left_out(script: Script, footage: Footage, asked_us: Span | None) -> tuple[list[int], list[int]]:
    """Return the units that are hidden, and those that are merely left out before or behind what is shown.

    Left out at an end means: recorded before the first or after the last picture shown, and not asked for.
    """
    hidden = _marked(footage.hidden, footage.count)
    preroll = _marked(footage.preroll, footage.count) & ~hidden
    own = script.own
    if own is None or not preroll.any():
        return np.flatnonzero(hidden).tolist(), np.flatnonzero(preroll).tolist()
    place = np.frombuffer(script.place, dtype=np.int64)
    placed = np.array([op is Op.SAME for op in script.ops], dtype=np.bool_) & (place >= 0)
    shown = own.wall_us[place[placed & ~hidden & ~preroll]]
    for unit in np.flatnonzero(preroll & placed).tolist():
        at = int(own.wall_us[place[unit]])
        # Where the recorded time was inferred, what was shown first is known only roughly.
        margin = INFERRED_US if own.inferred[place[unit]] else 0
        inside = len(shown) > 0 and int(shown.min()) + margin < at < int(shown.max()) - margin
        if inside or (asked_us is not None and asked_us[0] <= at < asked_us[1]):
            hidden[unit], preroll[unit] = True, False
    return np.flatnonzero(hidden).tolist(), np.flatnonzero(preroll).tolist()


def _marked(ranges: tuple[Span, ...], count: int) -> NDArray[np.bool_]:
    marked = np.zeros(count, dtype=np.bool_)
    for first, last in ranges:
        marked[first : last + 1] = True
    return marked


def track_findings(footage: Footage, *, track_chosen: bool) -> Iterator[Finding]:
    """Name tracks that a player may show in place of, or over, the one examined."""
    moving = [track for track in footage.tracks if track.kind == "video"]
    if len(moving) > 1 and not track_chosen:
        text = f"The file holds {len(moving)} video tracks; which of them is meant was not said."
        yield Finding.of("several_video_tracks", text)
    if subtitles := [track for track in footage.tracks if track.kind == "subtitle"]:
        yield Finding.of("subtitle_track", f"{len(subtitles)} subtitle tracks were not examined.")
