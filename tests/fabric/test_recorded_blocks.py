"""Blocks and endorsed reads of our own networks, as we read them and as Fabric's own programs do.

The recorded answers of the programs stand beside the recordings, so that this holds on machines without them; where
they are, they are asked again, and about damaged blocks too.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from evidence.blocks import slot_key
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.fabric_block import FabricBlock, parse_fabric_block
from evidence.fabric_configuration import parse_configuration
from evidence.fabric_read import parse_signed_read, signed_read_document
from evidence.fabric_receipt import full_receipt_document, parse_full_receipt
from evidence.fabric_transaction import parse_endorsed_transaction
from evidence.registry import Position
from tests.conftest import fabric_program
from tests.fabric import oracles
from tests.fabric.recorded.record_blocks import damaged

RECORDED = Path(__file__).parent / "recorded" / "blocks"
ANSWERS: dict[str, Any] = json.loads((RECORDED / "facts.json").read_text())
FACTS: dict[str, Any] = ANSWERS["messages"]
BLOCKS = sorted(name for name in FACTS if name.endswith(".block"))
PAYLOADS = sorted(name for name in FACTS if name.endswith(".payload"))
CHAIN = 1_780_000_000


def read(name: str) -> bytes:
    return (RECORDED / name).read_bytes()


def block(name: str) -> FabricBlock:
    return parse_fabric_block(read(name))


def document(name: str) -> bytes:
    return signed_read_document(read(f"raft/{name}.payload"))


def program(name: str) -> Path:
    found = fabric_program(name)
    if found is None:
        pytest.skip(f"needs fabric: program {name}")
    return found


# -- intact ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_reads_as_fabric_reads_it(name: str) -> None:
    assert oracles.facts_of_block(block(name)) == FACTS[name]


@pytest.mark.parametrize("name", PAYLOADS)
def test_an_endorsed_transaction_reads_as_fabric_reads_it(name: str) -> None:
    transaction = parse_endorsed_transaction(read(name))
    assert oracles.facts_of_transaction(transaction) == FACTS[name]
    assert len(transaction.signers()) == len(FACTS[name]["endorsers"])


@pytest.mark.parametrize("name", [name for name in BLOCKS if "envelopes" in FACTS[name]])
def test_everybody_who_is_named_in_a_block_signed(name: str) -> None:
    """Creators signed envelopes and endorsers results: what is hashed and signed is what the peers' software signed."""
    data, found = read(name), block(name)
    for index, _ in enumerate([] if found.is_configuration else found.envelopes):
        receipt = parse_full_receipt(full_receipt_document(data, index))
        assert len(receipt.transaction.signers()) == len(receipt.transaction.endorsements) > 0


def test_the_blocks_form_one_chain() -> None:
    blocks = [block(f"raft/{number:02d}.block") for number in range(13)]
    assert blocks[0].previous == b""
    for before, after in pairwise(blocks):
        assert (after.number, after.previous) == (before.number + 1, before.digest)


def test_headers_lead_from_a_receipt_to_the_first_block() -> None:
    headers = [block(f"raft/{number:02d}.block").header for number in range(12)]
    receipt = parse_full_receipt(full_receipt_document(read("raft/12.block"), 0, headers))
    assert receipt.headers[0].digest == block("raft/00.block").digest
    assert receipt.position == Position(12, 0)
    with pytest.raises(Malformed) as caught:
        full_receipt_document(read("raft/12.block"), 0, [headers[0], *headers[2:]])
    assert caught.value.where == "headers"


# -- who ordered -----------------------------------------------------------------------------------------------------


def test_with_raft_the_orderer_signs_under_its_name() -> None:
    for number in range(1, 13):
        (signer,) = block(f"raft/{number:02d}.block").signers()
        assert signer.msp in FACTS["raft/00.block"]["envelopes"][0]["organisations"]
    assert block("raft/00.block").signatures == ()


def test_with_smartbft_a_quorum_signs_under_numbers_of_the_configuration() -> None:
    consenters = parse_configuration(block("bft/14.block")).consenters
    for number in (12, 13, 14, 15):
        found = block(f"bft/{number}.block")
        assert found.signers() == ()
        signers = found.signers(consenters)
        assert len({each.msp for each in signers}) == len(signers) == 3
        swapped = {1: consenters[2], 2: consenters[1], 3: consenters[4], 4: consenters[3]}
        assert found.signers(swapped) == ()


