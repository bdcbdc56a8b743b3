"""`veriframe incident`: reported by whoever notices, answered and closed by the control room."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.console import result
from cli.deciding import add_history, cameras_of, listed, required_us, submitted, when
from cli.options import (
    AsOption,
    CamerasOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    ReasonOption,
    examples,
    make_app,
)
from evidence.errors import ConfigInvalid

_CLOCKS_APART_US = 15 * 60 * 1_000_000  # as far as a ledger lets a transaction's clock be off

app = make_app("Report, answer and close incidents.")

IncidentArgument = Annotated[str, typer.Argument(metavar="INCIDENT", help="Its id, chosen by who reports it.")]


@app.command(
    epilog=examples(
        "veriframe incident report i-1 --camera gate-1 --at 2026-10-01T08:00Z",
        "veriframe incident report i-2 --camera gate-1 --at 2026-10-01T08:00Z \\\n"
        '    --kind actual --text "a broken window"',
    )
)
def report(
    incident: IncidentArgument,
    camera: CamerasOption,
    at: Annotated[str, typer.Option(metavar="TIME", help="When it happened.")],
    kind: Annotated[str, typer.Option(help="suspicious or actual.")] = "suspicious",
    text: Annotated[str | None, typer.Option(help="What was seen. The text stays in this home.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Report an incident at cameras of one control room."""
    from cli.acting import now_us

    at_us = required_us(at, option="--at")
    if at_us > now_us() + _CLOCKS_APART_US:
        raise ConfigInvalid(f"--at lies in the future ({when(at_us)})", next_step="say when it happened")
    who, _ = submitted(
        home, config, acting, "report_incident",
        {
            "incident": incident, "kind": kind, "cameras": cameras_of(camera), "at_us": at_us,
        },
        subject=f"incident/{incident}", texts={"text": text},
    )  # fmt: skip
    result("REPORTED", f"incident {incident}, {kind}, reported by {who}")


@app.command(
    epilog=examples(
        'veriframe incident respond i-1 --answer "patrol sent" --as operator',
        'veriframe incident respond i-1 --answer "police informed" --as manager',
    )
)
def respond(
    incident: IncidentArgument,
    answer: Annotated[str, typer.Option(help="What is done. The text stays in this home.")],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Say what the control room does about an incident."""
    texts = {"answer": answer}
    who, _ = submitted(
        home, config, acting, "respond_incident", {"incident": incident}, subject=f"incident/{incident}", texts=texts
    )
    result("RESPONDED", f"incident {incident}, answered by {who}")


@app.command(
    epilog=examples(
        'veriframe incident close i-1 --reason "false alarm" --as operator',
        'veriframe incident close i-1 --reason "handed over" --as manager',
    )
)
def close(
    incident: IncidentArgument,
    reason: ReasonOption,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Close an incident, with a reason."""
    texts = {"reason": reason}
    who, _ = submitted(
        home, config, acting, "close_incident", {"incident": incident}, subject=f"incident/{incident}", texts=texts
    )
    result("CLOSED", f"incident {incident}, closed by {who}")


@app.command("list", epilog=examples("veriframe incident list", "veriframe incident list --json"))
def list_incidents(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List incidents. Changes nothing."""
    listed(
        home, config, "incident", as_json=as_json,
        columns=("incident", "status", "kind", "at", "cameras", "reported by", "text", "last answer"),
        row=lambda each, words: (
            each["incident"], each["status"], each["kind"], when(each["at_us"]), " ".join(each["cameras"]),
            words.who(each["reported_by"]), words.text(each["text"]), words.text(each["answer"]),
        ),
    )  # fmt: skip


add_history(app, "incident", "i-1", by=("by", "reported_by"), texts=("text", "answer"))
