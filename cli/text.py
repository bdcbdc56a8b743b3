"""`veriframe text`: the texts behind the commitments on the ledger; shown to those who may see them, or forgotten."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import raw, remark, result
from cli.deciding import tabled
from cli.options import ConfigOption, HomeOption, JsonOption, examples, make_app, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.people import Opening

app = make_app("The texts behind the commitments on the ledger: list, show, forget.")

CommitmentArgument = Annotated[
    str | None, typer.Argument(metavar="[COMMITMENT]", help="64 hex digits, as the ledger has them.")
]
AboutOption = Annotated[
    str | None, typer.Option(metavar="SUBJECT", help="What is about this, as request/ask-1 or camera/gate-1.")
]


@app.command("list", epilog=examples("veriframe text list", "veriframe text list --about camera/gate-1 --json"))
def list_texts(
    about: AboutOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the texts that this home keeps, by what they are about. Changes nothing."""
    found = _openings(home, config, about)
    if as_json:
        raw(json.dumps({"texts": [_told(each) for each in found]}, indent=2) + "\n")
        return
    rows = [(each.subject, each.text, each.commitment.hex()) for each in found]
    tabled(rows, ("about", "text", "commitment"), f"{len(found)} {'text' if len(found) == 1 else 'texts'}")


@app.command(
    epilog=examples(
        "veriframe text show --about camera/gate-1", "veriframe text show --about camera/gate-1 --json > opening.json"
    )
)
def show(
    commitment: CommitmentArgument = None,
    about: AboutOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show texts with their salts, for somebody who may see them and wants to check them against the ledger."""
    wanted = _wanted(commitment, about)
    found = [each for each in _openings(home, config, about) if wanted in (None, each.commitment)]
    if not found:
        where = commitment or about or ""
        raise ConfigInvalid("this home knows no such text", where=where, next_step="veriframe text list")
    if as_json:
        raw(json.dumps({"openings": [_told(each) for each in found]}, indent=2) + "\n")
        return
    for each in found:
        result(each.text, f"about {each.subject}", f"salt {each.salt.hex()}", f"commitment {each.commitment.hex()}")


@app.command(
    epilog=examples(
        "veriframe text forget --about camera/gate-1", "veriframe text forget --about request/ask-1 --home evidence"
    )
)
def forget(
    commitment: CommitmentArgument = None,
    about: AboutOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Delete texts for good. Their commitments stay on the ledger; nobody can say any more of what."""
    from cli.acting import now_us
    from sdk.people import open_people

    one = _wanted(commitment, about)
    at, settings = opened(home, config, writing=True)
    with open_people(at.people, settings.people.url, now=now_us) as people:
        wanted = [each.commitment for each in people.openings(about)] if one is None else [one]
        gone = sum(people.drop(each) for each in wanted)
    result("FORGOTTEN" if gone else "NOT KNOWN", f"{gone} {'text' if gone == 1 else 'texts'}")
    remark("back-ups made before hold them still")


def _openings(home: Path | None, config: Path | None, about: str | None) -> Sequence[Opening]:
    from cli.acting import now_us
    from sdk.home import snapshot
    from sdk.people import open_people

    at, settings = opened(home, config, writing=False)
    if settings.people.url is None and not at.people.exists():
        return ()
    with snapshot(at, only=("people.db",)) as copy, open_people(copy.people, settings.people.url, now=now_us) as people:
        return people.openings(about)


def _told(opening: Opening) -> dict[str, str]:
    return {
        "commitment": opening.commitment.hex(), "subject": opening.subject, "text": opening.text,
        "salt": opening.salt.hex(),
    }  # fmt: skip


def _wanted(commitment: str | None, about: str | None) -> bytes | None:
    """The commitment that is named, None where texts are named by what they are about."""
    if (commitment is None) == (about is None):
        raise ConfigInvalid("name a commitment or what the texts are about", next_step="COMMITMENT or --about SUBJECT")
    if commitment is None:
        return None
    try:
        found = bytes.fromhex(commitment)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise ConfigInvalid("a commitment has 64 hex digits", where=commitment[:80], next_step="veriframe text list")
    return found
