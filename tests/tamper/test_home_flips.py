"""Bits flipped anywhere in a home: an altered copy is never verified, a true one never condemned, nothing raises."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid
from media.footage import Footage
from media.scan import scan
from tests.conftest import SceneMaker
from tests.tamper.homes import make_home
from verifier.asked import Asked
from verifier.examine import opened, verdict_on
from verifier.model import State
from verifier.verdict import Exhibit

HARMLESS = {State.VERIFIED, State.UNTRUSTED_PROOF, State.UNDETERMINED, State.NOT_ANCHORED}


@dataclass(slots=True)
class Flipped:
    """A home, its files, and a true and an altered copy of what was recorded."""

    home: Path
    files: list[Path]
    true: Footage
    altered: Footage

    def judge(self, footage: Footage) -> State | None:
        """The state, None where the home is said not to be one."""
        try:
            with opened(self.home) as evidence:
                return verdict_on(footage, [Exhibit.of(footage)], evidence, "home", Asked(trust_source="home")).state
        except ConfigInvalid as error:
            assert str(error)
            return None


@pytest.fixture(scope="module")
def spoiled(scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory) -> Flipped:
    clip = scene(seconds=3, seed=5, width=160, height=90, fps=5, gop=5)
    home = tmp_path_factory.mktemp("flips") / "home"
    make_home(home, [("gate-1", clip)])
    true = scan(clip)
    coded = bytearray(true.coded)
    coded[7 * 32] ^= 1
    found = Flipped(
        home=home,
        files=[path for path in sorted(home.rglob("*")) if path.is_file() and path.stat().st_size],
        true=true,
        altered=replace(true, coded=bytes(coded)),
    )
    assert (found.judge(true), found.judge(found.altered)) == (State.VERIFIED, State.ALTERED)
    return found


def flip_often(spoiled: Flipped, times: int, seed: int) -> Counter[State | None]:
    source = random.Random(seed)
    sizes = [path.stat().st_size for path in spoiled.files]
    seen: Counter[State | None] = Counter()
    for _ in range(times):
        path = source.choices(spoiled.files, [min(size, 60_000) for size in sizes])[0]
        data = path.read_bytes()
        at = source.randrange(len(data))
        path.write_bytes(data[:at] + bytes([data[at] ^ 1 << source.randrange(8)]) + data[at + 1 :])
        try:
            where = f"{path.relative_to(spoiled.home)} at {at}"
            assert spoiled.judge(spoiled.altered) is not State.VERIFIED, where
            state = spoiled.judge(spoiled.true)
            assert state is None or state in HARMLESS, (state, where)
            seen[state] += 1
        finally:
            path.write_bytes(data)
    return seen


def test_a_bit_flipped_anywhere_in_a_home_verifies_nothing_false(spoiled: Flipped) -> None:
    seen = flip_often(spoiled, 120, seed=1)
    assert seen[State.VERIFIED], seen


@pytest.mark.slow
def test_two_thousand_bits_flipped_one_by_one_verify_nothing_false(spoiled: Flipped) -> None:
    seen = flip_often(spoiled, 2000, seed=2)
    assert len(seen) > 1, seen
