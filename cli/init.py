"""`veriframe init`: make a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import remark, result
from cli.options import examples, home_path, make_app

app = make_app("Make a home: ledger, identities, store.")


@app.command(epilog=examples("veriframe init --home evidence", "veriframe init --home trial --demo"))
def init(
    home: Annotated[
        Path | None,
        typer.Option("--home", metavar="DIR", help="Where; else VERIFRAME_HOME, else the user's data folder."),
    ] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Also make an operator, a manager and a recorder; marked in the genesis.")
    ] = False,
) -> None:
    """Make certificate authorities, the ledger and its key, and the four organisations' ADMINs."""
    from cli.acting import now_us
    from sdk.init import init_home

    made = init_home(home_path(home), demo=demo, now=now_us)
    result("DEMO HOME" if demo else "HOME", f"{made.home.path}", f"ledger {made.home.ledger_id}", "keep safe:")
    for path, why in made.keep_safe:
        result(f"  {path:<26} {why}")
    if demo:
        remark("A demo home holds everybody's keys: good for trying, worthless as a division of power.")
    else:
        remark("Nobody trusts it yet: `veriframe trust export` writes what to give to examiners.")
        remark("next: register people and recorders: veriframe participant register --help")
