"""A client's own TLS files: what is said when they have ended, and that newer ones are noticed."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evidence.errors import ConfigInvalid
from evidence.keys import PrivateKeySigner
from sdk.authority import make_authority
from sdk.fabric_profile import GatewayAddress, Profile, TlsClient
from sdk.gateway_tls import ended, read_tls
from sdk.keys import generate_key

NOW_US = 1_780_000_000_000_000
DAY_US = 86_400_000_000


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile whose client certificate ends after one day."""
    authority = make_authority("ControlRoomMSP", now_us=NOW_US)
    der = authority.issue_node(
        PrivateKeySigner(generate_key()).public_key, name="client", unit="client", now_us=NOW_US, days=1
    )
    (tmp_path / "ca.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "client.pem").write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    (tmp_path / "client.key").write_bytes(b"key")
    return Profile(
        channel="evidence",
        chaincode="veriframe",
        msp="ControlRoomMSP",
        gateways=(GatewayAddress(address="peer:7051", tls_root=tmp_path / "ca.pem"),),
        tls_client=TlsClient(certificate=tmp_path / "client.pem", key=tmp_path / "client.key"),
    )


def test_an_ended_certificate_is_named_with_its_file_and_day(profile: Profile) -> None:
    files = read_tls(profile.gateways[0], profile)
    assert files is not None
    assert ended(files, profile, NOW_US + DAY_US - 1_000_000) is None
    error = ended(files, profile, NOW_US + DAY_US + 1_000_000)
    assert error is not None
    assert error.retryable  # the renewed file is taken up
    assert profile.tls_client is not None
    assert error.where == str(profile.tls_client.certificate)
    assert "2026-05-29" in error.detail
    assert ended(files, profile.model_copy(update={"tls_client": None}), NOW_US + 9 * DAY_US) is None


def test_files_are_compared_by_what_they_hold(profile: Profile) -> None:
    assert profile.tls_client is not None
    before = read_tls(profile.gateways[0], profile)
    assert read_tls(profile.gateways[0], profile) == before
    profile.tls_client.key.write_bytes(b"another key")
    assert read_tls(profile.gateways[0], profile) != before
    profile.tls_client.key.unlink()
    with pytest.raises(ConfigInvalid, match="cannot be read") as caught:
        read_tls(profile.gateways[0], profile)
    assert caught.value.where == str(profile.tls_client.key)
    assert read_tls(GatewayAddress(address="127.0.0.1:7051"), profile) is None
