"""The bundle in memory: everything that came with the evidence, before anything of it is believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from evidence.blocks import slot_key
from evidence.fabric_configuration import FabricConfiguration
from evidence.fabric_read import SignedRead
from evidence.fabric_receipt import FullReceipt
from evidence.ledger_format import LedgerBlock
from evidence.registry import Position
from verifier.anchor import Shown

SlotName = tuple[str, int, int]
"""Camera, chain, sequence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Evidence as it was handed over, by a home, a ledger or an archive.

    Attributes:
        ledger_id: `embedded:<genesis digest>` or `fabric:<channel>:<genesis header hash>`; a claim.
        genesis: canonical genesis document of the ledger.
        state: for each ledger key at hand, the receipt of the transaction that wrote it last. One transaction's receipt
            is one object, shared by all its keys.
        damaged: ledger keys whose receipt could not be read, with the reason.
        proofs: proof files by slot, as bytes.
        lacking: slots whose proof file is missing or unreadable, with the reason.
        leaf_lists: canonical leaf lists of sealed batches (JSON arrays of blocks), by ledger key of the batch.
        sealed: for slots anchored in a sealed batch, the batch's ledger key; a hint that is checked.
        reads: signed reads of a Fabric channel, from which `state` was taken; none for other ledgers.
        full_receipts: of transactions whose whole block is shown, by position.
        configuration: of the Fabric channel, where it is at hand.
        authorities: certificates (DER) that are offered as roots of a Fabric channel's organisations.
        headers: ledger blocks by height that lead from anchors to checkpoints that the examiner saw earlier.
        searched: there was a store in which proof of the file could be looked for.
        height: of the newest ledger block at hand, None for an empty ledger.
    """

    ledger_id: str
    genesis: bytes
    state: Mapping[str, Shown] = field(default_factory=dict)
    damaged: Mapping[str, str] = field(default_factory=dict)
    proofs: Mapping[SlotName, bytes] = field(default_factory=dict)
    lacking: Mapping[SlotName, str] = field(default_factory=dict)
    leaf_lists: Mapping[str, bytes] = field(default_factory=dict)
    sealed: Mapping[SlotName, str] = field(default_factory=dict)
    headers: Mapping[int, LedgerBlock] = field(default_factory=dict)
    reads: tuple[SignedRead, ...] = ()
    full_receipts: Mapping[Position, FullReceipt] = field(default_factory=dict)
    configuration: FabricConfiguration | None = None
    authorities: tuple[bytes, ...] = ()
    searched: bool = True
    height: int | None = None

    def slots(self, camera: str, chain: int) -> list[int]:
        """Sequences of a chain that the ledger shows as anchored openly, ascending."""
        prefix = slot_key(camera, chain, 0)[:-10]
        return sorted(int(key[len(prefix) :]) for key in self.state if key.startswith(prefix))
