"""The parameter sets in force, and the context digest of the pictures that refer to them.

Sets are kept as they were last received, per id, the container's header first. A context is the SHA-256 over the sets
that a picture's slices refer to: per slice VPS, SPS, PPS, each set once, as it stands with NAL header and emulation
prevention, behind its length as u32. Sets that nothing refers to are not bound: stale ones come and go in re-packaging.

Decoders differ in what becomes of a picture parameter set when the set that it refers to is replaced by another: FFmpeg
goes on with the former one (H.264) or drops both (H.265); by the standard the new one counts. Encoders send them all
again. Where one was not sent again, the digest of what was replaced stands behind the sets (`replaced`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Kept:
    """A set that refers to another one: that one's id, its bytes, and the digest of all that was replaced under it."""

    refers: int
    nal: bytes
    replaced: bytes = b""

    def replace(self, former: bytes) -> None:
        self.replaced = hashlib.sha256(self.replaced + former).digest()


class H264Sets:
    """`chroma_444` tells whether a sequence parameter set in force says 4:4:4."""

    def __init__(self) -> None:
        self.version = 0
        self.chroma_444 = False
        self._sps: dict[int, bytes] = {}
        self._pps: dict[int, _Kept] = {}

    def take(self, kind: int, nal: bytes) -> None:
        try:
            if kind == h264.SPS:
                changed = self._take_sps(h264.parse_sps_id(nal), nal)
            else:
                changed = _take_pps(self._pps, self._sps, *h264.parse_pps_ids(nal), nal)
        except Malformed:
            return
        self.version += changed

    def _take_sps(self, sps: int, nal: bytes) -> bool:
        former = self._sps.get(sps)
        if former == nal:
            return False
        self._sps[sps] = nal
        self.chroma_444 = any(_chroma_444(each) for each in self._sps.values())
        if former is not None:
            _replace(self._pps, sps, former)
        return True

    def sets_of(self, pps: int) -> tuple[bytes, ...] | None:
        found = self._pps.get(pps)
        sps = self._sps.get(found.refers) if found else None
        return (sps, found.nal, *_told(found.replaced)) if found and sps is not None else None

    def stream_format(self, pps: int) -> StreamFormat | None:
        sets = self.sets_of(pps)
        try:
            return h264.parse_sps(sets[0]) if sets else None
        except Malformed:
            return None

    def state(self) -> object:
        return (self._sps, self._pps)


def _take_pps(kept: dict[int, _Kept], sequences: Mapping[int, object], pps: int, sps: int, nal: bytes) -> bool:
    former, made = kept.get(pps), _Kept(sps, nal)
    if former is not None and former.nal != nal and sps not in sequences:
        made.replace(former.nal)  # FFmpeg passes over one without its sequence parameter set
    if former == made:
        return False
    kept[pps] = made
    return True


def _replace(kept: Mapping[int, _Kept], refers: int, former: bytes) -> None:
    for each in kept.values():
        if each.refers == refers:
            each.replace(former)


def _told(*replaced: bytes) -> tuple[bytes, ...]:
    return tuple(filter(None, replaced))


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
        self._sps: dict[int, _Kept] = {}
        self._pps: dict[int, _Kept] = {}

    def take(self, kind: int, nal: bytes) -> None:
        try:
            if kind == h265.VPS:
                changed = self._take_vps(h265.parse_vps_id(nal), nal)
            elif kind == h265.SPS:
                changed = self._take_sps(*h265.parse_sps_ids(nal), nal)
            else:
                changed = _take_pps(self._pps, self._sps, *h265.parse_pps_ids(nal), nal)
        except Malformed:
            return
        self.version += changed

    def _take_vps(self, vps: int, nal: bytes) -> bool:
        former = self._vps.get(vps)
        if former == nal:
            return False
        self._vps[vps] = nal
        if former is not None:
            _replace(self._sps, vps, former)
            for number, sequence in self._sps.items():
                if sequence.refers == vps:
                    _replace(self._pps, number, former)
        return True

    def _take_sps(self, sps: int, vps: int, nal: bytes) -> bool:
        former, made = self._sps.get(sps), _Kept(vps, nal)
        if former == made:
            return False
        self._sps[sps] = made
        if former is not None and former.nal != nal:
            _replace(self._pps, sps, former.nal)
            if vps not in self._vps:
                made.replace(former.nal)  # FFmpeg passes over one without its video parameter set
        return True

    def sets_of(self, pps: int) -> tuple[bytes, ...] | None:
        picture = self._pps.get(pps)
        sequence = self._sps.get(picture.refers) if picture else None
        if picture is None or sequence is None:
            return None
        # Some decoders do without the video parameter set. A stream that lacks it alone is told by its own context;
        # to call it undecodable would let the other two change unseen.
        return (
            *_told(self._vps.get(sequence.refers, b"")),
            *(sequence.nal, picture.nal),
            *_told(sequence.replaced, picture.replaced),
        )

    def stream_format(self, pps: int) -> StreamFormat | None:
        picture = self._pps.get(pps)
        sequence = self._sps.get(picture.refers) if picture else None
        try:
            return h265.parse_sps(sequence.nal) if sequence else None
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
