"""What is left out of the state table is missed by nobody who holds it against the signed log."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from chaincode.reader import LedgerReader
from evidence.errors import Malformed
from tests.hosts.cast import the_cast
from tests.hosts.stage import EmbeddedStage


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A founded ledger: the genesis and its ADMINs stand on it."""
    stage = EmbeddedStage(tmp_path_factory.mktemp("ledger"), the_cast())
    stage.close()
    return stage.path


def changed(ledger: Path, folder: Path, *statements: str) -> LedgerReader:
    copy = folder / "ledger.db"
    for part in ledger.parent.glob("ledger.db*"):
        shutil.copyfile(part, folder / part.name)
    connection = sqlite3.connect(copy, isolation_level=None)
    for statement in statements:
        assert connection.execute(statement).rowcount > 0
    connection.close()
    return LedgerReader(copy)


def test_an_untouched_ledger_shows_what_was_written(ledger: Path) -> None:
    with LedgerReader(ledger) as reader:
        entries = reader.proven_entries("participant/")
        assert len(entries) == 4 and entries == reader.entries("participant/")
        assert reader.proven_get(entries[0].key) == entries[0]
        assert reader.proven_get("camera/gate-1/0000000000") is None
        first, last = entries[1].key, entries[2].key
        assert reader.proven_entries("participant/", first=first, last=last) == entries[1:3]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM state WHERE key IN (SELECT key FROM state WHERE key LIKE 'participant/%' LIMIT 1)", "hides"),
        ("UPDATE state SET position=position+1 WHERE key LIKE 'participant/%'", "hides"),
        (
            "INSERT INTO state SELECT 'participant/zz/0000000000', value, height, position FROM state LIMIT 1",
            "no block",
        ),
        ("UPDATE transactions SET writes=(SELECT envelope FROM transactions LIMIT 1)", "write set|writes"),
        ("DELETE FROM transactions", "missing|lacks"),
    ],
)
def test_a_state_that_says_otherwise_is_refused(ledger: Path, tmp_path: Path, statement: str, said: str) -> None:
    with pytest.raises(Malformed, match=said), changed(ledger, tmp_path, statement) as reader:
        reader.proven_entries("participant/")


def test_what_is_hidden_elsewhere_does_not_disturb(ledger: Path, tmp_path: Path) -> None:
    with changed(ledger, tmp_path, "DELETE FROM state WHERE key LIKE 'participant/%'") as reader:
        assert reader.proven_get("genesis") is not None
