"""What happened in one attempt at shipping: what arrived, and what did not and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evidence.errors import VeriframeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that did not arrive. `retryable`: the world, which may get better; else the thing itself."""

    subject: str
    reason: str
    retryable: bool


@dataclass(slots=True)
class Attempt:
    """One attempt at everything in the spool."""

    stored: int = 0
    anchored: int = 0
    unanchorable: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Rows signed under a revoked key, which no ledger ever takes: the spool's number -> camera and chain."""

    _troubles: dict[str, Trouble] = field(default_factory=dict)

    def note(self, subject: str, error: VeriframeError) -> None:
        """Keep a trouble; a later one with the same subject replaces it."""
        self._troubles[subject] = Trouble(subject=subject, reason=str(error), retryable=error.retryable)

    @property
    def troubles(self) -> Sequence[Trouble]:
        return tuple(self._troubles.values())

    @property
    def retryable(self) -> bool:
        return any(trouble.retryable for trouble in self._troubles.values())
