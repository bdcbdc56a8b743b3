"""`veriframe rules`: what the contract allows whom, which version of it counts, and what waits for a second person."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.console import raw
from cli.deciding import answered, block_cells, block_columns, submitted, tabled, two_persons
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app, opened
from evidence.errors import ConfigInvalid

app = make_app("The contract's rules: who may do what, which version counts, what waits.")


@app.command(epilog=examples("veriframe rules show approve_camera", "veriframe rules show --json"))
def show(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A transaction or question, as approve_camera; else all.")
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who may do what, by which command, and which version of the rules is in force. Changes nothing."""
    from chaincode.table import TABLE
    from cli.reach import COMMAND_OF

    if name is not None and name not in TABLE:
        raise ConfigInvalid(f"there is no transaction or question {name}", next_step="veriframe rules show lists them")
    _, answer = answered(home, config, None, "get_rules", {}, anybody=True)
    version = answer["in_force"]
    chosen = [TABLE[name]] if name is not None else list(TABLE.values())
    if as_json:
        listed = [
            {
                "name": rule.name, "kind": rule.kind, "roles": list(rule.roles), "who": rule.role_note.who,
                "rule": rule.text, "command": COMMAND_OF[rule.name],
            }
            for rule in chosen
        ]  # fmt: skip
        raw(json.dumps({"version": version, "rules": listed}, indent=2) + "\n")
        return
    rows = [(rule.name, rule.role_note.roles, rule.role_note.rule, COMMAND_OF[rule.name]) for rule in chosen]
    tabled(rows, ("name", "who", "rule", "command"), f"version {version} of the rules is in force")


@app.command(
    epilog=examples(
        "veriframe rules activate 2 --as admin-control-room", "veriframe rules activate 2 --as admin-police"
    )
)
def activate(
    version: Annotated[int, typer.Argument(metavar="VERSION", help="The next version.")],
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Although this program does not know it, and will write nothing more.")
    ] = False,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Let the next version of the rules count. Takes the ADMINs of two organisations.

    Every organisation must run a contract that knows the version before: one that does not stops writing. There is no
    way back.
    """
    from chaincode.table import VERSION

    if version > VERSION and not anyway:
        raise ConfigInvalid(
            f"this program knows rules up to version {VERSION}: under version {version} it could write nothing more",
            where="activate_rules",
            next_step="install the program that knows it, in every organisation; --anyway activates it all the same",
        )
    who, answer = submitted(home, config, acting, "activate_rules", {"version": version})
    again = f"veriframe rules activate {version} --as THEIR-ADMIN"
    two_persons(answer, "ACTIVE", f"version {version} of the rules, called by {who}", again=again)


@app.command(epilog=examples("veriframe rules pending", "veriframe rules pending --json"))
def pending(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what waits for a second person, with which arguments, and for whom. Changes nothing.

    On a channel the arguments are known to who called first: they tell them to the second person.
    """
    from cli.acting import looking
    from cli.standing import dated
    from cli.waiting import waiting

    at, settings = opened(home, config, writing=False)
    with looking(at, settings.people.url) as (reader, words):
        found = list(waiting(reader))
        entries = [each.to_json() for each in found]
        known = dated(reader, entries)
        if as_json:
            raw(json.dumps({"pending": entries}, indent=2) + "\n")
            return
        rows = [
            (
                each.function, each.what(words), words.who(each.entry["by"]), each.entry["msp"], each.waits_for,
                *block_cells(entry, known),
            )
            for each, entry in zip(found, entries, strict=True)
        ]  # fmt: skip
    columns = ("transaction", "with", "called by", "organisation", "waits for", *block_columns(known))
    standing = sum(not each.overtaken for each in found)
    tabled(rows, columns, f"{standing} waiting" + (f", {len(found) - standing} overtaken" * (standing < len(found))))
