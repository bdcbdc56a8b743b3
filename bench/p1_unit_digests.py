"""P1: from file to unit leaves, beside SHA-256 of the same bytes and demultiplexing alone, in the same run.

Makes its own input: an hour of 1080p25 H.264 at 4 Mbit/s whose slice payloads are synthetic and all different, since
hashing does not care what pictures show. Run: python bench/p1_unit_digests.py [--minutes 60] [--keep FILE]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import random
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import av

from evidence.leaves import KEY, TIME_INFERRED, unit_leaf
from media.scan import scan

RATE, BIT_RATE, GROUP = 25, 4_000_000, 50
KEY_BYTES = 80_000
PIECE_BYTES = 1 << 20


def decoder_header() -> bytes:
    """The decoder configuration of a real encoder for 1080p."""
    context = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt, context.framerate = 1920, 1080, "yuv420p", RATE
    context.options = {"preset": "ultrafast", "x264-params": "annexb=0"}
    context.flags |= av.codec.context.Flags.global_header
    context.open()
    return bytes(context.extradata or b"")


def slices(count: int) -> Iterator[tuple[bool, bytes]]:
    """Length-prefixed pictures of one slice each, every one different, without a start code inside."""
    source = random.Random(1)
    pool = source.randbytes(8 << 20).replace(b"\x00", b"\x01")
    other_bytes = (BIT_RATE // 8 * GROUP // RATE - KEY_BYTES) // (GROUP - 1)
    for index in range(count):
        key = index % GROUP == 0
        size = KEY_BYTES if key else other_bytes + source.randrange(-4000, 4000)
        begin = source.randrange(len(pool) - size)
        # The number's digits make every picture unique; hexadecimal text cannot hold a start code.
        head = (b"\x65\x88\x84" if key else b"\x41\x9a\x02") + b"%016x" % index
        yield key, struct.pack(">I", size) + head + pool[begin : begin + size - len(head)]


def box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, *parts: bytes) -> bytes:
    return box(kind, bytes(4), *parts)


def write_movie(path: Path, count: int) -> None:
    """A plain MP4: one track, one sample per chunk of a second."""
    sizes, keys, offsets = [], [], []
    with path.open("wb") as file:
        file.write(box(b"ftyp", b"isom", struct.pack(">I", 512), b"isomavc1"))
        start = file.tell()
        file.write(struct.pack(">I4sQ", 1, b"mdat", 0))
        for index, (key, data) in enumerate(slices(count)):
            if index % RATE == 0:
                offsets.append(file.tell())
            if key:
                keys.append(index + 1)
            sizes.append(len(data))
            file.write(data)
        end = file.tell()
        file.write(movie_header(sizes, keys, offsets))
        file.seek(start + 8)
        file.write(struct.pack(">Q", end - start))


def movie_header(sizes: list[int], keys: list[int], offsets: list[int]) -> bytes:
    count = len(sizes)
    matrix = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    entry = box(
        b"avc1",
        struct.pack(">6xH16xHHII4xH32xHh", 1, 1920, 1080, 0x480000, 0x480000, 1, 24, -1),
        box(b"avcC", decoder_header()),
    )
    tables = box(
        b"stbl",
        full_box(b"stsd", struct.pack(">I", 1), entry),
        full_box(b"stts", struct.pack(">III", 1, count, 1)),
        full_box(b"stss", struct.pack(f">I{len(keys)}I", len(keys), *keys)),
        full_box(b"stsc", struct.pack(">I", 1), struct.pack(">III", 1, RATE, 1)),
        full_box(b"stsz", struct.pack(f">II{count}I", 0, count, *sizes)),
        full_box(b"co64", struct.pack(f">I{len(offsets)}Q", len(offsets), *offsets)),
    )
    reference = full_box(b"dref", struct.pack(">I", 1), box(b"url ", b"\x00\x00\x00\x01"))
    media = box(
        b"mdia",
        full_box(b"mdhd", struct.pack(">IIIIHH", 0, 0, RATE, count, 0x55C4, 0)),
        full_box(b"hdlr", struct.pack(">I4s12xB", 0, b"vide", 0)),
        box(b"minf", box(b"vmhd", struct.pack(">I8x", 1)), box(b"dinf", reference), tables),
    )
    # Flags 7: enabled, in the movie, in the preview.
    track_header = struct.pack(">IIIIII8x8x", 7, 0, 0, 1, 0, count) + matrix
    track_header += struct.pack(">II", 1920 << 16, 1080 << 16)
    movie = struct.pack(">IIIIIH10x", 0, 0, RATE, count, 1 << 16, 256) + matrix + struct.pack(">24xI", 2)
    return box(b"moov", full_box(b"mvhd", movie), box(b"trak", box(b"tkhd", track_header), media))


def hash_file(path: Path) -> int:
    digest, piece = hashlib.sha256(), memoryview(bytearray(PIECE_BYTES))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
    return len(digest.digest())


def demultiplex(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for packet in container.demux(container.streams.video[0]) if packet.size)


def leaves(path: Path) -> int:
    footage = scan(path)
    offsets = footage.offsets_us()
    made = [
        unit_leaf(
            footage.unit_digest(index),
            offsets[index],
            KEY * footage.keys[index] | TIME_INFERRED * footage.inferred[index],
        )
        for index in range(footage.count)
    ]
    if len(set(made)) != len(made):
        raise SystemExit("units of the input are not all different")
    return len(made)


def timed(work: Callable[[Path], int], path: Path, repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work(path)
        best = min(best, time.perf_counter() - start)
    return best


def measure(path: Path, seconds: float, repeats: int) -> dict[str, Any]:
    size = path.stat().st_size
    hash_file(path)  # so that every measurement finds the file in memory
    taken = {
        "sha256": timed(hash_file, path, repeats),
        "demux": timed(demultiplex, path, repeats),
        "leaves": timed(leaves, path, repeats),
    }
    return {
        "measure": "P1",
        "input": {"bytes": size, "seconds": seconds, "pictures": int(seconds * RATE)},
        "seconds": {name: round(value, 3) for name, value in taken.items()},
        "megabytes_per_s": {name: round(size / value / 1e6, 1) for name, value in taken.items()},
        "ratio_to_sha256": round(taken["sha256"] / taken["leaves"], 3),
        "times_real_time": round(seconds / taken["leaves"]),
        "goal": {"ratio_to_sha256": 0.5, "floor": 0.35, "times_real_time": 1000},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "av": av.__version__},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="From file to unit leaves, beside SHA-256 of the same bytes.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="write the input there and leave it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = options.keep or Path(directory) / "hour.mp4"
        if not path.exists():
            write_movie(path, round(options.minutes * 60 * RATE))
        result = measure(path, options.minutes * 60, options.repeats)
    print(json.dumps(result, indent=2))
    print(f"{'':24}{'s':>8}{'MB/s':>10}{'x real time':>13}", file=sys.stderr)
    names = {"sha256": "SHA-256 of the file", "demux": "demultiplexing alone", "leaves": "file to leaves (ours)"}
    for name, label in names.items():
        taken = result["seconds"][name]
        rate = result["megabytes_per_s"][name]
        print(f"{label:24}{taken:8.2f}{rate:10.0f}{options.minutes * 60 / taken:13.0f}", file=sys.stderr)


if __name__ == "__main__":
    main()
