"""The demo's edits do exactly what they say: held against the pictures' digests, which the edits know nothing of."""

from __future__ import annotations

import subprocess
from itertools import pairwise
from pathlib import Path

import av
import pytest

from cli.demo_edits import EDITS
from cli.demo_packets import joined, read_clip, write_clip
from evidence.errors import UnsupportedMedia
from media.footage import Footage
from media.scan import scan
from tests.conftest import SceneMaker


def digests(footage: Footage) -> list[bytes]:
    return [footage.unit_digest(index) for index in range(footage.count)]


@pytest.fixture(scope="module")
def clip(scene: SceneMaker) -> Path:
    return scene(seconds=12, gop=10)


@pytest.fixture(scope="module")
def other(scene: SceneMaker) -> Path:
    return scene(seconds=12, gop=10, seed=2)


@pytest.fixture(scope="module")
def original(clip: Path) -> list[bytes]:
    return digests(scan(clip))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_repackaging_leaves_every_picture_alone(clip: Path, original: list[bytes], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"copy.{suffix}"
    EDITS["repackage"](clip, target, None)
    assert digests(scan(target)) == original


def test_an_excerpt_is_a_run_of_the_original(clip: Path, original: list[bytes], tmp_path: Path) -> None:
    target = tmp_path / "part.mp4"
    first, last = EDITS["excerpt"](clip, target, None).ranges[0]
    assert digests(scan(target)) == original[first : last + 1]
    assert 0 < first < last < len(original) - 1


def test_one_changed_picture_differs_and_no_other(clip: Path, original: list[bytes], tmp_path: Path) -> None:
    target = tmp_path / "changed.mp4"
    at, same = EDITS["change-picture"](clip, target, None).ranges[0]
    found = digests(scan(target))
    assert at == same
    assert [index for index in range(len(original)) if found[index] != original[index]] == [at]
    assert len(found) == len(original)


def test_removed_pictures_leave_no_gap_in_the_times(clip: Path, original: list[bytes], tmp_path: Path) -> None:
    target = tmp_path / "shorter.mp4"
    first, last = EDITS["remove"](clip, target, None).ranges[0]
    footage = scan(target)
    assert digests(footage) == original[:first] + original[last + 1 :]
    times = sorted(footage.offsets_us())
    assert {later - earlier for earlier, later in pairwise(times)} == {100_000}


def test_swapped_parts_hold_the_same_pictures_in_another_order(
    clip: Path, original: list[bytes], tmp_path: Path
) -> None:
    target = tmp_path / "swapped.mp4"
    first, last = EDITS["swap"](clip, target, None).ranges[0]
    found = digests(scan(target))
    assert found != original
    assert sorted(found) == sorted(original)
    moved_to = found.index(original[first])
    assert moved_to > first
    assert found[moved_to : moved_to + last - first + 1] == original[first : last + 1]


def test_a_splice_holds_the_other_cameras_pictures(
    clip: Path, other: Path, original: list[bytes], tmp_path: Path
) -> None:
    target = tmp_path / "spliced.mp4"
    first, last = EDITS["splice"](clip, target, other).ranges[0]
    found = digests(scan(target))
    assert found[:first] == original[:first]
    assert set(found[first : last + 1]) <= set(digests(scan(other)))
    assert not set(found[first : last + 1]) & set(original)


def test_a_splice_of_another_size_still_decodes(clip: Path, scene: SceneMaker, tmp_path: Path) -> None:
    larger = scene(seconds=8, gop=10, seed=3, width=480, height=270)
    target = tmp_path / "spliced.mp4"
    EDITS["splice"](clip, target, larger)
    with av.open(str(target)) as container:
        sizes = [(frame.width, frame.height) for frame in container.decode(video=0)]
    assert set(sizes) == {(320, 180), (480, 270)}
    assert sizes[0] == sizes[-1] == (320, 180)


def test_film_grain_is_added_beside_pictures_that_stay_the_same(
    clip: Path, original: list[bytes], tmp_path: Path
) -> None:
    target = tmp_path / "grain.mp4"
    EDITS["film-grain"](clip, target, None)
    footage = scan(target)
    assert digests(footage) == original
    bound = {side.unit for side in footage.sides if not side.user}
    assert bound == set(range(footage.count))


@pytest.mark.needs("ffmpeg")
def test_film_grain_changes_what_a_player_shows(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "grain.mp4"
    EDITS["film-grain"](clip, target, None)

    def shown(path: Path) -> bytes:
        command = ["ffmpeg", "-v", "error", "-i", str(path), "-frames:v", "3", "-f", "md5", "-"]
        return subprocess.run(command, capture_output=True, check=True).stdout

    assert shown(clip) != shown(target)


def test_hidden_pictures_stay_in_the_file(clip: Path, original: list[bytes], tmp_path: Path) -> None:
    target = tmp_path / "hidden.mp4"
    hidden = EDITS["hide"](clip, target, None).ranges
    footage = scan(target)
    assert digests(footage) == original
    assert footage.hidden == hidden


def test_an_edit_list_goes_into_mp4_only(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="MP4"):
        EDITS["hide"](clip, tmp_path / "hidden.mkv", None)
    assert not (tmp_path / "hidden.mkv").exists()


@pytest.mark.parametrize("edit", ["film-grain", "excerpt", "remove", "hide", "change-picture"])
@pytest.mark.parametrize("name", ["one_by_one_person.mp4", "retail_store_hevc.mp4"])
def test_edits_of_real_clips_touch_only_what_they_say(footage: Path, tmp_path: Path, name: str, edit: str) -> None:
    target = tmp_path / "edited.mp4"
    ranges = EDITS[edit](footage / name, target, None).ranges
    scanned, original = scan(target), digests(scan(footage / name))
    found, edited = digests(scanned), ranges[0]
    if edit == "change-picture":
        assert [index for index in range(len(original)) if found[index] != original[index]] == [edited[0]]
        return
    expected = {
        "film-grain": original,
        "hide": original,
        "excerpt": original[edited[0] : edited[1] + 1],
        "remove": original[: edited[0]] + original[edited[1] + 1 :],
    }[edit]
    assert found == expected
    assert scanned.hidden == (ranges if edit == "hide" else ())


def test_the_same_edit_gives_the_same_file(clip: Path, tmp_path: Path) -> None:
    one, two = tmp_path / "one.mp4", tmp_path / "two.mp4"
    EDITS["swap"](clip, one, None)
    EDITS["swap"](clip, two, None)
    assert one.read_bytes() == two.read_bytes()


def test_a_clip_too_short_to_edit_is_refused(scene: SceneMaker, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedMedia, match="too short"):
        EDITS["remove"](scene(seconds=0.2), tmp_path / "x.mp4", None)


def test_a_file_without_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.mp4"
    path.write_text("no video at all")
    with pytest.raises(UnsupportedMedia, match="cannot be read"):
        read_clip(path)


def test_a_container_that_does_not_take_the_codec_leaves_no_file(footage: Path, tmp_path: Path) -> None:
    clip = read_clip(footage / "vtest_pedestrians.avi")
    with pytest.raises(UnsupportedMedia, match="does not take"):
        write_clip(clip, joined([clip.run(0, 10)]), tmp_path / "x.mp4")
    assert not (tmp_path / "x.mp4").exists()
