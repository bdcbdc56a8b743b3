"""What becomes of the pictures of a copy, told as strips."""

from __future__ import annotations

import pytest

from tests.unit.verifier.clips import PICTURE_US, START_US, Clip, scene, verify
from verifier.model import Op, State

WHOLE = (START_US, START_US + 12 * PICTURE_US)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return scene("IPPP IPPP IPPP").recorded()


def test_an_untouched_copy_is_all_same(clip: Clip) -> None:
    found = verify(clip)
    assert found.strip == "." * 12
    assert found.state is State.VERIFIED
    assert not found.codes
    assert not found.interval.excerpt
    (same,) = found.script.operations
    assert (same.file, same.record, same.shown) == ((0, 11), (0, 11), (0, 11))
    assert same.time_us == (START_US, START_US + 11 * PICTURE_US)


@pytest.mark.parametrize("first", range(12))
@pytest.mark.parametrize("length", (1, 2, 5))
def test_an_excerpt_is_all_same_wherever_it_is_cut(clip: Clip, first: int, length: int) -> None:
    last = min(11, first + length - 1)
    found = verify(clip.cut(first, last))
    assert found.strip == "." * (last - first + 1)
    assert found.state is State.VERIFIED
    assert found.interval.positions == (first, last)
    assert found.interval.excerpt
    assert (found.interval.before, found.interval.after) == (first > 0, last < 11)


def test_a_moved_picture_is_named_as_reordered(clip: Clip) -> None:
    assert verify(clip.swap(5, 6)).strip == ".....R......"


def test_a_moved_block_is_one_reorder(clip: Clip) -> None:
    found = verify(clip.move(1, 3, 6))
    (moved,) = found.ops("reordered")
    assert (moved.file, moved.record) == ((6, 8), (1, 3))
    assert found.state is State.INCOMPLETE


def test_of_two_halves_that_changed_places_the_one_that_comes_first_moved(clip: Clip) -> None:
    found = verify(clip.move(0, 5, 6))
    assert found.strip == "RRRRRR......"
    (moved,) = found.ops("reordered")
    assert moved.record == (6, 11)


def test_halves_of_an_excerpt_that_changed_places_are_still_a_reorder() -> None:
    long = scene("IPPP IPPP IPPP IPPP IPPP IPPP").recorded()
    excerpt = long.cut(6, 17)
    found = verify(excerpt.move(0, 4, 7))
    assert [operation.op for operation in found.script.operations] == [Op.SAME, Op.REORDERED]
    assert found.interval.positions == (6, 17)


def test_pictures_taken_out_are_missing_and_what_was_decoded_from_them_is_affected(clip: Clip) -> None:
    found = verify(clip.delete(5, 6))
    assert found.strip == ".....--a...."
    (missing,) = found.ops("missing")
    assert missing.file is None
    assert missing.record == (5, 6)
    assert missing.time_us == (START_US + 5 * PICTURE_US, START_US + 6 * PICTURE_US)
    assert found.state is State.INCOMPLETE


def test_a_whole_group_taken_out_affects_nothing(clip: Clip) -> None:
    assert verify(clip.delete(4, 7)).strip == "....----...."


def test_deletion_is_missing_whether_or_not_the_gap_was_closed(clip: Clip) -> None:
    for gap in (False, True):
        found = verify(clip.delete(4, 5, gap=gap))
        assert found.state is State.INCOMPLETE
        assert found.script.counts()["missing"] == 2
        assert "retimed" not in found.codes


def test_a_changed_picture_is_modified_and_the_rest_of_its_group_affected(clip: Clip) -> None:
    found = verify(clip.replaced(5))
    assert found.strip == ".....Maa...."
    (changed,) = found.ops("modified")
    assert (changed.file, changed.record) == ((5, 5), (5, 5))
    (affected,) = [finding for finding in found.examined.findings if finding.code == "affected"]
    assert affected.file == (6, 7)
    assert affected.severity == "note"
    assert found.state is State.ALTERED


def test_unequally_many_pictures_between_two_matches_are_missing_and_inserted(clip: Clip) -> None:
    found = verify(clip.splice(4, 6, scene("XX", name="stranger")))
    assert found.script.counts() | {"same": 9, "missing": 3, "inserted": 2} == found.script.counts()
    assert found.state is State.INCOMPLETE


def test_unknown_pictures_between_are_inserted(clip: Clip) -> None:
    found = verify(clip.insert(4, "IP"))
    assert found.strip == "....++........"
    (inserted,) = found.ops("inserted")
    assert (inserted.file, inserted.record) == ((4, 5), None)
    assert inserted.time_us == (START_US + 3 * PICTURE_US, START_US + 4 * PICTURE_US)


