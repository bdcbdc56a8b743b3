"""Samples: what a record says in public about the pictures looked at, and the private part that can open it.

The public half holds salted commitments only. The private half holds the segment's seed and the fingerprints
themselves, which are thumbnails; it lives in the store, encrypted when the store is.

    private part = "VFP1" · seed 32 · count u32 · count x (unit u32 · phash 8) · zlib(residuals)

The residuals are one zlib stream over count x 2,304 bytes. The first grid is differenced downwards and then to the
right, every further one is its difference to what is expected of it: per cell the lower median of the up to five grids
before, which noise and people passing by leave alone. All modulo 256. Integers are big-endian.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from evidence import commitments
from evidence.canonical import canonical
from evidence.commitments import GRID_BYTES, GRID_COLUMNS, GRID_ROWS, PHASH_BYTES, SEED_BYTES, salt
from evidence.errors import Malformed
from frame_sampler.motion import Region

MAGIC = b"VFP1"
MAX_PRIVATE_SAMPLES = 1 << 16

_ENTRY = struct.Struct(f">I{PHASH_BYTES}s")
_HEAD_BYTES = len(MAGIC) + SEED_BYTES + 4
_REMEMBERED = 5  # more gain little and forget slower what has moved on

_Grids = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One sampled picture.

    `unit` is its index in the segment, `pixels` the digest of the decoded picture (None where decoding is not bit-exact
    or went wrong), `score` and `regions` what the policy saw.
    """

    unit: int
    phash: bytes
    grid: bytes
    pixels: bytes | None
    score: int
    regions: tuple[Region, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What the private part holds of one sample."""

    unit: int
    phash: bytes
    grid: bytes


def sample(seed: bytes, look: Look) -> bytes:
    """The public half of one sample, canonical JSON.

    Raises:
        Malformed: a seed, hash or grid of another length.
    """
    value: dict[str, object] = {
        "unit": look.unit,
        "look": commitments.look(salt(seed, "look", look.unit), look.phash, look.grid).hex(),
        "exact": look.pixels is not None,
        "importance": {"score": look.score, "regions": [list(region) for region in look.regions]},
    }
    if look.pixels is not None:
        value["pixels"] = commitments.pixels(salt(seed, "pixels", look.unit), look.pixels).hex()
    return canonical(value)


def private_part(seed: bytes, looks: Sequence[Look]) -> bytes:
    """The private half of a segment's samples.

    Raises:
        Malformed: a seed, hash or grid of another length, or too many samples.
    """
    if len(seed) != SEED_BYTES or len(looks) > MAX_PRIVATE_SAMPLES:
        raise Malformed(f"a private part holds a seed of {SEED_BYTES} bytes and at most {MAX_PRIVATE_SAMPLES} samples")
    if any(len(look.phash) != PHASH_BYTES or len(look.grid) != GRID_BYTES for look in looks):
        raise Malformed(f"a sample has a phash of {PHASH_BYTES} and a grid of {GRID_BYTES} bytes")
    grids = np.frombuffer(b"".join(look.grid for look in looks), np.uint8).reshape(-1, GRID_ROWS, GRID_COLUMNS)
    entries = b"".join(_ENTRY.pack(look.unit, look.phash) for look in looks)
    # The strategy is for what looks like noise around zero; any reader of zlib reads it.
    packer = zlib.compressobj(level=9, strategy=zlib.Z_FILTERED)
    packed = packer.compress(_residuals(grids).tobytes()) + packer.flush()
    return MAGIC + seed + len(looks).to_bytes(4, "big") + entries + packed


def parse_private_part(data: bytes) -> tuple[bytes, tuple[Opening, ...]]:
    """Read a private part.

    Returns:
        The seed and the openings in the order of the samples.

    Raises:
        Malformed: not a private part, units not ascending, or grids that do not unpack to exactly what is named.
    """
    if len(data) < _HEAD_BYTES or not data.startswith(MAGIC):
        raise Malformed("this is not the private part of a segment")
    seed = data[len(MAGIC) : len(MAGIC) + SEED_BYTES]
    count = int.from_bytes(data[_HEAD_BYTES - 4 : _HEAD_BYTES], "big")
    end = _HEAD_BYTES + count * _ENTRY.size
    if count > MAX_PRIVATE_SAMPLES or len(data) < end:
        raise Malformed("the private part is cut short or names more samples than a segment can have")
    entries = list(_ENTRY.iter_unpack(data[_HEAD_BYTES:end]))
    if any(later[0] <= earlier[0] for earlier, later in pairwise(entries)):
        raise Malformed("the private part does not name its pictures in ascending order")
    grids = _grids(_unpack(data[end:], count))
    return seed, tuple(
        Opening(unit=unit, phash=phash, grid=grids[index].tobytes()) for index, (unit, phash) in enumerate(entries)
    )


def _unpack(packed: bytes, count: int) -> _Grids:
    size = count * GRID_BYTES
    unpacker = zlib.decompressobj()
    try:
        # One byte more than expected is enough to see that there is more: a bomb unpacks no further.
        grids = unpacker.decompress(packed, size + 1)
    except zlib.error as error:
        raise Malformed("the grids of the private part do not unpack") from error
    if len(grids) != size or not unpacker.eof or unpacker.unused_data:
        raise Malformed("the grids of the private part are not as many as its samples")
    return np.frombuffer(grids, np.uint8).reshape(count, GRID_ROWS, GRID_COLUMNS)


def _residuals(grids: _Grids) -> _Grids:
    residuals = np.empty_like(grids)
    for index, grid in enumerate(grids):
        if index:
            residuals[index] = grid - _expected(grids[:index])
        else:
            down = np.diff(grid, axis=0, prepend=np.uint8(0))
            residuals[index] = np.diff(down, axis=1, prepend=np.uint8(0))
    return residuals


def _grids(residuals: _Grids) -> _Grids:
    grids = np.empty_like(residuals)
    for index, residual in enumerate(residuals):
        if index:
            grids[index] = residual + _expected(grids[:index])
        else:
            down = np.cumsum(residual, axis=1, dtype=np.uint8)
            grids[index] = np.cumsum(down, axis=0, dtype=np.uint8)
    return grids


def _expected(before: _Grids) -> _Grids:
    """What the next grid most likely is, from those before it."""
    recent = np.sort(before[-_REMEMBERED:], axis=0)
    expected: _Grids = recent[(len(recent) - 1) // 2]
    return expected
