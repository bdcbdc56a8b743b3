"""Signed reads of a small site's ledger, as peers of its organisations would sign them; and as forgers would."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2
from google.protobuf.timestamp_pb2 import Timestamp

from evidence.batches import batch_key
from evidence.canonical import canonical, parse_canonical
from evidence.certificates import parse_certificate
from evidence.digests import sha256, to_base64
from evidence.fabric_block import BlockHeader
from evidence.keys import P256_ORDER, PrivateKeySigner
from evidence.proof_ranges import KeyRange, request, whole_range
from evidence.registry import Position
from evidence.trust import FabricTrust, Trust
from sdk.authority import Authority, make_authority
from sdk.keys import generate_key
from tests.unit.verifier.small_site import Site
from verifier.bundle import SlotName
from verifier.fabric_source import FabricSource

CHANNEL = "evidence"
LEDGER_ID = f"fabric:{CHANNEL}:{'7' * 64}"
RULE = ("ControlRoomMSP", "PoliceMSP")


@dataclass(frozen=True)
class Signer:
    """A holder of an organisation's certificate."""

    msp: str
    key: PrivateKeySigner
    certificate: bytes

    @property
    def serialized(self) -> bytes:
        text = base64.b64encode(self.certificate).decode("ascii")
        lines = "\n".join(text[at : at + 64] for at in range(0, len(text), 64))
        pem = f"-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n".encode("ascii")
        return _bytes(identities_pb2.SerializedIdentity(mspid=self.msp, id_bytes=pem))


def signer(authority: Authority, now_us: int, *, unit: str = "peer") -> Signer:
    """A new peer of an organisation, or, as `client`, a person of it."""
    key = PrivateKeySigner(generate_key())
    if unit == "client":
        certificate = authority.issue(key.public_key, subject="somebody", role="CRM", attributes={}, now_us=now_us)
    else:
        certificate = authority.issue_node(key.public_key, name=f"{unit}0.example", unit=unit, now_us=now_us)
    return Signer(authority.msp, key, certificate)


