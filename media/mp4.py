"""What the boxes of an MP4, MOV or fragmented MP4 say: tracks, how to show them, edit lists, and where the samples are.

Libraries mix this with what they find by probing, so the few boxes concerned are read here, strictly and within limits.
Nothing of the media data is read. Source: ISO/IEC 14496-12 and the QuickTime File Format.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from evidence.errors import Malformed
from media.boxes import TRANSPARENT, Budget, Cursor, TopBox, children, inside, name_of, refuse_misplaced, top_boxes
from media.sample_entries import SampleEntry, read_entries
from media.sample_tables import Defaults, Samples, TrackTables, read_fragment, read_tables

IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
RATE_ONE = 1 << 16

_FIRST_KINDS = frozenset(
    (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx", b"meta",
     b"emsg", b"prft", b"pdin", b"bloc", b"junk", b"udta")
)  # fmt: skip
# Clipping, mattes and stereo layouts of QuickTime and its successors: no `Display` can express them.
_SMALL_BYTES = 16 << 20
_ODD_TRACK_BOXES = frozenset((b"clip", b"matt", b"kmat"))
_SPHERICAL = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")  # uuid box of Spherical Video V1
# A reference alone makes no still picture: it would let moving pictures pass as such.
_STILL = frozenset(("jpeg", "png ", "mjpa", "mjpb"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One entry of an edit list: `duration` in ticks of the movie, `media_time` in ticks of the track, -1 for an empty
    edit; `rate` as 16.16 fixed point."""

    duration: int
    media_time: int
    rate: int = RATE_ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class MovieTrack:
    """One track.

    Attributes:
        index: place in the file, which is the stream number that demultiplexers give it.
        kind: video, audio, subtitle or data, by its handler.
        enabled: the flag of its header; players leave out tracks without it.
        matrix: transformation of track and movie joined, row by row, 16.16 (third column 2.30).
        width, height: displayed size, pixels.
        timescale: ticks per second.
        edits: its edit list; empty when it has none.
        entries: its sample descriptions.
        samples: its sample tables; None for other tracks than video.
        still: another track uses it as chapter pictures or thumbnails, and it holds such.
        apertures: further displayed sizes (QuickTime's track apertures).
        odd: boxes that change what is seen in ways no `Display` can express.
        disagreeing: its tables differ in length.
    """

    index: int
    id: int
    kind: str
    enabled: bool
    matrix: tuple[int, ...]
    width: Fraction
    height: Fraction
    timescale: int
    edits: tuple[Edit, ...]
    entries: tuple[SampleEntry, ...]
    samples: Samples | None
    still: bool
    apertures: tuple[tuple[Fraction, Fraction], ...]
    odd: tuple[str, ...]
    disagreeing: bool

    @property
    def used_entries(self) -> tuple[SampleEntry, ...]:
        """The sample descriptions that samples really use, in the order of the file."""
        if self.samples is None:
            return self.entries
        if not self.samples.count:
            return self.entries[:1]
        used = sorted({int(value) for value in set(self.samples.entries.tolist())})
        return tuple(self.entries[index] for index in used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movie:
    """One file. `timescale` counts its movie ticks per second; `rate` is its preferred rate, 16.16."""

    quicktime: bool
    timescale: int
    rate: int
    fragmented: bool
    tracks: tuple[MovieTrack, ...]
    covers: int
    truncated: bool


@dataclass(slots=True, kw_only=True)
class _Draft:
    """A track while its boxes are read."""

    id: int = 0
    flags: int = 0
    matrix: tuple[int, ...] = IDENTITY
    width: Fraction = Fraction(0)
    height: Fraction = Fraction(0)
    handler: bytes = b""
    timescale: int = 0
    edits: tuple[Edit, ...] = ()
    entries: tuple[SampleEntry, ...] = ()
    tables: TrackTables = field(default_factory=TrackTables)
    refers: list[int] = field(default_factory=list)
    apertures: list[tuple[Fraction, Fraction]] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class _Header:
    """The movie header while it is read."""

    timescale: int = 0
    rate: int = RATE_ONE
    matrix: tuple[int, ...] = IDENTITY
    drafts: list[_Draft] = field(default_factory=list)
    defaults: dict[int, Defaults] = field(default_factory=dict)
    fragmented: bool = False
    covers: int = 0


def is_movie(head: bytes) -> bool:
    """Tell from a file's first 12 bytes whether it is built of these boxes."""
    return head[4:8] in _FIRST_KINDS


def read_movie(file: BinaryIO, *, budget: Budget | None = None) -> Movie:
    """Read what the boxes of `file` say.

    Args:
        file: seekable.
        budget: what may be spent; default: enough for a day of footage.

    Raises:
        Malformed: not such a file, its boxes contradict each other, or it exceeds the budget.
    """
    spend = budget or Budget()
    size_bytes = file.seek(0, 2)
    header: _Header | None = None
    quicktime, truncated = True, False
    fragments: list[TopBox] = []
    for box in top_boxes(file, size_bytes, spend):
        if box.start == 0 and box.kind not in _FIRST_KINDS:
            raise Malformed("file is not an MP4 or MOV")
        truncated |= not box.whole
        if box.kind == b"ftyp" and box.start == 0 and box.whole:
            quicktime = bytes(box.read(file, spend)[:4]) == b"qt  "
        elif box.kind == b"moov":
            if header is not None:
                raise Malformed("file has two movie headers")
            if not box.whole:
                raise Malformed("movie header is cut off")
            header = _read_header(box.read(file, spend), spend)
        elif box.kind == b"moof" and box.whole:
            fragments.append(box)
        elif box.kind in TRANSPARENT and box.whole and box.end - box.payload <= _SMALL_BYTES:
            refuse_misplaced(box.read(file, spend), box.kind, spend)
    if header is None:
        raise Malformed("file has no movie header (it may be cut off)" if truncated else "file has no movie header")
    _read_fragments(file, fragments, header, spend)
    return _finish(header, quicktime=quicktime, fragmented=header.fragmented or bool(fragments), truncated=truncated)


def _read_fragments(file: BinaryIO, fragments: list[TopBox], header: _Header, budget: Budget) -> None:
    tables = {draft.id: draft.tables for draft in header.drafts}
    entries = {draft.id: len(draft.entries) for draft in header.drafts if draft.entries}
    for box in fragments:
        read_fragment(box.read(file, budget), box.start, header.defaults, entries, tables, budget)


def _finish(header: _Header, *, quicktime: bool, fragmented: bool, truncated: bool) -> Movie:
    referred = {number for draft in header.drafts for number in draft.refers}
    tracks = []
    for index, draft in enumerate(header.drafts):
        kind = _KINDS.get(draft.handler, "data")
        if kind == "video" and not draft.timescale:
            raise Malformed("video track has no time scale")
        tracks.append(
            MovieTrack(
                index=index,
                id=draft.id,
                kind=kind,
                enabled=bool(draft.flags & 1),
                matrix=_joined(draft.matrix, header.matrix),
                width=draft.width,
                height=draft.height,
                timescale=draft.timescale,
                edits=draft.edits,
                entries=draft.entries,
                samples=draft.tables.samples() if kind == "video" else None,
                still=draft.id in referred and all(entry.format in _STILL for entry in draft.entries),
                apertures=tuple(draft.apertures),
                odd=tuple(draft.odd),
                disagreeing=draft.tables.disagreeing,
            )
        )
    return Movie(
        quicktime=quicktime,
        timescale=header.timescale,
        rate=header.rate,
        fragmented=fragmented,
        tracks=tuple(tracks),
        covers=header.covers,
        truncated=truncated,
    )


_KINDS = {
    b"vide": "video", b"soun": "audio", b"text": "subtitle", b"sbtl": "subtitle", b"subt": "subtitle",
    b"subp": "subtitle", b"clcp": "subtitle", b"auxv": "video", b"pict": "video",
}  # fmt: skip


def _read_header(data: memoryview, budget: Budget) -> _Header:
    header = _Header()
    for kind, payload in children(data, b"moov", budget):
        if kind == b"mvhd":
            _movie_header(payload, header)
        elif kind == b"trak":
            if len(header.drafts) >= budget.tracks:
                raise Malformed("file has more tracks than any footage needs")
            header.drafts.append(_track(payload, budget))
        elif kind == b"mvex":
            header.fragmented = True
            for inner, rest in children(payload, b"mvex", budget):
                if inner == b"trex":
                    _defaults(rest, header)
        elif kind in (b"udta", b"meta"):
            header.covers += _covers(payload, kind, budget)
        elif kind == b"cmov":
            raise Malformed("movie header is compressed, which no current tool writes")
        elif kind in TRANSPARENT:
            refuse_misplaced(payload, kind, budget)
    if not header.timescale:
        raise Malformed("movie header has no time scale")
    if len({draft.id for draft in header.drafts}) != len(header.drafts):
        raise Malformed("two tracks have the same number")
    return header


def _movie_header(data: memoryview, header: _Header) -> None:
    cursor = Cursor(data, "mvhd")
    wide = cursor.version() == 1
    cursor.skip(16 if wide else 8)
    header.timescale = cursor.u32()
    cursor.skip(8 if wide else 4)
    header.rate = cursor.u32()
    cursor.skip(12)
    header.matrix = tuple(cursor.i32() for _ in range(9))


def _defaults(data: memoryview, header: _Header) -> None:
    cursor = Cursor(data, "trex")
    cursor.version()
    track = cursor.u32()
    header.defaults[track] = Defaults(entry=cursor.u32(), duration=cursor.u32(), size=cursor.u32(), flags=cursor.u32())


def _track(data: memoryview, budget: Budget) -> _Draft:
    draft = _Draft()
    for kind, payload in children(data, b"trak", budget):
        if kind == b"tkhd":
            _track_header(payload, draft)
        elif kind == b"edts":
            for inner, rest in children(payload, b"edts", budget):
                if inner == b"elst":
                    draft.edits = _edit_list(rest, budget)
        elif kind == b"mdia":
            _media(payload, draft, budget)
        elif kind == b"tref":
            for inner, rest in children(payload, b"tref", budget):
                if inner in (b"chap", b"thmb"):
                    draft.refers += [int.from_bytes(rest[i : i + 4], "big") for i in range(0, len(rest) - 3, 4)]
        elif kind == b"tapt":
            for _, rest in children(payload, b"tapt", budget):
                cursor = Cursor(rest, "tapt")
                cursor.version()
                draft.apertures.append((Fraction(cursor.u32(), 1 << 16), Fraction(cursor.u32(), 1 << 16)))
        elif kind in _ODD_TRACK_BOXES or (kind == b"uuid" and payload[:16] == _SPHERICAL):
            draft.odd.append(name_of(kind))
        if kind in TRANSPARENT:
            refuse_misplaced(payload, kind, budget)
    if not draft.id:
        raise Malformed("track has no header")
    return draft


def _track_header(data: memoryview, draft: _Draft) -> None:
    cursor = Cursor(data, "tkhd")
    first = cursor.u32()
    draft.flags = first & 0xFF_FFFF
    wide = first >> 24 == 1
    cursor.skip(16 if wide else 8)
    draft.id = cursor.u32()
    cursor.skip(12 if wide else 8)
    cursor.skip(16)
    draft.matrix = tuple(cursor.i32() for _ in range(9))
    draft.width, draft.height = Fraction(cursor.u32(), 1 << 16), Fraction(cursor.u32(), 1 << 16)


def _edit_list(data: memoryview, budget: Budget) -> tuple[Edit, ...]:
    cursor = Cursor(data, "elst")
    wide = cursor.version() == 1
    count = cursor.u32()
    if count > budget.edits or count * (20 if wide else 12) > cursor.left:
        raise Malformed("edit list is longer than its box or than any footage needs")
    edits = []
    for _ in range(count):
        duration = cursor.u64() if wide else cursor.u32()
        media_time = cursor.i64() if wide else cursor.i32()
        edits.append(Edit(duration=duration, media_time=media_time, rate=cursor.i32()))
    return tuple(edits)


def _media(data: memoryview, draft: _Draft, budget: Budget) -> None:
    tables: dict[bytes, memoryview] = {}
    handlers = 0
    for kind, payload in children(data, b"mdia", budget):
        if kind == b"mdhd":
            cursor = Cursor(payload, "mdhd")
            cursor.skip(16 if cursor.version() == 1 else 8)
            draft.timescale = cursor.u32()
        elif kind == b"hdlr":
            handlers += 1
            draft.handler = bytes(Cursor(payload, "hdlr", 8).take(4))
        elif kind == b"minf":
            tables = _tables_of(payload, budget)
        if kind in TRANSPARENT:
            refuse_misplaced(payload, kind, budget)
    if handlers > 1:
        raise Malformed("track says twice what it is")
    if _KINDS.get(draft.handler) == "video" and tables:
        if b"stsd" not in tables:
            raise Malformed("video track has no sample description")
        draft.entries = read_entries(tables[b"stsd"], budget, tables.get(b"dref"))
        read_tables(tables, len(draft.entries), budget, draft.tables)


def _tables_of(data: memoryview, budget: Budget) -> dict[bytes, memoryview]:
    tables: dict[bytes, memoryview] = {}
    for kind, payload in children(data, b"minf", budget):
        if kind == b"stbl":
            for inner, rest in children(payload, b"stbl", budget):
                tables.setdefault(inner, rest)
        elif kind == b"dinf":
            for inner, rest in children(payload, b"dinf", budget):
                if inner == b"dref":
                    tables[b"dref"] = rest
        if kind in TRANSPARENT:
            refuse_misplaced(payload, kind, budget)
    return tables


def _covers(data: memoryview, parent: bytes, budget: Budget, depth: int = 0) -> int:
    """Count the cover pictures that user data hold; other user data are nobody's business."""
    found = 0
    for kind, payload in children(inside(data, parent), parent, budget, lenient=True):
        if kind == b"covr":
            found += sum(inner == b"data" for inner, _ in children(payload, b"covr", budget, lenient=True))
        elif kind in (b"meta", b"ilst", b"udta") and depth < 4:
            found += _covers(payload, kind, budget, depth + 1)
    return found


def _joined(track: tuple[int, ...], movie: tuple[int, ...]) -> tuple[int, ...]:
    """Track matrix times movie matrix; the columns are 16.16, 16.16 and 2.30 fixed point."""
    shifts = (16, 16, 30)
    return tuple(
        sum(track[3 * row + k] * movie[3 * k + column] >> shifts[k] for k in range(3))
        for row in range(3)
        for column in range(3)
    )
