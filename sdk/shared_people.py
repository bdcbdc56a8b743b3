"""An organisation's openings and names in a database that its machines share: SQLite or PostgreSQL.

The same openings as `sdk.people` keeps for one home, and beside them the names behind pseudonyms. Needs the extra
`server`. The tables are made and brought up to date by Alembic, see `people_versions`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    BigInteger,
    Column,
    LargeBinary,
    MetaData,
    Row,
    String,
    Table,
    Text,
    create_engine,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from evidence.commitments import text_commitment
from evidence.errors import ConfigInvalid, StoreUnavailable
from sdk.people import SALT_BYTES, Opening, checked, prepared

_LOCK = 0x56465045  # "VFPE": any number that nothing else in this database locks

METADATA = MetaData()
OPENINGS = Table(
    "openings",
    METADATA,
    Column("commitment", LargeBinary(32), primary_key=True),
    Column("salt", LargeBinary(32), nullable=False),
    Column("text", Text, nullable=False),
    Column("subject", String(256), nullable=False, index=True),
    Column("made_us", BigInteger, nullable=False),
)
PERSONS = Table(
    "persons",
    METADATA,
    Column("participant", String(63), primary_key=True),
    Column("name", Text, nullable=False),
    Column("made_us", BigInteger, nullable=False),
)


class SharedPeople:
    """Openings and names; see `sdk.people.People`, whose `commit` and `opening` it has.

    Args:
        url: as SQLAlchemy writes it: `sqlite:///people.db`, `postgresql+psycopg://host/name`. Secrets do not belong
            into it: PostgreSQL takes them from its own password file or service file.

    Raises:
        ConfigInvalid: no such kind of database, or its driver is not installed. StoreUnavailable: it is away.
    """

    def __init__(self, url: str, *, now: Callable[[], int]) -> None:
        self._now = now
        try:
            self._engine = create_engine(url, poolclass=NullPool if url.startswith("sqlite") else None)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            raise ConfigInvalid(
                "this is not the address of a database that can be used here",
                next_step="write it like sqlite:///people.db or postgresql+psycopg://host/name, and install its driver",
            ) from error
        with self._transaction() as connection:
            upgrade(connection)

    def __enter__(self) -> SharedPeople:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._engine.dispose()

    def commit(self, text: str, *, subject: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """Keep `text` and give its commitment, 32 bytes, for the ledger; durable before this returns.

        Raises:
            ConfigInvalid: empty or longer than 4 KiB. StoreUnavailable: the database is away.
        """
        normal, salt = prepared(text, subject=subject), random(SALT_BYTES)
        commitment = text_commitment(salt, normal)
        row = {"commitment": commitment, "salt": salt, "text": normal, "subject": subject, "made_us": self._now()}
        with self._transaction() as connection:
            connection.execute(OPENINGS.insert().values(row))
        return commitment

    def opening(self, commitment: bytes) -> Opening | None:
        """The text behind a commitment, None where it is not here.

        Raises:
            Malformed: salt and text kept here are not what was committed to. StoreUnavailable.
        """
        with self._transaction() as connection:
            found = connection.execute(select(OPENINGS).where(OPENINGS.c.commitment == commitment)).first()
        return None if found is None else _opening(found)

    def openings(self, subject: str | None = None) -> Sequence[Opening]:
        """All openings, or those about a subject and what lies below it, oldest first. Raises as `opening` does."""
        wanted = select(OPENINGS).order_by(OPENINGS.c.made_us, OPENINGS.c.commitment)
        if subject is not None:
            column = OPENINGS.c.subject
            below = func.substr(column, 1, len(subject) + 1) == f"{subject}/"
            wanted = wanted.where(or_(column == subject, below))
        with self._transaction() as connection:
            return [_opening(each) for each in connection.execute(wanted)]

    def drop(self, commitment: bytes) -> bool:
        """Delete a text; the commitment on the ledger stays, and nobody can say any more of what. False: none."""
        with self._transaction() as connection:
            return connection.execute(delete(OPENINGS).where(OPENINGS.c.commitment == commitment)).rowcount > 0

    def remember(self, participant: str, name: str) -> None:
        """Keep the name behind a pseudonym, in place of the one before it. Raises as `commit` does."""
        row = {"participant": participant, "name": prepared(name, subject=participant), "made_us": self._now()}
        with self._transaction() as connection:
            # Two machines that name the same person at once must not trip over each other's new row.
            _lock(connection)
            connection.execute(delete(PERSONS).where(PERSONS.c.participant == participant))
            connection.execute(PERSONS.insert().values(row))

    def name_of(self, participant: str) -> str | None:
        """The name behind a pseudonym, None where nobody told it."""
        with self._transaction() as connection:
            name = connection.execute(select(PERSONS.c.name).where(PERSONS.c.participant == participant)).scalar()
        return None if name is None else str(name)

    def names(self) -> Mapping[str, str]:
        """All names by pseudonym."""
        with self._transaction() as connection:
            found = connection.execute(select(PERSONS.c.participant, PERSONS.c.name).order_by(PERSONS.c.participant))
            return {str(participant): str(name) for participant, name in found}

    def forget(self, participant: str) -> bool:
        """Delete a name; the pseudonym on the ledger stays and then stands for nobody. False: there was none."""
        with self._transaction() as connection:
            return connection.execute(delete(PERSONS).where(PERSONS.c.participant == participant)).rowcount > 0

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreUnavailable(
                "the database of openings and names cannot be used",
                where=self._engine.url.render_as_string(hide_password=True),
                next_step="check that it runs and may be written",
            ) from error


def _opening(row: Row[Any]) -> Opening:
    opening = Opening(
        commitment=bytes(row.commitment), salt=bytes(row.salt), text=str(row.text), subject=str(row.subject)
    )
    return checked(opening, where=opening.subject)


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Bring the tables up to a revision, from whatever they are."""
    _lock(connection)
    command.upgrade(_migrations(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Take the tables back to a revision, `base` for none of them; what they held beyond it is gone."""
    _lock(connection)
    command.downgrade(_migrations(connection), revision)


def _migrations(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("people_versions")))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _lock(connection: Connection) -> None:
    """Wait for other machines' changes to end; ours begin after them. Held until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
    elif connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
