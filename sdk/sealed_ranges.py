"""Which sealed batches a proof about an interval has to show, found by plain questions.

These are the batches that hold the interval, and of all the site's other recorders those of that while: what lies
between a batch from before the record before the interval and one from behind it. Batches are numbered in the order in
which they were anchored, and their times ascend but for recorders that were away, so a few are asked for and not all.
Where times mislead, too little is shown, and the verdict says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from evidence.batches import Batch, batch_key, parse_batch
from evidence.errors import Refused
from evidence.proof_ranges import KeyRange, joined, whole_range
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import parse_participant_entry
from sdk.channel_view import ChannelView
from sdk.galloping import first_that

Times = tuple[int, int]
"""Unix microseconds from and to."""

# To these roles alone the contract shows sealed batches; of others' reads the verdict says what they do not show.
SHOWN_TO = frozenset({"AUDITOR", "CRM", "CRS", "OPERATOR", "RECORDER"})
# A recorder with no more batches is shown whole.
MOST_WHOLE = 40
# Batches more at either end of a while, for one that was anchored a little later than its times say.
_SPARE = 2
# The newest batches, which are those around records that were imported or anchored late.
_NEWEST = 8
# So many batches of another recorder are shown at most, and so many that hold the interval together with its slots.
MOST_BATCHES = 400
MOST_BESIDE_SLOTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Batches that hold an interval: ranges that go with its slots, and further ones; the newest; when they were made.

    `newest` and `times_us` are None where there are none.
    """

    near: tuple[KeyRange, ...] = ()
    further: tuple[KeyRange, ...] = ()
    newest: KeyRange | None = None
    times_us: Times | None = None
    recorders: frozenset[tuple[str, str]] = frozenset()


class SealedBatches:
    """The sealed batches on a ledger, asked for one by one and remembered."""

    def __init__(self, view: ChannelView) -> None:
        self._view = view
        self._known: dict[str, Batch | None] = {}

    def held(self, named: Iterable[tuple[str, str, int]]) -> Held:
        """Those that hold an interval and the record before it, as somebody names them."""
        numbers: dict[tuple[str, str], list[int]] = {}
        for site, recorder, number in named:
            numbers.setdefault((site, recorder), []).append(number)
        if not numbers:
            return Held()
        near: list[KeyRange] = []
        further: list[KeyRange] = []
        tops: list[tuple[int, KeyRange]] = []
        from_us: list[int] = []
        for (site, recorder), each in numbers.items():
            low, high = min(each), max(each)
            # One more at both ends, which shows what stands beside them.
            start, end = (
                batch_key(site, recorder, max(0, low - 1)),
                _end(site, recorder, min(high + 1, MAX_SLOT_NUMBER)),
            )
            if high - low > MOST_BESIDE_SLOTS:
                cut = batch_key(site, recorder, high - MOST_BESIDE_SLOTS)
                further.append(KeyRange(start, cut))
                start = cut
            near.append(KeyRange(start, end))
            first, last = self._batch(site, recorder, low), self._batch(site, recorder, high)
            from_us += [] if first is None else [first.from_us]
            top = KeyRange(batch_key(site, recorder, high), _end(site, recorder, high))
            tops.append((0 if last is None else last.to_us, top))
        until_us, newest = max(tops)
        return Held(
            near=tuple(near),
            further=tuple(further),
            newest=newest,
            times_us=(min(from_us), until_us) if from_us and until_us else None,
            recorders=frozenset(numbers),
        )

    def beside(self, site: str, but: Iterable[tuple[str, str]], times_us: Times | None) -> tuple[KeyRange, ...]:
        """What has to be shown of all recorders of a site, but of those named, about a while; None: of now.

        Raises:
            Refused: participants are not shown. LedgerUnavailable, Malformed.
        """
        people = [parse_participant_entry(each.value) for each in self._view.entries("participant/")]
        recorders = {each.id for each in people if (each.role, each.site) == ("RECORDER", site)}
        left_out = set(but)
        ranges: list[KeyRange] = []
        for recorder in sorted(each for each in recorders if (site, each) not in left_out):
            try:
                ranges += self._around(site, recorder, times_us)
            except Refused as error:
                if error.reason != "denied":
                    raise
                # Of another control room: what is not shown is not asked, since all of the read would be refused.
        return tuple(ranges)

    def _around(self, site: str, recorder: str, times_us: Times | None) -> Iterator[KeyRange]:
        whole = whole_range("root", site, recorder)
        if self._batch(site, recorder, 0) is None or self._batch(site, recorder, MOST_WHOLE - 1) is None:
            yield whole
            return
        count = self._first(site, recorder, lambda batch: False)
        newest = KeyRange(batch_key(site, recorder, max(0, count - _NEWEST)), whole.end)
        if times_us is None:
            yield newest
            return
        since_us, until_us = times_us
        low = max(0, self._first(site, recorder, lambda batch: batch.to_us > since_us) - 1 - _SPARE)
        high = min(count, self._first(site, recorder, lambda batch: batch.from_us >= until_us) + _SPARE)
        if count - low <= MOST_BATCHES:
            yield KeyRange(batch_key(site, recorder, low), whole.end)
            return
        high = min(high, low + MOST_BATCHES)
        yield from joined([KeyRange(batch_key(site, recorder, low), _end(site, recorder, high)), newest])

    def _batch(self, site: str, recorder: str, number: int) -> Batch | None:
        key = batch_key(site, recorder, number)
        if key not in self._known:
            found = self._view.get(key) if number <= MAX_SLOT_NUMBER else None
            self._known[key] = None if found is None else parse_batch(found.value)
        return self._known[key]

    def _first(self, site: str, recorder: str, reached: Callable[[Batch], bool]) -> int:
        """The first number that is no batch's or of which `reached` holds, as it does from there on."""

        def holds(number: int) -> bool:
            batch = self._batch(site, recorder, number)
            return batch is None or reached(batch)

        return first_that(holds, 0)


def _end(site: str, recorder: str, number: int) -> str:
    """The end of a range that ends with a batch."""
    return f"root/{site}/{recorder}0" if number >= MAX_SLOT_NUMBER else batch_key(site, recorder, number + 1)
