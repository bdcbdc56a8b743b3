"""Openings: durable before the commitment is used, and checked when they are read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.commitments import text_commitment
from evidence.errors import ConfigInvalid, Malformed
from sdk.people import People


@pytest.fixture
def people(tmp_path: Path, clock: Any) -> Iterator[People]:
    with People(tmp_path / "people.db", now=clock) as opened:
        yield opened


def test_a_text_is_found_behind_its_commitment(people: People, tmp_path: Path, clock: Any) -> None:
    commitment = people.commit("lens covered since Monday", subject="camera gate-1")
    with People(tmp_path / "people.db", now=clock) as again:
        opening = again.opening(commitment)
    assert opening is not None
    assert (opening.text, opening.subject) == ("lens covered since Monday", "camera gate-1")
    assert text_commitment(opening.salt, opening.text) == commitment
    assert people.opening(bytes(32)) is None


def test_the_same_text_twice_gives_two_commitments(people: People) -> None:
    assert people.commit("same", subject="a") != people.commit("same", subject="a")


def test_text_is_kept_in_normal_form(people: People) -> None:
    opening = people.opening(people.commit("Zu\u0308rich", subject="place"))
    assert opening is not None
    assert opening.text == "Zürich"


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000, "\ud800"])
def test_texts_that_cannot_be_committed_to_are_refused(people: People, text: str) -> None:
    with pytest.raises(ConfigInvalid):
        people.commit(text, subject="s")


def test_an_edited_opening_is_noticed(people: People, tmp_path: Path) -> None:
    commitment = people.commit("the reason", subject="s")
    with sqlite3.connect(tmp_path / "people.db") as raw:
        raw.execute("UPDATE openings SET text='another reason'")
    raw.close()
    with pytest.raises(Malformed, match="not the one"):
        people.opening(commitment)
