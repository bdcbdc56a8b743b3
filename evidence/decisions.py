"""Decisions that change what counts: deputies, revoked keys, changes of a camera. Shared by contract and verifier.

Keys: `delegation/<participant>/<n>`, `revocation/<camera>/<n>`, `change/<camera>/<number>/<n>`, all numbers of ten
digits from 0; of a change, entry 0 is the proposal and entry 1 the decision.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

from evidence.canonical import Fields, canonical, integers, parse_canonical
from evidence.digests import to_base64
from evidence.errors import Malformed
from evidence.keys import MAX_SPKI_BYTES, PublicKey, parse_public_key
from evidence.registry import ACTIVE, KEY_CUSTODY, CameraEntry, ParticipantEntry, Position, numbered_key

DELEGATION_TYPE = "veriframe/delegation/1"
REVOCATION_TYPE = "veriframe/revocation/1"
CHANGE_TYPE = "veriframe/change/1"

_DEVICE = ("make", "model", "serial", "firmware", "hardware_address")
# Kind of a change -> the members of the camera's entry that it replaces.
CHANGE_KINDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "address": ("ip", "location"),
        "device": (*_DEVICE, "device_key", "key_custody"),
        "key": ("device_key", "key_custody"),
        "firmware": ("firmware",),
    }
)
CHANGEABLE = ("ip", "location", *_DEVICE, "device_key", "key_custody")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """A manager's word that a supervisor acts in the manager's place from `from_us` until `until_us`."""

    participant: str
    n: int
    status: str
    control_room: str
    by: str
    from_us: int
    until_us: int


def parse_delegation(data: bytes) -> Delegation:
    """Read a delegation from its canonical bytes. Raises Malformed."""
    names = tuple(each.name for each in fields(Delegation))
    f = Fields(parse_canonical(data, "delegation"), "delegation", ("type", *names))
    f.const("type", DELEGATION_TYPE)
    return Delegation(
        participant=f.ident("participant"),
        n=f.integer("n"),
        status=f.choice("status", ("ACTIVE", "ENDED")),
        control_room=f.ident("control_room"),
        by=f.ident("by"),
        from_us=f.integer("from_us"),
        until_us=f.integer("until_us"),
    )


def delegation_in_force(
    delegation: Delegation, deputy: ParticipantEntry, manager: ParticipantEntry | None, moment_us: int
) -> bool:
    """Tell whether `deputy` acts as manager at `moment_us`: deputy and manager are still what they were."""
    return (
        delegation.status == ACTIVE
        and delegation.from_us <= moment_us <= delegation.until_us
        and (deputy.id, deputy.role, deputy.control_room) == (delegation.participant, "CRS", delegation.control_room)
        and manager is not None
        and manager.active_at(moment_us)
        and (manager.id, manager.role, manager.control_room) == (delegation.by, "CRM", delegation.control_room)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A camera's key counts no longer: not for what is anchored later, nor for what was not anchored by a moment."""

    camera: str
    n: int
    key: str
    compromised_since_us: int
    reason: bytes
    by: str

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": REVOCATION_TYPE, "camera": self.camera, "n": self.n, "key": self.key, "by": self.by,
                "compromised_since_us": self.compromised_since_us, "reason": self.reason.hex(),
            }
        )  # fmt: skip


