"""Chains in the spool: which number a record takes, and when a new chain must begin."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sdk.database import Database
from sdk.sealed import ChainState, LedgerTip

_CHAIN = "SELECT camera, chain, next_sequence, next_unit, previous, end_us, opens_with_gap, complete FROM chains"
_KINDS = "tiiiBIii"


class Chains:
    """The chain table of a spool; made by `Spool`, which owns the database."""

    def __init__(self, database: Database, *, now: Callable[[], int]) -> None:
        self._db = database
        self._now = now

    def state(self, camera: str, chain: int) -> ChainState | None:
        found = self._db.row(f"{_CHAIN} WHERE camera=? AND chain=?", (camera, chain), kinds=_KINDS)
        return None if found is None else _chain_state(found)

    def open_import(
        self,
        camera: str,
        *,
        start_us: int,
        sha256: bytes,
        ledger_chains: Sequence[int] = (),
        outrun: Callable[[ChainState], bool] | None = None,
    ) -> ChainState:
        """The chain of importing one finished file for one camera and start: the same import goes on, another begins.

        Call it while holding the camera. A new chain is the Unix second of now, or the next one unused.

        Args:
            sha256: digest of the whole file.
            ledger_chains: chains of this camera that the ledger holds.
            outrun: tells whether ledger or store hold the next record of a chain already: this spool is an old copy
                then, and a number must not be given twice.
        """
        with self._db.transaction() as change:
            found = self._db.row(
                f"{_CHAIN} WHERE camera=? AND import_start_us=? AND import_sha256=?",
                (camera, start_us, sha256),
                kinds=_KINDS,
            )
            if found is not None:
                state = _chain_state(found)
                # A chain without a sealed record is given up: a later one may have been opened on the ledger meanwhile,
                # and chains must ascend.
                if state.next_sequence > 0 and self._trusted(state) and not (outrun is not None and outrun(state)):
                    return state
                change.execute(
                    "UPDATE chains SET import_start_us=NULL, import_sha256=NULL, complete=1 WHERE camera=? AND chain=?",
                    (camera, state.chain),
                )
            source = (start_us, sha256)
            return self._begin(change, camera, ledger_chains, previous=None, gap=False, source=source)

    def finish_import(self, state: ChainState) -> None:
        """Note that the file is sealed to its end; a crash before leaves an import that resumes with nothing to add."""
        self._db.run("UPDATE chains SET complete=1 WHERE camera=? AND chain=?", (state.camera, state.chain))

    def open_live(self, camera: str, *, tip: LedgerTip | None) -> ChainState:
        """The chain of a live camera: the newest one here, unless it is missing, in doubt or older than the ledger's.

        Args:
            camera: held by the caller.
            tip: last slot of the camera's newest chain that the ledger holds; None if it holds none.
        """
        with self._db.transaction() as change:
            found = self._db.row(
                f"{_CHAIN} WHERE camera=? AND import_sha256 IS NULL AND complete=0 ORDER BY chain DESC",
                (camera,),
                kinds=_KINDS,
            )
            if found is not None:
                state = _chain_state(found)
                if state.next_sequence > 0 and self._trusted(state) and not self._outrun(camera, tip):
                    return state
            last = self._db.row(
                "SELECT record_sha256 FROM sealed WHERE camera=? AND anchored_at_us IS NOT NULL ORDER BY number DESC",
                (camera,),
                kinds="b",
            )
            previous = tip.record if tip is not None else (None if last is None else bytes(last[0]))
            sealed_before = self._db.row("SELECT 1 FROM sealed WHERE camera=?", (camera,), kinds="i")
            later = tip is not None or sealed_before is not None
            taken = () if tip is None else (tip.chain,)
            return self._begin(change, camera, taken, previous=previous, gap=later, source=None)

    def _begin(
        self,
        change: sqlite3.Connection,
        camera: str,
        taken: Sequence[int],
        *,
        previous: bytes | None,
        gap: bool,
        source: tuple[int, bytes] | None,
    ) -> ChainState:
        ((newest,),) = self._db.rows("SELECT max(chain) FROM chains WHERE camera=?", (camera,), kinds="I")
        now_us = self._now()
        # Not merely unused but above all earlier ones: the ledger lists chains in ascending order and refuses others.
        chain = max(now_us // 1_000_000, 0 if newest is None else newest + 1, max(taken, default=-1) + 1)
        start_us, sha256 = source if source is not None else (None, None)
        change.execute(
            "INSERT INTO chains VALUES(?,?,?,0,0,?,NULL,?,?,?,0)",
            (camera, chain, now_us, previous, int(gap), start_us, sha256),
        )
        return ChainState(
            camera=camera, chain=chain, next_sequence=0, next_unit=0, previous=previous, end_us=None,
            opens_with_gap=gap, complete=False,
        )  # fmt: skip

    def _trusted(self, state: ChainState) -> bool:
        """Whether chain state and rows tell the same story; a state restored or edited by hand does not."""
        last = self._db.row(
            "SELECT sequence, record_sha256 FROM sealed WHERE camera=? AND chain=? ORDER BY sequence DESC",
            (state.camera, state.chain),
            kinds="ib",
        )
        return last is not None and last[0] + 1 == state.next_sequence and bytes(last[1]) == state.previous

    def _outrun(self, camera: str, tip: LedgerTip | None) -> bool:
        """Whether the ledger knows more than this spool does: it is an old copy then, and must not reuse numbers."""
        if tip is None:
            return False
        known = self.state(camera, tip.chain)
        return known is None or known.next_sequence <= tip.sequence


def _chain_state(found: tuple[Any, ...]) -> ChainState:
    camera, chain, next_sequence, next_unit, previous, end_us, gap, complete = found
    return ChainState(
        camera=camera, chain=chain, next_sequence=next_sequence, next_unit=next_unit, previous=previous, end_us=end_us,
        opens_with_gap=bool(gap), complete=bool(complete),
    )  # fmt: skip
