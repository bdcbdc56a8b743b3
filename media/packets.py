"""Packets of a file's picture track, as its container holds them: no decoding, no edit list, no guess at what is shown.

Runs in the media child only.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import av
import av.packet
import av.stream
from av.codec.context import CodecContext
from av.video.stream import VideoStream

from evidence.errors import Malformed, UnsupportedMedia
from media.avi import decoder_header
from media.tags import bound_tag

if TYPE_CHECKING:
    RawPacket: TypeAlias = av.packet.Packet[Any]  # generic in the stubs only

# Demultiplexers that may open a file. Play lists, scripts and image sequences, which lead to other files, are not among
# them, nor is any protocol but plain files.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpegts,avi,h264,hevc,obu,ivf,m4v,mpeg,mpegvideo,mjpeg,flv,asf,live_flv,dv,gxf,"
    "mxf,ogg,rm,nut,aac,mp3,wav,flac,ac3,wv,caf,aiff"
)
_CONTAINERS: Mapping[str, str] = {"mov,mp4,m4a,3gp,3g2,mj2": "mp4", "matroska,webm": "matroska"}

# Containers in which Annex B is the only framing, and in which a library makes the decoder's header up from packets.
ANNEX_B = frozenset({"mpegts", "h264", "hevc", "mpeg"})
# Containers without presentation times.
TIMELESS = frozenset({"avi", "h264", "hevc", "obu", "m4v", "mpegvideo", "mjpeg"})

# Codings that decode by a header; the rest stand in packets alone.
WITH_HEADER = frozenset({"h264", "hevc", "av1", "mpeg4"})

_NOMINAL_RATE = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet of the examined track.

    Attributes:
        time: presentation time in ticks: `pts`, else `dts`, else the previous one plus the nominal interval.
        inferred: both times were missing.
        keyframe: the container's word.
        corrupt: the container states more bytes than there are.
        header: a decoder header that replaces the former one from here on.
        raw: PyAV's own packet, for stream copies; None where packets were read without PyAV.
    """

    data: bytes
    pts: int | None
    dts: int | None
    time: int
    inferred: bool
    keyframe: bool
    corrupt: bool = False
    header: bytes | None = None
    raw: RawPacket | None = None


class Times:
    """Gives every packet a time. `nominal` is the interval between pictures in ticks."""

    def __init__(self, nominal: int) -> None:
        self._nominal = max(1, nominal)
        self._last: int | None = None

    def resolve(self, pts: int | None, dts: int | None) -> tuple[int, bool]:
        """The time of the next packet, and whether it had to be inferred."""
        time = pts if pts is not None else dts
        inferred = time is None
        if time is None:
            time = 0 if self._last is None else self._last + self._nominal
        self._last = time
        return time, inferred


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamInfo:
    """One stream as the demultiplexer lists it; `kind` as in `Track`."""

    index: int
    kind: str
    codec: str


