"""From a bundle, a trust file and a file's pictures to the verdict."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from evidence.trust import EmbeddedTrust, SeenCheckpoint, Trust
from media.footage import Footage
from tests.unit.verifier import small_site
from tests.unit.verifier.small_site import NOON, PICTURE_US, Site, footage_of, picture
from tests.unit.verifier.test_verdict import check
from verifier.asked import Asked
from verifier.bundle import Bundle
from verifier.court import Court
from verifier.judge import judge
from verifier.model import Axis, Op, State
from verifier.verdict import Exhibit, Result, Verdict

Film = Callable[[str, int, int], Footage]
SCENE = "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP"


def verdict_on(
    footage: Footage, site: Site, *, bundle: Bundle | None = None, trust: Trust | None = None, **asked: Any
) -> Verdict:
    asked.setdefault("trust_source", "file")
    court = Court(bundle or site.bundle(), trust or site.trust)
    verdict = judge(footage, [Exhibit.of(footage)], court, Asked(**asked))
    check(verdict.to_json())
    return verdict


def recorded(site: Site, camera: str = "gate-1", pictures: str = SCENE) -> Site:
    site.enrol(camera)
    site.record(camera, pictures)
    site.anchor()
    return site


def test_an_exact_copy_is_verified(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 0, 30), recorded(site))
    assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)
    assert verdict.strip == "." * 30
    assert not verdict.excerpt
    assert verdict.interval_us == (NOON, NOON + 29 * PICTURE_US)
    assert "unless the keeper of this ledger rewrote it" in verdict.sentence
    assert verdict.kept_by == ("ControlRoomMSP",)


def test_an_excerpt_is_verified_as_such(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 13, 25), recorded(site))
    assert verdict.state is State.VERIFIED
    assert verdict.excerpt
    assert "Recorded footage continues before and after." in verdict.sentence


def test_a_changed_picture_is_altered(site: Site) -> None:
    pictures = [picture("gate-1", number) for number in range(30)]
    pictures[12] = picture("nowhere", 1)
    verdict = verdict_on(footage_of(pictures), recorded(site))
    assert verdict.state is State.ALTERED
    assert verdict.strip[12] == "M"


def test_removed_pictures_are_incomplete(site: Site) -> None:
    pictures = [picture("gate-1", number) for number in range(30) if not 11 <= number < 16]
    verdict = verdict_on(footage_of(pictures), recorded(site))
    assert verdict.state is State.INCOMPLETE
    assert verdict.counts["missing"] == 5
    assert "0.2 s of recorded pictures are not shown as recorded (missing" in verdict.sentence


def test_pictures_of_another_camera_are_named(site: Site) -> None:
    recorded(site)
    recorded(site, "gate-2")
    pictures = [picture("gate-1", n) for n in range(10)]
    pictures += [picture("gate-2", n) for n in range(3, 8)]
    pictures += [picture("gate-1", n) for n in range(10, 30)]
    verdict = verdict_on(footage_of(pictures), site)
    assert verdict.state is State.INCOMPLETE
    foreign = next(operation for operation in verdict.script if operation.op is Op.FOREIGN)
    assert foreign.of is not None and (foreign.of.camera, foreign.of.record) == ("gate-2", (3, 7))


def test_without_trust_nothing_is_said_but_what_it_would_be(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 0, 30), recorded(site), trust=Trust(ledgers=()), trust_source="none")
    assert verdict.state is State.UNTRUSTED_PROOF
    assert verdict.sentence.endswith("If it were trusted, the result would be VERIFIED.")
    assert "--trust home" in verdict.next_step
    assert verdict.strip == "?" * 30
    assert verdict.if_trusted is not None and verdict.if_trusted.strip == "." * 30


def test_an_alteration_is_not_said_on_proof_that_is_not_trusted(site: Site) -> None:
    pictures = [picture("gate-1", number) for number in range(30)]
    pictures[12] = picture("nowhere", 1)
    verdict = verdict_on(footage_of(pictures), recorded(site), trust=Trust(ledgers=()), trust_source="none")
    assert verdict.state is State.UNTRUSTED_PROOF
    assert set(verdict.counts) - {"unknown"} == {name for name, count in verdict.counts.items() if not count}
    assert "result would be ALTERED" in verdict.sentence


def test_one_operators_word_must_be_accepted_expressly(site: Site, film: Film) -> None:
    recorded(site)
    ledger = site.trust.ledgers[0]
    assert isinstance(ledger, EmbeddedTrust)
    trust = Trust(ledgers=(replace(ledger, single_operator=False),))
    verdict = verdict_on(film("gate-1", 0, 30), site, trust=trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "beside whom no witness stands" in verdict.sentence


def test_another_ledger_under_the_same_trust_is_not_trusted(site: Site, film: Film, tmp_path: Path) -> None:
    other = Site(folder=tmp_path / "other")
    verdict = verdict_on(film("gate-1", 0, 30), recorded(other), trust=site.trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    other.host.close()


def test_an_unknown_clip_is_not_anchored(site: Site, film: Film) -> None:
    verdict = verdict_on(film("elsewhere", 0, 30), recorded(site))
    assert verdict.state is State.NOT_ANCHORED
    assert "no camera or time was named" in verdict.sentence


def test_an_unknown_clip_of_a_named_camera_is_no_match(site: Site, film: Film) -> None:
    verdict = verdict_on(film("elsewhere", 0, 30), recorded(site), camera="gate-1")
    assert verdict.state is State.NO_MATCH
    assert "Another coding, another time or another camera explain it" in verdict.sentence


def test_footage_of_another_camera_than_the_one_named_is_no_match_and_names_it(site: Site, film: Film) -> None:
    recorded(site)
    recorded(site, "gate-2")
    verdict = verdict_on(film("gate-2", 0, 30), site, camera="gate-1")
    assert verdict.state is State.NO_MATCH
    assert "Pictures in it equal those anchored for camera gate-2" in verdict.sentence
    assert [finding.code for finding in verdict.findings] == ["equals_elsewhere"]


def test_a_camera_that_recorded_the_same_as_another_is_found_when_named(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = {"gate-1": "gate-1", "gate-2": "gate-1", "gate-3": "gate-3"}
    monkeypatch.setattr(small_site, "picture", lambda camera, number, letter: picture(same[camera], number))
    for camera in same:
        site.enrol(camera)
        site.record(camera, "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP")
    site.anchor()
    pictures = [picture("gate-1", number) for number in range(10)] + [picture("gate-3", number) for number in range(30)]
    for camera in ("gate-1", "gate-2"):
        verdict = verdict_on(footage_of(pictures), site, camera=camera)
        assert (verdict.state, verdict.camera) == (State.INCOMPLETE, camera), verdict.sentence
        assert (verdict.counts["same"], verdict.counts["foreign"]) == (10, 30)


def test_no_match_is_not_said_on_proof_that_is_not_trusted(site: Site, film: Film) -> None:
    recorded(site)
    none = Trust(ledgers=())
    verdict = verdict_on(film("elsewhere", 0, 30), site, trust=none, trust_source="none", camera="gate-1")
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "result would be NO_MATCH" in verdict.sentence


def test_a_camera_that_is_not_enrolled_was_not_expected(site: Site, film: Film) -> None:
    verdict = verdict_on(film("elsewhere", 0, 30), recorded(site), camera="gate-7")
    assert verdict.state is State.NOT_ANCHORED
    assert "(not enrolled)" in verdict.sentence


def test_a_signed_gap_explains_that_nothing_was_anchored(site: Site, film: Film) -> None:
    recorded(site, pictures="IPPPPPPPPP gap IPPPPPPPPP")
    start = NOON + 10 * PICTURE_US + 100_000
    verdict = verdict_on(film("elsewhere", 0, 9), site, camera="gate-1", start_us=start, end_us=start + 500_000)
    assert verdict.state is State.NOT_ANCHORED
    assert "a gap that the recorder signed: network" in verdict.sentence


def test_a_signed_gap_within_the_interval_is_named_and_changes_nothing(site: Site, film: Film) -> None:
    recorded(site, pictures="IPPPPPPPPP gap IPPPPPPPPP")
    footage = film("gate-1", 0, 20)
    shown = array("q", [n + (25 if n > 9 else 0) for n in range(20)])
    verdict = verdict_on(replace(footage, pts=shown), site)
    assert verdict.state is State.VERIFIED, verdict.findings
    assert "Within it 1 s were not recorded, according to the recorder: network." in verdict.sentence


def test_what_is_signed_but_not_anchored_verifies_nothing(site: Site, film: Film) -> None:
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    verdict = verdict_on(film("gate-1", 0, 30), site)
    assert verdict.state is State.UNDETERMINED
    assert verdict.counts["pending"] == 30
    assert "none of them is anchored yet" in verdict.sentence


def test_a_pending_tail_is_named_beside_the_anchored_part(site: Site, film: Film) -> None:
    recorded(site)
    site.record("gate-1", "IPPPP")
    verdict = verdict_on(film("gate-1", 0, 35), site)
    assert verdict.state is State.UNDETERMINED
    assert "is anchored; the rest is signed and waits" in verdict.sentence
    assert verdict.interval_us == (NOON, NOON + 29 * PICTURE_US)


def test_a_mismatch_with_pending_records_condemns_nothing(site: Site) -> None:
    recorded(site)
    site.record("gate-1", "IPPPP")
    pictures = [picture("gate-1", number) for number in range(35)]
    pictures[32] = picture("nowhere", 1)
    assert verdict_on(footage_of(pictures), site).state is State.UNDETERMINED


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_a_record_edited_in_the_store_condemns_nothing(site: Site, film: Film, spoiled: int) -> None:
    recorded(site)
    bundle = site.bundle()
    slot = sorted(bundle.proofs)[spoiled]
    data = bytearray(bundle.proofs[slot])
    at = data.index(picture("gate-1", spoiled * 10 + 4))
    data[at] ^= 1
    verdict = verdict_on(
        film("gate-1", 0, 30), site, bundle=replace(bundle, proofs={**bundle.proofs, slot: bytes(data)})
    )
    assert verdict.state is State.UNDETERMINED, verdict.sentence


def test_records_swapped_between_slots_condemn_nothing(site: Site, film: Film) -> None:
    recorded(site)
    bundle = site.bundle()
    first, second, _ = sorted(bundle.proofs)
    proofs = {**bundle.proofs, first: bundle.proofs[second], second: bundle.proofs[first]}
    assert verdict_on(film("gate-1", 0, 30), site, bundle=replace(bundle, proofs=proofs)).state is State.UNDETERMINED


def test_a_record_that_is_missing_condemns_nothing(site: Site, film: Film) -> None:
    recorded(site)
    bundle = site.bundle()
    middle = sorted(bundle.proofs)[1]
    proofs = {slot: data for slot, data in bundle.proofs.items() if slot != middle}
    lacking = {middle: "it is not in the store"}
    verdict = verdict_on(film("gate-1", 0, 30), site, bundle=replace(bundle, proofs=proofs, lacking=lacking))
    assert verdict.state is State.UNDETERMINED
    assert {"record_missing", "proof_damaged"} <= {finding.code for finding in verdict.findings}


def test_an_anchor_that_the_ledger_lost_leaves_the_record_pending(site: Site, film: Film) -> None:
    recorded(site)
    bundle = site.bundle()
    state = {key: receipt for key, receipt in bundle.state.items() if not key.startswith("block/")}
    assert verdict_on(film("gate-1", 0, 30), site, bundle=replace(bundle, state=state)).state is State.UNDETERMINED


def test_a_camera_that_nobody_approved_proves_nothing(site: Site, film: Film) -> None:
    recorded(site)
    bundle = site.bundle()
    state = {key: receipt for key, receipt in bundle.state.items() if key != "camera/gate-1/0000000001"}
    verdict = verdict_on(film("gate-1", 0, 30), site, bundle=replace(bundle, state=state))
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "was not approved when the block was anchored" in verdict.sentence
    assert verdict.findings[0].code == "origin_not_trusted"


def test_suspension_does_not_reach_back(site: Site, film: Film) -> None:
    recorded(site)
    site.call("crm-1", "suspend_camera", camera="gate-1", reason="0" * 64)
    assert verdict_on(film("gate-1", 0, 30), site).state is State.VERIFIED


def test_a_requirement_that_is_not_met_says_so(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(film("gate-1", 0, 30), site, require=("organisations=2",))
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "one organisation vouches for it where the examiner requires 2" in verdict.sentence
    assert verdict_on(film("gate-1", 0, 30), site, require=("organisations=1", "open_anchors")).state is State.VERIFIED


def test_sealed_batches_verify_where_their_leaf_lists_are_at_hand(site: Site, film: Film) -> None:
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP IPPPPPPPPP")
    site.anchor_sealed()
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor_sealed()
    assert verdict_on(film("gate-1", 0, 30), site).state is State.VERIFIED
    verdict = verdict_on(film("gate-1", 0, 30), site, require=("open_anchors",))
    assert verdict.state is State.UNTRUSTED_PROOF


def test_a_sealed_batch_without_its_neighbours_leaf_list_says_what_is_open(site: Site, film: Film) -> None:
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP IPPPPPPPPP")
    site.anchor_sealed()
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor_sealed()
    bundle = site.bundle()
    newest = max(bundle.leaf_lists)
    verdict = verdict_on(
        film("gate-1", 20, 30), site, bundle=replace(bundle, leaf_lists={newest: bundle.leaf_lists[newest]})
    )
    assert verdict.state is State.VERIFIED
    assert "the recorder could hold other versions" in verdict.sentence
    assert verdict.axes[Axis.COMPLETENESS].result is Result.INCONCLUSIVE


def test_an_older_ledger_than_the_one_seen_is_named(site: Site, film: Film) -> None:
    recorded(site)
    seen = SeenCheckpoint(ledger=site.genesis.ledger_id, height=site.host.reader.height + 7, hash=bytes(32))
    verdict = verdict_on(film("gate-1", 0, 30), site, trust=replace(site.trust, checkpoints=(seen,)))
    assert "ledger_shorter" in {finding.code for finding in verdict.findings}
    assert "ledger_shorter" not in {finding.code for finding in verdict_on(film("gate-1", 0, 30), site).findings}


def test_the_same_file_recorded_twice_is_no_second_version(site: Site, film: Film) -> None:
    recorded(site)
    first = site.states.pop("gate-1")
    site.states["gate-1"] = replace(
        first, chain=first.chain + 1, next_sequence=0, next_unit=0, previous=None, end_us=NOON
    )
    site.record("gate-1", SCENE)
    site.anchor()
    verdict = verdict_on(film("gate-1", 0, 30), site)
    assert verdict.state is State.VERIFIED, verdict.sentence
    assert [finding.chain for finding in verdict.findings if finding.code == "further_chain"] == [first.chain + 1]


def test_the_same_pictures_at_another_time_of_the_same_interval_are_a_second_version(site: Site, film: Film) -> None:
    recorded(site)
    first = site.states.pop("gate-1")
    site.states["gate-1"] = replace(
        first, chain=first.chain + 1, next_sequence=0, next_unit=0, previous=None, end_us=NOON + PICTURE_US
    )
    site.record("gate-1", SCENE)
    site.anchor()
    verdict = verdict_on(film("gate-1", 0, 30), site)
    assert verdict.state is State.UNDETERMINED
    assert any(finding.code == "parallel_chain" for finding in verdict.findings)


HOUR_US = 3_600_000_000


def sealed_in_two_chains(site: Site) -> None:
    """The camera's scene in one chain, other pictures an hour later in another, each sealed in a batch of its own."""
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor_sealed()
    first = site.states.pop("gate-1")
    site.states["gate-1"] = replace(
        first, chain=first.chain + 1, next_sequence=0, next_unit=100, previous=None, end_us=NOON + HOUR_US
    )
    site.record("gate-1", SCENE)
    site.anchor_sealed()


