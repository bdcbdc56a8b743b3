"""The child process that all hostile media goes through.

Demultiplexers and decoders are C code fed by whoever made the file: they crash, hang and ask for all the memory there
is. So they run in a process of their own, with limits set before the first library is loaded, watched by a clock, and
killed with everything it started. Whatever happens in there, the caller gets a result or one clear error.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from evidence import errors
from evidence.errors import Malformed, UnsupportedMedia, VeriframeError
from media.frames import FrameReader, Message, frame
from media.tasks import task_named

# Errors that may cross from the child, by their code; anything else would be a bug and is told as such.
_ERRORS: Mapping[str, type[VeriframeError]] = {
    kind.code: kind
    for kind in (
        errors.Malformed,
        errors.UnsupportedMedia,
        errors.SourceLost,
        errors.StoreUnavailable,
        errors.ConfigInvalid,
        errors.SpoolFull,
    )
}
_STDERR_KEPT_BYTES = 4096
_READ_BYTES = 1 << 20
_BOOT = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[2]); from media.child import serve; serve(int(sys.argv[1]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the child may use.

    Attributes:
        memory_bytes: address space; PyAV and NumPy alone take about 250 MiB of it.
        cpu_s: processor seconds, all threads together.
        wall_s: seconds from start to end; None for work whose length nobody knows.
        idle_s: seconds without a message; None when the task sends none.
        message_bytes: largest message that the parent takes.
    """

    memory_bytes: int = 2 << 30
    cpu_s: int = 900
    wall_s: float | None = 900.0
    idle_s: float | None = None
    message_bytes: int = 1 << 30


def run(
    task: str,
    arguments: Mapping[str, Any],
    *,
    limits: Limits,
    on_message: Callable[[Message], None] | None = None,
) -> Message:
    """Run a task of `media.tasks.TASKS` in a child and return its answer; `on_message` gets what it sends before.

    Raises:
        Malformed: the task says so, or it crashed, hung or took more than the limits allow.
        UnsupportedMedia: the task says so, or it failed in a way that it should not.
        VeriframeError: whatever else of `evidence.errors` the task raised.
    """
    with contextlib.ExitStack() as stack:
        receive, send = os.pipe()
        source: BinaryIO = stack.enter_context(os.fdopen(receive, "rb", buffering=0))
        try:
            process = _start(send)
        finally:
            os.close(send)
        stack.callback(_end, process)
        assert process.stdin is not None and process.stderr is not None
        stack.enter_context(process.stderr)
        request = json.dumps(
            {"task": task, "arguments": arguments, "memory_bytes": limits.memory_bytes, "cpu_s": limits.cpu_s}
        )
        with contextlib.suppress(BrokenPipeError), process.stdin:  # a child that is gone already is told below
            process.stdin.write(request.encode())
        return _Watch(process, source, limits, on_message or (lambda message: None)).answer()


