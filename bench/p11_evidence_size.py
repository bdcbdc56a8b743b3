"""P11: bytes of evidence beside the video, per camera-hour.

A rendered scene with walking people, sensor noise and a burned-in clock is imported with the real importer under a
policy of one sample a second, stored and anchored; everything that then lies beside the video is counted and scaled to
an hour. Reference in the same run: what the digests of all pictures take alone (32 bytes each), below which evidence of
every picture cannot go.

    python bench/p11_evidence_size.py [--seconds N] [--width W --height H] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from evidence.canonical import canonical
from evidence.errors import VeriframeError
from evidence.policy import DEFAULT_POLICY
from evidence.proof_file import parse_proof_file, write_proof_file
from evidence.records import SegmentRecord
from frame_sampler.importer import import_file
from media.scene import render_scene
from sdk.acting import act_as, enrol_demo_camera
from sdk.home import Home
from sdk.init import MANAGER, RECORDER, init_home
from sdk.settings import StoreSettings
from sdk.shipper import Shipper
from sdk.spool import Spool
from sdk.store import open_store

GOAL_BYTES = 6_500_000
PER_S, HOUR_S = 25, 3600
START_US = 1_761_993_600_000_000
VIDEO_BYTES_PER_HOUR = 1_800_000_000  # 1080p25 at 4 Mbit/s
POLICY = replace(DEFAULT_POLICY, minimum_per_s=1, maximum_per_s=1)


def now_us() -> int:
    return time.time_ns() // 1000


def make_home(path: Path) -> Home:
    home = init_home(path, demo=True, now=now_us).home
    enrol_demo_camera(home, "gate-1", now=now_us)
    manager = act_as(home, MANAGER, now=now_us)
    manager.submit("set_policy", canonical({"policy": POLICY.to_json()}))
    manager.close()
    return home


def ledger_bytes(home: Home) -> int:
    """Size of the ledger file with nothing left in its journal."""
    import sqlite3

    connection = sqlite3.connect(home.ledger)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return home.ledger.stat().st_size


def ship(home: Home) -> None:
    ledger = act_as(home, RECORDER, now=now_us)
    with Spool(home.spool, now=now_us) as spool:
        drained = Shipper(spool, open_store(StoreSettings().url, base=home.path), ledger).drain()
    ledger.close()
    if not drained.complete:
        raise SystemExit(f"not everything was stored and anchored: {drained.troubles}")


def parts_of(proof: bytes) -> tuple[dict[str, int], int]:
    """What one proof file's bytes are, and its samples: sizes with one part at a time left out."""
    whole = parse_proof_file(proof)
    assert isinstance(whole.record, SegmentRecord)
    digests = len(whole.coded)
    samples = len(proof) - len(write_proof_file(replace(whole, samples=())))
    private = len(whole.private)
    rest = len(proof) - digests - samples - private
    return {"digests": digests, "samples": samples, "private": private, "other": rest}, len(whole.samples)


def measure(folder: Path, seconds: float, width: int, height: int) -> dict[str, object]:
    clip = folder / "scene.mp4"
    pictures = render_scene(clip, seconds=seconds, fps=PER_S, width=width, height=height, gop=2 * PER_S, seed=11)
    home = make_home(folder / "home")
    before = ledger_bytes(home)
    began = time.perf_counter()
    imported = import_file(home, clip, camera="gate-1", start_us=START_US, store=StoreSettings(), now=now_us)
    took_s = time.perf_counter() - began
    ship(home)
    scale = HOUR_S * PER_S / pictures
    sizes = {"digests": 0, "samples": 0, "private": 0, "other": 0}
    samples = 0
    for path in (home.store / "proof").rglob("*"):
        if path.is_file():
            parts, count = parts_of(path.read_bytes())
            sizes = {name: sizes[name] + parts[name] for name in sizes}
            samples += count
    sizes["ledger"] = ledger_bytes(home) - before
    total = sum(sizes.values())
    return {
        "measure": "P11",
        "scene": {"seconds": seconds, "width": width, "height": height, "pictures": pictures, "samples": samples},
        "bytes_per_camera_hour": {name: round(size * scale) for name, size in sizes.items()},
        "total_bytes_per_camera_hour": round(total * scale),
        "private_bytes_per_sample": round(sizes["private"] / max(1, samples)),
        "digests_alone_per_camera_hour": 32 * HOUR_S * PER_S,
        "share_of_video_percent": round(100 * total * scale / VIDEO_BYTES_PER_HOUR, 3),
        "import_times_real_time": round(seconds / took_s, 1),
        "units": imported.units,
        "scaled": f"from {seconds:g} s to an hour",
        "goal_bytes_per_camera_hour": GOAL_BYTES,
        "reached": total * scale <= GOAL_BYTES,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--height", type=int, default=720)
    parser.add_argument("--json", action="store_true", help="print the JSON document only")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = measure(Path(folder), given.seconds, given.width, given.height)
    print(json.dumps(report, indent=2))
    if not given.json:
        print(f"\n{'P11 evidence, ' + str(report['scaled']):40} bytes per camera-hour")
        for name, size in report["bytes_per_camera_hour"].items():  # type: ignore[attr-defined]
            print(f"  {name:38} {size:>12,}")
        print(f"  {'in all':38} {report['total_bytes_per_camera_hour']:>12,}")
        print(f"  {'digests of the pictures alone':38} {report['digests_alone_per_camera_hour']:>12,}")
        print(f"  {'goal':38} {GOAL_BYTES:>12,}  {'reached' if report['reached'] else 'NOT REACHED'}")


if __name__ == "__main__":
    try:
        main()
    except VeriframeError as error:
        raise SystemExit(str(error)) from error
