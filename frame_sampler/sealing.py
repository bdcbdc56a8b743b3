"""Sealing: the columns of one segment become a record, a signed block and a proof file, once.

Pure but for the signature: clock values, the random seed and the form in which the private part is kept come in from
outside, so that the same input gives the same record.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from evidence import leaves
from evidence.blocks import SignedBlock, block_of, sign_block
from evidence.errors import Malformed
from evidence.keys import Signer
from evidence.policy import Policy
from evidence.proof_file import ProofFile, write_proof_file
from evidence.records import (
    Beacon,
    Clock,
    Display,
    GapRecord,
    HeaderAt,
    Media,
    Note,
    Record,
    SegmentRecord,
    Tree,
    Units,
)
from evidence.registry import CameraEntry
from frame_sampler.samples import Look, private_part, sample
from sdk.sealed import ChainState


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """One closed segment as the recording task hands it over.

    Attributes:
        source_us: the first unit's own timestamp, continuous within its connection.
        offsets_us: presentation time of each unit after the first one's, decode order.
        interval_us: how long a picture of this segment is usually shown.
        headers: (unit, context digest) where the context changes; None where the stream lacks the parameter sets.
        sides: (unit that follows, digest) in the order of the stream.
        looks: the sampled pictures, ascending.
        mono_us: monotonic arrival of the first packet, `mono_end_us` of the last.
    """

    codec: str
    width: int
    height: int
    display: Display
    connection: int
    source_us: int
    coded: bytes
    offsets_us: array[int]
    flags: bytes
    interval_us: int
    headers: tuple[HeaderAt, ...]
    sides: tuple[tuple[int, bytes], ...]
    looks: tuple[Look, ...]
    notes: tuple[Note, ...]
    mono_us: int
    mono_end_us: int

    @property
    def count(self) -> int:
        return len(self.flags)

    @property
    def length_us(self) -> int:
        """From the first unit's presentation to the end of the one shown last."""
        return max(0, max(self.offsets_us)) + self.interval_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """What stays the same from record to record: the approved camera, its key, the policy, the tap and its clock.

    `clock` is the source of time (`import` for finished files) with `clock_offset_us` and `clock_uncertainty_us`.
    """

    camera: CameraEntry
    signer: Signer
    policy: Policy
    tap: str
    clock: str
    boot: str
    software: str
    decoder: str
    clock_offset_us: int = 0
    clock_uncertainty_us: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The recorder's clock around one record, Unix microseconds, and the newest ledger block it knew before."""

    start_us: int
    end_us: int
    received_us: int
    sealed_us: int
    beacon: Beacon | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedProof:
    """What sealing makes; the media file and key ring are added by whoever wrote them."""

    record: Record
    block: SignedBlock
    proof: bytes


def seal_segment(
    columns: Columns,
    recorder: Recorder,
    chain: ChainState,
    moments: Moments,
    *,
    kept: str,
    media: Media | None,
    seed: bytes,
    keep_private: Callable[[bytes], bytes] = bytes,
) -> SealedProof:
    """Make record, block, signature and proof file of one segment.

    Args:
        chain: where the chain goes on.
        kept: what of the media is kept; `media` is None for `none`.
        seed: 32 fresh random bytes for the salts of this segment's samples.
        keep_private: turns the private part into what the store keeps: itself, or its ciphertext.

    Raises:
        Malformed: columns that contradict each other, or a camera entry with another key than the signer's.
    """
    _check_key(recorder)
    samples = tuple(sample(seed, look) for look in columns.looks)
    private = keep_private(private_part(seed, columns.looks))
    record = SegmentRecord(
        **_common(recorder, chain, moments, columns.mono_us, columns.mono_end_us, columns.connection),
        codec=columns.codec,
        width=columns.width,
        height=columns.height,
        display=columns.display,
        headers=columns.headers,
        units=Units(
            first=chain.next_unit,
            count=columns.count,
            root=leaves.unit_root(columns.coded, columns.offsets_us, columns.flags),
            source_us=columns.source_us,
        ),
        side=Tree(count=len(columns.sides), root=leaves.root_of([leaves.side_leaf(*each) for each in columns.sides])),
        samples=Tree(count=len(samples), root=leaves.root_of([leaves.sample_leaf(each) for each in samples])),
        kept=kept,
        media=media,
        notes=columns.notes,
    )
    signed = sign_block(block_of(record), recorder.signer)
    proof = ProofFile(
        record=record,
        signed=signed,
        coded=columns.coded,
        offsets_us=columns.offsets_us,
        flags=columns.flags,
        sides=columns.sides,
        samples=samples,
        private=private,
    )
    return SealedProof(record=record, block=signed, proof=write_proof_file(proof))


def seal_gap(
    recorder: Recorder,
    chain: ChainState,
    moments: Moments,
    *,
    cause: str,
    connection: int,
    mono_us: int,
    mono_end_us: int,
    step_us: int | None = None,
) -> SealedProof:
    """Make record, block, signature and proof file of a stretch that was not recorded; it was noticed at its end.

    Raises:
        Malformed: a camera entry with another key than the signer's.
    """
    _check_key(recorder)
    record = GapRecord(
        **_common(recorder, chain, moments, mono_us, mono_end_us, connection),
        first_unit=chain.next_unit,
        cause=cause,
        detected_us=moments.received_us,
        step_us=step_us,
    )
    signed = sign_block(block_of(record), recorder.signer)
    return SealedProof(record=record, block=signed, proof=write_proof_file(ProofFile(record=record, signed=signed)))


def _check_key(recorder: Recorder) -> None:
    if recorder.camera.device_key.key_id != recorder.signer.public_key.key_id:
        raise Malformed(f"the key at hand is not the one registered for camera {recorder.camera.id}")


def _common(
    recorder: Recorder, chain: ChainState, moments: Moments, mono_us: int, mono_end_us: int, connection: int
) -> dict[str, Any]:
    camera = recorder.camera
    return {
        "camera": camera.id,
        "site": camera.site,
        "ip": camera.ip,
        "enrolment": camera.digest,
        "key": recorder.signer.public_key.key_id,
        "chain": chain.chain,
        "sequence": chain.next_sequence,
        "previous": chain.previous,
        "start_us": moments.start_us,
        "end_us": moments.end_us,
        "sealed_us": moments.sealed_us,
        "received_us": moments.received_us,
        "tap": recorder.tap,
        "clock": Clock(
            source=recorder.clock,
            offset_us=recorder.clock_offset_us,
            uncertainty_us=recorder.clock_uncertainty_us,
            boot=recorder.boot,
            mono_us=mono_us,
            mono_end_us=mono_end_us,
            camera_us=None,
        ),
        "connection": connection,
        "policy": recorder.policy.digest,
        "beacon": moments.beacon,
        "software": recorder.software,
        "decoder": recorder.decoder,
        "extra": dict(recorder.extra),
    }
