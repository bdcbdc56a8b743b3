"""Byte edits of the demo: a changed picture, a film-grain message, parameter sets, and an MP4 edit list.

None of them decodes or re-encodes. Each leaves a file that ordinary players open.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cli.demo_packets import Clip, Coded, Run
from evidence.errors import UnsupportedMedia

_NAL_CODECS = ("h264", "hevc")
_START_CODE = b"\x00\x00\x00\x01"
_FLIP = 0x55


def changed(coded: Coded) -> Coded:
    """The same picture with some of its coded bytes altered, still a well-formed unit.

    Only bytes above 3 are flipped, and only to values above 3, so that no start code or escape comes or goes.
    """
    data = bytearray(coded.data)
    for at in range(len(data) // 2, len(data) - 1, 16):
        if data[at] > 3 and data[at] ^ _FLIP > 3:
            data[at] ^= _FLIP
    return replace(coded, data=bytes(data))


def with_film_grain(clip: Clip, coded: Coded) -> Coded:
    """The same picture with a film-grain characteristics message before its first slice.

    Players that honour the message paint noise over the picture; the picture's own bytes stay as they were.
    """
    _need_nal(clip)
    header = b"\x06" if clip.codec == "h264" else b"\x4e\x01"
    message = header + b"\x13" + bytes([len(_grain())]) + _grain() + b"\x80"
    units = list(_split(clip, coded.data))
    first = next((i for i, unit in enumerate(units) if _is_slice(clip, unit)), len(units))
    return replace(coded, data=_join(clip, [*units[:first], _escaped(message), *units[first:]]))


def with_headers(clip: Clip, run: Run, *, of: Clip) -> Run:
    """The run, framed as `clip` frames, with the parameter sets of the clip `of` that it comes from in front."""
    packets = [replace(packet, data=_join(clip, list(_split(of, packet.data)))) for packet in run.packets]
    first = _join(clip, [*parameter_sets(of), *_split(clip, packets[0].data)])
    return replace(run, packets=(replace(packets[0], data=first), *packets[1:]))


def parameter_sets(clip: Clip) -> tuple[bytes, ...]:
    """The parameter sets in the container's header, without start codes or lengths."""
    _need_nal(clip)
    data = clip.extradata
    if not _length_size(clip):
        return tuple(_annex_b(data))
    if clip.codec == "h264":
        return tuple(_avcc_sets(data))
    return tuple(_hvcc_sets(data))


def hide_between(path: Path, start_s: float, end_s: float) -> None:
    """Write an edit list into the MP4 at `path` that plays up to `start_s` and goes on at `end_s`.

    The file must end in its `moov` box, as files do that are written in one go; nothing else in it moves.
    """
    data = path.read_bytes()
    moov_at, moov = next(((at, body) for at, kind, body in _boxes(data) if kind == b"moov"), (0, b""))
    if not moov or moov_at + 8 + len(moov) != len(data):
        raise UnsupportedMedia("an edit list is only written into an MP4 that ends in its index", where=str(path))
    movie_scale = _timescale(_child(moov, b"mvhd"))
    trak = _child(moov, b"trak")
    media = _child(trak, b"mdia")
    scale = _timescale(_child(media, b"mdhd"))
    length = _duration(_child(media, b"mdhd")) / scale
    offset = _first_media_time(trak)
    cuts = ((0.0, start_s), (end_s, length))
    entries = b"".join(
        # Rounded down: rounded up, the first hidden picture would be shown for a moment.
        struct.pack(">IiHH", int((end - start) * movie_scale), offset + round(start * scale), 1, 0)
        for start, end in cuts
    )
    edts = _box(b"edts", _box(b"elst", struct.pack(">II", 0, len(cuts)) + entries))
    plays = round(sum(end - start for start, end in cuts) * movie_scale)
    header = _with_duration(_child(trak, b"tkhd"), plays, at=20)
    new_trak = _box(b"tkhd", header) + edts + _without(trak, b"tkhd", b"edts")
    new_moov = b""
    for _, kind, body in _boxes(moov):
        if kind == b"mvhd":
            body = _with_duration(body, plays, at=16)
        new_moov += _box(kind, new_trak if body is trak or body == trak else body)
    path.write_bytes(data[:moov_at] + _box(b"moov", new_moov))


def _need_nal(clip: Clip) -> None:
    if clip.codec not in _NAL_CODECS:
        raise UnsupportedMedia(f"this edit is made for H.264 and H.265, the clip is {clip.codec}", where=str(clip.path))


def _length_size(clip: Clip) -> int:
    """Bytes of the length before each NAL unit; 0 for start codes."""
    if clip.extradata[:1] != b"\x01":
        return 0
    return (clip.extradata[4 if clip.codec == "h264" else 21] & 3) + 1


def _split(clip: Clip, data: bytes) -> Iterator[bytes]:
    """NAL units of a packet; length-prefixed only where the lengths chain to its end: 00 00 01 may be one."""
    size, at = _length_size(clip), 0
    units: list[bytes] = []
    while size and at + size <= len(data):
        length = int.from_bytes(data[at : at + size])
        units.append(data[at + size : at + size + length])
        at += size + length
    yield from units if size and at == len(data) else _annex_b(data)


