"""Checks 1, 3, 4 and 7 of one record: does its proof hold together, and does the ledger hold exactly this record?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

from evidence.batches import parse_batch
from evidence.blocks import Block, SignedBlock, chain_key, parse_signed_block, slot_key
from evidence.errors import Malformed
from evidence.leaf_list import parse_leaf_list
from evidence.proof_file import ProofFile, mismatch, parse_proof_file
from verifier.anchor import SOUND, Anchor, AnchorJudge, Judgement, Shown, Standing, broken, untrusted
from verifier.bundle import Bundle, SlotName
from verifier.check_registry import RegistryJudge
from verifier.shown_registry import worst

# The same slot is read when it is judged and when the ledger's blocks are listed.
read_signed_block = lru_cache(maxsize=8192)(parse_signed_block)

_MISMATCH: Mapping[str, str] = MappingProxyType(
    {
        "block_differs": "a signed block does not say what its record says",
        "units_root": "the pictures' leaves do not fit the signed record",
        "side_root": "the side messages' leaves do not fit the signed record",
        "samples_root": "the samples' leaves do not fit the signed record",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One slot with what the checks made of it.

    Attributes:
        proof: None where it could not be read; also there where it does not fit its record, to name what is affected.
        anchor: None where the record is pending, or could not be read.
        batch: ledger key of the sealed batch that holds the record.
    """

    slot: SlotName
    judgement: Judgement
    proof: ProofFile | None = None
    anchor: Anchor | None = None
    batch: str | None = None

    @property
    def standing(self) -> Standing:
        return self.judgement.standing


