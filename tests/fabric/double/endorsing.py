"""What a peer does with a proposal: looks at it, has its chaincode run it, and signs what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2

from evidence.digests import sha256
from sdk.fabric_proposal import creator_of
from sdk.identities import Identity
from tests.fabric.double.ledger import signed_by
from tests.fabric.double.peer import SHIM, DoublePeer, Simulation

WINDOW_S = 15 * 60
BROKEN = 0  # status of a response that no contract gave


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A signed proposal, read.

    Args:
        bad: why a peer lets it in nowhere; empty: it does.
    """

    signed: Any
    channel: str
    tx_id: str
    chaincode: str
    arguments: list[bytes]
    bad: str


def read_proposal(signed: Any, now_s: Callable[[], float] | None) -> Proposed:
    """What a peer checks before it runs anything.

    Args:
        now_s: its clock; None: it does not look at the proposal's time.
    """
    proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    creator = common_pb2.SignatureHeader.FromString(header.signature_header)
    bad = ""
    if not signed_by(creator.creator, signed.signature, signed.proposal_bytes):
        bad = "access denied: the creator's signature over the proposal is not valid"
    elif sha256(creator.nonce, creator.creator).hex() != channel.tx_id:
        bad = "incorrectly computed txid"
    elif now_s is not None and abs(now_s() - channel.timestamp.ToSeconds()) > WINDOW_S:
        bad = "request unauthorized due to incorrect timestamp"
    extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel.extension)
    called = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(called.input)
    return Proposed(
        signed=signed,
        channel=channel.channel_id,
        tx_id=channel.tx_id,
        chaincode=extension.chaincode_id.name,
        arguments=list(invocation.chaincode_spec.input.args),
        bad=bad,
    )


def simulate(peer: DoublePeer, proposed: Proposed, channel: str, chaincode: str) -> tuple[Any, bytes]:
    """The contract's response, and the action that its peer would endorse."""
    answer, simulation = peer.run(channel, proposed.tx_id, proposed.arguments, proposed.signed)
    if answer is None or answer.type == SHIM.ERROR:
        # In these words, and without a status, from peers of version 3.1.5.
        said = "could not launch chaincode" if answer is None else answer.payload.decode("utf-8", "replace")
        text = f"error in simulation: transaction returned with failure: {said}"
        return proposal_response_pb2.Response(status=BROKEN, message=text), b""
    response = proposal_response_pb2.Response.FromString(answer.payload)
    return response, action_of(answer, simulation, chaincode, proposed.tx_id)


def action_of(answer: Any, simulation: Simulation, chaincode: str, tx_id: str) -> bytes:
    """The ChaincodeAction that a peer endorses for a COMPLETED answer: response, read-write set, event."""
    action = proposal_pb2.ChaincodeAction(
        results=simulation.results(chaincode),
        response=proposal_response_pb2.Response.FromString(answer.payload),
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode),
    )
    if answer.HasField("chaincode_event"):
        # Whatever the chaincode says who and where it is: the peer knows.
        answer.chaincode_event.chaincode_id, answer.chaincode_event.tx_id = chaincode, tx_id
        action.events = answer.chaincode_event.SerializeToString()
    return bytes(action.SerializeToString())


def payload_of(proposal_bytes: bytes, action: bytes) -> bytes:
    """The ProposalResponsePayload that endorsers sign. What is transient in a proposal has no part in its hash."""
    proposal = proposal_pb2.Proposal.FromString(proposal_bytes)
    header = common_pb2.Header.FromString(proposal.header)
    called = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
    called.ClearField("TransientMap")
    digest = sha256(header.channel_header, header.signature_header, called.SerializeToString())
    return bytes(
        proposal_response_pb2.ProposalResponsePayload(proposal_hash=digest, extension=action).SerializeToString()
    )


def endorsement(identity: Identity, payload: bytes) -> Any:
    endorser = creator_of(identity)
    signature = identity.signer.sign(payload + endorser)
    return proposal_response_pb2.Endorsement(endorser=endorser, signature=signature)
