"""Everything that a file tells without decoding, put together: boxes, packets, units, edits, display.

Runs in the media child only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evidence.errors import Malformed, UnsupportedMedia
from evidence.records import Display
from media.avi import is_avi, stated_by_avi
from media.avi_index import check_index
from media.columns import Columns
from media.display import Stated, resolve, stated_by_movie, stated_by_segment
from media.edits import Edited, edits_of, last_us_of
from media.footage import Footage, Track
from media.h264 import StreamFormat
from media.matroska import SegmentInfo, SegmentTrack, is_segment, read_segment_info
from media.mp4 import Movie, MovieTrack, is_movie, read_movie
from media.mpeg4 import stream_says
from media.samples import Plain, plain_track, read_units

if TYPE_CHECKING:
    from media.packets import Packet, PacketSource

_CODECS = {"avc1": "h264", "avc3": "h264", "hvc1": "hevc", "hev1": "hevc", "av01": "av1", "mp4v": "mpeg4"}
# Packets of MPEG-TS alone, behind a time stamp, and with error correction: size, and where the sync byte stands.
_STREAM_PACKETS = ((188, 0), (192, 4), (204, 0))
_SYNC = 0x47
_LONGEST_US = 1 << 62
_TAIL_BYTES = 1 << 20  # other tracks, tables and padding may follow the last picture's packets


@dataclass(slots=True, kw_only=True)
class _Found:
    """What reading a track's packets found, whichever way they were read."""

    container: str
    codec: str
    size: tuple[int, int]
    time_base: tuple[int, int]
    times: bool
    columns: Columns
    stream_format: StreamFormat | None
    header: bytes
    tracks: tuple[Track, ...]
    last_us: int | None = None


def read_footage(path: str, *, track: int | None = None, processes: int = 2, tables: bool = True) -> Footage:
    """Read the picture track of a file; its name and digest are left for the caller to fill in.

    Args:
        track: index of the track; None takes the first enabled one.
        processes: how many may share the work.
        tables: read MP4 sample tables directly where that is possible; without, the result is the same, only later.

    Raises:
        Malformed: the file cannot be read.
        UnsupportedMedia: it can, and holds no pictures that can be examined.
    """
    size_bytes = os.path.getsize(path)
    with open(path, "rb") as file:
        head = file.read(12)
        if not head:
            raise Malformed("the file is empty")
        movie = read_movie(file) if is_movie(head) else None
        segment = read_segment_info(file) if is_segment(head) else None
    notes: set[str] = set()
    edited = Edited(shown_us=None, hidden=(), preroll=(), retimed=False)
    stated = Stated()
    if movie is not None:
        chosen = _choose_in_movie(movie, track, notes)
        plain = plain_track(path, size_bytes, chosen) if tables else None
        if plain is not None:
            found = _by_table(plain, movie, chosen, processes)
        else:
            found = _by_packets(path, chosen.index, notes)
            _take_table_times(found.columns, chosen)
        found.tracks = _movie_tracks(movie, chosen, found.codec)
        if movie.truncated:
            notes.add("truncated")
        stated = stated_by_movie(chosen)
        edited = edits_of(movie, chosen, np.array(found.columns.pts, dtype=np.int64))
        found.last_us = last_us_of(movie, chosen)
    elif segment is not None:
        shown_track = _choose_in_segment(segment, track, notes)
        found = _by_packets(path, shown_track.index, notes)
        if [each.kind for each in found.tracks[: len(segment.tracks)]] != [each.kind for each in segment.tracks]:
            # A track that the library passes over would shift the numbers, and another track would be examined.
            raise Malformed("its tracks are not those that its header lists")
        stated = stated_by_segment(segment, shown_track)
        if segment.truncated:
            notes.add("truncated")
    else:
        found = _by_packets(path, track, notes)
        if is_avi(head):
            with open(path, "rb") as file:
                index = next(each.index for each in found.tracks if each.examined)
                stated = stated_by_avi(file, index)
                check_index(file, index)
    if found.container == "mpegts" and _ends_within_packet(path):
        found.columns.cut.append(found.columns.begun - 1)
        notes.add("truncated")
    return _footage(found, stated, edited, notes, size_bytes)


