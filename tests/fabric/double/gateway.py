"""A gateway as clients see it: endorses on double peers, orders, tells the fate of transactions; fails on demand."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent import futures
from dataclasses import dataclass, field
from typing import Any

import grpc
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from sdk.identities import Identity
from tests.fabric.double.endorsing import BROKEN, Proposed, endorsement, payload_of, read_proposal, simulate
from tests.fabric.double.ledger import DoubleLedger, signed_by
from tests.fabric.double.peer import DoublePeer

DETAILS_TYPE = "type.googleapis.com/gateway.ErrorDetail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What happens instead of the next call of this kind.

    Args:
        details: (MSP, message) of single endorsers.
        silent: the caller's deadline passes without a word.
        after: the call does its work first, and only the answer is lost.
        swallowed: an orderer acknowledges what it then forgets.
        code: of a commit, a validation code that is told instead of the true one.
    """

    call: str
    status: grpc.StatusCode = grpc.StatusCode.UNAVAILABLE
    text: str = "fault"
    details: tuple[tuple[str, str], ...] = ()
    silent: bool = False
    after: bool = False
    swallowed: bool = False
    code: int | None = None


@dataclass(slots=True)
class Log:
    """What clients asked for, in order."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    envelopes: list[bytes] = field(default_factory=list)


class DoubleGateway(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]  # generated, without a static type
    """Serves one channel.

    Args:
        peers: by MSP id, each with the identity that endorses; the first one is the gateway's own.
        now_s: the peers' clock; None: they do not look at the proposal's time.
    """

    def __init__(
        self,
        ledger: DoubleLedger,
        peers: Mapping[str, tuple[DoublePeer, Identity]],
        *,
        chaincode: str = "veriframe",
        channel: str = "evidence",
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self.log = Log()
        self.faults: list[Fault] = []
        self._ledger = ledger
        self._peers = dict(peers)
        self._chaincode = chaincode
        self._channel = channel
        self._now_s = now_s
        self._server = grpc.server(futures.ThreadPoolExecutor(32))
        gateway_pb2_grpc.add_GatewayServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=0).wait()

    # -- the service ---------------------------------------------------------------------------------------------

    def Evaluate(self, request: Any, context: Any) -> Any:
        self._begin("evaluate", request.transaction_id, context)
        proposed = self._check(request, context)
        if proposed.chaincode == "qscc":
            return gateway_pb2.EvaluateResponse(result=self._system(proposed.arguments))
        msp = next(iter(request.target_organizations), next(iter(self._peers)))
        response, _ = self._run(msp, proposed)
        if response.status == BROKEN:
            _abort(context, grpc.StatusCode.ABORTED, "failed to evaluate transaction", [(msp, response.message)])
        if response.status >= 400:
            text = f"evaluate call to endorser returned error: chaincode response {response.status}, {response.message}"
            context.abort(grpc.StatusCode.UNKNOWN, text)
        return gateway_pb2.EvaluateResponse(result=response)

    def Endorse(self, request: Any, context: Any) -> Any:
        self._begin("endorse", request.transaction_id, context)
        proposed = self._check(request, context)
        wanted = list(request.endorsing_organizations) or list(self._peers)[:2]
        answers = {msp: self._run(msp, proposed) for msp in wanted}
        bad = [
            (msp, f"chaincode response {response.status}, {response.message}" if response.status else response.message)
            for msp, (response, _) in answers.items()
            if response.status >= 400 or response.status == BROKEN
        ]
        if bad:
            _abort(context, grpc.StatusCode.ABORTED, "failed to endorse transaction, see attached details", bad)
        payloads = {action for _, action in answers.values()}
        if len(payloads) != 1:
            context.abort(grpc.StatusCode.ABORTED, "failed to collect enough: ProposalResponsePayloads do not match")
        envelope = self._assemble(request.proposed_transaction.proposal_bytes, payloads.pop(), wanted)
        return gateway_pb2.EndorseResponse(prepared_transaction=envelope)

    def Submit(self, request: Any, context: Any) -> Any:
        envelope = request.prepared_transaction.SerializeToString()
        self.log.envelopes.append(envelope)
        fault = self._begin("submit", request.transaction_id, context, late=True)
        if fault is not None and fault.swallowed:
            return gateway_pb2.SubmitResponse()
        self._ledger.order(envelope)
        if fault is not None:
            _fail(fault, context)
        return gateway_pb2.SubmitResponse()

    def CommitStatus(self, request: Any, context: Any) -> Any:
        asked = gateway_pb2.CommitStatusRequest.FromString(request.request)
        if not signed_by(asked.identity, request.signature, request.request):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "signature")
        fault = self._begin("commit status", asked.transaction_id, context, late=True)
        with self._ledger.changed:
            while (found := self._ledger.first(asked.transaction_id)) is None:
                if not context.is_active():
                    return gateway_pb2.CommitStatusResponse()
                self._ledger.changed.wait(0.02)
        code = found.code if fault is None or fault.code is None else fault.code
        return gateway_pb2.CommitStatusResponse(result=code, block_number=found.block)

    def ChaincodeEvents(self, request: Any, context: Any) -> Iterator[Any]:
        asked = gateway_pb2.ChaincodeEventsRequest.FromString(request.request)
        self._begin("events", asked.after_transaction_id, context)
        block, after = asked.start_position.specified.number, asked.after_transaction_id
        while context.is_active():
            with self._ledger.changed:
                if block >= len(self._ledger.blocks):
                    self._ledger.changed.wait(0.02)
                    continue
                commits = [each for each in self._ledger.commits if each.block == block and each.code == 0]
            ids = [each.tx_id for each in commits]
            if after in ids:
                commits = commits[ids.index(after) + 1 :]
            found = [each.event for each in commits if each.event is not None]
            if found:
                yield gateway_pb2.ChaincodeEventsResponse(events=found, block_number=block)
                if self._take_fault("events broken") is not None:
                    context.abort(grpc.StatusCode.UNAVAILABLE, "the peer went away")
            block, after = block + 1, ""

    # ------------------------------------------------------------------------------------------------------------

    def _begin(self, call: str, tx_id: str, context: Any, *, late: bool = False) -> Fault | None:
        """Note the call and fail if that is due. `late`: faults behind the work are given back."""
        self.log.calls.append((call, tx_id))
        fault = self._take_fault(call)
        if fault is None or (late and (fault.after or fault.swallowed or fault.code is not None)):
            return fault
        _fail(fault, context)
        return None

    def _take_fault(self, call: str) -> Fault | None:
        for fault in self.faults:
            if fault.call == call:
                self.faults.remove(fault)
                return fault
        return None

    def _check(self, request: Any, context: Any) -> Proposed:
        proposed = read_proposal(request.proposed_transaction, self._now_s)
        bad = proposed.bad or ("" if request.transaction_id == proposed.tx_id else "incorrectly computed txid")
        if bad:
            own = next(iter(self._peers))
            said = [(own, f"error validating proposal: {bad}")]
            _abort(context, grpc.StatusCode.ABORTED, "failed to endorse transaction", said)
        return proposed

    def _run(self, msp: str, proposed: Proposed) -> tuple[Any, bytes]:
        """The contract's response on one organisation's peer, and the action it would endorse."""
        return simulate(self._peers[msp][0], proposed, self._channel, self._chaincode)

    def _assemble(self, proposal_bytes: bytes, action: bytes, msps: list[str]) -> Any:
        proposal = proposal_pb2.Proposal.FromString(proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        payload = payload_of(proposal_bytes, action)
        endorsements = [endorsement(self._peers[msp][1], payload) for msp in msps]
        endorsed = transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=payload, endorsements=endorsements)
        inner = transaction_pb2.ChaincodeActionPayload(chaincode_proposal_payload=proposal.payload, action=endorsed)
        transaction = transaction_pb2.Transaction(
            actions=[
                transaction_pb2.TransactionAction(header=header.signature_header, payload=inner.SerializeToString())
            ]
        )
        return common_pb2.Envelope(
            payload=common_pb2.Payload(header=header, data=transaction.SerializeToString()).SerializeToString()
        )

    def _system(self, arguments: list[bytes]) -> Any:
        if arguments[0] == b"GetChainInfo":
            data = ledger_pb2.BlockchainInfo(height=len(self._ledger.blocks)).SerializeToString()
        else:
            data = self._ledger.blocks[int(arguments[2])]
        return proposal_response_pb2.Response(status=200, payload=data)


def _fail(fault: Fault, context: Any) -> None:
    if fault.silent:
        while context.is_active():
            time.sleep(0.01)
        context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
    _abort(context, fault.status, fault.text, list(fault.details))


def _abort(context: Any, status: grpc.StatusCode, text: str, details: list[tuple[str, str]]) -> None:
    packed = b""
    for msp, message in details:
        detail = gateway_pb2.ErrorDetail(address="peer:7051", msp_id=msp, message=message).SerializeToString()
        any_bytes = AnyMessage(type_url=DETAILS_TYPE, value=detail).SerializeToString()
        packed += b"\x1a" + _varint(len(any_bytes)) + any_bytes  # field 3 of google.rpc.Status
    if packed:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x08" + bytes([status.value[0]]) + packed),))
    context.abort(status, text)


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])
