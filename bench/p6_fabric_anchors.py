"""P6: anchors a second on a real Fabric network, two endorsers, every check, beside a chaincode that checks nothing.

Four organisations with a peer each, three Raft orderers, one chaincode process an organisation, and the client, all on
this machine. Every anchor is an open block of a slot of its own, signed by its camera. Reference in the same run, in
turns with ours: a Python chaincode that writes the same bytes under the same key and does nothing else
(bench/bare_chaincode.py). Goal: 300 transactions a second, 0.8 of the reference, p95 below 2.5 s, no conflict.

    python bench/p6_fabric_anchors.py [--transactions N] [--rounds N] [--in-flight N] [--batch N] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.fabric_stand import (
    BARE,
    Stand,
    fabric_stand,
    heights,
    now_us,
    per_transaction_ms,
    percentile,
    processor_s,
    settled,
    void_transactions,
)
from chaincode.anchors import open_batch
from evidence.blocks import SignedBlock, slot_key
from evidence.errors import VeriframeError
from sdk.fabric_proposal import Proposal
from sdk.gateway import Gateway

GOAL_PER_S, GOAL_RATIO, GOAL_P95_S = 300, 0.8, 2.5
CAMERAS = 50

Call = tuple[str, tuple[bytes, ...]]


@dataclass(frozen=True, kw_only=True)
class Round:
    """What one round of transactions showed; `again` counts endorsements that had to be repeated.

    That is for conflicts, and where an endorsing peer was a block behind or overloaded.
    """

    count: int
    took_s: float
    latencies_s: Sequence[float]
    again: int
    processor_ms: dict[str, float]

    @property
    def per_s(self) -> float:
        return self.count / self.took_s


class _Counting(Gateway):
    """A gateway that counts its proposals."""

    proposals = 0

    def propose(self, function: str, *arguments: bytes, **named: Any) -> Proposal:
        self.proposals += 1
        return super().propose(function, *arguments, **named)


async def run(stand: Stand, calls: Sequence[Call], in_flight: int, chaincode: str | None = None) -> Round:
    """Submit all calls, `in_flight` of them at a time, each until its commit is confirmed."""
    waiting = iter(calls)
    latencies: list[float] = []
    async with _Counting(stand.profile_for(chaincode), stand.person("recorder-1"), clock=now_us) as gateway:

        async def one_after_the_other() -> None:
            for function, arguments in waiting:
                began = time.perf_counter()
                await gateway.submit(function, *arguments)
                latencies.append(time.perf_counter() - began)

        before, start = processor_s(stand.network), time.perf_counter()
        await asyncio.gather(*(one_after_the_other() for _ in range(in_flight)))
        took_s = time.perf_counter() - start
        used = per_transaction_ms(before, processor_s(stand.network), len(calls))
        again = gateway.proposals - len(calls)
    return Round(count=len(calls), took_s=took_s, latencies_s=latencies, again=again, processor_ms=used)


class Cameras:
    """Hands out blocks: every camera's chain goes on where the last round left it, all cameras in turn."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._next = dict.fromkeys(stand.signers, 0)

    def take(self, count: int) -> list[SignedBlock]:
        """At least `count` blocks, as many of each camera, in the order in which recorders would send them."""
        each = -(-count // len(self._next))
        chains = []
        for camera, first in self._next.items():
            chains.append(self._stand.blocks(camera, first, each))
            self._next[camera] = first + each
        return [block for together in zip(*chains, strict=True) for block in together]


def anchors(blocks: Sequence[SignedBlock], batch: int) -> Iterator[Call]:
    for at in range(0, len(blocks), batch):
        yield "anchor", (open_batch(blocks[at : at + batch]),)


def puts(blocks: Sequence[SignedBlock]) -> Iterator[Call]:
    for each in blocks:
        key = slot_key(each.block.camera, each.block.chain, each.block.sequence)
        yield "put", (key.encode("ascii"), each.canonical())


def summary(rounds: Sequence[Round], batch: int = 1) -> dict[str, object]:
    latencies = [each for one in rounds for each in one.latencies_s]
    rate = statistics.median(each.per_s for each in rounds)
    return {
        "transactions_per_s": round(rate, 1),
        "blocks_per_s": round(rate * batch, 1),
        "rounds_per_s": [round(each.per_s, 1) for each in rounds],
        "p50_s": round(percentile(latencies, 50), 3),
        "p95_s": round(percentile(latencies, 95), 3),
        "endorsed_again": sum(each.again for each in rounds),
        "processor_ms_per_transaction": {
            kind: round(statistics.median(each.processor_ms[kind] for each in rounds), 2)
            for kind in rounds[0].processor_ms
        },
    }


def measure(given: argparse.Namespace) -> dict[str, object]:
    ours: list[Round] = []
    bare: list[Round] = []
    with fabric_stand(CAMERAS, bare=True) as stand:
        cameras = Cameras(stand)
        opening = list(anchors(cameras.take(CAMERAS), 1))
        asyncio.run(run(stand, opening, 20))
        height = heights(stand.network)[0]
        for _ in range(given.rounds):
            blocks = cameras.take(given.transactions)
            settled(stand.network)
            ours.append(asyncio.run(run(stand, list(anchors(blocks, 1)), given.in_flight)))
            settled(stand.network)  # for both alike: peers that still commit the round before would slow the next one
            bare.append(asyncio.run(run(stand, list(puts(blocks)), given.in_flight, BARE)))
        blocks = cameras.take(given.batch * 40)
        settled(stand.network)
        batched = asyncio.run(run(stand, list(anchors(blocks, given.batch)), 8))
        void = void_transactions(stand, height)
        settings = stand.topology.settings
    report: dict[str, object] = {
        "measure": "P6",
        "in_flight": given.in_flight,
        "orderer": {"batch_timeout_ms": settings.batch_timeout_ms, "batch_messages": settings.batch_messages},
        "anchors": summary(ours),
        "bare": summary(bare),
        "ratio": round(statistics.median(a.per_s / b.per_s for a, b in zip(ours, bare, strict=True)), 3),
        "conflicts": void,
        "batched": {"blocks_per_transaction": given.batch, **summary([batched], given.batch)},
        "goal": {"transactions_per_s": GOAL_PER_S, "ratio": GOAL_RATIO, "p95_s": GOAL_P95_S, "conflicts": 0},
    }
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transactions", type=int, default=2000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=100)
    parser.add_argument("--batch", type=int, default=100, help="blocks in a transaction of the batched round")
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    report: Any = measure(given)
    print(json.dumps(report, indent=2))
    if not given.json:
        print(f"\n{'P6 anchors on Fabric':24} tx/s   blocks/s   p50 s   p95 s   again")
        for name in ("anchors", "bare", "batched"):
            row = report[name]
            print(
                f"  {name:20} {row['transactions_per_s']:>7} {row['blocks_per_s']:>10} "
                f"{row['p50_s']:>7} {row['p95_s']:>7} {row['endorsed_again']:>7}"
            )
        print(f"  {report['conflicts']} conflicts")
        print(f"  anchors / bare {report['ratio']:>12}   goal {GOAL_RATIO}; {GOAL_PER_S} tx/s, p95 {GOAL_P95_S} s")


if __name__ == "__main__":
    try:
        main()
    except VeriframeError as error:
        raise SystemExit(str(error)) from error
