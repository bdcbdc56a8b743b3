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


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000, "\ud800", "a\0b"])
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


def test_openings_are_found_by_what_they_are_about_and_dropped(people: People) -> None:
    for subject in ("grant/gate-1/po-7", "grant/gate-1", "grant/gate-10"):
        people.commit(f"about {subject}", subject=subject)
    found = people.openings("grant/gate-1")
    assert {each.subject for each in found} == {"grant/gate-1", "grant/gate-1/po-7"}
    assert people.drop(found[0].commitment)
    assert not people.drop(found[0].commitment)
    assert people.opening(found[0].commitment) is None
    assert len(people.openings()) == 2


def test_a_name_is_remembered_replaced_and_forgotten_without_a_trace(people: People, tmp_path: Path) -> None:
    people.remember("po-7", "Wilhelmina Ōta")
    people.remember("po-7", "Wilhelmina Brown")
    assert (people.name_of("po-7"), people.names()) == ("Wilhelmina Brown", {"po-7": "Wilhelmina Brown"})
    assert people.forget("po-7")
    assert not people.forget("po-7")
    assert people.name_of("po-7") is None
    files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Wilhelmina" not in files, "neither in the file nor in its journal"


def test_a_file_made_before_names_were_kept_takes_them(tmp_path: Path, clock: Any) -> None:
    path = tmp_path / "people.db"
    with People(path, now=clock) as people:
        commitment = people.commit("an old reason", subject="s")
    with sqlite3.connect(path) as raw:
        raw.execute("DROP TABLE persons")
    raw.close()
    with People(path, now=clock) as people:
        people.remember("po-7", "Wilhelmina")
        assert people.name_of("po-7") == "Wilhelmina"
        assert people.opening(commitment) is not None
