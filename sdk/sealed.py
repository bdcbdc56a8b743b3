"""What the spool keeps, as plain data; what a record must pass to be kept, and a row to be sent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evidence.blocks import SignedBlock, block_of, parse_block
from evidence.errors import Malformed, Refused
from evidence.proof_file import ProofFile, parse_proof_file
from evidence.records import GapRecord, Record, SegmentRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A finished segment or gap, as the sampler hands it over; all of it is kept by one commit.

    Attributes:
        block: made from `record`, once, with its signature.
        proof: the proof file's bytes.
        media_path: the stored form of the media (ciphertext when the store is encrypted), a closed temporary file from
            `Spool.temporary`; moved in by the append. None for gaps and media-less segments.
        ring: wrapped data keys when the store is encrypted.
    """

    record: Record
    block: SignedBlock
    proof: bytes
    media_path: Path | None = None
    ring: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainState:
    """Where a chain goes on: what the next record must carry.

    Attributes:
        next_unit: `units.first` of the next record; for an import, how many pictures of the file are sealed.
        previous: digest of the chain's last record; before the first one what it must carry as `previous`.
        end_us: end of the last record, where a following gap starts; None before the first.
        opens_with_gap: the next record must be a gap `state_lost` (a later chain of a live camera).
        complete: an import that has been sealed to the end.
    """

    camera: str
    chain: int
    next_sequence: int
    next_unit: int
    previous: bytes | None
    end_us: int | None
    opens_with_gap: bool
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerTip:
    """The last anchored slot of a camera's newest chain, as the ledger knows it."""

    chain: int
    sequence: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the spool; `block` is the canonical block, `media_path` None where there is no media (any more)."""

    number: int
    camera: str
    chain: int
    sequence: int
    record_sha256: bytes
    block: bytes
    signature: bytes
    proof: bytes | None
    media_path: Path | None
    ring: bytes | None
    stored_at_us: int | None
    anchored_at_us: int | None
    batch: int | None
    refused: str | None

    @property
    def name(self) -> str:
        """For messages."""
        return f"{self.camera} {self.chain}-{self.sequence}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """A sealed batch: its document and leaf list are made once, before the ledger hears of it."""

    number: int
    site: str
    recorder: str
    batch: int
    document: bytes
    leaves: bytes
    stored_at_us: int | None
    anchored_at_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """What is not yet out of danger, for `degraded` and for people."""

    unstored: int
    unanchored: int
    refused: int
    oldest_us: int | None


def units_of(record: Record) -> int:
    return record.units.count if isinstance(record, SegmentRecord) else 0


def check_whole(sealed: Sealed) -> None:
    record = sealed.record
    if sealed.block.block != block_of(record):
        raise Malformed("the block does not say what its record says", where=f"{record.camera} {record.sequence}")
    named = isinstance(record, SegmentRecord) and record.media is not None
    if named != (sealed.media_path is not None):
        raise Malformed("the record and the sealed files disagree on whether there is media", where=record.camera)


def check_continues(record: Record, state: ChainState | None) -> ChainState:
    where = f"{record.camera}, chain {record.chain}, sequence {record.sequence}"
    if state is None:
        raise Refused("this chain was never opened here", reason="conflict", where=where)
    expected = (state.next_sequence, state.next_unit, state.previous)
    if (record.sequence, record.first_unit, record.previous) != expected:
        raise Refused(
            f"the record does not continue its chain, where sequence {state.next_sequence} and picture"
            f" {state.next_unit} come next",
            reason="conflict",
            where=where,
            next_step="open the chain again and go on from its state",
        )
    if state.opens_with_gap and not (isinstance(record, GapRecord) and record.cause == "state_lost"):
        raise Refused("a later chain of a live camera begins with a gap `state_lost`", reason="conflict", where=where)
    return state


def examine_row(row: Row) -> tuple[ProofFile, SignedBlock]:
    """Proof file and block of a row, if the row still is what was sealed.

    Raises:
        Malformed: a column was changed, or the parts no longer belong together.
    """
    if row.proof is None:
        raise Malformed("the spool's row has lost its proof file", where=row.name)
    signed = row_block(row)
    proof = parse_proof_file(row.proof)
    if proof.record.digest != row.record_sha256 or proof.signed != signed:
        raise Malformed("the spool's row was changed: its proof file belongs to another block", where=row.name)
    return proof, signed


def row_block(row: Row) -> SignedBlock:
    """The signed block of a row. Raises Malformed: it does not stand in its own slot."""
    block = parse_block(row.block)
    named = (block.camera, block.chain, block.sequence, block.record)
    if named != (row.camera, row.chain, row.sequence, row.record_sha256):
        raise Malformed("the spool's row was changed: its block names another slot or record", where=row.name)
    return SignedBlock(block=block, signature=row.signature)
