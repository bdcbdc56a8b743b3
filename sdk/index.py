"""The index: where to look. Key-picture digests, segment times and which sealed batch a slot is in.

Search only. Whatever it answers is checked against records and ledger, and losing it costs one `rebuild`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

from evidence.batches import parse_batch
from evidence.errors import Malformed, ObjectCorrupt, ObjectMissing
from evidence.leaf_list import MAX_LEAF_LIST_BYTES, LeafList, parse_leaf_list
from evidence.leaves import KEY
from evidence.proof_file import MAX_PROOF_FILE_BYTES, ProofFile, mismatch, parse_proof_file
from evidence.records import SegmentRecord
from sdk.database import Database, sync_folder, translated
from sdk.store import Store, batch_file_key, get_bytes, proof_key

_WHAT = "the index"
_REPAIR = "make it anew from store and ledger: veriframe store reindex"
_VERSION = 1
_DIGEST_BYTES = 16  # half a digest finds as well as a whole one: what is found is compared in full
_SCHEMA = """
CREATE TABLE segments(
  number INTEGER PRIMARY KEY, camera TEXT NOT NULL, chain INTEGER NOT NULL, sequence INTEGER NOT NULL,
  kind TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, first_unit INTEGER NOT NULL,
  units INTEGER NOT NULL, object BLOB, UNIQUE(camera, chain, sequence)) STRICT;
CREATE INDEX times ON segments(camera, start_us);
CREATE TABLE keys(
  digest BLOB NOT NULL, segment INTEGER NOT NULL REFERENCES segments(number), unit INTEGER NOT NULL,
  PRIMARY KEY(digest, segment, unit)) STRICT, WITHOUT ROWID;
CREATE TABLE batched(
  camera TEXT NOT NULL, chain INTEGER NOT NULL, sequence INTEGER NOT NULL,
  site TEXT NOT NULL, recorder TEXT NOT NULL, batch INTEGER NOT NULL,
  PRIMARY KEY(camera, chain, sequence, site, recorder, batch)) STRICT, WITHOUT ROWID
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One segment or gap; `units` pictures from running number `first_unit`; `object` names its media."""

    camera: str
    chain: int
    sequence: int
    kind: str
    start_us: int
    end_us: int
    first_unit: int
    units: int
    object: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A key picture that may be the one asked for: picture `unit` of its segment."""

    camera: str
    chain: int
    sequence: int
    unit: int


class LedgerEntry(Protocol):
    @property
    def key(self) -> str: ...

    @property
    def value(self) -> bytes: ...


class BatchLedger(Protocol):
    """What rebuilding asks of a ledger: everything under a prefix."""

    def entries(self, prefix: str) -> Iterable[LedgerEntry]: ...


class Index:
    """The file `index.db` of a home."""

    def __init__(self, path: Path) -> None:
        """Open or make it. Raises as `Database` does."""
        self._db = Database(path, schema=_SCHEMA, version=_VERSION, what=_WHAT, repair=_REPAIR)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    def add(self, *proofs: ProofFile) -> None:
        """Make records findable, in one transaction; again is no change."""
        with self._db.transaction() as change:
            for proof in proofs:
                _add(change, proof)

    def add_batch(self, leaves: LeafList) -> None:
        """Note which slots a sealed batch filled; again is no change."""
        with self._db.transaction() as change:
            change.executemany(
                "INSERT INTO batched VALUES(?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                [
                    (b.block.camera, b.block.chain, b.block.sequence, leaves.site, leaves.recorder, leaves.batch)
                    for b in leaves.blocks
                ],
            )

    def find(self, digests: Iterable[bytes]) -> list[Hit]:
        """Key pictures with these digests, by camera, chain, sequence, unit. Many digests are asked in one go."""
        found: set[tuple[str, int, int, int]] = set()
        wanted = sorted({digest[:_DIGEST_BYTES] for digest in digests})
        for at in range(0, len(wanted), 500):
            part = wanted[at : at + 500]
            marks = ",".join("?" * len(part))
            found.update(
                (c, n, s, u)
                for c, n, s, u in self._db.rows(
                    "SELECT camera,chain,sequence,unit FROM keys JOIN segments ON segment=number"
                    f" WHERE digest IN ({marks})",
                    part,
                    kinds="tiii",
                )
            )
        return [Hit(camera=c, chain=n, sequence=s, unit=u) for c, n, s, u in sorted(found)]

    def slots(self, *, camera: str | None = None, from_us: int | None = None, to_us: int | None = None) -> list[Slot]:
        """Segments and gaps that touch the half-open interval, in order of camera, chain and sequence."""
        conditions: list[str] = ["1"]
        values: list[object] = []
        for condition, value in (("camera=?", camera), ("end_us>?", from_us), ("start_us<?", to_us)):
            if value is not None:
                conditions.append(condition)
                values.append(value)
        rows = self._db.rows(
            "SELECT camera,chain,sequence,kind,start_us,end_us,first_unit,units,object FROM segments"
            f" WHERE {' AND '.join(conditions)} ORDER BY camera,chain,sequence",
            values,
            kinds="tiitiiiiB",
        )
        return [
            Slot(
                camera=r[0], chain=r[1], sequence=r[2], kind=r[3], start_us=r[4], end_us=r[5], first_unit=r[6],
                units=r[7], object=r[8],
            )
            for r in rows
        ]  # fmt: skip

    def batches_of(self, camera: str, chain: int, sequence: int) -> list[tuple[str, str, int]]:
        """Sealed batches that hold the slot, as (site, recorder, batch)."""
        rows = self._db.rows(
            "SELECT site,recorder,batch FROM batched WHERE camera=? AND chain=? AND sequence=?"
            " ORDER BY site,recorder,batch",
            (camera, chain, sequence),
            kinds="tti",
        )
        return [(site, recorder, batch) for site, recorder, batch in rows]

    def contents(self) -> list[tuple[object, ...]]:
        """Everything in it, independent of the order in which it came; equal indexes have equal contents."""
        return [
            *self._db.rows(
                "SELECT camera,chain,sequence,kind,start_us,end_us,first_unit,units,object FROM segments"
                " ORDER BY 1,2,3",
                kinds="tiitiiiiB",
            ),
            *self._db.rows(
                "SELECT digest,camera,chain,sequence,unit FROM keys JOIN segments ON segment=number ORDER BY 1,2,3,4,5",
                kinds="btiii",
            ),
            *self._db.rows("SELECT * FROM batched ORDER BY 1,2,3,4,5,6", kinds="tiitti"),
        ]


