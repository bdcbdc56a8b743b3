"""How containers want pictures shown: every statement brought to one form, as players take it."""

import subprocess
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from evidence.records import Display
from media.display import Stated, compare, resolve, stated_by_movie, stated_by_segment
from media.matroska import SegmentTrack, read_segment_info
from media.mp4 import MovieTrack, read_movie
from media.scene import render_scene
from tests.unit.media.surgery import Box, Matrix, add_to_entry, box, changed, full, set_matrix, set_size

PLAIN = Display()
# Turn clockwise, mirrored left-right before it: the matrix (a, b, c, d) of a track header.
ORIENTATIONS: dict[tuple[int, bool], Matrix] = {
    (0, False): (1, 0, 0, 1),
    (90, False): (0, 1, -1, 0),
    (180, False): (-1, 0, 0, -1),
    (270, False): (0, -1, 1, 0),
    (0, True): (-1, 0, 0, 1),
    (90, True): (0, -1, -1, 0),
    (180, True): (1, 0, 0, -1),
    (270, True): (0, 1, 1, 0),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("display") / "clip.mp4"
    render_scene(path, pattern="IP", width=160, height=96)
    return path


def track_of(path: Path) -> MovieTrack:
    with path.open("rb") as file:
        return read_movie(file).tracks[0]


def shown(
    path: Path, *, width: int = 160, height: int = 96, stream: Display = PLAIN
) -> tuple[Display, tuple[str, ...]]:
    found = resolve(stated_by_movie(track_of(path)), stream, width, height)
    return found.display, found.notes


def luma(path: Path, *options: str) -> NDArray[np.uint8]:
    """First picture as ffmpeg shows it (or, with -noautorotate, as it is coded)."""
    command = [
        "ffmpeg",
        "-v",
        "error",
        *options,
        "-i",
        str(path),
        "-frames:v",
        "1",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "gray",
        "-",
    ]
    return np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, np.uint8)


@pytest.fixture(scope="module")
def coded(clip: Path) -> NDArray[np.uint8]:
    return luma(clip).reshape(96, 160)


