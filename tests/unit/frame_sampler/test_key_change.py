"""A camera's key changes while it is being recorded: each slot is signed with the key that counts for it."""

from __future__ import annotations

from evidence.canonical import canonical
from evidence.digests import to_base64
from evidence.registry import judge_block, parse_camera_entry
from frame_sampler.device_key import key_of_id, next_device_key
from frame_sampler.importer import import_file
from sdk.acting import act_as
from sdk.home import Home
from sdk.init import MANAGER, OPERATOR
from sdk.ledger import read_ledger
from sdk.sealed import row_block
from tests.conftest import SceneMaker
from tests.unit.frame_sampler.importing import CLEAR, START_US, kept, now_us


def _change_key(home: Home, sequence: int) -> str:
    """Propose and approve a new key that counts from chain 0 on, where nothing is anchored yet."""
    signer = next_device_key(home, "gate-1", known=lambda _: False)
    members = {
        "camera": "gate-1", "kind": "key", "device_key": to_base64(signer.public_key.spki), "key_custody": "file",
        "chain": 0, "sequence": sequence,
    }  # fmt: skip
    for who, function, argument in (
        (OPERATOR, "propose_change", members),
        (MANAGER, "approve_change", {"camera": "gate-1", "number": 0}),
    ):
        ledger = act_as(home, who, now=now_us)
        ledger.submit(function, canonical(argument))
        ledger.close()
    return signer.public_key.key_id


def test_a_key_approved_under_way_signs_from_the_next_segment_on(fresh_home: Home, scene: SceneMaker) -> None:
    clip = scene(seconds=32, gop=10)
    old = key_of_id(fresh_home, "gate-1", _registered(fresh_home)).public_key.key_id
    new: list[str] = []

    def approve(done: int, total: int) -> None:
        if not new:
            new.append(_change_key(fresh_home, 0))

    imported = import_file(
        fresh_home, clip, camera="gate-1", start_us=START_US, store=CLEAR, now=now_us, progress=approve
    )
    segments = kept(fresh_home, imported)
    assert len(segments) >= 3
    assert [each.record.key for each in segments] == [old, *new * (len(segments) - 1)]
    with read_ledger(f"sqlite:///{fresh_home.ledger}") as reader:
        history = [parse_camera_entry(each.value) for each in reader.entries("camera/gate-1/")]
    judged = [judge_block(history[-1], row_block(each.row), earlier=history[:-1]) for each in segments]
    assert judged == ["key_differs", *[None] * (len(segments) - 1)], "what was sealed just before would come too late"
    for each in segments[1:]:
        assert each.record.enrolment == history[-1].digest, "the approval that brought the key"


def _registered(home: Home) -> str:
    with read_ledger(f"sqlite:///{home.ledger}") as reader:
        entries = [parse_camera_entry(each.value) for each in reader.entries("camera/gate-1/")]
    return entries[-1].device_key.key_id
