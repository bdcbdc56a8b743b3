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
from evidence.blocks import parse_block, parse_signed_block, slot_key
from evidence.errors import Malformed, VeriframeError
from evidence.fabric_read import parse_signed_read
from sdk.attempt import Attempt
from sdk.fabric_reads import Behind, Slots, Wait
from sdk.gateway_blocking import BlockingGateway
from sdk.interval_reads import Interval, read_interval
from sdk.sealed import Row
from sdk.spool import Spool
from sdk.store import Store, put_bytes, read_key

# Slots that are asked for together: about a day of one camera, so that a crash loses little.
MOST_SLOTS = 5000
# Runs and slots that are shown in one read, where there are several.
MOST_RUNS = 30
MOST_TOGETHER = 600


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
            for runs in _cameras(rows):
                try:
                    self._read(runs)
                except VeriframeError as error:
                    attempt.note(f"signed read {runs[0][0].camera}", error)
                    # Where peers answered, those of other cameras may be read all the same.
                    if error.retryable and not isinstance(error, Behind):
                        return

    def _read(self, runs: Sequence[Sequence[Row]]) -> None:
        rows = [row for run in runs for row in run]
        first = runs[0][0]
        blocks = [parse_block(row.block) for row in rows]
        slots = tuple(Slots(run[0].chain, run[0].sequence, run[-1].sequence) for run in runs)
        documents = read_interval(
            self._gateway,
            Interval(camera=first.camera, runs=slots),
            hints=self._batches_of,
            times_us=(min(each.start_us for each in blocks), max(each.end_us for each in blocks)),
            anchored=set(self._keys(rows)),
            wait=self._wait,
        )
        self._check_shown(rows, documents)
        # Named by the first of the runs; a read may show several.
        names = [read_key(first.camera, *slots[0], each) for each in documents]
        for name, document in zip(names, documents, strict=True):
            put_bytes(self._store, name, document)
        # A crash before this line has it read again, which harms nothing.
        self._spool.mark_read([row.number for row in rows], "\n".join(names).encode("ascii"))

    def _keys(self, rows: Iterable[Row]) -> Iterator[str]:
        for row in rows:
            held = list(self._batches_of((row.camera, row.chain, row.sequence)))
            yield batch_key(*held[0]) if held else slot_key(row.camera, row.chain, row.sequence)

    def _check_shown(self, rows: Iterable[Row], documents: Iterable[bytes]) -> None:
        """A read that shows something else than was anchored is no word for it, whoever signed. Raises Malformed."""
        shown = {key: value for each in documents for key, (_, value) in parse_signed_read(each).entries.items()}
        for row in rows:
            batch = None if row.batch is None else self._spool.batches.numbered(row.batch)
            if batch is not None:
                key = batch_key(batch.site, batch.recorder, batch.batch)
                same = shown.get(key) == batch.document
            else:
                key = slot_key(row.camera, row.chain, row.sequence)
                same = key in shown and parse_signed_block(shown[key]).block == parse_block(row.block)
            if not same:
                raise Malformed("the signed read shows something else than was anchored", where=key)

    def _batches_of(self, slot: tuple[str, int, int]) -> Iterable[tuple[str, str, int]]:
        row = self._spool.row(*slot)
        batch = None if row is None or row.batch is None else self._spool.batches.numbered(row.batch)
        return () if batch is None else [(batch.site, batch.recorder, batch.batch)]


def _cameras(rows: Sequence[Row]) -> Iterator[list[list[Row]]]:
    """Rows of one camera in runs of one chain whose sequences follow each other; some runs at a time.

    Imported files are chains of their own, and many of them fit into one read.
    """
    ordered = sorted(rows, key=lambda row: (row.camera, row.chain, row.sequence))
    numbered = enumerate(ordered)
    runs = [
        [row for _, row in run]
        for _, run in groupby(numbered, key=lambda each: (each[1].camera, each[1].chain, each[1].sequence - each[0]))
    ]
    for _, of_camera in groupby(runs, key=lambda run: run[0].camera):
        group: list[list[Row]] = []
        for run in of_camera:
            if group and (len(group) == MOST_RUNS or sum(map(len, group)) + len(run) > MOST_TOGETHER):
                yield group
                group = []
            group.append(run)
        yield group
