"""Fixtures of the custody tests: a clock, a recorder in miniature, a spool, and a whole demo site."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdk.acting import act_as, enrol_demo_camera
from sdk.home import open_home
from sdk.index import Index
from sdk.init import init_home
from sdk.keys import load_key
from sdk.spool import Spool
from sdk.store import FileStore
from tests.unit.sdk.miniature import START_US, Recorder, Site, Ticking


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_recorder() -> Callable[..., Recorder]:
    return Recorder


@pytest.fixture
def spool(tmp_path: Path, clock: Ticking) -> Iterator[Spool]:
    with Spool(tmp_path / "spool", now=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def demo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once; tests get copies."""
    clock = Ticking()
    path = tmp_path_factory.mktemp("demo") / "home"
    home = init_home(path, demo=True, now=clock).home
    enrol_demo_camera(home, "gate-1", ip="10.0.4.17", now=clock)
    return path


@pytest.fixture
def site(demo_home: Path, tmp_path: Path) -> Iterator[Site]:
    shutil.copytree(demo_home, tmp_path / "home")
    clock = Ticking(now_us=START_US + 60_000_000)
    home = open_home(tmp_path / "home")
    with Spool(home.spool, now=clock) as spool, Index(home.index) as index:
        ledger = act_as(home, "recorder", now=clock)
        recorder = Recorder(signer=load_key(home.device_key("gate-1")))
        yield Site(
            home=home, spool=spool, store=FileStore(home.store), index=index, ledger=ledger, recorder=recorder,
            clock=clock,
        )  # fmt: skip
        ledger.close()
