"""Every byte of what proves something, flipped in turn, fails its check; nothing raises and nothing verifies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from evidence.blocks import parse_signed_block, slot_key
from evidence.canonical import canonical, parse_canonical
from evidence.checkpoint import parse_checkpoint
from evidence.errors import Malformed
from evidence.ledger_format import Receipt, parse_receipt
from evidence.proof_file import ProofFile, mismatch, parse_proof_file, write_proof_file
from evidence.record_parser import parse_record
from evidence.trust import Trust, parse_trust
from media.footage import Footage
from tests.unit.verifier.small_site import Site
from verifier.anchor import Standing
from verifier.asked import Asked
from verifier.bundle import Bundle
from verifier.check_proof import ProofJudge
from verifier.court import Court
from verifier.judge import judge
from verifier.model import State
from verifier.verdict import Exhibit

Film = Callable[[str, int, int], Footage]


def flipped(data: bytes) -> Iterator[bytes]:
    """The data with one bit changed in every byte, another bit each time."""
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]


@pytest.fixture(name="court")
def judged(bundle: Bundle, site: Site) -> Court:
    return Court(bundle, site.trust)


@pytest.fixture(name="bundle")
def one_record(site: Site) -> Bundle:
    site.enrol("gate-1")
    site.record("gate-1", "IPPP")
    site.anchor()
    return site.bundle()


def slot_of(bundle: Bundle) -> tuple[str, int, int]:
    (slot,) = bundle.proofs
    return slot


def standing(court: Court, proof: bytes) -> Standing:
    slot = slot_of(court.bundle)
    return ProofJudge(replace(court.bundle, proofs={slot: proof}), court.receipts, court.registry).judge(slot).standing


def rewritten(proof: ProofFile, **changes: object) -> bytes | None:
    """The proof file with something else in it, None where that has no form at all."""
    try:
        return write_proof_file(replace(proof, **changes))  # type: ignore[arg-type]
    except Malformed:
        return None


def test_every_byte_of_a_record_counts(bundle: Bundle, court: Court) -> None:
    proof = parse_proof_file(bundle.proofs[slot_of(bundle)])
    assert standing(court, bundle.proofs[slot_of(bundle)]) is Standing.SOUND
    whole = 0
    for data in flipped(proof.record.canonical()):
        try:
            record = parse_record(data)
        except Malformed:
            continue
        whole += 1
        changed = rewritten(proof, record=record)
        assert changed is None or standing(court, changed) is Standing.BROKEN, data
    assert whole > 100  # most flips within digests and numbers leave a record that parses


def test_every_byte_of_the_leaves_counts(bundle: Bundle) -> None:
    proof = parse_proof_file(bundle.proofs[slot_of(bundle)])
    for coded in flipped(proof.coded):
        assert mismatch(replace(proof, coded=coded)) == "units_root"
    for index in range(len(proof.flags)):
        for offset in (1, -1, 2**62):
            offsets = [each + offset * (at == index) for at, each in enumerate(proof.offsets_us)]
            assert mismatch(replace(proof, offsets_us=offsets)) == "units_root"
    for flags in flipped(proof.flags):
        assert mismatch(replace(proof, flags=flags)) == "units_root"


def test_every_byte_of_a_block_and_its_signature_counts(bundle: Bundle, court: Court) -> None:
    proof = parse_proof_file(bundle.proofs[slot_of(bundle)])
    for data in flipped(proof.signed.canonical()):
        try:
            signed = parse_signed_block(data)
        except Malformed:
            continue
        changed = rewritten(proof, signed=signed)
        assert changed is None or standing(court, changed) is Standing.BROKEN, data


def test_every_byte_of_a_proof_file_counts_or_is_private(bundle: Bundle, court: Court) -> None:
    """A flip may hit the private part, which proves nothing; then the proof is as sound as before."""
    slot = slot_of(bundle)
    original = parse_proof_file(bundle.proofs[slot])
    sound = 0
    for data in flipped(bundle.proofs[slot]):
        if standing(court, data) is Standing.SOUND:
            sound += 1
            assert replace(parse_proof_file(data), private=b"") == replace(original, private=b"")
    assert sound < len(original.private) + 32  # headers of compressed sections have bits that nobody reads


def test_every_byte_of_a_receipt_counts(bundle: Bundle, court: Court) -> None:
    receipt = bundle.state[slot_key(*slot_of(bundle))]
    for data in flipped(receipt.canonical()):
        try:
            changed: Receipt = parse_receipt(data)
        except Malformed:
            continue
        assert court.receipts.anchor(changed).judgement.standing > Standing.PENDING, data


def test_every_byte_of_a_checkpoint_counts(bundle: Bundle, court: Court) -> None:
    receipt = bundle.state[slot_key(*slot_of(bundle))]
    for note in flipped(receipt.checkpoint):
        changed = replace(receipt, checkpoint=note)
        assert court.receipts.anchor(changed).judgement.standing > Standing.PENDING, note


def test_every_byte_of_the_trust_file_counts(bundle: Bundle, site: Site, film: Film) -> None:
    """A flip makes the file unreadable, or trusts something else; only whether witnesses count may pass unseen."""
    footage = film("gate-1", 0, 4)
    for data in flipped(site.trust.canonical()):
        try:
            trust: Trust = parse_trust(data)
        except Malformed:
            continue
        verdict = judge(footage, [Exhibit.of(footage)], Court(bundle, trust), Asked(trust_source="file"))
        assert verdict.state is State.UNTRUSTED_PROOF, data


def test_a_checkpoint_reads_back_as_it_was_signed(bundle: Bundle) -> None:
    receipt = bundle.state[slot_key(*slot_of(bundle))]
    assert parse_checkpoint(receipt.checkpoint).size == receipt.size
    assert canonical(parse_canonical(receipt.canonical(), "receipt", limit=1 << 24)) == receipt.canonical()