def _start(send: int) -> subprocess.Popen[bytes]:
    # Isolated mode and the parent's own path: neither the environment nor a file lying beside the evidence can put
    # a module of its own under the reader.
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    path = json.dumps([own, *(entry for entry in sys.path if os.path.isabs(entry))])
    return subprocess.Popen(
        [sys.executable, "-I", "-c", _BOOT, str(send), path],
        # One thread: a pool of NumPy's would take address space for nothing and make forking unsafe.
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(send,),
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the child with all that it started; it holds nothing that needs an orderly end."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Watch:
    """Reads what the child sends until it answers, ends or oversteps a limit."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        source: BinaryIO,
        limits: Limits,
        on_message: Callable[[Message], None],
    ) -> None:
        self._process = process
        self._source = source
        self._limits = limits
        self._on_message = on_message
        self._frames = FrameReader(limits.message_bytes)
        self._said = b""
        self._started = self._heard = time.monotonic()

    def answer(self) -> Message:
        assert self._process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._source, selectors.EVENT_READ)
            selector.register(self._process.stderr, selectors.EVENT_READ)
            while True:
                ready = selector.select(self._patience())
                for key, _ in ready:
                    if key.fileobj is self._process.stderr:
                        self._hear(selector)
                        continue
                    data = self._source.read(_READ_BYTES)
                    if not data:
                        raise self._ended()
                    for message in self._frames.feed(data):
                        done = self._take(message)
                        if done is not None:
                            return done

    def _patience(self) -> float | None:
        """Seconds to wait for the next byte; raises when the child's time is up."""
        now = time.monotonic()
        left = []
        if self._limits.wall_s is not None:
            left.append(self._started + self._limits.wall_s - now)
        if self._limits.idle_s is not None:
            left.append(self._heard + self._limits.idle_s - now)
        if left and min(left) <= 0:
            raise Malformed(f"reading it was stopped after {now - self._started:.0f} s without a result")
        return min(left, default=None)

    def _hear(self, selector: selectors.BaseSelector) -> None:
        assert self._process.stderr is not None
        data = os.read(self._process.stderr.fileno(), 65536)
        if not data:
            selector.unregister(self._process.stderr)
        self._said = (self._said + data)[-_STDERR_KEPT_BYTES:]

    def _take(self, message: Message) -> Message | None:
        self._heard = time.monotonic()
        kind, head = message.head.get("kind"), message.head.get("head")
        if kind == "error":
            raise _error(head)
        if kind not in ("message", "answer") or not isinstance(head, dict):
            raise Malformed("the media reader sent a message that cannot be read")
        inner = Message(head=head, columns=message.columns)
        if kind == "answer":
            return inner
        self._on_message(inner)
        return None

    def _ended(self) -> VeriframeError:
        """Say why the child ended without an answer."""
        code = self._process.wait()
        if code == -signal.SIGXCPU:
            return Malformed(f"reading it took more than {self._limits.cpu_s} s of processor time")
        if code < 0:
            name = signal.Signals(-code).name
            return Malformed(f"reading it crashed the media library ({name})")
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        last = f": {lines[-1][:200]}" if lines else ""
        return UnsupportedMedia(f"the media reader ended without a result (status {code}){last}")


def _error(head: object) -> VeriframeError:
    if not isinstance(head, dict) or not all(isinstance(value, str) for value in head.values()):
        return Malformed("the media reader sent a message that cannot be read")
    kind = _ERRORS.get(head.get("code", ""), UnsupportedMedia)
    return kind(head.get("detail", ""), where=head.get("where", ""), next_step=head.get("next_step", ""))


def serve(descriptor: int) -> None:
    """Be the child: read the request from stdin, run the task, write frames to `descriptor`."""
    request = json.loads(sys.stdin.buffer.read())
    _confine(request["memory_bytes"], request["cpu_s"])
    with os.fdopen(descriptor, "wb", buffering=0) as sink:

        def send(kind: str, head: Mapping[str, Any], columns: tuple[bytes, ...] = ()) -> None:
            for piece in frame(Message(head={"kind": kind, "head": head}, columns=columns)):
                view = memoryview(piece)
                while view:
                    view = view[sink.write(view) :]

        try:
            task = task_named(request["task"])
            result = task(request["arguments"], lambda message: send("message", message.head, message.columns))
            send("answer", result.head, result.columns)
        except VeriframeError as error:
            said = {"code": error.code, "detail": error.detail, "where": error.where, "next_step": error.next_step}
            send("error", said)
        except MemoryError:
            send("error", {"code": Malformed.code, "detail": "reading it takes more memory than is allowed"})
        except BrokenPipeError:
            pass  # the parent stopped listening; it kills this process
        except Exception as error:  # noqa: BLE001 - the outermost loop of this process: the parent must get an answer
            detail = f"the media reader failed ({type(error).__name__}: {str(error)[:200]})"
            send("error", {"code": UnsupportedMedia.code, "detail": detail})
    # Skip the interpreter's own end: libraries may hang in their clean-up, and nothing here needs one.
    os._exit(0)


def _confine(memory_bytes: int, cpu_s: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    wanted = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, wanted))
    if sys.platform == "linux":
        import ctypes

        # PR_SET_PDEATHSIG: a parent that dies must not leave a reader behind.
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