def _ends_within_packet(path: str) -> bool:
    """Tell whether an MPEG-TS file ends in the middle of a packet, so that its last picture is cut."""
    longest = 2 * max(size for size, _ in _STREAM_PACKETS)
    with open(path, "rb") as file:
        file.seek(-min(longest, os.path.getsize(path)), os.SEEK_END)
        tail = file.read()
    return not any(
        len(tail) >= 2 * size and tail[sync - size] == tail[sync - 2 * size] == _SYNC for size, sync in _STREAM_PACKETS
    )


def _ends_without_stuffing(path: str, pid: int) -> bool:
    """Tell whether the track's last packet in an MPEG-TS file is filled to its end, as those within a picture are.

    Nothing states how long a picture is, but its last packet is stuffed: only one picture in 184 happens to fill it.
    """
    with open(path, "rb") as file:
        file.seek(-min(_TAIL_BYTES, os.path.getsize(path)), os.SEEK_END)
        tail = file.read()
    for size, sync in _STREAM_PACKETS:
        starts = range(len(tail) - size + sync, -1, -size)
        if len(starts) < 2 or any(tail[start] != _SYNC for start in starts[:8]):
            continue
        for start in starts:
            if int.from_bytes(tail[start + 1 : start + 3], "big") & 0x1FFF == pid and tail[start + 3] & 0x10:
                return not tail[start + 3] & 0x20
    return False


def _choose(candidates: list[tuple[int, bool]], track: int | None, notes: set[str]) -> int:
    """The track to examine, out of the picture tracks given with their flag "enabled"."""
    if track is not None:
        if track not in (index for index, _ in candidates):
            listed = ", ".join(str(index) for index, _ in candidates) or "none"
            raise UnsupportedMedia(f"track {track} is not one of its picture tracks ({listed})")
        return track
    enabled = [index for index, on in candidates if on] or [index for index, _ in candidates]
    if not enabled:
        raise UnsupportedMedia("there is no moving picture in it")
    if len(enabled) > 1:
        notes.add("several_video_tracks")
    return enabled[0]


def _choose_in_movie(movie: Movie, track: int | None, notes: set[str]) -> MovieTrack:
    videos = [each for each in movie.tracks if each.kind == "video" and not each.still]
    index = _choose([(each.index, each.enabled) for each in videos], track, notes)
    chosen = next(each for each in videos if each.index == index)
    if any(entry.encrypted for entry in chosen.used_entries):
        raise UnsupportedMedia("its pictures are encrypted", next_step="examine the file before encryption")
    if any(entry.external for entry in chosen.used_entries):
        raise UnsupportedMedia("its pictures stand in another file", next_step="ask for a file that holds them itself")
    return chosen


def _choose_in_segment(segment: SegmentInfo, track: int | None, notes: set[str]) -> SegmentTrack:
    videos = [each for each in segment.tracks if each.kind == "video"]
    index = _choose([(each.index, each.enabled) for each in videos], track, notes)
    chosen = next(each for each in videos if each.index == index)
    if chosen.encrypted:
        raise UnsupportedMedia("its pictures are encrypted", next_step="examine the file before encryption")
    if segment.linked:
        notes.add("linked_segments")
    return chosen


def _by_table(plain: Plain, movie: Movie, chosen: MovieTrack, processes: int) -> _Found:
    columns, reader = read_units(plain, processes=processes)
    entry = chosen.used_entries[0]
    return _Found(
        container="mov" if movie.quicktime else "mp4",
        codec=plain.codec,
        size=(entry.width, entry.height),
        time_base=(1, chosen.timescale),
        times=True,
        columns=columns,
        stream_format=reader.stream_format,
        header=plain.header,
        tracks=(),
    )


