"""What the packets of H.264 and H.265 hold: slices of pictures, parameter sets, side data."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable

from evidence.errors import Malformed
from media import h264, h265, nal, side
from media.columns import ENTRY, LEADING, Columns
from media.h264 import StreamFormat
from media.nal import FIRST_START_CODE, START_CODE, split_annex_b, split_packet
from media.parameter_sets import NO_SET, Contexts, H264Sets, H265Sets, ParameterSets, Reference

# Bytes behind a slice's NAL header that always hold what is read of it, emulation prevention included.
_HEAD_BYTES = 24


class _SlicePps(dict[int, int]):
    """Picture parameter set id by the two bytes behind a slice's NAL header, or -1: these two bytes do not tell.

    Nearly every slice of nearly every camera is told by them, so the bits are read once and not 90,000 times an hour.
    """

    def __init__(self, parse: Callable[[bytes], int]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, head: int) -> int:
        self[head] = value = self._whole(head.to_bytes(2, "big"))
        return value

    def of(self, data: bytes | bytearray, begin: int, end: int) -> int:
        """The id for a slice whose bytes behind the NAL header stand from `begin` to `end`; -1: unreadable."""
        pps = self[data[begin] << 8 | data[begin + 1]] if end - begin > 1 else NO_SET
        return pps if pps >= 0 else self._whole(bytes(data[begin : min(begin + _HEAD_BYTES, end)]))

    def _whole(self, head: bytes) -> int:
        try:
            return self._parse(head)
        except Malformed:
            return NO_SET


class NalReader(ABC):
    """What H.264 and H.265 share: a unit is all slices from one that says "first in picture" to the next such one."""

    def __init__(self, columns: Columns, sets: ParameterSets, *, annex_b: bool) -> None:
        self._columns = columns
        self._sets = sets
        self._contexts = Contexts(sets)
        self._annex_b = annex_b
        self._length_size = 0 if annex_b else 4
        self._header_sides: list[tuple[bytes, bool]] = []
        self._packets = 0
        self._hash: hashlib._Hash | None = None
        self._references: tuple[Reference, ...] = ()
        self._first_format: StreamFormat | None = None

    @property
    def stream_format(self) -> StreamFormat | None:
        return self._first_format

    def state(self) -> object:
        return self._sets.state()

    def header(self, data: bytes) -> None:
        self._header_sides = []
        if not data:
            return
        try:
            length_size, units = self._parse_header(data)
        except Malformed:
            self._columns.notes.add("damaged_header")
            return
        if length_size and not self._annex_b:
            self._length_size = length_size
        for unit in units:
            if unit:
                self._header_unit(unit)

    @abstractmethod
    def _parse_header(self, data: bytes) -> tuple[int, Iterable[bytes]]:
        """Bytes of each length (0: Annex B) and the units that stand in the container's header."""

    @abstractmethod
    def _header_unit(self, unit: bytes) -> None:
        """Take one of them."""

    def packet(self, data: bytes, time: int, inferred: bool, keyframe: bool) -> None:
        self.piece(data, 0, len(data), time, inferred)

    def piece(
        self, data: bytes | bytearray, begin: int, end: int, time: int, inferred: bool, *, clear: bool = False
    ) -> None:
        """Take the packet that stands from `begin` to `end` in `data`; `clear` as in `split_packet`."""
        ranges, odd = split_packet(data, self._length_size, begin, end, clear=clear)
        if odd:
            self._note(bytes(data[begin:end]), time, inferred, odd)
        if ranges:
            self._units(data, ranges, time, inferred)
        if odd & nal.CUT_SHORT and self._columns.begun:
            self._columns.cut.append(self._columns.begun - 1)
        self._packets += 1

    @abstractmethod
    def _units(self, data: bytes | bytearray, ranges: nal.Ranges, time: int, inferred: bool) -> None:
        """Take the units of one packet."""

    def _note(self, data: bytes, time: int, inferred: bool, odd: int) -> None:
        if odd & nal.START_CODE_INSIDE:
            self._columns.notes.add("start_code_inside")
        if odd & nal.UNREADABLE and any(data):
            # Some player may make a picture of it, so it must not go unseen: a unit that equals no recorded one.
            self._columns.notes.add("damaged_packet")
            self.close()
            self._columns.begin(pts=time, inferred=inferred, key=False, clean=0, packet=self._packets)
            self._columns.finish(hashlib.sha256(data).digest(), None)

    def _begin(self, piece: memoryview, reference: Reference | None, *, key: bool) -> None:
        self._hash = started = hashlib.sha256(FIRST_START_CODE)
        started.update(piece)
        self._references = (reference,) if reference else ()
        if key:
            for digest, user in self._header_sides:
                self._columns.side(digest, user=user)
        if self._first_format is None and reference:
            self._first_format = self._sets.stream_format(reference[1])

    def _more(self, piece: memoryview, reference: Reference | None) -> None:
        assert self._hash is not None
        self._hash.update(START_CODE)
        self._hash.update(piece)
        if reference and reference not in self._references:
            self._references += (reference,)

    def close(self) -> None:
        if self._hash is not None:
            self._columns.finish(self._hash.digest(), self._contexts.digest(self._references))
            self._hash = None


