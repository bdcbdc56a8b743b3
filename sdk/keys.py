"""Private keys in files: made where they are used, readable by their owner only, never overwritten."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from evidence.errors import KeyUnavailable, Malformed
from evidence.keys import ECDSA_P256, ED25519, PrivateKeySigner

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_MAX_KEY_FILE = 16 << 10


def generate_key(algorithm: str = ECDSA_P256) -> PrivateKey:
    if algorithm == ECDSA_P256:
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    raise KeyUnavailable(f"keys of the kind {algorithm!r} cannot be made", next_step=f"use {ECDSA_P256} or {ED25519}")


def create_key(path: Path, *, algorithm: str = ECDSA_P256) -> PrivateKeySigner:
    """Make a key and keep it at `path`, mode 0600.

    Raises:
        KeyUnavailable: a file stands there already, or it cannot be written. An existing key is never replaced:
            what it signed could not be explained afterwards.
    """
    key = generate_key(algorithm)
    try:
        write_new_file(path, private_key_pem(key))
    except FileExistsError as error:
        raise KeyUnavailable("a key stands here already and is never overwritten", where=str(path)) from error
    except OSError as error:
        raise KeyUnavailable(f"the key cannot be written: {error.strerror}", where=str(path)) from error
    return PrivateKeySigner(key)


def private_key_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_key(path: Path) -> PrivateKeySigner:
    """The signer whose key stands at `path`; see `load_private_key`."""
    return PrivateKeySigner(load_private_key(path))


def load_private_key(path: Path) -> PrivateKey:
    """Read a private key (PEM, PKCS#8, unencrypted).

    Raises:
        KeyUnavailable: missing, readable by others, not a key, or of a kind that Veriframe does not use.
    """
    where = str(path)
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            # Asked of the open file, so that nobody can exchange it between the question and the reading.
            if not stat.S_ISREG(status.st_mode):
                raise KeyUnavailable("this is not a regular file", where=where)
            if status.st_mode & 0o077:
                raise KeyUnavailable(
                    f"the private key is open to other users (mode {stat.S_IMODE(status.st_mode):04o})",
                    where=where,
                    next_step=f"chmod 600 {path}; if others could read it, replace the key",
                )
            data = file.read(_MAX_KEY_FILE + 1)
    except FileNotFoundError as error:
        raise KeyUnavailable(
            "the private key is not there",
            where=where,
            next_step="restore it from the back-up, or enrol a new key; a lost key cannot be made again",
        ) from error
    except OSError as error:
        raise KeyUnavailable(f"the private key cannot be read: {error.strerror}", where=where) from error
    try:
        if len(data) > _MAX_KEY_FILE:
            raise ValueError("too large")
        key = serialization.load_pem_private_key(data, password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey):
            raise KeyUnavailable("this key is neither ECDSA P-256 nor Ed25519", where=where)
        PrivateKeySigner(key)  # refuses curves other than P-256
        return key
    except (ValueError, TypeError, UnsupportedAlgorithm, Malformed) as error:
        raise KeyUnavailable(
            "this is not a usable private key (PEM, PKCS#8, ECDSA P-256 or Ed25519, without a passphrase)",
            where=where,
            next_step="restore it from the back-up",
        ) from error


def load_or_create_key(path: Path, *, algorithm: str = ECDSA_P256) -> PrivateKeySigner:
    """The key at `path`, made there on first use. Two processes that come at once end up with the same key."""
    if not path.exists():
        try:
            return create_key(path, algorithm=algorithm)
        except KeyUnavailable:
            # Either another process was first, and its key is the one; or loading names what is wrong.
            if not path.exists():
                raise
    return load_key(path)


def write_new_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file that did not exist, whole or not at all, and durable when this returns.

    A crash leaves at most a file with a leading dot and the ending `.new` beside it.

    Raises:
        FileExistsError, OSError.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except FileExistsError as error:
        # Something that is no folder has the folder's name: to the caller that is not "your file exists".
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from error
    with _written_beside(path, data, mode) as temporary:
        # link, unlike rename, fails where the name is taken: the first of two writers wins.
        os.link(temporary, path)
    _sync_names(path.parent)


def replace_file(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write a file in place of the one before it: whoever reads it finds the one or the other, also after a crash.

    Raises:
        OSError.
    """
    with _written_beside(path, data, mode) as temporary:
        os.replace(temporary, path)
    _sync_names(path.parent)


@contextmanager
def _written_beside(path: Path, data: bytes, mode: int) -> Iterator[Path]:
    """A durable file with this content beside `path`, gone at the end unless it was renamed."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_names(folder: Path) -> None:
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
