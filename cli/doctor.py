"""`veriframe doctor`: what this machine has, and whether the home is in order. Changes nothing."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from cli.console import raw, result, show
from cli.exits import INTERNAL
from cli.options import ConfigOption, HomeOption, JsonOption, examples, home_path, make_app
from evidence.errors import VeriframeError

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.spool import Spool

app = make_app("Check this machine and the home.")

_LEAST_FREE_BYTES = 1 << 30  # about ten minutes of sixteen cameras at 4 Mbit/s


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. `lacks` is no fault: something optional is not here."""

    name: str
    outcome: Literal["ok", "lacks", "wrong"]
    found: str
    next_step: str = ""


@app.command(epilog=examples("veriframe doctor", "veriframe doctor --home evidence --json"))
def doctor(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Look at Python, libraries, programs, disk and the home. Exit code 1 when something is wrong."""
    checks = list(_checks(home_path(home), config, named=home is not None))
    wrong = any(check.outcome == "wrong" for check in checks)
    if as_json:
        members = [{"name": c.name, "outcome": c.outcome, "found": c.found, "next_step": c.next_step} for c in checks]
        raw(json.dumps({"healthy": not wrong, "checks": members}, indent=2) + "\n")
    else:
        from rich.table import Table

        table = Table("what", "", "found", "next")
        for check in checks:
            table.add_row(check.name, check.outcome, check.found, check.next_step)
        result("UNHEALTHY" if wrong else "HEALTHY")
        show(table)
    if wrong:
        raise typer.Exit(INTERNAL)


def _checks(path: Path, config: Path | None, *, named: bool) -> Iterator[Check]:
    from evidence.version import VERSION

    yield Check(
        name="veriframe", outcome="ok", found=f"{VERSION} on Python {platform.python_version()}, {sys.platform}"
    )
    yield from _libraries()
    yield from _programs()
    yield _settings(path, config)
    yield from _home(path, named=named)


def _libraries() -> Iterator[Check]:
    import av

    codecs = [name for name in ("h264", "hevc", "av1", "mpeg4", "mjpeg") if name in av.codecs_available]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("av", "numpy", "cryptography"))
    outcome: Literal["ok", "wrong"] = "ok" if len(codecs) == 5 else "wrong"
    yield Check(name="libraries", outcome=outcome, found=f"{versions}; decodes {', '.join(codecs)}")
    try:
        found = f"imagehash {metadata.version('imagehash')}"
        yield Check(name="sampler", outcome="ok", found=found)
    except metadata.PackageNotFoundError:
        yield Check(
            name="sampler", outcome="lacks", found="imagehash is not installed; verify works without",
            next_step="install veriframe[sampler] to record",
        )  # fmt: skip


def _programs() -> Iterator[Check]:
    from sdk.hfc_process import ENVIRONMENT, hfc_python

    found = _fabric_programs()
    yield Check(
        name="fabric programs", outcome="ok" if found else "lacks",
        found=found or "none; the embedded ledger needs none",
        next_step="" if found else "from Fabric's release archive, in FABRIC_BIN or on PATH",
    )  # fmt: skip
    python = hfc_python(os.environ, Path.home())
    yield Check(
        name="hfc environment", outcome="ok" if python else "lacks",
        found=str(python.parent.parent) if python else "none; only Fabric networks without the Gateway need it",
        next_step="" if python else f"make hfc, or its folder in {ENVIRONMENT}",
    )  # fmt: skip


def _fabric_programs() -> str:
    named = os.environ.get("FABRIC_BIN")
    places = [Path(named)] if named else []
    places.append(Path.home() / ".cache/veriframe/fabric/bin")
    for place in places:
        if (place / "peer").is_file():
            return str(place)
    return shutil.which("peer") or ""


def _settings(path: Path, config: Path | None) -> Check:
    from sdk.settings import check

    errors = [
        each for each in check(config=config, home=path, environment=os.environ).findings if each.level == "error"
    ]
    if not errors:
        return Check(name="settings", outcome="ok", found="valid")
    first = errors[0]
    return Check(name="settings", outcome="wrong", found=f"{first.where}: {first.cause}", next_step=first.fix)


def _home(path: Path, *, named: bool) -> Iterator[Check]:
    from sdk.home import is_home, open_home

    if not is_home(path):
        outcome: Literal["lacks", "wrong"] = "wrong" if named else "lacks"
        yield Check(
            name="home", outcome=outcome, found=f"none at {path}", next_step="`veriframe demo`, or `veriframe init`"
        )
        return
    try:
        home = open_home(path)
    except VeriframeError as error:
        yield Check(name="home", outcome="wrong", found=error.detail, next_step=error.next_step)
        return
    yield Check(name="home", outcome="ok", found=f"{path}{', a demo' if home.demo else ''}")
    free_bytes = shutil.disk_usage(path).free
    yield Check(
        name="disk", outcome="ok" if free_bytes > _LEAST_FREE_BYTES else "wrong", found=f"{free_bytes >> 20} MiB free",
        next_step="" if free_bytes > _LEAST_FREE_BYTES else "free space before recording goes on",
    )  # fmt: skip
    yield _said("ledger", lambda: _ledger(path))
    yield _said("spool", lambda: _spool(path))


def _said(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except VeriframeError as error:
        return Check(name=name, outcome="wrong", found=str(error), next_step=error.next_step)


def _ledger(path: Path) -> Check:
    from sdk.home import open_home, snapshot
    from sdk.ledger import check_ledger, read_ledger

    home = open_home(path)
    if home.profile is not None:
        return _channel(home)
    with snapshot(home) as copy:
        problems = check_ledger(copy.ledger)
        if problems:
            first = str(problems[0]).replace(str(copy.databases), str(copy.path))
            return Check(
                name="ledger", outcome="wrong", found=f"{len(problems)} problems, first: {first}",
                next_step="veriframe store fsck; restore ledger.db from the back-up",
            )  # fmt: skip
        with read_ledger(f"sqlite:///{copy.ledger.absolute()}") as reader:
            return Check(name="ledger", outcome="ok", found=f"{copy.ledger_id}, height {reader.height}, sound")


def _channel(home: Home) -> Check:
    from cli.acting import now_us
    from sdk.acting import with_fabric

    with with_fabric():
        from sdk.channel_ledger import looking_at
        from sdk.channel_word import genesis_hash
    with looking_at(home, now=now_us) as ledger:
        says = f"fabric:{ledger.gateway.profile.channel}:{genesis_hash(ledger.gateway).hex()}"
        height = ledger.reader.height
    if says != home.ledger_id:
        return Check(
            name="ledger", outcome="wrong", found=f"the channel says that it is {says}, the home {home.ledger_id}",
            next_step="find out which is right before anything is recorded",
        )  # fmt: skip
    found = f"{home.ledger_id}, height {height}, asked as {ledger.identity.name}"
    return Check(name="ledger", outcome="ok", found=found)


def _spool(path: Path) -> Check:
    from cli.acting import now_us
    from sdk.home import open_home, snapshot
    from sdk.spool import Spool

    with snapshot(open_home(path)) as copy:
        if not (copy.spool / "spool.db").exists():
            return Check(name="spool", outcome="ok", found="nothing was recorded here yet")
        with Spool(copy.spool, now=now_us) as spool:
            backlog = spool.backlog()
            unread = 0 if copy.profile is None else spool.unread_count()
            never = _never_anchored(copy, spool) if backlog.unanchored else {}
    pending = f"{backlog.unstored} not stored, {backlog.unanchored} not anchored, {backlog.refused} refused"
    if unread:
        pending += f", {unread} without the organisations' signed word"
    if never:
        pending += f"; of these {sum(never.values())} can never be anchored: their key was revoked"
    clear = backlog.unstored == backlog.unanchored == backlog.refused == unread == 0
    steps = [f"veriframe store give-up --camera {camera} --reason WHY" for camera in never]
    if backlog.unstored or unread or backlog.unanchored > sum(never.values()):
        steps.append("the next `veriframe sample` drains it; refused ones name a reason there")
    return Check(
        name="spool", outcome="ok" if clear else "wrong", found="empty" if clear else pending,
        next_step="; ".join(steps),
    )  # fmt: skip


def _never_anchored(copy: Home, spool: Spool) -> dict[str, int]:
    """How many records of each camera wait in vain; a channel that is away is asked next time."""
    from cli.acting import now_us
    from sdk.acting import state_of
    from sdk.giving_up import unanchorable

    with state_of(copy, now=now_us) as reader:
        found = {camera: len(unanchorable(spool, reader, camera)) for camera in spool.waiting()}
    return {camera: count for camera, count in found.items() if count}
