"""What the ledger holds about one camera, for looking: `veriframe camera show` and `veriframe camera blocks`."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import raw, remark, result, show
from cli.deciding import height, tabled, when
from cli.options import ConfigOption, HomeOption, JsonOption, examples, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from cli.acting import Words
    from sdk.ledger import StateReader

CameraArgument = Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")]

_SHOWN = (
    *("status", "site", "control_room", "ip", "location", "make", "model", "serial", "firmware", "hardware_address"),
    *("specification", "owner", "view_of", "key_custody"),
)


def show_camera(
    camera: CameraArgument, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Everything that is in force about a camera, and what was said about it. Changes nothing."""
    from cli.acting import looking

    at, settings = opened(home, config, writing=False)
    with looking(at, settings.people.url) as (reader, words):
        facts = _facts(reader, camera)
        if as_json:
            raw(json.dumps(facts, indent=2) + "\n")
            return
        rows = list(_rows(facts, words))
    from rich.table import Table

    table = Table("what", "", show_header=False)
    for each in rows:
        table.add_row(*each)
    result(f"camera {camera}: {facts['camera']['status']}")
    show(table)


def _facts(reader: StateReader, camera: str) -> dict[str, Any]:
    from cli.acting import every
    from evidence.digests import sha256

    entries = every(reader, f"camera/{camera}/")
    if not entries:
        raise ConfigInvalid(f"there is no camera {camera} on this ledger", next_step="veriframe camera list")
    changes = {each["number"]: each for each in every(reader, f"change/{camera}/")}
    key = sha256(base64.b64decode(entries[-1]["device_key"])).hex()
    return {
        "camera": entries[-1],
        "key": key,
        "recommendations": every(reader, f"recommendation/{camera}/"),
        "waiting_changes": [each for each in changes.values() if each["status"] == "PROPOSED"],
        "revocations": every(reader, f"revocation/{camera}/"),
        "maintenance": every(reader, f"maintenance/{camera}/"),
        "chains": [int(entry.key.rsplit("/", 1)[1]) for entry in reader.entries(f"chain/{camera}/")],
    }


def _rows(facts: Mapping[str, Any], words: Words) -> Iterator[tuple[str, str]]:
    entry = facts["camera"]
    for name in _SHOWN:
        if entry[name]:
            private = entry["owner"] is not None and name in ("ip", "location")
            yield name.replace("_", " "), words.text(entry[name]) if private else str(entry[name])
    yield "proposed by", words.who(entry["proposer"])
    if entry["decided_by"]:
        yield "decided by", words.who(entry["decided_by"])
    if entry["reason"]:
        yield "reason", words.text(entry["reason"])
    counts = entry.get("key_from")
    since = "" if counts is None else f", from chain {counts[0]}, sequence {counts[1]} on"
    yield "key", f"{facts['key']}{since}"
    for each in facts["recommendations"]:
        yield "recommended by", words.who(each["by"])
    for each in facts["waiting_changes"]:
        yield f"change {each['number']} waits", f"{each['kind']}, proposed by {words.who(each['proposer'])}"
    for each in facts["revocations"]:
        since = when(each["compromised_since_us"])
        yield "revoked key", f"{each['key']}, not safe since {since}: {words.text(each['reason'])}"
    for each in facts["maintenance"]:
        yield (
            "maintenance",
            f"{when(each['from_us'])} to {when(each['until_us'])}, announced by {words.who(each['by'])}",
        )
    yield "chains anchored", str(len(facts["chains"]))


def change_in_words(before: Mapping[str, Any] | None, after: Mapping[str, Any], words: Words) -> Iterator[str]:
    """What an entry of a camera sets anew, a member each; of a private camera as far as this home knows the texts."""
    from cli.standing import differences
    from evidence.digests import sha256

    for name, value in differences(before, after):
        if name == "device_key":
            value = f"{sha256(base64.b64decode(value)).hex()[:16]}…"
        elif name == "key_from" and value is not None:
            value = f"chain {value[0]}, sequence {value[1]}"
        elif name in ("ip", "location") and after["owner"] is not None:
            value = words.text(value)
        yield f"{name.replace('_', ' ')} {'none' if value in (None, '') else value}"


def blocks(
    camera: CameraArgument,
    chain: Annotated[int | None, typer.Option(help="Only this chain.")] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what stands on the ledger of a camera block by block; what was sealed in batches is in `batch list`."""
    from cli.acting import every, reading
    from sdk.acting import camera_entry

    at, _ = opened(home, config, writing=False)
    prefix = f"block/{camera}/" if chain is None else f"block/{camera}/{chain:010d}/"
    with reading(at) as reader:
        if camera_entry(reader, camera) is None:
            raise ConfigInvalid(f"there is no camera {camera} on this ledger", next_step="veriframe camera list")
        found = list(_blocks(reader, prefix))
        chains = len(every(reader, f"chain/{camera}/"))
        sealed = not found and bool(reader.entries("root/"))
    if as_json:
        raw(json.dumps({"camera": camera, "blocks": found}, indent=2) + "\n")
        return
    rows = [
        (
            str(each["chain"]), str(each["sequence"]), when(each["start_us"]), when(each["end_us"]),
            each["key"][:16], height(each["anchored_in"]),
        )
        for each in found
    ]  # fmt: skip
    heading = f"{len(found)} blocks of camera {camera}, {chains} {'chain' if chains == 1 else 'chains'}"
    tabled(rows, ("chain", "sequence", "from", "to", "key", "ledger block"), heading)
    if sealed:
        remark("What was sealed in batches stands there under one root for many blocks: veriframe batch list")


def _blocks(reader: StateReader, prefix: str) -> Iterator[dict[str, Any]]:
    from cli.acting import ledger_block
    from evidence.blocks import parse_signed_block

    for entry in reader.entries(prefix):
        block = parse_signed_block(entry.value).block
        yield {
            "chain": block.chain, "sequence": block.sequence, "start_us": block.start_us, "end_us": block.end_us,
            "key": block.key, "anchored_in": ledger_block(entry),
        }  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe camera`."""
    for name, function, more in (("show", show_camera, "--json"), ("blocks", blocks, "--json")):
        words = f"veriframe camera {name} gate-1"
        app.command(name, epilog=examples(words, f"{words} {more}"))(function)
