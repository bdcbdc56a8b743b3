"""From a bundle, a trust file and a file's pictures to the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from evidence.trust import Trust
from media.footage import Footage
from tests.unit.verifier.small_site import NOON, PICTURE_US, Site, footage_of, picture
from tests.unit.verifier.test_verdict import check
from verifier.asked import Asked
from verifier.bundle import Bundle
from verifier.court import Court
from verifier.judge import judge
from verifier.model import State
from verifier.verdict import Exhibit, Verdict

Film = Callable[[str, int, int], Footage]
SCENE = "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP"


def verdict_on(
    footage: Footage, site: Site, *, bundle: Bundle | None = None, trust: Trust | None = None, **asked
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
