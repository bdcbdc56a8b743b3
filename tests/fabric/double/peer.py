"""A peer as chaincode sees it: client of the chaincode server's stream, as strict and as silent as the real one."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2, chaincode_shim_pb2_grpc, proposal_pb2
from google.protobuf.message import DecodeError

from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.reads import Version, kv_read, record_reads

SHIM = chaincode_shim_pb2.ChaincodeMessage
BATCH = 100
ANSWERED_S = 20.0


@dataclass(slots=True, eq=False)
class RangeRead:
    """A range read while it goes on: what it finds, how much was handed out, and what counts as read.

    Args:
        cut: the peer's limit ends it before the range does.
    """

    start: str
    end: str
    found: list[tuple[str, bytes, Version]]
    cut: bool
    served: int = 0
    itr_exhausted: bool = False

    def info(self) -> Any:
        # To know whether there is more a peer reads one entry ahead, and that one stands in the read set too.
        seen = [(key, version) for key, _, version in self.found[: self.served + 1]]
        end = self.end if self.itr_exhausted or not seen else seen[-1][0]
        info = kv_rwset_pb2.RangeQueryInfo(start_key=self.start, end_key=end, itr_exhausted=self.itr_exhausted)
        record_reads(info, seen)
        return info


@dataclass(slots=True, eq=False)
class Simulation:
    """One transaction while the chaincode works on it."""

    done: queue.SimpleQueue[Any] = field(default_factory=queue.SimpleQueue)
    outstanding: bool = False
    reads: dict[str, Version | None] = field(default_factory=dict)
    ranges: list[RangeRead] = field(default_factory=list)
    writes: dict[str, bytes | None] = field(default_factory=dict)  # None: deleted
    iterators: dict[str, RangeRead] = field(default_factory=dict)

    def results(self, namespace: str) -> bytes:
        """The read-write set, serialized."""
        found = kv_rwset_pb2.KVRWSet()
        for key in sorted(self.reads):
            found.reads.append(kv_read(key, self.reads[key]))
        found.range_queries_info.extend(each.info() for each in self.ranges)
        for key in sorted(self.writes):
            value = self.writes[key]
            found.writes.append(kv_rwset_pb2.KVWrite(key=key, value=value, is_delete=value is None))
        space = rwset_pb2.NsReadWriteSet(namespace=namespace, rwset=found.SerializeToString())
        return bytes(rwset_pb2.TxReadWriteSet(ns_rwset=[space]).SerializeToString())


class DoublePeer:
    """Connects to a chaincode server and runs transactions on it.

    Args:
        ready: payload of READY; empty as an older peer sends it.
        limit: after so many results a range read ends without a word.
        chaincode: name of its definition, which results of range reads carry.
        before_answer: called with each request before it is answered; may wait.
    """

    def __init__(
        self,
        address: str,
        ledger: DoubleLedger,
        *,
        package_id: str = "veriframe_1:00",
        chaincode: str = "veriframe",
        ready: bytes = b"",
        limit: int = 100_000,
        options: tuple[tuple[str, int], ...] = (),
        before_answer: Callable[[Any], None] = lambda message: None,
    ) -> None:
        self.requests: Counter[str] = Counter()
        self.dropped = 0
        self.left_open = 0
        self.batches: list[int] = []
        self.gets: list[int] = []
        self.keepalives: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ended = threading.Event()
        self._ledger = ledger
        self._package_id = package_id
        self._chaincode = chaincode
        self._ready = ready
        self._offered = _offered(ready)
        self._limit = limit
        self._before_answer = before_answer
        self._out: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: dict[tuple[str, str], Simulation] = {}
        self._lock = threading.Lock()
        self._registered = threading.Event()
        self._ids = itertools.count()
        self._channel = grpc.insecure_channel(address, options=options)
        stub = chaincode_shim_pb2_grpc.ChaincodeStub(self._channel)
        self._stream = stub.Connect(self._outgoing())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._registered.wait(ANSWERED_S):
            raise TimeoutError("the chaincode did not register")

    def close(self) -> None:
        self._out.put(None)
        self._stream.cancel()
        self._reader.join()
        self._channel.close()

    def start(self, channel: str, tx_id: str, arguments: list[bytes], signed_proposal: Any) -> Simulation:
        """Hand a transaction to the chaincode; its answer comes into `done`."""
        simulation = Simulation()
        with self._lock:
            self._running[(channel, tx_id)] = simulation
        payload = chaincode_pb2.ChaincodeInput(args=arguments).SerializeToString()
        self.send(SHIM.TRANSACTION, payload, channel=channel, tx_id=tx_id, proposal=signed_proposal)
        return simulation

    def run(self, channel: str, tx_id: str, arguments: list[bytes], proposal: Any) -> tuple[Any, Simulation]:
        """The chaincode's last message and what it read and wrote."""
        simulation = self.start(channel, tx_id, arguments, proposal)
        return simulation.done.get(timeout=ANSWERED_S), simulation

    def send(
        self, kind: int, payload: bytes = b"", *, channel: str = "", tx_id: str = "", proposal: Any = None
    ) -> None:
        message = SHIM(type=kind, payload=payload, channel_id=channel, txid=tx_id)
        if proposal is not None:
            message.proposal.CopyFrom(proposal or proposal_pb2.SignedProposal())
        self._out.put(message)

    def _outgoing(self) -> Iterator[Any]:
        while (message := self._out.get()) is not None:
            yield message

    def _read(self) -> None:
        try:
            for message in self._stream:
                self._take(message)
        except grpc.RpcError:
            pass  # how a cancelled or refused stream ends; tests look at `ended`
        finally:
            self.ended.set()
            with self._lock:
                for simulation in self._running.values():
                    simulation.done.put(None)

    def _take(self, message: Any) -> None:
        self.requests[SHIM.Type.Name(message.type)] += 1
        if message.type == SHIM.REGISTER:
            assert chaincode_pb2.ChaincodeID.FromString(message.payload).name == self._package_id
            self.send(SHIM.REGISTERED)
            self.send(SHIM.READY, self._ready)
            self._registered.set()
            return
        if message.type == SHIM.KEEPALIVE:
            self.keepalives.put(message)
            return
        with self._lock:
            simulation = self._running.get((message.channel_id, message.txid))
            if simulation is None:
                return  # as a peer does: nobody to answer
            if message.type in (SHIM.COMPLETED, SHIM.ERROR):
                del self._running[(message.channel_id, message.txid)]
                self.left_open += len(simulation.iterators)
                simulation.done.put(message)
                return
            if simulation.outstanding:
                self.dropped += 1  # without an answer: the caller waits until it times out
                return
            simulation.outstanding = True
        threading.Thread(target=self._answer, args=(message, simulation), daemon=True).start()

    def _answer(self, message: Any, simulation: Simulation) -> None:
        self._before_answer(message)
        payload = self._handle(message, simulation)
        simulation.outstanding = False
        kind = SHIM.ERROR if payload is None else SHIM.RESPONSE
        self.send(kind, payload or b"", channel=message.channel_id, tx_id=message.txid)

    def _handle(self, message: Any, simulation: Simulation) -> bytes | None:
        if message.type == SHIM.GET_STATE:
            key = chaincode_shim_pb2.GetState.FromString(message.payload).key
            known = self._ledger.get(key)  # never the transaction's own writes
            simulation.reads[key] = known[1] if known else None
            return known[0] if known else b""
        if message.type == SHIM.GET_STATE_MULTIPLE and self._offered.use_get_multiple_keys:
            keys = chaincode_shim_pb2.GetStateMultiple.FromString(message.payload).keys
            if len(keys) > self._offered.max_size_get_multiple_keys:
                return None
            self.gets.append(len(keys))
            found = [self._ledger.get(key) for key in keys]
            simulation.reads.update((key, each[1] if each else None) for key, each in zip(keys, found, strict=True))
            values = [each[0] if each else b"" for each in found]
            return bytes(chaincode_shim_pb2.GetStateMultipleResult(values=values).SerializeToString())
        if message.type == SHIM.PUT_STATE:
            put = chaincode_shim_pb2.PutState.FromString(message.payload)
            simulation.writes[put.key] = bytes(put.value)
            return b""
        if message.type == SHIM.DEL_STATE:
            simulation.writes[chaincode_shim_pb2.DelState.FromString(message.payload).key] = None
            return b""
        if message.type == SHIM.WRITE_BATCH_STATE and self._offered.use_write_batch:
            records = chaincode_shim_pb2.WriteBatchState.FromString(message.payload).rec
            if len(records) > self._offered.max_size_write_batch:
                return None
            self.batches.append(len(records))
            for record in records:
                deleted = record.type == chaincode_shim_pb2.WriteRecord.DEL_STATE
                simulation.writes[record.key] = None if deleted else bytes(record.value)
            return b""
        if message.type == SHIM.GET_STATE_BY_RANGE:
            span = chaincode_shim_pb2.GetStateByRange.FromString(message.payload)
            found = self._ledger.scan(span.startKey, span.endKey)
            name = str(next(self._ids))
            simulation.iterators[name] = RangeRead(
                start=span.startKey, end=span.endKey, found=found[: self._limit], cut=len(found) >= self._limit
            )
            simulation.ranges.append(simulation.iterators[name])
            return self._batch(name, simulation)
        if message.type == SHIM.QUERY_STATE_NEXT:
            return self._batch(chaincode_shim_pb2.QueryStateNext.FromString(message.payload).id, simulation)
        if message.type == SHIM.QUERY_STATE_CLOSE:
            name = chaincode_shim_pb2.QueryStateClose.FromString(message.payload).id
            simulation.iterators.pop(name, None)
            return bytes(chaincode_shim_pb2.QueryResponse(id=name).SerializeToString())
        return None

    def _batch(self, name: str, simulation: Simulation) -> bytes | None:
        if name not in simulation.iterators:
            return None
        reading = simulation.iterators[name]
        now = reading.found[reading.served : reading.served + BATCH]
        reading.served += len(now)
        more = reading.served < len(reading.found)
        if not more:
            del simulation.iterators[name]
            reading.itr_exhausted = not reading.cut
        response = chaincode_shim_pb2.QueryResponse(id=name, has_more=more)
        for key, value, _ in now:
            packed = kv_query_result_pb2.KV(namespace=self._chaincode, key=key, value=value).SerializeToString()
            response.results.append(chaincode_shim_pb2.QueryResultBytes(resultBytes=packed))
        return bytes(response.SerializeToString())


def _offered(ready: bytes) -> Any:
    offered = chaincode_pb2.ChaincodeAdditionalParams()
    try:
        offered.ParseFromString(ready)
    except DecodeError:
        offered.Clear()
    return offered


def ready(**parameters: Any) -> bytes:
    """What a peer of version 3.1 says in READY."""
    return bytes(chaincode_pb2.ChaincodeAdditionalParams(**parameters).SerializeToString())


# As network/configuration.py sets it, and as Fabric's own default is.
READY_OF_3_1 = ready(
    use_write_batch=True, max_size_write_batch=1000, use_get_multiple_keys=True, max_size_get_multiple_keys=1000
)
