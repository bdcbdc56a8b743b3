"""Messages of Fabric put together field by field, with hashlib and bare cryptography: signed reads, blocks.

Neither Veriframe nor Fabric's libraries are used: a second opinion on both. make_fabric.py writes vectors with it, and
tests make further cases.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SECONDS = 1_761_993_600
START = datetime.fromtimestamp(SECONDS - 86_400, UTC)


def sha(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def json_bytes(value: Any) -> bytes:
    """Canonical JSON of values without floats and with ASCII names."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


# -- messages, field by field ----------------------------------------------------------------------------------------


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    return bytes([*out, number])


def part(field: int, content: bytes) -> bytes:
    """A field with bytes, text or a message; written even when empty, as messages and repeated fields are."""
    return varint(field << 3 | 2) + varint(len(content)) + content


def some(field: int, content: bytes | str) -> bytes:
    """A field with bytes or text, left out when empty."""
    data = content.encode() if isinstance(content, str) else content
    return part(field, data) if data else b""


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value) if value else b""


# -- people and peers ------------------------------------------------------------------------------------------------


class Signer:
    """A key with a certificate of its organisation. Ed25519 roots make the same certificates each time."""

    def __init__(self, msp: str, name: str, seed: int, *, ed25519: bool = False) -> None:
        root = Ed25519PrivateKey.from_private_bytes(sha(b"root", msp.encode()))
        self.key: Any = (
            Ed25519PrivateKey.from_private_bytes(sha(b"leaf", name.encode()))
            if ed25519
            else ec.derive_private_key(seed, ec.SECP256R1())
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"ca-{msp}")]))
            .public_key(self.key.public_key())
            .serial_number(seed)
            .not_valid_before(START)
            .not_valid_after(START + timedelta(days=3650))
            .sign(root, None)
        )
        self.msp = msp
        self.certificate = certificate.public_bytes(serialization.Encoding.DER)
        self.serialized = some(1, msp) + some(2, certificate.public_bytes(serialization.Encoding.PEM))

    def sign(self, message: bytes, *, high_s: bool = False) -> bytes:
        if isinstance(self.key, Ed25519PrivateKey):
            return self.key.sign(message)
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return encode_dss_signature(r, max(s, ORDER - s) if high_s else min(s, ORDER - s))


CLIENT = Signer("ControlRoomMSP", "manager", 101)
CONTROL_ROOM = Signer("ControlRoomMSP", "peer-control-room", 102)
POLICE = Signer("PoliceMSP", "peer-police", 103)
AUDITOR = Signer("AuditorMSP", "peer-auditor", 104, ed25519=True)
ORDERER = Signer("ControlRoomMSP", "orderer-control-room", 105)
PEERS = (CONTROL_ROOM, POLICE, AUDITOR)


# -- an endorsed transaction -----------------------------------------------------------------------------------------


def version(at: tuple[int, int] | None) -> bytes:
    return b"" if at is None else part(2, number(1, at[0]) + number(2, at[1]))


def key_read(key: str, at: tuple[int, int] | None) -> bytes:
    return some(1, key) + version(at)


def range_read(
    start: str, end: str, reads: list[tuple[str, Any]], *, exhausted: bool = True, summary: bool = False
) -> bytes:
    """A RangeQueryInfo; without any key found it has neither raw reads nor a summary."""
    head = some(1, start) + some(2, end) + number(3, exhausted)
    if summary:
        return head + part(5, number(1, 50) + number(2, 1) + part(3, sha(b"a")) + part(3, sha(b"b")))
    return head + (part(4, b"".join(part(1, key_read(*each)) for each in reads)) if reads else b"")


def space(
    name: str,
    *,
    reads: list[tuple[str, Any]] | None = None,
    ranges: list[bytes] | None = None,
    writes: list[tuple[str, bytes | None]] | None = None,
    metadata: list[str] | None = None,
    collection: str = "",
) -> bytes:
    """An NsReadWriteSet."""
    inner = b"".join(part(1, key_read(*each)) for each in reads or [])
    inner += b"".join(part(2, each) for each in ranges or [])
    for key, value in writes or []:
        inner += part(3, some(1, key) + (number(2, 1) if value is None else some(3, value)))
    inner += b"".join(part(4, some(1, key)) for key in metadata or [])
    hashed = part(3, some(1, collection) + some(2, part(2, part(1, sha(b"key"))))) if collection else b""
    return some(1, name) + some(2, inner) + hashed


