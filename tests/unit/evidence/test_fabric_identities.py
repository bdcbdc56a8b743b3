"""Identities of peers and orderers, and revocation lists, whatever bytes they are."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding

from evidence.certificates import parse_certificate
from evidence.errors import Malformed
from evidence.fabric_block import parse_fabric_block
from evidence.fabric_configuration import FabricConfiguration, parse_configuration
from evidence.fabric_identities import FabricIdentity, parse_identity
from tests.vectors import fabric_parts as parts

RECORDED = Path(__file__).parents[2] / "fabric" / "recorded" / "blocks"
PEM = base64.encodebytes(parts.POLICE.certificate)


def identity(pem: bytes, msp: str = "PoliceMSP") -> bytes:
    return parts.some(1, msp) + parts.some(2, pem)


def test_an_identity_is_an_organisation_with_one_certificate() -> None:
    found = parse_identity(parts.POLICE.serialized)
    assert (found.msp, found.certificate) == ("PoliceMSP", parts.POLICE.certificate)
    assert found.serialized == parts.POLICE.serialized
    assert found.signed(parts.POLICE.sign(b"message"), b"message")
    assert not found.signed(parts.POLICE.sign(b"message"), b"another")
    assert not found.signed(parts.POLICE.sign(b"message", high_s=True), b"message")
    auditor = parse_identity(parts.AUDITOR.serialized)
    assert auditor.signed(parts.AUDITOR.sign(b"message"), b"message")


@pytest.mark.parametrize("lines", ["\n", "\r\n"])
def test_line_ends_of_either_kind_are_read(lines: str) -> None:
    text = ["-----BEGIN CERTIFICATE-----", *PEM.decode().split(), "-----END CERTIFICATE-----", ""]
    assert parse_identity(identity(lines.join(text).encode())).certificate == parts.POLICE.certificate


@pytest.mark.parametrize(
    "serialized",
    [
        b"",
        identity(b""),
        identity(parts.POLICE.certificate),
        identity(PEM),
        identity(b"-----BEGIN CERTIFICATE-----\n" + PEM),
        identity(b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"),
        identity(b"-----BEGIN CERTIFICATE-----\n=AAA\n-----END CERTIFICATE-----\n"),
        identity(b"-----BEGIN CERTIFICATE-----\n" + PEM + b"-----END CERTIFICATE-----\nmore"),
        identity(2 * (b"-----BEGIN CERTIFICATE-----\n" + PEM + b"-----END CERTIFICATE-----\n")),
        identity(b"-----BEGIN CERTIFICATE-----\n" + PEM + b"-----END CERTIFICATE-----\n", "no msp"),
    ],
)
def test_anything_else_is_refused(serialized: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse_identity(serialized)
    assert caught.value.where == "identity"


def test_a_certificate_that_cannot_be_read_signs_nothing() -> None:
    found = parse_identity(identity(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
    assert found.parsed() is None
    assert not found.signed(b"", b"")


@pytest.mark.parametrize("mask", [1 << bit for bit in range(8)])
def test_every_bit_of_a_certificate(mask: int) -> None:
    """The library has errors and warnings of many kinds for what is no certificate; ours is one."""
    data = parts.CLIENT.certificate
    for at in range(len(data)):
        try:
            parse_certificate(data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :])
        except Malformed:
            continue


def revoking(serial: int, *, issuer: str = "ca-PoliceMSP", encoding: Encoding = Encoding.PEM) -> FabricConfiguration:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .last_update(moment)
        .next_update(moment + timedelta(days=1))
        .add_revoked_certificate(x509.RevokedCertificateBuilder(serial_number=serial, revocation_date=moment).build())
        .sign(Ed25519PrivateKey.from_private_bytes(bytes(32)), None)
    )
    return configuration(crl.public_bytes(encoding))


def configuration(*lists: bytes, msp: str = "PoliceMSP") -> FabricConfiguration:
    return FabricConfiguration(channel="evidence", number=0, sequence=0, consenters={}, organisations={msp: lists})


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_revocation_list_names_certificates_of_its_issuer(encoding: Encoding) -> None:
    police = parse_identity(parts.POLICE.serialized)
    assert revoking(103, encoding=encoding).revokes(police)
    assert not revoking(104, encoding=encoding).revokes(police)
    assert not revoking(103, issuer="ca-AuditorMSP", encoding=encoding).revokes(police)
    assert not revoking(103, encoding=encoding).revokes(parse_identity(parts.AUDITOR.serialized))


def test_a_list_that_cannot_be_read_names_nobody() -> None:
    police = parse_identity(parts.POLICE.serialized)
    assert not configuration(b"", b"-----BEGIN", b"\x30\x00").revokes(police)
    unread = FabricIdentity(msp="PoliceMSP", certificate=b"x", serialized=b"")
    assert not revoking(103).revokes(unread)
    (data,) = revoking(103, encoding=Encoding.DER).organisations["PoliceMSP"]
    for at in range(len(data)):
        for bit in range(8):
            configuration(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]).revokes(police)


def test_a_damaged_configuration_is_refused_or_read_and_nothing_else() -> None:
    data = (RECORDED / "raft" / "00.block").read_bytes()
    whole = parse_fabric_block(data)
    (envelope,) = whole.envelopes
    for at in range(0, len(envelope.payload), 23):
        payload = envelope.payload
        changed = payload[:at] + bytes([payload[at] ^ 1 << at % 8]) + payload[at + 1 :]
        raw = parts.some(1, changed)
        block = parts.part(1, parts.some(3, parts.sha(raw))) + parts.part(2, parts.part(1, raw)) + parts.part(3, b"")
        try:
            parse_configuration(parse_fabric_block(block))
        except Malformed as error:
            assert error.where, str(error)
