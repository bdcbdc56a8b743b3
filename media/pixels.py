"""Exact pixels: the digest of one decoded picture, and the tiles it is cut into."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np

from media.decode import Picture, Samples

TILE = 64


def pixels_digest(picture: Picture) -> bytes:
    """SHA-256 over the picture as decoded: P of the evidence format.

    What is hashed: length of the format's name u8 · the name, `yuvj*` written `yuv*` · width u32 · height u32 · the
    planes, rows without padding, samples little-endian.
    """
    name = plain_format(picture.format).encode("ascii")
    digest = hashlib.sha256(struct.pack(">B", len(name)) + name + struct.pack(">II", picture.width, picture.height))
    for plane in picture.planes:
        digest.update(np.ascontiguousarray(_little_endian(plane)).data)
    return digest.digest()


def plain_format(name: str) -> str:
    """The name of a pixel format without the full-range marking that only some decoders make."""
    return "yuv" + name[4:] if name.startswith("yuvj") else name


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A part of a picture: place in the raster, size in luma pixels, and its samples Y, U, V one after the other."""

    number: int
    column: int
    row: int
    width: int
    height: int
    samples: bytes


def raster(width: int, height: int) -> tuple[int, int]:
    """How many columns and rows of tiles a picture of this size has."""
    return -(-width // TILE), -(-height // TILE)


def tiles(picture: Picture) -> Iterator[Tile]:
    """Cut a picture into tiles of 64x64 luma pixels, row by row; those at the right and lower edge are smaller."""
    columns, rows = raster(picture.width, picture.height)
    for row in range(rows):
        for column in range(columns):
            width = min(TILE, picture.width - column * TILE)
            height = min(TILE, picture.height - row * TILE)
            parts = [_cut(picture, index, column, row, width, height) for index in range(len(picture.planes))]
            yield Tile(
                number=row * columns + column,
                column=column,
                row=row,
                width=width,
                height=height,
                samples=b"".join(_little_endian(part).tobytes() for part in parts),
            )


def _cut(picture: Picture, plane: int, column: int, row: int, width: int, height: int) -> Samples:
    across, down = picture.subsampling if plane in (1, 2) else (0, 0)
    x, y = column * TILE >> across, row * TILE >> down
    # Chroma is rounded up, as everywhere: the last column of an odd width has chroma of its own.
    return picture.planes[plane][y : y - (-height >> down), x : x - (-width >> across)]


def _little_endian(samples: Samples) -> Samples:
    return cast("Samples", samples.astype(samples.dtype.newbyteorder("<"), copy=False))
