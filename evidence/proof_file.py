"""The proof file of one segment or gap: record, signed block, leaves, side messages, samples and the private part.

A file begins with `VFPROOF1`; sections follow, each once and in ascending order: kind u8, length u32, bytes. Leaves
stand as columns, since digests do not compress and offsets do. Field by field: docs/formats/proof-file.md.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from evidence import leaves
from evidence.blocks import SignedBlock, block_of, parse_signed_block
from evidence.canonical import canonical, parse_canonical
from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed
from evidence.record_parser import parse_record
from evidence.records import MAX_RECORD_BYTES, MAX_UNITS, GapRecord, Record, SegmentRecord

MAGIC = b"VFPROOF1"
RECORD, BLOCK, CODED, OFFSETS, FLAGS, SIDES, SAMPLES, PRIVATE = range(1, 9)

MAX_PROOF_FILE_BYTES = 256 << 20
MAX_SAMPLES_BYTES = 64 << 20
SIDE_BYTES = 4 + DIGEST_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofFile:
    """Everything about one record but the media.

    `coded` n x 32 bytes, `offsets_us` n integers of 64 bits, `flags` n bytes, all in decode order; `sides` (unit,
    digest) in the order of the stream; `samples` canonical JSON each; `private` as the store keeps it, encrypted where
    the store is. All are empty for a gap.
    """

    record: Record
    signed: SignedBlock
    coded: bytes = b""
    offsets_us: Sequence[int] = ()
    flags: bytes = b""
    sides: tuple[tuple[int, bytes], ...] = ()
    samples: tuple[bytes, ...] = ()
    private: bytes = b""


def write_proof_file(proof: ProofFile) -> bytes:
    """The file's bytes; the same proof gives the same bytes.

    Raises:
        Malformed: contents that the reader would refuse.
    """
    sections = [(RECORD, zlib.compress(proof.record.canonical(), 9)), (BLOCK, proof.signed.canonical())]
    if isinstance(proof.record, SegmentRecord):
        offsets = _differences(proof.offsets_us)
        if sys.byteorder == "little":
            offsets.byteswap()
        sides = b"".join(unit.to_bytes(4, "big") + digest for unit, digest in proof.sides)
        samples = canonical([parse_canonical(sample, "sample") for sample in proof.samples])
        sections += [
            (CODED, proof.coded),
            (OFFSETS, zlib.compress(offsets.tobytes(), 9)),
            (FLAGS, zlib.compress(proof.flags, 9)),
            (SIDES, zlib.compress(sides, 9)),
            (SAMPLES, zlib.compress(samples, 9)),
            (PRIVATE, proof.private),
        ]
    return MAGIC + b"".join(bytes([kind]) + len(data).to_bytes(4, "big") + data for kind, data in sections)


def parse_proof_file(data: bytes) -> ProofFile:
    """Read a proof file. That its parts belong together is told by `mismatch`, not here.

    Raises:
        Malformed: another form, sizes beyond the limits, or columns that do not fit the record's counts.
    """
    sections = _sections(data)
    if set(sections) not in ({RECORD, BLOCK}, set(range(RECORD, PRIVATE + 1))):
        raise Malformed("proof file lacks a section")
    record = parse_record(_bounded_inflate(sections[RECORD], MAX_RECORD_BYTES, "record"))
    signed = parse_signed_block(sections[BLOCK])
    if isinstance(record, GapRecord) or CODED not in sections:
        if isinstance(record, SegmentRecord) or CODED in sections:
            raise Malformed("proof file: a segment has leaves, a gap has none")
        return ProofFile(record=record, signed=signed)
    count = record.units.count
    offsets = _sums(_inflate(sections[OFFSETS], count * 8, "offsets"))
    side_bytes = _inflate(sections[SIDES], record.side.count * SIDE_BYTES, "side messages")
    if len(sections[CODED]) != count * DIGEST_BYTES:
        raise Malformed("proof file: digests do not fit the record's count of pictures")
    return ProofFile(
        record=record,
        signed=signed,
        coded=sections[CODED],
        offsets_us=offsets,
        flags=_inflate(sections[FLAGS], count, "flags"),
        sides=tuple(
            (int.from_bytes(side_bytes[at : at + 4], "big"), side_bytes[at + 4 : at + SIDE_BYTES])
            for at in range(0, len(side_bytes), SIDE_BYTES)
        ),
        samples=_samples(sections[SAMPLES], record.samples.count),
        private=sections[PRIVATE],
    )


def _sections(data: bytes) -> dict[int, bytes]:
    if not data.startswith(MAGIC) or len(data) > MAX_PROOF_FILE_BYTES:
        raise Malformed("not a proof file of version 1", next_step="a newer Veriframe may know it")
    sections: dict[int, bytes] = {}
    at, last = len(MAGIC), 0
    while at < len(data):
        if len(data) - at < 5:
            raise Malformed("proof file ends inside a section")
        kind, size = data[at], int.from_bytes(data[at + 1 : at + 5], "big")
        at += 5
        if not last < kind <= PRIVATE or size > len(data) - at:
            raise Malformed("proof file has an unknown section, one out of order, or ends inside one")
        sections[kind] = data[at : at + size]
        at += size
        last = kind
    return sections


def _differences(offsets_us: Sequence[int]) -> array[int]:
    """Offsets as each one's difference to the one before: a steady rate compresses to next to nothing."""
    try:
        return array("q", (later - earlier for earlier, later in pairwise((0, *offsets_us))))
    except OverflowError as error:
        raise Malformed("proof file: an offset does not fit 64 bits") from error


