"""The key that signs for a camera: made on this machine when it is first needed, and never leaving it."""

from __future__ import annotations

from evidence.digests import is_ident
from evidence.errors import ConfigInvalid
from evidence.keys import ECDSA_P256, Signer
from sdk.home import Home
from sdk.keys import load_or_create_key


def device_key(home: Home, camera: str, *, algorithm: str = ECDSA_P256) -> Signer:
    """The signer of `camera`, made now if this home has none.

    Raises:
        ConfigInvalid: not a camera's name.
        KeyUnavailable: the key cannot be read or made. A key that is lost is not replaced silently where its camera is
            registered: the ledger knows the old one, and the caller finds that the two differ.
    """
    check_camera_name(camera)
    return load_or_create_key(home.device_key(camera), algorithm=algorithm)


def check_camera_name(camera: str) -> None:
    """Raises ConfigInvalid: not a camera's name."""
    if not is_ident(camera):
        raise ConfigInvalid(
            f"{camera[:80]!r} is not a camera's name",
            next_step="use small letters, digits and hyphens, at most 63, beginning with a letter or digit",
        )
