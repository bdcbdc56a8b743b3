"""When a finished file begins, as its name says it.

A name is a claim, and often a vague one: a local time that happened twice, or never, or that names no zone. What is not
certain is refused with what would make it certain; nothing is guessed.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from evidence.errors import ConfigInvalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIELDS = {
    "Y": r"(?P<Y>\d{4})",
    "m": r"(?P<m>\d{2})",
    "d": r"(?P<d>\d{2})",
    "H": r"(?P<H>\d{2})",
    "M": r"(?P<M>\d{2})",
    "S": r"(?P<S>\d{2})",
    "f": r"(?P<f>\d{1,6})",
    "z": r"(?P<z>Z|[+-]\d{2}:?\d{2})",
}
_NEEDED = frozenset("YmdHMS")

# A date and a time of day, the same kind of separator (or none) throughout, not inside a longer number.
_STAMP = re.compile(
    r"(?<!\d)(?P<Y>(?:19|20)\d{2})(?P<a>[-_.]?)(?P<m>\d{2})(?P=a)(?P<d>\d{2})"
    r"[-_.T ]{0,3}"
    r"(?P<H>\d{2})(?P<b>[-_.:]?)(?P<M>\d{2})(?P=b)(?P<S>\d{2})"
    r"(?:[.,](?P<f>\d{3}|\d{6})(?!\d))?(?P<z>Z(?![A-Za-z])|[+-]\d{2}:?\d{2}(?!\d))?(?!\d)",
    re.ASCII,
)


def zone_named(name: str) -> ZoneInfo:
    """The time zone of that name, as `Europe/Berlin`. Raises ConfigInvalid: there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigInvalid(
            f"{name[:80]!r} is not a time zone known here", next_step="use a name as Europe/Berlin, or UTC"
        ) from error


def start_of(name: str, *, zone: ZoneInfo | None = None, pattern: str | None = None) -> int:
    """When the file of this name begins, Unix microseconds.

    Args:
        name: the path below the folder that is imported, with forward slashes.
        zone: zone of the names' times, for names that do not say one themselves.
        pattern: how the whole name is built: `%Y %m %d %H %M %S %f %z` for the parts of the time, `*` for anything;
            None: the name must hold exactly one recognisable date and time.

    Raises:
        ConfigInvalid: no time, more than one, no zone, or a local time that a clock change made ambiguous or
            impossible.
    """
    return _moment(_parts(name, pattern), name, zone)


def _parts(name: str, pattern: str | None) -> dict[str, str]:
    if pattern is not None:
        match = _compile(pattern).fullmatch(name)
        if match is None:
            raise _unusable(name, f"does not fit the pattern {pattern!r}", "correct the pattern or leave the file out")
        return {key: value for key, value in match.groupdict().items() if value}
    found = [match.groupdict() for match in _STAMP.finditer(name)]
    if not found:
        raise _unusable(name, "holds no date and time of day", "give its start with --start, or a pattern")
    kept = [{key: value for key, value in each.items() if value and key in _FIELDS} for each in found]
    if any(each != kept[0] for each in kept):
        raise _unusable(name, "holds several times", "say with a pattern which of them is the start")
    return kept[0]


def _compile(pattern: str) -> re.Pattern[str]:
    source, seen = "", set()
    for piece in re.split(r"(%.|\*)", pattern):
        if piece == "*":
            source += ".*?"
        elif piece.startswith("%") and len(piece) == 2:
            field = piece[1]
            if field not in _FIELDS:
                raise ConfigInvalid(f"{piece} means nothing in a name pattern", next_step="use %Y %m %d %H %M %S %f %z")
            # A path often repeats the date; the second time it must be the same.
            source += f"(?P={field})" if field in seen else _FIELDS[field]
            seen.add(field)
        else:
            source += re.escape(piece)
    if not seen >= _NEEDED:
        missing = " ".join(f"%{field}" for field in "YmdHMS" if field not in seen)
        raise ConfigInvalid(f"the name pattern lacks {missing}", next_step="a start needs date and time to the second")
    return re.compile(source, re.ASCII)


def _moment(parts: dict[str, str], name: str, zone: ZoneInfo | None) -> int:
    text = " ".join([*(parts[field] for field in "YmdHMS"), parts.get("f", "0")])
    try:
        local = datetime.strptime(text, "%Y %m %d %H %M %S %f")  # noqa: DTZ007 - the zone is what is to be found
    except ValueError as error:
        raise _unusable(name, "names a time that does not exist", "give its start with --start") from error
    if not 1970 < local.year < 9999:
        raise _unusable(name, f"names the year {local.year}", "give its start with --start")
    stated = parts.get("z")
    if stated is not None:
        return _microseconds(local.replace(tzinfo=_offset(stated, name)))
    if zone is None:
        raise _unusable(name, "does not say in which time zone its time is", "name the zone with --timezone")
    # Both readings of a wall clock: they differ where a clock change repeats the hour or leaves it out.
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return _microseconds(first)
    returned = first.astimezone(UTC).astimezone(zone).replace(tzinfo=None)
    what = "happened twice" if returned == local else "never happened"
    raise _unusable(
        name,
        f"names a local time that {what}: the clocks of {zone.key} were changed then",
        "give its start with --start and an offset, as 2025-10-26T02:30:00+02:00",
    )


def _offset(text: str, name: str) -> timezone:
    if text == "Z":
        return UTC
    hours, minutes = int(text[1:3]), int(text[-2:])
    if hours > 14 or minutes > 59:
        raise _unusable(name, f"names the impossible offset {text}", "give its start with --start")
    return timezone((-1 if text[0] == "-" else 1) * timedelta(hours=hours, minutes=minutes))


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _unusable(name: str, what: str, next_step: str) -> ConfigInvalid:
    return ConfigInvalid(f"the file's name {what}", where=name, next_step=next_step)
