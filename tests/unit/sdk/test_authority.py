"""An organisation's certificate authority, and the wallet of identities it certifies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evidence.certificates import ATTRIBUTES_OID, caller_of, parse_certificate
from evidence.errors import ConfigInvalid, KeyUnavailable
from evidence.keys import PrivateKeySigner
from sdk.authority import Authority, load_authority, make_authority, save_authority
from sdk.identities import create_identity, identity_names, load_identity
from sdk.keys import create_key, generate_key

NOW_US = 1_780_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture(scope="module")
def authority() -> Authority:
    return make_authority("ControlRoomMSP", now_us=NOW_US)


def test_a_certificate_says_who_and_in_which_role(authority: Authority) -> None:
    signer = PrivateKeySigner(generate_key())
    der = authority.issue(
        signer.public_key, subject="manager", role="CRM", attributes={"control_room": "cr-1"}, now_us=NOW_US
    )
    certificate = parse_certificate(der)
    assert certificate.role == "CRM"
    assert dict(certificate.attributes) == {"role": "CRM", "control_room": "cr-1"}
    assert certificate.public_key == signer.public_key
    assert certificate.issued_by(parse_certificate(authority.root_der))
    assert not certificate.is_authority
    assert certificate.valid_at(NOW_US)
    assert certificate.valid_at(NOW_US + 365 * DAY_US)
    assert not certificate.valid_at(NOW_US - DAY_US)
    assert not certificate.valid_at(NOW_US + 6 * 365 * DAY_US)
    assert caller_of("ControlRoomMSP", certificate).role == "CRM"


def test_the_attribute_stands_as_raw_json_as_fabric_reads_it(authority: Authority) -> None:
    der = authority.issue(PrivateKeySigner(generate_key()).public_key, subject="manager", role="CRM", now_us=NOW_US)
    parsed = x509.load_der_x509_certificate(der)
    extension = parsed.extensions.get_extension_for_oid(ATTRIBUTES_OID)
    assert not extension.critical
    assert isinstance(extension.value, x509.UnrecognizedExtension)
    assert extension.value.value == b'{"attrs":{"role":"CRM"}}'
    units = parsed.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    assert [unit.value for unit in units] == ["client"]


@pytest.mark.parametrize("subject", ["Jane Doe", "", "a/b", "x" * 64, "jane@example.org"])
def test_a_subject_is_a_pseudonym(authority: Authority, subject: str) -> None:
    with pytest.raises(ConfigInvalid, match="pseudonym"):
        authority.issue(PrivateKeySigner(generate_key()).public_key, subject=subject, role="CRM", now_us=NOW_US)


def test_no_certificate_outlives_its_root(authority: Authority) -> None:
    der = authority.issue(
        PrivateKeySigner(generate_key()).public_key, subject="a", role="CRM", now_us=NOW_US, days=99 * 365
    )
    assert parse_certificate(der).not_after_us == parse_certificate(authority.root_der).not_after_us


def test_another_root_with_the_same_name_issued_nothing(authority: Authority) -> None:
    der = authority.issue(PrivateKeySigner(generate_key()).public_key, subject="a", role="CRM", now_us=NOW_US)
    twin = make_authority("ControlRoomMSP", now_us=NOW_US)
    assert not parse_certificate(der).issued_by(parse_certificate(twin.root_der))


def test_an_authority_is_kept_and_loaded(tmp_path: Path, authority: Authority) -> None:
    folder = tmp_path / "control-room"
    save_authority(authority, folder)
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    loaded = load_authority(folder)
    assert (loaded.msp, loaded.root_der) == (authority.msp, authority.root_der)
    der = loaded.issue(PrivateKeySigner(generate_key()).public_key, subject="a", role="CRM", now_us=NOW_US)
    assert parse_certificate(der).issued_by(parse_certificate(authority.root_der))
    with pytest.raises(KeyUnavailable, match="stands here already"):
        save_authority(authority, folder)


def test_a_damaged_authority_is_named(tmp_path: Path, authority: Authority) -> None:
    folder = tmp_path / "ca"
    with pytest.raises(KeyUnavailable):
        load_authority(folder)
    save_authority(authority, folder)
    (folder / "key.pem").unlink()
    with pytest.raises(KeyUnavailable, match="not there"):
        load_authority(folder)
    create_key(folder / "key.pem")
    with pytest.raises(KeyUnavailable, match="do not belong together"):
        load_authority(folder)
    (folder / "root.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\n")
    with pytest.raises(KeyUnavailable, match="not a root certificate"):
        load_authority(folder)


def test_an_identity_is_made_where_it_is_used(tmp_path: Path, authority: Authority) -> None:
    made = create_identity(
        tmp_path, "manager", authority, role="CRM", attributes={"control_room": "cr-1"}, now_us=NOW_US
    )
    assert (tmp_path / "manager" / "key.pem").stat().st_mode & 0o777 == 0o600
    loaded = load_identity(tmp_path, "manager")
    assert (loaded.msp, loaded.role, loaded.certificate) == ("ControlRoomMSP", "CRM", made.certificate)
    assert loaded.key_id == made.key_id
    assert identity_names(tmp_path) == ("manager",)
    assert "PrivateKey" not in repr(loaded)
    with pytest.raises(ConfigInvalid, match="already"):
        create_identity(tmp_path, "manager", authority, role="CRM", now_us=NOW_US)


def test_a_revocation_list_names_its_authority_and_the_certificates(authority: Authority) -> None:
    made = x509.load_pem_x509_crl(authority.revocation_list([7, 1 << 150], now_us=NOW_US))
    assert {each.serial_number for each in made} == {7, 1 << 150}
    assert made.is_signature_valid(authority.certificate.public_key())  # type: ignore[arg-type]
    # Peers find the authority by this, and a list without it makes every certificate of the organisation invalid.
    key_id = made.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    root = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert key_id == root.digest


def test_an_interrupted_identity_is_continued_with_its_key(tmp_path: Path, authority: Authority) -> None:
    made = create_identity(tmp_path, "manager", authority, role="CRM", now_us=NOW_US)
    (tmp_path / "manager" / "certificate.pem").unlink()
    assert identity_names(tmp_path) == ()
    again = create_identity(tmp_path, "manager", authority, role="CRM", now_us=NOW_US)
    assert again.key_id == made.key_id


def test_a_missing_or_damaged_identity_is_named(tmp_path: Path, authority: Authority) -> None:
    create_identity(tmp_path, "manager", authority, role="CRM", now_us=NOW_US)
    create_identity(tmp_path, "other", authority, role="CRM", now_us=NOW_US)
    with pytest.raises(ConfigInvalid, match="known here: manager, other"):
        load_identity(tmp_path, "nobody")
    with pytest.raises(ConfigInvalid, match="cannot be an identity's name"):
        load_identity(tmp_path, "../manager")
    shutil.copy(tmp_path / "other" / "certificate.pem", tmp_path / "manager" / "certificate.pem")
    with pytest.raises(KeyUnavailable, match="do not belong together"):
        load_identity(tmp_path, "manager")
    (tmp_path / "manager" / "certificate.pem").write_bytes(b"rubbish")
    with pytest.raises(KeyUnavailable, match="damaged"):
        load_identity(tmp_path, "manager")
    (tmp_path / "other" / "msp").write_bytes(b"\xff")
    with pytest.raises(KeyUnavailable, match="damaged"):
        load_identity(tmp_path, "other")
    (tmp_path / "other" / "msp").unlink()
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        load_identity(tmp_path, "other")
    assert identity_names(tmp_path / "nowhere") == ()
