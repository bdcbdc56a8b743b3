"""Merkle trees of RFC 9162 section 2.1 over SHA-256: roots, inclusion and consistency proofs.

Leaf hashes begin with 0x00 and inner nodes with 0x01, so that no leaf can pass for a node. Functions here take
*leaf hashes* (32 bytes, from `leaf_hash`), never leaf data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed

EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_PATH = 64


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Root over `leaves`; the root of no leaves is SHA-256 of nothing.

    Pairing level by level and carrying an odd node up gives the same tree as the recursive definition.
    """
    if not leaves:
        return EMPTY_ROOT
    level = list(leaves)
    sha256 = hashlib.sha256
    while len(level) > 1:
        paired = [sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


def inclusion_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Sibling hashes that prove leaf `index`, lowest level first.

    Raises:
        Malformed: index outside the tree.

    Source: RFC 9162 2.1.3.1.
    """
    if not 0 <= index < len(leaves):
        raise Malformed(f"leaf {index} is outside a tree of {len(leaves)}")
    path: list[bytes] = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
        index //= 2
    return tuple(path)


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], expected_root: bytes) -> bool:
    """Tell whether `leaf` sits at `index` of the tree with this `size` and root.

    Args:
        leaf: leaf hash, 32 bytes, already prefixed and hashed.
        index: 0 <= index < size.
        path: sibling hashes, lowest level first.

    Raises:
        Malformed: index outside the tree, hashes of another length, or a path of the wrong length.

    Source: RFC 9162 2.1.3.2; vectors in tests/vectors/merkle.
    """
    _check_hashes((leaf, expected_root, *path))
    if not 0 <= index < size:
        raise Malformed(f"leaf {index} is outside a tree of {size}")
    if len(path) > MAX_PATH:
        raise Malformed("inclusion path is too long")
    fn, sn = index, size - 1
    computed = leaf
    for sibling in path:
        if sn == 0:
            raise Malformed("inclusion path is too long for this tree")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            computed = node_hash(computed, sibling)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Malformed("inclusion path is too short for this tree")
    return computed == expected_root


def consistency_path(leaves: Sequence[bytes], size1: int) -> tuple[bytes, ...]:
    """Hashes that prove the tree of the first `size1` leaves to be a prefix of this one.

    Raises:
        Malformed: size1 outside 1..len(leaves).

    Source: RFC 9162 2.1.4.1.
    """
    if not 0 < size1 <= len(leaves):
        raise Malformed(f"a tree of {len(leaves)} has no earlier size {size1}")
    path: list[bytes] = []
    begin, end, old, complete = 0, len(leaves), size1, True
    steps: list[bytes] = []
    while old != end - begin:
        split = 1 << (end - begin - 1).bit_length() - 1
        if old <= split:
            steps.append(root(leaves[begin + split : end]))
            end = begin + split
        else:
            steps.append(root(leaves[begin : begin + split]))
            begin += split
            old -= split
            complete = False
    if not complete:
        path.append(root(leaves[begin:end]))
    path.extend(reversed(steps))
    return tuple(path)


def verify_consistency(size1: int, size2: int, path: Sequence[bytes], root1: bytes, root2: bytes) -> bool:
    """Tell whether the tree (size2, root2) continues the tree (size1, root1).

    A proof from size 0 says nothing and is refused.

    Raises:
        Malformed: sizes out of order or zero, hashes of another length, or a path of the wrong length.

    Source: RFC 9162 2.1.4.2; vectors in tests/vectors/merkle.
    """
    if not 0 < size1 <= size2:
        raise Malformed(f"no consistency proof leads from size {size1} to size {size2}")
    if len(path) > 2 * MAX_PATH:
        raise Malformed("consistency path is too long")
    if size1 == size2:
        if path:
            raise Malformed("consistency path between equal sizes is not empty")
        return root1 == root2
    _check_hashes((root1, root2, *path))
    nodes = list(path)
    if size1 & (size1 - 1) == 0:
        nodes.insert(0, root1)
    if not nodes:
        raise Malformed("consistency path is empty")
    fn, sn = size1 - 1, size2 - 1
    while fn & 1:
        fn >>= 1
        sn >>= 1
    old = new = nodes[0]
    for node in nodes[1:]:
        if sn == 0:
            raise Malformed("consistency path is too long for these trees")
        if fn & 1 or fn == sn:
            old = node_hash(node, old)
            new = node_hash(node, new)
            while not fn & 1 and fn != 0:
                fn >>= 1
                sn >>= 1
        else:
            new = node_hash(new, node)
        fn >>= 1
        sn >>= 1
    if sn != 0:
        raise Malformed("consistency path is too short for these trees")
    return old == root1 and new == root2


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != DIGEST_BYTES for each in hashes):
        raise Malformed("a hash in the proof is not 32 bytes long")
