"""What goes between the hfc client and its worker, as far as it means something: answers read, requests built.

Pure: bytes and members in, values out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_response_pb2, transaction_pb2
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from evidence.digests import sha256
from sdk.gateway_steps import GRPC_OPTIONS
from sdk.hfc_process import decode
from sdk.hfc_profile import HfcProfile

_C = grpc.StatusCode
_NEWEST, _SUCCESS = (1 << 63) - 1, 200
# What gRPC says when there was no connection, so that nothing can have been sent.
_NOT_CONNECTED = ("failed to connect to all addresses", "DNS resolution failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one peer said to a proposal. `code` OK: it endorsed, and `response` is the serialized ProposalResponse."""

    peer: int
    code: grpc.StatusCode
    text: str = ""
    response: bytes = b""
    result: bytes = b""
    payload: bytes = b""


def worker_configuration(profile: HfcProfile) -> dict[str, Any]:
    """The worker's first frame."""
    client = profile.tls_client
    return {
        "channel": profile.channel,
        "own_peer": profile.peers_of(profile.msp)[0],
        "options": [list(option) for option in GRPC_OPTIONS],
        "tls_client": {"certificate": str(client.certificate), "key": str(client.key)} if client else None,
        **{
            kind: [
                {
                    "address": each.address,
                    "tls_root": str(each.tls_root) if each.tls_root else None,
                    "server_name": each.server_name,
                }
                for each in nodes
            ]
            for kind, nodes in (("peers", profile.peers), ("orderers", profile.orderers))
        },
    }


def read_answer(peer: int, said: Mapping[str, Any]) -> Answer:
    """What a peer's answer means, as Fabric's own gateway reads it."""
    if "response" not in said:
        code = _code(said, _C.INTERNAL)
        # A peer that does not let a proposal in says so with UNKNOWN, which here is the contract's word.
        code = _C.FAILED_PRECONDITION if code is _C.UNKNOWN else code
        return Answer(peer=peer, code=code, text=str(said.get("details") or said.get("failed") or code.name.lower()))
    data = decode(said["response"])
    try:
        found = proposal_response_pb2.ProposalResponse.FromString(data)
    except DecodeError:
        return Answer(peer=peer, code=_C.INTERNAL, text="an answer that cannot be read")
    status, message = found.response.status, found.response.message
    if status == 500 and not found.payload:
        return Answer(peer=peer, code=_C.ABORTED, text=message)  # the peer's word, not the contract's
    if not 200 <= status < 400:
        return Answer(peer=peer, code=_C.UNKNOWN, text=f"chaincode response {status}, {message}")
    return Answer(
        peer=peer, code=_C.OK, response=data, result=bytes(found.response.payload), payload=bytes(found.payload)
    )


def read_broadcast(answer: Mapping[str, Any]) -> tuple[grpc.StatusCode, str]:
    """An orderer's answer: OK; UNAVAILABLE (not taken, the next one may); FAILED_PRECONDITION (nobody will take it); or
    DEADLINE_EXCEEDED (nobody knows whether it was taken)."""
    if "status" in answer:
        status = int(answer["status"])
        name = next((name for name, number in common_pb2.Status.items() if number == status), str(status))
        text = f"received unsuccessful response: status={name}, info={answer['info']}"  # as Fabric's gateway says it
        if status == _SUCCESS:
            return _C.OK, text
        return (_C.UNAVAILABLE if status >= 500 else _C.FAILED_PRECONDITION), text
    text = str(answer.get("details") or answer.get("failed") or answer.get("code"))
    unsent = answer.get("code") == _C.UNAVAILABLE.name and any(part in text for part in _NOT_CONNECTED)
    return (_C.UNAVAILABLE if unsent else _C.DEADLINE_EXCEEDED), text


def validation_code(name: str) -> int | None:
    """None: a code younger than hfc, which knows it by no name."""
    return dict(transaction_pb2.TxValidationCode.items()).get(name)


def _code(said: Mapping[str, Any], otherwise: grpc.StatusCode) -> grpc.StatusCode:
    return next((code for code in _C if code.name == said.get("code")), otherwise)


def events_payload(
    creator: bytes, *, channel: str, block: int | None, certificate_hash: bytes, now_us: int, nonce: bytes
) -> bytes:
    """The request for filtered blocks from `block` (None: the newest) on, for ever; the bytes to sign.

    Args:
        certificate_hash: SHA-256 of the TLS client certificate (DER); empty without one. It binds the request to the
            connection that it comes on.
    """
    start = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
    if block is not None:
        start = ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=block))
    wanted = ab_pb2.SeekInfo(
        start=start,
        stop=ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=_NEWEST)),
        behavior=ab_pb2.SeekInfo.BLOCK_UNTIL_READY,
    )
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.DELIVER_SEEK_INFO,
        timestamp=Timestamp(seconds=now_us // 1_000_000, nanos=now_us % 1_000_000 * 1000),
        channel_id=channel,
        tx_id=sha256(nonce, creator).hex(),
        tls_cert_hash=certificate_hash,
    )
    header = common_pb2.Header(
        channel_header=channel_header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
    )
    return bytes(common_pb2.Payload(header=header, data=wanted.SerializeToString()).SerializeToString())
