"""`veriframe ledger`: everything that was ever decided, recorded or anchored, in the ledger's own order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import raw, result, show
from cli.deciding import when
from cli.options import ConfigOption, HomeOption, JsonOption, examples, make_app, moment_us, opened

if TYPE_CHECKING:
    from sdk.ledger import LedgerReader

app = make_app("Look at the ledger's transactions.")


@app.callback()
def ledger() -> None:
    """Look at the ledger's transactions. Nothing of what stands there can be changed or taken away."""


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
            str(each["block"]), when(each["time_us"]), each["kind"], each["participant"], each["about"],
            each["transaction"][:16], said,
        )  # fmt: skip
    result(f"{len(found)} {'transaction' if len(found) == 1 else 'transactions'}")
    show(table)


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