def _by_packets(path: str, track: int | None, notes: set[str]) -> _Found:
    # Loading PyAV takes as long as reading minutes of footage by its table.
    from media.packets import PacketSource
    from media.units import UnitAssembler

    with PacketSource(path, track=track) as source:
        assembler = UnitAssembler(source.codec, source.header, annex_b=source.annex_b)
        last: Packet | None = None
        try:
            for packet in source.packets():
                assembler.take(packet)
                if last is None or packet.time > last.time:
                    last = packet
        except Malformed:
            # What could be read up to here is examined; the note says that there was more.
            if not assembler.columns.begun:
                raise
            notes.add("truncated")
        assembler.finish()
        if source.container == "mpegts" and assembler.columns.begun and _ends_without_stuffing(path, source.stream.id):
            assembler.columns.cut.append(assembler.columns.begun - 1)
        if track is None and source.several:
            notes.add("several_video_tracks")
        return _Found(
            container=source.container,
            codec=source.codec,
            size=(source.width, source.height),
            time_base=source.time_base,
            times=source.times,
            columns=assembler.columns,
            stream_format=assembler.stream_format,
            header=source.header,
            tracks=tuple(
                Track(index=info.index, kind=info.kind, codec=info.codec, examined=info.index == source.stream.index)
                for info in source.streams
            ),
            last_us=_length_us(source, last),
        )


def _length_us(source: PacketSource, last: Packet | None) -> int | None:
    """How long Matroska says that a packet lasts; of other containers a library makes it up."""
    if source.container != "matroska" or last is None or last.raw is None or not last.raw.duration:
        return None
    return 1_000_000 * int(last.raw.duration) * source.time_base[0] // source.time_base[1]


def _movie_tracks(movie: Movie, chosen: MovieTrack, codec: str) -> tuple[Track, ...]:
    tracks = []
    for each in movie.tracks:
        form = each.entries[0].format if each.entries else ""
        examined = each.index == chosen.index
        tracks.append(
            Track(
                index=each.index,
                kind="cover" if each.still and each.kind == "video" else each.kind,
                codec=codec if examined else _CODECS.get(form, form.strip()),
                examined=examined,
            )
        )
    behind = range(len(movie.tracks), len(movie.tracks) + movie.covers)
    return (*tracks, *(Track(index=index, kind="cover", codec="", examined=False) for index in behind))


def _take_table_times(columns: Columns, chosen: MovieTrack) -> None:
    """Put the table's own times in place of the demultiplexer's, which moves all of them where offsets are negative."""
    samples = chosen.samples
    if samples is None:
        return
    times = samples.pts[samples.sizes > 0].tolist()
    for unit, packet in enumerate(columns.packets):
        if packet < len(times):
            columns.pts[unit] = times[packet]


def _footage(found: _Found, stated: Stated, edited: Edited, notes: set[str], size_bytes: int) -> Footage:
    columns, said = found.columns, found.stream_format
    if not columns.begun:
        raise UnsupportedMedia("there is not one picture in it")
    ends = {0, columns.begun - 1}
    if set(columns.cut) - ends:
        notes.add("damaged_packet")
    sar, colour = (said.sar, said.colour) if said else stream_says(found.codec, found.header)
    stream_display = Display(sar=sar or (1, 1), colour=colour)
    width, height = (said.width, said.height) if said else found.size
    shown = resolve(stated, stream_display, width, height)
    return Footage(
        name="",
        size_bytes=size_bytes,
        sha256=b"",
        container=found.container,
        codec=found.codec,
        width=width,
        height=height,
        time_base=found.time_base,
        times=found.times,
        coded=bytes(columns.coded),
        pts=columns.pts,
        keys=bytes(columns.keys),
        inferred=bytes(columns.inferred),
        clean=bytes(columns.clean),
        headers=tuple(columns.headers),
        sides=tuple(dict.fromkeys(columns.sides())),
        cut=tuple(sorted(ends & set(columns.cut))),
        shown_us=edited.shown_us,
        hidden=edited.hidden,
        preroll=edited.preroll,
        edits_retimed=edited.retimed,
        display=shown.display,
        stream_display=stream_display,
        display_stated=shown.stated,
        tracks=found.tracks,
        notes=tuple(sorted(notes | columns.notes | set(shown.notes))),
        last_us=None if found.last_us is None else max(0, min(_LONGEST_US, found.last_us)),
    )
