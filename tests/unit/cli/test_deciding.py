"""Public keys from files of other people: read, or refused in words."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from cli.deciding import public_key
from evidence.errors import KeyUnavailable

# SubjectPublicKeyInfo of an algorithm that nobody has: OID 1.3.6.1.4.1.99999.1.
UNKNOWN = bytes.fromhex("3012300b06092b06010401868d1f010303000102")


def pem(der: bytes, label: str = "PUBLIC KEY") -> bytes:
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), base64.b64encode(der), label.encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"no key", pem(b"\0"), pem(UNKNOWN), pem(b"\x30\0", "CERTIFICATE"), pem(b"\x30\0", "PRIVATE KEY")],
    ids=["empty", "text", "no DER", "an algorithm that nobody has", "no certificate", "a private key"],
)
def test_what_is_no_public_key_is_said_to_be_none(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(data)
    with pytest.raises(KeyUnavailable, match="not a public key"):
        public_key(path)
