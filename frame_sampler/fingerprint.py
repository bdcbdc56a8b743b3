"""The perceptual hash of a picture: 64 bits that only ever serve to find candidates, never to decide.

Neighbouring pictures of a still scene mostly share it, so equality proves nothing; it narrows where to look.
"""

from __future__ import annotations

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evidence.commitments import PHASH_BYTES
from evidence.errors import Malformed


def phash(luma: NDArray[np.uint8]) -> bytes:
    """Perceptual hash of a luma plane, 8 bytes, first row of the transform first.

    Args:
        luma: uint8, rows x columns, cropped, without row padding; deeper luma already shifted to 8 bits.

    Raises:
        Malformed: not a plane of at least one uint8 sample.

    Source: imagehash `phash` with its defaults; vector in tests/unit/frame_sampler/test_fingerprint.py.
    """
    if luma.ndim != 2 or luma.dtype != np.uint8 or not luma.size:
        raise Malformed("a fingerprint needs a plane of 8-bit luma")
    bits = np.asarray(imagehash.phash(Image.fromarray(luma)).hash, dtype=np.bool_)
    packed = np.packbits(bits.reshape(-1)).tobytes()
    assert len(packed) == PHASH_BYTES
    return packed


def distance(one: bytes, other: bytes) -> int:
    """Number of differing bits, 0 to 64."""
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).bit_count()
