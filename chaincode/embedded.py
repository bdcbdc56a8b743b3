"""The embedded host: the same rules as on Fabric, over one SQLite file that one operator keeps.

It imitates Fabric where Fabric surprises. A transaction is run over a snapshot and sees none of its own writes; it is
then ordered, and its reads are looked at again: of two that race for one key exactly one is valid, the other is put on
the ledger as a conflict. Several threads and several processes may submit to one file; what waits for the disk at the
same moment goes into one block and one fsync.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from chaincode.admission import TIME_WINDOW_US, Admission, Admitted, read_envelope
from chaincode.committed import Committed
from chaincode.ledger_file import connect, ledger_error, make_file, snapshot, translated
from chaincode.ordering import Prepared, append_block, run
from chaincode.reader import LedgerReader, founding_document, tip_height
from evidence.errors import (
    CommitUnknown,
    KeyUnavailable,
    Refused,
    VeriframeError,
)
from evidence.genesis import Genesis
from evidence.keys import ED25519, Signer

MAX_BLOCK_TRANSACTIONS = 500  # bounds how long one commit holds the file


@dataclass(slots=True)
class _Job:
    prepared: Sequence[Prepared]
    done: bool = False


@dataclass(slots=True)
class _Queue:
    """Group commit: whoever gets the file first takes along all that waits."""

    lock: Lock = field(default_factory=Lock)
    jobs: list[_Job] = field(default_factory=list)

    def put(self, job: _Job) -> None:
        with self.lock:
            self.jobs.append(job)

    def take(self) -> list[_Job]:
        with self.lock:
            taken, self.jobs = self.jobs, []
            return taken


class EmbeddedHost:
    """One ledger file, open for transactions.

    Args:
        operator: the Ed25519 key named in the genesis document; signs checkpoints.
        clock: the host's clock, Unix microseconds.
        window_us: how far a transaction's time may lie from it.
    """

    def __init__(
        self, path: Path, *, operator: Signer, clock: Callable[[], int], window_us: int = TIME_WINDOW_US
    ) -> None:
        self.reader = LedgerReader(path)
        self.genesis: Genesis = self.reader.genesis
        self._path = path
        self._operator = operator
        self._clock = clock
        self._window_us = window_us
        self._admission = Admission(self.genesis)
        try:
            _check_operator(operator, self.genesis, path)
            self._writer = connect(path, writing=True)
        except BaseException:
            self.reader.close()
            raise
        self._writing = Lock()
        self._queue = _Queue()

    def close(self) -> None:
        self.reader.close()
        with self._writing:
            self._writer.close()

    def evaluate(self, envelope: bytes) -> bytes:
        """Run a signed transaction and write nothing; returns its result.

        Raises:
            Refused, Malformed, LedgerUnavailable.
        """
        return self._run(self._admit(envelope)).result

    def submit(self, envelope: bytes) -> Committed:
        """Run a signed transaction and put it on the ledger; durable when this returns.

        Raises:
            Refused: the contract, or the host before it, says no; nothing is on the ledger.
            CommitInvalid: a concurrent transaction won; this one is on the ledger as a conflict. A new one may succeed.
            CommitUnknown: the disk failed at the last step; ask `reader.status`.
            Malformed, LedgerUnavailable.
        """
        outcome = self.submit_many([envelope])[0]
        if isinstance(outcome, VeriframeError):
            raise outcome
        return outcome

    def submit_many(self, envelopes: Sequence[bytes]) -> list[Committed | VeriframeError]:
        """Submit several transactions, in as few blocks as possible; none sees what another of them writes.

        Returns for each, in order, what `submit` would have returned or raised.
        """
        outcomes: list[Committed | VeriframeError | None] = [None] * len(envelopes)
        waiting: list[tuple[int, Prepared]] = []
        for index, envelope in enumerate(envelopes):
            try:
                prepared = self._run(self._admit(envelope))
            except VeriframeError as error:
                outcomes[index] = error
                continue
            if prepared.world.writes:
                waiting.append((index, prepared))
            else:
                # Nothing to write: it stands there already. Fabric's client does not submit an empty write set either.
                outcomes[index] = Committed(tx_id=prepared.admitted.tx_id, position=None, result=prepared.result)
        if waiting:
            self._order(_Job([prepared for _, prepared in waiting]))
            for index, prepared in waiting:
                outcomes[index] = prepared.outcome or CommitUnknown("the commit was interrupted")
        return [each for each in outcomes if each is not None]

    def _admit(self, envelope: bytes) -> Admitted:
        return self._admission.admit(envelope, now_us=self._clock(), window_us=self._window_us)

    def _run(self, admitted: Admitted) -> Prepared:
        with self.reader.view() as view:
            return run(view, admitted)

    def _order(self, job: _Job) -> None:
        self._queue.put(job)
        with self._writing:
            if job.done:
                return  # whoever had the file before took this job along
            jobs = self._queue.take()
            everything = [each for taken in jobs for each in taken.prepared]
            try:
                for first in range(0, len(everything), MAX_BLOCK_TRANSACTIONS):
                    self._commit(everything[first : first + MAX_BLOCK_TRANSACTIONS])
            finally:
                for taken in jobs:
                    taken.done = True

    def _commit(self, batch: Sequence[Prepared]) -> None:
        """One block with `batch` in it, or none; every outcome is set."""
        try:
            with translated(self._path):
                self._writer.execute("BEGIN IMMEDIATE")
            try:
                committed = append_block(
                    self._writer, batch, genesis=self.genesis, operator=self._operator, now_us=self._clock()
                )
            except sqlite3.Error as error:
                raise ledger_error(error, self._path) from error
            if committed:
                # A crash before this line leaves the ledger without the block, after it with all of it.
                self._finish()
        except VeriframeError as error:
            for prepared in batch:
                prepared.outcome = error
        finally:
            if self._writer.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # what it says has been said by the error before it
                    self._writer.execute("ROLLBACK")

    def _finish(self) -> None:
        try:
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            if (error.sqlite_errorcode or 0) & 0xFF == sqlite3.SQLITE_IOERR:
                # The journal may have reached the disk although the call failed.
                raise CommitUnknown(
                    f"the ledger could not confirm the commit ({error})",
                    where=str(self._path),
                    next_step="ask for the same transaction's status before sending it again",
                ) from error
            raise ledger_error(error, self._path) from error


def found(path: Path, envelope: bytes, *, operator: Signer, clock: Callable[[], int]) -> Committed:
    """Found a ledger at `path` with a signed `init` transaction.

    A crash leaves an empty ledger file, which a second call takes over.

    Raises:
        Refused: a ledger stands there already, or the genesis document does not name the caller as ADMIN.
        Malformed, KeyUnavailable, ConfigInvalid, LedgerUnavailable.
    """
    genesis = founding_document(read_envelope(envelope))
    _check_operator(operator, genesis, path)
    admitted = Admission(genesis).admit(envelope, now_us=clock())
    make_file(path)
    connection = connect(path, writing=True)
    try:
        with snapshot(connection, path):
            if tip_height(connection) >= 0:
                raise Refused(
                    "a ledger stands here already and is never founded again", reason="conflict", where=str(path)
                )
            prepared = run(connection, admitted)
        with translated(path):
            connection.execute("BEGIN IMMEDIATE")
            append_block(connection, [prepared], genesis=genesis, operator=operator, now_us=clock())
            connection.execute("COMMIT")
    finally:
        connection.close()
    if isinstance(prepared.outcome, VeriframeError):
        raise prepared.outcome
    assert prepared.outcome is not None
    return prepared.outcome


def _check_operator(operator: Signer, genesis: Genesis, path: Path) -> None:
    # The last 32 bytes of an Ed25519 SubjectPublicKeyInfo are the raw key (RFC 8410).
    if operator.public_key.algorithm != ED25519 or operator.public_key.spki[-32:] != genesis.operator:
        raise KeyUnavailable(
            "the operator's key is not the one that this ledger was founded with",
            where=str(path),
            next_step="use the key that was made with this ledger",
        )