@pytest.mark.parametrize("at", (0, 12))
def test_unknown_pictures_at_an_edge_are_inserted(clip: Clip, at: int) -> None:
    found = verify(clip.insert(at, "IPP"))
    assert found.script.counts()["inserted"] == 3
    assert found.state is State.INCOMPLETE


@pytest.mark.parametrize("at", (0, 11))
def test_the_first_and_last_picture_of_the_record_are_modified_where_the_record_ends_there(clip: Clip, at: int) -> None:
    found = verify(clip.replaced(at))
    assert found.strip[at] == "M"
    assert found.state is State.ALTERED


def test_the_first_picture_of_an_excerpt_is_inserted_where_the_record_goes_on(clip: Clip) -> None:
    found = verify(clip.replaced(4).cut(4, 9))
    assert found.strip == "+aaa.."
    assert found.state is State.INCOMPLETE


def test_a_repeated_group_is_duplicated_and_cites_where_it_comes_from(clip: Clip) -> None:
    found = verify(clip.repeat(4, 7))
    assert found.strip == "........DDDD...."
    (repeated,) = found.ops("duplicated")
    assert repeated.record is None
    assert (repeated.of.camera, repeated.of.chain, repeated.of.record) == ("gate-1", 100, (4, 7))
    assert found.state is State.INCOMPLETE


def test_a_whole_file_shown_twice_is_duplicated(clip: Clip) -> None:
    found = verify(clip.repeat(0, 11))
    assert found.strip == "............DDDDDDDDDDDD"


def test_an_excerpt_shown_twice_is_duplicated(clip: Clip) -> None:
    found = verify(clip.cut(4, 7).repeat(0, 3))
    assert found.strip == "....DDDD"


def test_another_camera_s_pictures_are_foreign_and_named(clip: Clip) -> None:
    other = scene("IPPP IPPP", name="yard").recorded("gate-2", chain=7)
    found = verify(clip.splice(4, 7, other.cut(4, 7)).beside(other))
    assert found.script.counts() | {"same": 8, "foreign": 4, "missing": 4} == found.script.counts()
    (foreign,) = found.ops("foreign")
    assert (foreign.of.camera, foreign.of.chain, foreign.of.record) == ("gate-2", 7, (4, 7))
    assert foreign.of.time_us == (START_US + 4 * PICTURE_US, START_US + 7 * PICTURE_US)
    assert found.state is State.INCOMPLETE


def test_earlier_footage_of_the_same_camera_is_replayed(clip: Clip) -> None:
    yesterday = scene("IPPP IPPP", name="yesterday").recorded(chain=50, start_us=START_US - 86_400_000_000)
    for at in (4, 12):
        found = verify(clip.insert(at, yesterday.cut(0, 3)).beside(yesterday))
        (replayed,) = found.ops("replayed")
        assert replayed.of.chain == 50
        assert replayed.file == (at, at + 3)
        assert found.state is State.INCOMPLETE


def test_distant_footage_of_the_same_chain_is_replayed() -> None:
    day = scene(" ".join(["IPPP"] * 30)).recorded()
    evening = day.cut(80, 99)
    found = verify(evening.insert(8, day.cut(8, 11)))
    (replayed,) = found.ops("replayed")
    assert replayed.of.record == (8, 11)
    assert found.interval.positions == (80, 99)
    assert "missing" not in {operation.op for operation in found.script.operations}


def test_a_changed_picture_inside_a_moved_block_is_modified(clip: Clip) -> None:
    found = verify(clip.replaced(2).move(1, 3, 6))
    assert found.script.counts()["modified"] == 1
    assert found.script.counts()["missing"] == found.script.counts()["inserted"] == 0


def test_an_unknown_clip_matches_nothing(clip: Clip) -> None:
    found = verify(scene("IPPP IPPP", name="elsewhere").beside(clip))
    assert found.script.own is None
    assert found.strip == "++++++++"
    assert found.state is State.NOT_ANCHORED


def test_an_empty_file_matches_nothing(clip: Clip) -> None:
    found = verify(clip.cut(5, 4))
    assert found.strip == ""
    assert found.state is State.NOT_ANCHORED


def test_a_picture_that_is_cut_off_at_the_end_is_displayed_but_not_covered(clip: Clip) -> None:
    found = verify(clip.cut(0, 9).replaced(9, by="half").container(cut=(9,)))
    assert found.strip == ".........?"
    (unknown,) = found.ops("unknown")
    assert unknown.cause == "cut_picture"
    assert "cut_picture" in found.codes
    assert found.state is State.VERIFIED


