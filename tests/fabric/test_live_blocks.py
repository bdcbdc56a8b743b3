"""Every block that the network of this run has written so far, read by us; some of them by Fabric's programs too."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from evidence.blocks import slot_key
from evidence.fabric_block import parse_fabric_block
from evidence.fabric_configuration import parse_configuration
from evidence.fabric_receipt import full_receipt_document, parse_full_receipt
from evidence.fabric_transaction import EndorsedTransaction, parse_endorsed_transaction
from network.bring_up import Network
from network.founding import profile_file
from sdk.fabric_profile import read_profile
from tests.conftest import fabric_program
from tests.fabric import oracles
from tests.fabric.lifecycle import define
from tests.fabric.recorded.record_blocks import all_blocks
from tests.fabric.stage import FabricStage, profiles_of
from tests.hosts.cast import CHAIN, the_cast
from tests.hosts.stage import Stage

NAME = "blocks"
ASKED = 12  # of the newest blocks: a program is started for each


@pytest.fixture(scope="module")
def chain(fabric_network: Network) -> list[bytes]:
    """The whole chain, after a small life of a contract of its own."""
    define(fabric_network, [NAME])
    stage = Stage(FabricStage(profiles_of(fabric_network), NAME, the_cast()), the_cast())
    try:
        stage.opens_for_business()
        stage.anchors(the_cast().blocks(0, 1))
    finally:
        stage.host.close()
    profile = read_profile(profile_file(fabric_network.root, "control-room"))
    return asyncio.run(all_blocks(profile, the_cast().admin()))


pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]


def test_every_block_of_the_network_is_read(chain: list[bytes]) -> None:
    blocks = [parse_fabric_block(data) for data in chain]
    assert all(after.previous == before.digest for before, after in pairwise(blocks))
    assert blocks[0].is_configuration
    for data, found in zip(chain, blocks, strict=True):
        if found.is_configuration:
            assert parse_configuration(found).channel == "evidence"
            continue
        assert len(found.signers()) == 1, "an orderer signed"
        for index in range(len(found.envelopes)):
            receipt = parse_full_receipt(full_receipt_document(data, index))
            assert len(receipt.transaction.signers()) == len(receipt.transaction.endorsements)


def test_the_newest_blocks_read_as_fabric_reads_them(chain: list[bytes]) -> None:
    translator = fabric_program("configtxlator")
    assert translator is not None
    for data in chain[-ASKED:]:
        theirs = oracles.facts_of_decoded_block(oracles.decoded(translator, "common.Block", data))
        assert oracles.facts_of_block(parse_fabric_block(data)) == theirs


def test_ledgerutil_finds_the_chain_in_order(chain: list[bytes], tmp_path: Path) -> None:
    tool = fabric_program("ledgerutil")
    if tool is None:
        pytest.skip("needs fabric: program ledgerutil")
    raw = [oracles.raw_of(data) for data in chain]
    assert oracles.faulty_for_ledgerutil(tool, "evidence", raw, tmp_path) == oracles.faulty_for_us(raw) == []


def test_a_slot_is_written_where_its_receipt_says(chain: list[bytes]) -> None:
    key = slot_key("gate-1", CHAIN, 1)
    ((number, index),) = (
        (found.number, index)
        for found in map(parse_fabric_block, chain)
        if not found.is_configuration
        for index, each in enumerate(found.envelopes)
        if wrote(parse_endorsed_transaction(each.payload), key)
    )
    receipt = parse_full_receipt(full_receipt_document(chain[number], index))
    assert receipt.writes[key] == the_cast().blocks(1)[0].canonical()
    assert receipt.rivals(key) == ()
    assert receipt.transaction.creator.msp == the_cast()["recorder"].msp


def wrote(transaction: EndorsedTransaction, key: str) -> bool:
    space = transaction.space(NAME)
    return transaction.chaincode == NAME and space is not None and key in dict(space.writes)
