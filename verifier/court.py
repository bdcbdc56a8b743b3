"""A bundle under what the examiner trusts: which records may be used, which may not, and why."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from evidence.batches import parse_batch
from evidence.blocks import Block, SignedBlock
from evidence.checkpoint import note_key
from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed
from evidence.genesis import Genesis, parse_genesis
from evidence.leaf_list import parse_leaf_list
from evidence.leaves import USER_SIDE
from evidence.records import GapRecord
from evidence.registry import CameraEntry, Position
from evidence.trust import NO_TRUST, EmbeddedTrust, FabricTrust, Trust
from verifier.anchor import AFTER_ALL, Anchor, AnchorJudge, Judgement, Standing
from verifier.bundle import Bundle, SlotName
from verifier.check_anchor import ReceiptJudge
from verifier.check_decisions import WrittenDecisions
from verifier.check_proof import Judged, ProofJudge, read_signed_block
from verifier.check_registry import RegistryJudge
from verifier.check_signed_read import SignedReadJudge
from verifier.check_vouched import VouchedDecisions
from verifier.fabric_signers import Signers, readable_authorities
from verifier.recorded import Recorded, RecordedSegment, RecordedSide
from verifier.shown_registry import ShownRegistry, worst


def own_word(genesis: Genesis) -> Trust:
    """What `--trust home` means: the ledger's own operator, believed alone."""
    key = note_key(genesis.origin, genesis.operator)
    return Trust(ledgers=(EmbeddedTrust(id=genesis.ledger_id, operators=(key,), single_operator=True),))


