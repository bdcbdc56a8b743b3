"""Parameter sets and slice headers, against what real encoders were asked for, and against noise."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evidence.errors import Malformed
from media import h264, h265
from media.h264 import StreamFormat
from media.nal import split_annex_b
from media.parameter_sets import NO_SET, Contexts, H264Sets, H265Sets


def header_of(encoder: str, *, width: int, height: int, pixels: str = "yuv420p", **options: Any) -> list[bytes]:
    """The parameter sets that an encoder writes for such pictures."""
    sar = options.pop("sar", None)
    context = av.CodecContext.create(encoder, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.framerate = Fraction(25)
    context.time_base = Fraction(1, 25)
    if sar is not None:
        context.sample_aspect_ratio = Fraction(*sar)
    context.options = {"preset": "ultrafast", **{name.replace("_", "-"): str(value) for name, value in options.items()}}
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    data = bytes(context.extradata or b"")
    return [data[begin:end] for begin, end in split_annex_b(data)]


def h264_format(**wanted: Any) -> StreamFormat:
    units = header_of("libx264", **wanted)
    return h264.parse_sps(next(unit for unit in units if unit[0] & 31 == h264.SPS))


def h265_format(**wanted: Any) -> StreamFormat:
    units = header_of("libx265", **wanted)
    return h265.parse_sps(next(unit for unit in units if unit[0] >> 1 & 63 == h265.SPS))


@pytest.mark.parametrize("size", [(1920, 1080), (320, 176), (318, 178), (64, 48), (1280, 720)])
def test_size_after_cropping(size: tuple[int, int]) -> None:
    width, height = size
    for found in (
        h264_format(width=width, height=height),
        h265_format(width=width, height=height, x265_params="log-level=0"),
    ):
        assert (found.width, found.height) == size


def test_interlaced_and_deep_chroma_pictures_have_their_size() -> None:
    assert h264_format(width=720, height=572, x264_params="tff=1").height == 572
    full = h264_format(width=322, height=178, pixels="yuv444p")
    assert (full.width, full.height, full.chroma) == (322, 178, 3)
    assert h264_format(width=322, height=178, pixels="yuv422p").chroma == 2


def test_custom_scaling_matrices_are_passed_over() -> None:
    found = h264_format(width=320, height=178, profile="high", x264_params="cqm=jvt:8x8dct=1")
    assert (found.width, found.height) == (320, 178)
    deep = h265_format(width=320, height=178, x265_params="log-level=0:scaling-list=default:ref=4:bframes=4")
    assert (deep.width, deep.height) == (320, 178)


@pytest.mark.parametrize("sar", [(1, 1), (12, 11), (16, 11), (4, 3), (37, 19)])
def test_sample_aspect(sar: tuple[int, int]) -> None:
    assert h264_format(width=320, height=176, sar=sar).sar == sar
    assert h265_format(width=320, height=176, sar=sar, x265_params="log-level=0").sar == sar


def test_colour() -> None:
    asked = "colorprim=bt709:transfer=iec61966-2-1:colormatrix=bt470bg"
    assert h264_format(width=320, height=176, x264_params=asked + ":fullrange=on").colour == (1, 13, 5, 1)
    assert h265_format(width=320, height=176, x265_params=asked + ":range=full:log-level=0").colour == (1, 13, 5, 1)
    assert h264_format(width=320, height=176).colour == (2, 2, 2, 0)


def test_ids_and_references_of_sets() -> None:
    units = header_of("libx264", width=320, height=176, x264_params="sps-id=5")
    sets = {unit[0] & 31: unit for unit in units}
    assert h264.parse_sps_id(sets[h264.SPS]) == 5
    assert h264.parse_pps_ids(sets[h264.PPS]) == (5, 5)
    units = header_of("libx265", width=320, height=176, x265_params="log-level=0")
    by_kind = {unit[0] >> 1 & 63: unit for unit in units}
    assert h265.parse_vps_id(by_kind[h265.VPS]) == 0
    assert h265.parse_sps_ids(by_kind[h265.SPS]) == (0, 0)
    assert h265.parse_pps_ids(by_kind[h265.PPS]) == (0, 0)


# Sequence parameter sets of profile 66 with the id 0 or 1, and picture parameter sets that refer to them.
SPS_0, SPS_1 = b"\x67\x42\x00\x1e\x80\x11", b"\x67\x42\x00\x1e\x40\x11"
PPS_0, PPS_0_OTHER, PPS_1_OF_1 = b"\x68\xc0\x11", b"\x68\xc0\x12", b"\x68\x48\x11"


def digest(*units: bytes) -> bytes:
    return hashlib.sha256(b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)).digest()


def test_a_context_covers_the_sets_referred_to_and_no_others() -> None:
    sets = H264Sets()
    contexts = Contexts(sets)
    sets.take(h264.SPS, SPS_0)
    sets.take(h264.PPS, PPS_0)
    before = contexts.digest((contexts.refer(0),))
    sets.take(h264.SPS, SPS_1)
    sets.take(h264.PPS, PPS_1_OF_1)
    assert contexts.digest((contexts.refer(0),)) == before == digest(SPS_0, PPS_0)


def test_slices_that_refer_to_two_sets_bind_each_once_in_order() -> None:
    sets = H264Sets()
    contexts = Contexts(sets)
    for kind, unit in ((h264.SPS, SPS_0), (h264.SPS, SPS_1), (h264.PPS, PPS_0), (h264.PPS, PPS_1_OF_1)):
        sets.take(kind, unit)
    both = contexts.refer(1), contexts.refer(0)
    assert contexts.digest(both) == digest(SPS_1, PPS_1_OF_1, SPS_0, PPS_0)
    sets.take(h264.PPS, PPS_0_OTHER)
    assert contexts.digest((both[1], contexts.refer(0))) == digest(SPS_0, PPS_0, PPS_0_OTHER)


def test_a_set_that_is_lacking_leaves_no_context() -> None:
    sets = H264Sets()
    contexts = Contexts(sets)
    assert contexts.digest((contexts.refer(0),)) is None
    sets.take(h264.PPS, PPS_0)
    assert contexts.digest((contexts.refer(0),)) is None
    sets.take(h264.SPS, SPS_0)
    assert contexts.digest((contexts.refer(0),)) == digest(SPS_0, PPS_0)
    assert contexts.digest((contexts.refer(NO_SET),)) is None
    assert contexts.digest(()) is None


def test_a_stream_that_lacks_its_video_parameter_set_alone_has_a_context_of_its_own() -> None:
    units = {unit[0] >> 1 & 63: unit for unit in REAL_H265_SETS}
    whole, lacking = H265Sets(), H265Sets()
    for kind, unit in units.items():
        whole.take(kind, unit)
        if kind != h265.VPS:
            lacking.take(kind, unit)
    assert whole.sets_of(0) == (units[h265.VPS], units[h265.SPS], units[h265.PPS])
    assert lacking.sets_of(0) == (units[h265.SPS], units[h265.PPS])
    assert whole.stream_format(0) == lacking.stream_format(0) == h265.parse_sps(REAL_H265_SPS)


def test_a_set_under_which_another_was_replaced_is_bound_until_it_is_sent_again() -> None:
    """FFmpeg goes on with the sequence parameter set under which the picture parameter set arrived."""
    sets, other = H264Sets(), SPS_0[:3] + b"\x1f" + SPS_0[4:]
    for kind, unit in ((h264.SPS, other), (h264.PPS, PPS_0), (h264.SPS, SPS_0)):
        sets.take(kind, unit)
    found = sets.sets_of(0)
    assert found is not None and found[:2] == (SPS_0, PPS_0) and len(found) == 3
    sets.take(h264.SPS, other)
    sets.take(h264.SPS, SPS_0)
    again = sets.sets_of(0)
    assert again is not None and again[:2] == found[:2] and again != found
    sets.take(h264.PPS, PPS_0)
    assert sets.sets_of(0) == (SPS_0, PPS_0)


def test_a_set_that_ffmpeg_passes_over_does_not_hide_the_former_one() -> None:
    sets, astray = H264Sets(), b"\x68" + bytes([0b1_00101_00])
    assert h264.parse_pps_ids(astray) == (0, 4)
    for kind, unit in ((h264.SPS, SPS_0), (h264.PPS, PPS_0), (h264.PPS, astray)):
        sets.take(kind, unit)
    assert sets.sets_of(0) is None
    fourth = SPS_0[:4] + bytes([0b00101_000]) + SPS_0[5:]
    assert h264.parse_sps_id(fourth) == 4
    sets.take(h264.SPS, fourth)
    found = sets.sets_of(0)
    assert found is not None and found[:2] == (fourth, astray) and len(found) == 3
    sets.take(h264.PPS, astray)
    assert sets.sets_of(0) == (fourth, astray)


@pytest.mark.parametrize("replaced", [h265.VPS, h265.SPS])
def test_h265_sets_whose_ground_was_exchanged_for_a_while_are_told_from_others(replaced: int) -> None:
    units = {unit[0] >> 1 & 63: unit for unit in REAL_H265_SETS}
    sets = H265Sets()
    for kind in (h265.VPS, h265.SPS, h265.PPS):
        sets.take(kind, units[kind])
    whole = sets.sets_of(0)
    sets.take(replaced, units[replaced] + b"\x80")
    sets.take(replaced, units[replaced])
    assert whole is not None and sets.sets_of(0) not in (None, whole)
    for kind in (h265.VPS, h265.SPS, h265.PPS):
        sets.take(kind, units[kind])
    assert sets.sets_of(0) == whole


def test_the_same_set_again_changes_nothing() -> None:
    for sets, kind, unit in ((H264Sets(), h264.SPS, SPS_0), (H265Sets(), h265.VPS, b"\x40\x01\x0c\x01")):
        sets.take(kind, unit)
        version = sets.version
        sets.take(kind, unit)
        assert sets.version == version == 1


@given(st.binary(max_size=120))
def test_noise_gives_a_result_or_malformed(noise: bytes) -> None:
    parsers = (
        h264.parse_sps_id,
        h264.parse_pps_ids,
        h264.parse_slice_pps,
        h264.parse_sps,
        h264.parse_configuration,
        h265.parse_vps_id,
        h265.parse_sps_ids,
        h265.parse_pps_ids,
        h265.parse_sps,
        h265.parse_configuration,
        lambda data: h265.parse_slice_pps(19, data),
    )
    for parse in parsers:
        try:
            parse(noise)
        except Malformed:
            continue
    for taken in (H264Sets(), H265Sets()):
        for kind in (h264.SPS, h264.PPS, h265.VPS, h265.SPS, h265.PPS):
            taken.take(kind, noise)


@given(st.integers(0, 2000), st.data())
def test_a_damaged_set_gives_a_result_or_malformed(seed: int, data: st.DataObject) -> None:
    unit = bytearray(REAL_H265_SPS if seed % 2 else REAL_H264_SPS)
    position = data.draw(st.integers(0, len(unit) - 1))
    unit[position] = data.draw(st.integers(0, 255))
    try:
        found = h265.parse_sps(bytes(unit)) if seed % 2 else h264.parse_sps(bytes(unit))
    except Malformed:
        return
    assert found.width > 0
    assert found.height > 0


REAL_H264_SPS = next(u for u in header_of("libx264", width=320, height=178) if u[0] & 31 == h264.SPS)
REAL_H265_SETS = [
    unit
    for unit in header_of("libx265", width=320, height=178, x265_params="log-level=0")
    if h265.VPS <= unit[0] >> 1 & 63 <= h265.PPS
]
REAL_H265_SPS = next(unit for unit in REAL_H265_SETS if unit[0] >> 1 & 63 == h265.SPS)


def test_damage_behind_the_sets_of_a_decoders_header_does_not_hide_them() -> None:
    """Decoders do not read the extension behind them."""
    sps, pps = bytes.fromhex("6764000bacb40a0cfcf080000003008000000a078a1550"), bytes.fromhex("68ef0fcb")
    sets = b"\x01" + sps[1:4] + b"\xff\xe1" + len(sps).to_bytes(2, "big") + sps + b"\x01\x00\x04" + pps
    assert h264.parse_configuration(sets + b"\xfd\xf8\xf8\x01\xff\xff") == (4, [sps, pps])
