"""Finished files become chains of signed segments: what is stored reads as the file did, and nothing comes twice."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from evidence.canonical import canonical
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed, Refused, UnsupportedMedia
from evidence.leaves import USER_SIDE
from evidence.policy import DEFAULT_POLICY, sample_shortfall
from evidence.proof_file import mismatch
from evidence.registry import judge_block
from frame_sampler.importer import import_file, import_folder
from frame_sampler.samples import parse_private_part
from media.child import Limits
from media.footage import Footage
from media.footage_reader import read_footage
from sdk.acting import act_as, camera_entry
from sdk.home import Home
from sdk.init import MANAGER
from sdk.ledger import read_ledger
from sdk.rings import create_recovery_key, load_recovery_key, open_ring, parse_ring
from sdk.seal_stream import MEDIA, PRIVATE, unseal, unseal_bytes
from sdk.settings import StoreSettings
from sdk.spool import Spool
from tests.unit.frame_sampler.importing import CLEAR, START_US, UNSAMPLED, Kept, bring_in, kept, make_home, now_us

CLIPS = (
    "building_street_jitter.mkv",
    "edge_raw48_traffic.avi",
    "motorway_osd.avi",
    "one_by_one_person.mp4",
    "porch_camera_vfr.mkv",
    "retail_store_hevc.mp4",
    "vtest_pedestrians.avi",
    "variants/pattern-hd-no-bar.mp4",
    "variants/pattern-longer-no-bar.mp4",
)
SceneMaker = Callable[..., Path]


def _read(path: Path) -> Footage:
    return read_footage(str(path), processes=1)


def _assert_whole(home: Home, segments: list[Kept], original: Footage) -> None:
    """Records, proof files and stored media all tell of the original, one unit after the other."""
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        entry = camera_entry(reader, segments[0].record.camera)
    first, previous = 0, None
    for sequence, each in enumerate(segments):
        record, proof = each.record, each.proof
        assert mismatch(proof) is None and judge_block(entry, proof.signed) is None
        assert (record.sequence, record.units.first, record.previous) == (sequence, first, previous)
        assert (record.tap, record.clock.source, record.connection) == ("import", "import", 0)
        assert record.display == original.display and record.codec == original.codec
        assert each.row.media_path is not None
        stored = _read(each.row.media_path)
        end = first + record.units.count
        assert proof.coded == stored.coded == original.coded[32 * first : 32 * end]
        assert bytes(flag & 1 for flag in proof.flags) == stored.keys == original.keys[first:end]
        contexts = [context for _, context in stored.headers]
        assert contexts == [header.sha256 for header in record.headers]
        recorded = {(unit & ~USER_SIDE, digest, unit >= USER_SIDE) for unit, digest in proof.sides}
        assert recorded == {(side.unit, side.digest, side.user) for side in stored.sides}
        first, previous = end, record.digest
    assert first == original.count


@pytest.mark.parametrize("clip", CLIPS)
def test_a_real_clip_is_stored_as_it_was(footage: Path, plain_home: Home, clip: str) -> None:
    imported = bring_in(plain_home, footage / clip)
    segments, original = kept(plain_home, imported), _read(footage / clip)
    _assert_whole(plain_home, segments, original)
    assert (imported.units, imported.unfaithful, imported.trouble) == (original.count, 0, "")
    assert segments[0].record.start_us == START_US and segments[-1].record.end_us == imported.end_us
    assert all(one.record.end_us == other.record.start_us for one, other in pairwise(segments))
    assert all(not each.record.notes for each in segments)
    assert 0 <= (imported.end_us - START_US) - max(original.offsets_us()) <= 200_000


@pytest.mark.parametrize(
    ("clip", "exact"),
    [("porch_camera_vfr.mkv", True), ("building_street_jitter.mkv", True), ("motorway_osd.avi", False)],
)
def test_samples_keep_the_policys_promise_and_open(footage: Path, sampling_home: Home, clip: str, exact: bool) -> None:
    imported = bring_in(sampling_home, footage / clip)
    segments = kept(sampling_home, imported)
    assert imported.undecoded == 0 and imported.samples == sum(each.record.samples.count for each in segments)
    for each in segments:
        assert each.record.policy == DEFAULT_POLICY.digest and not each.record.notes
        assert sample_shortfall(DEFAULT_POLICY, each.record, each.proof.offsets_us) == 0
        _, openings = parse_private_part(each.proof.private)
        samples = [json.loads(sample) for sample in each.proof.samples]
        assert [sample["unit"] for sample in samples] == [opening.unit for opening in openings]
        assert {sample["exact"] for sample in samples} == {exact} == {"pixels" in sample for sample in samples}


def test_the_same_import_again_adds_nothing(footage: Path, plain_home: Home) -> None:
    first = bring_in(plain_home, footage / "porch_camera_vfr.mkv", camera="gate-2")
    again = bring_in(plain_home, footage / "porch_camera_vfr.mkv", camera="gate-2")
    assert not first.complete_before and again.complete_before
    assert replace(again, added_units=first.added_units, added_segments=first.added_segments) == first


def test_another_start_or_camera_is_another_chain(footage: Path, fresh_home: Home) -> None:
    clip = footage / "porch_camera_vfr.mkv"
    one = bring_in(fresh_home, clip)
    later = bring_in(fresh_home, clip, start_us=START_US + 1)
    other = bring_in(fresh_home, clip, camera="gate-2")
    assert later.chain > one.chain and other.added_units == later.added_units == 60
    assert kept(fresh_home, later)[0].record.start_us == START_US + 1


def test_what_is_sealed_can_be_anchored_and_stored(footage: Path, fresh_home: Home) -> None:
    from sdk.init import RECORDER
    from sdk.shipper import Shipper
    from sdk.store import open_store

    imported = bring_in(fresh_home, footage / "vtest_pedestrians.avi")
    ledger = act_as(fresh_home, RECORDER, now=now_us)
    try:
        with Spool(fresh_home.spool, now=now_us) as spool:
            drained = Shipper(spool, open_store(CLEAR.url, base=fresh_home.path), ledger).drain()
    finally:
        ledger.close()
    assert drained.complete and not drained.troubles
    assert (drained.stored, drained.anchored) == (imported.segments, imported.segments)
    assert bring_in(fresh_home, footage / "vtest_pedestrians.avi").complete_before


def test_an_encrypted_home_stores_ciphertext_that_its_recipients_open(
    footage: Path, sampling_home: Home, tmp_path: Path
) -> None:
    recipients = [create_recovery_key(tmp_path / name) for name in ("a.pem", "b.pem")]
    store = StoreSettings(encrypted=True, recipients=tuple(recipient.text for recipient in recipients))
    clip = footage / "porch_camera_vfr.mkv"
    (each,) = kept(sampling_home, bring_in(sampling_home, clip, camera="gate-2", store=store))
    assert each.row.ring is not None and each.row.media_path is not None and each.record.media is not None
    stored = each.row.media_path.read_bytes()
    assert b"matroska" not in stored
    data_key = open_ring(parse_ring(each.row.ring), load_recovery_key(tmp_path / "b.pem"))
    clear = io.BytesIO()
    unseal(io.BytesIO(stored), clear, data_key, MEDIA)
    assert len(clear.getvalue()) == each.record.media.size_bytes
    (tmp_path / "clear.mkv").write_bytes(clear.getvalue())
    assert _read(tmp_path / "clear.mkv").coded == _read(clip).coded
    seed, openings = parse_private_part(unseal_bytes(each.proof.private, data_key, PRIVATE))
    assert len(openings) == each.record.samples.count and seed not in each.proof.private


def test_a_policy_can_keep_no_media_or_key_pictures_alone(footage: Path, tmp_path: Path) -> None:
    none = make_home(tmp_path / "none", policy=replace(UNSAMPLED, kept="none"))
    (each,) = kept(none, bring_in(none, footage / "porch_camera_vfr.mkv"))
    assert (each.record.kept, each.record.media, each.row.media_path) == ("none", None, None)
    assert mismatch(each.proof) is None and each.record.units.count == 60
    keys = make_home(tmp_path / "keys", policy=replace(UNSAMPLED, kept="keys"))
    (each,) = kept(keys, bring_in(keys, footage / "porch_camera_vfr.mkv"))
    assert each.row.media_path is not None
    assert each.record.kept == "keys" and _read(each.row.media_path).count == 1 < each.record.units.count


def test_nothing_is_left_in_the_spools_temporary_folder(footage: Path, plain_home: Home) -> None:
    bring_in(plain_home, footage / "porch_camera_vfr.mkv", start_us=START_US + 5)
    assert list((plain_home.spool / "tmp").iterdir()) == []


def test_an_unknown_camera_is_refused_with_the_command_that_proposes_it(footage: Path, plain_home: Home) -> None:
    with pytest.raises(Refused, match="veriframe camera propose gate-9") as refusal:
        bring_in(plain_home, footage / "porch_camera_vfr.mkv", camera="gate-9")
    assert refusal.value.reason == "not_found"


def test_a_suspended_camera_is_refused(footage: Path, fresh_home: Home) -> None:
    manager = act_as(fresh_home, MANAGER, now=now_us)
    try:
        members = {"camera": "gate-1", "reason": "00" * 32}
        manager.submit("suspend_camera", canonical(members))
    finally:
        manager.close()
    with pytest.raises(Refused, match="suspended") as refusal:
        bring_in(fresh_home, footage / "porch_camera_vfr.mkv")
    assert refusal.value.reason == "denied"


def test_a_key_that_was_lost_is_not_replaced_by_a_new_one(footage: Path, fresh_home: Home) -> None:
    fresh_home.device_key("gate-1").unlink()
    with pytest.raises(KeyUnavailable, match="the private key is not there"):
        bring_in(fresh_home, footage / "porch_camera_vfr.mkv")


@pytest.mark.parametrize("name", ["../gate-1", "Gate", ""])
def test_what_is_no_camera_name_is_refused(footage: Path, plain_home: Home, name: str) -> None:
    with pytest.raises(ConfigInvalid, match="camera's name"):
        bring_in(plain_home, footage / "porch_camera_vfr.mkv", camera=name)


@pytest.mark.parametrize("start_us", [-1, 1 << 52])
def test_a_start_that_cannot_be_is_refused(footage: Path, plain_home: Home, start_us: int) -> None:
    with pytest.raises(ConfigInvalid, match="--start"):
        bring_in(plain_home, footage / "porch_camera_vfr.mkv", start_us=start_us)


@pytest.mark.parametrize("content", [b"", b"not a video", b"\x00" * 5000, b"RIFF\x10\x00\x00\x00AVI LIST"])
def test_a_file_that_is_no_video_is_refused_and_leaves_nothing(
    plain_home: Home, tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises((Malformed, UnsupportedMedia)) as refusal:
        bring_in(plain_home, path)
    assert str(path) in str(refusal.value)


def test_a_missing_file_is_named(plain_home: Home, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"nowhere\.mp4"):
        bring_in(plain_home, tmp_path / "nowhere.mp4")


def test_a_file_cut_off_in_the_middle_is_recorded_as_far_as_it_goes(
    footage: Path, plain_home: Home, tmp_path: Path
) -> None:
    path = tmp_path / "cut.mkv"
    path.write_bytes((footage / "building_street_jitter.mkv").read_bytes()[:700_000])
    imported = bring_in(plain_home, path)
    assert 200 < imported.units < 444 and "truncated" in imported.notes
    _assert_whole(plain_home, kept(plain_home, imported), _read(path))


def test_a_camera_is_recorded_by_one_process_at_a_time(footage: Path, plain_home: Home) -> None:
    with (
        Spool(plain_home.spool, now=now_us) as spool,
        spool.hold("gate-1"),
        pytest.raises(Refused, match="another process"),
    ):
        bring_in(plain_home, footage / "porch_camera_vfr.mkv", start_us=START_US + 9)


def test_a_decoder_that_takes_too_long_costs_samples_and_no_unit(footage: Path, sampling_home: Home) -> None:
    clip = footage / "one_by_one_person.mp4"
    imported = import_file(
        sampling_home, clip, camera="gate-2", start_us=START_US, store=CLEAR, now=now_us,
        limits=Limits(cpu_s=2, wall_s=None),
    )  # fmt: skip
    segments = kept(sampling_home, imported)
    assert "processor time" in imported.trouble
    assert imported.units == 1394 and sum(each.record.units.count for each in segments) == 1394
    assert segments[-1].record.samples.count == 0 and imported.undecoded > 0
    for each in segments:
        assert sample_shortfall(DEFAULT_POLICY, each.record, each.proof.offsets_us) == 0


def test_the_files_of_a_folder_are_taken_in_the_order_of_their_names_times(
    footage: Path, plain_home: Home, tmp_path: Path
) -> None:
    for name in ("b_20251101_110000Z.mkv", "a_20251101_120000Z.mkv", ".hidden"):
        shutil.copy(footage / "porch_camera_vfr.mkv", tmp_path / name)
    found = list(import_folder(plain_home, tmp_path, camera="gate-1", store=CLEAR, now=now_us))
    assert [each.path.name[0] for each in found] == ["b", "a"]
    assert found[1].start_us - found[0].start_us == 3_600_000_000 and found[1].chain > found[0].chain


def test_one_uncertain_name_in_a_folder_stops_it_all(footage: Path, plain_home: Home, tmp_path: Path) -> None:
    for name in ("a_20251101_110000Z.mkv", "b.mkv"):
        shutil.copy(footage / "porch_camera_vfr.mkv", tmp_path / name)
    before = sorted(plain_home.spool.glob("media/*"))
    with pytest.raises(ConfigInvalid, match=r"b\.mkv"):
        list(import_folder(plain_home, tmp_path, camera="gate-2", store=CLEAR, now=now_us))
    assert sorted(plain_home.spool.glob("media/*")) == before


def test_several_picture_tracks_are_refused_until_one_is_chosen(
    scene: SceneMaker, plain_home: Home, tmp_path: Path
) -> None:
    import av

    clips = [scene(seconds=1, seed=seed, width=160, height=90) for seed in (1, 2)]
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as output:
        inputs = [av.open(str(clip)) for clip in clips]
        tracks = [output.add_stream_from_template(each.streams.video[0]) for each in inputs]
        for source, track in zip(inputs, tracks, strict=True):
            for packet in source.demux(video=0):
                if packet.size:
                    packet.stream = track
                    output.mux(packet)
            source.close()
    with pytest.raises(ConfigInvalid, match="--track"):
        bring_in(plain_home, path)
    imported = import_file(plain_home, path, camera="gate-1", start_us=START_US, store=CLEAR, now=now_us, track=1)
    assert kept(plain_home, imported)[0].proof.coded == read_footage(str(path), track=1, processes=1).coded
