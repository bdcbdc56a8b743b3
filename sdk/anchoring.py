"""Anchoring what is in the spool: single blocks, or sealed batches of them.

Nothing is sent that the ledger would be right to refuse for the block's own sake: the registry's rule is asked here
first, so that what the ledger refuses after all tells about the recorder or the slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from chaincode.anchors import MAX_BATCH_BLOCKS, MAX_BATCH_BYTES, open_batch
from evidence.batches import batch_key, make_batch, parse_batch
from evidence.blocks import Block, SignedBlock, chain_key, parse_signed_block, slot_key
from evidence.decisions import parse_revocation
from evidence.digests import sha256
from evidence.errors import Malformed, Refused, VeriframeError
from evidence.leaf_list import leaf_list
from evidence.registry import CameraEntry, judge_block, parse_camera_entry, parse_participant_entry
from sdk.attempt import Attempt
from sdk.index import LedgerEntry
from sdk.ledger import Written
from sdk.sealed import BatchRow, Row, row_block
from sdk.spool import Spool

MAX_SEALED_BATCH = 4096  # blocks under one root; 11 hours of one camera, and a leaf list of about 2 MB
_SEPARATOR_BYTES = 2

_WHY = {
    "camera_unknown": "the ledger does not know this camera",
    "camera_not_active": "the camera is not approved, or suspended, rejected or retired",
    "key_differs": "the block is signed with another key than the one registered for the camera",
    "key_revoked": "the key that signed the block has been revoked",
    "signature_invalid": "the block's signature does not fit: the spool's row was changed",
}
_NEXT_STEP = {
    "camera_unknown": "propose and approve it: `veriframe camera propose {camera} --site SITE --ip ADDRESS`",
    "camera_not_active": "a control room manager can approve or reinstate it; what was recorded stays pending",
    "key_differs": "restore the camera's key, or have the new one approved",
    "key_revoked": "record under a new key; what was signed with this one can never be anchored, its footage is kept: "
    "`veriframe store give-up --camera {camera} --reason WHY`",
    "signature_invalid": "restore the spool from a back-up; the row is kept as it is",
}

Sendable = tuple[Row, SignedBlock]
Registered = tuple[list[CameraEntry], set[str]]
"""A camera's entries, oldest first, and the ids of its revoked keys."""

Place = tuple[str | None, str | None]
"""A site and its control room."""


class Registry(Protocol):
    """The state of a ledger, as far as shipping looks at it."""

    def entries(self, prefix: str) -> Iterable[LedgerEntry]: ...

    def get(self, key: str) -> LedgerEntry | None: ...


class AnchorLedger(Protocol):
    """What shipping needs of a ledger."""

    @property
    def reader(self) -> Registry: ...

    def submit(self, function: str, *arguments: bytes) -> object: ...

    def receipt_for(self, key: str) -> Written | None: ...


