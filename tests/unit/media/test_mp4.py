"""MP4 and MOV as our own reader sees them: the same samples as a demultiplexer, and every statement in its place."""

import io
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from evidence.errors import Malformed
from media.boxes import Budget
from media.movie_header import IDENTITY
from media.mp4 import Movie, MovieTrack, read_movie
from media.scene import render_scene
from tests.unit.media.surgery import Box, add_to_entry, box, changed, full, put_together, take_apart

SMALL: dict[str, Any] = {"width": 160, "height": 90}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mp4") / "clip.mp4"
    render_scene(path, pattern="IBBP PBBP IBBP PBBP", fps=10, **SMALL)
    return path


def read(path: Path) -> Movie:
    with path.open("rb") as file:
        return read_movie(file)


def video(path: Path) -> MovieTrack:
    return next(track for track in read(path).tracks if track.kind == "video")


def remuxed(source: Path, target: Path, **options: str) -> Path:
    with av.open(str(source)) as taken, av.open(str(target), "w", options=options) as given:
        stream = given.add_stream_from_template(taken.streams.video[0])
        for packet in taken.demux(video=0):
            if packet.size:
                packet.stream = stream
                given.mux(packet)
    return target


@pytest.mark.parametrize(
    "movflags",
    ["", "faststart", "negative_cts_offsets", "frag_keyframe", "frag_keyframe+empty_moov",
     "frag_every_frame+delay_moov", "frag_keyframe+default_base_moof", "frag_keyframe+omit_tfhd_offset",
     "hybrid_fragmented+frag_keyframe"],
)  # fmt: skip
@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_the_samples_are_those_that_a_demultiplexer_finds(
    clip: Path, tmp_path: Path, movflags: str, suffix: str
) -> None:
    path = remuxed(clip, tmp_path / f"copy.{suffix}", **({"movflags": movflags} if movflags else {}))
    samples = video(path).samples
    assert samples is not None
    with av.open(str(path), options={"ignore_editlist": "1"}) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert samples.sizes.tolist() == [packet.size for packet in packets]
    assert samples.offsets.tolist() == [packet.pos for packet in packets]
    assert samples.sync.tolist() == [packet.is_keyframe for packet in packets]
    shift = {int(mine) - int(packet.pts or 0) for mine, packet in zip(samples.pts, packets, strict=True)}
    assert len(shift) == 1 and ("negative" in movflags or shift == {0})


def test_a_plain_file_states_nothing_odd(clip: Path) -> None:
    movie, track = read(clip), video(clip)
    assert (movie.fragmented, movie.quicktime, movie.covers, movie.truncated) == (False, False, 0, False)
    assert (track.enabled, track.matrix, track.width, track.height) == (True, IDENTITY, 160, 90)
    entry = track.entries[0]
    assert (entry.format, entry.width, entry.height, entry.clap, entry.encrypted) == ("avc1", 160, 90, None, False)
    assert [name for name, _ in entry.sets] == ["avcC"]


def test_an_hour_of_samples_is_read_within_a_tenth_of_a_second() -> None:
    count = 90_000
    file = io.BytesIO(hour(count))
    started = time.process_time()
    track = read_movie(file).tracks[0]
    seconds = time.process_time() - started
    samples = track.samples
    assert samples is not None and samples.count == count
    assert samples.offsets[1] - samples.offsets[0] == samples.sizes[0]
    assert seconds < 0.1


