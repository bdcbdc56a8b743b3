"""Options that several sub-commands share, and what they stand for."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.settings import Settings

HomeOption = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The home; else VERIFRAME_HOME, else the user's data folder."),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A settings file that wins over all others.")
]
AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="The identity of the home that acts.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON and nothing else.")]
CamerasOption = Annotated[list[str], typer.Option("--camera", help="A camera; may be repeated.")]
FromOption = Annotated[str, typer.Option("--from", metavar="TIME", help="First moment.")]
ToOption = Annotated[str, typer.Option("--to", metavar="TIME", help="Last moment.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why. The text stays in this home.")]
LedgerOption = Annotated[
    str | None,
    typer.Option("--ledger", metavar="URL", help="fabric:PROFILE, where the home's ledger is that Fabric channel."),
]
EndorsedByAll = Annotated[
    list[str] | None,
    typer.Option(
        "--endorsed-by-all", metavar="MSP", help="On Fabric: who must endorse, where the rule is no such list."
    ),
]
EndorsedByAny = Annotated[
    list[str] | None,
    typer.Option("--endorsed-by-any", metavar="MSP", help="On Fabric: of whom one must endorse, likewise."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Overwrite a file that is there already.")]


def examples(*commands: str) -> str:
    """The end of a `--help`: commands that work when copied."""
    return "\b\nExamples:\n" + "\n".join(f"  {command}" for command in commands)


def make_app(text: str) -> typer.Typer:
    """A Typer application for one sub-command or group, in the form all of them have."""
    return typer.Typer(
        help=text,
        add_completion=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )


def moment_us(text: str | None, *, option: str) -> int | None:
    """Microseconds of an RFC 3339 time with a zone.

    Raises:
        ConfigInvalid: no such time, or one without a zone: a local time may stand for two moments.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigInvalid(
            f"{option} {text!r} is not a time", where=option, next_step="write it like 2026-11-01T08:00:00Z"
        ) from error
    if moment.tzinfo is None:
        raise ConfigInvalid(
            f"{option} {text!r} has no time zone",
            where=option,
            next_step=f"add Z for UTC or an offset: {text}Z, {text}+01:00",
        )
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    span = moment - epoch
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def home_path(home: Path | None) -> Path:
    """Where the home is or would be."""
    from sdk.home import locate

    return locate(home, os.environ)


def opened(home: Path | None, config: Path | None, *, writing: bool) -> tuple[Home, Settings]:
    """The home that is meant, and the settings in force.

    Raises:
        ConfigInvalid: no home there, or settings that do not make sense.
    """
    from sdk.home import open_home
    from sdk.settings import load

    path = home_path(home)
    found = open_home(path, writing=writing)
    return found, load(config=config, home=path, environment=os.environ)


def refuse_overwrite(path: Path, *, force: bool) -> None:
    """Nothing that is there is overwritten without being asked to.

    Raises:
        ConfigInvalid: the file exists and `--force` was not given.
    """
    if path.exists() and not force:
        raise ConfigInvalid("there is a file already", where=str(path), next_step="choose another name, or add --force")


def profile_of(ledger: str | None) -> Path | None:
    """The connection profile that `--ledger fabric:PROFILE` names.

    Raises:
        ConfigInvalid: another kind of address.
    """
    if ledger is None:
        return None
    scheme, _, path = ledger.partition(":")
    if scheme != "fabric" or not path:
        raise ConfigInvalid("this is not a Fabric ledger's address", where="--ledger", next_step="fabric:PROFILE.yaml")
    return Path(path).expanduser().absolute()


def with_profile(home: Home, profile: Path | None) -> Home:
    """The home, its channel reached by `profile` this time.

    Raises:
        ConfigInvalid: the home's ledger is no Fabric channel.
    """
    from dataclasses import replace

    if profile is None:
        return home
    if home.profile is None:
        raise ConfigInvalid(
            "this home keeps a ledger of its own, not on Fabric",
            where=str(home.path),
            next_step=f"make one for the channel: veriframe init --home DIR --ledger fabric:{profile} --identities DIR",
        )
    return replace(home, profile=profile)
