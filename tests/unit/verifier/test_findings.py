"""What can change what is seen although every picture's data is equal."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from evidence.records import Display
from media.footage import Track
from tests.unit.verifier.clips import PICTURE_US, START_US, Clip, Judgement, digest, scene, verify
from verifier.findings import MOST_LISTED
from verifier.model import Finding, State
from verifier.recorded import Recorded


@pytest.fixture(scope="module")
def clip() -> Clip:
    return scene("IPPP IPPP IPPP").side(4).side(8, "greeting", user=True).recorded()


def the(found: Judgement, code: str) -> Finding:
    (finding,) = [finding for finding in found.examined.findings if finding.code == code]
    return finding


# Parameter sets.


def test_changed_parameter_sets_are_named_from_where_they_are_in_force(clip: Clip) -> None:
    found = verify(clip.sets(4, "other sets"))
    assert found.strip == "....HHHHHHHH"
    assert the(found, "headers_changed").file == (4, 11)
    assert found.state is State.ALTERED


def test_lacking_parameter_sets_are_a_note(clip: Clip) -> None:
    cut = clip.cut(2, 9)
    entry = next(at for at, picture in enumerate(cut.pictures) if picture.clean)
    found = verify(cut.sets(0, None).sets(entry, "sets"))
    assert the(found, "undecodable_start").file == (0, entry - 1)
    assert the(found, "undecodable_start").severity == "note"
    assert found.state is State.VERIFIED


def test_a_file_without_any_parameter_sets_is_undetermined(clip: Clip) -> None:
    """Equal picture data that nothing says how to decode shows nothing, or whatever a player is handed elsewhere."""
    found = verify(clip.cut(2, 9).sets(0, None))
    assert the(found, "undecodable").file == (0, 7)
    assert "begins earlier" in the(found, "undecodable").text
    assert found.state is State.UNDETERMINED


def test_sets_that_only_hidden_pictures_have_decode_nothing_that_is_shown(clip: Clip) -> None:
    copy = clip.cut(2, 9).sets(0, None).sets(2, "sets")
    assert verify(copy).state is State.VERIFIED
    assert "undecodable" in verify(replace(copy, changes={"preroll": ((2, 7),)})).codes


def test_a_tag_that_decoders_heed_is_bound_and_its_loss_leaves_the_result_open() -> None:
    usual = hashlib.sha256().digest()
    clip = scene("IPPP IPPP").recorded()
    plain = replace(
        clip.records[0], segments=tuple(replace(s, headers=((0, usual),)) for s in clip.records[0].segments)
    )
    tagged = replace(plain, segments=tuple(replace(s, headers=((0, digest("tag")),)) for s in clip.records[0].segments))
    heeded, lost = ({"headers": ((0, context),)} for context in (digest("tag"), usual))
    for record, changes, state in (
        (plain, lost, State.VERIFIED),
        (plain, heeded, State.ALTERED),
        (tagged, heeded, State.VERIFIED),
        (tagged, lost, State.UNDETERMINED),
    ):
        assert verify(replace(clip, records=(record,), changes=changes)).state is state


def test_sets_taken_out_behind_an_entry_that_had_them_are_changed(clip: Clip) -> None:
    found = verify(clip.sets(5, None))
    assert found.strip[:5] == "....." and set(found.strip[5:]) == {"H"}
    assert found.state is State.ALTERED


def test_sets_lacking_under_a_decoders_header_that_cannot_be_read_are_changed(clip: Clip) -> None:
    """A player may read from it what is not read here."""
    copy = clip.sets(0, None)
    found = verify(replace(copy, changes={"notes": ("damaged_header",)}))
    assert set(found.strip) == {"H"} and found.state is State.ALTERED


def test_sets_that_the_recording_lacked_are_not_compared() -> None:
    clip = scene("IPPP IPPP").sets(0, None).recorded()
    assert verify(clip).state is State.VERIFIED
    copy = clip.sets(0, "sets from elsewhere")
    assert verify(copy).codes == {"undecodable"}
    assert verify(copy).state is State.UNDETERMINED


def test_sets_that_change_within_the_record_are_followed() -> None:
    clip = scene("IPPP IPPP IPPP").sets(6, "second sets").recorded()
    assert verify(clip).state is State.VERIFIED
    assert verify(clip.cut(5, 8)).state is State.VERIFIED
    assert verify(clip.sets(5, "second sets")).strip == ".....Haa...."


# Side data.


def test_a_film_grain_message_added_to_every_picture_is_one_finding() -> None:
    clip = scene("IPPP IPPP IPPP").recorded()
    copy = clip
    for at in range(12):
        copy = copy.side(at, "grain")
    found = verify(copy)
    assert found.strip == "H" * 12
    assert the(found, "side_changed").file == (0, 11)
    assert found.script.counts()["same"] == 12
    assert found.state is State.ALTERED


def test_side_data_added_dropped_or_changed_is_named(clip: Clip) -> None:
    assert verify(clip).codes == set()
    for copy in (clip.side(5), clip.strip_side(4), clip.strip_side(4).side(4, "other grain")):
        found = verify(copy)
        assert "side_changed" in found.codes
        assert found.state is State.ALTERED


def test_user_messages_may_come_and_go(clip: Clip) -> None:
    copies = (clip.side(2, "hello", user=True), clip.strip_side(8), clip.strip_side(8).side(8, "other", user=True))
    for copy in copies:
        found = verify(copy)
        assert found.codes == {"user_data_changed"}
        assert found.state is State.VERIFIED


def test_side_data_repeated_by_a_container_is_the_same_set(clip: Clip) -> None:
    assert verify(clip.side(4)).codes == set()


def test_side_data_moved_to_another_picture_is_changed(clip: Clip) -> None:
    found = verify(clip.strip_side(4).side(5))
    assert found.strip[4:6] == "HH"
    assert found.state is State.ALTERED


def test_side_data_of_the_next_picture_may_end_an_excerpt_but_nothing_else_may(clip: Clip) -> None:
    assert verify(clip.cut(0, 3).side(4)).state is State.VERIFIED
    assert verify(clip.cut(0, 3)).state is State.VERIFIED
    found = verify(clip.cut(0, 3).side(4, "end of sequence"))
    assert found.strip == "...H"
    assert found.state is State.ALTERED


def test_an_end_of_sequence_may_go_with_the_picture_before_it_and_no_other_way() -> None:
    clip = scene("IPPP IPPP IPPP").side(4, "\n").recorded()  # a line feed is what an H.264 end of sequence consists of
    assert verify(clip.cut(4, 11).strip_side(0)).state is State.VERIFIED
    assert verify(clip.cut(4, 11)).state is State.VERIFIED
    assert verify(clip.delete(2, 3).strip_side(2)).state is State.INCOMPLETE
    assert verify(clip.strip_side(4)).state is State.ALTERED
    assert verify(clip.cut(4, 11).side(4, "\n")).state is State.ALTERED


def test_a_recorded_end_of_sequence_stays_behind_its_picture_whatever_follows() -> None:
    clip = scene("IPPP IPPP IPPP").side(4, "\n").side(8, "\n").recorded()
    for copy in (clip.repeat(0, 3).side(4, "\n"), clip.delete(4, 7), clip.cut(0, 3).side(4, "\n")):
        assert "side_changed" not in verify(copy).codes
    assert verify(clip.repeat(0, 3).side(4, "\n")).state is State.INCOMPLETE
    # One that was recorded behind another picture was put in, and so is any other message of that place.
    found = verify(clip.repeat(0, 2).side(3, "\n"))
    assert "side_changed" in found.codes and found.state is State.ALTERED
    grained = scene("IPPP IPPP IPPP").side(4, "grain").recorded()
    assert "side_changed" in verify(grained.repeat(0, 3).side(4, "grain")).codes


def test_a_foreign_part_keeps_its_own_side_data() -> None:
    clip = scene("IPPP IPPP").recorded()
    yard = scene("IPPP", name="yard").side(1).recorded("gate-2")
    found = verify(clip.insert(4, yard.cut(0, 3)).beside(yard))
    assert "side_changed" not in found.codes


# Affected pictures.


def test_leading_pictures_of_an_entry_are_affected_by_what_stood_before_it() -> None:
    clip = scene("IPPP IPPP").recorded()
    pictures = [replace(p, clean=2) if at == 5 else p for at, p in enumerate(clip.pictures)]
    leading = replace(clip, pictures=tuple(pictures))
    assert verify(leading.replaced(2)).strip == "..Ma.a.."
    assert verify(leading.replaced(4)).strip == "....Maaa"
    assert verify(leading).strip == "........"


def test_nothing_is_affected_at_the_start_of_an_excerpt(clip: Clip) -> None:
    assert verify(clip.cut(2, 9)).strip == "........"


# Edit lists.


def test_pictures_that_an_edit_list_hides_are_named(clip: Clip) -> None:
    found = verify(clip.container(hidden=((5, 6),)))
    assert found.strip == ".....hh....."
    assert the(found, "hidden").file == (5, 6)
    assert the(found, "hidden").time_us == (START_US + 5 * PICTURE_US, START_US + 6 * PICTURE_US)
    assert found.state is State.INCOMPLETE


def test_pictures_left_out_at_the_ends_are_a_note_and_outside_the_interval(clip: Clip) -> None:
    found = verify(clip.container(preroll=((0, 1), (11, 11))))
    assert [finding.file for finding in found.examined.findings] == [(0, 1), (11, 11)]
    assert found.state is State.VERIFIED
    assert found.interval is not None
    assert found.interval.positions == (2, 10)


def test_pictures_moved_out_of_the_edit_from_the_middle_are_hidden(clip: Clip) -> None:
    moved = clip.retime(lambda at, at_us: at_us - 10_000_000 if at in (5, 7) else at_us)
    found = verify(moved.container(preroll=((5, 5), (7, 7))))
    assert found.strip == ".....h.h...."
    assert found.state is State.INCOMPLETE


def test_unknown_pictures_outside_the_edit_still_count(clip: Clip) -> None:
    found = verify(clip.insert(0, "IPP").container(preroll=((0, 2),)))
    assert found.strip.startswith("+++")
    assert found.state is State.INCOMPLETE


def test_a_file_that_shows_nothing_has_no_interval(clip: Clip) -> None:
    found = verify(clip.container(hidden=((0, 11),)))
    assert found.interval is None
    assert found.state is State.INCOMPLETE


def test_an_edit_list_that_repeats_or_pauses_is_retimed(clip: Clip) -> None:
    found = verify(clip.container(edits_retimed=True))
    assert found.strip == "T" * 12
    assert found.state is State.INCOMPLETE


# Display and tracks.


def test_a_rotation_that_the_record_does_not_know_is_a_changed_display(clip: Clip) -> None:
    found = verify(clip.container(display=Display(rotate=180), display_stated=frozenset({"rotate"})))
    assert found.strip == "H" * 12
    assert "rotation" in the(found, "display_changed").text
    assert found.state is State.ALTERED


def test_a_display_that_the_copy_no_longer_states_is_a_note(clip: Clip) -> None:
    turned = Display(rotate=90)
    (record,) = clip.records
    segments = [replace(segment, display=turned) for segment in record.segments]
    copy = replace(clip, records=(Recorded.of(segments),))
    assert verify(copy.container(display=turned)).state is State.VERIFIED
    found = verify(copy)
    assert the(found, "display_dropped").severity == "note"
    assert found.state is State.VERIFIED


def test_several_descriptions_of_the_pictures_are_a_changed_display(clip: Clip) -> None:
    found = verify(clip.container(notes=("several_sample_descriptions",)))
    assert found.state is State.ALTERED
    (record,) = clip.records
    odd = replace(record.segments[0], odd=("several_sample_descriptions",))
    known = replace(clip, records=(Recorded.of([odd, *(replace(s, odd=odd.odd) for s in record.segments[1:])]),))
    assert verify(known.container(notes=odd.odd)).state is State.VERIFIED


def test_a_second_video_track_needs_a_choice(clip: Clip) -> None:
    tracks = tuple(Track(index=at, kind="video", codec="h264", examined=at == 0) for at in range(2))
    two = clip.container(tracks=tracks)
    assert verify(two).state is State.UNDETERMINED
    assert verify(two, track_chosen=True).state is State.VERIFIED


def test_subtitles_and_covers_are_no_obstacle(clip: Clip) -> None:
    kinds = ("video", "audio", "subtitle", "cover")
    tracks = tuple(Track(index=at, kind=kind, codec="", examined=at == 0) for at, kind in enumerate(kinds))
    found = verify(clip.container(tracks=tracks))
    assert found.codes == {"subtitle_track"}
    assert found.state is State.VERIFIED


# Many.


def test_many_stretches_are_told_as_one_and_drawn_one_by_one() -> None:
    clip = scene(" ".join(["IPPP"] * 40)).recorded()
    copy = clip
    for at in range(0, 160, 4):
        copy = copy.side(at, "grain")
    found = verify(copy)
    assert MOST_LISTED < 40
    finding = the(found, "side_changed")
    assert finding.file == (0, 156)
    assert dict(finding.detail) == {"pictures": 40}
    assert found.strip == "Haaa" * 40


def test_findings_about_equal_digests_never_hide_a_changed_one(clip: Clip) -> None:
    found = verify(clip.replaced(5).side(6))
    assert found.strip == ".....MHa...."
    assert found.state is State.ALTERED


def test_side_data_behind_a_picture_that_equals_nothing_is_not_compared(clip: Clip) -> None:
    found = verify(clip.cut(0, 7).replaced(7).side(8, "end of sequence"))
    assert "side_changed" not in found.codes
    assert found.state is State.INCOMPLETE


def test_a_colour_range_of_its_own_is_a_note(clip: Clip) -> None:
    full = Display(colour=(2, 2, 2, 1))
    found = verify(clip.container(display=full, display_stated=frozenset({"colour"})))
    assert found.codes == {"display_dropped"}
    assert found.state is State.VERIFIED


def test_a_foreign_part_is_shown_as_its_own_record_says(clip: Clip) -> None:
    yard = scene("IPPP", name="yard").recorded("gate-2")
    (record,) = yard.records
    turned = replace(record.segments[0], display=Display(rotate=90))
    found = verify(clip.insert(4, yard).beside(replace(yard, records=(Recorded.of([turned]),))))
    assert the(found, "display_dropped").file == (4, 7)


# Records that are signed, and not anchored.


@pytest.mark.parametrize("change", ["sets", "side", "times", "display", "edits", "hidden"])
def test_what_differs_from_a_record_that_is_only_signed_is_told_and_calls_for_nothing(change: str) -> None:
    def spoil(clip: Clip) -> Clip:
        if change == "sets":
            return clip.sets(0, "other sets")
        if change == "side":
            return clip.strip_side(4)
        if change == "times":
            return clip.retime(lambda unit, at_us: at_us + unit * PICTURE_US)
        if change == "display":
            return clip.container(display=Display(rotate=90))
        return clip.container(edits_retimed=True) if change == "edits" else clip.container(hidden=((4, 5),))

    clip = scene("IPPP IPPP IPPP").side(4)
    codes = {"sets": "headers_changed", "side": "side_changed", "display": "display_changed", "hidden": "hidden"}
    code = codes.get(change, "retimed")
    anchored, pending = verify(spoil(clip.recorded())), verify(spoil(clip.recorded(pending=(0, 1, 2))))
    assert code in anchored.codes & pending.codes
    assert anchored.state in (State.ALTERED, State.INCOMPLETE)
    assert pending.state is State.UNDETERMINED and set(pending.strip) == {"p"}


def test_pictures_that_the_file_says_are_coded_otherwise_are_shown_otherwise() -> None:
    """Where a picture is a whole packet its data are equal whatever the container calls them."""
    clip = scene("IPPP IPPP").recorded()
    found = verify(clip.container(codec="mpeg4"))
    assert "h264" in the(found, "display_changed").text and found.state is State.ALTERED
