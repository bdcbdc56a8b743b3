"""Every byte that the ledger's file keeps is accounted for, and the check says which row a changed one stands in."""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaincode.anchors import open_batch
from chaincode.check import check_ledger
from chaincode.embedded import EmbeddedHost
from chaincode.reader import LedgerReader
from evidence.errors import VeriframeError
from tests.hosts.cast import CHAIN, NOW_US, members, the_cast
from tests.hosts.stage import EmbeddedStage, Stage, signed_transaction


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ledger with a conflict in it, closed."""
    cast = the_cast()
    embedded = EmbeddedStage(tmp_path_factory.mktemp("ledger"), cast)
    stage = Stage(embedded, cast)
    stage.registers("operator", "manager", "recorder")
    stage.enrols("gate-1")
    stage.anchors(cast.blocks(0, 1))
    one, two = (
        signed_transaction(cast.genesis, cast["operator"], "propose_camera", members(**cast.camera("g-2", make=make)))
        for make in ("A", "B")
    )
    embedded.host.submit_many([one, two])
    embedded.close()
    assert check_ledger(embedded.path) == ()
    return embedded.path


@pytest.fixture
def ledger(written: Path, tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    shutil.copy(written, path)
    return path


Statement = Callable[[sqlite3.Connection], object]


def edited(path: Path, statement: str, *values: object) -> tuple[str, ...]:
    """Run one statement on the file behind the host's back; returns what the check then says."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute(statement, values)
        connection.commit()
    return tuple(str(problem) for problem in check_ledger(path))


COLUMNS = (
    ("blocks", "height", "bytes", "block {0}"),
    ("transactions", "height", "envelope", "transaction {0}/"),
    ("transactions", "height", "writes", "transaction {0}/"),
    ("transactions", "height", "id", "transaction {0}/"),
    ("transactions", "height", "nonce", "transaction {0}/"),
    ("transactions", "height", "event", "transaction {0}/"),
    ("checkpoints", "size", "note", "checkpoint {0}"),
    ("certificates", "number", "der", "transaction "),
    ("nodes", "number", "hash", "log node "),
    ("state", "height", "value", "state "),
)


def rows(path: Path, table: str, label: str, column: str) -> Iterator[tuple[int, int, bytes]]:
    connection = sqlite3.connect(path)
    order = "rowid" if table not in ("nodes", "state") else label
    found = connection.execute(f"SELECT {label}, {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {order}")
    yield from ((number, at, bytes(data)) for at, (number, data) in enumerate(found.fetchall()))
    connection.close()


