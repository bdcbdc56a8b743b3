"""The worker that holds hfc, as a process of its own: started when needed, killed when it hangs, started anew."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evidence.errors import ConfigInvalid

LOG = logging.getLogger("veriframe.hfc")

ENVIRONMENT = "HFC_VENV"
CACHE = Path(".cache/veriframe/hfc")
START_S = 15.0
# The worker keeps deadlines itself. One that is this much late hangs, or its machine does.
GRACE_S = 5.0
FRAME_BYTES = 256 << 20
LAST_WORDS_BYTES = 4096

Members = dict[str, Any]


class WorkerGone(Exception):
    """The worker ended or was killed before it answered. Stays within the modules of the hfc client."""


def hfc_python(environment: Mapping[str, str], home: Path) -> Path | None:
    """The Python of hfc's environment: in the folder that HFC_VENV names, else in the user's cache; None: not made."""
    named = environment.get(ENVIRONMENT)
    python = (Path(named) if named else home / CACHE) / "bin" / "python"
    # The mark is set when everything was installed.
    return python if python.exists() and (python.parent.parent / ".ready").exists() else None


class Worker:
    """One worker at a time, with one configuration. Made and used within one running event loop."""

    def __init__(self, python: Path, configuration: Members) -> None:
        self._python = python
        self._configuration = configuration
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._waiting: dict[int, asyncio.Future[Members]] = {}
        self._next = 0
        self._starting = asyncio.Lock()
        self._last_words = b""
        self.starts = 0

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def call(self, call: str, timeout_s: float, **members: Any) -> Members:
        """One request and its answer.

        Raises:
            WorkerGone: no answer, and it is unknown whether the request was carried out.
            ConfigInvalid: the worker cannot be started.
        """
        async with self._starting:
            if self._process is not None and self._readers[0].done():
                await self._end(self._process)  # it ended by itself
            process = self._process or await self._start()
        number, self._next = self._next, self._next + 1
        future: asyncio.Future[Members] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        try:
            _write(process, {"id": number, "call": call, "timeout_s": timeout_s, **members})
            answer = await asyncio.wait_for(future, timeout_s + GRACE_S)
        except TimeoutError:
            LOG.warning("the hfc worker does not answer and is killed")
            await self._end(process)
            raise WorkerGone(f"the hfc worker did not answer within {timeout_s + GRACE_S:.0f} s") from None
        except OSError as error:
            await self._end(process)
            raise WorkerGone("the hfc worker has ended") from error
        finally:
            self._waiting.pop(number, None)
        if "failed" in answer:
            LOG.warning("hfc: %s", answer["failed"])
        return answer

    async def close(self) -> None:
        if self._process is not None:
            await self._end(self._process)

    async def _start(self) -> asyncio.subprocess.Process:
        self._last_words = b""
        try:
            process = await asyncio.create_subprocess_exec(
                str(self._python),
                "-I",
                str(Path(__file__).with_name("hfc_worker.py")),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(),
                limit=1 << 20,
            )
        except OSError as error:
            raise ConfigInvalid(
                f"the hfc worker cannot be started: {error.strerror}", where=str(self._python), next_step="make hfc"
            ) from error
        ready: asyncio.Future[Members] = asyncio.get_running_loop().create_future()
        self._process = process
        self._readers = [
            asyncio.create_task(self._read_answers(process, ready)),
            asyncio.create_task(self._read_words(process)),
        ]
        try:
            _write(process, self._configuration)
            said = await asyncio.wait_for(ready, START_S)
        except TimeoutError:
            await self._end(process)
            raise WorkerGone(f"the hfc worker did not start within {START_S:.0f} s") from None
        except (OSError, WorkerGone) as error:
            await self._end(process)
            lines = self._last_words.decode("utf-8", "replace").strip().splitlines()
            raise ConfigInvalid(
                f"the hfc worker does not start: {lines[-1] if lines else 'no answer'}"[:500],
                where=str(self._python),
                next_step="make hfc makes its environment anew",
            ) from error
        self.starts += 1
        LOG.debug("hfc worker %d on Python %s", process.pid, said.get("python"))
        return process

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process is not self._process:
            return  # another caller saw it first
        self._process, readers = None, self._readers
        with contextlib.suppress(ProcessLookupError):
            process.kill()  # it keeps nothing that could be lost
        await process.wait()
        await asyncio.gather(*readers, return_exceptions=True)
        if process.stdin is not None:
            process.stdin.close()
            with contextlib.suppress(OSError):
                await process.stdin.wait_closed()

    async def _read_answers(self, process: asyncio.subprocess.Process, ready: asyncio.Future[Members]) -> None:
        assert process.stdout is not None
        try:
            while True:
                size = int.from_bytes(await process.stdout.readexactly(4), "big")
                if size > FRAME_BYTES:
                    raise ValueError("a frame of the worker is too large")
                answer = json.loads(await process.stdout.readexactly(size))
                if not ready.done():
                    ready.set_result(answer)
                    continue
                future = self._waiting.get(answer["id"])
                if future is not None and not future.done():
                    future.set_result(answer)
        except (asyncio.IncompleteReadError, OSError, ValueError, KeyError, TypeError):
            pass
        gone = WorkerGone("the hfc worker has ended")
        for future in (ready, *self._waiting.values()):
            if not future.done():
                future.set_exception(gone)

    async def _read_words(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        while data := await process.stderr.read(LAST_WORDS_BYTES):
            self._last_words = (self._last_words + data)[-LAST_WORDS_BYTES:]


def _environment() -> dict[str, str]:
    """What the worker may see of ours: gRPC looks for proxies there, and our own settings are none of its business."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("VERIFRAME_")}
    return {**own, "GRPC_VERBOSITY": "NONE"}


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def decode(text: str) -> bytes:
    return base64.b64decode(text)


def _write(process: asyncio.subprocess.Process, members: Members) -> None:
    assert process.stdin is not None
    if process.stdin.is_closing():
        raise BrokenPipeError("the worker's pipe is closed")
    # Not drained: a worker that hangs must not hold up its caller, whose deadline ends it.
    data = json.dumps(members).encode("ascii")
    process.stdin.write(len(data).to_bytes(4, "big") + data)
