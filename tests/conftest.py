"""What tests ask for by name: footage, published vectors, rendered scenes, programs of the system.

A test says what it cannot run without, by fixture (`footage`) or by marker (`@pytest.mark.needs("ffmpeg")`).
Where that is missing the test is skipped and the reason names it; `VERIFRAME_REQUIRE=footage,ffmpeg` turns
those skips into failures, so that a machine which should have everything cannot pass by lacking it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from sdk.hfc_process import ENVIRONMENT, hfc_python

REPOSITORY = Path(__file__).resolve().parent.parent
FABRIC_PROGRAMS = ("peer", "orderer", "configtxgen", "configtxlator", "osnadmin")


def _directory(variable: str, beside: str) -> Path:
    """The directory that `variable` names, else `../shared/<beside>` next to the repository."""
    named = os.environ.get(variable)
    return Path(named) if named else REPOSITORY.parent / "shared" / beside


def footage_directory() -> Path:
    return _directory("VERIFRAME_FOOTAGE", "footage")


def vectors_directory() -> Path:
    return _directory("VERIFRAME_VECTORS", "vectors")


def fabric_program(name: str) -> Path | None:
    """Where a program of Hyperledger Fabric stands: FABRIC_BIN, PATH, then the user's cache."""
    named = os.environ.get("FABRIC_BIN")
    if named and (Path(named) / name).is_file():
        return Path(named) / name
    found = shutil.which(name)
    if found:
        return Path(found)
    cached = Path.home() / ".cache/veriframe/fabric/bin" / name
    return cached if cached.is_file() else None


def _programs(*names: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        lacking = [name for name in names if shutil.which(name) is None]
        return f"program {', '.join(lacking)} not on PATH" if lacking else None

    return missing


def _files(where: Callable[[], Path], variable: str, landmark: str) -> Callable[[], str | None]:
    def missing() -> str | None:
        return None if (where() / landmark).exists() else f"no {landmark} in {where()} (set {variable})"

    return missing


def postgres_program(name: str) -> Path | None:
    """Where a program of PostgreSQL's server stands: POSTGRES_BIN, PATH, then where Debian puts them, newest first."""
    named = os.environ.get("POSTGRES_BIN")
    found = None if named else shutil.which(name)
    if found:
        return Path(found)
    places = [Path(named)] if named else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place / name for place in places if (place / name).is_file()), None)


def _postgres_missing() -> str | None:
    lacking = [name for name in ("initdb", "postgres") if postgres_program(name) is None]
    return f"PostgreSQL's program {', '.join(lacking)} not in POSTGRES_BIN or on PATH" if lacking else None


def _fabric_missing() -> str | None:
    lacking = [name for name in FABRIC_PROGRAMS if fabric_program(name) is None]
    return f"Fabric program {', '.join(lacking)} not in FABRIC_BIN, on PATH or in the cache" if lacking else None


def _node_missing() -> str | None:
    installed, lock = (REPOSITORY / "tests/fabric/node" / name for name in ("node_modules/.ready", "package-lock.json"))
    if shutil.which("node") is None:
        return "program node not on PATH"
    if not installed.is_file() or installed.read_bytes() != lock.read_bytes():
        return "Hyperledger's Node packages not in tests/fabric/node (make node; needs Node 20.19)"
    return None


def _hfc_missing() -> str | None:
    return None if hfc_python(os.environ, Path.home()) else f"hfc's environment is not there (make hfc, {ENVIRONMENT})"


@cache
def _netns_missing() -> str | None:
    """Tried out, because what a container may do does not show otherwise."""
    if shutil.which("ip") is None:
        return "program ip not on PATH (package iproute2)"
    name = f"veriframe-{os.getpid()}"
    within = ("ip", "-n", name, "link", "add")
    try:
        for command in (
            ("ip", "netns", "add", name),
            (*within, "name", "left", "type", "veth", "peer", "name", "right"),
            (*within, "name", "middle", "type", "bridge"),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                return f"no network namespaces for this user: {done.stderr.strip()[:200]}"
        return None
    finally:
        subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)


# One row per thing a test may need: its name, and a function that says what is missing (None: nothing).
REQUIREMENTS: Mapping[str, Callable[[], str | None]] = {
    "footage": _files(footage_directory, "VERIFRAME_FOOTAGE", "one_by_one_person.mp4"),
    "vectors": _files(vectors_directory, "VERIFRAME_VECTORS", "merkle"),
    "ffmpeg": _programs("ffmpeg", "ffprobe"),
    "mkvtoolnix": _programs("mkvmerge"),
    "gstreamer": _programs("gst-launch-1.0"),
    "postgres": _postgres_missing,
    "fabric": _fabric_missing,
    "netns": _netns_missing,
    "hfc": _hfc_missing,
    "node": _node_missing,
}


def demanded() -> frozenset[str]:
    """The names in VERIFRAME_REQUIRE."""
    return frozenset(filter(None, (name.strip() for name in os.environ.get("VERIFRAME_REQUIRE", "").split(","))))


def require(name: str) -> None:
    """Skip the running test when `name` is missing, or fail it when VERIFRAME_REQUIRE asks for it."""
    missing = REQUIREMENTS[name]()
    if missing is None:
        return
    if name in demanded():
        pytest.fail(f"VERIFRAME_REQUIRE names {name}, but: {missing}", pytrace=False)
    pytest.skip(f"needs {name}: {missing}")


def pytest_configure(config: pytest.Config) -> None:
    unknown = demanded() - REQUIREMENTS.keys()
    if unknown:
        raise pytest.UsageError(f"VERIFRAME_REQUIRE names {sorted(unknown)}; known are {sorted(REQUIREMENTS)}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in item.iter_markers("needs"):
            unknown = set(marker.args) - REQUIREMENTS.keys()
            if unknown:
                raise pytest.UsageError(f"{item.nodeid}: unknown requirement {sorted(unknown)}")


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            require(name)


@pytest.fixture(autouse=True, scope="session")
def own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the developer's own home, settings and VERIFRAME_ variables out of every test."""
    patch = pytest.MonkeyPatch()
    private = tmp_path_factory.mktemp("user")
    for variable in [name for name in os.environ if name.startswith("VERIFRAME_")]:
        if variable not in ("VERIFRAME_REQUIRE", "VERIFRAME_FOOTAGE", "VERIFRAME_VECTORS"):
            patch.delenv(variable)
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        patch.setenv(variable, str(private / variable.lower()))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def footage() -> Path:
    """The directory of real clips; never part of the repository."""
    require("footage")
    return footage_directory()


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The directory of published test vectors; never part of the repository."""
    require("vectors")
    return vectors_directory()


class SceneMaker(Protocol):
    def __call__(self, *, seconds: float, seed: int = 1, **options: Any) -> Path: ...


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SceneMaker:
    """Render a CCTV-like scene; the same arguments give the same file within one run. Copy it before changing it."""
    from media.scene import render_scene

    directory = tmp_path_factory.mktemp("scenes")
    made: dict[tuple[tuple[str, object], ...], Path] = {}

    def make(*, seconds: float, seed: int = 1, **options: Any) -> Path:
        options = {"fps": 10, "width": 320, "height": 180, **options, "seconds": seconds, "seed": seed}
        key = tuple(sorted(options.items()))
        if key not in made:
            path = directory / f"scene-{len(made)}{options.pop('suffix', '.mp4')}"
            render_scene(path, **options)
            made[key] = path
        return made[key]

    return make


@pytest.fixture
def nobody() -> Iterator[None]:
    """A user whom permissions bind: root puts on another one's while the test runs."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)
