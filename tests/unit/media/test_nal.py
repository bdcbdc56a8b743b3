"""Finding NAL units in packets, whatever the framing, and reading bits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import Malformed
from media.nal import (
    CUT_SHORT,
    START_CODE_INSIDE,
    UNREADABLE,
    Bits,
    split_annex_b,
    split_packet,
    unescape,
)
from media.samples import _start_codes


def prefixed(*units: bytes, size: int = 4) -> bytes:
    return b"".join(len(unit).to_bytes(size, "big") + unit for unit in units)


def units_of(data: bytes, length_size: int) -> tuple[list[bytes], int]:
    ranges, odd = split_packet(data, length_size)
    return [data[begin:end] for begin, end in ranges], odd


UNITS = (b"\x67\x42\x01", b"\x68\xce", b"\x65" + b"\x88\x00\x03" * 90)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_lengths_of_every_size_are_followed(size: int) -> None:
    units = tuple(unit[:200] for unit in UNITS)
    assert units_of(prefixed(*units, size=size), size) == (list(units), 0)


def test_three_and_four_byte_start_codes_give_the_same_units() -> None:
    short = b"".join(b"\x00\x00\x01" + unit for unit in UNITS)
    long = b"".join(b"\x00\x00\x00\x01" + unit for unit in UNITS)
    assert units_of(short, 0) == units_of(long, 0) == (list(UNITS), 0)


def test_trailing_zeros_belong_to_no_unit() -> None:
    padded = b"\x00\x00\x00\x01\x41\x9a\x00\x00\x00\x00\x00\x01\x41\x9b\x00\x00\x00"
    assert units_of(padded, 0) == ([b"\x41\x9a", b"\x41\x9b"], 0)
    assert units_of(prefixed(b"\x41\x9a\x00\x00", b"\x41\x9b\x00"), 4) == ([b"\x41\x9a", b"\x41\x9b"], 0)


def test_framing_is_decided_for_every_packet() -> None:
    assert units_of(b"\x00\x00\x00\x01\x41\x9a\x17", 4) == ([b"\x41\x9a\x17"], 0)
    assert units_of(b"\x00\x00\x01\x41\x9a\x17", 4) == ([b"\x41\x9a\x17"], 0)
    assert units_of(prefixed(b"\x41\x9a\x17"), 4) == ([b"\x41\x9a\x17"], 0)


@pytest.mark.parametrize("length", [1, 256, 257, 300, 511])
def test_a_length_that_reads_like_a_start_code_is_a_length(length: int) -> None:
    first = b"\x41" * length
    assert units_of(prefixed(first, b"\x41\x9a"), 4) == ([first, b"\x41\x9a"], 0)


def test_annex_b_containers_never_have_lengths() -> None:
    # As lengths these bytes would chain: one byte, then two.
    data = b"\x00\x00\x00\x01\x09\x00\x00\x00\x02\x41\x9a"
    assert units_of(data, 4)[0] == [b"\x09", b"\x41\x9a"]
    assert units_of(data, 0)[0] == [b"\x09\x00\x00\x00\x02\x41\x9a"]


def test_a_start_code_inside_a_length_prefixed_unit_splits_it() -> None:
    glued = b"\x41\x9a\x17\x00\x00\x00\x01\x0a"
    assert units_of(prefixed(b"\x09\xf0", glued), 4) == ([b"\x09\xf0", b"\x41\x9a\x17", b"\x0a"], START_CODE_INSIDE)


def test_a_unit_longer_than_its_packet_is_cut_short() -> None:
    whole = prefixed(b"\x09\xf0", b"\x41\x9a" + b"\x17" * 500)
    assert units_of(whole[:-100], 4) == ([b"\x09\xf0", b"\x41\x9a" + b"\x17" * 400], CUT_SHORT)


def test_zero_padding_behind_the_last_unit_is_passed_over() -> None:
    for zeros in range(1, 9):
        assert units_of(prefixed(b"\x41\x9a") + bytes(zeros), 4) == ([b"\x41\x9a"], 0)


def test_what_is_neither_is_unreadable() -> None:
    assert units_of(b"\xde\xad\xbe\xef\x01\x02", 0) == ([], UNREADABLE)
    assert units_of(b"\xde\xad", 4) == ([], UNREADABLE)


@given(st.binary(max_size=300), st.integers(0, 4))
def test_splitting_is_total_and_stays_inside(data: bytes, length_size: int) -> None:
    ranges, _ = split_packet(data, length_size)
    last = 0
    for begin, end in ranges:
        assert last <= begin < end <= len(data)
        assert data[end - 1] != 0
        last = end


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda unit: unit.replace(b"\x00", b"\x07")), min_size=1))
def test_every_framing_gives_the_same_units(units: list[bytes]) -> None:
    annex_b = b"".join(b"\x00\x00\x01" + unit for unit in units)
    assert units_of(annex_b, 0)[0] == units_of(prefixed(*units), 4)[0] == units


@given(
    st.binary(max_size=60).map(lambda data: data.translate(bytes(byte % 3 for byte in range(256)))), st.integers(0, 9)
)
def test_start_codes_of_a_window_are_those_that_find_finds(data: bytes, behind: int) -> None:
    expected, at = [], data.find(b"\x00\x00\x01")
    while at >= 0:
        expected.append(at)
        at = data.find(b"\x00\x00\x01", at + 1)
    # What stands behind the filled part of the window is left from before.
    assert _start_codes(bytearray(data + b"\x00\x00\x01\x00\x01\x00\x00\x01\x00"[:behind]), len(data)) == expected


@given(st.binary(max_size=400), st.integers(0, 50), st.integers(1, 4))
def test_a_packet_within_a_window_reads_as_by_itself(data: bytes, before: int, length_size: int) -> None:
    window = b"\x01" * before + data + b"\x00\x00\x01\x65"
    inside, odd = split_packet(window, length_size, before, before + len(data))
    alone, alone_odd = split_packet(data, length_size)
    assert ([(begin - before, end - before) for begin, end in inside], odd) == (alone, alone_odd)


def test_emulation_prevention_is_taken_out() -> None:
    assert unescape(b"\x00\x00\x03\x01\x00\x00\x03\x00\x00\x03") == b"\x00\x00\x01\x00\x00\x00\x00"
    assert unescape(b"\x00\x03\x00\x00\x04") == b"\x00\x03\x00\x00\x04"


def test_numbers_of_variable_length() -> None:
    # 1 010 011 00100 and signed 1 010 011
    bits = Bits(bytes((0b10100110, 0b01001010, 0b01100000)))
    assert [bits.ue() for _ in range(4)] == [0, 1, 2, 3]
    assert [bits.se() for _ in range(3)] == [0, 1, -1]


def test_running_out_of_bits_is_malformed() -> None:
    for read in (lambda bits: bits.u(9), lambda bits: [bits.ue() for _ in range(9)]):
        with pytest.raises(Malformed):
            read(Bits(b"\x00"))
    with pytest.raises(Malformed):
        Bits(bytes(100)).ue()


def test_bytes_before_the_first_start_code_belong_to_no_unit() -> None:
    assert split_annex_b(b"junk\x00\x00\x01\x41") == [(7, 8)]
