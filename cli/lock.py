"""`veriframe lock`: footage that nobody may delete until two persons of two organisations release it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import remark, result
from cli.deciding import add_history, cameras_of, footage_of, listed, required_us, submitted, two_persons, when
from cli.options import (
    AsOption,
    CamerasOption,
    ConfigOption,
    FromOption,
    HomeOption,
    JsonOption,
    ReasonOption,
    ToOption,
    examples,
    make_app,
)

if TYPE_CHECKING:
    from sdk.home import Home

app = make_app("Lock evidence, and release it with somebody of another organisation.")

LockArgument = Annotated[str, typer.Argument(metavar="LOCK", help="Its id, chosen by who locks.")]


@app.command(
    "set",
    epilog=examples(
        "veriframe lock set l-1 --camera gate-1 --from 2026-10-01T08:00Z \\\n"
        "    --to 2026-10-01T09:00Z --review 2036-01-01T00:00Z --reason trial",
        "veriframe lock set l-2 --camera gate-1 --from 2026-10-01T08:00Z \\\n"
        "    --to 2026-10-01T09:00Z --review 2036-01-01T00:00Z --reason trial \\\n    --as manager",
    ),
)
def set_lock(
    lock: LockArgument,
    camera: CamerasOption,
    start: FromOption,
    end: ToOption,
    review: Annotated[str, typer.Option(metavar="TIME", help="When somebody looks whether it is still needed.")],
    reason: ReasonOption,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Lock footage."""
    members = {"lock": lock, **footage_of(camera, start, end), "review_us": required_us(review, option="--review")}
    texts = {"reason": reason}
    who, _ = submitted(home, config, acting, "lock_evidence", members, subject=f"lock/{lock}", texts=texts)
    result("LOCKED", f"lock {lock} on {' '.join(cameras_of(camera))}, set by {who}")


@app.command(
    epilog=examples(
        'veriframe lock release l-1 --reason "case closed" --as manager',
        'veriframe lock release l-1 --reason "appeal over" --as manager',
    )
)
def release(
    lock: LockArgument,
    reason: Annotated[str | None, typer.Option(help="Why. The text stays in this home.")] = None,
    commitment: Annotated[
        str | None, typer.Option(metavar="HEX", help="The first person's commitment, instead of the reason.")
    ] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Release a lock. Takes two persons of two organisations.

    The second one names the first one's commitment, or in the same home the same reason.
    """
    from evidence.errors import ConfigInvalid

    if (reason is None) == (commitment is None):
        raise ConfigInvalid(
            "give a reason, or the commitment of the first person's", next_step="--reason TEXT or --commitment HEX"
        )
    from cli.acting import committed_text
    from cli.options import opened

    at, settings = opened(home, config, writing=True)
    if reason is not None:
        url = settings.people.url
        commitment = _waiting(at, url, lock, reason) or committed_text(at, reason, subject=f"lock/{lock}", url=url)
    others = _others(at, lock, str(commitment))
    who, answer = submitted(home, config, acting, "release_evidence", {"lock": lock, "reason": commitment})
    two_persons(
        answer, "RELEASED", f"lock {lock}, called by {who} with reason {commitment}",
        again=f"veriframe lock release {lock} --commitment {commitment}",
    )  # fmt: skip
    for first, waits_for, other in () if answer.get("executed") else others:
        remark(f"beside this, a release with another reason waits already, called by {first}, for {waits_for}:")
        remark(f"      veriframe lock release {lock} --commitment {other}")


def _others(home: Home, lock: str, commitment: str) -> list[tuple[str, str, str]]:
    """Releases of this lock that wait with another commitment: who called first, who is awaited, the commitment."""
    from cli.acting import reading
    from cli.waiting import waiting

    if home.profile is not None:
        return []  # a channel does not show the arguments of what waits
    with reading(home) as reader:
        return [
            (str(each.entry["by"]), each.waits_for, str(each.arguments["reason"]))
            for each in waiting(reader)
            if each.function == "release_evidence"
            and each.arguments is not None
            and each.arguments["lock"] == lock
            and each.arguments["reason"] != commitment
            and not each.overtaken
        ]


def _waiting(home: Home, url: str | None, lock: str, reason: str) -> str | None:
    """The commitment to this reason with which a release waits for a second person, where this home keeps its text."""
    from cli.acting import newest_below, now_us, reading
    from evidence.canonical import canonical
    from evidence.digests import sha256
    from sdk.people import open_people

    with open_people(home.people, url, now=now_us) as people:
        alike = [each.commitment.hex() for each in people.openings(f"lock/{lock}") if each.text == reason]
    with reading(home) as reader:
        for commitment in alike:
            arguments = sha256(canonical({"lock": lock, "reason": commitment})).hex()
            found = newest_below(reader, f"pending/release-evidence/{arguments}/")
            if found and found[-1]["status"] == "WAITING":
                return commitment
    return None


@app.command("list", epilog=examples("veriframe lock list", "veriframe lock list --json"))
def list_locks(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List locks. Changes nothing."""
    listed(
        home, config, "lock", as_json=as_json,
        columns=("lock", "status", "cameras", "from", "to", "review", "locked by", "released by", "reason"),
        row=lambda each, words: (
            each["lock"], each["status"], " ".join(each["cameras"]), when(each["from_us"]), when(each["until_us"]),
            when(each["review_us"]), words.who(each["locked_by"]),
            ", ".join(words.who(one) for one in each["released_by"] or ()), words.text(each["reason"]),
        ),
    )  # fmt: skip


add_history(app, "lock", "l-1", by=("released_by", "locked_by"), texts=("reason",))
