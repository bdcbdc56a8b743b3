"""Matroska as our own reader sees it: every statement in its place, whatever else the bytes are."""

import io
import random
import struct
import subprocess
import time
import tracemalloc
from pathlib import Path

import pytest

from evidence.errors import Malformed
from media.ebml import Budget
from media.matroska import SegmentInfo, is_segment, read_segment_info
from media.scene import render_scene

EBML = 0x1A45DFA3
SEGMENT, SEEK_HEAD, INFO, TRACKS, CLUSTER = 0x18538067, 0x114D9B74, 0x1549A966, 0x1654AE6B, 0x1F43B675
CHAPTERS, ATTACHMENTS, VOID = 0x1043A770, 0x1941A469, 0xEC


def element(number: int, *parts: bytes, unknown: bool = False) -> bytes:
    body = b"".join(parts)
    size = b"\x01" + b"\xff" * 7 if unknown else struct.pack(">Q", len(body) | 1 << 56)
    return number.to_bytes((number.bit_length() + 7) // 8, "big") + size + body


def uint(number: int, value: int) -> bytes:
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def entry(number: int = 1, *more: bytes, kind: int = 1, video: bytes = b"") -> bytes:
    shape = element(0xE0, uint(0xB0, 160), uint(0xBA, 90), video) if kind == 1 else b""
    return element(0xAE, uint(0xD7, number), uint(0x83, kind), element(0x86, b"V_MPEG4/ISO/AVC"), *more, shape)


def tracks(*entries: bytes) -> bytes:
    return element(TRACKS, *(entries or (entry(),)))


def file(*level_1: bytes, unknown: bool = False) -> bytes:
    return element(EBML, element(0x4282, b"matroska")) + element(SEGMENT, *level_1, unknown=unknown)


def read(data: bytes, budget: Budget | None = None) -> SegmentInfo:
    return read_segment_info(io.BytesIO(data), budget=budget)


CLUSTER_DATA = (uint(0xE7, 0), element(0xA3, b"\x81\0\0\x80", b"picture"))


def test_the_least_file() -> None:
    found = read(file(tracks()))
    track = found.tracks[0]
    assert (found.tick_ns, found.duration_s, found.ordered_editions, found.truncated) == (1_000_000, None, False, False)
    assert (track.kind, track.enabled, track.default, track.width, track.height) == ("video", True, True, 160, 90)
    assert (track.display, track.crop, track.colour, track.roll, track.encodings) == (None, None, None, 0.0, ())


def test_everything_a_track_may_state() -> None:
    stripped = element(0x6240, element(0x5034, uint(0x4254, 3), element(0x4255, b"\0\0\1")))
    locked = element(0x6240, uint(0x5033, 1), element(0x5035))
    more = (uint(0xB9, 0), uint(0x88, 0), uint(0x23E383, 40_000_000), element(0x63A2, b"sets"),
            element(0x6D80, stripped, locked), element(0x23314F, struct.pack(">d", 2.0)), uint(0x56AA, 7))  # fmt: skip
    colour = element(0x55B0, uint(0x55B1, 9), uint(0x55B9, 2), uint(0x55BA, 16), uint(0x55BB, 9))
    turned = element(0x7670, element(0x7675, struct.pack(">f", -90.0)), element(0x7673, struct.pack(">d", 180.0)))
    video = uint(0x54B0, 16) + uint(0x54BA, 9) + uint(0x54B2, 3) + uint(0x54CC, 2) + uint(0x54AA, 4) + colour + turned
    track = read(file(tracks(entry(3, *more, video=video)))).tracks[0]
    assert (track.number, track.enabled, track.default, track.default_duration_ns) == (3, False, False, 40_000_000)
    assert (track.codec_private, track.time_factor, track.codec_delay_ns) == (b"sets", 2.0, 7)
    assert [(each.kind, each.stripped) for each in track.encodings] == [("compression", b"\0\0\1"), ("encryption", b"")]
    assert track.encrypted
    assert (track.display, track.display_unit, track.crop) == ((16, 9), 3, (2, 0, 0, 4))
    assert (track.colour, track.roll, track.yaw) == ((9, 16, 9, 2), -90.0, 180.0)


def test_what_only_some_players_act_upon_is_odd() -> None:
    tone = element(0x41E4, element(0x41E7, b"dvcC"))
    slow = element(0x23314F, struct.pack(">d", 2.0))
    found = read(file(tracks(entry(1, tone, video=uint(0x53B8, 1)), entry(2, slow), entry(3, element(0xE2)))))
    assert [track.odd for track in found.tracks] == [("stereo", "tone mapping"), ("time factor",), ("track operation",)]


def test_numbers_follow_the_demultiplexer_which_skips_controls() -> None:
    found = read(file(tracks(entry(1, kind=0x20), entry(2, kind=2), entry(3), entry(4, kind=0x11))))
    assert [(track.index, track.kind) for track in found.tracks] == [(0, "audio"), (1, "video"), (2, "subtitle")]


def test_clusters_of_unknown_size_are_walked() -> None:
    live = element(CLUSTER, *CLUSTER_DATA, unknown=True)
    editions = element(CHAPTERS, element(0x45B9, uint(0x45DD, 1)))
    assert read(file(tracks(), live, live, editions, unknown=True)).ordered_editions
    assert not read(file(tracks(), live, element(CHAPTERS, element(0x45B9, uint(0x45DD, 0))))).ordered_editions


def test_headers_may_be_repeated_but_not_contradicted() -> None:
    assert len(read(file(tracks(), element(CLUSTER, *CLUSTER_DATA), tracks())).tracks) == 1
    with pytest.raises(Malformed):
        read(file(tracks(), tracks(entry(video=uint(0x54B0, 320)))))


def test_an_index_that_leads_to_a_hidden_header_is_refused_and_a_stale_one_is_not() -> None:
    hidden = element(CHAPTERS, element(0x45B9, uint(0x45DD, 1)))

    def with_index(place: int, number: int = CHAPTERS) -> bytes:
        seek = element(0x4DBB, element(0x53AB, number.to_bytes(4, "big")), element(0x53AC, struct.pack(">Q", place)))
        return element(SEEK_HEAD, seek)

    body = [with_index(0), tracks(), element(VOID, hidden)]
    place = len(body[0]) + len(body[1]) + 9
    with pytest.raises(Malformed):
        read(file(with_index(place), *body[1:]))
    for stale in (place + 3, 1 << 40):
        assert not read(file(with_index(stale), *body[1:])).ordered_editions
    assert read(file(with_index(len(body[0]) + len(body[1])), tracks(), hidden)).ordered_editions


@pytest.mark.parametrize(
    "data",
    [
        b"",
        file(),
        file(element(CLUSTER, *CLUSTER_DATA)),
        file(tracks(), unknown=True)[:-3],
        file(tracks()) + element(SEGMENT, tracks()),
        file(tracks(entry(1), entry(1))),
        file(tracks(entry(1, uint(0xB9, 0), uint(0xB9, 1)))),
        file(tracks(entry(video=uint(0xB0, 320)))),
        file(tracks(entry(video=uint(0x54CC, 160)))),
        file(tracks(entry(video=element(0x54B0, bytes(9))))),
        file(tracks(entry(video=element(0x7670, element(0x7675, struct.pack(">d", float("nan"))))))),
        file(tracks(entry(video=element(0x7670, element(0x7675, b"abc"))))),
        file(tracks(element(0xAE, uint(0x83, 1), element(0x86, b"V_AV1"), element(0xE0)))),
        file(element(INFO, uint(0x2AD7B1, 0)), tracks()),
        file(element(TRACKS, b"\xae\x01")),
        file(tracks(*(entry(number) for number in range(1, 100)))),
    ],
)
def test_what_contradicts_itself_or_is_no_matroska_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        read(data)


def test_attached_pictures_are_counted() -> None:
    attached = element(ATTACHMENTS, element(0x61A7, element(0x4660, b"image/jpeg"), element(0x465C, bytes(5000))),
                       element(0x61A7, element(0x4660, b"font/ttf")))  # fmt: skip
    assert read(file(tracks(), attached)).covers == 1


def test_a_file_that_was_cut_is_read_as_far_as_it_goes() -> None:
    whole = file(tracks(), element(CLUSTER, *CLUSTER_DATA), element(CLUSTER, *CLUSTER_DATA))
    assert read(whole[:-10]).truncated
    assert not read(whole).truncated
    assert is_segment(whole[:4]) and not is_segment(b"RIFF")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mkv") / "clip.mkv"
    render_scene(path, pattern="IPPP IPPP", width=160, height=90)
    return path


@pytest.mark.needs("mkvtoolnix")
def test_what_mkvmerge_and_mkvpropedit_write(clip: Path, tmp_path: Path) -> None:
    chapters = tmp_path / "chapters.xml"
    chapters.write_text(
        '<?xml version="1.0"?>\n'
        "<Chapters><EditionEntry><EditionFlagOrdered>1</EditionFlagOrdered><ChapterAtom><ChapterTimeStart>00:00:00.100000000"
        "</ChapterTimeStart><ChapterTimeEnd>00:00:00.200000000</ChapterTimeEnd></ChapterAtom></EditionEntry></Chapters>"
    )
    cover = tmp_path / "cover.png"
    cover.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(30))
    path = tmp_path / "made.mkv"
    subprocess.run(
        ["mkvmerge", "-q", "-o", str(path), "--chapters", str(chapters), "--attachment-mime-type", "image/png",
         "--attach-file", str(cover), str(clip)], check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["mkvpropedit", "-q", str(path), "--edit", "track:v1", "--set", "flag-enabled=0"], check=True)
    with path.open("rb") as opened:
        found = read_segment_info(opened)
    assert (found.ordered_editions, found.covers, found.tracks[0].enabled) == (True, 1, False)


