"""Finds, in a source of evidence, what belongs to a file, and puts it into a bundle.

Nothing found here is believed. The index only says where to look first: what it names is compared picture by picture,
and what it does not name is looked for in the stored leaves. Whether records and receipts hold, the checks say.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from evidence.batches import batch_key
from evidence.blocks import Block, slot_key
from evidence.digests import DIGEST_BYTES, sha256
from evidence.errors import Malformed, ObjectCorrupt
from evidence.leaf_list import parse_leaf_list
from evidence.ledger_format import LedgerBlock, Receipt
from evidence.proof_file import coded_digests
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import Position, parse_camera_entry
from evidence.trust import Trust
from media.footage import Footage
from verifier.asked import Asked
from verifier.bundle import Bundle, SlotName
from verifier.check_proof import read_signed_block
from verifier.shown_registry import REGISTRY_KINDS

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it, and out of how much."""

Chain = tuple[str, int]

_REPORT_EVERY = 200
# Keys as the contract writes them; a file with other ones was edited, and no receipt stands behind them.
_KEY = re.compile(
    r"(?:block/[^/]+/[0-9]{10}/[0-9]{10}|(?:chain|revocation)/[^/]+/[0-9]{10}|root/[^/]+/[^/]+/[0-9]{10}"
    r"|(?!block/|chain/|revocation/|root/).*)"
)


class Source(Protocol):
    """Where evidence comes from. What it returns is bytes and receipts that nobody has judged yet."""

    @property
    def genesis(self) -> bytes: ...

    @property
    def height(self) -> int: ...

    @property
    def has_store(self) -> bool:
        """Whether there is a place in which proof could be; a ledger alone has none."""
        ...

    def proof(self, slot: SlotName) -> bytes | None:
        """The slot's proof file, None where there is none. Raises ObjectCorrupt where it cannot be read."""
        ...

    def stored(self) -> Sequence[SlotName]:
        """Every slot of which there is a proof file."""
        ...

    def hints(self, digests: Iterable[bytes]) -> Iterable[SlotName]:
        """Slots in which key pictures with these digests are said to stand."""
        ...

    def batch_hints(self, slot: SlotName) -> Iterable[tuple[str, str, int]]:
        """Sealed batches (site, recorder, number) that are said to hold the slot."""
        ...

    def entries(self, prefix: str, *, first: str = "", last: str = "") -> Iterable[tuple[Position, str, bytes]]:
        """The ledger's state under a prefix, in key order, narrowed to first <= key <= last."""
        ...

    def entry(self, key: str) -> tuple[Position, str, bytes] | None: ...

    def receipt(self, position: Position) -> Receipt:
        """Receipt of the transaction at `position`; the same object for the same position. Raises Malformed."""
        ...

    def block(self, height: int) -> LedgerBlock: ...

    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None: ...


