"""What the stages of the recording task pass to each other, as plain data."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from frame_sampler.samples import Look
from frame_sampler.segmenter import DEFAULT_LENGTHS, Lengths

if TYPE_CHECKING:
    from media.units import Unit  # loads the media libraries, which belong into the child


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be copied.

    Attributes:
        prefix: segment files are named by this and their number.
        kept: `all`, `keys` or `none` of the media.
        first_unit: units before it were copied earlier; it begins a segment.
        warm_up: from this unit on pieces are given although they were copied earlier, for the decoder.
    """

    prefix: Path
    kept: str = "all"
    container: str | None = None
    lengths: Lengths = DEFAULT_LENGTHS
    first_unit: int = 0
    warm_up: int = 0

    def path(self, number: int) -> Path:
        return self.prefix.with_name(f"{self.prefix.name}-{number:06d}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One group on its way, as it stands in its segment's file. `number` is -1 for what was copied earlier."""

    number: int
    data: bytes
    units: tuple[Unit, ...]
    first_in_segment: int
    offsets_us: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One closed segment.

    Attributes:
        first_unit: index in the stream of its first unit.
        source_us: its time in the stream; `since_us` that time less the one of the stream's first unit.
        sides: (unit that follows, with `USER_SIDE`, digest).
        notes: (unit, cause, count).
        faithful: its file was read again and gives the same units, contexts and side data; None without a file.
    """

    number: int
    first_unit: int
    width: int
    height: int
    source_us: int
    since_us: int
    coded: bytes
    offsets_us: array[int]
    flags: bytes
    interval_us: int
    headers: tuple[tuple[int, bytes | None], ...]
    sides: tuple[tuple[int, bytes], ...]
    notes: tuple[tuple[int, str, int], ...]
    mono_us: int
    mono_end_us: int
    faithful: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """The samples of one segment.

    `missing` lists the first unit of every slot of the minimum rate that has pictures, but no sample.
    """

    number: int
    looks: tuple[Look, ...]
    missing: tuple[int, ...]
