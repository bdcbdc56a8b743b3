"""Render a scene that looks and codes like CCTV, for the demo, the tests and the measurements.

A still, textured background, people walking through it, sensor noise and a burned-in clock. The same arguments give the
same bytes with the same libraries on the same kind of processor: the noise comes from `seed`, the encoder runs in one
thread and the container is written without dates, names or random ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

_Plane = NDArray[np.uint8]

# Column bytes, lowest bit on top, of the usual 5x7 letter forms.
_GLYPHS = {
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10", "5": "2745454539",
    "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e", ":": "0036360000", "-": "0808080808",
    "/": "2010080402", ".": "0060600000", " ": "0000000000", "A": "7e1111117e", "B": "7f49494936", "C": "3e41414122",
    "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f", "I": "00417f4100",
    "J": "2040413f01", "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f", "O": "3e4141413e",
    "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101", "U": "3f4040403f",
    "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807", "Z": "6151494543",
}  # fmt: skip
_NOISE_PLANES = 7
_NOISE_MARGIN = 32
_FORCED = {"I": PictureType.I, "P": PictureType.P, "B": PictureType.B}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What is to be seen.

    `frozen` and `covered` are stretches `(from_s, to_s)`: the picture stands still bit for bit, or the lens is covered
    (black, without noise). `start_us` is what the burned-in clock shows first (Unix microseconds, UTC); None: no clock.
    """

    seconds: float = 20.0
    fps: Fraction | int = 15
    width: int = 640
    height: int = 360
    seed: int = 1
    movers: int = 4
    noise: float = 1.5
    title: str = "CAM 01"
    start_us: int | None = 1_767_268_800_000_000
    frozen: tuple[float, float] | None = None
    covered: tuple[float, float] | None = None

    @property
    def pictures(self) -> int:
        """How many pictures the scene has."""
        return max(1, round(self.seconds * self.fps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """How it is coded.

    `pattern` names the picture types in the order shown, blanks ignored: `I` key picture, `P`, `B`. It sets the
    number of pictures and overrides `gop` and `b_frames`. With `open_gop` the key pictures after the first are open
    entries (H.264: an I picture with a recovery point; H.265 without a pattern: CRA), otherwise IDR.
    """

    codec: str = "libx264"
    pattern: str | None = None
    gop: int = 30
    b_frames: int = 0
    open_gop: bool = False
    bitrate: int | None = None
    crf: int = 23
    preset: str | None = None
    pixel_format: str = "yuv420p"
    time_base: Fraction | None = None
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mover:
    luma: _Plane  # the body's brightness, one plane per step of the walk
    masks: tuple[NDArray[np.bool_], ...]
    red: int
    blue: int
    start_x: float
    top: int
    speed: float  # pixels per second


def render_scene(path: str | Path, **settings: Any) -> int:
    """Write the scene to `path`; the suffix chooses the container (mp4, mov, mkv, ts, avi, h264, hevc).

    Args:
        settings: any fields of `Scene` (seconds, fps, width, height, seed, frozen, covered …) and of `Coding` (codec,
            pattern, gop, b_frames, open_gop, bitrate, crf …).

    Returns:
        The number of pictures written.
    """
    scene = Scene(**{name: settings.pop(name) for name in tuple(settings) if name in Scene.__slots__})
    coding = Coding(**settings)
    letters = "".join((coding.pattern or "").split())
    count = len(letters) or scene.pictures
    _write(Path(path), scene, coding, letters, count)
    return count


def pictures(scene: Scene, count: int | None = None) -> Iterator[tuple[_Plane, _Plane, _Plane]]:
    """Yield the planes Y, U and V (4:2:0, limited range) of each picture; the arrays are reused for the next one."""
    random = np.random.default_rng(scene.seed)
    background, blue, red = _background(scene, random)
    noise = _noise(scene, random)
    movers = [_mover(scene, random) for _ in range(scene.movers)]
    shifts = random.integers(0, _NOISE_MARGIN, size=(1 << 12, 3))
    total = scene.pictures if count is None else count
    planes = (background.copy(), blue.copy(), red.copy())
    for index in range(total):
        at_s = float(index / Fraction(scene.fps))
        frozen = scene.frozen is not None and scene.frozen[0] <= at_s < scene.frozen[1]
        if scene.covered is not None and scene.covered[0] <= at_s < scene.covered[1]:
            planes[0][:] = 16
            planes[1][:] = planes[2][:] = 128
        elif index == 0 or not frozen:
            planes[1][:], planes[2][:] = blue, red
            _draw(planes, scene, background, noise[index % len(noise)], shifts[index % len(shifts)], movers, at_s)
        yield planes


def _draw(planes: tuple[_Plane, _Plane, _Plane], scene: Scene, background: _Plane, noise: NDArray[np.int8],
          shift: NDArray[np.int64], movers: list[_Mover], at_s: float) -> None:  # fmt: skip
    luma, blue, red = planes
    luma[:] = background
    for mover in movers:
        _walk(luma, blue, red, mover, scene, at_s)
    if scene.noise:
        # The background stays within 24…224 and the noise within ±12, so adding modulo 256 never wraps.
        part = noise[shift[0] : shift[0] + scene.height, shift[1] : shift[1] + scene.width]
        np.add(luma, part.view(np.uint8), out=luma)
    if scene.start_us is not None:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=scene.start_us, seconds=int(at_s))
        _write_text(luma, scene.title, line=0)
        _write_text(luma, moment.strftime("%Y-%m-%d %H:%M:%S"), line=1)


def _walk(luma: _Plane, blue: _Plane, red: _Plane, mover: _Mover, scene: Scene, at_s: float) -> None:
    tall, wide = mover.luma.shape
    left = int((mover.start_x + mover.speed * at_s) % (scene.width + 2 * wide)) - wide
    mask = mover.masks[int(at_s * 4) % len(mover.masks)]
    x0, x1 = max(0, left), min(scene.width, left + wide)
    y0, y1 = mover.top, min(scene.height, mover.top + tall)
    if x1 <= x0 or y1 <= y0:
        return
    body = mask[: y1 - y0, x0 - left : x1 - left]
    np.copyto(luma[y0:y1, x0:x1], mover.luma[: y1 - y0, x0 - left : x1 - left], where=body)
    for plane, value in ((blue, mover.blue), (red, mover.red)):
        spot = plane[y0 // 2 : (y1 + 1) // 2, x0 // 2 : (x1 + 1) // 2]
        half = body[y0 % 2 :: 2, x0 % 2 :: 2]
        np.copyto(spot[: half.shape[0], : half.shape[1]], np.uint8(value), where=half[: spot.shape[0], : spot.shape[1]])


def _background(scene: Scene, random: np.random.Generator) -> tuple[_Plane, _Plane, _Plane]:
    rows = np.linspace(0, 1, scene.height)[:, None]
    columns = np.linspace(0, 1, scene.width)[None, :]
    wall = 150 - 40 * rows + 12 * np.sin(columns * 9) + 8 * np.sin(rows * 23 + columns * 5)
    bricks = ((np.arange(scene.height)[:, None] % 12 == 0) | (np.arange(scene.width)[None, :] % 32 == 0)) * -18.0
    floor = rows > 0.6
    picture = np.where(floor, 96 + 50 * (rows - 0.6) + 6 * np.sin(columns * 60 * rows), wall + bricks)
    picture = picture + random.normal(0, 4, size=(scene.height, scene.width))
    for _ in range(3):  # doors and windows: sharp edges
        x, y = int(random.uniform(0.05, 0.8) * scene.width), int(random.uniform(0.1, 0.35) * scene.height)
        picture[y : y + scene.height // 5, x : x + scene.width // 12] = random.uniform(40, 90)
    small = ((scene.height + 1) // 2, (scene.width + 1) // 2)
    blue = np.clip(124 + 4 * np.sin(np.arange(small[1]) / 40)[None, :] + np.zeros(small), 16, 240)
    red = np.clip(131 + 5 * np.cos(np.arange(small[0]) / 30)[:, None] + np.zeros(small), 16, 240)
    return np.clip(picture, 28, 222).astype(np.uint8), blue.astype(np.uint8), red.astype(np.uint8)


def _noise(scene: Scene, random: np.random.Generator) -> list[NDArray[np.int8]]:
    size = (scene.height + _NOISE_MARGIN, scene.width + _NOISE_MARGIN)
    drawn = (random.normal(0, scene.noise, size=size) for _ in range(_NOISE_PLANES))
    return [np.clip(np.rint(values), -12, 12).astype(np.int8) for values in drawn]


def _mover(scene: Scene, random: np.random.Generator) -> _Mover:
    tall = max(12, int(scene.height * random.uniform(0.22, 0.4)))
    wide = max(6, tall // 3)
    rows = np.linspace(0, 1, tall)[:, None]
    columns = np.linspace(-1, 1, wide)[None, :]
    head = (columns / 0.42) ** 2 + ((rows - 0.1) / 0.1) ** 2 < 1
    body = (columns / 0.75) ** 2 + ((rows - 0.4) / 0.25) ** 2 < 1
    masks = []
    for step in range(4):
        swing = np.sin(step * np.pi / 2) * 0.6 * (rows - 0.55)
        legs = (rows > 0.55) & ((np.abs(columns - 0.3 - swing) < 0.2) | (np.abs(columns + 0.3 + swing) < 0.2))
        masks.append(head | body | legs)
    tone = random.uniform(45, 200)
    luma = np.where(head, 170.0, np.where(rows > 0.55, tone * 0.6 + 25, tone)) + 10 * np.sin(rows * 40)
    return _Mover(
        luma=np.clip(np.broadcast_to(luma, (tall, wide)), 28, 222).astype(np.uint8),
        masks=tuple(masks),
        red=int(random.integers(100, 160)),
        blue=int(random.integers(100, 160)),
        start_x=random.uniform(0, scene.width),
        top=int(scene.height * random.uniform(0.45, 0.6)),
        speed=random.choice((-1, 1)) * scene.width * random.uniform(0.05, 0.16),
    )


def _write_text(luma: _Plane, text: str, *, line: int) -> None:
    size = max(1, luma.shape[0] // 180)
    columns = b"".join(bytes.fromhex(_GLYPHS.get(letter, _GLYPHS[" "])) + b"\0" for letter in text.upper())
    bits = (np.frombuffer(columns, np.uint8)[None, :] >> np.arange(7, dtype=np.uint8)[:, None]) & 1
    stamp = np.kron(bits, np.ones((size, size), np.uint8)).astype(bool)
    top, left = 4 * size + line * 10 * size, 4 * size
    spot = luma[top : top + stamp.shape[0], left : left + stamp.shape[1]]
    stamp = stamp[: spot.shape[0], : spot.shape[1]]
    np.copyto(spot, np.where(stamp, np.uint8(235), np.uint8(16)))


def _write(path: Path, scene: Scene, coding: Coding, letters: str, count: int) -> None:
    rate = Fraction(scene.fps)
    # libavformat would otherwise write the date of writing, its own version and random ids.
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as output:
        stream = cast("VideoStream", output.add_stream(coding.codec, rate=rate, options=_options(coding, letters)))
        stream.width, stream.height, stream.pix_fmt = scene.width, scene.height, coding.pixel_format
        context = stream.codec_context
        context.time_base = coding.time_base or 1 / rate
        context.thread_count = 1
        if coding.codec != "libx265":  # which reads its own parameters
            context.gop_size = max(count, 1) if letters else coding.gop
            context.max_b_frames = _longest_b(letters) if letters else coding.b_frames
        if coding.bitrate:
            stream.bit_rate = coding.bitrate
        for index, planes in enumerate(pictures(scene, count)):
            frame = _frame(planes, coding.pixel_format)
            frame.time_base = context.time_base
            frame.pts = round(index / rate / context.time_base)
            if letters:
                frame.pict_type = _FORCED[letters[index]]
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def _frame(planes: tuple[_Plane, _Plane, _Plane], pixel_format: str) -> VideoFrame:
    height, width = planes[0].shape
    frame = VideoFrame(width, height, "yuv420p")
    for plane, values in zip(frame.planes, planes, strict=True):
        target = np.frombuffer(cast("memoryview", plane), np.uint8).reshape(plane.height, plane.line_size)
        target[:, : values.shape[1]] = values
    return frame if pixel_format == "yuv420p" else frame.reformat(format=pixel_format)


def _longest_b(letters: str) -> int:
    return max(len(run) for run in "".join(letter if letter == "B" else " " for letter in letters).split(" "))


def _options(coding: Coding, letters: str) -> dict[str, str]:
    gop = 1 << 16 if letters else coding.gop
    b_frames = _longest_b(letters) if letters else coding.b_frames
    options: dict[str, str] = {}
    if coding.codec == "libx264":
        options = {"preset": coding.preset or "veryfast", "forced-idr": str(int(not coding.open_gop))}
        options["x264-params"] = f"open-gop={int(coding.open_gop)}:keyint={gop}:min-keyint=1:scenecut=0:b-adapt=0"
        # x264's look-ahead over macroblocks gives one of two streams by chance where the height is no multiple of 16.
        options["x264-params"] += ":mbtree=0"
    elif coding.codec == "libx265":
        options = {"preset": coding.preset or "ultrafast", "forced-idr": str(int(not coding.open_gop))}
        options["x265-params"] = (
            f"open-gop={int(coding.open_gop)}:keyint={gop}:min-keyint=1:scenecut=0:b-adapt=0:bframes={b_frames}"
            ":pools=none:frame-threads=1:log-level=none"
        )
    if coding.codec in ("libx264", "libx265") and not coding.bitrate:
        options["crf"] = str(coding.crf)
    return options | dict(coding.options)