class H264Reader(NalReader):
    def __init__(self, columns: Columns, *, annex_b: bool) -> None:
        self._h264_sets = H264Sets()
        super().__init__(columns, self._h264_sets, annex_b=annex_b)
        self._pps = _SlicePps(h264.parse_slice_pps)

    def _parse_header(self, data: bytes) -> tuple[int, Iterable[bytes]]:
        if data[0] == 1:
            return h264.parse_configuration(data)
        return 0, [data[begin:end] for begin, end in split_annex_b(data)]

    def _header_unit(self, unit: bytes) -> None:
        kind = unit[0] & 31
        if kind in (h264.SPS, h264.PPS):
            self._sets.take(kind, unit)
            return
        rank = self._rank(kind, unit)
        if rank != side.FREE:
            self._header_sides.append((hashlib.sha256(unit).digest(), rank == side.USER))

    def _rank(self, kind: int, unit: bytes) -> int:
        if kind in (h264.DELIMITER, h264.FILLER):
            return side.FREE
        if kind == h264.SEI:
            return side.sei_class(unit, header_bytes=1, chroma_444=self._h264_sets.chroma_444)
        return side.BOUND

    def _units(self, data: bytes | bytearray, ranges: nal.Ranges, time: int, inferred: bool) -> None:
        columns, view, begun = self._columns, memoryview(data), False
        for begin, end in ranges:
            kind = data[begin] & 31
            if 1 <= kind <= 5:
                reference, first = None, False
                # Partitions B and C carry no slice header of their own.
                if kind not in (3, 4) and end > begin + 1:
                    reference = self._contexts.refer(self._pps.of(data, begin + 1, end))
                    first = data[begin + 1] >= 0x80
                if self._hash is not None and not first:
                    self._more(view[begin:end], reference)
                    continue
                self.close()
                if not first:
                    columns.cut.append(columns.begun)
                key = kind == h264.IDR
                self._begin(view[begin:end], reference, key=key)
                columns.begin(
                    pts=time, inferred=inferred or begun, key=key, clean=ENTRY if key else 0, packet=self._packets
                )
                begun = True
            elif kind in (h264.SPS, h264.PPS):
                self._sets.take(kind, bytes(view[begin:end]))
            else:
                unit = bytes(view[begin:end])
                rank = self._rank(kind, unit)
                if rank != side.FREE:
                    columns.side(hashlib.sha256(unit).digest(), user=rank == side.USER)


class H265Reader(NalReader):
    def __init__(self, columns: Columns, *, annex_b: bool) -> None:
        super().__init__(columns, H265Sets(), annex_b=annex_b)
        self._pps = _SlicePps(lambda head: h265.parse_slice_pps(0, head))
        self._pps_irap = _SlicePps(lambda head: h265.parse_slice_pps(h265.FIRST_IRAP, head))

    def _parse_header(self, data: bytes) -> tuple[int, Iterable[bytes]]:
        # Version 0 was written by early muxers; a start code begins 00 00 01 or 00 00 00 01.
        if len(data) > 3 and (data[0] or data[1] or data[2] > 1):
            return h265.parse_configuration(data)
        return 0, [data[begin:end] for begin, end in split_annex_b(data)]

    def _header_unit(self, unit: bytes) -> None:
        kind = unit[0] >> 1 & 63
        if h265.VPS <= kind <= h265.PPS:
            if h265.layer(unit) == 0:
                self._sets.take(kind, unit)
            return
        rank = self._rank(kind, unit)
        if rank != side.FREE:
            self._header_sides.append((hashlib.sha256(unit).digest(), rank == side.USER))

    def _rank(self, kind: int, unit: bytes) -> int:
        if kind in (h265.DELIMITER, h265.FILLER):
            return side.FREE
        if kind in (h265.PREFIX_SEI, h265.SUFFIX_SEI):
            return side.sei_class(unit, header_bytes=2)
        return side.BOUND

    def _units(self, data: bytes | bytearray, ranges: nal.Ranges, time: int, inferred: bool) -> None:
        columns, view, begun = self._columns, memoryview(data), False
        for begin, end in ranges:
            kind = data[begin] >> 1 & 63
            base = end > begin + 1 and not data[begin] & 1 and data[begin + 1] < 8
            if kind <= h265.LAST_VCL and base:
                known = self._pps_irap if h265.FIRST_IRAP <= kind <= h265.LAST_IRAP else self._pps
                reference = self._contexts.refer(known.of(data, begin + 2, end))
                first = end > begin + 2 and data[begin + 2] >= 0x80
                if self._hash is not None and not first:
                    self._more(view[begin:end], reference)
                    continue
                self.close()
                if not first:
                    columns.cut.append(columns.begun)
                key = h265.FIRST_KEY <= kind <= h265.LAST_KEY
                self._begin(view[begin:end], reference, key=key)
                clean = ENTRY if key else LEADING if kind in h265.RASL else 0
                columns.begin(pts=time, inferred=inferred or begun, key=key, clean=clean, packet=self._packets)
                begun = True
            elif h265.VPS <= kind <= h265.PPS:
                # Those of further layers decode no picture that is examined.
                if base:
                    self._sets.take(kind, bytes(view[begin:end]))
            else:
                unit = bytes(view[begin:end])
                rank = self._rank(kind, unit)
                if rank != side.FREE:
                    columns.side(hashlib.sha256(unit).digest(), user=rank == side.USER)
