"""DSSE envelopes: a payload, its type, and signatures over both.

Source: Dead Simple Signing Envelope 1.0.2, `protocol.md` (pre-authentication encoding) and `envelope.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import to_base64
from evidence.errors import Malformed
from evidence.keys import MAX_SIGNATURE_BYTES, Signer


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: `DSSEv1 SP len(type) SP type SP len(payload) SP payload`."""
    kind = payload_type.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature; `key_id` is a hint only, the key is taken from the registry or a certificate."""

    key_id: str
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "payload": to_base64(self.payload),
            "payloadType": self.payload_type,
            "signatures": [{"keyid": s.key_id, "sig": to_base64(s.signature)} for s in self.signatures],
        }

    def canonical(self) -> bytes:
        return canonical(self.to_json())

    def signing_input(self) -> bytes:
        return pae(self.payload_type, self.payload)


def sign(payload_type: str, payload: bytes, signer: Signer) -> Envelope:
    signature = signer.sign(pae(payload_type, payload))
    return Envelope(
        payload_type=payload_type,
        payload=payload,
        signatures=(Signature(key_id=signer.public_key.key_id, signature=signature),),
    )


def envelope_from_json(value: object, payload_type: str, *, limit: int, what: str = "envelope") -> Envelope:
    """Read an envelope that stands inside another document.

    Raises:
        Malformed: wrong members, another payload type, no signature or more than 16, sizes beyond the limits.
    """
    fields = Fields(value, what, ("payload", "payloadType", "signatures"))
    fields.const("payloadType", payload_type)
    listed = fields.list("signatures", limit=16)
    if not listed:
        raise Malformed(f"{what} carries no signature")
    signatures = []
    for entry in listed:
        one = Fields(entry, f"{what}: signature", ("keyid", "sig"))
        signatures.append(
            Signature(key_id=one.digest("keyid").hex(), signature=one.base64("sig", limit=MAX_SIGNATURE_BYTES))
        )
    return Envelope(
        payload_type=payload_type, payload=fields.base64("payload", limit=limit), signatures=tuple(signatures)
    )


def parse_envelope(data: bytes, payload_type: str, *, limit: int = 4 << 20, what: str = "envelope") -> Envelope:
    """Read a canonical envelope whose payload has at most `limit` bytes.

    Raises:
        Malformed: see `envelope_from_json`.
    """
    return envelope_from_json(
        parse_canonical(data, what, limit=limit * 4 // 3 + 8192), payload_type, limit=limit, what=what
    )
