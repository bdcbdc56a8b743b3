"""What is public about a sample commits to it without showing it; the private part opens it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence import commitments
from evidence.canonical import parse_canonical
from evidence.commitments import salt
from evidence.errors import Malformed
from frame_sampler.samples import Look, Opening, parse_private_part, private_part, sample

SEED = bytes(range(32))


def _look(unit: int, *, grid: bytes = bytes(2304), pixels: bytes | None = None) -> Look:
    return Look(unit=unit, phash=unit.to_bytes(8, "big"), grid=grid, pixels=pixels, score=7, regions=((1, 2, 3, 4),))


def _still_scene(count: int) -> list[Look]:
    return [_look(25 * i, grid=bytes((x * 7 + i % 2) % 256 for x in range(2304))) for i in range(count)]


def test_a_sample_has_the_members_of_the_format_and_no_fingerprint() -> None:
    look = _look(3, pixels=b"\x05" * 32)
    value = parse_canonical(sample(SEED, look), "sample")
    assert value == {
        "unit": 3,
        "look": commitments.look(salt(SEED, "look", 3), look.phash, look.grid).hex(),
        "pixels": commitments.pixels(salt(SEED, "pixels", 3), b"\x05" * 32).hex(),
        "exact": True,
        "importance": {"score": 7, "regions": [[1, 2, 3, 4]]},
    }
    assert look.phash.hex() not in sample(SEED, look).decode()


def test_a_picture_that_does_not_decode_exactly_has_no_pixels() -> None:
    value = json.loads(sample(SEED, _look(0)))
    assert value["exact"] is False and "pixels" not in value


def test_the_same_look_under_another_seed_commits_to_something_else() -> None:
    assert sample(SEED, _look(1)) != sample(bytes(32), _look(1))


def test_the_private_part_opens_every_commitment() -> None:
    looks = _still_scene(12)
    seed, openings = parse_private_part(private_part(SEED, looks))
    for look, opening in zip(looks, openings, strict=True):
        committed = json.loads(sample(SEED, look))["look"]
        opened = commitments.look(salt(seed, "look", opening.unit), opening.phash, opening.grid)
        assert opened.hex() == committed


def test_a_segment_without_samples_still_keeps_its_seed() -> None:
    assert parse_private_part(private_part(SEED, [])) == (SEED, ())


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 255)), max_size=6))
def test_what_was_written_is_read_back(steps: list[tuple[int, int]]) -> None:
    unit, looks = -1, []
    for step, level in steps:
        unit += step
        looks.append(_look(unit, grid=bytes((level * x + unit) % 256 for x in range(2304))))
    expected = tuple(Opening(unit=look.unit, phash=look.phash, grid=look.grid) for look in looks)
    assert parse_private_part(private_part(SEED, looks)) == (SEED, expected)


@pytest.mark.parametrize("cut", [0, 3, 35, 39, 40, 60, -1])
def test_a_private_part_that_is_cut_short_is_malformed(cut: int) -> None:
    with pytest.raises(Malformed):
        parse_private_part(private_part(SEED, _still_scene(3))[:cut])


def test_every_flipped_byte_of_a_private_part_is_malformed_or_opens_something_else() -> None:
    data = private_part(SEED, _still_scene(3))
    whole = parse_private_part(data)
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 0x41
        try:
            assert parse_private_part(bytes(changed)) != whole
        except Malformed:
            continue


def test_grids_that_unpack_to_more_than_their_samples_are_malformed() -> None:
    one, three = private_part(SEED, _still_scene(1)), private_part(SEED, _still_scene(3))
    with pytest.raises(Malformed):
        parse_private_part(one[:52] + three[76:])


@pytest.mark.parametrize(
    "look", [_look(1, grid=b"short"), Look(unit=1, phash=b"7", grid=bytes(2304), pixels=None, score=0, regions=())]
)
def test_a_look_of_the_wrong_size_is_refused(look: Look) -> None:
    with pytest.raises(Malformed):
        private_part(SEED, [look])
    with pytest.raises(Malformed):
        sample(SEED, look)
