"""Homes that somebody has been at: nothing false is verified, and no true copy is condemned."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import SceneMaker
from tests.tamper.homes import make_home
from verifier.examine import examine
from verifier.model import State
from verifier.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    home: Path
    foreign: Path
    clip: Path
    other: Path


@pytest.fixture(scope="module")
def recorded(scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    size = {"width": 160, "height": 90, "fps": 5, "gop": 5}
    clip, other = scene(seconds=4, seed=31, **size), scene(seconds=4, seed=32, **size)
    folder = tmp_path_factory.mktemp("spoiled")
    make_home(folder / "home", [("gate-1", clip), ("gate-2", other)])
    make_home(folder / "foreign", [("gate-1", clip)])
    return Recorded(home=folder / "home", foreign=folder / "foreign", clip=clip, other=other)


def proofs(home: Path, camera: str) -> list[Path]:
    return sorted((home / "store" / "proof" / camera).iterdir())


def name_another_camera(home: Path, recorded: Recorded) -> None:
    with sqlite3.connect(home / "index.db") as index:
        index.execute("UPDATE segments SET camera = CASE camera WHEN 'gate-1' THEN 'x' ELSE 'gate-1' END")
        index.execute("UPDATE segments SET camera = 'gate-2' WHERE camera = 'x'")
    index.close()


def fill_index_with_noise(home: Path, recorded: Recorded) -> None:
    for path in home.glob("index.db*"):
        path.unlink()
    (home / "index.db").write_bytes(b"\x55" * 8192)


def swap_proofs_between_cameras(home: Path, recorded: Recorded) -> None:
    one, other = proofs(home, "gate-1")[0], proofs(home, "gate-2")[0]
    held = one.read_bytes(), other.read_bytes()
    for path, data in zip((other, one), held, strict=True):
        path.chmod(0o600)
        path.write_bytes(data)


def lose_a_proof(home: Path, recorded: Recorded) -> None:
    proofs(home, "gate-1")[0].unlink()


def lose_the_store(home: Path, recorded: Recorded) -> None:
    shutil.rmtree(home / "store")


def lose_the_ledger(home: Path, recorded: Recorded) -> None:
    for path in home.glob("ledger.db*"):
        path.unlink()


def put_in_a_foreign_ledger(home: Path, recorded: Recorded) -> None:
    lose_the_ledger(home, recorded)
    for path in recorded.foreign.glob("ledger.db*"):
        shutil.copy(path, home / path.name)


# What is done, and the state of the true copy afterwards; one state, so that a better answer is noticed too.
SPOILED: dict[str, tuple[Callable[[Path, Recorded], None], State]] = {
    "index_names_another_camera": (name_another_camera, State.VERIFIED),
    "index_is_noise": (fill_index_with_noise, State.VERIFIED),
    "proofs_swapped_fail": (swap_proofs_between_cameras, State.UNDETERMINED),
    "proof_lost_fail": (lose_a_proof, State.UNDETERMINED),
    "store_lost_fail": (lose_the_store, State.UNDETERMINED),
    "ledger_lost_fail": (lose_the_ledger, State.UNDETERMINED),
    "ledger_foreign_fail": (put_in_a_foreign_ledger, State.UNTRUSTED_PROOF),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_home_condemns_nothing(recorded: Recorded, tmp_path: Path, name: str) -> None:
    spoil, state = SPOILED[name]
    home = tmp_path / "home"
    shutil.copytree(recorded.home, home)
    spoil(home, recorded)
    verdict = examined(home, recorded.clip)
    assert verdict.state is state, verdict.sentence
    assert (state is State.VERIFIED) is not name.endswith("_fail")


def test_what_cannot_be_read_names_what_to_do(recorded: Recorded, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(recorded.home, home)
    (home / "ledger.db").unlink()
    verdict = examined(home, recorded.clip)
    assert verdict.state is State.UNDETERMINED and verdict.next_step == "restore it from a back-up"


def test_a_ledger_alone_proves_nothing_about_pictures(recorded: Recorded) -> None:
    verdict = examined(f"sqlite:///{recorded.home}/ledger.db", recorded.clip)
    assert verdict.state is State.UNDETERMINED
    assert [finding.code for finding in verdict.findings] == ["proof_absent"]


def test_a_camera_that_is_named_wrongly_does_not_match(recorded: Recorded) -> None:
    (verdict,) = examine([recorded.other], source=recorded.home, trust="home", camera="gate-1")
    assert verdict.state is State.NO_MATCH
    assert "gate-2" in verdict.sentence


def examined(source: Path | str, clip: Path) -> Verdict:
    (verdict,) = examine([clip], source=source, trust="home")
    return verdict
