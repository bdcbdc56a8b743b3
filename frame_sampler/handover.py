"""What the recording task hands to its parent about one segment: a message, written there and read here.

The reading side takes the child to be in the hands of whoever made the footage: every size is checked against the
number of units, every number against its range.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evidence.commitments import GRID_BYTES, PHASH_BYTES
from evidence.digests import DIGEST_BYTES
from evidence.errors import Malformed
from evidence.records import MAX_SIDE_LENGTH, MAX_UNITS
from frame_sampler.motion import FULL_SCORE, MAX_REGIONS
from frame_sampler.pieces import Copied, Watched
from frame_sampler.samples import Look
from media.frames import Message

_MAX_TIME = 1 << 53
_MAX_TEXT = 128
_PLAIN = ("number", "first_unit", "width", "height", "source_us", "since_us", "interval_us", "mono_us", "mono_end_us")
_NO_PIXELS = bytes(DIGEST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One closed segment: its columns and file, its samples, and `missing`, the slots that lack a sample.

    `decoder` is the decoder's library and version.
    """

    copied: Copied
    looks: tuple[Look, ...]
    missing: tuple[int, ...]
    decoder: str


def pack(copied: Copied, watched: Watched, decoder: str) -> Message:
    """The message for one segment."""
    head = {name: getattr(copied, name) for name in _PLAIN} | {
        "faithful": copied.faithful,
        "headers": [[at, digest.hex() if digest else None] for at, digest in copied.headers],
        "notes": copied.notes,
        "missing": watched.missing,
        "decoder": decoder,
        "looks": [[look.unit, look.score, look.pixels is not None, look.regions] for look in watched.looks],
    }
    looks = watched.looks
    columns = (
        copied.coded,
        copied.offsets_us.tobytes(),
        copied.flags,
        array("q", [unit for unit, _ in copied.sides]).tobytes(),
        b"".join(digest for _, digest in copied.sides),
        b"".join(look.phash for look in looks),
        b"".join(look.grid for look in looks),
        b"".join(look.pixels or _NO_PIXELS for look in looks),
    )
    return Message(head=head, columns=columns)


def parse_handover(message: Message) -> Handover:
    """Read a message that `pack` made.

    Raises:
        Malformed: columns that do not fit each other or numbers out of range, which only a child that was taken over
            would send.
    """
    try:
        return _unpacked(message.head, message.columns)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed("the recording task sent a segment that cannot be read") from error


def _unpacked(head: Mapping[str, Any], columns: tuple[bytes, ...]) -> Handover:
    coded, offsets, flags, side_units, side_digests, phashes, grids, pixels = columns
    count, sides, looks = len(flags), len(side_units) // 8, head["looks"]
    expected = [count * DIGEST_BYTES, count * 8, sides * 8, sides * DIGEST_BYTES]
    expected += [len(looks) * size for size in (PHASH_BYTES, GRID_BYTES, DIGEST_BYTES)]
    found = [len(column) for column in (coded, offsets, side_units, side_digests, phashes, grids, pixels)]
    if found != expected or not 0 < count <= MAX_UNITS or max(flags) > 3:
        raise ValueError("columns differ in length")
    units = array("q", side_units)
    faithful, decoder = head["faithful"], head["decoder"]
    if faithful not in (True, False, None) or any(not 0 <= unit < 1 << 32 for unit in units):
        raise ValueError("a member is of another kind")
    plain = {name: _integer(head[name], -_MAX_TIME, _MAX_TIME) for name in _PLAIN}
    if not (0 < plain["width"] <= MAX_SIDE_LENGTH and 0 < plain["height"] <= MAX_SIDE_LENGTH):
        raise ValueError("size out of range")
    copied = Copied(
        **plain,
        coded=coded,
        offsets_us=array("q", offsets),
        flags=flags,
        headers=tuple(
            (_integer(at, 0, count - 1), bytes.fromhex(digest) if digest else None) for at, digest in head["headers"]
        ),
        sides=tuple((unit, side_digests[DIGEST_BYTES * i : DIGEST_BYTES * (i + 1)]) for i, unit in enumerate(units)),
        notes=tuple((_integer(u, 0, count), str(cause), _integer(n, 0, MAX_UNITS)) for u, cause, n in head["notes"]),
        faithful=faithful,
    )
    return Handover(
        copied=copied,
        looks=tuple(_look(look, i, count, phashes, grids, pixels) for i, look in enumerate(looks)),
        missing=tuple(_integer(unit, 0, count - 1) for unit in head["missing"]),
        decoder=_text(decoder),
    )


def _look(said: Any, index: int, count: int, phashes: bytes, grids: bytes, pixels: bytes) -> Look:
    unit, score, exact, regions = said
    if len(regions) > MAX_REGIONS:
        raise ValueError("too many regions")
    digest = pixels[DIGEST_BYTES * index : DIGEST_BYTES * (index + 1)]
    return Look(
        unit=_integer(unit, 0, count - 1),
        phash=phashes[PHASH_BYTES * index : PHASH_BYTES * (index + 1)],
        grid=grids[GRID_BYTES * index : GRID_BYTES * (index + 1)],
        pixels=digest if exact is True else None,
        score=_integer(score, 0, FULL_SCORE),
        regions=tuple(_region(region) for region in regions),
    )


def _region(said: Any) -> tuple[int, int, int, int]:
    x, y, width, height = (_integer(value, 0, MAX_SIDE_LENGTH) for value in said)
    return x, y, width, height


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not (value.isascii() and value.isprintable()):
        raise ValueError("not a short text")
    return value


def _integer(value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise ValueError("number out of range")
    return value