def hour(count: int) -> bytes:
    """A movie header that lists `count` samples, ten to a chunk, with composition offsets; no sample data."""
    sizes = np.arange(count) % 3000 + 100
    chunks = np.concatenate(([0], np.cumsum(sizes.reshape(-1, 10).sum(axis=1))[:-1]))
    tables = [
        full(b"stsd", struct.pack(">I", 1), visual(b"avc1", 160, 90)),
        full(b"stts", struct.pack(">III", 1, count, 512)),
        full(b"ctts", struct.pack(">I", count), np.stack((np.ones(count), sizes % 3 * 512), 1).astype(">u4").tobytes()),
        full(b"stsc", struct.pack(">IIII", 1, 1, 10, 1)),
        full(b"stsz", struct.pack(">II", 0, count), sizes.astype(">u4").tobytes()),
        full(b"stco", struct.pack(">I", len(chunks)), chunks.astype(">u4").tobytes()),
        full(b"stss", struct.pack(">I", count // 25), np.arange(1, count, 25).astype(">u4").tobytes()),
    ]
    return movie(track(tables))


def visual(kind: bytes, width: int, height: int, *inner: bytes) -> bytes:
    return box(kind, bytes(6), struct.pack(">H", 1), bytes(16), struct.pack(">HH", width, height), bytes(50), *inner)


def track(tables: list[bytes], *, number: int = 1, handler: bytes = b"vide") -> bytes:
    unity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    head = full(b"tkhd", bytes(8), struct.pack(">I", number), bytes(24), unity, struct.pack(">II", 160 << 16, 90 << 16),
                flags=3)  # fmt: skip
    media = [
        full(b"mdhd", bytes(8), struct.pack(">II", 12800, 0), bytes(4)),
        full(b"hdlr", bytes(4), handler, bytes(13)),
        box(b"minf", box(b"stbl", *tables)),
    ]
    return box(b"trak", head, box(b"mdia", *media))


def movie(*tracks: bytes, rate: int = 1 << 16) -> bytes:
    unity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30)
    head = full(b"mvhd", bytes(8), struct.pack(">IIi", 1000, 0, rate), bytes(12), unity, bytes(28))
    return box(b"ftyp", b"isom", bytes(4)) + box(b"moov", head, *tracks)


ONE_SAMPLE = [
    full(b"stsd", struct.pack(">I", 1), visual(b"avc1", 160, 90)),
    full(b"stts", struct.pack(">III", 1, 1, 512)),
    full(b"stsc", struct.pack(">IIII", 1, 1, 1, 1)),
    full(b"stsz", struct.pack(">II", 7, 1)),
    full(b"stco", struct.pack(">II", 1, 48)),
]


def with_table(kind: bytes, table: bytes | None) -> bytes:
    tables = [each for each in ONE_SAMPLE if each[4:8] != kind]
    return movie(track(tables + ([table] if table is not None else [])))


def sampled(data: bytes) -> Any:
    return read_movie(io.BytesIO(data)).tracks[0].samples


def test_other_forms_of_the_tables() -> None:
    assert sampled(with_table(b"stco", full(b"co64", struct.pack(">IQ", 1, 1 << 40)))).offsets.tolist() == [1 << 40]
    packed = full(b"stz2", struct.pack(">II", 4, 3), bytes([0x12, 0x30]))
    tables = [
        *(each for each in ONE_SAMPLE if each[4:8] not in (b"stsz", b"stsc", b"stts")),
        full(b"stts", struct.pack(">III", 1, 3, 512)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 3, 1)),
    ]
    assert sampled(movie(track([*tables, packed]))).sizes.tolist() == [1, 2, 3]
    wide = full(b"stz2", struct.pack(">II", 16, 3), struct.pack(">3H", 1, 500, 3))
    assert sampled(movie(track([*tables, wide]))).sizes.tolist() == [1, 500, 3]


@pytest.mark.parametrize(
    "table",
    [
        full(b"stsz", struct.pack(">II", 1, 0xFFFF_FFFF)),
        full(b"stsz", struct.pack(">II", 0, 0xFFFF_FFFF)),
        full(b"stsz", struct.pack(">II", 1, 2)),
        full(b"stsc", struct.pack(">I", 0)),
        full(b"stsc", struct.pack(">IIII", 1, 2, 1, 1)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 1, 2)),
        full(b"stsc", struct.pack(">IIII", 1, 1, 1, 0)),
        full(b"stsc", struct.pack(">IIIIIII", 2, 1, 1, 1, 1, 1, 1)),
        full(b"stco", struct.pack(">I", 0)),
        full(b"stts", struct.pack(">II", 0xFFFF_FFFF, 1)),
        full(b"stsd", struct.pack(">I", 0)),
        full(b"stsd", struct.pack(">I", 2), visual(b"avc1", 1, 1)),
        full(b"stsd", struct.pack(">I", 1), box(b"avc1", bytes(20))),
    ],
)
def test_tables_that_contradict_each_other_are_refused(table: bytes) -> None:
    with pytest.raises(Malformed):
        sampled(with_table(table[4:8], table))


@pytest.mark.parametrize("kind", [b"stsd", b"stsc", b"stco"])
def test_a_table_that_is_missing_is_refused(kind: bytes) -> None:
    with pytest.raises(Malformed):
        sampled(with_table(kind, None))


