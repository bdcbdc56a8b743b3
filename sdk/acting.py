"""Acting in a home as one of its identities, and enrolling a camera as two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from evidence.canonical import canonical, parse_canonical
from evidence.digests import to_base64
from evidence.errors import ConfigInvalid
from evidence.registry import (
    ACTIVE,
    PROPOSED,
    CameraEntry,
    ParticipantEntry,
    parse_camera_entry,
    parse_participant_entry,
)
from sdk.anchoring import Registry
from sdk.home import Home, snapshot
from sdk.identities import key_ids, key_in_use, load_identity, switch_identity
from sdk.init import DEMO_CONTROL_ROOM, DEMO_SITE, MANAGER, OPERATOR
from sdk.keys import load_key, load_or_create_key
from sdk.ledger import HomeLedger, StateReader, open_ledger, read_ledger

NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """What enrolling did; `entry` is the camera's entry in force."""

    entry: CameraEntry
    proposed: bool
    approved: bool


def act_as(home: Home, name: str, *, now: Callable[[], int]) -> HomeLedger:
    """The home's ledger, acting as the identity `name`. Close it after use.

    Raises:
        ConfigInvalid: no such identity. KeyUnavailable: its key, or the ledger's, cannot be used.
    """
    if home.profile is not None:
        with with_fabric():
            from sdk.channel_ledger import open_channel
        return open_channel(home, name, now=now)
    if len(key_ids(home.identities, name)) > 1:
        with read_ledger(f"sqlite:///{home.ledger.absolute()}") as reader:
            use_registered_key(home, reader, name)
    return open_ledger(
        f"sqlite:///{home.ledger.absolute()}",
        identity=load_identity(home.identities, name),
        operator=load_key(home.operator_key),
        clock=now,
    )


@contextmanager
def state_of(home: Home, *, now: Callable[[], int]) -> Iterator[StateReader]:
    """What the home's ledger holds, for looking only: nothing in the home changes, also on read-only media.

    Raises:
        ConfigInvalid, Malformed: the ledger is not there, or damaged.
        Refused: a channel knows no identity of this home.
    """
    if home.profile is not None:
        with with_fabric():
            from sdk.channel_ledger import looking_at
        with looking_at(home, now=now) as ledger:
            yield ledger.reader
        return
    with snapshot(home) as copy, read_ledger(f"sqlite:///{copy.ledger.absolute()}") as reader:
        yield reader


@contextmanager
def recording_state(home: Home, *, now: Callable[[], int]) -> Iterator[StateReader]:
    """What the ledger holds that recording needs to know. A channel that is away answers as it was last seen."""
    if home.profile is not None:
        with with_fabric():
            from sdk.channel_ledger import remembered
        with remembered(home, now=now) as view:
            yield view
        return
    with read_ledger(f"sqlite:///{home.ledger.absolute()}") as reader:
        yield reader


@contextmanager
def with_fabric() -> Iterator[None]:
    """Around an import of what reaches a Fabric channel: nobody else needs its libraries."""
    try:
        yield
    except ImportError as error:
        raise ConfigInvalid(
            "the libraries for Fabric are not installed", next_step="install veriframe[fabric]"
        ) from error


def camera_entry(registry: Registry, camera: str) -> CameraEntry | None:
    """The entry in force of a camera, None where the ledger does not know it."""
    newest = max(registry.entries(f"camera/{camera}/"), key=lambda entry: entry.key, default=None)
    return None if newest is None else parse_camera_entry(newest.value)


def participant_entry(registry: Registry, participant: str) -> ParticipantEntry | None:
    """The entry in force of a participant, None where the ledger does not know it."""
    newest = max(registry.entries(f"participant/{participant}/"), key=lambda entry: entry.key, default=None)
    return None if newest is None else parse_participant_entry(newest.value)


def participant_of(home: Home, registry: Registry, name: str) -> ParticipantEntry | None:
    """The participant for whom an identity of the wallet acts, found by its keys: founding ADMINs have other ids.

    None where the ledger knows none of its keys.
    """
    for key_id in key_ids(home.identities, name):
        held = registry.get(f"key/{key_id}")
        if held is not None:
            owner = parse_canonical(held.value, "key entry")
            if isinstance(owner, dict) and isinstance(owner.get("participant"), str):
                return participant_entry(registry, owner["participant"])
    return None


def use_registered_key(home: Home, registry: Registry, name: str) -> bool:
    """Switch an identity to the key that the ledger knows now; True where that changed something.

    A crash after the ledger took a new key and before the wallet switched leaves the old one in use: this goes on from
    there. A key that this wallet does not have is left to be refused in the contract's words.
    """
    entry = participant_of(home, registry, name)
    if entry is None or entry.key == key_in_use(home.identities, name):
        return False
    return switch_identity(home.identities, name, entry.key)


def enrol_demo_camera(home: Home, camera: str, *, ip: str = "127.0.0.1", now: Callable[[], int]) -> Enrolment:
    """Propose a camera as the demo's operator and approve it as its manager; what is done already is not done again.

    Raises:
        ConfigInvalid: no demo home: there two people do this, each with their own command.
        Refused: the camera was rejected, suspended or retired.
    """
    if not home.demo:
        raise ConfigInvalid(
            "only a demo home enrols cameras by itself",
            where=str(home.path),
            next_step=f"as operator: veriframe camera propose {camera} --site SITE --ip ADDRESS; "
            f"as manager: veriframe camera approve {camera}",
        )
    operator, manager = act_as(home, OPERATOR, now=now), act_as(home, MANAGER, now=now)
    try:
        entry = camera_entry(operator.reader, camera)
        proposed = entry is None
        if entry is None:
            device = load_or_create_key(home.device_key(camera))
            operator.submit(
                "propose_camera",
                canonical(
                    {
                        "camera": camera, "site": DEMO_SITE, "control_room": DEMO_CONTROL_ROOM, "ip": ip,
                        **dict.fromkeys(("make", "model", "serial", "firmware", "hardware_address"), NOT_STATED),
                        "location": NOT_STATED, "specification": NOT_STATED, "key_custody": "file",
                        "device_key": to_base64(device.public_key.spki),
                    }
                ),
            )  # fmt: skip
            entry = camera_entry(operator.reader, camera)
        approved = entry is not None and entry.status == PROPOSED
        if entry is None or entry.status != ACTIVE:
            # Anything but PROPOSED is refused by the contract, in its own words.
            manager.submit("approve_camera", canonical({"camera": camera}))
            entry = camera_entry(operator.reader, camera)
        assert entry is not None  # it has just been approved
        return Enrolment(entry=entry, proposed=proposed, approved=approved)
    finally:
        operator.close()
        manager.close()
