"""Opening a stream copy in the middle: what earlier packets said that the first picture still needs.

A segment's file must stand alone. Parameter sets that arrived in the stream and differ from those in the container's
header, and side data that stands behind the previous segment's last picture but belongs to this one's first, are put in
front of its first packet. Nothing of the pictures is touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from evidence.errors import Malformed
from media import h264, h265
from media.nal import START_CODE, split_annex_b, split_packet

_LENGTH_SIZE = 4  # until a header says otherwise
_HEAD_BYTES = 32  # of a slice, enough for the id of its picture parameter set
_H265_IDS: Mapping[int, Callable[[bytes], int]] = {
    h265.VPS: h265.parse_vps_id,
    h265.SPS: lambda nal: h265.parse_sps_ids(nal)[0],
    h265.PPS: lambda nal: h265.parse_pps_ids(nal)[0],
}


class Splice:
    """Follows the packets of one track.

    Args:
        codec: only h264 and hevc carry parameter sets and side data in their packets; others pass through.
        header: the container's header for the decoder, which the segments' files repeat.
        annex_b: as for `UnitAssembler`.
    """

    def __init__(self, codec: str, header: bytes, *, annex_b: bool) -> None:
        self._codec = codec if codec in ("h264", "hevc") else ""
        self._length_size = 0 if annex_b else _LENGTH_SIZE
        self._annex_b = annex_b
        self._in_header: dict[tuple[int, int], bytes] = {}
        self._in_force: dict[tuple[int, int], bytes] = {}
        for nal in self._header_units(header):
            self._take(nal, self._in_header)
        self._in_force.update(self._in_header)

    def see(self, data: bytes) -> None:
        """Take note of the parameter sets in a packet; call it once for every packet in order."""
        if self._codec:
            for begin, end in self._split(data):
                self._take(data[begin:end], self._in_force)

    def see_header(self, header: bytes) -> list[bytes]:
        """Take note of a header that replaces the first one in mid-stream; returns its units, which must go in-band."""
        units = self._header_units(header)
        for nal in units:
            self._take(nal, self._in_force)
        return units

    def size(self, data: bytes) -> tuple[int, int] | None:
        """Width and height of the first picture in a packet that has been seen; None where the stream does not say."""
        heads = (data[begin : begin + _HEAD_BYTES] for begin, _ in self._split(data) if self._codec)
        head = next((head for head in heads if self._is_picture(head[:2])), None)
        if head is None:
            return None
        try:
            if self._codec == "h264":
                sps = h264.parse_pps_ids(self._in_force[h264.PPS, h264.parse_slice_pps(head[1:])])[1]
                stated = h264.parse_sps(self._in_force[h264.SPS, sps])
            else:
                pps = h265.parse_slice_pps(head[0] >> 1 & 63, head[2:])
                sps = h265.parse_pps_ids(self._in_force[h265.PPS, pps])[1]
                stated = h265.parse_sps(self._in_force[h265.SPS, sps])
        except (KeyError, Malformed):
            return None
        return stated.width, stated.height

    def missing_sets(self) -> list[bytes]:
        """The sets in force that the header does not hold, in the order in which they refer to each other."""
        return [nal for key, nal in sorted(self._in_force.items()) if self._in_header.get(key) != nal]

    def has_picture(self, data: bytes) -> bool:
        """Tell whether a packet holds any part of a picture; packets of other codecs always do."""
        if not self._codec:
            return True
        return any(self._is_picture(data[begin : begin + 2]) for begin, end in self._split(data))

    def take_off_tail(self, data: bytes, digests: frozenset[bytes]) -> tuple[bytes, list[bytes]]:
        """Cut side data that belongs to the next picture off the end of a packet.

        Args:
            digests: SHA-256 of the side data that stands before the next picture.

        Returns:
            The packet up to its last picture part when there is such a tail, else unchanged; and the tail's units.
        """
        if not self._codec or not digests:
            return data, []
        ranges = self._split(data)
        last = max((i for i, (begin, _) in enumerate(ranges) if self._is_picture(data[begin : begin + 2])), default=-1)
        tail = [data[begin:end] for begin, end in ranges[last + 1 :]]
        if last < 0 or not any(hashlib.sha256(nal).digest() in digests for nal in tail):
            return data, []
        return data[: ranges[last][1]], tail

    def put_in_front(self, nals: Sequence[bytes], data: bytes) -> bytes:
        """A packet with `nals` in front, framed as the packet is.

        Raises:
            Malformed: no framing gives a packet that reads as these units followed by its own.
        """
        if not nals or not self._codec:
            return data
        expected = [*nals, *(data[begin:end] for begin, end in self._split(data))]
        lengths = b"".join(len(nal).to_bytes(self._length_size, "big") + nal for nal in nals if self._length_size)
        codes = b"".join(b"\x00" + START_CODE + nal for nal in nals)
        for joined in ((lengths + data) if self._length_size else b"", codes + data):
            if [joined[begin:end] for begin, end in self._split(joined)] == expected:
                return joined
        raise Malformed("the first packet of a segment is framed in a way that nothing can be put in front of")

    def _split(self, data: bytes) -> list[tuple[int, int]]:
        return split_packet(data, self._length_size)[0]

    def _header_units(self, header: bytes) -> list[bytes]:
        """The units in a decoder configuration; one that cannot be read holds none, as for the assembler."""
        if not self._codec or not header:
            return []
        parse = h264.parse_configuration if self._codec == "h264" else h265.parse_configuration
        # A start code begins with two zeros; configurations begin with their version (H.265: 0 for early muxers).
        if header[:3] != START_CODE and header[:4] != b"\x00" + START_CODE:
            try:
                length_size, units = parse(header)
            except Malformed:
                return []
            if not self._annex_b:
                self._length_size = length_size
            return list(units)
        return [header[begin:end] for begin, end in split_annex_b(header)]

    def _is_picture(self, head: bytes) -> bool:
        if self._codec == "h264":
            return 1 <= head[0] & 31 <= h264.IDR
        return head[0] >> 1 & 63 <= h265.LAST_VCL and h265.layer(head) == 0

    def _take(self, nal: bytes, sets: dict[tuple[int, int], bytes]) -> None:
        """Keep a parameter set under its kind and id. Kinds ascend in the order in which sets are referred to."""
        kind = nal[0] & 31 if self._codec == "h264" else nal[0] >> 1 & 63
        try:
            if self._codec == "h264" and kind == h264.SPS:
                sets[kind, h264.parse_sps_id(nal)] = nal
            elif self._codec == "h264" and kind == h264.PPS:
                sets[kind, h264.parse_pps_ids(nal)[0]] = nal
            elif self._codec == "hevc" and kind in _H265_IDS and h265.layer(nal) == 0:
                sets[kind, _H265_IDS[kind](nal)] = nal
        except Malformed:
            return
