"""Tags of containers by which decoders decode otherwise are bound; their usual ones, and none, are all alike."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

from media.footage_reader import read_footage
from media.parameter_sets import context_digest
from media.scene import render_scene
from media.tags import bound_tag


@pytest.mark.parametrize(
    ("codec", "tag"),
    [
        ("mjpeg", "MJPG"), ("mjpeg", "mjpg"), ("mjpeg", "jpeg"), ("mjpeg", "\0\0\0\0"), ("mjpeg", "\x1d\0\0\0"),
        ("mpeg2video", "m2v1"), ("mpeg2video", "\x02\0\0\0"), ("mpeg1video", "\x01\0\0\x10"),
        ("msmpeg4v3", "div3"), ("msmpeg4v3", "DIV4"), ("vp8", "VP80"), ("h264", "MTSJ"),
    ],
)  # fmt: skip
def test_usual_tags_and_those_of_other_codings_bind_nothing(codec: str, tag: str) -> None:
    assert bound_tag(codec, tag) == b""


def test_tags_that_decoders_heed_are_bound_in_one_spelling() -> None:
    assert bound_tag("mjpeg", "MTSJ") == bound_tag("mjpeg", "mtsj") == b"MTSJ"
    assert bound_tag("mpeg2video", "VCR2") == b"VCR2"
    assert bound_tag("mpeg1video", "BW10") == b"BW10"


def test_the_layout_of_raw_pictures_is_bound_whatever_names_it() -> None:
    assert bound_tag("rawvideo", "\0\0\0\0", "bgr24") == b""
    assert bound_tag("rawvideo", "I420", "yuv420p") == bound_tag("rawvideo", "IYUV", "yuv420p") == b"yuv420p"
    assert bound_tag("rawvideo", "YV12", "yuv420p") == b"yuv420p YV12"
    assert bound_tag("rawvideo", "\0\0\0\0", "rgb24") == b"rgb24"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tags") / "clip.avi"
    render_scene(path.with_suffix(".mp4"), seconds=0.5, width=160, height=96)
    command = ["ffmpeg", "-v", "error", "-i", str(path.with_suffix(".mp4")), "-c:v", "mjpeg", "-an", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


@pytest.mark.needs("ffmpeg")
def test_a_tag_by_which_pictures_are_decoded_otherwise_is_another_context(clip: Path, tmp_path: Path) -> None:
    original = read_footage(str(clip))
    assert original.headers == ((0, hashlib.sha256(b"").digest()),)
    copy = tmp_path / "copy.avi"
    copy.write_bytes(clip.read_bytes().replace(b"MJPG", b"MTSJ"))
    found = read_footage(str(copy))
    assert (found.codec, found.coded) == (original.codec, original.coded)
    assert found.headers == ((0, context_digest(b"MTSJ")),)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("suffix", ["avi", "mov", "mkv", "mp4"])
def test_re_packaging_keeps_the_context(clip: Path, tmp_path: Path, suffix: str) -> None:
    copy = tmp_path / f"copy.{suffix}"
    subprocess.run(["ffmpeg", "-v", "error", "-i", str(clip), "-c", "copy", str(copy)], check=True)
    original, found = read_footage(str(clip)), read_footage(str(copy))
    assert (found.headers, found.coded) == (original.headers, original.coded)


@pytest.mark.needs("gstreamer", "ffmpeg")
@pytest.mark.parametrize("multiplexer", ["avimux", "qtmux", "matroskamux"])
def test_gstreamer_keeps_the_context(clip: Path, tmp_path: Path, multiplexer: str) -> None:
    copy = tmp_path / "copy"
    command = f"filesrc location={clip} ! avidemux ! image/jpeg ! {multiplexer} ! filesink location={copy}"
    subprocess.run(["gst-launch-1.0", "-q", *command.split()], check=True, timeout=60, capture_output=True)
    assert read_footage(str(copy)).headers == read_footage(str(clip)).headers


def test_raw_pictures_of_a_real_clip_bind_nothing(footage: Path) -> None:
    assert read_footage(str(footage / "edge_raw48_traffic.avi")).headers == ((0, hashlib.sha256(b"").digest()),)
