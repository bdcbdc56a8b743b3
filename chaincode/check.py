"""Does this ledger file still say what its operator once signed? And if not: where does it not?

Reads every block, transaction and checkpoint, replays the write sets, and compares what follows from them (state,
history, log nodes) with what the file holds. It says where something is wrong and goes on, so that one flipped byte is
told from a file that is lost. What it cannot see is a ledger cut off at the end, or re-signed by its operator: for that
one needs a checkpoint from elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from chaincode.admission import Admission, Admitted
from chaincode.dispatch import event_payload
from chaincode.ledger_file import connect, snapshot
from chaincode.packing import unpack_envelope, unpack_writes
from chaincode.reader import founding_document, transaction_at
from evidence.canonical import parse_canonical
from evidence.checkpoint import NoteKey, note_key, parse_checkpoint
from evidence.digests import sha256
from evidence.errors import Malformed, VeriframeError
from evidence.ledger_format import CONFLICT, VALID, Entry, LedgerBlock, parse_ledger_block, write_set
from evidence.merkle import leaf_hash, node_hash
from evidence.registry import Position

MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong: `where` names the row, `detail` says what."""

    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.detail}"


def check_ledger(path: Path) -> tuple[Problem, ...]:
    """Check a whole ledger file; empty where all is well, at most 100 problems otherwise.

    Raises:
        Malformed: the file cannot be read at all. ConfigInvalid, LedgerUnavailable.
    """
    problems: list[Problem] = []
    try:
        connection = connect(path, writing=False)
    except Malformed as error:
        return (Problem(where=str(path), detail=error.detail),)
    try:
        with snapshot(connection, path):
            for problem in _Check(connection).problems():
                problems.append(problem)
                if len(problems) == MAX_PROBLEMS:
                    break
    except Malformed as error:
        problems.append(Problem(where=error.where or str(path), detail=error.detail))
    finally:
        connection.close()
    return tuple(problems)


