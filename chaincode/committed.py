"""What becomes of a transaction, and the event that tells others about it."""

from __future__ import annotations

from dataclasses import dataclass

from evidence.registry import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One transaction's event; `payload` is canonical JSON `{actor, name, subject, tx_id}`."""

    name: str
    payload: bytes
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A transaction that succeeded.

    `position` is None where it had nothing to write (what it would have written stands there already): such a
    transaction is not put on the ledger. `result` is canonical JSON, None where the transaction was looked up later.
    """

    tx_id: str
    position: Position | None
    result: bytes | None
    event: Event | None = None
