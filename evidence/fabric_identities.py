"""Who signs on Fabric: an organisation's MSP id with a certificate, exactly as it stands in what was signed."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from functools import lru_cache

from evidence.certificates import MAX_CERTIFICATE_BYTES, Certificate, parse_certificate
from evidence.errors import Malformed
from evidence.fabric_checks import refusal
from evidence.fabric_messages import SERIALIZED_IDENTITY
from evidence.fabric_wire import read_message
from evidence.genesis import is_msp

MAX_IDENTITY_BYTES = 2 * MAX_CERTIFICATE_BYTES

_PEM = re.compile(rb"\s*-----BEGIN CERTIFICATE-----\r?\n([A-Za-z0-9+/=\r\n]+)-----END CERTIFICATE-----\s*")


# A few peers and orderers sign everything there is.
_parsed = lru_cache(maxsize=256)(parse_certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricIdentity:
    """`certificate`: DER, not yet read. `serialized`: the SerializedIdentity as it was signed."""

    msp: str
    certificate: bytes
    serialized: bytes

    def parsed(self) -> Certificate | None:
        """The certificate, None where it cannot be read or has a key of another kind than Veriframe takes."""
        try:
            return _parsed(self.certificate)
        except Malformed:
            return None

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` over `message` is this identity's: ECDSA P-256 with low S, or Ed25519."""
        certificate = self.parsed()
        return certificate is not None and certificate.public_key.verify(signature, message)


def parse_identity(serialized: bytes) -> FabricIdentity:
    """Read a SerializedIdentity: an MSP id, and one certificate as PEM.

    Raises:
        Malformed: anything else. Whether the certificate can be used is not asked here.
    """
    values = read_message(SERIALIZED_IDENTITY, serialized, limit=MAX_IDENTITY_BYTES)
    return FabricIdentity(
        msp=values["mspid"], certificate=_der(values["mspid"], values["id_bytes"]), serialized=serialized
    )


def consenter_identity(msp: str, pem: bytes) -> FabricIdentity:
    """The identity of an orderer that the channel's configuration names. Raises Malformed."""
    return FabricIdentity(msp=msp, certificate=_der(msp, pem), serialized=b"")


def _der(msp: str, pem: bytes) -> bytes:
    if not is_msp(msp):
        raise refusal("identity", "the MSP id is not one")
    found = _PEM.fullmatch(pem)
    if found is None:
        raise refusal("identity", f"what stands for {msp} is not one certificate in PEM")
    try:
        return base64.b64decode(found[1].replace(b"\r", b"").replace(b"\n", b""), validate=True)
    except binascii.Error as error:
        raise refusal("identity", f"the certificate of {msp} is not base64") from error
