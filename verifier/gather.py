"""Finds, in a source of evidence, what belongs to a file.

Nothing found here is believed. The index only says where to look first: what it names is compared picture by picture,
and what it does not name is looked for in the stored leaves. Whether records and receipts hold, the checks say.
"""

from __future__ import annotations

from collections import defaultdict

from evidence.blocks import Block, slot_key
from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed, ObjectCorrupt
from evidence.proof_file import coded_digests
from evidence.records import MAX_SLOT_NUMBER
from evidence.trust import Trust
from media.footage import Footage
from verifier.asked import Asked
from verifier.bundle import Bundle, SlotName
from verifier.bundling import REPORT_EVERY, Found, Progress, bundle_of
from verifier.source import LedgerState, Source, slot_of

Chain = tuple[str, int]


def gather(
    source: Source, footage: Footage, asked: Asked, trust: Trust | None, progress: Progress | None = None
) -> Bundle:
    """Everything that is needed to judge `footage`, and what was asked about it.

    Raises:
        VeriframeError: the ledger itself cannot be read.
    """
    source.believe(trust)
    gathering = _Gathering(source, footage, asked, progress or _silent)
    gathering.find()
    found = Found(proofs=gathering.proofs, lacking=gathering.lacking, asked=asked, state=gathering.state)
    return bundle_of(source, found, trust, gathering.progress)


def _silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


class _Gathering:
    def __init__(self, source: Source, footage: Footage, asked: Asked, progress: Progress) -> None:
        self.source = source
        self.asked = asked
        self.progress = progress
        coded = footage.coded
        self.keys = [footage.unit_digest(unit) for unit, key in enumerate(footage.keys) if key]
        self.wanted = {coded[at : at + DIGEST_BYTES] for at in range(0, len(coded), DIGEST_BYTES)}
        self.unseen = set(self.wanted)
        self.proofs: dict[SlotName, bytes] = {}
        self.lacking: dict[SlotName, str] = {}
        self.holding: set[SlotName] = set()
        self.due: set[SlotName] = set()
        self.state = LedgerState(source)

    # What to look at.

    def find(self) -> None:
        for slot in self.source.hints(self.keys):
            if not self._load(slot):
                self.proofs.pop(slot, None)
        self._take_asked()
        self._complete()
        if self.unseen:
            self._scan()
            self._take_asked()
            self._complete()
        if self.asked.named and not self.holding:
            # Nothing of the file is known: a few records show that the camera was being anchored at all.
            for camera in [self.asked.camera] if self.asked.camera else self.state.cameras():
                blocks = [block for _, _, block in self.state.anchored(camera) if self._touches(block)]
                for block in (*blocks[:1], *blocks[-1:]):
                    self._load(slot_of(block))

    def _take_asked(self) -> None:
        """Records of the interval that must be accounted for, of the camera named or found."""
        if self.asked.span_us is None:
            return
        for camera in [self.asked.camera] if self.asked.camera else {slot[0] for slot in self.holding}:
            for _, _, block in self.state.anchored(camera):
                if self._touches(block):
                    self._load(slot_of(block))
                    self.due.add(slot_of(block))

    def _load(self, slot: SlotName) -> bool:
        """Take the slot's proof along; tell whether it holds pictures of the file."""
        if slot in self.proofs:
            return slot in self.holding
        try:
            data = self.source.proof(slot)
            digests = b"" if data is None else coded_digests(data)
        except (Malformed, ObjectCorrupt) as error:
            self.lacking[slot] = error.detail
            return False
        if data is None:
            if self.source.entry(slot_key(*slot)) is not None:
                self.lacking[slot] = "it is not in the store"
            return False
        self.proofs[slot] = data
        return self._note(slot, digests)

    def _note(self, slot: SlotName, digests: bytes) -> bool:
        held = {digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES)} & self.wanted
        self.unseen -= held
        if held:
            self.holding.add(slot)
        return bool(held)

    def _touches(self, block: Block) -> bool:
        start, end = self.asked.start_us, self.asked.end_us
        return (end is None or block.start_us < end) and (start is None or block.end_us > start)

    def _complete(self) -> None:
        """Take along all records between those that hold pictures of the file, and the next ones beyond."""
        chains: dict[Chain, list[int]] = defaultdict(list)
        for camera, chain, sequence in (*self.holding, *self.due):
            chains[camera, chain].append(sequence)
        for (camera, chain), sequences in chains.items():
            low, high = min(sequences), max(sequences)
            for sequence in range(low, high + 1):
                self._load((camera, chain, sequence))
            while low > 0 and self._load((camera, chain, low - 1)):
                low -= 1
            while high < MAX_SLOT_NUMBER and self._load((camera, chain, high + 1)):
                high += 1

    def _scan(self) -> None:
        """Look in all stored leaves for pictures that no key picture led to; where nothing of the file is known and a
        camera or time was named, only there.
        """
        slots = [slot for slot in self.source.stored() if slot not in self.proofs]
        if not self.holding and self.asked.camera is not None:
            slots = [slot for slot in slots if slot[0] == self.asked.camera]
        if not self.holding and (self.asked.start_us is not None or self.asked.end_us is not None):
            other_times = {
                slot_of(block)
                for camera in sorted({slot[0] for slot in slots})
                for _, _, block in self.state.anchored(camera)
                if not self._touches(block)
            }
            slots = [slot for slot in slots if slot not in other_times]
        for done, slot in enumerate(slots):
            if done % REPORT_EVERY == 0:
                self.progress("looking through stored leaves", done, len(slots))
            try:
                data = self.source.proof(slot)
                digests = b"" if data is None else coded_digests(data)
            except (Malformed, ObjectCorrupt):
                continue
            if data is not None and any(
                digests[at : at + DIGEST_BYTES] in self.unseen for at in range(0, len(digests), DIGEST_BYTES)
            ):
                self.proofs[slot] = data
                self._note(slot, digests)
                if not self.unseen:
                    break
        self.progress("looking through stored leaves", len(slots), len(slots))
