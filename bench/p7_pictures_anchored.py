"""P7: pictures anchored a second: 1,000 cameras of 30 pictures a second, in sealed batches on a real Fabric network.

Ten sites with a recorder each. For every ten seconds of each camera: the tree over its 300 pictures, a real segment
record, its block signed with the camera's key; for every recorder a sealed batch and its leaf list, anchored by one
transaction that four organisations commit. The digests of the pictures are there already: reading and hashing video is
P1's. Everything runs in this process, one after the other, but the transactions, which wait for the network.

Beside it: one transaction for each picture, which no Fabric network that anybody has published could take (2,947 a
second on large hosts). And a simulation of 100,000 cameras at 1,000 sites over a day: recorders anchor once a minute,
each at a moment of its own, and orderers cut blocks as they do; real batch documents, no network.

Goal: 30,000 pictures a second; 100,000 cameras with at most 100 transactions a second.

    python bench/p7_pictures_anchored.py [--cameras N] [--sites N] [--minutes N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fabric_stand import CHAIN, Stand, disk_bytes, fabric_stand, now_us, percentile, settled
from evidence.batches import Batch, make_batch
from evidence.blocks import Block, SignedBlock, block_of, sign_block
from evidence.digests import sha256
from evidence.errors import VeriframeError
from evidence.leaf_list import leaf_list
from evidence.leaves import KEY, unit_root
from evidence.records import Clock, Display, HeaderAt, Media, SegmentRecord, Tree, Units
from sdk.gateway import Gateway
from sdk.plan import DAY_S, Load, plan

GOAL_PER_S, GOAL_SIMULATED_TX_PER_S = 30_000, 100
PUBLISHED_TX_PER_S = 2947  # Fabric 2.5, contract in Go, three hosts with 40 threads each
PICTURES_PER_S, SEGMENT_S = 30, 10
PICTURES = PICTURES_PER_S * SEGMENT_S
SIMULATED_CAMERAS, SIMULATED_SITES, SIMULATED_ANCHOR_S = 100_000, 1000, 60

NOTHING = sha256(b"")
OFFSETS_US = [each * 1_000_000 // PICTURES_PER_S for each in range(PICTURES)]
FLAGS = bytes(KEY if each % 60 == 0 else 0 for each in range(PICTURES))


def first_record(camera: str, site: str, key: str) -> SegmentRecord:
    """What a camera's records have in common."""
    clock = Clock(
        source="ntp", offset_us=120, uncertainty_us=900, boot="b-1", mono_us=1, mono_end_us=10_000_001, camera_us=None
    )
    start_us = CHAIN * 1_000_000
    return SegmentRecord(
        camera=camera,
        site=site,
        ip="10.0.4.17",
        enrolment=sha256(b"enrolment"),
        key=key,
        chain=CHAIN,
        sequence=0,
        previous=None,
        start_us=start_us,
        end_us=start_us + SEGMENT_S * 1_000_000,
        sealed_us=start_us + SEGMENT_S * 1_000_000 + 40_000,
        received_us=start_us + 20_000,
        tap="rtsp",
        clock=clock,
        connection=0,
        policy=sha256(b"policy"),
        beacon=None,
        software="veriframe",
        decoder="none",
        codec="h264",
        width=1920,
        height=1080,
        display=Display(),
        headers=(HeaderAt(at=0, sha256=sha256(b"headers")),),
        units=Units(first=0, count=PICTURES, root=NOTHING, source_us=0),
        side=Tree(count=0, root=NOTHING),
        samples=Tree(count=0, root=NOTHING),
        kept="all",
        media=Media(size_bytes=5_000_000, sha256=sha256(b"media"), object=sha256(b"object")),
    )


