"""Every byte of a signed read and of a full receipt changed in turn: no change keeps a signer and changes the meaning.

Stated exactly. A changed signed read is refused; or fewer endorsements verify, and if any still does, the meaning is
the same. A changed block is refused; or fewer orderers' signatures verify; or the change lies in what nobody signs:
the peer's validity flags and commit hash.
"""

from __future__ import annotations

import base64
import json
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.canonical import canonical
from evidence.digests import to_base64
from evidence.errors import Malformed
from evidence.fabric_block import FabricBlock, parse_fabric_block
from evidence.fabric_configuration import parse_configuration
from evidence.fabric_identities import FabricIdentity
from evidence.fabric_read import FABRIC_READ_TYPE, SignedRead, parse_signed_read
from evidence.fabric_receipt import full_receipt_document, parse_full_receipt
from tests.vectors import fabric_parts as parts

RECORDED = Path(__file__).parents[2] / "fabric" / "recorded" / "blocks"


def document(payload: bytes) -> bytes:
    return canonical({"type": FABRIC_READ_TYPE, "payload": to_base64(payload)})


def meaning(read: SignedRead) -> dict[str, Any]:
    """All that a signed read says, but for who endorsed it and how it was written."""
    transaction = read.transaction
    said = {each.name: getattr(transaction, each.name) for each in fields(transaction) if each.name != "endorsements"}
    return {**said, "ranges": read.ranges, "entries": read.entries, "as_of": read.as_of}


@cache
def payload() -> bytes:
    transaction = parts.signed_read()
    transaction.endorsers = (parts.CONTROL_ROOM, parts.POLICE)
    return transaction.payload()


@cache
def intact() -> SignedRead:
    return parse_signed_read(document(payload()))


def judge(changed: bytes) -> str:
    """What became of a changed payload; asserts what the module's text promises."""
    try:
        read = parse_signed_read(document(changed))
    except Malformed as error:
        assert error.where, str(error)
        return error.where
    before, after = intact().transaction.signers(), read.transaction.signers()
    assert len(after) < len(before)
    assert set(after) < set(before)
    assert not after or meaning(read) == meaning(intact())
    return f"{len(after)} signers"


@pytest.mark.parametrize("mask", [0x01, 0x80])
def test_every_byte_of_a_signed_read(mask: int) -> None:
    became: dict[str, int] = {}
    data = payload()
    for at in range(len(data)):
        outcome = judge(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :])
        became[outcome] = became.get(outcome, 0) + 1
    # Each kind of guard is what stops some of them: spelling, the hashes, and the signatures.
    assert {"encoding", "tx_id", "proposal_hash", "one_action", "1 signers"} <= became.keys()
    # What endorsers signed is text, mostly: its high bit makes it unreadable, its low bit makes other text of it.
    assert ("0 signers" in became) == (mask == 0x01)
    assert sum(became.values()) == len(data)


def test_every_bit_of_what_is_around_the_endorsements() -> None:
    """Endorsements are all that is not hashed into something signed: identity and signature, their tags and lengths."""
    data = payload()
    start = data.index(parts.POLICE.serialized) - 8
    for at in [*range(start, start + 64), *range(len(data) - 120, len(data))]:
        for bit in range(8):
            judge(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])


def test_every_byte_of_the_document_around_the_payload() -> None:
    whole = document(payload())
    first, last = whole.index(to_base64(payload()).encode()), len(whole) - len(FABRIC_READ_TYPE) - 14
    for at in [*range(first + 8), *range(first + 8, last, 61), *range(last, len(whole))]:
        for bit in range(8):
            changed = whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :]
            try:
                read = parse_signed_read(changed)
            except Malformed:
                continue
            assert len(read.transaction.signers()) < 2


@settings(max_examples=300)
@given(st.data())
def test_pieces_left_out_doubled_moved_or_put_in(data: st.DataObject) -> None:
    whole = payload()
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, min(start + 400, len(whole))))
    piece = whole[start:end]
    at = data.draw(st.integers(0, len(whole)))
    changed = data.draw(
        st.sampled_from(
            [
                whole[:start] + whole[end:],
                whole[:at] + piece + whole[at:],
                whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:],
                whole[:start] + piece[::-1] + whole[end:],
            ]
        )
    )
    if changed != whole:
        judge(changed)


