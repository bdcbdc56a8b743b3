"""Signatures: one key, one algorithm, one spelling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from evidence.errors import Malformed
from evidence.keys import P256_ORDER, PrivateKeySigner, is_low_s, parse_public_key


def test_ecdsa_signatures_carry_the_low_s_and_the_high_one_is_refused() -> None:
    signer = PrivateKeySigner(ec.generate_private_key(ec.SECP256R1()))
    for number in range(20):
        message = b"block %d" % number
        signature = signer.sign(message)
        assert is_low_s(signature)
        assert signer.public_key.verify(signature, message)
        r, s = decode_dss_signature(signature)
        assert not signer.public_key.verify(encode_dss_signature(r, P256_ORDER - s), message)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()])
def test_every_flipped_byte_of_a_signature_breaks_it(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> None:
    signer = PrivateKeySigner(key)
    signature = signer.sign(b"message")
    assert signer.public_key.verify(signature, b"message")
    assert not signer.public_key.verify(signature, b"massage")
    for at in range(len(signature)):
        bent = signature[:at] + bytes([signature[at] ^ 0x01]) + signature[at + 1 :]
        assert not signer.public_key.verify(bent, b"message")
    assert not signer.public_key.verify(signature + b"\x00", b"message")
    assert not signer.public_key.verify(b"", b"message")


def test_a_key_has_one_encoding_and_one_id() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    compressed = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert parse_public_key(der).spki == der
    # The same point, compressed inside a SubjectPublicKeyInfo of its own.
    algorithm = der[2:23]
    bits = b"\x03" + bytes([len(compressed) + 1]) + b"\x00" + compressed
    with pytest.raises(Malformed):
        parse_public_key(b"\x30" + bytes([len(algorithm) + len(bits)]) + algorithm + bits)


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)])
def test_other_kinds_of_key_are_refused(private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    der = private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(Malformed):
        parse_public_key(der)
    with pytest.raises(Malformed):
        parse_public_key(der[:-1])


def test_wycheproof_ecdsa_p256(vectors: Path) -> None:
    document = json.loads((vectors / "wycheproof" / "ecdsa_secp256r1_sha256_test.json").read_text())
    judged = high = 0
    for group in document["testGroups"]:
        key = parse_public_key(bytes.fromhex(group["publicKeyDer"]))
        for case in group["tests"]:
            signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
            if case["result"] == "valid" and not is_low_s(signature):
                # Valid ECDSA, but the second spelling of a signature: ours must carry the low S.
                high += 1
                assert not key.verify(signature, message), case["tcId"]
                r, s = decode_dss_signature(signature)
                assert key.verify(encode_dss_signature(r, P256_ORDER - s), message), case["tcId"]
            else:
                assert key.verify(signature, message) == (case["result"] == "valid"), case["tcId"]
            judged += 1
    assert judged == document["numberOfTests"]
    assert high > 0


def test_wycheproof_ed25519(vectors: Path) -> None:
    document = json.loads((vectors / "wycheproof" / "ed25519_test.json").read_text())
    judged = 0
    for group in document["testGroups"]:
        key = parse_public_key(bytes.fromhex(group["publicKeyDer"]))
        for case in group["tests"]:
            valid = key.verify(bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"]))
            assert valid == (case["result"] == "valid"), case["tcId"]
            judged += 1
    assert judged == document["numberOfTests"]
