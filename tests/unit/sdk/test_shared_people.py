"""The same openings in a database that several machines share, and names behind pseudonyms."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from evidence.commitments import text_commitment
from evidence.errors import ConfigInvalid, Malformed, StoreUnavailable
from sdk.people import open_people
from sdk.shared_people import METADATA, SharedPeople, upgrade


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'people.db'}"


@pytest.fixture
def people(url: str, clock: Any) -> Iterator[SharedPeople]:
    with SharedPeople(url, now=clock) as opened:
        yield opened


def test_a_text_is_found_behind_its_commitment(people: SharedPeople, url: str, clock: Any) -> None:
    commitment = people.commit("Zu\u0308rich, second floor", subject="camera porch")
    with SharedPeople(url, now=clock) as again:
        opening = again.opening(commitment)
    assert opening is not None
    assert (opening.text, opening.subject) == ("Zürich, second floor", "camera porch")
    assert text_commitment(opening.salt, opening.text) == commitment
    assert people.opening(bytes(32)) is None
    assert people.commit("same", subject="a") != people.commit("same", subject="a")


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000, "\ud800"])
def test_texts_that_cannot_be_committed_to_are_refused(people: SharedPeople, text: str) -> None:
    with pytest.raises(ConfigInvalid):
        people.commit(text, subject="s")


def test_an_edited_opening_is_noticed(people: SharedPeople, tmp_path: Path) -> None:
    commitment = people.commit("the reason", subject="s")
    raw = sqlite3.connect(tmp_path / "people.db")
    raw.execute("UPDATE openings SET text='another reason'")
    raw.commit()
    raw.close()
    with pytest.raises(Malformed, match="not the one"):
        people.opening(commitment)


def test_a_name_is_remembered_replaced_and_forgotten(people: SharedPeople) -> None:
    assert people.name_of("po-7") is None
    people.remember("po-7", "Wilhelmina Ōta")
    people.remember("po-7", "Wilhelmina Brown")
    assert people.name_of("po-7") == "Wilhelmina Brown"
    people.forget("po-7")
    assert people.name_of("po-7") is None


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(url: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        upgrade(connection)
        upgrade(connection)  # up to date is up to date
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_what_is_no_database_is_said_in_words(tmp_path: Path, clock: Any) -> None:
    for wrong in ("people.db", "nosuch://x", ""):
        with pytest.raises(ConfigInvalid, match="address of a database"):
            SharedPeople(wrong, now=clock)
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(os.urandom(8192))
    for url in (f"sqlite:///{damaged}", f"sqlite:///{tmp_path}/no/such/folder/people.db"):
        with pytest.raises(StoreUnavailable, match="cannot be used"):
            SharedPeople(url, now=clock)


def test_settings_choose_between_a_file_and_a_database(tmp_path: Path, url: str, clock: Any) -> None:
    for where in (None, url):
        with open_people(tmp_path / "file.db", where, now=clock) as people:
            commitment = people.commit("a reason", subject="s")
        with open_people(tmp_path / "file.db", where, now=clock) as people:
            opening = people.opening(commitment)
            assert opening is not None
            assert opening.text == "a reason"
    assert (tmp_path / "file.db").exists()