def test_an_endorsement_under_another_read_is_worth_nothing() -> None:
    """All parts genuine, put together anew: the answer of one read under the signatures of another."""
    other = parts.signed_read([(parts.slot(0), parts.slot(2))])
    mixed = parts.signed_read()
    signed = {each.msp: each for each in parts.PEERS}

    class Replayed(parts.Signer):
        def __init__(self, signer: parts.Signer) -> None:
            self.msp, self.serialized, self.key = signer.msp, signer.serialized, signer.key

        def sign(self, message: bytes, *, high_s: bool = False) -> bytes:
            return super().sign(other.endorsed() + self.serialized, high_s=high_s)

    mixed.endorsers = tuple(Replayed(each) for each in signed.values())
    assert parse_signed_read(document(mixed.payload())).transaction.signers() == ()
    mixed.proposal_hash = other.endorsed()[2:34]
    with pytest.raises(Malformed) as caught:
        parse_signed_read(document(mixed.payload()))
    assert caught.value.where == "proposal_hash"


# -- full receipts ---------------------------------------------------------------------------------------------------


@cache
def block_bytes() -> bytes:
    """A small block that three SmartBFT orderers signed."""
    return (RECORDED / "bft" / "15.block").read_bytes()


@cache
def consenters() -> dict[int, FabricIdentity]:
    return dict(parse_configuration(parse_fabric_block((RECORDED / "bft" / "14.block").read_bytes())).consenters)


def said(block: FabricBlock) -> dict[str, Any]:
    """All that a block says, but for what only the peer says."""
    apart = ("flags", "commit_hash", "signatures")
    return {each.name: getattr(block, each.name) for each in fields(block) if each.name not in apart}


def judge_block(changed: bytes) -> str:
    try:
        receipt = parse_full_receipt(full_receipt_document(changed, 0))
    except Malformed as error:
        assert error.where, str(error)
        return error.where
    whole = parse_fabric_block(block_bytes())
    before, after = whole.signers(consenters()), receipt.block.signers(consenters())
    assert set(after) <= set(before)
    assert not after or said(receipt.block) == said(whole)
    if len(after) == len(before):
        assert (receipt.block.flags, receipt.block.commit_hash) != (whole.flags, whole.commit_hash) or unread(changed)
        return "unsigned"
    return f"{len(after)} signers"


def unread(changed: bytes) -> bool:
    """Whether only metadata differs that we do not read: the repeated last configuration, the orderer's own notes."""
    ours, theirs = (common_pb2.Block.FromString(each) for each in (block_bytes(), changed))
    index = common_pb2.BlockMetadataIndex
    for each in (ours, theirs):
        for unused in (index.LAST_CONFIG, index.ORDERER):
            each.metadata.metadata[unused] = b""
    return bool(ours == theirs)


def test_every_byte_of_a_full_receipts_block() -> None:
    data, became = block_bytes(), dict[str, int]()
    for at in range(len(data)):
        outcome = judge_block(data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :])
        became[outcome] = became.get(outcome, 0) + 1
    assert {"encoding", "block_data_hash", "2 signers", "0 signers", "unsigned"} <= became.keys()
    # A validation code, a commit hash of 32 bytes, and the last configuration that is noted a second time.
    assert became["unsigned"] < 48


def test_every_character_around_a_full_receipts_block() -> None:
    pair = [parts.signed_read().envelope(), parts.signed_read([(parts.slot(0), parts.slot(1))]).envelope()]
    data = parts.block(pair)
    digest = parse_fabric_block(data).digest
    whole = parts.block_document(data, 1, parts.headers(3, previous=digest)).decode()
    before = parse_full_receipt(whole.encode())
    first = whole.index(base64.b64encode(data).decode())
    for at in [*range(first), *range(first + len(base64.b64encode(data)), len(whole))]:
        for other in {"0", "1", "x", '"', "}"} - {whole[at]}:
            try:
                receipt = parse_full_receipt((whole[:at] + other + whole[at + 1 :]).encode())
            except Malformed:
                continue
            # Another transaction of the block, or another newest header: both are what the reader compares with.
            newest = max(before.headers)
            assert receipt.index != before.index or receipt.headers[newest].digest != before.headers[newest].digest
            assert receipt.block == before.block


def test_the_vectors_hold_the_read_that_is_changed_here() -> None:
    vectors = json.loads((Path(__file__).parents[2] / "vectors" / "fabric.json").read_text())
    assert parts.read_document(parts.signed_read().payload()).decode() == vectors["read"]["document"]