def parse_revocation(data: bytes) -> Revocation:
    """Read a revocation from its canonical bytes. Raises Malformed."""
    names = tuple(each.name for each in fields(Revocation))
    f = Fields(parse_canonical(data, "revocation"), "revocation", ("type", *names))
    f.const("type", REVOCATION_TYPE)
    return Revocation(
        camera=f.ident("camera"),
        n=f.integer("n"),
        key=f.digest("key").hex(),
        compromised_since_us=f.integer("compromised_since_us"),
        reason=f.digest("reason"),
        by=f.ident("by"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of a camera, proposed or decided; members that its kind does not replace are None.

    `key_from` is the slot, chain and sequence, from which the new key counts.
    """

    camera: str
    number: int
    n: int
    status: str
    kind: str
    proposer: str
    decided_by: str | None = None
    reason: bytes | None = None
    ip: str | None = None
    location: str | None = None
    make: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    hardware_address: str | None = None
    device_key: PublicKey | None = None
    key_custody: str | None = None
    key_from: tuple[int, int] | None = None

    def canonical(self) -> bytes:
        value: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        value["type"] = CHANGE_TYPE
        value["reason"] = None if self.reason is None else self.reason.hex()
        value["device_key"] = None if self.device_key is None else to_base64(self.device_key.spki)
        value["key_from"] = None if self.key_from is None else list(self.key_from)
        return canonical(value)

    @property
    def values(self) -> Mapping[str, Any]:
        """What the camera's entry says afterwards, by member."""
        values = {name: getattr(self, name) for name in CHANGE_KINDS[self.kind]}
        if self.key_from is not None:
            values["key_from"] = self.key_from
        return values


def parse_change(data: bytes) -> Change:
    """Read a change from its canonical bytes.

    Raises:
        Malformed: also where a member is stated that its kind does not replace, or one is lacking that it does.
    """
    names = tuple(each.name for each in fields(Change))
    f = Fields(parse_canonical(data, "change"), "change", ("type", *names))
    f.const("type", CHANGE_TYPE)
    kind = f.choice("kind", CHANGE_KINDS)
    change = Change(
        camera=f.ident("camera"),
        number=f.integer("number"),
        n=f.integer("n"),
        status=f.choice("status", ("PROPOSED", "APPROVED", "REJECTED")),
        kind=kind,
        proposer=f.ident("proposer"),
        decided_by=f.optional("decided_by", f.ident),
        reason=f.optional("reason", f.digest),
        **{name: f.optional(name, f.text) for name in ("ip", "location", *_DEVICE)},
        device_key=f.optional("device_key", lambda name: parse_public_key(f.base64(name, limit=MAX_SPKI_BYTES))),
        key_custody=f.optional("key_custody", lambda name: f.choice(name, KEY_CUSTODY)),
        key_from=f.optional("key_from", lambda name: _slot(f.raw(name))),
    )
    check_change(change)
    return change


def _slot(value: object) -> tuple[int, int]:
    chain, sequence = integers(value, "change: 'key_from'", 2, 0, 9_999_999_999)
    return chain, sequence


def check_change(change: Change) -> None:
    """Raises Malformed where a change does not state exactly what its kind replaces."""
    replaced = CHANGE_KINDS[change.kind]
    for name in CHANGEABLE:
        if (getattr(change, name) is not None) != (name in replaced):
            needs = "states" if name in replaced else "does not state"
            raise Malformed(f"a change of {change.kind} {needs} {name!r}")
    if (change.key_from is not None) != ("device_key" in replaced):
        raise Malformed(f"a change of {change.kind} names chain and sequence only, and always, with a new key")


def changed_camera(entry: CameraEntry, change: Change, decided_by: str) -> CameraEntry:
    """The entry that follows `entry` when `change` is approved."""
    return replace(entry, n=entry.n + 1, decided_by=decided_by, reason=None, **change.values)


class Decisions:
    """All such decisions that are known, with their positions, asked for a moment; see `evidence.registry.Registry`.

    Args:
        entries: (position, key, value) in any order; other keys are ignored.

    Raises:
        Malformed: an entry does not parse, or stands under another key than it names.
    """

    def __init__(self, entries: Iterable[tuple[Position, str, bytes]]) -> None:
        self._delegations: dict[str, list[tuple[Position, Delegation]]] = defaultdict(list)
        self._revocations: dict[str, list[tuple[Position, Revocation]]] = defaultdict(list)
        self._changes: dict[tuple[str, int, int], tuple[Position, Change]] = {}
        for position, key, value in sorted(entries, key=lambda entry: entry[:2]):
            kind = key.partition("/")[0]
            if kind == "delegation":
                delegation = parse_delegation(value)
                _stands(key, numbered_key(kind, delegation.participant, delegation.n))
                self._delegations[delegation.participant].append((position, delegation))
            elif kind == "revocation":
                revocation = parse_revocation(value)
                _stands(key, numbered_key(kind, revocation.camera, revocation.n))
                self._revocations[revocation.camera].append((position, revocation))
            elif kind == "change":
                change = parse_change(value)
                _stands(key, change_key(change))
                self._changes[change.camera, change.number, change.n] = (position, change)

    def delegation_at(self, participant: str, position: Position) -> Delegation | None:
        """The newest delegation written before `position`."""
        found = [each for at, each in self._delegations.get(participant, ()) if at < position]
        return found[-1] if found else None

    def revocations(self, camera: str) -> Sequence[tuple[Position, Revocation]]:
        return tuple(self._revocations.get(camera, ()))

    def change(self, camera: str, number: int, n: int) -> tuple[Position, Change] | None:
        return self._changes.get((camera, number, n))

    def decided_at(self, camera: str, position: Position) -> Change | None:
        """The decision about a change that the transaction at `position` wrote."""
        for at, change in self._changes.values():
            if (change.camera, at) == (camera, position) and change.n > 0:
                return change
        return None


def change_key(change: Change) -> str:
    return numbered_key(f"change/{change.camera}", f"{change.number:010d}", change.n)


def _stands(key: str, named: str) -> None:
    if key != named:
        raise Malformed("a decision stands under another key than it names", where=key)
