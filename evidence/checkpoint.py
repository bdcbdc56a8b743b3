"""Checkpoints: signed notes over the size and root of a ledger's log, and cosignatures of witnesses.

Source: C2SP signed-note, tlog-checkpoint and tlog-cosignature (`cosignature/v1`). Vectors: tests/vectors/tlog.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from evidence.canonical import MAX_INTEGER
from evidence.digests import DIGEST_BYTES, parse_base64, to_base64
from evidence.errors import Malformed

ALGORITHM_NOTE = 1
ALGORITHM_COSIGNATURE = 4

MAX_NOTE_BYTES = 64 << 10
MAX_SIGNATURES = 100

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_KEY_HASH = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteKey:
    """A note verifier key: name, algorithm byte and raw Ed25519 key; `text` is its C2SP spelling."""

    name: str
    algorithm: int
    key: bytes

    @property
    def key_hash(self) -> bytes:
        """The 4 bytes that lead every signature of this key."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.key).digest()[:4]

    @property
    def text(self) -> str:
        return f"{self.name}+{self.key_hash.hex()}+{to_base64(bytes([self.algorithm]) + self.key)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteSignature:
    """One signature line: the name it claims, the key hash, and the bytes behind it."""

    name: str
    key_hash: bytes
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A parsed checkpoint; `body` is the signed text, nothing in it is believed before a signature is checked."""

    origin: str
    size: int
    root: bytes
    body: bytes
    signatures: tuple[NoteSignature, ...]

    def signed_by(self, key: NoteKey) -> bool:
        """Tell whether the log's key `key` signed this checkpoint."""
        return key.algorithm == ALGORITHM_NOTE and any(
            _verify(key.key, each.signature, self.body) for each in self._of(key)
        )

    def cosigned_by(self, key: NoteKey) -> int | None:
        """Unix second at which witness `key` cosigned, the earliest of its valid ones; None where it did not."""
        if key.algorithm != ALGORITHM_COSIGNATURE:
            return None
        times = []
        for each in self._of(key):
            if len(each.signature) != 72:
                continue
            second = int.from_bytes(each.signature[:8], "big")
            message = b"cosignature/v1\ntime %d\n" % second + self.body
            # A time of 0 is a cosignature without a time (tlog-cosignature).
            if 0 < second <= MAX_INTEGER // 1_000_000 and _verify(key.key, each.signature[8:], message):
                times.append(second)
        return min(times, default=None)

    def _of(self, key: NoteKey) -> Iterable[NoteSignature]:
        return (each for each in self.signatures if each.name == key.name and each.key_hash == key.key_hash)


def _verify(key: bytes, signature: bytes, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 256 and "+" not in text and text.isprintable() and not any(c.isspace() for c in text)


def note_key(name: str, key: bytes, algorithm: int = ALGORITHM_NOTE) -> NoteKey:
    """Verifier key for raw Ed25519 bytes. Raises Malformed for a name or key that cannot stand in a note."""
    if not _is_name(name) or len(key) != 32 or algorithm not in (ALGORITHM_NOTE, ALGORITHM_COSIGNATURE):
        raise Malformed("note verifier key needs a name without spaces or plus signs and an Ed25519 key of 32 bytes")
    return NoteKey(name=name, algorithm=algorithm, key=key)


def parse_note_key(text: object) -> NoteKey:
    """Read `name+hash+base64`. Raises Malformed, also where the hash does not fit."""
    parts = text.split("+", 2) if isinstance(text, str) else []
    if len(parts) != 3 or _KEY_HASH.fullmatch(parts[1]) is None:
        raise Malformed("note verifier key is not of the form name+hash+key")
    data = parse_base64(parts[2], "note verifier key", limit=64)
    if len(data) != 33:
        raise Malformed("note verifier key does not hold an algorithm byte and 32 bytes")
    key = note_key(parts[0], data[1:], data[0])
    if key.key_hash.hex() != parts[1]:
        raise Malformed("note verifier key's hash does not fit its key")
    return key


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """The text that is signed: origin, size and root, a line each."""
    if len(root) != DIGEST_BYTES or not 0 <= size <= MAX_INTEGER:
        raise Malformed("checkpoint needs a root of 32 bytes and a size")
    return f"{origin}\n{size}\n{to_base64(root)}\n".encode()


def sign_checkpoint(origin: str, size: int, root: bytes, key: Ed25519PrivateKey) -> bytes:
    """A checkpoint signed by the log's own key, whose name is the origin."""
    body = checkpoint_body(origin, size, root)
    verifier = note_key(origin, key.public_key().public_bytes_raw())
    return body + b"\n" + signature_line(verifier, key.sign(body))


def cosign_checkpoint(checkpoint: Checkpoint, name: str, key: Ed25519PrivateKey, second: int) -> bytes:
    """A witness's signature line, to be appended to the note (`cosignature/v1`)."""
    witness = note_key(name, key.public_key().public_bytes_raw(), ALGORITHM_COSIGNATURE)
    signature = key.sign(b"cosignature/v1\ntime %d\n" % second + checkpoint.body)
    return signature_line(witness, second.to_bytes(8, "big") + signature)


def signature_line(key: NoteKey, signature: bytes) -> bytes:
    return f"\u2014 {key.name} {to_base64(key.key_hash + signature)}\n".encode()


def parse_checkpoint(note: bytes) -> Checkpoint:
    """Read a signed note with a checkpoint in it; signatures are read, not checked.

    Raises:
        Malformed: not UTF-8, no signature, malformed lines, or more than 100 signatures.
    """
    if len(note) > MAX_NOTE_BYTES:
        raise Malformed(f"checkpoint is larger than {MAX_NOTE_BYTES} bytes")
    try:
        text = note.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("checkpoint is not UTF-8") from error
    body, separator, tail = text.rpartition("\n\n")
    if not separator or not tail.endswith("\n") or any(ord(c) < 0x20 and c != "\n" for c in text):
        raise Malformed("checkpoint is not a signed note")
    body += "\n"
    lines = body.split("\n")
    # origin, size, root, then optional extension lines that must not be empty, and the end of the last line
    if len(lines) < 4 or not lines[0] or not all(lines[3:-1]) or _SIZE.fullmatch(lines[1]) is None:
        raise Malformed("checkpoint does not begin with origin, size and root")
    root = parse_base64(lines[2], "checkpoint root", limit=DIGEST_BYTES)
    size = int(lines[1])
    if len(root) != DIGEST_BYTES or size > MAX_INTEGER:
        raise Malformed("checkpoint's root or size is out of bounds")
    return Checkpoint(
        origin=lines[0], size=size, root=root, body=body.encode(), signatures=_signatures(tail[:-1].split("\n"))
    )


def _signatures(lines: Sequence[str]) -> tuple[NoteSignature, ...]:
    if len(lines) > MAX_SIGNATURES:
        raise Malformed(f"checkpoint carries more than {MAX_SIGNATURES} signatures")
    signatures = []
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014" or not _is_name(parts[1]):
            raise Malformed("checkpoint has a malformed signature line")
        data = parse_base64(parts[2], "checkpoint signature", limit=8192)
        if len(data) < 5:
            raise Malformed("checkpoint has a signature that is too short")
        signatures.append(NoteSignature(name=parts[1], key_hash=data[:4], signature=data[4:]))
    return tuple(signatures)
