"""What a Matroska or WebM file says about its tracks and about showing them; no block of media is read.

Libraries mix this with what they find by probing, so the few elements concerned are read here, strictly and within
limits. Source: RFC 9559.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import BinaryIO

from evidence.errors import Malformed
from media.ebml import Budget, Element, Fields, element_at, elements

EBML, SEGMENT = 0x1A45DFA3, 0x18538067
SEEK_HEAD, INFO, TRACKS, CLUSTER = 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
CUES, CHAPTERS, TAGS, ATTACHMENTS = 0x1C53BB6B, 0x1043A770, 0x1254C367, 0x1941A469
_LEVEL_1 = frozenset((SEEK_HEAD, INFO, TRACKS, CLUSTER, CUES, CHAPTERS, TAGS, ATTACHMENTS))
# Those that players look up through the index of the file and then act upon.
_LOOKED_UP = frozenset((INFO, TRACKS, CHAPTERS, ATTACHMENTS))
_TRACK_ENTRY, _EDITION, _ATTACHED, _SEEK = 0xAE, 0x45B9, 0x61A7, 0x4DBB
_ENCODING, _ENCODINGS = 0x6240, 0x6D80
_TONE_MAPPED = frozenset((b"dvcC", b"dvvC", b"dvwC"))  # Dolby Vision: other colours where a player knows it
_KINDS = {1: "video", 2: "audio", 0x11: "subtitle", 0x21: "data"}

DISPLAY_PIXELS, DISPLAY_ASPECT, DISPLAY_UNKNOWN = 0, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How blocks are stored: `kind` is compression or encryption; `stripped` is put before every block's data again."""

    kind: str
    algorithm: int
    stripped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentTrack:
    """One track.

    Attributes:
        index: the stream number that demultiplexers give it; `number` is what blocks name it by.
        kind: video, audio, subtitle or data.
        display: width and height to be shown at; `display_unit` 0 pixels, 1 cm, 2 inches, 3 ratio, 4 unknown. None
            where not stated.
        crop: left, top, right, bottom, pixels; None where not stated.
        colour: H.273 primaries, transfer, matrix (2: not stated) and range (0 not stated, 1 limited, 2 full); None
            where not stated at all.
        roll: degrees counter-clockwise; `yaw` 180 mirrors.
        time_factor: what block times are multiplied by, 1 in all current files.
        odd: what changes the sight in ways no `Display` can express.
    """

    index: int
    number: int
    kind: str
    enabled: bool
    default: bool
    codec_id: str
    codec_private: bytes
    encodings: tuple[Encoding, ...]
    default_duration_ns: int | None
    codec_delay_ns: int
    time_factor: float
    width: int
    height: int
    display: tuple[int, int] | None
    display_unit: int
    crop: tuple[int, int, int, int] | None
    colour: tuple[int, int, int, int] | None
    roll: float
    yaw: float
    odd: tuple[str, ...]

    @property
    def encrypted(self) -> bool:
        return any(encoding.kind == "encryption" for encoding in self.encodings)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentInfo:
    """One file. `tick_ns` is the time scale; `covers` counts attached pictures; `truncated`: its end is missing."""

    tick_ns: int
    duration_s: Fraction | None
    tracks: tuple[SegmentTrack, ...]
    ordered_editions: bool
    linked: bool
    covers: int
    truncated: bool


@dataclass(slots=True, kw_only=True)
class _Draft:
    tick_ns: int = 1_000_000
    duration: float = 0.0
    linked: bool = False
    tracks: tuple[SegmentTrack, ...] | None = None
    ordered: bool = False
    covers: int = 0
    truncated: bool = False
    seen: dict[int, set[int]] = field(default_factory=dict)  # places of level-1 elements by id
    bodies: dict[int, bytes] = field(default_factory=dict)
    sought: list[tuple[int, int]] = field(default_factory=list)  # id and place, from the index of the file


def is_segment(head: bytes) -> bool:
    """Tell from a file's first 4 bytes whether it is Matroska or WebM."""
    return head[:4] == EBML.to_bytes(4, "big")


def read_segment_info(file: BinaryIO, *, budget: Budget | None = None) -> SegmentInfo:
    """Read what the headers of `file` say.

    Args:
        file: seekable.
        budget: what may be spent; default: enough for a day of footage.

    Raises:
        Malformed: not such a file, its elements contradict each other, or it exceeds the budget.
    """
    spend = budget or Budget()
    size_bytes = file.seek(0, 2)
    top = list(elements(file, 0, size_bytes, spend))
    if not top or top[0].id != EBML:
        raise Malformed("file is not Matroska or WebM")
    segments = [element for element in top if element.id == SEGMENT]
    if len(segments) != 1:
        raise Malformed("file holds no segment" if not segments else "file holds several segments")
    segment = segments[0]
    draft = _Draft()
    end = size_bytes if segment.end is None else min(segment.end, size_bytes)
    draft.truncated = segment.end is not None and segment.end > size_bytes
    at = segment.payload
    while at < end:
        at = _level_1(file, at, end, segment.payload, draft, spend)
    _check_sought(file, size_bytes, draft, spend)
    if draft.tracks is None:
        raise Malformed("file has no track header (it may be cut off)")
    duration = draft.duration if math.isfinite(draft.duration) and draft.duration > 0 else None
    return SegmentInfo(
        tick_ns=draft.tick_ns,
        duration_s=Fraction(duration) * draft.tick_ns / 1_000_000_000 if duration is not None else None,
        tracks=draft.tracks,
        ordered_editions=draft.ordered,
        linked=draft.linked,
        covers=draft.covers,
        truncated=draft.truncated,
    )


