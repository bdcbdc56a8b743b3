"""One transaction's conversation with a peer: requests out, answers in, one at a time.

The peer drops a second outstanding request of a transaction without an answer, and the call would hang until it times
out; requests of one transaction are therefore made one after the other, whoever asks.
"""

from __future__ import annotations

import base64
import binascii
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from fabric_protos.common import common_pb2
from fabric_protos.ledger.queryresult import kv_query_result_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, chaincode_shim_pb2, proposal_pb2
from google.protobuf.message import DecodeError

from chaincode.world import check_write
from evidence.certificates import Caller, caller_of, parse_certificate
from evidence.errors import LedgerUnavailable, Malformed

# Generated classes have no static type: an alias of Any names what is meant.
ChaincodeMessage: TypeAlias = Any
Message: TypeAlias = Any
SHIM = chaincode_shim_pb2.ChaincodeMessage  # its enumeration of kinds, and the constructor

ANSWER_S = 35  # the peer gives up on a transaction after 30 s
QUERY_LIMIT = 100_000  # totalQueryLimit of Fabric's default configuration: a scan stops there without a word


class ShimBroken(Exception):
    """The conversation itself failed. The peer is told ERROR, which it may try elsewhere; nobody else sees this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the peer said in READY (v3.1); an older peer says nothing and everything is off."""

    write_batch: int = 0
    get_multiple: int = 0


def abilities_of(payload: bytes) -> Abilities:
    """Read READY's payload; anything unreadable means an older peer."""
    parameters = chaincode_pb2.ChaincodeAdditionalParams()
    try:
        parameters.ParseFromString(payload)
    except DecodeError:
        return Abilities()
    return Abilities(
        write_batch=parameters.max_size_write_batch if parameters.use_write_batch else 0,
        get_multiple=parameters.max_size_get_multiple_keys if parameters.use_get_multiple_keys else 0,
    )


class Conversation:
    """Requests of one transaction, matched to their answers by channel and transaction id."""

    def __init__(self, channel: str, tx_id: str, send: Callable[[ChaincodeMessage], None]) -> None:
        self.channel = channel
        self.tx_id = tx_id
        self._send = send
        self._answers: queue.SimpleQueue[ChaincodeMessage | None] = queue.SimpleQueue()
        self._asking = threading.Lock()
        self.ended = False  # nothing is asked any more, and nobody would answer

    def deliver(self, message: ChaincodeMessage | None) -> None:
        """Called by the stream's reader; None: the stream ended."""
        if message is None:
            self.ended = True
        self._answers.put(message)

    def end(self) -> None:
        """The transaction has been answered."""
        self.ended = True

    def message(self, kind: int, payload: bytes) -> ChaincodeMessage:
        return SHIM(type=kind, payload=payload, txid=self.tx_id, channel_id=self.channel)

    def ask(self, kind: int, request: Message) -> bytes:
        """Send one request and wait for its answer.

        Raises:
            ShimBroken: the peer answered with an error, not at all, or the stream ended.
        """
        with self._asking:
            if self.ended:
                raise ShimBroken("the conversation with the peer has ended")
            self._send(self.message(kind, request.SerializeToString(deterministic=True)))
            try:
                answer = self._answers.get(timeout=ANSWER_S)
            except queue.Empty as error:
                self.ended = True  # a late answer would be taken for that to the next request
                raise ShimBroken("the peer did not answer a request") from error
        if answer is None:
            raise ShimBroken("the peer ended the stream")
        if answer.type != SHIM.RESPONSE:
            raise ShimBroken(f"the peer answered: {answer.payload[:300].decode('utf-8', 'replace')}")
        return bytes(answer.payload)


