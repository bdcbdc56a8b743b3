"""All that a rule can see of the ledger, and a version of it in memory.

A rule reads committed state only: what it writes becomes visible to later transactions, never to itself. Both hosts
behave so, because Fabric does, and a rule that relied on reading its own writes would work on one of them only.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from typing import Protocol

from evidence.certificates import Caller

# Keys are built from validated ids, fixed words and fixed-width numbers; nothing else may reach a host.
_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}(/[a-z0-9][a-z0-9-]{0,63}){0,4}")
# One past the last key with a prefix: "/" + 1. Every id is followed by "/" or ends the key.
AFTER_SLASH = "0"


class World(Protocol):
    """One transaction's view of the ledger."""

    @property
    def tx_id(self) -> str: ...

    @property
    def tx_time_us(self) -> int:
        """The client's claim, within 15 minutes of the host's clock."""
        ...

    @property
    def caller(self) -> Caller: ...

    def get(self, key: str) -> bytes | None:
        """Committed value of `key`; this transaction's own writes are not seen."""
        ...

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """What `get` gives for each key, and the same reads as those: asked together, since asking may take long."""
        ...

    def put(self, key: str, value: bytes) -> None: ...

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        """Committed entries with start <= key < end, in byte order of the keys."""
        ...

    def emit(self, name: str, payload: bytes) -> None:
        """Set the transaction's event; at most one."""
        ...


def prefix_range(prefix: str) -> tuple[str, str]:
    """Start and end for `World.scan` over every key that begins with `prefix`, which must end in a slash."""
    if not prefix.endswith("/"):
        raise ValueError(f"prefix {prefix!r} does not end in a slash")
    return prefix, prefix[:-1] + AFTER_SLASH


def check_write(key: str, value: bytes) -> None:
    """Guard both hosts against a rule that builds keys or values which one of them could not keep.

    Raises:
        ValueError: a defect in a rule, never the caller's fault. An empty value is refused because on Fabric an
            absent key reads as an empty one.
    """
    if _KEY.fullmatch(key) is None:
        raise ValueError(f"a rule built the key {key!r}")
    if not value:
        raise ValueError(f"a rule wrote nothing under {key!r}")


class MemoryState:
    """World state in memory: a dict beside its keys in order."""

    def __init__(self) -> None:
        self._values: dict[str, bytes] = {}
        self._keys: list[str] = []

    def get(self, key: str) -> bytes | None:
        return self._values.get(key)

    def set(self, key: str, value: bytes) -> None:
        if key not in self._values:
            insort(self._keys, key)
        self._values[key] = value

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        # A list, not a live view: a transaction sees the state as it was when it looked.
        keys = self._keys[bisect_left(self._keys, start) : bisect_left(self._keys, end)]
        return iter([(key, self._values[key]) for key in keys])

    def items(self) -> Iterator[tuple[str, bytes]]:
        return self.scan("", "\x7f")


class MemoryWorld:
    """One transaction over a `MemoryState`; `commit` makes its writes visible."""

    def __init__(self, state: MemoryState, *, caller: Caller, tx_id: str, tx_time_us: int) -> None:
        self.caller = caller
        self.tx_id = tx_id
        self.tx_time_us = tx_time_us
        self.writes: dict[str, bytes] = {}
        self.event: tuple[str, bytes] | None = None
        self._state = state

    def get(self, key: str) -> bytes | None:
        return self._state.get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self._state.get(key) for key in keys]

    def put(self, key: str, value: bytes) -> None:
        check_write(key, value)
        self.writes[key] = value

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        return self._state.scan(start, end)

    def emit(self, name: str, payload: bytes) -> None:
        if self.event is not None:
            raise ValueError("a transaction emits at most one event")
        self.event = (name, payload)

    def commit(self) -> None:
        for key, value in self.writes.items():
            self._state.set(key, value)
