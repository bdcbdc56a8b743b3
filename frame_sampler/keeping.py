"""A segment's media and private part in the form that the store keeps: as they are, or encrypted under a key ring."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.digests import sha256
from evidence.records import Media
from sdk.database import translated
from sdk.rings import Recipient, make_ring, parse_recipient
from sdk.seal_stream import MEDIA, PRIVATE, new_data_key, seal, seal_bytes

if TYPE_CHECKING:
    from sdk.settings import StoreSettings  # loads pydantic, which who calls this has loaded or does not need

_PIECE_BYTES = 1 << 20
_WHAT = "the spool"


@dataclass(slots=True)
class Keeper:
    """Keeps the two contents of one segment. One object per segment: a data key serves once.

    Args:
        recipients: who can open it; empty: it is kept in clear.
    """

    recipients: Sequence[Recipient]
    _data_key: bytes = b""
    _opens: bytes = b""

    def media(self, clear: Path, target: Path) -> tuple[Media, Path]:
        """What the record says about the media file `clear`, and the file to hand to the spool.

        Encrypted, that is `target`, and `clear` is gone.

        Raises:
            SpoolFull, StoreUnavailable, ConfigInvalid: the disk.
        """
        with translated(clear, _WHAT), clear.open("rb") as source:
            if not self.recipients:
                digest, size = hashlib.sha256(), 0
                while piece := source.read(_PIECE_BYTES):
                    digest.update(piece)
                    size += len(piece)
                return Media(size_bytes=size, sha256=digest.digest(), object=digest.digest()), clear
            with target.open("xb") as sealed:
                content = seal(source, sealed, self._key(), MEDIA)
        with translated(clear, _WHAT):
            clear.unlink()
        self._opens = content.object
        return Media(size_bytes=content.size_bytes, sha256=content.sha256, object=content.object), target

    def private(self, clear: bytes) -> bytes:
        """The private part as the proof file holds it."""
        if not self.recipients:
            return clear
        sealed = seal_bytes(clear, self._key(), PRIVATE)
        # A ring is named by what it opens: the media, or without media the private part.
        self._opens = self._opens or sha256(sealed)
        return sealed

    def ring(self) -> bytes | None:
        """The key ring for what was kept, None in clear; call it last."""
        if not self.recipients:
            return None
        return make_ring(self._opens, self._key(), self.recipients).canonical()

    def _key(self) -> bytes:
        self._data_key = self._data_key or new_data_key()
        return self._data_key


def recipients_of(settings: StoreSettings) -> tuple[Recipient, ...]:
    """Who can open what this home stores; empty where it stores in clear. Raises ConfigInvalid."""
    return tuple(parse_recipient(text) for text in settings.recipients) if settings.encrypted else ()