def _level_1(file: BinaryIO, at: int, end: int, origin: int, draft: _Draft, budget: Budget) -> int:
    """Take the element at `at`; returns where the next one begins."""
    element = element_at(file, at, budget)
    if element is None:
        draft.truncated = True
        return end
    if element.id == CLUSTER and element.end is None:
        return _behind_cluster(file, element.payload, end, budget)
    if element.end is None or element.end > end:
        draft.truncated = True
        if element.id in _LOOKED_UP:
            raise Malformed("headers of the Matroska file are cut off")
        return end
    draft.seen.setdefault(element.id, set()).add(element.start)
    if element.id in (SEEK_HEAD, INFO, TRACKS, CHAPTERS):
        data = element.read(file, budget)
        # These may be repeated against damage, but only with the same content.
        if element.id != SEEK_HEAD and draft.bodies.setdefault(element.id, bytes(data)) != data:
            raise Malformed("Matroska file states its headers twice, and differently")
        _take(element.id, data, origin, draft, budget)
    elif element.id == ATTACHMENTS:
        draft.covers = _covers(file, element, budget)
    return element.end


def _take(number: int, data: memoryview, origin: int, draft: _Draft, budget: Budget) -> None:
    if number == SEEK_HEAD:
        for entry in Fields(data, "index", budget, many=frozenset((_SEEK,))).all(_SEEK):
            fields = Fields(entry, "index", budget)
            draft.sought.append((fields.uint(0x53AB, 0), origin + fields.uint(0x53AC, 0)))
    elif number == INFO:
        info = Fields(data, "segment information", budget, many=frozenset((0x6924, 0x4444)))
        draft.tick_ns = info.uint(0x2AD7B1, 1_000_000)
        if not draft.tick_ns:
            raise Malformed("Matroska file has a time scale of 0")
        draft.duration = info.float(0x4489, 0.0)
        draft.linked = 0x3CB923 in info or 0x3EB923 in info
    elif number == TRACKS:
        entries = Fields(data, "track header", budget, many=frozenset((_TRACK_ENTRY,))).all(_TRACK_ENTRY)
        if len(entries) > budget.tracks:
            raise Malformed("file has more tracks than any footage needs")
        # Demultiplexers give no number to tracks that hold neither pictures, sound, text nor data.
        found = [track for track in (_track(entry, budget) for entry in entries) if track.kind]
        draft.tracks = tuple(replace(track, index=index) for index, track in enumerate(found))
        if len({track.number for track in draft.tracks}) != len(draft.tracks):
            raise Malformed("two tracks have the same number")
    else:
        for edition in Fields(data, "chapters", budget, many=frozenset((_EDITION,))).all(_EDITION):
            fields = Fields(edition, "edition", budget, many=frozenset((0xB6, 0x4520)))
            draft.ordered |= bool(fields.uint(0x45DD, 0))


def _behind_cluster(file: BinaryIO, at: int, end: int, budget: Budget) -> int:
    """Where a cluster of unknown size ends: at the next element that cannot stand in one."""
    while at < end:
        element = element_at(file, at, budget)
        if element is None or element.end is None or element.end > end:
            return at if element is not None and element.id in _LEVEL_1 else end
        if element.id in _LEVEL_1:
            return at
        at = element.end
    return end


def _check_sought(file: BinaryIO, size_bytes: int, draft: _Draft, budget: Budget) -> None:
    """Refuse an index that leads players to headers which do not stand among the others.

    A stale index, as in a file that was cut, leads nowhere and does no harm.
    """
    for number, place in draft.sought[:1000]:
        if number not in _LOOKED_UP or place >= size_bytes or place in draft.seen.get(number, set()):
            continue
        hidden = element_at(file, place, budget)
        if hidden is not None and hidden.id == number:
            raise Malformed("index of the Matroska file leads to headers in a hidden place")


def _covers(file: BinaryIO, element: Element, budget: Budget) -> int:
    """Count attached pictures without reading them."""
    found = 0
    for number, attached in enumerate(elements(file, element.payload, element.end or 0, budget)):
        if number >= budget.attachments:
            raise Malformed("file has more attachments than any footage needs")
        if attached.id != _ATTACHED or attached.end is None:
            continue
        for part in elements(file, attached.payload, attached.end, budget):
            if part.id == 0x4660 and part.end is not None and part.end - part.payload < 256:
                found += bytes(part.read(file, budget)).startswith(b"image/")
    return found


