"""Our bytes against vectors that were made without our code (tests/vectors/make_evidence.py)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from evidence import commitments, leaves, merkle
from evidence.batches import make_batch, parse_batch
from evidence.blocks import PAYLOAD_TYPE, block_of, parse_block
from evidence.checkpoint import parse_checkpoint, parse_note_key
from evidence.digests import sha256
from evidence.dsse import pae
from evidence.keys import parse_public_key
from evidence.ledger_format import parse_ledger_block, parse_transaction, parse_write_set, transaction_id, write_set
from evidence.record_parser import parse_record
from evidence.records import SegmentRecord

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "evidence.json").read_text())
KEYS = {name: parse_public_key(base64.b64decode(each["spki"])) for name, each in VECTORS["keys"].items()}


def test_key_ids() -> None:
    for name, each in VECTORS["keys"].items():
        assert KEYS[name].key_id == each["id"]
        assert KEYS[name].algorithm == name.replace("_", "-")


def test_leaves_and_their_tree() -> None:
    v = VECTORS["leaves"]
    coded = [bytes.fromhex(each) for each in v["coded"]]
    columns = list(zip(coded, v["offsets_us"], v["flags"], strict=True))
    assert [leaves.unit_leaf(*each).hex() for each in columns] == v["unit"]
    assert all(len(leaf) == 2 * leaves.UNIT_LEAF_BYTES for leaf in v["unit"])
    root = leaves.unit_root(b"".join(coded), v["offsets_us"], bytes(v["flags"]))
    assert root == leaves.root_of([leaves.unit_leaf(*each) for each in columns])
    for unit, digest, leaf in v["side"]:
        assert leaves.side_leaf(unit, bytes.fromhex(digest)).hex() == leaf
    record = parse_record(VECTORS["records"]["segment"]["record"].encode())
    assert isinstance(record, SegmentRecord)
    assert record.units.root == root
    assert record.side.root == leaves.root_of([bytes.fromhex(leaf) for _, _, leaf in v["side"]])
    assert record.samples.root == leaves.root_of([leaves.sample_leaf(each.encode()) for each in v["sample"]])


def test_commitments() -> None:
    v = VECTORS["commitments"]
    seed = bytes.fromhex(v["seed"])
    for label, unit, tile, salt in v["salts"]:
        assert commitments.salt(seed, label, unit, tile).hex() == salt
    look = commitments.look(commitments.salt(seed, "look", 0), bytes.fromhex(v["phash"]), bytes.fromhex(v["grid"]))
    assert look.hex() == v["look"]
    pixels = commitments.pixels(commitments.salt(seed, "pixels", 0), bytes.fromhex(v["pixels"]))
    assert pixels.hex() == v["pixels_commitment"]
    text, digest = v["text"]
    assert commitments.text_commitment(seed, text).hex() == digest


@pytest.mark.parametrize("name", VECTORS["records"])
def test_records_blocks_and_signatures(name: str) -> None:
    v = VECTORS["records"][name]
    record = parse_record(v["record"].encode())
    assert record.canonical() == v["record"].encode()
    assert record.digest.hex() == v["digest"]
    block = block_of(record)
    assert block.canonical() == v["block"].encode()
    assert parse_block(v["block"].encode()) == block
    assert block.signing_input().hex() == v["signing_input"]
    assert block.signing_input() == pae(PAYLOAD_TYPE, block.canonical())
    for algorithm, key in KEYS.items():
        assert key.verify(base64.b64decode(v[algorithm]), block.signing_input())


def test_a_sealed_batch() -> None:
    v = VECTORS["batch"]
    blocks = [parse_block(leaf.encode()) for leaf in v["leaves"]]
    batch = parse_batch(v["batch"].encode())
    assert make_batch(blocks[::-1], site="north", recorder="rec-1", batch=0, previous=None) == (batch, tuple(blocks))


def test_the_embedded_ledger() -> None:
    v = VECTORS["ledger"]
    transaction = parse_transaction(v["transaction"].encode())
    assert transaction.canonical() == v["transaction"].encode()
    assert transaction_id(transaction.canonical()) == v["id"]
    assert write_set(parse_write_set(v["writes"].encode())) == v["writes"].encode()
    block = parse_ledger_block(v["block"].encode())
    assert block.canonical() == v["block"].encode()
    assert block.transactions[0].tx_id == v["id"]
    assert block.transactions[0].writes == sha256(v["writes"].encode())
    checkpoint = parse_checkpoint(v["checkpoint"].encode())
    assert checkpoint.signed_by(parse_note_key(v["verifier_key"]))
    assert (checkpoint.size, checkpoint.root) == (1, merkle.leaf_hash(block.canonical()))
