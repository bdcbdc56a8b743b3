"""What an AVI states about showing its pictures."""

import io
import random
import struct
from fractions import Fraction
from pathlib import Path

import pytest

from evidence.errors import Malformed
from evidence.records import Display
from media.avi import is_avi, stated_by_avi
from media.avi_index import check_index
from media.display import Stated, resolve
from media.footage_reader import read_footage
from media.scene import render_scene


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("avi") / "clip.avi"
    render_scene(path, seconds=0.5, codec="mpeg4", width=160, height=90)
    return path.read_bytes()


def stated(data: bytes, index: int = 0) -> Stated:
    return stated_by_avi(io.BytesIO(data), index)


def with_aspect(data: bytes, above: int, below: int) -> bytes:
    """The same file with a frame aspect put where filler stood."""
    at = data.index(b"vprp") if b"vprp" in data else data.index(b"JUNK")
    size = struct.unpack_from("<I", data, at + 4)[0]
    body = bytes(20) + struct.pack("<HH", below, above) + bytes(size - 24)
    return data[:at] + b"vprp" + struct.pack("<I", size) + body + data[at + 8 + size :]


def test_size_and_aspect(clip: bytes) -> None:
    assert is_avi(clip[:12])
    assert stated(clip).entry == (160, 90)
    changed = stated(with_aspect(clip, 4, 1))
    assert changed.ratio == Fraction(4)
    assert resolve(changed, Display(), 160, 90).display.sar == (9, 4)
    assert resolve(stated(with_aspect(clip, 16, 9)), Display(), 160, 90).display == Display()
    assert stated(clip, index=5) == Stated()


def test_raw_pictures_turned_upside_down() -> None:
    head = struct.pack("<IiiHHI", 40, 64, -48, 1, 24, 0) + bytes(20)
    strl = b"strh" + struct.pack("<I", 4) + bytes(4) + b"strf" + struct.pack("<I", 40) + head
    data = b"RIFF" + bytes(4) + b"AVI " + b"LIST" + bytes(4) + b"hdrl" + strl + bytes(12)
    assert stated(data).turn == (180, True)
    assert stated(data.replace(struct.pack("<i", -48), struct.pack("<i", 48))).turn is None
    with pytest.raises(Malformed):
        stated(data[:-12] + strl[12:] + bytes(12))


def test_real_clips_are_shown_as_they_are_coded(footage: Path) -> None:
    for name, size in (
        ("vtest_pedestrians", (768, 576)),
        ("motorway_osd", (320, 240)),
        ("edge_raw48_traffic", (48, 48)),
    ):
        with (footage / f"{name}.avi").open("rb") as file:
            assert resolve(stated_by_avi(file, 0), Display(), *size).display == Display()


def test_flipped_bytes_raise_nothing_but_malformed(clip: bytes) -> None:
    rng = random.Random(9)
    for _ in range(2000):
        broken = bytearray(clip[: rng.choice((len(clip), rng.randrange(6000)))])
        for _ in range(3):
            broken[rng.randrange(min(5000, len(broken)))] = rng.randrange(256)
        try:
            resolve(stated(bytes(broken)), Display(), 160, 90)
        except Malformed:
            continue


# Indexes.

Part = tuple[bytes, bytes]


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + bytes(len(body) & 1)


def listed(kind: bytes, *parts: bytes) -> bytes:
    return chunk(b"LIST", kind + b"".join(parts))


def avi(
    parts: list[Part], entries: list[tuple[bytes, int, int]] | None, *, indx: bytes = b"", behind: bytes = b""
) -> bytes:
    """A file of these chunks, an `idx1` of these entries, and something behind it."""
    header = listed(b"hdrl", listed(b"strl", chunk(b"strh", bytes(56)), chunk(b"strf", bytes(40)), indx))
    movi = listed(b"movi", *(chunk(kind, body) for kind, body in parts))
    index = (
        b"" if entries is None else chunk(b"idx1", b"".join(struct.pack("<4sIII", k, 16, o, s) for k, o, s in entries))
    )
    return chunk(b"RIFF", b"AVI " + header + movi + index + behind)


PARTS = [(b"00dc", b"first"), (b"01wb", b"sound"), (b"00dc", b""), (b"00dc", b"third!!"), (b"00db", b"fourth")]
OFFSETS = [4, 18, 32, 40, 56]
ENTRIES = [(kind, at, len(body)) for (kind, body), at in zip(PARTS, OFFSETS, strict=True)]


def examine(data: bytes, stream: int = 0) -> None:
    check_index(io.BytesIO(data), stream)


def test_an_index_that_lists_the_chunks_is_fine_however_it_counts() -> None:
    whole = avi(PARTS, ENTRIES)
    movi = whole.index(b"movi")
    for base in (0, movi, -4, movi - 4):
        examine(avi(PARTS, [(kind, base + at, size) for kind, at, size in ENTRIES]))
    examine(whole, stream=1)
    examine(avi(PARTS, [(kind, at, size + (size & 1)) for kind, at, size in ENTRIES]))
    examine(avi(PARTS, None))
    examine(avi([*PARTS, (b"JUNK", bytes(99)), (b"ix00", bytes(32))], ENTRIES))
    examine(avi([(b"00pc", b"colours!"), *PARTS], [(k, at + 16, size) for k, at, size in ENTRIES]))
    examine(whole + bytes(300))


