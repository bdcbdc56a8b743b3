"""Keys that follow each other: a folder of private keys, each in a file or folder named by its own key id.

A new key is made before the ledger knows it, and used from the moment the ledger does. Nothing is ever moved, replaced
or deleted, so that a crash between any two steps leaves all keys where they were, under names that say which is which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from evidence.errors import KeyUnavailable
from evidence.keys import ECDSA_P256, PrivateKeySigner
from sdk.keys import generate_key, load_key, private_key_pem, write_new_file

_KEY_ID = re.compile("[0-9a-f]{64}")

Known = Callable[[str], bool]
"""Whether a ledger knows this key id: then it belongs to somebody, for ever."""


def kept_keys(folder: Path, file: str) -> Iterator[tuple[str, Path]]:
    """(key id, place) of the keys in a folder, by key id.

    Args:
        file: how a key's file is named within the folder, with `{}` for its id.
    """
    if not folder.is_dir():
        return
    for path in sorted(folder.glob(file.format("*"))):
        key_id = path.relative_to(folder).parts[0].removesuffix(".pem")
        if _KEY_ID.fullmatch(key_id):
            yield key_id, path


def kept_key(folder: Path, file: str, key_id: str) -> PrivateKeySigner | None:
    """The key `key_id` of a folder, None where it is not there.

    Raises:
        KeyUnavailable: it cannot be read, or is another than its name says.
    """
    path = folder / file.format(key_id)
    if not path.exists():
        return None
    signer = load_key(path)
    if signer.public_key.key_id != key_id:
        raise KeyUnavailable(
            "the private key is another one than its name says",
            where=str(path),
            next_step="restore it from the back-up",
        )
    return signer


def spare_key(folder: Path, file: str, *, known: Known, algorithm: str = ECDSA_P256) -> PrivateKeySigner:
    """A key of the folder that no ledger knows yet: one that an interrupted call left, else a new one.

    Raises:
        KeyUnavailable: it cannot be read or written.
    """
    for key_id, _ in kept_keys(folder, file):
        if not known(key_id):
            found = kept_key(folder, file, key_id)
            assert found is not None  # it has just been listed
            return found
    key = generate_key(algorithm)
    signer = PrivateKeySigner(key)
    path = folder / file.format(signer.public_key.key_id)
    try:
        # A crash before this leaves nothing, after it a key that the next call takes up.
        write_new_file(path, private_key_pem(key))
    except OSError as error:
        raise KeyUnavailable(f"the key cannot be written: {error.strerror}", where=str(path)) from error
    return signer