class Anchoring:
    """The errand to the ledger; see `Shipper` for the arguments."""

    def __init__(self, spool: Spool, ledger: AnchorLedger, *, sealed: tuple[str, str] | None, most_blocks: int) -> None:
        self._spool = spool
        self._ledger = ledger
        self._sealed = sealed
        self._most_blocks = min(most_blocks, MAX_BATCH_BLOCKS)

    def run(self, attempt: Attempt) -> None:
        """One attempt at everything; troubles are noted, rows that are turned down are marked."""
        try:
            if self._sealed is None:
                self._anchor_open(attempt)
            else:
                self._anchor_sealed(attempt, *self._sealed)
        except VeriframeError as error:
            # The ledger is away, or overtook us at every try: all that is not marked stays as it was.
            attempt.note("ledger", error)

    def _sendable(
        self, rows: Sequence[Row], cameras: dict[str, Registered], attempt: Attempt, place: Place | None = None
    ) -> list[Sendable]:
        """The rows that still are what was sealed and that the registry lets in; the others are marked and stay.

        Args:
            place: where a camera must stand; None: the contract is asked, block by block.
        """
        passed = []
        for row in rows:
            try:
                signed = row_block(row)
                if row.camera not in cameras:
                    cameras[row.camera] = self._camera(row.camera)
                history, revoked = cameras[row.camera]
                camera = history[-1] if history else None
                reason = judge_block(camera, signed, earlier=history[:-1], revoked=revoked)
                if reason and self._stands(signed.block):
                    # An earlier send arrived, its answer did not, and the camera has been suspended since.
                    self._fetch_receipts([(row, signed)], attempt)
                    continue
                if reason and signed.block.key in revoked:
                    reason = "key_revoked"  # whatever else may be said and mended, this stays
                    attempt.unanchorable[row.number] = (row.camera, row.chain)
                if reason:
                    raise Refused(_WHY[reason], reason="denied", where=row.name, next_step=_step(reason, row))
                if camera is not None and place is not None and (camera.site, camera.control_room) != place:
                    raise _of_another_site(camera, place, row)
            except (Malformed, Refused) as error:
                self._refuse([row], error, attempt)
            else:
                passed.append((row, signed))
        return passed

    def _anchor_open(self, attempt: Attempt) -> None:
        hopeless: dict[str, VeriframeError] = {}
        cameras: dict[str, Registered] = {}
        after = 0
        while rows := self._spool.unanchored(limit=self._most_blocks, after=after):
            after = rows[-1].number
            for part in _within_bytes(self._sendable(rows, cameras, attempt)):
                self._send_open(part, attempt, hopeless)

    def _send_open(self, part: Sequence[Sendable], attempt: Attempt, hopeless: dict[str, VeriframeError]) -> None:
        for subject, error in hopeless.items():
            turned_down = [row for row, _ in part if subject in (row.camera, f"{row.camera}/{row.chain}")]
            self._refuse(turned_down, error, attempt)
            part = [(row, signed) for row, signed in part if row not in turned_down]
        if not part:
            return
        try:
            self._ledger.submit("anchor", open_batch(signed for _, signed in part))
        except (Refused, Malformed) as error:
            if len(part) == 1:
                row = part[0][0]
                self._refuse([row], error, attempt)
                if isinstance(error, Refused) and error.reason in ("denied", "not_found"):
                    hopeless[row.camera] = error
                elif row.sequence == 0 and self._ledger.reader.get(chain_key(row.camera, row.chain)) is None:
                    hopeless[f"{row.camera}/{row.chain}"] = error
                return
            # One bad block refuses the whole batch; halves find it, and the good ones go through.
            middle = len(part) // 2
            self._send_open(part[:middle], attempt, hopeless)
            self._send_open(part[middle:], attempt, hopeless)
            return
        self._fetch_receipts(part, attempt)

    def _fetch_receipts(self, part: Sequence[Sendable], attempt: Attempt) -> None:
        """Blocks of one batch may stand through several transactions: an earlier send may have arrived after all."""
        left = list(part)
        while left:
            row, _ = left[0]
            receipt = self._ledger.receipt_for(slot_key(row.camera, row.chain, row.sequence))
            covered = [] if receipt is None else [r.number for r, each in left if _covers(receipt, each.block)]
            if receipt is None or row.number not in covered:
                self._refuse([row], Malformed("the ledger took the block, but gives no receipt that shows it"), attempt)
                left = left[1:]
                continue
            self._spool.mark_anchored(covered, receipt.canonical())
            attempt.anchored += len(covered)
            done = set(covered)
            left = [each for each in left if each[0].number not in done]

    def _anchor_sealed(self, attempt: Attempt, site: str, recorder: str) -> None:
        for batch in self._spool.batches.pending(site, recorder):
            if not self._send_batch(batch, attempt):
                return
        while self._seal_batch(attempt, site, recorder):
            for batch in self._spool.batches.pending(site, recorder):
                if not self._send_batch(batch, attempt):
                    return

    def _seal_batch(self, attempt: Attempt, site: str, recorder: str) -> bool:
        """Make the next batch of what may be anchored, and commit it to the spool; False when there is nothing.

        Nobody checks the blocks under a root when it is anchored: what the verifier would refuse must not go in.
        """
        chosen: list[Sendable] = []
        cameras: dict[str, Registered] = {}
        place = self._place_of(recorder)
        after = 0
        while len(chosen) < MAX_SEALED_BATCH:
            rows = self._spool.unanchored(limit=MAX_SEALED_BATCH - len(chosen), after=after)
            if not rows:
                break
            after = rows[-1].number
            chosen += self._sendable(rows, cameras, attempt, place)
        if not chosen:
            return False
        number, previous = self._next_batch(site, recorder)
        batch, _ = make_batch(
            [signed.block for _, signed in chosen], site=site, recorder=recorder, batch=number, previous=previous
        )
        leaves = leaf_list(batch, [signed for _, signed in chosen]).canonical()
        numbers = [row.number for row, _ in chosen]
        try:
            self._spool.batches.commit(site, recorder, number, batch.canonical(), leaves, numbers)
        except Refused as error:
            # Another drain of this spool took these rows, or this number, first; what it left is looked at again.
            if error.reason != "conflict":
                raise
        return True

    def _stands(self, block: Block) -> bool:
        standing = self._ledger.reader.get(slot_key(block.camera, block.chain, block.sequence))
        return standing is not None and parse_signed_block(standing.value).block == block

    def _camera(self, camera: str) -> Registered:
        entries = self._ledger.reader.entries
        history = sorted(entries(f"camera/{camera}/"), key=lambda entry: entry.key)
        revoked = {parse_revocation(entry.value).key for entry in entries(f"revocation/{camera}/")}
        return [parse_camera_entry(entry.value) for entry in history], revoked

    def _place_of(self, recorder: str) -> Place | None:
        """Where this recorder may anchor; None for one that the ledger does not know, and refuses as such."""
        newest = max(self._ledger.reader.entries(f"participant/{recorder}/"), key=lambda each: each.key, default=None)
        entry = None if newest is None else parse_participant_entry(newest.value)
        return None if entry is None else (entry.site, entry.control_room)

    def _next_batch(self, site: str, recorder: str) -> tuple[int, bytes | None]:
        """Number of the next batch and digest of the one before, here or, should this spool be new, on the ledger."""
        here = self._spool.batches.newest(site, recorder)
        there = max(self._ledger.reader.entries(f"root/{site}/{recorder}/"), key=lambda entry: entry.key, default=None)
        if there is not None:
            number = parse_batch(there.value).batch
            if here is None or number > here.batch:
                return number + 1, sha256(there.value)
        return (0, None) if here is None else (here.batch + 1, sha256(here.document))

    def _send_batch(self, batch: BatchRow, attempt: Attempt) -> bool:
        key = batch_key(batch.site, batch.recorder, batch.batch)
        try:
            self._ledger.submit("anchor", batch.document)
        except (Refused, Malformed) as error:
            standing = self._ledger.reader.get(key)
            if standing is not None and standing.value != batch.document:
                # Another spool under this recorder's name was first; the rows go into a later batch.
                self._spool.batches.dissolve(batch)
                return True
            self._spool.batches.mark_refused(batch, str(error))
            attempt.note(f"batch {batch.batch}", error)
            return False
        receipt = self._ledger.receipt_for(key)
        if receipt is None or receipt.writes.get(key) != batch.document:
            lacking = Malformed("the ledger took the batch, but gives no receipt that shows it", where=key)
            attempt.note(f"batch {batch.batch}", lacking)
            return False
        self._spool.batches.mark_anchored(batch, receipt.canonical())
        attempt.anchored += parse_batch(batch.document).count
        return True

    def _refuse(self, rows: Sequence[Row], error: VeriframeError, attempt: Attempt) -> None:
        if rows:
            self._spool.mark_refused([row.number for row in rows], str(error))
            for row in rows:
                attempt.note(f"anchor {row.name}", error)


