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
from media.display import Stated, resolve
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
