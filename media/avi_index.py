"""Whether the indexes of an AVI list the chunks that it holds: some players follow them, others go from chunk to chunk.

Source: AVI RIFF File Reference; OpenDML AVI File Format Extensions 1.02 (`indx`, `ix##`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from evidence.errors import Malformed

_MOST_CHUNKS = 6_000_000
_MOST_INDEX_BYTES = 64 << 20
# Lists that are walked into; any other is passed over.
_OPENED = frozenset((b"hdrl", b"strl", b"odml", b"movi", b"rec ", b"AVI ", b"AVIX"))
# What stands among a stream's pictures and is none: a palette, an index of an older form.
_NO_PICTURE = frozenset((b"pc", b"ix"))
_UNKNOWN_SIZE = (0, 0xFFFF_FFFF)
_INDEX_HEAD = struct.Struct("<HBBI4s")
_HEAD_BYTES, _CHUNK_HEAD = 24, 8
_SUPER, _CHUNKS, _FIELDS = 0, 1, 1
# Offsets count from `movi`, or from the beginning of the file; some count from beside these.
_OFF_BY = (0, 4, 8, -4, -8)

Place = tuple[int, int]  # of a chunk's header, and the size of what follows


@dataclass(slots=True)
class _Layout:
    """What the walk met: chunks of the stream by `movi` list, and the indexes."""

    movies: list[int] = field(default_factory=list)
    chunks: list[list[Place]] = field(default_factory=list)
    old: list[bytes] = field(default_factory=list)
    old_cut: bool = False
    open_dml: list[bytes] = field(default_factory=list)
    cut: bool = False  # the file ends before it says so
    budget: int = _MOST_INDEX_BYTES

    def take(self, file: BinaryIO, at: int, size: int) -> bytes:
        self.budget -= size
        if self.budget < 0:
            raise Malformed("AVI holds larger indexes than any footage needs")
        file.seek(at)
        return file.read(size)


def check_index(file: BinaryIO, stream: int) -> None:
    """Refuse an AVI of which an index lists other chunks of `stream` than stand in it, or in another order.

    An AVI without an index, or that was cut before its end, is as good as one that has it.

    Raises:
        Malformed: they contradict each other, or there are two.
    """
    size_bytes = file.seek(0, 2)
    found = _walk(file, stream, size_bytes)
    everything = [place for chunks in found.chunks for place in chunks]
    listed = _open_dml(file, found, stream, size_bytes)
    if listed is not None and not _equal(listed, everything[: len(listed)] if found.cut else everything):
        raise _contradiction("indx")
    if len(found.old) > 1:
        raise Malformed("AVI has two indexes")
    if found.old and found.chunks:
        # Beside an OpenDML index, the old one lists the first part only.
        expected = found.chunks[0] if listed is not None else everything
        entries = _old(found.old[0], stream)
        if found.old_cut:
            expected = expected[: len(entries)]
        bases = [base + off for base in (found.movies[0], 0) for off in _OFF_BY]
        if not any(_equal([(base + at, size) for at, size in entries], expected) for base in bases):
            raise _contradiction("idx1")


def _contradiction(name: str) -> Malformed:
    return Malformed(
        f"AVI index '{name}' does not list the pictures that the file holds, so players may show other ones",
        next_step="ask for the original export, or for a copy that was re-packaged without re-encoding",
    )


def _equal(listed: Sequence[Place], chunks: Sequence[Place]) -> bool:
    """Same places, same order; a size may count the byte that fills it up to an even one."""
    return len(listed) == len(chunks) and all(
        at == place and size in (held, held + (held & 1))
        for (at, size), (place, held) in zip(listed, chunks, strict=True)
    )


def _walk(file: BinaryIO, stream: int, size_bytes: int) -> _Layout:
    found = _Layout()
    own = b"%02d" % stream
    at, movie_end = 0, size_bytes
    for _ in range(_MOST_CHUNKS):
        if at + _CHUNK_HEAD > size_bytes:
            return found
        file.seek(at)
        head = file.read(12)
        kind, size = struct.unpack_from("<4sI", head)
        if kind in (b"RIFF", b"LIST") and head[8:12] in _OPENED:
            found.cut |= size not in _UNKNOWN_SIZE and at + _CHUNK_HEAD + size > size_bytes
            if head[8:12] == b"movi":
                found.movies.append(at + 8)
                found.chunks.append([])
                movie_end = size_bytes if size in _UNKNOWN_SIZE else at + 8 + size + (size & 1)
            at += 12
        elif not _is_name(kind):
            # What is no chunk any more: padding, or damage, behind which a player may still look for the index.
            if not found.movies or at >= movie_end or movie_end >= size_bytes:
                return found
            at = movie_end
        else:
            begin, end = at + _CHUNK_HEAD, at + _CHUNK_HEAD + size + (size & 1)
            if kind == b"idx1":
                found.old.append(found.take(file, begin, min(size, size_bytes - begin)))
                found.old_cut |= begin + size > size_bytes
            elif kind == b"indx":
                found.open_dml.append(found.take(file, begin, min(size, size_bytes - begin)))
            elif found.chunks and kind[:2] == own and kind[2:] not in _NO_PICTURE:
                found.chunks[-1].append((at, size))
            if at < movie_end < end and movie_end < size_bytes:
                raise Malformed("AVI's list of pictures ends within a picture, where players look for its index")
            at = end
    raise Malformed("AVI holds more chunks than any footage needs")


def _is_name(kind: bytes) -> bool:
    return all(0x20 <= byte < 0x7F for byte in kind)


def _old(data: bytes, stream: int) -> list[Place]:
    """The entries of an `idx1` for the stream: offset and size."""
    own = b"%02d" % stream
    return [
        (offset, size)
        for kind, _, offset, size in struct.iter_unpack("<4sIII", data[: len(data) // 16 * 16])
        if kind[:2] == own and kind[2:] not in _NO_PICTURE
    ]


def _open_dml(file: BinaryIO, found: _Layout, stream: int, size_bytes: int) -> list[Place] | None:
    """What the OpenDML indexes list for the stream; None without any in use."""
    own = b"%02d" % stream
    listed: list[Place] | None = None
    for data in found.open_dml:
        if len(data) < _HEAD_BYTES:
            continue
        longs, _, kind, count, name = _INDEX_HEAD.unpack_from(data)
        if kind == _CHUNKS and name[:2] == own:
            listed = (listed or []) + _standard(data)
        elif kind == _SUPER and longs == 4:
            for number in range(min(count, (len(data) - _HEAD_BYTES) // 16)):
                offset = struct.unpack_from("<Q", data, _HEAD_BYTES + 16 * number)[0]
                if name[:2] == own:
                    listed = listed or []
                if offset + _CHUNK_HEAD > size_bytes:
                    continue
                size = int.from_bytes(found.take(file, offset, _CHUNK_HEAD)[4:], "little")
                part = found.take(file, offset + _CHUNK_HEAD, min(size, size_bytes - offset))
                if len(part) >= _HEAD_BYTES and part[8:10] == own:
                    listed = (listed or []) + _standard(part)
    return None if listed is None else [place for place in listed if place[0] + _CHUNK_HEAD <= size_bytes]


def _standard(data: bytes) -> list[Place]:
    """The entries of one standard index: where each chunk's header is, and its size."""
    longs, sub_type, _, count, _ = _INDEX_HEAD.unpack_from(data)
    base = struct.unpack_from("<Q", data, 12)[0]
    width = 4 * longs
    if longs not in (2, 3) or (longs == 3) != (sub_type == _FIELDS):
        raise Malformed("AVI index has a form that is not known")
    count = min(count, (len(data) - _HEAD_BYTES) // width)
    entries = (struct.unpack_from("<II", data, _HEAD_BYTES + width * number) for number in range(count))
    return [(base + offset - _CHUNK_HEAD, size & 0x7FFF_FFFF) for offset, size in entries]
