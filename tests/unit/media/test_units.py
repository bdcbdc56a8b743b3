"""Units out of packets: the traps that real files hold, one by one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from media.packets import Packet, Times
from media.units import Unit, UnitAssembler

FIRST, MORE = b"\x00\x00\x00\x01", b"\x00\x00\x01"
SPS, PPS, PPS_1 = b"\x67\x42\x00\x1e\x80\x11", b"\x68\xc0\x11", b"\x68\x58\x11"
SETS = (SPS, PPS, PPS_1)
# Slices: NAL header, then first macroblock 0 ('1'), slice type 7 ('0001000') or 5, set 0 ('1'); or not the first.
IDR, P_1, P_2 = b"\x65\x88\x80\x10", b"\x41\x9a\x11", b"\x41\x9a\x22"
NEXT_SLICE = b"\x41\x4e\x33"
EOS = b"\x0a"
USER_SEI = b"\x06\x05\x11" + bytes(range(1, 17)) + b"u\x80"
GRAIN_SEI = b"\x06\x13\x02\x11\x22\x80"
TIMING_SEI = b"\x06\x01\x01\x44\x80"


def annex_b(*units: bytes) -> bytes:
    return b"".join(MORE + unit for unit in units)


def prefixed(*units: bytes) -> bytes:
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def configuration(*units: bytes, lengths: int = 4) -> bytes:
    """An AVCDecoderConfigurationRecord of profile 66."""
    sps = [unit for unit in units if unit[0] & 31 == 7]
    pps = [unit for unit in units if unit[0] & 31 != 7]
    listed = [b"".join(len(unit).to_bytes(2, "big") + unit for unit in group) for group in (sps, pps)]
    return (
        b"\x01\x42\x00\x1e" + bytes((0xFC | lengths - 1, 0xE0 | len(sps))) + listed[0] + bytes((len(pps),)) + listed[1]
    )


def packets(*data: bytes, step: int = 10) -> list[Packet]:
    return [
        Packet(data=each, pts=step * index, dts=None, time=step * index, inferred=False, keyframe=False)
        for index, each in enumerate(data)
    ]


def assemble(
    given_packets: Iterable[Packet], *, codec: str = "h264", header: bytes = b"", annex: bool = False
) -> tuple[list[Unit], UnitAssembler]:
    assembler = UnitAssembler(codec, header, annex_b=annex)
    units = [unit for packet in given_packets for unit in assembler.feed(packet)]
    return units + assembler.finish(), assembler


def digest(*slices: bytes) -> bytes:
    return hashlib.sha256(FIRST + MORE.join(slices)).digest()


def test_a_unit_is_its_slices_behind_start_codes() -> None:
    units, _ = assemble(packets(annex_b(*SETS, TIMING_SEI, IDR, NEXT_SLICE), annex_b(b"\x09\xf0", P_1)), annex=True)
    assert [unit.coded for unit in units] == [digest(IDR, NEXT_SLICE), digest(P_1)]
    assert [unit.key for unit in units] == [True, False]
    assert [unit.clean for unit in units] == [1, 0]
    assert [unit.sides for unit in units] == [(), ()]


def test_framing_of_the_container_does_not_matter() -> None:
    raw, _ = assemble(packets(annex_b(*SETS, IDR), annex_b(P_1), annex_b(P_2)), annex=True)
    boxed, _ = assemble(packets(prefixed(IDR), prefixed(P_1), prefixed(P_2)), header=configuration(*SETS))
    mixed, _ = assemble(packets(prefixed(IDR), annex_b(P_1), prefixed(P_2)), header=configuration(*SETS))
    assert [(unit.coded, unit.context) for unit in raw] == [(unit.coded, unit.context) for unit in boxed]
    assert boxed == mixed


def test_two_fields_in_one_packet_are_two_units_that_share_a_time() -> None:
    units, _ = assemble(packets(annex_b(*SETS, IDR, P_1), annex_b(P_2)), annex=True)
    assert [unit.coded for unit in units] == [digest(IDR), digest(P_1), digest(P_2)]
    assert [(unit.pts, unit.inferred, unit.packet) for unit in units] == [(0, False, 0), (0, True, 0), (10, False, 1)]


def test_one_picture_in_several_packets_is_one_unit_at_the_time_of_the_first() -> None:
    units, _ = assemble(
        packets(annex_b(*SETS, IDR), annex_b(NEXT_SLICE), annex_b(NEXT_SLICE), annex_b(P_1)), annex=True
    )
    assert [unit.coded for unit in units] == [digest(IDR, NEXT_SLICE, NEXT_SLICE), digest(P_1)]
    assert [(unit.pts, unit.packet) for unit in units] == [(0, 0), (30, 3)]


def test_a_packet_of_side_data_alone_belongs_to_the_next_unit() -> None:
    units, assembler = assemble(packets(annex_b(*SETS, IDR), annex_b(GRAIN_SEI), annex_b(P_1)), annex=True)
    assert len(units) == 2
    assert [(side.unit, side.digest, side.user) for side in units[1].sides] == [
        (1, hashlib.sha256(GRAIN_SEI).digest(), False)
    ]
    assert assembler.trailing_sides == ()


def test_side_data_behind_the_last_unit_stands_at_the_count() -> None:
    _, assembler = assemble(packets(annex_b(*SETS, IDR), annex_b(P_1, EOS)), annex=True)
    assert [(side.unit, side.user) for side in assembler.trailing_sides] == [(2, False)]


def test_an_end_of_sequence_glued_to_a_slice_is_split_off_and_noted() -> None:
    glued = prefixed(P_1 + b"\x00\x00\x00\x01" + EOS)
    units, assembler = assemble(packets(prefixed(IDR), glued, prefixed(P_2)), header=configuration(*SETS))
    assert units[1].coded == digest(P_1)
    assert [side.digest for side in units[2].sides] == [hashlib.sha256(EOS).digest()]
    assert assembler.columns.notes == {"start_code_inside"}


def test_user_messages_are_marked_and_free_ones_left_out() -> None:
    units, _ = assemble(packets(annex_b(*SETS, USER_SEI, TIMING_SEI, GRAIN_SEI, IDR)), annex=True)
    assert [side.user for side in units[0].sides] == [True, False]


def test_side_data_of_the_containers_header_counts_at_every_key_picture() -> None:
    header = configuration(*SETS) + b"\xfd\xf8\xf8" + b"\x01" + len(EXTENSION).to_bytes(2, "big") + EXTENSION
    header = b"\x01\x64" + header[2:]
    units, _ = assemble(packets(prefixed(IDR), prefixed(P_1), prefixed(IDR)), header=header)
    assert [len(unit.sides) for unit in units] == [1, 0, 1]
    raw, _ = assemble(packets(annex_b(*SETS, EXTENSION, IDR), annex_b(P_1), annex_b(EXTENSION, IDR)), annex=True)
    assert [unit.sides for unit in raw] == [unit.sides for unit in units]


EXTENSION = b"\x6d\xc1\x11"


def test_a_set_that_changes_in_band_changes_the_context_from_there() -> None:
    other = b"\x68\xc0\x19"
    units, assembler = assemble(
        packets(prefixed(IDR), prefixed(P_1), prefixed(other, P_2), prefixed(SPS, PPS, IDR)),
        header=configuration(*SETS),
    )
    contexts = [unit.context for unit in units]
    assert contexts[0] == contexts[1] == contexts[3] != contexts[2]
    assert [at for at, _ in assembler.columns.headers] == [0, 2, 3]


def test_stale_and_repeated_sets_leave_the_context_alone() -> None:
    plain, _ = assemble(packets(annex_b(SPS, PPS, IDR), annex_b(P_1)), annex=True)
    stale, _ = assemble(packets(annex_b(SPS, PPS, PPS_1, IDR), annex_b(PPS_1, SPS, b"\x68\x58\x77", P_1)), annex=True)
    assert [unit.context for unit in plain] == [unit.context for unit in stale]


def test_sets_with_trailing_zeros_are_the_same_sets() -> None:
    plain, _ = assemble(packets(prefixed(IDR)), header=configuration(SPS, PPS))
    padded, _ = assemble(packets(prefixed(IDR)), header=configuration(SPS + b"\x00\x00", PPS + b"\x00"))
    assert plain[0].context == padded[0].context


def test_pictures_whose_sets_are_lacking_have_no_context() -> None:
    units, assembler = assemble(packets(annex_b(P_1), annex_b(SPS, PPS, IDR), annex_b(P_2)), annex=True)
    assert [unit.context is None for unit in units] == [True, False, False]
    assert assembler.columns.headers[0] == (0, None)


def test_a_start_without_its_first_slice_is_a_cut_picture() -> None:
    units, assembler = assemble(packets(annex_b(NEXT_SLICE), annex_b(NEXT_SLICE), annex_b(P_1)), annex=True)
    assert [unit.coded for unit in units] == [digest(NEXT_SLICE, NEXT_SLICE), digest(P_1)]
    assert assembler.columns.cut == [0]


def test_a_packet_cut_short_is_a_cut_picture() -> None:
    _, assembler = assemble(packets(prefixed(IDR), prefixed(P_1 * 9)[:-5]), header=configuration(*SETS))
    assert assembler.columns.cut == [1]


def test_side_data_of_a_packet_that_the_files_end_cuts_is_doubtful_and_elsewhere_is_not() -> None:
    stream = packets(annex_b(*SETS, IDR), annex_b(GRAIN_SEI), annex_b(P_1), annex_b(GRAIN_SEI))
    damaged = [replace(packet, corrupt=b"\x13" in packet.data) for packet in stream]
    units, assembler = assemble(damaged, annex=True)
    assert [len(unit.sides) for unit in units] == [0, 1]
    assert assembler.trailing_sides == ()
    assert assemble(stream, annex=True)[1].trailing_sides != ()


def test_a_packet_that_cannot_be_read_is_a_unit_of_its_own() -> None:
    units, assembler = assemble(packets(annex_b(*SETS, IDR), b"\xde\xad\xbe\xef", annex_b(P_1)), annex=True)
    assert [unit.coded for unit in units] == [digest(IDR), hashlib.sha256(b"\xde\xad\xbe\xef").digest(), digest(P_1)]
    assert assembler.columns.notes == {"damaged_packet"}


def test_trailing_zeros_and_short_lengths_change_nothing() -> None:
    plain, _ = assemble(packets(prefixed(IDR), prefixed(P_1)), header=configuration(*SETS))
    padded, _ = assemble(packets(prefixed(IDR + bytes(3)), prefixed(P_1) + bytes(5)), header=configuration(*SETS))
    short = [b"".join(len(unit).to_bytes(2, "big") + unit for unit in (each,)) for each in (IDR, P_1)]
    two, _ = assemble(packets(*short), header=configuration(*SETS, lengths=2))
    assert [unit.coded for unit in plain] == [unit.coded for unit in padded] == [unit.coded for unit in two]


def test_equal_pictures_are_equal_units() -> None:
    units, _ = assemble(packets(annex_b(*SETS, IDR), annex_b(P_1), annex_b(P_1)), annex=True)
    assert units[1].coded == units[2].coded
    assert units[1].pts < units[2].pts


def h265(kind: int, body: bytes = b"\x80\x11", layer: int = 0) -> bytes:
    return bytes((kind << 1 | layer >> 5, (layer & 31) << 3 | 1)) + body


def test_h265_keys_entries_and_leading_pictures() -> None:
    kinds = (19, 1, 21, 8, 9, 6, 0, 16, 20)
    units, _ = assemble(packets(*(annex_b(h265(kind)) for kind in kinds)), codec="hevc", annex=True)
    assert [unit.key for unit in units] == [kind in range(16, 22) for kind in kinds]
    assert [unit.clean for unit in units] == [1, 0, 1, 2, 2, 0, 0, 1, 1]


def test_h265_layers_above_the_base_are_side_data_and_their_sets_are_ignored() -> None:
    data = annex_b(h265(33, b"\x01\x11", layer=1), h265(19), h265(1, b"\x80\x55", layer=1))
    units, assembler = assemble(packets(data), codec="hevc", annex=True)
    assert [unit.coded for unit in units] == [digest(h265(19))]
    assert [(side.unit, side.user) for side in assembler.trailing_sides] == [(1, False)]


def av1(kind: int, payload: bytes, *, sized: bool = True, padded: bool = False) -> bytes:
    if not sized:
        return bytes((kind << 3,)) + payload
    size = bytes((len(payload) | 0x80, 0)) if padded else bytes((len(payload),))
    return bytes((kind << 3 | 2,)) + size + payload


def test_av1_is_brought_into_normal_form() -> None:
    key, other = av1(6, b"\x10\x11\x12"), av1(6, b"\x30\x21\x22")
    plain, _ = assemble(packets(key, other), codec="av1")
    dressed, _ = assemble(
        packets(
            av1(2, b"") + av1(15, b"pad") + av1(6, b"\x10\x11\x12", padded=True),
            av1(6, b"\x30\x21\x22", sized=False),
        ),
        codec="av1",
    )
    assert [unit.coded for unit in plain] == [hashlib.sha256(key).digest(), hashlib.sha256(other).digest()]
    assert [(unit.coded, unit.key, unit.clean) for unit in dressed] == [
        (plain[0].coded, True, 1),
        (plain[1].coded, False, 0),
    ]


def test_other_codings_are_their_packets() -> None:
    given_packets = packets(b"one", b"two")
    units, _ = assemble(given_packets, codec="msmpeg4v3", header=b"anything")
    assert [unit.coded for unit in units] == [hashlib.sha256(data).digest() for data in (b"one", b"two")]
    assert {unit.context for unit in units} == {hashlib.sha256().digest()}
    bound, _ = assemble(given_packets, codec="mpeg4", header=b"\x00\x00\x01\x20head")
    assert bound[0].context == hashlib.sha256(b"\x00\x00\x00\x08\x00\x00\x01\x20head").digest()


def test_times_fall_back_to_decode_time_then_to_the_interval() -> None:
    times = Times(40)
    asked = [(None, None), (100, 90), (None, 130), (None, None), (None, None), (-7, None)]
    assert [times.resolve(pts, dts) for pts, dts in asked] == [
        (0, True),
        (100, False),
        (130, False),
        (170, True),
        (210, True),
        (-7, False),
    ]


PIECES = st.sampled_from([SPS, PPS, PPS_1, IDR, P_1, NEXT_SLICE, EOS, USER_SEI, GRAIN_SEI, TIMING_SEI, b"\x09\xf0"])


@given(st.lists(st.lists(PIECES, min_size=1, max_size=4), max_size=12))
def test_units_do_not_depend_on_how_the_stream_is_cut_into_packets(groups: list[list[bytes]]) -> None:
    whole, one = assemble(packets(*(annex_b(*group) for group in groups)), annex=True)
    single, other = assemble(packets(*(annex_b(unit) for group in groups for unit in group)), annex=True)
    assert [(unit.coded, unit.key, unit.context, unit.sides) for unit in whole] == [
        (unit.coded, unit.key, unit.context, unit.sides) for unit in single
    ]
    assert one.trailing_sides == other.trailing_sides


@given(
    st.sampled_from(["h264", "hevc", "av1", "mpeg4", "vp9"]),
    st.binary(max_size=40),
    st.lists(st.binary(max_size=60), max_size=6),
    st.booleans(),
)
def test_assembling_is_total(codec: str, header: bytes, noise: list[bytes], annex: bool) -> None:
    units, assembler = assemble(packets(*noise), codec=codec, header=header, annex=annex)
    columns = assembler.columns
    assert len(units) == columns.complete == columns.begun == len(columns.pts) == len(columns.clean)
    assert all(0 <= unit <= len(units) for unit in columns.side_units)
