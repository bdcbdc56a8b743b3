"""Sealed objects: known answers, random access, and every way of rearranging chunks."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.digests import sha256
from evidence.errors import Malformed, ObjectCorrupt
from sdk.seal_stream import (
    CHUNK_BYTES,
    HEADER_BYTES,
    MEDIA,
    PRIVATE,
    TAG_BYTES,
    SealedReader,
    is_sealed,
    seal,
    seal_bytes,
    unseal_bytes,
)

KEY = bytes(range(32))
SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES
VECTORS = Path(__file__).parents[2] / "vectors" / "seal_stream.json"


def content(size: int) -> bytes:
    pattern = b"".join(sha256(n.to_bytes(4, "big")) for n in range(64))
    return (pattern * (size // len(pattern) + 1))[:size]


def chunks(sealed: bytes) -> tuple[bytes, list[bytes]]:
    header, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    return header, [body[n : n + SEALED_CHUNK] for n in range(0, len(body), SEALED_CHUNK)]


def refused(sealed: bytes, *, kind: int = MEDIA, key: bytes = KEY) -> bool:
    for read in (lambda: unseal_bytes(sealed, key, kind), lambda: read_all(sealed, key, kind)):
        with pytest.raises((ObjectCorrupt, Malformed)):
            read()
    return True


def read_all(sealed: bytes, key: bytes, kind: int) -> bytes:
    reader = SealedReader(io.BytesIO(sealed), key, kind)
    return b"".join(reader.read_at(at, 50_000) for at in range(0, reader.size_bytes, 50_000))


@pytest.mark.parametrize("vector", json.loads(VECTORS.read_text())["vectors"], ids=lambda v: f"{v['size']}-{v['kind']}")
def test_the_published_vectors_are_met(vector: dict[str, object]) -> None:
    clear, key = content(int(str(vector["size"]))), bytes.fromhex(str(vector["data_key"]))
    kind = int(str(vector["kind"]))
    sealed = seal_bytes(clear, key, kind, random=lambda _: bytes.fromhex(str(vector["prefix"])))
    assert sha256(clear).hex() == vector["clear_sha256"]
    assert sha256(sealed).hex() == vector["sealed_sha256"]
    assert sealed[:48].hex() == vector["sealed_begins"]
    assert unseal_bytes(sealed, key, kind) == clear


def test_a_stranger_opens_it_with_aes_gcm_and_hkdf_alone() -> None:
    clear = content(CHUNK_BYTES * 2 + 5)
    header, parts = chunks(seal_bytes(clear, KEY, MEDIA))
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"veriframe/seal/1 media").derive(KEY)
    opened = b""
    for number, part in enumerate(parts):
        nonce = header[9:16] + number.to_bytes(4, "big") + bytes([number == len(parts) - 1])
        opened += AESGCM(key).decrypt(nonce, part, header)
    assert opened == clear
    assert header[:9] == b"VFS1\x01\x00\x01\x00\x00"


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_every_size_comes_back_and_is_described(size: int) -> None:
    clear, target = content(size), io.BytesIO()
    described = seal(io.BytesIO(clear), target, KEY, MEDIA)
    sealed = target.getvalue()
    assert unseal_bytes(sealed, KEY, MEDIA) == read_all(sealed, KEY, MEDIA) == clear
    assert (described.size_bytes, described.sha256, described.object) == (size, sha256(clear), sha256(sealed))
    assert is_sealed(sealed)


@settings(max_examples=60, deadline=None)
@given(offset=st.integers(0, 4 * CHUNK_BYTES), length=st.integers(0, 3 * CHUNK_BYTES))
def test_any_range_reads_as_the_clear_bytes_do(offset: int, length: int) -> None:
    clear = content(3 * CHUNK_BYTES + 77)
    reader = SealedReader(io.BytesIO(SEALED_THREE), KEY, MEDIA)
    assert reader.read_at(offset, length) == clear[offset : offset + length]


SEALED_THREE = seal_bytes(content(3 * CHUNK_BYTES + 77), KEY, MEDIA, random=lambda n: b"\x05" * n)
SEALED_OTHER = seal_bytes(content(3 * CHUNK_BYTES + 77), KEY, MEDIA, random=lambda n: b"\x06" * n)


@settings(max_examples=100, deadline=None)
@given(at=st.integers(0, len(SEALED_THREE) - 1), bit=st.integers(0, 7))
def test_any_flipped_bit_is_refused(at: int, bit: int) -> None:
    changed = bytearray(SEALED_THREE)
    changed[at] ^= 1 << bit
    assert refused(bytes(changed))


@settings(max_examples=60, deadline=None)
@given(length=st.integers(0, len(SEALED_THREE) - 1))
def test_any_truncation_is_refused(length: int) -> None:
    assert refused(SEALED_THREE[:length])


def test_truncation_at_a_chunk_is_refused_before_anything_is_read() -> None:
    header, parts = chunks(SEALED_THREE)
    for count in range(len(parts)):
        with pytest.raises(ObjectCorrupt):
            SealedReader(io.BytesIO(header + b"".join(parts[:count])), KEY, MEDIA)


@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, 3), min_size=0, max_size=6).filter(lambda o: o != [0, 1, 2, 3]))
def test_any_other_arrangement_of_the_chunks_is_refused(order: list[int]) -> None:
    header, parts = chunks(SEALED_THREE)
    assert refused(header + b"".join(parts[n] for n in order))


def test_a_chunk_of_another_object_under_the_same_key_is_refused() -> None:
    header, parts = chunks(SEALED_THREE)
    parts[1] = chunks(SEALED_OTHER)[1][1]
    assert refused(header + b"".join(parts))


def test_appended_bytes_are_refused() -> None:
    assert refused(SEALED_THREE + b"\x00")
    assert refused(SEALED_THREE + chunks(SEALED_THREE)[1][-1])


def test_another_key_or_kind_is_refused() -> None:
    assert refused(SEALED_THREE, key=bytes(32))
    assert refused(SEALED_THREE, kind=PRIVATE)
    relabelled = SEALED_THREE[:4] + bytes([PRIVATE]) + SEALED_THREE[5:]
    assert refused(relabelled, kind=PRIVATE)


def test_two_objects_of_the_same_bytes_share_nothing() -> None:
    first, second = seal_bytes(b"x" * 1000, KEY, MEDIA), seal_bytes(b"x" * 1000, KEY, MEDIA)
    assert first[HEADER_BYTES:] != second[HEADER_BYTES:]


def test_a_source_that_delivers_little_at_a_time_gives_the_same_object() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 0, 1000))

    target = io.BytesIO()
    seal(Slow(content(100_000)), target, KEY, MEDIA, random=lambda n: b"\x05" * n)
    assert target.getvalue() == seal_bytes(content(100_000), KEY, MEDIA, random=lambda n: b"\x05" * n)


def test_what_is_not_sealed_is_malformed() -> None:
    for data in (b"", b"VFS1", b"\x1aE\xdf\xa3" + bytes(100)):
        with pytest.raises(Malformed):
            unseal_bytes(data, KEY, MEDIA)
        with pytest.raises(Malformed):
            SealedReader(io.BytesIO(data), KEY, MEDIA)