def _track(data: memoryview, budget: Budget) -> SegmentTrack:
    fields = Fields(data, "track entry", budget, many=frozenset((0x41E4, 0x6624)))
    kind = _KINDS.get(fields.uint(0x83, 0), "") if fields.text(0x86) else ""
    encodings = fields.bytes(_ENCODINGS)
    video = Fields(fields.bytes(0xE0) or memoryview(b""), "video entry", budget)
    if kind == "video" and not (video.uint(0xB0, 0) and video.uint(0xBA, 0)):
        raise Malformed("video track of the Matroska file states no size")
    odd = set()
    if 0xE2 in fields:
        odd.add("track operation")
    if video.uint(0x53B8, 0) or video.uint(0x53B9, 0):
        odd.add("stereo")
    if fields.float(0x23314F, 1.0) != 1.0:
        odd.add("time factor")  # some players multiply by it, others do not know it
    mapped = (Fields(entry, "block addition", budget).uint(0x41E7, 0) for entry in fields.all(0x41E4))
    if any(form.to_bytes(8, "big")[-4:] in _TONE_MAPPED for form in mapped):
        odd.add("tone mapping")
    colour = video.bytes(0x55B0)
    projection = Fields(video.bytes(0x7670) or memoryview(b""), "projection", budget)
    roll, yaw, pitch = projection.float(0x7675, 0.0), projection.float(0x7673, 0.0), projection.float(0x7674, 0.0)
    if not all(math.isfinite(angle) for angle in (roll, yaw, pitch)):
        raise Malformed("video track of the Matroska file is turned by no number")
    if projection.uint(0x7671, 0) or abs(yaw) not in (0.0, 180.0) or pitch:
        odd.add("projection")
    delay, duration = fields.uint(0x56AA, 0), fields.uint(0x23E383, 0)
    return SegmentTrack(
        index=-1,
        number=fields.uint(0xD7, 0),
        kind=kind,
        enabled=bool(fields.uint(0xB9, 1)),
        default=bool(fields.uint(0x88, 1)),
        codec_id=fields.text(0x86),
        codec_private=bytes(fields.bytes(0x63A2) or b""),
        encodings=_encodings(encodings, budget) if encodings is not None else (),
        default_duration_ns=duration or None,
        codec_delay_ns=delay,
        time_factor=fields.float(0x23314F, 1.0),
        width=video.uint(0xB0, 0),
        height=video.uint(0xBA, 0),
        display=_display(video),
        display_unit=video.uint(0x54B2, DISPLAY_PIXELS),
        crop=_crop(video),
        colour=_colour(Fields(colour, "colour", budget)) if colour is not None else None,
        roll=roll,
        yaw=yaw,
        odd=tuple(sorted(odd)),
    )


def _display(video: Fields) -> tuple[int, int] | None:
    width, height = video.uint(0x54B0, 0), video.uint(0x54BA, 0)
    if not width and not height:
        return None
    # One that is missing is what is left of the coded size after cropping.
    left, top, right, bottom = _crop(video) or (0, 0, 0, 0)
    return (
        width or max(1, video.uint(0xB0, 0) - left - right),
        height or max(1, video.uint(0xBA, 0) - top - bottom),
    )


def _crop(video: Fields) -> tuple[int, int, int, int] | None:
    if not any(number in video for number in (0x54CC, 0x54BB, 0x54DD, 0x54AA)):
        return None
    left, top, right, bottom = (video.uint(number, 0) for number in (0x54CC, 0x54BB, 0x54DD, 0x54AA))
    if left + right >= video.uint(0xB0, 0) or top + bottom >= video.uint(0xBA, 0):
        raise Malformed("cropping of the Matroska file leaves nothing of the picture")
    return left, top, right, bottom


def _colour(colour: Fields) -> tuple[int, int, int, int]:
    return colour.uint(0x55BB, 2), colour.uint(0x55BA, 2), colour.uint(0x55B1, 2), colour.uint(0x55B9, 0)


def _encodings(data: memoryview, budget: Budget) -> tuple[Encoding, ...]:
    found = []
    for entry in Fields(data, "content encodings", budget, many=frozenset((_ENCODING,))).all(_ENCODING):
        fields = Fields(entry, "content encoding", budget)
        if fields.uint(0x5033, 0):
            found.append(Encoding(kind="encryption", algorithm=0, stripped=b""))
            continue
        inner = Fields(fields.bytes(0x5034) or memoryview(b""), "compression", budget)
        algorithm = inner.uint(0x4254, 0)
        settings = bytes(inner.bytes(0x4255) or b"") if algorithm == 3 else b""
        found.append(Encoding(kind="compression", algorithm=algorithm, stripped=settings))
    return tuple(found)
