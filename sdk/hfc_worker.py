"""Runs in hfc's own environment and does what hfc is for: peers, orderers and the event hub of a channel.

Started by `sdk/hfc_process.py`; imports nothing but the standard library, hfc, and the gRPC that hfc brings along. It
holds no key and signs nothing: proposals, envelopes and requests for events come to it signed. It repeats nothing and
judges nothing; it says what peers and orderers answered.

Frames on standard input and output: length (4 bytes, big-endian), JSON object; bytes in it as base64. The first frame
in is the configuration, the first frame out says that it is ready; then requests with an `id`, answered in any order.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import logging
import os
import sys
import threading
import types
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

if sys.version_info >= (3, 12):
    # hfc takes SHA-256 from a module that is no longer there.
    sys.modules["_sha256"] = types.ModuleType("_sha256")
    sys.modules["_sha256"].sha256 = hashlib.sha256  # type: ignore[attr-defined]

import grpc
from hfc.fabric.channel.channel_eventhub import ChannelEventHub
from hfc.fabric.orderer import Orderer
from hfc.fabric.peer import Peer
from hfc.protos.common import common_pb2
from hfc.protos.peer import proposal_pb2, proposal_response_pb2
from hfc.protos.utils import create_envelope, create_tx_payload
from hfc.util.utils import build_tx_req, stream_envelope

FRAME_BYTES = 256 << 20
STREAMS = 64  # hfc waits for each answer of a stream in a thread
WATCHED = 10_000  # transactions whose commit may be awaited at once

Members = dict[str, Any]


class Node:
    """A peer or orderer of hfc's, reached with deadlines: hfc itself waits for ever, and logs every message whole."""

    def __init__(self, kind: type[Any], members: Members, configuration: Members) -> None:
        options = [tuple(option) for option in configuration["options"]]
        if members.get("server_name"):
            options.append(("grpc.ssl_target_name_override", members["server_name"]))
        client = configuration.get("tls_client") or {}
        self.hfc = kind(
            endpoint=members["address"],
            tls_ca_cert_file=members.get("tls_root"),
            client_key_file=client.get("key"),
            client_cert_file=client.get("certificate"),
            opts=options,
        )

    async def propose(self, signed: Any, timeout_s: float) -> Any:
        return await self.hfc._endorser_client.ProcessProposal(signed, timeout=timeout_s)

    async def broadcast(self, envelope: Any, timeout_s: float) -> Any:
        stream = self.hfc._orderer_client.Broadcast(stream_envelope(envelope), timeout=timeout_s)
        async for answer in stream:
            return answer
        return None


