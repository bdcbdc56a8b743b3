"""The contract as Fabric chaincode-as-a-service: the same rules, run for a peer over gRPC.

Each organisation runs its own process (`python -m chaincode.fabric`), and its peer connects to it. Refusals of the
contract leave as COMPLETED with a status from 400 to 499 and a JSON message; ERROR is kept for a broken conversation,
since gateways try other peers then.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import TypeAlias

import grpc
from fabric_protos.peer import chaincode_pb2, chaincode_shim_pb2_grpc, proposal_response_pb2

from chaincode.dispatch import invoke
from chaincode.fabric_stream import (
    SHIM,
    Abilities,
    ChaincodeMessage,
    Conversation,
    FabricWorld,
    ShimBroken,
    abilities_of,
    parse_call,
)
from evidence.canonical import canonical
from evidence.digests import sha256
from evidence.errors import Malformed, Refused, VeriframeError

LOG = logging.getLogger("veriframe.chaincode")

MESSAGE_BYTES = 100 << 20
STREAMS = 8  # open streams: one a peer, and room for reconnecting ones
TRANSACTIONS = 16  # run at once on one stream
COLLECT_AFTER = 50_000  # objects made and not given back; a transaction makes some hundreds, nearly all given back
END_S = 10.0  # what running transactions get when the process is told to end

# What a transaction does: the world it sees, function, arguments -> answer. The contract's is `dispatch.invoke`.
Functions: TypeAlias = Callable[[FabricWorld, str, Sequence[bytes]], bytes]

# A default gRPC server ends an idle peer's connection after some minutes, because peers ping more often than it likes.
OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),
)

STATUS = {"denied": 403, "conflict": 409, "not_found": 404, "invalid": 400, "expired": 410}


class Contract(chaincode_shim_pb2_grpc.ChaincodeServicer):  # type: ignore[misc]  # generated, without a static type
    """Serves peers' streams.

    Args:
        package_id: of the chaincode package that the peer installed; the peer knows us by it.
        genesis: digest of the only genesis document that this organisation endorses; None: whichever comes first.
        functions: what is run; another set than the contract's is for tests and measurements.
    """

    def __init__(self, package_id: str, genesis: bytes | None = None, functions: Functions = invoke) -> None:
        self._package_id = package_id
        self._genesis = genesis
        self._functions = functions
        self._streams: set[_Stream] = set()
        self._lock = threading.Lock()

    def Connect(
        self, request_iterator: Iterator[ChaincodeMessage], context: grpc.ServicerContext
    ) -> Iterator[ChaincodeMessage]:
        """One peer's stream: a reader thread, a bounded pool for transactions, and this generator as the one writer."""
        stream = _Stream(self._package_id, self._genesis, self._functions)
        with self._lock:
            self._streams.add(stream)
        reader = threading.Thread(target=stream.read, args=(request_iterator,), daemon=True)
        reader.start()
        try:
            yield from stream.outgoing()
        finally:
            stream.close()
            with self._lock:
                self._streams.discard(stream)

    def end(self, within_s: float) -> None:
        """End the open streams, each after its running transactions, or after `within_s`. Peers never end one."""
        deadline = time.monotonic() + within_s
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            while stream.busy and time.monotonic() < deadline:
                time.sleep(0.02)
            stream.close()