@dataclass
class Channel:
    """A Fabric channel whose state is that of the site's ledger: same keys, same values, same positions."""

    site: Site
    peers: dict[str, Signer] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for msp, authority in self.site.authorities.items():
            self.peers[msp] = signer(authority, self.site.now_us)

    def ranges(
        self, camera: str = "gate-1", chain: int | None = None, slots: tuple[int, int] = (0, 99)
    ) -> list[KeyRange]:
        """What one proof about a camera has to show."""
        chain = self.site.states[camera].chain if chain is None else chain
        block = KeyRange(f"block/{camera}/{chain:010d}/{slots[0]:010d}", f"block/{camera}/{chain:010d}/{slots[1]:010d}")
        kinds = [whole_range(kind) for kind in ("genesis", "participant", "delegation")]
        own = [whole_range(kind, camera) for kind in ("camera", "change", "revocation", "chain")]
        return [*kinds, KeyRange("policy/cr-1/", "policy/cr-10"), *own, block]

    def read(
        self,
        ranges: Sequence[KeyRange] | None = None,
        *,
        endorsers: Iterable[Signer] | None = None,
        channel: str = CHANNEL,
        chaincode: str = "veriframe",
        without: Callable[[str], bool] = lambda key: False,
        values: Mapping[str, bytes] | None = None,
        positions: Mapping[str, Position] | None = None,
        asker: str = "crm-1",
    ) -> bytes:
        """A signed read of `ranges`.

        Args:
            without: keys that are left out everywhere, as if they were not on the ledger.
            values, positions: that stand in the place of the true ones.
        """
        asked = self.ranges() if ranges is None else list(ranges)
        person = self.site.people[asker]
        creator = Signer(person.msp, person.signer, person.certificate).serialized
        nonce = sha256(repr(asked).encode())[:24]
        header, payload = _proposal(channel, chaincode, creator, nonce, request(asked), self.site.now_us)
        space = kv_rwset_pb2.KVRWSet()
        answer = []
        for each in asked:
            info = kv_rwset_pb2.RangeQueryInfo(start_key=each.start, end_key=each.end, itr_exhausted=True)
            entries = []
            for entry in self.site.host.reader.entries():
                if each.start <= entry.key < each.end and not without(entry.key):
                    at = (positions or {}).get(entry.key, entry.position)
                    version = kv_rwset_pb2.Version(block_num=at.height, tx_num=at.index)
                    info.raw_reads.kv_reads.append(kv_rwset_pb2.KVRead(key=entry.key, version=version))
                    value = (values or {}).get(entry.key, entry.value)
                    entries.append({"key": entry.key, "value": parse_canonical(value, "value")})
            if not entries:
                info.raw_reads.SetInParent()
            space.range_queries_info.append(info)
            answer.append({"start": each.start, "end": each.end, "entries": entries})
        signed = [self.peers[msp] for msp in RULE] if endorsers is None else endorsers
        payload = endorsed_payload(header, payload, chaincode, space, canonical({"ranges": answer}), signed)
        return canonical({"type": "veriframe/fabric-read/1", "payload": to_base64(payload)})

    def write(
        self,
        key: str,
        *,
        writer: str = "rec-1",
        value: bytes | None = None,
        endorsers: Iterable[Signer] | None = None,
        chaincode: str = "veriframe",
        on: str = CHANNEL,
        function: bytes = b"anchor",
        msp: str | None = None,
    ) -> bytes:
        """The envelope of a transaction that writes `key`, signed by `writer`."""
        person = self.site.people[writer]
        creator = Signer(msp or person.msp, person.signer, person.certificate).serialized
        now_us = self.site.now_us - 60_000_000
        header, payload = _proposal(on, chaincode, creator, sha256(key.encode())[:24], b"{}", now_us, function)
        held = next(entry.value for entry in self.site.host.reader.entries() if entry.key == key)
        space = kv_rwset_pb2.KVRWSet(writes=[kv_rwset_pb2.KVWrite(key=key, value=value or held)])
        signed = [self.peers[msp] for msp in RULE] if endorsers is None else endorsers
        whole = endorsed_payload(header, payload, chaincode, space, b"{}", signed)
        return _bytes(common_pb2.Envelope(payload=whole, signature=person.signer.sign(whole)))

    def block(self, number: int, envelopes: Sequence[bytes], *, orderers: Iterable[Signer] = ()) -> bytes:
        """A block of these envelopes, signed by orderers."""
        header = common_pb2.BlockHeader(number=number, previous_hash=sha256(b"before"), data_hash=sha256(*envelopes))
        value = _bytes(common_pb2.OrdererBlockMetadata(last_config=common_pb2.LastConfig(index=0)))
        plain = BlockHeader(number=number, previous=header.previous_hash, data_hash=header.data_hash)
        signatures = []
        for each in orderers:
            under = _bytes(common_pb2.SignatureHeader(creator=each.serialized, nonce=bytes(24)))
            signature = each.key.sign(value + under + plain.der())
            signatures.append(common_pb2.MetadataSignature(signature_header=under, signature=signature))
        metadata = [
            _bytes(common_pb2.Metadata(value=value, signatures=signatures)),
            b"",
            bytes(len(envelopes)),
            b"",
            b"",
        ]
        return _bytes(
            common_pb2.Block(
                header=header,
                data=common_pb2.BlockData(data=envelopes),
                metadata=common_pb2.BlockMetadata(metadata=metadata),
            )
        )

    @property
    def trust(self) -> FabricTrust:
        return FabricTrust(
            id=LEDGER_ID,
            chaincode="veriframe",
            msps={
                msp: (parse_certificate(authority.root_der).sha256,) for msp, authority in self.site.authorities.items()
            },
            endorse_all=("ControlRoomMSP",),
            endorse_any=("PoliceMSP", "AuditorMSP"),
            orderer_quorum=0,
            timewindow_msps=("PoliceMSP",),
        )

    def source(
        self, *reads: bytes, own: bool = False, full: Callable[[Position], bytes | None] | None = None
    ) -> FabricSource:
        custody, trust = _Custody(self.site), self.trust if own else None
        return FabricSource(LEDGER_ID, custody, kept=lambda camera: reads, full=full, own=lambda: trust)


