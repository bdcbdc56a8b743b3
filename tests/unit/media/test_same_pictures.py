"""Honest re-packaging, by whatever ordinary tool, never looks like a change of what plays."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from media.display import compare
from media.footage import Footage
from media.footage_reader import read_footage
from media.scene import render_scene
from tests.unit.media.surgery import Box, add_to_entry, box, changed, set_matrix

Tool = Callable[[Path, Path], None]


def with_pyav(source: Path, target: Path, **options: str) -> None:
    with av.open(str(source)) as taken, av.open(str(target), "w", options=options) as given:
        stream = given.add_stream_from_template(taken.streams.video[0])
        for packet in taken.demux(video=0):
            if packet.size:
                packet.stream = stream
                given.mux(packet)


def fragments(source: Path, target: Path) -> None:
    with_pyav(source, target, movflags="frag_keyframe+delay_moov")


def with_ffmpeg(source: Path, target: Path, *options: str) -> None:
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-map", "0:v:0", "-c", "copy", *options, str(target)]
    subprocess.run(command, check=True, capture_output=True)


def cut_by_ffmpeg(source: Path, target: Path) -> None:
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-y",
        "-ss",
        "0.75",
        "-i",
        str(source),
        "-map",
        "0:v:0",
        "-c",
        "copy",
        str(target),
    ]
    subprocess.run(command, check=True, capture_output=True)


def with_mkvmerge(source: Path, target: Path) -> None:
    subprocess.run(["mkvmerge", "-q", "-o", str(target), "--no-audio", str(source)], check=True, capture_output=True)


def with_gstreamer(source: Path, target: Path, *, parser: str = "h264parse") -> None:
    demux = "matroskademux" if source.suffix == ".mkv" else "qtdemux"
    mux = {".mp4": "mp4mux", ".mov": "qtmux", ".mkv": "matroskamux", ".ts": "mpegtsmux"}[target.suffix]
    pipeline = f"filesrc location={source} ! {demux} name=d d.video_0 ! {parser} ! {mux} ! filesink location={target}"
    subprocess.run(["gst-launch-1.0", "-q", *pipeline.split()], check=True, capture_output=True, timeout=60)


def pyav_to(suffix: str) -> tuple[str, Tool, str]:
    return f"pyav-{suffix}", with_pyav, suffix


TOOLS: list[Any] = [
    *(pytest.param(with_pyav, suffix, id=f"pyav-{suffix}") for suffix in ("mp4", "mov", "mkv", "ts")),
    pytest.param(fragments, "mp4", id="pyav-fragments"),
    *(
        pytest.param(with_ffmpeg, suffix, id=f"ffmpeg-{suffix}", marks=pytest.mark.needs("ffmpeg"))
        for suffix in ("mp4", "mov", "mkv", "ts")
    ),
    pytest.param(cut_by_ffmpeg, "mp4", id="ffmpeg-cut", marks=pytest.mark.needs("ffmpeg")),
    pytest.param(with_mkvmerge, "mkv", id="mkvmerge", marks=pytest.mark.needs("mkvtoolnix")),
    *(
        pytest.param(with_gstreamer, suffix, id=f"gstreamer-{suffix}", marks=pytest.mark.needs("gstreamer"))
        for suffix in ("mp4", "mov", "mkv", "ts")
    ),
]


def clean(copy: Footage, original: Footage) -> None:
    found = compare(
        copy.display,
        copy.stream_display,
        original.display,
        width=copy.width,
        height=copy.height,
        notes=copy.notes,
        recorded_notes=original.notes,
    )
    assert (found.changed, copy.hidden, copy.edits_retimed) == ((), (), False)
    assert set(zip(copy.keys, range(copy.count), strict=True)) <= set(enumerate(copy.keys)) or copy.count
    have = {original.unit_digest(unit) for unit in range(original.count)}
    assert all(copy.unit_digest(unit) in have for unit in range(copy.count))


def turned(degrees: int) -> Callable[[Box], None]:
    matrix = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}[degrees]
    return lambda moov: set_matrix(moov.find(b"trak", b"tkhd"), matrix)


def stretched(moov: Box) -> None:
    add_to_entry(moov.find(b"trak"), box(b"pasp", b"\0\0\0\4\0\0\0\3"), without=b"pasp")


SCENES: dict[str, tuple[dict[str, Any], Callable[[Box], None] | None]] = {
    "plain": ({}, None),
    "b-pictures": ({"b_frames": 2, "open_gop": True}, None),
    "odd-size": ({"width": 322, "height": 182}, None),
    "turned-90": ({"b_frames": 1}, turned(90)),
    "turned-180": ({}, turned(180)),
    "turned-270": ({}, turned(270)),
    "aspect-in-container": ({}, stretched),
    "aspect-in-stream": ({"width": 352, "height": 288, "options": (("aspect", "16:9"),)}, None),
    "colours": (
        {"options": (("x264-params", "colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:fullrange=on"),)},
        None,
    ),
}


@pytest.fixture(scope="module", params=SCENES)
def original(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Footage]:
    path = tmp_path_factory.mktemp("original") / "clip.mp4"
    settings, change = SCENES[request.param]
    render_scene(path, **{"seconds": 2, "fps": 10, "gop": 5, "width": 320, "height": 180, **settings})
    if change is not None:
        path = changed(path, path.with_name("changed.mp4"), change)
    return path, read_footage(str(path))


@pytest.mark.parametrize(("tool", "suffix"), TOOLS)
def test_a_rendered_scene(original: tuple[Path, Footage], tmp_path: Path, tool: Tool, suffix: str) -> None:
    path, footage = original
    target = tmp_path / f"copy.{suffix}"
    tool(path, target)
    clean(read_footage(str(target)), footage)


@pytest.mark.parametrize(
    "name", ["porch_camera_vfr.mkv", "building_street_jitter.mkv", "variants/pattern-sd-grey-bar.mp4"]
)
@pytest.mark.parametrize(("tool", "suffix"), TOOLS)
def test_a_real_clip(footage: Path, tmp_path: Path, name: str, tool: Tool, suffix: str) -> None:
    source = footage / name
    target = tmp_path / f"copy.{suffix}"
    tool(source, target)
    clean(read_footage(str(target)), read_footage(str(source)))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_real_clip_in_h265(footage: Path, tmp_path: Path, suffix: str) -> None:
    source = footage / "retail_store_hevc.mp4"
    target = tmp_path / f"copy.{suffix}"
    with_pyav(source, target)
    original = read_footage(str(source))
    clean(read_footage(str(target)), original)
    assert (
        not compare(
            replace(original.display, rotate=90), original.stream_display, original.display, width=1920, height=1080
        ).changed
        == ()
    )


@pytest.mark.needs("ffmpeg", "mkvtoolnix")
def test_av1_keeps_its_pictures_in_every_container(scene: Callable[..., Path], tmp_path: Path) -> None:
    source = scene(seconds=1, codec="libsvtav1")
    original = read_footage(str(source))
    assert (original.codec, original.count) == ("av1", 10)
    assert original.headers[0][1] is not None
    for name in ("copy.mkv", "copy.webm", "copy.ivf", "copy.obu", "copy.mov.mp4"):
        ffmpeg(source, tmp_path / name)
        assert_same_pictures(read_footage(str(tmp_path / name)), original)
    mkvmerge(tmp_path / "copy.ivf", tmp_path / "again.mkv")
    assert_same_pictures(read_footage(str(tmp_path / "again.mkv")), original)
