"""What an entry of the ledger amounts to now, and when it was written: the ledger itself says neither.

An entry's end is a time that passes without a transaction, so its status stays what it was; looking tells it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from chaincode.reader import LedgerReader

if TYPE_CHECKING:
    from sdk.ledger import StateReader

EXPIRED = "EXPIRED"

# Kind -> the statuses that end by themselves, and the member that says when. The last moment still counts.
_ENDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "participant": (("ACTIVE",), "valid_until_us"),
    "request": (("REQUESTED", "GRANTED"), "expires_us"),
    "grant": (("GRANTED",), "until_us"),
    "delegation": (("ACTIVE",), "until_us"),
}


def standing(kind: str, entry: Mapping[str, Any], now_us: int) -> str:
    """The status of an entry at `now_us`, EXPIRED where its time has passed."""
    status = str(entry["status"])
    if kind not in _ENDS:
        return status
    passing, member = _ENDS[kind]
    ends_us = entry[member]
    return EXPIRED if status in passing and ends_us is not None and now_us > ends_us else status


def dated(reader: StateReader, entries: Sequence[dict[str, Any]]) -> bool:
    """Give every entry `block_time_us`, when its ledger block was made; False where the ledger does not say (Fabric).

    The block's time is the clock of who keeps the ledger.
    """
    if not isinstance(reader, LedgerReader):
        return False

    @cache
    def time_us(height: int) -> int:
        return reader.block(height).time_us

    for each in entries:
        each["block_time_us"] = time_us(each["block"])
    return True


_STATED_ELSEWHERE = ("n", "status", "decided_by", "reason", "reason_text", "block", "block_time_us", "proposer")


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Members that an entry sets to another value than the one before it; none for the first entry."""
    if before is None:
        return
    for name, value in after.items():
        if name not in _STATED_ELSEWHERE and before.get(name) != value:
            yield name, value
