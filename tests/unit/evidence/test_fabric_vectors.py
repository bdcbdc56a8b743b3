"""Our readers against endorsed reads and blocks that were made without our code (tests/vectors/make_fabric.py)."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.fabric_checks import CHECKS
from evidence.fabric_identities import FabricIdentity
from evidence.fabric_read import parse_signed_read, signed_read_document
from evidence.fabric_receipt import full_receipt_document, parse_full_receipt
from evidence.registry import Position
from tests.vectors import fabric_parts, make_fabric

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "fabric.json").read_text())
READ, BLOCK = VECTORS["read"], VECTORS["block"]


def test_a_signed_read_shows_every_key_of_its_ranges_and_who_signed() -> None:
    document = READ["document"].encode()
    read = parse_signed_read(document)
    transaction = read.transaction
    assert [list(each) for each in read.ranges] == json.loads(READ["question"])["ranges"]
    assert {key: [at.height, at.index, value.decode()] for key, (at, value) in read.entries.items()} == READ["entries"]
    assert read.as_of == Position(*READ["as_of"])
    assert (transaction.channel, transaction.chaincode, transaction.version) == ("evidence", "veriframe", "1")
    assert (transaction.tx_id, transaction.time_us) == (READ["tx_id"], READ["time_us"])
    assert transaction.creator.msp == "ControlRoomMSP"
    assert sha256(transaction.endorsed).hex() == READ["endorsed_sha256"]
    assert [each.msp for each in transaction.signers()] == READ["signers"]
    certificates = {each.msp: base64.b64encode(each.certificate).decode() for each in transaction.signers()}
    assert certificates == VECTORS["endorsers"]
    payload = base64.b64decode(json.loads(document)["payload"])
    assert signed_read_document(payload) == document == read.document


@pytest.mark.parametrize("name", [name for name, each in VECTORS["spoiled_reads"].items() if each["refused"]])
def test_a_spoiled_read_is_refused_by_the_check_that_it_fails(name: str) -> None:
    case = VECTORS["spoiled_reads"][name]
    with pytest.raises(Malformed) as caught:
        parse_signed_read(case["document"].encode())
    assert caught.value.where == case["refused"], str(caught.value)
    assert caught.value.detail.startswith(CHECKS[case["refused"]])


@pytest.mark.parametrize(
    ("name", "signers"),
    [
        ("endorsed_by_one", ["ControlRoomMSP"]),
        ("one_key_signs_for_two", ["ControlRoomMSP", "AuditorMSP"]),
        ("signature_with_high_s", ["ControlRoomMSP", "AuditorMSP"]),
        ("one_endorses_twice", ["ControlRoomMSP", "PoliceMSP"]),
    ],
)
def test_only_endorsements_whose_signature_verifies_count(name: str, signers: list[str]) -> None:
    case = VECTORS["spoiled_reads"][name]
    assert case["refused"] is None
    transaction = parse_signed_read(case["document"].encode()).transaction
    assert [each.msp for each in transaction.signers()] == signers


def test_every_case_that_is_read_is_asked_who_signed() -> None:
    assert {name for name, each in VECTORS["spoiled_reads"].items() if each["refused"] is None} == {
        "endorsed_by_one",
        "one_key_signs_for_two",
        "signature_with_high_s",
        "one_endorses_twice",
    }


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"{}",
        b"[]",
        b'{"payload":"","type":"veriframe/fabric-read/2"}',
        b'{"payload":"AA=","type":"veriframe/fabric-read/1"}',
        b'{"payload":"AB==","type":"veriframe/fabric-read/1"}',
        b'{"payload":null,"type":"veriframe/fabric-read/1"}',
        b'{"payload":"","type":"veriframe/fabric-read/1","x":1}',
        b'{"payload": "","type":"veriframe/fabric-read/1"}',
    ],
)
def test_a_document_has_one_form(document: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse_signed_read(document)
    assert caught.value.where == "document"


def test_a_full_receipt_shows_the_write_its_block_and_who_ordered_it() -> None:
    document = BLOCK["document"].encode()
    receipt = parse_full_receipt(document)
    block = receipt.block
    assert (block.number, block.previous.hex(), block.data_hash.hex()) == (9, BLOCK["previous"], BLOCK["data_hash"])
    assert (block.header.der().hex(), block.digest.hex()) == (BLOCK["header"], BLOCK["digest"])
    assert [receipt.position.height, receipt.position.index] == BLOCK["position"]
    assert {key: None if value is None else value.decode() for key, value in receipt.writes.items()} == BLOCK["writes"]
    assert block.last_config == BLOCK["last_config"]
    assert sorted(receipt.headers) == [9, 10, 11]
    assert receipt.headers[11].digest.hex() == BLOCK["newest"]
    orderer = BLOCK["orderer"]
    identity = FabricIdentity(msp=orderer["msp"], certificate=base64.b64decode(orderer["certificate"]), serialized=b"")
    assert [each.msp for each in block.signers()] == [orderer["msp"]]
    numbered = block.signatures[1]
    assert (numbered.identity, numbered.identifier) == (None, orderer["number"])
    assert identity.signed(numbered.signature, numbered.message)
    # One orderer is one signer, whether it signs under its name or under its number.
    assert len(block.signers({orderer["number"]: identity})) == 1
    data = base64.b64decode(json.loads(document)["block"])
    assert full_receipt_document(data, 0, [receipt.headers[10], receipt.headers[11]]) == document


def test_two_transactions_for_one_slot_in_a_block_are_seen_from_either() -> None:
    data = base64.b64decode(json.loads(BLOCK["document"])["block"])
    key = next(iter(BLOCK["writes"]))
    first, second = (parse_full_receipt(full_receipt_document(data, index)) for index in (0, 1))
    assert list(first.rivals(key)) == BLOCK["rivals"] == [1]
    assert second.rivals(key) == (0,)
    assert first.writes[key] != second.writes[key]
    assert first.rivals("chain/gate-1/1761993600") == ()


@pytest.mark.parametrize("name", [name for name, each in VECTORS["spoiled_blocks"].items() if each["refused"]])
def test_a_spoiled_block_is_refused_by_the_check_that_it_fails(name: str) -> None:
    case = VECTORS["spoiled_blocks"][name]
    with pytest.raises(Malformed) as caught:
        parse_full_receipt(case["document"].encode())
    assert caught.value.where == case["refused"], str(caught.value)


def test_signatures_over_another_header_are_nobodys() -> None:
    case = VECTORS["spoiled_blocks"]["orderers_signed_another_block"]
    assert case["refused"] is None
    block = parse_full_receipt(case["document"].encode()).block
    assert block.signers({3: block.signatures[0].identity}) == ()  # type: ignore[dict-item]


def test_every_check_is_shown_by_a_spoiled_case() -> None:
    shown = {each["refused"] for name in ("spoiled_reads", "spoiled_blocks") for each in VECTORS[name].values()}
    # The others have tests of their own: size, number of keys, a channel's configuration, the form of a document.
    assert CHECKS.keys() - shown == {"too_large", "document", "read_too_many", "configuration"}


def test_the_page_lists_the_checks_of_the_code() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats" / "fabric.md").read_text()
    rows = [f"| {number} | `{name}` | {text} |" for number, (name, text) in enumerate(CHECKS.items(), 1)]
    assert re.findall(r"^\| [0-9]+ \| .*$", page, re.MULTILINE) == rows


def test_the_page_shows_what_the_vectors_hold() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats" / "fabric.md").read_text()
    shown = [READ[name] for name in ("question", "tx_id", "proposal_hash", "endorsed_sha256")]
    assert [each for each in [*shown, BLOCK["header"], BLOCK["digest"]] if each not in page] == []


def test_the_vectors_are_those_that_the_script_makes() -> None:
    for name, (check, payload) in make_fabric.spoiled_reads().items():
        case = VECTORS["spoiled_reads"][name]
        assert (case["refused"], case["document"]) == (check, fabric_parts.read_document(payload).decode()), (
            "make vectors"
        )
    for name, (check, document) in make_fabric.spoiled_blocks().items():
        case = VECTORS["spoiled_blocks"][name]
        assert (case["refused"], case["document"]) == (check, document.decode()), "make vectors"
    assert VECTORS["spoiled_reads"].keys() == make_fabric.spoiled_reads().keys()
    assert VECTORS["spoiled_blocks"].keys() == make_fabric.spoiled_blocks().keys()
