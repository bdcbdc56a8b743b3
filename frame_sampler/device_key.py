"""The keys that sign for a camera: made on this machine when they are first needed, and never leaving it.

keys/devices/<camera>.pem            the first
keys/devices/<camera>/<key id>.pem   every later one, see `sdk.spare_keys`
"""

from __future__ import annotations

from pathlib import Path

from evidence.digests import is_ident
from evidence.errors import ConfigInvalid, KeyUnavailable
from evidence.keys import ECDSA_P256, Signer
from sdk.home import Home
from sdk.keys import load_key, load_or_create_key
from sdk.spare_keys import Known, kept_key, spare_key

_LATER = "{}.pem"


def device_key(home: Home, camera: str, *, algorithm: str = ECDSA_P256) -> Signer:
    """The signer of `camera`, made now if this home has none.

    Raises:
        ConfigInvalid: not a camera's name.
        KeyUnavailable: the key cannot be read or made. A key that is lost is not replaced silently where its camera is
            registered: the ledger knows the old one, and the caller finds that the two differ.
    """
    check_camera_name(camera)
    return load_or_create_key(home.device_key(camera), algorithm=algorithm)


def key_of_id(home: Home, camera: str, key_id: str) -> Signer:
    """The signer of `camera` whose key is `key_id`, the first or a later one.

    Raises:
        KeyUnavailable: this home does not have it, or it cannot be read.
    """
    check_camera_name(camera)
    later = kept_key(_folder(home, camera), _LATER, key_id)
    if later is not None:
        return later
    first = home.device_key(camera)
    signer = load_key(first)
    if signer.public_key.key_id != key_id:
        raise KeyUnavailable(
            f"the key of camera {camera} in this home is not the one registered for it",
            where=str(first),
            next_step="record where its key is, restore the key, or have a new one approved: "
            f"veriframe camera change {camera} --new-key",
        )
    return signer


def next_device_key(home: Home, camera: str, *, known: Known, algorithm: str = ECDSA_P256) -> Signer:
    """A new key for `camera`, or one made before that no ledger knows yet. It signs nothing before it is approved.

    Raises:
        ConfigInvalid: not a camera's name. KeyUnavailable: it cannot be read or made.
    """
    check_camera_name(camera)
    return spare_key(_folder(home, camera), _LATER, known=known, algorithm=algorithm)


def _folder(home: Home, camera: str) -> Path:
    return home.device_key(camera).with_suffix("")


def check_camera_name(camera: str) -> None:
    """Raises ConfigInvalid: not a camera's name."""
    if not is_ident(camera):
        raise ConfigInvalid(
            f"{camera[:80]!r} is not a camera's name",
            next_step="use small letters, digits and hyphens, at most 63, beginning with a letter or digit",
        )
