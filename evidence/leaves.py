"""What stands under the roots: one leaf per picture, sample, block, tile, sound unit and side message.

Every leaf begins with a kind byte, so that a leaf of one tree can never be shown as a leaf of another. Integers are
big-endian.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from evidence import merkle
from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed

UNIT, SAMPLE, BLOCK, TILE, SOUND, SIDE = 1, 2, 3, 4, 5, 6

# Flags of a unit leaf.
KEY = 1
TIME_INFERRED = 2

# Added to the unit index of a side leaf whose message is a user message. A copy that lost the message shows only its
# digest in the record, and whether losing it changes what is seen depends on what it was. A segment has < 2**20 units.
USER_SIDE = 1 << 31

_UNIT_TAIL = struct.Struct(">qB")
_SIDE = struct.Struct(">BI32s")
_TILE = struct.Struct(">B32sQHHII")
_SOUND = struct.Struct(">B32sq")

UNIT_LEAF_BYTES = 42


def unit_leaf(coded: bytes, offset_us: int, flags: int) -> bytes:
    """Leaf of one coded picture, 42 bytes: kind, `coded` digest, offset i64, flags u8."""
    if len(coded) != DIGEST_BYTES or not 0 <= flags <= 3:
        raise Malformed("unit leaf needs a digest of 32 bytes and flags from 0 to 3")
    try:
        return b"\x01" + coded + _UNIT_TAIL.pack(offset_us, flags)
    except struct.error as error:
        raise Malformed("offset of a unit does not fit 64 bits") from error


def unit_root(coded: bytes, offsets_us: Sequence[int], flags: bytes) -> bytes:
    """Root over the unit leaves given as columns.

    Args:
        coded: n x 32 bytes of coded digests, decode order.
        offsets_us: n offsets in microseconds from the segment's first unit.
        flags: n flag bytes (`KEY`, `TIME_INFERRED`).

    Raises:
        Malformed: columns of different lengths, an unknown flag or an offset beyond 64 bits.
    """
    count = len(flags)
    if len(coded) != count * DIGEST_BYTES or len(offsets_us) != count:
        raise Malformed("columns of unit leaves differ in length")
    if count and max(flags) > 3:
        raise Malformed("unit leaf has an unknown flag")
    sha256, pack = hashlib.sha256, _UNIT_TAIL.pack
    try:
        return merkle.root(
            [
                sha256(b"\x00\x01" + coded[32 * i : 32 * i + 32] + pack(offsets_us[i], flags[i])).digest()
                for i in range(count)
            ]
        )
    except struct.error as error:
        raise Malformed("offset of a unit does not fit 64 bits") from error


def sample_leaf(sample: bytes) -> bytes:
    """Leaf of one sample: its canonical JSON behind the kind byte."""
    return b"\x02" + sample


def block_leaf(block: bytes) -> bytes:
    """Leaf of one block in a sealed batch: canonical block without signature."""
    return b"\x03" + block


def tile_leaf(salt: bytes, tile: int, column: int, row: int, width: int, height: int, samples: bytes) -> bytes:
    """Leaf of one tile.

    Args:
        salt: 32 bytes, opened tile by tile.
        tile: running number, row-major.
        samples: Y, U and V bytes of the tile, one after the other.
    """
    return _TILE.pack(TILE, salt, tile, column, row, width, height) + samples


def sound_leaf(digest: bytes, offset_us: int) -> bytes:
    return _SOUND.pack(SOUND, digest, offset_us)


def side_leaf(unit: int, digest: bytes) -> bytes:
    """Leaf of one side message: index of the unit that follows (plus `USER_SIDE`), and SHA-256 of the NAL without
    start code.
    """
    if len(digest) != DIGEST_BYTES or not 0 <= unit < 1 << 32:
        raise Malformed("side leaf needs a unit index of 32 bits and a digest of 32 bytes")
    return _SIDE.pack(SIDE, unit, digest)


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Root over leaves given as data."""
    return merkle.root([merkle.leaf_hash(leaf) for leaf in leaves])