@dataclass(frozen=True)
class _Custody:
    site: Site
    has_store: bool = True

    def proof(self, slot: SlotName) -> bytes | None:
        return self.site.proofs.get(slot)

    def stored(self) -> Sequence[SlotName]:
        return sorted(self.site.proofs)

    def hints(self, digests: Iterable[bytes]) -> Iterable[SlotName]:
        return ()

    def batch_hints(self, slot: SlotName) -> Iterable[tuple[str, str, int]]:
        return ()

    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None:
        return self.site.leaf_lists.get(batch_key(site, recorder, batch))


def trusting(*ledgers: FabricTrust, **changes: Any) -> Trust:
    return Trust(ledgers=ledgers, **changes)


def intruder(msp: str, now_us: int) -> Signer:
    """A peer under a root that calls itself the organisation's."""
    return signer(make_authority(msp, now_us=now_us), now_us)


def respelled(certificate: bytes) -> bytes:
    """The same certificate with the issuer's other signature: S and n-S verify alike."""
    parsed = x509.load_der_x509_certificate(certificate)
    r, s = decode_dss_signature(parsed.signature)
    signature = encode_dss_signature(r, P256_ORDER - s)
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    bits = b"\x03" + bytes([len(signature) + 1]) + b"\x00" + signature
    body = parsed.tbs_certificate_bytes + algorithm + bits
    return b"\x30\x82" + len(body).to_bytes(2, "big") + body


def endorsed_payload(
    header: Any, proposed: bytes, chaincode: str, space: Any, response: bytes, endorsers: Iterable[Signer]
) -> bytes:
    """The payload that `Endorse` prepares for a proposal whose execution read and wrote `space`."""
    spaces = [rwset_pb2.NsReadWriteSet(namespace=chaincode, rwset=_bytes(space))]
    done = proposal_pb2.ChaincodeAction(
        results=_bytes(rwset_pb2.TxReadWriteSet(ns_rwset=spaces)),
        response=proposal_response_pb2.Response(status=200, payload=response),
        chaincode_id=chaincode_pb2.ChaincodeID(name=chaincode, version="1"),
    )
    endorsed = _bytes(
        proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=sha256(header.channel_header, header.signature_header, proposed), extension=_bytes(done)
        )
    )
    endorsements = [
        proposal_response_pb2.Endorsement(endorser=each.serialized, signature=each.key.sign(endorsed + each.serialized))
        for each in endorsers
    ]
    action = transaction_pb2.ChaincodeActionPayload(
        chaincode_proposal_payload=proposed,
        action=transaction_pb2.ChaincodeEndorsedAction(proposal_response_payload=endorsed, endorsements=endorsements),
    )
    transaction = transaction_pb2.Transaction(
        actions=[transaction_pb2.TransactionAction(header=header.signature_header, payload=_bytes(action))]
    )
    return _bytes(common_pb2.Payload(header=header, data=_bytes(transaction)))


def _proposal(
    channel: str,
    chaincode: str,
    creator: bytes,
    nonce: bytes,
    argument: bytes,
    now_us: int,
    function: bytes = b"read_proof",
) -> tuple[Any, bytes]:
    name = chaincode_pb2.ChaincodeID(name=chaincode)
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.ENDORSER_TRANSACTION,
        timestamp=Timestamp(seconds=now_us // 1_000_000, nanos=now_us % 1_000_000 * 1000),
        channel_id=channel,
        tx_id=sha256(nonce, creator).hex(),
        extension=_bytes(proposal_pb2.ChaincodeHeaderExtension(chaincode_id=name)),
    )
    header = common_pb2.Header(
        channel_header=_bytes(channel_header),
        signature_header=_bytes(common_pb2.SignatureHeader(creator=creator, nonce=nonce)),
    )
    spec = chaincode_pb2.ChaincodeSpec(
        type=chaincode_pb2.ChaincodeSpec.GOLANG,
        chaincode_id=name,
        input=chaincode_pb2.ChaincodeInput(args=[function, argument]),
    )
    payload = proposal_pb2.ChaincodeProposalPayload(
        input=_bytes(chaincode_pb2.ChaincodeInvocationSpec(chaincode_spec=spec))
    )
    return header, _bytes(payload)


def _bytes(message: Any) -> bytes:
    return bytes(message.SerializeToString(deterministic=True))
