"""Why a Fabric receipt is refused: one name and one sentence for each check, in the order in which they are made.

docs/formats/fabric.md lists the same table; a refusal carries the name as `where`.
"""

from __future__ import annotations

from collections.abc import Mapping

from evidence.errors import Malformed

CHECKS: Mapping[str, str] = {
    # Every message.
    "encoding": "a message of Fabric is not spelled as Fabric spells it",
    "too_large": "a message of Fabric is larger than is read",
    "document": "the document is not canonical JSON with exactly its members",
    "identity": "an identity is not an MSP id with one certificate",
    # Every endorsed transaction.
    "header": "the channel header is not that of an endorsed transaction",
    "tx_id": "the transaction id is not the SHA-256 of nonce and creator",
    "one_action": "the transaction does not hold exactly one action under its own signature header",
    "proposal": "the proposal does not call one chaincode with arguments alone",
    "proposal_hash": "what was endorsed is another proposal",
    "result": "the endorsed result is not a response with a read-write set",
    "chaincode": "proposal and endorsed result name different chaincodes",
    "endorsements": "the number of endorsements is not 1 to 64",
    "read_write_set": "the read-write set is not in the order in which a peer writes it",
    # Every signed read.
    "read_question": "the endorsed call is not a question for signed ranges",
    "read_status": "the endorsed response is not status 200 without a message",
    "read_event": "the endorsed read has an event",
    "read_writes": "the endorsed read would write",
    "read_range": "a range was not read as it was asked for, once, to its end",
    "read_summary": "the read set holds only a summary of a range, not the keys that were read",
    "read_too_many": "the read shows more keys than one may show",
    "read_further": "the read set holds reads that such a question does not make",
    "read_answer": "the endorsed answer does not show exactly the keys that were read",
    # Every block, and every full receipt.
    "block": "the block lacks header, data or metadata",
    "block_data_hash": "the block's data hash is not that of its envelopes",
    "block_envelope": "an envelope of the block lacks payload or signature",
    "block_metadata": "the block's metadata cannot be read",
    "index": "the block holds no such transaction",
    "creator_signature": "the transaction's creator did not sign it",
    "headers": "the headers do not form one chain with the block's own",
    "configuration": "the configuration of the channel cannot be read",
}


def refusal(check: str, detail: str = "") -> Malformed:
    """The error that says which check failed: `where` is the check's name."""
    return Malformed(f"{CHECKS[check]}: {detail}" if detail else CHECKS[check], where=check)
