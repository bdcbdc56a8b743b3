"""The same openings in a database that several machines share, and names behind pseudonyms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from evidence.commitments import text_commitment
from evidence.errors import ConfigInvalid, Malformed, StoreUnavailable
from sdk.people import open_people
from sdk.shared_people import METADATA, SharedPeople, downgrade, upgrade
from tests.services.postgres import database, server

# The same list runs on both: SQLite for one machine, PostgreSQL for a site.
KINDS = [
    pytest.param("sqlite"),
    pytest.param("postgres", marks=[pytest.mark.needs("postgres"), pytest.mark.xdist_group("postgres")]),
]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    with server() as url:
        yield url


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'people.db'}"
        return
    with database(request.getfixturevalue("postgres"), "people") as made:
        yield made


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


@pytest.mark.parametrize("text", ["", "   ", "x" * 5000, "\ud800", "a\0b"])
def test_texts_that_cannot_be_committed_to_are_refused(people: SharedPeople, text: str) -> None:
    with pytest.raises(ConfigInvalid):
        people.commit(text, subject="s")


def test_an_edited_opening_is_noticed(people: SharedPeople, url: str) -> None:
    commitment = people.commit("the reason", subject="s")
    _execute(url, "UPDATE openings SET text='another reason'")
    with pytest.raises(Malformed, match="not the one"):
        people.opening(commitment)
    with pytest.raises(Malformed, match="not the one"):
        people.openings()


def test_openings_are_found_by_what_they_are_about(people: SharedPeople) -> None:
    for subject in ("grant/gate-1/po-7", "grant/gate-1", "grant/gate-10", "grant"):
        people.commit(f"about {subject}", subject=subject)
    assert {each.subject for each in people.openings("grant/gate-1")} == {"grant/gate-1", "grant/gate-1/po-7"}
    assert len(people.openings()) == 4
    assert people.openings("gran") == []
    assert people.openings("grant_gate-1") == [], "no wild cards"


def test_a_dropped_text_is_gone(people: SharedPeople) -> None:
    kept, dropped = (people.commit(text, subject="s") for text in ("kept", "dropped"))
    assert people.drop(dropped)
    assert not people.drop(dropped)
    assert people.opening(dropped) is None
    assert [each.commitment for each in people.openings()] == [kept]


def test_a_name_is_remembered_replaced_and_forgotten(people: SharedPeople) -> None:
    assert people.name_of("po-7") is None
    people.remember("po-7", "Wilhelmina Ōta")
    people.remember("po-7", "Wilhelmina Brown")
    assert people.name_of("po-7") == "Wilhelmina Brown"
    people.remember("ben", "Ben 'Bobby' 🎥 O'Neill")
    assert people.names() == {"ben": "Ben 'Bobby' 🎥 O'Neill", "po-7": "Wilhelmina Brown"}
    assert people.forget("po-7")
    assert not people.forget("po-7")
    assert people.name_of("po-7") is None


def test_the_migrations_make_exactly_the_tables_that_the_code_uses(url: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        upgrade(connection)
    with engine.begin() as connection:
        upgrade(connection)  # up to date is up to date
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


def test_the_migrations_go_down_and_up_again(url: str, clock: Any) -> None:
    with SharedPeople(url, now=clock) as people:
        people.remember("po-7", "Wilhelmina Ōta")
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        downgrade(connection, "base")
    with engine.connect() as connection:
        assert set(inspect(connection).get_table_names()) == {"alembic_version"}
    engine.dispose()
    with SharedPeople(url, now=clock) as people:
        assert people.names() == {}
        people.remember("po-7", "Wilhelmina Brown")
        assert people.name_of("po-7") == "Wilhelmina Brown"


def test_machines_that_open_a_new_database_at_once_all_find_its_tables(url: str, clock: Any) -> None:
    def use(number: int) -> str | None:
        with SharedPeople(url, now=clock) as people:
            people.remember("shared", f"name {number}")
            people.remember(f"person-{number}", f"name {number}")
            return people.name_of(f"person-{number}")

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(use, range(8))) == [f"name {number}" for number in range(8)]
    with SharedPeople(url, now=clock) as people:
        assert len(people.names()) == 9


def test_a_server_that_is_away_is_said_in_words(tmp_path: Path, clock: Any) -> None:
    with pytest.raises(StoreUnavailable, match="cannot be used") as told:
        SharedPeople(f"postgresql+psycopg://u:secret@/people?host={tmp_path}", now=clock)
    assert "secret" not in f"{told.value.detail}{told.value.where}{told.value.next_step}"


def test_what_is_no_database_is_said_in_words(tmp_path: Path, clock: Any) -> None:
    for wrong in ("people.db", "nosuch://x", ""):
        with pytest.raises(ConfigInvalid, match="address of a database"):
            SharedPeople(wrong, now=clock)
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(os.urandom(8192))
    for url in (f"sqlite:///{damaged}", f"sqlite:///{tmp_path}/no/such/folder/people.db"):
        with pytest.raises(StoreUnavailable, match="cannot be used"):
            SharedPeople(url, now=clock)


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def test_settings_choose_between_a_file_and_a_database(tmp_path: Path, url: str, clock: Any) -> None:
    for where in (None, url):
        with open_people(tmp_path / "file.db", where, now=clock) as people:
            commitment = people.commit("a reason", subject="s")
        with open_people(tmp_path / "file.db", where, now=clock) as people:
            opening = people.opening(commitment)
            assert opening is not None
            assert opening.text == "a reason"
    assert (tmp_path / "file.db").exists()
