"""Pictures shown at other times than recorded, and ordinary differences of times."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.verifier.clips import PICTURE_US, START_US, Clip, scene, verify
from verifier.model import State

PICTURES = 120


@pytest.fixture(scope="module")
def clip() -> Clip:
    return scene(" ".join(["IPPPPPPPPPPP"] * 10)).recorded()


def test_another_start_is_no_difference(clip: Clip) -> None:
    for shift in (17_811_000, -3_000):
        assert verify(clip.retime(lambda at, at_us, shift=shift: at_us + shift)).codes == set()


def test_rounding_to_the_ticks_of_a_copy_is_no_difference() -> None:
    jittery = scene("IPPPPPPPPPPP" * 4).retime(lambda at, at_us: at_us + 7_000 * (at % 3)).recorded()
    for ticks in ((1, 1000), (1, 90_000), (1, 25), (1, 30)):
        coarse = array("q", [round((p.at_us - jittery.pictures[0].at_us) * ticks[1] / 1e6) for p in jittery.pictures])
        found = verify(jittery.container(time_base=ticks, pts=coarse))
        assert found.state is State.VERIFIED, ticks
        assert not found.codes, ticks


@pytest.mark.parametrize(
    "change",
    (
        lambda at, at_us: 2 * at_us,
        lambda at, at_us: at_us * 101 // 100,
        lambda at, at_us: at_us // 2,
        lambda at, at_us: at_us + (1_000_000 if at > 60 else 0),
        lambda at, at_us: at_us + (50_000 if at in (40, 41, 42) else 0),
        lambda at, at_us: at_us + 190_000 * (at // 20),
        lambda at, at_us: 0,
    ),
    ids=("slowed", "one per cent slower", "faster", "pause", "three pictures", "steps that add up", "all at once"),
)
def test_other_times_are_retimed(clip: Clip, change: Callable[[int, int], int]) -> None:
    found = verify(clip.retime(change))
    assert "retimed" in found.codes
    assert found.state is State.INCOMPLETE


def test_a_picture_shown_before_the_one_recorded_ahead_of_it_is_retimed(clip: Clip) -> None:
    swapped = {50: 51, 51: 50}
    times = [picture.at_us for picture in clip.pictures]
    for ticks in ((1, 1000), (1, 25), (1, 1)):
        copy = clip.retime(lambda at, at_us: times[swapped.get(at, at)]).container(time_base=ticks)
        pts = array("q", [(picture.at_us * ticks[1]) // 1_000_000 for picture in copy.pictures])
        assert verify(copy.container(pts=pts)).state is State.INCOMPLETE, ticks


def test_ticks_of_a_second_do_not_excuse_anything(clip: Clip) -> None:
    pts = array("q", [picture.at_us // 1_000_000 for picture in clip.pictures])
    found = verify(clip.container(time_base=(1, 1), pts=pts))
    assert found.state is State.INCOMPLETE


def test_chunks_joined_with_a_small_step_are_a_note(clip: Clip) -> None:
    for step in (120_000, 199_000, -15_000):
        found = verify(clip.retime(lambda at, at_us, step=step: at_us + (step if at >= 70 else 0)))
        assert found.codes == {"time_step"}
        assert found.state is State.VERIFIED


def test_a_step_that_shows_pictures_in_another_order_is_retimed(clip: Clip) -> None:
    found = verify(clip.retime(lambda at, at_us: at_us - (190_000 if at >= 70 else 0)))
    assert found.state is State.INCOMPLETE


def test_times_that_were_inferred_when_recorded_are_not_judged() -> None:
    clip = scene("IPPPPPPPPPPP" * 4)
    inferred = replace(clip, pictures=tuple(replace(p, inferred=at % 3 == 1) for at, p in enumerate(clip.pictures)))
    copy = inferred.recorded()
    assert verify(copy.retime(lambda at, at_us: at_us + (25_000 if at % 3 == 1 else 0))).codes == set()
    grossly = verify(copy.retime(lambda at, at_us: at_us + (5_000_000 if at == 10 else 0)))
    assert grossly.state is State.INCOMPLETE


def test_a_record_without_times_of_its_own_still_bounds_the_order() -> None:
    clip = scene("IPPPPPPPPPPP" * 6)
    untimed = replace(clip, pictures=tuple(replace(p, inferred=True) for p in clip.pictures)).recorded()
    assert verify(untimed).codes == {"times_not_compared"}
    assert verify(untimed.retime(lambda at, at_us: at_us + 80_000 * (at % 2))).state is State.VERIFIED
    shuffled = untimed.retime(lambda at, at_us: (at_us * 31) % 2_880_000)
    assert verify(shuffled).state is State.INCOMPLETE


def test_a_copy_cannot_excuse_itself_by_shared_times(clip: Clip) -> None:
    shared = clip.retime(lambda at, at_us: at_us - at_us % 200_000)
    pictures = tuple(replace(p, inferred=at % 5 != 0) for at, p in enumerate(shared.pictures))
    assert verify(replace(shared, pictures=pictures)).state is State.INCOMPLETE


def test_connections_have_shifts_of_their_own() -> None:
    clip = scene("IPPP IPPP|IPPP IPPP").recorded()
    later = clip.retime(lambda at, at_us: at_us + (3_000_000 if at >= 8 else 0))
    assert verify(later).state is State.VERIFIED
    earlier = clip.retime(lambda at, at_us: at_us - (200_000 if at >= 8 else 0))
    assert verify(earlier).state is State.INCOMPLETE


def test_pictures_shown_in_another_order_than_coded_keep_their_times() -> None:
    clip = scene("IPBPBPB IPBPBPB IPBPBPB").recorded()
    assert verify(clip).codes == set()
    assert verify(clip.cut(3, 15)).codes == set()
    found = verify(clip.retime(lambda at, at_us: 40_000 * at))
    assert found.state is State.INCOMPLETE


def test_without_presentation_times_nothing_is_concluded(clip: Clip) -> None:
    raw = clip.container(container="h264", times=False)
    assert verify(raw).codes == {"times_not_compared"}
    assert verify(raw).state is State.VERIFIED


def test_the_constant_rate_of_avi_is_compared_where_the_recorded_one_is_constant(clip: Clip) -> None:
    avi = clip.container(container="avi", times=False)
    assert verify(avi).state is State.VERIFIED
    slowed = clip.retime(lambda at, at_us: 2 * at_us).container(container="avi", times=False)
    found = verify(slowed)
    assert found.state is State.INCOMPLETE
    assert any("12.50 pictures per second" in finding.text for finding in found.examined.findings)
    varying = scene("IPPPPPPPPPPP" * 4).retime(lambda at, at_us: at_us + 9_000 * (at % 3)).recorded()
    assert verify(varying.container(container="avi", times=False)).codes == {"times_not_compared"}


def test_times_after_edits_count(clip: Clip) -> None:
    played = array("q", [picture.at_us + 500 for picture in clip.pictures])
    assert verify(clip.container(shown_us=played)).codes == set()
    slower = array("q", [2 * at for at in played])
    assert verify(clip.container(shown_us=slower)).state is State.INCOMPLETE


def test_a_deletion_with_closed_gap_is_missing_and_not_retimed(clip: Clip) -> None:
    found = verify(clip.delete(30, 41))
    assert "retimed" not in found.codes
    assert found.script.counts()["missing"] == 12


def test_hidden_pictures_do_not_make_what_follows_retimed(clip: Clip) -> None:
    played = array("q", [p.at_us - (12 * PICTURE_US if at > 41 else 0) for at, p in enumerate(clip.pictures)])
    found = verify(clip.container(shown_us=played, hidden=((30, 41),)))
    assert found.codes == {"hidden"}


def test_absurd_times_do_not_wrap_around(clip: Clip) -> None:
    pts = array("q", [at * (1 << 55) for at in range(PICTURES)])
    assert verify(clip.container(pts=pts)).state is State.INCOMPLETE
    wrapped = array("q", [at * 40 + (1 << 62 if at % 2 else 0) for at in range(PICTURES)])
    assert verify(clip.container(pts=wrapped)).state is State.INCOMPLETE


def test_the_interval_is_in_recorded_time_whatever_the_copy_says(clip: Clip) -> None:
    found = verify(clip.cut(24, 47).retime(lambda at, at_us: at_us + 9_000_000))
    assert found.interval is not None
    assert found.interval.span_us == (START_US + 24 * PICTURE_US, START_US + 47 * PICTURE_US)


def test_a_last_picture_that_stays_is_retimed_where_the_record_goes_on(clip: Clip) -> None:
    excerpt = clip.cut(12, 59)
    assert verify(excerpt.container(last_us=PICTURE_US)).codes == set()
    assert verify(excerpt.container(last_us=1_000_000 + PICTURE_US)).codes == set()
    assert verify(excerpt.container(last_us=None)).codes == set()
    found = verify(excerpt.container(last_us=400_000_000))
    assert found.codes == {"retimed"}
    assert found.strip == "." * 47 + "T"
    assert found.state is State.INCOMPLETE
    assert "400.0 s" in found.examined.findings[0].text


def test_a_last_picture_that_stays_at_the_end_of_the_record_is_a_note(clip: Clip) -> None:
    """An original may say so itself, and no record tells how long its last picture was shown."""
    found = verify(clip.container(last_us=400_000_000))
    assert found.codes == {"held"}
    assert found.state is State.VERIFIED


def test_a_last_picture_may_stay_as_long_as_it_was_recorded() -> None:
    slow = scene("IPPPPPPPPPPP" * 2).retime(lambda at, at_us: at_us + (9_000_000 if at >= 12 else 0)).recorded()
    assert verify(slow.cut(0, 11).container(last_us=9_040_000)).codes == set()
    assert verify(slow.cut(0, 12).container(last_us=9_040_000)).codes == set()
    assert verify(slow.cut(0, 11).container(last_us=11_000_000)).state is State.INCOMPLETE


def test_of_pictures_shown_out_of_order_the_one_shown_last_counts() -> None:
    clip = scene("IPBPBPB IPBPBPB IPBPBPB").recorded()
    found = verify(clip.cut(0, 13).container(last_us=60_000_000))
    (finding,) = found.examined.findings
    shown = [picture.at_us for picture in clip.pictures[:14]]
    assert finding.file == (shown.index(max(shown)),) * 2
