"""Sealed batches in the spool: document and leaf list are made once and committed before the ledger hears of them."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable, Sequence

from evidence.errors import Malformed, Refused
from evidence.ledger_format import MAX_RECEIPT_BYTES
from sdk.database import Database
from sdk.sealed import BatchRow


class Batches:
    """The batch table of a spool; made by `Spool`, which owns the database."""

    def __init__(self, database: Database, *, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def newest(self, site: str, recorder: str) -> BatchRow | None:
        found = self._batches("site=? AND recorder=? ORDER BY batch DESC LIMIT 1", (site, recorder))
        return found[0] if found else None

    def pending(self, site: str, recorder: str) -> list[BatchRow]:
        """Batches that the ledger has not confirmed, in their order."""
        return self._batches("site=? AND recorder=? AND anchored_at_us IS NULL ORDER BY batch", (site, recorder))

    def unstored(self, site: str, recorder: str) -> list[BatchRow]:
        """Batches on the ledger whose leaf lists are not in the store.

        One that is not there yet may still be dissolved, and its list would keep the name from the list that counts.
        """
        condition = "site=? AND recorder=? AND stored_at_us IS NULL AND anchored_at_us IS NOT NULL ORDER BY batch"
        return self._batches(condition, (site, recorder))

    def commit(self, site: str, recorder: str, batch: int, document: bytes, leaves: bytes, rows: Sequence[int]) -> None:
        """Fix a batch and the rows in it, before it is sent: a second, different batch n must never come into being."""
        with self._db.transaction() as change:
            number = change.execute(
                "INSERT INTO batches(site,recorder,batch,document,leaves) VALUES(?,?,?,?,?)",
                (site, recorder, batch, document, leaves),
            ).lastrowid
            changed = change.executemany(
                "UPDATE sealed SET batch=? WHERE number=? AND batch IS NULL AND anchored_at_us IS NULL",
                [(number, row) for row in rows],
            ).rowcount
            if changed != len(rows):
                raise Refused(
                    "another process put a row into its own batch", reason="conflict", where=str(self._db.path)
                )

    def mark_stored(self, batch: BatchRow) -> None:
        self._db.run(
            "UPDATE batches SET stored_at_us=? WHERE number=? AND stored_at_us IS NULL", (self._now(), batch.number)
        )

    def mark_anchored(self, batch: BatchRow, receipt: bytes | None) -> None:
        """One commit for the batch and all its rows; each row's receipt is the batch's. None: it is taken later."""
        with self._db.transaction() as change:
            now_us = self._now()
            kept = None if receipt is None else add_receipt(change, receipt)
            change.execute(
                "UPDATE batches SET anchored_at_us=? WHERE number=? AND anchored_at_us IS NULL", (now_us, batch.number)
            )
            change.execute(
                "UPDATE sealed SET anchored_at_us=?, receipt=?, refused=NULL WHERE batch=? AND anchored_at_us IS NULL",
                (now_us, kept, batch.number),
            )

    def mark_refused(self, batch: BatchRow, reason: str) -> None:
        self._db.run("UPDATE sealed SET refused=? WHERE batch=? AND anchored_at_us IS NULL", (reason, batch.number))

    def numbered(self, number: int) -> BatchRow | None:
        """The batch with this number of the spool's own, see `Row.batch`."""
        found = self._batches("number=?", (number,))
        return found[0] if found else None

    def dissolve(self, batch: BatchRow) -> None:
        """Give the rows of a batch back, because the ledger holds another batch of this number, made elsewhere."""
        with self._db.transaction() as change:
            change.execute("UPDATE sealed SET batch=NULL WHERE batch=? AND anchored_at_us IS NULL", (batch.number,))
            change.execute("DELETE FROM batches WHERE number=? AND anchored_at_us IS NULL", (batch.number,))

    def prune(self, change: sqlite3.Connection) -> None:
        """Drop leaf lists that are stored and anchored; the documents stay, the next batch names the newest."""
        change.execute(
            "UPDATE batches SET leaves=x''"
            " WHERE stored_at_us IS NOT NULL AND anchored_at_us IS NOT NULL AND leaves<>x''"
        )

    def _batches(self, condition: str, values: tuple[object, ...]) -> list[BatchRow]:
        found = self._db.rows(
            "SELECT number,site,recorder,batch,document,leaves,stored_at_us,anchored_at_us"
            f" FROM batches WHERE {condition}",
            values,
            kinds="ittibbII",
        )
        return [
            BatchRow(
                number=r[0], site=r[1], recorder=r[2], batch=r[3], document=bytes(r[4]), leaves=bytes(r[5]),
                stored_at_us=r[6], anchored_at_us=r[7],
            )
            for r in found
        ]  # fmt: skip


def add_receipt(change: sqlite3.Connection, receipt: bytes) -> int:
    """Keep a receipt once for all the rows it covers; inside the caller's transaction.

    It holds every block of its transaction twice, in base64, so it is kept compressed.
    """
    return int(change.execute("INSERT INTO receipts(receipt) VALUES(?)", (zlib.compress(receipt),)).lastrowid or 0)


def read_receipt(kept: bytes) -> bytes:
    """What `add_receipt` kept. Raises Malformed: damaged, or larger than a receipt can be."""
    try:
        inflater = zlib.decompressobj()
        receipt = inflater.decompress(kept, MAX_RECEIPT_BYTES)
    except zlib.error as error:
        raise Malformed("a receipt in the spool is damaged", next_step="the ledger can give it again") from error
    if not inflater.eof or inflater.unused_data:
        raise Malformed("a receipt in the spool is damaged", next_step="the ledger can give it again")
    return receipt