def _add(change: sqlite3.Connection, proof: ProofFile) -> None:
    record = proof.record
    media = record.media if isinstance(record, SegmentRecord) else None
    units = record.units.count if isinstance(record, SegmentRecord) else 0
    added = change.execute(
        "INSERT INTO segments(camera,chain,sequence,kind,start_us,end_us,first_unit,units,object)"
        " VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        (
            record.camera, record.chain, record.sequence, record.kind, record.start_us, record.end_us,
            record.first_unit, units, None if media is None else media.object,
        ),
    )  # fmt: skip
    if added.rowcount:
        change.executemany(
            "INSERT INTO keys(digest,segment,unit) VALUES(?,?,?)",
            [
                (proof.coded[unit * 32 : unit * 32 + _DIGEST_BYTES], added.lastrowid, unit)
                for unit, flags in enumerate(proof.flags)
                if flags & KEY
            ],
        )


def rebuild(
    path: Path, store: Store, ledger: BatchLedger, *, progress: Callable[[str], None] | None = None
) -> Sequence[str]:
    """Make the index anew from store and ledger, and put it in the place of the old one.

    Args:
        progress: told the key of every file that was read.

    Returns:
        What had to be left out, one sentence each: damaged proof files, leaf lists that the ledger does not know.
    """
    fresh = path.with_name(path.name + ".new")
    for left in (fresh, fresh.with_name(fresh.name + "-wal"), fresh.with_name(fresh.name + "-shm")):
        left.unlink(missing_ok=True)
    problems: list[str] = []
    with Index(fresh) as index:
        for key in store.list("proof"):
            try:
                proof = parse_proof_file(get_bytes(store, key, limit=MAX_PROOF_FILE_BYTES))
                if key != proof_key(proof.record.camera, proof.record.chain, proof.record.sequence):
                    raise Malformed("it stands under another slot's name")
                if reason := mismatch(proof):
                    raise Malformed(f"its parts do not belong together ({reason})")
                index.add(proof)
            except (Malformed, ObjectCorrupt, ObjectMissing) as error:
                problems.append(f"{key}: {error.detail}")
            if progress is not None:
                progress(key)
        for entry in ledger.entries("root/"):
            key = entry.key
            try:
                batch = parse_batch(entry.value)
                key = batch_file_key(batch.site, batch.recorder, batch.batch)
                leaves = parse_leaf_list(get_bytes(store, key, limit=MAX_LEAF_LIST_BYTES))
                if not leaves.belongs_to(batch):
                    raise Malformed("it is not the list under the batch's root on the ledger")
                index.add_batch(leaves)
            except (Malformed, ObjectCorrupt, ObjectMissing) as error:
                problems.append(f"{key}: {error.detail}")
    with translated(path, _WHAT):
        # The old journal must not be read into the new file.
        for left in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            left.unlink(missing_ok=True)
        os.replace(fresh, path)
        sync_folder(path.parent)
    return problems