LIFECYCLE = space("_lifecycle", reads=[("namespaces/fields/veriframe/Sequence", (5, 0))])


def results(*spaces: bytes) -> bytes:
    """A TxReadWriteSet."""
    return b"".join(part(2, each) for each in spaces)


class Transaction:
    """The parts of a common.Payload. Change an attribute, then `payload()`: what depends on it is computed anew."""

    def __init__(self, arguments: list[bytes], response: bytes, sets: bytes) -> None:
        self.arguments, self.response, self.sets = arguments, response, sets
        self.channel, self.chaincode, self.version = "evidence", "veriframe", "1"
        self.creator = CLIENT
        self.nonce = sha(b"nonce")[:24]
        self.type, self.epoch, self.nanos = 3, 0, 123_456_789
        self.named, self.done = "", ""  # chaincode in the header's extension and in the result, where another
        self.tx_id = ""
        self.status, self.message, self.event = 200, "", b""
        self.input_more = self.proposal_more = self.result_more = b""  # further fields of these messages
        self.action_header = b""
        self.actions = 1
        self.proposal_hash = b""
        self.endorsers: tuple[Signer, ...] = PEERS
        self.signed_by: dict[str, Signer] = {}  # MSP id of an endorser -> whose key signs instead
        self.high_s = False
        self.after = b""

    def headers(self) -> tuple[bytes, bytes]:
        signature = some(1, self.creator.serialized) + some(2, self.nonce)
        tx_id = self.tx_id or sha(self.nonce, self.creator.serialized).hex()
        channel = number(1, self.type) + part(3, number(1, SECONDS) + number(2, self.nanos)) + some(4, self.channel)
        channel += some(5, tx_id) + number(6, self.epoch)
        channel += some(7, part(2, some(2, self.named or self.chaincode)))
        return channel, signature

    def proposal(self) -> bytes:
        call = b"".join(part(1, each) for each in self.arguments) + self.input_more
        specification = number(1, 1) + part(2, some(2, self.chaincode)) + part(3, call)
        return some(1, part(1, specification)) + self.proposal_more

    def endorsed(self) -> bytes:
        """The bytes that every endorser signs, with its identity behind them."""
        channel, signature = self.headers()
        answer = number(1, self.status) + some(2, self.message) + some(3, self.response)
        done = some(1, self.sets) + some(2, self.event) + part(3, answer)
        done += part(4, some(2, self.done or self.chaincode) + some(3, self.version)) + self.result_more
        return some(1, self.proposal_hash or sha(channel, signature, self.proposal())) + some(2, done)

    def payload(self) -> bytes:
        channel, signature = self.headers()
        endorsed = self.endorsed()
        endorsements = b""
        for each in self.endorsers:
            signer = self.signed_by.get(each.msp, each)
            message = endorsed + each.serialized
            made = signer.sign(message, high_s=True) if self.high_s and each is POLICE else signer.sign(message)
            endorsements += part(2, some(1, each.serialized) + some(2, made))
        action = some(1, self.proposal()) + part(2, some(1, endorsed) + endorsements)
        actions = part(1, some(1, self.action_header or signature) + some(2, action)) * self.actions
        return part(1, some(1, channel) + some(2, signature)) + some(2, actions) + self.after

    def envelope(self, signer: Signer | None = None) -> bytes:
        payload = self.payload()
        return some(1, payload) + some(2, (signer or self.creator).sign(payload))


# -- a block -----------------------------------------------------------------------------------------------------------


