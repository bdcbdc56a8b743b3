"""Several hundred cameras at once, from a table: `veriframe camera import` and `veriframe camera approve-all`."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import raw, remark, result, show
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, opened
from evidence.errors import ConfigInvalid, VeriframeError

MAX_ROWS = 10_000
_AT_ONCE = 50  # transactions that share one ledger block
_NEEDED = ("camera", "site", "ip")
_TEXTS = ("make", "model", "serial", "firmware", "hardware_address", "location", "specification")
_COLUMNS = (*_NEEDED, *_TEXTS, "view_of", "device_key", "key_custody")

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]


@dataclass(slots=True)
class Line:
    """One camera of the table with what is to be done about it, or what is wrong."""

    number: int
    values: Mapping[str, str]
    problem: str = ""
    done: str = ""
    members: dict[str, object] = field(default_factory=dict)

    @property
    def camera(self) -> str:
        return self.values.get("camera", "")


def import_table(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="First line: names of the columns.")],
    dry_run: DryRunOption = False,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Propose every camera of a CSV file.

    Columns: camera, site, ip, and where known make, model, serial, firmware, hardware_address, location,
    specification, view_of, device_key (a PEM file beside the table), key_custody. Nothing is proposed while a line is
    wrong; cameras that stand on the ledger already, just so, are left alone, so that the same command goes on where it
    was interrupted.
    """
    from cli.acting import identity_for, newest, reading, warn_without_recorder
    from evidence.certificates import parse_certificate

    at, _ = opened(home, config, writing=not dry_run)
    who = identity_for(at, "propose_camera", acting)
    if who.role == "OWNER":
        raise ConfigInvalid(
            "a table proposes cameras of a control room, and an owner has private ones",
            where=who.name,
            next_step="propose each with: veriframe camera propose",
        )
    room = parse_certificate(who.certificate).attributes.get("control_room", "")
    lines = list(_read(table))
    with reading(at) as reader:
        standing = {each["id"]: each for each in newest(reader, "camera")}
    _check(lines, standing, table.parent, room)
    wrong = [line for line in lines if line.problem]
    if wrong or dry_run:
        _report(lines, as_json=as_json, heading="WRONG" if wrong else "DRY RUN")
        if wrong:
            raise ConfigInvalid(
                f"{len(wrong)} of {len(lines)} lines cannot be proposed; nothing was",
                where=str(table),
                next_step="mend those lines; --dry-run checks again",
            )
        return
    new = [line for line in lines if not line.done]
    for line in new:
        line.members |= {"control_room": room, "device_key": _device_key(at, line, table.parent)}
    _submit(at, who.name, "propose_camera", new, "proposed")
    _report(lines, as_json=as_json, heading=_became(lines, "PROPOSED"))
    warn_without_recorder(at, *(line.camera for line in new))
    _raise_first(lines, table)
    remark(f"next: a manager approves them: veriframe camera approve-all {table}")


def approve_all(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="The table that was imported.")],
    dry_run: DryRunOption = False,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Approve every camera of a CSV file that is still proposed, as the file describes it.

    A camera that the ledger describes otherwise than the file does is named and left alone: what is approved is what
    the manager has before them.
    """
    from cli.acting import identity_for, newest, reading, warn_without_recorder

    at, _ = opened(home, config, writing=not dry_run)
    who = identity_for(at, "approve_camera", acting)
    lines = list(_read(table))
    with reading(at) as reader:
        standing = {each["id"]: each for each in newest(reader, "camera")}
    for line in lines:
        entry = standing.get(line.camera)
        if entry is None:
            line.problem = "not on the ledger"
        elif _differs(line, entry):
            line.problem = f"the ledger says another {_differs(line, entry)}"
        elif entry["status"] != "PROPOSED":
            line.done = f"already {entry['status']}"
        line.members = {"camera": line.camera}
    if not dry_run:
        _submit(
            at, who.name, "approve_camera", [line for line in lines if not line.done and not line.problem], "approved"
        )
    _report(lines, as_json=as_json, heading="DRY RUN" if dry_run else _became(lines, "APPROVED"))
    warn_without_recorder(at, *(line.camera for line in lines if not line.problem))
    _raise_first(lines, table)


def _read(table: Path) -> Iterator[Line]:
    """The lines of a CSV file; every one of them has a camera id, a site and an address.

    Raises:
        ConfigInvalid: not a CSV file with these columns, or too long.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            unknown = [name for name in reader.fieldnames or () if name not in _COLUMNS]
            lacking = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
            if unknown or lacking:
                what = f"unknown column {unknown[0]!r}" if unknown else f"the column {lacking[0]!r} is lacking"
                raise ConfigInvalid(what, where=str(table), next_step=f"columns are {', '.join(_COLUMNS)}")
            for number, row in enumerate(reader, 2):
                if number > MAX_ROWS + 1:
                    raise ConfigInvalid(f"more than {MAX_ROWS} cameras", where=str(table), next_step="split the table")
                problem = "more cells than columns" if None in row else ""
                values = {name: (row.get(name) or "").strip() for name in _COLUMNS}
                yield Line(number=number, values=values, problem=problem)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigInvalid(f"not a CSV file in UTF-8 ({error})", where=str(table)) from error