def test_a_cut_first_picture_excuses_nothing_where_others_are_decoded_from_it(clip: Clip) -> None:
    """Whoever makes up what is left of it decides how the pictures behind it look."""
    begun = verify(clip.cut(1, 9).replaced(0, by="half").container(cut=(0,)))
    assert begun.strip[:2] == "?a"
    assert begun.ops("unknown")[0].cause == "cut_begin"
    assert begun.state is State.UNDETERMINED
    entry = next(unit for unit, picture in enumerate(clip.pictures) if unit and picture.clean == 1)
    whole = verify(clip.cut(entry - 1, 9).replaced(0, by="half").container(cut=(0,)))
    assert whole.ops("unknown")[0].cause == "cut_picture"
    assert whole.state is State.VERIFIED


def test_a_picture_inside_is_never_excused_as_cut_off(clip: Clip) -> None:
    found = verify(clip.replaced(5).container(cut=(5,)))
    assert found.state is State.ALTERED


# What was asked for.


@pytest.mark.parametrize(("first", "last"), ((1, 11), (0, 10), (3, 8)))
def test_pictures_lacking_at_the_ends_of_what_was_asked_are_missing(clip: Clip, first: int, last: int) -> None:
    found = verify(clip.cut(first, last), asked_us=WHOLE)
    assert found.script.counts()["missing"] == first + 11 - last
    assert found.state is State.INCOMPLETE
    assert found.interval.excerpt


def test_a_copy_that_shows_all_that_was_asked_is_no_excerpt(clip: Clip) -> None:
    asked = (START_US + 4 * PICTURE_US, START_US + 8 * PICTURE_US)
    found = verify(clip.cut(4, 7), asked_us=asked)
    assert found.state is State.VERIFIED
    assert not found.interval.excerpt


def test_pictures_before_the_edit_do_not_account_for_time_that_was_asked(clip: Clip) -> None:
    trimmed = clip.container(preroll=((0, 3),))
    assert verify(trimmed).state is State.VERIFIED
    assert verify(trimmed).interval.positions == (4, 11)
    asked = verify(trimmed, asked_us=WHOLE)
    assert asked.strip == "hhhh........"
    assert asked.state is State.INCOMPLETE


def test_asked_time_without_record_or_gap_is_undetermined(clip: Clip) -> None:
    found = verify(clip, asked_us=(START_US, START_US + 60_000_000))
    assert "record_missing" in found.codes
    assert found.state is State.UNDETERMINED


# Several recordings.


def test_a_clip_recorded_twice_counts_as_the_earliest_anchored(clip: Clip) -> None:
    again = scene("IPPP IPPP IPPP").recorded("gate-9", chain=900)
    assert verify(clip.beside(again)).script.own.camera == "gate-1"
    assert verify(clip.beside(again), camera="gate-9").script.own.camera == "gate-9"
    assert verify(clip.beside(again), camera="gate-9").strip == "." * 12


def test_the_same_clip_recorded_twice_for_one_camera_is_all_same(clip: Clip) -> None:
    for start_us in (START_US, START_US + 3_600_000_000):
        again = scene("IPPP IPPP IPPP").recorded("gate-1", chain=900, start_us=start_us)
        found = verify(clip.beside(again))
        assert found.strip == "." * 12
        assert found.script.own.chain == 100


def test_a_claimed_camera_wins_over_a_longer_match_elsewhere(clip: Clip) -> None:
    other = scene("IPPP IPPP IPPP", name="yard").recorded("gate-2")
    mixed = clip.cut(0, 3).insert(4, other).beside(other)
    assert verify(mixed).script.own.camera == "gate-2"
    assert verify(mixed, camera="gate-1").script.own.camera == "gate-1"
    assert verify(mixed, camera="gate-1").strip == "....FFFFFFFFFFFF"


def test_a_copy_across_a_new_chain_that_continues_the_old_one_is_all_same() -> None:
    whole = scene("IPPP IPPP")
    first = whole.cut(0, 3).recorded(chain=100)
    second = whole.cut(4, 7).recorded(chain=200, start_us=START_US + 4 * PICTURE_US)
    found = verify(whole.beside(first, second))
    assert found.strip == "." * 8
    assert found.state is State.VERIFIED
    assert [operation.chain for operation in found.script.operations] == [100, 200]
    assert [operation.record for operation in found.script.operations] == [(0, 3), (0, 3)]