def _annex_b(data: bytes) -> Iterator[bytes]:
    for part in data.split(_START_CODE[1:]):
        unit = part.rstrip(b"\x00")
        if unit:
            yield unit


def _join(clip: Clip, units: list[bytes]) -> bytes:
    size = _length_size(clip)
    return b"".join((len(unit).to_bytes(size) if size else _START_CODE) + unit for unit in units)


def _is_slice(clip: Clip, unit: bytes) -> bool:
    return 1 <= unit[0] & 31 <= 5 if clip.codec == "h264" else unit[0] >> 1 & 63 < 32


def _escaped(unit: bytes) -> bytes:
    """Put an escape byte wherever two zero bytes are followed by a byte of at most 3 (H.264 7.4.1)."""
    out = bytearray()
    for byte in unit:
        if byte <= 3 and out[-2:] == b"\x00\x00":
            out.append(3)
        out.append(byte)
    return bytes(out)


def _avcc_sets(data: bytes) -> Iterator[bytes]:
    at, sets = 6, data[5] & 31
    for _ in range(2):  # sequence parameter sets, then picture parameter sets
        for _ in range(sets):
            length = int.from_bytes(data[at : at + 2])
            yield data[at + 2 : at + 2 + length]
            at += 2 + length
        sets = data[at] if at < len(data) else 0
        at += 1


def _hvcc_sets(data: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(data[22]):
        kind, count = data[at] & 63, int.from_bytes(data[at + 1 : at + 3])
        at += 3
        for _ in range(count):
            length = int.from_bytes(data[at : at + 2])
            if kind in (32, 33, 34):
                yield data[at + 2 : at + 2 + length]
            at += 2 + length


class _Bits:
    """Bits, most significant first, as H.264 7.2 reads them."""

    def __init__(self) -> None:
        self.text = ""

    def fixed(self, value: int, width: int) -> None:
        self.text += f"{value:0{width}b}"

    def unsigned(self, value: int) -> None:
        code = f"{value + 1:b}"
        self.text += "0" * (len(code) - 1) + code

    def signed(self, value: int) -> None:
        self.unsigned(2 * value - 1 if value > 0 else -2 * value)

    def payload(self) -> bytes:
        bits = self.text if len(self.text) % 8 == 0 else self.text + "1"
        bits += "0" * (-len(bits) % 8)
        return int(bits, 2).to_bytes(len(bits) // 8)


def _grain() -> bytes:
    """A film-grain characteristics payload (H.264 D.1.21): frequency filtering, luma only, one interval, strong."""
    bits = _Bits()
    bits.fixed(0, 1)  # not a cancellation
    bits.fixed(0, 2)  # frequency filtering
    bits.fixed(0, 1)  # described in the video's own colours
    bits.fixed(0, 2)  # added to the picture
    bits.fixed(2, 4)  # scale factor
    for luma in (1, 0, 0):
        bits.fixed(luma, 1)
    bits.fixed(0, 8)  # one intensity interval
    bits.fixed(2, 3)  # three values
    bits.fixed(0, 8)
    bits.fixed(255, 8)
    for value in (120, 8, 8):
        bits.signed(value)
    bits.unsigned(1)  # holds until the next message
    return bits.payload()


def _boxes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    at = 0
    while at + 8 <= len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        head = 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16]), 16
        if size < head or at + size > len(data):
            raise UnsupportedMedia("the MP4 file's boxes do not add up")
        yield at, kind, data[at + head : at + size]
        at += size


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _child(body: bytes, kind: bytes) -> bytes:
    for _, name, inner in _boxes(body):
        if name == kind:
            return inner
    raise UnsupportedMedia(f"the MP4 file has no {kind.decode()} box")


def _without(body: bytes, *kinds: bytes) -> bytes:
    return b"".join(_box(kind, inner) for _, kind, inner in _boxes(body) if kind not in kinds)


def _timescale(header: bytes) -> int:
    at = 20 if header[0] else 12
    return int.from_bytes(header[at : at + 4])


def _duration(header: bytes) -> int:
    return int.from_bytes(header[24:32] if header[0] else header[16:20])


def _with_duration(header: bytes, ticks: int, *, at: int) -> bytes:
    """`at`: where the duration stands in version 0 of this header; version 1 has two wider times before it."""
    if header[0]:
        return header[: at + 8] + struct.pack(">Q", ticks) + header[at + 16 :]
    return header[:at] + struct.pack(">I", ticks) + header[at + 4 :]


def _first_media_time(trak: bytes) -> int:
    """Media time at which the track's present edit list starts; 0 without one."""
    edts = next((body for _, kind, body in _boxes(trak) if kind == b"edts"), None)
    if edts is None:
        return 0
    elst = _child(edts, b"elst")
    wide, step = elst[0], 20 if elst[0] else 12
    for at in range(8, len(elst) - step + 1, step):
        time = int.from_bytes(elst[at + 8 : at + 16] if wide else elst[at + 4 : at + 8], signed=True)
        if time >= 0:
            return time
    return 0
