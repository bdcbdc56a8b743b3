"""What stands in a Fabric block, for reading and comparing: transactions, validity, writes, events.

Validity flags are the peer's word and unsigned: this is information about one peer's ledger, never proof.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError

from evidence.errors import Malformed
from sdk.fabric_proposal import Message

VALID = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """`value` None: the key is deleted."""

    chaincode: str
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockEvent:
    chaincode: str
    name: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockTransaction:
    """One envelope of a block; `code` is its validation code, 0 for valid."""

    index: int
    tx_id: str
    code: int
    writes: tuple[Write, ...]
    event: BlockEvent | None


def parse_block(data: bytes) -> tuple[int, tuple[BlockTransaction, ...]]:
    """Number and endorsed transactions of a block; configuration has no place among them. Raises Malformed."""
    try:
        block = common_pb2.Block.FromString(data)
        flags = block.metadata.metadata[common_pb2.BlockMetadataIndex.Value("TRANSACTIONS_FILTER")]
        found = []
        for index, (envelope, code) in enumerate(zip(block.data.data, flags, strict=True)):
            payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            if header.type == common_pb2.ENDORSER_TRANSACTION:
                found.append(_transaction(index, header.tx_id, code, payload.data))
    except (DecodeError, IndexError, ValueError) as error:
        raise Malformed("a block of the peer cannot be read") from error
    return int(block.header.number), tuple(found)


def _transaction(index: int, tx_id: str, code: int, data: bytes) -> BlockTransaction:
    writes: list[Write] = []
    event = None
    for action in transaction_pb2.Transaction.FromString(data).actions:
        endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
        response = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
        done = proposal_pb2.ChaincodeAction.FromString(response.extension)
        writes += _writes(done)
        said = chaincode_event_pb2.ChaincodeEvent.FromString(done.events)
        if said.event_name:
            event = BlockEvent(chaincode=said.chaincode_id, name=said.event_name, payload=bytes(said.payload))
    return BlockTransaction(index=index, tx_id=tx_id, code=int(code), writes=tuple(writes), event=event)


def _writes(done: Message) -> Iterable[Write]:
    for space in rwset_pb2.TxReadWriteSet.FromString(done.results).ns_rwset:
        for write in kv_rwset_pb2.KVRWSet.FromString(space.rwset).writes:
            value = None if write.is_delete else bytes(write.value)
            yield Write(chaincode=space.namespace, key=write.key, value=value)