def test_runs_longer_than_the_track_are_cut_and_noted() -> None:
    data = with_table(b"stts", full(b"stts", struct.pack(">IIIII", 2, 0xFFFF_FFFF, 512, 0xFFFF_FFFF, 1)))
    found = read_movie(io.BytesIO(data)).tracks[0]
    assert found.samples is not None and found.samples.pts.tolist() == [0]
    assert found.disagreeing


MISPLACED: list[tuple[str, Callable[[Box], None]]] = [
    ("an edit list in a track", lambda moov: moov.find(b"trak").children.append(Box(b"elst", bytes(8)))),
    ("an edit list in user data", lambda moov: moov.children.append(Box(b"udta", box(b"elst", bytes(8))))),
    ("an edit list below user data", lambda moov: moov.children.append(Box(b"udta", box(b"udta", box(b"elst"))))),
    ("a second track header", lambda moov: moov.find(b"trak").children.append(moov.find(b"trak", b"tkhd"))),
    ("two edit boxes", lambda moov: moov.find(b"trak").children.extend([Box(b"edts"), Box(b"edts")])),
    ("a track in a track", lambda moov: moov.find(b"trak").children.append(Box(b"trak"))),
    ("a second movie header", lambda moov: moov.children.append(moov.find(b"mvhd"))),
    (
        "a second handler",
        lambda moov: moov.find(b"trak", b"mdia").children.append(moov.find(b"trak", b"mdia", b"hdlr")),
    ),
    ("two tracks of one number", lambda moov: moov.children.append(moov.find(b"trak"))),
    ("no movie header", lambda moov: moov.children.remove(moov.find(b"mvhd"))),
    ("no track header", lambda moov: moov.find(b"trak").children.pop(0) and None),
    ("a compressed header", lambda moov: moov.children.append(Box(b"cmov"))),
    ("sample description elsewhere", lambda moov: moov.find(b"trak", b"mdia").children.append(Box(b"stsd", bytes(8)))),
]


@pytest.mark.parametrize("change", [change for _, change in MISPLACED], ids=[name for name, _ in MISPLACED])
def test_boxes_that_another_reader_might_take_are_refused(
    clip: Path, tmp_path: Path, change: Callable[[Box], None]
) -> None:
    with pytest.raises(Malformed):
        read(changed(clip, tmp_path / "changed.mp4", change))


def test_a_second_movie_header_and_stray_tracks_are_refused(clip: Path) -> None:
    file = take_apart(clip.read_bytes())
    for stray in (file.find(b"moov"), file.find(b"moov", b"trak"), Box(b"udta", box(b"tkhd", bytes(84)))):
        doubled = put_together(Box(b"moov", children=[*file.children, stray]))
        with pytest.raises(Malformed):
            read_movie(io.BytesIO(doubled))


def test_what_a_sample_description_says(clip: Path, tmp_path: Path) -> None:
    def change(moov: Box) -> None:
        add_to_entry(
            moov.find(b"trak"),
            box(b"pasp", struct.pack(">II", 4, 3)),
            box(b"clap", struct.pack(">IIIIiIiI", 140, 1, 80, 1, -2, 1, 1, 1)),
            box(b"colr", b"nclx", struct.pack(">HHHB", 9, 16, 9, 0x80)),
            box(b"sinf", box(b"frma", b"hvc1")),
            without=b"pasp",
        )

    entry = video(changed(clip, tmp_path / "changed.mp4", change)).entries[0]
    assert (entry.pasp, entry.clap, entry.colour) == ((4, 3), (8, 6, 12, 4), (9, 16, 9, 1))
    assert (entry.encrypted, entry.format) == (True, "hvc1")


@pytest.mark.parametrize(
    "inner",
    [
        box(b"pasp", bytes(8)) * 2,
        box(b"pasp", bytes(4)),
        box(b"clap", struct.pack(">IIIIiIiI", 1, 0, 1, 1, 0, 1, 0, 1)),
        box(b"clap", struct.pack(">IIIIiIiI", 0, 1, 0, 1, 0, 1, 0, 1)),
        box(b"colr", b"nclc", struct.pack(">HHH", 1, 1, 1)) + box(b"colr", b"nclc", struct.pack(">HHH", 9, 9, 9)),
    ],
)
def test_a_description_that_contradicts_itself_is_refused(clip: Path, tmp_path: Path, inner: bytes) -> None:
    with pytest.raises(Malformed):
        read(
            changed(
                clip, tmp_path / "changed.mp4", lambda moov: add_to_entry(moov.find(b"trak"), inner, without=b"pasp")
            )
        )


