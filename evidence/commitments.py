"""Salted commitments: the ledger and the records show that something is fixed without showing what.

Fingerprints of a picture are thumbnails, thumbnails are personal data, and an unsalted digest of one can be guessed.
"""

from __future__ import annotations

import unicodedata

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from evidence.digests import sha256
from evidence.errors import Malformed

SEED_BYTES = 32
PHASH_BYTES = 8
GRID_COLUMNS, GRID_ROWS = 64, 36
GRID_BYTES = GRID_COLUMNS * GRID_ROWS
LABELS = ("look", "pixels", "tile")


def salt(seed: bytes, label: str, unit: int, tile: int = 0) -> bytes:
    """Salt of one commitment, 32 bytes: HKDF-SHA256 of the segment's seed.

    Args:
        seed: the segment's 32 random bytes, never leaving custody.
        label: `look`, `pixels` or `tile`.
        unit: index of the picture within its segment.
        tile: row-major number of the tile, 0 for the other labels.

    Raises:
        Malformed: unknown label, seed of another length, index beyond 32 bits.
    """
    if label not in LABELS or len(seed) != SEED_BYTES:
        raise Malformed("a salt needs a seed of 32 bytes and a known label")
    if not (0 <= unit < 1 << 32 and 0 <= tile < 1 << 32):
        raise Malformed("a salt's picture or tile index does not fit 32 bits")
    info = label.encode("ascii") + b"\x00" + unit.to_bytes(4, "big") + tile.to_bytes(4, "big")
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=info).derive(seed)


def look(salt_: bytes, phash: bytes, grid: bytes) -> bytes:
    """Commitment to how a picture looks: `phash` of 8 bytes and the 64 x 36 luma grid, row-major, one byte each."""
    if len(salt_) != 32 or len(phash) != PHASH_BYTES or len(grid) != GRID_BYTES:
        raise Malformed("look commitment needs a salt of 32, a phash of 8 and a grid of 2,304 bytes")
    return sha256(b"\x10", salt_, phash, grid)


def pixels(salt_: bytes, digest: bytes) -> bytes:
    """Commitment to the decoded picture's digest."""
    if len(salt_) != 32 or len(digest) != 32:
        raise Malformed("pixels commitment needs a salt and a digest of 32 bytes")
    return sha256(b"\x11", salt_, digest)


def text_commitment(salt_: bytes, text: str) -> bytes:
    """Commitment to a reason, purpose, name, place or address: SHA-256(salt, NFC text in UTF-8)."""
    if len(salt_) != 32:
        raise Malformed("text commitment needs a salt of 32 bytes")
    try:
        return sha256(salt_, unicodedata.normalize("NFC", text).encode("utf-8"))
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate") from error
