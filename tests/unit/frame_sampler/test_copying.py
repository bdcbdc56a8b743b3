"""Segment files give the very units, contexts and side data of the footage they were cut from."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence.leaves import USER_SIDE
from frame_sampler.copying import copy_segments
from frame_sampler.cutter import reread
from frame_sampler.pieces import Copied, Piece, Plan
from frame_sampler.segmenter import Lengths
from media.footage_reader import read_footage
from media.packets import PacketSource

CLIPS = (
    "building_street_jitter.mkv",
    "edge_raw48_traffic.avi",
    "motorway_osd.avi",
    "one_by_one_person.mp4",
    "porch_camera_vfr.mkv",
    "retail_store_hevc.mp4",
    "vtest_pedestrians.avi",
    "variants/pattern-hd-no-bar.mp4",
)
SHORT = Lengths(key_us=2_000_000, long_us=3_000_000)
SceneMaker = Callable[..., Path]


def _copy(path: Path, folder: Path, **plan: object) -> tuple[list[Copied], list[Piece], Plan]:
    chosen = Plan(prefix=folder / "segment", **plan)  # type: ignore[arg-type]
    with PacketSource(path) as source:
        events = list(copy_segments(source, chosen, lambda: 7))
    copied = [event for event in events if isinstance(event, Copied)]
    return copied, [event for event in events if isinstance(event, Piece)], chosen


def _assert_same(path: Path, copied: list[Copied], plan: Plan) -> None:
    """The files together read as the original does, and each as its own segment."""
    original = read_footage(str(path), processes=1)
    assert b"".join(each.coded for each in copied) == original.coded
    assert [each.number for each in copied] == list(range(len(copied)))
    first = 0
    for each in copied:
        assert each.first_unit == first
        count = len(each.flags)
        found = read_footage(str(plan.path(each.number)), processes=1)
        assert found.coded == each.coded
        # Matroska counts in milliseconds; AVI knows a constant rate only.
        if found.times:
            offsets = list(found.offsets_us())
            assert max(abs(a - b) for a, b in zip(offsets, each.offsets_us, strict=True)) <= 1_000
        last = first + count + (first + count == original.count)
        expected = {(side.unit - first, side.digest, side.user) for side in original.sides if first <= side.unit < last}
        assert {(side.unit, side.digest, side.user) for side in found.sides} == expected
        assert {(unit & ~USER_SIDE, digest) for unit, digest in each.sides} == {(u, d) for u, d, _ in expected}
        contexts = [context for at, context in original.headers if at <= first][-1:]
        contexts += [context for at, context in original.headers if first < at < first + count]
        assert [context for _, context in found.headers] == contexts == [context for _, context in each.headers]
        assert each.faithful is True
        first += count


@pytest.mark.parametrize("clip", CLIPS)
def test_a_real_clip_is_copied_unit_by_unit(footage: Path, tmp_path: Path, clip: str) -> None:
    copied, _, plan = _copy(footage / clip, tmp_path)
    _assert_same(footage / clip, copied, plan)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_real_clip_cut_into_short_segments_still_reads_the_same(footage: Path, tmp_path: Path, clip: str) -> None:
    copied, _, plan = _copy(footage / clip, tmp_path, lengths=SHORT)
    assert len(copied) > 1
    _assert_same(footage / clip, copied, plan)


@pytest.mark.needs("ffmpeg")
@pytest.mark.parametrize(
    "arguments",
    [
        ("variants/pattern-hd-no-bar.mp4", "mpegts", ".ts"),
        ("retail_store_hevc.mp4", "mpegts", ".ts"),
        ("variants/pattern-hd-no-bar.mp4", "h264", ".h264"),
        ("retail_store_hevc.mp4", "hevc", ".hevc"),
        ("building_street_jitter.mkv", "avi", ".avi"),
    ],
)
def test_annex_b_and_avi_are_copied_unit_by_unit(
    footage: Path, tmp_path: Path, arguments: tuple[str, str, str]
) -> None:
    clip, form, suffix = arguments
    path = tmp_path / f"again{suffix}"
    source = str(footage / clip)
    bsf = ["-bsf:v", "h264_mp4toannexb"] if form == "avi" else []
    command = ["ffmpeg", "-v", "error", "-i", source, "-map", "0:v:0", "-c", "copy", *bsf, "-f", form, str(path)]
    subprocess.run(command, check=True)
    copied, _, plan = _copy(path, tmp_path, lengths=SHORT)
    assert len(copied) > 1
    _assert_same(path, copied, plan)


@pytest.mark.parametrize(
    "coding",
    [
        {"b_frames": 2, "gop": 20},
        {"b_frames": 2, "gop": 20, "open_gop": True},
        {"codec": "libx265", "gop": 20, "b_frames": 3, "open_gop": True},
        {"codec": "mpeg4", "gop": 12},
        {"codec": "mjpeg", "pixel_format": "yuvj420p", "suffix": ".avi"},
        {"gop": 1000},
        {"suffix": ".ts", "gop": 10, "options": (("x264-params", "aud=1:slices=3"),)},
    ],
    ids=["b-pictures", "open entries", "H.265 open entries", "MPEG-4", "MJPEG", "one entry", "slices in TS"],
)
def test_codings_that_cameras_use_are_copied_unit_by_unit(
    scene: SceneMaker, tmp_path: Path, coding: dict[str, object]
) -> None:
    path = scene(seconds=6, width=160, height=90, **coding)
    copied, _, plan = _copy(path, tmp_path, lengths=SHORT)
    assert len(copied) > 1
    _assert_same(path, copied, plan)


def test_the_same_packets_give_the_same_file(scene: SceneMaker, tmp_path: Path) -> None:
    path = scene(seconds=3, width=160, height=90, gop=10)
    files = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        copied, _, plan = _copy(path, folder, lengths=SHORT)
        files.append([plan.path(each.number).read_bytes() for each in copied])
    assert files[0] == files[1] and len(files[0]) > 1


def test_copying_from_a_later_segment_gives_the_same_segments(footage: Path, tmp_path: Path) -> None:
    whole, _, _ = _copy(footage / "vtest_pedestrians.avi", tmp_path)
    for number in (1, 3):
        later, pieces, plan = _copy(
            footage / "vtest_pedestrians.avi", tmp_path, first_unit=whole[number].first_unit,
            warm_up=whole[number].first_unit - 5,
        )  # fmt: skip
        assert [each.coded for each in later] == [each.coded for each in whole[number:]]
        assert [each.notes for each in later] == [each.notes for each in whole[number:]]
        assert later[0].since_us == whole[number].since_us
        assert sum(len(piece.units) for piece in pieces if piece.number < 0) == 5
        assert reread(plan.path(0)).coded == whole[number].coded


def test_pieces_carry_every_unit_once(footage: Path, tmp_path: Path) -> None:
    copied, pieces, _ = _copy(footage / "one_by_one_person.mp4", tmp_path)
    assert [unit.index for piece in pieces for unit in piece.units] == list(range(1394))
    for each in copied:
        own = [piece for piece in pieces if piece.number == each.number]
        assert [offset for piece in own for offset in piece.offsets_us] == list(each.offsets_us)


def test_key_pictures_alone_can_be_kept(footage: Path, tmp_path: Path) -> None:
    copied, _, plan = _copy(footage / "one_by_one_person.mp4", tmp_path, kept="keys")
    found = reread(plan.path(0)).coded
    keys = [i for i, flag in enumerate(copied[0].flags) if flag & 1]
    assert found == b"".join(copied[0].coded[32 * i : 32 * i + 32] for i in keys) and len(keys) == 10


def test_nothing_is_written_when_nothing_is_kept(footage: Path, tmp_path: Path) -> None:
    copied, _, _ = _copy(footage / "one_by_one_person.mp4", tmp_path, kept="none")
    assert len(copied) == 14 and list(tmp_path.iterdir()) == []
    assert all(each.faithful is None for each in copied)


def test_a_stream_that_changes_its_size_is_cut_there(scene: SceneMaker, tmp_path: Path) -> None:
    small = scene(seconds=2, width=160, height=90, suffix=".h264")
    large = scene(seconds=2, width=320, height=180, suffix=".h264")
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    copied, _, plan = _copy(both, tmp_path)
    assert [(each.width, each.height, len(each.flags)) for each in copied] == [(160, 90, 20), (320, 180, 20)]
    assert copied[1].notes == ((0, "headers", 1),)
    _assert_same(both, copied, plan)
    found = read_footage(str(plan.path(1)), processes=1)
    assert (found.width, found.height) == (320, 180)


def test_parameter_sets_that_came_in_the_stream_open_later_segments(scene: SceneMaker, tmp_path: Path) -> None:
    """The header of the file speaks of the first part; segments of the second part must not rely on it."""
    first = scene(seconds=3, width=160, height=90, gop=10, suffix=".h264")
    second = scene(
        seconds=6, width=160, height=90, gop=10, suffix=".h264", seed=4,
        options=(("x264-params", "cabac=0:keyint=10:scenecut=0:bframes=0"),),
    )  # fmt: skip
    both = tmp_path / "both.h264"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    copied, _, plan = _copy(both, tmp_path, lengths=SHORT)
    assert len({each.headers[0][1] for each in copied}) == 2
    _assert_same(both, copied, plan)