class Hub:
    """hfc's event hub on one peer: in which block a transaction was committed, and as what.

    Futures of watched transactions outlive a broken stream: the next one begins with the block seen last.
    """

    def __init__(self, peer: Node, channel: str) -> None:
        self._peer = peer
        self._channel = channel
        self._waiting: dict[str, asyncio.Future[Members]] = {}
        self._task: asyncio.Task[None] | None = None
        self._broken = asyncio.Event()
        self.last: int | None = None

    @property
    def alive(self) -> bool:
        return self._task is not None and not self._task.done()

    async def follow(self, envelope: Any, timeout_s: float) -> bool:
        """Open the stream unless it is open; returns whether a block came in time."""
        if self.alive:
            return True
        first = asyncio.Event()
        hub = ChannelEventHub(self._peer.hfc, self._channel, None)
        hub.registerBlockEvent(unregister=False, onEvent=lambda block: self._seen(block, first))
        self._broken = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._read(hub, envelope, self._broken))
        waiting = [asyncio.ensure_future(each.wait()) for each in (first, self._broken)]
        await asyncio.wait(waiting, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for each in waiting:
            each.cancel()
        if not first.is_set():
            hub.stream.cancel()
        return first.is_set()

    def watch(self, tx_id: str) -> None:
        if tx_id not in self._waiting:
            self._waiting[tx_id] = asyncio.get_running_loop().create_future()
            while len(self._waiting) > WATCHED:
                del self._waiting[next(iter(self._waiting))]

    async def committed(self, tx_id: str, timeout_s: float) -> Members:
        """What the hub said of a watched transaction; `unwatched`, `broken` or `late` where it cannot say."""
        found = self._waiting.get(tx_id)
        if found is None:
            return {"unwatched": True}
        broken = asyncio.ensure_future(self._broken.wait())
        either: list[asyncio.Future[Any]] = [found, broken]
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        broken.cancel()
        if found.done():
            self._waiting.pop(tx_id, None)
            return found.result()
        return {"late": True} if self.alive else {"broken": True, "last": self.last}

    async def _read(self, hub: Any, envelope: Any, broken: asyncio.Event) -> None:
        try:
            # Only the next block is asked for when hfc connects; where to begin stands in the signed envelope.
            await hub.connect(filtered=True, signed_event=envelope)
        except grpc.RpcError:
            pass  # the peer went away
        finally:
            broken.set()

    def _seen(self, block: Members, first: asyncio.Event) -> None:
        self.last = int(block["number"])
        for transaction in block["filtered_transactions"]:
            future = self._waiting.get(transaction["txid"])
            if future is not None and not future.done():
                future.set_result({"validation": transaction["tx_validation_code"], "block": self.last})
        first.set()


class Worker:
    """Answers requests; each runs on its own, and one that fails says how instead of ending the rest."""

    def __init__(self, configuration: Members, send: Callable[[Members], None]) -> None:
        self._send = send
        self._peers = [Node(Peer, each, configuration) for each in configuration["peers"]]
        self._orderers = [Node(Orderer, each, configuration) for each in configuration["orderers"]]
        self._hub = Hub(self._peers[configuration["own_peer"]], configuration["channel"])
        self._calls: dict[str, Callable[[Members], Awaitable[Members]]] = {
            "propose": self.propose,
            "assemble": self.assemble,
            "follow": self.follow,
            "broadcast": self.broadcast,
            "committed": self.committed,
        }
        self._running: set[asyncio.Task[None]] = set()

    def take(self, request: Members) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(request))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, request: Members) -> None:
        try:
            answer = await self._calls[request["call"]](request)
        except grpc.RpcError as error:
            answer = {"code": error.code().name, "details": error.details() or ""}
        except Exception as error:  # noqa: BLE001  outermost: hfc raises anything, and others are still waiting
            answer = {"failed": f"{type(error).__name__}: {error}"}
        self._send({"id": request["id"], **answer})

    async def propose(self, request: Members) -> Members:
        """One peer's serialized ProposalResponse."""
        signed = proposal_pb2.SignedProposal()
        signed.proposal_bytes = _bytes(request["proposal"])
        signed.signature = _bytes(request["signature"])
        answer = await self._peers[request["peer"]].propose(signed, request["timeout_s"])
        return {"response": _text(answer.SerializeToString())}

    async def assemble(self, request: Members) -> Members:
        """The payload of a transaction from a proposal and the peers' answers to it."""
        proposal = proposal_pb2.Proposal.FromString(_bytes(request["proposal"]))
        called = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload)
        called.ClearField("TransientMap")  # never part of a transaction
        proposal.payload = called.SerializeToString()
        header = common_pb2.Header.FromString(proposal.header)
        answers = [proposal_response_pb2.ProposalResponse.FromString(_bytes(each)) for each in request["responses"]]
        asked = build_tx_req((answers, proposal, header))
        return {"payload": _text(create_tx_payload([each.endorsement for each in answers], asked))}

    async def follow(self, request: Members) -> Members:
        envelope = common_pb2.Envelope.FromString(_bytes(request["envelope"]))
        return {"following": await self._hub.follow(envelope, request["timeout_s"])}

    async def broadcast(self, request: Members) -> Members:
        """An orderer's answer. Nothing is sent unless the hub is there to see the commit."""
        if not self._hub.alive:
            return {"broken": True, "last": self._hub.last}
        self._hub.watch(request["tx_id"])
        envelope = create_envelope(_bytes(request["signature"]), _bytes(request["payload"]))
        answer = await self._orderers[request["orderer"]].broadcast(envelope, request["timeout_s"])
        if answer is None:
            return {"code": "UNAVAILABLE", "details": "the orderer ended the stream without an answer"}
        return {"status": int(answer.status), "info": answer.info}

    async def committed(self, request: Members) -> Members:
        return await self._hub.committed(request["tx_id"], request["timeout_s"])


def main() -> None:
    # Frames own the real standard output; whatever hfc prints goes to standard error.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    logging.disable()  # hfc logs messages whole, and a broken stream with its trace
    source = sys.stdin.buffer
    configuration = _read(source)
    if configuration is not None:
        asyncio.run(_serve(configuration, source, out))
    os._exit(0)  # threads of streams that are still open would keep the process


async def _serve(configuration: Members, source: BinaryIO, out: Any) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(STREAMS))

    def send(members: Members) -> None:
        data = json.dumps(members).encode("ascii")
        view = memoryview(len(data).to_bytes(4, "big") + data)
        while view:
            view = view[out.write(view) :]

    worker = Worker(configuration, send)
    ended = asyncio.Event()

    def read_on() -> None:
        while (request := _read(source)) is not None:
            loop.call_soon_threadsafe(worker.take, request)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=read_on, daemon=True).start()
    send({"ready": True, "python": sys.version.split()[0]})
    await ended.wait()
    os._exit(0)


def _read(source: BinaryIO) -> Members | None:
    """The next frame; None when the other side is gone."""
    head = source.read(4)
    if len(head) < 4 or int.from_bytes(head, "big") > FRAME_BYTES:
        return None
    data = source.read(int.from_bytes(head, "big"))
    try:
        members = json.loads(data)
    except ValueError:
        return None
    return members if isinstance(members, dict) else None


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


if __name__ == "__main__":
    main()
