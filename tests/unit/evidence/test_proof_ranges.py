"""Which ranges a signed read may ask for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.canonical import canonical
from evidence.errors import Malformed
from evidence.proof_ranges import (
    MAX_RANGES,
    PROOF_PREFIXES,
    KeyRange,
    Owner,
    covered,
    joined,
    owner_of,
    parse_ranges,
    parse_request,
    request,
    whole_range,
)


@pytest.mark.parametrize(
    ("start", "end", "owner"),
    [
        ("block/gate-1/", "block/gate-10", Owner("block", ("gate-1",))),
        ("block/gate-1/1761993600/0000000003", "block/gate-1/1761993600/0000000009", Owner("block", ("gate-1",))),
        ("chain/gate-1/", "chain/gate-10", Owner("chain", ("gate-1",))),
        ("camera/gate-1/0000000001", "camera/gate-1/0000000002", Owner("camera", ("gate-1",))),
        ("change/gate-1/0000000001/", "change/gate-1/00000000010", Owner("change", ("gate-1",))),
        ("revocation/gate-1/", "revocation/gate-10", Owner("revocation", ("gate-1",))),
        ("root/north/rec-1/0000000004", "root/north/rec-1/0000000005", Owner("root", ("north", "rec-1"))),
        ("participant/", "participant0", Owner("participant", ())),
        ("participant/crm-1/0000000000", "participant/op-1/", Owner("participant", ())),
        ("policy/cr-1/", "policy/cr-10", Owner("policy", ())),
        ("delegation/", "delegation0", Owner("delegation", ())),
        ("pending/replace-admin/", "pending/replace-admin0", Owner("pending/replace-admin", ())),
        ("genesis", "genesis0", Owner("genesis", ())),
    ],
)
def test_a_range_inside_one_prefix_belongs_to_its_subject(start: str, end: str, owner: Owner) -> None:
    assert owner_of(KeyRange(start, end)) == owner
    assert parse_ranges([[start, end]]) == ((start, end),)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("block/gate-1", "block/gate-10"),  # also block/gate-1-x/…, another camera's
        ("block/gate-1/", "block/gate-11"),
        ("block/gate-1/", "block/gate-2/"),
        ("block/", "block0"),
        ("block//", "block/0"),
        ("block/Gate/", "block/Gate0"),
        ("root/north/", "root/north0"),
        ("root/north/rec-1/", "root/north/rec-2/"),
        ("participant", "participant0"),
        ("participant/", "participant1"),
        ("key/", "key0"),
        ("grant/gate-1/", "grant/gate-10"),
        ("pending/", "pending0"),
        ("genesis", "genesis1"),
        ("camera/", "change0"),
        ("a", "z"),
        ("block/gate-1/", "block/gate-1/"),
        ("block/gate-1/b", "block/gate-1/a"),
        ("", "block/gate-10"),
        ("block/gate-1/\n", "block/gate-10"),
        ("block/gate-1/\u00e9", "block/gate-10"),
        ("block/gate-1/" + "a" * 300, "block/gate-10"),
    ],
)
def test_a_range_that_reaches_further_is_refused(start: str, end: str) -> None:
    with pytest.raises(Malformed):
        parse_ranges([[start, end]])
    with pytest.raises(Malformed):
        request([(start, end)])


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        ["ab"],
        [["genesis"]],
        [["genesis", "genesis0", "genesis1"]],
        [["genesis", 1]],
        [["genesis", "genesis0"], ["genesis", "genesis0"]],
        [["participant/b/", "participant0"], ["participant/", "participant/c/"]],
        [["participant/", "participant0"], ["participant/b/", "participant/c/"]],
        [[f"policy/a/{number:010d}", f"policy/a/{number + 1:010d}"] for number in range(MAX_RANGES + 1)],
    ],
)
def test_other_lists_are_refused(value: object) -> None:
    with pytest.raises(Malformed):
        parse_ranges(value)


def test_the_order_in_which_was_asked_is_kept() -> None:
    asked = [("participant/", "participant0"), ("block/gate-1/", "block/gate-10"), ("genesis", "genesis0")]
    assert list(parse_request(request(asked))) == asked


@pytest.mark.parametrize("data", [b"{}", b'{"ranges": []}', canonical({"ranges": [["genesis", "genesis0"]], "x": 1})])
def test_a_question_is_exactly_its_ranges(data: bytes) -> None:
    with pytest.raises(Malformed):
        parse_request(data)


def test_the_whole_range_of_every_kind_is_its_own() -> None:
    for kind, names in PROOF_PREFIXES.items():
        subject = tuple(f"{name}-7" for name in names)
        assert owner_of(whole_range(kind, *subject)) == Owner(kind, subject)
    with pytest.raises(ValueError, match="names camera"):
        whole_range("block")


BOUNDS = st.text("abc", min_size=1, max_size=3)
RANGES = st.lists(st.tuples(BOUNDS, BOUNDS).filter(lambda pair: pair[0] < pair[1]), max_size=6)
# Between any two bounds of up to three letters lies a key of four.
KEYS = sorted(
    {a + b + c + d for a in ["", *"abc"] for b in ["", *"abc"] for c in ["", *"abc"] for d in ["", *"a"]} - {""}
)


@given(RANGES, BOUNDS, BOUNDS)
def test_ranges_cover_exactly_where_no_key_is_left_out(ranges: list[tuple[str, str]], start: str, end: str) -> None:
    left_out = [key for key in KEYS if start <= key < end and not any(a <= key < b for a, b in ranges)]
    assert covered(ranges, start, end) == (not left_out)
    together = joined(ranges)
    for key in KEYS:
        assert any(a <= key < b for a, b in together) == any(a <= key < b for a, b in ranges)
    assert all(before.end < after.start for before, after in pairwise(together))