def header_der(height: int, previous: bytes, data: bytes) -> bytes:
    digits = height.to_bytes(height.bit_length() // 8 + 1, "big")
    body = b"".join(bytes([tag, len(each)]) + each for tag, each in ((2, digits), (4, previous), (4, data)))
    return bytes([0x30, len(body)]) + body


def block(
    envelopes: list[bytes],
    *,
    height: int = 9,
    previous: bytes = sha(b"block 8"),
    data: bytes | None = None,
    flags: bytes | None = None,
    cut: list[bytes] | None = None,
    signed: bytes | None = None,
) -> bytes:
    """A common.Block, signed by a Raft orderer and, under number 3, by a SmartBFT one.

    Args:
        data: the data hash, where it is not that of `envelopes`.
        cut: how the bytes of the envelopes are cut, where not into envelopes.
        signed: the header that orderers sign, where not this block's.
    """
    held = sha(*envelopes) if data is None else data
    value = part(1, number(1, 4)) + some(2, part(1, b"x"))
    der = header_der(height, previous, held) if signed is None else signed
    under = some(1, ORDERER.serialized) + some(2, sha(b"orderer's nonce")[:24])
    numbered = number(1, 3) + some(2, sha(b"identifier's nonce")[:24])
    signatures = part(2, some(1, under) + some(2, ORDERER.sign(value + under + der)))
    signatures += part(2, some(2, ORDERER.sign(value + numbered + der)) + some(3, numbered))
    noted = bytes(len(cut or envelopes)) if flags is None else flags
    metadata = [some(1, value) + signatures, b"", noted, b"", some(1, sha(b"commit"))]
    return (
        part(1, number(1, height) + some(2, previous) + some(3, held))
        + part(2, b"".join(part(1, each) for each in (cut or envelopes)))
        + part(3, b"".join(part(1, each) for each in metadata))
    )


def headers(count: int, *, first: int = 10, previous: bytes) -> list[dict[str, Any]]:
    """Headers of the blocks behind, each naming the one before."""
    chain = []
    for height in range(first, first + count):
        data = sha(b"data", bytes([height]))
        chain.append({"number": height, "previous": previous.hex(), "data": data.hex()})
        previous = sha(header_der(height, previous, data))
    return chain


def block_document(data: bytes, index: int = 0, chain: list[dict[str, Any]] | None = None) -> bytes:
    return json_bytes({"type": "veriframe/fabric-block/1", "block": b64(data), "index": index, "headers": chain or []})


# -- a signed read ---------------------------------------------------------------------------------------------------


def slot(sequence: int) -> str:
    return f"block/gate-1/{SECONDS:010d}/{sequence:010d}"


CHAIN = f"chain/gate-1/{SECONDS:010d}"
RANGES = [(slot(0), slot(3)), ("chain/gate-1/", "chain/gate-10"), ("revocation/gate-1/", "revocation/gate-10")]
VALUES: dict[str, Any] = {
    **{slot(each): {"block": {"sequence": each}, "signature": "c2ln"} for each in range(3)},
    CHAIN: {"recorder": "rec-1"},
}
POSITIONS = {slot(0): (7, 0), slot(1): (7, 0), slot(2): (9, 3), CHAIN: (7, 0)}
READS: list[tuple[str, Any]] = [
    ("key/" + sha(b"key").hex(), (6, 0)),
    ("participant/manager/0000000000", (6, 0)),
    ("participant/manager/0000000001", None),
]


def found(start: str, end: str) -> list[tuple[str, Any]]:
    return [(key, at) for key, at in POSITIONS.items() if start <= key < end]


def answer(ranges: list[tuple[str, str]], **more: Any) -> bytes:
    return json_bytes(
        {
            "ranges": [
                {
                    "start": start,
                    "end": end,
                    "entries": [{"key": key, "value": VALUES[key]} for key, _ in found(start, end)],
                }
                for start, end in ranges
            ],
            **more,
        }
    )


def ranges_read(ranges: list[tuple[str, str]]) -> list[bytes]:
    return [range_read(start, end, found(start, end)) for start, end in ranges]


def signed_read(ranges: list[tuple[str, str]] | None = None) -> Transaction:
    asked = RANGES if ranges is None else ranges
    question = json_bytes({"ranges": [list(each) for each in asked]})
    sets = results(LIFECYCLE, space("veriframe", reads=READS, ranges=ranges_read(asked)))
    return Transaction([b"read_proof", question], answer(asked), sets)


def read_document(payload: bytes) -> bytes:
    return json_bytes({"type": "veriframe/fabric-read/1", "payload": b64(payload)})


def changed(**values: Any) -> Transaction:
    transaction = signed_read()
    for name, value in values.items():
        setattr(transaction, name, value)
    return transaction


def own(**values: Any) -> bytes:
    """The read-write set of an intact read with other parts of the contract's space."""
    return results(LIFECYCLE, space("veriframe", **{"reads": READS, "ranges": ranges_read(RANGES), **values}))
