"""Where the digests of a file stand in a record: once, several times, or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from evidence.digests import DIGEST_BYTES
from verifier.recorded import Recorded

__all__ = ["ABSENT", "REPEATED", "FileDigests", "Lookup"]

ABSENT = -1
REPEATED = -2

MOST_OVERLAP = 1_000
"""Pictures that two chunks are taken to share at most: two seconds of the fastest cameras, and ample."""


@dataclass(frozen=True, slots=True)
class FileDigests:
    """A file's unit digests, numbered in the order in which they first appear.

    ids: one number per unit.
    numbers: from digest to number.
    """

    ids: list[int]
    numbers: dict[bytes, int]

    @classmethod
    def of(cls, coded: bytes) -> FileDigests:
        """Number `coded`, 32 bytes per unit."""
        numbers: dict[bytes, int] = {}
        count = numbers.setdefault
        ids = [count(coded[start : start + DIGEST_BYTES], len(numbers)) for start in range(0, len(coded), DIGEST_BYTES)]
        return cls(ids, numbers)


@dataclass(frozen=True, slots=True)
class Lookup:
    """One record seen with a file's digests.

    ids: the file's number per recorded picture, ABSENT where the file has none such.
    unique: per number its only position in the record; ABSENT, or REPEATED where it stands there several times.
    shadowed: positions whose picture stands at the end of the chain before already.
    """

    record: Recorded
    ids: list[int]
    unique: list[int]
    shadowed: frozenset[int] = frozenset()

    @classmethod
    def of(cls, record: Recorded, digests: FileDigests) -> Lookup:
        coded, number = record.coded, digests.numbers.get
        ids = [number(coded[start : start + DIGEST_BYTES], ABSENT) for start in range(0, len(coded), DIGEST_BYTES)]
        unique = [ABSENT] * len(digests.numbers)
        for position, digest in enumerate(ids):
            if digest >= 0:
                unique[digest] = position if unique[digest] == ABSENT else REPEATED
        return cls(record, ids, unique)

    @classmethod
    def join(cls, lookups: Sequence[Lookup]) -> Lookup:
        """Put chains of one camera one behind the other, in the order of time.

        Where the end of one was recorded again at the begin of the next (chunks that overlap), the second copy of these
        pictures is shadowed: nothing is expected of it.
        """
        if len(lookups) == 1:
            return lookups[0]
        ids = [digest for lookup in lookups for digest in lookup.ids]
        shadowed: set[int] = set()
        base = 0
        for before, behind in pairwise(lookups):
            base += len(before.ids)
            shadowed.update(range(base, base + _overlap(before, behind)))
        for position in shadowed:
            ids[position] = ABSENT
        unique = [ABSENT] * len(lookups[0].unique)
        for position, digest in enumerate(ids):
            if digest >= 0:
                unique[digest] = position if unique[digest] == ABSENT else REPEATED
        return cls(Recorded.join([lookup.record for lookup in lookups]), ids, unique, frozenset(shadowed))

    def known(self, digests: FileDigests) -> int:
        """How many units of the file stand once in this record."""
        unique = self.unique
        return sum(1 for digest in digests.ids if unique[digest] >= 0)

    def any_known(self, digests: FileDigests) -> int:
        """How many units of the file stand in this record, once or several times."""
        unique = self.unique
        return sum(1 for digest in digests.ids if unique[digest] != ABSENT)

    def supported(self, digests: FileDigests) -> bool:
        """Tell whether the file stands here by more than one picture that the file itself repeats."""
        seen = Counter(digests.ids)
        return any(self.unique[digest] >= 0 and times == 1 for digest, times in seen.items()) or (
            self.longest_run(digests) > 1
        )

    def has_any(self) -> bool:
        return any(position != ABSENT for position in self.unique)

    def longest_run(self, digests: FileDigests) -> int:
        """Length of the longest stretch of the file that stands in one piece in this record around a unique unit."""
        longest = length = 0
        expected = -1
        for digest in digests.ids:
            if 0 <= expected < len(self.ids) and self.ids[expected] == digest:
                length += 1
            elif self.unique[digest] >= 0:
                expected = self.unique[digest]
                length = 1
            else:
                expected, length = -1, 0
                continue
            expected += 1
            longest = max(longest, length)
        return longest


def _overlap(before: Lookup, behind: Lookup) -> int:
    """How many pictures at the end of one chain the next one begins with; repeated pictures alone are no overlap."""
    if behind.record.start_us >= before.record.end_us:
        return 0
    last, first = before.record.coded, behind.record.coded
    for count in range(min(len(before.ids), len(behind.ids), MOST_OVERLAP), 0, -1):
        if last[-DIGEST_BYTES * count :] == first[: DIGEST_BYTES * count]:
            digests = {first[start : start + DIGEST_BYTES] for start in range(0, DIGEST_BYTES * count, DIGEST_BYTES)}
            if any(_stands_once(last, digest) and _stands_once(first, digest) for digest in digests):
                return count
    return 0


def _stands_once(coded: bytes, digest: bytes) -> bool:
    places = [start for start in range(0, len(coded), DIGEST_BYTES) if coded[start : start + DIGEST_BYTES] == digest]
    return len(places) == 1
