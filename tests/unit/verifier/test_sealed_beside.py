"""Sealed batches beside what is examined: what signed reads must show so that no second version can hide."""

from __future__ import annotations

import pytest

from evidence.batches import batch_key, make_batch
from evidence.digests import sha256
from evidence.leaf_list import leaf_list
from evidence.proof_ranges import KeyRange, whole_range
from tests.unit.verifier import small_site
from tests.unit.verifier.signed_reads import Channel, intruder
from tests.unit.verifier.small_site import Site, footage_of, picture
from tests.unit.verifier.test_signed_reads import codes, examined
from verifier.model import Axis, State
from verifier.verdict import Result

SCENE = "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP"
ROOT = whole_range("root", "north", "rec-1")
OTHER_ROOT = whole_range("root", "north", "rec-2")


@pytest.fixture
def channel(site: Site) -> Channel:
    """A camera's three records, anchored openly, at a site with one recorder that sealed nothing."""
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor()
    return Channel(site)


@pytest.fixture
def twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> Channel:
    """The second record was sealed, and then another version of it anchored openly; the later one is examined."""
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP")
    state = site.states["gate-1"]
    site.anchor()
    with monkeypatch.context() as patched:
        patched.setattr(small_site, "picture", lambda camera, number, letter="P": sha256(b"first %d" % number))
        site.record("gate-1", "IPPPPPPPPP")
    site.anchor_sealed()
    site.states["gate-1"] = state
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    return Channel(site)


class OtherRecorder:
    """A second recorder of the site, which seals what another camera recorded."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.previous: bytes | None = None
        self.count = 0
        site.register("rec-2", "RECORDER", control_room="cr-1", site="north")
        site.enrol("gate-2")

    def seal(self, times: int) -> None:
        site = self.site
        for _ in range(times):
            mine, site.waiting = site.waiting, []
            site.record("gate-2", "IPP")
            blocks, site.waiting = site.waiting, mine
            batch, _ = make_batch(
                [each.block for each in blocks], site="north", recorder="rec-2", batch=self.count,
                previous=self.previous,
            )  # fmt: skip
            site.submit("rec-2", "anchor", batch.canonical())
            site.leaf_lists[batch_key("north", "rec-2", self.count)] = leaf_list(batch, blocks).canonical()
            self.previous, self.count = batch.digest, self.count + 1


def other_batches(first: int, last: int) -> KeyRange:
    return KeyRange(batch_key("north", "rec-2", first), batch_key("north", "rec-2", last + 1))


def test_an_openly_anchored_record_whose_earlier_sealed_version_is_not_shown_says_what_is_open(twice: Channel) -> None:
    later = footage_of([picture("gate-1", number) for number in range(20)])
    hidden = examined(twice.source(twice.read()), twice.trust, later)
    assert hidden.state is State.VERIFIED and "sealed_leaves" in codes(hidden)
    assert hidden.axes[Axis.COMPLETENESS].result is Result.INCONCLUSIVE
    shown = examined(twice.source(twice.read([*twice.ranges(), ROOT])), twice.trust, later)
    assert shown.state is State.UNDETERMINED  # the version that was sealed first holds the slot


def test_where_it_is_shown_that_nothing_was_sealed_nothing_is_said(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read([*channel.ranges(), ROOT])), channel.trust)
    assert verdict.state is State.VERIFIED and "sealed_leaves" not in codes(verdict)
    assert verdict.axes[Axis.COMPLETENESS].result is Result.PASS


def test_whoever_is_shown_no_batches_still_gets_a_verdict_that_says_so(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read()), channel.trust)
    assert verdict.state is State.VERIFIED
    (finding,) = [each for each in verdict.findings if each.code == "sealed_leaves"]
    assert "not shown whether the site's recorders also sealed batches" in finding.text
    assert "not established" in verdict.sentence


def test_every_recorder_of_the_site_must_be_shown_to_have_sealed_nothing(site: Site, channel: Channel) -> None:
    site.register("rec-2", "RECORDER", control_room="cr-1", site="north")
    site.register("rec-9", "RECORDER", control_room="cr-1", site="south")
    for roots, noted in (([ROOT], True), ([ROOT, OTHER_ROOT], False)):
        verdict = examined(channel.source(channel.read([*channel.ranges(), *roots])), channel.trust)
        assert ("sealed_leaves" in codes(verdict)) is noted


def test_a_read_of_before_the_anchor_and_one_that_nobody_believes_do_not_show_it(channel: Channel) -> None:
    early = channel.read([whole_range("genesis"), ROOT])  # nothing in it was written after the founding
    strangers = [intruder(msp, channel.site.now_us) for msp in ("ControlRoomMSP", "PoliceMSP")]
    forged = channel.read([*channel.ranges(), ROOT], endorsers=strangers)
    for beside in (early, forged):
        verdict = examined(channel.source(channel.read(), beside), channel.trust)
        assert verdict.state is State.VERIFIED and "sealed_leaves" in codes(verdict)


@pytest.fixture
def among_many(site: Site) -> Channel:
    """Two records of a camera between many batches of the site's other recorder: 0–5, record, 6–8, record, 9–14."""
    site.enrol("gate-1")
    other = OtherRecorder(site)
    other.seal(6)
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    other.seal(3)
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    other.seal(6)
    return Channel(site)


@pytest.mark.parametrize(
    ("first", "last", "noted"),
    [(0, 14, False), (5, 9, False), (3, 11, False), (6, 9, True), (5, 8, True), (5, 6, True), (12, 14, True)],
)
def test_of_another_recorders_batches_those_around_the_while_are_enough(
    among_many: Channel, first: int, last: int, noted: bool
) -> None:
    both = footage_of([picture("gate-1", number) for number in range(20)])
    read = among_many.read([*among_many.ranges(), ROOT, other_batches(first, last)])
    verdict = examined(among_many.source(read), among_many.trust, both)
    assert verdict.state is State.VERIFIED, verdict.sentence
    assert ("sealed_leaves" in codes(verdict)) is noted


def test_batches_of_a_while_may_be_shown_by_several_reads_however_old(site: Site) -> None:
    """Reads are taken as a recorder goes, each with the batches of its own moment."""
    site.enrol("gate-1")
    other = OtherRecorder(site)
    other.seal(6)
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    channel = Channel(site)
    to_end = KeyRange(batch_key("north", "rec-2", 4), OTHER_ROOT.end)
    early = channel.read([*channel.ranges(), ROOT, to_end])
    other.seal(3)
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    both = footage_of([picture("gate-1", number) for number in range(20)])
    for first, noted in ((5, False), (7, True)):
        late = channel.read(
            [*channel.ranges(), ROOT, KeyRange(batch_key("north", "rec-2", first), OTHER_ROOT.end)]
        )  # fmt: skip
        verdict = examined(channel.source(early, late), channel.trust, both)
        assert ("sealed_leaves" in codes(verdict)) is noted
