"""Carries what is in the spool to the store and to the ledger: two errands, neither waits for the other.

Every send may have failed, or have succeeded without our hearing of it, so every send can be repeated: objects are
named by their content, proof files and blocks by their slot, and a batch document is made once and kept before it is
sent. What is turned down stays in the spool, with the reason, and is tried again by the next drain.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chaincode.anchors import MAX_BATCH_BLOCKS
from evidence.errors import Malformed, ObjectCorrupt, ObjectMissing, Refused, VeriframeError
from evidence.leaf_list import parse_leaf_list
from evidence.proof_file import ProofFile
from evidence.records import SegmentRecord
from sdk.anchoring import Anchoring, AnchorLedger
from sdk.attempt import Attempt, Trouble
from sdk.index import Index
from sdk.rings import parse_ring
from sdk.sealed import Row, examine_row
from sdk.spool import Spool
from sdk.store import Store, batch_file_key, object_key, proof_key, put_bytes, ring_key

__all__ = ["AnchorLedger", "Drained", "Shipper", "Trouble"]

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What a drain did, and what is left; nothing is left only when both pending figures are 0.

    waiting: per camera of which something is left, how many records are not stored, and not anchored.
    unanchorable: of these the ones signed under a revoked key, by camera and chain: no ledger will ever take them.
    unread: anchored records of which no signed read has been taken yet; 0 where the ledger needs none.
    """

    stored: int
    anchored: int
    pending_store: int
    pending_anchor: int
    troubles: tuple[Trouble, ...]
    waiting: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    unanchorable: Mapping[tuple[str, int], int] = field(default_factory=dict)
    unread: int = 0

    @property
    def complete(self) -> bool:
        return self.pending_store == 0 and self.pending_anchor == 0


class Errand(Protocol):
    """A further thing that is done in every attempt."""

    def run(self, attempt: Attempt) -> None:
        """Do what can be done; troubles are noted, never raised."""
        ...


class Shipper:
    """Drains one spool into one store and one ledger.

    Args:
        ledger: acts as the recorder.
        index: made to know what has been stored; None: not kept.
        sealed: anchor sealed batches of this (site, recorder) instead of single blocks.
        most_blocks: of one open batch, at most 500.
        reading: takes signed reads of what has been anchored; None: the ledger gives receipts at once.
    """

    def __init__(
        self,
        spool: Spool,
        store: Store,
        ledger: AnchorLedger,
        *,
        index: Index | None = None,
        sealed: tuple[str, str] | None = None,
        most_blocks: int = MAX_BATCH_BLOCKS,
        reading: Errand | None = None,
    ) -> None:
        self._spool = spool
        self._store = store
        self._reading = reading
        self._index = index
        self._sealed = sealed
        self._anchoring = Anchoring(spool, ledger, sealed=sealed, most_blocks=most_blocks)

    def drain(
        self,
        *,
        patience_s: float = 0.0,
        wait: Callable[[float], None] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> Drained:
        """Ship all there is; when store or ledger is away, try again with growing pauses until patience ends.

        Args:
            patience_s: sum of the pauses after which the rest is left pending; 0: one attempt.
            wait: sleeps; needed when there is patience.
            jitter: 0 to 1, spreads the pauses of many recorders.

        Raises:
            Malformed, SpoolFull, StoreUnavailable: of the spool itself. Troubles of store and ledger are reported.
        """
        stored = anchored = 0
        waited, pause = 0.0, FIRST_WAIT_S
        while True:
            attempt = Attempt()
            self._anchoring.run(attempt)
            self._put(attempt)
            if self._reading is not None:
                self._reading.run(attempt)
            stored, anchored = stored + attempt.stored, anchored + attempt.anchored
            self._spool.prune()
            if wait is None or not attempt.retryable or waited >= patience_s:
                break
            if attempt.stored or attempt.anchored:
                pause = FIRST_WAIT_S
            seconds = min(pause * (1 + jitter()) / 2, max(patience_s - waited, 0.05))
            wait(seconds)
            waited += seconds
            pause = min(pause * 2, LONGEST_WAIT_S)
        left = self._spool.backlog()
        return Drained(
            stored=stored,
            anchored=anchored,
            pending_store=left.unstored,
            pending_anchor=left.unanchored,
            troubles=tuple(attempt.troubles),
            waiting=self._spool.waiting(),
            unanchorable=Counter(attempt.unanchorable.values()),
            unread=0 if self._reading is None else self._spool.unread_count(),
        )

    def _put(self, attempt: Attempt) -> None:
        after = 0
        while rows := self._spool.unstored(after=after):
            after = rows[-1].number
            there: list[tuple[Row, ProofFile]] = []
            away: VeriframeError | None = None
            for row in rows:
                try:
                    there.append((row, self._put_row(row)))
                except (Refused, Malformed, ObjectCorrupt, ObjectMissing) as error:
                    # Another drain may have stored the row, and dropped its files, while this one was on its way.
                    if not self._spool.is_stored(row.number):
                        attempt.note(f"store {row.name}", error)
                except VeriframeError as error:
                    # The store itself: the others would fare no better.
                    away = error
                    break
            self._index_rows([proof for _, proof in there], attempt)
            # A crash before this line has them put again, which changes nothing.
            self._spool.mark_stored([row.number for row, _ in there])
            attempt.stored += len(there)
            if away is not None:
                attempt.note("store", away)
                return
        self._put_leaf_lists(attempt)

    def _index_rows(self, proofs: Sequence[ProofFile], attempt: Attempt) -> None:
        """The index is search only and can be made anew: its troubles are told, and hold up nothing."""
        if self._index is not None and proofs:
            try:
                self._index.add(*proofs)
            except VeriframeError as error:
                attempt.note("index", error)

    def _put_row(self, row: Row) -> ProofFile:
        """Object, ring, then proof file: a proof file in the store says that what it names is there too."""
        proof, _ = examine_row(row)
        record = proof.record
        if isinstance(record, SegmentRecord) and record.media is not None:
            if row.media_path is None:
                raise ObjectMissing("the spool's row has lost its media", where=row.name)
            try:
                file = row.media_path.open("rb")
            except FileNotFoundError as error:
                raise ObjectMissing("the media file is no longer in the spool", where=str(row.media_path)) from error
            except OSError as error:
                raise ObjectCorrupt(
                    f"the media file cannot be read ({error.strerror})", where=str(row.media_path)
                ) from error
            with file:
                self._store.put(object_key(record.media.object), file)
        if row.ring is not None:
            key = ring_key(parse_ring(row.ring).opens)
            # A ring may have been rewritten since an earlier attempt stored it; the newer one stays.
            if not self._store.exists(key):
                put_bytes(self._store, key, row.ring)
        assert row.proof is not None  # examine_row has just read it
        put_bytes(self._store, proof_key(row.camera, row.chain, row.sequence), row.proof)
        return proof

    def _put_leaf_lists(self, attempt: Attempt) -> None:
        if self._sealed is None:
            return
        for batch in self._spool.batches.unstored(*self._sealed):
            try:
                put_bytes(self._store, batch_file_key(batch.site, batch.recorder, batch.batch), batch.leaves)
                if self._index is not None:
                    self._index.add_batch(parse_leaf_list(batch.leaves))
            except VeriframeError as error:
                attempt.note(f"leaf list {batch.batch}", error)
                if error.retryable:
                    return
            else:
                self._spool.batches.mark_stored(batch)
