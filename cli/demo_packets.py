"""Cut and join coded pictures without decoding them: what an editor without re-encoding can do to a clip.

A clip is read into runs of packets; every edit of the demo is a new order of runs, written back with the clip's own
headers. The pictures' bytes are never touched unless an edit says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av

from evidence.errors import UnsupportedMedia

_BITEXACT = {"fflags": "+bitexact"}  # no dates, names or random ids: the same edit gives the same file


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """One packet, times in the clip's ticks."""

    data: bytes
    pts: int
    dts: int
    duration: int
    key: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Packets that follow each other, and the ticks from the first to what follows the last."""

    packets: tuple[Coded, ...]
    span: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """The packets of a file's first video track, in the order they are decoded."""

    path: Path
    codec: str
    time_base: Fraction
    extradata: bytes
    packets: tuple[Coded, ...]

    def run(self, first: int, end: int) -> Run:
        """The packets from `first` to before `end`."""
        packets = self.packets[first:end]
        after = self.packets[end].dts if end < len(self.packets) else packets[-1].dts + packets[-1].duration
        return Run(packets=packets, span=after - packets[0].dts)

    def at(self, seconds: float, *, key: bool) -> int:
        """The packet decoded `seconds` after the first, or the first key picture from there on (else the nearest)."""
        ticks = self.packets[0].dts + round(seconds / self.time_base)
        later = [i for i, p in enumerate(self.packets) if p.dts >= ticks and (p.key or not key)]
        if later:
            return later[0]
        return max((i for i, p in enumerate(self.packets) if p.key or not key), default=0)

    @property
    def seconds(self) -> float:
        """How long the clip plays."""
        return float(self.run(0, len(self.packets)).span * self.time_base)


def read_clip(path: Path) -> Clip:
    """Read every packet of the first video track.

    Raises:
        UnsupportedMedia: no video track, or a container that gives no packets.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise UnsupportedMedia("the file has no video track", where=str(path))
            stream = container.streams.video[0]
            time_base = stream.time_base or Fraction(1, 1000)
            nominal = round(1 / (stream.average_rate or Fraction(25)) / time_base) or 1
            read = [(bytes(p), p.pts, p.dts, p.duration, p.is_keyframe) for p in container.demux(stream) if p.size]
            codec, extradata = stream.codec_context.name, bytes(stream.codec_context.extradata or b"")
    except av.FFmpegError as error:
        raise UnsupportedMedia(f"the file cannot be read as video: {error.strerror}", where=str(path)) from error
    if not read:
        raise UnsupportedMedia("the file holds no picture", where=str(path))
    pts = [p if p is not None else d if d is not None else i * nominal for i, (_, p, d, _, _) in enumerate(read)]
    dts = _decode_times([d for _, _, d, _, _ in read], pts)
    packets = tuple(
        Coded(data=data, pts=p, dts=d, duration=duration or nominal, key=key)
        for (data, _, _, duration, key), p, d in zip(read, pts, dts, strict=True)
    )
    return Clip(path=path, codec=codec, time_base=time_base, extradata=extradata, packets=packets)


def _decode_times(stated: Sequence[int | None], pts: Sequence[int]) -> list[int]:
    """Decode times that muxers accept: the stated ones if all are there and rise, else derived from `pts`."""
    known = [d for d in stated if d is not None]
    if len(known) == len(pts) and all(a < b for a, b in pairwise(known)):
        return known
    ordered: list[int] = []
    for value in sorted(pts):
        ordered.append(value if not ordered else max(value, ordered[-1] + 1))
    delay = max(0, *(d - p for d, p in zip(ordered, pts, strict=True)), 0)
    return [d - delay for d in ordered]


def joined(runs: Iterable[Run]) -> tuple[Coded, ...]:
    """One run after the other on one clock that begins at 0 (AVI fills up what lies before); each keeps its timing."""
    packets: list[Coded] = []
    at = 0
    for run in runs:
        start = run.packets[0].dts
        packets += [replace(p, pts=p.pts - start + at, dts=p.dts - start + at) for p in run.packets]
        at += run.span
    return tuple(packets)


def rescaled(run: Run, *, old: Fraction, new: Fraction) -> Run:
    """The same run with its ticks counted in another time base."""

    def ticks(value: int) -> int:
        return round(value * old / new)

    start = run.packets[0].dts
    moved = [(p, ticks(p.dts - start)) for p in run.packets]
    packets = tuple(replace(p, pts=at + ticks(p.pts - p.dts), dts=at, duration=ticks(p.duration)) for p, at in moved)
    return Run(packets=packets, span=ticks(run.span))


def write_clip(clip: Clip, packets: Iterable[Coded], path: Path) -> None:
    """Write `packets` under the headers of `clip`; the suffix of `path` chooses the container.

    Raises:
        UnsupportedMedia: the container does not take this codec.
    """
    try:
        with av.open(str(clip.path)) as source, av.open(str(path), "w", options=_BITEXACT) as output:
            template = source.streams.video[0]
            stream = output.add_stream_from_template(template, opaque=True)
            stream.time_base = clip.time_base
            for coded in packets:
                packet = av.Packet(coded.data)
                packet.pts, packet.dts, packet.duration = coded.pts, coded.dts, coded.duration
                packet.time_base, packet.is_keyframe, packet.stream = clip.time_base, coded.key, stream
                output.mux_one(packet)
    except (av.FFmpegError, ValueError) as error:
        path.unlink(missing_ok=True)
        container = path.suffix.lstrip(".").upper()
        raise UnsupportedMedia(f"{container} does not take {clip.codec} pictures", where=str(clip.path)) from error
