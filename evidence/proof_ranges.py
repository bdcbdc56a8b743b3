"""Which ranges of ledger keys a signed read may ask for, and how it asks.

One table for three parties: the contract refuses every other range, the client splits what it wants into such ranges,
and the verifier believes no signed read of anything else. A range holds `start` and ends before `end`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import is_ident
from evidence.errors import Malformed

READ_FUNCTION = "read_proof"
MAX_RANGES = 64
MAX_ENTRIES = 1000  # keys that one signed read may show
MAX_RAW_READS = 50  # keys of one range: beyond, a peer's read set keeps only a Merkle summary of them
MAX_REQUEST_BYTES = 64 << 10

# What may be read: the fixed beginning of a range's keys, and what the parts that follow it name. The parts are the
# subject, on whom it depends who may see the range; without any, everybody who may call the question sees it.
PROOF_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "block": ("camera",),
    "chain": ("camera",),
    "camera": ("camera",),
    "change": ("camera",),
    "revocation": ("camera",),
    "root": ("site", "recorder"),
    "participant": (),
    "policy": (),
    "delegation": (),
    "pending/replace-admin": (),
    "genesis": (),
}
# The only kind that is one key, not a beginning of keys.
SINGLE_KEYS = frozenset({"genesis"})
# What the contract reads besides, to know who asks and what may be shown to them.
FURTHER_KINDS = frozenset({"key", "participant", "delegation", "rules", "camera", "grant", "asked", "request"})

# Keys are made of these characters alone, so range ends need no others.
_BOUND = re.compile(r"[a-z0-9][a-z0-9/-]{0,255}")
# One past the last key with a prefix: "/" + 1.
_AFTER_SLASH = "0"


class KeyRange(NamedTuple):
    """Every key with start <= key < end."""

    start: str
    end: str


class Owner(NamedTuple):
    """Whose keys a range holds: a kind of `PROOF_PREFIXES`, and the parts that follow it in every key."""

    kind: str
    subject: tuple[str, ...]


def whole_range(kind: str, *subject: str) -> KeyRange:
    """The largest range of `kind` for `subject`: every key there is, or can be."""
    names = PROOF_PREFIXES[kind]
    if len(names) != len(subject):
        raise ValueError(f"a range of {kind} names {' and '.join(names) or 'nobody'}")
    stem = "/".join((kind, *subject))
    return KeyRange(stem if kind in SINGLE_KEYS else f"{stem}/", stem + _AFTER_SLASH)


def owner_of(asked: KeyRange) -> Owner:
    """Whose keys `asked` holds.

    Raises:
        Malformed: the range does not lie inside one prefix of the table.
    """
    for kind, names in PROOF_PREFIXES.items():
        if kind in SINGLE_KEYS:
            subject: tuple[str, ...] = ()
        elif asked.start.startswith(f"{kind}/"):
            # Subject, then at least an empty rest: a start without the closing slash would reach other subjects.
            parts = asked.start[len(kind) + 1 :].split("/", len(names))
            subject = tuple(parts[: len(names)])
            if len(parts) != len(names) + 1 or not all(is_ident(part) for part in subject):
                continue
        else:
            continue
        whole = whole_range(kind, *subject)
        if whole.start <= asked.start < asked.end <= whole.end:
            return Owner(kind, subject)
    raise Malformed(
        f"the range from {asked.start!r} to {asked.end!r} does not lie inside one kind of entry that can be proven",
        next_step=f"a range lies inside one of {', '.join(sorted(map(_spelled, PROOF_PREFIXES)))}",
    )


def _spelled(kind: str) -> str:
    return kind if kind in SINGLE_KEYS else "/".join((kind, *(f"<{name}>" for name in PROOF_PREFIXES[kind]))) + "/"


def parse_ranges(value: object) -> tuple[KeyRange, ...]:
    """Read `[[start, end], …]`, as it stands in the question: in any order, none overlapping another.

    Raises:
        Malformed: not 1 to 64 pairs, start not before end, other characters than keys have, outside the table.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_RANGES:
        raise Malformed(f"'ranges' is not a list of 1 to {MAX_RANGES} pairs [start, end]")
    ranges = tuple(_range(each) for each in value)
    for asked in ranges:
        owner_of(asked)
    for before, after in pairwise(sorted(ranges)):
        if after.start < before.end:
            raise Malformed(f"'ranges' names {after.start!r} in two ranges", next_step="ask for every key once")
    return ranges


def _range(value: object) -> KeyRange:
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed("'ranges' holds something else than pairs [start, end]")
    for bound in value:
        if not isinstance(bound, str) or _BOUND.fullmatch(bound) is None:
            raise Malformed("an end of a range is not text of a-z, 0-9, '-' and '/' as in keys")
    found = KeyRange(value[0], value[1])
    if not found.start < found.end:
        raise Malformed(f"the range from {found.start!r} to {found.end!r} holds nothing: its end is not included")
    return found


def request(ranges: Iterable[tuple[str, str]]) -> bytes:
    """The question's one argument: canonical `{"ranges":[[start, end], …]}`. Raises Malformed like `parse_ranges`."""
    listed = [list(each) for each in ranges]
    parse_ranges(listed)
    return canonical({"ranges": listed})


def parse_request(data: bytes) -> tuple[KeyRange, ...]:
    """Read the question's one argument. Raises Malformed."""
    value = parse_canonical(data, "question for signed ranges", limit=MAX_REQUEST_BYTES)
    return parse_ranges(Fields(value, "question for signed ranges", ("ranges",)).raw("ranges"))


def covered(ranges: Iterable[tuple[str, str]], start: str, end: str) -> bool:
    """Tell whether `ranges` together hold every key from `start` up to, not including, `end`."""
    reached = start
    for first, last in sorted(ranges):
        if first > reached or reached >= end:
            break
        reached = max(reached, last)
    return reached >= end


def joined(ranges: Sequence[tuple[str, str]]) -> tuple[KeyRange, ...]:
    """The same keys in as few ranges as possible, ascending: ranges that touch or overlap become one."""
    found: list[KeyRange] = []
    for start, end in sorted(ranges):
        if found and start <= found[-1].end:
            found[-1] = KeyRange(found[-1].start, max(found[-1].end, end))
        else:
            found.append(KeyRange(start, end))
    return tuple(found)
