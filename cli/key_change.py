"""A camera's new key, from making it to the moment when it alone counts, without losing a second of footage.

made in this home, known to nobody      a crash leaves a spare key, which the next proposal takes
proposed, with the slot it counts from  the recorder goes on with the old key
old key's footage anchored              after the approval the ledger would refuse it
approved                                the recorder reads the ledger for every segment, and signs with the new key
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cli.acting import now_us, reading
from evidence.blocks import parse_block
from evidence.decisions import Change, changed_camera, parse_change, parse_revocation
from evidence.errors import ConfigInvalid, Refused, VeriframeError
from evidence.registry import CameraEntry, key_of_slot, numbered_key, parse_camera_entry
from frame_sampler.device_key import key_of_id, next_device_key
from sdk.home import Home
from sdk.ledger import StateReader
from sdk.sealed import Row
from sdk.spool import Spool

if TYPE_CHECKING:
    from sdk.settings import Settings


def new_device_key(home: Home, camera: str) -> bytes:
    """DER of the public part of a new key for a camera, made in this home.

    Raises:
        ConfigInvalid: a change to a key of this home waits for its decision already.
    """
    with reading(home) as reader:
        for change in _undecided(reader, camera):
            assert change.device_key is not None
            if _is_here(home, camera, change.device_key.key_id):
                raise ConfigInvalid(
                    f"change {change.number} of camera {camera} brings a new key of this home already, and waits",
                    next_step=f"a manager decides: veriframe camera approve-change {camera} {change.number}",
                )
        return next_device_key(
            home, camera, known=lambda key_id: reader.get(f"key/{key_id}") is not None
        ).public_key.spki


def slot_behind(home: Home, camera: str, chain: int | None, sequence: int | None) -> tuple[int, int]:
    """As named, else just behind what was sealed here or stands on the ledger; 0, 0 where nothing was anchored yet."""
    with reading(home) as reader:
        chains = [int(entry.key.rsplit("/", 1)[1]) for entry in reader.entries(f"chain/{camera}/")]
        newest = max(chains, default=0) if chain is None else chain
        held = [int(entry.key.rsplit("/", 1)[1]) for entry in reader.entries(f"block/{camera}/{newest:010d}/")]
    behind = max(held, default=-1) + 1
    known = bool(held)
    if (home.path / "spool/spool.db").exists():
        with Spool(home.spool, now=now_us) as spool:
            state = spool.chain(camera, newest)
        if state is not None:
            behind, known = max(behind, state.next_sequence), True
    if chains and not known and sequence is None:
        raise ConfigInvalid(
            f"the ledger does not show single blocks of chain {newest} (they are sealed in batches)",
            next_step="name the slot from which the new key counts: --chain N --sequence N",
        )
    return newest, behind if sequence is None else sequence


@contextmanager
def nothing_left_behind(home: Home, settings: Settings, camera: str, number: int, *, anyway: bool) -> Iterator[None]:
    """Run the body, which approves a change, when nothing sealed here would lose its place on the ledger by it.

    A change without a key, or a home without a spool, is nothing to wait for. While the body runs nobody records the
    camera: a segment sealed under the old key just then would come too late.

    Raises:
        ConfigInvalid: footage waits that could not be anchored afterwards. Refused: the camera is being recorded.
    """
    with reading(home) as reader:
        found = reader.get(numbered_key(f"change/{camera}", f"{number:010d}", 0))
    change = None if found is None else parse_change(found.value)
    if change is None or change.device_key is None or anyway or not (home.path / "spool/spool.db").exists():
        yield
        return
    with Spool(home.spool, now=now_us) as spool, spool.hold(camera):
        left = _left_behind(home, spool, change)
        if left:
            troubles = _drained(home, settings)
            left = _left_behind(home, spool, change)
        if left:
            raise ConfigInvalid(
                f"{len(left)} sealed segments of camera {camera} are not anchored yet, the first is {left[0].name}; "
                "once the new key counts they could not be" + troubles,
                next_step="anchor them first (every `veriframe sample` does), or give them up with --anyway",
            )
        yield


def _left_behind(home: Home, spool: Spool, change: Change) -> Sequence[Row]:
    """Rows that are signed with a key that would no longer count for them; what is revoked is lost anyway."""
    with reading(home) as reader:
        history = [parse_camera_entry(each.value) for each in reader.entries(f"camera/{change.camera}/")]
        revoked = {parse_revocation(each.value).key for each in reader.entries(f"revocation/{change.camera}/")}
    after: CameraEntry = changed_camera(history[-1], change, change.proposer)
    return [
        row
        for row in spool.without_receipt(change.camera)
        if parse_block(row.block).key not in revoked
        and parse_block(row.block).key != key_of_slot(after, history, row.chain, row.sequence).key_id
    ]


def _drained(home: Home, settings: Settings) -> str:
    """Try to anchor what waits; what stood in the way, in words."""
    from cli.recording import drain

    try:
        done = drain(home, settings)
    except (ConfigInvalid, Refused) as error:
        return f" ({error.detail})"
    return f" ({done.troubles[0].reason})" if done.troubles else ""


def _undecided(reader: StateReader, camera: str) -> Iterator[Change]:
    """Changes to another key that were proposed and not decided."""
    proposed: dict[int, Change] = {}
    for entry in reader.entries(f"change/{camera}/"):
        change = parse_change(entry.value)
        proposed[change.number] = change
    yield from (each for each in proposed.values() if each.status == "PROPOSED" and each.device_key is not None)


def _is_here(home: Home, camera: str, key_id: str) -> bool:
    try:
        key_of_id(home, camera, key_id)
    except VeriframeError:
        return False
    return True
