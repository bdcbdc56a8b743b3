"""The genesis document: which ledger this is, who operates it, and its organisations' roots and first ADMINs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.certificates import Certificate, parse_certificate
from evidence.digests import parse_base64, parse_digest, sha256, to_base64
from evidence.errors import Malformed
from evidence.policy import Policy, policy_from_json

GENESIS_TYPE = "veriframe/genesis/1"
MAX_GENESIS_BYTES = 256 << 10
MAX_MSPS = 64

_MSP = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,62}")


def is_msp(text: object) -> bool:
    """Tell whether `text` may name an organisation (an MSP id)."""
    return isinstance(text, str) and _MSP.fullmatch(text) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Organisation:
    """Root certificates of one organisation and the key ids of its first ADMINs."""

    roots: tuple[Certificate, ...]
    admins: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Genesis:
    """`operator` is the raw Ed25519 key (32 bytes) that signs the embedded ledger's checkpoints."""

    operator: bytes
    msps: Mapping[str, Organisation]
    policy: Policy
    demo: bool
    nonce: bytes

    def canonical(self) -> bytes:
        value: dict[str, Any] = {
            "type": GENESIS_TYPE,
            "operator": to_base64(self.operator),
            "msps": {
                msp: {"roots": [to_base64(root.der) for root in each.roots], "admins": list(each.admins)}
                for msp, each in self.msps.items()
            },
            "policy": self.policy.to_json(),
            "demo": self.demo,
            "nonce": self.nonce.hex(),
        }
        return canonical(value)

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())

    @property
    def ledger_id(self) -> str:
        return f"embedded:{self.digest.hex()}"

    @property
    def origin(self) -> str:
        """Origin line of the ledger's checkpoints."""
        return log_origin(self.digest)

    def msp_of(self, certificate: Certificate) -> str | None:
        """The organisation whose root issued `certificate`, None where none did."""
        for msp, organisation in self.msps.items():
            if any(certificate.issued_by(root) for root in organisation.roots):
                return msp
        return None


def log_origin(genesis_digest: bytes) -> str:
    return f"veriframe/{genesis_digest.hex()}"


def parse_genesis(data: bytes) -> Genesis:
    """Read a canonical genesis document. Raises Malformed."""
    f = Fields(
        parse_canonical(data, "genesis", limit=MAX_GENESIS_BYTES),
        "genesis",
        ("type", "operator", "msps", "policy", "demo", "nonce"),
    )
    f.const("type", GENESIS_TYPE)
    operator = f.base64("operator", limit=32)
    if len(operator) != 32:
        raise Malformed("genesis: 'operator' is not an Ed25519 key of 32 bytes")
    nonce = f.text("nonce", limit=32)
    if re.fullmatch(r"[0-9a-f]{32}", nonce) is None:
        raise Malformed("genesis: 'nonce' is not 32 lower-case hexadecimal characters")
    listed = f.raw("msps")
    if not isinstance(listed, dict) or not 1 <= len(listed) <= MAX_MSPS:
        raise Malformed("genesis: 'msps' does not name 1 to 64 organisations")
    return Genesis(
        operator=operator,
        msps={msp: _organisation(msp, each) for msp, each in listed.items()},
        policy=policy_from_json(f.raw("policy")),
        demo=f.boolean("demo"),
        nonce=bytes.fromhex(nonce),
    )


def _organisation(msp: str, value: object) -> Organisation:
    if not is_msp(msp):
        raise Malformed("genesis names an organisation by other than an MSP id")
    f = Fields(value, f"genesis: {msp}", ("roots", "admins"))
    roots = tuple(parse_certificate(parse_base64(each, f"genesis: {msp}: root")) for each in f.list("roots", limit=16))
    if not roots or not all(root.is_authority for root in roots):
        raise Malformed(f"genesis: {msp} has no root certificate authority")
    admins = tuple(parse_digest(each, f"genesis: {msp}: admin").hex() for each in f.list("admins", limit=64))
    return Organisation(roots=roots, admins=admins)
