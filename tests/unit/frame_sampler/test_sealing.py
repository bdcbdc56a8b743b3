"""A closed segment becomes a record, a signed block and a proof file that fit each other, every field as stated."""

import json
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from evidence import leaves
from evidence.errors import Malformed
from evidence.keys import PrivateKeySigner, Signer
from evidence.policy import DEFAULT_POLICY
from evidence.proof_file import mismatch, parse_proof_file
from evidence.record_parser import parse_record
from evidence.records import Beacon, Display, GapRecord, HeaderAt, Media, Note, SegmentRecord
from evidence.registry import ACTIVE, CameraEntry, judge_block
from frame_sampler.samples import Look, parse_private_part
from frame_sampler.sealing import Columns, Moments, Recorder, SealedProof, seal_gap, seal_segment
from sdk.keys import generate_key
from sdk.sealed import ChainState, Sealed, check_continues, check_whole

SEED = bytes(range(32))
CHAIN = ChainState(
    camera="gate-1", chain=1_761_993_600, next_sequence=4, next_unit=100, previous=b"\x07" * 32, end_us=5,
    opens_with_gap=False, complete=False,
)  # fmt: skip
MOMENTS = Moments(
    start_us=1_000_000, end_us=1_300_000, received_us=2_000_000, sealed_us=2_000_001,
    beacon=Beacon(ledger="embedded:" + "ab" * 32, height=9, hash=b"\x01" * 32),
)  # fmt: skip
MEDIA = Media(size_bytes=10, sha256=b"\x02" * 32, object=b"\x03" * 32)


