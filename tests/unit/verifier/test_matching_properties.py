"""What must hold of every copy, however it was made."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.verifier.clips import PICTURE_US, START_US, Clip, Judgement, Picture, scene, verify
from verifier.model import Op, State

ACCUSING = {Op.DUPLICATED, Op.REORDERED, Op.REPLAYED, Op.FOREIGN}
RECORD_COUNTED = {Op.SAME, Op.MODIFIED, Op.REORDERED, Op.MISSING, Op.PENDING}

patterns = st.lists(st.sampled_from(["IPPP", "IPrr", "rrrr", "kPPr", "nnPn", "IP"]), min_size=1, max_size=6).map(
    " ".join
)


@st.composite
def edits(draw: st.DrawFn, clip: Clip) -> Clip:
    """Some edits, one after the other."""
    other = scene("IPPr rrPP", name="other").recorded("gate-2")
    earlier = scene("IPPP nPPP", name="earlier").recorded(chain=50, start_us=START_US - 10**10)
    copy = clip.beside(other, earlier)
    for _ in range(draw(st.integers(0, 4))):
        count = len(copy.pictures)
        if not count:
            break
        first = draw(st.integers(0, count - 1))
        last = draw(st.integers(first, min(count - 1, first + 5)))
        at = draw(st.integers(0, count))
        kind = draw(
            st.sampled_from(["delete", "gap", "replace", "repeat", "move", "insert", "foreign", "replay", "cut"])
        )
        if kind in ("delete", "gap"):
            copy = copy.delete(first, last, gap=kind == "gap")
        elif kind == "replace":
            copy = copy.replaced(first, last, by=f"forged {at}")
        elif kind == "repeat":
            copy = copy.repeat(first, last)
        elif kind == "move":
            copy = copy.move(first, last, draw(st.integers(0, count - (last - first + 1))))
        elif kind == "insert":
            copy = copy.insert(at, draw(st.sampled_from(["XX", "I", "rr", "PPPPPP"])))
        elif kind == "foreign":
            copy = copy.insert(at, other.cut(first % 8, 7))
        elif kind == "replay":
            copy = copy.insert(at, earlier.cut(first % 8, 7))
        else:
            copy = copy.cut(first, max(last, count - 1 - first))
    return copy


def check_books(clip: Clip, found: Judgement) -> None:
    """Every picture on both sides stands in exactly one operation, and equal ones only beside equal ones."""
    script = found.script
    told = Counter(
        unit
        for operation in script.operations
        if operation.file is not None
        for unit in range(operation.file[0], operation.file[1] + 1)
    )
    assert told == Counter(range(len(clip.pictures)))
    files = [operation.file[0] for operation in script.operations if operation.file is not None]
    assert files == sorted(files)
    own = script.own
    if own is None:
        return
    numbers = {(own.place(at).segment.chain, own.place(at).number): at for at in range(own.count)}
    recorded: Counter[int] = Counter()
    for operation in script.operations:
        if operation.op in RECORD_COUNTED and operation.record is not None:
            assert operation.chain is not None
            for step in range(operation.record[1] - operation.record[0] + 1):
                position = numbers[operation.chain, operation.record[0] + step]
                recorded[position] += 1
                coded = own.coded[32 * position : 32 * position + 32]
                if operation.file is not None:
                    equal = clip.pictures[operation.file[0] + step].coded == coded
                    assert equal is (operation.op is not Op.MODIFIED)
        elif operation.of is not None and operation.file is not None:
            (record,) = [
                one for one in clip.records if (one.camera, one.chain) == (operation.of.camera, operation.of.chain)
            ]
            for step in range(operation.pictures):
                at = operation.of.record[0] + step
                assert record.coded[32 * at : 32 * at + 32] == clip.pictures[operation.file[0] + step].coded
    assert set(recorded.values()) <= {1}
    if script.hull is not None:
        assert set(recorded) == set(range(script.hull[0], script.hull[1] + 1))


@given(st.data(), patterns)
@settings(max_examples=80, deadline=None)
def test_every_picture_stands_in_exactly_one_operation(data: st.DataObject, pattern: str) -> None:
    clip = data.draw(edits(scene(pattern).recorded()))
    found = verify(clip)
    check_books(clip, found)
    assert len(found.strip) == sum(operation.pictures for operation in found.script.operations)


@given(st.data(), patterns)
@settings(max_examples=80, deadline=None)
def test_verified_means_identical_to_one_stretch_of_the_record(data: st.DataObject, pattern: str) -> None:
    clip = data.draw(edits(scene(pattern).recorded()))
    found = verify(clip)
    if found.state is State.VERIFIED:
        coded = b"".join(picture.coded for picture in clip.pictures)
        own = found.script.own
        assert own is not None
        assert found.interval is not None
        first, last = found.interval.positions
        assert own.coded[32 * first : 32 * (last + 1)] == coded


@given(st.data(), patterns)
@settings(max_examples=80, deadline=None)
def test_verified_means_that_all_that_was_asked_is_there(data: st.DataObject, pattern: str) -> None:
    recorded = scene(pattern).recorded()
    count = len(recorded.pictures)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first, count - 1))
    clip = data.draw(edits(recorded))
    found = verify(clip, asked_us=(START_US + first * PICTURE_US, START_US + (last + 1) * PICTURE_US))
    check_asked(recorded, clip, found, first, last)


def check_asked(recorded: Clip, clip: Clip, found: Judgement, first: int, last: int) -> None:
    # Of the other cameras' clips the same time may have been asked for, and be there.
    if found.state is State.VERIFIED and found.script.own is not None and found.script.own.camera == "gate-1":
        asked = b"".join(picture.coded for picture in recorded.pictures[first : last + 1])
        assert asked in b"".join(picture.coded for picture in clip.pictures)
        assert found.interval is not None
        assert not found.interval.excerpt


@given(st.data(), patterns)
@settings(max_examples=80, deadline=None)
def test_an_untouched_excerpt_is_all_same_wherever_it_is_cut(data: st.DataObject, pattern: str) -> None:
    clip = scene(pattern).recorded()
    first = data.draw(st.integers(0, len(clip.pictures) - 1))
    last = data.draw(st.integers(first, len(clip.pictures) - 1))
    found = verify(clip.cut(first, last))
    assert set(found.strip) == {"."}
    assert found.state in (State.VERIFIED, State.UNDETERMINED)
    if found.state is State.UNDETERMINED:
        assert found.codes == {"ambiguous_time"}
        assert len([finding for finding in found.examined.findings if finding.code == "ambiguous_time"]) > 1


@given(patterns)
@settings(max_examples=80, deadline=None)
def test_an_untouched_copy_is_verified(pattern: str) -> None:
    clip = scene(pattern).recorded()
    found = verify(clip)
    assert set(found.strip) == {"."}
    assert found.state is State.VERIFIED


@given(st.data(), st.lists(st.sampled_from("rsn"), min_size=1, max_size=24).map("".join))
@settings(max_examples=80, deadline=None)
def test_pictures_that_all_repeat_accuse_nobody(data: st.DataObject, letters: str) -> None:
    clip = data.draw(edits(scene(letters + letters).recorded()))
    found = verify(replace(clip, records=clip.records[:1]))
    assert not ACCUSING & {operation.op for operation in found.script.operations}


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_a_deletion_is_never_verified(data: st.DataObject) -> None:
    pattern = data.draw(patterns)
    clip = scene("I " + pattern + " I").recorded()
    count = len(clip.pictures)
    first = data.draw(st.integers(1, count - 2))
    last = data.draw(st.integers(first, count - 2))
    for gap in (False, True):
        found = verify(clip.delete(first, last, gap=gap))
        assert found.state is State.INCOMPLETE
        assert found.script.counts()["missing"] == last - first + 1
        assert found.script.counts()["same"] == count - (last - first + 1)


@given(st.permutations(range(6)))
@settings(max_examples=80, deadline=None)
def test_the_fewest_possible_pictures_are_moved(order: list[int]) -> None:
    clip = scene("IPPPPP").recorded()
    pictures: list[Picture] = [clip.pictures[index] for index in order]
    found = verify(clip._with(pictures))
    stay = max(size for size in range(7) for chosen in combinations(order, size) if list(chosen) == sorted(chosen))
    assert found.script.counts()["same"] == stay
    assert found.script.counts()["same"] + found.script.counts()["reordered"] + found.script.counts()["replayed"] == 6


@pytest.mark.parametrize("count", (1, 2, 3))
def test_very_short_copies_are_all_same(count: int) -> None:
    clip = scene("IPP").recorded()
    assert verify(clip.cut(0, count - 1)).strip == "." * count
