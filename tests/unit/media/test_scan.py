"""Scanning files: whole, damaged, hostile, and the same by table as by packets."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import threading
from array import array
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.errors import ConfigInvalid, Malformed, UnsupportedMedia, VeriframeError
from media import samples
from media.child import Limits
from media.display import ODD_NOTES
from media.footage import NOTES, Footage, offsets_us
from media.footage_reader import read_footage
from media.scan import pack, scan

# Later versions of Python warn of every fork beside threads; the scan's own process has but one.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
QUIET = ("-v", "error", "-nostdin", "-y")


def ffmpeg(*arguments: str | Path) -> None:
    subprocess.run(("ffmpeg", *QUIET, *map(str, arguments)), check=True, timeout=60)


def difference(one: Footage, other: Footage) -> list[str]:
    return [field.name for field in fields(one) if getattr(one, field.name) != getattr(other, field.name)]


def test_a_scan_tells_file_stream_and_pictures(scene: Callable[..., Path]) -> None:
    path = scene(seconds=2)
    found = scan(path)
    data = path.read_bytes()
    assert (found.name, found.size_bytes, found.sha256) == (path.name, len(data), hashlib.sha256(data).digest())
    assert (found.container, found.codec, found.width, found.height) == ("mp4", "h264", 320, 180)
    assert found.count == 20
    assert found.keys[0] == found.clean[0] == 1
    assert found.times
    assert list(found.offsets_us())[:3] != [0, 0, 0]
    assert found.headers[0][0] == 0
    assert found.headers[0][1] is not None
    assert [(track.kind, track.examined) for track in found.tracks] == [("video", True)]


def test_the_child_hands_over_all_that_it_found(scene: Callable[..., Path]) -> None:
    path = scene(seconds=2)
    assert difference(scan(path), read_footage(str(path))) == ["name", "sha256"]


def test_offsets_are_rounded_half_up() -> None:
    assert list(offsets_us(array("q", [3, 4, 2, 5]), (1, 3))) == [0, 333_333, -333_333, 666_667]
    assert list(offsets_us(array("q", [0, 1, -1]), (1, 2_000_000))) == [0, 1, 0]
    assert list(offsets_us(array("q"), (1, 25))) == []


@pytest.mark.parametrize("pattern", ["IPPP IPPP IPPP", "IBBP IBBP"])
@pytest.mark.parametrize("processes", [1, 2])
def test_tables_and_packets_tell_the_same(
    scene: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, pattern: str, processes: int
) -> None:
    monkeypatch.setattr(samples, "_WORTH_TWO_BYTES", 0)
    monkeypatch.setattr(samples, "_WINDOW_BYTES", 4000)
    path = str(scene(seconds=2, pattern=pattern))
    assert difference(read_footage(path, processes=processes), read_footage(path, tables=False)) == []


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("clip", ["one_by_one_person.mp4", "retail_store_hevc.mp4", "variants/pattern-sd-grey-bar.mp4"])
def test_tables_and_packets_tell_the_same_of_real_clips(
    footage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clip: str
) -> None:
    monkeypatch.setattr(samples, "_WORTH_TWO_BYTES", 0)
    fragmented, moved = tmp_path / "fragmented.mp4", tmp_path / "moved.mov"
    ffmpeg("-i", footage / clip, "-map", "0", "-c", "copy", "-movflags", "+frag_keyframe+empty_moov", fragmented)
    ffmpeg("-ss", "3.3", "-i", footage / clip, "-map", "0", "-c", "copy", "-movflags", "+faststart", moved)
    for path in (footage / clip, fragmented, moved):
        packets = read_footage(str(path), tables=False)
        assert difference(read_footage(str(path), processes=2), packets) == []
        assert difference(read_footage(str(path), processes=1), packets) == []


@pytest.mark.needs("ffmpeg")
def test_sets_that_change_half_way_do_not_mislead_the_second_process(
    scene: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_WORTH_TWO_BYTES", 0)
    parts = []
    for number, width in enumerate((320, 352)):
        part = tmp_path / f"{number}.h264"
        ffmpeg("-i", scene(seconds=2, width=width), "-c", "copy", "-map", "0:v:0", part)
        parts.append(part.read_bytes())
    joined, movie = tmp_path / "joined.h264", tmp_path / "joined.mp4"
    joined.write_bytes(parts[0] + parts[1] + parts[1] + parts[1])
    ffmpeg("-fflags", "+genpts", "-i", joined, "-c", "copy", "-tag:v", "avc3", movie)
    found = read_footage(str(movie), processes=2)
    assert difference(found, read_footage(str(movie), processes=1)) == []
    assert [at for at, _ in found.headers] == [0, 20]
    assert found.headers == read_footage(str(joined)).headers


@pytest.mark.needs("ffmpeg")
def test_pictures_before_their_sets_have_no_context(scene: Callable[..., Path], tmp_path: Path) -> None:
    raw, cut = tmp_path / "a.h264", tmp_path / "b.h264"
    ffmpeg("-i", scene(seconds=4, pattern="IPPP IPPP IPPP"), "-c", "copy", raw)
    data = raw.read_bytes()
    cut.write_bytes(data[data.index(b"\x00\x00\x01\x41") :])
    found = scan(cut)
    assert found.headers[0] == (0, None)
    assert found.headers[1][0] == found.keys.index(1)
    assert not found.times
    assert set(found.inferred) == {1}


class TestBadInput:
    """What cannot be examined ends in one clear error, soon, and never in a traceback."""

    @staticmethod
    def refused(path: Path, kind: type[VeriframeError], words: str) -> None:
        with pytest.raises(kind, match=words) as caught:
            scan(path, limits=Limits(wall_s=20.0, cpu_s=20))
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing_directory_and_pipe(self, tmp_path: Path) -> None:
        self.refused(tmp_path / "none.mp4", ConfigInvalid, "No such file")
        self.refused(tmp_path, ConfigInvalid, "is not a file")
        os.mkfifo(tmp_path / "pipe")
        self.refused(tmp_path / "pipe", ConfigInvalid, "is not a file")

    @pytest.mark.parametrize(
        "data",
        [b"", b"\x00" * 5000, b"just some text\n" * 90, b"PK\x03\x04" + bytes(500), b"\x00\x00\x01", b"\xff" * 5000],
    )
    def test_no_video_at_all(self, tmp_path: Path, data: bytes) -> None:
        (tmp_path / "clip.mp4").write_bytes(data)
        self.refused(tmp_path / "clip.mp4", VeriframeError, "empty|not a video file|no moving picture|not one picture")

    @pytest.mark.parametrize(
        "text",
        [
            "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
            "ffconcat version 1.0\nfile '{path}'\n",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        ],
    )
    def test_play_lists_lead_nowhere(self, scene: Callable[..., Path], tmp_path: Path, text: str) -> None:
        (tmp_path / "list.txt").write_text(text.format(path=scene(seconds=2)))
        self.refused(tmp_path / "list.txt", Malformed, "not a video file")

    @pytest.mark.needs("ffmpeg")
    @pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi"])
    def test_sound_alone(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"sound.{suffix}"
        ffmpeg("-f", "lavfi", "-i", "sine=duration=0.5", "-c:a", "mp2" if suffix != "mp4" else "aac", path)
        self.refused(path, UnsupportedMedia, "no moving picture")

    @pytest.mark.needs("ffmpeg")
    def test_encrypted(self, scene: Callable[..., Path], tmp_path: Path) -> None:
        path = tmp_path / "locked.mp4"
        key = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", "1" * 32, "-encryption_kid", "2" * 32)
        ffmpeg("-i", scene(seconds=2), "-c", "copy", *key, path)
        self.refused(path, UnsupportedMedia, "encrypted")

    def test_a_track_that_is_not_there(self, scene: Callable[..., Path]) -> None:
        with pytest.raises(UnsupportedMedia, match=r"track 7 is not one of its picture tracks \(0\)"):
            scan(scene(seconds=2), track=7)

    @pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
    def test_a_movie_cut_off_before_its_header(self, scene: Callable[..., Path], tmp_path: Path, share: float) -> None:
        data = scene(seconds=2).read_bytes()
        (tmp_path / "cut.mp4").write_bytes(data[: int(len(data) * share)])
        self.refused(tmp_path / "cut.mp4", Malformed, "cut off")

    @pytest.mark.parametrize("size", [0, 1, 7, 0xFFFFFFFF, 0x7FFFFFFF])
    @pytest.mark.parametrize("kind", [b"moov", b"trak", b"stsz", b"stsd", b"mdat", b"avcC"])
    def test_absurd_box_sizes(self, scene: Callable[..., Path], tmp_path: Path, kind: bytes, size: int) -> None:
        data = bytearray(scene(seconds=2).read_bytes())
        struct.pack_into(">I", data, data.index(kind) - 4, size)
        self.survives(tmp_path, bytes(data))

    @pytest.mark.parametrize("count", [0xFFFFFFFF, 0x00FFFFFF, 0])
    @pytest.mark.parametrize("kind", [b"stsz", b"stts", b"stsc", b"stco", b"stss", b"elst"])
    def test_absurd_entry_counts(self, scene: Callable[..., Path], tmp_path: Path, kind: bytes, count: int) -> None:
        data = bytearray(scene(seconds=2).read_bytes())
        struct.pack_into(">I", data, data.index(kind) + (12 if kind == b"stsz" else 8), count)
        self.survives(tmp_path, bytes(data))

    @staticmethod
    def survives(folder: Path, data: bytes) -> None:
        path = folder / "hostile.mp4"
        path.write_bytes(data)
        try:
            found = read_footage(str(path), processes=1)
        except VeriframeError as error:
            assert str(error)
            return
        assert found.count == len(found.pts) == len(found.coded) // 32 > 0

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.data())
    def test_flipped_bytes(self, scene: Callable[..., Path], tmp_path: Path, data: st.DataObject) -> None:
        for suffix in (".mp4", ".mkv"):
            whole = bytearray(scene(seconds=2, suffix=suffix).read_bytes())
            for _ in range(data.draw(st.integers(1, 6))):
                whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
            self.survives(tmp_path, bytes(whole))

    def test_a_file_that_crashes_other_readers(self, footage: Path) -> None:
        found = scan(footage / "edge_raw48_traffic.avi")
        assert (found.codec, found.count, found.width, found.height, found.times) == ("rawvideo", 51, 48, 48, False)

    def test_a_bomb_of_a_header(self, tmp_path: Path) -> None:
        box = b"\x00\x00\x00\x08free" * 300_000
        (tmp_path / "bomb.mp4").write_bytes(b"\x00\x00\x00\x10ftypisom\x00\x00\x00\x00" + box)
        self.refused(tmp_path / "bomb.mp4", Malformed, "no movie header")


def test_a_cut_fast_start_movie_has_a_cut_picture(scene: Callable[..., Path], tmp_path: Path) -> None:
    path = tmp_path / "fast.mp4"
    with (
        av.open(str(scene(seconds=2))) as source,
        av.open(str(path), "w", options={"movflags": "+faststart"}) as target,
    ):
        stream = source.streams.video[0]
        added = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = added
                target.mux(packet)
    whole = read_footage(str(path))
    data = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: int(len(data) * 0.7)])
    found = read_footage(str(cut), processes=1)
    assert 0 < found.count < whole.count
    assert found.cut == (found.count - 1,)
    assert "truncated" in found.notes
    assert found.coded[:-32] == whole.coded[: len(found.coded) - 32]
    by_packets = read_footage(str(cut), tables=False)
    assert (by_packets.coded, by_packets.cut) == (found.coded, found.cut)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("suffix", ["ts", "mkv", "avi", "h264"])
@pytest.mark.parametrize("share", [0.3, 0.71])
def test_files_cut_off_by_the_byte_keep_every_whole_picture(
    footage: Path, tmp_path: Path, suffix: str, share: float
) -> None:
    source = footage / "variants" / "pattern-sd-grey-bar.mp4"
    original, whole, cut = read_footage(str(source)), tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    ffmpeg("-i", source, "-map", "0:v:0", "-c", "copy", whole)
    data = whole.read_bytes()
    cut.write_bytes(data[: int(len(data) * share)])
    found = read_footage(str(cut))
    same = [found.unit_digest(index) == original.unit_digest(index) for index in range(found.count)]
    assert all(same[:-1])
    # A raw stream does not say how long its last picture should be.
    assert same[-1] or found.cut == (found.count - 1,) or suffix == "h264"
    assert set(found.notes) <= NOTES.keys() | ODD_NOTES


@pytest.mark.needs("ffmpeg")
def test_a_stream_cut_at_its_front_lacks_sets_but_is_not_cut_at_its_end(footage: Path, tmp_path: Path) -> None:
    source, whole, cut = footage / "variants" / "pattern-sd-grey-bar.mp4", tmp_path / "whole.ts", tmp_path / "cut.ts"
    original = read_footage(str(source))
    ffmpeg("-i", source, "-map", "0:v:0", "-c", "copy", whole)
    cut.write_bytes(whole.read_bytes()[94_265:])
    found = read_footage(str(cut))
    assert found.coded in original.coded
    assert found.headers[0] == (0, None)
    assert found.headers[1] == (found.keys.index(1), original.headers[0][1])
    assert (found.cut, found.notes) == ((), ())


def test_several_files_at_once_from_threads(scene: Callable[..., Path]) -> None:
    path = scene(seconds=2)
    found: list[Footage] = []
    threads = [threading.Thread(target=lambda: found.append(scan(path))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.coded for each in found}) == 1
    assert len(found) == 3


def test_a_message_with_columns_that_do_not_fit_is_malformed(scene: Callable[..., Path]) -> None:
    from dataclasses import replace

    from media.scan import _footage

    message = pack(read_footage(str(scene(seconds=2))))
    assert _footage(message).count == 20
    for index in range(len(message.columns)):
        spoiled = tuple(column + b"\x00" * (at == index) for at, column in enumerate(message.columns))
        with pytest.raises(Malformed):
            _footage(replace(message, columns=spoiled))
    with pytest.raises(Malformed):
        _footage(replace(message, head={}))
