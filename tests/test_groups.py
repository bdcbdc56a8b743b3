"""Tests of one group run in one process: with `-n 2` there is one Fabric network, not one for each worker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

GROUPED = """
import os, pathlib, pytest

@pytest.mark.parametrize("number", range(6))
@pytest.mark.xdist_group("one")
def test_where(number):
    with pathlib.Path(__file__).with_name("workers").open("a") as out:
        out.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_a_group_stays_on_one_worker(tmp_path: Path) -> None:
    # pytest and pytest-xdist may fall out of step about this without a word: everything passes, only slower.
    (tmp_path / "test_grouped.py").write_text(GROUPED, encoding="ascii")
    command = ["-m", "pytest", "-q", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider", str(tmp_path)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    workers = (tmp_path / "workers").read_text(encoding="ascii").split()
    assert len(workers) == 6
    assert len(set(workers)) == 1
