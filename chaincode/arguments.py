"""What a transaction takes: declared as data, read strictly.

Every transaction takes exactly one argument. For most it is a canonical JSON object whose members the table lists; for
`init` and `anchor` it is a document with a parser of its own, handed to the rule as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import is_ident, parse_digest
from evidence.errors import Malformed
from evidence.keys import MAX_SPKI_BYTES, parse_public_key
from evidence.proof_ranges import KeyRange, parse_ranges

T = TypeVar("T")

MAX_ARGUMENT_BYTES = 64 << 10
MAX_TEXT_BYTES = 1024
MAX_IDS = 64
MAX_DIGESTS = 500
# DER SubjectPublicKeyInfo of every X25519 key, before its 32 bytes (RFC 8410 4).
_X25519_SPKI = bytes.fromhex("302a300506032b656e032100")


def _public_key(fields: Fields, name: str) -> bytes:
    return parse_public_key(fields.base64(name, limit=MAX_SPKI_BYTES)).spki


def _object(fields: Fields, name: str) -> bytes:
    value = fields.raw(name)
    if not isinstance(value, dict):
        raise Malformed(f"{name!r} is not a JSON object")
    return canonical(value)


def _ascending(fields: Fields, name: str, limit: int, read: Callable[[object], str]) -> tuple[str, ...]:
    """A list without repetition in one order, so that the same list has one spelling."""
    listed = tuple(read(each) for each in fields.list(name, limit=limit))
    if not listed or any(first >= second for first, second in pairwise(listed)):
        raise Malformed(f"{name!r} is not 1 to {limit} different entries in ascending order")
    return listed


def _ident(value: object) -> str:
    if not isinstance(value, str) or not is_ident(value):
        raise Malformed("a list of ids holds something else")
    return value


def _encryption_key(fields: Fields, name: str) -> bytes:
    spki = fields.base64(name, limit=MAX_SPKI_BYTES)
    if len(spki) != len(_X25519_SPKI) + 32 or not spki.startswith(_X25519_SPKI):
        raise Malformed(f"{name!r} is not the DER SubjectPublicKeyInfo of an X25519 key")
    return spki


# Kind of an argument -> what reads it. The words stand in the reference and in `describe`.
KINDS: Mapping[str, Callable[[Fields, str], object]] = {
    "id": Fields.ident,
    "key id": lambda fields, name: fields.digest(name).hex(),
    "text": lambda fields, name: fields.text(name, limit=MAX_TEXT_BYTES),
    "number": Fields.integer,
    "digest": Fields.digest,
    "public key": _public_key,
    "object": _object,
    "yes or no": Fields.boolean,
    "list of ids": lambda fields, name: _ascending(fields, name, MAX_IDS, _ident),
    "list of digests": lambda fields, name: _ascending(
        fields, name, MAX_DIGESTS, lambda each: parse_digest(each, "an entry").hex()
    ),
    "encryption key": _encryption_key,
    "list of [start, end]": lambda fields, name: parse_ranges(fields.raw(name)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One member of a transaction's argument object; `choices` closes the list of its values."""

    name: str
    kind: str = "id"
    optional: bool = False
    choices: tuple[str, ...] = ()

    def read(self, fields: Fields) -> object:
        if self.choices:
            return (
                fields.optional(self.name, self._choice(fields)) if self.optional else self._choice(fields)(self.name)
            )
        reader = KINDS[self.kind]
        if self.optional:
            return fields.optional(self.name, lambda name: reader(fields, name))
        return reader(fields, self.name)

    def _choice(self, fields: Fields) -> Callable[[str], str]:
        return lambda name: fields.choice(name, self.choices)


class Arguments:
    """The parsed members, by name. Asking for one under the wrong type is a defect of the rule (TypeError)."""

    def __init__(self, values: Mapping[str, object], document: bytes) -> None:
        self._values = values
        self.document = document

    def has(self, name: str) -> bool:
        return self._values[name] is not None

    def text(self, name: str) -> str:
        return self._typed(name, str)

    def number(self, name: str) -> int:
        return self._typed(name, int)

    def data(self, name: str) -> bytes:
        return self._typed(name, bytes)

    def maybe_text(self, name: str) -> str | None:
        return None if self._values[name] is None else self.text(name)

    def maybe_number(self, name: str) -> int | None:
        return None if self._values[name] is None else self.number(name)

    def flag(self, name: str) -> bool:
        return self._typed(name, bool)

    def names(self, name: str) -> tuple[str, ...]:
        return self._typed(name, tuple)

    def ranges(self, name: str) -> tuple[KeyRange, ...]:
        return self._typed(name, tuple)

    def maybe_hex(self, name: str) -> str | None:
        return None if self._values[name] is None else self.data(name).hex()

    def _typed(self, name: str, kind: type[T]) -> T:
        value = self._values[name]
        if not isinstance(value, kind):
            raise TypeError(f"argument {name!r} is a {type(value).__name__}, not a {kind.__name__}")
        return value


def parse_arguments(
    function: str, declared: Sequence[Argument], given: Sequence[bytes], *, document_bytes: int = 0
) -> Arguments:
    """Read a transaction's arguments.

    Args:
        document_bytes: largest size of the document that this transaction takes instead of an object; 0: an object.

    Raises:
        Malformed: not exactly one argument, too large, not canonical, or a member missing, unknown or out of bounds.
    """
    if len(given) != 1:
        raise Malformed(f"{function} takes exactly one argument, not {len(given)}")
    if document_bytes:
        if len(given[0]) > document_bytes:
            raise Malformed(f"{function}: the document is larger than {document_bytes} bytes")
        return Arguments({}, given[0])
    value = parse_canonical(given[0], f"argument of {function}", limit=MAX_ARGUMENT_BYTES)
    fields = Fields(
        value,
        f"argument of {function}",
        [each.name for each in declared if not each.optional],
        [each.name for each in declared if each.optional],
    )
    return Arguments({each.name: each.read(fields) for each in declared}, given[0])