def as_shown(picture: NDArray[np.uint8], display: Display) -> NDArray[np.uint8]:
    mirrored = picture[:, ::-1] if display.mirror else picture
    return np.rot90(mirrored, -display.rotate // 90)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("where", ["track", "movie", "both"])
def test_turns_and_mirrors_are_those_that_a_player_makes(
    clip: Path, coded: NDArray[np.uint8], tmp_path: Path, orientation: tuple[int, bool], where: str
) -> None:
    def change(moov: Box) -> None:
        matrix = ORIENTATIONS[orientation]
        if where == "both":
            # A quarter turn in the track, what is left in the movie: track times movie is the whole.
            set_matrix(moov.find(b"trak", b"tkhd"), ORIENTATIONS[90, False])
            a, b, c, d = matrix
            set_matrix(moov.find(b"mvhd"), (-c, -d, a, b))
        else:
            set_matrix(moov.find(b"trak", b"tkhd") if where == "track" else moov.find(b"mvhd"), matrix)

    path = changed(clip, tmp_path / "turned.mp4", change)
    display, notes = shown(path)
    assert ((display.rotate, display.mirror), notes) == (orientation, ())
    played = luma(path).reshape((160, 96) if display.rotate % 180 else (96, 160))
    assert np.array_equal(as_shown(coded, display), played)


@pytest.mark.parametrize(
    ("matrix", "odd"),
    [((0, 0, 0, 0), False), ((0.7071, 0.7071, -0.7071, 0.7071), True), ((1, 0.2, 0, 1), True), ((1, 0, 1, 0), True),
     ((1, 0.0001, -0.0001, 1), False)],
)  # fmt: skip
def test_what_is_no_quarter_turn_is_odd(clip: Path, tmp_path: Path, matrix: Matrix, odd: bool) -> None:
    path = changed(clip, tmp_path / "odd.mp4", lambda moov: set_matrix(moov.find(b"trak", b"tkhd"), matrix))
    display, notes = shown(path)
    assert (display.rotate, display.mirror) == (0, False)
    assert ("odd_matrix" in notes) == odd


@pytest.mark.parametrize(
    ("size", "pasp", "sar", "odd"),
    [
        ((160, 96), None, (1, 1), ()),
        ((161, 95), None, (1, 1), ()),
        ((0, 0), None, (1, 1), ()),
        ((160, 96), (1, 1), (1, 1), ()),
        ((213.33, 96), (4, 3), (4, 3), ()),
        ((160, 96), (4, 3), (4, 3), ()),
        ((160, 72), (4, 3), (4, 3), ()),
        ((320, 96), None, (2, 1), ()),
        ((160, 192), None, (1, 2), ()),
        ((320, 96), (1, 1), (2, 1), ()),
        ((320, 192), None, (1, 1), ("odd_size",)),
        ((80, 48), None, (1, 1), ("odd_size",)),
        ((100, 10), None, (6, 1), ("odd_size",)),
        ((160, 96), (321, 320), (1, 1), ()),
    ],
)
def test_aspect_from_track_size_and_sample_description(
    clip: Path, tmp_path: Path, size: tuple[float, float], pasp: tuple[int, int] | None, sar: tuple[int, int],
    odd: tuple[str, ...],
) -> None:  # fmt: skip
    def change(moov: Box) -> None:
        set_size(moov.find(b"trak", b"tkhd"), *size)
        stated = [box(b"pasp", np.array(pasp, ">u4").tobytes())] if pasp else []
        add_to_entry(moov.find(b"trak"), *stated, without=b"pasp")

    display, notes = shown(changed(clip, tmp_path / "stretched.mp4", change))
    assert (display.sar, notes) == (sar, odd)


def test_a_scaled_matrix_stretches(clip: Path, tmp_path: Path) -> None:
    path = changed(clip, tmp_path / "wide.mp4", lambda moov: set_matrix(moov.find(b"trak", b"tkhd"), (2, 0, 0, 1)))
    assert shown(path)[0].sar == (2, 1)


def test_crop_colour_and_odd_boxes(clip: Path, tmp_path: Path) -> None:
    clap = box(b"clap", np.array([150, 1, 90, 1, 0, 1, 0, 1], ">u4").tobytes())
    colr = box(b"colr", b"nclx", np.array([9, 16, 9], ">u2").tobytes(), b"\x80")

    def change(moov: Box) -> None:
        add_to_entry(moov.find(b"trak"), clap, colr, full(b"sv3d"))
        moov.find(b"trak").children.append(Box(b"matt", bytes(8)))

    display, notes = shown(changed(clip, tmp_path / "changed.mp4", change))
    assert (display.crop, display.colour, notes) == ((5, 3, 5, 3), (9, 16, 9, 1), ("odd_track",))


def test_an_entry_size_that_is_neither_the_pictures_nor_that_of_its_blocks_is_odd() -> None:
    for entry, odd in (
        ((160, 90), ()),
        ((160, 96), ()),
        ((176, 96), ("odd_entry_size",)),
        ((80, 90), ("odd_entry_size",)),
    ):
        assert resolve(Stated(entry=entry), PLAIN, 160, 90).notes == odd


def test_a_crop_that_only_removes_the_padding_of_the_last_blocks_is_none() -> None:
    stated = Stated(entry=(1920, 1088), crop=(0, 0, 0, 8))
    assert resolve(stated, PLAIN, 1920, 1080).display.crop == (0, 0, 0, 0)


def test_what_the_container_leaves_open_is_the_streams() -> None:
    stream = Display(sar=(16, 11), colour=(5, 6, 5, 1))
    found = resolve(Stated(colour=(2, 2, 2, None)), stream, 720, 576)
    assert (found.display, found.stated) == (stream, frozenset())
    # The same colours by another standard's number.
    assert resolve(Stated(colour=(5, 1, 6, 1)), stream, 720, 576).display == stream


def test_aspect_within_a_displayed_pixel_is_the_streams() -> None:
    stream = Display(sar=(16, 11))
    for width, height in ((1047, 576), (1048, 576), (720, 396), (720, 576)):
        found = resolve(Stated(sizes=((Fraction(width), Fraction(height)),)), stream, 720, 576)
        assert (found.display.sar, found.notes) == ((16, 11), ())
    assert resolve(Stated(ratio=Fraction(16, 9)), PLAIN, 1280, 720).display.sar == (1, 1)


RECORDED = Display(rotate=90, sar=(4, 3), colour=(1, 1, 1, 0))


@pytest.mark.parametrize(
    ("copy", "changed_names", "dropped_names"),
    [
        (RECORDED, (), ()),
        (PLAIN, (), ("rotate", "sar", "colour")),
        (replace(RECORDED, rotate=0), (), ("rotate",)),
        (replace(RECORDED, rotate=180), ("rotate",), ()),
        (replace(RECORDED, mirror=True), ("rotate",), ()),
        (replace(RECORDED, sar=(2, 1)), ("sar",), ()),
        (replace(RECORDED, sar=(401, 300)), (), ()),
        (replace(RECORDED, crop=(0, 0, 0, 2)), ("crop",), ()),
        (replace(RECORDED, colour=(9, 16, 9, 0)), ("colour",), ()),
        (replace(RECORDED, colour=(1, 6, 1, 0)), (), ()),
    ],
)
def test_a_copy_may_say_what_the_record_or_the_stream_says(
    copy: Display, changed_names: tuple[str, ...], dropped_names: tuple[str, ...]
) -> None:
    found = compare(copy, PLAIN, RECORDED, width=300, height=200)
    assert (found.changed, found.dropped, found.full_range) == (changed_names, dropped_names, False)


def test_a_full_range_flag_alone_is_only_noted() -> None:
    found = compare(replace(PLAIN, colour=(2, 2, 2, 1)), PLAIN, PLAIN, width=300, height=200)
    assert (found.changed, found.full_range) == ((), True)


def test_odd_notes_count_unless_the_original_had_them() -> None:
    settings: dict[str, Any] = {"width": 300, "height": 200, "notes": ("odd_size", "start_code_inside")}
    assert compare(PLAIN, PLAIN, PLAIN, **settings).changed == ("odd_size",)
    assert compare(PLAIN, PLAIN, PLAIN, **settings, recorded_notes=("odd_size",)).changed == ()


@pytest.fixture(scope="module")
def segment(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("display") / "clip.mkv"
    subprocess.run(["mkvmerge", "-q", "-o", str(path), str(clip)], check=True)
    return path


def propedit(source: Path, target: Path, *settings: str) -> SegmentTrack:
    target.write_bytes(source.read_bytes())
    options = [part for setting in ("flag-forced=0", *settings) for part in ("--set", setting)]
    subprocess.run(["mkvpropedit", "-q", str(target), "--edit", "track:v1", *options], check=True)
    with target.open("rb") as file:
        return read_segment_info(file).tracks[0]


@pytest.mark.needs("mkvtoolnix")
@pytest.mark.parametrize(
    ("settings", "display", "notes"),
    [
        ([], Display(), ()),
        (["projection-pose-roll=90"], Display(rotate=270), ()),
        (["projection-pose-roll=-90"], Display(rotate=90), ()),
        (["projection-pose-roll=180"], Display(rotate=180), ()),
        (["projection-pose-yaw=180"], Display(mirror=True), ()),
        (["projection-pose-yaw=-180", "projection-pose-roll=90"], Display(rotate=270, mirror=True), ()),
        (["projection-pose-roll=45"], Display(), ("odd_matrix",)),
        (["projection-pose-pitch=180"], Display(), ("odd_track",)),
        (["projection-type=1"], Display(), ("odd_track",)),
        (["stereo-mode=1"], Display(), ("odd_track",)),
        (["display-width=320"], Display(sar=(2, 1)), ()),
        (["display-width=320", "display-height=192"], Display(), ("odd_size",)),
        (["display-width=5", "display-height=3", "display-unit=3"], Display(), ()),
        (["display-width=4", "display-height=3", "display-unit=3"], Display(sar=(4, 5)), ()),
        (["pixel-crop-left=10", "pixel-crop-bottom=6"], Display(crop=(10, 0, 0, 6)), ()),
        (["color-primaries=9", "color-transfer-characteristics=16", "color-matrix-coefficients=9", "color-range=2"],
         Display(colour=(9, 16, 9, 1)), ()),
    ],
)  # fmt: skip
def test_what_matroska_states(
    segment: Path, tmp_path: Path, settings: list[str], display: Display, notes: tuple[str, ...]
) -> None:
    track = propedit(segment, tmp_path / "changed.mkv", *settings)
    with segment.open("rb") as file:
        info = read_segment_info(file)
    found = resolve(stated_by_segment(info, track), PLAIN, 160, 96)
    if "pixel-crop-left=10" in settings:
        # mkvmerge has written the displayed size of the whole picture: both statements count.
        assert found.display.crop == display.crop
        return
    assert (found.display, found.notes) == (display, notes)


def test_a_picture_of_unknown_size_has_no_aspect_to_compare() -> None:
    stated = Stated(sizes=((Fraction(160), Fraction(90)),), ratio=Fraction(16, 9), entry=(160, 90))
    for width, height in ((0, 0), (160, 0), (0, 90)):
        shown = resolve(stated, PLAIN, width, height)
        assert (shown.display.sar, shown.notes) == ((1, 1), ())
