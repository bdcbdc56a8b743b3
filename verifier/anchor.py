"""What evidence of an anchor is worth: the words that all who judge it share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from evidence.certificates import Caller
from evidence.registry import Position


class Standing(IntEnum):
    """What proof is worth, worst last."""

    SOUND = 0
    PENDING = 1
    UNTRUSTED = 2
    BROKEN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """A standing with its reason: a code, and a clause that continues `Proof exists, but …` or `because …`."""

    standing: Standing
    code: str = ""
    text: str = ""


NOWHERE = Position(0, 0)
AFTER_ALL = Position(2**53, 0)
"""A position behind every block: the registry as it stands now, by which pending blocks are judged."""
SOUND = Judgement(standing=Standing.SOUND)
NOT_TRUSTED = "is not among what the examiner was told to trust"


def untrusted(code: str, text: str) -> Judgement:
    return Judgement(standing=Standing.UNTRUSTED, code=code, text=text)


def broken(code: str, text: str) -> Judgement:
    return Judgement(standing=Standing.BROKEN, code=code, text=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What evidence shows about one write to a ledger.

    Attributes:
        transaction: that wrote it; where organisations signed what they read instead, id of that signed read.
        signed_read: `transaction` is such a read's id, and of no transaction on the ledger.
        function, caller, time_us: of the transaction, where it is shown; else empty, None and 0.
        anchored_by_us: upper bound of the moment of anchoring; None where nobody whom the examiner trusts states one.
        source: `operator`, `witness`, `organisations` or `none`: whose word `anchored_by_us` is.
        keeper: nothing but the word of one party excludes a rewritten past.
        endorsers: organisations that vouch for it.
        key: the one ledger key that the evidence is about; empty where it is about all that a transaction wrote.
    """

    judgement: Judgement
    position: Position = NOWHERE
    transaction: str = ""
    signed_read: bool = False
    function: str = ""
    caller: Caller | None = None
    time_us: int = 0
    block_time_us: int = 0
    anchored_by_us: int | None = None
    source: str = "none"
    keeper: bool = True
    endorsers: tuple[str, ...] = ()
    key: str = ""


class Shown(Protocol):
    """A piece of evidence about what stands on a ledger, before anybody judged it."""

    @property
    def writes(self) -> Mapping[str, bytes]:
        """Ledger keys with the values that were written to them."""
        ...


class AnchorJudge(Protocol):
    """Judges such pieces under what the examiner trusts."""

    def anchor(self, shown: Shown) -> Anchor:
        """What `shown` is worth; never raises."""
        ...

    def shows_all(self, start: str, end: str, *, since: Position, assume: bool = False) -> bool:
        """Whether everything under start <= key < end is shown, as it stood at `since` or later.

        Args:
            assume: take what is merely untrusted for trusted.
        """
        ...

    def overrules(self, shown: Shown) -> bool:
        """Whether whoever is believed looked where `shown` is said to stand, and found nothing there."""
        ...

    def registry_as_of(self, camera: str | None) -> int | None:
        """Height up to which is known what the registry says about a camera; None where nothing says so."""
        ...
