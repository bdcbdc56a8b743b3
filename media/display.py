"""How the container wants the pictures shown, over what the stream says, and whether that differs from a record.

A container can turn, mirror, stretch, crop and recolour every picture without touching one of them. Containers say the
same in many honest ways, so everything is brought to one form first: quarter turns clockwise after mirroring
left-right, sample aspect, crop in pixels, H.273 colour. What no `Display` can express is told by a note.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from evidence.records import Display
from media.matroska import DISPLAY_PIXELS, SegmentInfo, SegmentTrack
from media.mp4 import MovieTrack

# Notes about showing the pictures that no `Display` can express. Each is the same finding as a changed display, unless
# the recorder already met it in the original.
ODD_NOTES = frozenset(
    ("odd_matrix", "odd_size", "odd_entry_size", "odd_track", "several_sample_descriptions", "ordered_editions")
)
FIELDS = ("rotate", "mirror", "sar", "crop", "colour")

_UNSPECIFIED = 2
# Numbers of H.273 that name the same thing under several standards.
_SAME_PRIMARIES = {0: 2, 7: 6}
_SAME_TRANSFER = {0: 2, 6: 1, 14: 1, 15: 1}
_SAME_MATRIX = {5: 6}
_LARGEST = 1 << 31
# Players turn by the nearest quarter below this, degrees; above it they turn by the odd angle itself.
_ANGLE_TOLERANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What one container says about showing a track; None and empty: nothing.

    Attributes:
        turn: clockwise quarter turn in degrees, and whether mirrored left-right before it.
        sar: sample aspect ratio.
        sizes: displayed sizes in pixels before turning.
        ratio: width to height as displayed, where a ratio is stated and no size.
        entry: coded size as the container states it.
        crop: left, top, right, bottom in pixels of `entry`.
        colour: H.273 primaries, transfer, matrix and full range; None as full range: not stated.
        notes: from `ODD_NOTES`.
    """

    turn: tuple[int, bool] | None = None
    sar: Fraction | None = None
    sizes: tuple[tuple[Fraction, Fraction], ...] = ()
    ratio: Fraction | None = None
    entry: tuple[int, int] | None = None
    crop: tuple[int, int, int, int] | None = None
    colour: tuple[int, int, int, int | None] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """How the file is shown: `stated` names the fields of `display` that the container states."""

    display: Display
    stated: frozenset[str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Names of fields (or notes) of a copy that are neither the record's nor the stream's; of those that the record
    has and the copy no longer states; and whether the full-range flag alone differs."""

    changed: tuple[str, ...]
    dropped: tuple[str, ...]
    full_range: bool


def stated_by_movie(track: MovieTrack) -> Stated:
    """What an MP4 or MOV says about showing `track`."""
    entries = track.used_entries
    if not entries:
        return Stated()
    entry = entries[0]
    turn, scale, odd = _turn(track.matrix)
    sizes = ((track.width * scale[0], track.height * scale[1]), *track.apertures)
    notes = {"odd_matrix"} if odd else set()
    if len(entries) > 1:
        notes.add("several_sample_descriptions")
    if entry.odd or track.odd:
        notes.add("odd_track")
    return Stated(
        turn=turn,
        sar=Fraction(*entry.pasp) if entry.pasp else None,
        sizes=tuple(size for size in sizes if size[0] > 0 and size[1] > 0),
        entry=(entry.width, entry.height),
        crop=entry.clap,
        colour=entry.colour,
        notes=tuple(sorted(notes)),
    )


def stated_by_segment(info: SegmentInfo, track: SegmentTrack) -> Stated:
    """What a Matroska file says about showing `track`."""
    notes = {"ordered_editions"} if info.ordered_editions else set()
    if track.odd:
        notes.add("odd_track")
    # Its roll is counter-clockwise; the yaw that mirrors comes before it.
    angle, off = _quarter(-track.roll)
    if off > _ANGLE_TOLERANCE:
        notes.add("odd_matrix")
    sizes: tuple[tuple[Fraction, Fraction], ...] = ()
    ratio = None
    if track.display is not None:
        size = Fraction(track.display[0]), Fraction(track.display[1])
        if track.display_unit == DISPLAY_PIXELS:
            sizes = (size,)
        else:
            ratio = size[0] / size[1]
    colour = track.colour
    return Stated(
        turn=(angle, track.yaw != 0) if angle or track.yaw else None,
        sizes=sizes,
        ratio=ratio,
        entry=(track.width, track.height),
        crop=track.crop,
        colour=(*colour[:3], {1: 0, 2: 1}.get(colour[3])) if colour is not None else None,
        notes=tuple(sorted(notes)),
    )


def resolve(stated: Stated, stream: Display, width: int, height: int) -> Shown:
    """Put what the container states over what the stream says.

    Args:
        stream: what the stream says; its sample aspect is 1:1 where it says nothing.
        width, height: of the picture after the stream's own cropping.
    """
    named, notes = set(), set(stated.notes)
    turn = stated.turn or (0, False)
    if turn != (0, False):
        named |= {"rotate", "mirror"}
    extra = _padding(stated, width, height)
    if extra is None:
        notes.add("odd_entry_size")
    crop = _crop(stated, extra or (0, 0), width, height)
    if any(crop):
        named.add("crop")
    area = (width - crop[0] - crop[2], height - crop[1] - crop[3])
    sar, said, scaled = _aspect(stated, Fraction(*stream.sar), (width, height), area)
    if said:
        named.add("sar")
    if scaled:
        notes.add("odd_size")
    colour = stream.colour
    if stated.colour is not None:
        if any(number != _UNSPECIFIED for number in stated.colour[:3]) or stated.colour[3] is not None:
            named.add("colour")
        colour = _colour(stated.colour, stream.colour)
    return Shown(
        display=Display(rotate=turn[0], mirror=turn[1], sar=_ratio(sar), crop=crop, colour=colour),
        stated=frozenset(named),
        notes=tuple(sorted(notes)),
    )


def compare(
    copy: Display,
    stream: Display,
    recorded: Display,
    *,
    width: int,
    height: int,
    notes: Collection[str] = (),
    recorded_notes: Collection[str] = (),
) -> Comparison:
    """Judge how a copy is shown against its record; what the stream itself says is always allowed, and so is 1:1.

    Args:
        width, height: of the picture after the stream's own cropping.
        notes: of the copy; `recorded_notes`: those that the recorder met in the original.
    """
    turns = [(display.rotate, display.mirror) for display in (copy, stream, recorded)]
    colours = [_same(display.colour) for display in (copy, stream, recorded)]
    crops = [display.crop for display in (copy, stream, recorded)]
    area = (width - copy.crop[0] - copy.crop[2], height - copy.crop[1] - copy.crop[3])
    equal = {
        "rotate": (turns[0] == turns[1], turns[0] == turns[2]),
        "crop": (crops[0] == crops[1], crops[0] == crops[2]),
        # Square samples are what containers say that lost the aspect, as no turn is what they say that lost the turn:
        # GStreamer writes 1:1 over any stream whose former container said nothing.
        "sar": (
            _close(copy.sar, stream.sar, area) or _close(copy.sar, (1, 1), area),
            _close(copy.sar, recorded.sar, area),
        ),
        "colour": (colours[0] == colours[1], colours[0] == colours[2]),
    }
    changed = [name for name, (of_stream, of_record) in equal.items() if not of_stream and not of_record]
    dropped = [name for name, (of_stream, of_record) in equal.items() if of_stream and not of_record]
    changed += sorted((set(notes) & ODD_NOTES) - set(recorded_notes))
    full = copy.colour[3] not in (stream.colour[3], recorded.colour[3])
    return Comparison(changed=tuple(changed), dropped=tuple(dropped), full_range=full)


def _turn(matrix: tuple[int, ...]) -> tuple[tuple[int, bool] | None, tuple[Fraction, Fraction], bool]:
    """Take a 3x3 matrix apart: turn, scale across and down before turning, and whether something else is left.

    A point is a row vector, y downwards: (x, y) becomes (ax + cy, bx + dy). Where the picture is moved to is of no
    account with one track.
    """
    one = Fraction(1)
    a, b, u, c, d, v, _, _, w = matrix
    if not any((a, b, c, d)):  # written by tools that leave the matrix empty; players take it for none
        return None, (one, one), False
    odd = bool(u or v or w not in (0, 1 << 30))
    mirrored = a * d - b * c < 0
    across, down = math.hypot(a, b), math.hypot(c, d)
    if not across or not down:
        return None, (one, one), True
    # Rows that are not at right angles shear the picture.
    odd |= abs(a * c + b * d) > 0.01 * across * down
    angle, off = _quarter(math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a)))
    odd |= off > _ANGLE_TOLERANCE
    scale = Fraction(round(across), 1 << 16), Fraction(round(down), 1 << 16)
    return ((angle, mirrored) if angle or mirrored else None), scale, odd


def _quarter(degrees: float) -> tuple[int, float]:
    """The nearest quarter turn from 0 to 270, and by how many degrees it is missed."""
    quarters = round(degrees / 90)
    return quarters % 4 * 90, abs(degrees - 90 * quarters)


def _padding(stated: Stated, width: int, height: int) -> tuple[int, int] | None:
    """By how much the stated coded size exceeds the picture: nothing, or what fills its last block; None: neither."""
    if stated.entry is None or not width or not height:
        return 0, 0
    extra = stated.entry[0] - width, stated.entry[1] - height
    for size, more in zip((width, height), extra, strict=True):
        if more and more not in {-size % block for block in (2, 8, 16, 32, 64)}:
            return None
    return extra


def _crop(stated: Stated, extra: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = stated.crop or (0, 0, 0, 0)
    right, bottom = max(0, right - extra[0]), max(0, bottom - extra[1])
    if left + right >= width or top + bottom >= height:
        return (0, 0, 0, 0)  # of another picture size, which has its own note
    return left, top, right, bottom


def _aspect(
    stated: Stated, stream: Fraction, coded: tuple[int, int], area: tuple[int, int]
) -> tuple[Fraction, bool, bool]:
    """Sample aspect as shown, whether the container states one, and whether it shows the picture at another size."""
    base = stated.sar if stated.sar is not None else stream
    if not all(area):  # nothing says how large the pictures are
        return base, stated.sar is not None, False
    if stated.ratio is not None:
        base = stated.ratio * area[1] / area[0]
    said = stated.sar is not None or stated.ratio is not None
    scaled = False
    for width, height in stated.sizes:
        usual = [
            size
            for wide, tall in {coded, area}
            for size in ((Fraction(wide), Fraction(tall)), (wide * base, Fraction(tall)), (Fraction(wide), tall / base))
        ]
        if any(abs(width - wide) <= 1 and abs(height - tall) <= 1 for wide, tall in usual):
            continue
        implied = width * area[1] / (height * area[0])
        said = True
        scaled |= _near(implied, base, area) or not _stretched(width, height, base, area)
        base = base if _near(implied, base, area) else implied
    for known in (stream, Fraction(1)):
        if _near(base, known, area):
            return known, said, scaled
    return base, said, scaled


def _stretched(width: Fraction, height: Fraction, base: Fraction, area: tuple[int, int]) -> bool:
    """Whether one edge has its usual length, so that only the aspect differs."""
    return any(abs(width - wide) <= 1 for wide in (area[0], area[0] * base)) or any(
        abs(height - tall) <= 1 for tall in (area[1], area[1] / base)
    )


def _near(one: Fraction, other: Fraction, area: tuple[int, int]) -> bool:
    """Equal within one displayed pixel, whichever edge is stretched."""
    return abs(one - other) * area[0] <= 1 or abs(1 / one - 1 / other) * area[1] <= 1


def _close(one: tuple[int, int], other: tuple[int, int], area: tuple[int, int]) -> bool:
    return _near(Fraction(*one), Fraction(*other), area)


def _ratio(value: Fraction) -> tuple[int, int]:
    """As two integers that a record can hold."""
    if max(value.numerator, value.denominator) >= _LARGEST:
        value = value.limit_denominator(1 << 15)
    return max(1, min(_LARGEST, value.numerator)), max(1, min(_LARGEST, value.denominator))


def _colour(stated: tuple[int, int, int, int | None], stream: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The container's colours where it states them, the stream's where it leaves them open or says the same."""
    names = zip(stated[:3], stream[:3], _same(stated), _same(stream), strict=True)
    primaries, transfer, matrix = (
        theirs if name in (known, _UNSPECIFIED) else mine for mine, theirs, name, known in names
    )
    return primaries, transfer, matrix, stream[3] if stated[3] is None else stated[3]


def _same(colour: tuple[int, int, int, int | None]) -> tuple[int, int, int]:
    primaries, transfer, matrix, _ = colour
    return (
        _SAME_PRIMARIES.get(primaries, primaries),
        _SAME_TRANSFER.get(transfer, transfer),
        _SAME_MATRIX.get(matrix, matrix),
    )
