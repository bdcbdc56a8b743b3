"""Sample descriptions of MP4 and MOV: what coding the samples have, and what they say about showing it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from evidence.errors import Malformed
from media.boxes import CONFIGURATIONS, TRANSPARENT, Budget, Cursor, children, name_of, refuse_misplaced

_SETS = {b"avcC": "avcC", b"hvcC": "hvcC", b"av1C": "av1C", b"vpcC": "vpcC", b"esds": "esds", b"lhvC": "lhvC"}
_ODD = frozenset((b"st3d", b"sv3d", b"vexu", b"resv", b"crop", b"gama", b"dvcC", b"dvvC", b"dvwC"))
_ENCRYPTED = frozenset((b"encv", b"drmi"))
_VISUAL_BYTES = 78  # of a visual sample entry before the boxes inside it


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEntry:
    """One sample description.

    Attributes:
        format: four characters; of an encrypted one the original format.
        width, height: of the picture, pixels, as it says.
        pasp: sample aspect ratio; None: not stated.
        clap: left, top, right, bottom cropped, pixels; None: not stated.
        colour: H.273 primaries, transfer, matrix and full-range flag (None where the form has none); None: not stated.
        sets: name and bytes of the decoder configuration (avcC, hvcC, av1C …).
        encrypted: the samples are.
        external: the samples stand in another file.
        odd: boxes that change what is seen in ways no `Display` can express.
    """

    format: str
    width: int
    height: int
    pasp: tuple[int, int] | None
    clap: tuple[int, int, int, int] | None
    colour: tuple[int, int, int, int | None] | None
    sets: tuple[tuple[str, bytes], ...]
    encrypted: bool
    external: bool
    odd: tuple[str, ...]


def read_entries(data: memoryview, budget: Budget, references: memoryview | None) -> tuple[SampleEntry, ...]:
    """Read the sample descriptions of a video track.

    Args:
        data: payload of its `stsd` box.
        references: payload of its `dref` box.
    """
    cursor = Cursor(data, "stsd")
    cursor.version()
    count = cursor.u32()
    if count > budget.entries:
        raise Malformed("track has more sample descriptions than any footage needs")
    outside = _external(references, budget)
    boxes = [pair for _, pair in zip(range(count), children(data[8:], b"stsd", budget), strict=False)]
    if len(boxes) != count or not count:
        raise Malformed("track does not hold the sample descriptions it announces")
    return tuple(_entry(kind, payload, outside, budget) for kind, payload in boxes)


def _external(references: memoryview | None, budget: Budget) -> tuple[bool, ...]:
    """For every data reference, whether it points out of the file."""
    if references is None:
        return ()
    Cursor(references, "dref").skip(8)
    found = []
    for _, payload in children(references[8:], b"dref", budget, lenient=True):
        found.append(not Cursor(payload, "dref").u32() & 1)
    return tuple(found)


def _entry(kind: bytes, data: memoryview, outside: tuple[bool, ...], budget: Budget) -> SampleEntry:
    cursor = Cursor(data, name_of(kind))
    cursor.skip(6)
    reference = cursor.u16()
    cursor.skip(16)
    width, height = cursor.u16(), cursor.u16()
    cursor.skip(_VISUAL_BYTES - cursor.at)
    boxes = list(children(data[_VISUAL_BYTES:], kind, budget, lenient=True))
    for once in (b"pasp", b"clap", *_SETS):
        if sum(name == once for name, _ in boxes) > 1:
            raise Malformed(f"box '{name_of(once)}' stands twice in a sample description")
    if sum(name in CONFIGURATIONS for name, _ in boxes) > 1:
        raise Malformed("sample description holds several headers for the decoder")
    for name, payload in boxes:
        if name in TRANSPARENT:
            refuse_misplaced(payload, name, budget)
    inner = dict(boxes)
    original = _original(inner.get(b"sinf"), budget)
    pasp = clap = None
    if b"pasp" in inner:
        across, down = (lambda c: (c.u32(), c.u32()))(Cursor(inner[b"pasp"], "pasp"))
        pasp = (across, down) if across and down else None
    if b"clap" in inner:
        clap = _aperture(Cursor(inner[b"clap"], "clap"), width, height)
    colour, profiles = _colour([payload for name, payload in boxes if name == b"colr"])
    return SampleEntry(
        format=name_of(original or kind),
        width=width,
        height=height,
        pasp=pasp,
        clap=clap,
        colour=colour,
        sets=tuple((_SETS[name], bytes(payload)) for name, payload in boxes if name in _SETS),
        encrypted=kind in _ENCRYPTED or b"sinf" in inner,
        external=0 < reference <= len(outside) and outside[reference - 1],
        odd=tuple(sorted({name_of(name) for name, _ in boxes if name in _ODD} | profiles)),
    )


def _original(data: memoryview | None, budget: Budget) -> bytes | None:
    if data is None:
        return None
    for kind, payload in children(data, b"sinf", budget, lenient=True):
        if kind == b"frma":
            return bytes(Cursor(payload, "frma").take(4))
    return None


def _aperture(cursor: Cursor, width: int, height: int) -> tuple[int, int, int, int] | None:
    """Turn a clean aperture (size and offset of its centre, as fractions) into pixels cropped at each edge."""
    parts = []
    for signed in (False, False, True, True):
        above = cursor.i32() if signed else cursor.u32()
        below = cursor.u32()
        if not below:
            raise Malformed("clean aperture divides by zero")
        parts.append(Fraction(above, below))
    wide, tall, across, down = parts
    left, top = (width - wide) / 2 + across, (height - tall) / 2 + down
    edges = (left, top, width - wide - left, height - tall - top)
    # An aperture that reaches beyond the picture crops nothing there.
    rounded = tuple(max(0, int(edge + Fraction(1, 2))) for edge in edges)
    if rounded[0] + rounded[2] >= max(width, 1) or rounded[1] + rounded[3] >= max(height, 1):
        raise Malformed("clean aperture leaves nothing of the picture")
    return rounded[0], rounded[1], rounded[2], rounded[3]


def _colour(boxes: list[memoryview]) -> tuple[tuple[int, int, int, int | None] | None, set[str]]:
    """The colour tags, and whether a colour profile stands beside them."""
    tags: set[tuple[int, int, int, int | None]] = set()
    odd: set[str] = set()
    for data in boxes:
        cursor = Cursor(data, "colr")
        form = bytes(cursor.take(4))
        if form in (b"nclx", b"nclc"):
            primaries, transfer, matrix = cursor.u16(), cursor.u16(), cursor.u16()
            tags.add((primaries, transfer, matrix, cursor.u8() >> 7 if form == b"nclx" and cursor.left else None))
        elif form in (b"prof", b"rICC"):
            odd.add("colour profile")
    if len(tags) > 1:
        raise Malformed("sample description states two sets of colours")
    return next(iter(tags), None), odd
