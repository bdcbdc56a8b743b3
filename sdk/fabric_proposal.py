"""What a Fabric client signs: proposals, transactions, questions about commits, requests for events.

Pure: bytes in, bytes out. Each thing to be signed has a `message`; who holds the key may stand elsewhere (offline
signing), and hands the signature over `message` back to the gateway's step. Layouts follow fabric-protos; a
transaction id is SHA-256(nonce, creator), which is what makes a replay recognisable.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from evidence.digests import sha256
from evidence.errors import Malformed
from sdk.identities import Identity

Message: TypeAlias = Any  # generated classes have no static type

NONCE_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A call, not yet signed. `message`: serialized `protos.Proposal`, the bytes to sign.

    `organisations`: MSP ids whose peers shall endorse (or answer); empty: the gateway chooses.
    """

    channel: str
    tx_id: str
    message: bytes
    organisations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """An endorsed call, not yet signed. `message`: the envelope's payload, the bytes to sign.

    `result` is what the contract answered; `writes` tells whether committing it would change anything; `endorsers`
    are the organisations that endorsed, as MSP ids.
    """

    channel: str
    tx_id: str
    message: bytes
    result: bytes
    writes: bool
    endorsers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRequest:
    """The question what became of a transaction. `message`: serialized `gateway.CommitStatusRequest`."""

    tx_id: str
    message: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsRequest:
    """The request for a chaincode's events. `message`: serialized `gateway.ChaincodeEventsRequest`."""

    message: bytes


def creator_of(identity: Identity) -> bytes:
    """Serialized `msp.SerializedIdentity`: MSP id and certificate as PEM."""
    text = base64.b64encode(identity.certificate).decode("ascii")
    lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode("ascii")
    return _bytes(identities_pb2.SerializedIdentity(mspid=identity.msp, id_bytes=pem))


def build_proposal(
    creator: bytes,
    *,
    channel: str,
    chaincode: str,
    arguments: Sequence[bytes],
    now_us: int,
    nonce: bytes,
    transient: Mapping[str, bytes] | None = None,
    organisations: Sequence[str] = (),
) -> Proposal:
    """A proposal to call `chaincode`.

    Args:
        arguments: the function's name first.
        now_us: Unix microseconds; peers refuse what is more than 15 minutes off their clock.
        nonce: 24 fresh random bytes; the same nonce and creator give the same transaction id.
    """
    tx_id = sha256(nonce, creator).hex()
    name = chaincode_pb2.ChaincodeID(name=chaincode)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        timestamp=Timestamp(seconds=now_us // 1_000_000, nanos=now_us % 1_000_000 * 1000),
        channel_id=channel,
        tx_id=tx_id,
        extension=_bytes(proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    header = common_pb2.Header(
        channel_header=_bytes(channel_header),
        signature_header=_bytes(common_pb2.SignatureHeader(creator=creator, nonce=nonce)),
    )
    specification = chaincode_pb2.ChaincodeSpec(
        type=chaincode_pb2.ChaincodeSpec.GOLANG,  # a peer looks at the definition instead
        chaincode_id=name,
        input=chaincode_pb2.ChaincodeInput(args=list(arguments)),
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=_bytes(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=specification)),
        TransientMap=dict(transient or {}),
    )
    message = _bytes(proposal_pb2.Proposal(header=_bytes(header), payload=_bytes(payload)))
    return Proposal(channel=channel, tx_id=tx_id, message=message, organisations=tuple(organisations))


def evaluate_request(proposal: Proposal, signature: bytes) -> Message:
    return gateway_pb2.EvaluateRequest(
        transaction_id=proposal.tx_id,
        channel_id=proposal.channel,
        proposed_transaction=_signed(proposal, signature),
        target_organizations=list(proposal.organisations),
    )


def endorse_request(proposal: Proposal, signature: bytes) -> Message:
    return gateway_pb2.EndorseRequest(
        transaction_id=proposal.tx_id,
        channel_id=proposal.channel,
        proposed_transaction=_signed(proposal, signature),
        endorsing_organizations=list(proposal.organisations),
    )


def submit_request(transaction: Transaction, signature: bytes) -> Message:
    return gateway_pb2.SubmitRequest(
        transaction_id=transaction.tx_id,
        channel_id=transaction.channel,
        prepared_transaction=common_pb2.Envelope(payload=transaction.message, signature=signature),
    )


def commit_request(creator: bytes, *, channel: str, tx_id: str) -> CommitRequest:
    request = gateway_pb2.CommitStatusRequest(transaction_id=tx_id, channel_id=channel, identity=creator)
    return CommitRequest(tx_id=tx_id, message=_bytes(request))


def events_request(
    creator: bytes, *, channel: str, chaincode: str, block: int | None, after_tx_id: str = ""
) -> EventsRequest:
    """Events from `block` on (None: from the next block), behind the transaction `after_tx_id` within it."""
    if block is None:
        position = ab_pb2.SeekPosition(next_commit=ab_pb2.SeekNextCommit())
    else:
        position = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=block))
    request = gateway_pb2.ChaincodeEventsRequest(
        channel_id=channel,
        chaincode_id=chaincode,
        identity=creator,
        start_position=position,
        after_transaction_id=after_tx_id,
    )
    return EventsRequest(message=_bytes(request))


def parse_endorsed(proposal: Proposal, envelope: Message) -> Transaction:
    """What a gateway made of the proposal; it is not to be signed unless it is of this very call.

    Raises:
        Malformed: unreadable, another transaction or channel, or another call than was proposed.
    """
    try:
        payload = common_pb2.Payload.FromString(envelope.payload)
        proposed = proposal_pb2.Proposal.FromString(proposal.message)
        own = common_pb2.Header.FromString(proposed.header)
        actions = transaction_pb2.Transaction.FromString(payload.data).actions
        if len(actions) != 1:
            raise Malformed("the gateway's transaction does not hold exactly one action")
        action = transaction_pb2.ChaincodeActionPayload.FromString(actions[0].payload)
        response = proposal_response_pb2.ProposalResponsePayload.FromString(action.action.proposal_response_payload)
        endorsed = proposal_pb2.ChaincodeAction.FromString(response.extension)
        called = proposal_pb2.ChaincodeProposalPayload.FromString(action.chaincode_proposal_payload)
        asked = proposal_pb2.ChaincodeProposalPayload.FromString(proposed.payload)
        writes = _writes(endorsed.results)
        endorsers = tuple(
            identities_pb2.SerializedIdentity.FromString(each.endorser).mspid for each in action.action.endorsements
        )
    except DecodeError as error:
        raise Malformed("the gateway's transaction cannot be read") from error
    # The whole header as it was proposed: another kind, chaincode or time under our signature is another transaction.
    if payload.header != own or called.input != asked.input:
        raise Malformed("the gateway answered with another transaction than was proposed")
    return Transaction(
        channel=proposal.channel,
        tx_id=proposal.tx_id,
        message=bytes(envelope.payload),
        result=bytes(endorsed.response.payload),
        writes=writes,
        endorsers=endorsers,
    )


def _writes(results: bytes) -> bool:
    for space in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset:
        if space.collection_hashed_rwset:
            return True
        found = kv_rwset_pb2.KVRWSet.FromString(space.rwset)
        if found.writes or found.metadata_writes:
            return True
    return False


def _signed(proposal: Proposal, signature: bytes) -> Message:
    return proposal_pb2.SignedProposal(proposal_bytes=proposal.message, signature=signature)


def _bytes(message: Message) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))
