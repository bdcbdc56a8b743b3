"""`veriframe exhibit`: footage that no recorder saw, unchanged since it was received."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import result
from cli.deciding import listed, sha256_of, submitted
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app

app = make_app("Receive footage that no recorder saw.")


@app.command(
    epilog=examples(
        "veriframe exhibit receive x-1 clip.mp4",
        'veriframe exhibit receive x-2 clip.mp4 --copy --clock "4 min fast"',
    )
)
def receive(
    exhibit: Annotated[str, typer.Argument(metavar="EXHIBIT", help="Its id, chosen by who receives it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The footage; only its digest leaves this machine.")],
    copy: Annotated[bool, typer.Option("--copy/--master", help="A copy, or the master.")] = False,
    clock: Annotated[str | None, typer.Option(help="How its clock was checked. The text stays here.")] = None,
    text: Annotated[str | None, typer.Option(help="Where it is from. The text stays in this home.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Register a file's digest: it is unchanged since now. That says nothing about what was before."""
    digest = sha256_of(file)
    who, _ = submitted(
        home, config, acting, "receive_exhibit",
        {"exhibit": exhibit, "footage": digest, "copy": "copy" if copy else "master"},
        subject=f"exhibit/{exhibit}", texts={"clock_check": clock, "text": text},
    )  # fmt: skip
    result("RECEIVED", f"exhibit {exhibit}, {digest}, received by {who}")


@app.command("list", epilog=examples("veriframe exhibit list", "veriframe exhibit list --json"))
def list_exhibits(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List exhibits. Changes nothing."""
    listed(
        home, config, "exhibit", as_json=as_json,
        columns=("exhibit", "footage", "kind", "receiver", "clock check", "text"),
        row=lambda each, words: (
            each["exhibit"], each["footage"], each["copy"], words.who(each["receiver"]),
            words.text(each["clock_check"]), words.text(each["text"]),
        ),
    )  # fmt: skip