class Recorder:
    """One site: its cameras' newest records, and its newest batch."""

    def __init__(self, stand: Stand, number: int) -> None:
        self.name, self.site = f"recorder-{number}", f"site-{number}"
        self._signers = {name: key for name, key in stand.signers.items() if stand.site_of(name) == number}
        self._records: dict[str, SegmentRecord] = {}
        self._batch: Batch | None = None
        self.leaf_bytes = 0

    def seal(self, digests: bytes) -> bytes:
        """Ten more seconds of every camera, as the document that anchors them."""
        made = [self._segment(camera, digests) for camera in self._signers]
        before = self._batch
        self._batch, _ = make_batch(
            [each.block for each in made],
            site=self.site,
            recorder=self.name,
            batch=0 if before is None else before.batch + 1,
            previous=None if before is None else before.digest,
        )
        self.leaf_bytes += len(leaf_list(self._batch, made).canonical())
        return self._batch.canonical()

    def _segment(self, camera: str, digests: bytes) -> SignedBlock:
        signer = self._signers[camera]
        before = self._records.get(camera)
        sequence = 0 if before is None else before.sequence + 1
        # Every camera's pictures are others: the first digest is its own, the rest is hashed all the same.
        own = sha256(camera.encode("ascii"), sequence.to_bytes(8, "big")) + digests[32:]
        root = unit_root(own, OFFSETS_US, FLAGS)
        record = before or first_record(camera, self.site, signer.public_key.key_id)
        if before is not None:
            record = replace(
                before,
                sequence=sequence,
                previous=before.digest,
                start_us=before.end_us,
                end_us=before.end_us + SEGMENT_S * 1_000_000,
            )
        units = Units(first=sequence * PICTURES, count=PICTURES, root=root, source_us=sequence * SEGMENT_S * 1_000_000)
        self._records[camera] = replace(record, units=units)
        return sign_block(block_of(self._records[camera]), signer)


async def anchor(gateways: Sequence[Gateway], documents: Sequence[bytes]) -> list[float]:
    """Every recorder's document at once; how long each took."""

    async def one(gateway: Gateway, document: bytes) -> float:
        began = time.perf_counter()
        await gateway.submit("anchor", document)
        return time.perf_counter() - began

    return await asyncio.gather(*(one(*each) for each in zip(gateways, documents, strict=True)))


async def anchored(stand: Stand, recorders: Sequence[Recorder], rounds: int) -> dict[str, Any]:
    gateways = [stand.gateway(each.name) for each in recorders]
    digests = os.urandom(32 * PICTURES)
    await anchor(gateways, [each.seal(digests) for each in recorders])  # begins the chains
    settled(stand.network)
    orderer = stand.topology.orderers[0]
    ledger_bytes = disk_bytes(stand.network, orderer)[0]
    for each in recorders:
        each.leaf_bytes = 0
    waits: list[float] = []
    sealing_s = 0.0
    sent_bytes = 0
    waiting: asyncio.Task[list[float]] | None = None
    start = time.perf_counter()
    for _ in range(rounds):
        began = time.perf_counter()
        documents = []
        for each in recorders:
            documents.append(each.seal(digests))
            await asyncio.sleep(0)  # lets the transactions of the round before go on
        sealing_s += time.perf_counter() - began
        if waiting is not None:
            waits += await waiting
        sent_bytes += sum(len(each) for each in documents)
        waiting = asyncio.create_task(anchor(gateways, documents))
    assert waiting is not None
    waits += await waiting
    took_s = time.perf_counter() - start
    for gateway in gateways:
        await gateway.close()
    settled(stand.network)
    pictures = rounds * PICTURES * len(stand.signers)
    footage_s = rounds * SEGMENT_S
    return {
        "pictures": pictures,
        "took_s": round(took_s, 2),
        "pictures_per_s": round(pictures / took_s),
        "times_real_time": round(footage_s / took_s, 1),
        "sealing_s": round(sealing_s, 2),
        "transactions": rounds * len(recorders),
        "transaction_p50_s": round(percentile(waits, 50), 3),
        "transaction_p95_s": round(percentile(waits, 95), 3),
        "for_a_second_of_footage": {
            "transactions": round(len(recorders) / SEGMENT_S, 3),
            "document_bytes": round(sent_bytes / footage_s),
            "ledger_bytes": round((disk_bytes(stand.network, orderer)[0] - ledger_bytes) / footage_s),
            "leaf_list_bytes_to_the_store": round(sum(each.leaf_bytes for each in recorders) / footage_s),
        },
    }


