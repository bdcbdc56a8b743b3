"""What waits for a second person: which call, with which arguments, and who can make it count.

The ledger keeps a waiting call under the digest of its arguments. The arguments themselves stand in the transaction
that wrote it, which an embedded ledger shows; a channel's contract shows the digest only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaincode.reader import LedgerEntry, LedgerReader
from evidence.canonical import parse_canonical
from evidence.ledger_format import parse_transaction

if TYPE_CHECKING:
    from cli.acting import Words
    from sdk.ledger import StateReader

MAX_ARGUMENT_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A first call. `arguments`: None where the ledger does not show them; `overtaken`: why no second one can come."""

    entry: Mapping[str, Any]
    digest: str
    arguments: Mapping[str, Any] | None
    overtaken: str

    @property
    def function(self) -> str:
        return str(self.entry["function"])

    def to_json(self) -> dict[str, Any]:
        return {
            **self.entry, "digest": self.digest, "arguments": self.arguments, "waits_for": self.waits_for,
            "overtaken": self.overtaken or None,
        }  # fmt: skip

    @property
    def waits_for(self) -> str:
        """Whose call is awaited."""
        if self.overtaken:
            return f"nobody: {self.overtaken}"
        called, lost = self.entry["msp"], (self.arguments or {}).get("lost")
        if self.function == "replace_admin":
            return f"an ADMIN of another organisation than {called} and that of {lost or 'the lost one'}"
        if self.function == "activate_rules":
            return f"an ADMIN of another organisation than {called}"
        return f"a CRM, PO or PCRO of another organisation than {called}"

    def what(self, words: Words) -> str:
        """The call's arguments in words; a reason as far as this home keeps the text."""
        if self.arguments is None:
            return f"arguments with digest {self.digest}"
        return ", ".join(
            f"{name} {words.text(value) + f' ({value})' if name == 'reason' else value}"
            for name, value in sorted(self.arguments.items())
        )


def waiting(reader: StateReader) -> Iterator[Waiting]:
    """Calls that wait for a second person, in the order of their keys."""
    newest: dict[str, LedgerEntry] = {}
    for entry in reader.entries("pending/"):
        newest[entry.key.rsplit("/", 1)[0]] = entry
    for key, entry in newest.items():
        value = parse_canonical(entry.value, "ledger entry", limit=MAX_ARGUMENT_BYTES)
        if not isinstance(value, dict) or value.get("status") != "WAITING":
            continue
        arguments = _arguments(reader, entry)
        height = entry.position.height
        yield Waiting(
            entry={"block": height if height >= 0 else None, **value}, digest=key.rsplit("/", 1)[1],
            arguments=arguments, overtaken=_overtaken(reader, arguments or {}),
        )  # fmt: skip


def _arguments(reader: StateReader, entry: LedgerEntry) -> Mapping[str, Any] | None:
    if not isinstance(reader, LedgerReader):
        return None
    transaction = parse_transaction(reader.receipt_at(entry.position).transaction.payload)
    value = parse_canonical(transaction.arguments[0], "arguments", limit=MAX_ARGUMENT_BYTES)
    return value if isinstance(value, dict) else None


def _overtaken(reader: StateReader, arguments: Mapping[str, Any]) -> str:
    """Why the contract would refuse a second call now, whoever makes it; empty where it would not for that."""
    lock, made, version = arguments.get("lock"), arguments.get("participant"), arguments.get("version")
    if lock is not None:
        entries = reader.entries(f"lock/{lock}/")
        newest = parse_canonical(entries[-1].value, "lock", limit=MAX_ARGUMENT_BYTES) if entries else None
        return f"lock {lock} is RELEASED" if isinstance(newest, dict) and newest.get("status") == "RELEASED" else ""
    if made is not None:
        return f"participant {made} exists" if reader.entries(f"participant/{made}/") else ""
    if isinstance(version, int):
        return f"version {version} is in force" if reader.entries("rules/", first=f"rules/{version:010d}") else ""
    return ""
