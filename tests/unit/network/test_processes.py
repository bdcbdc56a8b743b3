"""A process is found and ended by its id and start time; nobody else's process is ever signalled."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, LedgerUnavailable
from network.bring_up import Network
from network.processes import Processes, _start_time
from network.topology import read_topology

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    *(sys.executable, "-c"),
    "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)",
]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    made = Processes(tmp_path)
    yield made
    for name in made.names():
        made.stop(name, kill=True)


def test_starting_twice_runs_once(processes: Processes, tmp_path: Path) -> None:
    assert processes.start("one", SLEEP, {}, tmp_path)
    pid = processes.running("one")
    assert pid is not None
    assert not processes.start("one", SLEEP, {}, tmp_path)
    assert processes.running("one") == pid
    assert processes.names() == ["one"]
    processes.require("one")
    assert processes.stop("one")
    assert processes.running("one") is None
    assert processes.names() == []
    assert not processes.stop("one")


def test_who_is_killed_while_starting_one_leaves_no_process_behind(tmp_path: Path) -> None:
    """Between the process and the note of its id: nobody would ever find it again, and its port would be taken."""
    killed = f"""
import os, signal
from pathlib import Path
from network import processes
processes._start_time = lambda pid: (print(pid, flush=True), os.kill(os.getpid(), signal.SIGKILL))[0]
processes.Processes(Path({str(tmp_path)!r})).start("one", {SLEEP!r}, {{}}, Path({str(tmp_path)!r}))
"""
    done = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == -signal.SIGKILL
    pid = int(done.stdout)
    deadline = time.monotonic() + 10
    while _start_time(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _start_time(pid)


def test_a_process_that_ends_just_before_it_is_told_to_is_no_failure(
    processes: Processes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.start("short", [sys.executable, "-c", ""], {}, tmp_path)
    pid = processes.running("short")
    assert pid is not None
    os.waitpid(pid, 0)
    answers = iter([pid])
    monkeypatch.setattr(Processes, "running", lambda self, name: next(answers, None))
    assert processes.stop("short")


def test_a_network_is_brought_up_or_down_by_one_command_at_a_time(processes: Processes, tmp_path: Path) -> None:
    with processes.alone(), pytest.raises(ConfigInvalid, match="another command"), Processes(tmp_path).alone():
        pass
    with Processes(tmp_path).alone():
        processes.start("one", SLEEP, {}, tmp_path)
    with processes.alone():  # what was started does not hold it
        assert processes.running("one") is not None


def test_a_port_of_somebody_else_is_named_before_anything_is_taken_for_ours(tmp_path: Path) -> None:
    topology = read_topology("raft")
    network = Network(topology=topology, root=tmp_path, programs={})
    with socket.create_server(("127.0.0.1", 0)) as other:
        with pytest.raises(ConfigInvalid, match=f"port {other.getsockname()[1]} is taken"):
            network.require_free_port("peer-police", "127.0.0.1", other.getsockname()[1])
        network.processes.start("peer-police", SLEEP, {}, tmp_path)
        try:
            network.require_free_port("peer-police", "127.0.0.1", other.getsockname()[1])
        finally:
            network.processes.stop("peer-police", kill=True)


def test_what_ended_by_itself_is_named_with_its_last_words(processes: Processes, tmp_path: Path) -> None:
    processes.start("short", [sys.executable, "-c", "print('port taken')"], {}, tmp_path)
    deadline = time.monotonic() + 10
    while processes.running("short") is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(LedgerUnavailable, match="port taken") as caught:
        processes.require("short")
    assert caught.value.where.endswith("short.log")
    with pytest.raises(LedgerUnavailable, match="wrote nothing"):
        processes.require("never-started")


def test_a_process_that_does_not_listen_is_killed(processes: Processes, tmp_path: Path) -> None:
    processes.start("stubborn", STUBBORN, {}, tmp_path)
    deadline = time.monotonic() + 10
    while b"ready" not in processes.log("stubborn").read_bytes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes.stop("stubborn", wait_s=0.3)
    assert processes.running("stubborn") is None


@pytest.mark.parametrize("text", ["", "x y", "1", "1 2 3", "{pid} 1"])
def test_a_number_that_belongs_to_somebody_else_is_left_alone(text: str, processes: Processes, tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEP)
    try:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "gone.pid").write_text(text.format(pid=other.pid))
        assert processes.running("gone") is None
        assert not processes.stop("gone")
        assert other.poll() is None
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