def _check(lines: Sequence[Line], standing: Mapping[str, Mapping[str, Any]], folder: Path, room: str) -> None:
    """Say of every line what is wrong with it, before anything is made or sent; the contract's own checks are used."""
    from chaincode.arguments import parse_arguments
    from chaincode.cameras import check_addresses
    from chaincode.table import TABLE
    from evidence.canonical import canonical

    seen: dict[str, int] = {}
    stand_in = base64.b64encode(_any_key()).decode("ascii")
    for line in lines:
        members: dict[str, object] = {name: line.values[name] for name in (*_NEEDED, *_TEXTS)}
        members["key_custody"] = line.values["key_custody"] or "file"
        if line.values["view_of"]:
            members["view_of"] = line.values["view_of"]
        line.members = members
        if line.problem:
            continue
        try:
            complete = canonical({**members, "control_room": room, "device_key": stand_in})
            parse_arguments("propose_camera", TABLE["propose_camera"].arguments, [complete])
            check_addresses(line.values["ip"], line.values["location"], private=False)
            if line.values["device_key"]:
                _public_key(folder / line.values["device_key"])
        except VeriframeError as error:
            line.problem = error.detail
            continue
        if line.camera in seen:
            line.problem = f"camera {line.camera} stands in line {seen[line.camera]} already"
        seen.setdefault(line.camera, line.number)
        entry = standing.get(line.camera)
        if entry is not None and _differs(line, entry):
            line.problem = f"the ledger has a camera {line.camera} with another {_differs(line, entry)}"
        elif entry is not None:
            line.done = f"already {entry['status']}"


def _differs(line: Line, entry: Mapping[str, Any]) -> str:
    """The first column in which line and ledger differ, empty where they agree."""
    for name in ("site", "ip", *_TEXTS):
        if line.values[name] != entry[name]:
            return name
    return ""


def _any_key() -> bytes:
    from evidence.keys import PrivateKeySigner
    from sdk.keys import generate_key

    return PrivateKeySigner(generate_key()).public_key.spki


def _public_key(path: Path) -> bytes:
    from cli.deciding import public_key

    if not path.is_file():
        raise ConfigInvalid(f"there is no key {path.name} beside the table", where=str(path))
    return public_key(path)[0]


def _device_key(home: Any, line: Line, folder: Path) -> str:
    """Base64 of the key that the line names, or of one that this home keeps (or now makes) for the camera."""
    if line.values["device_key"]:
        return base64.b64encode(_public_key(folder / line.values["device_key"])).decode("ascii")
    from frame_sampler.device_key import device_key

    return base64.b64encode(device_key(home, line.camera).public_key.spki).decode("ascii")


def _submit(home: Any, name: str, function: str, lines: Sequence[Line], done: str) -> None:
    """Send the lines, many to a ledger block; a camera that is another's view goes after all others."""
    from cli.acting import now_us
    from evidence.canonical import canonical
    from sdk.acting import act_as

    ledger = act_as(home, name, now=now_us)
    try:
        for views in (False, True):
            part = [line for line in lines if bool(line.members.get("view_of")) is views]
            for start in range(0, len(part), _AT_ONCE):
                some = part[start : start + _AT_ONCE]
                calls = [(function, [canonical(line.members)]) for line in some]
                for line, outcome in zip(some, ledger.submit_many(calls), strict=True):
                    if isinstance(outcome, VeriframeError):
                        line.problem = str(outcome)
                    else:
                        line.done = done
    finally:
        ledger.close()


def _became(lines: Sequence[Line], word: str) -> str:
    """What all of it came to, in a word: done now, done before, or nothing done."""
    if any(line.done == word.lower() for line in lines):
        return word
    return "REFUSED" if any(line.problem for line in lines) else "NOTHING NEW"


def _report(lines: Sequence[Line], *, as_json: bool, heading: str) -> None:
    listed = [
        {"line": each.number, "camera": each.camera, "done": each.done or None, "problem": each.problem or None}
        for each in lines
    ]
    if as_json:
        raw(json.dumps({"cameras": listed}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("line", "camera", "site", "ip", "what")
    for each in lines:
        what = each.problem or each.done or "to be done"
        table.add_row(str(each.number), each.camera, each.values["site"], each.values["ip"], what)
    wrong = sum(1 for each in lines if each.problem)
    result(f"{heading}: {len(lines)} cameras, {wrong} with a problem")
    show(table)


def _raise_first(lines: Sequence[Line], table: Path) -> None:
    wrong = [line for line in lines if line.problem]
    if wrong:
        raise ConfigInvalid(
            f"{len(wrong)} of {len(lines)} cameras were left alone; the first: {wrong[0].problem}",
            where=f"{table}, line {wrong[0].number}",
            next_step="mend them, then run the same command again: what is done is not done twice",
        )


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe camera`."""
    for name, function in (("import", import_table), ("approve-all", approve_all)):
        words = f"veriframe camera {name} cameras.csv"
        app.command(name, epilog=examples(f"{words} --dry-run", words))(function)
