"""Where evidence comes from, and what the ledger in it says, read once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from evidence.blocks import Block
from evidence.errors import Malformed
from evidence.fabric_configuration import FabricConfiguration
from evidence.fabric_read import SignedRead
from evidence.fabric_receipt import FullReceipt
from evidence.leaf_list import parse_leaf_list
from evidence.ledger_format import LedgerBlock
from evidence.registry import Position
from evidence.trust import Trust
from verifier.anchor import Shown
from verifier.bundle import SlotName
from verifier.check_proof import read_signed_block

# Keys as the contract writes them; a file with other ones was edited, and no receipt stands behind them.
_KEY = re.compile(
    r"(?:camera|participant|policy|delegation|revocation|chain)/[^/]+/[0-9]{10}"
    r"|(?:block|change|root)/[^/]+/[^/]+/[0-9]{10}|pending/.+"
)


class Source(Protocol):
    """Where evidence comes from. What it returns is bytes and receipts that nobody has judged yet."""

    @property
    def ledger_id(self) -> str: ...

    @property
    def own_trust(self) -> Trust:
        """What it means to take the evidence's own word: whom its keeper names."""
        ...

    @property
    def genesis(self) -> bytes: ...

    @property
    def height(self) -> int | None: ...

    @property
    def reads(self) -> tuple[SignedRead, ...]:
        """Signed reads from which all of it was taken; none where the ledger's own file is read."""
        ...

    def full_receipt(self, position: Position) -> FullReceipt | None:
        """The whole block around the transaction at `position`, where it was kept or asked for. Raises Malformed."""
        ...

    @property
    def configuration(self) -> FabricConfiguration | None:
        """Of a Fabric channel, where it is at hand."""
        ...

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """Certificates (DER) that are offered as organisations' roots, beside those of the founding document."""
        ...

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

    def believe(self, trust: Trust | None) -> None:
        """Told before anything is asked for: where evidence contradicts itself, whom the examiner believes counts."""
        ...

    def prepare(self, camera: str, chain: int, first: int, last: int) -> None:
        """Fetch, where that has to be done, what the ledger shows about these slots of a chain and their camera."""
        ...

    def shown(self, key: str, position: Position) -> Shown:
        """Evidence of what stands under `key` since `position`; the same object each time. Raises Malformed."""
        ...

    def block(self, height: int) -> LedgerBlock: ...

    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None: ...


def slot_of(block: Block) -> SlotName:
    return block.camera, block.chain, block.sequence


class LedgerState:
    """What a source says that its ledger holds; nothing of it is believed yet."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: dict[str, list[tuple[Position, str, Block]]] = {}
        # Asked for once for every slot that a batch holds.
        self._leaves: dict[str, list[Block]] = {}

    def entries(self, prefix: str, *, first: str = "", last: str = "") -> list[tuple[Position, str, bytes]]:
        found = self._source.entries(prefix, first=first, last=last)
        return [each for each in found if _KEY.fullmatch(each[1]) is not None]

    def cameras(self) -> list[str]:
        return sorted({key.split("/")[1] for _, key, _ in self.entries("camera/")})

    def anchored(self, camera: str) -> list[tuple[Position, str, Block]]:
        """Blocks of a camera on the ledger with position and key, those in sealed batches included."""
        if camera not in self._blocks:
            found: list[tuple[Position, str, Block]] = []
            for position, key, value in self.entries(f"block/{camera}/"):
                try:
                    found.append((position, key, read_signed_block(value).block))
                except Malformed:
                    continue  # its evidence is judged, and named, where the slot is needed
            for position, key, _ in self.entries("root/"):
                for block in self.leaves(key):
                    if block.camera == camera:
                        found.append((position, key, block))
            self._blocks[camera] = sorted(found, key=lambda each: each[2].order)
        return self._blocks[camera]

    def leaves(self, key: str) -> list[Block]:
        """Blocks in the leaf list of the sealed batch under `key`, none where it is not at hand."""
        if key not in self._leaves:
            _, site, recorder, batch = key.split("/")
            data = self._source.leaf_list(site, recorder, int(batch))
            try:
                self._leaves[key] = [] if data is None else [each.block for each in parse_leaf_list(data).blocks]
            except Malformed:
                self._leaves[key] = []
        return self._leaves[key]
