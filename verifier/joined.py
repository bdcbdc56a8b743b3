"""Several files judged as one sequence: chunked exports, in the order given."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from dataclasses import replace

from evidence.errors import UnsupportedMedia
from media.footage import Footage, Side

MICROSECONDS = (1, 1_000_000)


def join(footages: Sequence[Footage]) -> Footage:
    """One footage whose columns are those of all files, one behind the other; positions count through.

    Every file's times start anew, so each is put one usual picture distance behind the file before it.

    Raises:
        UnsupportedMedia: the files differ in coding or display, so that no one statement covers them.
    """
    first = footages[0]
    if len(footages) == 1:
        return first
    for other in footages[1:]:
        if (other.codec, other.display) != (first.codec, first.display):
            raise UnsupportedMedia(
                "the files differ in coding or display and cannot be judged as one",
                where=other.name,
                next_step="verify them one by one, without --as-one",
            )
    pts, shown = array("q"), array("q")
    headers: list[tuple[int, bytes | None]] = []
    sides: list[Side] = []
    cut: list[int] = []
    hidden: list[tuple[int, int]] = []
    preroll: list[tuple[int, int]] = []
    base = 0
    for footage in footages:
        own = footage.offsets_us()
        played = footage.shown_us or own
        begin, begin_shown = _next(pts) - min(own, default=0), _next(shown) - min(played, default=0)
        pts.extend(begin + offset for offset in own)
        shown.extend(begin_shown + offset for offset in played)
        headers += [(base + unit, context) for unit, context in footage.headers]
        sides += [replace(side, unit=base + side.unit) for side in footage.sides]
        cut += [base + unit for unit in footage.cut]
        hidden += [(base + start, base + end) for start, end in footage.hidden]
        preroll += [(base + start, base + end) for start, end in footage.preroll]
        base += footage.count
    return replace(
        first,
        name=" + ".join(footage.name for footage in footages),
        size_bytes=sum(footage.size_bytes for footage in footages),
        sha256=hashlib.sha256(b"".join(footage.sha256 for footage in footages)).digest(),
        time_base=MICROSECONDS,
        times=all(footage.times for footage in footages),
        coded=b"".join(footage.coded for footage in footages),
        pts=pts,
        keys=b"".join(footage.keys for footage in footages),
        inferred=b"".join(footage.inferred for footage in footages),
        clean=b"".join(footage.clean for footage in footages),
        headers=tuple(headers),
        sides=tuple(sides),
        cut=tuple(cut),
        shown_us=shown if any(footage.shown_us is not None for footage in footages) else None,
        hidden=tuple(hidden),
        preroll=tuple(preroll),
        edits_retimed=any(footage.edits_retimed for footage in footages),
        display_stated=frozenset().union(*(footage.display_stated for footage in footages)),
        # Chunks have the same tracks each; those of the file with most stand for all.
        tracks=max((footage.tracks for footage in footages), key=len),
        last_us=footages[-1].last_us,
        notes=tuple(dict.fromkeys(note for footage in footages for note in footage.notes)),
    )


def _next(times_us: array[int]) -> int:
    """When a following file's earliest picture is put: one usual distance behind the latest so far."""
    if not times_us:
        return 0
    latest = max(times_us)
    return latest + (latest - min(times_us)) // max(1, len(times_us) - 1)
