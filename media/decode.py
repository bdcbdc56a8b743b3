"""Decoded pictures, by software, one thread, exactly as the decoder makes them: no scaling, no colour conversion.

Runs in the media child only: decoders are fed by whoever made the file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from evidence.errors import Malformed, UnsupportedMedia

if TYPE_CHECKING:
    import av.packet

    RawPacket: TypeAlias = av.packet.Packet[Any]  # generic in the stubs only

Samples: TypeAlias = "NDArray[np.uint8] | NDArray[np.uint16]"

MAX_PIXELS = 64 << 20  # 16K is 2^27; no camera makes more than 2^26

# Packed and half-packed forms that USB cameras deliver, and the planar form with the same samples.
_UNPACKED = {"yuyv422": "yuv422p", "uyvy422": "yuv422p", "yvyu422": "yuv422p", "nv12": "yuv420p", "nv21": "yuv420p"}
# Codings whose decoded pixels their standard fixes to the last bit.
EXACT_CODECS = frozenset({"h264", "hevc", "vp9", "av1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One decoded picture.

    Attributes:
        unit: what its packet was called when it was handed to the decoder.
        planes: Y, U, V (or only Y), cropped as the stream says, each (rows, columns); uint8, or uint16 for deeper
            samples. Views of the decoder's memory: read only, valid as long as they are held.
        format: the decoder's name of the pixel format.
        depth: significant bits of a sample.
        subsampling: by how many bits chroma is narrower and lower than luma.
        pts: of the packet it came from, in the stream's ticks; None when it had none.
        key: the decoder says it is a key picture.
        errors: decoding errors that it may suffer from: since the entry before it, and the one before that. Not every
            coding lets damage be noticed (H.265 decodes on).
    """

    unit: int | None
    planes: tuple[Samples, ...]
    format: str
    depth: int
    subsampling: tuple[int, int]
    width: int
    height: int
    pts: int | None
    key: bool
    errors: int

    @property
    def comparable(self) -> bool:
        """Whether it has luma: neither palettes nor RGB are compared."""
        return bool(self.planes)


