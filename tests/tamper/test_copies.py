"""Copies of a recorded scene, each with the verdict that it must get: state, strip and what is named."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import SceneMaker
from tests.tamper import copies
from tests.tamper.copies import Verb
from tests.tamper.homes import START_US, make_home
from verifier.examine import examine
from verifier.model import State
from verifier.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is done to the clip, in which container, and what must be said of it.

    strip: run lengths, as `20.10-30.`; findings: codes that must be among those that call for a state.
    """

    verb: Verb
    state: State
    strip: str = ""
    suffix: str = ".mp4"
    findings: tuple[str, ...] = ()
    excerpt: bool = False


@dataclass(slots=True, kw_only=True)
class Recorded:
    home: Path
    clip: Path
    other: Path
    cases: dict[str, Case] = field(default_factory=dict)


@pytest.fixture(scope="module")
def recorded(scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    size = {"width": 160, "height": 90, "fps": 10, "gop": 10}
    clip, other = scene(seconds=6, seed=21, **size), scene(seconds=6, seed=22, **size)
    home = tmp_path_factory.mktemp("recorded") / "home"
    make_home(home, [("gate-1", clip), ("gate-2", other)])
    return Recorded(home=home, clip=clip, other=other)


CASES = {
    "untouched": Case(verb=copies.same, state=State.VERIFIED, strip="60."),
    "repackaged_matroska": Case(verb=copies.same, state=State.VERIFIED, strip="60.", suffix=".mkv"),
    "repackaged_transport_stream": Case(verb=copies.same, state=State.VERIFIED, strip="60.", suffix=".ts"),
    "excerpt_off_a_key_picture": Case(
        verb=copies.from_(13), state=State.VERIFIED, strip="47.", suffix=".mkv", excerpt=True
    ),
    "excerpt_of_the_beginning": Case(verb=copies.until(17), state=State.VERIFIED, strip="17.", excerpt=True),
    "user_message_added": Case(verb=copies.with_message(copies.USER_MESSAGE), state=State.VERIFIED, strip="60."),
    "first_picture_changed_fail": Case(verb=copies.changed(0), state=State.ALTERED, strip="1M9a50."),
    "one_picture_changed_fail": Case(verb=copies.changed(25), state=State.ALTERED, strip="25.1M4a30."),
    "last_picture_changed_fail": Case(verb=copies.changed(59), state=State.ALTERED, strip="59.1M"),
    "last_picture_changed_in_a_stream_fail": Case(
        verb=copies.changed(59), state=State.ALTERED, strip="59.1M", suffix=".ts"
    ),
    "film_grain_added_fail": Case(
        verb=copies.with_message(copies.FILM_GRAIN), state=State.ALTERED, strip="60H", findings=("side_changed",)
    ),
    "false_encoder_named_fail": Case(
        verb=copies.with_message(copies.FALSE_ENCODER, 30),
        state=State.ALTERED,
        strip="30.1H9a20.",
        findings=("side_changed",),
    ),
    "end_of_sequence_added_fail": Case(
        verb=copies.ended(29), state=State.ALTERED, strip="30.1H9a20.", findings=("side_changed",)
    ),
    "one_picture_removed_fail": Case(
        verb=copies.without(35, 1, closed=False), state=State.INCOMPLETE, strip="35.1-4a20."
    ),
    "pictures_removed_and_gap_closed_fail": Case(
        verb=copies.without(20, 10, closed=True), state=State.INCOMPLETE, strip="20.10-30."
    ),
    "pictures_repeated_fail": Case(verb=copies.put(10, 10, 30), state=State.INCOMPLETE, strip="30.10D10-20."),
    "pictures_swapped_fail": Case(verb=copies.swapped(20, 10), state=State.INCOMPLETE, strip="20.10R30."),
    "slowed_fail": Case(verb=copies.slowed, state=State.INCOMPLETE, findings=("retimed",)),
}


def drawn(strip: str) -> str:
    """`60.` for sixty dots."""
    runs: list[list[object]] = []
    for character in strip:
        if runs and runs[-1][1] == character:
            runs[-1][0] = int(str(runs[-1][0])) + 1
        else:
            runs.append([1, character])
    return "".join(f"{count}{character}" for count, character in runs)


def verify(recorded: Recorded, *paths: Path, **asked: object) -> Verdict:
    (verdict,) = examine(paths, source=recorded.home, trust="home", **asked)  # type: ignore[arg-type]
    return verdict


@pytest.mark.parametrize("name", CASES)
def test_a_copy_gets_the_verdict_that_it_must(recorded: Recorded, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    target = tmp_path / f"copy{case.suffix}"
    copies.write(recorded.clip, target, case.verb(copies.read(recorded.clip)))
    verdict = verify(recorded, target)
    assert verdict.state is case.state, (verdict.sentence, verdict.findings)
    assert drawn(verdict.strip) == (case.strip or drawn(verdict.strip))
    assert {finding.code for finding in verdict.findings if finding.severity == "state"} >= set(case.findings)
    assert verdict.excerpt is case.excerpt or case.state is not State.VERIFIED
    assert (verdict.state is State.VERIFIED) is not name.endswith("_fail")


def test_another_cameras_footage_is_named_with_its_time(recorded: Recorded, tmp_path: Path) -> None:
    target = tmp_path / "spliced.mp4"
    copies.write(recorded.clip, target, copies.put(10, 10, 30, recorded.other)(copies.read(recorded.clip)))
    verdict = verify(recorded, target)
    foreign = next(operation for operation in verdict.script if operation.of is not None)
    assert foreign.of is not None
    assert (foreign.of.camera, foreign.of.record, foreign.file) == ("gate-2", (10, 19), (30, 39))
    assert foreign.of.time_us[0] == START_US + 1_000_000
    assert verdict.counts["missing"] == 10


def test_an_excerpt_without_a_key_picture_finds_its_place(recorded: Recorded, tmp_path: Path) -> None:
    target = tmp_path / "short.mkv"
    copies.write(recorded.clip, target, copies.read(recorded.clip)[32:38])
    verdict = verify(recorded, target)
    assert (verdict.state, verdict.camera) == (State.VERIFIED, "gate-1")
    assert verdict.interval_us == (START_US + 3_200_000, START_US + 3_700_000)


def test_chunks_judged_as_one_are_one_recording(recorded: Recorded, tmp_path: Path) -> None:
    packets = copies.read(recorded.clip)
    paths = [tmp_path / f"chunk-{number}.mp4" for number in range(3)]
    for number, path in enumerate(paths):
        copies.write(recorded.clip, path, packets[20 * number : 20 * number + 20])
    assert verify(recorded, *paths, as_one=True).state is State.VERIFIED
    assert verify(recorded, paths[0], paths[2], as_one=True).counts["missing"] == 20
    wrong = verify(recorded, paths[1], paths[0], paths[2], as_one=True)
    assert (wrong.state, wrong.counts["reordered"]) == (State.INCOMPLETE, 20)


def test_a_stream_cut_within_a_picture_is_not_condemned(recorded: Recorded, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.ts", tmp_path / "cut.ts"
    copies.write(recorded.clip, whole, copies.read(recorded.clip))
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2 // 188 * 188])
    verdict = verify(recorded, cut)
    assert verdict.state is State.VERIFIED, verdict.sentence
    assert set(verdict.strip) <= {".", "?"}


def test_neither_index_nor_read_only_media_matter(recorded: Recorded, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(recorded.home, home)
    for path in home.glob("index.db*"):
        path.unlink()
    for path in sorted(home.rglob("*"), reverse=True):
        path.chmod(0o500 if path.is_dir() else 0o400)
    before = sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*"))
    (verdict,) = examine([recorded.clip], source=home, trust="home")
    assert verdict.state is State.VERIFIED
    assert sorted((path, path.stat().st_mtime_ns) for path in home.rglob("*")) == before
    for path in home.rglob("*"):
        path.chmod(0o700)


def test_a_forged_home_proves_and_condemns_nothing(recorded: Recorded, scene: SceneMaker, tmp_path: Path) -> None:
    from sdk.ledger import read_ledger
    from verifier.court import own_word

    forged = tmp_path / "forged"
    make_home(forged, [("gate-1", recorded.clip)])
    with read_ledger(f"sqlite:///{recorded.home}/ledger.db") as reader:
        trust = own_word(reader.genesis)
    (verdict,) = examine([recorded.clip], source=forged, trust=trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert verdict.if_trusted is not None and verdict.if_trusted.state is State.VERIFIED
    target = tmp_path / "altered.mp4"
    copies.write(recorded.clip, target, copies.changed(25)(copies.read(recorded.clip)))
    (verdict,) = examine([target], source=forged, trust=trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert set(verdict.strip) == {"?"}


def test_a_file_that_is_no_video_is_undetermined(recorded: Recorded, tmp_path: Path) -> None:
    for name, data in (("empty.mp4", b""), ("text.mp4", b"no video at all\n" * 100)):
        (tmp_path / name).write_bytes(data)
        verdict = verify(recorded, tmp_path / name)
        assert verdict.state is State.UNDETERMINED
        assert verdict.exhibits[0].size_bytes == len(data)


def test_several_exhibits_each_get_a_verdict(recorded: Recorded) -> None:
    verdicts = examine([recorded.clip, recorded.other], source=recorded.home, trust="home")
    assert [verdict.camera for verdict in verdicts] == ["gate-1", "gate-2"]
