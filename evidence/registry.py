"""Who and what was registered at a given moment of a ledger: cameras, participants, policies, keys.

Entries are append-only numbered keys `camera/<id>/<n>`, `participant/<id>/<n>`, `policy/<control room>/<n>`; a later
entry replaces an earlier one from its commit on. The contract judges with these functions when it anchors, the verifier
when it examines: one rule, two callers.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from evidence.blocks import SignedBlock
from evidence.canonical import Fields, canonical, integers, parse_canonical
from evidence.digests import sha256, to_base64
from evidence.errors import Malformed
from evidence.genesis import is_msp
from evidence.keys import MAX_SPKI_BYTES, PublicKey, parse_public_key

CAMERA_TYPE = "veriframe/camera/1"
PARTICIPANT_TYPE = "veriframe/participant/1"
MAX_ENTRY_BYTES = 16 << 10

PROPOSED, ACTIVE, REJECTED, SUSPENDED, RETIRED = "PROPOSED", "ACTIVE", "REJECTED", "SUSPENDED", "RETIRED"
CAMERA_STATUSES = (PROPOSED, ACTIVE, REJECTED, SUSPENDED, RETIRED)
PARTICIPANT_STATUSES = (ACTIVE, SUSPENDED)
ROLES = ("CRM", "CRS", "OPERATOR", "PO", "PCRO", "LAS", "OWNER", "RECORDER", "AUDITOR", "ADMIN")
KEY_CUSTODY = ("file", "tpm", "hsm", "camera")

T = TypeVar("T")

_NUMBERED = re.compile(r"(camera|participant|policy)/([a-z0-9][a-z0-9-]{0,62})/([0-9]{10})")


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a transaction stands in its ledger: block height, then index within the block. Compares in ledger order."""

    height: int
    index: int


def numbered_key(kind: str, identifier: str, number: int) -> str:
    return f"{kind}/{identifier}/{number:010d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraEntry:
    """One version of a camera's entry; its SHA-256 is the `enrolment` of records made under it."""

    id: str
    n: int
    status: str
    site: str
    ip: str
    make: str
    model: str
    serial: str
    firmware: str
    hardware_address: str
    location: str
    control_room: str
    owner: str | None
    view_of: str | None
    device_key: PublicKey
    key_custody: str
    specification: str
    proposer: str
    decided_by: str | None
    reason: bytes | None
    # Chain and sequence from which `device_key` counts, in the entry that brought the key and those after it; None for
    # the key with which the camera was approved. Left out of the bytes while None: entries of before read the same.
    key_from: tuple[int, int] | None = None

    def canonical(self) -> bytes:
        value: dict[str, Any] = {name: getattr(self, name) for name in _CAMERA_TEXTS}
        if self.key_from is not None:
            value["key_from"] = list(self.key_from)
        value["type"] = CAMERA_TYPE
        value["n"] = self.n
        value["device_key"] = to_base64(self.device_key.spki)
        value["reason"] = None if self.reason is None else self.reason.hex()
        return canonical(value)

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


_CAMERA_TEXTS = (
    *("id", "status", "site", "ip", "make", "model", "serial", "firmware", "hardware_address", "location"),
    *("control_room", "owner", "view_of", "key_custody", "specification", "proposer", "decided_by"),
)


