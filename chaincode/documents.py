"""Decisions and reports as numbered documents: `<kind>/<subject>/<n, 10 digits>`, n from 0, never overwritten.

Each is a canonical JSON object with its type, its subject and its number, so that a range read of one prefix is the
whole story of one request, lock or grant. Personal details stand in it as commitments only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from chaincode import entries
from chaincode.rule import refuse
from chaincode.world import World, prefix_range
from evidence.canonical import canonical, parse_canonical
from evidence.errors import Malformed
from evidence.registry import numbered_key

T = TypeVar("T")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document as the ledger holds it. Asking for a member that is not as a rule wrote it raises Malformed."""

    key: str
    n: int
    members: Mapping[str, object]

    @property
    def status(self) -> str:
        return self.text("status")

    def text(self, name: str) -> str:
        return self._typed(name, str)

    def number(self, name: str) -> int:
        return self._typed(name, int)

    def flag(self, name: str) -> bool:
        return self._typed(name, bool)

    def names(self, name: str) -> tuple[str, ...]:
        listed = self._typed(name, list)
        if not all(isinstance(each, str) for each in listed):
            raise self._damaged(name)
        return tuple(listed)

    def maybe_text(self, name: str) -> str | None:
        return None if self.members.get(name) is None else self.text(name)

    def _typed(self, name: str, kind: type[T]) -> T:
        value = self.members.get(name)
        if not isinstance(value, kind):
            raise self._damaged(name)
        return value

    def _damaged(self, name: str) -> Malformed:
        return Malformed(f"what the ledger holds here is damaged ({name!r})", where=self.key)


def read(key: str, data: bytes) -> Document:
    """Read one document. Raises Malformed with the key where the ledger is damaged."""
    with entries.stored(key):
        members = parse_canonical(data, "ledger document")
        if not isinstance(members, dict):
            raise Malformed("not a JSON object")
    return Document(key=key, n=entries.number_of(key), members=members)


def newest(world: World, kind: str, subject: str) -> Document | None:
    found = entries.newest(world, kind, subject)
    return None if found is None else read(numbered_key(kind, subject, found[0]), found[1])


def every(world: World, kind: str, subject: str) -> Iterator[Document]:
    """All documents of one subject, oldest first."""
    for key, value in world.scan(*prefix_range(f"{kind}/{subject}/")):
        yield read(key, value)


def append(world: World, kind: str, subject: str, members: Mapping[str, object], *, n: int) -> int:
    """Write document `n` of a subject, which the caller has found to be the next one; returns `n`."""
    document = {**members, "type": f"veriframe/{kind}/1", "n": n}
    world.put(numbered_key(kind, subject, n), canonical(document))
    return n


def append_next(world: World, kind: str, subject: str, members: Mapping[str, object]) -> int:
    """Write the next document of a subject and return its number."""
    found = entries.newest(world, kind, subject)
    return append(world, kind, subject, members, n=0 if found is None else found[0] + 1)


def follow(world: World, kind: str, subject: str, before: Document, **changed: object) -> int:
    """Write a document that is `before` with some members changed."""
    return append(world, kind, subject, {**before.members, **changed}, n=before.n + 1)


def require(world: World, kind: str, subject: str, who: str) -> Document:
    """The document in force of a subject.

    Raises:
        Refused: there is none; `who` says what makes one.
    """
    found = newest(world, kind, subject)
    if found is None:
        raise refuse("not_found", f"there is no {kind} {subject} on this ledger", who)
    return found


def require_new(world: World, kind: str, subject: str) -> None:
    """Raises Refused where the id is taken: ids are given away once."""
    if entries.newest(world, kind, subject) is not None:
        raise refuse("conflict", f"an id is used once, and {kind} {subject} exists", "choose another id")


def check_span(from_us: int, until_us: int) -> None:
    """Raises Malformed where a time span is empty or ends before it begins."""
    if from_us >= until_us:
        raise Malformed(
            f"the time span ends ({utc(until_us)}) before or when it begins ({utc(from_us)})",
            next_step="name an end that lies behind the beginning",
        )


def utc(time_us: int) -> str:
    """A time as people write it, RFC 3339 in UTC; one that a date cannot hold stays microseconds."""
    try:
        return f"{(_EPOCH + timedelta(microseconds=time_us)).replace(tzinfo=None).isoformat()}Z"
    except OverflowError:
        return f"{time_us} us"
