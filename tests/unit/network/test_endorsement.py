"""An endorsement rule is read as Fabric reads it: which organisations together satisfy it."""

from __future__ import annotations

from itertools import chain, combinations

import pytest

from evidence.errors import ConfigInvalid
from network.endorsement import MAX_SETS, endorsing_sets
from network.topology import read_topology


@pytest.mark.parametrize(
    ("rule", "sets"),
    [
        ("'A.peer'", [("A",)]),
        ("OR('A.member','B.admin')", [("A",), ("B",)]),
        ("AND('A.peer', OR('B.peer', 'C.peer'))", [("A", "B"), ("A", "C")]),
        ("OutOf(2, 'A.peer', 'B.peer', 'C.peer')", [("A", "B"), ("A", "C"), ("B", "C")]),
        ("OR(AND('A.peer','B.peer'), 'A.peer')", [("A",)]),  # whoever has A and B has A
        ("OutOf(1, AND('C.peer', 'B.peer'), 'A.client')", [("A",), ("C", "B")]),
        ("AND('A.peer', 'A.peer')", [("A",)]),
    ],
)
def test_the_smallest_sets_of_a_rule(rule: str, sets: list[tuple[str, ...]]) -> None:
    assert list(endorsing_sets(rule)) == sets


def test_a_majority_of_seven() -> None:
    names = "ABCDEFG"
    rule = f"OutOf(4, {', '.join(repr(f'{name}.peer') for name in names)})"
    assert {frozenset(each) for each in endorsing_sets(rule)} == {frozenset(each) for each in combinations(names, 4)}


def test_of_very_many_ways_the_first_are_given() -> None:
    names = [f"O{number}" for number in range(16)]
    sets = endorsing_sets(f"OutOf(8, {', '.join(repr(f'{name}.peer') for name in names)})")
    assert len(sets) == MAX_SETS
    assert all(len(set(each)) == 8 for each in sets)


@pytest.mark.parametrize(
    "rule",
    [
        "", "A", "'A.peer", "'A.king'", "AND()", "AND('A.peer'", "AND('A.peer',)", "OutOf('A.peer')",
        "OutOf(0, 'A.peer')", "OutOf(3, 'A.peer', 'B.peer')", "'A.peer' 'B.peer'", "XOR('A.peer')", "AND(" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(ConfigInvalid):
        endorsing_sets(rule)


def test_the_shipped_rules_are_the_control_room_with_one_other() -> None:
    for name in ("raft", "bft"):
        sets = endorsing_sets(read_topology(name).settings.endorsement)
        assert sets == (("ControlRoomMSP", "PoliceMSP"), ("ControlRoomMSP", "AuditorMSP"))
        assert "LocalAuthorityMSP" not in set(chain(*sets))
