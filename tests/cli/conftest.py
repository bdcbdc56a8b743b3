"""A place to work in as a user would: the `veriframe` command on PATH, clips in the folder, a home beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, SceneMaker

START = "2026-10-01T08:00:00Z"
_SHIM = '#!/bin/sh\nexec "{python}" -m cli.main "$@"\n'


@dataclass(frozen=True, slots=True)
class Place:
    """A working folder; `home` is the home that commands use when none is named."""

    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "evidence"

    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables, "VERIFRAME_HOME": str(self.home)}

    def run(self, *arguments: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
        """Run `veriframe` with these arguments."""
        return self.shell(["veriframe", *map(str, arguments)], **more)

    def shell(self, command: list[str] | str, **more: object) -> subprocess.CompletedProcess[str]:
        """Run any command, a text through bash."""
        line = ["bash", "-c", command] if isinstance(command, str) else command
        ended = subprocess.run(  # type: ignore[call-overload]
            line, cwd=self.folder, env=self.environment(), capture_output=True, text=True, timeout=300, **more
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended

    def ok(self, *arguments: str | Path) -> str:
        """Run a command that has to succeed, and give its stdout."""
        ended = self.run(*arguments)
        assert ended.returncode == 0, f"{arguments}: {ended.returncode}\n{ended.stdout}{ended.stderr}"
        return ended.stdout


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PATH with `veriframe` first, and the repository's packages."""
    folder = tmp_path_factory.mktemp("bin")
    shim = folder / "veriframe"
    shim.write_text(_SHIM.format(python=sys.executable))
    shim.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}


@pytest.fixture(scope="session")
def _empty(variables: dict[str, str], scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place(tmp_path_factory.mktemp("empty"), variables)
    shutil.copy(scene(seconds=12, gop=10), place.folder / "clip.mp4")
    shutil.copy(scene(seconds=12, gop=10, seed=2), place.folder / "other.mp4")
    (place.folder / "export").mkdir()
    shutil.copy(scene(seconds=12, gop=10), place.folder / "export/gate_2026-10-01_10-00-00.mp4")
    (place.folder / "veriframe.yaml").write_text("store:\n  url: file:store\n")
    place.ok("tamper", "excerpt", "clip.mp4", "doubtful.mp4")
    return place


@pytest.fixture(scope="session")
def _founded(_empty: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = _copied(_empty, tmp_path_factory.mktemp("founded"))
    place.ok("init", "--demo")
    return place


@pytest.fixture(scope="session")
def _recorded(_empty: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = _copied(_empty, tmp_path_factory.mktemp("recorded"))
    place.ok("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    place.ok("sample", "other.mp4", "--camera", "gate-2", "--start", START, "--enrol")
    place.ok("trust", "export", "--single-operator", "-o", "trust.json")
    return place


def _copied(place: Place, folder: Path) -> Place:
    shutil.copytree(place.folder, folder, dirs_exist_ok=True)
    return Place(folder, place.variables)


Places = Callable[[str], Place]


@pytest.fixture
def places(_empty: Place, _founded: Place, _recorded: Place, tmp_path: Path) -> Places:
    """A fresh copy of a prepared place: `empty` (clips only), `founded` (a demo home too), `recorded` (two cameras)."""
    prepared = {"empty": _empty, "founded": _founded, "recorded": _recorded}
    return lambda name: _copied(prepared[name], tmp_path)


@pytest.fixture
def empty(places: Places) -> Place:
    return places("empty")


@pytest.fixture
def founded(places: Places) -> Place:
    return places("founded")


@pytest.fixture
def recorded(places: Places) -> Place:
    return places("recorded")