class FabricWorld:
    """A `World` over a peer: reads go to it as they come, writes when the rule has ended well."""

    def __init__(self, conversation: Conversation, abilities: Abilities, *, caller: Caller, tx_time_us: int) -> None:
        self.caller = caller
        self.tx_id = conversation.tx_id
        self.tx_time_us = tx_time_us
        self.event: tuple[str, bytes] | None = None
        self._conversation = conversation
        self._abilities = abilities
        self._writes: dict[str, bytes | None] = {}  # None: deleted

    def get(self, key: str) -> bytes | None:
        value = self._conversation.ask(SHIM.GET_STATE, chaincode_shim_pb2.GetState(key=key))
        return bytes(value) or None

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """In one request where the peer takes several keys, else one by one; what counts as read is the same."""
        wanted = list(dict.fromkeys(keys))
        size = self._abilities.get_multiple
        if size < 2 or len(wanted) < 2:
            found = {key: self.get(key) for key in wanted}
        else:
            found = {}
            for at in range(0, len(wanted), size):
                found.update(self._get_multiple(wanted[at : at + size]))
        return [found[key] for key in keys]

    def _get_multiple(self, keys: Sequence[str]) -> Iterator[tuple[str, bytes | None]]:
        answer = self._conversation.ask(SHIM.GET_STATE_MULTIPLE, chaincode_shim_pb2.GetStateMultiple(keys=keys))
        try:
            values = chaincode_shim_pb2.GetStateMultipleResult.FromString(answer).values
        except DecodeError as error:
            raise ShimBroken("the peer's answer to a read of several keys is unreadable") from error
        if len(values) != len(keys):
            raise ShimBroken(f"the peer answered {len(values)} values for {len(keys)} keys")
        return ((key, bytes(value) or None) for key, value in zip(keys, values, strict=True))

    def put(self, key: str, value: bytes) -> None:
        check_write(key, value)
        self._writes[key] = value

    def delete(self, key: str) -> None:
        """Not part of `World`: the contract removes nothing. For other functions over this server."""
        self._writes[key] = None

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        request = chaincode_shim_pb2.GetStateByRange(startKey=start, endKey=end)
        response = self._query(SHIM.GET_STATE_BY_RANGE, request)
        seen = 0
        try:
            while True:
                for result in response.results:
                    entry = kv_query_result_pb2.KV.FromString(result.resultBytes)
                    seen += 1
                    if seen >= QUERY_LIMIT:
                        raise LedgerUnavailable("a range holds more entries than a peer shows in one transaction")
                    yield entry.key, entry.value
                if not response.has_more:
                    return
                response = self._query(SHIM.QUERY_STATE_NEXT, chaincode_shim_pb2.QueryStateNext(id=response.id))
        finally:
            # Also when the rule stopped reading early: an open iterator is held by the peer until the transaction ends.
            if response.has_more and not self._conversation.ended:
                self._conversation.ask(SHIM.QUERY_STATE_CLOSE, chaincode_shim_pb2.QueryStateClose(id=response.id))

    def _query(self, kind: int, request: Message) -> chaincode_shim_pb2.QueryResponse:
        try:
            return chaincode_shim_pb2.QueryResponse.FromString(self._conversation.ask(kind, request))
        except DecodeError as error:
            raise ShimBroken("the peer's answer to a range read is unreadable") from error

    def emit(self, name: str, payload: bytes) -> None:
        if self.event is not None:
            raise ValueError("a transaction emits at most one event")
        self.event = (name, payload)

    def send_writes(self) -> None:
        """Pass the writes on, in key order: in batches where the peer takes them, else one by one."""
        keys = sorted(self._writes)
        size = self._abilities.write_batch
        if size > 0:
            for at in range(0, len(keys), size):
                self._send_batch(keys[at : at + size])
            return
        for key in keys:
            value = self._writes[key]
            if value is None:
                self._conversation.ask(SHIM.DEL_STATE, chaincode_shim_pb2.DelState(key=key))
            else:
                self._conversation.ask(SHIM.PUT_STATE, chaincode_shim_pb2.PutState(key=key, value=value))

    def _send_batch(self, keys: Sequence[str]) -> None:
        record = chaincode_shim_pb2.WriteRecord
        records = [
            record(key=key, type=record.DEL_STATE if value is None else record.PUT_STATE, value=value)
            for key, value in ((key, self._writes[key]) for key in keys)
        ]
        self._conversation.ask(SHIM.WRITE_BATCH_STATE, chaincode_shim_pb2.WriteBatchState(rec=records))

    def chaincode_event(self, chaincode: str) -> chaincode_event_pb2.ChaincodeEvent | None:
        if self.event is None:
            return None
        name, payload = self.event
        return chaincode_event_pb2.ChaincodeEvent(
            chaincode_id=chaincode, tx_id=self.tx_id, event_name=name, payload=payload
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a proposal says: who calls, when by their clock, the function and its arguments."""

    caller: Caller
    time_us: int
    function: str
    arguments: tuple[bytes, ...]


def parse_call(message: ChaincodeMessage) -> Call:
    """Read the transaction that a peer hands over; the peer has checked signature and certificate.

    Raises:
        Malformed: unreadable proposal, no function, or a certificate of a kind that Veriframe does not use.
    """
    try:
        proposal = proposal_pb2.Proposal.FromString(message.proposal.proposal_bytes)
        header = common_pb2.Header.FromString(proposal.header)
        channel = common_pb2.ChannelHeader.FromString(header.channel_header)
        creator = identities_pb2.SerializedIdentity.FromString(
            common_pb2.SignatureHeader.FromString(header.signature_header).creator
        )
        arguments = chaincode_pb2.ChaincodeInput.FromString(message.payload).args
    except DecodeError as error:
        raise Malformed("the proposal cannot be read") from error
    if not arguments:
        raise Malformed("the proposal names no function")
    try:
        function = arguments[0].decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("the proposal's function is not a name") from error
    return Call(
        caller=_caller(creator.mspid, creator.id_bytes),
        time_us=channel.timestamp.seconds * 1_000_000 + channel.timestamp.nanos // 1000,
        function=function,
        arguments=tuple(arguments[1:]),
    )


@lru_cache(maxsize=1024)  # reading a certificate takes longer than checking a signature, and callers come again
def _caller(msp: str, pem: bytes) -> Caller:
    return caller_of(msp, parse_certificate(der_of_pem(pem)))


def der_of_pem(pem: bytes) -> bytes:
    """The first certificate of a PEM text as DER. Raises Malformed."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    start, stop = pem.find(begin), pem.find(end)
    if start < 0 or stop < start or len(pem) > 64 << 10:
        raise Malformed("the creator's certificate is not PEM")
    try:
        return base64.b64decode(b"".join(pem[start + len(begin) : stop].split()), validate=True)
    except binascii.Error as error:
        raise Malformed("the creator's certificate is not PEM") from error
