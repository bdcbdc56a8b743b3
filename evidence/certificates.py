"""X.509 certificates as Fabric uses them: an organisation's root, and people and machines with a role attribute.

The role stands in extension 1.2.3.4.5.6.7.8.1 as raw JSON `{"attrs":{"role":"CRM","control_room":"cr-1"}}`, as Fabric
CA writes it. Role and organisation are always judged together: the root that signed decides the organisation.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.utils import CryptographyDeprecationWarning

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.keys import P256_ORDER, PublicKey, parse_public_key

ATTRIBUTES_OID = x509.ObjectIdentifier("1.2.3.4.5.6.7.8.1")

MAX_CERTIFICATE_BYTES = 16 << 10
MAX_ATTRIBUTES = 64

# What the library says of bytes that are no certificate, each a kind of error of its own.
_UNREADABLE = (
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate; `attributes` of its role extension, `sha256` of its DER bytes, times in Unix microseconds."""

    der: bytes
    subject: str
    public_key: PublicKey
    attributes: Mapping[str, str]
    not_before_us: int
    not_after_us: int
    is_authority: bool
    sha256: bytes
    _parsed: x509.Certificate = field(repr=False, compare=False)

    @property
    def role(self) -> str:
        """The role attribute, empty where the certificate has none."""
        return self.attributes.get("role", "")

    @property
    def units(self) -> tuple[str, ...]:
        """Organisational units of the subject; on Fabric they tell peers, orderers, clients and admins apart."""
        found = self._parsed.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)
        return tuple(str(each.value) for each in found)

    @property
    def digests(self) -> frozenset[bytes]:
        """SHA-256 of every spelling of this certificate that its issuer's signature allows.

        Whoever has an ECDSA signature can turn S into n-S, which verifies too: the same certificate, with other bytes.
        """
        try:
            r, s = decode_dss_signature(self._parsed.signature)
        except ValueError:
            return frozenset({self.sha256})
        tbs = self._parsed.tbs_certificate_bytes
        # Behind the signed part stand the algorithm, and the signature as a string of whole bytes.
        at = self.der.index(tbs) + len(tbs)
        algorithm = self.der[at : at + 2 + self.der[at + 1]]
        respelled = encode_dss_signature(r, P256_ORDER - s) if s < P256_ORDER else self._parsed.signature
        body = tbs + algorithm + _der(0x03, b"\x00" + respelled)
        return frozenset({self.sha256, sha256(_der(0x30, body))})

    def issued_by(self, authority: Certificate) -> bool:
        """Tell whether `authority` is a certificate authority whose name and signature this certificate carries."""
        if not authority.is_authority:
            return False
        try:
            self._parsed.verify_directly_issued_by(authority._parsed)
        except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
            return False
        return True

    def valid_at(self, moment_us: int) -> bool:
        return self.not_before_us <= moment_us <= self.not_after_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a transaction, as its certificate says it."""

    msp: str
    subject: str
    role: str
    attributes: Mapping[str, str]
    public_key: PublicKey
    certificate_sha256: bytes


def caller_of(msp: str, certificate: Certificate) -> Caller:
    """The caller that `certificate` stands for in organisation `msp`; the issuer must have been checked."""
    return Caller(
        msp=msp,
        subject=certificate.subject,
        role=certificate.role,
        attributes=certificate.attributes,
        public_key=certificate.public_key,
        certificate_sha256=certificate.sha256,
    )


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def parse_certificate(der: bytes) -> Certificate:
    """Read a DER certificate with an ECDSA P-256 or Ed25519 key.

    Raises:
        Malformed: not a certificate, another kind of key, or attributes that are not `{"attrs": {text: text}}`.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise Malformed(f"certificate is larger than {MAX_CERTIFICATE_BYTES} bytes")
    try:
        with warnings.catch_warnings():
            # The library warns about what it will refuse one day; whatever of that matters is refused here.
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            return _certificate(der, x509.load_der_x509_certificate(der))
    except (ValueError, TypeError, OverflowError, *_UNREADABLE) as error:
        raise Malformed("certificate cannot be read") from error


def _certificate(der: bytes, parsed: x509.Certificate) -> Certificate:
    if parsed.serial_number <= 0:
        raise Malformed("certificate's serial number is not positive (RFC 5280 4.1.2.2)")
    public_key = parse_public_key(
        parsed.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    attributes, is_authority = _extensions(parsed)
    return Certificate(
        der=der,
        subject=parsed.subject.rfc4514_string(),
        public_key=public_key,
        attributes=attributes,
        not_before_us=round(parsed.not_valid_before_utc.timestamp()) * 1_000_000,
        not_after_us=round(parsed.not_valid_after_utc.timestamp()) * 1_000_000,
        is_authority=is_authority,
        sha256=sha256(der),
        _parsed=parsed,
    )


def _extensions(parsed: x509.Certificate) -> tuple[Mapping[str, str], bool]:
    attributes: Mapping[str, str] = {}
    is_authority = False
    for extension in parsed.extensions:
        if isinstance(extension.value, x509.BasicConstraints):
            is_authority = extension.value.ca
        elif extension.oid == ATTRIBUTES_OID and isinstance(extension.value, x509.UnrecognizedExtension):
            attributes = parse_attributes(extension.value.value)
    return attributes, is_authority


def parse_attributes(data: bytes) -> Mapping[str, str]:
    """Read the raw JSON of the attribute extension; it is not canonical, since Fabric CA writes it.

    Raises:
        Malformed: not `{"attrs": {text: text}}`, too many or a name twice.
    """
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise Malformed("certificate attributes are too large")
    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_pairs_once)
    except (ValueError, RecursionError) as error:
        raise Malformed("certificate attributes are not JSON") from error
    attributes = value.get("attrs") if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(attributes, dict) or len(attributes) > MAX_ATTRIBUTES:
        raise Malformed("certificate attributes are not an object of at most 64 texts")
    for text in attributes.values():
        if not isinstance(text, str) or len(text) > 1024:
            raise Malformed("certificate attribute is not a short text")
    return attributes


def _pairs_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands twice")
    return members