def test_an_index_of_a_cut_file_lists_what_is_left_of_it() -> None:
    whole = avi(PARTS, ENTRIES)
    for length in range(len(whole)):
        examine(whole[:length])


def test_records_within_the_list_are_walked_into() -> None:
    parts = b"".join(chunk(kind, body) for kind, body in PARTS)
    entries = [(b"rec ", 4, len(parts)), *((kind, at + 12, size) for kind, at, size in ENTRIES)]
    whole = avi(PARTS, entries)
    at = whole.index(b"movi") + 4
    inner = listed(b"rec ", parts)
    data = whole[: at - 8] + struct.pack("<I", 4 + len(inner)) + b"movi" + inner + whole[at + len(parts) :]
    examine(data)


@pytest.mark.parametrize(
    "entries",
    [
        ENTRIES[:-1],
        ENTRIES[1:],
        [ENTRIES[3], ENTRIES[1], ENTRIES[2], ENTRIES[0], ENTRIES[4]],
        [*ENTRIES, ENTRIES[0]],
        [*ENTRIES[:3], (b"00dc", 40, 3), ENTRIES[4]],
        [*ENTRIES[:3], (b"00dc", 900, 7), ENTRIES[4]],
        [],
    ],
)
def test_an_index_that_lists_others_is_refused(entries: list[tuple[bytes, int, int]]) -> None:
    with pytest.raises(Malformed, match="idx1"):
        examine(avi(PARTS, entries))


def test_a_second_index_and_a_list_that_ends_within_a_picture_are_refused() -> None:
    index = chunk(b"idx1", b"".join(struct.pack("<4sIII", kind, 16, at, size) for kind, at, size in ENTRIES))
    with pytest.raises(Malformed, match="two"):
        examine(avi(PARTS, ENTRIES, behind=index))
    whole = bytearray(avi(PARTS, ENTRIES))
    at = whole.index(b"movi") - 4
    whole[at : at + 4] = struct.pack("<I", int.from_bytes(whole[at : at + 4], "little") - 6)
    with pytest.raises(Malformed, match="within"):
        examine(bytes(whole))


def open_dml(places: list[tuple[int, int]], *, base: int = 0) -> bytes:
    rows = b"".join(struct.pack("<II", at + 8 - base, size) for at, size in places)
    return struct.pack("<HBBI4sQI", 2, 0, 1, len(places), b"00dc", base, 0) + rows


def test_open_dml_indexes_are_held_against_the_chunks() -> None:
    own = [(at, size) for kind, at, size in ENTRIES if kind[:2] == b"00"]
    width = 8 * len(own) + 32
    movi = avi(PARTS, None, indx=bytes(width)).index(b"movi")
    places = [(movi + at, size) for at, size in own]

    def with_standard(listed: list[tuple[int, int]], **more: int) -> bytes:
        return avi(PARTS, None, indx=chunk(b"indx", open_dml(listed, **more).ljust(width - 8, b"\0")))

    def with_super(listed: list[tuple[int, int]]) -> bytes:
        part = chunk(b"ix00", open_dml(listed))
        empty = struct.pack("<HBBI4s12x", 4, 0, 0, 1, b"00dc")
        entry = struct.pack("<QII", movi + 70, len(part), 4)
        return avi([*PARTS, (b"ix00", part[8:])], None, indx=chunk(b"indx", (empty + entry).ljust(width - 8, b"\0")))

    for build in (with_standard, with_super):
        examine(build(places))
        for wrong in (places[1:], [*places, places[0]], [(places[0][0] + 2, 5), *places[1:]]):
            with pytest.raises(Malformed, match="indx"):
                examine(build(wrong))
        whole = build(places)
        for length in range(len(whole)):
            examine(whole[:length])
    examine(with_standard(places, base=100))


def test_no_picture_is_read_past_an_index_that_contradicts_the_chunks(clip: bytes, tmp_path: Path) -> None:
    path = tmp_path / "copy.avi"
    path.write_bytes(clip)
    assert read_footage(str(path)).count > 2
    data, at = bytearray(clip), clip.index(b"idx1") + 8
    data[at + 16 : at + 48] = data[at + 32 : at + 48] + data[at + 16 : at + 32]
    path.write_bytes(data)
    with pytest.raises(Malformed, match="idx1"):
        read_footage(str(path))


def test_noise_in_an_index_raises_nothing_but_malformed(clip: bytes) -> None:
    rng, at = random.Random(10), clip.index(b"idx1")
    for _ in range(500):
        broken = bytearray(clip[: rng.choice((len(clip), rng.randrange(len(clip))))])
        for _ in range(4):
            broken[rng.choice((rng.randrange(len(broken)), min(at, len(broken) - 1)))] = rng.randrange(256)
        try:
            examine(bytes(broken))
        except Malformed:
            continue
