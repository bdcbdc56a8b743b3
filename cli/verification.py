"""`veriframe verification`: what an examination of footage ended in, on the ledger, and what corrected it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import remark, result
from cli.deciding import add_history, listed, sha256_of, submitted
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app
from evidence.errors import ConfigInvalid, Malformed

app = make_app("Record what examinations of footage ended in, and correct them.")

MAX_VERDICT_BYTES = 256 << 20  # an hour of pictures that each differ takes some tens of megabytes
_ONE, _SEVERAL = "veriframe/verdict/1", "veriframe/verdicts/1"

VerificationArgument = Annotated[str, typer.Argument(metavar="VERIFICATION", help="Its id, chosen by who records it.")]


@app.command(
    epilog=examples(
        "veriframe verification record v-1 --verdict verdict.json --as manager",
        "veriframe verification record v-2 --footage clip.mp4 --state VERIFIED \\\n"
        "    --report verdict.json --as manager",
    )
)
def record(
    verification: VerificationArgument,
    verdict: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="What `verify --json` printed: footage, state and report in one."),
    ] = None,
    footage: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The footage; with a verdict over several, which of them.")
    ] = None,
    state: Annotated[str | None, typer.Option(help="What it ended in, as VERIFIED; without a verdict.")] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The report, by its digest; else the verdict itself is it.")
    ] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Put on the ledger what an examination ended in: digest of the footage, state, digest of the report."""
    given = None if footage is None else sha256_of(footage)
    if verdict is not None:
        if state is not None:
            raise ConfigInvalid("the verdict says the state", where="--state", next_step="leave --state out")
        given, state = _examined(verdict, given)
        report = report or verdict
    if given is None or state is None or report is None:
        raise ConfigInvalid(
            "footage, state and report belong together",
            next_step="--verdict JSON, or --footage FILE --state STATE --report FILE",
        )
    members = {"verification": verification, "footage": given, "state": state, "report": sha256_of(report)}
    who, _ = submitted(home, config, acting, "record_verification", members)
    result("RECORDED", f"verification {verification}: {state}, footage {given}, by {who}")
    remark(f"keep {report}: the ledger has its digest only")


def _examined(path: Path, footage: str | None) -> tuple[str, str]:
    """Digest and state of the exhibit that a verdict is about, or of the one named among several.

    Raises:
        Malformed: not a verdict. ConfigInvalid: none of its exhibits is the one named, or several and none is named.
    """
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(MAX_VERDICT_BYTES))
        found = _exhibits(document)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(
            "this is no verdict", where=str(path), next_step="make one: veriframe verify FILE --json > verdict.json"
        ) from error
    chosen = {each for each in found if footage in (None, each[0])}
    if len(chosen) == 1:
        return chosen.pop()
    what = "the verdict is not about this footage" if footage else f"the verdict is about {len(found)} files"
    raise ConfigInvalid(what, where=str(path), next_step="name one of its files with --footage FILE")


def _exhibits(document: Any) -> set[tuple[str, str]]:
    """(digest, state) of every exhibit of a verdict document."""
    if document["schema"] == _SEVERAL:
        return {each for one in document["results"] for each in _exhibits(one)}
    if document["schema"] != _ONE:
        raise ValueError("another schema")
    return {(str(each["sha256"]), str(document["state"])) for each in document["footage"]}


@app.command(
    epilog=examples(
        'veriframe verification supersede v-1 v-2 --error "wrong trust file" \\\n    --as manager',
        'veriframe verification supersede v-2 v-1 --error "another clip" \\\n    --as manager',
    )
)
def supersede(
    verification: VerificationArgument,
    by: Annotated[str, typer.Argument(metavar="BETTER", help="The verification that stands instead.")],
    error: Annotated[str, typer.Option(help="What was wrong. The text stays in this home.")],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Say that a verification was wrong, and which one stands instead. Both stay on the ledger."""
    who, _ = submitted(
        home, config, acting, "supersede_verification", {"verification": verification, "superseded_by": by},
        subject=f"verification/{verification}", texts={"error": error},
    )  # fmt: skip
    result("SUPERSEDED", f"verification {verification} by {by}, decided by {who}")


@app.command("list", epilog=examples("veriframe verification list", "veriframe verification list --json"))
def list_verifications(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List what was examined and what it ended in. Changes nothing."""
    listed(
        home, config, "verification", as_json=as_json, recorder=True,
        columns=(
            "verification", "status", "state", "footage", "recorded by", "organisation", "superseded by", "said by",
            "error",
        ),
        row=lambda each, words: (
            each["verification"], each["status"], each["state"], each["footage"], words.who(each["recorded_by"]),
            each["msp"], each["superseded_by"] or "", words.who(each["by"]) if each["superseded_by"] else "",
            words.text(each["error"]),
        ),
    )  # fmt: skip


add_history(app, "verification", "v-1", by=("by",), texts=("error",))
