"""What the ledger says about a camera before anything is recorded for it: its entry, its policy, what is anchored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evidence.errors import KeyUnavailable, Refused
from evidence.keys import Signer
from evidence.policy import Policy, parse_policy
from evidence.records import Beacon
from evidence.registry import ACTIVE, CameraEntry
from frame_sampler.device_key import check_camera_name, device_key
from sdk.acting import camera_entry
from sdk.home import Home
from sdk.ledger import StateReader

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """An approved camera with the key at hand, the policy in force, and the chains that the ledger holds of it."""

    entry: CameraEntry
    signer: Signer
    policy: Policy
    chains: tuple[int, ...]
    beacon: Beacon


def enrolled_camera(home: Home, reader: StateReader, camera: str) -> Enrolled:
    """Look up a camera that may record now.

    Raises:
        ConfigInvalid: not a camera's name.
        Refused: the ledger does not know the camera (`not_found`), or nobody has approved it, or it is suspended,
            rejected or retired (`denied`).
        KeyUnavailable: its key is not here, or is not the one that the ledger knows.
    """
    check_camera_name(camera)
    entry = camera_entry(reader, camera)
    if entry is None:
        raise Refused(
            f"camera {camera} is not known to the ledger",
            reason="not_found",
            next_step=f"propose it: veriframe camera propose {camera} --site SITE --ip ADDRESS; a manager approves it",
        )
    if entry.status != ACTIVE:
        raise Refused(
            f"camera {camera} is not approved: it is {entry.status.lower()}", reason="denied",
            next_step=_NEXT_STEP.get(entry.status, "a control room manager decides").format(camera=camera),
        )  # fmt: skip
    signer = device_key(home, camera)
    if signer.public_key.key_id != entry.device_key.key_id:
        raise KeyUnavailable(
            f"the key of camera {camera} in this home is not the one registered for it",
            where=str(home.device_key(camera)),
            next_step="record where its key is, restore the key, or propose the camera anew with this key",
        )
    return Enrolled(
        entry=entry,
        signer=signer,
        policy=policy_in_force(reader, entry.control_room),
        chains=tuple(int(each.key.rsplit("/", 1)[1]) for each in reader.entries(f"chain/{camera}/")),
        beacon=beacon(home, reader),
    )


_NEXT_STEP = {
    "PROPOSED": "a manager approves it: veriframe camera approve {camera}",
    "SUSPENDED": "a manager reinstates it: veriframe camera reinstate {camera} --reason WHY",
}


def policy_in_force(reader: StateReader, control_room: str) -> Policy:
    """The newest policy of a control room, else the founding one."""
    newest = max(reader.entries(f"policy/{control_room}/"), key=lambda entry: entry.key, default=None)
    return reader.genesis.policy if newest is None else parse_policy(newest.value)


def beacon(home: Home, reader: StateReader) -> Beacon:
    """The newest ledger block: what is signed after it cannot have been signed before."""
    height, digest = reader.newest_block()
    return Beacon(ledger=home.ledger_id, height=height, hash=digest)


def boot_id() -> str:
    """Names this run of the machine, within which its monotonic clock can be compared; empty where nothing tells."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""