def test_tracks_covers_flags_and_references(clip: Path, tmp_path: Path) -> None:
    def change(moov: Box) -> None:
        header = moov.find(b"trak", b"tkhd")
        header.payload = b"\0\0\0\x02" + header.payload[4:]
        cover = box(b"covr", box(b"data", bytes(8), b"JPEG"))
        meta = full(b"meta", box(b"hdlr", bytes(25)), box(b"ilst", cover))
        moov.children.append(Box(b"udta", meta))
        moov.find(b"trak").children.append(Box(b"tref", box(b"chap", struct.pack(">I", 1))))

    path = changed(clip, tmp_path / "changed.mp4", change)
    found = read(path)
    # A reference alone makes no still picture of moving ones.
    assert (found.covers, found.tracks[0].enabled, found.tracks[0].still) == (1, False, False)


@pytest.mark.parametrize(("kind", "still"), [(b"jpeg", True), (b"avc1", False)])
def test_chapter_pictures_are_still_only_by_their_coding_too(kind: bytes, still: bool) -> None:
    pictures = full(b"stsd", struct.pack(">I", 1), visual(kind, 160, 90))
    chapters = track([pictures, *ONE_SAMPLE[1:]], number=2)
    referring = track(ONE_SAMPLE)
    referring = box(b"trak", referring[8:], box(b"tref", box(b"chap", struct.pack(">I", 2))))
    assert [each.still for each in read_movie(io.BytesIO(movie(referring, chapters))).tracks] == [False, still]


def test_pictures_in_another_file_are_told(clip: Path, tmp_path: Path) -> None:
    def change(moov: Box) -> None:
        media = moov.find(b"trak", b"mdia", b"minf")
        media.find(b"dinf").payload = full(b"dref", struct.pack(">I", 1), full(b"url ", b"other.mp4\0"))

    assert video(changed(clip, tmp_path / "changed.mp4", change)).entries[0].external
    assert not video(clip).entries[0].external