def _sums(data: bytes) -> array[int]:
    differences = array("q")
    differences.frombytes(data)
    if sys.byteorder == "little":
        differences.byteswap()
    try:
        return array("q", accumulate(differences))
    except OverflowError as error:
        raise Malformed("proof file: an offset does not fit 64 bits") from error


def _inflate(data: bytes, expected: int, what: str) -> bytes:
    return _bounded_inflate(data, expected, what, exact=True)


def _bounded_inflate(data: bytes, limit: int, what: str, *, exact: bool = False) -> bytes:
    # One byte more than allowed is asked for, so that a bomb is noticed without being unpacked.
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(data, limit + 1)
    except zlib.error as error:
        raise Malformed(f"proof file: {what} cannot be decompressed") from error
    if len(plain) > limit or not inflater.eof or inflater.unused_data or (exact and len(plain) != limit):
        raise Malformed(f"proof file: {what}: not of the size that is stated or allowed")
    return plain


def _samples(data: bytes, count: int) -> tuple[bytes, ...]:
    plain = _bounded_inflate(data, MAX_SAMPLES_BYTES, "samples")
    listed = parse_canonical(plain, "samples", limit=MAX_SAMPLES_BYTES)
    if not isinstance(listed, list) or len(listed) != count or count > MAX_UNITS:
        raise Malformed("proof file: samples do not fit the record's count")
    return tuple(canonical(sample) for sample in listed)


def mismatch(proof: ProofFile) -> str | None:
    """Tell what in a proof file does not belong to its record: a closed list, None where all fits.

    `block_differs` (a field of the block is not the record's), `units_root`, `side_root`, `samples_root`.
    The block's signature is judged with the registry, not here.
    """
    if proof.signed.block != block_of(proof.record):
        return "block_differs"
    record = proof.record
    if isinstance(record, GapRecord):
        return None
    try:
        if leaves.unit_root(proof.coded, proof.offsets_us, proof.flags) != record.units.root:
            return "units_root"
        if leaves.root_of([leaves.side_leaf(unit, digest) for unit, digest in proof.sides]) != record.side.root:
            return "side_root"
    except Malformed:
        return "units_root"
    if leaves.root_of([leaves.sample_leaf(sample) for sample in proof.samples]) != record.samples.root:
        return "samples_root"
    return None


def coded_digests(data: bytes) -> bytes:
    """Only the digests of a proof file, n x 32 bytes; empty for a gap. For searching: nothing is checked.

    Raises:
        Malformed: not a proof file, or its sections do not fit together.
    """
    coded = _sections(data).get(CODED, b"")
    if len(coded) % DIGEST_BYTES:
        raise Malformed("proof file: digests are cut")
    return coded
