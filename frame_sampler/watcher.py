"""Decodes what is being copied, and takes the samples that the policy asks for.

Packets are the truth: whatever goes wrong here costs samples and leaves a note, never a unit. Decoding starts afresh at
every segment that begins with a key picture, so that a segment's samples depend on its own file alone.

Runs in the media child only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from av.packet import Packet as RawPacket
from numpy.typing import NDArray

from evidence.policy import Policy
from frame_sampler import motion, sampling
from frame_sampler.fingerprint import phash
from frame_sampler.motion import Background
from frame_sampler.pieces import Copied, Piece, Watched
from frame_sampler.samples import Look
from frame_sampler.sampling import Features, State
from media.columns import LEADING
from media.decode import EXACT_CODECS, Decoder, Picture
from media.grid import grid
from media.packets import PacketSource
from media.pixels import pixels_digest

# No decoder holds a picture back longer than its reorder buffer, 16 pictures.
_LATE_UNITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Expected:
    """A unit whose picture may come out of the decoder."""

    number: int
    index: int
    offset_us: int
    key: bool
    leading: bool


@dataclass(slots=True, kw_only=True)
class _Segment:
    """What was seen of one segment.

    `slots` of the minimum rate with the first unit in each, `filled` those with a sample, `until` the unit of the
    stream after which nothing more of this segment is waited for.
    """

    from_key: bool
    looks: list[Look] = field(default_factory=list)
    slots: dict[int, int] = field(default_factory=dict)
    filled: set[int] = field(default_factory=set)
    until: int | None = None


class Watcher:
    """Takes pieces and closed segments in their order, gives finished sets of samples.

    Args:
        source: opened, its decoder unused.

    Raises:
        UnsupportedMedia: nothing can decode it.
    """

    def __init__(self, source: PacketSource, policy: Policy) -> None:
        self._decoder = Decoder(source.stream)
        self._policy = policy
        self._exact = source.codec in EXACT_CODECS
        self._state: State = sampling.START
        self._current, self._seen_us = -1, 0
        self._background: Background | None = None
        self._expected: dict[int, _Expected] = {}
        self._segments: dict[int, _Segment] = {}

    def see(self, piece: Piece) -> Iterator[Watched]:
        """Decode one piece."""
        first = piece.units[0]
        if piece.number >= 0 and piece.first_in_segment == 0:
            if first.key:
                yield from self._drain()
            self._segments[piece.number] = _Segment(from_key=first.key)
        if any(not side.user for unit in piece.units for side in unit.sides):
            self._exact = False
        self._expect(piece)
        packet = RawPacket(piece.data)
        packet.is_keyframe = first.key
        for picture in self._decoder.decode(packet, unit=first.index, entry=first.key):
            self._look(picture)
        for index in [index for index in self._expected if index < first.index - _LATE_UNITS]:
            del self._expected[index]  # placeholders and pictures that could not be decoded
        yield from self._finished(first.index)

    def close(self, copied: Copied) -> None:
        """A segment has got its last piece."""
        last = copied.first_unit + len(copied.flags) - 1
        self._segments[copied.number].until = last + _LATE_UNITS

    def finish(self) -> Iterator[Watched]:
        """End of the stream."""
        yield from self._drain()

    def _expect(self, piece: Piece) -> None:
        if piece.number < 0:
            return
        segment = self._segments[piece.number]
        for at, (unit, offset_us) in enumerate(zip(piece.units, piece.offsets_us, strict=True)):
            leading = segment.from_key and (offset_us < 0 or (unit.clean == LEADING and offset_us <= 0))
            if at == 0:
                # Further units of a piece are second fields: they come out as part of the first one's picture.
                self._expected[unit.index] = _Expected(
                    number=piece.number, index=piece.first_in_segment, offset_us=offset_us, key=unit.key,
                    leading=leading,
                )  # fmt: skip
            if not leading and self._policy.minimum_per_s:
                segment.slots.setdefault(self._slot(offset_us), piece.first_in_segment + at)

    def _look(self, picture: Picture) -> None:
        expected = None if picture.unit is None else self._expected.pop(picture.unit, None)
        if expected is None or expected.number < self._current or not picture.comparable:
            return
        if expected.number > self._current:
            self._enter(expected.number)
        time_us = expected.offset_us
        self._seen_us = max(self._seen_us, time_us)
        if expected.leading or not sampling.worth_a_look(self._policy, self._state, time_us=time_us, key=expected.key):
            return
        seen = grid(picture)
        moved, self._background = motion.look(self._background, seen, width=picture.width, height=picture.height)
        features = Features(time_us=time_us, key=expected.key, score=moved.score)
        reason, self._state = sampling.decide(self._policy, self._state, features)
        if reason is None:
            return
        exact = self._exact and picture.errors == 0
        segment = self._segments[expected.number]
        segment.filled.add(self._slot(time_us))
        segment.looks.append(
            Look(
                unit=expected.index,
                phash=phash(_luma(picture)),
                grid=seen,
                pixels=pixels_digest(picture) if exact else None,
                score=moved.score,
                regions=moved.regions,
            )
        )

    def _slot(self, offset_us: int) -> int:
        return offset_us * self._policy.minimum_per_s // 1_000_000

    def _enter(self, number: int) -> None:
        """Pictures of another segment begin: slots count from its first unit, the budget counts on."""
        self._state = sampling.next_segment(self._state, self._seen_us)
        self._current, self._seen_us = number, 0

    def _drain(self) -> Iterator[Watched]:
        for picture in self._decoder.decode(None):
            self._look(picture)
        self._expected.clear()
        yield from self._finished(None)

    def _finished(self, unit: int | None) -> Iterator[Watched]:
        """Segments of which nothing more can come: all closed ones when None, else those long before `unit`."""
        for number, segment in sorted(self._segments.items()):
            if segment.until is not None and (unit is None or segment.until < unit):
                del self._segments[number]
                looks = tuple(sorted(segment.looks, key=lambda look: look.unit))
                missing = tuple(unit for slot, unit in sorted(segment.slots.items()) if slot not in segment.filled)
                yield Watched(number=number, looks=looks, missing=missing)


def _luma(picture: Picture) -> NDArray[np.uint8]:
    luma = picture.planes[0]
    return luma.astype(np.uint8) if picture.depth == 8 else (luma >> (picture.depth - 8)).astype(np.uint8)
