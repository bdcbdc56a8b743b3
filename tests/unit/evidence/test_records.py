"""Records, blocks and proof files: what is written is read back, and no bent byte passes."""

from __future__ import annotations

import contextlib
from array import array
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.blocks import block_of, parse_block, parse_signed_block, sign_block
from evidence.canonical import canonical, parse_canonical
from evidence.errors import Malformed
from evidence.proof_file import MAGIC, mismatch, parse_proof_file, write_proof_file
from evidence.record_parser import parse_record
from evidence.records import GAP_CAUSES, Media, SegmentRecord
from evidence.registry import judge_block
from tests.unit.evidence import builders

RECORDS = {
    "segment": builders.segment(),
    "gap": builders.gap(),
    "imported": builders.imported(),
    "media_less": builders.media_less(),
}


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 0x01]) + data[at + 1 :]


@pytest.mark.parametrize("name", RECORDS)
def test_every_kind_of_record_is_read_back(name: str) -> None:
    record = RECORDS[name]
    assert parse_record(record.canonical()) == record


@pytest.mark.parametrize("name", RECORDS)
def test_every_flipped_byte_of_a_record_is_refused_or_no_longer_the_anchored_record(name: str) -> None:
    record = RECORDS[name]
    block = block_of(record)
    for bent in flips(record.canonical()):
        with contextlib.suppress(Malformed):
            assert block_of(parse_record(bent)) != block


def test_every_flipped_byte_of_a_signed_block_is_refused_or_not_signed() -> None:
    signed = builders.signed(builders.segment())
    camera = builders.camera()
    assert judge_block(camera, signed) is None
    for bent in flips(signed.canonical()):
        with contextlib.suppress(Malformed):
            assert judge_block(camera, parse_signed_block(bent)) is not None


def test_every_flipped_byte_of_a_proof_file_is_refused_or_named() -> None:
    proof = builders.proof()
    data = write_proof_file(proof)
    camera = builders.camera()
    whole = parse_proof_file(data)
    assert mismatch(whole) is None and judge_block(camera, whole.signed) is None
    private_from = len(data) - len(proof.private)
    for at, bent in enumerate(flips(data)):
        if at >= private_from:
            continue  # the private part is bound by the commitments that it opens, when it opens them
        try:
            parsed = parse_proof_file(bent)
        except Malformed:
            continue
        assert (
            mismatch(parsed) is not None
            or judge_block(camera, parsed.signed) is not None
            or parsed == whole  # another compression of the same column
        ), at


def test_a_leaf_moved_dropped_or_bent_is_named() -> None:
    proof = builders.proof()
    swapped = proof.coded[32:64] + proof.coded[:32] + proof.coded[64:]
    assert mismatch(replace(proof, coded=swapped)) == "units_root"
    assert mismatch(replace(proof, offsets_us=array("q", [0, 40_000, 80_000, 120_000, 160_001]))) == "units_root"
    assert mismatch(replace(proof, flags=b"\x01\x00\x00\x00\x00")) == "units_root"
    assert mismatch(replace(proof, sides=proof.sides[:1])) == "side_root"
    assert mismatch(replace(proof, samples=proof.samples[::-1])) == "samples_root"
    other = builders.signed(builders.segment(end_us=builders.segment().end_us + 1))
    assert mismatch(replace(proof, signed=other)) == "block_differs"


def test_a_block_belongs_to_the_key_it_names() -> None:
    block = block_of(builders.segment())
    with pytest.raises(Malformed):
        sign_block(block, builders.ED25519_DEVICE)
    signed = sign_block(replace(block, key=builders.ED25519_DEVICE.public_key.key_id), builders.ED25519_DEVICE)
    camera = builders.camera(device_key=builders.ED25519_DEVICE.public_key)
    assert judge_block(camera, signed) is None
    assert judge_block(builders.camera(), signed) == "key_differs"
    assert judge_block(builders.camera(status="SUSPENDED"), signed) == "camera_not_active"
    assert judge_block(builders.camera(id="gate-2"), signed) == "camera_unknown"
    assert judge_block(None, signed) == "camera_unknown"


@pytest.mark.parametrize("cause", GAP_CAUSES)
def test_every_gap_cause_is_read_back(cause: str) -> None:
    assert parse_record(builders.gap(cause=cause).canonical()) == builders.gap(cause=cause)


def _changed(record: SegmentRecord, **members: object) -> bytes:
    value = parse_canonical(record.canonical(), "record")
    return canonical({**value, **members})


@pytest.mark.parametrize(
    "members",
    [
        {"type": "veriframe/segment/2"},
        {"cause": "network"},
        {"camera": "Gate 1"},
        {"camera": "gate-1\x00"},
        {"chain": 10_000_000_000},
        {"chain": -1},
        {"end_us": 0},
        {"kept": "some"},
        {"kept": "none"},
        {"units": {"first": 0, "count": 0, "root": "0" * 64, "source_us": 0}},
        {"headers": [{"at": 1, "sha256": "0" * 64}]},
        {"headers": [{"at": 0, "sha256": "0" * 64}, {"at": 5, "sha256": "0" * 64}]},
        {"display": {"rotate": 45, "mirror": False, "sar": [1, 1], "crop": [0, 0, 0, 0], "colour": [1, 1, 1, 0]}},
        {"samples": {"count": 6, "root": "0" * 64}},
        {"sound": {"codec": "aac"}},
        {"previous": "AA" * 32},
        {"extra": []},
        {"notes": [{"unit": 1, "cause": "tea", "count": 1}]},
    ],
)
def test_a_record_that_contradicts_its_format_is_refused(members: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse_record(_changed(builders.segment(), **members))


def test_extra_is_hashed_and_otherwise_ignored() -> None:
    record = builders.segment(extra={"vendor": {"note": "é"}})
    assert parse_record(record.canonical()) == record
    assert record.digest != builders.segment().digest


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_block_or_proof_file_or_malformed(data: bytes) -> None:
    for parse in (parse_record, parse_block, parse_signed_block, parse_proof_file):
        for candidate in (data, MAGIC + data):
            with pytest.raises(Malformed):
                parse(candidate)


def test_a_bomb_in_a_proof_file_is_noticed_without_being_unpacked() -> None:
    import zlib

    proof = builders.proof()
    data = write_proof_file(proof)
    flags = zlib.compress(proof.flags, 9)
    bomb = zlib.compress(b"\x00" * (64 << 20), 9)
    framed = len(flags).to_bytes(4, "big") + flags
    assert framed in data
    with pytest.raises(Malformed, match="size"):
        parse_proof_file(data.replace(framed, len(bomb).to_bytes(4, "big") + bomb))


def test_a_proof_file_without_media_is_whole() -> None:
    record = builders.media_less()
    proof = replace(builders.proof(record), sides=(), samples=(), private=b"")
    assert mismatch(parse_proof_file(write_proof_file(proof))) is None
    gap = builders.gap()
    of_gap = parse_proof_file(write_proof_file(replace(builders.proof(), record=gap, signed=builders.signed(gap))))
    assert of_gap.coded == b"" and mismatch(of_gap) is None
    assert record.media is None and isinstance(builders.segment().media, Media)
