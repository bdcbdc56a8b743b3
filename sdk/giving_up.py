"""Giving up what can never be anchored: records that were sealed under a key which has been revoked since.

Footage and proof file stay in the store. What is given up is the wait: the row leaves the spool, and a note with the
signed block and the reason stays for good in `spool/given-up`, one file a record. A damaged
spool is set aside as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from evidence.blocks import parse_block, slot_key
from evidence.decisions import parse_revocation
from evidence.digests import to_base64
from evidence.errors import ConfigInvalid
from sdk.database import sync_folder, translated
from sdk.keys import write_new_file
from sdk.ledger import StateReader
from sdk.sealed import Row
from sdk.spool import Now, Spool

FOLDER = "given-up"
NOTE_TYPE = "veriframe/given-up/1"


def unanchorable(spool: Spool, ledger: StateReader, camera: str) -> list[Row]:
    """Rows of a camera that wait to be anchored and never can be, oldest first: their key is revoked.

    Rows in a sealed batch are left out, the batch is sent as it is; so are those that stand on the ledger after all.
    """
    revoked = {parse_revocation(entry.value).key for entry in ledger.entries(f"revocation/{camera}/")}
    if not revoked:
        return []
    return [
        row
        for row in spool.without_receipt(camera)
        if row.batch is None
        and parse_block(row.block).key in revoked
        and ledger.get(slot_key(row.camera, row.chain, row.sequence)) is None
    ]


def give_up(spool: Spool, rows: Sequence[Row], *, reason: str, now_us: int) -> list[Path]:
    """Write a note of every row, then drop the rows. Call it while holding the camera, with rows that are stored.

    A crash in between leaves notes of rows that still wait; the next call goes on.

    Returns:
        The notes of what was dropped.
    """
    folder = spool.folder / FOLDER
    notes = {row.number: folder / f"{row.camera}-{row.chain:010d}-{row.sequence:010d}.json" for row in rows}
    with translated(folder, "the notes of what was given up"):
        folder.mkdir(mode=0o700, exist_ok=True)
        for row in rows:
            note = {
                "type": NOTE_TYPE, "camera": row.camera, "chain": row.chain, "sequence": row.sequence,
                "record": row.record_sha256.hex(), "block": to_base64(row.block), "signature": to_base64(row.signature),
                "refused": row.refused, "reason": reason, "given_up_us": now_us,
            }  # fmt: skip
            if not notes[row.number].exists():
                write_new_file(notes[row.number], json.dumps(note, indent=2).encode())
        sync_folder(folder)
    return [notes[row.number] for row in spool.drop([row.number for row in rows])]


def set_aside(folder: Path, *, now: Now) -> Path:
    """Move a damaged spool out of the way, whole, so that recording can go on in new chains; nothing is deleted."""
    if not folder.is_dir():
        raise ConfigInvalid("there is no spool to move aside", where=str(folder))
    target = folder.with_name(f"{folder.name}.damaged-{now() // 1_000_000}")
    with translated(folder, "the spool"):
        folder.rename(target)
        sync_folder(folder.parent)
    return target
