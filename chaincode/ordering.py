"""Running transactions and putting them in order: one block, its log entry and its checkpoint in one SQLite commit."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from chaincode import log
from chaincode.admission import Admitted
from chaincode.committed import Committed, Event
from chaincode.dispatch import invoke
from chaincode.ledger_file import blob, whole
from chaincode.packing import pack_envelope, pack_writes
from chaincode.reader import tip_height
from chaincode.simulation import SnapshotWorld, still_true
from evidence.checkpoint import checkpoint_body, note_key, signature_line
from evidence.digests import sha256
from evidence.errors import CommitInvalid, Refused, VeriframeError
from evidence.genesis import Genesis
from evidence.keys import Signer
from evidence.ledger_format import CONFLICT, MAX_WRITE_SET_BYTES, MAX_WRITES, VALID, Entry, LedgerBlock, write_set
from evidence.merkle import leaf_hash
from evidence.registry import Position

NOTHING = sha256(write_set({}))


@dataclass(slots=True, kw_only=True)
class Prepared:
    """A transaction that has run and waits to be ordered; `height` is the newest block it could see."""

    admitted: Admitted
    world: SnapshotWorld
    writes_digest: bytes
    result: bytes
    height: int
    outcome: Committed | VeriframeError | None = None


def run(connection: sqlite3.Connection, admitted: Admitted) -> Prepared:
    """Run a transaction over the snapshot that `connection` holds.

    Raises:
        Refused: the contract says no, or it would write more than one transaction may.
    """
    transaction = admitted.transaction
    world = SnapshotWorld(connection, caller=admitted.caller, tx_id=admitted.tx_id, tx_time_us=transaction.time_us)
    result = invoke(world, transaction.function, transaction.arguments)
    writes = write_set(world.writes)
    if len(world.writes) > MAX_WRITES or len(writes) > MAX_WRITE_SET_BYTES:
        raise Refused(
            f"one transaction writes at most {MAX_WRITES} keys and {MAX_WRITE_SET_BYTES} bytes", reason="invalid"
        )
    return Prepared(
        admitted=admitted, world=world, writes_digest=sha256(writes), result=result, height=tip_height(connection)
    )


def append_block(
    connection: sqlite3.Connection,
    batch: Sequence[Prepared],
    *,
    genesis: Genesis,
    operator: Signer,
    now_us: int,
) -> bool:
    """Write one block with the transactions of `batch`, inside a transaction that the caller began.

    Sets every outcome. Returns False where all were turned away, and there is nothing to commit.
    """
    tip = tip_height(connection)
    height = tip + 1
    entries: list[Entry] = []
    for prepared in batch:
        admitted = prepared.admitted
        if _used(connection, admitted):
            prepared.outcome = Refused(
                "this transaction, or another with the same nonce, is on the ledger already",
                reason="conflict",
                next_step="ask for its status; a new transaction needs a new nonce",
            )
            continue
        # Nothing was committed since it ran, and nothing precedes it in this block: its reads cannot have changed.
        fresh = prepared.height == tip and not entries
        valid = fresh or still_true(connection, prepared.world)
        position = Position(height, len(entries))
        event = _store(connection, prepared, position, valid=valid)
        entries.append(
            Entry(
                tx_id=admitted.tx_id,
                code=VALID if valid else CONFLICT,
                writes=prepared.writes_digest if valid else NOTHING,
            )
        )
        if valid:
            prepared.outcome = Committed(tx_id=admitted.tx_id, position=position, result=prepared.result, event=event)
        else:
            prepared.outcome = CommitInvalid(
                "conflict: a concurrent transaction changed what this one had read",
                where=f"transaction {admitted.tx_id[:16]}",
                next_step="send it again as a new transaction",
            )
    if not entries:
        return False
    _seal(connection, height, tuple(entries), genesis=genesis, operator=operator, now_us=now_us)
    return True


def _seal(
    connection: sqlite3.Connection,
    height: int,
    entries: tuple[Entry, ...],
    *,
    genesis: Genesis,
    operator: Signer,
    now_us: int,
) -> None:
    previous = None
    if height > 0:
        row = connection.execute("SELECT bytes FROM blocks WHERE height=?", (height - 1,)).fetchone()
        previous = sha256(blob(row[0], "a block"))
    data = LedgerBlock(height=height, previous=previous, time_us=now_us, transactions=entries).canonical()
    connection.execute("INSERT INTO blocks (height, bytes) VALUES (?,?)", (height, data))
    log.append(connection, height, leaf_hash(data))
    body = checkpoint_body(genesis.origin, height + 1, log.root(connection, height + 1))
    note = body + b"\n" + signature_line(note_key(genesis.origin, genesis.operator), operator.sign(body))
    connection.execute("INSERT INTO checkpoints (size, note) VALUES (?,?)", (height + 1, note))


def _store(connection: sqlite3.Connection, prepared: Prepared, position: Position, *, valid: bool) -> Event | None:
    admitted, world = prepared.admitted, prepared.world
    event = None
    if valid and world.event is not None:
        event = Event(name=world.event[0], payload=world.event[1], position=position)
    connection.execute(
        "INSERT INTO transactions (height, position, id, nonce, code, certificate, envelope, writes, event) "
        "VALUES (?,?,?,?,?,?,?,?,?)",
        (
            position.height,
            position.index,
            bytes.fromhex(admitted.tx_id),
            admitted.nonce,
            VALID if valid else CONFLICT,
            _certificate(connection, admitted.transaction.certificate),
            pack_envelope(admitted.envelope, admitted.transaction),
            pack_writes(world.writes if valid else {}),
            None if event is None else event.payload,
        ),
    )
    if valid:
        connection.executemany(
            "INSERT OR REPLACE INTO state (key, value, height, position) VALUES (?,?,?,?)",
            [(key, value, position.height, position.index) for key, value in world.writes.items()],
        )
        connection.executemany(
            "INSERT INTO history (key, height, position) VALUES (?,?,?)",
            [(key, position.height, position.index) for key in world.writes],
        )
    return event


def _certificate(connection: sqlite3.Connection, der: bytes) -> int:
    """Number under which the certificate is kept."""
    row = connection.execute("SELECT number FROM certificates WHERE der=?", (der,)).fetchone()
    if row is None:
        connection.execute("INSERT INTO certificates (der) VALUES (?)", (der,))
        return _certificate(connection, der)
    return whole(row[0], "a certificate's number")


def _used(connection: sqlite3.Connection, admitted: Admitted) -> bool:
    row = connection.execute(
        "SELECT 1 FROM transactions WHERE id=? OR nonce=?", (bytes.fromhex(admitted.tx_id), admitted.nonce)
    ).fetchone()
    return row is not None
