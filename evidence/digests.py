"""SHA-256, hexadecimal digests, base64 and the identifiers that name things on the ledger."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from evidence.errors import Malformed

DIGEST_BYTES = 32

_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
_IDENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def sha256(*parts: bytes | memoryview) -> bytes:
    """SHA-256 over the concatenation of `parts`, 32 bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.digest()


def parse_digest(text: object, what: str = "digest") -> bytes:
    """Read a lower-case hexadecimal SHA-256 digest.

    Raises:
        Malformed: anything but 64 lower-case hexadecimal characters.
    """
    if not isinstance(text, str) or _HEX_DIGEST.fullmatch(text) is None:
        raise Malformed(f"{what} is not 64 lower-case hexadecimal characters")
    return bytes.fromhex(text)


def parse_base64(text: object, what: str, *, limit: int = 1 << 20) -> bytes:
    """Read standard, padded base64 in its only canonical spelling.

    Raises:
        Malformed: another alphabet, missing padding, stray bits or more than `limit` bytes.
    """
    if not isinstance(text, str) or len(text) > limit * 4 // 3 + 4:
        raise Malformed(f"{what} is not base64 of at most {limit} bytes")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error, ValueError) as error:
        raise Malformed(f"{what} is not standard base64") from error
    # Two spellings of one value would give one signature two digests.
    if to_base64(data) != text:
        raise Malformed(f"{what} is not canonical base64")
    return data


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def is_ident(text: object) -> bool:
    """Tell whether `text` may stand in a ledger key: `[a-z0-9][a-z0-9-]{0,62}`."""
    return isinstance(text, str) and _IDENT.fullmatch(text) is not None
