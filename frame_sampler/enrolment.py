"""What the ledger says about a camera before anything is recorded for it: its entry, its policy, what is anchored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from evidence.decisions import parse_revocation
from evidence.errors import Refused
from evidence.keys import Signer
from evidence.policy import Policy, parse_policy
from evidence.records import Beacon
from evidence.registry import ACTIVE, CameraEntry, key_of_slot, parse_camera_entry
from frame_sampler.device_key import check_camera_name, key_of_id
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
            rejected or retired, or its key is revoked (`denied`).
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
    if entry.device_key.key_id in revoked_keys(reader, camera):
        raise _revoked(camera)
    return Enrolled(
        entry=entry,
        signer=key_of_id(home, camera, entry.device_key.key_id),
        policy=policy_in_force(reader, entry.control_room),
        chains=tuple(int(each.key.rsplit("/", 1)[1]) for each in reader.entries(f"chain/{camera}/")),
        beacon=beacon(home, reader),
    )


def revoked_keys(reader: StateReader, camera: str) -> frozenset[str]:
    """Ids of the camera's revoked keys: what is sealed under one can never be anchored."""
    return frozenset(parse_revocation(each.value).key for each in reader.entries(f"revocation/{camera}/"))


def _revoked(camera: str) -> Refused:
    return Refused(
        f"the key of camera {camera} is revoked: nothing signed with it can be anchored", reason="denied",
        next_step=f"propose a new one: veriframe camera change {camera} --new-key; a manager approves it",
    )  # fmt: skip


class Signing:
    """Under which approval and with which key a camera's next slot is signed, as the ledger says just then.

    A rotation that is approved while a recording runs counts from the slot that it names: below it the old key goes on.
    """

    def __init__(self, home: Home, reader: StateReader, camera: str) -> None:
        self._home, self._reader, self._camera = home, reader, camera
        self._height = -1
        self._history: list[CameraEntry] = []
        self._revoked: frozenset[str] = frozenset()
        self._signers: dict[str, Signer] = {}

    def at(self, chain: int, sequence: int) -> tuple[CameraEntry, Signer]:
        """The approval, and the key that counts for the slot.

        Raises:
            Refused: the camera is no longer approved under that key, or the key is revoked.
            KeyUnavailable: the key is not here.
        """
        height = self._reader.height
        if height != self._height:
            found = sorted(self._reader.entries(f"camera/{self._camera}/"), key=lambda each: each.key)
            self._revoked = revoked_keys(self._reader, self._camera)
            self._history, self._height = [parse_camera_entry(each.value) for each in found], height
        key_id = key_of_slot(self._history[-1], self._history[:-1], chain, sequence).key_id
        if key_id in self._revoked:
            raise _revoked(self._camera)
        entry = next(
            (each for each in reversed(self._history) if (each.status, each.device_key.key_id) == (ACTIVE, key_id)),
            None,
        )
        if entry is None:
            raise Refused(
                f"camera {self._camera} is not approved under the key that counts now", reason="denied",
                next_step=f"a manager reinstates it: veriframe camera reinstate {self._camera} --reason WHY",
            )  # fmt: skip
        if key_id not in self._signers:
            self._signers[key_id] = key_of_id(self._home, self._camera, key_id)
        return entry, self._signers[key_id]


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
