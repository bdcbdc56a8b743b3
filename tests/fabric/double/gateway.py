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
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.any_pb2 import Any as AnyMessage

from evidence.digests import sha256
from sdk.fabric_proposal import creator_of
from sdk.identities import Identity
from tests.fabric.double.ledger import DoubleLedger, signed_by
from tests.fabric.double.peer import SHIM, DoublePeer, Simulation

WINDOW_S = 15 * 60
BROKEN = 0  # status of a response that no contract gave
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
        arguments, name = self._check(request.proposed_transaction, request.transaction_id, context)
        if name == "qscc":
            return gateway_pb2.EvaluateResponse(result=self._system(arguments))
        msp = next(iter(request.target_organizations), next(iter(self._peers)))
        response, _ = self._run(msp, request, arguments)
        if response.status == BROKEN:
            _abort(context, grpc.StatusCode.ABORTED, "failed to evaluate transaction", [(msp, response.message)])
        if response.status >= 400:
            text = f"evaluate call to endorser returned error: chaincode response {response.status}, {response.message}"
            context.abort(grpc.StatusCode.UNKNOWN, text)
        return gateway_pb2.EvaluateResponse(result=response)

    def Endorse(self, request: Any, context: Any) -> Any:
        self._begin("endorse", request.transaction_id, context)
        arguments, _ = self._check(request.proposed_transaction, request.transaction_id, context)
        wanted = list(request.endorsing_organizations) or list(self._peers)[:2]
        answers = {msp: self._run(msp, request, arguments) for msp in wanted}
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

    def _check(self, signed: Any, tx_id: str, context: Any) -> tuple[list[bytes], str]:
        """What a peer checks before it runs anything."""
        proposal = proposal_pb2.Proposal.FromString(signed.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        creator = common_pb2.SignatureHeader.FromString(header.signature_header)
        bad = ""
        if not signed_by(creator.creator, signed.signature, signed.proposal_bytes):
            bad = "access denied: the creator's signature over the proposal is not valid"
        elif sha256(creator.nonce, creator.creator).hex() != channel.tx_id or tx_id != channel.tx_id:
            bad = "incorrectly computed txid"
        elif self._now_s is not None and abs(self._now_s() - channel.timestamp.ToSeconds()) > WINDOW_S:
            bad = "request unauthorized due to incorrect timestamp"
        if bad:
            own = next(iter(self._peers))
            said = [(own, f"error validating proposal: {bad}")]
            _abort(context, grpc.StatusCode.ABORTED, "failed to endorse transaction", said)
        extension = proposal_pb2.ChaincodeHeaderExtension.FromString(channel.extension)
        called = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        invocation = chaincode_pb2.ChaincodeInvocationSpec.FromString(called.input)
        return list(invocation.chaincode_spec.input.args), extension.chaincode_id.name

    def _run(self, msp: str, request: Any, arguments: list[bytes]) -> tuple[Any, bytes]:
        """The contract's response on one organisation's peer, and the action it would endorse."""
        peer, _ = self._peers[msp]
        answer, simulation = peer.run(self._channel, request.transaction_id, arguments, request.proposed_transaction)
        if answer is None or answer.type == SHIM.ERROR:
            # In these words, and without a status, from peers of version 3.1.5.
            said = "could not launch chaincode" if answer is None else answer.payload.decode("utf-8", "replace")
            text = f"error in simulation: transaction returned with failure: {said}"
            return proposal_response_pb2.Response(status=BROKEN, message=text), b""
        response = proposal_response_pb2.Response.FromString(answer.payload)
        return response, action_of(answer, simulation, self._chaincode, request.transaction_id)

    def _assemble(self, proposal_bytes: bytes, action: bytes, msps: list[str]) -> Any:
        proposal = proposal_pb2.Proposal.FromString(proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        payload = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=sha256(proposal_bytes), extension=action
        ).SerializeToString()
        endorsements = []
        for msp in msps:
            identity = self._peers[msp][1]
            endorser = creator_of(identity)
            signature = identity.signer.sign(payload + endorser)
            endorsements.append(proposal_response_pb2.Endorsement(endorser=endorser, signature=signature))
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
