"""A verdict in one line: one character per picture, the worst winning where pictures share one."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.model import OPERATIONS, STRIP_WORST_FIRST, Operation

__all__ = ["MOST_PICTURES", "SLOTS", "strip_of"]

MOST_PICTURES = 2_000
SLOTS = 200

_RANK = {character: rank for rank, character in enumerate(STRIP_WORST_FIRST)}


def strip_of(operations: Sequence[Operation], marks: str = "") -> str:
    """Draw operations, and what findings add.

    Args:
        operations: in file order, missing ones where they belong.
        marks: one character per file picture, `.` where no finding concerns it; empty for none at all.
    """
    drawn: list[str] = []
    for operation in operations:
        character = OPERATIONS[operation.op].strip
        if operation.file is None or not marks:
            drawn.extend(character * operation.pictures)
        else:
            drawn.extend(_worse(character, mark) for mark in marks[operation.file[0] : operation.file[1] + 1])
    return _fitted(drawn)


def _worse(one: str, other: str) -> str:
    return one if _RANK[one] <= _RANK[other] else other


def _fitted(drawn: Sequence[str]) -> str:
    """Return all characters, or the worst of each of 200 equal slots."""
    if len(drawn) <= MOST_PICTURES:
        return "".join(drawn)
    edges = [slot * len(drawn) // SLOTS for slot in range(SLOTS + 1)]
    return "".join(
        min(set(drawn[edges[slot] : edges[slot + 1]]), key=_RANK.__getitem__) for slot in range(SLOTS)
    )  # fmt: skip
