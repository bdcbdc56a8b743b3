"""Who is behind a pseudonym: `veriframe participant name`. Names are in the caller's database and on no ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import raw, remark, result
from cli.deciding import block_cells, block_columns, listed, tabled, when
from cli.options import ConfigOption, HomeOption, JsonOption, examples, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.settings import Settings

NameArgument = Annotated[str, typer.Argument(metavar="PARTICIPANT", help="The pseudonym.")]


def remember(home: Home, settings: Settings, participant: str, name: str) -> None:
    """Keep a name in the home's file, or in the database that the settings name."""
    from cli.acting import now_us
    from sdk.people import open_people

    with open_people(home.people, settings.people.url, now=now_us) as people:
        people.remember(participant, name)


def name(
    participant: NameArgument,
    new: Annotated[str | None, typer.Option("--set", metavar="NAME", help="Keep this name.")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Delete the name; the pseudonym stands for nobody.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the name behind a pseudonym, or set or forget it. The ledger is not concerned."""
    from cli.acting import looking, newest, now_us
    from sdk.people import open_people

    if forget and new is not None:
        raise ConfigInvalid("--set and --forget exclude each other", next_step="choose one")
    at, settings = opened(home, config, writing=forget or new is not None)
    with looking(at, settings.people.url) as (reader, words):
        known = {each["id"] for each in newest(reader, "participant")}
    held = words.names.get(participant)
    if forget:
        with open_people(at.people, settings.people.url, now=now_us) as people:
            gone = people.forget(participant)
        result("FORGOTTEN" if gone else "NOT KNOWN", f"the name of {participant}")
        remark("back-ups made before hold it still")
        return
    if participant not in known:
        raise ConfigInvalid(f"there is no participant {participant}", next_step="veriframe participant list")
    if new is not None:
        remember(at, settings, participant, new)
        result("REMEMBERED", f"{participant} is {new}")
    elif as_json:
        raw(json.dumps({"participant": participant, "name": held}, indent=2) + "\n")
    else:
        result(
            "KNOWN" if held else "NOT KNOWN", f"{participant} is {held}" if held else f"{participant} has no name here"
        )


def history(
    participant: NameArgument, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Every entry of a participant, oldest first: roles, places, keys, suspensions. Changes nothing."""
    from cli.acting import every, looking, now_us, participant_id
    from cli.standing import dated, standing

    at, settings = opened(home, config, writing=False)
    participant = participant_id(at, participant)
    with looking(at, settings.people.url) as (reader, words):
        entries = every(reader, f"participant/{participant}/")
        known = dated(reader, entries)
    if not entries:
        raise ConfigInvalid(f"there is no participant {participant}", next_step="veriframe participant list")
    if as_json:
        raw(json.dumps({"participant": participant, "entries": entries}, indent=2) + "\n")
        return
    rows = [
        (
            str(each["n"]), each["status"], each["role"],
            ", ".join(each[place] for place in ("control_room", "department", "site") if each[place]),
            each["key"][:16], when(each["valid_until_us"]), *block_cells(each, known),
        )
        for each in entries
    ]  # fmt: skip
    columns = ("entry", "status", "role", "belongs to", "key", "until", *block_columns(known))
    heading = f"participant {words.who(participant)}: {standing('participant', entries[-1], now_us())}"
    tabled(rows, columns, heading)


def deputies(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List who is or was whose deputy. Changes nothing."""
    listed(
        home, config, "delegation", as_json=as_json, columns=("deputy", "of", "status", "control room", "from", "to"),
        row=lambda each, words: (
            words.who(each["participant"]), words.who(each["by"]), each["standing"], each["control_room"],
            when(each["from_us"]), when(each["until_us"]),
        ),
    )  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe participant`."""
    for word, function, first, second in (
        ("name", name, " operator", " operator --set 'Wilhelmina Brown'"),
        ("history", history, " operator", " operator --json"),
        ("deputies", deputies, "", " --json"),
    ):
        words = f"veriframe participant {word}"
        app.command(word, epilog=examples(f"{words}{first}", f"{words}{second}"))(function)
