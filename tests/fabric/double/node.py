"""One organisation's peer as Fabric's own programs see it, without a gateway before it: endorse, order, watch blocks.

The orderer answers at the same address; where a real network has several machines, this one has several names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2, ab_pb2_grpc
from fabric_protos.peer import events_pb2, events_pb2_grpc, peer_pb2_grpc, proposal_response_pb2

from sdk.identities import Identity
from tests.fabric.double.endorsing import BROKEN, endorsement, payload_of, read_proposal, simulate
from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.peer import DoublePeer

# Generated, without a static type.
_Services: Any = (peer_pb2_grpc.EndorserServicer, ab_pb2_grpc.AtomicBroadcastServicer, events_pb2_grpc.DeliverServicer)


class DoubleNode(*_Services):  # type: ignore[misc]
    """Serves one channel to whoever comes; TLS is not its business.

    Args:
        identity: with which the peer endorses.
        now_s: its clock; None: it does not look at the proposal's time.
    """

    def __init__(
        self,
        ledger: DoubleLedger,
        peer: DoublePeer,
        identity: Identity,
        *,
        chaincode: str = "veriframe",
        channel: str = "evidence",
        now_s: Callable[[], float] | None = None,
    ) -> None:
        self._ledger = ledger
        self._peer = peer
        self._identity = identity
        self._chaincode = chaincode
        self._channel = channel
        self._now_s = now_s
        self._server = grpc.server(futures.ThreadPoolExecutor(16))
        peer_pb2_grpc.add_EndorserServicer_to_server(self, self._server)
        ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(self, self._server)
        events_pb2_grpc.add_DeliverServicer_to_server(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def close(self) -> None:
        self._server.stop(grace=0).wait()

    def ProcessProposal(self, request: Any, context: Any) -> Any:
        proposed = read_proposal(request, self._now_s)
        if proposed.bad:
            return _refused(500, f"error validating proposal: {proposed.bad}")
        response, action = simulate(self._peer, proposed, self._channel, self._chaincode)
        if response.status == BROKEN:
            return _refused(500, response.message)
        if response.status >= 400:
            return proposal_response_pb2.ProposalResponse(response=response)  # nothing to sign
        payload = payload_of(request.proposal_bytes, action)
        signed = endorsement(self._identity, payload)
        return proposal_response_pb2.ProposalResponse(version=1, response=response, payload=payload, endorsement=signed)

    def Broadcast(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        for envelope in request_iterator:
            self._ledger.order(envelope.SerializeToString())
            yield ab_pb2.BroadcastResponse(status=common_pb2.SUCCESS)

    def DeliverFiltered(self, request_iterator: Iterator[Any], context: Any) -> Iterator[Any]:
        """Blocks from the newest on, or from the number that was asked for, until the client goes."""
        payload = common_pb2.Payload.FromString(next(request_iterator).payload)
        start = ab_pb2.SeekInfo.FromString(payload.data).start
        number = start.specified.number if start.HasField("specified") else len(self._ledger.blocks) - 1
        while context.is_active():
            with self._ledger.changed:
                if number >= len(self._ledger.blocks):
                    self._ledger.changed.wait(0.02)
                    continue
                commits = [each for each in self._ledger.commits if each.block == number]
            block = events_pb2.FilteredBlock(channel_id=self._channel, number=number)
            for each in commits:
                block.filtered_transactions.add(txid=each.tx_id, tx_validation_code=each.code)
            yield events_pb2.DeliverResponse(filtered_block=block)
            number += 1


def _refused(status: int, message: str) -> Any:
    response = proposal_response_pb2.Response(status=status, message=message)
    return proposal_response_pb2.ProposalResponse(response=response)
