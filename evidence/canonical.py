"""Canonical JSON: RFC 8785 restricted to integers, ASCII member names and bounded depth.

One value has one spelling, so a digest or signature over the bytes is a digest or signature over the value.
`parse_canonical` therefore refuses every text that it would not have written itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, TypeVar

from evidence.digests import is_ident, parse_base64, parse_digest
from evidence.errors import Malformed

MAX_INTEGER = 2**53 - 1  # the largest magnitude that every JSON reader keeps exactly (RFC 7493 2.2)
MAX_DEPTH = 16
DEFAULT_LIMIT = 1 << 20

T = TypeVar("T")

_ESCAPED = re.compile(rb"\\.", re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def canonical(value: object) -> bytes:
    """Write `value` as canonical JSON.

    With integers only and ASCII names, sorting by code point is sorting by UTF-16 unit and the standard library's
    escapes are those of RFC 8785 3.2.2.2; a test holds this against an independent implementation of the RFC.

    Raises:
        Malformed: floats, integers beyond 2^53-1, member names that are not ASCII, lone surrogates, more than
            16 levels, or anything that JSON does not have.
    """
    _check(value, 1)
    return _write(value)


def canonical_again(value: object) -> bytes:
    """Canonical JSON of what `parse_canonical` returned, or of a part of it: that needs no second check."""
    return _write(value)


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))


def _write(value: object) -> bytes:
    try:
        return _encoder.encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("text holds a lone surrogate") from error


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"JSON is nested deeper than {MAX_DEPTH} levels")
    if value is None or isinstance(value, bool | str):
        return
    if isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise Malformed("integer is beyond 2^53-1")
        return
    if isinstance(value, dict):
        for name, member in value.items():
            if not isinstance(name, str) or not name.isascii():
                raise Malformed("member name is not ASCII text")
            _check(member, depth + 1)
        return
    if isinstance(value, list | tuple):
        for member in value:
            _check(member, depth + 1)
        return
    raise Malformed(f"JSON cannot hold a {type(value).__name__}")


def _refuse_number(_: str) -> NoReturn:
    raise Malformed("number is not an integer")


def _integer(text: str) -> int:
    # int() of a huge digit string is quadratic; 17 characters hold every permitted integer.
    if len(text) > 17:
        raise Malformed("integer is beyond 2^53-1")
    value = int(text)
    if abs(value) > MAX_INTEGER:
        raise Malformed("integer is beyond 2^53-1")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Malformed("a member name stands twice")
    for name in members:
        if not name.isascii():
            raise Malformed("member name is not ASCII text")
    return members


_decoder = json.JSONDecoder(
    parse_float=_refuse_number, parse_int=_integer, parse_constant=_refuse_number, object_pairs_hook=_members
)


def parse_canonical(data: bytes, what: str, *, limit: int = DEFAULT_LIMIT) -> Any:
    """Read canonical JSON.

    Args:
        what: name of the thing for error messages.
        limit: largest accepted size in bytes.

    Raises:
        Malformed: too large, nested too deep, not UTF-8, not JSON, or not byte for byte what `canonical` writes.
    """
    if len(data) > limit:
        raise Malformed(f"{what} is larger than {limit} bytes")
    # The decoder recurses once a level, so the depth is bounded before it runs. Few brackets need no second look.
    if data.count(b"[") + data.count(b"{") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise Malformed(f"{what} is nested deeper than {MAX_DEPTH} levels")
    try:
        text = data.decode("utf-8")
        value, end = _decoder.raw_decode(text)
        # The hooks have refused what `_check` would; writing it again finds every other spelling.
        faithful = end == len(text) and _write(value) == data
    except Malformed as error:
        raise Malformed(f"{what}: {error.detail}") from error
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise Malformed(f"{what} is not JSON") from error
    if not faithful:
        raise Malformed(f"{what} is not canonical JSON (RFC 8785)")
    return value


def _depth(data: bytes) -> int:
    """How deep JSON text is nested, up to where it stops being JSON: no reader gets further."""
    # A backslash stands in strings only; without escapes, every second piece between quotes lies outside of strings.
    outside = b"".join(_ESCAPED.sub(b"", data).split(b'"')[::2])
    deepest = depth = 0
    for byte in outside.translate(None, _NO_BRACKETS):
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest


class Fields:
    """Reads the members of one JSON object strictly: every member known, typed and within bounds.

    Args:
        value: the parsed JSON value.
        what: name of the object for error messages.
        names: exactly the member names that must be present.
        optional: member names that may be absent.

    Raises:
        Malformed: not an object, a member missing or unknown; every reader method likewise for its member.
    """

    def __init__(self, value: object, what: str, names: Iterable[str], optional: Iterable[str] = ()) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{what} is not a JSON object")
        self._value: dict[str, Any] = value
        self._what = what
        required = set(names)
        unknown = value.keys() - required - set(optional)
        if unknown:
            raise Malformed(f"{what} has an unknown member {min(unknown)!r}")
        missing = required - value.keys()
        if missing:
            raise Malformed(f"{what} lacks the member {min(missing)!r}")

    def _bad(self, name: str, expected: str) -> Malformed:
        return Malformed(f"{self._what}: {name!r} is not {expected}")

    def raw(self, name: str) -> Any:
        return self._value.get(name)

    def present(self, name: str) -> bool:
        return self._value.get(name) is not None

    def const(self, name: str, expected: str) -> None:
        if self._value.get(name) != expected:
            raise self._bad(name, repr(expected))

    def text(self, name: str, *, limit: int = 1024) -> str:
        value = self._value.get(name)
        if not isinstance(value, str) or len(value.encode("utf-8")) > limit:
            raise self._bad(name, f"text of at most {limit} bytes")
        if any(ord(character) < 0x20 or ord(character) in (0x7F, 0x10FFFF) for character in value):
            raise self._bad(name, "text without control characters")
        return value

    def ident(self, name: str) -> str:
        value = self._value.get(name)
        if not isinstance(value, str) or not is_ident(value):
            raise self._bad(name, "an id ([a-z0-9][a-z0-9-]{0,62})")
        return value

    def choice(self, name: str, choices: Iterable[str]) -> str:
        value = self._value.get(name)
        allowed = tuple(choices)
        if not isinstance(value, str) or value not in allowed:
            raise self._bad(name, f"one of {', '.join(allowed)}")
        return value

    def integer(self, name: str, low: int = 0, high: int = MAX_INTEGER) -> int:
        value = self._value.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self._bad(name, f"an integer from {low} to {high}")
        return value

    def boolean(self, name: str) -> bool:
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self._bad(name, "true or false")
        return value

    def digest(self, name: str) -> bytes:
        return parse_digest(self._value.get(name), f"{self._what}: {name!r}")

    def base64(self, name: str, *, limit: int = DEFAULT_LIMIT) -> bytes:
        return parse_base64(self._value.get(name), f"{self._what}: {name!r}", limit=limit)

    def list(self, name: str, *, limit: int) -> list[Any]:
        value = self._value.get(name)
        if not isinstance(value, list) or len(value) > limit:
            raise self._bad(name, f"a list of at most {limit} entries")
        return value

    def optional(self, name: str, reader: Callable[[str], T]) -> T | None:
        """The member through `reader`, or None where it is null or absent."""
        return reader(name) if self.present(name) else None


def integers(value: object, what: str, count: int, low: int = -MAX_INTEGER, high: int = MAX_INTEGER) -> tuple[int, ...]:
    """Read a list of exactly `count` integers within bounds.

    Raises:
        Malformed: anything else.
    """
    if not isinstance(value, list) or len(value) != count:
        raise Malformed(f"{what} is not a list of {count} integers")
    for item in value:
        if not isinstance(item, int) or isinstance(item, bool) or not low <= item <= high:
            raise Malformed(f"{what} holds something other than integers from {low} to {high}")
    return tuple(value)
