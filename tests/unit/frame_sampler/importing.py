"""What tests of importing share: a demo home, a clock, and what the spool holds of a chain."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from evidence.canonical import canonical
from evidence.policy import DEFAULT_POLICY, Policy
from evidence.proof_file import ProofFile, parse_proof_file
from evidence.records import SegmentRecord
from frame_sampler.importer import Imported, import_file
from sdk.acting import act_as, enrol_demo_camera
from sdk.home import Home
from sdk.init import MANAGER, init_home
from sdk.sealed import Row
from sdk.settings import StoreSettings
from sdk.spool import Spool

START_US = 1_761_993_600_000_000
CLEAR = StoreSettings()
UNSAMPLED = replace(DEFAULT_POLICY, minimum_per_s=0, maximum_per_s=0)


def now_us() -> int:
    return time.time_ns() // 1000


def make_home(path: Path, *, policy: Policy = DEFAULT_POLICY) -> Home:
    """A demo home whose cameras `gate-1` and `gate-2` are approved."""
    home = init_home(path, demo=True, now=now_us).home
    for camera in ("gate-1", "gate-2"):
        enrol_demo_camera(home, camera, now=now_us)
    if policy != DEFAULT_POLICY:
        manager = act_as(home, MANAGER, now=now_us)
        try:
            manager.submit("set_policy", canonical({"policy": policy.to_json()}))
        finally:
            manager.close()
    return home


def bring_in(
    home: Home, path: Path, *, camera: str = "gate-1", start_us: int = START_US, store: StoreSettings = CLEAR
) -> Imported:
    return import_file(home, path, camera=camera, start_us=start_us, store=store, now=now_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One segment as the spool keeps it."""

    row: Row
    proof: ProofFile
    record: SegmentRecord


def kept(home: Home, imported: Imported) -> list[Kept]:
    """The segments of an import, in order."""
    found = []
    with Spool(home.spool, now=now_us) as spool:
        for sequence in range(imported.segments):
            row = spool.row(imported.camera, imported.chain, sequence)
            assert row is not None and row.proof is not None
            proof = parse_proof_file(row.proof)
            assert isinstance(proof.record, SegmentRecord)
            found.append(Kept(row=row, proof=proof, record=proof.record))
    return found
