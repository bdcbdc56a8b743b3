"""Re-packaging that leaves the pictures alone changes no digest, context or side data; and a stranger gets the same."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import pytest

from media.footage import Footage
from media.footage_reader import read_footage

CLIPS = (
    "one_by_one_person.mp4",
    "porch_camera_vfr.mkv",
    "building_street_jitter.mkv",
    "retail_store_hevc.mp4",
    "variants/pattern-hd-no-bar.mp4",
    "variants/pattern-longer-no-bar.mp4",
    "variants/pattern-sd-grey-bar.mp4",
    "variants/pattern-sd-with-small-logo-bar.mp4",
    "variants/pattern-sd-with-large-logo-bar.mp4",
)
FEW = ("porch_camera_vfr.mkv", "variants/pattern-sd-grey-bar.mp4", "retail_store_hevc.mp4")


def ffmpeg(source: Path, target: Path, *options: str) -> None:
    # Raw streams hold no times and Matroska wants some.
    timed = ("-fflags", "+genpts") if source.suffix in (".h264", ".hevc", ".avi") else ()
    command = ("ffmpeg", "-v", "error", "-nostdin", "-y", *timed, "-i", str(source), "-map", "0:v:0", "-c", "copy")
    subprocess.run((*command, *options, str(target)), check=True, timeout=60)


def mkvmerge(source: Path, target: Path) -> None:
    # 1 means that it had something to remark.
    done = subprocess.run(("mkvmerge", "-q", "-A", "-o", str(target), str(source)), timeout=60, check=False)
    assert done.returncode < 2


def gstreamer(source: Path, target: Path, codec: str) -> None:
    demultiplexer = {".mp4": "qtdemux", ".mkv": "matroskademux"}[source.suffix]
    multiplexer = {".mp4": "mp4mux", ".mkv": "matroskamux", ".ts": "mpegtsmux", ".mov": "qtmux"}[target.suffix]
    parser = {"h264": "h264parse", "hevc": "h265parse"}[codec]
    command = f"filesrc location={source} ! {demultiplexer} ! {parser} ! {multiplexer} ! filesink location={target}"
    subprocess.run(("gst-launch-1.0", "-q", *command.split()), check=True, timeout=60, capture_output=True)


def annex_b(codec: str) -> tuple[str, str]:
    return "-bsf:v", f"{codec}_mp4toannexb"


def strangers_digests(path: Path, codec: str) -> list[str]:
    """The recipe of the format's description, word for word."""
    movie = path.suffix in (".mp4", ".mov")
    first = [
        *("ffmpeg", "-v", "error", "-nostdin"),
        *(("-ignore_editlist", "1") if movie else ()),
        *("-i", str(path), "-map", "0:v:0", "-c", "copy", "-bsf:v", "setts=ts=N", "-f", "matroska", "-"),
    ]
    types = {"h264": "1-5", "hevc": "0-31"}[codec]
    second = [
        *("ffmpeg", "-v", "error", "-i", "-", "-map", "0:v:0", "-c", "copy"),
        *("-bsf:v", f"filter_units=pass_types={types}", "-f", "framehash", "-hash", "sha256", "-"),
    ]
    copied = subprocess.run(first, check=True, capture_output=True, timeout=60)
    hashed = subprocess.run(second, check=True, capture_output=True, timeout=60, input=copied.stdout)
    return [line.split(",")[-1].strip() for line in hashed.stdout.decode().splitlines() if line[:1] != "#"]


def digests(found: Footage) -> list[str]:
    return [found.unit_digest(index).hex() for index in range(found.count)]


def bound_sides(found: Footage) -> set[tuple[int, bytes]]:
    return {(side.unit, side.digest) for side in found.sides if not side.user}


def assert_same_pictures(copy: Footage, original: Footage, *, dropped: int = 0) -> None:
    """The copy's pictures are the original's; `dropped` side messages behind the last of them may be lacking."""
    assert copy.codec == original.codec
    assert digests(copy) == digests(original)
    assert copy.headers == original.headers
    assert (copy.keys, copy.clean) == (original.keys, original.clean)
    assert (copy.width, copy.height) == (original.width, original.height)
    lacking = bound_sides(original) - bound_sides(copy)
    assert bound_sides(copy) <= bound_sides(original)
    assert [unit for unit, _ in lacking] == [original.count] * dropped
    assert copy.cut == ()


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("clip", CLIPS)
def test_a_stranger_with_ffmpeg_gets_our_digests(footage: Path, clip: str) -> None:
    found = read_footage(str(footage / clip))
    assert strangers_digests(footage / clip, found.codec) == digests(found)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("clip", FEW)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "raw"])
def test_a_stranger_gets_them_from_every_container(footage: Path, tmp_path: Path, clip: str, suffix: str) -> None:
    source = footage / clip
    original = read_footage(str(source))
    copy = tmp_path / f"copy.{original.codec if suffix == 'raw' else suffix}"
    ffmpeg(source, copy, *(annex_b(original.codec) if suffix == "avi" and source.suffix == ".mkv" else ()))
    assert strangers_digests(copy, original.codec) == digests(original)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("clip", CLIPS)
def test_ffmpeg_changes_nothing(footage: Path, tmp_path: Path, clip: str) -> None:
    source = footage / clip
    original = read_footage(str(source))
    targets = {
        "plain.mp4": (),
        "fragmented.mp4": ("-movflags", "+frag_keyframe+empty_moov+default_base_moof"),
        "per-picture.mp4": ("-movflags", "+frag_every_frame+empty_moov"),
        "fast-start.mp4": ("-movflags", "+faststart"),
        "plain.mov": (),
        "plain.mkv": (),
        "plain.ts": (),
        f"plain.{original.codec}": (),
        "plain.avi": annex_b(original.codec),
    }
    for name, options in targets.items():
        ffmpeg(source, tmp_path / name, *options)
        assert_same_pictures(read_footage(str(tmp_path / name)), original)


