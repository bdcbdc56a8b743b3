"""AV1 units and sequence headers, against a real encoder and against noise; aspect of MPEG-4 Part 2 likewise."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import Malformed
from media import av1, mpeg4
from media.av1 import Obu
from media.packets import Packet
from media.units import UnitAssembler


def encoded(
    encoder: str, *, width: int, height: int, sar: tuple[int, int] = (1, 1), **options: str
) -> tuple[bytes, bytes]:
    """Decoder header and first packet of a grey picture."""
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
    context.sample_aspect_ratio = Fraction(*sar)
    context.options = options
    context.flags |= av.codec.context.Flags.global_header
    frame = av.VideoFrame.from_ndarray(np.full((height * 3 // 2, width), 128, np.uint8), format="yuv420p")
    frame.pts = 0
    packets = [*context.encode(frame), *context.encode(None)]
    return bytes(context.extradata or b""), bytes(packets[0])


@pytest.fixture(scope="module")
def picture() -> tuple[bytes, bytes]:
    return encoded("libsvtav1", width=322, height=178, preset="12")


def test_a_real_sequence_header_tells_the_size(picture: tuple[bytes, bytes]) -> None:
    header = next(unit for unit in av1.parse_configuration(picture[0]) if unit.kind == av1.SEQUENCE_HEADER)
    sequence = av1.parse_sequence(header.payload)
    assert (sequence.width, sequence.height, sequence.reduced) == (322, 178, False)
    assert sequence.colour == (2, 2, 2, 0)


def test_a_real_key_frame_is_one(picture: tuple[bytes, bytes]) -> None:
    units = list(av1.parse_obus(picture[1]))
    frames = [unit for unit in units if unit.kind in (av1.FRAME, av1.FRAME_HEADER)]
    assert av1.is_key(frames[0].payload, reduced=False) == (True, True)
    assert b"".join(unit.data for unit in units) == picture[1]


def test_size_fields_become_minimal() -> None:
    expected = Obu(kind=av1.FRAME, data=b"\x32\x03abc", payload=b"abc")
    for written in (b"\x32\x03abc", b"\x32\x83\x00abc", b"\x32\x83\x80\x80\x00abc", b"\x30abc"):
        assert list(av1.parse_obus(written)) == [expected]


def test_extensions_are_kept() -> None:
    assert next(av1.parse_obus(b"\x34\x08abc")).data == b"\x36\x08\x03abc"


@pytest.mark.parametrize("broken", [b"\xb2\x00", b"\x32\x05abc", b"\x32", b"\x32\xff\xff\xff\xff\xff\xff\xff\xff\xff"])
def test_broken_units_are_malformed(broken: bytes) -> None:
    with pytest.raises(Malformed):
        list(av1.parse_obus(broken))


@pytest.mark.parametrize("sar", [(1, 1), (12, 11), (16, 11), (40, 33), (37, 19)])
def test_the_aspect_of_mpeg4(sar: tuple[int, int]) -> None:
    header, _ = encoded("mpeg4", width=320, height=176, sar=sar)
    assert mpeg4.parse_aspect(header) == sar


def test_no_layer_no_aspect() -> None:
    assert mpeg4.parse_aspect(b"") is None
    assert mpeg4.parse_aspect(b"\x00\x00\x01\xb0\x01\x00\x00\x01") is None
    assert mpeg4.stream_says("mjpeg", b"") == (None, mpeg4.JPEG_COLOUR)
    assert mpeg4.stream_says("mpeg4", b"\x00\x00\x01\x20") == (None, (2, 2, 2, 0))


@given(st.binary(max_size=80))
def test_noise_gives_a_result_or_malformed(noise: bytes) -> None:
    parsers: tuple[Callable[[bytes], object], ...] = (
        lambda data: list(av1.parse_obus(data)),
        av1.parse_configuration,
        av1.parse_sequence,
        av1.split_metadata,
        mpeg4.parse_aspect,
        lambda data: mpeg4.parse_aspect(b"\x00\x00\x01\x20" + data),
    )
    for parse in parsers:
        try:
            parse(noise)
        except Malformed:
            continue
    av1.is_key(noise, reduced=False)
    mpeg4.stream_says("mpeg4", struct.pack(">I", 0x120) + noise)


def test_a_redundant_frame_header_is_bound_unless_it_repeats_the_header_before_it() -> None:
    """Decoders take one behind a whole picture for a header of its own: it may show a former picture again."""

    def sides(*units: bytes) -> int:
        assembler = UnitAssembler("av1", b"")
        assembler.feed(Packet(data=b"".join(units), pts=0, dts=0, time=0, inferred=False, keyframe=True))
        return len(assembler.columns.side_units)

    header, tiles, copy = b"\x1a\x02\x10\x20", b"\x22\x01\x55", b"\x3a\x02\x10\x20"
    assert sides(header, tiles, copy, tiles) == 0
    assert sides(header, tiles, b"\x3a\x02\x10\x21", tiles) == 1
    assert sides(b"\x32\x03\x10\x20\x55", copy) == 1
    assert sides(b"\x1a\x01\x98", b"\x3a\x01\x98") == 1
