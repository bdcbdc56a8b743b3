"""P12: how long a newcomer waits: `veriframe --version`, and the whole of `veriframe demo`.

Reference in the same run: the bare interpreter, and the interpreter with Typer imported, below which no command that is
built on it can start.

    python bench/p12_cold_start.py [--times N] [--demo]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOAL_VERSION_S, GOAL_DEMO_S = 0.3, 60.0


def seconds(*arguments: str, times: int) -> list[float]:
    """Wall-clock times of a command of this interpreter, sorted; the first run, which fills caches, is left out."""
    taken = []
    for _ in range(times + 1):
        started = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return sorted(taken[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--demo", action="store_true", help="also run the demo once")
    options = parser.parse_args()
    rows = {
        "interpreter": seconds("-c", "pass", times=options.times),
        "interpreter and typer": seconds("-c", "import typer", times=options.times),
        "veriframe --version": seconds("-m", "cli.main", "--version", times=options.times),
        "veriframe --help": seconds("-m", "cli.main", "--help", times=options.times),
    }
    result = {
        "measure": "P12",
        "python": sys.version.split()[0],
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "median_s": {name: round(statistics.median(taken), 3) for name, taken in rows.items()},
        "best_s": {name: round(taken[0], 3) for name, taken in rows.items()},
        "goal_version_s": GOAL_VERSION_S,
    }
    for name, taken in rows.items():
        print(f"{name:<24} median {statistics.median(taken):.3f} s, best {taken[0]:.3f} s")
    if options.demo:
        before, started = os.times(), time.perf_counter()
        command = [sys.executable, "-m", "cli.main", "demo"]
        code = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        result["demo"] = {
            "wall_s": round(time.perf_counter() - started, 1),
            "processor_s": round(used, 1),
            "exit_code": code,
            "goal_s": GOAL_DEMO_S,
        }
        print(f"{'veriframe demo':<24} {result['demo']}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