class _Check:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._admission: Admission | None = None
        self._operator: NoteKey | None = None
        # What the write sets replayed so far make of the state: key -> (height, position, digest of the value).
        self._state: dict[str, tuple[int, int, bytes]] = {}
        self._participants: dict[str, str] = {}
        self._history = 0

    def problems(self) -> Iterator[Problem]:
        for (text,) in self._connection.execute("PRAGMA integrity_check(10)").fetchall():
            if text != "ok":
                yield Problem(where="file", detail=str(text))
        yield from self._founding()
        previous: bytes | None = None
        tree = _Tree()
        height = 0
        for number, data in self._connection.execute("SELECT height, bytes FROM blocks ORDER BY height"):
            where = f"block {number}"
            if number != height:
                yield Problem(where=where, detail=f"block {height} is missing before it")
                return
            data = _bytes(data)
            yield from self._block(where, data, height, previous)
            leaf = leaf_hash(data)
            logged = self._logged_leaf(tree, height)
            if logged not in (None, leaf):
                yield Problem(where=where, detail="it is not the block that the operator's checkpoint covers")
                leaf = logged or leaf
            yield from self._nodes(tree, height, leaf)
            yield from self._checkpoint(height + 1, tree.root())
            previous, height = sha256(data), height + 1
        if height == 0:
            yield Problem(where="blocks", detail="the ledger holds no block")
        yield from self._leftovers(height, tree)
        yield from self._states()

    def _founding(self) -> Iterator[Problem]:
        try:
            genesis = founding_document(transaction_at(self._connection, Position(0, 0))[0])
        except Malformed as error:
            yield Problem(where="transaction 0/0", detail=f"no founding document: {error.detail}")
            return
        self._admission = Admission(genesis)
        self._operator = note_key(genesis.origin, genesis.operator)

    def _block(self, where: str, data: bytes, height: int, previous: bytes | None) -> Iterator[Problem]:
        try:
            block = parse_ledger_block(data)
        except Malformed as error:
            yield Problem(where=where, detail=error.detail)
            return
        if block.height != height:
            yield Problem(where=where, detail=f"it says of itself that its height is {block.height}")
        if block.previous != previous:
            yield Problem(where=where, detail=f"its hash link does not fit block {height - 1}")
        yield from self._transactions(block, height)

    def _transactions(self, block: LedgerBlock, height: int) -> Iterator[Problem]:
        rows = self._connection.execute(
            "SELECT t.position, t.id, t.nonce, t.code, t.envelope, t.writes, t.event, c.der FROM transactions t "
            "LEFT JOIN certificates c ON c.number=t.certificate WHERE t.height=? ORDER BY t.position",
            (height,),
        ).fetchall()
        if [row[0] for row in rows] != list(range(len(block.transactions))):
            yield Problem(
                where=f"block {height}",
                detail=f"it lists {len(block.transactions)} transactions, the file holds {len(rows)}",
            )
        for row, entry in zip(rows, block.transactions, strict=False):
            where = f"transaction {height}/{row[0]}"
            try:
                yield from self._transaction(where, row, entry, height)
            except VeriframeError as error:
                yield Problem(where=where, detail=error.detail)

    def _transaction(self, where: str, row: tuple[object, ...], entry: Entry, height: int) -> Iterator[Problem]:
        position, stored_id, nonce, code, envelope, written, event, certificate = row
        if code != entry.code:
            yield Problem(where=where, detail=f"its code is {code}, the block says {entry.code}")
        writes = unpack_writes(_bytes(written))
        if sha256(write_set(writes)) != entry.writes:
            yield Problem(where=where, detail="its write set is not the one in the block")
            return
        if entry.code == CONFLICT and writes:
            yield Problem(where=where, detail="it lost a conflict and yet writes something")
            return
        # The write set is good by its digest: replay it even where the transaction beside it is damaged, so that one
        # damaged byte is not reported again for every key that it wrote.
        for key, value in writes.items():
            assert isinstance(position, int)
            self._state[key] = (height, position, sha256(value))
            self._history += 1
            filed = self._connection.execute(
                "SELECT 1 FROM history WHERE key=? AND height=? AND position=?", (key, height, position)
            ).fetchone()
            if filed is None:
                yield Problem(where=f"history {key}", detail=f"transaction {height}/{position} is missing")
            if key.startswith("key/"):
                self._note_participant(key, value)
        if self._admission is None:
            return
        admitted = self._admission.authenticate(unpack_envelope(_bytes(envelope), _bytes(certificate)))
        if admitted.tx_id != entry.tx_id or _bytes(stored_id).hex() != entry.tx_id:
            yield Problem(where=where, detail="its id is not the one in the block")
        if _bytes(nonce) != admitted.nonce:
            yield Problem(where=where, detail="its nonce is filed under another value")
        expected = self._event(admitted, event) if entry.code == VALID else None
        if (None if event is None else _bytes(event)) != expected:
            yield Problem(where=where, detail="its event is not what the transaction says")

    def _note_participant(self, key: str, value: bytes) -> None:
        bound = parse_canonical(value, key)
        if isinstance(bound, dict) and isinstance(bound.get("participant"), str):
            self._participants[key.removeprefix("key/")] = bound["participant"]

    def _event(self, admitted: Admitted, stored: object) -> bytes | None:
        transaction = admitted.transaction
        actor = self._participants.get(admitted.caller.public_key.key_id, "")
        payload = event_payload(transaction.function, transaction.arguments, actor=actor, tx_id=admitted.tx_id)
        # A transaction of a contract that this software does not know: its event cannot be judged here.
        return payload if payload is not None else (None if stored is None else _bytes(stored))

    def _logged_leaf(self, tree: _Tree, height: int) -> bytes | None:
        """The leaf hash in the log where the operator's signature covers it: then it is the block that has changed.

        Without this question one changed byte of a block would be reported for every later checkpoint too.
        """
        node = self._connection.execute("SELECT hash FROM nodes WHERE level=0 AND number=?", (height,)).fetchone()
        note = self._connection.execute("SELECT note FROM checkpoints WHERE size=?", (height + 1,)).fetchone()
        if node is None or note is None or self._operator is None or not isinstance(node[0], bytes):
            return None
        try:
            checkpoint = parse_checkpoint(_bytes(note[0]))
        except Malformed:
            return None
        grown = tree.copy()
        for _ in grown.append(height, node[0]):
            pass
        return node[0] if checkpoint.root == grown.root() and checkpoint.signed_by(self._operator) else None

    def _nodes(self, tree: _Tree, height: int, leaf: bytes) -> Iterator[Problem]:
        for level, number, node in tree.append(height, leaf):
            row = self._connection.execute(
                "SELECT hash FROM nodes WHERE level=? AND number=?", (level, number)
            ).fetchone()
            if row is None or _bytes(row[0]) != node:
                yield Problem(where=f"log node {level}/{number}", detail="it does not follow from the blocks")

    def _checkpoint(self, size: int, root: bytes) -> Iterator[Problem]:
        where = f"checkpoint {size}"
        row = self._connection.execute("SELECT note FROM checkpoints WHERE size=?", (size,)).fetchone()
        if row is None:
            yield Problem(where=where, detail="it is missing")
            return
        try:
            checkpoint = parse_checkpoint(_bytes(row[0]))
        except Malformed as error:
            yield Problem(where=where, detail=error.detail)
            return
        if self._operator is None:
            return
        if checkpoint.origin != self._operator.name or (checkpoint.size, checkpoint.root) != (size, root):
            yield Problem(where=where, detail="it is over another log than the one in this file")
        elif not checkpoint.signed_by(self._operator):
            yield Problem(where=where, detail="the operator's signature does not fit")
        elif len(checkpoint.signatures) != 1:
            yield Problem(where=where, detail="it carries signatures that this ledger did not write")

    def _leftovers(self, height: int, tree: _Tree) -> Iterator[Problem]:
        """Rows that no block accounts for."""
        counts = (
            ("transactions", "SELECT count(*) FROM transactions WHERE height>=? OR height<0", (height,), 0),
            ("checkpoints", "SELECT count(*) FROM checkpoints", (), height),
            ("certificates", "SELECT count(*) FROM certificates", (), self._certificates()),
            ("log nodes", "SELECT count(*) FROM nodes", (), tree.written),
            ("history", "SELECT count(*) FROM history", (), self._history),
            ("state", "SELECT count(*) FROM state", (), len(self._state)),
        )
        for where, question, values, expected in counts:
            found = self._connection.execute(question, values).fetchone()[0]
            if found != expected:
                yield Problem(where=where, detail=f"{found} rows stand where the blocks account for {expected}")

    def _certificates(self) -> int:
        row = self._connection.execute("SELECT count(DISTINCT certificate) FROM transactions").fetchone()
        return int(row[0])

    def _states(self) -> Iterator[Problem]:
        for key, value, height, position in self._connection.execute(
            "SELECT key, value, height, position FROM state ORDER BY key"
        ):
            if self._state.get(key) != (height, position, sha256(_bytes(value))):
                yield Problem(where=f"state {key}", detail="it is not what the transactions wrote")


class _Tree:
    """The RFC 9162 tree while it grows: its complete subtrees, largest first."""

    def __init__(self) -> None:
        self.written = 0
        self._peaks: list[tuple[int, bytes]] = []

    def copy(self) -> _Tree:
        other = _Tree()
        other._peaks = list(self._peaks)
        return other

    def append(self, index: int, leaf: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add a leaf; yields every complete subtree that it finishes as (level, number, hash)."""
        level, node = 0, leaf
        self.written += 1
        yield level, index, node
        while self._peaks and self._peaks[-1][0] == level:
            node = node_hash(self._peaks.pop()[1], node)
            level += 1
            self.written += 1
            yield level, index >> level, node
        self._peaks.append((level, node))

    def root(self) -> bytes:
        node = self._peaks[-1][1]
        for _, left in reversed(self._peaks[:-1]):
            node = node_hash(left, node)
        return node


def _bytes(value: object) -> bytes:
    """A column that should hold bytes; whatever else a damaged file put there compares unequal to everything."""
    return value if isinstance(value, bytes) else repr(value).encode()
