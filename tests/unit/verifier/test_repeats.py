"""Covered lenses, frozen pictures, placeholders: what repeats says little, and no more is read into it."""

from __future__ import annotations

import pytest

from tests.unit.verifier.clips import PICTURE_US, START_US, Clip, scene, verify
from verifier.model import State

ACCUSING = {"duplicated", "reordered", "replayed", "foreign"}


@pytest.fixture(scope="module")
def lens() -> Clip:
    return scene("IPPP rrrr rrrr rrIP").recorded()


def test_an_untouched_copy_of_a_covered_lens_is_all_same(lens: Clip) -> None:
    found = verify(lens)
    assert found.strip == "." * 16
    assert found.state is State.VERIFIED
    only = scene("rrrr rrrr rrrr").recorded()
    assert verify(only).strip == "." * 12
    assert verify(only).state is State.VERIFIED


@pytest.mark.parametrize(("first", "last"), ((0, 9), (2, 15), (8, 15), (3, 14)))
def test_an_excerpt_that_holds_one_unique_picture_is_all_same(lens: Clip, first: int, last: int) -> None:
    found = verify(lens.cut(first, last))
    assert found.strip == "." * (last - first + 1)
    assert found.state is State.VERIFIED
    assert found.interval is not None
    assert found.interval.positions == (first, last)


def test_an_excerpt_of_repeated_pictures_alone_has_no_certain_time(lens: Clip) -> None:
    found = verify(lens.cut(5, 9))
    assert found.strip == "....."
    assert found.state is State.UNDETERMINED
    assert found.interval is None
    places = [finding.record for finding in found.examined.findings if finding.code == "ambiguous_time"]
    assert places == [(first, first + 4) for first in range(4, 10)]


def test_repeated_pictures_that_fit_one_place_only_are_placed(lens: Clip) -> None:
    found = verify(lens.cut(4, 13))
    assert found.strip == "." * 10
    assert found.state is State.VERIFIED


@pytest.mark.parametrize("gap", (False, True))
@pytest.mark.parametrize(("first", "last"), ((5, 5), (6, 8), (4, 13), (12, 13)))
def test_frozen_pictures_that_were_taken_out_are_missing(lens: Clip, first: int, last: int, gap: bool) -> None:
    found = verify(lens.delete(first, last, gap=gap))
    assert found.script.counts()["missing"] == last - first + 1
    assert found.state is State.INCOMPLETE
    assert not ACCUSING & {operation.op for operation in found.script.operations}


@pytest.mark.parametrize(("first", "last"), ((5, 5), (6, 8)))
def test_times_tell_which_of_equal_pictures_were_taken_out(lens: Clip, first: int, last: int) -> None:
    found = verify(lens.delete(first, last, gap=True))
    (missing,) = found.ops("missing")
    assert missing.record == (first, last)
    assert "retimed" not in found.codes


def test_frozen_pictures_taken_out_near_the_end_of_an_excerpt_show_by_their_times(lens: Clip) -> None:
    found = verify(lens.cut(0, 9).delete(6, 7, gap=True))
    assert found.ops("missing")[0].record == (6, 7)
    assert found.state is State.INCOMPLETE
    found = verify(lens.cut(6, 15).delete(2, 3, gap=True))
    assert found.ops("missing")[0].record == (8, 9)


def test_frozen_pictures_taken_out_of_an_interval_that_was_asked_are_missing(lens: Clip) -> None:
    asked = (START_US, START_US + 10 * PICTURE_US)
    found = verify(lens.cut(0, 9).delete(6, 7), asked_us=asked)
    assert found.script.counts()["missing"] == 2
    assert found.state is State.INCOMPLETE


def test_a_shortened_clip_of_a_covered_lens_is_never_verified() -> None:
    clip = scene("rrrr rrrr rrrr").recorded()
    for gap in (False, True):
        assert verify(clip.delete(4, 6, gap=gap)).state is State.UNDETERMINED
    asked = (START_US, START_US + 12 * PICTURE_US)
    found = verify(clip.delete(4, 6), asked_us=asked)
    assert found.script.counts()["missing"] == 3
    assert found.state is State.INCOMPLETE


def test_a_lengthened_clip_of_a_covered_lens_is_never_verified() -> None:
    clip = scene("rrrr rrrr").recorded()
    found = verify(clip.insert(4, scene("rrr")))
    assert found.state is State.UNDETERMINED
    assert not ACCUSING & {operation.op for operation in found.script.operations}


def test_more_frozen_pictures_than_recorded_are_inserted(lens: Clip) -> None:
    found = verify(lens.insert(6, scene("rr")))
    assert found.script.counts()["inserted"] == 2
    assert found.state is State.INCOMPLETE
    assert not ACCUSING & {operation.op for operation in found.script.operations}


@pytest.mark.parametrize("changed", ((5,), (4, 7), (5, 6, 9), (4, 13)))
def test_changed_pictures_between_frozen_ones_are_modified_and_the_others_stay_same(
    lens: Clip, changed: tuple[int, ...]
) -> None:
    copy = lens
    for at in changed:
        copy = copy.replaced(at, by=f"forged {at}")
    found = verify(copy)
    assert {at for at, mark in enumerate(found.strip) if mark == "M"} == set(changed)
    assert found.script.counts()["same"] == 16 - len(changed)
    assert found.state is State.ALTERED


