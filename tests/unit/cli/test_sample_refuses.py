"""What `sample` refuses before it records anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import cli.sample
from cli.main import app
from evidence.errors import ConfigInvalid


def test_nothing_is_recorded_where_pictures_cannot_be_fingerprinted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records without samples are signed and stay so: the lacking library is named before."""
    monkeypatch.setattr(cli.sample, "find_spec", lambda name: None)
    clip, home = tmp_path / "clip.mp4", tmp_path / "home"
    clip.write_bytes(b"")
    words = ["sample", str(clip), "--camera", "gate-1", "--start", "2026-11-01T14:00:00Z", "--home", str(home)]
    run = CliRunner().invoke(app, words)
    assert isinstance(run.exception, ConfigInvalid)
    assert "ImageHash" in str(run.exception) and "veriframe[sampler]" in str(run.exception)
    assert not home.exists()
