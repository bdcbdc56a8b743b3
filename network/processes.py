"""Peers, orderers and chaincode servers as plain processes, apart from the terminal, found and ended by their id.

`<root>/run/<name>.pid` holds the process id and its start time, so that a number which the system gave to somebody else
since is never signalled.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evidence.errors import ConfigInvalid, LedgerUnavailable

KILLED_S = 30.0  # what the system gets to end a process that was killed
# Waits for a line, then becomes the program, under the same id.
_WHEN_TOLD = 'read -r _ && exec "$@" </dev/null'


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one network; logs stand in `<root>/log/<name>.log`."""

    root: Path

    def _pid_file(self, name: str) -> Path:
        return self.root / "run" / f"{name}.pid"

    def log(self, name: str) -> Path:
        return self.root / "log" / f"{name}.log"

    def names(self) -> list[str]:
        folder = self.root / "run"
        return sorted(path.stem for path in folder.glob("*.pid")) if folder.is_dir() else []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else starts or ends processes of this network meanwhile: two would start each of them twice.

        Raises: ConfigInvalid: somebody does.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)  # the folder itself, so that nothing stays behind
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigInvalid(
                    "another command is bringing this network up or down", where=str(self.root),
                    next_step="wait until it has ended",
                ) from error  # fmt: skip
            except OSError:
                pass  # a file system that locks no folders, such as NFS: then people have to see to it
            yield
        finally:
            os.close(folder)

    def running(self, name: str) -> int | None:
        """Process id of `name`, None where it does not run."""
        try:
            pid_text, started = self._pid_file(name).read_text(encoding="ascii").split()
            pid = int(pid_text)
        except (OSError, ValueError):
            return None
        return pid if _start_time(pid) == started else None

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> bool:
        """Start `name` unless it runs; returns whether it was started now."""
        if self.running(name) is not None:
            return False
        for place in (self._pid_file(name), self.log(name)):
            place.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _WHEN_TOLD, name, *command],
                env={**environment},
                cwd=folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        # It outlives this object and is found by its id; without a result the library would warn that it still runs.
        process.returncode = 0
        draft = self._pid_file(name).with_suffix(".new")
        draft.write_text(f"{process.pid} {_start_time(process.pid)}\n", encoding="ascii")
        draft.rename(self._pid_file(name))
        # A crash before this line leaves no process that nobody knows of: not told to begin, it ends.
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as told:
            told.write(b"\n")
        return True

    def stop(self, name: str, *, wait_s: float = 15.0, kill: bool = False) -> bool:
        """End `name`; a process that does not end in time is killed. Returns whether it ran.

        Raises: LedgerUnavailable: not even that ends it.
        """
        pid = self.running(name)
        if pid is not None:
            _signal(pid, signal.SIGKILL if kill else signal.SIGTERM)
            deadline = time.monotonic() + wait_s
            while self.running(name) is not None:
                _reap(pid)
                if time.monotonic() > deadline + KILLED_S:
                    raise LedgerUnavailable(f"{name} (process {pid}) does not end", where=str(self.log(name)))
                if time.monotonic() > deadline:
                    _signal(pid, signal.SIGKILL)
                time.sleep(0.05)
        self._pid_file(name).unlink(missing_ok=True)
        return pid is not None

    def rename(self, name: str, new: str) -> None:
        """Let a running process be known under another name, its log as well."""
        self.log(name).rename(self.log(new))
        self._pid_file(name).rename(self._pid_file(new))

    def require(self, name: str) -> None:
        """Raises LedgerUnavailable, with the log's last line, when `name` does not run."""
        if self.running(name) is None:
            try:
                last = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-1:]
            except OSError:
                last = []
            raise LedgerUnavailable(
                f"{name} ended: {last[0][-300:] if last else 'it wrote nothing'}", where=str(self.log(name))
            )


def _start_time(pid: int) -> str:
    """Start time of a live process, empty where there is none or only its remains."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended since it was looked for
        os.kill(pid, number)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
