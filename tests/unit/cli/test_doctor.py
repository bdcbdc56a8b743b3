"""What `doctor` says of optional things."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.doctor import Check, _programs


def said(name: str) -> Check:
    return next(check for check in _programs() if check.name == name)


def test_the_environment_of_hfc_is_named_or_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HFC_VENV", str(tmp_path))
    lacking = said("hfc environment")
    assert (lacking.outcome, "make hfc" in lacking.next_step) == ("lacks", True)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    (tmp_path / ".ready").touch()
    made = said("hfc environment")
    assert (made.outcome, made.found, made.next_step) == ("ok", str(tmp_path), "")
