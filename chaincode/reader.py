"""Reading an embedded ledger: state, history, receipts, events. Needs no key and changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import NamedTuple

from chaincode import log
from chaincode.committed import Committed, Event
from chaincode.ledger_file import blob, connect, position_of, snapshot, whole
from chaincode.packing import unpack_envelope, unpack_writes
from chaincode.replay import Written, written
from chaincode.world import prefix_range
from evidence.canonical import parse_canonical
from evidence.dsse import Envelope
from evidence.errors import Malformed
from evidence.genesis import Genesis, parse_genesis
from evidence.ledger_format import (
    VALID,
    LedgerBlock,
    Receipt,
    parse_ledger_block,
    parse_transaction,
)
from evidence.registry import Position


class LedgerEntry(NamedTuple):
    """One key's value and the transaction that wrote it."""

    position: Position
    key: str
    value: bytes


class LedgerReader:
    """One ledger file, opened for reading; any number of threads may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = Lock()
        self._replayed: Written | None = None
        try:
            self.genesis = self._read_genesis()
        except BaseException:
            self.close()
            raise
        # Hundreds of slots share one transaction when a batch was anchored; its receipt is made once.
        self._receipt_at = lru_cache(maxsize=256)(self._make_receipt)

    def __enter__(self) -> LedgerReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        with self._lock:
            for connection in self._idle:
                connection.close()
            self._idle.clear()

    @contextmanager
    def view(self) -> Iterator[sqlite3.Connection]:
        """A connection with one consistent view of the ledger."""
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or connect(self.path, writing=False)
        try:
            with snapshot(connection, self.path):
                yield connection
        finally:
            if connection.in_transaction:
                connection.close()  # SQLite could not even end the reading
            else:
                with self._lock:
                    self._idle.append(connection)

    @property
    def height(self) -> int:
        """Height of the newest ledger block."""
        with self.view() as view:
            return tip_height(view)

    def newest_block(self) -> tuple[int, bytes]:
        """Height and hash of the newest ledger block."""
        with self.view() as view:
            height = tip_height(view)
            return height, parse_ledger_block(_block(view, height)).digest

    @property
    def checkpoint(self) -> bytes:
        """The newest checkpoint, a signed note."""
        with self.view() as view:
            return _checkpoint(view, tip_height(view) + 1)

    def block(self, height: int) -> LedgerBlock:
        """Ledger block at `height`. Raises Malformed where the file lacks it."""
        with self.view() as view:
            return parse_ledger_block(_block(view, height))

    def get(self, key: str) -> LedgerEntry | None:
        with self.view() as view:
            row = view.execute("SELECT value, height, position FROM state WHERE key=?", (key,)).fetchone()
        return None if row is None else LedgerEntry(position_of(row[1], row[2]), key, blob(row[0], key))

    def entries(self, prefix: str = "", *, first: str = "", last: str = "") -> tuple[LedgerEntry, ...]:
        """What stands under every key with `prefix` (ending in a slash; "": all keys), in key order.

        Args:
            first, last: narrow it to first <= key <= last.
        """
        start, end = prefix_range(prefix) if prefix else ("", "\x7f")
        with self.view() as view:
            rows = view.execute(
                "SELECT key, value, height, position FROM state "
                "WHERE key>=? AND key<? AND key>=? AND key<=? ORDER BY key",
                (start, end, first, last or end),
            ).fetchall()
        return tuple(LedgerEntry(position_of(h, p), key, blob(value, key)) for key, value, h, p in rows)

    def proven_get(self, key: str) -> LedgerEntry | None:
        """`get`, held against what the signed log says was written. Raises Malformed where they differ."""
        found = self.get(key)
        self._written().check(key, key + "\0", [] if found is None else [found])
        return found

    def proven_entries(self, prefix: str, *, first: str = "", last: str = "") -> tuple[LedgerEntry, ...]:
        """`entries`, held against what the signed log says was written. Raises Malformed where they differ."""
        found = self.entries(prefix, first=first, last=last)
        start, end = prefix_range(prefix)
        # In byte order nothing stands between a key and that key with a zero byte behind it.
        self._written().check(max(start, first), min(end, last + "\0") if last else end, found)
        return found

    def _written(self) -> Written:
        if self._replayed is None:
            with self.view() as view:
                self._replayed = written(view, _checkpoint(view, tip_height(view) + 1))
        return self._replayed

    def history(self, key: str) -> tuple[LedgerEntry, ...]:
        """Every value that `key` ever had, oldest first."""
        with self.view() as view:
            rows = view.execute(
                "SELECT t.writes, h.height, h.position FROM history h JOIN transactions t "
                "ON t.height=h.height AND t.position=h.position WHERE h.key=? ORDER BY h.height, h.position",
                (key,),
            ).fetchall()
        found = []
        for writes, height, position in rows:
            values = unpack_writes(blob(writes, "a write set"))
            if key not in values:
                raise Malformed("the ledger's history names a transaction that did not write this key", where=key)
            found.append(LedgerEntry(position_of(height, position), key, values[key]))
        return tuple(found)

    def receipt_for(self, key: str, *, size: int | None = None) -> Receipt | None:
        """Receipt of the transaction that wrote the key's present value; None where nothing stands there.

        Args:
            size: number of ledger blocks that the checkpoint shall cover; None: all there are.
        """
        entry = self.get(key)
        return None if entry is None else self.receipt_at(entry.position, size=size)

    def receipt_at(self, position: Position, *, size: int | None = None) -> Receipt:
        """Receipt of the transaction at `position`; the same object for the same question.

        Raises:
            Malformed: there is none, or it does not parse.
        """
        return self._receipt_at(position, self.height + 1 if size is None else size)

    def _make_receipt(self, position: Position, size: int) -> Receipt:
        with self.view() as view:
            envelope, writes = transaction_at(view, position)
            return Receipt(
                transaction=envelope,
                writes=writes,
                block=parse_ledger_block(_block(view, position.height)),
                size=size,
                path=log.inclusion_path(view, position.height, size),
                checkpoint=_checkpoint(view, size),
            )

    def status(self, tx_id: str) -> tuple[str, Committed] | None:
        """Code and outcome of a transaction, None where it is not on the ledger."""
        with self.view() as view:
            row = view.execute(
                "SELECT code, height, position, event FROM transactions WHERE id=?", (bytes.fromhex(tx_id),)
            ).fetchone()
        if row is None:
            return None
        code, height, position, event = row
        at = position_of(height, position)
        found = _event(event, at) if event is not None else None
        return str(code), Committed(tx_id=tx_id, position=at, result=None, event=found)

    def events(self, after: Position | None = None) -> Iterator[Event]:
        """Events of valid transactions behind `after` (None: from the beginning), in ledger order, up to now."""
        at = after or Position(-1, 0)
        while True:
            with self.view() as view:
                rows = view.execute(
                    "SELECT height, position, event FROM transactions WHERE (height, position) > (?, ?) "
                    "AND event IS NOT NULL AND code=? ORDER BY height, position LIMIT 500",
                    (at.height, at.index, VALID),
                ).fetchall()
            for height, position, event in rows:
                at = position_of(height, position)
                yield _event(event, at)
            if len(rows) < 500:
                return

    def _read_genesis(self) -> Genesis:
        with self.view() as view:
            if tip_height(view) < 0:
                raise Malformed("this ledger was never founded", where=str(self.path))
            return founding_document(transaction_at(view, Position(0, 0))[0])


def transaction_at(connection: sqlite3.Connection, position: Position) -> tuple[Envelope, dict[str, bytes]]:
    """Envelope and write set of the transaction at `position`; whether they belong there is not asked.

    Raises:
        Malformed: there is none, or it is damaged.
    """
    row = connection.execute(
        "SELECT t.envelope, t.writes, c.der FROM transactions t JOIN certificates c ON c.number=t.certificate "
        "WHERE t.height=? AND t.position=?",
        (position.height, position.index),
    ).fetchone()
    if row is None:
        raise Malformed(f"the ledger file lacks transaction {position.height}/{position.index}")
    envelope = unpack_envelope(blob(row[0], "a transaction"), blob(row[2], "a certificate"))
    return envelope, unpack_writes(blob(row[1], "a write set"))


def founding_document(envelope: Envelope) -> Genesis:
    """The genesis document inside an `init` transaction. Raises Malformed."""
    transaction = parse_transaction(envelope.payload)
    if transaction.function != "init" or len(transaction.arguments) != 1:
        raise Malformed("the ledger's first transaction is not its founding")
    genesis = parse_genesis(transaction.arguments[0])
    if genesis.digest != transaction.ledger:
        raise Malformed("the ledger's first transaction founds another ledger than it names")
    return genesis


def tip_height(connection: sqlite3.Connection) -> int:
    """Height of the newest block, -1 without any."""
    row = connection.execute("SELECT max(height) FROM blocks").fetchone()
    return -1 if row[0] is None else whole(row[0], "a height")


def _block(connection: sqlite3.Connection, height: int) -> bytes:
    row = connection.execute("SELECT bytes FROM blocks WHERE height=?", (height,)).fetchone()
    if row is None:
        raise Malformed(f"the ledger file lacks block {height}")
    return blob(row[0], f"block {height}")


def _checkpoint(connection: sqlite3.Connection, size: int) -> bytes:
    row = connection.execute("SELECT note FROM checkpoints WHERE size=?", (size,)).fetchone()
    if row is None:
        raise Malformed(f"the ledger file lacks the checkpoint over {size} blocks")
    return blob(row[0], f"checkpoint {size}")


def _event(stored: object, position: Position) -> Event:
    payload = blob(stored, "an event")

    value = parse_canonical(payload, "event", limit=4096)
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        raise Malformed(f"the event of transaction {position.height}/{position.index} names no transaction")
    return Event(name=name, payload=payload, position=position)
