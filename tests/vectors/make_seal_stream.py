"""Writes seal_stream.json with AES-GCM and HKDF alone, not through Veriframe: the vectors are a second opinion."""

import hashlib
import json
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CHUNK = 65_536
LABELS = {1: b"media", 2: b"private part"}


def content(size: int) -> bytes:
    pattern = b"".join(hashlib.sha256(n.to_bytes(4, "big")).digest() for n in range(64))
    return (pattern * (size // len(pattern) + 1))[:size]


def sealed(clear: bytes, data_key: bytes, kind: int, prefix: bytes) -> bytes:
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"veriframe/seal/1 " + LABELS[kind]).derive(
        data_key
    )
    header = b"VFS1" + bytes([kind]) + CHUNK.to_bytes(4, "big") + prefix
    parts = [clear[at : at + CHUNK] for at in range(0, len(clear), CHUNK)] or [b""]
    out = header
    for number, part in enumerate(parts):
        out += AESGCM(key).encrypt(prefix + number.to_bytes(4, "big") + bytes([number == len(parts) - 1]), part, header)
    return out


def vector(size: int, kind: int, seed: int) -> dict[str, object]:
    data_key = hashlib.sha256(b"data key %d" % seed).digest()
    prefix = hashlib.sha256(b"prefix %d" % seed).digest()[:7]
    clear = content(size)
    out = sealed(clear, data_key, kind, prefix)
    return {
        "size": size,
        "kind": kind,
        "data_key": data_key.hex(),
        "prefix": prefix.hex(),
        "clear_sha256": hashlib.sha256(clear).hexdigest(),
        "sealed_sha256": hashlib.sha256(out).hexdigest(),
        "sealed_begins": out[:48].hex(),
    }


def main() -> None:
    sizes = (0, 1, 1000, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 200_000)
    vectors = [vector(size, 1 + n % 2, n) for n, size in enumerate(sizes)]
    note = "content: SHA-256 of 0..63 as u32 big-endian, joined, repeated to `size` bytes"
    path = Path(__file__).with_name("seal_stream.json")
    path.write_text(json.dumps({"note": note, "vectors": vectors}, indent=1) + "\n")


if __name__ == "__main__":
    main()
