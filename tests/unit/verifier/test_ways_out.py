"""A verdict that leaves something open says what to do next, and of which time the pictures are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evidence.errors import ConfigInvalid
from evidence.trust import EmbeddedTrust, Trust
from media.footage import Track
from tests.unit.verifier.small_site import NOON, PICTURE_US, Site
from tests.unit.verifier.test_judge import Film, recorded, verdict_on
from verifier.examine import examine
from verifier.model import State

HOUR_US = 3_600_000_000


def test_pictures_of_another_time_than_the_one_named_are_told_with_theirs(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(
        film("gate-1", 0, 30), site, camera="gate-1", start_us=NOON + HOUR_US, end_us=NOON + 2 * HOUR_US
    )
    assert verdict.state is State.UNDETERMINED
    assert "equal those anchored for camera gate-1 from 2" in verdict.sentence
    assert "outside the time named" in verdict.sentence
    assert "records that belong between" not in verdict.sentence
    assert "equals_elsewhere" in {finding.code for finding in verdict.findings}
    assert "--from" in verdict.next_step
    inside = verdict_on(film("gate-1", 0, 30), site, start_us=NOON, end_us=NOON + 30 * PICTURE_US)
    assert "outside" not in inside.sentence and not inside.next_step


def test_a_changed_copy_is_altered_whatever_time_was_named(site: Site, film: Film) -> None:
    recorded(site)
    footage = film("gate-1", 0, 30)
    forged = replace(footage, coded=footage.coded[: 12 * 32] + bytes(32) + footage.coded[13 * 32 :])
    verdict = verdict_on(forged, site, start_us=NOON + HOUR_US, end_us=NOON + 2 * HOUR_US)
    assert verdict.state is State.ALTERED
    assert "outside the time named" in verdict.sentence


def test_recorded_pictures_of_the_time_named_stay_missing(site: Site, film: Film) -> None:
    recorded(site)
    start_us, end_us = NOON + 20 * PICTURE_US, NOON + 30 * PICTURE_US
    verdict = verdict_on(film("gate-1", 0, 10), site, camera="gate-1", start_us=start_us, end_us=end_us)
    assert verdict.state is State.INCOMPLETE
    assert "outside the time named" in verdict.sentence


def test_a_beginning_alone_is_a_time_as_well(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 0, 30), recorded(site), start_us=NOON + HOUR_US)
    assert "outside the time named" in verdict.sentence


def test_an_unknown_camera_is_answered_with_those_that_are_known(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(film("elsewhere", 0, 30), site, camera="gate-7")
    assert verdict.state is State.NOT_ANCHORED
    assert verdict.next_step == "the ledger knows no camera gate-7; it knows gate-1"
    assert not verdict_on(film("elsewhere", 0, 30), site).next_step


@pytest.mark.parametrize("name", ["BAD_x", "", "-gate", "a" * 64])
def test_what_can_be_no_cameras_name_is_wrong_usage(name: str) -> None:
    with pytest.raises(ConfigInvalid, match="not a camera's name"):
        examine([], source=None, trust=None, camera=name)


def test_where_the_keepers_word_is_not_enough_both_ways_out_are_named(site: Site, film: Film) -> None:
    recorded(site)
    ledger = site.trust.ledgers[0]
    assert isinstance(ledger, EmbeddedTrust)
    trust = Trust(ledgers=(replace(ledger, single_operator=False),))
    verdict = verdict_on(film("gate-1", 0, 30), site, trust=trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "witness" in verdict.next_step and "trust export --single-operator" in verdict.next_step
    assert verdict.findings[0].text.startswith("The word of") and verdict.findings[0].text.endswith(".")
    assert "Proof exists, but the word of" in verdict.sentence
    assert verdict.sentence.endswith("If it were trusted, the result would be VERIFIED.")


def test_several_video_tracks_are_answered_with_the_option_that_chooses(site: Site, film: Film) -> None:
    tracks = (
        Track(index=0, kind="video", codec="h264", examined=True),
        Track(index=2, kind="video", codec="h264", examined=False),
    )
    verdict = verdict_on(replace(film("gate-1", 0, 30), tracks=tracks), recorded(site))
    assert verdict.state is State.UNDETERMINED
    assert "--track 0 or 2" in verdict.next_step


def test_a_ledger_alone_is_answered_with_the_home(site: Site, film: Film) -> None:
    recorded(site)
    verdict = verdict_on(film("gate-1", 0, 30), site, bundle=replace(site.bundle(), searched=False, proofs={}))
    assert verdict.state is State.UNDETERMINED
    assert "--home" in verdict.next_step


def test_a_requirement_that_is_not_met_is_a_whole_sentence(site: Site, film: Film) -> None:
    verdict = verdict_on(film("gate-1", 0, 30), recorded(site), require=("organisations=2",))
    assert verdict.findings[0].text == "One organisation vouches for it where the examiner requires 2."
