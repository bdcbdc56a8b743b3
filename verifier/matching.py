"""Which recording a file is a copy of, and which of its pictures stand where they were recorded.

Everything here compares digests and nothing else: a picture stands at a position of the record only if both have the
same digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evidence.digests import DIGEST_BYTES
from verifier.gaps import grow
from verifier.lookup import ABSENT, FileDigests, Lookup
from verifier.model import Span
from verifier.order import longest_increasing
from verifier.recorded import SEAM_US, Recorded

__all__ = ["Matching", "Stretch", "match_pictures"]

NOWHERE = -1

PLACES_LISTED = 64
"""Places of an ambiguous run that are looked for; more say no more."""

LONGEST_ANCHOR = 64
"""Pictures of a run that is unique as a whole where no single one is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A place where an ambiguous run fits: positions first to last of `record`."""

    record: Recorded
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """What was found by digest.

    own: the recording that the file is a copy of; its own chain and others of the camera that continue it.
    others: every other recording, seen with the file's digests.
    place: per unit of the file its position in `own`, ascending where it has one; -1 where it has none.
    ambiguous: all places of a file without one unique unit that fits several.
    """

    digests: FileDigests
    own: Lookup | None
    others: tuple[Lookup, ...]
    place: list[int]
    ambiguous: tuple[Stretch, ...] = ()


def match_pictures(
    coded: bytes, records: Sequence[Recorded], *, camera: str | None = None, asked_us: Span | None = None
) -> Matching:
    """Find the recording that `coded` is a copy of and place its units there.

    Args:
        coded: the file's unit digests, 32 bytes each, decode order.
        records: candidates, one per camera and chain, the earliest anchored first.
        camera: claimed camera; if anything of it matches, the file is judged as a copy of its recording.
        asked_us: start (inclusive) and end (exclusive); of several places that fit equally, those inside count.
    """
    digests = FileDigests.of(coded)
    lookups = [Lookup.of(record, digests) for record in records if record.count]
    candidates = [lookup for lookup in lookups if lookup.has_any()]
    primary = _primary(digests, candidates, camera)
    if primary is None:
        candidates = [lookup for lookup in candidates if 2 * lookup.any_known(digests) >= len(digests.ids)]
        claimed = [lookup for lookup in candidates if lookup.record.camera == camera]
        return _without_unique(coded, digests, claimed or candidates, asked_us)
    chain = _continued(primary, candidates, digests)
    own = Lookup.join(sorted(chain, key=lambda one: one.record.start_us))
    others = tuple(lookup for lookup in candidates if not any(lookup is one for one in chain))
    return Matching(digests=digests, own=own, others=others, place=_place(digests.ids, own))


def _primary(digests: FileDigests, candidates: Sequence[Lookup], camera: str | None) -> Lookup | None:
    """Choose the recording that most of the file stands in; None where no unit stands exactly once in any."""
    known = [lookup.known(digests) if lookup.supported(digests) else 0 for lookup in candidates]
    if not any(known):
        return None

    def rank(index: int) -> tuple[int, int, bool, int]:
        lookup = candidates[index]
        return known[index], lookup.longest_run(digests), lookup.record.camera == camera, -index

    best = max(range(len(candidates)), key=rank)
    rival = candidates[best].record.camera
    # A picture that the likeliest camera sends as well (a placeholder) says nothing for the one that was claimed. What
    # a third camera recorded too says no less for it.
    elsewhere = [lookup.unique for lookup in candidates if lookup.record.camera == rival]
    claimed = [
        index
        for index, lookup in enumerate(candidates)
        if lookup.record.camera == camera
        and known[index] > 0
        and any(at >= 0 and all(one[digest] == ABSENT for one in elsewhere) for digest, at in enumerate(lookup.unique))
    ]
    return candidates[best if rival == camera else max(claimed, key=rank, default=best)]


def _continued(primary: Lookup, candidates: Sequence[Lookup], digests: FileDigests) -> list[Lookup]:
    """Return `primary` and the further chains of its camera that continue it and hold more of the file."""
    chain = [primary]
    further = [one for one in candidates if one is not primary and one.record.camera == primary.record.camera]
    for one in sorted(further, key=lambda one: -one.known(digests)):
        new = [
            unit
            for unit, digest in enumerate(digests.ids)
            if one.unique[digest] >= 0 and all(known.unique[digest] == ABSENT for known in chain)
        ]
        if new and all(_continues(one, known, new, digests) for known in chain):
            chain.append(one)
    return chain


def _continues(one: Lookup, known: Lookup, units: Sequence[int], digests: FileDigests) -> bool:
    """Tell whether two chains follow each other in time, and in the file where nothing accounts for what is between.

    Args:
        units: of the file, that stand in `one` alone.
    """
    first, second = sorted((one.record, known.record), key=lambda record: record.start_us)
    if first.end_us > second.start_us + SEAM_US or first.later or second.earlier:
        return False
    if second.start_us - first.end_us <= SEAM_US:
        return True
    others = [unit for unit, digest in enumerate(digests.ids) if known.unique[digest] >= 0]
    return not others or (units[-1] < others[0] if first is one.record else others[-1] < units[0])


def _place(ids: list[int], own: Lookup) -> list[int]:
    """Place units: those that are unique in the record and need not move, then what continues them."""
    unique = own.unique
    seeds = [(unit, unique[digest]) for unit, digest in enumerate(ids) if unique[digest] >= 0]
    kept = [seeds[index] for index in longest_increasing([position for _, position in seeds])]
    place = [NOWHERE] * len(ids)
    free = 0
    for unit, position in kept:
        # Of several showings of a picture the first one in order counts as the recorded one.
        at = free if ids[free] == own.ids[position] else unit
        place[at] = position
        free = at + 1
    grow(ids, own.ids, place)
    return place


def _without_unique(
    coded: bytes, digests: FileDigests, candidates: Sequence[Lookup], asked_us: Span | None
) -> Matching:
    """Judge a file none of whose units stands exactly once in any candidate, such as one from a covered lens."""
    empty = [NOWHERE] * len(digests.ids)
    if not candidates or not digests.ids:
        return Matching(digests=digests, own=None, others=tuple(candidates), place=empty)
    count = len(digests.ids)
    fits = [
        (lookup, Stretch(record=lookup.record, first=at, last=at + count - 1))
        for lookup in candidates
        for at in _occurrences(coded, lookup.record.coded)
    ]
    if fits:
        if len({fit[1].record.camera for fit in fits}) == 1:
            fits = [fit for fit in fits if _inside(fit[1], asked_us)] or fits
        own, where = fits[0]
        place = list(range(where.first, where.last + 1))
        ambiguous = tuple(stretch for _, stretch in fits) if len(fits) > 1 else ()
    else:
        own, place = _by_longer_runs(digests, candidates)
        ambiguous = ()
    others = tuple(lookup for lookup in candidates if lookup is not own)
    return Matching(digests=digests, own=own, others=others, place=place, ambiguous=ambiguous)


def _inside(stretch: Stretch, asked_us: Span | None) -> bool:
    if asked_us is None:
        return True
    times = stretch.record.time_us(stretch.first, stretch.last)
    return asked_us[0] <= times[0] and times[1] < asked_us[1]


def _occurrences(coded: bytes, recorded: bytes) -> list[int]:
    found: list[int] = []
    at = recorded.find(coded)
    while at >= 0 and len(found) < PLACES_LISTED:
        if at % DIGEST_BYTES == 0:
            found.append(at // DIGEST_BYTES)
        at = recorded.find(coded, at + 1)
    return found


def _by_longer_runs(digests: FileDigests, candidates: Sequence[Lookup]) -> tuple[Lookup, list[int]]:
    """Anchor on runs of 2, 4 … 64 units that stand once in file and record; else on equal length alone."""
    for lookup in candidates:
        size = 1
        left, right = list(digests.ids), list(lookup.ids)
        while size < LONGEST_ANCHOR and len(left) > size and len(right) > size:
            left, right = _pair_up(left, right, size)
            size *= 2
            where = _once(right)
            seeds = [(unit, where[run]) for run, unit in _once(left).items() if run in where]
            if seeds:
                seeds.sort()
                place = [NOWHERE] * len(digests.ids)
                free = 0
                behind = -1
                for unit, position in (seeds[index] for index in longest_increasing([at for _, at in seeds])):
                    for step in range(size):
                        if unit + step >= free and position + step > behind:
                            place[unit + step] = position + step
                            free, behind = unit + step + 1, position + step
                grow(digests.ids, lookup.ids, place)
                return lookup, place
    for lookup in candidates:
        if len(lookup.ids) == len(digests.ids):
            straight = [unit if digest == lookup.ids[unit] else NOWHERE for unit, digest in enumerate(digests.ids)]
            if 2 * sum(position >= 0 for position in straight) >= len(straight):
                return lookup, straight
    return candidates[0], [NOWHERE] * len(digests.ids)


def _pair_up(left: list[int], right: list[int], size: int) -> tuple[list[int], list[int]]:
    """Number runs of twice the length by the numbers of their halves; a run with an unknown picture stays unknown."""
    numbers: dict[tuple[int, int], int] = {}

    def doubled(runs: list[int]) -> list[int]:
        return [
            numbers.setdefault((runs[at], runs[at + size]), len(numbers))
            if runs[at] >= 0 and runs[at + size] >= 0
            else ABSENT
            for at in range(len(runs) - size)
        ]

    return doubled(left), doubled(right)


def _once(runs: Sequence[int]) -> dict[int, int]:
    """Return the runs that stand exactly once, with their index."""
    seen: dict[int, int] = {}
    for index, run in enumerate(runs):
        if run >= 0:
            seen[run] = index if run not in seen else -1
    return {run: index for run, index in seen.items() if index >= 0}