def test_chunks_that_overlap_by_some_pictures_are_all_same_and_still_complete() -> None:
    whole = scene("IPPP IPPP IPPP rrrr")
    first = whole.cut(0, 7).recorded(chain=100)
    second = whole.cut(6, 15).recorded(chain=200, start_us=START_US + 6 * PICTURE_US)
    copy = whole.beside(first, second)
    assert verify(copy).strip == "." * 16
    assert verify(copy).state is State.VERIFIED
    for at in range(1, 12):  # from 12 on a lens is covered: one less of these is a shorter excerpt
        found = verify(copy.delete(at))
        assert found.script.counts()["missing"] == 1, at
        assert found.state is State.INCOMPLETE, at
    assert verify(copy.repeat(6, 7)).script.counts()["duplicated"] == 2


def test_frozen_pictures_on_both_sides_of_a_seam_are_not_taken_for_an_overlap() -> None:
    whole = scene("IPPP rrrr rrrr IPPP")
    first = whole.cut(0, 7).recorded(chain=100)
    second = whole.cut(8, 15).recorded(chain=200, start_us=START_US + 8 * PICTURE_US - 1_000)
    copy = whole.beside(first, second)
    assert verify(copy).strip == "." * 16
    for last in (4, 7, 10):
        found = verify(copy.delete(4, last))
        assert found.script.counts()["missing"] == last - 3
        assert found.state is State.INCOMPLETE


def test_time_between_two_chains_that_nothing_accounts_for_is_undetermined() -> None:
    whole = scene("IPPP IPPP")
    first = whole.cut(0, 3).recorded(chain=100)
    second = whole.cut(4, 7).recorded(chain=200, start_us=START_US + 3_600_000_000)
    found = verify(whole.beside(first, second))
    assert "record_missing" in found.codes
    assert found.state is State.UNDETERMINED


# Records that are pending, lost, or gaps.


def test_pictures_that_are_only_signed_are_pending() -> None:
    clip = scene("IPPP IPPP IPPP").recorded(pending=(2,))
    found = verify(clip)
    assert found.strip == "........pppp"
    assert found.state is State.UNDETERMINED
    assert found.interval.positions == (0, 7)


@pytest.mark.parametrize("tamper", ("replaced", "delete", "strange"))
def test_a_mismatch_against_pending_pictures_never_condemns(tamper: str) -> None:
    clip = scene("IPPP IPPP IPPP").recorded(pending=(1, 2))
    changed = {
        "replaced": lambda: clip.replaced(9),
        "delete": lambda: clip.delete(6),
        "strange": lambda: clip.insert(9, "XX"),
    }[tamper]()
    found = verify(changed)
    assert found.state is State.UNDETERMINED
    assert not {"M", "-", "+"} & set(found.strip)


def test_a_change_in_the_anchored_part_counts_although_another_part_is_pending() -> None:
    clip = scene("IPPP IPPP IPPP").recorded(pending=(2,))
    assert verify(clip.replaced(5)).state is State.ALTERED


def test_pictures_whose_record_is_not_at_hand_are_unknown_not_inserted() -> None:
    clip = scene("IPPP IPPP IPPP").recorded(lost=(1,))
    found = verify(clip)
    assert found.strip == "....????...."
    assert found.codes == {"record_missing"}
    assert found.state is State.UNDETERMINED


def test_a_hole_counts_even_where_the_file_shows_nothing_of_it() -> None:
    clip = scene("IPPP IPPP IPPP").recorded(lost=(1,))
    found = verify(clip.delete(4, 7))
    assert "record_missing" in found.codes
    assert found.state is State.UNDETERMINED


def test_a_signed_gap_is_named_and_changes_no_state() -> None:
    clip = scene("IPPP IPPP|IPPP").recorded(gaps={2: ("network", 5_000_000)})
    found = verify(clip)
    assert found.strip == "." * 12
    assert found.codes == {"recording_gap"}
    assert "network" in found.examined.findings[0].text
    assert found.state is State.VERIFIED


def test_a_gap_that_is_only_signed_is_not_anchored_yet() -> None:
    clip = scene("IPPP IPPP|IPPP").recorded(gaps={2: ("network", 5_000_000)}, pending=(2,))
    found = verify(clip)
    assert found.codes == {"not_anchored_yet"}
    assert found.state is State.UNDETERMINED


def test_a_gap_or_hole_inside_what_was_asked_is_named_although_the_file_ends_before_it() -> None:
    clip = scene("IPPP IPPP|IPPP").recorded(gaps={2: ("power", 5_000_000)})
    asked = (START_US, START_US + 7_000_000)
    found = verify(clip.cut(0, 7), asked_us=asked)
    assert "recording_gap" in found.codes
    assert found.script.counts()["missing"] == 4
    holed = scene("IPPP IPPP IPPP").recorded(lost=(1,))
    assert verify(holed.cut(0, 3), asked_us=WHOLE).state is State.INCOMPLETE
    assert "record_missing" in verify(holed.cut(0, 3), asked_us=WHOLE).codes