@pytest.mark.needs("mkvtoolnix")
@pytest.mark.parametrize("clip", CLIPS)
def test_mkvmerge_changes_nothing(footage: Path, tmp_path: Path, clip: str) -> None:
    copy = tmp_path / "copy.mkv"
    mkvmerge(footage / clip, copy)
    assert_same_pictures(read_footage(str(copy)), read_footage(str(footage / clip)))


@pytest.mark.needs("ffmpeg", "mkvtoolnix")
@pytest.mark.parametrize("clip", FEW)
def test_chains_of_tools_change_nothing(footage: Path, tmp_path: Path, clip: str) -> None:
    original = read_footage(str(footage / clip))
    names = ("a.ts", "b.mkv", "c.mp4", f"d.{original.codec}", "e.mkv", "f.avi")
    stream, matroska, movie, raw, again, old = (tmp_path / name for name in names)
    ffmpeg(footage / clip, stream)
    mkvmerge(stream, matroska)
    ffmpeg(matroska, movie)
    ffmpeg(movie, raw)
    mkvmerge(raw, again)
    ffmpeg(movie, old, *annex_b(original.codec))
    for copy in (stream, matroska, movie, raw, again, old):
        assert_same_pictures(read_footage(str(copy)), original)


@pytest.mark.needs("ffmpeg", "mkvtoolnix")
def test_mkvmerge_drops_an_end_of_sequence_only_where_no_picture_follows(footage: Path, tmp_path: Path) -> None:
    source, stream, copy = footage / "one_by_one_person.mp4", tmp_path / "a.ts", tmp_path / "b.mkv"
    ffmpeg(source, stream)
    mkvmerge(stream, copy)
    assert_same_pictures(read_footage(str(copy)), read_footage(str(source)), dropped=1)


@pytest.mark.needs("gstreamer")
@pytest.mark.parametrize("clip", FEW)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
def test_gstreamer_changes_nothing(footage: Path, tmp_path: Path, clip: str, suffix: str) -> None:
    original = read_footage(str(footage / clip))
    copy = tmp_path / f"copy.{suffix}"
    gstreamer(footage / clip, copy, original.codec)
    assert_same_pictures(read_footage(str(copy)), original)


@pytest.mark.parametrize("clip", FEW)
@pytest.mark.parametrize("form", ["mp4", "mov", "matroska", "mpegts"])
def test_pyav_changes_nothing(footage: Path, tmp_path: Path, clip: str, form: str) -> None:
    copy = tmp_path / "copy"
    with av.open(str(footage / clip)) as source, av.open(str(copy), "w", format=form) as target:
        stream = source.streams.video[0]
        added = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                packet.stream = added
                target.mux(packet)
    assert_same_pictures(read_footage(str(copy)), read_footage(str(footage / clip)))


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    ("clip", "suffixes"),
    [("motorway_osd.avi", ("mp4", "mov", "mkv", "avi")), ("vtest_pedestrians.avi", ("mov", "mkv", "avi"))],
)
def test_old_codings_keep_their_packets_where_containers_carry_them(
    footage: Path, tmp_path: Path, clip: str, suffixes: tuple[str, ...]
) -> None:
    for suffix in suffixes:
        copy = tmp_path / f"copy.{suffix}"
        ffmpeg(footage / clip, copy)
        assert_same_pictures(read_footage(str(copy)), read_footage(str(footage / clip)))


@pytest.mark.needs("ffmpeg", "mkvtoolnix")
def test_av1_keeps_its_pictures_in_every_container(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    picture = "testsrc2=size=320x180:rate=10:duration=1"
    encode = ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime", "-g", "5", str(source))
    subprocess.run(("ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *encode), check=True, timeout=60)
    original = read_footage(str(source))
    assert (original.codec, original.count, sum(original.keys)) == ("av1", 10, 2)
    assert original.headers[0][1] is not None
    for name in ("copy.mkv", "copy.webm", "copy.ivf", "copy.obu"):
        ffmpeg(source, tmp_path / name)
        assert_same_pictures(read_footage(str(tmp_path / name)), original)
    mkvmerge(tmp_path / "copy.ivf", tmp_path / "again.mkv")
    assert_same_pictures(read_footage(str(tmp_path / "again.mkv")), original)


@pytest.mark.needs("ffmpeg", "mkvtoolnix")
def test_side_data_of_a_header_is_found_wherever_containers_put_it(tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    picture = "testsrc2=size=320x176:rate=25:duration=2"
    colours = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1):max-cll=1000,400"
    coder = ("-pix_fmt", "yuv420p10le", "-x265-params", f"log-level=0:keyint=25:hdr10=1:{colours}")
    encode = ("-c:v", "libx265", "-preset", "ultrafast", *coder, str(source))
    subprocess.run(("ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, *encode), check=True, timeout=60)
    original = read_footage(str(source))
    assert {unit for unit, _ in bound_sides(original)} == {0, *(at for at, key in enumerate(original.keys) if key)}
    ffmpeg(source, tmp_path / "a.ts")
    ffmpeg(tmp_path / "a.ts", tmp_path / "b.mp4")
    ffmpeg(source, tmp_path / "c.hevc")
    mkvmerge(tmp_path / "a.ts", tmp_path / "d.mkv")
    mkvmerge(tmp_path / "c.hevc", tmp_path / "e.mkv")
    for name in ("a.ts", "b.mp4", "c.hevc", "d.mkv", "e.mkv"):
        assert_same_pictures(read_footage(str(tmp_path / name)), original)
