"""Units straight from an MP4's sample table, by two processes where the file is large.

A demultiplexer spends more on each packet than hashing it costs. The table says where every sample is, so they are read
in large pieces and handed to the same readers that packets of any other container go through.
"""

from __future__ import annotations

import os
import signal
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from evidence.errors import Malformed
from media.columns import Columns
from media.frames import FrameReader, Message, frame
from media.mp4 import MovieTrack
from media.nal import START_CODE
from media.nal_readers import H264Reader, H265Reader, NalReader
from media.sample_tables import Samples

_CODECS = {"avc1": ("h264", "avcC"), "avc3": ("h264", "avcC"), "hvc1": ("hevc", "hvcC"), "hev1": ("hevc", "hvcC")}
_WINDOW_BYTES = 256 << 10
_MAX_SAMPLE_BYTES = 256 << 20
# Below this a second process costs more than it saves.
_WORTH_TWO_BYTES = 48 << 20
_MESSAGE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A track whose samples can be read by its table alone."""

    path: str
    size_bytes: int
    codec: str
    header: bytes
    samples: Samples


def plain_track(path: str, size_bytes: int, track: MovieTrack) -> Plain | None:
    """Describe `track` for `read_units`; None when only a demultiplexer should read it."""
    samples, entries = track.samples, track.used_entries
    if samples is None or not samples.count or len(entries) != 1 or track.disagreeing:
        return None
    entry = entries[0]
    codec, box = _CODECS.get(entry.format, ("", ""))
    header = dict(entry.sets).get(box, b"")
    if not header or entry.encrypted or entry.external:
        return None
    return Plain(path=path, size_bytes=size_bytes, codec=codec, header=header, samples=samples)


def read_units(plain: Plain, *, processes: int) -> tuple[Columns, NalReader]:
    """Read every unit of the track; the reader tells what the stream says about itself.

    Raises:
        Malformed: the table states samples that no file of this size holds.
    """
    samples = plain.samples
    inside = samples.offsets + samples.sizes <= plain.size_bytes
    total = int(samples.sizes[inside].sum())
    begun = samples.sizes[samples.offsets < plain.size_bytes]
    if total > plain.size_bytes or (begun.size and int(begun.max()) > _MAX_SAMPLE_BYTES):
        raise Malformed("its sample table states more bytes than the file has")
    count = samples.count
    middle = _middle(samples) if processes > 1 and total >= _WORTH_TWO_BYTES else count
    first = _Part(plain)
    if middle < count:
        with _SecondProcess(plain, middle, count) as second:
            first.read(0, middle)
            columns = second.columns()
        # The second process began with the header's parameter sets and nothing else. Where that was wrong, or the file
        # ended before, the rest is read again behind the first half: slower, and always right.
        whole = "truncated" not in first.columns.notes
        if columns is not None and whole and first.reader.state() == _Part(plain).reader.state():
            first.reader.close()
            first.columns.extend(columns, packets=middle)
            return first.columns, first.reader
    first.read(0 if middle >= count else middle, count)
    first.reader.close()
    return first.columns, first.reader


def _middle(samples: Samples) -> int:
    """The key sample nearest behind half of the bytes; the number of samples where none is."""
    position = int(samples.sizes.cumsum().searchsorted(samples.sizes.sum() // 2))
    keys = samples.sync[position:].nonzero()[0]
    return position + int(keys[0]) if len(keys) else samples.count


class _Part:
    """A reader and what it has read."""

    def __init__(self, plain: Plain) -> None:
        self._plain = plain
        self.columns = Columns()
        kind = H264Reader if plain.codec == "h264" else H265Reader
        self.reader = kind(self.columns, annex_b=False)
        self.reader.header(plain.header)

    def read(self, begin: int, end: int) -> None:
        """Take the samples from one to another, in pieces that stay in the processor's cache."""
        samples, size_bytes = self._plain.samples, self._plain.size_bytes
        offsets, sizes = samples.offsets[begin:end].tolist(), samples.sizes[begin:end].tolist()
        times = samples.pts[begin:end].tolist()
        count, position = end - begin, 0
        window = bytearray(_WINDOW_BYTES)
        take = self.reader.piece
        with open(self._plain.path, "rb", buffering=0) as file:
            while position < count:
                start = offsets[position]
                reach, stop = start + sizes[position], position + 1
                while stop < count and start <= offsets[stop] and offsets[stop] + sizes[stop] <= start + _WINDOW_BYTES:
                    reach = max(reach, offsets[stop] + sizes[stop])
                    stop += 1
                wanted = max(0, min(reach, size_bytes) - start)
                if wanted > len(window):
                    window = bytearray(wanted)
                got = os.preadv(file.fileno(), [memoryview(window)[:wanted]], start) if wanted else 0
                codes = _start_codes(window, got)
                for index in range(position, stop):
                    first = offsets[index] - start
                    last = min(first + sizes[index], got)
                    if last > first:
                        at = bisect_left(codes, first)
                        clear = at == len(codes) or codes[at] > last - len(START_CODE)
                        begun, sides = self.columns.begun, len(self.columns.side_units)
                        take(window, first, last, times[index], False, clear=clear)
                        if last < first + sizes[index]:
                            self._cut_off(begun, sides)
                            return
                    elif sizes[index]:
                        self.columns.notes.add("truncated")
                        return
                position = stop

    def _cut_off(self, begun: int, sides: int) -> None:
        """The file ended within the last sample: what it read as is doubtful, as in `UnitAssembler`."""
        self.columns.notes.add("truncated")
        if self.columns.begun:
            self.columns.cut.append(self.columns.begun - 1)
        if self.columns.begun == begun:
            self.columns.drop_sides(sides)


