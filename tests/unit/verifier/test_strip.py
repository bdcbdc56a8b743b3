"""The strip: one character per picture, or 200 slots in which the worst wins."""

from __future__ import annotations

import pytest

from tests.unit.verifier.clips import scene, verify
from verifier.model import (
    ACROSS_EXHIBITS,
    FINDINGS,
    OPERATIONS,
    STRIP_WORST_FIRST,
    WITHIN_FILE,
    Op,
    Operation,
    State,
    worst_of_exhibits,
    worst_within_file,
)
from verifier.strip import MOST_PICTURES, SLOTS, strip_of


def test_every_character_that_can_be_drawn_has_a_rank() -> None:
    drawn = {rule.strip for rule in OPERATIONS.values()} | {rule.strip for rule in FINDINGS.values()} - {None}
    assert drawn == set(STRIP_WORST_FIRST)
    assert len(STRIP_WORST_FIRST) == len(set(STRIP_WORST_FIRST))


def test_every_operation_has_a_rule_and_every_state_a_place() -> None:
    assert list(OPERATIONS) == list(Op)
    assert set(ACROSS_EXHIBITS) == set(State)
    assert [state.exit_code for state in ACROSS_EXHIBITS] == [10, 13, 11, 14, 16, 15, 12, 0]
    assert [state.exit_code for state in WITHIN_FILE] == [10, 11, 16, 15, 0]


def test_the_worst_state_wins() -> None:
    assert worst_within_file([]) is State.VERIFIED
    assert worst_within_file([State.UNDETERMINED, State.INCOMPLETE]) is State.INCOMPLETE
    assert worst_of_exhibits([State.VERIFIED, State.NO_MATCH, State.INCOMPLETE]) is State.NO_MATCH
    assert worst_of_exhibits([]) is State.UNDETERMINED


def test_long_clips_are_drawn_in_equal_slots_the_worst_winning() -> None:
    clip = scene(" ".join(["I" + "P" * 29] * 100)).recorded()
    assert len(verify(clip).strip) == SLOTS
    found = verify(clip.replaced(1499))
    assert found.strip.count("M") == 1
    assert found.strip.index("M") == 99
    assert verify(clip.delete(30, 59)).strip.strip(".") == "--"


@pytest.mark.parametrize("count", (MOST_PICTURES, MOST_PICTURES + 1))
def test_the_limit_counts_missing_pictures_too(count: int) -> None:
    operations = [
        Operation(op=Op.SAME, file=(0, count - 11), record=(0, count - 11)),
        Operation(op=Op.MISSING, file=None, record=(count - 10, count - 1)),
    ]
    strip = strip_of(operations)
    assert len(strip) == (count if count <= MOST_PICTURES else SLOTS)
    assert strip.endswith("-")


def test_marks_are_drawn_on_the_pictures_they_concern() -> None:
    operations = [Operation(op=Op.SAME, file=(0, 3), record=(0, 3)), Operation(op=Op.MODIFIED, file=(4, 4))]
    assert strip_of(operations, "..HTT") == "..HTM"
