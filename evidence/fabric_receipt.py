"""The full receipt: the whole block in which a transaction stands, and headers that lead from it to other blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evidence.canonical import MAX_INTEGER, Fields, canonical, parse_canonical
from evidence.digests import to_base64
from evidence.errors import Malformed
from evidence.fabric_block import MAX_BLOCK_BYTES, BlockHeader, FabricBlock, block_header, parse_fabric_block
from evidence.fabric_checks import refusal
from evidence.fabric_transaction import EndorsedTransaction, parse_endorsed_transaction
from evidence.registry import Position

FABRIC_BLOCK_TYPE = "veriframe/fabric-block/1"
MAX_HEADERS = 100_000
MAX_RECEIPT_BYTES = MAX_BLOCK_BYTES * 4 // 3 + MAX_HEADERS * 256


@dataclass(frozen=True, slots=True, kw_only=True)
class FullReceipt:
    """A transaction in its block. That it was valid there is not shown: validity flags are the peer's word.

    Which of two transactions for one key won is shown by a signed read, whose version of the key is `position`.
    """

    block: FabricBlock
    index: int
    transaction: EndorsedTransaction
    headers: Mapping[int, BlockHeader]
    document: bytes

    @property
    def position(self) -> Position:
        return Position(height=self.block.number, index=self.index)

    @property
    def writes(self) -> Mapping[str, bytes | None]:
        """What the transaction writes in its chaincode's world state."""
        space = self.transaction.space(self.transaction.chaincode)
        return {} if space is None else dict(space.writes)

    def rivals(self, key: str) -> tuple[int, ...]:
        """Indices of the block's other transactions of this chaincode that write `key` too: one of them won."""
        return tuple(
            index
            for index, envelope in enumerate(self.block.envelopes)
            if index != self.index and key in _writes(envelope.payload, self.transaction.chaincode)
        )


def _writes(payload: bytes, chaincode: str) -> Mapping[str, bytes | None]:
    try:
        space = parse_endorsed_transaction(payload).space(chaincode)
    except Malformed:
        return {}  # a configuration, or what peers find void too
    return {} if space is None else dict(space.writes)


def full_receipt_document(block: bytes, index: int, headers: Sequence[BlockHeader] = ()) -> bytes:
    """The document for transaction `index` of a serialized common.Block.

    Args:
        headers: of blocks before and behind it, ascending; with the block's own they form one chain.

    Raises:
        Malformed: like `parse_full_receipt`.
    """
    document = canonical(
        {
            "type": FABRIC_BLOCK_TYPE,
            "block": to_base64(block),
            "index": index,
            "headers": [
                {"number": each.number, "previous": each.previous.hex(), "data": each.data_hash.hex()}
                for each in headers
            ],
        }
    )
    parse_full_receipt(document)
    return document


def parse_full_receipt(document: bytes) -> FullReceipt:
    """Read a full receipt: the block holds together, and the transaction's creator signed it.

    Raises:
        Malformed: `where` names the check of docs/formats/fabric.md.
    """
    try:
        f = Fields(
            parse_canonical(document, "full receipt", limit=MAX_RECEIPT_BYTES),
            "full receipt",
            ("type", "block", "index", "headers"),
        )
        f.const("type", FABRIC_BLOCK_TYPE)
        data, index = f.base64("block", limit=MAX_BLOCK_BYTES), f.integer("index")
        headers = [_header(each) for each in f.list("headers", limit=MAX_HEADERS)]
    except Malformed as error:
        if error.where:
            raise
        raise refusal("document", error.detail) from error
    block = parse_fabric_block(data)
    if index >= len(block.envelopes):
        raise refusal("index")
    envelope = block.envelopes[index]
    transaction = parse_endorsed_transaction(envelope.payload)
    if not transaction.creator.signed(envelope.signature, envelope.payload):
        raise refusal("creator_signature")
    return FullReceipt(
        block=block,
        index=index,
        transaction=transaction,
        headers=_chain([*headers, block.header]),
        document=document,
    )


def _header(value: object) -> BlockHeader:
    f = Fields(value, "full receipt: header", ("number", "previous", "data"))
    number = f.integer("number", 0, MAX_INTEGER)
    previous = b"" if number == 0 and f.raw("previous") == "" else f.digest("previous")
    return block_header(number, previous, f.digest("data"), "headers")


def _chain(headers: list[BlockHeader]) -> Mapping[int, BlockHeader]:
    if any(before.number >= after.number for before, after in pairwise(headers[:-1])):
        raise refusal("headers", "they are not in ascending order")
    headers.sort(key=lambda each: each.number)
    for before, after in pairwise(headers):
        if after.number != before.number + 1 or after.previous != before.digest:
            raise refusal("headers", f"block {after.number} does not follow block {before.number}")
    return {each.number: each for each in headers}
