"""Links between nodes that go down while recorders anchor: nothing is lost or doubled, and all catch up."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from evidence.errors import CommitUnknown, LedgerUnavailable
from network.status import network_status
from sdk.fabric_profile import Deadlines
from tests.fabric.anchors import Anchored, Site
from tests.fabric.conftest import now_us
from tests.fabric.links import Links

pytestmark = [pytest.mark.needs("fabric", "netns"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]


@pytest.fixture
def strict_places(places: Links | None) -> Links:
    assert places is not None
    return places


def anchored_while(site: Site, camera: str, disturb: Callable[[], None]) -> Anchored:
    site.camera(camera)
    run = site.anchor_while(camera, disturb)
    for error in run.failed.values():
        assert isinstance(error, LedgerUnavailable | CommitUnknown), error
    site.send_again(camera, run)
    site.stands_once(camera, [0, *run.acknowledged, *run.failed], run)
    return run


def test_orderers_that_are_cut_off_hold_up_anchors_and_lose_none(strict_site: Site, strict_places: Links) -> None:
    def disturb() -> None:
        with strict_places.cut("orderers"):
            # The state is told in a typed error, and what was sent may be sent again.
            hurried = Deadlines(submit_s=1, commit_s=1, total_s=2)
            recorder = strict_site.acting(strict_site.cast["recorder"], hurried)
            with recorder, pytest.raises(CommitUnknown) as caught:
                recorder.submit("anchor", strict_site.batch("cut-1", 1000))
            assert caught.value.retryable
            time.sleep(1)

    anchored_while(strict_site, "cut-1", disturb)
    with strict_site.acting(strict_site.cast["recorder"]) as recorder:
        recorder.submit("anchor", strict_site.batch("cut-1", 1000))
    strict_site.stands_once("cut-1", [1000])


def test_an_organisation_that_is_cut_off_is_replaced_by_another(strict_site: Site, strict_places: Links) -> None:
    cut: list[float] = []

    def disturb() -> None:
        with strict_places.cut("police"):
            cut.append(time.monotonic())
            status = network_status(strict_site.network, now_us=now_us())
            police = next(each for each in status.organisations if each.msp == "PoliceMSP")
            assert not status.healthy
            assert police.trouble
            time.sleep(max(0.0, cut[0] + 6 - time.monotonic()))
            cut.append(time.monotonic())

    run = anchored_while(strict_site, "cut-2", disturb)
    # Silence costs the time that a gateway gives an endorser (2 s here); then Auditor is asked, while the cut lasts.
    during = [sequence for sequence, at in run.acknowledged_s.items() if cut[0] + 1 < at < cut[1]]
    assert during, run.acknowledged_s
    for sequence in during[:3]:
        assert strict_site.endorsers(run.acknowledged[sequence]) == {"ControlRoomMSP", "AuditorMSP"}


def test_a_peer_that_reaches_no_orderer_falls_behind_and_catches_up(strict_site: Site, strict_places: Links) -> None:
    def disturb() -> None:
        with strict_places.cut_between("police", "orderers"):
            # Police's peer still endorses, from an old state; what it refuses for that is not taken for the truth.
            strict_site.camera("cut-4")
            with strict_site.acting(strict_site.cast["recorder"]) as recorder:
                recorder.submit("anchor", strict_site.batch("cut-4", 1))
            heights = []
            for msp in ("ControlRoomMSP", "PoliceMSP"):
                ledger = strict_site.ledger(msp)
                heights.append(ledger.height())
                ledger.close()
            assert heights[0] > heights[1]

    anchored_while(strict_site, "cut-3", disturb)
    strict_site.stands_once("cut-4", [0, 1])
