"""The errand after anchoring on Fabric: have organisations sign what now stands there, and keep it in the store.

A row of the spool that is anchored and has no receipt is still to be read. Its receipt becomes the name under which the
signed read is kept. A read that was taken and not noted, because of a crash, is taken again; both are kept, and both
are true.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from evidence.batches import batch_key
from evidence.blocks import parse_block, slot_key
from evidence.errors import VeriframeError
from sdk.attempt import Attempt
from sdk.fabric_reads import Wait
from sdk.gateway_blocking import BlockingGateway
from sdk.interval_reads import Interval, read_interval
from sdk.sealed import Row
from sdk.spool import Spool
from sdk.store import Store, put_bytes, read_key

# Slots that are asked for together: about a day of one camera, so that a crash loses little.
MOST_SLOTS = 5000


class ReadBack:
    """Takes signed reads of what a spool has anchored; see `Shipper`."""

    def __init__(self, spool: Spool, store: Store, gateway: BlockingGateway, *, wait: Wait = time.sleep) -> None:
        self._spool = spool
        self._store = store
        self._gateway = gateway
        self._wait = wait

    def run(self, attempt: Attempt) -> None:
        """One attempt at all that is to be read; troubles are noted, and what was not read stays to be read."""
        after = 0
        while rows := self._spool.unread(limit=MOST_SLOTS, after=after):
            after = rows[-1].number
            for run in _runs(rows):
                try:
                    self._read(run)
                except VeriframeError as error:
                    attempt.note(f"signed read {run[0].camera}", error)
                    if error.retryable:
                        return

    def _read(self, rows: Sequence[Row]) -> None:
        first, last = rows[0], rows[-1]
        blocks = [parse_block(row.block) for row in rows]
        interval = Interval(camera=first.camera, chain=first.chain, first=first.sequence, last=last.sequence)
        documents = read_interval(
            self._gateway,
            interval,
            hints=self._batches_of,
            times_us=(min(each.start_us for each in blocks), max(each.end_us for each in blocks)),
            anchored=set(self._keys(rows)),
            wait=self._wait,
        )
        names = [read_key(first.camera, first.chain, first.sequence, last.sequence, each) for each in documents]
        for name, document in zip(names, documents, strict=True):
            put_bytes(self._store, name, document)
        # A crash before this line has it read again, which harms nothing.
        self._spool.mark_read([row.number for row in rows], "\n".join(names).encode("ascii"))

    def _keys(self, rows: Iterable[Row]) -> Iterator[str]:
        for row in rows:
            held = list(self._batches_of((row.camera, row.chain, row.sequence)))
            yield batch_key(*held[0]) if held else slot_key(row.camera, row.chain, row.sequence)

    def _batches_of(self, slot: tuple[str, int, int]) -> Iterable[tuple[str, str, int]]:
        row = self._spool.row(*slot)
        batch = None if row is None or row.batch is None else self._spool.batches.numbered(row.batch)
        return () if batch is None else [(batch.site, batch.recorder, batch.batch)]


def _runs(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    """Rows of one camera and chain whose sequences follow each other."""
    ordered = sorted(rows, key=lambda row: (row.camera, row.chain, row.sequence))
    numbered = enumerate(ordered)
    for _, run in groupby(numbered, key=lambda each: (each[1].camera, each[1].chain, each[1].sequence - each[0])):
        yield [row for _, row in run]