@dataclass(slots=True)
class Decoder:
    """Decodes the packets of one picture track.

    Args:
        stream: the track, opened; its decoder is set up here and must not have decoded anything.
        max_pixels: pictures larger than this are refused.
        errors: faults noticed so far.

    Raises:
        UnsupportedMedia: no decoder for it.
    """

    stream: VideoStream
    max_pixels: int = MAX_PIXELS
    errors: int = 0
    _context: VideoCodecContext = field(init=False)
    _number: int = 0
    # Errors since each entry; an entry is where decoding may start without anything earlier, leading pictures aside.
    _errors: list[int] = field(default_factory=lambda: [0])
    _held: deque[tuple[int, Picture]] = field(default_factory=deque)  # entry and picture, in the order shown

    def __post_init__(self) -> None:
        context: object = self.stream.codec_context
        if not isinstance(context, VideoCodecContext):
            raise UnsupportedMedia("there is no decoder for its pictures")
        # Threads would make the order of errors, and where a hostile stream hangs, a matter of chance.
        context.thread_count = 1
        # Without the first flag cropping at the left is only as exact as the decoder's memory alignment; with the
        # second every picture brings back what its packet was marked with.
        context.flags |= Flags.unaligned | Flags.copy_opaque
        if context.width * context.height > self.max_pixels:
            raise UnsupportedMedia(f"its pictures are larger than {self.max_pixels} pixels")
        self._context = context

    def decode(
        self, packet: RawPacket | None, *, unit: int | None = None, entry: bool | None = None
    ) -> Iterator[Picture]:
        """Hand one packet to the decoder; yields the pictures that became ready, in the order shown.

        Args:
            packet: None yields what is still inside the decoder, which then starts afresh.
            unit: what the picture of this packet is to be called; default: its number among the packets.
            entry: decoding may start here; default: the container's key flag. Errors are counted from the last entry.
        """
        if packet is None:
            yield from self._drain()
            return
        number = self._number if unit is None else unit
        self._number += 1
        if packet.is_keyframe if entry is None else entry:
            self._errors.append(0)
        epoch = len(self._errors) - 1
        packet.opaque = (number, epoch)
        try:
            frames = self._context.decode(packet)
        except av.error.FFmpegError:
            self._fault(epoch)
            return
        yield from self._ordered(frames)

    def _drain(self) -> Iterator[Picture]:
        try:
            frames = self._context.decode(None)
        except av.error.FFmpegError:
            self._fault(len(self._errors) - 1)
            frames = []
        yield from self._ordered(frames)
        while self._held:
            yield self._held.popleft()[1]
        self._context.flush_buffers()
        self._errors = [0]

    def _ordered(self, frames: Iterable[VideoFrame]) -> Iterator[Picture]:
        for frame in frames:
            number, epoch = frame.opaque if isinstance(frame.opaque, tuple) else (None, len(self._errors) - 1)
            if frame.is_corrupt:
                self._fault(epoch)
            # Leading pictures come behind an entry and lean on the one before it as well.
            errors = sum(self._errors[max(0, epoch - 1) : epoch + 1])
            picture = picture_of(frame, unit=number, errors=errors, max_pixels=self.max_pixels)
            self._held.append((epoch, picture))
            # A picture may lean on one that is shown, and found damaged, later: wait as long as the decoder reorders.
            while len(self._held) > min(16, max(0, self._context.reorder_depth)):
                yield self._held.popleft()[1]

    def _fault(self, epoch: int) -> None:
        self.errors += 1
        self._errors[epoch] += 1
        self._held = deque(
            (of, replace(picture, errors=picture.errors + 1) if of >= epoch else picture) for of, picture in self._held
        )


def picture_of(frame: VideoFrame, *, unit: int | None = None, errors: int = 0, max_pixels: int = MAX_PIXELS) -> Picture:
    """The samples of a decoded frame, without copying them unless they are packed.

    Raises:
        UnsupportedMedia: larger than `max_pixels`, or decoded by hardware.
    """
    if frame.width * frame.height > max_pixels:
        raise UnsupportedMedia(f"its pictures are larger than {max_pixels} pixels")
    frame = frame.reformat(format=_UNPACKED[frame.format.name]) if frame.format.name in _UNPACKED else frame
    form = frame.format
    parts = form.components
    depth = parts[0].bits if parts else 0
    planar = [part.plane for part in parts] == list(range(len(frame.planes)))
    grey_or_yuv = planar and parts[0].is_luma and not (form.is_rgb or form.has_palette or form.is_big_endian)
    readable = grey_or_yuv and 8 <= depth <= 16 and all(part.bits == depth for part in parts)
    narrower = (form.chroma_width(256), form.chroma_height(256)) if len(parts) > 2 else (256, 256)
    return Picture(
        unit=unit,
        planes=tuple(_samples(frame, index, depth) for index in range(len(frame.planes))) if readable else (),
        format=form.name,
        depth=depth if readable else 0,
        subsampling=(9 - narrower[0].bit_length(), 9 - narrower[1].bit_length()),
        width=frame.width,
        height=frame.height,
        pts=frame.pts,
        key=bool(frame.key_frame),
        errors=errors,
    )


def _samples(frame: VideoFrame, index: int, depth: int) -> Samples:
    plane = frame.planes[index]
    kind = np.dtype("<u2") if depth > 8 else np.dtype(np.uint8)
    if plane.line_size <= 0 or plane.line_size % kind.itemsize:
        raise Malformed("decoder returned a picture in a form that cannot be read")
    rows = np.frombuffer(cast("memoryview", plane), kind).reshape(-1, plane.line_size // kind.itemsize)
    return cast("Samples", rows[: plane.height, : plane.width])