@pytest.mark.parametrize(("table", "label", "column", "where"), COLUMNS, ids=lambda each: str(each))
def test_a_flipped_byte_is_found_where_it_is(ledger: Path, table: str, label: str, column: str, where: str) -> None:
    """Three rows of each table, some bytes of each; the slow test takes them all."""
    chosen = list(rows(ledger, table, label, column))
    chosen = [chosen[0], chosen[len(chosen) // 2], chosen[-1]]
    untouched = ledger.read_bytes()
    for start, (number, _, data) in enumerate(chosen):
        for at in (*range(start, len(data), max(7, len(data) // 6)), len(data) - 1):
            flipped = data[:at] + bytes([data[at] ^ (0xFF if column in ("envelope", "writes") else 1)]) + data[at + 1 :]
            said = edited(ledger, f"UPDATE {table} SET {column}=? WHERE {column}=?", flipped, data)
            assert any(each.startswith(where.format(number)) for each in said), (table, column, number, at, said)
            ledger.write_bytes(untouched)


@pytest.mark.slow
def test_every_byte_that_a_transaction_added_is_accounted_for(tmp_path: Path) -> None:
    embedded = EmbeddedStage(tmp_path, the_cast())
    Stage(embedded, the_cast()).registers("manager")
    embedded.close()
    path = embedded.path
    untouched = path.read_bytes()
    for table, label, column, where in COLUMNS:
        number, _, data = list(rows(path, table, label, column))[-1]
        for at in range(0, len(data), 1 if table in ("blocks", "transactions", "checkpoints") else 9):
            flipped = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
            said = edited(path, f"UPDATE {table} SET {column}=? WHERE {column}=?", flipped, data)
            assert any(each.startswith(where.format(number)) for each in said), (table, column, number, at, said)
            path.write_bytes(untouched)


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("DELETE FROM blocks WHERE height=3", "block 4: block 3 is missing"),
        ("DELETE FROM transactions WHERE height=3", "block 3: it lists 1 transactions"),
        ("DELETE FROM checkpoints WHERE size=3", "checkpoint 3: it is missing"),
        ("DELETE FROM nodes WHERE level=1 AND number=1", "log node 1/1"),
        ("DELETE FROM state WHERE key LIKE 'camera/gate-1/%1'", "state: "),
        ("DELETE FROM history WHERE key='genesis'", "history genesis"),
        ("UPDATE history SET height=2 WHERE key='genesis'", "history genesis"),
        ("UPDATE state SET height=2 WHERE key='genesis'", "state genesis"),
        ("UPDATE state SET key='genesit' WHERE key='genesis'", "state genesit"),
        ("INSERT INTO state VALUES ('chain/gate-1/0000000001', x'7b7d', 1, 0)", "state chain/gate-1/0000000001"),
        ("INSERT INTO history VALUES ('genesis', 5, 0)", "history: "),
        ("INSERT INTO nodes VALUES (9, 9, x'00')", "log nodes: "),
        ("INSERT INTO checkpoints SELECT 99, note FROM checkpoints WHERE size=2", "checkpoints: "),
        ("INSERT INTO certificates (der) VALUES (x'00')", "certificates: "),
        ("UPDATE transactions SET code='VALID' WHERE code='CONFLICT'", "transaction "),
        ("UPDATE transactions SET event=NULL WHERE height=4", "transaction 4/0: its event"),
        ("UPDATE transactions SET certificate=certificate+1 WHERE height=4", "transaction 4/0"),
        ("UPDATE checkpoints SET note=(SELECT note FROM checkpoints WHERE size=2) WHERE size=3", "checkpoint 3"),
        ("UPDATE blocks SET bytes='text' WHERE height=3", "block 3"),
        ("UPDATE blocks SET bytes=NULL WHERE height=3", ""),
        ("DELETE FROM blocks", "blocks: the ledger holds no block"),
        ("DELETE FROM transactions WHERE height=0", "transaction 0/0: no founding document"),
        ("UPDATE blocks SET height=height+1 WHERE height=(SELECT max(height) FROM blocks)", "block "),
        ("DROP TABLE nodes", ""),
    ],
)
def test_a_row_taken_away_moved_or_added_is_named(ledger: Path, statement: str, where: str) -> None:
    try:
        said = edited(ledger, statement)
    except sqlite3.Error:
        return  # the table's own rules do not let it in
    assert any(each.startswith(where) for each in said), said


def test_a_rewritten_ledger_needs_the_operators_key(ledger: Path) -> None:
    """Block, links and log made anew around a removed transaction: only the signatures cannot be."""
    connection = sqlite3.connect(ledger)
    top = connection.execute("SELECT max(height) FROM blocks").fetchone()[0]
    for table, column in (("blocks", "height"), ("transactions", "height"), ("checkpoints", "size - 1")):
        connection.execute(f"DELETE FROM {table} WHERE {column}=?", (top - 1,))
        connection.execute(f"UPDATE {table} SET {column.split()[0]}={column.split()[0]} - 1 WHERE {column}=?", (top,))
    connection.commit()
    connection.close()
    assert any("hash link" in str(problem) for problem in check_ledger(ledger))


def test_random_damage_anywhere_in_the_file_never_ends_in_a_traceback(ledger: Path) -> None:
    use_damaged(ledger, seed=11, rounds=60)


def use_damaged(ledger: Path, *, seed: int, rounds: int) -> None:
    """Check, read and write over files with random bits changed: all of it works, or says what is wrong."""
    cast = the_cast()
    untouched = ledger.read_bytes()
    source = random.Random(seed)
    for _ in range(rounds):
        damaged = bytearray(untouched)
        for _ in range(source.choice((1, 1, 3, 40))):
            damaged[source.randrange(len(damaged))] ^= 1 << source.randrange(8)
        ledger.write_bytes(damaged)
        with contextlib.suppress(VeriframeError):
            check_ledger(ledger)
        with contextlib.suppress(VeriframeError), LedgerReader(ledger) as reader:
            for entry in reader.entries():
                with contextlib.suppress(VeriframeError):
                    reader.receipt_at(entry.position)
                    reader.history(entry.key)
            list(reader.events())
        with contextlib.suppress(VeriframeError), contextlib.ExitStack() as stack:
            host = stack.enter_context(
                contextlib.closing(EmbeddedHost(ledger, operator=cast.operator, clock=lambda: NOW_US))
            )
            calls = (("anchor", open_batch(cast.blocks(1, 2))), ("find_blocks", members(camera="gate-1", chain=CHAIN)))
            for function, argument in calls:
                host.submit_many([signed_transaction(cast.genesis, cast["recorder"], function, argument)])
            host.submit_many([signed_transaction(cast.genesis, cast["manager"], "find_cameras", members())])
        for journal in ledger.parent.glob("ledger.db-*"):
            journal.unlink()


def test_a_truncated_file_is_malformed_or_named(ledger: Path) -> None:
    whole = ledger.read_bytes()
    for size in (0, 1, 99, 100, 4096, 5000, len(whole) // 2, len(whole) - 4096):
        ledger.write_bytes(whole[:size])
        assert check_ledger(ledger) != ()


def test_a_damaged_ledger_takes_no_transaction_and_gives_no_traceback(ledger: Path) -> None:
    cast = the_cast()
    edited(ledger, "UPDATE transactions SET envelope=x'00' WHERE height=0")
    with pytest.raises(VeriframeError):
        EmbeddedHost(ledger, operator=cast.operator, clock=lambda: 0)
