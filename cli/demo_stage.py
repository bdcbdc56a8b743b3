"""The demo's stage: two clips, a home that recorded both, and a forger's home that recorded the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cli.acting import genesis_of, now_us
from cli.demo_cases import CAMERAS
from cli.demo_packets import read_clip
from cli.recording import Source, drain, may_record, record
from cli.trust import home_trust
from evidence.errors import StoreUnavailable
from evidence.trust import Trust
from media.scene import render_scene
from sdk.home import open_home
from sdk.init import init_home
from sdk.settings import Settings

START_US = 1_767_268_800_000_000
START = "2026-01-01T12:00:00Z"  # the same moment; the scenes' burned-in clocks begin there too
STEPS = 4
_SECONDS, _RATE, _GOP = 30, 12, 12  # long enough for every edit, short enough for a minute on two cores
_ENCODERS = {"h264": "libx264", "hevc": "libx265", "mpeg4": "mpeg4", "mjpeg": "mjpeg"}
_IN_MP4 = ("h264", "hevc", "av1", "mpeg4")

Told = Callable[[int, str], None]
"""Told the step that begins, 0 to STEPS - 1, and what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`clips` are those of the two cameras; `suffix` and `other_suffix` name containers that take the first's codec."""

    folder: Path
    clips: tuple[Path, Path]
    unknown: Path
    suffix: str
    other_suffix: str
    trust: Trust

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def forged(self) -> Path:
        return self.folder / "forged"


def set_stage(folder: Path, source: Path | None, told: Told) -> Stage:
    """Make the clips and record them.

    Args:
        source: the first camera's clip, only read; None: a rendered scene.
    """
    first = source if source is not None else folder / f"{CAMERAS[0]}.mp4"
    second, unknown = folder / f"{CAMERAS[1]}.mp4", folder / "unknown.mp4"
    told(0, "rendering what the cameras see")
    if source is None:
        _render(first, title="GATE 1", seed=1, codec="h264")
    codec = read_clip(first).codec
    _render(second, title="GATE 2", seed=2, codec=codec)
    told(1, "rendering a clip that nobody records")
    _render(unknown, title="CAM 9", seed=9, codec="h264", seconds=8)
    told(2, "recording and anchoring two cameras")
    _record(folder / "home", dict(zip(CAMERAS, (first, second), strict=True)))
    told(3, "a forger records the first clip as their own")
    _record(folder / "forged", {CAMERAS[0]: first})
    trust = home_trust(genesis_of(open_home(folder / "home")), single_operator=True)
    (folder / "trust.json").write_bytes(trust.canonical())
    suffix = "mp4" if codec in _IN_MP4 else first.suffix.lstrip(".").lower()
    # Transport streams carry H.264 and H.265 unchanged, older codings not.
    other = "ts" if codec in ("h264", "hevc") and first.suffix.lower() != ".ts" else "mkv"
    return Stage(folder=folder, clips=(first, second), unknown=unknown, suffix=suffix, other_suffix=other, trust=trust)


def _render(path: Path, *, title: str, seed: int, codec: str, seconds: float = _SECONDS) -> None:
    encoder = _ENCODERS.get(codec, "libx264")
    rate = None if encoder in ("libx264", "libx265") else 1_000_000
    render_scene(
        path, seconds=seconds, fps=_RATE, gop=_GOP, width=640, height=360, seed=seed, title=title, start_us=START_US,
        codec=encoder, bitrate=rate,
    )  # fmt: skip


def _record(path: Path, clips: Mapping[str, Path]) -> None:
    home = init_home(path, demo=True, now=now_us).home
    settings = Settings()  # not the user's: the demo is the same wherever it runs
    for number, (camera, clip) in enumerate(clips.items()):
        may_record(home, camera, ip=f"192.0.2.{number + 1}", enrol=True, quiet=True)
        record(home, settings, camera, Source(path=clip, start_us=START_US), lambda share, text: None, None)
    drained = drain(home, settings)
    if not drained.complete:
        reason = drained.troubles[0].reason if drained.troubles else "the ledger took nothing"
        raise StoreUnavailable(f"what was recorded could not be anchored: {reason}", where=str(path))