class Court:
    """Every proof of a bundle with its standing.

    Args:
        trust: None where the examiner named none.
        own_word: the trust is what the evidence's own keeper names.

    Raises:
        Malformed: the genesis document cannot be read, so that nothing else can be judged.
    """

    def __init__(self, bundle: Bundle, trust: Trust | None, *, own_word: bool = False) -> None:
        self.bundle = bundle
        self.genesis = parse_genesis(bundle.genesis)
        self.trust = trust or NO_TRUST
        fabric = bundle.ledger_id.startswith("fabric:")
        # Of an embedded ledger the name follows from its founding document, whatever the evidence calls it.
        self.ledger_id = bundle.ledger_id if fabric else self.genesis.ledger_id
        self.ledger = self.trust.ledger(self.ledger_id)
        self.receipts: AnchorJudge = self._signed_reads(own_word) if fabric else self._receipts()
        shown = ShownRegistry(bundle, self.receipts)
        decided = VouchedDecisions(shown, self.receipts) if fabric else WrittenDecisions(shown, self.genesis)
        self.registry = RegistryJudge(bundle, self.genesis, self.receipts, shown, decided)
        proofs = ProofJudge(bundle, self.receipts, self.registry)
        self.judged: Mapping[SlotName, Judged] = {slot: proofs.judge(slot) for slot in bundle.proofs}

    def _receipts(self) -> ReceiptJudge:
        named = self.ledger if isinstance(self.ledger, EmbeddedTrust) else None
        return ReceiptJudge(self.genesis, named, self.trust, self.bundle.headers, height=self.bundle.height)

    def _signed_reads(self, own_word: bool) -> SignedReadJudge:
        named = self.ledger if isinstance(self.ledger, FabricTrust) else None
        founding = [root for each in self.genesis.msps.values() for root in each.roots]
        authorities = [*founding, *readable_authorities(self.bundle.authorities)]
        return SignedReadJudge(
            self.ledger_id,
            named,
            self.bundle.reads,
            Signers(named, self.trust, authorities, self.bundle.configuration),
            receipts=self.bundle.full_receipts,
            seen={each.height: each.hash for each in self.trust.checkpoints if each.ledger == self.ledger_id},
            own_word=own_word,
        )

    def usable(self, judged: Judged, *, assume: bool) -> bool:
        """Whether a record may support a finding; `assume` takes what is merely untrusted for trusted."""
        return judged.standing < Standing.UNTRUSTED or (assume and judged.standing is Standing.UNTRUSTED)

    def recorded(self, *, assume: bool) -> list[Recorded]:
        """The usable records, one `Recorded` per camera and chain, the earliest anchored first."""
        chains: dict[tuple[str, int], list[Judged]] = defaultdict(list)
        for judged in self.judged.values():
            if self.usable(judged, assume=assume):
                chains[judged.slot[:2]].append(judged)
        ordered = sorted(chains.items(), key=lambda chain: (_earliest(chain[1]), chain[0]))
        return [
            Recorded.of([_segment(judged) for judged in members], later=self._goes_on(key, members))
            for key, members in ordered
        ]

    def _goes_on(self, chain: tuple[str, int], members: Sequence[Judged]) -> bool:
        last = max(judged.slot[2] for judged in members)
        return max(self.known.get(chain, {last}), default=last) > last

    @cached_property
    def known(self) -> Mapping[tuple[str, int], set[int]]:
        """Sequences of every chain that something at hand speaks of: ledger, batches, proofs present or lacking."""
        found: dict[tuple[str, int], set[int]] = defaultdict(set)
        for block in self.blocks:
            found[block.camera, block.chain].add(block.sequence)
        for camera, chain, sequence in (*self.bundle.proofs, *self.bundle.lacking):
            found[camera, chain].add(sequence)
        return found

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Blocks on the ledger whose receipts hold together, trusted or not."""
        return tuple(signed.block for signed, _ in self._anchored_blocks())

    def anchored(self, concerned: Callable[[Block], bool], *, assume: bool) -> Iterator[Block]:
        """Blocks on the ledger whose receipts and signers are trusted (or would be).

        What a thief of a key anchored says nothing about other footage.
        """
        limit = Standing.UNTRUSTED if assume else Standing.SOUND
        for signed, anchor in self._anchored_blocks():
            believed = anchor.judgement.standing <= limit and concerned(signed.block)
            if believed and self.registry.judge_block(signed, anchor).standing <= limit:
                yield signed.block

    def untrusted(self, concerned: Callable[[Block], bool]) -> Judgement | None:
        """Why the first of these blocks that are on the ledger is not trusted; None where there is none."""
        for signed, anchor in self._anchored_blocks():
            if concerned(signed.block):
                found = worst((anchor.judgement, self.registry.judge_block(signed, anchor)))
                if found.standing is Standing.UNTRUSTED:
                    return found
        return None

    def _anchored_blocks(self) -> Iterator[tuple[SignedBlock, Anchor]]:
        """With what is shown about them."""
        for key, receipt in self.bundle.state.items():
            anchor = self.receipts.anchor(receipt)
            if anchor.judgement.standing is Standing.BROKEN or key not in receipt.writes:
                continue
            try:
                if key.startswith("block/"):
                    yield read_signed_block(receipt.writes[key]), anchor
                elif key in self.bundle.leaf_lists:
                    leaves = parse_leaf_list(self.bundle.leaf_lists[key])
                    if leaves.belongs_to(parse_batch(receipt.writes[key])):
                        yield from ((signed, anchor) for signed in leaves.blocks)
            except Malformed:
                continue

    def unusable(self, coded: bytes, *, assume: bool) -> list[Judged]:
        """Proofs that hold pictures of the file, but may not be used; worst last."""
        wanted = {coded[at : at + DIGEST_BYTES] for at in range(0, len(coded), DIGEST_BYTES)}
        found = [
            judged
            for judged in self.judged.values()
            if not self.usable(judged, assume=assume) and (judged.proof is None or _holds(judged.proof.coded, wanted))
        ]
        return sorted(found, key=lambda judged: judged.standing)

    def camera(self, camera: str) -> CameraEntry | None:
        return self.registry.registry.camera_at(camera, AFTER_ALL)

    @property
    def keepers(self) -> tuple[str, ...]:
        """Organisations whose word everything rests on: who founded an embedded ledger and keeps it, or all who signed
        every entry that is believed. None where that cannot be read.
        """
        if isinstance(self.receipts, SignedReadJudge):
            return self.receipts.keepers
        receipt = self.bundle.state.get("genesis")
        caller = None if receipt is None else self.receipts.anchor(receipt).caller
        return () if caller is None else (caller.msp,)

    @property
    def vouching(self) -> int:
        """How many organisations at least vouch for every entry that is believed, not always the same ones."""
        return self.receipts.vouching if isinstance(self.receipts, SignedReadJudge) else len(self.keepers)


def _earliest(members: Sequence[Judged]) -> Position:
    return min((judged.anchor.position for judged in members if judged.anchor is not None), default=AFTER_ALL)


def _holds(coded: bytes, wanted: set[bytes]) -> bool:
    return any(coded[at : at + DIGEST_BYTES] in wanted for at in range(0, len(coded), DIGEST_BYTES))


def _segment(judged: Judged) -> RecordedSegment:
    assert judged.proof is not None  # only proofs that could be read are usable
    record, proof = judged.proof.record, judged.proof
    anchored = judged.standing is not Standing.PENDING and judged.anchor is not None
    if isinstance(record, GapRecord):
        return RecordedSegment.gap(record, anchored=anchored)
    return RecordedSegment.segment(
        record,
        coded=proof.coded,
        offsets=array("q", proof.offsets_us),
        flags=proof.flags,
        sides=(
            RecordedSide(index=unit & ~USER_SIDE, digest=digest, user=bool(unit & USER_SIDE))
            for unit, digest in proof.sides
        ),
        anchored=anchored,
    )
