"""What is printed where: the result on stdout, progress and remarks on stderr.

Consoles are made when first used, so that `--version` and `--json` never pay for Rich.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_COLUMNS = 240  # tables in a pipe are as wide as they need to be
PLAIN_INTERVAL_S = 10.0  # how often progress is written where there is no terminal

Report = Callable[[float, str], None]
"""Tell progress: the share done (0 to 1) and what is being done."""


@cache
def stdout() -> Console:
    """The console of the result; honours NO_COLOR and writes no control sequence into a pipe."""
    from rich.console import Console

    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PLAIN_COLUMNS
    return Console(width=width, soft_wrap=not sys.stdout.isatty(), highlight=False, emoji=False, markup=False)


@cache
def stderr() -> Console:
    """The console of progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, soft_wrap=not sys.stderr.isatty(), highlight=False, emoji=False, markup=False)


def result(*lines: str) -> None:
    """Print lines of the result, uncoloured and unwrapped where stdout is no terminal."""
    for line in lines:
        stdout().print(line)


def raw(text: str) -> None:
    """Print exactly these characters to stdout, with nothing before or after."""
    sys.stdout.write(text)
    sys.stdout.flush()


def show(thing: RenderableType) -> None:
    """Print a table or another Rich renderable as part of the result."""
    stdout().print(thing)


def remark(text: str) -> None:
    """Say something beside the result, on stderr."""
    stderr().print(text, style="dim" if sys.stderr.isatty() else None)


@contextmanager
def progress(what: str, *, media_s: float | None = None, quiet: bool = False) -> Iterator[Report]:
    """Show progress on stderr: a bar on a terminal, otherwise a line every ten seconds.

    Args:
        what: what is being done.
        media_s: playing time of what is worked on, where known; adds the speed as a multiple of real time.
        quiet: show nothing.
    """
    if quiet:
        yield lambda share, text: None
    elif sys.stderr.isatty():
        with _bar(what, media_s) as report:
            yield report
    else:
        yield _lines(what, media_s)


@contextmanager
def _bar(what: str, media_s: float | None) -> Iterator[Report]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[speed]}"), console=stderr(), transient=True) as shown:
        task = shown.add_task(what, total=1.0, speed="")
        started = time.monotonic()

        def report(share: float, text: str) -> None:
            shown.update(task, completed=share, description=text or what, speed=_speed(share, started, media_s))

        yield report


def _lines(what: str, media_s: float | None) -> Report:
    started = time.monotonic()
    last = started

    def report(share: float, text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < PLAIN_INTERVAL_S:
            return
        last = now
        left_s = (now - started) * (1 - share) / share if share > 0 else None
        eta = "" if left_s is None else f", {left_s:.0f} s left"
        speed = _speed(share, started, media_s)
        stderr().print(f"{text or what}: {share:.0%}{', ' + speed if speed else ''}{eta}")

    return report


def _speed(share: float, started: float, media_s: float | None) -> str:
    elapsed = time.monotonic() - started
    if not media_s or elapsed <= 0:
        return ""
    return f"{share * media_s / elapsed:.0f}× real time"