def gather(
    source: Source, footage: Footage, asked: Asked, trust: Trust | None, progress: Progress | None = None
) -> Bundle:
    """Everything that is needed to judge `footage`, and what was asked about it.

    Raises:
        VeriframeError: the ledger itself cannot be read.
    """
    gathering = _Gathering(source, footage, asked, progress or _silent)
    gathering.find()
    return gathering.bundle(trust)


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
        self.blocks: dict[str, list[tuple[Position, str, Block]]] = {}

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
            for camera in [self.asked.camera] if self.asked.camera else self._cameras():
                blocks = [block for _, _, block in self._anchored(camera) if self._touches(block)]
                for block in (*blocks[:1], *blocks[-1:]):
                    self._load(_slot(block))

    def _take_asked(self) -> None:
        """Records of the interval that must be accounted for, of the camera named or found."""
        if self.asked.span_us is None:
            return
        for camera in [self.asked.camera] if self.asked.camera else {slot[0] for slot in self.holding}:
            for _, _, block in self._anchored(camera):
                if self._touches(block):
                    self._load(_slot(block))
                    self.due.add(_slot(block))

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

    def _entries(self, prefix: str, *, first: str = "", last: str = "") -> list[tuple[Position, str, bytes]]:
        found = self.source.entries(prefix, first=first, last=last)
        return [each for each in found if _KEY.fullmatch(each[1]) is not None]

    def _touches(self, block: Block) -> bool:
        start, end = self.asked.start_us, self.asked.end_us
        return (end is None or block.start_us < end) and (start is None or block.end_us > start)

    def _cameras(self) -> list[str]:
        return sorted({key.split("/")[1] for _, key, _ in self._entries("camera/")})

    def _anchored(self, camera: str) -> list[tuple[Position, str, Block]]:
        """Blocks of a camera on the ledger with position and key, those in sealed batches included."""
        if camera not in self.blocks:
            found: list[tuple[Position, str, Block]] = []
            for position, key, value in self._entries(f"block/{camera}/"):
                try:
                    found.append((position, key, read_signed_block(value).block))
                except Malformed:
                    continue  # its receipt is judged, and named, where the slot is needed
            for position, key, _ in self._entries("root/"):
                for block in self._leaves(key):
                    if block.camera == camera:
                        found.append((position, key, block))
            self.blocks[camera] = sorted(found, key=lambda each: each[2].order)
        return self.blocks[camera]

    def _leaves(self, key: str) -> list[Block]:
        _, site, recorder, batch = key.split("/")
        data = self.source.leaf_list(site, recorder, int(batch))
        try:
            return [] if data is None else [signed.block for signed in parse_leaf_list(data).blocks]
        except Malformed:
            return []

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
                _slot(block)
                for camera in sorted({slot[0] for slot in slots})
                for _, _, block in self._anchored(camera)
                if not self._touches(block)
            }
            slots = [slot for slot in slots if slot not in other_times]
        for done, slot in enumerate(slots):
            if done % _REPORT_EVERY == 0:
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

    # What the ledger says about it.

    def bundle(self, trust: Trust | None) -> Bundle:
        positions: dict[str, Position] = {}
        for prefix in REGISTRY_KINDS:
            positions |= {key: position for position, key, _ in self._entries(prefix)}
        founding = self.source.entry("genesis")
        if founding is not None:
            positions["genesis"] = founding[0]
        sealed: dict[SlotName, str] = {}
        leaf_lists: dict[str, bytes] = {}
        spans: dict[Chain, tuple[int, int]] = {}
        for camera, chain, sequence in (*self.proofs, *self.lacking):
            low, high = spans.get((camera, chain), (sequence, sequence))
            spans[camera, chain] = min(low, sequence), max(high, sequence)
        for (camera, chain), (low, high) in spans.items():
            first, last = slot_key(camera, chain, max(0, low - 1)), slot_key(camera, chain, high + 1)
            for position, key, _ in self._entries(f"block/{camera}/", first=first, last=last):
                positions[key] = position
        for camera in sorted({camera for camera, _ in spans} | ({self.asked.camera} if self.asked.camera else set())):
            positions |= self._chains(camera, spans)
        self._add_batches(positions, sealed, leaf_lists)
        receipts, damaged = self._receipts(positions)
        return Bundle(
            genesis=self.source.genesis,
            state=receipts,
            damaged=damaged,
            proofs=self.proofs,
            lacking=self.lacking,
            leaf_lists=leaf_lists,
            sealed=sealed,
            headers=self._headers(trust, positions),
            searched=self.source.has_store,
            height=self.source.height,
        )

    def _chains(self, camera: str, spans: dict[Chain, tuple[int, int]]) -> dict[str, Position]:
        """A camera's chain keys, and of its other chains the blocks near the time of what was found."""
        positions = {key: position for position, key, _ in self._entries(f"chain/{camera}/")}
        chains = {int(key.split("/")[2]) for key in positions} - {chain for name, chain in spans if name == camera}
        if not chains:
            return positions
        anchored = self._anchored(camera)
        own = [block for _, _, block in anchored if (camera, block.chain) in spans and self._inside(block, spans)]
        start = min((block.start_us for block in own), default=self.asked.start_us or 0)
        end = max((block.end_us for block in own), default=self.asked.end_us or 0)
        shown: set[int] = set()
        for position, key, block in anchored:
            if block.chain in chains and (block.chain not in shown or (block.start_us < end and block.end_us > start)):
                shown.add(block.chain)
                positions[key] = position
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
        roots = {key: position for position, key, _ in self._entries("root/")}
        if not roots:
            return
        lowest: dict[Chain, int] = {}
        for camera, chain, sequence in (*self.proofs, *self.lacking):
            lowest[camera, chain] = min(sequence, lowest.get((camera, chain), sequence))
        before = {(*chain, sequence - 1) for chain, sequence in lowest.items() if sequence}
        wanted = {slot for slot in (*self.proofs, *self.lacking, *before) if slot_key(*slot) not in positions}
        holding: dict[SlotName, set[str]] = defaultdict(set)
        for slot in wanted:
            for hint in self.source.batch_hints(slot):
                key = batch_key(*hint)
                if key in roots and any(_slot(block) == slot for block in self._leaves(key)):
                    holding[slot].add(key)
        if len(holding) < len(wanted):
            for key in roots:
                for block in self._leaves(key):
                    if _slot(block) in wanted:
                        holding[_slot(block)].add(key)
        for slot, keys in holding.items():
            sealed[slot] = min(keys, key=lambda each: roots[each])
        openings = {f"chain/{camera}/{chain:010d}" for (camera, chain), low in lowest.items() if low == 0}
        opened = [positions[slot_key(*slot)] for slot in (*self.proofs, *before) if slot_key(*slot) in positions]
        held = [roots[key] for keys in holding.values() for key in keys]
        spoken = [*opened, *held, *(positions[key] for key in openings if key in positions)]
        if not spoken:
            return
        sites = {key.split("/")[1] for key in sealed.values()} | self._sites({camera for camera, _ in lowest})
        begin, end = min(spoken), max(spoken)
        if not before <= {*sealed} | {slot for slot in before if slot_key(*slot) in positions}:
            earlier = [position for key, position in roots.items() if key.split("/")[1] in sites and position < begin]
            begin = max(earlier, default=begin)
        for key, position in roots.items():
            _, site, recorder, batch = key.split("/")
            if site in sites and begin <= position <= end:
                positions[key] = position
                data = self.source.leaf_list(site, recorder, int(batch))
                if data is not None:
                    leaf_lists[key] = data

    def _sites(self, cameras: Iterable[str]) -> set[str]:
        """Sites at which the registry has these cameras; a camera stays at one."""
        found = set()
        for camera in cameras:
            for _, _, value in self._entries(f"camera/{camera}/"):
                try:
                    found.add(parse_camera_entry(value).site)
                except Malformed:
                    continue
        return found

    def _receipts(self, positions: dict[str, Position]) -> tuple[dict[str, Receipt], dict[str, str]]:
        read: dict[Position, Receipt | str] = {}
        receipts: dict[str, Receipt] = {}
        damaged: dict[str, str] = {}
        for done, (key, position) in enumerate(sorted(positions.items())):
            if done % _REPORT_EVERY == 0:
                self.progress("reading receipts", done, len(positions))
            if position not in read:
                try:
                    read[position] = self.source.receipt(position)
                except Malformed as error:
                    read[position] = error.detail
            found = read[position]
            if isinstance(found, str):
                damaged[key] = found
            else:
                receipts[key] = found
        return receipts, damaged

    def _headers(self, trust: Trust | None, positions: dict[str, Position]) -> dict[int, LedgerBlock]:
        """Ledger blocks from the earliest anchor to the newest checkpoint that the examiner saw."""
        ledger_id = f"embedded:{sha256(self.source.genesis).hex()}"
        seen = [] if trust is None else [each.height for each in trust.checkpoints if each.ledger == ledger_id]
        seen = [height for height in seen if height <= self.source.height]
        if not seen:
            return {}
        first = min((position.height for position in positions.values()), default=0)
        try:
            return {height: self.source.block(height) for height in range(first, max(seen) + 1)}
        except Malformed:
            return {}


def _slot(block: Block) -> SlotName:
    return block.camera, block.chain, block.sequence
