"""Signed reads with the whole block of a write beside them: what it adds, and what does not fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from evidence.errors import Malformed
from evidence.fabric_receipt import full_receipt_document, parse_full_receipt
from evidence.registry import Position
from evidence.trust import SeenCheckpoint
from tests.unit.verifier.signed_reads import LEDGER_ID, Channel, Signer, intruder, respelled, signer, trusting
from tests.unit.verifier.small_site import Site
from tests.unit.verifier.test_signed_reads import examined
from verifier.model import State
from verifier.verdict import Verdict

Full = Callable[[Position], bytes | None]


@pytest.fixture
def channel(site: Site) -> Channel:
    """A camera's one record, anchored alone."""
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP" * 3)
    site.anchor()
    return Channel(site)


def slot(channel: Channel) -> str:
    return f"block/gate-1/{channel.site.states['gate-1'].chain:010d}/0000000000"


def position(channel: Channel) -> Position:
    found = channel.site.host.reader.get(slot(channel))
    assert found is not None
    return found.position


def receipt(channel: Channel, *, index: int | None = None, number: int | None = None,
            orderers: Sequence[Signer] = (), others: Sequence[bytes] = (), **written: Any) -> bytes:  # fmt: skip
    at = position(channel)
    envelopes = [*others, channel.write(slot(channel), **written)]
    block = channel.block(at.height if number is None else number, envelopes, orderers=orderers)
    return full_receipt_document(block, at.index if index is None else index)


def verdict(channel: Channel, document: bytes, **changes: Any) -> Verdict:
    """With `document` as the full receipt of everything that was anchored."""
    source = channel.source(channel.read(), full=lambda at: document)
    return examined(source, trusting(replace(channel.trust, **changes)))


def test_the_writer_and_an_earlier_moment_are_shown(channel: Channel) -> None:
    alone = examined(channel.source(channel.read()), channel.trust)
    found = verdict(channel, receipt(channel))
    assert found.state is alone.state is State.VERIFIED, found.sentence
    (fact,), (without,) = found.proof, alone.proof
    assert fact.transaction == parse_full_receipt(receipt(channel)).transaction.tx_id != without.transaction
    assert without.signed_read and not fact.signed_read  # a read's id is that of no transaction on the ledger
    assert fact.anchored_by_us is not None and without.anchored_by_us is not None
    assert without.anchored_by_us - fact.anchored_by_us == 60_000_000


def test_the_loser_of_two_writes_does_not_fit(channel: Channel) -> None:
    winner = channel.write(slot(channel))
    found = verdict(channel, receipt(channel, others=[winner], index=1, writer="rec-1"))
    assert found.state is State.UNDETERMINED and "does not write what the signed read shows" in found.sentence


def test_another_block_does_not_fit(channel: Channel) -> None:
    found = verdict(channel, receipt(channel, number=position(channel).height + 1))
    assert found.state is State.UNDETERMINED and "does not write what the signed read shows" in found.sentence


def test_another_value_does_not_fit(channel: Channel) -> None:
    found = verdict(channel, receipt(channel, value=b'{"block":{}}'))
    assert found.state is State.UNDETERMINED and "does not write what the signed read shows" in found.sentence


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"on": "other"}, "another channel"),
        ({"chaincode": "other"}, "another contract"),
        ({"writer": "op-1"}, "OPERATOR of ControlRoomMSP may not call anchor"),
        ({"function": b"no_such"}, "may not call no_such"),
        ({"msp": "PoliceMSP"}, "who wrote it is not established"),
    ],
)
def test_a_write_by_another_hand_is_refused(channel: Channel, written: dict[str, Any], words: str) -> None:
    found = verdict(channel, receipt(channel, **written))
    assert found.state is not State.VERIFIED and words in found.sentence


@pytest.mark.parametrize("whose", ["one", "intruder", "people"])
def test_a_write_that_the_rule_did_not_endorse_is_refused(channel: Channel, whose: str) -> None:
    own, now_us = channel.peers["ControlRoomMSP"], channel.site.now_us
    endorsers = {
        "one": [own],
        "intruder": [own, intruder("PoliceMSP", now_us)],
        "people": [own, signer(channel.site.authorities["PoliceMSP"], now_us, unit="client")],
    }[whose]
    found = verdict(channel, receipt(channel, endorsers=endorsers))
    assert found.state is State.UNTRUSTED_PROOF and "the write was endorsed by ControlRoomMSP, not by" in found.sentence


def test_orderers_are_counted_where_the_examiner_asks_for_them(channel: Channel) -> None:
    orderer = signer(channel.site.authorities["AuditorMSP"], channel.site.now_us, unit="orderer")
    stranger = intruder("AuditorMSP", channel.site.now_us)
    assert verdict(channel, receipt(channel, orderers=[orderer]), orderer_quorum=1).state is State.VERIFIED
    for orderers in ([], [stranger], [channel.peers["AuditorMSP"]]):
        found = verdict(channel, receipt(channel, orderers=orderers), orderer_quorum=1)
        assert found.state is State.UNTRUSTED_PROOF and "trusted orderers signed its block" in found.sentence


def test_one_orderer_counts_once_however_its_certificate_is_spelled(channel: Channel) -> None:
    orderer = signer(channel.site.authorities["AuditorMSP"], channel.site.now_us, unit="orderer")
    twice = [orderer, replace(orderer, certificate=respelled(orderer.certificate))]
    found = verdict(channel, receipt(channel, orderers=twice), orderer_quorum=2)
    assert found.state is State.UNTRUSTED_PROOF and "1 trusted orderers signed its block" in found.sentence


def test_another_past_than_the_one_seen_earlier_is_refused(channel: Channel) -> None:
    document = receipt(channel)
    digest = parse_full_receipt(document).block.digest
    for seen, state in ((digest, State.VERIFIED), (bytes(32), State.UNTRUSTED_PROOF)):
        checkpoint = SeenCheckpoint(ledger=LEDGER_ID, height=position(channel).height, hash=seen)
        source = channel.source(channel.read(), full=lambda at: document)
        found = examined(source, trusting(channel.trust, checkpoints=(checkpoint,)))
        assert found.state is state, found.sentence


def test_envelopes_cut_elsewhere_are_damage(channel: Channel) -> None:
    first, second = channel.write(slot(channel)), channel.write("camera/gate-1/0000000000")
    joined = first + second
    for cut in (len(first) - 1, len(first) + 1, len(first) // 2):
        block = channel.block(position(channel).height, [joined[:cut], joined[cut:]])
        with pytest.raises(Malformed):
            full_receipt_document(block, 0)


def test_no_flipped_bit_of_a_receipt_shows_another_writer(channel: Channel) -> None:
    document = receipt(channel)
    honest = verdict(channel, document)
    for at in range(3, len(document), 97):
        flipped = bytearray(document)
        flipped[at] ^= 2
        found = verdict(channel, bytes(flipped))
        assert found.state is not State.VERIFIED or found.proof == honest.proof, at