def _camera(signer: Signer) -> CameraEntry:
    return CameraEntry(
        id="gate-1", n=1, status=ACTIVE, site="north", ip="10.0.4.17", make="", model="", serial="", firmware="",
        hardware_address="", location="", control_room="cr-1", owner=None, view_of=None,
        device_key=signer.public_key, key_custody="file", specification="", proposer="op-1", decided_by="mgr-1",
        reason=None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    signer = PrivateKeySigner(generate_key())
    return Recorder(
        camera=_camera(signer), signer=signer, policy=DEFAULT_POLICY, tap="import", clock="import",
        boot="b", software="veriframe 0", decoder="d", extra={"file": "ef" * 32},
    )  # fmt: skip


@pytest.fixture
def columns() -> Columns:
    look = Look(unit=0, phash=b"12345678", grid=bytes(2304), pixels=b"\x04" * 32, score=0, regions=())
    return Columns(
        codec="h264", width=640, height=360, display=Display(rotate=90), connection=2, source_us=-40,
        coded=b"".join(bytes([i]) * 32 for i in range(3)), offsets_us=array("q", [0, 200_000, 100_000]),
        flags=b"\x01\x00\x02", interval_us=100_000,
        headers=(HeaderAt(at=0, sha256=b"\x05" * 32), HeaderAt(at=2, sha256=None)),
        sides=((0, b"\x06" * 32), (3, b"\x06" * 32)), looks=(look,), notes=(Note(unit=1, cause="undecoded", count=2),),
        mono_us=11, mono_end_us=22,
    )  # fmt: skip


def _seal(columns: Columns, recorder: Recorder, **changes: object) -> SealedProof:
    settings: dict[str, object] = {"kept": "all", "media": MEDIA, "seed": SEED} | changes
    return seal_segment(columns, recorder, CHAIN, MOMENTS, **settings)  # type: ignore[arg-type]


def test_every_field_of_the_record_is_as_stated(columns: Columns, recorder: Recorder) -> None:
    value = json.loads(_seal(columns, recorder).record.canonical())
    samples = value.pop("samples")
    assert samples["count"] == 1 and samples["root"] != leaves.root_of([]).hex()
    assert value == {
        "type": "veriframe/segment/1", "camera": "gate-1", "site": "north", "ip": "10.0.4.17",
        "enrolment": recorder.camera.digest.hex(), "key": recorder.signer.public_key.key_id,
        "chain": 1_761_993_600, "sequence": 4, "previous": "07" * 32,
        "start_us": 1_000_000, "end_us": 1_300_000, "sealed_us": 2_000_001, "received_us": 2_000_000, "tap": "import",
        "clock": {"source": "import", "offset_us": 0, "uncertainty_us": None, "boot": "b", "mono_us": 11,
                  "mono_end_us": 22, "camera_us": None},
        "connection": 2, "codec": "h264", "width": 640, "height": 360,
        "display": {"rotate": 90, "mirror": False, "sar": [1, 1], "crop": [0, 0, 0, 0], "colour": [2, 2, 2, 0]},
        "headers": [{"at": 0, "sha256": "05" * 32}, {"at": 2, "sha256": None}],
        "units": {"first": 100, "count": 3, "source_us": -40,
                  "root": leaves.unit_root(columns.coded, [0, 200_000, 100_000], b"\x01\x00\x02").hex()},
        "side": {"count": 2, "root": leaves.root_of([leaves.side_leaf(u, b"\x06" * 32) for u in (0, 3)]).hex()},
        "sound": None, "renditions": [], "policy": DEFAULT_POLICY.digest.hex(), "kept": "all",
        "media": {"bytes": 10, "sha256": "02" * 32, "object": "03" * 32},
        "notes": [{"unit": 1, "cause": "undecoded", "count": 2}],
        "beacon": {"ledger": "embedded:" + "ab" * 32, "height": 9, "hash": "01" * 32},
        "recorder": {"software": "veriframe 0", "decoder": "d"}, "extra": {"file": "ef" * 32},
    }  # fmt: skip


def test_record_block_and_proof_file_fit_each_other(columns: Columns, recorder: Recorder) -> None:
    sealed = _seal(columns, recorder)
    proof = parse_proof_file(sealed.proof)
    assert mismatch(proof) is None
    assert proof.record == sealed.record == parse_record(sealed.record.canonical())
    assert judge_block(recorder.camera, proof.signed) is None
    assert (proof.coded, list(proof.offsets_us), proof.flags) == (columns.coded, [0, 200_000, 100_000], b"\x01\x00\x02")
    assert proof.sides == columns.sides
    assert parse_private_part(proof.private)[0] == SEED


def test_the_spool_would_take_it(columns: Columns, recorder: Recorder) -> None:
    sealed = _seal(columns, recorder)
    check_whole(Sealed(record=sealed.record, block=sealed.block, proof=sealed.proof, media_path=Path("any")))
    check_continues(sealed.record, CHAIN)


def test_a_record_can_keep_no_media(columns: Columns, recorder: Recorder) -> None:
    record = parse_record(_seal(columns, recorder, kept="none", media=None).record.canonical())
    assert isinstance(record, SegmentRecord) and record.kept == "none" and record.media is None


def test_the_private_part_is_kept_in_the_stores_form(columns: Columns, recorder: Recorder) -> None:
    sealed = _seal(columns, recorder, keep_private=lambda clear: bytes(byte ^ 0xFF for byte in clear))
    private = parse_proof_file(sealed.proof).private
    assert SEED not in private and parse_private_part(bytes(byte ^ 0xFF for byte in private))[0] == SEED


def test_the_same_input_gives_the_same_record(columns: Columns, recorder: Recorder) -> None:
    assert _seal(columns, recorder).record.digest == _seal(columns, recorder).record.digest


def test_a_gap_says_why_nothing_was_recorded(recorder: Recorder) -> None:
    sealed = seal_gap(
        recorder, CHAIN, MOMENTS, cause="clock_step", connection=3, mono_us=1, mono_end_us=2, step_us=-5_000_000
    )
    record = parse_record(sealed.record.canonical())
    assert isinstance(record, GapRecord)
    assert (record.cause, record.step_us, record.first_unit, record.detected_us) == (
        "clock_step", -5_000_000, 100, 2_000_000,
    )  # fmt: skip
    assert mismatch(parse_proof_file(sealed.proof)) is None and judge_block(recorder.camera, sealed.block) is None


def test_a_key_that_is_not_the_registered_one_signs_nothing(columns: Columns, recorder: Recorder) -> None:
    other = replace(recorder, signer=PrivateKeySigner(generate_key()))
    with pytest.raises(Malformed, match="gate-1"):
        _seal(columns, other)
    with pytest.raises(Malformed, match="gate-1"):
        seal_gap(other, CHAIN, MOMENTS, cause="unknown", connection=0, mono_us=0, mono_end_us=0)


def test_a_segment_lasts_until_its_last_shown_picture_ends(columns: Columns) -> None:
    assert columns.length_us == 300_000
