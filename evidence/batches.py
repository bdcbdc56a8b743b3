"""Sealed batches: one root on the ledger for all blocks that a recorder made in a while.

The leaves are the canonical blocks without signature, strictly ascending by (camera, chain, sequence), so that two
adjacent leaves prove that nothing stands between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from evidence import leaves, merkle
from evidence.blocks import Block
from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import is_ident, sha256
from evidence.errors import Malformed
from evidence.records import MAX_SLOT_NUMBER

BATCH_TYPE = "veriframe/batch/1"
MAX_BATCH_BYTES = 1 << 20
MAX_SEALED_BLOCKS = 1 << 20
MAX_OPENED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The document that stands on the ledger for a sealed batch; `opened` lists the chains that begin in it."""

    site: str
    recorder: str
    batch: int
    previous: bytes | None
    from_us: int
    to_us: int
    count: int
    root: bytes
    opened: tuple[tuple[str, int], ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "type": BATCH_TYPE,
            "site": self.site,
            "recorder": self.recorder,
            "batch": self.batch,
            "previous": None if self.previous is None else self.previous.hex(),
            "from_us": self.from_us,
            "to_us": self.to_us,
            "count": self.count,
            "root": self.root.hex(),
            "opened": [[camera, chain] for camera, chain in self.opened],
        }

    def canonical(self) -> bytes:
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


def batch_key(site: str, recorder: str, batch: int) -> str:
    return f"root/{site}/{recorder}/{batch:010d}"


def leaf_hashes(blocks: Sequence[Block]) -> list[bytes]:
    """Leaf hashes of a batch, in the order given.

    Raises:
        Malformed: blocks not strictly ascending by (camera, chain, sequence).
    """
    if any(b.order <= a.order for a, b in pairwise(blocks)):
        raise Malformed("blocks of a sealed batch are not in strictly ascending order")
    return [merkle.leaf_hash(leaves.block_leaf(block.canonical())) for block in blocks]


def make_batch(
    blocks: Sequence[Block], *, site: str, recorder: str, batch: int, previous: bytes | None
) -> tuple[Batch, tuple[Block, ...]]:
    """Seal `blocks` (any order) as batch number `batch`; returns the document and the blocks in leaf order.

    Raises:
        Malformed: no block, or one slot twice.
    """
    if not blocks:
        raise Malformed("a sealed batch needs at least one block")
    ordered = tuple(sorted(blocks, key=lambda block: block.order))
    return (
        Batch(
            site=site,
            recorder=recorder,
            batch=batch,
            previous=previous,
            from_us=min(block.start_us for block in ordered),
            to_us=max(block.end_us for block in ordered),
            count=len(ordered),
            root=merkle.root(leaf_hashes(ordered)),
            opened=tuple((block.camera, block.chain) for block in ordered if block.sequence == 0),
        ),
        ordered,
    )


def batch_from_json(value: object) -> Batch:
    """Read a batch that stands inside another document. Raises Malformed."""
    f = Fields(
        value,
        "batch",
        ("type", "site", "recorder", "batch", "previous", "from_us", "to_us", "count", "root", "opened"),
    )
    f.const("type", BATCH_TYPE)
    opened: list[tuple[str, int]] = []
    for entry in f.list("opened", limit=MAX_OPENED):
        if not isinstance(entry, list) or len(entry) != 2 or not is_ident(entry[0]):
            raise Malformed("batch: 'opened' does not list [camera, chain] pairs")
        chain = entry[1]
        if not isinstance(chain, int) or isinstance(chain, bool) or not 0 <= chain <= MAX_SLOT_NUMBER:
            raise Malformed("batch: 'opened' names a chain that is not a Unix second")
        opened.append((entry[0], chain))
    if any(b <= a for a, b in pairwise(opened)):
        raise Malformed("batch: 'opened' is not in strictly ascending order")
    number = f.integer("batch", 0, MAX_SLOT_NUMBER)
    previous = f.optional("previous", f.digest)
    if (previous is None) != (number == 0):
        raise Malformed("batch: exactly the first batch has no predecessor")
    from_us, to_us = f.integer("from_us"), f.integer("to_us")
    if to_us < from_us:
        raise Malformed("batch ends before it starts")
    return Batch(
        site=f.ident("site"),
        recorder=f.ident("recorder"),
        batch=number,
        previous=previous,
        from_us=from_us,
        to_us=to_us,
        count=f.integer("count", 1, MAX_SEALED_BLOCKS),
        root=f.digest("root"),
        opened=tuple(opened),
    )


def parse_batch(data: bytes) -> Batch:
    """Read a canonical batch document. Raises Malformed."""
    return batch_from_json(parse_canonical(data, "batch", limit=MAX_BATCH_BYTES))
