"""The record as columns: places, numbers, times, holes and gaps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evidence.records import Display
from tests.unit.verifier.clips import PICTURE_US, START_US, scene
from verifier.recorded import Recorded


def test_positions_count_through_and_numbers_follow_the_chain() -> None:
    (record,) = scene("IPPP IPP|IPPP").recorded(gaps={2: ("power", 1_000_000)}).records
    assert record.count == 11
    assert [record.place(at).segment.sequence for at in (0, 4, 7)] == [0, 1, 3]
    assert record.numbers(5, 8) == (5, 8)
    assert record.time_us(5, 8) == (START_US + 5 * PICTURE_US, START_US + 8 * PICTURE_US + 1_000_000)
    assert [(position, gap.cause) for position, gap in record.gaps] == [(7, "power")]
    assert record.connections.tolist() == [0] * 7 + [1] * 4
    assert not record.holes
    with pytest.raises(IndexError):
        record.place(11)


def test_a_break_in_the_sequence_is_a_hole() -> None:
    (record,) = scene("IPPP IPPP IPPP IPPP").recorded(lost=(1, 2)).records
    (hole,) = record.holes
    assert (hole.position, hole.sequences, hole.pictures) == (4, (1, 2), 8)
    assert (hole.start_us, hole.end_us) == (START_US + 4 * PICTURE_US, START_US + 12 * PICTURE_US)
    assert list(record.spans(0, 7)) == [(0, 3, True), (4, 7, True)]
    assert record.numbers(4, 7) == (12, 15)


def test_spans_are_cut_where_the_anchoring_changes() -> None:
    (record,) = scene("IPPP IPPP IPPP").recorded(pending=(1,)).records
    assert list(record.spans(2, 9)) == [(2, 3, True), (4, 7, False), (8, 9, True)]
    assert list(record.spans(5, 5)) == [(5, 5, False)]


def test_chains_are_joined_in_the_order_given() -> None:
    first = scene("IPPP").recorded(chain=1).records[0]
    second = scene("IPPP", name="later").recorded(chain=2, start_us=START_US + 60_000_000).records[0]
    joined = Recorded.join([first, second])
    assert joined.count == 8
    assert list(joined.spans(0, 7)) == [(0, 3, True), (4, 7, True)]
    (hole,) = joined.holes
    assert hole.sequences is None
    assert hole.position == 4


def test_a_part_of_a_chain_knows_that_recording_began_earlier() -> None:
    (record,) = scene("IPPP IPPP IPPP").recorded().records
    assert not record.earlier
    assert Recorded.of(record.segments[1:]).earlier


def test_records_that_do_not_belong_together_are_refused() -> None:
    (record,) = scene("IPPP IPPP").recorded().records
    other = scene("IPPP").recorded("gate-2").records[0]
    for segments in ((*record.segments, other.segments[0]), (record.segments[0], record.segments[0]), ()):
        with pytest.raises(ValueError, match=r"camera|slot|needed"):
            Recorded.of(segments)
    with pytest.raises(ValueError, match="one camera"):
        Recorded.join([record, other])


def test_displays_stand_with_their_segments() -> None:
    (record,) = scene("IPPP IPPP").recorded().records
    turned = replace(record.segments[1], display=Display(rotate=90))
    assert Recorded.of([record.segments[0], turned]).segment_of(4).display == Display(rotate=90)