def test_the_same_block_from_peer_and_orderer_is_the_same_block() -> None:
    for peers, orderers in (("raft/16", "raft/ordered-16"), ("bft/15", "bft/ordered-15")):
        assert block(f"{peers}.block").digest == block(f"{orderers}.block").digest
        assert block(f"{orderers}.block").flags == b""


def test_the_configuration_in_force_is_named_in_what_orderers_sign() -> None:
    assert [block(f"bft/{number}.block").last_config for number in (12, 13, 14, 15)] == [0, 0, 14, 14]
    assert block("raft/16.block").last_config == 15


def test_a_configuration_says_whose_certificates_are_revoked() -> None:
    before = parse_configuration(block("raft/00.block"))
    after = parse_configuration(block("bft/14.block"))
    assert (before.channel, before.number, before.sequence, before.consenters) == ("evidence", 0, 0, {})
    assert (after.number, after.sequence) == (14, 1)
    assert [len(after.organisations[msp]) for msp in ("PoliceMSP", "AuditorMSP")] == [1, 0]
    signers = {each.msp: each for each in parse_endorsed_transaction(read("bft/slots.payload")).signers()}
    assert not any(configuration.revokes(each) for configuration in (before, after) for each in signers.values())
    with pytest.raises(Malformed) as caught:
        parse_configuration(block("bft/15.block"))
    assert caught.value.where == "configuration"


# -- signed reads ----------------------------------------------------------------------------------------------------


def test_slots_are_shown_with_what_wrote_them() -> None:
    shown = parse_signed_read(document("slots"))
    assert {each.msp for each in shown.transaction.signers()} == {"ControlRoomMSP", "PoliceMSP", "AuditorMSP"}
    written = parse_full_receipt(full_receipt_document(read("raft/12.block"), 0))
    for number in range(3):
        position, value = shown.entries[slot_key("gate-1", CHAIN, number)]
        assert position == written.position
        assert value == written.writes[slot_key("gate-1", CHAIN, number)]


def test_the_registry_is_shown_byte_for_byte() -> None:
    shown = parse_signed_read(document("registry"))
    written: dict[str, tuple[Position, bytes | None]] = {}
    for number in range(6, 13):
        receipt = parse_full_receipt(full_receipt_document(read(f"raft/{number:02d}.block"), 0))
        written |= {key: (receipt.position, value) for key, value in receipt.writes.items()}
    assert {key.partition("/")[0] for key in shown.entries} >= {"genesis", "camera", "participant"}
    for key, entry in shown.entries.items():
        assert entry == written[key]


def test_one_organisation_alone_is_read_and_seen_to_be_alone() -> None:
    assert [each.msp for each in parse_signed_read(document("alone")).transaction.signers()] == ["ControlRoomMSP"]


@pytest.mark.parametrize(("name", "check"), [("summary", "read_summary"), ("another-question", "read_question")])
def test_what_fabric_endorsed_and_shows_no_ranges_is_refused(name: str, check: str) -> None:
    with pytest.raises(Malformed) as caught:
        document(name)
    assert caught.value.where == check


def test_the_loser_of_a_race_keeps_good_endorsements_and_its_rival_is_named() -> None:
    data = read("raft/14.block")
    won, lost = (parse_full_receipt(full_receipt_document(data, index)) for index in (0, 1))
    assert list(won.block.flags) == [0, 11]
    (key,) = (key for key in won.writes if key in lost.writes)
    assert won.writes[key] != lost.writes[key]
    assert (won.rivals(key), lost.rivals(key)) == ((1,), (0,))
    assert len(lost.transaction.signers()) == len(won.transaction.signers()) == 3


# -- the programs themselves -----------------------------------------------------------------------------------------


@pytest.mark.needs("fabric")
def test_the_recorded_answers_are_those_of_the_program() -> None:
    translator = program("configtxlator")
    for name in BLOCKS:
        assert oracles.facts_of_decoded_block(oracles.decoded(translator, "common.Block", read(name))) == FACTS[name]
    for name in PAYLOADS:
        payload = oracles.decoded(translator, "common.Payload", read(name))
        assert oracles.facts_of_decoded_transaction(payload) == FACTS[name]


