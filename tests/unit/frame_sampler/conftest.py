"""Homes to import into: made once, with a policy that samples nothing or the default one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from evidence.canonical import canonical
from evidence.digests import to_base64
from evidence.policy import DEFAULT_POLICY, Policy
from frame_sampler.importer import Imported, import_file
from sdk.acting import act_as, enrol_demo_camera
from sdk.home import Home
from sdk.init import MANAGER, init_home
from sdk.settings import StoreSettings

# 1 November 2025, 10:40 UTC.
START_US = 1_761_993_600_000_000
CLEAR = StoreSettings()
UNSAMPLED = replace(DEFAULT_POLICY, minimum_per_s=0, maximum_per_s=0)


def now_us() -> int:
    return time.time_ns() // 1000


HomeMaker = Callable[..., Home]


@pytest.fixture(scope="session")
def make_home(tmp_path_factory: pytest.TempPathFactory) -> HomeMaker:
    """Make a demo home whose cameras `gate-1` and `gate-2` are approved."""

    def make(*, policy: Policy = DEFAULT_POLICY) -> Home:
        home = init_home(tmp_path_factory.mktemp("home") / "h", demo=True, now=now_us).home
        for camera in ("gate-1", "gate-2"):
            enrol_demo_camera(home, camera, now=now_us)
        if policy != DEFAULT_POLICY:
            manager = act_as(home, MANAGER, now=now_us)
            try:
                manager.submit("set_policy", canonical({"policy": to_base64(policy.canonical())}))
            finally:
                manager.close()
        return home

    return make


def bring_in(
    home: Home, path: Path, *, camera: str = "gate-1", start_us: int = START_US, **options: object
) -> Imported:
    """Import a file into a clear store."""
    settings: dict[str, object] = {"store": CLEAR, "now": now_us} | options
    return import_file(home, path, camera=camera, start_us=start_us, **settings)  # type: ignore[arg-type]
