"""Side data: what is free, what is a user message, and what is bound to the pictures."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.side import BOUND, FREE, USER, metadata_class, sei_class

UUID = bytes(range(16))


def message(kind: int, payload: bytes) -> bytes:
    head = b"\xff" * (kind // 255) + bytes((kind % 255,))
    size = len(payload)
    return head + b"\xff" * (size // 255) + bytes((size % 255,)) + payload


def h264_sei(*messages: tuple[int, bytes], stop: bytes = b"\x80") -> bytes:
    rbsp = b"".join(message(kind, payload) for kind, payload in messages)
    return b"\x06" + rbsp.replace(b"\x00\x00", b"\x00\x00\x03") + stop


def rank(*messages: tuple[int, bytes], chroma_444: bool = False) -> int:
    return sei_class(h264_sei(*messages), header_bytes=1, chroma_444=chroma_444)


@pytest.mark.parametrize("kind", [0, 1, 6])
def test_timing_is_free(kind: int) -> None:
    assert rank((kind, b"\x01\x02")) == FREE
    assert rank((kind, b"\x00" * 9), (1, b"\x01")) == FREE


@pytest.mark.parametrize("kind", [2, 3, 7, 19, 45, 47, 56, 129, 130, 132, 137, 147, 255, 300])
def test_everything_else_of_h264_is_bound(kind: int) -> None:
    assert rank((kind, b"\x01\x02")) == BOUND
    assert rank((1, b"\x01"), (kind, b"\x01\x02")) == BOUND


@pytest.mark.parametrize(
    ("kind", "expected"), [(129, FREE), (130, FREE), (132, FREE), (0, FREE), (5, USER), (137, BOUND)]
)
def test_h265_knows_three_more_free_types(kind: int, expected: int) -> None:
    assert sei_class(b"\x4e\x01" + message(kind, b"\x01\x02") + b"\x80", header_bytes=2) == expected


def test_user_messages_come_and_go() -> None:
    assert rank((5, UUID + b"camera 7")) == USER
    assert rank((4, b"\xb5\x00\x31GA94")) == USER
    assert rank((1, b"\x01"), (5, UUID + b"x")) == USER
    assert rank((5, UUID)) == USER


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"x264 - core 164 r3095 baee400 - H.264/MPEG-4 AVC codec", USER),
        (b"x264 - core 34", USER),
        (b"x264 - core 999", USER),
        (b"x264 - core 33 svn", BOUND),
        (b"x264 - core 1", BOUND),
        (b"x264 - core 0000", BOUND),
        (b"x264 - core 0164", BOUND),
        (b"x264 - core 1640", BOUND),
        (b"x264 - core -4", BOUND),
        (b"x264 - core", BOUND),
        (b"x264", BOUND),
        (b"x264 - core  164", BOUND),
        (b"X264 - core 1", USER),
        (b"encoded by x264 - core 1", USER),
    ],
)
def test_the_message_that_ffmpeg_decodes_by_is_bound_unless_plain(text: bytes, expected: int) -> None:
    assert rank((5, UUID + text)) == expected
    assert rank((5, bytes(16) + text)) == expected


def test_full_chroma_needs_a_later_encoder() -> None:
    assert rank((5, UUID + b"x264 - core 150"), chroma_444=True) == BOUND
    assert rank((5, UUID + b"x264 - core 151"), chroma_444=True) == USER
    assert rank((5, UUID + b"x264 - core 150")) == USER


def test_h265_user_messages_mean_nothing_to_decoders() -> None:
    assert sei_class(b"\x4e\x01" + message(5, UUID + b"x264 - core 1") + b"\x80", header_bytes=2) == USER


def test_a_message_without_emulation_prevention_is_read_as_far_as_it_goes() -> None:
    raw = b"\x06" + message(5, UUID + b"\x00\x00\x03\x00\x00\x03 camera") + b"\x80"
    assert sei_class(raw, header_bytes=1) == USER


def test_a_cut_or_empty_unit_has_its_class() -> None:
    assert sei_class(b"\x06", header_bytes=1) == FREE
    assert sei_class(b"\x06\x80", header_bytes=1) == FREE
    assert sei_class(b"\x06\x13", header_bytes=1) == BOUND
    assert sei_class(b"\x06\xff\xff", header_bytes=1) == BOUND
    assert sei_class(h264_sei((1, b"\x01"), stop=b""), header_bytes=1) == FREE


@pytest.mark.parametrize("prefix", [b"\xb5\x58\x90", b"\xb4\x00\x50"])
def test_registered_messages_that_decoders_draw_from_are_bound(prefix: bytes) -> None:
    """Film grain of AOM and the enhancement layer of LCEVC change every picture of a player that knows them."""
    assert rank((4, prefix + b"\x01\x02")) == BOUND
    assert rank((1, b"\x01"), (4, prefix)) == BOUND
    assert sei_class(b"\x4e\x01" + message(4, prefix + b"\x01") + b"\x80", header_bytes=2) == BOUND
    assert metadata_class(b"\x04" + prefix + b"\x01") == BOUND
    assert metadata_class(b"\x84\x00" + prefix) == BOUND
    assert rank((4, prefix[:2])) == USER
    assert rank((5, UUID + prefix)) == USER


def test_av1_metadata() -> None:
    assert metadata_class(b"\x04\xb5\x00") == USER
    assert metadata_class(b"\x01\x03\xe8") == BOUND
    assert metadata_class(b"") == BOUND


@given(st.binary(max_size=200), st.integers(1, 2), st.booleans())
def test_classes_are_total(noise: bytes, header_bytes: int, chroma_444: bool) -> None:
    assert sei_class(noise, header_bytes=header_bytes, chroma_444=chroma_444) in (FREE, USER, BOUND)
    assert metadata_class(noise) in (USER, BOUND)
