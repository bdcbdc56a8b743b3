"""Decoded pictures: as the decoder makes them, named by their packet, marked when damage was noticed."""

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from evidence.errors import UnsupportedMedia
from media.decode import Decoder, Picture, picture_of
from media.scene import render_scene
from tests.unit.media.surgery import Box, add_to_entry, box, changed, set_matrix


def decoded(path: Path, *, damage: frozenset[int] = frozenset()) -> Iterator[Picture]:
    with av.open(str(path), options={"ignore_editlist": "1"} if path.suffix == ".mp4" else {}) as container:
        decoder = Decoder(container.streams.video[0])
        for number, packet in enumerate(container.demux(video=0)):
            if not packet.size:
                continue
            data = bytearray(bytes(packet))
            if number in damage:
                del data[len(data) // 2 :]
            sent = av.Packet(bytes(data))
            sent.pts, sent.dts, sent.time_base = packet.pts, packet.dts, packet.time_base
            sent.is_keyframe = packet.is_keyframe
            yield from decoder.decode(sent)
        yield from decoder.decode(None)


def digest(picture: Picture) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(plane).tobytes() for plane in picture.planes)).hexdigest()


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    ("codec", "pixel_format", "width", "height"),
    [
        ("libx264", "yuv420p", 322, 182),
        ("libx264", "yuv444p", 161, 91),
        ("libx264", "yuv420p10le", 200, 100),
        ("libx264", "gray", 98, 50),
        ("libx265", "yuv422p10le", 202, 102),
        ("mjpeg", "yuvj422p", 160, 90),
    ],
)
def test_planes_equal_what_ffmpeg_decodes(
    tmp_path: Path, codec: str, pixel_format: str, width: int, height: int
) -> None:
    path = tmp_path / "clip.mkv"
    render_scene(path, seconds=0.6, codec=codec, pixel_format=pixel_format, width=width, height=height,
                 b_frames=0 if codec == "mjpeg" else 2)  # fmt: skip
    shown = [digest(picture) for picture in decoded(path)]
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-f", "rawvideo", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    size = len(raw) // len(shown)
    assert shown == [hashlib.sha256(raw[at : at + size]).hexdigest() for at in range(0, len(raw), size)]


def test_cropping_at_the_left_is_exact_to_the_pixel(tmp_path: Path) -> None:
    path = tmp_path / "clip.h264"
    render_scene(path, seconds=0.3, width=160, height=96, gop=1)
    cut = tmp_path / "cut.h264"
    with av.open(str(path)) as source, av.open(str(cut), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        crop = av.BitStreamFilterContext("h264_metadata=crop_left=6:crop_top=4", source.streams.video[0], stream)
        for packet in [*source.demux(video=0)]:
            for filtered in crop.filter(packet if packet.size else None):
                filtered.stream = stream
                target.mux(filtered)
    whole, cropped = next(decoded(path)), next(decoded(cut))
    assert (cropped.width, cropped.height) == (154, 92)
    assert np.array_equal(cropped.planes[0], whole.planes[0][4:, 6:])
    assert np.array_equal(cropped.planes[1], whole.planes[1][2:, 3:])


def test_what_the_container_crops_and_turns_is_decoded_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    render_scene(path, pattern="IP", width=160, height=96)
    clap = box(b"clap", np.array([150, 1, 90, 1, 0, 1, 0, 1], ">u4").tobytes())

    def change(moov: Box) -> None:
        add_to_entry(moov.find(b"trak"), clap)
        set_matrix(moov.find(b"trak", b"tkhd"), (0, 1, -1, 0))

    other = changed(path, tmp_path / "cropped.mp4", change)
    assert [digest(picture) for picture in decoded(other)] == [digest(picture) for picture in decoded(path)]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_noticed_damage_marks_every_picture_up_to_the_second_entry_behind_it(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "clip.mkv"
    render_scene(path, seconds=4, fps=10, gop=10, b_frames=2, codec=codec, width=320, height=180)
    good = {picture.unit: digest(picture) for picture in decoded(path)}
    bad = {picture.unit: picture for picture in decoded(path, damage=frozenset({14}))}
    differing = {unit for unit, picture in bad.items() if digest(picture) != good[unit]}
    marked = {unit for unit, picture in bad.items() if picture.errors}
    assert differing and differing <= marked
    if codec == "mpeg4":
        return  # its decoder marks sound pictures too, one time more than another
    assert {unit for unit in marked if unit is None or unit < 10 or unit >= 30} == set()


def test_pictures_are_named_by_their_packet(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    render_scene(path, pattern="IBBP IBBP", width=160, height=90)
    # Coded order is I P B B: shown first, fourth, second, third.
    assert [picture.unit for picture in decoded(path)] == [0, 2, 3, 1, 4, 6, 7, 5]


def test_packed_yuv_is_unpacked_and_rgb_is_not_compared() -> None:
    packed = VideoFrame.from_ndarray(np.arange(2 * 8 * 4, dtype=np.uint8).reshape(4, 8, 2), format="yuyv422")
    picture = picture_of(packed)
    assert picture.format == "yuv422p"
    assert np.array_equal(picture.planes[0], np.arange(0, 64, 2, dtype=np.uint8).reshape(4, 8))
    assert not picture_of(VideoFrame(16, 16, "rgb24")).comparable
    assert not picture_of(VideoFrame(16, 16, "gbrp")).comparable
    assert not picture_of(VideoFrame(16, 16, "pal8")).comparable


def test_pictures_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    render_scene(path, pattern="I", width=160, height=90)
    with av.open(str(path)) as container, pytest.raises(UnsupportedMedia):
        Decoder(container.streams.video[0], max_pixels=1000)
