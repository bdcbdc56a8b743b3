"""Homes to import into, made once: one with the default policy, one whose policy samples nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk.home import Home
from tests.unit.frame_sampler.importing import UNSAMPLED, make_home


@pytest.fixture(scope="session")
def sampling_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("sampling") / "home")


@pytest.fixture(scope="session")
def plain_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_home(tmp_path_factory.mktemp("plain") / "home", policy=UNSAMPLED)


@pytest.fixture
def fresh_home(tmp_path: Path) -> Home:
    return make_home(tmp_path / "home", policy=UNSAMPLED)