def simulated(seed: int = 1) -> dict[str, Any]:
    """A day of 100,000 cameras: when recorders anchor and orderers cut blocks; sizes as measured (sdk/plan.py)."""
    load = Load(
        cameras=SIMULATED_CAMERAS,
        sites=SIMULATED_SITES,
        pictures_per_s=PICTURES_PER_S,
        anchor_s=SIMULATED_ANCHOR_S,
        sealed=True,
    )
    chance = random.Random(seed)
    phases = [chance.uniform(0, SIMULATED_ANCHOR_S) for _ in range(SIMULATED_SITES)]
    # Recorders wake up a little late, never early.
    moments = sorted(
        phase + minute * SIMULATED_ANCHOR_S + chance.uniform(0, 1.0)
        for phase in phases
        for minute in range(DAY_S // SIMULATED_ANCHOR_S)
    )
    busiest = [0] * (DAY_S + SIMULATED_ANCHOR_S + 2)
    ledger_blocks, cut_at, held = 0, -1.0, 0
    for moment in moments:
        busiest[int(moment)] += 1
        if moment > cut_at or held == load.batch_messages:
            ledger_blocks, cut_at, held = ledger_blocks + 1, moment + load.batch_timeout_ms / 1000, 0
        held += 1
    planned = plan(load)
    cameras = SIMULATED_CAMERAS // SIMULATED_SITES
    blocks = [simulated_block(camera, sequence) for camera in range(cameras) for sequence in range(6)]
    batch, _ = make_batch(blocks, site="site-0001", recorder="recorder-0001", batch=9999, previous=NOTHING)
    return {
        "cameras": SIMULATED_CAMERAS,
        "sites": SIMULATED_SITES,
        "anchored_every_s": SIMULATED_ANCHOR_S,
        "pictures_per_s": SIMULATED_CAMERAS * PICTURES_PER_S,
        "transactions_per_s": round(len(moments) / DAY_S, 2),
        "transactions_in_the_busiest_second": max(busiest),
        "ledger_blocks_a_day": ledger_blocks,
        "ledger_blocks_a_day_planned": round(planned.ledger_blocks_per_s * DAY_S),
        "document_bytes": len(batch.canonical()),
        "ledger_bytes_a_day": planned.ledger_day_bytes,
        "peer_bytes_a_day": planned.peer_day_bytes,
        "store_bytes_a_day": planned.store_day_bytes,
        "ledger_bytes_per_camera_s": round(planned.ledger_bytes_per_camera_s, 3),
    }


def simulated_block(camera: int, sequence: int) -> Block:
    start_us = (CHAIN + sequence * SEGMENT_S) * 1_000_000
    return Block(
        camera=f"camera-{camera:06d}",
        ip="10.0.4.17",
        chain=CHAIN,
        sequence=1 + sequence,
        kind="segment",
        start_us=start_us,
        end_us=start_us + SEGMENT_S * 1_000_000,
        key=NOTHING.hex(),
        previous=NOTHING,
        record=sha256(camera.to_bytes(8, "big"), sequence.to_bytes(8, "big")),
    )


def measure(given: argparse.Namespace) -> dict[str, Any]:
    began_us = now_us()
    with fabric_stand(given.cameras, recorders=given.sites) as stand:
        recorders = [Recorder(stand, number) for number in range(1, given.sites + 1)]
        print(f"  {given.cameras} cameras registered, {(now_us() - began_us) / 1e6:.0f} s", file=sys.stderr)
        found = asyncio.run(anchored(stand, recorders, round(given.minutes * 60 / SEGMENT_S)))
    simulation = simulated()
    return {
        "measure": "P7",
        "cameras": given.cameras,
        "sites": given.sites,
        "pictures_per_s_and_camera": PICTURES_PER_S,
        **found,
        "published_transactions_per_s": PUBLISHED_TX_PER_S,
        "simulation": simulation,
        "goal": {"pictures_per_s": GOAL_PER_S, "simulated_transactions_per_s": GOAL_SIMULATED_TX_PER_S},
        "reached": found["pictures_per_s"] >= GOAL_PER_S
        and simulation["transactions_per_s"] <= GOAL_SIMULATED_TX_PER_S,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cameras", type=int, default=1000)
    parser.add_argument("--sites", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=1.0, help="of footage of every camera")
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    report = measure(given)
    print(json.dumps(report, indent=2))
    if not given.json:
        sent, simulation = report["for_a_second_of_footage"], report["simulation"]
        rows = (
            ("pictures anchored a second", report["pictures_per_s"], f"goal {GOAL_PER_S:,}"),
            ("one transaction for each, published", PUBLISHED_TX_PER_S, ""),
            ("ledger bytes for a second", sent["ledger_bytes"], f"{report['cameras'] * PICTURES_PER_S:,} pictures"),
            ("leaf list bytes to the store", sent["leaf_list_bytes_to_the_store"], "likewise"),
            ("100,000 cameras: transactions/s", simulation["transactions_per_s"], f"goal {GOAL_SIMULATED_TX_PER_S}"),
            ("100,000 cameras: ledger a day", simulation["ledger_bytes_a_day"], "bytes"),
        )
        print(f"\nP7 {report['cameras']} cameras")
        for name, value, more in rows:
            print(f"  {name:38} {value:>18,}  {more}")


if __name__ == "__main__":
    try:
        main()
    except VeriframeError as error:
        raise SystemExit(str(error)) from error
