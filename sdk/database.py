"""SQLite files that must survive a power cut: one way to open them, one reading of what their errors mean."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from evidence.errors import ConfigInvalid, Malformed, Refused, SpoolFull, StoreUnavailable, VeriframeError

BUSY_SECONDS = 30.0  # several processes share a home; a commit takes milliseconds, so this is patience, not a rule


class Database:
    """One open database file: reads, and transactions that are whole or nothing.

    Args:
        schema: statements run once, when the file is new.
        version: `user_version` that this software reads and writes.
        what: the file's name in messages, as "the spool".
        repair: what to do when it is damaged.

    Raises:
        ConfigInvalid: the place cannot be written. Malformed: damaged, not ours, or of a newer version.
        SpoolFull: no space. Every method likewise.
    """

    def __init__(self, path: Path, *, schema: str, version: int, what: str, repair: str) -> None:
        self.path = path
        self._what = what
        self._repair = repair
        with self._translated():
            new = not path.exists()
            if new:
                # Made by us first, so that nobody else can read it while SQLite fills it.
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            try:
                self._prepare(schema, version)
                if new:
                    sync_folder(path.parent)
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str, values: Sequence[object] = (), *, kinds: str) -> list[tuple[Any, ...]]:
        """All rows that a statement gives.

        Args:
            kinds: what its columns must be, a letter each: i integer, t text, b bytes; a capital also allows NULL.
                A damaged file gives other types than the schema allows.
        """
        with self._translated():
            found = self._connection.execute(statement, values).fetchall()
        for row in found:
            if not all(map(_is_kind, kinds, row)):
                raise Malformed(
                    f"{self._what} is damaged (a column of another type)", where=str(self.path), next_step=self._repair
                )
        return found

    def row(self, statement: str, values: Sequence[object] = (), *, kinds: str) -> tuple[Any, ...] | None:
        """The first row, None without any; see `rows`."""
        found = self.rows(f"{statement} LIMIT 1", values, kinds=kinds)
        return found[0] if found else None

    def run(self, statement: str, values: Sequence[object]) -> None:
        """One statement as a transaction of its own."""
        with self.transaction() as change:
            change.execute(statement, values)

    def erase(self, statement: str, values: Sequence[object]) -> int:
        """One statement as a transaction; what it deletes stays neither in the file nor in its journal.

        Returns:
            How many rows it changed.
        """
        with self._translated():
            self._connection.execute("PRAGMA secure_delete=ON")
        with self.transaction() as change:
            changed = change.execute(statement, values).rowcount
        with self._translated():
            # Somebody who is reading just now keeps the journal; the next erasure or the last to close it empties it.
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return changed

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the body under the file's only write lock and commit it whole, or not at all."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                # A crash before this line leaves nothing of the body, after it everything: FULL syncs the log first.
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self, schema: str, version: int) -> None:
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.execute("PRAGMA foreign_keys=ON")
        if self._version() == 0:
            with self.transaction() as change:
                # Another process may have made the tables while this one waited for the lock.
                if self._version() == 0:
                    for statement in filter(str.strip, schema.split(";")):
                        change.execute(statement)
                    change.execute(f"PRAGMA user_version={version:d}")
        found = self._version()
        if found != version:
            raise Malformed(
                f"{self._what} has format version {found}; this software knows {version}",
                where=str(self.path),
                next_step="use the version of Veriframe that wrote it, or a newer one",
            )

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        with translated(self.path, self._what, repair=self._repair):
            yield


_TYPES = {"i": int, "t": str, "b": bytes}


def _is_kind(kind: str, value: object) -> bool:
    return isinstance(value, _TYPES[kind.lower()]) or (value is None and kind.isupper())


@contextmanager
def translated(path: Path, what: str, *, repair: str = "restore it from a back-up") -> Iterator[None]:
    """Turn SQLite's and the file system's errors into ours, with the place and the next step."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, path, what, repair) from error
    except UnicodeDecodeError as error:
        # SQLite's own message quoted a damaged name.
        raise Malformed(f"{what} is damaged", where=str(path), next_step=repair) from error
    except OSError as error:
        raise of_os_error(error, path, what) from error


def _of_sqlite(error: sqlite3.Error, path: Path, what: str, repair: str) -> VeriframeError:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    where = str(path)
    if code == sqlite3.SQLITE_FULL:
        return _full(what, where)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return ConfigInvalid(
            f"{what} cannot be written", where=where, next_step="check the folder's owner and permissions"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreUnavailable(
            f"{what} is in use by another process", where=where, next_step="wait for it and try again"
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return Refused(f"another process was first to change {what}", reason="conflict", where=where)
    if code == sqlite3.SQLITE_IOERR:
        return StoreUnavailable(
            f"the disk under {what} reports an error or has no space ({error})",
            where=where,
            next_step="check the disk and its free space, then run the command again",
        )
    return Malformed(f"{what} is damaged ({error})", where=where, next_step=repair)


def of_os_error(error: OSError, path: Path, what: str) -> VeriframeError:
    """The meaning of a failed file operation under `path`; an error of another kind than these is the disk's."""
    where = str(error.filename or path)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full(what, where)
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ConfigInvalid(
            f"{what} cannot be read or written ({error.strerror})",
            where=where,
            next_step="check the owner and permissions, and that the disk is not mounted read-only",
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return ConfigInvalid(f"{what} is not there ({error.strerror})", where=where, next_step="check the path")
    return StoreUnavailable(
        f"the disk under {what} reports an error ({error.strerror})",
        where=where,
        next_step="check the disk, then run the command again",
    )


def _full(what: str, where: str) -> SpoolFull:
    return SpoolFull(
        f"no space left for {what}",
        where=where,
        next_step="free space on that disk; nothing already acknowledged is lost, and the same command continues",
    )


def sync_file(path: Path) -> None:
    """Put a finished file's bytes on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Put a folder's names on the disk: without it a power cut may forget a file that itself was synced."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
