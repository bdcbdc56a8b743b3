"""An import that is killed anywhere goes on where custody ended: the same digests, no unit twice, none lost."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.policy import DEFAULT_POLICY
from media.footage_reader import read_footage
from sdk.home import Home
from tests.unit.frame_sampler.importing import UNSAMPLED, Kept, bring_in, kept, make_home

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = Path(__file__).with_name("importing_process.py")


def _start(home: Home, clip: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(ROOT), str(home.path), str(clip)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def _kill_after(home: Home, clip: Path, segments: int, pause_s: float) -> int:
    """Import, and kill -9 shortly after so many segments; returns how many were acknowledged."""
    process = _start(home, clip)
    assert process.stdout is not None
    acknowledged = 0
    try:
        for line in process.stdout:
            acknowledged += not line.startswith("complete")
            if acknowledged >= segments:
                time.sleep(pause_s)
                break
    finally:
        process.kill()
        process.communicate()
    return acknowledged


def _story(segments: list[Kept]) -> list[tuple[object, ...]]:
    """What must not depend on interruptions; salts, signatures and clock readings do."""
    return [
        (
            each.record.sequence, each.record.units.first, each.record.units.count, each.record.units.root,
            each.record.side, each.record.headers, each.record.start_us, each.record.end_us, each.record.notes,
            each.record.media and each.record.media.sha256,
        )
        for each in segments
    ]  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    home = make_home(tmp_path_factory.mktemp("reference") / "home", policy=UNSAMPLED)
    return _story(kept(home, bring_in(home, footage / "one_by_one_person.mp4")))


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_import_goes_on_as_if_nothing_had_happened(
    footage: Path, fresh_home: Home, uninterrupted: list[tuple[object, ...]], seed: int
) -> None:
    chance = random.Random(seed)
    clip = footage / "one_by_one_person.mp4"
    least = 0
    for _ in range(2):
        acknowledged = _kill_after(fresh_home, clip, chance.randrange(1, 5), chance.random() * 0.05)
        least += acknowledged
    imported = bring_in(fresh_home, clip)
    segments = kept(fresh_home, imported)
    assert _story(segments) == uninterrupted
    # What was acknowledged before a kill was not recorded again.
    assert imported.added_segments <= len(segments) - least
    assert [each.record.previous for each in segments[1:]] == [each.record.digest for each in segments[:-1]]
    assert len({each.record.chain for each in segments}) == 1
    assert list((fresh_home.spool / "tmp").iterdir()) == []
    assert len(list((fresh_home.spool / "media").iterdir())) == len(segments)
    assert bring_in(fresh_home, clip).complete_before


def test_a_kill_before_the_first_segment_leaves_no_chain_behind(footage: Path, fresh_home: Home) -> None:
    process = _start(fresh_home, footage / "one_by_one_person.mp4")
    time.sleep(0.2)
    process.kill()
    process.communicate()
    imported = bring_in(fresh_home, footage / "one_by_one_person.mp4")
    assert imported.units == sum(each.record.units.count for each in kept(fresh_home, imported)) == 1394


def test_segments_without_a_key_picture_are_taken_up_with_their_samples(footage: Path, tmp_path: Path) -> None:
    """Pictures of such a segment refer to earlier ones, which are decoded again although they are sealed."""
    clip = footage / "vtest_pedestrians.avi"
    home = make_home(tmp_path / "home", policy=replace(DEFAULT_POLICY, maximum_per_s=1))
    assert _kill_after(home, clip, 1, 0.0) >= 1
    imported = bring_in(home, clip)
    segments, original = kept(home, imported), read_footage(str(clip), processes=1)
    assert b"".join(each.proof.coded for each in segments) == original.coded
    assert any(not original.keys[each.record.units.first] for each in segments)
    taken = [each.record.samples.count for each in segments]
    assert taken == [20, 20, 10, 20, 10] and not any(each.record.notes for each in segments)
