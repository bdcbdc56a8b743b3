"""The parameter sets in force, and the context digest of the pictures that refer to them.

Sets are kept as they were last received, per id, the container's header first. A context is the SHA-256 over the sets
that a picture's slices refer to: per slice VPS, SPS, PPS, each set once, as it stands with NAL header and emulation
prevention, behind its length as u32. Sets that nothing refers to are not bound: stale ones come and go in re-packaging.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from evidence.errors import Malformed
from media import h264, h265
from media.h264 import StreamFormat

# A slice's reference: the state of the sets when it was read, and its picture parameter set.
Reference = tuple[int, int]
NO_SET = -1


class ParameterSets(Protocol):
    """What H.264 and H.265 have in common here."""

    version: int

    def take(self, kind: int, nal: bytes) -> None:
        """Keep a parameter set; one that cannot be read is passed over, as decoders do."""

    def sets_of(self, pps: int) -> tuple[bytes, ...] | None:
        """The sets that a slice with this picture parameter set refers to, in order; None when one is lacking."""

    def stream_format(self, pps: int) -> StreamFormat | None:
        """What the sequence parameter set behind `pps` says; None when it is lacking or cannot be read."""

    def state(self) -> object:
        """Equal for equal sets."""


class H264Sets:
    """`chroma_444` tells whether a sequence parameter set in force says 4:4:4."""

    def __init__(self) -> None:
        self.version = 0
        self.chroma_444 = False
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, tuple[int, bytes]] = {}

    def take(self, kind: int, nal: bytes) -> None:
        try:
            if kind == h264.SPS:
                sps = h264.parse_sps_id(nal)
                if self._sps.get(sps) == nal:
                    return
                self._sps[sps] = nal
                self.chroma_444 = any(_chroma_444(each) for each in self._sps.values())
            else:
                pps, sps = h264.parse_pps_ids(nal)
                if self._pps.get(pps) == (sps, nal):
                    return
                self._pps[pps] = (sps, nal)
        except Malformed:
            return
        self.version += 1

    def sets_of(self, pps: int) -> tuple[bytes, ...] | None:
        found = self._pps.get(pps)
        sps = self._sps.get(found[0]) if found else None
        return (sps, found[1]) if found and sps is not None else None

    def stream_format(self, pps: int) -> StreamFormat | None:
        sets = self.sets_of(pps)
        try:
            return h264.parse_sps(sets[0]) if sets else None
        except Malformed:
            return None

    def state(self) -> object:
        return (self._sps, self._pps)


def _chroma_444(sps: bytes) -> bool:
    try:
        return h264.parse_sps(sps).chroma == 3
    except Malformed:
        return False


class H265Sets:
    """The sets of the base layer; those of further layers decode no picture that is examined."""

    def __init__(self) -> None:
        self.version = 0
        self._vps: dict[int, bytes] = {}
        self._sps: dict[int, tuple[int, bytes]] = {}
        self._pps: dict[int, tuple[int, bytes]] = {}

    def take(self, kind: int, nal: bytes) -> None:
        try:
            if kind == h265.VPS:
                vps = h265.parse_vps_id(nal)
                if self._vps.get(vps) == nal:
                    return
                self._vps[vps] = nal
            else:
                kept, parse = (self._sps, h265.parse_sps_ids) if kind == h265.SPS else (self._pps, h265.parse_pps_ids)
                own, refers = parse(nal)
                if kept.get(own) == (refers, nal):
                    return
                kept[own] = (refers, nal)
        except Malformed:
            return
        self.version += 1

    def sets_of(self, pps: int) -> tuple[bytes, ...] | None:
        picture = self._pps.get(pps)
        sequence = self._sps.get(picture[0]) if picture else None
        if picture is None or sequence is None:
            return None
        # Some decoders do without the video parameter set. A stream that lacks it alone is told by its own context;
        # to call it undecodable would let the other two change unseen.
        video = self._vps.get(sequence[0])
        return (sequence[1], picture[1]) if video is None else (video, sequence[1], picture[1])

    def stream_format(self, pps: int) -> StreamFormat | None:
        sets = self.sets_of(pps)
        try:
            return h265.parse_sps(sets[-2]) if sets else None
        except Malformed:
            return None

    def state(self) -> object:
        return (self._vps, self._sps, self._pps)


class Contexts:
    """Context digests, remembered: an hour of pictures has one or two."""

    def __init__(self, sets: ParameterSets) -> None:
        self._sets = sets
        self._resolved: dict[Reference, tuple[bytes, ...] | None] = {}
        self._digests: dict[tuple[Reference, ...], bytes | None] = {}

    def refer(self, pps: int) -> Reference:
        """Note that a slice refers to `pps` (or `NO_SET`: unreadable) as the sets are now."""
        reference = (self._sets.version, pps)
        if reference not in self._resolved:
            self._resolved[reference] = self._sets.sets_of(pps)
        return reference

    def digest(self, references: tuple[Reference, ...]) -> bytes | None:
        """The context of a picture whose slices made these references; None when it refers to a set that is lacking."""
        if references not in self._digests:
            self._digests[references] = self._digest(references)
        return self._digests[references]

    def _digest(self, references: tuple[Reference, ...]) -> bytes | None:
        units: dict[bytes, None] = {}
        for reference in references:
            sets = self._resolved[reference]
            if sets is None:
                return None
            units.update(dict.fromkeys(sets))
        return context_digest(*units) if units else None


def context_digest(*units: bytes) -> bytes:
    """SHA-256 over the units, each behind its length as u32."""
    digest = hashlib.sha256()
    for unit in units:
        digest.update(len(unit).to_bytes(4, "big") + unit)
    return digest.digest()
