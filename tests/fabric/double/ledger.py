"""Ordering and committing as Fabric does it: signatures, endorsement rule, duplicates, and reads looked at again."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from evidence.digests import sha256
from evidence.keys import parse_public_key
from tests.fabric.double.reads import Version, record_reads

CODES = transaction_pb2.TxValidationCode


def control_room_and_another(msps: set[str]) -> bool:
    return "ControlRoomMSP" in msps and bool(msps & {"PoliceMSP", "AuditorMSP"})


def signed_by(creator: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the certificate in a serialized identity made this signature."""
    identity = identities_pb2.SerializedIdentity.FromString(creator)
    key = x509.load_pem_x509_certificate(identity.id_bytes).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return parse_public_key(spki).verify(signature, message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """What became of one envelope."""

    tx_id: str
    code: int
    block: int
    event: Any


class DoubleLedger:
    """One channel: state with versions, blocks, and envelopes that wait for a block."""

    def __init__(self, rule: Callable[[set[str]], bool] = control_room_and_another) -> None:
        self.changed = threading.Condition()
        self.held = False  # while True, envelopes wait, so that several come into one block
        self.blocks: list[bytes] = []
        self.commits: list[Committed] = []
        self._rule = rule
        self._state: dict[str, tuple[bytes, Version]] = {}
        self._waiting: list[bytes] = []
        self._append([], [])  # block 0: configuration

    def get(self, key: str) -> tuple[bytes, Version] | None:
        return self._state.get(key)

    def scan(self, start: str, end: str) -> list[tuple[str, bytes, Version]]:
        keys = sorted(self._state)
        found = keys[bisect_left(keys, start) : bisect_left(keys, end)]
        return [(key, *self._state[key]) for key in found]

    def set(self, key: str, value: bytes, version: Version = (0, 0)) -> None:
        """Put something into the state without a transaction."""
        self._state[key] = (value, version)

    def order(self, envelope: bytes) -> None:
        with self.changed:
            self._waiting.append(envelope)
        if not self.held:
            self.cut()

    def cut(self) -> None:
        """Make a block of what waits."""
        with self.changed:
            batch, self._waiting = self._waiting, []
            if not batch:
                return
            number = len(self.blocks)
            codes = []
            for index, envelope in enumerate(batch):
                code, tx_id, event, writes = self._validate(envelope)
                codes.append(code)
                if code == CODES.VALID:
                    for write in writes:
                        if write.is_delete:
                            self._state.pop(write.key, None)
                        else:
                            self._state[write.key] = (bytes(write.value), (number, index))
                self.commits.append(Committed(tx_id=tx_id, code=code, block=number, event=event))
            self._append(batch, codes)
            self.changed.notify_all()

    def first(self, tx_id: str) -> Committed | None:
        """The first commit of a transaction id: the index of a peer keeps that one."""
        return next((each for each in self.commits if each.tx_id == tx_id), None)

    def _append(self, batch: list[bytes], codes: list[int]) -> None:
        block = common_pb2.Block(header=common_pb2.BlockHeader(number=len(self.blocks)))
        block.data.data.extend(batch)
        block.metadata.metadata.extend([b"", b"", bytes(codes), b"", b""])
        self.blocks.append(block.SerializeToString())

    def _validate(self, data: bytes) -> tuple[int, str, Any, list[Any]]:
        envelope = common_pb2.Envelope.FromString(data)
        payload = common_pb2.Payload.FromString(envelope.payload)
        channel = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
        signature = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        action = transaction_pb2.Transaction.FromString(payload.data).actions[0]
        endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
        response = proposal_response_pb2.ProposalResponsePayload.FromString(endorsed.proposal_response_payload)
        done = proposal_pb2.ChaincodeAction.FromString(response.extension)
        event = chaincode_event_pb2.ChaincodeEvent.FromString(done.events)
        reads = kv_rwset_pb2.KVRWSet()
        for space in rwset_pb2.TxReadWriteSet.FromString(done.results).ns_rwset:
            reads = kv_rwset_pb2.KVRWSet.FromString(space.rwset)
        code = self._code(envelope, channel, signature, endorsed, reads)
        return code, channel.tx_id, event if event.event_name else None, list(reads.writes)

    def _code(self, envelope: Any, channel: Any, signature: Any, endorsed: Any, reads: Any) -> int:
        if not signed_by(signature.creator, envelope.signature, envelope.payload):
            return int(CODES.BAD_CREATOR_SIGNATURE)
        if channel.tx_id != sha256(signature.nonce, signature.creator).hex():
            return int(CODES.BAD_PROPOSAL_TXID)
        if self.first(channel.tx_id) is not None:
            return int(CODES.DUPLICATE_TXID)
        msps = set()
        for each in endorsed.endorsements:
            if signed_by(each.endorser, each.signature, endorsed.proposal_response_payload + each.endorser):
                msps.add(identities_pb2.SerializedIdentity.FromString(each.endorser).mspid)
        if not self._rule(msps):
            return int(CODES.ENDORSEMENT_POLICY_FAILURE)
        for read in reads.reads:
            known = self._state.get(read.key)
            seen = (read.version.block_num, read.version.tx_num) if read.HasField("version") else None
            if (known[1] if known else None) != seen:
                return int(CODES.MVCC_READ_CONFLICT)
        for span in reads.range_queries_info:
            # A read that was left early ends with the last key it saw, and that one is part of it.
            end = span.end_key if span.itr_exhausted else span.end_key + "\0"
            now = kv_rwset_pb2.RangeQueryInfo()
            record_reads(now, [(key, version) for key, _, version in self.scan(span.start_key, end)])
            if (now.raw_reads, now.reads_merkle_hashes) != (span.raw_reads, span.reads_merkle_hashes):
                return int(CODES.PHANTOM_READ_CONFLICT)
        return int(CODES.VALID)
