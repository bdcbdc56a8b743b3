"""Encrypted objects: AES-256-GCM over 64 KiB chunks, so that a second of footage decrypts without the rest.

    header   "VFS1" · kind u8 · chunk size u32 · prefix 7 bytes                                   16 bytes
    chunk i  AES-256-GCM(key, nonce = prefix · i as u32 · last as u8, AAD = header), tag at its end

All chunks but the last are full; only an empty content has an empty chunk. Counter and last flag in the nonce make
cutting, doubling, reordering or joining chunks fail like any changed byte. Integers are big-endian.

Source: Hoang, Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance"
(CRYPTO 2015), section 7, STREAM. The content key is used for one content only.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from evidence.errors import Malformed, ObjectCorrupt

KEY_BYTES: Final = 32
CHUNK_BYTES: Final = 64 << 10
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 16
PREFIX_BYTES: Final = 7

MEDIA: Final = 1
PRIVATE: Final = 2
KINDS: Final = {MEDIA: "media", PRIVATE: "private part"}

_MAGIC: Final = b"VFS1"
_MAX_CHUNKS: Final = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedContent:
    """What a record says about an object: clear length and digest, and the digest of the stored bytes, its name."""

    size_bytes: int
    sha256: bytes
    object: bytes


def new_data_key() -> bytes:
    """A fresh key for one segment."""
    return os.urandom(KEY_BYTES)


def content_key(data_key: bytes, kind: int) -> bytes:
    """The key of one content of a segment: media and private part must not share one, whatever their prefixes."""
    if kind not in KINDS or len(data_key) != KEY_BYTES:
        raise Malformed("a content key needs a data key of 32 bytes and a known kind")
    info = b"veriframe/seal/1 " + KINDS[kind].encode("ascii")
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(data_key)


def seal(
    source: BinaryIO, target: BinaryIO, data_key: bytes, kind: int, *, random: Callable[[int], bytes] = os.urandom
) -> SealedContent:
    """Encrypt `source` to its end into `target`.

    Raises:
        Malformed: wrong key length, unknown kind, or more than 256 TiB.
    """
    cipher = AESGCM(content_key(data_key, kind))
    header = _MAGIC + bytes([kind]) + CHUNK_BYTES.to_bytes(4, "big") + random(PREFIX_BYTES)
    clear, stored, size = hashlib.sha256(), hashlib.sha256(header), 0
    target.write(header)
    chunk = _read_full(source, CHUNK_BYTES)
    for number in range(_MAX_CHUNKS):
        # One chunk of looking ahead tells whether this one is the last.
        following = _read_full(source, CHUNK_BYTES) if len(chunk) == CHUNK_BYTES else b""
        sealed = cipher.encrypt(_nonce(header, number, last=not following), chunk, header)
        target.write(sealed)
        clear.update(chunk)
        stored.update(sealed)
        size += len(chunk)
        if not following:
            return SealedContent(size_bytes=size, sha256=clear.digest(), object=stored.digest())
        chunk = following
    raise Malformed("an object cannot hold more than 256 TiB")


def unseal(source: BinaryIO, target: BinaryIO, data_key: bytes, kind: int) -> None:
    """Decrypt `source` to its end into `target`. Nothing that failed its check is written; what precedes it is.

    Raises:
        ObjectCorrupt: another key, or a byte, chunk or the length is not what was sealed. Malformed: no sealed object.
    """
    header = _checked_header(source.read(HEADER_BYTES), kind)
    cipher = AESGCM(content_key(data_key, kind))
    chunk = _read_full(source, CHUNK_BYTES + TAG_BYTES)
    for number in range(_MAX_CHUNKS):
        following = _read_full(source, CHUNK_BYTES + TAG_BYTES) if len(chunk) == CHUNK_BYTES + TAG_BYTES else b""
        target.write(_open_chunk(cipher, header, number, chunk, last=not following))
        if not following:
            return
        chunk = following
    raise ObjectCorrupt("the object has more chunks than a sealed object can have")


def seal_bytes(data: bytes, data_key: bytes, kind: int, *, random: Callable[[int], bytes] = os.urandom) -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(data), target, data_key, kind, random=random)
    return target.getvalue()


def unseal_bytes(data: bytes, data_key: bytes, kind: int) -> bytes:
    """See `unseal`."""
    target = io.BytesIO()
    unseal(io.BytesIO(data), target, data_key, kind)
    return target.getvalue()


def is_sealed(data: bytes) -> bool:
    """Whether these bytes begin like a sealed object; clear media and private parts never do."""
    return data.startswith(_MAGIC)


class SealedReader:
    """Random access to a sealed object: a range costs the chunks it touches.

    Opening checks the last chunk, so that an object that lost its end is refused before any of it is shown.
    """

    def __init__(self, source: BinaryIO, data_key: bytes, kind: int) -> None:
        """Args: source: seekable, positioned anywhere. Raises as `unseal`."""
        self._source = source
        stored = source.seek(0, io.SEEK_END)
        source.seek(0)
        self._header = _checked_header(source.read(HEADER_BYTES), kind)
        self._cipher = AESGCM(content_key(data_key, kind))
        body = stored - HEADER_BYTES
        self._count = max(1, -(-body // (CHUNK_BYTES + TAG_BYTES)))
        self.size_bytes = body - self._count * TAG_BYTES
        if self.size_bytes < 0 or self._count > _MAX_CHUNKS:
            raise ObjectCorrupt("the object is shorter or longer than a sealed object can be")
        self._chunk(self._count - 1)

    def read_at(self, offset: int, length: int) -> bytes:
        """The clear bytes from `offset`, fewer than `length` only at the end. Raises as `unseal`."""
        end = min(offset + length, self.size_bytes)
        if offset < 0 or offset >= end:
            return b""
        first, last = offset // CHUNK_BYTES, (end - 1) // CHUNK_BYTES
        clear = b"".join(self._chunk(number) for number in range(first, last + 1))
        return clear[offset - first * CHUNK_BYTES : end - first * CHUNK_BYTES]

    def _chunk(self, number: int) -> bytes:
        self._source.seek(HEADER_BYTES + number * (CHUNK_BYTES + TAG_BYTES))
        sealed = _read_full(self._source, CHUNK_BYTES + TAG_BYTES)
        return _open_chunk(self._cipher, self._header, number, sealed, last=number == self._count - 1)


def _nonce(header: bytes, number: int, *, last: bool) -> bytes:
    return header[-PREFIX_BYTES:] + number.to_bytes(4, "big") + bytes([last])


def _open_chunk(cipher: AESGCM, header: bytes, number: int, sealed: bytes, *, last: bool) -> bytes:
    where = f"chunk {number}"
    # A short chunk in the middle, or an empty last one after others, would be a second spelling of the same content.
    if len(sealed) < TAG_BYTES or (last and number > 0 and len(sealed) == TAG_BYTES):
        raise ObjectCorrupt("the object ends inside a chunk or has an empty one", where=where)
    try:
        return cipher.decrypt(_nonce(header, number, last=last), sealed, header)
    except InvalidTag as error:
        raise ObjectCorrupt(
            "the object does not open: it was changed, cut, or sealed under another key", where=where
        ) from error


def _checked_header(header: bytes, kind: int) -> bytes:
    if len(header) != HEADER_BYTES or not header.startswith(_MAGIC):
        raise Malformed("this is not a sealed object")
    if header[4] != kind or int.from_bytes(header[5:9], "big") != CHUNK_BYTES:
        raise Malformed(f"this is not a sealed {KINDS.get(kind, 'content')} with chunks of 64 KiB")
    return header


def _read_full(source: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end: pipes and sockets deliver less than they were asked for."""
    data = source.read(size)
    while 0 < len(data) < size:
        more = source.read(size - len(data))
        if not more:
            break
        data += more
    return data
