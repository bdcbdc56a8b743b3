"""Sealed batches in the spool: document and leaf list are made once and committed before the ledger hears of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from evidence.errors import Refused
from sdk.database import transaction, translated
from sdk.sealed import BatchRow

_WHAT = "the spool"


class Batches:
    """The batch table of a spool; made by `Spool`, which owns the connection."""

    def __init__(self, connection: sqlite3.Connection, path: Path, *, now: Callable[[], int]) -> None:
        self._db = connection
        self._path = path
        self._now = now

    def newest(self, site: str, recorder: str) -> BatchRow | None:
        found = self._batches("site=? AND recorder=? ORDER BY batch DESC LIMIT 1", (site, recorder))
        return found[0] if found else None

    def pending(self, site: str, recorder: str) -> list[BatchRow]:
        """Batches that the ledger has not confirmed, in their order."""
        return self._batches("site=? AND recorder=? AND anchored_at_us IS NULL ORDER BY batch", (site, recorder))

    def unstored(self, site: str, recorder: str) -> list[BatchRow]:
        return self._batches("site=? AND recorder=? AND stored_at_us IS NULL ORDER BY batch", (site, recorder))

    def commit(self, site: str, recorder: str, batch: int, document: bytes, leaves: bytes, rows: Sequence[int]) -> None:
        """Fix a batch and the rows in it, before it is sent: a second, different batch n must never come into being."""
        with transaction(self._db, self._path, _WHAT):
            number = self._db.execute(
                "INSERT INTO batches(site,recorder,batch,document,leaves) VALUES(?,?,?,?,?)",
                (site, recorder, batch, document, leaves),
            ).lastrowid
            changed = self._db.executemany(
                "UPDATE sealed SET batch=? WHERE number=? AND batch IS NULL AND anchored_at_us IS NULL",
                [(number, row) for row in rows],
            ).rowcount
            if changed != len(rows):
                raise Refused("another process put a row into its own batch", reason="conflict", where=str(self._path))

    def mark_stored(self, batch: BatchRow) -> None:
        self._fill(
            "UPDATE batches SET stored_at_us=? WHERE number=? AND stored_at_us IS NULL", (self._now(), batch.number)
        )

    def mark_anchored(self, batch: BatchRow, receipt: bytes) -> None:
        """One commit for the batch and all its rows; each row's receipt is the batch's."""
        with transaction(self._db, self._path, _WHAT):
            now_us, kept = self._now(), add_receipt(self._db, receipt)
            self._db.execute(
                "UPDATE batches SET anchored_at_us=? WHERE number=? AND anchored_at_us IS NULL", (now_us, batch.number)
            )
            self._db.execute(
                "UPDATE sealed SET anchored_at_us=?, receipt=?, refused=NULL WHERE batch=? AND anchored_at_us IS NULL",
                (now_us, kept, batch.number),
            )

    def mark_refused(self, batch: BatchRow, reason: str) -> None:
        self._fill("UPDATE sealed SET refused=? WHERE batch=? AND anchored_at_us IS NULL", (reason, batch.number))

    def dissolve(self, batch: BatchRow) -> None:
        """Give the rows of a batch back, because the ledger holds another batch of this number, made elsewhere."""
        with transaction(self._db, self._path, _WHAT):
            self._db.execute("UPDATE sealed SET batch=NULL WHERE batch=? AND anchored_at_us IS NULL", (batch.number,))
            self._db.execute("DELETE FROM batches WHERE number=? AND anchored_at_us IS NULL", (batch.number,))

    def _batches(self, condition: str, values: tuple[object, ...]) -> list[BatchRow]:
        with translated(self._path, _WHAT):
            found = self._db.execute(
                "SELECT number,site,recorder,batch,document,leaves,stored_at_us,anchored_at_us"
                f" FROM batches WHERE {condition}",
                values,
            ).fetchall()
        return [
            BatchRow(
                number=r[0], site=r[1], recorder=r[2], batch=r[3], document=bytes(r[4]), leaves=bytes(r[5]),
                stored_at_us=r[6], anchored_at_us=r[7],
            )
            for r in found
        ]  # fmt: skip

    def _fill(self, statement: str, values: tuple[object, ...]) -> None:
        with transaction(self._db, self._path, _WHAT):
            self._db.execute(statement, values)


def add_receipt(connection: sqlite3.Connection, receipt: bytes) -> int:
    """Keep a receipt once for all the rows it covers; inside the caller's transaction."""
    return int(connection.execute("INSERT INTO receipts(receipt) VALUES(?)", (receipt,)).lastrowid or 0)
