"""P8: bytes on the ledger for each camera-second, open and sealed, in the block files of a real network.

Segments of ten seconds; what recorders would send over minutes is sent at once, one transaction after the other.
Beside it, in the same run, what `veriframe plan` says about the same load. Goal: at most 100 bytes for a camera-second
open and 1 sealed, and the plan within a tenth. The nearest product keeps about 500.

    python bench/p8_ledger_bytes.py [--anchors N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fabric_stand import Stand, disk_bytes, fabric_stand, settled
from chaincode.anchors import open_batch
from evidence.batches import Batch, make_batch
from evidence.blocks import SignedBlock
from evidence.errors import VeriframeError
from sdk.plan import DAY_S, Load, plan

SEGMENT_S = 10
GOAL_OPEN, GOAL_SEALED, GOAL_PLAN = 100.0, 1.0, 0.1
NEAREST_PRODUCT = 500
CAMERAS = 100


@dataclass(frozen=True, kw_only=True)
class Case:
    """One site: how many cameras, how often its recorder anchors, and how."""

    cameras: int
    anchor_s: int
    sealed: bool

    @property
    def name(self) -> str:
        return f"{'sealed' if self.sealed else 'open'}, {self.cameras} cameras, every {self.anchor_s} s"


CASES = (
    Case(cameras=1, anchor_s=10, sealed=False),
    Case(cameras=16, anchor_s=10, sealed=False),
    Case(cameras=16, anchor_s=60, sealed=False),
    Case(cameras=100, anchor_s=10, sealed=True),
    Case(cameras=100, anchor_s=60, sealed=True),
    Case(cameras=100, anchor_s=300, sealed=True),
)
HEADLINE = {False: CASES[2].name, True: CASES[4].name}


class Site:
    """Its cameras' chains, and its recorder's batches, as far as they have come."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._next = dict.fromkeys(stand.signers, 0)
        self._batch: Batch | None = None

    def segments(self, cameras: int, each: int) -> list[SignedBlock]:
        found = []
        for camera in list(self._next)[:cameras]:
            found += self._stand.blocks(camera, self._next[camera], each)
            self._next[camera] += each
        return found

    def documents(self, case: Case, anchors: int) -> Iterator[bytes]:
        for _ in range(anchors):
            blocks = self.segments(case.cameras, case.anchor_s // SEGMENT_S)
            if not case.sealed:
                yield open_batch(blocks)
                continue
            before = self._batch
            self._batch, _ = make_batch(
                [each.block for each in blocks],
                site="site-1",
                recorder="recorder-1",
                batch=0 if before is None else before.batch + 1,
                previous=None if before is None else before.digest,
            )
            yield self._batch.canonical()


async def anchor(stand: Stand, documents: Iterator[bytes]) -> None:
    async with stand.gateway("recorder-1") as gateway:
        for document in documents:
            await gateway.submit("anchor", document)


def measured(stand: Stand, site: Site, case: Case, anchors: int) -> dict[str, Any]:
    network = stand.network
    peer, orderer = stand.topology.peers[0], stand.topology.orderers[0]
    settled(network)
    before = disk_bytes(network, peer), disk_bytes(network, orderer)
    asyncio.run(anchor(stand, site.documents(case, anchors)))
    settled(network)
    after = disk_bytes(network, peer), disk_bytes(network, orderer)
    camera_s = case.cameras * case.anchor_s * anchors
    planned = plan(Load(cameras=case.cameras, sites=1, anchor_s=case.anchor_s, sealed=case.sealed))
    # A short run, so that LevelDB still holds what it was given and has packed nothing.
    rows = {
        "ledger": (after[0][0] - before[0][0], planned.ledger_day_bytes),
        "peer": (after[0][1] - before[0][1], planned.peer_day_bytes),
        "orderer": (after[1][1] - before[1][1], planned.orderer_day_bytes),
    }
    return {
        name: {
            "bytes_per_camera_s": round(grown / camera_s, 3),
            "planned": round(day / DAY_S / case.cameras, 3),
            "plan_off_percent": round(100 * (day / DAY_S / case.cameras * camera_s / grown - 1), 2),
        }
        for name, (grown, day) in rows.items()
    }


def measure(anchors: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with fabric_stand(CAMERAS) as stand:
        site = Site(stand)
        asyncio.run(anchor(stand, iter([open_batch(site.segments(CAMERAS, 1))])))  # begins the chains
        for case in CASES:
            found[case.name] = measured(stand, site, case, anchors)
    opened, sealed = (found[HEADLINE[kind]]["ledger"]["bytes_per_camera_s"] for kind in (False, True))
    worst = max(abs(part["plan_off_percent"]) for case in found.values() for part in case.values())
    return {
        "measure": "P8",
        "segment_s": SEGMENT_S,
        "anchors_a_case": anchors,
        "cases": found,
        "open_bytes_per_camera_s": opened,
        "sealed_bytes_per_camera_s": sealed,
        "plan_off_percent_at_most": worst,
        "nearest_product_bytes_per_camera_s": NEAREST_PRODUCT,
        "goal": {"open": GOAL_OPEN, "sealed": GOAL_SEALED, "plan_off_percent": 100 * GOAL_PLAN},
        "reached": opened <= GOAL_OPEN and sealed <= GOAL_SEALED and worst <= 100 * GOAL_PLAN,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--anchors", type=int, default=10, help="of each case")
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    report = measure(given.anchors)
    print(json.dumps(report, indent=2))
    if not given.json:
        print(f"\n{'P8 bytes per camera-second':36} {'ledger':>9} {'planned':>9} {'peer':>9} {'orderer':>9}")
        for name, parts in report["cases"].items():
            sizes = [parts["ledger"]["bytes_per_camera_s"], parts["ledger"]["planned"]]
            sizes += [parts[node]["bytes_per_camera_s"] for node in ("peer", "orderer")]
            print(f"  {name:34}" + "".join(f" {size:>9,.2f}" for size in sizes))
        print(f"  goal {GOAL_OPEN:g} open, {GOAL_SEALED:g} sealed; nearest product about {NEAREST_PRODUCT}; ", end="")
        print(f"plan off by at most {report['plan_off_percent_at_most']} %")


if __name__ == "__main__":
    try:
        main()
    except VeriframeError as error:
        raise SystemExit(str(error)) from error