@pytest.mark.parametrize("first", [0, 100])
def test_two_sealed_chains_of_a_camera_are_verified_each(site: Site, film: Film, first: int) -> None:
    sealed_in_two_chains(site)
    verdict = verdict_on(film("gate-1", first, first + 30), site)
    assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)
    assert not {"sealed_leaves", "parallel_chain"} & {finding.code for finding in verdict.findings}


def test_a_sealed_chain_without_its_leaves_could_hold_anything(site: Site, film: Film) -> None:
    sealed_in_two_chains(site)
    bundle = site.bundle()
    first = min(bundle.leaf_lists)
    lists = {key: data for key, data in bundle.leaf_lists.items() if key != first}
    proofs = {
        slot: proof for slot, proof in bundle.proofs.items() if slot in site.sealed and site.sealed[slot] != first
    }
    verdict = verdict_on(
        film("gate-1", 100, 130), site, bundle=replace(bundle, leaf_lists=lists, proofs=proofs, sealed={})
    )
    assert verdict.state is State.UNDETERMINED
    assert "parallel_chain" in {finding.code for finding in verdict.findings}


def test_a_parallel_chain_leaves_the_result_open(site: Site, film: Film) -> None:
    recorded(site)
    site.states["gate-1"] = replace(
        site.states["gate-1"], chain=NOON // 1_000_000 + 5, next_sequence=0, next_unit=0, previous=None, end_us=NOON
    )
    site.record("gate-1", "zzzzzzzzzz")
    site.anchor()
    verdict = verdict_on(film("gate-1", 0, 30), site)
    assert verdict.state is State.UNDETERMINED
    assert "another chain of records of this camera covers the same time" in verdict.sentence


def test_an_asked_interval_must_be_accounted_for(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(film("gate-1", 5, 30), site, start_us=NOON, end_us=NOON + 30 * PICTURE_US)
    assert verdict.state is State.INCOMPLETE
    assert verdict.counts["missing"] == 5
    whole = verdict_on(film("gate-1", 0, 30), site, start_us=NOON, end_us=NOON + 30 * PICTURE_US)
    assert (whole.state, whole.excerpt) == (State.VERIFIED, False)


def test_an_asked_interval_that_nothing_is_known_of_is_open(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(film("gate-1", 0, 30), site, start_us=NOON, end_us=NOON + 60_000_000)
    assert verdict.state is State.UNDETERMINED
    assert "record_missing" in {finding.code for finding in verdict.findings}


def test_exposure_is_the_longest_time_from_capture_to_anchoring(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 0, 30), recorded(site))
    assert verdict.exposure_us is not None and 1_200_000 <= verdict.exposure_us < 2_000_000
