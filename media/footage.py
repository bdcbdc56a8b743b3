"""What a file's moving pictures are, found without decoding them.

One `Footage` is the answer of `media.scan.scan` for one file: columns of equal length, one entry per unit in decode
order, because an hour holds 90,000 pictures. What the file's container says about playing them stands beside the
columns and is never mixed into them.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from evidence.records import Display

# The notes of a scan; what the container wants shown and no `Display` can express stands in `media.display.ODD_NOTES`.
NOTES: Mapping[str, str] = {
    "damaged_header": "the decoder's header in the container cannot be read",
    "damaged_packet": "a packet's bytes do not add up to whole units",
    "linked_segments": "a Matroska file that continues another one",
    "several_video_tracks": "more than one enabled picture track, of which the first was read",
    "start_code_inside": "a start code stands inside a length-prefixed unit, and was split at as players do",
    "truncated": "the file ends before all that it announces",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One NAL unit or OBU outside the pictures that changes, or may change, what is seen.

    `unit` is the index of the unit that follows it, the number of units when none follows. `user` marks a user message,
    which ordinary equipment adds, changes and drops; every other side data is bound. One that stands in the container's
    header appears here once for every key picture, since that is where other containers repeat it.
    """

    unit: int
    digest: bytes
    user: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track of the file. `kind` is video, audio, subtitle, data or cover (a still picture beside the footage)."""

    index: int
    kind: str
    codec: str
    examined: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """The one examined picture track of a file.

    Attributes:
        sha256: of the whole file, 32 bytes.
        container: mp4, mov, matroska, mpegts, avi, h264, hevc or the demultiplexer's own name.
        codec: h264, hevc, av1, mpeg4 or the decoder's own name.
        width: of the cropped picture as the stream states it; 0 when neither stream nor container does.
        time_base: seconds per tick as a fraction.
        times: False where the container holds no presentation times (AVI, raw streams).
        coded: unit digests, 32 bytes each.
        pts: ticks, edit lists ignored, after the fallbacks (decode time, then previous plus nominal interval).
        keys: 1 for a key picture by the coding itself, never by the container's flag.
        inferred: 1 where the time was inferred or is shared with the unit before.
        clean: 1 where decoding may start without anything earlier; 2 for a leading picture, which stands after such an
            entry yet may refer to pictures before it; else 0.
        headers: (first unit, context digest) wherever the context changes, beginning with unit 0; None where the file
            lacks the parameter sets that the unit refers to.
        sides: in file order; compare them as a set of (unit, digest).
        cut: units that are certainly incomplete at the file's ends.
        shown_us: presentation time of each unit after edits, from the start of play; None when it is that of `pts`.
        hidden: inclusive unit ranges that lie between edits; `preroll`: those outside the edits at the ends.
        edits_retimed: the edits repeat, reorder, stretch, pause or delay pictures.
        display: what the container states over what the stream states; `display_stated` names the fields that the
            container states.
        last_us: how long the picture that is shown last stays, microseconds; None where the container does not say.
        notes: what was odd, from `NOTES` and `media.display.ODD_NOTES`.
    """

    name: str
    size_bytes: int
    sha256: bytes
    container: str
    codec: str
    width: int
    height: int
    time_base: tuple[int, int]
    times: bool
    coded: bytes
    pts: array[int]
    keys: bytes
    inferred: bytes
    clean: bytes
    headers: tuple[tuple[int, bytes | None], ...]
    sides: tuple[Side, ...]
    cut: tuple[int, ...]
    shown_us: array[int] | None
    hidden: tuple[tuple[int, int], ...]
    preroll: tuple[tuple[int, int], ...]
    edits_retimed: bool
    display: Display
    stream_display: Display
    display_stated: frozenset[str]
    tracks: tuple[Track, ...]
    notes: tuple[str, ...]
    last_us: int | None = None

    @property
    def count(self) -> int:
        return len(self.keys)

    def unit_digest(self, index: int) -> bytes:
        return self.coded[32 * index : 32 * index + 32]

    def offsets_us(self) -> array[int]:
        """Presentation time of every unit less that of the first, in microseconds, rounded half up."""
        return offsets_us(self.pts, self.time_base)


def offsets_us(pts: array[int], time_base: tuple[int, int], origin: int | None = None) -> array[int]:
    """Turn ticks into microseconds after `origin` (None: the first entry): ⌊(pts - origin)·10⁶·num/den + ½⌋."""
    if not pts:
        return array("q")
    start = pts[0] if origin is None else origin
    factor, divisor = 2_000_000 * time_base[0], 2 * time_base[1]
    half = time_base[1]
    return array("q", [((tick - start) * factor + half) // divisor for tick in pts])
