"""The ledger's log: an RFC 9162 tree over its blocks, kept as the hashes of complete subtrees.

`nodes(level, number)` is the root over leaves number·2^level up to (number+1)·2^level. Appending writes two of them on
average; a proof reads one for each level, however long the ledger is.
"""

from __future__ import annotations

import sqlite3

from chaincode.ledger_file import blob
from evidence.errors import Malformed
from evidence.merkle import EMPTY_ROOT, node_hash


def append(connection: sqlite3.Connection, index: int, leaf: bytes) -> None:
    """Add the leaf hash at `index`, which must be the log's size so far."""
    number, level, node = index, 0, leaf
    _put(connection, level, number, node)
    while number & 1:
        node = node_hash(node_at(connection, level, number - 1), node)
        number, level = number >> 1, level + 1
        _put(connection, level, number, node)


def root(connection: sqlite3.Connection, size: int) -> bytes:
    """Root over the first `size` leaves."""
    return _subtree(connection, 0, size) if size else EMPTY_ROOT


def inclusion_path(connection: sqlite3.Connection, index: int, size: int) -> tuple[bytes, ...]:
    """Siblings that prove leaf `index` in the tree of the first `size` leaves, lowest level first.

    Source: RFC 9162 2.1.3.1.
    """
    if not 0 <= index < size:
        raise Malformed(f"leaf {index} is outside a log of {size}")
    path: list[bytes] = []
    begin, end = 0, size
    while end - begin > 1:
        split = begin + _largest_power_below(end - begin)
        if index < split:
            path.append(_subtree(connection, split, end))
            end = split
        else:
            path.append(_subtree(connection, begin, split))
            begin = split
    return tuple(reversed(path))


def node_at(connection: sqlite3.Connection, level: int, number: int) -> bytes:
    """Hash of one complete subtree.

    Raises:
        Malformed: the ledger file lacks it.
    """
    row = connection.execute("SELECT hash FROM nodes WHERE level=? AND number=?", (level, number)).fetchone()
    if row is None:
        raise Malformed(f"the ledger's log lacks the node {number} of level {level}")
    return blob(row[0], "a node of the log")


def _put(connection: sqlite3.Connection, level: int, number: int, node: bytes) -> None:
    connection.execute("INSERT INTO nodes (level, number, hash) VALUES (?,?,?)", (level, number, node))


def _subtree(connection: sqlite3.Connection, begin: int, end: int) -> bytes:
    """Root over leaves begin..end, where begin is a multiple of the largest power of two in it."""
    size = end - begin
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return node_at(connection, level, begin >> level)
    split = begin + _largest_power_below(size)
    return node_hash(_subtree(connection, begin, split), _subtree(connection, split, end))


def _largest_power_below(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1
