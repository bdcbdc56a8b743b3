"""Key rings: who can open a segment. The data key, wrapped for each recipient with HPKE (RFC 9180).

A ring is a file of its own beside the object, the only thing in the store that is ever rewritten: new recipients and
revoked grants change the ring, never an object, its name, or anything that was signed.

A ring is named by what it opens: the SHA-256 of the stored media object, or, where a segment keeps no media, of its
sealed private part. That name is in the HPKE context, so a wrapped key moved to another object's ring does not open.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import parse_base64, sha256, to_base64
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from sdk.keys import write_new_file
from sdk.seal_stream import KEY_BYTES

RING_TYPE = "veriframe/ring/1"
SUITE = "x25519-hkdf-sha256-aes-256-gcm"
MIN_RECIPIENTS = 2  # one lost key must not lose the footage
MAX_RECIPIENTS = 1000
_WRAPPED_BYTES = 32 + KEY_BYTES + 16  # X25519 share, key, tag
MAX_RING_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Recipient:
    """A public key that data keys are wrapped for; from `parse_recipient`."""

    key_id: str
    public_key: X25519PublicKey

    @property
    def text(self) -> str:
        """As it stands in settings: base64 of the DER SubjectPublicKeyInfo."""
        return to_base64(_spki(self.public_key))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """`wrapped` maps recipients' key ids to wrapped keys of 80 bytes."""

    opens: bytes
    wrapped: dict[str, bytes]

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": RING_TYPE,
                "opens": self.opens.hex(),
                "suite": SUITE,
                "keys": [{"recipient": k, "wrapped": to_base64(w)} for k, w in sorted(self.wrapped.items())],
            }
        )


def parse_recipient(text: str) -> Recipient:
    """Read a recipient from settings. Raises ConfigInvalid."""
    try:
        return recipient_of(serialization.load_der_public_key(parse_base64(text, "recovery recipient", limit=512)))
    except (Malformed, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigInvalid(
            "a recovery recipient is not the base64 of an X25519 public key (DER)",
            where="store.recipients",
            next_step="openssl pkey -in recovery-1.pem -pubout -outform DER | base64 -w0",
        ) from error


def recipient_of(key: object) -> Recipient:
    """The recipient of a public key, or of the private key's public half. Raises Malformed for other kinds of key."""
    if isinstance(key, X25519PrivateKey):
        key = key.public_key()
    if not isinstance(key, X25519PublicKey):
        raise Malformed("recipients have X25519 keys")
    return Recipient(sha256(_spki(key)).hex(), key)


def make_ring(opens: bytes, data_key: bytes, recipients: Sequence[Recipient]) -> Ring:
    """Wrap a segment's key.

    Args:
        opens: the ring's name, see the module's text.

    Raises:
        ConfigInvalid: fewer than two different recipients.
    """
    if len({r.key_id for r in recipients}) < MIN_RECIPIENTS:
        raise ConfigInvalid(
            f"an encrypted store needs at least {MIN_RECIPIENTS} different recovery recipients",
            where="store.recipients",
            next_step="add a second recovery key that is kept elsewhere",
        )
    return Ring(opens=opens, wrapped={r.key_id: _wrap(opens, data_key, r) for r in recipients})


def open_ring(ring: Ring, key: X25519PrivateKey) -> bytes:
    """The data key, 32 bytes.

    Raises:
        KeyUnavailable: this key is no recipient, or its entry was changed or belongs to another object.
    """
    recipient = recipient_of(key)
    wrapped = ring.wrapped.get(recipient.key_id)
    if wrapped is None:
        raise KeyUnavailable(
            "this key is not among those the footage was encrypted for",
            where=recipient.key_id[:16],
            next_step="use one of the recovery keys, or ask for access",
        )
    try:
        data_key = _suite().decrypt(wrapped, key, info=_info(ring.opens))
    except (InvalidTag, ValueError) as error:
        raise KeyUnavailable("the wrapped key does not open: the ring was changed", where=ring.opens.hex()) from error
    if len(data_key) != KEY_BYTES:
        raise KeyUnavailable("the wrapped key is not a data key", where=ring.opens.hex())
    return data_key


def rewrap(ring: Ring, key: X25519PrivateKey, *, add: Iterable[Recipient] = (), drop: Iterable[str] = ()) -> Ring:
    """The ring with recipients added and others (by key id) dropped; opened with `key`, a present recipient's.

    Raises:
        KeyUnavailable: see `open_ring`. ConfigInvalid: fewer than two recipients would be left.
    """
    data_key = open_ring(ring, key)
    dropped = set(drop)
    kept = {key_id: wrapped for key_id, wrapped in ring.wrapped.items() if key_id not in dropped}
    kept |= {r.key_id: _wrap(ring.opens, data_key, r) for r in add}
    if not MIN_RECIPIENTS <= len(kept) <= MAX_RECIPIENTS:
        raise ConfigInvalid(f"a ring has {MIN_RECIPIENTS} to {MAX_RECIPIENTS} recipients, not {len(kept)}")
    return Ring(opens=ring.opens, wrapped=kept)


def parse_ring(data: bytes) -> Ring:
    """Read a ring file. Raises Malformed."""
    f = Fields(parse_canonical(data, "key ring", limit=MAX_RING_BYTES), "key ring", ("type", "opens", "suite", "keys"))
    f.const("type", RING_TYPE)
    f.choice("suite", (SUITE,))
    wrapped: dict[str, bytes] = {}
    for entry in f.list("keys", limit=MAX_RECIPIENTS):
        one = Fields(entry, "key ring: entry", ("recipient", "wrapped"))
        sealed = one.base64("wrapped", limit=_WRAPPED_BYTES)
        if len(sealed) != _WRAPPED_BYTES:
            raise Malformed("key ring: a wrapped key has another length than 80 bytes")
        wrapped[one.digest("recipient").hex()] = sealed
    ring = Ring(opens=f.digest("opens"), wrapped=wrapped)
    if ring.canonical() != data:
        raise Malformed("key ring: recipients are not in order, each once")
    return ring


def create_recovery_key(path: Path) -> Recipient:
    """Make a recovery key in a new file, mode 0600. Raises KeyUnavailable: a file is there, or cannot be written."""
    key = X25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    try:
        write_new_file(path, pem)
    except FileExistsError as error:
        raise KeyUnavailable("a key stands here already and is never overwritten", where=str(path)) from error
    except OSError as error:
        raise KeyUnavailable(f"the key cannot be written: {error.strerror}", where=str(path)) from error
    return recipient_of(key)


def load_recovery_key(path: Path) -> X25519PrivateKey:
    """Read a recovery key (PEM, PKCS#8). Raises KeyUnavailable."""
    where = str(path)
    try:
        data = path.read_bytes()[: 16 << 10]
        key = serialization.load_pem_private_key(data, password=None)
    except OSError as error:
        raise KeyUnavailable(f"the recovery key cannot be read: {error.strerror}", where=where) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable("this is not a private key (PEM, PKCS#8, without a passphrase)", where=where) from error
    if not isinstance(key, X25519PrivateKey):
        raise KeyUnavailable("recovery keys are X25519 keys; this is another kind", where=where)
    return key


def _spki(key: X25519PublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


def _info(opens: bytes) -> bytes:
    return RING_TYPE.encode("ascii") + b"\x00" + opens


def _wrap(opens: bytes, data_key: bytes, recipient: Recipient) -> bytes:
    return _suite().encrypt(data_key, recipient.public_key, info=_info(opens))
