"""When a segment closes. Pure: units go in one after the other, "close before this one" comes out.

The answer depends on the footage alone, never on the clock or on how often recording was interrupted, so that an
import taken up again cuts exactly where the first attempt would have cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evidence.errors import ConfigInvalid

Cause = Literal["key", "long", "changed", "jump"]

# A proof file holds a segment's columns in memory. No camera reaches this in 20 s (500 pictures a second); footage
# whose timestamps stand still would never close otherwise.
MAX_UNITS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """When to close: at the first key picture after `key_us`, or at any unit after `long_us`."""

    key_us: int = 10_000_000
    long_us: int = 20_000_000

    def __post_init__(self) -> None:
        if not 0 < self.key_us <= self.long_us:
            raise ConfigInvalid("a segment's length without a key picture must not be below its length with one")


DEFAULT_LENGTHS = Lengths()


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the segmenter needs to know of one unit.

    `time_us` counts from anything that stays the same within a connection; `form` is codec and size, `connection` the
    running connection: another value of either closes the segment.
    """

    time_us: int
    key: bool
    form: tuple[str, int, int]
    connection: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Open:
    """The open segment: its first unit's time, the latest time seen, the number of units, form and connection."""

    start_us: int
    latest_us: int
    count: int
    form: tuple[str, int, int]
    connection: int


def step(segment: Open | None, unit: Seen, lengths: Lengths = DEFAULT_LENGTHS) -> tuple[Cause | None, Open]:
    """Decide whether the segment closes before `unit`, and return the segment that `unit` belongs to.

    Args:
        segment: the open segment; None: `unit` is the first one.

    Returns:
        The cause (None: `unit` continues the segment) and the segment including `unit`.
    """
    cause = _cause(segment, unit, lengths)
    if segment is None or cause is not None:
        return cause, Open(
            start_us=unit.time_us, latest_us=unit.time_us, count=1, form=unit.form, connection=unit.connection
        )
    return None, Open(
        start_us=segment.start_us,
        latest_us=max(segment.latest_us, unit.time_us),
        count=segment.count + 1,
        form=segment.form,
        connection=segment.connection,
    )


def _cause(segment: Open | None, unit: Seen, lengths: Lengths) -> Cause | None:
    if segment is None:
        return None
    if unit.form != segment.form or unit.connection != segment.connection:
        return "changed"
    length_us = unit.time_us - segment.start_us
    if unit.key and length_us >= lengths.key_us:
        return "key"
    if length_us >= lengths.long_us:
        return "long"
    # Pictures shown before their key picture lie a few intervals back; a whole segment back is another time axis, on
    # which the length could not be told.
    if segment.latest_us - unit.time_us >= lengths.key_us or segment.count >= MAX_UNITS:
        return "jump"
    return None
