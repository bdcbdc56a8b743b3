"""What is sealed and not yet out of danger: one row per segment or gap, committed before anything leaves.

Two facts about a row are independent and each is a nullable column, not a status: `stored_at_us` (object, proof file
and key ring are in the store) and `anchored_at_us` with its receipt (the ledger holds the block). The footage is
dropped here only when both are set. On Fabric the receipt is taken after the anchoring, as a signed read: a row that is
anchored and has none is still to be read.

Order of every append: media file synced, folder synced, row and chain state committed together, and only then network.
A crash before the commit leaves a media file without a row, which the next start sweeps; after it, nothing is missing.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from evidence.digests import is_ident
from evidence.errors import Refused
from sdk.batches import Batches, add_receipt, read_receipt
from sdk.chains import Chains
from sdk.database import Database, sync_file, sync_folder, translated
from sdk.sealed import (
    Backlog,
    ChainState,
    LedgerTip,
    Row,
    Sealed,
    check_continues,
    check_whole,
    units_of,
)

__all__ = ["Backlog", "ChainState", "LedgerTip", "Now", "Row", "Sealed", "Spool"]

Now = Callable[[], int]  # Unix microseconds, UTC

_WHAT = "the spool"
_REPAIR = (
    "restore it from a back-up, or rename its folder: recording then goes on in new chains, without what was pending"
)
_VERSION = 1
_SCHEMA = """
CREATE TABLE chains(
  camera TEXT NOT NULL, chain INTEGER NOT NULL, began_us INTEGER NOT NULL,
  next_sequence INTEGER NOT NULL, next_unit INTEGER NOT NULL, previous BLOB, end_us INTEGER,
  opens_with_gap INTEGER NOT NULL, import_start_us INTEGER, import_sha256 BLOB, complete INTEGER NOT NULL,
  PRIMARY KEY(camera, chain)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX imports ON chains(camera, import_start_us, import_sha256) WHERE import_sha256 IS NOT NULL;
CREATE TABLE sealed(
  number INTEGER PRIMARY KEY AUTOINCREMENT, camera TEXT NOT NULL, chain INTEGER NOT NULL, sequence INTEGER NOT NULL,
  record_sha256 BLOB NOT NULL, block BLOB NOT NULL, signature BLOB NOT NULL,
  proof BLOB, media INTEGER NOT NULL, ring BLOB, sealed_at_us INTEGER NOT NULL,
  stored_at_us INTEGER, anchored_at_us INTEGER, receipt INTEGER REFERENCES receipts(number),
  batch INTEGER REFERENCES batches(number), refused TEXT,
  UNIQUE(camera, chain, sequence)) STRICT;
CREATE INDEX unstored ON sealed(number) WHERE stored_at_us IS NULL;
CREATE INDEX unanchored ON sealed(number) WHERE anchored_at_us IS NULL;
CREATE INDEX unread ON sealed(number) WHERE anchored_at_us IS NOT NULL AND receipt IS NULL;
CREATE TABLE batches(
  number INTEGER PRIMARY KEY AUTOINCREMENT, site TEXT NOT NULL, recorder TEXT NOT NULL, batch INTEGER NOT NULL,
  document BLOB NOT NULL, leaves BLOB NOT NULL, stored_at_us INTEGER, anchored_at_us INTEGER,
  UNIQUE(site, recorder, batch)) STRICT;
CREATE TABLE receipts(number INTEGER PRIMARY KEY AUTOINCREMENT, receipt BLOB NOT NULL) STRICT
"""


class Spool:
    """The folder `spool/` of a home. One object per process and thread; several processes may share the folder."""

    def __init__(self, folder: Path, *, now: Now) -> None:
        """Open, or make, the spool in `folder`.

        Raises:
            ConfigInvalid: the folder cannot be written. Malformed: damaged. SpoolFull: no space.
        """
        self.folder = folder
        self._now = now
        with translated(folder, _WHAT):
            for each in (folder, folder / "media", folder / "tmp", folder / "locks"):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._db = Database(folder / "spool.db", schema=_SCHEMA, version=_VERSION, what=_WHAT, repair=_REPAIR)
        self.batches = Batches(self._db, now=now)
        self._chains = Chains(self._db, now=now)
        try:
            self._sweep()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def temporary(self) -> Path:
        """A fresh name for a media file in the making, on the spool's own disk so that the move in is one rename."""
        return self.folder / "tmp" / f"{os.getpid()}-{secrets.token_hex(8)}"

    @contextmanager
    def hold(self, camera: str) -> Iterator[None]:
        """Keep a camera for this process: two recorders of one camera would race for the same sequence numbers.

        Raises:
            Refused: another process records or imports this camera now.
        """
        path = self.folder / "locks" / camera
        with translated(path, _WHAT):
            handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise Refused(
                    f"camera {camera} is being recorded or imported by another process",
                    reason="conflict",
                    next_step="wait until it has finished and run the command again",
                ) from error
            yield
        finally:
            os.close(handle)

    def chain(self, camera: str, chain: int) -> ChainState | None:
        return self._chains.state(camera, chain)

    def open_import(
        self,
        camera: str,
        *,
        start_us: int,
        sha256: bytes,
        ledger_chains: Sequence[int] = (),
        outrun: Callable[[ChainState], bool] | None = None,
    ) -> ChainState:
        """See `Chains.open_import`; call it while holding the camera."""
        return self._chains.open_import(
            camera, start_us=start_us, sha256=sha256, ledger_chains=ledger_chains, outrun=outrun
        )

    def finish_import(self, state: ChainState) -> None:
        """See `Chains.finish_import`."""
        self._chains.finish_import(state)

    def open_live(self, camera: str, *, tip: LedgerTip | None) -> ChainState:
        """See `Chains.open_live`; call it while holding the camera."""
        return self._chains.open_live(camera, tip=tip)

    # ---- rows -------------------------------------------------------------------------------------------------------

    def append(self, sealed: Sealed) -> ChainState:
        """Take a sealed segment or gap into custody; when this returns it survives kill -9 and power cuts.

        Returns:
            The chain's state after it.

        Raises:
            Refused: it does not continue its chain (`conflict`). Malformed: block, record and media do not fit.
            SpoolFull: no space; nothing of it was kept, the chain is as before.
        """
        record = sealed.record
        check_whole(sealed)
        target = self._media_path(record.camera, record.chain, record.sequence)
        if sealed.media_path is not None:
            with translated(sealed.media_path, _WHAT):
                sync_file(sealed.media_path)
        moved = False
        try:
            # The move happens under the write lock, so that a sweep elsewhere never sees the file without its row.
            with self._db.transaction() as change:
                state = check_continues(record, self.chain(record.camera, record.chain))
                if sealed.media_path is not None:
                    os.replace(sealed.media_path, target)
                    moved = True
                    sync_folder(target.parent)
                self._insert(change, sealed)
        except BaseException:
            # The caller still has what it gave, and may try again once there is space.
            if moved and sealed.media_path is not None:
                os.replace(target, sealed.media_path)
            raise
        return ChainState(
            camera=record.camera, chain=record.chain, next_sequence=record.sequence + 1,
            next_unit=state.next_unit + units_of(record), previous=record.digest, end_us=record.end_us,
            opens_with_gap=False, complete=False,
        )  # fmt: skip

    def _insert(self, change: sqlite3.Connection, sealed: Sealed) -> None:
        record = sealed.record
        change.execute(
            "INSERT INTO sealed(camera,chain,sequence,record_sha256,block,signature,proof,media,ring,sealed_at_us)"
            " VALUES(?,?,?,?,?,?,?,?,?,?)",
            (
                record.camera, record.chain, record.sequence, record.digest, sealed.block.block.canonical(),
                sealed.block.signature, sealed.proof, int(sealed.media_path is not None), sealed.ring, self._now(),
            ),
        )  # fmt: skip
        change.execute(
            "UPDATE chains SET next_sequence=next_sequence+1, next_unit=next_unit+?, previous=?, end_us=?,"
            " opens_with_gap=0 WHERE camera=? AND chain=?",
            (units_of(record), record.digest, record.end_us, record.camera, record.chain),
        )

    def unstored(self, *, limit: int = 16, after: int = 0) -> list[Row]:
        """Rows whose files are not in the store, oldest first, with a number above `after`."""
        return self._rows("stored_at_us IS NULL AND number>? ORDER BY number LIMIT ?", (after, limit))

    def unanchored(self, *, limit: int = 500, after: int = 0) -> list[Row]:
        """Rows without a receipt and in no sealed batch, oldest first, with a number above `after`; no proof bytes."""
        condition = "anchored_at_us IS NULL AND batch IS NULL AND number>? ORDER BY number LIMIT ?"
        return self._rows(condition, (after, limit), proof="NULL")

    def without_receipt(self, camera: str) -> list[Row]:
        """All rows of a camera that are not anchored yet, in a sealed batch or not, oldest first; no proof bytes."""
        return self._rows("anchored_at_us IS NULL AND camera=? ORDER BY number", (camera,), proof="NULL")

    def row(self, camera: str, chain: int, sequence: int) -> Row | None:
        found = self._rows("camera=? AND chain=? AND sequence=?", (camera, chain, sequence))
        return found[0] if found else None

    def backlog(self) -> Backlog:
        ((unstored, unanchored, refused, oldest),) = self._db.rows(
            "SELECT count(*) FILTER (WHERE stored_at_us IS NULL), count(*) FILTER (WHERE anchored_at_us IS NULL),"
            " count(*) FILTER (WHERE refused IS NOT NULL AND anchored_at_us IS NULL), min(sealed_at_us)"
            " FROM sealed WHERE stored_at_us IS NULL OR anchored_at_us IS NULL",
            kinds="iiiI",
        )
        return Backlog(unstored=unstored, unanchored=unanchored, refused=refused, oldest_us=oldest)

    def waiting(self) -> dict[str, tuple[int, int]]:
        """How many rows of each camera are not stored, and not anchored; without cameras of which nothing waits."""
        rows = self._db.rows(
            "SELECT camera, count(*) FILTER (WHERE stored_at_us IS NULL),"
            " count(*) FILTER (WHERE anchored_at_us IS NULL)"
            " FROM sealed WHERE stored_at_us IS NULL OR anchored_at_us IS NULL GROUP BY camera ORDER BY camera",
            kinds="tii",
        )
        return {camera: (unstored, unanchored) for camera, unstored, unanchored in rows}

    def is_stored(self, number: int) -> bool:
        found = self._db.row("SELECT stored_at_us FROM sealed WHERE number=?", (number,), kinds="I")
        return found is not None and found[0] is not None

    def mark_stored(self, numbers: Sequence[int]) -> None:
        """Fill the empty column of rows whose files are all durable in the store."""
        now_us = self._now()
        with self._db.transaction() as change:
            change.executemany(
                "UPDATE sealed SET stored_at_us=? WHERE number=? AND stored_at_us IS NULL",
                [(now_us, number) for number in numbers],
            )

    def mark_anchored(self, numbers: Sequence[int], receipt: bytes | None) -> None:
        """Fill the empty column of rows that one transaction anchored; a row with a receipt keeps its first one.

        Args:
            receipt: None where it is taken apart from the anchoring, see `unread`.
        """
        with self._db.transaction() as change:
            kept = None if receipt is None else add_receipt(change, receipt)
            change.executemany(
                "UPDATE sealed SET anchored_at_us=?, receipt=?, refused=NULL WHERE number=? AND anchored_at_us IS NULL",
                [(self._now(), kept, number) for number in numbers],
            )

    def receipt(self, number: int) -> bytes | None:
        """The receipt of a row's transaction; one for all rows of a batch, and large, so it is asked for apart."""
        found = self._db.row(
            "SELECT r.receipt FROM sealed s JOIN receipts r ON r.number=s.receipt WHERE s.number=?",
            (number,),
            kinds="b",
        )
        return None if found is None else read_receipt(found[0])

    def unread(self, *, limit: int = 5000, after: int = 0) -> list[Row]:
        """Rows that are anchored and whose receipt has not been taken yet, oldest first; no proof bytes."""
        condition = "anchored_at_us IS NOT NULL AND receipt IS NULL AND number>? ORDER BY number LIMIT ?"
        return self._rows(condition, (after, limit), proof="NULL")

    def unread_count(self) -> int:
        ((count,),) = self._db.rows(
            "SELECT count(*) FROM sealed WHERE anchored_at_us IS NOT NULL AND receipt IS NULL", kinds="i"
        )
        return int(count)

    def mark_read(self, numbers: Sequence[int], receipt: bytes) -> None:
        """Keep what shows these anchored rows to others; a row that has a receipt keeps it."""
        with self._db.transaction() as change:
            kept = add_receipt(change, receipt)
            change.executemany(
                "UPDATE sealed SET receipt=? WHERE number=? AND anchored_at_us IS NOT NULL AND receipt IS NULL",
                [(kept, number) for number in numbers],
            )

    def mark_refused(self, numbers: Sequence[int], reason: str) -> None:
        """Keep why the ledger or a check turned these rows down; they stay pending, the next drain tries them again."""
        with self._db.transaction() as change:
            change.executemany(
                "UPDATE sealed SET refused=? WHERE number=? AND anchored_at_us IS NULL",
                [(reason, number) for number in numbers],
            )

    def refused(self) -> list[Row]:
        """Rows that stay pending for a stated reason."""
        return self._rows("refused IS NOT NULL AND anchored_at_us IS NULL ORDER BY number", (), proof="NULL")

    def drop(self, numbers: Sequence[int]) -> list[Row]:
        """Forget rows that are stored and that no ledger will take, after a lasting note of each (see `give_up`).

        Their numbers are not given again: an import whose rows are gone begins a new chain. Returns what was dropped.
        """
        dropped = []
        with self._db.transaction() as change:
            for number in numbers:
                condition = "number=? AND stored_at_us IS NOT NULL AND anchored_at_us IS NULL AND batch IS NULL"
                found = self._rows(condition, (number,), proof="NULL")
                dropped += found
                change.executemany("DELETE FROM sealed WHERE number=?", [(row.number,) for row in found])
        with translated(self.folder, _WHAT):
            for row in dropped:
                if row.media_path is not None:
                    row.media_path.unlink(missing_ok=True)
        return dropped

    def prune(self) -> int:
        """Drop media and proof bytes that are stored and anchored; returns how many rows were emptied.

        The rows stay: they are small, and they tell what has been imported and under which numbers.
        """
        with self._db.transaction() as change:
            rows = self._rows(
                "stored_at_us IS NOT NULL AND anchored_at_us IS NOT NULL AND proof IS NOT NULL", (), proof="NULL"
            )
            change.executemany(
                "UPDATE sealed SET proof=NULL, ring=NULL, media=0 WHERE number=?", [(row.number,) for row in rows]
            )
            self.batches.prune(change)
        # A crash here leaves files without a row's claim; the next start sweeps them.
        with translated(self.folder, _WHAT):
            for row in rows:
                if row.media_path is not None:
                    row.media_path.unlink(missing_ok=True)
        return len(rows)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _media_path(self, camera: str, chain: int, sequence: int) -> Path:
        return self.folder / "media" / f"{camera}-{chain:010d}-{sequence:010d}"

    def _rows(self, condition: str, values: tuple[object, ...], *, proof: str = "proof") -> list[Row]:
        found = self._db.rows(
            f"SELECT number,camera,chain,sequence,record_sha256,block,signature,{proof},media,ring,stored_at_us,"
            f"anchored_at_us,batch,refused FROM sealed WHERE {condition}",
            values,
            kinds="itiibbbBiBIIIT",
        )
        # A camera's name that was edited must not lead out of the folder.
        paths = [self._media_path(*r[1:4]) if r[8] and is_ident(r[1]) else None for r in found]
        return [
            Row(
                number=r[0], camera=r[1], chain=r[2], sequence=r[3], record_sha256=bytes(r[4]), block=bytes(r[5]),
                signature=bytes(r[6]), proof=r[7], media_path=path, ring=r[9], stored_at_us=r[10], anchored_at_us=r[11],
                batch=r[12], refused=r[13],
            )
            for r, path in zip(found, paths, strict=True)
        ]  # fmt: skip

    def _sweep(self) -> None:
        """Remove what a crash left: media without a row, temporary files of processes that are gone."""
        with self._db.transaction():
            claims = self._db.rows("SELECT camera, chain, sequence FROM sealed WHERE media=1", kinds="tii")
            kept = {self._media_path(*found).name for found in claims}
            there = {path.name for path in (self.folder / "media").iterdir()}
            # Where a row has lost its file, an unclaimed file may be that file under a row that was edited: it stays.
            for name in there - kept if kept <= there else ():
                (self.folder / "media" / name).unlink(missing_ok=True)
        with translated(self.folder, _WHAT):
            for path in (self.folder / "tmp").iterdir():
                owner = path.name.split("-")[0]
                if not (owner.isdigit() and _alive(int(owner))):
                    path.unlink(missing_ok=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
