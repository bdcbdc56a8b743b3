"""The demo's edits, one function each: what honest tools and dishonest hands do to an exported clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cli.demo_bytes import changed, hide_between, with_film_grain, with_headers
from cli.demo_packets import Clip, joined, read_clip, rescaled, write_clip
from evidence.errors import UnsupportedMedia


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """What an edit did, so that a verdict can be held against it.

    ranges: [first, last] in decode order: of the original's pictures what was kept, changed, removed, moved or hidden;
        of the copy's pictures what another clip's were put in.
    """

    ranges: tuple[tuple[int, int], ...] = ()


def repackage(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Put the same pictures into another container."""
    clip = read_clip(source)
    write_clip(clip, clip.packets, target)
    return Edited()


def excerpt(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Keep the middle third, from a key picture on."""
    clip = read_clip(source)
    first, end = _stretch(clip, clip.seconds / 3, clip.seconds / 3)
    end -= 1 if end - first > 1 else 0  # not at a key picture
    write_clip(clip, joined([clip.run(first, end)]), target)
    return Edited(ranges=((first, end - 1),))


def change_picture(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Alter some coded bytes of one picture that others refer to."""
    clip = read_clip(source)
    at = min(clip.at(clip.seconds / 2, key=True) + 3, len(clip.packets) - 1)
    packets = list(clip.packets)
    packets[at] = changed(packets[at])
    write_clip(clip, packets, target)
    return Edited(ranges=((at, at),))


def remove(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Take five seconds out and close the gap."""
    clip = read_clip(source)
    first, end = _stretch(clip, clip.seconds * 0.4, 5.0)
    write_clip(clip, joined([clip.run(0, first), clip.run(end, len(clip.packets))]), target)
    return Edited(ranges=((first, end - 1),))


def swap(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Exchange two neighbouring parts."""
    clip = read_clip(source)
    first, middle = _stretch(clip, clip.seconds * 0.3, 2.0)
    end = _stretch(clip, float((clip.packets[middle].dts - clip.packets[0].dts) * clip.time_base), 4.0)[1]
    runs = [clip.run(0, first), clip.run(middle, end), clip.run(first, middle), clip.run(end, len(clip.packets))]
    write_clip(clip, joined(runs), target)
    # One of the two has moved: the shorter; of two equally long ones the one that now comes first.
    moved = (first, middle - 1) if middle - first < end - middle else (middle, end - 1)
    return Edited(ranges=(moved,))


def splice(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Put three seconds of the other camera's footage in place of this camera's."""
    if other is None:
        raise UnsupportedMedia("a splice needs a second clip to take the pictures from")
    clip, foreign = read_clip(source), read_clip(other)
    if foreign.codec != clip.codec:
        raise UnsupportedMedia(f"{foreign.codec} pictures cannot stand in a track of {clip.codec}", where=str(other))
    first, end = _stretch(clip, clip.seconds * 0.6, 3.0)
    part = foreign.run(*_stretch(foreign, foreign.seconds * 0.6, 3.0))
    part = rescaled(part, old=foreign.time_base, new=clip.time_base)
    rest = clip.run(end, len(clip.packets))
    if clip.extradata != foreign.extradata:  # else the headers fit both
        part, rest = with_headers(clip, part, of=foreign), with_headers(clip, rest, of=clip)
    write_clip(clip, joined([clip.run(0, first), part, rest]), target)
    return Edited(ranges=((first, first + len(part.packets) - 1),))


def film_grain(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Add a message to every picture that makes players paint noise over it."""
    clip = read_clip(source)
    write_clip(clip, [with_film_grain(clip, packet) for packet in clip.packets], target)
    return Edited(ranges=((0, len(clip.packets) - 1),))


def hide(source: Path, target: Path, other: Path | None = None) -> Edited:
    """Keep every picture in the file but tell players to skip four seconds."""
    if target.suffix != ".mp4":
        raise UnsupportedMedia("an edit list stands in an MP4 file", where=str(target), next_step="name it .mp4")
    clip = read_clip(source)
    write_clip(clip, clip.packets, target)
    first, end = _stretch(clip, clip.seconds * 0.5, 4.0)
    origin, start, stop = min(p.pts for p in clip.packets), clip.packets[first].pts, clip.packets[end].pts
    hide_between(target, float((start - origin) * clip.time_base), float((stop - origin) * clip.time_base))
    return Edited(ranges=_runs([i for i, packet in enumerate(clip.packets) if start <= packet.pts < stop]))


Edit = Callable[[Path, Path, Path | None], Edited]

EDITS: Mapping[str, Edit] = {
    "repackage": repackage,
    "excerpt": excerpt,
    "change-picture": change_picture,
    "remove": remove,
    "swap": swap,
    "splice": splice,
    "film-grain": film_grain,
    "hide": hide,
}
"""Every edit by the name it has on the command line."""


def _runs(positions: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Ascending positions as [first, last] ranges without holes."""
    starts = [p for i, p in enumerate(positions) if i == 0 or positions[i - 1] != p - 1]
    ends = [p for i, p in enumerate(positions) if i == len(positions) - 1 or positions[i + 1] != p + 1]
    return tuple(zip(starts, ends, strict=True))


def _stretch(clip: Clip, start_s: float, length_s: float) -> tuple[int, int]:
    """Positions [first, end) of about `length_s` from `start_s`, at key pictures where there are enough of them.

    Never the first or last picture of the clip, so that an edit always has footage on both sides.
    """
    length_s = min(length_s, clip.seconds / 3)
    last = len(clip.packets) - 1
    for key in (True, False):
        first = clip.at(start_s, key=key)
        begun_s = float((clip.packets[first].dts - clip.packets[0].dts) * clip.time_base)
        end = clip.at(begun_s + length_s, key=key)
        if 0 < first < end <= last:
            return first, end
    too_short = "the clip is too short for this edit"
    raise UnsupportedMedia(too_short, where=str(clip.path), next_step="use one of 3 s or more")
