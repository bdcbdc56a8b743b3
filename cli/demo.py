"""`veriframe demo`: record two cameras, edit copies, examine them, and hold each answer against what was done."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import progress, result, show
from cli.exits import INTERNAL
from cli.options import examples, make_app
from evidence.errors import ConfigInvalid, UnsupportedMedia

if TYPE_CHECKING:
    from cli.demo_cases import Case
    from cli.demo_edits import Edited
    from cli.demo_stage import Stage
    from evidence.trust import Trust
    from verifier.verdict import Verdict

app = make_app("Record, anchor, tamper, verify, in under a minute.")
app.info.no_args_is_help = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One row: what was expected and what was found; `wrong` says what was not met, `skipped` why it was not shown."""

    case: Case
    copy: Path | None
    seen: str
    wrong: str | None = None
    skipped: bool = False


@app.command(epilog=examples("veriframe demo", "veriframe demo --keep kept"))
def demo(
    source: Annotated[
        Path | None,
        typer.Option("--input", metavar="CLIP", exists=True, dir_okay=False, help="Use this clip; it is only read."),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Leave the files here, and print the commands that repeat each step."),
    ] = None,
) -> None:
    """Show what an examination says about ten copies and a forgery. Exit code 0 only if every expectation held."""
    from cli.demo_cases import CASES
    from cli.demo_stage import STEPS, set_stage

    started = time.monotonic()
    with _folder(keep) as folder:
        steps = len(CASES) + STEPS
        with progress("demo") as report:
            stage = set_stage(folder, source, lambda done, what: report(done / steps, what))
            rows = []
            for number, case in enumerate(CASES):
                report((STEPS + number) / steps, case.title)
                rows.append(_shown(stage, case))
        held = not any(row.wrong for row in rows)
        result("HELD" if held else "NOT HELD")
        _print_table(rows)
        skipped = sum(row.skipped for row in rows)
        left_out = f", {skipped} not shown" if skipped else ""
        result(f"{len(rows) - skipped} of {len(rows)} shown{left_out}; {time.monotonic() - started:.1f} s")
        if keep is not None:
            result("", "Every step by hand:", *(f"  {line}" for line in commands(stage, rows)))
    if not held:
        raise typer.Exit(INTERNAL)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="veriframe-demo-") as name:
            yield Path(name)
        return
    if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise ConfigInvalid("this folder is not empty", where=str(keep), next_step="name a new one")
    keep.mkdir(parents=True, exist_ok=True)
    yield keep


def _shown(stage: Stage, case: Case) -> Shown:
    from cli.demo_cases import told

    try:
        copy, edited = _copy(stage, case)
    except UnsupportedMedia as error:
        return Shown(case=case, copy=None, seen=f"not shown: {error.detail}", skipped=True)
    verdict = _verdict(copy, stage.forged if case.name == "forged" else stage.home, stage.trust)
    wrong = case.holds(verdict, edited) if verdict.state is case.state else f"expected {case.state.name}"
    return Shown(case=case, copy=copy, seen=told(verdict), wrong=wrong)


def _copy(stage: Stage, case: Case) -> tuple[Path, Edited]:
    from cli.demo_edits import EDITS, Edited

    if case.edit is None:
        return (stage.unknown if case.name == "unknown" else stage.clips[0]), Edited()
    copy = _copy_path(stage, case)
    return copy, EDITS[case.edit](stage.clips[0], copy, stage.clips[1])


def _copy_path(stage: Stage, case: Case) -> Path:
    suffix = stage.other_suffix if case.edit == "repackage" else stage.suffix
    return stage.folder / f"{case.name}.{suffix}"


def _verdict(copy: Path, home: Path, trust: Trust) -> Verdict:
    from verifier.examine import examine

    return examine([copy], source=home, trust=trust)[0]


def _print_table(rows: Sequence[Shown]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("what was done to the copy", "expected", "seen", "", title=None)
    for row in rows:
        verdict = "skipped" if row.skipped else "ok" if row.wrong is None else f"WRONG: {row.wrong}"
        style = "yellow" if row.skipped else "green" if row.wrong is None else "bold red"
        expected = f"{row.case.state.name}: {row.case.expected}"
        table.add_row(row.case.title, expected, row.seen, Text(verdict, style=style))
    show(table)


def commands(stage: Stage, rows: Sequence[Shown]) -> Iterator[str]:
    """Shell commands that repeat the demo step by step, beside the files that it left."""
    from shlex import quote

    from cli.demo_cases import CAMERAS
    from cli.demo_stage import START

    def path(each: Path) -> str:
        return quote(str(each))

    again, trust = stage.folder / "again", stage.folder / "again.json"
    for number, (camera, clip) in enumerate(zip(CAMERAS, stage.clips, strict=True)):
        enrol = " --enrol" if number else ""
        yield f"veriframe sample {path(clip)} --camera {camera} --start {START} --home {path(again)}{enrol}"
    yield f"veriframe trust export --single-operator --home {path(again)} -o {path(trust)}"
    for row in rows:
        if row.copy is None:
            continue
        if row.case.edit is not None:
            other = f" --with {path(stage.clips[1])}" if row.case.edit == "splice" else ""
            yield f"veriframe tamper {row.case.edit} {path(stage.clips[0])} {path(row.copy)}{other} --force"
        home = stage.forged if row.case.name == "forged" else again
        yield f"veriframe verify {path(row.copy)} --home {path(home)} --trust {path(trust)}"
