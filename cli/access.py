"""`veriframe access`: who may see footage of a camera, for what and how long."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cli.console import raw, result
from cli.deciding import answered, listed, span_of, submitted, when
from cli.options import (
    AsOption,
    ConfigOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    examples,
    make_app,
    opened,
)
from evidence.errors import ConfigInvalid

app = make_app("Grant, revoke and check access to footage.")

CameraArgument = Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")]
ParticipantArgument = Annotated[str, typer.Argument(metavar="PARTICIPANT", help="Whose access; a pseudonym.")]


@app.command(
    epilog=examples(
        "veriframe access grant gate-1 po-7 --purpose theft \\\n    --from 2026-01-01T00:00Z --to 2036-01-01T00:00Z",
        "veriframe access grant gate-1 po-7 --purpose fire \\\n"
        "    --from 2026-01-01T00:00Z --to 2027-01-01T00:00Z --as manager",
    )
)
def grant(
    camera: CameraArgument,
    participant: ParticipantArgument,
    purpose: Annotated[str, typer.Option(help="What for. The text stays in this home.")],
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="From when on they may look.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Until when they may look.")],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Put somebody into a camera's list. A manager does this; for a private camera its owner.

    The times say when they may look, not of when the footage is.
    """
    from cli.acting import participant_id

    participant = participant_id(opened(home, config, writing=False)[0], participant)
    who, _ = submitted(
        home, config, acting, "grant_access",
        {"camera": camera, "participant": participant, **span_of(start, end)},
        subject=f"grant/{camera}/{participant}", texts={"purpose": purpose},
    )  # fmt: skip
    result("GRANTED", f"{participant} may see footage of {camera} until {end}, granted by {who}")


@app.command(epilog=examples("veriframe access revoke gate-1 po-7", "veriframe access revoke gate-1 po-7 --as manager"))
def revoke(
    camera: CameraArgument, participant: ParticipantArgument, acting: AsOption = None, home: HomeOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Take somebody out of a camera's list."""
    from cli.acting import participant_id

    participant = participant_id(opened(home, config, writing=False)[0], participant)
    who, _ = submitted(home, config, acting, "revoke_access", {"camera": camera, "participant": participant})
    result("REVOKED", f"access of {participant} to {camera}, revoked by {who}")


@app.command(
    epilog=examples(
        "veriframe access check gate-1 --from 2026-10-01T08:00Z \\\n    --to 2026-10-01T09:00Z --as operator",
        "veriframe access check gate-1 --from 2026-10-01T08:00Z \\\n    --to 2026-10-01T09:00Z --as manager --json",
    )
)
def check(
    camera: CameraArgument,
    start: FromOption,
    end: ToOption,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ask whether one may see footage of a camera, and why. Changes nothing."""
    if acting is None:
        # The answer is about who asks, so nobody is chosen for them.
        raise ConfigInvalid(
            "whose access is asked for is not said", next_step="add --as NAME; `veriframe participant list` has them"
        )
    who, answer = answered(home, config, acting, "access", {"camera": camera, **span_of(start, end)})
    if as_json:
        raw(json.dumps({"participant": who, "camera": camera, **answer}, indent=2) + "\n")
        return
    result(str(answer["decision"]).upper(), f"{who}, camera {camera}: {answer['reason']}")


@app.command("list", epilog=examples("veriframe access list", "veriframe access list --json"))
def list_grants(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List who is or was in which camera's list. Changes nothing."""
    listed(
        home, config, "grant", as_json=as_json,
        columns=("camera", "participant", "status", "from", "to", "by", "purpose"),
        row=lambda each, words: (
            each["camera"], words.who(each["participant"]), each["standing"], when(each["from_us"]),
            when(each["until_us"]), words.who(each["by"]), words.text(each["purpose"]),
        ),
    )  # fmt: skip
