"""Checking a store: every object, proof file, ring and leaf list is read again and held against what names it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Literal

from evidence.batches import parse_batch
from evidence.blocks import SignedBlock, parse_signed_block, slot_key
from evidence.digests import sha256
from evidence.errors import LedgerUnavailable, Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable
from evidence.fabric_read import MAX_READ_BYTES, parse_signed_read
from evidence.leaf_list import MAX_LEAF_LIST_BYTES, parse_leaf_list
from evidence.proof_file import MAX_PROOF_FILE_BYTES, ProofFile, mismatch, parse_proof_file
from evidence.records import SegmentRecord
from evidence.registry import Registry
from sdk.ledger import LedgerReader
from sdk.rings import MAX_RING_BYTES, parse_ring
from sdk.seal_stream import is_sealed
from sdk.store import AREAS, FileStore, batch_file_key, get_bytes, object_key, proof_key, ring_key

Kind = Literal["corrupt", "missing", "orphan", "stranger", "unanchored"]
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """One thing wrong with a store.

    `corrupt`: not what its name, record or the ledger says. `missing`: named by a record or the ledger, not there.
    `orphan`: named by no record. `stranger`: a file that no put has made. `unanchored`: sound, but the ledger does not
    hold it (yet).
    """

    kind: Kind
    key: str
    text: str

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"


def check_store(
    store: FileStore,
    ledger: LedgerReader | None,
    *,
    spooled: Collection[str] = (),
    progress: Callable[[float, str], None] | None = None,
) -> Iterator[StoreProblem]:
    """Read everything in the store and name what is wrong, as it is found. Changes nothing.

    Args:
        ledger: what the blocks, keys and batches are held against; None: only store against records.
        spooled: proof files that may be anchored already, but wait in the spool and are not expected here yet.
        progress: told the share that is done, 0 to 1, and the key just read.
    """
    keys = {area: list(store.list(area)) for area in AREAS}
    total = max(1, sum(map(len, keys.values())))
    done = 0

    def read(key: str) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done / total, key)

    anchors = _Anchors(store, ledger)
    yield from anchors.problems
    objects: dict[str, bool] = {}
    for key in keys["objects"]:
        problem, sealed = _check_object(store, key)
        objects[key] = sealed
        if problem is not None:
            yield problem
        read(key)
    needed: set[str] = set()
    rings: set[str] = set()
    for key in keys["proof"]:
        try:
            proof = _read_proof(store, key)
        except (Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable) as error:
            yield StoreProblem(kind="corrupt", key=key, text=error.detail)
        else:
            yield from anchors.check(key, proof)
            named = _named(proof)
            for each in named.objects - objects.keys():
                yield StoreProblem(kind="missing", key=key, text=f"its footage, {each}, is not here")
            needed |= named.objects
            sealed_here = {ring_key(bytes.fromhex(n[8:])) for n in named.objects if objects.get(n)} | named.rings
            for each in sealed_here - set(keys["rings"]):
                yield StoreProblem(
                    kind="missing", key=key, text=f"its key ring, {each}, is not here: nobody can open it"
                )
            rings |= sealed_here
        read(key)
    for key in sorted(objects.keys() - needed):
        yield StoreProblem(kind="orphan", key=key, text="no proof file names it")
    for key in keys["rings"]:
        yield from _check_ring(store, key, orphan=key not in rings)
        read(key)
    for key in keys["batches"]:
        yield from anchors.check_leaf_list(key)
        read(key)
    yield from anchors.missing_leaf_lists(set(keys["batches"]))
    yield from anchors.missing_proofs({*keys["proof"], *spooled})
    for key in keys["reads"]:
        yield from _check_read(store, key)
        read(key)
    for area in AREAS:
        for key in store.strangers(area):
            yield StoreProblem(kind="stranger", key=key, text="no file that the store has made")


def _check_read(store: FileStore, key: str) -> Iterator[StoreProblem]:
    try:
        document = get_bytes(store, key, limit=MAX_READ_BYTES)
        if sha256(document).hex() != key.rpartition("-")[2]:
            raise Malformed("its bytes are not those that its name states")
        parse_signed_read(document)
    except (Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable) as error:
        yield StoreProblem(kind="corrupt", key=key, text=error.detail)


def check_empty(store: FileStore, ledger: LedgerReader, *, spooled: Collection[str] = ()) -> Iterator[StoreProblem]:
    """What the ledger says should be in a store in which there is nothing at all."""
    anchors = _Anchors(store, ledger)
    yield from anchors.problems
    yield from anchors.missing_leaf_lists(set())
    yield from anchors.missing_proofs(spooled)


@dataclass(frozen=True, slots=True)
class _Named:
    objects: set[str]
    rings: set[str]


def _named(proof: ProofFile) -> _Named:
    """The object a record names, and the ring that its sealed private part needs."""
    record = proof.record
    media = record.media if isinstance(record, SegmentRecord) else None
    rings: set[str] = set()
    if is_sealed(proof.private):
        rings.add(ring_key(sha256(proof.private) if media is None else media.object))
    return _Named(set() if media is None else {object_key(media.object)}, rings)


def _read_proof(store: FileStore, key: str) -> ProofFile:
    proof = parse_proof_file(get_bytes(store, key, limit=MAX_PROOF_FILE_BYTES))
    if key != proof_key(proof.record.camera, proof.record.chain, proof.record.sequence):
        raise Malformed("it stands under another slot's name")
    if reason := mismatch(proof):
        raise Malformed(f"its parts do not belong together ({reason})")
    return proof


def _check_object(store: FileStore, key: str) -> tuple[StoreProblem | None, bool]:
    """What is wrong with an object, and whether it is encrypted."""
    digest, first = hashlib.sha256(), b""
    try:
        with store.get(key) as file:
            while block := file.read(_READ_BYTES):
                first = first or block[:4]
                digest.update(block)
    except (ObjectMissing, StoreUnavailable) as error:
        return StoreProblem(kind="corrupt", key=key, text=error.detail), False
    except OSError as error:
        return StoreProblem(kind="corrupt", key=key, text=f"it cannot be read ({error.strerror})"), False
    if key != object_key(digest.digest()):
        return StoreProblem(kind="corrupt", key=key, text="its bytes are not what its name says"), is_sealed(first)
    return None, is_sealed(first)


def _check_ring(store: FileStore, key: str, *, orphan: bool) -> Iterator[StoreProblem]:
    try:
        ring = parse_ring(get_bytes(store, key, limit=MAX_RING_BYTES))
    except (Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable) as error:
        yield StoreProblem(kind="corrupt", key=key, text=error.detail)
        return
    if ring_key(ring.opens) != key:
        yield StoreProblem(kind="corrupt", key=key, text="it is the ring of another object")
    elif orphan:
        yield StoreProblem(kind="orphan", key=key, text="no proof file needs it")


class _Anchors:
    """What the ledger says about blocks and batches; without a ledger it says nothing is wrong."""

    def __init__(self, store: FileStore, ledger: LedgerReader | None) -> None:
        self._store = store
        self._ledger = ledger
        self._registry: Registry | None = None
        self._batches: dict[str, bytes] = {}
        self._sealed: dict[str, SignedBlock] = {}
        self.problems: list[StoreProblem] = []
        if ledger is None:
            return
        try:
            self._registry = Registry((e.position, e.key, e.value) for e in ledger.entries("camera/"))
            for entry in ledger.entries("root/"):
                batch = parse_batch(entry.value)
                self._batches[batch_file_key(batch.site, batch.recorder, batch.batch)] = entry.value
        except (Malformed, LedgerUnavailable) as error:
            # Store against records can still be told.
            self._ledger = self._registry = None
            self.problems.append(StoreProblem(kind="corrupt", key="ledger", text=str(error)))

    def check(self, key: str, proof: ProofFile) -> Iterator[StoreProblem]:
        if self._ledger is None or self._registry is None:
            return
        block = proof.signed.block
        history = self._registry.camera_history(block.camera)
        keys = {entry.device_key.key_id: entry.device_key for _, entry in history}
        device = keys.get(block.key)
        if device is None or not device.verify(proof.signed.signature, block.signing_input()):
            yield StoreProblem(kind="corrupt", key=key, text="its signature is not by a key registered for the camera")
            return
        slot = slot_key(block.camera, block.chain, block.sequence)
        try:
            standing = self._ledger.get(slot)
            anchored = parse_signed_block(standing.value) if standing is not None else self._in_batches(slot)
        except (Malformed, LedgerUnavailable) as error:
            yield StoreProblem(kind="corrupt", key=key, text=f"the ledger's entry for its slot cannot be read: {error}")
            return
        if anchored is None:
            yield StoreProblem(kind="unanchored", key=key, text="the ledger does not hold its block")
        elif anchored.block != block:
            yield StoreProblem(kind="corrupt", key=key, text="the ledger holds another block in its slot")

    def _in_batches(self, slot: str) -> SignedBlock | None:
        if not self._sealed and self._batches:
            for key, document in self._batches.items():
                try:
                    leaves = parse_leaf_list(get_bytes(self._store, key, limit=MAX_LEAF_LIST_BYTES))
                    if not leaves.belongs_to(parse_batch(document)):
                        continue
                except (Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable):
                    continue  # named by check_leaf_list or missing_leaf_lists
                for signed in leaves.blocks:
                    name = slot_key(signed.block.camera, signed.block.chain, signed.block.sequence)
                    self._sealed.setdefault(name, signed)
        return self._sealed.get(slot)

    def check_leaf_list(self, key: str) -> Iterator[StoreProblem]:
        try:
            leaves = parse_leaf_list(get_bytes(self._store, key, limit=MAX_LEAF_LIST_BYTES))
            if key != batch_file_key(leaves.site, leaves.recorder, leaves.batch):
                raise Malformed("it is the leaf list of another batch")
            document = self._batches.get(key)
            if document is not None and not leaves.belongs_to(parse_batch(document)):
                raise Malformed("it is not the list under the batch's root on the ledger")
        except (Malformed, ObjectCorrupt, ObjectMissing, StoreUnavailable) as error:
            yield StoreProblem(kind="corrupt", key=key, text=error.detail)
            return
        if self._ledger is not None and document is None:
            yield StoreProblem(kind="unanchored", key=key, text="the ledger does not hold its batch")

    def missing_leaf_lists(self, there: set[str]) -> Iterator[StoreProblem]:
        for key in sorted(self._batches.keys() - there):
            yield StoreProblem(kind="missing", key=key, text="the ledger holds this batch, its leaf list is not here")

    def missing_proofs(self, there: Collection[str]) -> Iterator[StoreProblem]:
        """What is anchored, but cannot be proven from here: its proof file is lost."""
        if self._ledger is None:
            return
        self._in_batches("")
        slots = {*self._sealed, *(entry.key for entry in self._ledger.entries("block/"))}
        for slot in sorted(slots):
            _, camera, chain, sequence = slot.split("/")
            key = proof_key(camera, int(chain), int(sequence))
            if key not in there:
                yield StoreProblem(kind="missing", key=key, text="the ledger holds its block, its proof is not here")
