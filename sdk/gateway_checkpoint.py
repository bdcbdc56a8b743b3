"""Up to where events have been dealt with, kept so that a crash loses none.

Save a checkpoint after an event's work is done: a crash in between repeats that one event and skips none.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.errors import ConfigInvalid

_MAX_BYTES = 1024
MAX_BLOCK = (1 << 53) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Behind the transaction `tx_id` of `block`; with an empty `tx_id`, before the first one of it."""

    block: int
    tx_id: str


class CheckpointFile:
    """A checkpoint in a file of its own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> Checkpoint | None:
        """What was saved last, None where nothing was. Raises Malformed, ConfigInvalid."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ConfigInvalid(f"the checkpoint cannot be read: {error.strerror}", where=str(self._path)) from error
        f = Fields(parse_canonical(data, "checkpoint", limit=_MAX_BYTES), "checkpoint", ("block", "tx_id"))
        return Checkpoint(block=f.integer("block", 0, MAX_BLOCK), tx_id=f.text("tx_id", limit=64))

    def save(self, checkpoint: Checkpoint) -> None:
        """Durable when this returns; a crash leaves the old one or the new one. Raises ConfigInvalid."""
        draft = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as file:
                file.write(canonical({"block": checkpoint.block, "tx_id": checkpoint.tx_id}))
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise ConfigInvalid(f"the checkpoint cannot be written: {error.strerror}", where=str(self._path)) from error
