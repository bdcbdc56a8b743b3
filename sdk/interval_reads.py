"""Which signed reads a proof about an interval of a camera needs, as the ledger itself tells, and taking them.

One page of such reads holds, in one and the same read, everything that the verifier asks for: the founding, the
registry around the camera, all its chains, the slots with one more at both ends, and of every other chain the slots
next to the interval's time. Beside it stand the sealed batches of that while, or that there are none.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evidence.blocks import Block, parse_signed_block, slot_key
from evidence.errors import Refused
from evidence.proof_ranges import KeyRange, whole_range
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import CameraEntry, parse_camera_entry
from sdk.channel_view import ChannelView
from sdk.fabric_reads import Run, Slots, Wait, collect_pages, ranges_for, slot_range
from sdk.galloping import first_that
from sdk.gateway_blocking import BlockingGateway
from sdk.sealed_ranges import SHOWN_TO, SealedBatches

# Slots of another chain that are shown where it runs beside the interval: enough to say so.
MOST_BESIDE = 40

BatchHints = Callable[[tuple[str, int, int]], Iterable[tuple[str, str, int]]]
"""For a slot, the sealed batches (site, recorder, number) that are said to hold it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Slots of a camera, in one or several of its chains, a run of each."""

    camera: str
    runs: tuple[Slots, ...]

    @classmethod
    def of(cls, camera: str, chain: int, first: int, last: int) -> Interval:
        return cls(camera=camera, runs=(Slots(chain, first, last),))


def read_interval(
    gateway: BlockingGateway,
    interval: Interval,
    *,
    hints: BatchHints = lambda slot: (),
    times_us: tuple[int, int] | None = None,
    anchored: Iterable[str] = (),
    wait: Wait = time.sleep,
) -> list[bytes]:
    """Take the signed reads that show an interval; mostly one.

    Args:
        hints: of sealed batches.
        times_us: of the interval, where they are known; else as the ledger's blocks say.
        anchored: ledger keys that are known to be there, so that peers which are behind are not believed.

    Raises:
        Refused: there is no such camera, or it is not shown to this identity.
        LedgerUnavailable, EndorseFailed, Malformed, ConfigInvalid: see `sdk.fabric_reads.collect`.
    """
    view = ChannelView(gateway, patient=True)
    history = view.entries(f"camera/{interval.camera}/")
    if not history:
        raise Refused(f"there is no camera {interval.camera} on this ledger", reason="not_found")
    camera = parse_camera_entry(history[-1].value)
    ledger = _Chains(view, interval.camera)
    span_us = times_us or ledger.times_us(interval.runs)
    own = {run.chain for run in interval.runs}
    others = [ledger.beside(chain, span_us) for chain in ledger.chains() if chain not in own]
    # Where nothing stands behind a run that is shown to the chain's end: for another interval this is another chain.
    runs = [Run(*run, to_end=ledger.block(run.chain, run.last + 1) is None) for run in interval.runs]
    near, further, newest = _sealed(view, gateway.identity.role, camera, interval, hints, ledger, span_us)
    everything = ranges_for(interval.camera, (), room=camera.control_room)
    chains = whole_range("chain", interval.camera)
    core = [*(each for each in everything if each != chains), *near]
    beside = [chains, *(slot_range(interval.camera, each) for each in others), *further]
    last = interval.runs[-1]
    newest = newest or slot_range(interval.camera, Slots(last.chain, last.last, last.last))
    return collect_pages(gateway, camera.id, runs, core, beside, newest=newest, shows=anchored, wait=wait)


class _Chains:
    """A camera's chains on the ledger, slots asked for one by one and remembered."""

    def __init__(self, view: ChannelView, camera: str) -> None:
        self._view = view
        self._camera = camera
        self._blocks: dict[tuple[int, int], Block | None] = {}

    def chains(self) -> list[int]:
        return [int(each.key.rpartition("/")[2]) for each in self._view.entries(f"chain/{self._camera}/")]

    def block(self, chain: int, sequence: int) -> Block | None:
        slot = (chain, sequence)
        if slot not in self._blocks:
            found = self._view.get(slot_key(self._camera, *slot)) if sequence <= MAX_SLOT_NUMBER else None
            self._blocks[slot] = None if found is None else parse_signed_block(found.value).block
        return self._blocks[slot]

    def times_us(self, runs: Sequence[Slots]) -> tuple[int, int] | None:
        found = [self.block(run.chain, each) for run in runs for each in (run.first, run.last)]
        blocks = [each for each in found if each is not None]
        if len(blocks) < len(found):
            return None
        return min(each.start_us for each in blocks), max(each.end_us for each in blocks)

    def beside(self, chain: int, span_us: tuple[int, int] | None) -> Slots:
        """The slots next to a time: the last one before it, those in it, the first one behind, or that there is none.

        Times within a chain ascend but for clocks that were set back; the verifier judges what is shown.
        """
        if span_us is None or self.block(chain, 0) is None:
            return Slots(chain, 0, MAX_SLOT_NUMBER)
        start_us, end_us = span_us
        behind = self._first(chain, 0, lambda block: block.end_us > start_us)
        past = self._first(chain, behind, lambda block: block.start_us >= end_us)
        # Where nothing stands behind the interval that is shown to the chain's end: a slot may be anchored before the
        # one that precedes it.
        last = MAX_SLOT_NUMBER if self.block(chain, past) is None else past
        return Slots(chain, max(0, behind - 1), last if past - behind <= MOST_BESIDE else behind + MOST_BESIDE)

    def _first(self, chain: int, start: int, reached: Callable[[Block], bool]) -> int:
        """The first slot from `start` on that does not exist or of which `reached` holds, as it does from there on."""

        def holds(sequence: int) -> bool:
            block = self.block(chain, sequence)
            return block is None or reached(block)

        return first_that(holds, start)


def _sealed(
    view: ChannelView,
    role: str,
    camera: CameraEntry,
    interval: Interval,
    hints: BatchHints,
    ledger: _Chains,
    span_us: tuple[int, int] | None,
) -> tuple[Sequence[KeyRange], Sequence[KeyRange], KeyRange | None]:
    """Sealed batches to show: those that go with the slots, further ones, and the newest that holds the interval.

    Also where nothing of it is sealed: another version could be, and so it is shown that there is none.
    """
    if role not in SHOWN_TO:
        return (), (), None  # what was kept must do
    batches = SealedBatches(view)
    slots = (
        (interval.camera, run.chain, sequence)
        for run in interval.runs
        for sequence in range(max(0, run.first - 1), run.last + 1)
    )
    held = batches.held(each for slot in slots for each in hints(slot))
    before = (ledger.block(run.chain, run.first - 1) for run in interval.runs if run.first)
    times_us = [(block.start_us, block.end_us) for block in before if block is not None]
    times_us += [each for each in (span_us, held.times_us) if each is not None]
    while_us = (min(each[0] for each in times_us), max(each[1] for each in times_us)) if times_us else None
    return held.near, (*held.further, *batches.beside(camera.site, held.recorders, while_us)), held.newest
