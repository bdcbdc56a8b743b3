"""What is signed towards Fabric is what Fabric's own messages say, and answers are checked against what was asked."""

from __future__ import annotations

import pytest
from cryptography import x509
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.keys import P256_ORDER, is_low_s
from sdk.fabric_blocks import parse_block
from sdk.fabric_proposal import (
    Message,
    Proposal,
    build_proposal,
    commit_request,
    creator_of,
    endorse_request,
    evaluate_request,
    events_request,
    parse_endorsed,
    submit_request,
)
from sdk.gateway_errors import details_of
from tests.hosts.cast import the_cast

CREATOR = b"creator"
NOW_US = 1_780_000_000_123_456


def proposal(**changed: object) -> Proposal:
    values: dict[str, object] = {
        "channel": "evidence",
        "chaincode": "veriframe",
        "arguments": (b"anchor", b"{}"),
        "now_us": NOW_US,
        "nonce": bytes(24),
        **changed,
    }
    return build_proposal(CREATOR, **values)  # type: ignore[arg-type]


def endorsed(asked: Proposal, *, writes: bool = True, status: int = 200, actions: int = 1) -> Message:
    """The envelope that a gateway would make of a proposal."""
    inner = proposal_pb2.Proposal.FromString(asked.message)
    kv = kv_rwset_pb2.KVRWSet(writes=[kv_rwset_pb2.KVWrite(key="k", value=b"v")] if writes else [])
    results = rwset_pb2.TxReadWriteSet(
        ns_rwset=[rwset_pb2.NsReadWriteSet(namespace="veriframe", rwset=kv.SerializeToString())]
    )
    action = proposal_pb2.ChaincodeAction(
        results=results.SerializeToString(), response=proposal_response_pb2.Response(status=status, payload=b"answer")
    )
    payload = proposal_response_pb2.ProposalResponsePayload(extension=action.SerializeToString())
    inside = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=inner.payload,
        action=transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=payload.SerializeToString()),
    )
    one = transaction_pb2.TransactionAction(payload=inside.SerializeToString())
    data = transaction_pb2.Transaction(actions=[one] * actions).SerializeToString()
    header = common_pb2.Header.FromString(inner.header)
    return common_pb2.Envelope(payload=common_pb2.Payload(header=header, data=data).SerializeToString())


def test_a_proposal_says_who_calls_what_when_and_under_which_id() -> None:
    made = proposal()
    parsed = proposal_pb2.Proposal.FromString(made.message)
    header = common_pb2.Header.FromString(parsed.header)
    channel = common_pb2.ChannelHeader.FromString(header.channel_header)
    signature = common_pb2.SignatureHeader.FromString(header.signature_header)
    assert (signature.creator, signature.nonce) == (CREATOR, bytes(24))
    assert channel.tx_id == made.tx_id == sha256(bytes(24), CREATOR).hex()
    assert (channel.type, channel.channel_id) == (3, "evidence")
    assert (channel.timestamp.seconds, channel.timestamp.nanos) == (1_780_000_000, 123_456_000)
    extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel.extension)
    assert extension.chaincode_id.name == "veriframe"
    payload = proposal_pb2.ChaincodeProposalPayload.FromString(parsed.payload)
    call = chaincode_pb2.ChaincodeInvocationSpec.FromString(payload.input).chaincode_spec
    assert list(call.input.args) == [b"anchor", b"{}"]
    assert call.chaincode_id.name == "veriframe"


def test_the_same_call_is_the_same_bytes_and_another_nonce_another_id() -> None:
    assert proposal() == proposal()
    assert proposal(nonce=bytes(23) + b"\x01").tx_id != proposal().tx_id
    assert proposal(transient={"b": b"2", "a": b"1"}) == proposal(transient={"a": b"1", "b": b"2"})


