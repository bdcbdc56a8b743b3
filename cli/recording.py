"""What `sample` and `demo` share: a camera that may record, files into the spool, and the spool to store and ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaincode.roles import in_words
from chaincode.table import TABLE
from cli.acting import identity_for, now_us
from cli.console import Report, remark
from cli.options import with_profile
from evidence.certificates import parse_certificate
from evidence.errors import LedgerUnavailable, Refused
from frame_sampler.importer import Imported, import_file
from sdk.acting import act_as, camera_entry, enrol_demo_camera, recording_state
from sdk.home import Home, is_empty, open_home
from sdk.identities import load_identity
from sdk.index import Index
from sdk.init import init_home
from sdk.ledger import HomeLedger
from sdk.settings import Settings
from sdk.shipper import Drained, Errand, Shipper
from sdk.spool import Spool
from sdk.store import Store, open_store

SEALED_BEYOND_CAMERAS = 16  # up to here every block stands on the ledger by itself
PATIENCE_S = 60.0  # how long a drain at the end of a command waits for store and ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file and when its first picture was taken."""

    path: Path
    start_us: int


def home_for_recording(path: Path, profile: Path | None = None) -> Home:
    """The home at `path`; where nothing is there yet, a demo home is made and that is said.

    Args:
        profile: of the Fabric channel on which is to be anchored; such homes are made by `init` only.
    """
    if profile is not None:
        return with_profile(open_home(path), profile)
    if not is_empty(path):
        return open_home(path)
    made = init_home(path, demo=True, now=now_us)
    remark(f"There was no home, so a demo home was made at {path}: it holds everybody's keys, and says so for ever.")
    return made.home


def may_record(home: Home, camera: str, *, ip: str, enrol: bool, quiet: bool = False) -> None:
    """Enrol the camera where that is wanted and this is a demo home; otherwise leave the answer to the ledger."""
    if not enrol or not home.demo:
        return
    done = enrol_demo_camera(home, camera, ip=ip, now=now_us)
    if quiet:
        return
    if done.proposed:
        remark(f"Camera {camera} was proposed by the operator and approved by the manager of this demo home.")
    elif done.approved:
        remark(f"Camera {camera} was approved by the manager of this demo home.")


def status_of(home: Home, camera: str) -> str | None:
    """The status that the ledger gives this camera now, None where it does not know it."""
    with recording_state(home, now=now_us) as reader:
        entry = camera_entry(reader, camera)
    return None if entry is None else entry.status


def record(home: Home, settings: Settings, camera: str, source: Source, report: Report, track: int | None) -> Imported:
    """Import one file into the spool."""

    def told(done: int, total: int) -> None:
        report(done / max(1, total), f"recording {source.path.name}")

    return import_file(
        home, source.path, camera=camera, start_us=source.start_us, store=settings.store, now=now_us, track=track,
        progress=told,
    )  # fmt: skip


def anchoring_identity(home: Home, settings: Settings, name: str | None) -> str:
    """Who anchors: the identity named here, else in the settings, else the only recorder of this home.

    Raises:
        ConfigInvalid: no such identity, or none or several of this home may anchor. Refused: it may not.
    """
    identity = identity_for(home, "anchor", name or settings.recorder.identity or None)
    roles = TABLE["anchor"].roles
    if identity.role not in roles:
        raise Refused(
            f"{identity.name} may not anchor: that takes {in_words(roles)}", reason="denied",
            next_step="act as one (--as NAME), or register one: veriframe participant register --help",
        )  # fmt: skip
    return identity.name


def drain(home: Home, settings: Settings, *, recorder: str | None = None, patience_s: float = PATIENCE_S) -> Drained:
    """Bring everything in the spool to store and ledger."""
    told: list[float] = []

    def wait(seconds: float) -> None:
        if not told:
            remark("Store or ledger does not answer; trying again for a while. Interrupting loses nothing.")
        told.append(seconds)
        time.sleep(seconds)

    with _shipper(home, settings, anchoring_identity(home, settings, recorder)) as shipper:
        return shipper.drain(patience_s=patience_s, wait=wait)


@contextmanager
def _shipper(home: Home, settings: Settings, recorder: str) -> Iterator[Shipper]:
    with ExitStack() as stack:
        ledger = act_as(home, recorder, now=now_us)
        stack.callback(ledger.close)
        store = open_store(settings.store.url, base=home.path, immutable=settings.store.immutable)
        store.self_test()
        spool = stack.enter_context(Spool(home.spool, now=now_us))
        yield Shipper(
            spool,
            store,
            ledger,
            index=stack.enter_context(Index(home.index)),
            sealed=_sealed_for(home, settings, recorder, lambda: len(ledger.reader.entries("camera/"))),
            most_blocks=settings.recorder.batch_blocks,
            reading=_reading_for(home, ledger, spool, store),
        )


def _reading_for(home: Home, ledger: HomeLedger, spool: Spool, store: Store) -> Errand | None:
    """On Fabric receipts are signed reads, which are taken apart from the anchoring."""
    if home.profile is None:
        return None
    from sdk.channel_ledger import ChannelLedger
    from sdk.read_back import ReadBack

    assert isinstance(ledger, ChannelLedger)
    return ReadBack(spool, store, ledger.gateway)


def _sealed_for(home: Home, settings: Settings, recorder: str, entries: Callable[[], int]) -> tuple[str, str] | None:
    """(site, recorder) where blocks go to the ledger as roots of batches; None where each stands by itself."""
    mode = settings.recorder.anchoring
    try:
        # More registry entries than that can mean fewer cameras, never more: the switch comes early rather than late.
        if mode == "open" or (mode == "auto" and entries() <= 2 * SEALED_BEYOND_CAMERAS):
            return None
    except LedgerUnavailable:
        return None  # nothing is anchored in this drain, in either way
    site = parse_certificate(load_identity(home.identities, recorder).certificate).attributes.get("site", "")
    return site, recorder
