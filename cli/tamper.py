"""`veriframe tamper`: the demo's edits, one at a time, for those who want to repeat a step by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import result
from cli.options import ForceOption, examples, make_app, refuse_overwrite
from evidence.errors import ConfigInvalid

app = make_app("Make one of the demo's edits to a copy of a clip.")


@app.command(
    epilog=examples("veriframe tamper remove clip.mp4 shorter.mp4", "veriframe tamper film-grain clip.mp4 grainy.mp4")
)
def tamper(
    edit: Annotated[str, typer.Argument(help="Which edit; a wrong name lists them.")],
    source: Annotated[Path, typer.Argument(metavar="CLIP", exists=True, dir_okay=False, help="The clip, only read.")],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="The edited copy; its suffix chooses the container.")],
    other: Annotated[Path | None, typer.Option("--with", metavar="CLIP", help="The other clip, for a splice.")] = None,
    force: ForceOption = False,
) -> None:
    """Write an edited copy of a clip. The clip itself is only read."""
    from cli.demo_edits import EDITS

    if edit not in EDITS:
        raise ConfigInvalid(f"there is no edit {edit!r}", next_step=f"one of {', '.join(EDITS)}")
    refuse_overwrite(target, force=force)
    done = EDITS[edit](source, target, other)
    result(f"{target}", *(f"pictures {first} to {last}" for first, last in done.ranges))
