"""A certificate authority for one organisation: a root, and leaf certificates that carry a role.

The certificates are those that Fabric's own authority would issue: P-256, organisational unit `client` or `admin`,
and the attributes as raw JSON in extension 1.2.3.4.5.6.7.8.1. Subjects are pseudonyms: what stands in a certificate
stands on the ledger, and what stands there never goes away.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from evidence.certificates import ATTRIBUTES_OID
from evidence.digests import is_ident
from evidence.errors import ConfigInvalid, KeyUnavailable
from evidence.keys import PublicKey
from sdk.keys import generate_key, load_private_key, private_key_pem, write_new_file

ROOT_YEARS = 20
LEAF_DAYS = 5 * 365
NODE_DAYS = 365
# Certificates are valid from a little earlier, so that a client whose clock lags is not refused on the first day.
LEEWAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """One organisation's root certificate and its key."""

    msp: str
    certificate: x509.Certificate
    _key: ec.EllipticCurvePrivateKey

    @property
    def root_der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def issue(
        self,
        public_key: PublicKey,
        *,
        subject: str,
        role: str,
        attributes: Mapping[str, str] | None = None,
        now_us: int,
        days: int = LEAF_DAYS,
    ) -> bytes:
        """A leaf certificate for `public_key`, DER.

        Args:
            subject: pseudonym, an id.
            attributes: further attributes beside `role`, for example `control_room`.

        Raises:
            ConfigInvalid: the subject is no id.
        """
        if not is_ident(subject):
            raise ConfigInvalid(
                "a certificate's subject is a pseudonym: lower-case letters, digits and dashes, at most 63",
                where=subject,
            )
        unit = "admin" if role == "ADMIN" else "client"
        value = attribute_bytes({**(attributes or {}), "role": role})
        builder = self._leaf(public_key, _name(self.msp, subject, unit), now_us, days).add_extension(
            x509.UnrecognizedExtension(ATTRIBUTES_OID, value), critical=False
        )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def issue_node(
        self,
        public_key: PublicKey,
        *,
        name: str,
        unit: str,
        hosts: Sequence[str] = (),
        now_us: int,
        days: int = NODE_DAYS,
    ) -> bytes:
        """A certificate for a peer or orderer, DER: for signing (`unit` peer or orderer), or for TLS under `hosts`.

        Args:
            hosts: host names and addresses that a TLS certificate is for; none: it is for signing.
        """
        builder = self._leaf(public_key, _name(self.msp, name, unit), now_us, days)
        if hosts:
            usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False).add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def revocation_list(self, serial_numbers: Sequence[int], *, now_us: int) -> bytes:
        """A list that says these certificates of ours count no longer, PEM."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(_moment(now_us) - LEEWAY)
            # It counts until the channel takes another one.
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(_issuer_key_id(self.certificate), critical=False)
            .add_extension(x509.CRLNumber(now_us), critical=False)
        )
        for number in serial_numbers:
            revoked = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(_moment(now_us))
            builder = builder.add_revoked_certificate(revoked.build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _leaf(self, public_key: PublicKey, subject: x509.Name, now_us: int, days: int) -> x509.CertificateBuilder:
        """What all leaves have in common; a leaf does not outlive its root."""
        key = serialization.load_der_public_key(public_key.spki)
        assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey)  # PublicKey holds no other kind
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(_moment(now_us) - LEEWAY)
            .not_valid_after(min(_moment(now_us) + timedelta(days=days), self.certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(sign=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(_issuer_key_id(self.certificate), critical=False)
        )


def attribute_bytes(attributes: Mapping[str, str]) -> bytes:
    """Value of the attribute extension, byte for byte as Fabric CA writes it: sorted names, UTF-8, and escapes for what
    would have a meaning in HTML (Go's `json.Marshal`).

    Source: recorded certificates of a Fabric CA in tests/fabric/recorded/fabric_ca.
    """
    text = json.dumps({"attrs": dict(attributes)}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text.encode("utf-8")


def make_authority(msp: str, *, now_us: int) -> Authority:
    """A new root for the organisation `msp`, in memory; `Authority` objects are kept with `save_authority`."""
    key = generate_key()
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    name = _name(msp, f"ca-{msp.lower()}", None)
    start = _moment(now_us) - LEEWAY
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=365 * ROOT_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign=False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(msp=msp, certificate=certificate, _key=key)


def save_authority(authority: Authority, folder: Path) -> None:
    """Keep root and key as `root.pem` and `key.pem` (0600) in `folder`.

    The key is written first: a crash in between leaves a key without a certificate, which `load_authority` names.

    Raises:
        KeyUnavailable: files stand there already, or cannot be written.
    """
    try:
        write_new_file(folder / "key.pem", private_key_pem(authority._key))
        write_new_file(folder / "root.pem", authority.certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
    except FileExistsError as error:
        raise KeyUnavailable("a certificate authority stands here already", where=str(folder)) from error
    except OSError as error:
        raise KeyUnavailable(f"the authority cannot be written: {error.strerror}", where=str(folder)) from error


def load_authority(folder: Path) -> Authority:
    """The authority that `save_authority` kept.

    Raises:
        KeyUnavailable: missing, unreadable, open to others, or key and certificate do not belong together.
    """
    path = folder / "root.pem"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        msp = str(names[0].value)
    except OSError as error:
        raise KeyUnavailable(f"the root certificate cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, IndexError) as error:
        raise KeyUnavailable("this is not a root certificate of Veriframe", where=str(path)) from error
    key = load_private_key(folder / "key.pem")
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise KeyUnavailable("root certificate and key do not belong together", where=str(folder))
    return Authority(msp=msp, certificate=certificate, _key=key)


def _moment(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us // 1_000_000, UTC)


def _name(msp: str, common: str, unit: str | None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, msp)]
    if unit is not None:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
    parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common))
    return x509.Name(parts)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _issuer_key_id(root: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    key_id = root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id)


def _usage(*, sign: bool) -> x509.KeyUsage:
    """Key usage of a leaf (`sign`: signatures) or of a root (certificates and revocation lists)."""
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not sign,
        crl_sign=not sign,
        encipher_only=False,
        decipher_only=False,
    )