def test_flipped_and_cut_bytes_raise_nothing_but_malformed(clip: Path) -> None:
    data = clip.read_bytes()
    head = data.index(CLUSTER.to_bytes(4, "big"))
    rng = random.Random(3)
    refused, slowest = 0, 0.0
    tracemalloc.start()
    for _ in range(350):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(head) if rng.random() < 0.8 else rng.randrange(len(broken))
            broken[at] = rng.choice((0, 0xFF, 1, broken[at] ^ 1 << rng.randrange(8)))
        if rng.random() < 0.1:
            del broken[rng.randrange(len(broken)) :]
        started = time.process_time()
        try:
            read(bytes(broken))
        except Malformed:
            refused += 1
        slowest = max(slowest, time.process_time() - started)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 25 < refused < 350
    assert slowest < 1
    assert peak < 32 << 20


def test_absurd_numbers_cost_nothing() -> None:
    many = element(VOID) * 100_000
    bombs = [
        file(many, tracks()),
        file(element(CLUSTER, many, unknown=True), tracks()),
        file(element(TRACKS, many)),
        element(EBML)
        + SEGMENT.to_bytes(4, "big")
        + b"\x01"
        + b"\x7f" * 7
        + TRACKS.to_bytes(4, "big")
        + b"\x08\xff\xff\xff\xff",
        file(element(SEEK_HEAD, element(0x4DBB) * 50_000), tracks()),
    ]
    for bomb in bombs:
        started = time.process_time()
        with pytest.raises(Malformed):
            read(bomb, Budget(elements=50_000))
        assert time.process_time() - started < 2
