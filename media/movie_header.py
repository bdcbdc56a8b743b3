"""The movie header of an MP4 or MOV: what it says about every track, before anything is made of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from evidence.errors import Malformed
from media.boxes import TRANSPARENT, Budget, Cursor, children, inside, name_of, refuse_misplaced
from media.fragments import Defaults
from media.sample_entries import SampleEntry, read_entries
from media.sample_tables import TrackTables, read_tables

IDENTITY = (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
RATE_ONE = 1 << 16

# Clipping, mattes and stereo layouts of QuickTime and its successors: no `Display` can express them.
_ODD_TRACK_BOXES = frozenset((b"clip", b"matt", b"kmat"))
_SPHERICAL = bytes.fromhex("ffcc8263f8554a938814587a02521fdd")  # uuid box of Spherical Video V1


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One entry of an edit list: `duration` in ticks of the movie, `media_time` in ticks of the track, -1 for an empty
    edit; `rate` as 16.16 fixed point."""

    duration: int
    media_time: int
    rate: int = RATE_ONE


@dataclass(slots=True, kw_only=True)
class Draft:
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
class Header:
    """The movie header while it is read."""

    timescale: int = 0
    rate: int = RATE_ONE
    matrix: tuple[int, ...] = IDENTITY
    drafts: list[Draft] = field(default_factory=list)
    defaults: dict[int, Defaults] = field(default_factory=dict)
    fragmented: bool = False
    covers: int = 0


KINDS = {
    b"vide": "video", b"soun": "audio", b"text": "subtitle", b"sbtl": "subtitle", b"subt": "subtitle",
    b"subp": "subtitle", b"clcp": "subtitle", b"auxv": "video", b"pict": "video",
}  # fmt: skip


def read_header(data: memoryview, budget: Budget) -> Header:
    header = Header()
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


def _movie_header(data: memoryview, header: Header) -> None:
    cursor = Cursor(data, "mvhd")
    wide = cursor.version() == 1
    cursor.skip(16 if wide else 8)
    header.timescale = cursor.u32()
    cursor.skip(8 if wide else 4)
    header.rate = cursor.u32()
    cursor.skip(12)
    header.matrix = tuple(cursor.i32() for _ in range(9))


def _defaults(data: memoryview, header: Header) -> None:
    cursor = Cursor(data, "trex")
    cursor.version()
    track = cursor.u32()
    header.defaults[track] = Defaults(entry=cursor.u32(), duration=cursor.u32(), size=cursor.u32(), flags=cursor.u32())


def _track(data: memoryview, budget: Budget) -> Draft:
    draft = Draft()
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


def _track_header(data: memoryview, draft: Draft) -> None:
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


def _media(data: memoryview, draft: Draft, budget: Budget) -> None:
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
    if KINDS.get(draft.handler) == "video" and tables:
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