def test_several_descriptions_count_only_where_samples_use_them(clip: Path, tmp_path: Path) -> None:
    def twice(moov: Box) -> None:
        table = moov.find(b"trak", b"mdia", b"minf", b"stbl")
        description = table.find(b"stsd")
        description.payload = struct.pack(">II", 0, 2) + description.payload[8:] * 2

    def both(moov: Box) -> None:
        twice(moov)
        table = moov.find(b"trak", b"mdia", b"minf", b"stbl")
        chunks = struct.unpack_from(">I", table.find(b"stco").payload, 4)[0]
        assert chunks >= 1
        sizes = table.find(b"stsz").payload[12:]
        offset = struct.unpack_from(">I", table.find(b"stco").payload, 8)[0]
        first = struct.unpack_from(">I", sizes)[0]
        table.find(b"stco").payload = struct.pack(">IIII", 0, 2, offset, offset + first)
        table.find(b"stsc").payload = struct.pack(">IIIIIIII", 0, 2, 1, 1, 1, 2, len(sizes) // 4 - 1, 2)

    assert len(video(changed(clip, tmp_path / "twice.mp4", twice)).used_entries) == 1
    found = video(changed(clip, tmp_path / "both.mp4", both))
    assert len(found.used_entries) == 2
    whole, parted = video(clip).samples, found.samples
    assert whole is not None and parted is not None
    assert whole.offsets.tolist() == parted.offsets.tolist()


def test_a_cut_file_with_its_header_in_front_is_read_as_declared(clip: Path, tmp_path: Path) -> None:
    path = remuxed(clip, tmp_path / "front.mp4", movflags="faststart")
    whole = video(path).samples
    data = path.read_bytes()
    found = read_movie(io.BytesIO(data[: len(data) * 2 // 3]))
    assert found.truncated
    assert whole is not None and found.tracks[0].samples is not None
    assert found.tracks[0].samples.offsets.tolist() == whole.offsets.tolist()


def test_fragments_that_were_cut_off_are_left_out(clip: Path, tmp_path: Path) -> None:
    data = remuxed(clip, tmp_path / "frag.mp4", movflags="frag_every_frame+empty_moov").read_bytes()
    last = data.rindex(b"moof")
    found = read_movie(io.BytesIO(data[: last + 30]))
    assert found.truncated and found.tracks[0].samples is not None
    assert found.tracks[0].samples.count == 15


@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"RIFF" + bytes(40), box(b"ftyp", b"isom"), box(b"moov")])
def test_what_is_no_movie_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_movie(io.BytesIO(data))


@pytest.mark.parametrize("movflags", ["", "frag_keyframe+delay_moov"])
def test_flipped_and_cut_headers_raise_nothing_but_malformed(clip: Path, tmp_path: Path, movflags: str) -> None:
    path = remuxed(clip, tmp_path / "copy.mp4", **({"movflags": movflags} if movflags else {}))
    data = path.read_bytes()
    # Only headers are read, so only they are worth changing.
    spots = np.ones(len(data), np.bool_)
    samples = video(path).samples
    assert samples is not None
    for offset, size in zip(samples.offsets.tolist(), samples.sizes.tolist(), strict=True):
        spots[offset : offset + size] = False
    places = np.flatnonzero(spots).tolist()
    rng = random.Random(11)
    refused, slowest = 0, 0.0
    tracemalloc.start()
    for _ in range(350):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.choice(places)
            broken[at] = rng.choice((0, 0xFF, 0x7F, 0x80, broken[at] ^ 1 << rng.randrange(8)))
        if rng.random() < 0.1:
            del broken[rng.randrange(len(broken)) :]
        started = time.process_time()
        try:
            read_movie(io.BytesIO(bytes(broken)), budget=Budget(samples=100_000))
        except Malformed:
            refused += 1
        slowest = max(slowest, time.process_time() - started)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 25 < refused < 350
    assert slowest < 1
    assert peak < 64 << 20


def test_absurd_numbers_cost_nothing() -> None:
    bombs = [
        box(b"moov", full(b"mvhd", bytes(96)), *[box(b"free")] * 200_000),
        box(b"ftyp", b"isom") + struct.pack(">I4sQ", 1, b"moov", 1 << 60) + bytes(64),
        box(b"free") * 200_000,
        movie(track([full(b"stsz", struct.pack(">II", 0xFFFF_FFFF, 0xFFFF_FFFF)), *ONE_SAMPLE[:1]])),
        movie(*[track(ONE_SAMPLE, number=number) for number in range(1, 200)]),
        movie(box(b"trak", *[box(b"edts", full(b"elst", struct.pack(">I", 0xFFFF_FFFF)))])),
    ]
    for bomb in bombs:
        started = time.process_time()
        with pytest.raises(Malformed):
            read_movie(io.BytesIO(bomb), budget=Budget(boxes=100_000, samples=1_000_000))
        assert time.process_time() - started < 2


@pytest.mark.parametrize("kind", [b"avcC", b"glbl", b"esds", b"pasp", b"colr", b"clap", b"st3d"])
@pytest.mark.parametrize("parent", [b"trak", b"udta", b"mdia"])
def test_what_decides_how_pictures_look_stands_in_the_sample_description(
    clip: Path, tmp_path: Path, kind: bytes, parent: bytes
) -> None:
    """FFmpeg takes these boxes wherever they stand, and the first of several decoder's headers."""

    def change(movie: Box) -> None:
        track = movie.find(b"trak")
        if parent == b"udta":
            track.children.insert(1, Box(b"udta", box(kind, bytes(40))))
        else:
            (track if parent == b"trak" else track.find(parent)).children.insert(0, Box(kind, bytes(40)))

    with pytest.raises(Malformed, match=kind.decode()):
        read(changed(clip, tmp_path / "copy.mp4", change))


@pytest.mark.parametrize(
    "second", [box(b"glbl", bytes(40)), box(b"esds", bytes(40)), box(b"wave", box(b"avcC", bytes(40)))]
)
def test_a_sample_description_holds_one_header_for_the_decoder(clip: Path, tmp_path: Path, second: bytes) -> None:
    with pytest.raises(Malformed):
        read(changed(clip, tmp_path / "copy.mp4", lambda movie: add_to_entry(movie.find(b"trak"), second)))


def test_a_box_that_players_read_as_far_as_there_are_bytes_is_not_passed_over(clip: Path, tmp_path: Path) -> None:
    def aspect(size: int) -> Path:
        part = struct.pack(">I4sII", size, b"pasp", 2, 1)
        return changed(clip, tmp_path / f"{size}.mp4", lambda movie: add_to_entry(movie.find(b"trak"), part))

    assert video(aspect(0)).entries[0].pasp == (2, 1)
    with pytest.raises(Malformed, match="pasp"):
        read(aspect(1 << 20))


@pytest.mark.parametrize("nameless", [struct.pack(">I4s", 8, bytes(4)), struct.pack(">I4s8x", 16, bytes(4))])
def test_fragments_behind_a_box_without_a_name_are_read(clip: Path, tmp_path: Path, nameless: bytes) -> None:
    path = remuxed(clip, tmp_path / "copy.mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    data = path.read_bytes()
    whole, at = video(path).samples, data.index(b"moof", data.index(b"moof") + 4) - 4
    path.write_bytes(data[:at] + nameless + data[at:])
    behind = video(path).samples
    assert whole is not None and behind is not None and whole.count == behind.count
    assert behind.offsets[-1] == whole.offsets[-1] + len(nameless)
    path.write_bytes(data[:at] + bytes(64))
    padded = video(path).samples
    assert padded is not None and 0 < padded.count < whole.count


def test_a_movie_header_that_ffmpeg_would_open_is_refused(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    moov = data[data.index(b"moov") - 4 :]
    path = tmp_path / "copy.mp4"
    path.write_bytes(data + moov[:4] + b"hoov" + moov[8:])
    with pytest.raises(Malformed):
        read(path)


INDEXED = ("dash", "frag_keyframe+global_sidx", "frag_keyframe+empty_moov+default_base_moof", "cmaf+frag_every_frame")


@pytest.mark.parametrize("movflags", INDEXED)
def test_indexes_of_fragments_lead_to_boxes_of_the_file(clip: Path, tmp_path: Path, movflags: str) -> None:
    path = remuxed(clip, tmp_path / "copy.mp4", movflags=movflags)
    assert (b"sidx" in path.read_bytes()) or (b"mfra" in path.read_bytes())
    whole = video(path).samples
    assert whole is not None and whole.count == 16
    data = path.read_bytes()
    path.write_bytes(data[: 2 * len(data) // 3])
    cut = video(path).samples
    assert cut is not None and 0 < cut.count <= 16


def test_an_index_that_leads_to_a_fragment_inside_another_box_is_refused(clip: Path, tmp_path: Path) -> None:
    """A player that follows it shows other pictures than one that goes from box to box."""
    path = remuxed(clip, tmp_path / "copy.mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    data = path.read_bytes()
    data = data[: data.index(b"mfra") - 4]
    first = data.index(b"moof") - 4
    hidden = box(b"free", data[first:])

    def indexed(offset: int, size: int) -> bytes:
        body = struct.pack(">4xIIIIHHIII", 1, 1000, 0, offset, 0, 1, size, 1000, 1 << 31)
        return data[:first] + box(b"sidx", body) + hidden + data[first:]

    path.write_bytes(indexed(len(hidden), len(data) - first))
    samples = video(path).samples
    assert samples is not None and samples.count == 16
    path.write_bytes(indexed(8, len(hidden) - 8))
    with pytest.raises(Malformed, match="sidx"):
        read(path)
    nested = box(b"udta", box(b"sidx", bytes(32)))
    path.write_bytes(data + nested)
    with pytest.raises(Malformed, match="sidx"):
        read(path)


def test_a_random_access_index_that_leads_into_a_box_is_refused(clip: Path, tmp_path: Path) -> None:
    path = remuxed(clip, tmp_path / "copy.mp4", movflags="frag_keyframe+empty_moov+default_base_moof")
    data = bytearray(path.read_bytes())
    at = data.index(b"tfra")
    wide = data[at + 4]
    place = at + 20 + (8 if wide else 4)
    assert int.from_bytes(data[place : place + (8 if wide else 4)], "big") == data.index(b"moof") - 4
    data[place + (7 if wide else 3)] += 8
    path.write_bytes(data)
    with pytest.raises(Malformed, match="mfra"):
        read(path)
