"""What the boxes of an MP4, MOV or fragmented MP4 say: tracks, how to show them, edit lists, and where the samples are.

Libraries mix this with what they find by probing, so the few boxes concerned are read here, strictly and within limits.
Nothing of the media data is read. Source: ISO/IEC 14496-12 and the QuickTime File Format.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from evidence.errors import Malformed
from media.boxes import TRANSPARENT, Budget, TopBox, refuse_misplaced, top_boxes
from media.fragments import read_fragment
from media.movie_header import KINDS, Edit, Header, read_header
from media.sample_entries import SampleEntry
from media.sample_tables import Samples
from media.segment_index import INDEXES, check_indexes

_FIRST_KINDS = frozenset(
    (b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"free", b"skip", b"wide", b"pnot", b"uuid", b"sidx", b"meta",
     b"emsg", b"prft", b"pdin", b"bloc", b"junk", b"udta")
)  # fmt: skip
_SMALL_BYTES = 16 << 20
# A reference alone makes no still picture: it would let moving pictures pass as such.
_STILL = frozenset(("jpeg", "png ", "mjpa", "mjpb"))


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
    header: Header | None = None
    quicktime, truncated = True, False
    fragments: list[TopBox] = []
    indexes: list[TopBox] = []
    starts: set[int] = set()
    end = 0
    for box in top_boxes(file, size_bytes, spend):
        if box.start == 0 and box.kind not in _FIRST_KINDS:
            raise Malformed("file is not an MP4 or MOV")
        truncated |= not box.whole
        starts.add(box.start)
        end = min(box.end, size_bytes)
        if box.kind == b"ftyp" and box.start == 0 and box.whole:
            quicktime = bytes(box.read(file, spend)[:4]) == b"qt  "
        elif box.kind == b"moov":
            if header is not None:
                raise Malformed("file has two movie headers")
            if not box.whole:
                raise Malformed("movie header is cut off")
            header = read_header(box.read(file, spend), spend)
        elif box.kind == b"moof" and box.whole:
            fragments.append(box)
        elif box.kind in INDEXES and box.whole:
            indexes.append(box)
        elif box.kind in TRANSPARENT and box.whole and box.end - box.payload <= _SMALL_BYTES:
            refuse_misplaced(box.read(file, spend), box.kind, spend)
    if header is None:
        raise Malformed("file has no movie header (it may be cut off)" if truncated else "file has no movie header")
    check_indexes(file, indexes, starts, end, spend)
    _read_fragments(file, fragments, header, spend)
    return _finish(header, quicktime=quicktime, fragmented=header.fragmented or bool(fragments), truncated=truncated)


def _read_fragments(file: BinaryIO, fragments: list[TopBox], header: Header, budget: Budget) -> None:
    tables = {draft.id: draft.tables for draft in header.drafts}
    entries = {draft.id: len(draft.entries) for draft in header.drafts if draft.entries}
    for box in fragments:
        read_fragment(box.read(file, budget), box.start, header.defaults, entries, tables, budget)


def _finish(header: Header, *, quicktime: bool, fragmented: bool, truncated: bool) -> Movie:
    referred = {number for draft in header.drafts for number in draft.refers}
    tracks = []
    for index, draft in enumerate(header.drafts):
        kind = KINDS.get(draft.handler, "data")
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


def _joined(track: tuple[int, ...], movie: tuple[int, ...]) -> tuple[int, ...]:
    """Track matrix times movie matrix; the columns are 16.16, 16.16 and 2.30 fixed point."""
    shifts = (16, 16, 30)
    return tuple(
        sum(track[3 * row + k] * movie[3 * k + column] >> shifts[k] for k in range(3))
        for row in range(3)
        for column in range(3)
    )