def _start_codes(window: bytearray, count: int) -> list[int]:
    """Where start codes stand in the first `count` bytes; several times as fast as `find` where they are rare.

    Every 00 00 01 has at an even place a pair 00 00, or a pair 00 01 behind a 00. As little-endian numbers these are 0
    and 256, so one comparison leaves little to look at.
    """
    whole = np.frombuffer(window, dtype=np.uint8, count=count)
    pairs = whole[: count // 2 * 2].view("<u2")
    likely = np.flatnonzero(pairs <= 256)
    places, found = 2 * likely, pairs[likely]
    even = places[(found == 0) & (places + 2 < count)]
    odd = places[(found == 256) & (places > 0)]
    return sorted((*even[whole[even + 2] == 1].tolist(), *(odd[whole[odd - 1] == 0] - 1).tolist()))


class _SecondProcess:
    """A second process that reads from one sample to another; the first goes on meanwhile."""

    def __init__(self, plain: Plain, begin: int, end: int) -> None:
        receive, send = os.pipe()
        self._source: BinaryIO = os.fdopen(receive, "rb", buffering=0)
        self._pid = os.fork()
        if self._pid:
            os.close(send)
            return
        # Only this one call may happen here: the copy of the process must not come back into the caller's code.
        status = 1
        try:
            with os.fdopen(send, "wb") as sink:
                part = _Part(plain)
                part.read(begin, end)
                part.reader.close()
                sink.writelines(frame(_packed(part.columns)))
            status = 0
        finally:
            os._exit(status)

    def columns(self) -> Columns | None:
        """What it read; None when it failed, or when it did not begin with a picture's first slice."""
        frames = FrameReader(_MESSAGE_BYTES)
        while data := self._source.read(1 << 20):
            for message in frames.feed(data):
                columns = _unpacked(message)
                return None if 0 in columns.cut else columns
        return None

    def __enter__(self) -> _SecondProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def _packed(columns: Columns) -> Message:
    head: dict[str, Any] = {
        "headers": [[at, digest.hex() if digest else None] for at, digest in columns.headers],
        "cut": columns.cut,
        "notes": sorted(columns.notes),
    }
    return Message(
        head=head,
        columns=(
            *(bytes(column) for column in (columns.coded, columns.keys, columns.inferred, columns.clean)),
            *(column.tobytes() for column in (columns.pts, columns.packets, columns.side_units)),
            *(bytes(column) for column in (columns.side_digests, columns.side_users)),
        ),
    )


def _unpacked(message: Message) -> Columns:
    coded, keys, inferred, clean, pts, packets, side_units, side_digests, side_users = message.columns
    columns = Columns(
        coded=bytearray(coded),
        keys=bytearray(keys),
        inferred=bytearray(inferred),
        clean=bytearray(clean),
        pts=array("q", pts),
        packets=array("q", packets),
        side_units=array("q", side_units),
        side_digests=bytearray(side_digests),
        side_users=bytearray(side_users),
    )
    columns.headers = [(at, bytes.fromhex(digest) if digest else None) for at, digest in message.head["headers"]]
    columns.cut = list(message.head["cut"])
    columns.notes = set(message.head["notes"])
    return columns