def parse_camera_entry(data: bytes) -> CameraEntry:
    """Read a camera entry from its canonical bytes. Raises Malformed."""
    f = Fields(
        parse_canonical(data, "camera entry", limit=MAX_ENTRY_BYTES),
        "camera entry",
        ("type", "n", "device_key", "reason", *_CAMERA_TEXTS),
        ("key_from",),
    )
    f.const("type", CAMERA_TYPE)
    entry = CameraEntry(
        id=f.ident("id"),
        n=f.integer("n"),
        status=f.choice("status", CAMERA_STATUSES),
        site=f.ident("site"),
        ip=f.text("ip", limit=64),
        make=f.text("make", limit=128),
        model=f.text("model", limit=128),
        serial=f.text("serial", limit=128),
        firmware=f.text("firmware", limit=128),
        hardware_address=f.text("hardware_address", limit=64),
        location=f.text("location", limit=256),
        control_room=f.ident("control_room"),
        owner=f.optional("owner", f.ident),
        view_of=f.optional("view_of", f.ident),
        device_key=parse_public_key(f.base64("device_key", limit=MAX_SPKI_BYTES)),
        key_custody=f.choice("key_custody", KEY_CUSTODY),
        specification=f.text("specification", limit=1024),
        proposer=f.ident("proposer"),
        decided_by=f.optional("decided_by", f.ident),
        reason=f.optional("reason", f.digest),
        key_from=f.optional("key_from", lambda name: _slot(f.raw(name))),
    )
    if entry.canonical() != data:
        raise Malformed("camera entry states a member that it need not state")
    return entry


def _slot(value: object) -> tuple[int, int]:
    chain, sequence = integers(value, "camera entry: 'key_from'", 2, 0, 9_999_999_999)
    return chain, sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantEntry:
    """One version of a participant's entry: a pseudonym, an organisation and role, and the key that acts for it."""

    id: str
    n: int
    status: str
    msp: str
    role: str
    key: str
    control_room: str | None
    department: str | None
    site: str | None
    valid_until_us: int | None

    def canonical(self) -> bytes:
        value: dict[str, Any] = {name: getattr(self, name) for name in ParticipantEntry.__slots__}
        value["type"] = PARTICIPANT_TYPE
        return canonical(value)

    def active_at(self, moment_us: int) -> bool:
        return self.status == ACTIVE and (self.valid_until_us is None or moment_us <= self.valid_until_us)


def parse_participant_entry(data: bytes) -> ParticipantEntry:
    """Read a participant entry from its canonical bytes. Raises Malformed."""
    f = Fields(
        parse_canonical(data, "participant entry", limit=MAX_ENTRY_BYTES),
        "participant entry",
        ("type", *ParticipantEntry.__slots__),
    )
    f.const("type", PARTICIPANT_TYPE)
    msp = f.text("msp", limit=64)
    if not is_msp(msp):
        raise Malformed("participant entry names no MSP id")
    return ParticipantEntry(
        id=f.ident("id"),
        n=f.integer("n"),
        status=f.choice("status", PARTICIPANT_STATUSES),
        msp=msp,
        role=f.choice("role", ROLES),
        key=f.digest("key").hex(),
        control_room=f.optional("control_room", f.ident),
        department=f.optional("department", f.ident),
        site=f.optional("site", f.ident),
        valid_until_us=f.optional("valid_until_us", f.integer),
    )


