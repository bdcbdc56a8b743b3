"""P9: blocks anchored per second on the embedded ledger, durable, every signature checked.

Reference in the same run: how often a second SQLite can commit one row durably on this disk (WAL, synchronous=FULL).
Goal: at least 2,000 blocks a second in batches.

    python bench/p9_embedded_anchors.py [--blocks N] [--json]
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from chaincode.anchors import open_batch
from chaincode.check import check_ledger
from chaincode.dispatch import resolve_actor
from chaincode.simulation import SnapshotWorld
from chaincode.table import TABLE
from evidence.blocks import Block, SignedBlock, sign_block
from evidence.canonical import canonical
from evidence.certificates import caller_of, parse_certificate
from evidence.digests import sha256, to_base64
from evidence.errors import VeriframeError
from evidence.genesis import Genesis, Organisation
from evidence.keys import ED25519, PrivateKeySigner
from evidence.policy import DEFAULT_POLICY
from sdk.authority import make_authority
from sdk.identities import Identity
from sdk.keys import generate_key
from sdk.ledger import EmbeddedLedger, found_ledger

GOAL = 2000
CONTROL_ROOM = "ControlRoomMSP"
CHAIN = 1_780_000_000
BATCHES = (500, 100, 10, 1)


def now_us() -> int:
    return time.time_ns() // 1000


class Town:
    """A ledger with one site, one recorder and one camera."""

    def __init__(self, path: Path) -> None:
        authority = make_authority(CONTROL_ROOM, now_us=now_us())
        self.camera = PrivateKeySigner(generate_key())

        def identity(name: str, role: str, **places: str) -> Identity:
            signer = PrivateKeySigner(generate_key())
            certificate = authority.issue(
                signer.public_key, subject=name, role=role, attributes=places, now_us=now_us()
            )
            return Identity(name=name, msp=CONTROL_ROOM, certificate=certificate, role=role, signer=signer)

        people = {
            "operator": identity("operator", "OPERATOR", control_room="cr-1"),
            "manager": identity("manager", "CRM", control_room="cr-1"),
            "recorder": identity("recorder", "RECORDER", control_room="cr-1", site="north"),
        }
        admin = identity("admin", "ADMIN")
        operator = PrivateKeySigner(generate_key(ED25519))
        genesis = Genesis(
            operator=operator.public_key.spki[-32:],
            msps={CONTROL_ROOM: Organisation(roots=(parse_certificate(authority.root_der),), admins=(admin.key_id,))},
            policy=DEFAULT_POLICY,
            demo=True,
            nonce=bytes(16),
        )
        found_ledger(path, genesis, operator=operator, identity=admin, clock=now_us)

        def opened(who: Identity) -> EmbeddedLedger:
            return EmbeddedLedger(path, identity=who, operator=operator, clock=now_us)

        ledger = opened(admin)
        for name, role, site in (
            ("operator", "OPERATOR", None),
            ("manager", "CRM", None),
            ("recorder", "RECORDER", "north"),
        ):
            places = {"control_room": "cr-1", **({"site": site} if site else {})}
            ledger.submit(
                "register_participant",
                canonical({"participant": name, "key": people[name].key_id, "role": role, **places}),
            )
        ledger.close()
        ledger = opened(people["operator"])
        ledger.submit("propose_camera", canonical(self._camera()))
        ledger.close()
        ledger = opened(people["manager"])
        ledger.submit("approve_camera", canonical({"camera": "gate-1"}))
        ledger.close()
        self.ledger = opened(people["recorder"])

    def _camera(self) -> dict[str, str]:
        texts = ("make", "model", "serial", "firmware", "hardware_address", "location", "specification")
        return {
            **dict.fromkeys(texts, ""),
            "camera": "gate-1",
            "site": "north",
            "ip": "10.0.4.17",
            "control_room": "cr-1",
            "device_key": to_base64(self.camera.public_key.spki),
            "key_custody": "file",
        }

    def blocks(self, count: int, *, chain: int) -> list[SignedBlock]:
        previous: bytes | None = None
        made = []
        for sequence in range(count):
            block = Block(
                camera="gate-1",
                ip="10.0.4.17",
                chain=chain,
                sequence=sequence,
                kind="segment",
                start_us=chain * 1_000_000 + sequence * 10_000_000,
                end_us=chain * 1_000_000 + (sequence + 1) * 10_000_000,
                key=self.camera.public_key.key_id,
                previous=previous,
                record=sha256(b"record", chain.to_bytes(8, "big"), sequence.to_bytes(8, "big")),
            )
            previous = block.record
            made.append(sign_block(block, self.camera))
        return made


def commits_per_second(path: Path, seconds: float = 2.0) -> float:
    """Durable commits of one small row a second: what the disk allows a ledger that commits each block alone."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, bytes BLOB)")
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        connection.execute("INSERT INTO t (bytes) VALUES (?)", (bytes(400),))
        done += 1
    connection.close()
    return done / elapsed


