"""What the transactions of a ledger file wrote last under each key, held against its signed log.

The file's `state` table is a convenience that nobody signs: a row left out of it (a suspension, a revocation, a second
chain) would be missed by whoever reads only that. The transactions stand in hash-chained blocks, and the blocks under
the operator's newest checkpoint, so nothing can be left out of those without being noticed.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable

from chaincode.ledger_file import blob, position_of
from chaincode.packing import unpack_writes
from evidence.checkpoint import parse_checkpoint
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.ledger_format import VALID, parse_ledger_block, write_set
from evidence.merkle import leaf_hash, root
from evidence.registry import Position

_RESTORE = "restore the ledger from a back-up; `veriframe doctor` says what else is wrong with it"


class Written:
    """Every key that was ever written, with the transaction that wrote it last."""

    def __init__(self, latest: dict[str, Position]) -> None:
        self._latest = latest
        self._keys = sorted(latest)

    def check(self, start: str, end: str, found: Iterable[tuple[Position, str, bytes]]) -> None:
        """Hold what a state table shows for start <= key < end against what was written.

        Raises:
            Malformed: an entry is left out, invented, or said to come from another transaction.
        """
        shown = {key: position for position, key, _ in found}
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        for key in keys:
            if shown.pop(key, None) != self._latest[key]:
                raise Malformed("the ledger file hides an entry that its blocks hold", where=key, next_step=_RESTORE)
        if shown:
            raise Malformed("the ledger file shows an entry that no block holds", where=min(shown), next_step=_RESTORE)


def written(view: sqlite3.Connection, checkpoint: bytes) -> Written:
    """Replay the file's write sets.

    Args:
        checkpoint: newest signed note of the log; who signed it is judged with the receipts that carry it.

    Raises:
        Malformed: a block or transaction is missing or changed, or the blocks are not those of the checkpoint.
    """
    latest: dict[str, Position] = {}
    leaves: list[bytes] = []
    for height, stored in view.execute("SELECT height, bytes FROM blocks ORDER BY height"):
        data = blob(stored, "a ledger block")
        block = parse_ledger_block(data)
        leaves.append(leaf_hash(data))
        rows = view.execute("SELECT writes FROM transactions WHERE height=? ORDER BY position", (height,)).fetchall()
        if block.height != len(leaves) - 1 or height != block.height or len(rows) != len(block.transactions):
            raise Malformed("a block or transaction of the ledger is missing", where=f"block {len(leaves) - 1}")
        for index, (entry, (packed,)) in enumerate(zip(block.transactions, rows, strict=True)):
            if entry.code != VALID:
                continue
            writes = unpack_writes(blob(packed, "a write set"))
            if sha256(write_set(writes)) != entry.writes:
                raise Malformed("a transaction's writes were changed", where=f"transaction {height}/{index}")
            latest.update(dict.fromkeys(writes, position_of(height, index)))
    signed = parse_checkpoint(checkpoint)
    if signed.size != len(leaves) or signed.root != root(leaves):
        raise Malformed("the ledger's blocks are not those that its newest checkpoint covers", next_step=_RESTORE)
    return Written(latest)
