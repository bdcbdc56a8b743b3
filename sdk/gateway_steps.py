"""The single calls of a Fabric gateway, each with a deadline, over several gateways of one organisation.

A step raises `Trouble`; what is done about it is decided in `sdk/gateway.py`. Which gateway is spoken to changes when
one is away, so that a killed peer costs one failed call.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc

from evidence.errors import ConfigInvalid, Malformed
from sdk.fabric_profile import GatewayAddress, Profile
from sdk.fabric_proposal import (
    CommitRequest,
    EventsRequest,
    Message,
    Proposal,
    Transaction,
    endorse_request,
    evaluate_request,
    parse_endorsed,
    submit_request,
)
from sdk.gateway_errors import Call, Reaction, Trouble, classify, classify_validation, details_of
from sdk.gateway_tls import TlsFiles, ended, read_tls

LOG = logging.getLogger("veriframe.gateway")

MESSAGE_BYTES = 100 << 20  # Fabric's own limit
EVENTS_S = 3600.0  # a stream of events is opened anew after an hour at the latest
NOT_CONNECTED = "failed to connect"  # in these words, from gRPC itself
DETAILS = "grpc-status-details-bin"

GRPC_OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    # Peers end connections that ping more often than once a minute.
    ("grpc.keepalive_time_ms", 120_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Reconnecting after a peer's restart must not wait for the default of up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaincodeEvent:
    """One event of a committed transaction."""

    block: int
    tx_id: str
    name: str
    payload: bytes


class Steps(Protocol):
    """The single calls that a transaction is made of; each raises `Trouble` and repeats nothing."""

    async def close(self) -> None: ...

    async def evaluate(self, proposal: Proposal, signature: bytes, timeout_s: float) -> bytes: ...

    async def endorse(self, proposal: Proposal, signature: bytes, timeout_s: float) -> Transaction: ...

    async def submit(self, transaction: Transaction, signature: bytes, timeout_s: float) -> None: ...

    async def commit_status(self, asked: CommitRequest, signature: bytes, timeout_s: float) -> int: ...

    def events(self, asked: EventsRequest, signature: bytes) -> AsyncGenerator[ChaincodeEvent, None]: ...


class GatewaySteps:
    """Speaks to the gateways of a profile. Made and used within one running event loop."""

    def __init__(self, profile: Profile, clock: Callable[[], int]) -> None:
        self._profile = profile
        self._clock = clock
        self._files = [read_tls(each, profile) for each in profile.gateways]
        self._channels = [_open(each, files) for each, files in zip(profile.gateways, self._files, strict=True)]
        self._stubs = [gateway_pb2_grpc.GatewayStub(channel) for channel in self._channels]
        self._replaced: list[grpc.aio.Channel] = []
        self._current = 0

    async def close(self) -> None:
        for channel in (*self._channels, *self._replaced):
            await channel.close()

    async def evaluate(self, proposal: Proposal, signature: bytes, timeout_s: float) -> bytes:
        request = evaluate_request(proposal, signature)
        answer = await self._call("evaluate", lambda stub: stub.Evaluate(request, timeout=timeout_s))
        response = answer.result
        if response.status >= 400:
            text = f"chaincode response {response.status}, {response.message}"
            raise classify("evaluate", grpc.StatusCode.UNKNOWN, text)
        return bytes(response.payload)

    async def endorse(self, proposal: Proposal, signature: bytes, timeout_s: float) -> Transaction:
        request = endorse_request(proposal, signature)
        answer = await self._call("endorse", lambda stub: stub.Endorse(request, timeout=timeout_s))
        try:
            return parse_endorsed(proposal, answer.prepared_transaction)
        except Malformed as error:
            raise Trouble(error, Reaction.STOP) from error

    async def submit(self, transaction: Transaction, signature: bytes, timeout_s: float) -> None:
        request = submit_request(transaction, signature)
        await self._call("submit", lambda stub: stub.Submit(request, timeout=timeout_s))

    async def commit_status(self, asked: CommitRequest, signature: bytes, timeout_s: float) -> int:
        """Block number of a valid transaction; waits until it is committed. Raises Trouble, also for a void one."""
        request = gateway_pb2.SignedCommitStatusRequest(request=asked.message, signature=signature)
        answer = await self._call("commit status", lambda stub: stub.CommitStatus(request, timeout=timeout_s))
        trouble = classify_validation(answer.result, asked.tx_id)
        if trouble is not None:
            raise trouble
        return int(answer.block_number)

    async def events(self, asked: EventsRequest, signature: bytes) -> AsyncGenerator[ChaincodeEvent, None]:
        """Events as they are committed, until the stream breaks."""
        request = gateway_pb2.SignedChaincodeEventsRequest(request=asked.message, signature=signature)
        at = self._current
        try:
            async for answer in self._stubs[at].ChaincodeEvents(request, timeout=EVENTS_S):
                for event in answer.events:
                    yield ChaincodeEvent(
                        block=int(answer.block_number),
                        tx_id=event.tx_id,
                        name=event.event_name,
                        payload=bytes(event.payload),
                    )
        except grpc.aio.AioRpcError as error:
            raise self._trouble("events", error, at) from error

    async def _call(self, call: Call, send: Callable[[Any], Awaitable[Message]]) -> Message:
        at = self._current
        try:
            return await send(self._stubs[at])
        except grpc.aio.AioRpcError as error:
            raise self._trouble(call, error, at) from error

    def _trouble(self, call: Call, error: grpc.aio.AioRpcError, at: int) -> Trouble:
        if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED) and at == self._current:
            self._current = (at + 1) % len(self._stubs)
        packed = next((value for name, value in error.trailing_metadata() or () if name == DETAILS), b"")
        details = details_of(packed if isinstance(packed, bytes) else b"")
        text = error.details() or ""
        trouble = classify(call, error.code(), text, details, own_msp=self._profile.msp)
        if error.code() is grpc.StatusCode.UNAVAILABLE and NOT_CONNECTED in text and not self._renewed(at):
            files = self._files[at]
            reason = None if files is None else ended(files, self._profile, self._clock())
            if reason is not None and trouble.reaction is Reaction.AGAIN:
                return Trouble(reason, Reaction.STOP)
        return trouble

    def _renewed(self, at: int) -> bool:
        """Whether the TLS files have changed since the connection was made; then a new one takes their content."""
        try:
            files = read_tls(self._profile.gateways[at], self._profile)
        except ConfigInvalid as error:
            LOG.warning("%s", error)  # somebody may just be replacing them, and a call may be under way
            return False
        if files == self._files[at]:
            return False
        self._replaced.append(self._channels[at])  # other calls may still wait on it
        self._files[at] = files
        self._channels[at] = _open(self._profile.gateways[at], files)
        self._stubs[at] = gateway_pb2_grpc.GatewayStub(self._channels[at])
        return True


def _open(gateway: GatewayAddress, files: TlsFiles | None) -> grpc.aio.Channel:
    options: list[tuple[str, Any]] = list(GRPC_OPTIONS)
    if files is None:
        return grpc.aio.insecure_channel(gateway.address, options=options)
    if gateway.server_name is not None:
        options.append(("grpc.ssl_target_name_override", gateway.server_name))
    return grpc.aio.secure_channel(gateway.address, files.credentials(), options=options)
