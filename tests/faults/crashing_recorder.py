"""Lives of a recorder that are cut short by SIGKILL, one after the other, over the same home.

    python -m tests.faults.crashing_recorder HOME ACKS LIVES random SEED    killed after a random time
    python -m tests.faults.crashing_recorder HOME ACKS LIVES steps STRIDE   killed at the n-th call that touches a disk

Each life imports files of seven segments for one camera, going on where the last one stopped, and drains after every
third segment. What `append` acknowledged is written to ACKS as "chain sequence digest", one line each.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any

from evidence.digests import sha256
from sdk.acting import act_as
from sdk.home import open_home
from sdk.index import Index
from sdk.keys import load_key
from sdk.shipper import Shipper
from sdk.spool import Spool
from sdk.store import FileStore
from tests.unit.sdk.miniature import START_US, Recorder

SEGMENTS = 7
TOUCHES_DISK = frozenset(
    {"fsync", "replace", "rename", "link", "unlink", "open", "write", "execute", "executemany", "close", "mkdir"}
)


def now_us() -> int:
    return time.time_ns() // 1000


def live(home_path: Path, acks: int) -> None:
    home = open_home(home_path)
    recorder = Recorder(signer=load_key(home.device_key("gate-1")), gaps=True)
    ledger = act_as(home, "recorder", now=now_us)
    with Spool(home.spool, now=now_us) as spool, Index(home.index) as index:
        shipper = Shipper(spool, FileStore(home.store), ledger, index=index, most_blocks=3)
        shipper.drain()
        number = 0
        while True:
            with spool.hold("gate-1"):
                name = recorder.pictures = sha256(b"file %d" % number)
                state = spool.open_import("gate-1", start_us=START_US, sha256=name)
                while not state.complete and state.next_sequence < SEGMENTS:
                    state = spool.append(recorder.seal(state, spool))
                    assert state.previous is not None
                    line = f"{state.chain} {state.next_sequence - 1} {state.previous.hex()}\n"
                    os.write(acks, line.encode())
                    if state.next_sequence % 3 == 0:
                        shipper.drain()
                spool.finish_import(state)
            number += 1


def kill_at_call(count: int) -> None:
    """Have this process kill itself at its `count`-th call of a function that touches the disk."""
    left = count

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal left
        if event == "c_call" and argument.__name__ in TOUCHES_DISK:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(watch)


def let_live(acks: int, chance: random.Random) -> None:
    """Every third life ends while it opens, the others some time after a number of acknowledged segments."""
    if chance.random() > 0.33:
        wanted = os.fstat(acks).st_size + chance.randrange(1, 600)
        give_up = time.monotonic() + 5.0
        while os.fstat(acks).st_size < wanted and time.monotonic() < give_up:
            time.sleep(0.001)
    time.sleep(chance.uniform(0.0, 0.03))


def main() -> None:
    home, acks_path, lives, mode, parameter = sys.argv[1:]
    acks = os.open(acks_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    chance = random.Random(int(parameter))
    for life in range(int(lives)):
        child = os.fork()
        if child == 0:
            try:
                if mode == "steps":
                    kill_at_call(1 + life * int(parameter))
                live(Path(home), acks)
            finally:
                # Only reached when something raised: the parent sees that no signal ended this life.
                sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
                os._exit(70)
        if mode == "random":
            let_live(acks, chance)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"life {life} ended by itself with {status}")


if __name__ == "__main__":
    main()
