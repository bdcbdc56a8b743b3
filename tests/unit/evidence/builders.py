"""Small, valid evidence for tests: one of each kind, made from fixed keys, changed by keyword."""

from __future__ import annotations

from array import array
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence import leaves, merkle
from evidence.blocks import SignedBlock, block_of, sign_block
from evidence.canonical import canonical
from evidence.keys import PrivateKeySigner
from evidence.policy import DEFAULT_POLICY
from evidence.proof_file import ProofFile
from evidence.records import Clock, Display, GapRecord, HeaderAt, Media, Note, SegmentRecord, Tree, Units
from evidence.registry import ACTIVE, CameraEntry

DEVICE = PrivateKeySigner(ec.derive_private_key(0x5EED, ec.SECP256R1()))
ED25519_DEVICE = PrivateKeySigner(Ed25519PrivateKey.from_private_bytes(b"\x05" * 32))

CODED = b"".join(bytes([number]) * 32 for number in range(1, 6))
OFFSETS = array("q", [0, 40_000, 80_000, 120_000, 160_000])
FLAGS = bytes([leaves.KEY, 0, 0, leaves.TIME_INFERRED, 0])
SIDES = ((0, b"\xaa" * 32), (5, b"\xbb" * 32))
SAMPLES = tuple(
    canonical({"unit": unit, "look": "0" * 64, "exact": False, "importance": {"score": 0, "regions": []}})
    for unit in (0, 3)
)

COMMON: dict[str, Any] = {
    "camera": "gate-1",
    "site": "north",
    "ip": "10.0.4.17",
    "enrolment": b"\x01" * 32,
    "key": DEVICE.public_key.key_id,
    "chain": 1_761_993_600,
    "sequence": 0,
    "previous": None,
    "start_us": 1_761_993_600_000_000,
    "end_us": 1_761_993_600_200_000,
    "sealed_us": 1_761_993_601_000_000,
    "received_us": 1_761_993_600_000_000,
    "tap": "rtsp",
    "clock": Clock(
        source="ntp",
        offset_us=-1200,
        uncertainty_us=900,
        boot="b007",
        mono_us=5_000_000,
        mono_end_us=5_200_000,
        camera_us=1_761_993_599_998_800,
    ),
    "connection": 0,
    "policy": DEFAULT_POLICY.digest,
    "beacon": None,
    "software": "veriframe 0.1.0",
    "decoder": "h264",
}


def segment(**changes: Any) -> SegmentRecord:
    record = SegmentRecord(
        **COMMON,
        codec="h264",
        width=1920,
        height=1080,
        display=Display(),
        headers=(HeaderAt(at=0, sha256=b"\x02" * 32),),
        units=Units(first=0, count=5, root=leaves.unit_root(CODED, OFFSETS, FLAGS), source_us=17_811_000),
        side=Tree(count=2, root=leaves.root_of([leaves.side_leaf(unit, digest) for unit, digest in SIDES])),
        samples=Tree(count=2, root=leaves.root_of([leaves.sample_leaf(sample) for sample in SAMPLES])),
        kept="all",
        media=Media(size_bytes=4096, sha256=b"\x03" * 32, object=b"\x04" * 32),
        notes=(Note(unit=3, cause="time_jump", count=1),),
    )
    return replace(record, **changes)


def gap(**changes: Any) -> GapRecord:
    record = GapRecord(**COMMON, first_unit=5, cause="network", detected_us=1_761_993_600_100_000, step_us=None)
    return replace(record, **changes)


def imported() -> SegmentRecord:
    clock = Clock(source="import", offset_us=0, uncertainty_us=None, boot="", mono_us=0, mono_end_us=0, camera_us=None)
    return segment(tap="import", clock=clock)


def media_less() -> SegmentRecord:
    return segment(
        kept="none",
        media=None,
        samples=Tree(count=0, root=merkle.EMPTY_ROOT),
        side=Tree(count=0, root=merkle.EMPTY_ROOT),
    )


def signed(record: SegmentRecord | GapRecord) -> SignedBlock:
    return sign_block(block_of(record), DEVICE)


def proof(record: SegmentRecord | None = None) -> ProofFile:
    record = record or segment()
    return ProofFile(
        record=record,
        signed=signed(record),
        coded=CODED,
        offsets_us=OFFSETS,
        flags=FLAGS,
        sides=SIDES,
        samples=SAMPLES,
        private=b"private part",
    )


def camera(**changes: Any) -> CameraEntry:
    entry = CameraEntry(
        id="gate-1",
        n=1,
        status=ACTIVE,
        site="north",
        ip="10.0.4.17",
        make="Acme",
        model="Dome 4",
        serial="A1",
        firmware="1.0",
        hardware_address="02:00:00:00:00:01",
        location="north gate",
        control_room="cr-1",
        owner=None,
        view_of=None,
        device_key=DEVICE.public_key,
        key_custody="file",
        specification="",
        proposer="op-1",
        decided_by="crm-1",
        reason=None,
    )
    return replace(entry, **changes)
