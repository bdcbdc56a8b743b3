"""Public keys and signatures: ECDSA P-256 (DER, low S) and Ed25519.

Key and algorithm come from the registry, never from an envelope: a `PublicKey` knows its own algorithm and nothing
else is tried.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from evidence.digests import sha256
from evidence.errors import Malformed

# Order of P-256 (SEC 2, 2.4.2). Signatures carry the smaller of S and n-S, so that nobody can make a second spelling.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

ECDSA_P256 = "ecdsa-p256"
ED25519 = "ed25519"

MAX_SPKI_BYTES = 512
MAX_SIGNATURE_BYTES = 128

_ECDSA_SHA256 = ec.ECDSA(hashes.SHA256())


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key, from `parse_public_key`.

    `spki` is its DER SubjectPublicKeyInfo; `key_id` the lower-case hex SHA-256 of that.
    """

    spki: bytes
    algorithm: str
    key_id: str
    _key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey = field(repr=False, compare=False)

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` over `message` was made with this key. Never raises."""
        try:
            if isinstance(self._key, ed25519.Ed25519PublicKey):
                if len(signature) != 64:
                    return False
                self._key.verify(signature, message)
                return True
            if not is_low_s(signature):
                return False
            self._key.verify(signature, message, _ECDSA_SHA256)
            return True
        except (InvalidSignature, ValueError):
            return False


class Signer(Protocol):
    """Whoever holds a private key: a file, a TPM, a PKCS#11 module."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign(self, message: bytes) -> bytes: ...


def parse_public_key(der: bytes) -> PublicKey:
    """Read a DER SubjectPublicKeyInfo.

    Raises:
        Malformed: not DER, another algorithm or curve, compressed or otherwise not the canonical encoding.
    """
    if len(der) > MAX_SPKI_BYTES:
        raise Malformed(f"public key is larger than {MAX_SPKI_BYTES} bytes")
    try:
        key = serialization.load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("public key is not a readable SubjectPublicKeyInfo") from error
    if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise Malformed("public key is neither ECDSA P-256 nor Ed25519")
    return public_key_of(key, expected_spki=der)


def public_key_of(
    key: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey, *, expected_spki: bytes | None = None
) -> PublicKey:
    """Wrap a loaded key; see `parse_public_key`."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, ec.SECP256R1):
            raise Malformed("public key is on another curve than P-256")
        algorithm = ECDSA_P256
    else:
        algorithm = ED25519
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    # One key, one id: a second encoding of the same point would be a second id for one device.
    if expected_spki is not None and spki != expected_spki:
        raise Malformed("public key is not in its canonical encoding")
    return PublicKey(spki=spki, algorithm=algorithm, key_id=sha256(spki).hex(), _key=key)


def is_low_s(signature: bytes) -> bool:
    """Tell whether an ECDSA signature is strict DER with 1 <= R < n and 1 <= S <= n/2."""
    if len(signature) > MAX_SIGNATURE_BYTES:
        return False
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        return False
    if not (0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2):
        return False
    return encode_dss_signature(r, s) == signature


class PrivateKeySigner:
    """Signs with a private key held in memory."""

    def __init__(self, private_key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self._public_key = public_key_of(private_key.public_key())

    @property
    def public_key(self) -> PublicKey:
        return self._public_key

    def sign(self, message: bytes) -> bytes:
        """Signature over `message`: 64 bytes of Ed25519, or DER of ECDSA with low S."""
        if isinstance(self._private_key, ed25519.Ed25519PrivateKey):
            return self._private_key.sign(message)
        r, s = decode_dss_signature(self._private_key.sign(message, _ECDSA_SHA256))
        return encode_dss_signature(r, min(s, P256_ORDER - s))
