"""Checkpoints as C2SP writes them, and witnesses' cosignatures."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from evidence import merkle
from evidence.checkpoint import (
    ALGORITHM_COSIGNATURE,
    cosign_checkpoint,
    note_key,
    parse_checkpoint,
    parse_note_key,
    sign_checkpoint,
)
from evidence.errors import Malformed

LOG = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
WITNESS = Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
KEY = note_key("veriframe/test", LOG.public_key().public_bytes_raw())
NOTE = sign_checkpoint("veriframe/test", 12, b"\x11" * 32, LOG)


def test_a_published_log_is_read_and_its_roots_recomputed(vectors: Path) -> None:
    key = parse_note_key("example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx")
    words = [
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eit",
        "nain",
        "ten",
        "ileven",
        "twelf",
        "threeten",
        "fourten",
        "fivten",
    ]
    hashes = [merkle.leaf_hash(word.encode()) for word in words]
    notes = sorted((vectors / "tlog").rglob("checkpoint*"))
    sizes = set()
    for path in notes:
        checkpoint = parse_checkpoint(path.read_bytes())
        assert checkpoint.signed_by(key), path
        assert checkpoint.root == merkle.root(hashes[: checkpoint.size]), path
        sizes.add(checkpoint.size)
    assert sizes == set(range(16))


def test_a_verifier_key_survives_its_text() -> None:
    assert parse_note_key(KEY.text) == KEY
    with pytest.raises(Malformed, match="hash does not fit"):
        parse_note_key(KEY.text.replace(KEY.key_hash.hex(), "00000000"))


def test_every_flipped_byte_of_a_checkpoint_breaks_it() -> None:
    assert parse_checkpoint(NOTE).signed_by(KEY)
    for at in range(len(NOTE)):
        bent = NOTE[:at] + bytes([NOTE[at] ^ 0x01]) + NOTE[at + 1 :]
        with contextlib.suppress(Malformed):
            assert not parse_checkpoint(bent).signed_by(KEY), at


def test_a_witness_is_believed_under_its_own_key_and_kind_only() -> None:
    log = parse_checkpoint(NOTE)
    both = parse_checkpoint(NOTE + cosign_checkpoint(log, "witness.example", WITNESS, 1_764_000_000))
    witness = note_key("witness.example", WITNESS.public_key().public_bytes_raw(), ALGORITHM_COSIGNATURE)
    assert both.signed_by(KEY)
    assert both.cosigned_by(witness) == 1_764_000_000
    assert log.cosigned_by(witness) is None
    assert both.cosigned_by(note_key("other", witness.key, ALGORITHM_COSIGNATURE)) is None
    assert not both.signed_by(witness)
    assert both.cosigned_by(KEY) is None


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_note_or_malformed(data: bytes) -> None:
    for bytes_ in (data, NOTE[:40] + data, NOTE + data):
        with contextlib.suppress(Malformed):
            parse_checkpoint(bytes_)