class ProofJudge:
    """Judges the proofs of one bundle, slot by slot."""

    def __init__(self, bundle: Bundle, receipts: AnchorJudge, registry: RegistryJudge) -> None:
        self._bundle = bundle
        self._receipts = receipts
        self._registry = registry
        self._batches: dict[str, tuple[Judgement, Anchor | None, frozenset[Block]]] = {}

    def judge(self, slot: SlotName) -> Judged:
        """What the proof in `slot` is worth; never raises."""
        try:
            proof = parse_proof_file(self._bundle.proofs[slot])
        except Malformed as error:
            reason = f"a proof cannot be read ({error.detail})"
            return Judged(slot=slot, judgement=broken("proof_malformed", reason))
        record = proof.record
        if (record.camera, record.chain, record.sequence) != slot:
            reason = "a proof stands under another camera or number than it names"
            return Judged(slot=slot, judgement=broken("proof_misplaced", reason))
        differs = mismatch(proof)
        if differs is not None:
            return Judged(slot=slot, judgement=broken(differs, _MISMATCH[differs]), proof=proof)
        try:
            judgement, anchor, batch = self._anchored(slot, proof)
        except Malformed as error:
            judgement, anchor, batch = (
                broken("anchor_malformed", f"an anchor cannot be read ({error.detail})"),
                None,
                None,
            )
        return Judged(slot=slot, judgement=judgement, proof=proof, anchor=anchor, batch=batch)

    def _anchored(self, slot: SlotName, proof: ProofFile) -> tuple[Judgement, Anchor | None, str | None]:
        key = slot_key(*slot)
        signed, record = proof.signed, proof.record
        if key in self._bundle.damaged:
            return broken("receipt_malformed", f"a receipt cannot be read ({self._bundle.damaged[key]})"), None, None
        receipt = self._bundle.state.get(key)
        batch_key = self._earliest_batch(slot)
        if receipt is not None and not self._sealed_before(batch_key, receipt):
            anchor = self._receipts.anchor(receipt)
            value = receipt.writes.get(key)
            if value is None:
                return broken("not_written", "a receipt does not write the slot that it stands for"), anchor, None
            held = read_signed_block(value)
            if held.block != signed.block:
                return broken("slot_differs", "the ledger holds another record in this place"), anchor, None
            return self._whole(proof, held, anchor), anchor, None
        if batch_key is not None:
            judgement, sealed_by, blocks = self._batch(batch_key)
            if sealed_by is None or judgement.standing is Standing.BROKEN:
                return judgement, sealed_by, batch_key
            if signed.block not in blocks:
                return broken("not_in_batch", "the sealed batch does not hold this record"), sealed_by, batch_key
            judgements = judgement, self._listed(slot, sealed_by), self._whole(proof, signed, sealed_by)
            return worst(judgements), sealed_by, batch_key
        judgement = self._registry.judge(record, signed, None)
        pending = Judgement(
            standing=Standing.PENDING, code="pending", text="the record is signed, but not anchored yet"
        )
        return worst((pending, judgement)), None, None

    def _listed(self, slot: SlotName, anchor: Anchor) -> Judgement:
        """Whether the ledger lists the chain of a sealed record: else one could be kept beside it, unseen.

        Of open anchors the contract sees to that; of a batch it knows only which chains it is said to open.
        """
        shown = self._bundle.state.get(chain_key(*slot[:2]))
        opened = None if shown is None else self._receipts.anchor(shown)
        if opened is None or opened.position > anchor.position:
            return untrusted("chain_unlisted", "the chain of the record is not shown to have been opened on the ledger")
        return opened.judgement

    def _earliest_batch(self, slot: SlotName) -> str | None:
        """The sealed batch that counts for a slot: the earliest with a leaf that the contract would have let in.

        What the bundle itself names is asked last: the index it comes from is nobody's word.
        """
        for anchor, key, signed in self._leaves.get(slot, ()):
            if self._registry.lets_in(signed, anchor):
                return key
        return self._bundle.sealed.get(slot)

    def _sealed_before(self, batch: str | None, receipt: Shown) -> bool:
        """Whether a sealed batch took the slot before the open anchor did, where the contract could not see it."""
        sealed = None if batch is None else self._bundle.state.get(batch)
        if sealed is None:
            return False
        earlier, later = self._receipts.anchor(sealed), self._receipts.anchor(receipt)
        return earlier.judgement.standing is not Standing.BROKEN and earlier.position < later.position

    @cached_property
    def _leaves(self) -> Mapping[SlotName, list[tuple[Anchor, str, SignedBlock]]]:
        """Leaves of the sealed batches at hand for the slots that proofs stand in, in ledger order."""
        found: dict[SlotName, list[tuple[Anchor, str, SignedBlock]]] = defaultdict(list)
        for key, data in self._bundle.leaf_lists.items():
            _, anchor, blocks = self._batch(key)
            if anchor is None or not blocks:
                continue
            for signed in parse_leaf_list(data).blocks:
                slot = signed.block.camera, signed.block.chain, signed.block.sequence
                if slot in self._bundle.proofs:
                    found[slot].append((anchor, key, signed))
        for each in found.values():
            each.sort(key=lambda one: (one[0].position, one[1]))
        return found

    def _whole(self, proof: ProofFile, held: SignedBlock, anchor: Anchor) -> Judgement:
        """Anchor, registry and signature of one record that stands on the ledger."""
        judgements = [anchor.judgement, self._registry.judge(proof.record, held, anchor)]
        if held.signature != proof.signed.signature:
            # ECDSA is randomised: a signature made again is another one over the same block, and must fit as well.
            judgements.append(self._registry.judge(proof.record, proof.signed, anchor))
        return worst(judgements)

    def _batch(self, key: str) -> tuple[Judgement, Anchor | None, frozenset[Block]]:
        if key not in self._batches:
            try:
                self._batches[key] = self._read_batch(key)
            except Malformed as error:
                reason = f"a sealed batch cannot be read ({error.detail})"
                self._batches[key] = broken("batch_malformed", reason), None, frozenset()
        return self._batches[key]

    def _read_batch(self, key: str) -> tuple[Judgement, Anchor | None, frozenset[Block]]:
        if key in self._bundle.damaged:
            reason = f"the receipt of a sealed batch cannot be read ({self._bundle.damaged[key]})"
            return broken("receipt_malformed", reason), None, frozenset()
        receipt = self._bundle.state.get(key)
        leaf_list = self._bundle.leaf_lists.get(key)
        if receipt is None or leaf_list is None or key not in receipt.writes:
            return broken("batch_lacking", "the sealed batch or its leaf list is not at hand"), None, frozenset()
        leaves = parse_leaf_list(leaf_list)
        anchor = self._receipts.anchor(receipt)
        if not leaves.belongs_to(parse_batch(receipt.writes[key])):
            return broken("batch_root", "a leaf list does not fit the root of its sealed batch"), anchor, frozenset()
        return SOUND, anchor, frozenset(signed.block for signed in leaves.blocks)