class PacketSource:
    """Reads the packets of one picture track of a file, lazily.

    Args:
        track: index of the track; None takes the first that shows moving pictures.

    Raises:
        Malformed: no container that is known, or damaged beyond reading.
        UnsupportedMedia: a container without moving pictures, or no such track.
    """

    def __init__(self, path: str | os.PathLike[str], *, track: int | None = None) -> None:
        self._path = os.fspath(path)
        options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS, "ignore_editlist": "1"}
        try:
            self._container = av.open(f"file:{os.path.abspath(self._path)}", options=options)
        except (av.error.FFmpegError, ValueError, UnicodeError) as error:
            raise Malformed("it is not a video file, or is damaged beyond reading") from error
        try:
            self.streams = tuple(_info(stream) for stream in self._container.streams)
            self.stream = self._choose(track)
            self._describe()
        except BaseException:
            self._container.close()
            raise

    def _choose(self, track: int | None) -> VideoStream:
        videos = [info.index for info in self.streams if info.kind == "video"]
        if track is None:
            if not videos:
                kinds = ", ".join(sorted({info.kind for info in self.streams})) or "none"
                raise UnsupportedMedia(f"there is no moving picture in it (tracks: {kinds})")
            track = videos[0]
        elif track not in videos:
            raise UnsupportedMedia(f"track {track} is not one of its picture tracks ({', '.join(map(str, videos))})")
        stream = self._container.streams[track]
        if not isinstance(stream, VideoStream):
            raise UnsupportedMedia(f"track {track} holds no moving picture")
        return stream

    def _describe(self) -> None:
        stream, name = self.stream, self._container.format.name
        self.container = _CONTAINERS.get(name, name.split(",")[0])
        if self.container == "mp4" and self._container.metadata.get("major_brand", "qt").strip() == "qt":
            self.container = "mov"
        self.codec = _codec_name(stream)
        if not self.codec:
            raise UnsupportedMedia("the coding of its pictures is not known")
        base = stream.time_base
        if base is None or base <= 0:
            raise Malformed("it states no time base")
        self.time_base = (base.numerator, base.denominator)
        self.times = self.container not in TIMELESS
        self.annex_b = self.container in ANNEX_B
        self.width, self.height = stream.codec_context.width, stream.codec_context.height
        self.header = self._own_header()
        rate = stream.average_rate or stream.base_rate or _NOMINAL_RATE
        self.nominal = max(1, round(1 / (rate * base)))

    def _own_header(self) -> bytes:
        """The decoder's header as the container holds it, or nothing where it was made up from packets.

        For codings without one: what of the container's tag decoders heed.
        """
        context = self.stream.codec_context
        made_up = bytes(context.extradata or b"")
        if self.codec not in WITH_HEADER:
            layout = context.format.name if context.format is not None else ""
            return bound_tag(self.codec, context.codec_tag, layout)
        if self.codec not in ("h264", "hevc", "av1"):
            return made_up
        if self.container == "avi":
            with open(self._path, "rb") as file:
                return decoder_header(file, self.stream.index)
        return b"" if self.annex_b or self.container in ("obu", "ivf") else made_up

    @property
    def several(self) -> bool:
        """More than one track shows moving pictures."""
        return sum(info.kind == "video" for info in self.streams) > 1

    def packets(self) -> Iterator[Packet]:
        """Packets in decode order.

        Raises:
            Malformed: the file cannot be read any further.
        """
        times = Times(self.nominal)
        try:
            for raw in self._container.demux(self.stream):
                # PyAV ends with an empty packet; Matroska has full ones without dts.
                if not raw.size:
                    continue
                time, inferred = times.resolve(raw.pts, raw.dts)
                yield Packet(
                    data=bytes(raw),
                    pts=raw.pts,
                    dts=raw.dts,
                    time=time,
                    inferred=inferred,
                    keyframe=raw.is_keyframe,
                    corrupt=raw.is_corrupt,
                    header=_new_header(raw),
                    raw=raw,
                )
        except av.error.FFmpegError as error:
            raise Malformed(f"it cannot be read any further ({error.strerror})") from error

    def close(self) -> None:
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _info(stream: av.stream.Stream) -> StreamInfo:
    kind: str = stream.type if stream.type in ("video", "audio", "subtitle") else "data"
    if kind == "video" and stream.disposition & av.stream.Disposition.attached_pic:
        kind = "cover"
    return StreamInfo(index=stream.index, kind=kind, codec=_codec_name(stream))


def _codec_name(stream: av.stream.Stream) -> str:
    # Streams of an unknown coding have no context, whatever the stubs say.
    context: CodecContext | None = stream.codec_context
    # The name of the coding, not of whichever library would decode it.
    return context.codec.canonical_name if context is not None else ""


def _new_header(raw: RawPacket) -> bytes | None:
    if not raw.has_sidedata("new_extradata"):
        return None
    return bytes(raw.get_sidedata("new_extradata"))
