"""Homes with real recordings in them, made once and copied for whoever wants to spoil one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cli.recording import Source, drain, record
from sdk.acting import enrol_demo_camera
from sdk.home import Home
from sdk.init import init_home
from sdk.settings import Settings

START_US = 1_750_000_000_000_000


def now_us() -> int:
    return time.time_ns() // 1000


def quiet(fraction: float, text: str) -> None:
    """Nobody watches."""


def make_home(path: Path, clips: Sequence[tuple[str, Path]], *, start_us: int = START_US, anchor: bool = True) -> Home:
    """A demo home in which every (camera, clip) was recorded, all beginning at `start_us`, and anchored."""
    home = init_home(path, demo=True, now=now_us).home
    for camera in dict.fromkeys(camera for camera, _ in clips):
        enrol_demo_camera(home, camera, now=now_us)
    for camera, clip in clips:
        record(home, Settings(), camera, Source(path=clip, start_us=start_us), quiet, None)
    if anchor:
        drained = drain(home, Settings(), patience_s=0)
        assert drained.complete, drained
    return home