def anchored_per_second(
    ledger: EmbeddedLedger, blocks: list[SignedBlock], batch: int, threads: int = 1
) -> tuple[float, float]:
    """Blocks a second by the clock, and by the processor time they took."""
    arguments = [open_batch(blocks[first : first + batch]) for first in range(0, len(blocks), batch)]
    ledger.submit("anchor", arguments.pop(0))  # opens the chain

    def work(mine: list[bytes]) -> None:
        for argument in mine:
            ledger.submit("anchor", argument)

    workers = [Thread(target=work, args=(arguments[each::threads],)) for each in range(threads)]
    start, busy = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    count = len(blocks) - batch
    return count / (time.perf_counter() - start), count / (time.process_time() - busy)


def verifications_per_second(blocks: list[SignedBlock], verify: Callable[[bytes, bytes], bool]) -> float:
    inputs = [(each.signature, each.block.signing_input()) for each in blocks]
    start = time.perf_counter()
    if not all(verify(*each) for each in inputs):
        raise SystemExit("a signature does not fit")
    return len(inputs) / (time.perf_counter() - start)


def role_check_us(ledger: EmbeddedLedger, rounds: int = 2000) -> float:
    """Median microseconds of: role and organisation, participant of the key, entry in force, certificate against it."""
    caller = caller_of(CONTROL_ROOM, parse_certificate(ledger.identity.certificate))
    took = []
    with ledger.reader.view() as view:
        for _ in range(rounds):
            world = SnapshotWorld(view, caller=caller, tx_id="00" * 32, tx_time_us=now_us())
            start = time.perf_counter_ns()
            resolve_actor(world, TABLE["anchor"])
            took.append((time.perf_counter_ns() - start) / 1000)
    return statistics.median(took)


def measure(folder: Path, count: int) -> dict[str, object]:
    town = Town(folder / "ledger.db")
    reference = commits_per_second(folder / "reference.db")
    rates: dict[str, tuple[float, float]] = {}
    for number, batch in enumerate(BATCHES):
        blocks = town.blocks(min(count, max(2 * batch, count * batch // 500, 200)), chain=CHAIN + number)
        rates[f"batches of {batch}"] = anchored_per_second(town.ledger, blocks, batch)
    blocks = town.blocks(min(count, 1000), chain=CHAIN + 10)
    rates["single, 8 threads"] = anchored_per_second(town.ledger, blocks, 1, threads=8)
    verify = verifications_per_second(blocks, town.camera.public_key.verify)
    anchored = len(town.ledger.reader.entries("block/"))
    start = time.perf_counter()
    problems = check_ledger(folder / "ledger.db")
    checked = anchored / (time.perf_counter() - start)
    if problems:
        raise SystemExit(f"the ledger does not check: {problems[0]}")
    report: dict[str, object] = {
        "measure": "P9",
        "blocks_per_second": {name: round(rate) for name, (rate, _) in rates.items()},
        "blocks_per_processor_second": {name: round(rate) for name, (_, rate) in rates.items()},
        "sqlite_commits_per_second": round(reference),
        "signature_checks_per_second": round(verify),
        "role_check_us": round(role_check_us(town.ledger), 1),
        "check_ledger_blocks_per_second": round(checked),
        "ledger_bytes_per_block": round((folder / "ledger.db").stat().st_size / anchored),
        "goal_blocks_per_second": GOAL,
        "reached": rates["batches of 500"][0] >= GOAL,
    }
    town.ledger.close()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), given.blocks)
    print(json.dumps(report, indent=2))
    if not given.json:
        print(f"\n{'P9 embedded anchors':28} blocks/s   a processor second")
        by_processor = report["blocks_per_processor_second"]
        for name, rate in report["blocks_per_second"].items():  # type: ignore[attr-defined]
            print(f"  {name:26} {rate:>8,}   {by_processor[name]:>8,}")  # type: ignore[index]
        print(f"  {'SQLite commits/s here':26} {report['sqlite_commits_per_second']:>8,}")
        print(f"  {'goal':26} {GOAL:>8,}  {'reached' if report['reached'] else 'NOT REACHED'}")


if __name__ == "__main__":
    try:
        main()
    except VeriframeError as error:
        raise SystemExit(str(error)) from error