@pytest.mark.parametrize("name", oracles.DAMAGED)
def test_a_damaged_block_that_we_read_fabric_reads_alike(name: str) -> None:
    """One bit of a block changed: what we do not refuse, configtxlator decodes, and to the same facts."""
    data, accepted = read(name), 0
    assert len(ANSWERS["damaged"][name]) == oracles.FLIPS
    for number, theirs in enumerate(ANSWERS["damaged"][name]):
        try:
            ours = oracles.facts_of_block(parse_fabric_block(oracles.flipped(data, number)))
        except Malformed:
            continue
        accepted += 1
        assert oracles.digest_of(ours) == theirs
    # What stays readable is what nobody signs: flags, signatures themselves, a header that now names another block.
    assert accepted < oracles.FLIPS / 2


@pytest.mark.needs("fabric")
def test_the_recorded_answers_about_damaged_blocks_are_those_of_the_program() -> None:
    for name in oracles.DAMAGED:
        assert damaged(program("configtxlator"), read(name)) == ANSWERS["damaged"][name]


def test_a_block_that_names_another_predecessor_is_read_as_fabric_reads_it() -> None:
    data, found = read("raft/12.block"), block("raft/12.block")
    at = data.index(found.previous)
    other = parse_fabric_block(data[:at] + bytes(32) + data[at + 32 :])
    assert oracles.facts_of_block(other) == {**FACTS["raft/12.block"], "previous": "00" * 32}
    assert (other.digest == found.digest, other.signers()) == (False, ())


def raw(name: str) -> oracles.RawBlock:
    return oracles.raw_of(read(name))


def chain() -> list[oracles.RawBlock]:
    return [raw(f"raft/{number:02d}.block") for number in range(13)]


def altered(number: int, alter: Callable[[list[bytes]], list[bytes]], **parts: bytes) -> list[oracles.RawBlock]:
    blocks = chain()
    height, previous, data, envelopes, metadata = blocks[number]
    blocks[number] = (height, parts.get("previous", previous), parts.get("data", data), alter(envelopes), metadata)
    return blocks


def rejoined() -> list[oracles.RawBlock]:
    """A block with two envelopes as the second of a chain, under its own header."""
    first, pair = chain()[0], raw("raft/14.block")
    digest = parse_fabric_block(oracles.message_of(first)).digest
    return [first, (1, digest, pair[2], pair[3], pair[4])]


def recut(at: int) -> list[oracles.RawBlock]:
    first, (number, previous, data, envelopes, metadata) = rejoined()
    whole = b"".join(envelopes)
    return [first, (number, previous, data, [whole[:at], whole[at:]] if at else [whole], metadata)]


def behind(envelope: bytes, more: bytes) -> bytes:
    return envelope + more


# Case -> blocks, and the numbers of those that are faulty. None for ledgerutil: it ends without a verdict on the file.
FILES: dict[str, tuple[Callable[[], list[oracles.RawBlock]], list[int], bool]] = {
    "intact": (chain, [], True),
    "two_envelopes": (rejoined, [], True),
    "a_bit_of_an_envelope": (lambda: altered(12, lambda e: [oracles.flipped(e[0], 3)]), [12], True),
    "a_bit_of_a_configuration": (lambda: altered(0, lambda e: [oracles.flipped(e[0], 3)]), [0], True),
    "another_data_hash": (lambda: altered(9, list, data=sha256(b"other")), [9, 10], True),
    "another_predecessor": (lambda: altered(9, list, previous=sha256(b"other")), [9, 10], True),
    "bytes_behind_an_envelope": (lambda: altered(9, lambda e: [behind(e[0], b"\x1a\x00")]), [9], True),
    "two_envelopes_as_one": (lambda: recut(0), [1], True),
    "boundaries_moved": (lambda: recut(100), [1], False),
}


@pytest.mark.parametrize("name", FILES)
def test_faulty_blocks_of_a_file_are_found(name: str) -> None:
    blocks, faulty, _ = FILES[name]
    assert oracles.faulty_for_us(blocks()) == faulty


@pytest.mark.needs("fabric")
@pytest.mark.parametrize("name", FILES)
def test_ledgerutil_finds_the_same_blocks_faulty(name: str, tmp_path: Path) -> None:
    blocks, faulty, decides = FILES[name]
    found = oracles.faulty_for_ledgerutil(program("ledgerutil"), "evidence", blocks(), tmp_path)
    assert found == (faulty if decides else None)


def test_the_consenters_are_those_of_the_four_organisations() -> None:
    consenters = parse_configuration(block("bft/14.block")).consenters
    assert {number: each.msp for number, each in consenters.items()} == {
        1: "ControlRoomMSP",
        2: "PoliceMSP",
        3: "LocalAuthorityMSP",
        4: "AuditorMSP",
    }
    assert all(each.parsed() is not None for each in consenters.values())
