"""The leaf list of a sealed batch: every block of it with its signature, in leaf order, as the store keeps it.

The ledger holds the root alone; this list is what shows later which slots the batch filled, and which it did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evidence import merkle
from evidence.batches import MAX_SEALED_BLOCKS, Batch, leaf_hashes
from evidence.blocks import MAX_BLOCK_BYTES, SignedBlock, signed_block_from_json
from evidence.canonical import Fields, canonical, parse_canonical
from evidence.records import MAX_SLOT_NUMBER

LEAF_LIST_TYPE = "veriframe/leaves/1"
MAX_LEAF_LIST_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafList:
    site: str
    recorder: str
    batch: int
    blocks: tuple[SignedBlock, ...]

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": LEAF_LIST_TYPE,
                "site": self.site,
                "recorder": self.recorder,
                "batch": self.batch,
                "blocks": [signed.to_json() for signed in self.blocks],
            }
        )

    def belongs_to(self, batch: Batch) -> bool:
        """Whether this is the list under the batch's root. Raises Malformed: blocks out of order."""
        named = (self.site, self.recorder, self.batch, len(self.blocks))
        return (
            named == (batch.site, batch.recorder, batch.batch, batch.count)
            and merkle.root(leaf_hashes([signed.block for signed in self.blocks])) == batch.root
        )


def leaf_list(batch: Batch, signed: Sequence[SignedBlock]) -> LeafList:
    """The list for `batch`, whatever the order of `signed`."""
    blocks = tuple(sorted(signed, key=lambda each: each.block.order))
    return LeafList(site=batch.site, recorder=batch.recorder, batch=batch.batch, blocks=blocks)


def parse_leaf_list(data: bytes) -> LeafList:
    """Read a leaf list. Raises Malformed."""
    value = parse_canonical(data, "leaf list", limit=min(MAX_LEAF_LIST_BYTES, MAX_SEALED_BLOCKS * 2 * MAX_BLOCK_BYTES))
    f = Fields(value, "leaf list", ("type", "site", "recorder", "batch", "blocks"))
    f.const("type", LEAF_LIST_TYPE)
    return LeafList(
        site=f.ident("site"),
        recorder=f.ident("recorder"),
        batch=f.integer("batch", 0, MAX_SLOT_NUMBER),
        blocks=tuple(signed_block_from_json(each) for each in f.list("blocks", limit=MAX_SEALED_BLOCKS)),
    )
