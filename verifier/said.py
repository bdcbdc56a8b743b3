"""Does an entry of the registry say what its author signed?

An embedded ledger's keeper alone writes what follows from a transaction. Whoever asked for something else is not
answered by a manager's approval, an owner's camera or a key that they never named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chaincode.table import TABLE
from evidence.canonical import parse_canonical
from evidence.errors import Malformed
from evidence.registry import MAX_ENTRY_BYTES

# Members that an entry names otherwise than the transaction does.
_CAMERA = MappingProxyType({"camera": "id"})
_PARTICIPANT = MappingProxyType({"participant": "id"})
_SAME: Mapping[str, str] = MappingProxyType({})
# Kind of an entry -> the transactions that write one, and how they name its members.
_WRITERS: Mapping[str, tuple[frozenset[str], Mapping[str, str]]] = MappingProxyType(
    {
        "camera": (
            frozenset(
                {
                    *("propose_camera", "approve_camera", "reject_camera", "suspend_camera", "reinstate_camera"),
                    *("retire_camera", "approve_change"),
                }
            ),
            _CAMERA,
        ),
        "participant": (
            frozenset(
                {
                    *("register_participant", "change_participant", "suspend_participant", "reinstate_participant"),
                    "rotate_participant_key",
                }
            ),
            _PARTICIPANT,
        ),
        "change": (frozenset({"propose_change", "approve_change", "reject_change"}), _SAME),
        "delegation": (frozenset({"delegate", "end_delegation"}), _SAME),
        "revocation": (frozenset({"revoke_key"}), _SAME),
    }
)


def as_signed(kind: str, function: str, arguments: Sequence[bytes], value: bytes) -> bool:
    """Whether an entry's members are those that the transaction which wrote it names.

    Entries that do not repeat their transaction's members (the founding, the two-person replacement of an ADMIN) are
    judged elsewhere and pass; a transaction that writes no such entries does not.
    """
    try:
        if function in ("init", "replace_admin"):
            return True
        if kind == "policy":
            return function == "set_policy" and _object(arguments)["policy"] == parse_canonical(value, "policy")
        writers, names = _WRITERS.get(kind, (frozenset[str](), _SAME))
        if function not in writers:
            return False
        entry = parse_canonical(value, "registry entry", limit=MAX_ENTRY_BYTES)
        return all(entry.get(name) == said for name, said in _said(kind, function, _object(arguments), names))
    except (Malformed, KeyError, AttributeError):
        return False


def _object(arguments: Sequence[bytes]) -> dict[str, Any]:
    if len(arguments) != 1:
        raise Malformed("a transaction takes one argument")
    found = parse_canonical(arguments[0], "argument")
    if not isinstance(found, dict):
        raise Malformed("an argument is an object")
    return found


def _said(kind: str, function: str, given: Mapping[str, Any], names: Mapping[str, str]) -> list[tuple[str, object]]:
    """Name in the entry and value, for every member that the transaction takes; None for what it leaves out."""
    said = {each.name: given.get(each.name) for each in TABLE[function].arguments}
    if "chain" in said:  # a change names the slot from which its key counts in one member
        slot = [said.pop("chain"), said.pop("sequence")]
        said["key_from"] = None if slot == [None, None] else slot
    if kind == "camera":
        said.pop("number", None)  # the change itself stands beside it, and is judged with it
    return [(names.get(name, name), value) for name, value in said.items()]