def _of_another_site(camera: CameraEntry, place: Place, row: Row) -> Refused:
    site, room = place
    return Refused(
        f"the camera stands at {camera.site} of {camera.control_room}, and this recorder anchors for {site} of {room}",
        reason="denied",
        where=row.name,
        next_step=f"anchor as a recorder of {camera.site}; to register one: veriframe participant register NAME "
        f"--role RECORDER --site {camera.site} --control-room {camera.control_room}",
    )


def _step(reason: str, row: Row) -> str:
    return _NEXT_STEP[reason].format(camera=row.camera)


def _within_bytes(whole: Sequence[Sendable]) -> Iterable[Sequence[Sendable]]:
    """The rows in runs whose batch document stays within the contract's size."""
    part: list[Sendable] = []
    size_bytes = _SEPARATOR_BYTES
    for row, signed in whole:
        added = len(signed.canonical()) + _SEPARATOR_BYTES
        if part and size_bytes + added > MAX_BATCH_BYTES:
            yield part
            part, size_bytes = [], _SEPARATOR_BYTES
        part.append((row, signed))
        size_bytes += added
    if part:
        yield part


def _covers(receipt: Written, block: Block) -> bool:
    """Whether the transaction wrote this very block; another signature over it is the same block."""
    value = receipt.writes.get(slot_key(block.camera, block.chain, block.sequence))
    return value is not None and parse_signed_block(value).block == block
