"""Trees of RFC 9162, held against a plain transcription and the published vectors."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle
from evidence.errors import Malformed

SIZES = st.integers(1, 70)


def leaf_hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"%d" % i) for i in range(count)]


def plain_root(data: list[bytes]) -> bytes:
    """RFC 9162 2.1.1 as it is written there."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = 1
    while k * 2 < len(data):
        k *= 2
    return hashlib.sha256(b"\x01" + plain_root(data[:k]) + plain_root(data[k:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_that_of_the_recursive_definition(data: list[bytes]) -> None:
    assert merkle.root([merkle.leaf_hash(each) for each in data]) == plain_root(data)


@given(SIZES, st.data())
def test_every_leaf_is_proven_at_its_place_and_at_no_other(size: int, data: st.DataObject) -> None:
    leaves = leaf_hashes(size)
    index = data.draw(st.integers(0, size - 1))
    other = data.draw(st.integers(0, size - 1))
    path, root = merkle.inclusion_path(leaves, index), merkle.root(leaves)
    assert merkle.verify_inclusion(leaves[index], index, size, path, root)
    if other != index:
        with contextlib.suppress(Malformed):
            assert not merkle.verify_inclusion(leaves[index], other, size, path, root)
        assert not merkle.verify_inclusion(leaves[other], index, size, path, root)


@given(SIZES, st.data())
def test_every_earlier_size_is_a_prefix(size: int, data: st.DataObject) -> None:
    leaves = leaf_hashes(size)
    earlier = data.draw(st.integers(1, size))
    path = merkle.consistency_path(leaves, earlier)
    root1, root2 = merkle.root(leaves[:earlier]), merkle.root(leaves)
    assert merkle.verify_consistency(earlier, size, path, root1, root2)
    other = merkle.root([*leaves[: earlier - 1], merkle.leaf_hash(b"other")])
    assert not merkle.verify_consistency(earlier, size, path, other, root2)


def test_a_flipped_bit_anywhere_in_a_proof_breaks_it() -> None:
    leaves = leaf_hashes(11)
    root = merkle.root(leaves)
    path = merkle.inclusion_path(leaves, 6)
    for step in range(len(path)):
        for byte in range(32):
            bent = [*path]
            bent[step] = bytes(b ^ (1 if i == byte else 0) for i, b in enumerate(path[step]))
            assert not merkle.verify_inclusion(leaves[6], 6, 11, bent, root)


def _digest(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def published(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.json"))


def test_published_inclusion_proofs(vectors: Path) -> None:
    cases = published(vectors / "merkle" / "inclusion")
    assert len(cases) == 98
    for case in cases:
        v = json.loads(case.read_text())
        path = [_digest(each) for each in v["proof"] or []]
        try:
            accepted = merkle.verify_inclusion(
                _digest(v["leafHash"]), v["leafIdx"], v["treeSize"], path, _digest(v["root"])
            )
        except Malformed:
            accepted = False
        assert accepted != v["wantErr"], case


def test_published_consistency_proofs(vectors: Path) -> None:
    cases = published(vectors / "merkle" / "consistency")
    assert len(cases) == 98
    for case in cases:
        v = json.loads(case.read_text())
        path = [_digest(each) for each in v["proof"] or []]
        try:
            accepted = merkle.verify_consistency(v["size1"], v["size2"], path, _digest(v["root1"]), _digest(v["root2"]))
        except Malformed:
            accepted = False
        assert accepted != v["wantErr"], case


@pytest.mark.parametrize("size1", [0, 6])
def test_no_consistency_proof_leads_from_nowhere(size1: int) -> None:
    with pytest.raises(Malformed):
        merkle.consistency_path(leaf_hashes(5), size1)