class Registry:
    """The registry's whole history, as far as it is known, asked for a moment.

    A moment is a `Position`: entries written by transactions *before* it count, as a transaction sees none of its own
    writes.

    Args:
        entries: (position, key, value) of every committed write to a numbered key, in any order; other keys are
            ignored.

    Raises:
        Malformed: an entry does not parse, or stands under another id or number than it names.
    """

    def __init__(self, entries: Iterable[tuple[Position, str, bytes]]) -> None:
        self._cameras: dict[str, list[tuple[Position, CameraEntry]]] = defaultdict(list)
        self._participants: dict[str, list[tuple[Position, ParticipantEntry]]] = defaultdict(list)
        self._policies: dict[str, list[tuple[Position, bytes]]] = defaultdict(list)
        for position, key, value in sorted(entries, key=lambda entry: entry[:2]):
            match = _NUMBERED.fullmatch(key)
            if match is None:
                continue
            kind, identifier, number = match[1], match[2], int(match[3])
            if kind == "policy":
                self._policies[identifier].append((position, value))
                continue
            entry = parse_camera_entry(value) if kind == "camera" else parse_participant_entry(value)
            if (entry.id, entry.n) != (identifier, number):
                raise Malformed("registry entry stands under another id or number than it names", where=key)
            if isinstance(entry, CameraEntry):
                self._cameras[identifier].append((position, entry))
            else:
                self._participants[identifier].append((position, entry))

    @property
    def cameras(self) -> Sequence[str]:
        return sorted(self._cameras)

    def camera_history(self, camera: str) -> Sequence[tuple[Position, CameraEntry]]:
        return tuple(self._cameras.get(camera, ()))

    def camera_at(self, camera: str, position: Position) -> CameraEntry | None:
        return _latest(self._cameras.get(camera, []), position)

    def participant_at(self, participant: str, position: Position) -> ParticipantEntry | None:
        return _latest(self._participants.get(participant, []), position)

    def participant_by_key(self, key_id: str, position: Position) -> ParticipantEntry | None:
        """The participant for whom the key `key_id` acted at `position`."""
        for history in self._participants.values():
            entry = _latest(history, position)
            if entry is not None and entry.key == key_id:
                return entry
        return None

    def recorders(self, site: str) -> Sequence[str]:
        """Everybody who was ever registered as a recorder of the site."""
        place = ("RECORDER", site)
        found = {name for name, all_ in self._participants.items() if place in {(e.role, e.site) for _, e in all_}}
        return sorted(found)

    def policies(self, control_room: str) -> Sequence[tuple[Position, bytes]]:
        """Policy documents set for a control room, oldest first."""
        return tuple(self._policies.get(control_room, ()))

    def enrolled(self, camera: str, enrolment: bytes, position: Position) -> bool:
        """Tell whether `enrolment` is the digest of an ACTIVE entry of `camera` written before `position`."""
        return any(
            entry.status == ACTIVE and entry.digest == enrolment
            for at, entry in self._cameras.get(camera, ())
            if at < position
        )


def _latest(history: list[tuple[Position, T]], position: Position) -> T | None:
    index = bisect_left(history, position, key=lambda each: each[0])
    return history[index - 1][1] if index else None


def key_of_slot(camera: CameraEntry, earlier: Sequence[CameraEntry], chain: int, sequence: int) -> PublicKey:
    """The device key that counts for a slot anchored now.

    A rotation names a slot: below it the old key goes on counting, so that what was sealed before the switch can still
    be anchored; from it on only the new one does. That slot's chain had begun when the rotation was approved, and
    chains begin with ever higher numbers, so a chain that began later lies above it as a whole.

    Args:
        camera: the entry in force.
        earlier: the entries before it, in any order; needed only where the camera had other keys.
    """
    if camera.key_from is None or (chain, sequence) >= camera.key_from:
        return camera.device_key  # almost always
    entries = [*sorted((each for each in earlier if each.n < camera.n), key=lambda each: each.n), camera]
    entry = entries.pop()
    while entry.key_from is not None and (chain, sequence) < entry.key_from:
        switched = entry.key_from, entry.device_key.key_id
        while entries and (entries[-1].key_from, entries[-1].device_key.key_id) == switched:
            entries.pop()
        if not entries:
            break
        entry = entries.pop()
    return entry.device_key


def judge_block(
    camera: CameraEntry | None,
    signed: SignedBlock,
    *,
    earlier: Sequence[CameraEntry] = (),
    revoked: Collection[str] = (),
) -> str | None:
    """Tell why `signed` may not be anchored under the camera entry in force, or None if it may.

    Args:
        earlier: the camera's entries before the one in force, see `key_of_slot`.
        revoked: key ids of the camera that have been revoked.

    The reasons are a closed list: `camera_unknown`, `camera_not_active`, `key_differs`, `key_revoked`,
    `signature_invalid`.
    """
    if camera is None or camera.id != signed.block.camera:
        return "camera_unknown"
    if camera.status != ACTIVE:
        return "camera_not_active"
    key = key_of_slot(camera, earlier, signed.block.chain, signed.block.sequence)
    if key.key_id != signed.block.key:
        return "key_differs"
    if key.key_id in revoked:
        return "key_revoked"
    if not key.verify(signed.signature, signed.block.signing_input()):
        return "signature_invalid"
    return None
