"""Imports one file and says on stdout when each segment is in custody, so that a test can kill it in between.

python importing_process.py ROOT HOME FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from frame_sampler.importer import import_file
from sdk.home import open_home
from tests.unit.frame_sampler.importing import CLEAR, START_US, now_us


def main() -> None:
    def told(done: int, total: int) -> None:
        sys.stdout.write(f"{done} {total}\n")
        sys.stdout.flush()

    home = open_home(Path(sys.argv[2]))
    imported = import_file(
        home, Path(sys.argv[3]), camera="gate-1", start_us=START_US, store=CLEAR, now=now_us, progress=told
    )
    sys.stdout.write(f"complete {imported.chain}\n")


if __name__ == "__main__":
    main()