def test_a_creator_is_organisation_and_certificate_as_pem() -> None:
    who = the_cast()["recorder"]
    parsed = identities_pb2.SerializedIdentity.FromString(creator_of(who))
    assert parsed.mspid == "ControlRoomMSP"
    certificate = x509.load_pem_x509_certificate(parsed.id_bytes)
    assert certificate == x509.load_der_x509_certificate(who.certificate)
    assert all(len(line) <= 64 for line in parsed.id_bytes.splitlines())


def test_signatures_have_a_low_s() -> None:
    signer = the_cast()["recorder"].signer
    assert all(is_low_s(signer.sign(bytes([number]))) for number in range(40))
    assert P256_ORDER % 2 == 1


def test_requests_carry_what_was_signed_and_who_shall_answer() -> None:
    asked = proposal(organisations=["ControlRoomMSP", "PoliceMSP"])
    endorse, evaluate = endorse_request(asked, b"s"), evaluate_request(asked, b"s")
    assert list(endorse.endorsing_organizations) == list(evaluate.target_organizations) == list(asked.organisations)
    for each in (endorse, evaluate):
        assert each.transaction_id == asked.tx_id
        assert (each.proposed_transaction.proposal_bytes, each.proposed_transaction.signature) == (asked.message, b"s")
    transaction = parse_endorsed(asked, endorsed(asked))
    sent = submit_request(transaction, b"t").prepared_transaction
    assert (sent.payload, sent.signature) == (transaction.message, b"t")
    status = gateway_pb2.CommitStatusRequest.FromString(commit_request(CREATOR, channel="c", tx_id="t").message)
    assert (status.channel_id, status.transaction_id, status.identity) == ("c", "t", CREATOR)
    events = gateway_pb2.ChaincodeEventsRequest.FromString(
        events_request(CREATOR, channel="c", chaincode="x", block=7, after_tx_id="t").message
    )
    assert (events.start_position.specified.number, events.after_transaction_id) == (7, "t")
    following = events_request(CREATOR, channel="c", chaincode="x", block=None).message
    assert gateway_pb2.ChaincodeEventsRequest.FromString(following).start_position.HasField("next_commit")


def test_an_endorsed_transaction_tells_its_result_and_whether_it_writes() -> None:
    asked = proposal()
    found = parse_endorsed(asked, endorsed(asked))
    assert (found.tx_id, found.result, found.writes) == (asked.tx_id, b"answer", True)
    assert not parse_endorsed(asked, endorsed(asked, writes=False)).writes


def test_a_gateway_cannot_slip_in_another_transaction() -> None:
    asked = proposal()
    for other in (
        proposal(nonce=bytes(23) + b"\x01"),
        proposal(channel="elsewhere"),
        proposal(arguments=(b"anchor", b"{} ")),
    ):
        with pytest.raises(Malformed, match="another transaction"):
            parse_endorsed(asked, endorsed(other))
    # Under the same id, of the same call: another kind of message, another contract for the committers to look at.
    for changed in (
        {"type": common_pb2.CONFIG_UPDATE},
        {"extension": b"\x12\x05other"},
        {"timestamp": Timestamp(seconds=1)},
    ):
        envelope = endorsed(asked)
        payload = common_pb2.Payload.FromString(envelope.payload)
        header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        header.MergeFrom(common_pb2.ChannelHeader(**changed))
        payload.header.channel_header = header.SerializeToString(deterministic=True)
        with pytest.raises(Malformed, match="another transaction"):
            parse_endorsed(asked, common_pb2.Envelope(payload=payload.SerializeToString()))
    for actions in (0, 2):
        with pytest.raises(Malformed, match="exactly one action"):
            parse_endorsed(asked, endorsed(asked, actions=actions))


@given(st.binary(max_size=200))
def test_bytes_of_a_gateway_or_peer_that_mean_nothing_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_endorsed(proposal(), common_pb2.Envelope(payload=data))
    details_of(data)
    try:
        parse_block(data)
    except Malformed:
        return
