"""`veriframe request`: ask for footage, decide, record what was handed over."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated

import typer

from cli.console import raw, result
from cli.deciding import (
    add_history,
    answered,
    cameras_of,
    footage_of,
    listed,
    public_key,
    required_us,
    sha256_of,
    span_of,
    submitted,
    tabled,
    when,
)
from cli.options import (
    AsOption,
    CamerasOption,
    ConfigOption,
    FromOption,
    HomeOption,
    JsonOption,
    ToOption,
    examples,
    make_app,
    moment_us,
    opened,
)
from evidence.errors import ConfigInvalid

app = make_app("Ask for footage, decide about it, record what was handed over.")

RequestArgument = Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, chosen by who asks.")]


@app.command(
    epilog=examples(
        "veriframe request create ask-1 --camera gate-1 --from 2026-10-01T08:00Z \\\n"
        "    --to 2026-10-01T09:00Z --purpose theft --legal-basis 'court order 7' \\\n"
        "    --key key.pem --expires 2036-01-01T00:00Z",
        "veriframe request create ask-2 --camera gate-1 --from 2026-10-01T08:00Z \\\n"
        "    --to 2026-10-01T09:00Z --purpose fire --legal-basis consent \\\n"
        "    --key key.pem --expires 2036-01-01T00:00Z --as po-7",
    )
)
def create(
    request: RequestArgument,
    camera: CamerasOption,
    start: FromOption,
    end: ToOption,
    purpose: Annotated[str, typer.Option(help="What for. The text stays in this home.")],
    legal_basis: Annotated[str, typer.Option(help="On what basis. The text stays in this home.")],
    key: Annotated[Path, typer.Option(metavar="PEM", help="Public X25519 key to which footage is encrypted.")],
    expires: Annotated[str, typer.Option(metavar="TIME", help="When request and grant end.")],
    incident: Annotated[str | None, typer.Option(help="The incident it is about.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Ask for footage. It is held from now on, until this is denied, withdrawn, disclosed or expired."""
    who, _ = submitted(
        home, config, acting, "request_footage",
        {
            "request": request, **footage_of(camera, start, end),
            "expires_us": required_us(expires, option="--expires"), "incident": incident,
            "encryption_key": base64.b64encode(public_key(key)[0]).decode("ascii"),
        },
        subject=f"request/{request}", texts={"purpose": purpose, "legal_basis": legal_basis},
    )  # fmt: skip
    result("REQUESTED", f"request {request} for {' '.join(cameras_of(camera))}, made by {who}")


