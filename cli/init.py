"""`veriframe init`: make a home."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import remark, result
from cli.options import EndorsedByAll, EndorsedByAny, LedgerOption, examples, home_path, make_app, profile_of
from evidence.errors import ConfigInvalid

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
    ledger: LedgerOption = None,
    identities: Annotated[
        Path | None,
        typer.Option("--identities", metavar="DIR", help="With --ledger: certificates and keys to act with."),
    ] = None,
    all_of: EndorsedByAll = None,
    any_of: EndorsedByAny = None,
) -> None:
    """Make certificate authorities, the ledger and its key, and the four organisations' ADMINs.

    With --ledger fabric:PROFILE the home has no ledger and no authorities of its own: it acts on that channel with the
    identities that --identities brings in, as `veriframe network identities` or Fabric CA made them.
    """
    from cli.acting import now_us
    from sdk.init import init_home

    profile = profile_of(ledger)
    if profile is not None:
        _on_channel(home_path(home), profile, identities, demo, all_of, any_of)
        return
    made = init_home(home_path(home), demo=demo, now=now_us)
    result("DEMO HOME" if demo else "HOME", f"{made.home.path}", f"ledger {made.home.ledger_id}", "keep safe:")
    for path, why in made.keep_safe:
        result(f"  {path:<26} {why}")
    if demo:
        remark("A demo home holds everybody's keys: good for trying, worthless as a division of power.")
    else:
        remark("Nobody trusts it yet: `veriframe trust export` writes what to give to examiners.")
        remark("next: register people and recorders: veriframe participant register --help")


def _on_channel(
    home: Path, profile: Path, identities: Path | None, demo: bool, all_of: list[str] | None, any_of: list[str] | None
) -> None:
    from cli.acting import now_us
    from sdk.acting import with_fabric

    with with_fabric():
        from sdk.channel_home import init_channel_home
        from sdk.channel_word import Rule
    if demo:
        raise ConfigInvalid("--demo makes a ledger, and --ledger names one", next_step="leave one of them out")
    if identities is None:
        raise ConfigInvalid(
            "a home on a Fabric channel needs identities to act with",
            where="--identities",
            next_step="name the folder that `veriframe network identities` shows, or an MSP folder of Fabric CA",
        )
    rule = Rule(all=tuple(all_of or ()), any=tuple(any_of or ())) if all_of or any_of else None
    made, said, names = init_channel_home(home, profile, identities, now=now_us, rule=rule)
    result("HOME", f"{made.path}", f"ledger {made.ledger_id}", f"identities {', '.join(names)}", "keep safe:")
    for path, why in (
        ("identities/", "the keys of those who act from this home"),
        ("keys/", "the keys with which this home's recorders sign for cameras"),
        ("store/", "footage, proof, and what organisations signed about it"),
        ("people.db", "the texts behind the commitments on the ledger; cannot be made again"),
    ):
        result(f"  {path:<26} {why}")
    remark(
        f"Endorsed by all of {', '.join(said.rule.all)}"
        + (f", any of {', '.join(said.rule.any)}." if said.rule.any else ".")
    )
    remark("What the channel's peer says of it is remembered, and is no trust: compare it with each organisation.")
    remark("next: register those who act: veriframe participant register --help")