def test_a_picture_changed_in_a_clip_of_a_covered_lens_is_found() -> None:
    clip = scene("rrrr rrrr rrrr").recorded()
    assert verify(clip.replaced(5)).strip.startswith(".....M")
    assert verify(clip.replaced(5)).state is State.ALTERED


def test_frozen_pictures_that_changed_places_are_the_same_pictures(lens: Clip) -> None:
    assert verify(lens.swap(5, 11)).strip == "." * 16


def test_a_unique_picture_moved_among_frozen_ones_is_noticed() -> None:
    clip = scene("IPPP rrPr rrIP").recorded()
    found = verify(clip.move(6, 6, 9))
    assert found.script.counts()["same"] < 12
    assert found.state is State.INCOMPLETE


def test_bit_identical_neighbours_of_the_record_are_same_and_not_duplicates() -> None:
    clip = scene("IPnn PPmm IPPP").recorded()
    assert verify(clip).strip == "." * 12
    assert verify(clip.cut(2, 9)).strip == "." * 8
    found = verify(clip.delete(3))
    assert found.script.counts()["missing"] == 1
    assert found.state is State.INCOMPLETE


def test_placeholder_packets_between_pictures_are_same() -> None:
    clip = scene("IPnPnPn PnPnPnP IPnPnPn").recorded()
    assert verify(clip).strip == "." * 21
    for first in range(0, 18, 3):
        assert verify(clip.cut(first, first + 3)).strip == "...."
    assert verify(clip.replaced(3)).strip.count("M") == 1


def test_a_placeholder_that_several_cameras_send_names_none_of_them() -> None:
    gate = scene("IPnP nPPP IPPn").recorded()
    yard = scene("IPPn nnPP", name="yard").recorded("gate-2")
    both = gate.beside(yard)
    assert verify(both).strip == "." * 12
    inserted = verify(both.insert(5, scene("nn")))
    assert inserted.script.counts()["inserted"] == 2
    assert not inserted.ops("foreign")
    assert verify(both, camera="gate-2").script.own is not None
    assert verify(both, camera="gate-2").script.own.camera == "gate-1"  # type: ignore[union-attr]


def test_an_unknown_clip_that_shares_only_a_placeholder_matches_nothing() -> None:
    gate = scene("IPnP nPPP IPPn").recorded()
    found = verify(scene("IPPn nPPP PPPP", name="stranger").beside(gate))
    assert found.script.own is None
    assert found.state is State.NOT_ANCHORED


def test_a_foreign_part_is_named_although_placeholders_stand_in_it() -> None:
    gate = scene("IPnP IPnP IPnP").recorded()
    yard = scene("IPnP IPnP", name="yard").recorded("gate-2")
    found = verify(gate.splice(4, 7, yard.cut(0, 3)).beside(yard))
    (foreign,) = found.ops("foreign")
    assert foreign.of is not None
    assert foreign.of.record[0] == 0
    assert found.state is State.INCOMPLETE


def test_a_repeated_run_that_stands_once_as_a_whole_has_a_place() -> None:
    clip = scene("abab aabb abab bbaa").recorded()
    found = verify(clip.cut(3, 9))
    assert found.strip == "." * 7
    assert found.interval is not None
    assert found.interval.positions == (3, 9)


def test_a_change_in_a_clip_without_one_unique_picture_is_never_verified() -> None:
    clip = scene("abab aabb abab bbaa").recorded()
    for tampered in (
        clip.delete(6),
        clip.swap(3, 4),
        clip.replaced(6),
        clip.insert(6, "X"),
        clip.insert(6, scene("ab")),
    ):
        found = verify(tampered)
        assert found.state is not State.VERIFIED
        assert not ACCUSING & {operation.op for operation in found.script.operations}


def test_a_long_frozen_stretch_is_aligned_quickly_and_its_loss_counted() -> None:
    clip = scene("IPPP " + "r" * 3000 + " IPPP " + "r" * 3000 + " IPPP").recorded()
    assert verify(clip).state is State.VERIFIED
    found = verify(clip.replaced(700).replaced(4000, by="other").delete(1500, 1519))
    assert found.script.counts()["modified"] + found.script.counts()["inserted"] >= 2
    assert found.script.counts()["missing"] >= 20
    assert found.state is State.ALTERED or found.state is State.INCOMPLETE


def test_of_places_that_fit_equally_the_ones_inside_the_interval_asked_count(lens: Clip) -> None:
    asked = (START_US + 5 * PICTURE_US, START_US + 10 * PICTURE_US)
    found = verify(lens.cut(5, 9), asked_us=asked)
    assert found.state is State.VERIFIED
    assert found.interval is not None
    assert found.interval.positions == (5, 9)
    assert not found.interval.excerpt


def test_nothing_is_concluded_from_one_of_several_places_that_fit(lens: Clip) -> None:
    # Beside one of the places stands side data, at another the display differs in time: neither may count.
    clip = scene("IPPP rrrr rrrr rrIP").side(6).recorded()
    found = verify(clip.cut(7, 10))
    assert found.codes == {"ambiguous_time"}
    assert verify(clip.cut(7, 10).container(hidden=((1, 1),))).codes == {"ambiguous_time", "hidden"}
