"""The embedded ledger's bytes, trust files, batches, policies and the registry at a moment."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from evidence import dsse, merkle
from evidence.batches import Batch, leaf_hashes, make_batch, parse_batch
from evidence.blocks import block_of
from evidence.canonical import canonical, parse_canonical
from evidence.certificates import parse_attributes, parse_certificate
from evidence.checkpoint import ALGORITHM_COSIGNATURE, note_key, sign_checkpoint
from evidence.errors import Malformed
from evidence.genesis import log_origin, parse_genesis
from evidence.ledger_format import (
    TRANSACTION_PAYLOAD_TYPE,
    VALID,
    Entry,
    LedgerBlock,
    Receipt,
    Transaction,
    parse_ledger_block,
    parse_receipt,
    parse_transaction,
    parse_write_set,
    transaction_id,
    write_set,
)
from evidence.policy import DEFAULT_POLICY, Policy, parse_policy, sample_shortfall
from evidence.records import Note, Tree
from evidence.registry import (
    ACTIVE,
    SUSPENDED,
    ParticipantEntry,
    Position,
    Registry,
    numbered_key,
    parse_camera_entry,
    parse_participant_entry,
)
from evidence.trust import EmbeddedTrust, FabricTrust, Revocation, SeenCheckpoint, Trust, parse_trust
from tests.unit.evidence import builders
from tests.unit.evidence.test_records import flips

GENESIS = b"\x21" * 32
ORIGIN = log_origin(GENESIS)
OPERATOR = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
TRANSACTION = Transaction(
    ledger=GENESIS,
    function="propose_camera",
    arguments=(b"{}", b""),
    msp="ControlRoomMSP",
    certificate=b"DER",
    time_us=1_761_993_600_000_000,
    nonce=b"\x01" * 24,
)
WRITES = {"camera/gate-1/0000000000": b"{}", "key/" + "0" * 64: b'{"camera":"gate-1"}'}
LEDGER_BLOCK = LedgerBlock(
    height=3,
    previous=b"\x31" * 32,
    time_us=1_761_993_600_000_001,
    transactions=(
        Entry(tx_id=transaction_id(TRANSACTION.canonical()), code=VALID, writes=merkle.EMPTY_ROOT),
        Entry(tx_id="ab" * 32, code="CONFLICT", writes=merkle.EMPTY_ROOT),
    ),
)
RECEIPT = Receipt(
    transaction=dsse.sign(TRANSACTION_PAYLOAD_TYPE, TRANSACTION.canonical(), builders.DEVICE),
    writes=WRITES,
    block=LEDGER_BLOCK,
    size=4,
    path=(b"\x41" * 32, b"\x42" * 32),
    checkpoint=sign_checkpoint(ORIGIN, 4, b"\x43" * 32, OPERATOR),
)
TRUST = Trust(
    ledgers=(
        EmbeddedTrust(
            id=f"embedded:{GENESIS.hex()}",
            operators=(note_key(ORIGIN, OPERATOR.public_key().public_bytes_raw()),),
            witnesses=(note_key("w.example", b"\x09" * 32, ALGORITHM_COSIGNATURE),),
            quorum=1,
        ),
        FabricTrust(
            id=f"fabric:evidence:{'0' * 64}",
            chaincode="veriframe",
            msps={"ControlRoomMSP": (b"\x51" * 32,), "PoliceMSP": (b"\x52" * 32,)},
            endorse_all=("ControlRoomMSP",),
            endorse_any=("PoliceMSP",),
            orderer_quorum=0,
            timewindow_msps=("PoliceMSP",),
        ),
    ),
    timestamp_roots=(b"\x61" * 32,),
    revoked=(Revocation(sha256=b"\x62" * 32, since_us=5),),
    checkpoints=(SeenCheckpoint(ledger=f"embedded:{GENESIS.hex()}", height=2, hash=b"\x63" * 32),),
)
PARTICIPANT = ParticipantEntry(
    id="op-1",
    n=0,
    status=ACTIVE,
    msp="ControlRoomMSP",
    role="OPERATOR",
    key="0f" * 32,
    control_room="cr-1",
    department=None,
    site=None,
    valid_until_us=None,
)
BATCH = make_batch(
    [block_of(builders.segment(sequence=1)), block_of(builders.segment())],
    site="north",
    recorder="rec-1",
    batch=0,
    previous=None,
)[0]

DOCUMENTS: dict[str, tuple[bytes, Callable[[bytes], Any]]] = {
    "transaction": (TRANSACTION.canonical(), parse_transaction),
    "ledger block": (LEDGER_BLOCK.canonical(), parse_ledger_block),
    "receipt": (RECEIPT.canonical(), parse_receipt),
    "trust file": (TRUST.canonical(), parse_trust),
    "batch": (BATCH.canonical(), parse_batch),
    "policy": (DEFAULT_POLICY.canonical(), parse_policy),
    "camera entry": (builders.camera().canonical(), parse_camera_entry),
    "participant entry": (PARTICIPANT.canonical(), parse_participant_entry),
    "envelope": (RECEIPT.transaction.canonical(), lambda data: dsse.parse_envelope(data, TRANSACTION_PAYLOAD_TYPE)),
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_document_is_read_back_byte_for_byte(name: str) -> None:
    data, parse = DOCUMENTS[name]
    assert parse(data).canonical() == data


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_flipped_byte_gives_another_document_or_none(name: str) -> None:
    data, parse = DOCUMENTS[name]
    whole = parse(data)
    for bent in flips(data):
        with contextlib.suppress(Malformed):
            assert parse(bent) != whole


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("unknown", [True, False])
def test_a_member_too_many_or_too_few_is_refused(name: str, unknown: bool) -> None:
    data, parse = DOCUMENTS[name]
    value = parse_canonical(data, name)
    for member in [*value]:
        changed = {**value, "zzz": 1} if unknown else {k: v for k, v in value.items() if k != member}
        with pytest.raises(Malformed):
            parse(canonical(changed))


@given(st.binary(max_size=100))
def test_any_bytes_are_a_document_or_malformed(data: bytes) -> None:
    for _, parse in DOCUMENTS.values():
        with pytest.raises(Malformed):
            parse(data)
    for parse_other in (parse_write_set, parse_genesis, parse_certificate, parse_attributes):
        with pytest.raises(Malformed):
            parse_other(data)


def test_a_write_set_is_ordered_and_read_back() -> None:
    assert parse_write_set(write_set(WRITES)) == WRITES
    assert write_set(dict(reversed(WRITES.items()))) == write_set(WRITES)
    first, second = parse_canonical(write_set(WRITES), "writes")
    for bent in ([second, first], [first, first], [[first[0]]], [["\x00", ""]], [["a", "?"]], {}):
        with pytest.raises(Malformed):
            parse_write_set(canonical(bent))


def test_a_batch_orders_its_blocks_and_lists_the_chains_it_opens() -> None:
    blocks = [
        block_of(builders.segment(camera=camera, sequence=sequence))
        for camera, sequence in (("gate-2", 0), ("gate-1", 2), ("gate-1", 1), ("gate-10", 0))
    ]
    batch, ordered = make_batch(blocks, site="north", recorder="rec-1", batch=0, previous=None)
    assert [(b.camera, b.sequence) for b in ordered] == [("gate-1", 1), ("gate-1", 2), ("gate-10", 0), ("gate-2", 0)]
    assert batch.opened == (("gate-10", ordered[2].chain), ("gate-2", ordered[3].chain))
    assert batch.root == merkle.root(leaf_hashes(ordered))
    with pytest.raises(Malformed):
        make_batch([blocks[0], blocks[0]], site="north", recorder="rec-1", batch=0, previous=None)
    with pytest.raises(Malformed):
        make_batch([], site="north", recorder="rec-1", batch=0, previous=None)


@pytest.mark.parametrize("changes", [{"previous": b"\x01" * 32}, {"batch": 1}, {"count": 0}, {"to_us": 0}])
def test_a_batch_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        parse_batch(replace(BATCH, **changes).canonical())
    assert isinstance(BATCH, Batch)


def test_trust_cannot_be_widened_by_sloppy_reading() -> None:
    value = parse_canonical(TRUST.canonical(), "trust")
    embedded, fabric = value["ledgers"]
    for ledgers in (
        [embedded, embedded],
        [{**embedded, "operators": []}],
        [{**embedded, "operators": [note_key("other", b"\x01" * 32).text]}],
        [{**embedded, "quorum": 2}],
        [{**embedded, "witnesses": embedded["witnesses"] * 2, "quorum": 2}],
        [{**embedded, "id": "embedded:" + "A" * 64}],
        [{**fabric, "endorsement": {"all": [], "any": []}}],
        [{**fabric, "endorsement": {"all": ["AuditorMSP"], "any": []}}],
        [{**fabric, "msps": {"ControlRoomMSP": [], "PoliceMSP": ["0" * 64]}}],
    ):
        with pytest.raises(Malformed):
            parse_trust(canonical({**value, "ledgers": ledgers}))
    assert TRUST.ledger(f"embedded:{GENESIS.hex()}") == TRUST.ledgers[0]
    assert TRUST.ledger("embedded:" + "0" * 64) is None


def test_policy_shortfall_counts_what_was_promised_and_not_taken() -> None:
    policy = Policy(minimum_per_s=2)
    offsets = range(0, 10_000_000, 40_000)
    record = builders.segment(
        units=replace(builders.segment().units, count=250), samples=Tree(count=15, root=merkle.EMPTY_ROOT)
    )
    assert sample_shortfall(policy, record, offsets) == 4
    assert sample_shortfall(Policy(), record, offsets) == 0
    excused = replace(record, notes=(Note(unit=0, cause="undecoded", count=4),))
    assert sample_shortfall(policy, excused, offsets) == 0
    assert sample_shortfall(Policy(minimum_per_s=0, maximum_per_s=0), record, offsets) == 0
    with pytest.raises(Malformed):
        parse_policy(Policy(minimum_per_s=0).canonical())
    with pytest.raises(Malformed):
        parse_policy(Policy(minimum_per_s=5, maximum_per_s=4).canonical())


def test_the_registry_answers_for_the_moment_asked() -> None:
    active, suspended = builders.camera(n=0), builders.camera(n=1, status=SUSPENDED)
    registry = Registry(
        [
            (Position(5, 1), numbered_key("camera", "gate-1", 1), suspended.canonical()),
            (Position(2, 0), numbered_key("camera", "gate-1", 0), active.canonical()),
            (Position(1, 0), numbered_key("participant", "op-1", 0), PARTICIPANT.canonical()),
            (Position(3, 0), numbered_key("policy", "cr-1", 0), DEFAULT_POLICY.canonical()),
            (Position(0, 0), "genesis", b"{}"),
        ]
    )
    assert registry.camera_at("gate-1", Position(2, 0)) is None  # a transaction sees none of its own writes
    assert registry.camera_at("gate-1", Position(2, 1)) == active
    assert registry.camera_at("gate-1", Position(5, 1)) == active
    assert registry.camera_at("gate-1", Position(5, 2)) == suspended
    assert registry.camera_at("gate-2", Position(9, 9)) is None
    assert registry.enrolled("gate-1", active.digest, Position(9, 0))
    assert not registry.enrolled("gate-1", suspended.digest, Position(9, 0))
    assert not registry.enrolled("gate-1", active.digest, Position(2, 0))
    assert registry.participant_by_key("0f" * 32, Position(9, 0)) == PARTICIPANT
    assert registry.participant_by_key("0e" * 32, Position(9, 0)) is None
    assert registry.policies("cr-1") == ((Position(3, 0), DEFAULT_POLICY.canonical()),)
    with pytest.raises(Malformed):
        Registry([(Position(2, 0), numbered_key("camera", "gate-2", 0), active.canonical())])
