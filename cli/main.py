"""The `veriframe` command: which sub-commands there are, and the outermost frame that turns errors into words.

A sub-command's module is imported when it is asked for, so that `--version` stays quick and `verify` needs nothing
that only other commands use.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from cli.exits import INTERRUPTED, exit_code, say_error


class Row(NamedTuple):
    """A sub-command: the module that holds its `app`, and one line for the list."""

    module: str
    summary: str
    hidden: bool = False


COMMANDS: Mapping[str, Row] = MappingProxyType(
    {
        "demo": Row("cli.demo", "Record, anchor, tamper, verify, in under a minute."),
        "verify": Row("cli.verify", "Examine footage: what still matches, what not, and where."),
        "inspect": Row("cli.inspect", "Tell what a file is, and what proof there is for it."),
        "sample": Row("cli.sample", "Record and anchor files as footage of a camera."),
        "init": Row("cli.init", "Make a home: ledger, identities, store."),
        "trust": Row("cli.trust", "What others are asked to trust."),
        "camera": Row("cli.camera", "Propose, approve, look up cameras; sampling policy."),
        "participant": Row("cli.participant", "Register, name, suspend and list those who may act."),
        "access": Row("cli.access", "Who may see footage of a camera."),
        "request": Row("cli.request", "Ask for footage, decide, record what was handed over."),
        "incident": Row("cli.incident", "Report, answer and close incidents."),
        "verification": Row("cli.verification", "Record what examinations ended in, and correct them."),
        "lock": Row("cli.lock", "Lock evidence, release it with another organisation."),
        "exhibit": Row("cli.exhibit", "Receive footage that no recorder saw."),
        "batch": Row("cli.batch", "List sealed batches, attest that their leaf lists were delivered."),
        "rules": Row("cli.rules", "Who may do what; activate the next version of the rules."),
        "text": Row("cli.text", "The texts behind commitments: list, show, forget."),
        "ledger": Row("cli.ledger", "List every transaction: when, what, by whom; ask the contract."),
        "store": Row("cli.store", "List, check and index what is kept."),
        "network": Row("cli.network", "Bring a Hyperledger Fabric network up and down on this machine."),
        "plan": Row("cli.plan", "Predict transactions, ledger and disks for a number of cameras."),
        "doctor": Row("cli.doctor", "Check this machine and the home."),
        "config": Row("cli.config", "Check, show and describe the settings."),
        "tamper": Row("cli.tamper", "Make one of the demo's edits to a copy of a clip.", hidden=True),
    }
)


class _Lazy(TyperGroup):
    """A group whose members are imported when they are named."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        row = COMMANDS.get(cmd_name)
        return None if row is None else command(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        listed = TyperGroup(
            name=self.name,
            commands={name: TyperCommand(name, help=row.summary, hidden=row.hidden) for name, row in COMMANDS.items()},
            params=self.params,
            callback=self.callback,
            help=self.help,
            epilog=self.epilog,
            rich_markup_mode=self.rich_markup_mode,
        )
        listed.format_help(ctx, formatter)


def command(name: str) -> Any:
    """The sub-command `name`, imported now."""
    row = COMMANDS[name]
    made = typer.main.get_command(import_module(row.module).app)
    made.name, made.hidden = name, row.hidden
    return made


app = typer.Typer(
    cls=_Lazy,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nStart here:\n  veriframe demo\nGiven a doubtful clip:\n  veriframe verify CLIP --trust FILE",
)


def _version(value: bool) -> None:
    if value:
        from evidence.version import VERSION

        sys.stdout.write(f"veriframe {VERSION}\n")
        raise typer.Exit


@app.callback()
def veriframe(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make CCTV footage provable, and tell what in a disputed copy still matches, what does not, and where."""


def run() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app(prog_name="veriframe")
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        sys.exit(INTERRUPTED)
    except Exception as error:  # noqa: BLE001 - the outermost frame: whatever happened is said in words
        say_error(error)
        sys.exit(exit_code(error))


if __name__ == "__main__":
    run()
