"""`veriframe ledger`: everything that was ever decided, recorded or anchored, in the ledger's own order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import raw, result, show
from cli.deciding import answered, height, when
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app, moment_us, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from chaincode.arguments import Argument
    from sdk.ledger import LedgerReader

app = make_app("Look at the ledger's transactions, and ask the contract. Nothing that stands there can be taken away.")


@app.command("list", epilog=examples("veriframe ledger list", "veriframe ledger list --by manager --json"))
def list_transactions(
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only from then on.")] = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Only this participant's.")] = None,
    kind: Annotated[str | None, typer.Option(metavar="NAME", help="Only this kind, like approve_camera.")] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every transaction: when, what, by whom, about what, and the records it wrote. Changes nothing."""
    from cli.acting import reading_file

    at, _ = opened(home, config, writing=False)
    since_us = moment_us(since, option="--since") or 0
    with reading_file(at, "the list of transactions") as reader:
        found = [
            each
            for each in _transactions(reader)
            if each["time_us"] >= since_us and by in (None, each["participant"]) and kind in (None, each["kind"])
        ]
    if as_json:
        raw(json.dumps({"transactions": found}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("block", "time (ledger)", "kind", "participant", "about", "transaction", "records")
    for each in found:
        records = each["records"]
        said = records[0] if len(records) == 1 else f"{len(records)} records"
        table.add_row(
            height(each["block"]), when(each["time_us"]), each["kind"], each["participant"], each["about"],
            each["transaction"][:16], said,
        )  # fmt: skip
    result(f"{len(found)} {'transaction' if len(found) == 1 else 'transactions'}")
    show(table)


@app.command(
    epilog=examples(
        "veriframe ledger ask history_policy control_room=cr-1 --as manager",
        "veriframe ledger ask find_cameras status=ACTIVE limit=20 --as manager",
    )
)
def ask(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="As find_cameras; `veriframe rules show` lists them.")
    ],
    members: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=VALUE]…", help="What it takes; times as 2026-11-01T08:00Z.")
    ] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Ask the contract as one of this home's identities, and print its answer as JSON: what their role may see.

    A long answer comes in pages: ask again with bookmark=… as the answer before says.
    """
    from chaincode.table import TABLE

    rule = TABLE.get(question)
    if rule is None or rule.kind != "evaluate":
        raise ConfigInvalid(f"there is no question {question}", next_step="veriframe rules show lists them")
    given = dict(_member(each, rule.arguments) for each in members or ())
    _, answer = answered(home, config, acting, question, given, anybody=True)
    raw(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def _member(text: str, arguments: Sequence[Argument]) -> tuple[str, object]:
    """A member as the contract takes it, from NAME=VALUE."""
    name, separator, value = text.partition("=")
    known = {each.name: each for each in arguments}
    if not separator or name not in known:
        names = ", ".join(known) or "nothing"
        raise ConfigInvalid(f"{text[:80]!r} is not NAME=VALUE of what it takes", next_step=f"it takes {names}")
    kind = known[name].kind
    try:
        if kind == "number":
            return name, int(value) if value.isdecimal() else moment_us(value, option=name)
        if kind in ("id", "text", "key id", "digest"):
            return name, value
        return name, json.loads(value)
    except ValueError as error:
        raise ConfigInvalid(
            f"{value[:80]!r} is not a {kind}", where=name, next_step='write it as JSON, like \'[["a", "b"]]\''
        ) from error


def _transactions(reader: LedgerReader) -> Iterator[dict[str, Any]]:
    """Every transaction that wrote something, in ledger order; what it wrote is read from the transaction itself."""
    from evidence.canonical import parse_canonical

    for event in reader.events():
        told = parse_canonical(event.payload, "event")
        receipt = reader.receipt_at(event.position)
        yield {
            "block": event.position.height,
            "index": event.position.index,
            "time_us": receipt.block.time_us,
            "kind": told["name"],
            "participant": told["actor"],
            "about": told["subject"],
            "transaction": told["tx_id"],
            "records": sorted(receipt.writes),
        }
