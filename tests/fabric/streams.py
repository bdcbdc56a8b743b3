"""What a peer and a chaincode server said to each other, kept in a file and played again.

A file holds the messages of one stream in order: for each a byte, `>` from the peer or `<` from the chaincode, its
length as a protobuf varint, and the serialized `protos.ChaincodeMessage` as it went over the wire.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.peer import chaincode_shim_pb2

SHIM = chaincode_shim_pb2.ChaincodeMessage
CONNECT = "/protos.Chaincode/Connect"
FROM_PEER, FROM_CHAINCODE = ">", "<"
ANSWER_S = 20

Said = tuple[str, bytes]


def write_stream(path: Path, said: Sequence[Said]) -> None:
    path.write_bytes(b"".join(side.encode() + _varint(len(message)) + message for side, message in said))


def read_stream(path: Path) -> list[Said]:
    data, at, said = path.read_bytes(), 0, []
    while at < len(data):
        side, at = chr(data[at]), at + 1
        assert side in (FROM_PEER, FROM_CHAINCODE), f"{path} at {at - 1}"
        length = shift = 0
        while True:
            byte, at = data[at], at + 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        said.append((side, data[at : at + length]))
        at += length
    assert at == len(data), f"{path} ends within a message"
    return said


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def kinds(said: Sequence[Said]) -> list[str]:
    """The messages by name, each behind who said it."""
    return [side + SHIM.Type.Name(SHIM.FromString(message).type) for side, message in said]


def replay(address: str, said: Sequence[Said]) -> list[Said]:
    """Say the peer's side to the chaincode server at `address`; gives what went over the wire this time.

    Where the server says something else, or nothing, what follows is left unsaid.
    """
    out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    found: list[Said] = []
    with grpc.insecure_channel(address) as channel:
        connect = channel.stream_stream(CONNECT, request_serializer=None, response_deserializer=None)
        answers = connect(_until_none(out), timeout=ANSWER_S)
        try:
            for side, message in said:
                if side == FROM_PEER:
                    out.put(message)
                    found.append((side, message))
                    continue
                found.append((side, next(answers)))
                if found[-1][1] != message:
                    break
        except grpc.RpcError as error:
            found.append((FROM_CHAINCODE, str(error).encode()))
        finally:
            out.put(None)
            answers.cancel()
    return found


def _until_none(out: queue.SimpleQueue[bytes | None]) -> Iterator[bytes]:
    while (message := out.get()) is not None:
        yield message


def state_of(said: Sequence[Said]) -> dict[str, bytes]:
    """The entries that the peer has shown."""
    state: dict[str, bytes] = {}
    asked: Any = None
    for side, data in said:
        message = SHIM.FromString(data)
        if side == FROM_CHAINCODE:
            asked = message
        elif message.type == SHIM.RESPONSE and asked.type == SHIM.GET_STATE:
            state[chaincode_shim_pb2.GetState.FromString(asked.payload).key] = message.payload
        elif message.type == SHIM.RESPONSE and asked.type == SHIM.GET_STATE_MULTIPLE:
            keys = chaincode_shim_pb2.GetStateMultiple.FromString(asked.payload).keys
            values = chaincode_shim_pb2.GetStateMultipleResult.FromString(message.payload).values
            state.update(zip(keys, values, strict=True))
        elif message.type == SHIM.RESPONSE and asked.type in (SHIM.GET_STATE_BY_RANGE, SHIM.QUERY_STATE_NEXT):
            for result in chaincode_shim_pb2.QueryResponse.FromString(message.payload).results:
                entry = kv_query_result_pb2.KV.FromString(result.resultBytes)
                state[entry.key] = entry.value
    return {key: value for key, value in state.items() if value}


def with_plain_ids(said: Sequence[Said]) -> list[tuple[str, Any]]:
    """The messages parsed, ids of range reads replaced by numbers: every peer makes up its own."""
    known: dict[str, str] = {}
    found = []
    asked = 0
    for side, data in said:
        message = SHIM.FromString(data)
        inner: Any = None
        if side == FROM_CHAINCODE:
            asked = message.type
            if asked == SHIM.QUERY_STATE_NEXT:
                inner = chaincode_shim_pb2.QueryStateNext.FromString(message.payload)
            elif asked == SHIM.QUERY_STATE_CLOSE:
                inner = chaincode_shim_pb2.QueryStateClose.FromString(message.payload)
        elif message.type == SHIM.RESPONSE and asked in (
            SHIM.GET_STATE_BY_RANGE,
            SHIM.QUERY_STATE_NEXT,
            SHIM.QUERY_STATE_CLOSE,
        ):
            inner = chaincode_shim_pb2.QueryResponse.FromString(message.payload)
        if inner is not None:
            inner.id = known.setdefault(inner.id, f"range {len(known)}")
            message.payload = inner.SerializeToString()
        found.append((side, message))
    return found