@app.command(
    epilog=examples(
        "veriframe request decide ask-1 --grant --masking",
        'veriframe request decide ask-1 --deny --reason "another camera shows it"',
    )
)
def decide(
    request: RequestArgument,
    grant: Annotated[bool, typer.Option("--grant/--deny", help="Grant, or deny with a reason.")],
    camera: Annotated[list[str] | None, typer.Option(help="Grant for these cameras only.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Grant from then on only.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Grant until then only.")] = None,
    masking: Annotated[bool, typer.Option("--masking", help="Grant masked footage only.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why. The text stays in this home.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Decide about a request, once. The owner of a private camera does this, else a manager or supervisor."""
    who, answer = submitted(
        home, config, acting, "decide_request",
        {
            "request": request, "decision": "grant" if grant else "deny",
            "cameras": cameras_of(camera) if camera else None, "from_us": moment_us(start, option="--from"),
            "until_us": moment_us(end, option="--to"), "masking": True if masking else None,
        },
        subject=f"request/{request}", texts={"reason": reason},
    )  # fmt: skip
    result(str(answer["status"]), f"request {request}, decided by {who}")


@app.command(epilog=examples("veriframe request withdraw ask-1", "veriframe request withdraw ask-1 --as po-7"))
def withdraw(
    request: RequestArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Withdraw one's own request."""
    who, _ = submitted(home, config, acting, "withdraw_request", {"request": request})
    result("WITHDRAWN", f"request {request}, withdrawn by {who}")


@app.command(
    epilog=examples(
        "veriframe request disclose ask-1 clip.mp4 --camera gate-1 --to-whom po-7 \\\n"
        "    --from 2026-10-01T08:00Z --to 2026-10-01T08:30Z --as manager",
        "veriframe request disclose ask-1 clip.mp4 --camera gate-1 --to-whom po-7 \\\n"
        "    --from 2026-10-01T08:00Z --to 2026-10-01T09:00Z --as recorder",
    )
)
def disclose(
    request: RequestArgument,
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="What was handed over.")],
    camera: Annotated[str, typer.Option(help="The camera it is of.")],
    to_whom: Annotated[str, typer.Option(help="Who got it.")],
    start: FromOption,
    end: ToOption,
    masked: Annotated[bool, typer.Option("--masked", help="What was handed over is masked.")] = False,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Record what was handed over under a grant, by the digests of the files."""
    who, answer = submitted(
        home, config, acting, "record_disclosure",
        {
            "request": request, "camera": camera, "recipient": to_whom, "masked": masked, **span_of(start, end),
            "objects": sorted({sha256_of(each) for each in files}),
        },
    )  # fmt: skip
    result("RECORDED", f"disclosure {answer['n']} under request {request} to {to_whom}, by {who}")


@app.command("list", epilog=examples("veriframe request list", "veriframe request list --json"))
def list_requests(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List requests and what became of them. Changes nothing."""
    listed(
        home, config, "request", as_json=as_json,
        columns=("request", "status", "by", "cameras", "from", "to", "expires", "purpose", "last word of"),
        row=lambda each, words: (
            each["request"], each["standing"], words.who(each["requester"]), " ".join(each["cameras"]),
            when(each["from_us"]), when(each["until_us"]), when(each["expires_us"]), words.text(each["purpose"]),
            words.who(each["by"]),
        ),
    )  # fmt: skip


@app.command(epilog=examples("veriframe request disclosures ask-1", "veriframe request disclosures ask-1 --json"))
def disclosures(
    request: RequestArgument, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List what was handed over under a request. Changes nothing."""
    from cli.acting import reading

    with reading(opened(home, config, writing=False)[0]) as reader:
        if not reader.entries(f"request/{request}/"):
            raise ConfigInvalid(f"there is no request {request} on this ledger", next_step="veriframe request list")
    listed(
        home, config, "disclosure", prefix=f"disclosure/{request}/", as_json=as_json,
        columns=("disclosure", "camera", "from", "to", "to whom", "masked", "files", "recorded by"),
        row=lambda each, words: (
            str(each["n"]), each["camera"], when(each["from_us"]), when(each["until_us"]), words.who(each["recipient"]),
            "yes" if each["masked"] else "no", str(len(each["objects"])), words.who(each["by"]),
        ),
    )  # fmt: skip


@app.command(epilog=examples("veriframe request holds gate-1", "veriframe request holds gate-1 --as manager --json"))
def holds(
    camera: Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List which footage of a camera may not be deleted now: for which request, under which lock. Changes nothing."""
    from cli.acting import newest, reading

    who, answer = answered(home, config, acting, "find_holds", {"camera": camera}, anybody=True)
    with reading(opened(home, config, writing=False)[0]) as reader:
        locks = [each for each in newest(reader, "lock") if each["status"] == "LOCKED" and camera in each["cameras"]]
    answer = {**answer, "locks": locks}
    if as_json:
        raw(json.dumps(answer, indent=2) + "\n")
        return
    rows = [
        (f"request {each['request']}", each["status"], when(each["from_us"]), when(each["until_us"]), until)
        for each in answer["items"]
        for until in [f"expires {when(each['expires_us'])}"]
    ]
    rows += [
        (f"lock {each['lock']}", each["status"], when(each["from_us"]), when(each["until_us"]), until)
        for each in answer["locks"]
        for until in [f"is released, review {when(each['review_us'])}"]
    ]
    heading = f"{len(rows)} {'hold' if len(rows) == 1 else 'holds'} on camera {camera}, as shown to {who}"
    tabled(rows, ("held by", "status", "from", "to", "until it"), heading)


add_history(app, "request", "ask-1", by=("by", "requester"), texts=("purpose", "legal_basis", "reason"))
