"""The demo holds, leaves what it says, and every step that it prints can be repeated by hand."""

from __future__ import annotations

import re

import pytest

from cli.demo_cases import CASES
from tests.cli.conftest import Place


@pytest.mark.slow
def test_the_demo_holds_and_each_of_its_steps_can_be_repeated_by_hand(empty: Place) -> None:
    ended = empty.run("demo", "--keep", "kept")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[0] == "HELD"
    assert f"{len(CASES)} of {len(CASES)} shown" in ended.stdout
    lines = [line.strip() for line in ended.stdout.splitlines() if line.startswith("  veriframe ")]
    states = {case.name: case.state for case in CASES}
    examined = []
    for line in lines:
        found = empty.shell(line)
        if not line.startswith("veriframe verify"):
            assert found.returncode == 0, line + found.stderr
            continue
        name = re.search(r"kept/([a-z0-9-]+)\.", line)
        assert name is not None
        case = "forged" if "kept/forged" in line else "untouched" if name[1] == "gate-1" else name[1]
        assert found.returncode == states[case].exit_code, line + found.stdout
        examined.append(case)
    assert examined == [case.name for case in CASES]


def test_the_demo_writes_nothing_into_a_folder_with_other_files(empty: Place) -> None:
    ended = empty.run("demo", "--keep", "export")
    assert ended.returncode == 2
    assert "not empty" in ended.stderr


@pytest.mark.slow
@pytest.mark.needs("footage")
@pytest.mark.parametrize("name", ["building_street_jitter.mkv", "vtest_pedestrians.avi"])
def test_the_demo_holds_on_a_clip_of_ones_own(empty: Place, footage: object, name: str) -> None:
    ended = empty.run("demo", "--input", f"{footage}/{name}")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not (empty.folder / "evidence").exists()
