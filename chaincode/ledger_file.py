"""The embedded ledger's file: tables, connections, and what SQLite's errors mean.

One SQLite transaction holds one ledger block with everything that belongs to it, so a crash at any moment leaves the
ledger with that block or without it, never with half of it. `blocks`, `transactions` (with `certificates`) and
`checkpoints` are the ledger; `state`, `history` and `nodes` follow from them and are there to answer quickly.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evidence.errors import ConfigInvalid, LedgerUnavailable, Malformed, VeriframeError
from evidence.registry import Position

APPLICATION_ID = 0x56465231  # "VFR1"
FORMAT_VERSION = 1
BUSY_SECONDS = 30.0  # several processes share the file; one commit takes milliseconds

SCHEMA = """
CREATE TABLE blocks (height INTEGER PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE transactions (
    height INTEGER NOT NULL, position INTEGER NOT NULL, id BLOB NOT NULL UNIQUE, nonce BLOB NOT NULL UNIQUE,
    code TEXT NOT NULL, certificate INTEGER NOT NULL, envelope BLOB NOT NULL, writes BLOB NOT NULL, event BLOB,
    UNIQUE (height, position));
CREATE TABLE certificates (number INTEGER PRIMARY KEY, der BLOB NOT NULL UNIQUE);
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note BLOB NOT NULL);
CREATE TABLE state (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE history (
    key TEXT NOT NULL, height INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (key, height, position)
) WITHOUT ROWID;
CREATE TABLE nodes (
    level INTEGER NOT NULL, number INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, number)) WITHOUT ROWID
"""


def make_file(path: Path) -> None:
    """Make an empty ledger file, or leave one that is there alone."""
    with translated(path):
        if not path.exists():
            # Made by us first, so that nobody else can read it while SQLite fills it.
            os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        connection = _connect(path)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            if _pragma(connection, "user_version") == 0:
                for statement in SCHEMA.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id={APPLICATION_ID:d}")
                connection.execute(f"PRAGMA user_version={FORMAT_VERSION:d}")
            connection.execute("COMMIT")
        finally:
            connection.close()
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def connect(path: Path, *, writing: bool) -> sqlite3.Connection:
    """Open a ledger file that exists; any thread may use the connection, one at a time.

    Raises:
        LedgerUnavailable: busy, or the disk fails. ConfigInvalid: not there, or not permitted.
        Malformed: not a ledger, damaged, or of a version that this software does not know.
    """
    with translated(path):
        if not path.is_file():
            raise ConfigInvalid(
                "there is no ledger here",
                where=str(path),
                next_step="restore it from the back-up, or name another place",
            )
        connection = _connect(path)
        try:
            if _pragma(connection, "application_id") != APPLICATION_ID:
                raise Malformed(
                    "this file is not a Veriframe ledger", where=str(path), next_step="restore it from the back-up"
                )
            if _pragma(connection, "user_version") != FORMAT_VERSION:
                raise Malformed(
                    f"the ledger has format version {_pragma(connection, 'user_version')}; "
                    f"this software knows {FORMAT_VERSION}",
                    where=str(path),
                    next_step="use the version of Veriframe that wrote it, or a newer one",
                )
            if writing:
                # FULL: a commit returns when the log is on the disk. Without it a power cut could take back an anchor.
                connection.execute("PRAGMA synchronous=FULL")
            else:
                connection.execute("PRAGMA query_only=ON")
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    # Damaged text must reach us as bytes, not as an exception of the driver.
    connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def blob(value: object, what: str) -> bytes:
    """A column that holds bytes; in a damaged file it may hold anything.

    Raises:
        Malformed: it does not.
    """
    if not isinstance(value, bytes):
        raise Malformed(f"the ledger file is damaged ({what} is not bytes)")
    return value


def whole(value: object, what: str) -> int:
    """A column that holds an integer; see `blob`."""
    if not isinstance(value, int):
        raise Malformed(f"the ledger file is damaged ({what} is not a number)")
    return value


def position_of(height: object, index: object) -> Position:
    return Position(whole(height, "a height"), whole(index, "a position"))


@contextmanager
def snapshot(connection: sqlite3.Connection, path: Path) -> Iterator[sqlite3.Connection]:
    """One consistent view of the ledger for the length of the body, whatever other processes commit meanwhile."""
    with translated(path):
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise ledger_error(error, path) from error
    except UnicodeDecodeError as error:
        # A damaged schema is quoted in SQLite's message, and the driver cannot even read that.
        raise _damaged("its description of itself is unreadable", path) from error
    except OSError as error:
        raise ConfigInvalid(
            f"the ledger cannot be opened ({error.strerror})",
            where=str(path),
            next_step="check the path, the owner and the permissions",
        ) from error


def ledger_error(error: sqlite3.Error, path: Path) -> VeriframeError:
    """The meaning of an error of SQLite while working on the ledger at `path`."""
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    where = str(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return LedgerUnavailable(
            "the ledger is in use by another process", where=where, next_step="wait for it and try again"
        )
    if code == sqlite3.SQLITE_FULL:
        return LedgerUnavailable(
            "no space left for the ledger",
            where=where,
            next_step="free space on that disk; nothing committed is lost, and the same command continues",
        )
    if code == sqlite3.SQLITE_IOERR:
        return LedgerUnavailable(
            f"the disk under the ledger reports an error ({error})", where=where, next_step="check the disk"
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ConfigInvalid(
            "the ledger cannot be written", where=where, next_step="check the folder's owner and permissions"
        )
    return _damaged(str(error), path)


def _damaged(cause: str, path: Path) -> Malformed:
    return Malformed(
        f"the ledger file is damaged ({cause})",
        where=str(path),
        next_step="restore it from a back-up, or from another copy of the ledger",
    )
