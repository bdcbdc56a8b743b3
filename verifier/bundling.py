"""Puts into a bundle what was found of a file, and all that the ledger says about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from evidence.batches import batch_key
from evidence.blocks import Block, slot_key
from evidence.errors import Malformed
from evidence.fabric_receipt import FullReceipt
from evidence.ledger_format import LedgerBlock
from evidence.registry import Position, parse_camera_entry
from evidence.trust import Trust
from verifier.anchor import Shown
from verifier.asked import Asked
from verifier.bundle import Bundle, SlotName
from verifier.shown_registry import REGISTRY_KINDS
from verifier.source import LedgerState, Source, slot_of

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and out of how much."""

Chain = tuple[str, int]

REPORT_EVERY = 200
FEW_BATCHES = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Proof files that may concern a file, and slots whose proof file is missing or unreadable, with the reason."""

    proofs: Mapping[SlotName, bytes]
    lacking: Mapping[SlotName, str]
    asked: Asked
    state: LedgerState


def bundle_of(source: Source, found: Found, trust: Trust | None, progress: Progress) -> Bundle:
    """What was found, with the evidence that the ledger holds it. Raises VeriframeError: it cannot be read."""
    return _Bundling(source, found, progress).bundle(trust)


class _Bundling:
    def __init__(self, source: Source, found: Found, progress: Progress) -> None:
        self._source = source
        self._found = found
        self._state = found.state
        self._progress = progress

    def bundle(self, trust: Trust | None) -> Bundle:
        positions: dict[str, Position] = {}
        spans: dict[Chain, tuple[int, int]] = {}
        for camera, chain, sequence in (*self._found.proofs, *self._found.lacking):
            low, high = spans.get((camera, chain), (sequence, sequence))
            spans[camera, chain] = min(low, sequence), max(high, sequence)
        for (camera, chain), (low, high) in spans.items():
            self._source.prepare(camera, chain, low, high)
        for prefix in REGISTRY_KINDS:
            positions |= {key: position for position, key, _ in self._state.entries(prefix)}
        founding = self._source.entry("genesis")
        if founding is not None:
            positions["genesis"] = founding[0]
        sealed: dict[SlotName, str] = {}
        leaf_lists: dict[str, bytes] = {}
        for (camera, chain), (low, high) in spans.items():
            first, last = slot_key(camera, chain, max(0, low - 1)), slot_key(camera, chain, high + 1)
            for position, key, _ in self._state.entries(f"block/{camera}/", first=first, last=last):
                positions[key] = position
        asked = self._found.asked.camera
        for camera in sorted({camera for camera, _ in spans} | ({asked} if asked else set())):
            positions |= self._chains(camera, spans)
        self._add_batches(positions, sealed, leaf_lists)
        self._add_leaves(positions, leaf_lists)
        shown, damaged = self._shown(positions)
        full_receipts = self._full_receipts(positions, damaged)
        return Bundle(
            ledger_id=self._source.ledger_id,
            genesis=self._source.genesis,
            state=shown,
            reads=self._source.reads,
            full_receipts=full_receipts,
            configuration=self._source.configuration,
            authorities=self._source.authorities,
            damaged=damaged,
            proofs=self._found.proofs,
            lacking=self._found.lacking,
            leaf_lists=leaf_lists,
            sealed=sealed,
            headers=self._headers(trust, positions),
            searched=self._source.has_store,
            height=self._source.height,
        )

    def _chains(self, camera: str, spans: dict[Chain, tuple[int, int]]) -> dict[str, Position]:
        """A camera's chain keys, and of its other chains the blocks near the time of what was found."""
        positions = {key: position for position, key, _ in self._state.entries(f"chain/{camera}/")}
        chains = {int(key.split("/")[2]) for key in positions} - {chain for name, chain in spans if name == camera}
        if not chains:
            return positions
        anchored = self._state.anchored(camera)
        own = [block for _, _, block in anchored if (camera, block.chain) in spans and self._inside(block, spans)]
        start = min((block.start_us for block in own), default=self._found.asked.start_us or 0)
        end = max((block.end_us for block in own), default=self._found.asked.end_us or 0)
        for chain in chains:
            others = [(position, key, block) for position, key, block in anchored if block.chain == chain]
            before = [each for each in others if each[2].end_us <= start]
            behind = [each for each in others if each[2].start_us >= end]
            beside = [each for each in others if each[2].start_us < end and each[2].end_us > start]
            positions |= {key: position for position, key, _ in (*others[:1], *before[-1:], *beside, *behind[:1])}
        return positions

    def _inside(self, block: Block, spans: dict[Chain, tuple[int, int]]) -> bool:
        low, high = spans[block.camera, block.chain]
        return low <= block.sequence <= high

    def _add_batches(
        self, positions: dict[str, Position], sealed: dict[SlotName, str], leaf_lists: dict[str, bytes]
    ) -> None:
        """Sealed batches that hold slots found, and those of their sites in which another version could stand.

        These are all from the one that holds the record before the first on (for a chain's first record from the one
        that opened the chain), however the records found are anchored themselves.
        """
        roots = {key: position for position, key, _ in self._state.entries("root/")}
        if not roots:
            return
        lowest: dict[Chain, int] = {}
        for camera, chain, sequence in (*self._found.proofs, *self._found.lacking):
            lowest[camera, chain] = min(sequence, lowest.get((camera, chain), sequence))
        before = {(*chain, sequence - 1) for chain, sequence in lowest.items() if sequence}
        wanted = {
            slot for slot in (*self._found.proofs, *self._found.lacking, *before) if slot_key(*slot) not in positions
        }
        holding: dict[SlotName, set[str]] = defaultdict(set)
        for slot in wanted:
            for hint in self._source.batch_hints(slot):
                key = batch_key(*hint)
                if key in roots and any(slot_of(block) == slot for block in self._state.leaves(key)):
                    holding[slot].add(key)
        if len(holding) < len(wanted):
            for key in roots:
                for block in self._state.leaves(key):
                    if slot_of(block) in wanted:
                        holding[slot_of(block)].add(key)
        for slot, keys in holding.items():
            sealed[slot] = min(keys, key=lambda each: roots[each])
        openings = {f"chain/{camera}/{chain:010d}" for (camera, chain), low in lowest.items() if low == 0}
        opened = [positions[slot_key(*slot)] for slot in (*self._found.proofs, *before) if slot_key(*slot) in positions]
        held = [roots[key] for keys in holding.values() for key in keys]
        spoken = [*opened, *held, *(positions[key] for key in openings if key in positions)]
        if not spoken:
            return
        sites = {key.split("/")[1] for key in sealed.values()} | self._sites({camera for camera, _ in lowest})
        begin, end = min(spoken), max(spoken)
        if not before <= {*sealed} | {slot for slot in before if slot_key(*slot) in positions}:
            earlier = [position for key, position in roots.items() if key.split("/")[1] in sites and position < begin]
            begin = max(earlier, default=begin)
        stems: dict[str, list[tuple[Position, str]]] = defaultdict(list)
        for key, position in roots.items():
            stems[key.rpartition("/")[0]].append((position, key))
            _, site, recorder, batch = key.split("/")
            if site in sites and begin <= position <= end:
                positions[key] = position
                data = self._source.leaf_list(site, recorder, int(batch))
                if data is not None:
                    leaf_lists[key] = data
        for stem, places in stems.items():
            # The ones next to that while, which show that no other batch of this recorder lies within it.
            if stem.split("/")[1] in sites:
                before_it = max((each for each in places if each[0] <= begin), default=None)
                behind_it = min((each for each in places if each[0] >= end), default=None)
                positions |= {key: position for position, key in filter(None, (before_it, behind_it))}

    def _add_leaves(self, positions: dict[str, Position], leaf_lists: dict[str, bytes]) -> None:
        """Leaf lists of all batches taken along; of a few batches all, which then show whole chains beside."""
        roots = {key: position for position, key, _ in self._state.entries("root/")}
        if len(roots) <= FEW_BATCHES:
            positions |= roots
        for key in positions:
            if key.startswith("root/") and key not in leaf_lists:
                _, site, recorder, batch = key.split("/")
                data = self._source.leaf_list(site, recorder, int(batch))
                if data is not None:
                    leaf_lists[key] = data

    def _sites(self, cameras: Iterable[str]) -> set[str]:
        """Sites at which the registry has these cameras; a camera stays at one."""
        found = set()
        for camera in cameras:
            for _, _, value in self._state.entries(f"camera/{camera}/"):
                try:
                    found.add(parse_camera_entry(value).site)
                except Malformed:
                    continue
        return found

    def _shown(self, positions: dict[str, Position]) -> tuple[dict[str, Shown], dict[str, str]]:
        shown: dict[str, Shown] = {}
        damaged: dict[str, str] = {}
        for done, (key, position) in enumerate(sorted(positions.items())):
            if done % REPORT_EVERY == 0:
                self._progress("reading receipts", done, len(positions))
            try:
                shown[key] = self._source.shown(key, position)
            except Malformed as error:
                damaged[key] = error.detail
        return shown, damaged

    def _full_receipts(self, positions: dict[str, Position], damaged: dict[str, str]) -> dict[Position, FullReceipt]:
        """Full receipts of what was anchored; where one is damaged, so is what it was handed over to prove."""
        found: dict[Position, FullReceipt] = {}
        for key, position in positions.items():
            if position not in found and key.startswith(("block/", "root/")):
                try:
                    receipt = self._source.full_receipt(position)
                except Malformed as error:
                    damaged[key] = error.detail
                    continue
                if receipt is not None:
                    found[position] = receipt
        return found

    def _headers(self, trust: Trust | None, positions: dict[str, Position]) -> dict[int, LedgerBlock]:
        """Ledger blocks from the earliest anchor to the newest checkpoint that the examiner saw."""
        checkpoints = () if trust is None else trust.checkpoints
        seen = [each.height for each in checkpoints if each.ledger == self._source.ledger_id]
        seen = [height for height in seen if height <= (self._source.height or 0)]
        if not seen:
            return {}
        first = min((position.height for position in positions.values()), default=0)
        try:
            return {height: self._source.block(height) for height in range(first, max(seen) + 1)}
        except Malformed:
            return {}