class _Stream:
    def __init__(self, package_id: str, genesis: bytes | None, functions: Functions) -> None:
        self._package_id = package_id
        self._genesis = genesis
        self._functions = functions
        self._out: queue.SimpleQueue[ChaincodeMessage | None] = queue.SimpleQueue()
        self._abilities = Abilities()
        self._running: dict[tuple[str, str], Conversation] = {}
        self._closed = False
        self._lock = threading.Lock()
        self._pool = futures.ThreadPoolExecutor(TRANSACTIONS, thread_name_prefix="transaction")

    @property
    def busy(self) -> bool:
        with self._lock:
            return bool(self._running)

    def outgoing(self) -> Iterator[ChaincodeMessage]:
        identity = chaincode_pb2.ChaincodeID(name=self._package_id).SerializeToString()
        yield SHIM(type=SHIM.REGISTER, payload=identity)
        while (message := self._out.get()) is not None:
            yield message

    def close(self) -> None:
        self._out.put(None)
        with self._lock:
            self._closed = True
            conversations = list(self._running.values())
        for conversation in conversations:
            conversation.deliver(None)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, incoming: Iterator[ChaincodeMessage]) -> None:
        try:
            for message in incoming:
                self._take(message)
        except grpc.RpcError as error:
            LOG.info("a peer's stream ended: %s", error)
        finally:
            self.close()

    def _take(self, message: ChaincodeMessage) -> None:
        if message.type == SHIM.TRANSACTION:
            conversation = Conversation(message.channel_id, message.txid, self._out.put)
            with self._lock:
                if self._closed:
                    return  # the peer hears that the stream ended
                self._running[(message.channel_id, message.txid)] = conversation
                self._pool.submit(self._run, conversation, message)
        elif message.type in (SHIM.RESPONSE, SHIM.ERROR):
            with self._lock:
                waiting = self._running.get((message.channel_id, message.txid))
            if waiting is not None:
                waiting.deliver(message)
        elif message.type == SHIM.KEEPALIVE:
            self._out.put(message)
        elif message.type == SHIM.READY:
            self._abilities = abilities_of(message.payload)
        elif message.type == SHIM.INIT:
            self._out.put(
                self._answer(Conversation(message.channel_id, message.txid, self._out.put), _response(200, b""))
            )

    def _run(self, conversation: Conversation, message: ChaincodeMessage) -> None:
        try:
            answer = self._transaction(conversation, message)
        except ShimBroken as error:
            answer = conversation.message(SHIM.ERROR, str(error).encode("utf-8"))
        except Exception:  # the outermost loop: whatever a defect raises must not leave the peer waiting
            LOG.exception("transaction %s failed", conversation.tx_id)
            answer = conversation.message(SHIM.ERROR, b"the contract failed; its log says why")
        conversation.end()
        # Answered before it counts as ended: a stream that is closed in between would swallow the answer.
        self._out.put(answer)
        with self._lock:
            if self._running.get((conversation.channel, conversation.tx_id)) is conversation:
                del self._running[(conversation.channel, conversation.tx_id)]

    def _transaction(self, conversation: Conversation, message: ChaincodeMessage) -> ChaincodeMessage:
        try:
            call = parse_call(message)
            self._check_genesis(call.function, call.arguments)
            world = FabricWorld(conversation, self._abilities, caller=call.caller, tx_time_us=call.time_us)
            result = self._functions(world, call.function, call.arguments)
        except Refused as error:
            return self._answer(conversation, _refusal(STATUS[error.reason], error.reason, error))
        except Malformed as error:
            return self._answer(conversation, _refusal(STATUS["invalid"], "invalid", error))
        world.send_writes()
        answer = self._answer(conversation, _response(200, result))
        event = world.chaincode_event(self._package_id.partition(":")[0])
        if event is not None:
            answer.chaincode_event.CopyFrom(event)
        return answer

    def _check_genesis(self, function: str, arguments: tuple[bytes, ...]) -> None:
        if (
            function == "init"
            and self._genesis is not None
            and (not arguments or sha256(arguments[0]) != self._genesis)
        ):
            raise Refused(
                "this organisation endorses another founding document",
                reason="denied",
                where="init",
                next_step="compare the genesis digest with the organisation's configuration",
            )

    def _answer(self, conversation: Conversation, response: proposal_response_pb2.Response) -> ChaincodeMessage:
        return conversation.message(SHIM.COMPLETED, response.SerializeToString(deterministic=True))


def _response(status: int, payload: bytes, message: str = "") -> proposal_response_pb2.Response:
    return proposal_response_pb2.Response(status=status, payload=payload, message=message)


def _refusal(status: int, code: str, error: VeriframeError) -> proposal_response_pb2.Response:
    detail = {"code": code, "detail": error.detail, "where": error.where, "next_step": error.next_step}
    return _response(status, b"", canonical(detail).decode("utf-8"))


def serve(address: str, contract: Contract, credentials: grpc.ServerCredentials | None) -> grpc.Server:
    """A started server; `credentials` None only where nobody else reaches the port.

    Raises:
        OSError: the address is taken.
    """
    server = grpc.server(futures.ThreadPoolExecutor(STREAMS, thread_name_prefix="stream"), options=OPTIONS)
    chaincode_shim_pb2_grpc.add_ChaincodeServicer_to_server(contract, server)
    bound = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    if bound == 0:
        raise OSError(f"cannot listen on {address}")
    server.start()
    return server


def main(arguments: list[str] | None = None, functions: Functions = invoke) -> None:
    """Serve until SIGTERM, then let running transactions end."""
    parser = argparse.ArgumentParser(prog="python -m chaincode.fabric", description="Serve the contract to a peer.")
    parser.add_argument("--address", required=True, help="host:port to listen on")
    parser.add_argument("--package-id", required=True, help="id of the installed chaincode package")
    parser.add_argument("--certificate", type=Path, required=True, help="our TLS certificate (PEM)")
    parser.add_argument("--key", type=Path, required=True, help="its key (PEM)")
    parser.add_argument("--client-root", type=Path, required=True, help="authority of the peer's TLS certificate (PEM)")
    parser.add_argument("--genesis", help="digest of the genesis document that is endorsed (hex)")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    credentials = grpc.ssl_server_credentials(
        [(options.key.read_bytes(), options.certificate.read_bytes())],
        root_certificates=options.client_root.read_bytes(),
        require_client_auth=True,
    )
    genesis = bytes.fromhex(options.genesis) if options.genesis else None
    contract = Contract(options.package_id, genesis, functions)
    # What importing left stays for ever, and looking through it for garbage took a tenth of the time of a transaction.
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)
    server = serve(options.address, contract, credentials)
    LOG.info("%s", json.dumps({"serving": options.package_id, "address": options.address}))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    stopped = server.stop(grace=END_S)  # takes no new streams from here on
    contract.end(END_S)
    stopped.wait()


if __name__ == "__main__":
    main()
