"""Openings: the texts behind the commitments on the ledger, and the names behind its pseudonyms. Back this file up.

The ledger keeps SHA-256(salt, text) of reasons and purposes for ever and shows it to everybody; who may know a text is
shown salt and text from here and can check them. Names are on no ledger at all. What is forgotten here is gone: its
commitment or pseudonym stays on the ledger and then stands for nothing.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from evidence.commitments import text_commitment
from evidence.errors import ConfigInvalid, Malformed
from sdk.database import Database

SALT_BYTES = 32
MAX_TEXT_BYTES = 4096
_WHAT = "the file of openings"
_REPAIR = "restore it from a back-up: these texts cannot be made again"
_VERSION = 1
_PERSONS = """
CREATE TABLE IF NOT EXISTS persons(
  participant TEXT PRIMARY KEY, name TEXT NOT NULL, made_us INTEGER NOT NULL) STRICT, WITHOUT ROWID
"""
_SCHEMA = f"""
CREATE TABLE openings(
  commitment BLOB PRIMARY KEY, salt BLOB NOT NULL, text TEXT NOT NULL, subject TEXT NOT NULL, made_us INTEGER NOT NULL)
  STRICT, WITHOUT ROWID;
{_PERSONS}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A text and what proves that it is the one committed to; `subject` says about whom or what."""

    commitment: bytes
    salt: bytes
    text: str
    subject: str


class Openings(Protocol):
    """Where openings and names are kept; a file of the home, or a database (`sdk.shared_people`)."""

    def commit(self, text: str, *, subject: str) -> bytes: ...

    def opening(self, commitment: bytes) -> Opening | None: ...

    def openings(self, subject: str | None = None) -> Sequence[Opening]: ...

    def drop(self, commitment: bytes) -> bool: ...

    def remember(self, participant: str, name: str) -> None: ...

    def name_of(self, participant: str) -> str | None: ...

    def names(self) -> Mapping[str, str]: ...

    def forget(self, participant: str) -> bool: ...

    def close(self) -> None: ...


@contextmanager
def open_people(path: Path, url: str | None, *, now: Callable[[], int]) -> Iterator[Openings]:
    """The openings at `url`, or in the file at `path` where there is no url.

    Raises:
        ConfigInvalid: the url needs libraries that are not installed, or is none. StoreUnavailable: it is away.
    """
    found: Openings
    if url is None:
        found = People(path, now=now)
    else:
        try:
            from sdk.shared_people import SharedPeople
        except ImportError as error:
            raise ConfigInvalid(
                "the libraries for SQL databases are not installed",
                where="people.url",
                next_step="install veriframe[server]",
            ) from error
        found = SharedPeople(url, now=now)
    try:
        yield found
    finally:
        found.close()


class People:
    """The file `people.db` of a home."""

    def __init__(self, path: Path, *, now: Callable[[], int]) -> None:
        """Open or make it. Raises as `Database` does."""
        self._now = now
        self._db = Database(path, schema=_SCHEMA, version=_VERSION, what=_WHAT, repair=_REPAIR)
        if self._db.row("SELECT name FROM sqlite_master WHERE name='persons'", kinds="t") is None:
            # Made before names were kept here; a table more disturbs nobody who knows only the other.
            self._db.run(_PERSONS, ())

    def __enter__(self) -> People:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def commit(self, text: str, *, subject: str, random: Callable[[int], bytes] = os.urandom) -> bytes:
        """Keep `text` and give its commitment, 32 bytes, for the ledger.

        The opening is durable before this returns: a commitment on the ledger without its text could never be read.

        Raises:
            ConfigInvalid: empty or longer than 4 KiB.
        """
        normal = prepared(text, subject=subject)
        salt = random(SALT_BYTES)
        commitment = text_commitment(salt, normal)
        self._db.run(
            "INSERT INTO openings VALUES(?,?,?,?,?) ON CONFLICT DO NOTHING",
            (commitment, salt, normal, subject, self._now()),
        )
        return commitment

    def opening(self, commitment: bytes) -> Opening | None:
        """The text behind a commitment, None where this file does not hold it.

        Raises:
            Malformed: salt and text kept here are not what was committed to: the file was edited.
        """
        found = self._db.row("SELECT salt, text, subject FROM openings WHERE commitment=?", (commitment,), kinds="btt")
        return None if found is None else self._checked(commitment, *found)

    def openings(self, subject: str | None = None) -> Sequence[Opening]:
        """All openings, or those about a subject and what lies below it, oldest first. Raises as `opening` does."""
        rows = self._db.rows(
            "SELECT commitment, salt, text, subject FROM openings WHERE ?1 IS NULL OR subject=?1 "
            "OR substr(subject, 1, length(?1) + 1)=?1 || '/' ORDER BY made_us, commitment",
            (subject,),
            kinds="bbtt",
        )
        return [self._checked(*row) for row in rows]

    def drop(self, commitment: bytes) -> bool:
        """Delete a text; the commitment on the ledger stays, and nobody can say any more of what. False: none."""
        return self._db.erase("DELETE FROM openings WHERE commitment=?", (commitment,)) > 0

    def remember(self, participant: str, name: str) -> None:
        """Keep the name behind a pseudonym, in place of the one before it. Raises as `commit` does."""
        row = (participant, prepared(name, subject=participant), self._now())
        self._db.erase("INSERT OR REPLACE INTO persons VALUES(?,?,?)", row)

    def name_of(self, participant: str) -> str | None:
        """The name behind a pseudonym, None where nobody told it."""
        found = self._db.row("SELECT name FROM persons WHERE participant=?", (participant,), kinds="t")
        return None if found is None else str(found[0])

    def names(self) -> Mapping[str, str]:
        """All names by pseudonym."""
        return dict(self._db.rows("SELECT participant, name FROM persons ORDER BY participant", kinds="tt"))

    def forget(self, participant: str) -> bool:
        """Delete a name; the pseudonym on the ledger stays and then stands for nobody. False: there was none."""
        return self._db.erase("DELETE FROM persons WHERE participant=?", (participant,)) > 0

    def _checked(self, commitment: bytes, salt: bytes, text: str, subject: str) -> Opening:
        opening = Opening(commitment=commitment, salt=salt, text=text, subject=subject)
        return checked(opening, where=f"{self._db.path}: {subject}")


def prepared(text: str, *, subject: str) -> str:
    """The text in normal form, as it is committed to.

    Raises:
        ConfigInvalid: empty, longer than 4 KiB, not Unicode text, or with a NUL character.
    """
    normal = unicodedata.normalize("NFC", text)
    try:
        size_bytes = len(normal.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise ConfigInvalid("the text holds characters that are not Unicode text", where=subject) from error
    if not normal.strip() or size_bytes > MAX_TEXT_BYTES:
        raise ConfigInvalid(f"a name, reason or purpose has 1 to {MAX_TEXT_BYTES} bytes of text", where=subject)
    if "\0" in normal:
        # PostgreSQL could not keep it; what one database takes and another does not is a trap.
        raise ConfigInvalid("the text holds a NUL character", where=subject, next_step="leave it out")
    return normal


def checked(opening: Opening, *, where: str) -> Opening:
    """The same opening. Raises Malformed where salt and text are not what was committed to: they were edited."""
    if text_commitment(opening.salt, opening.text) != opening.commitment:
        raise Malformed("the kept text is not the one that was committed to", where=where)
    return opening
