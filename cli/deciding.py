"""What the commands about decisions share: submit as somebody, keep the texts, list what stands on the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import raw, remark, result, show
from cli.options import ConfigOption, HomeOption, JsonOption, examples, moment_us, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from cli.acting import Words
    from sdk.home import Home
    from sdk.settings import Settings


def submitted(
    home: Path | None,
    config: Path | None,
    acting: str | None,
    function: str,
    members: Mapping[str, object],
    *,
    subject: str = "",
    texts: Mapping[str, str | None] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Submit one transaction; returns who did it and the contract's answer.

    Args:
        members: members that are None are left out.
        texts: members that are commitments; their texts stay in this home, as openings of `subject`.
    """
    from cli.acting import call, committed_text, identity_for
    from evidence.canonical import parse_canonical

    at, settings = opened(home, config, writing=True)
    who = identity_for(at, function, acting)
    given = {name: value for name, value in members.items() if value is not None}
    for name, text in (texts or {}).items():
        if text is not None:
            given[name] = committed_text(at, text, subject=subject, url=settings.people.url)
    _, committed = call(at, function, given, name=who.name)
    answer = parse_canonical(committed.result or b"null", f"answer of {function}")
    return who.name, answer if isinstance(answer, dict) else {}


def answered(
    home: Path | None,
    config: Path | None,
    acting: str | None,
    function: str,
    members: Mapping[str, object],
    *,
    anybody: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Ask the contract as one of the home's identities; returns who asked and the answer, an object.

    Args:
        anybody: where nobody is named, any identity that may ask will do: the answer is not about who asks.
    """
    from cli.acting import identity_for, ledger_as
    from sdk.ledger import ask

    at, _ = opened(home, config, writing=False)
    who = identity_for(at, function, acting, anybody=anybody)
    with ledger_as(at, who) as ledger:
        answer = ask(ledger, function, members)
    return who.name, answer if isinstance(answer, dict) else {}


SubjectArgument = Annotated[str, typer.Argument(metavar="ID", help="Its id.")]
Row = Callable[[Mapping[str, Any], "Words"], Sequence[str]]


def listed(
    home: Path | None,
    config: Path | None,
    kind: str,
    *,
    columns: Sequence[str],
    row: Row,
    as_json: bool,
    prefix: str | None = None,
    name: str | None = None,
    recorder: bool = False,
) -> None:
    """Print the newest entry of every subject of a kind, or (`prefix`) every entry below it, as a table or JSON.

    Args:
        row: cells of one entry; its second argument knows texts and names where this home does.
        name: of one thing in words, where `kind` is not that.
        recorder: give each entry `recorded_by`, whoever wrote its subject's first one; None where a ledger lists the
            newest entries only.
    """
    from cli.acting import every, looking, newest, now_us
    from cli.standing import standing

    at, settings = opened(home, config, writing=False)
    word = name or kind
    with looking(at, settings.people.url) as (reader, words):
        found = newest(reader, kind) if prefix is None else every(reader, prefix)
        for each in found:
            if "status" in each:
                each["standing"] = standing(kind, each, now_us())
        if recorder:
            firsts = {each[kind]: each["by"] for each in every(reader, f"{kind}/") if each["n"] == 0}
            for each in found:
                each["recorded_by"] = firsts.get(each[kind])
        if as_json:
            raw(json.dumps({f"{word.replace(' ', '_')}s": found}, indent=2) + "\n")
            return
        rows = [row(each, words) for each in found]
    tabled(rows, columns, f"{len(rows)} {word if len(rows) == 1 else word + 's'}")


def tabled(rows: Iterable[Sequence[str]], columns: Sequence[str], heading: str) -> None:
    """Print a table under a heading."""
    from rich.table import Table

    table = Table(*columns)
    for each in rows:
        table.add_row(*each)
    result(heading)
    show(table)


def add_history(app: typer.Typer, kind: str, subject: str, *, by: Sequence[str], texts: Sequence[str]) -> None:
    """Give a group of commands its `history`: every entry of one of its subjects, oldest first.

    Args:
        kind: of the entries, also the word for one.
        subject: an id for the examples.
        by: members that name who did it, the first that is stated counts.
        texts: members that are commitments.
    """

    def history(
        subject: SubjectArgument,
        home: HomeOption = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        from cli.acting import every, looking, now_us
        from cli.standing import dated, standing

        at, settings = opened(home, config, writing=False)
        with looking(at, settings.people.url) as (reader, words):
            entries = every(reader, f"{kind}/{subject}/")
            known = dated(reader, entries)
            if not entries:
                raise ConfigInvalid(f"there is no {kind} {subject} on this ledger", next_step=f"veriframe {kind} list")
            if as_json:
                raw(json.dumps({kind: subject, "entries": entries}, indent=2) + "\n")
                return
            rows = [
                (
                    str(each["n"]), each["status"],
                    next((_whose(words, each[name]) for name in by if each.get(name)), ""),
                    *block_cells(each, known),
                    "; ".join(words.text(each[name]) for name in texts if each.get(name)),
                )
                for each in entries
            ]  # fmt: skip
        heading = f"{kind} {subject}: {standing(kind, entries[-1], now_us())}"
        tabled(rows, ("entry", "status", "by", *block_columns(known), "text"), heading)

    history.__doc__ = f"Every entry of one {kind}, oldest first. Changes nothing."
    words = f"veriframe {kind} history {subject}"
    app.command("history", epilog=examples(words, f"{words} --json"))(history)


def _whose(words: Words, named: str | Sequence[str]) -> str:
    return words.who(named) if isinstance(named, str) else ", ".join(words.who(each) for each in named)


def two_persons(answer: Mapping[str, Any], done: str, what: str, *, again: str | None = None) -> None:
    """Say what became of a call that takes two persons; `again`: what the second one types."""
    if answer.get("executed"):
        result(done, what)
        return
    result("WAITING", what)
    remark(f"next: {answer.get('waits_for', 'somebody else')} calls the same with the same arguments")
    if again is not None:
        remark(f"      {again}")


def required_us(text: str, *, option: str) -> int:
    """Microseconds of a time that must be there."""
    found = moment_us(text, option=option)
    assert found is not None  # only None gives None
    return found


def when(moment: int | None) -> str:
    """A time of the ledger as text, UTC."""
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment // 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def height(block: int | None) -> str:
    """A ledger block as text; empty where the ledger does not say it, as a channel's contract does not."""
    return "" if block is None else str(block)


def block_columns(known: bool) -> tuple[str, ...]:
    """Headings of the columns that say where and when an entry was written; none where a ledger does not tell."""
    return ("ledger block", "written") if known else ()


def block_cells(entry: Mapping[str, Any], known: bool) -> tuple[str, ...]:
    """The cells under `block_columns`."""
    return (height(entry["block"]), when(entry["block_time_us"])) if known else ()


def footage_of(camera: Sequence[str], start: str, end: str) -> dict[str, object]:
    """The members that name footage: cameras in the contract's order, from and until."""
    return {"cameras": cameras_of(camera), **span_of(start, end)}


def span_of(start: str, end: str) -> dict[str, int]:
    """The members that name a span of time."""
    return {"from_us": required_us(start, option="--from"), "until_us": required_us(end, option="--to")}


def cameras_of(names: Sequence[str]) -> list[str]:
    """Camera ids in the one order that the contract takes."""
    return sorted(set(names))


def private_place(home: Home, settings: Settings, camera: str, ip: str | None, location: str | None) -> dict[str, str]:
    """Commitments to the address and location of a private camera, as far as they are stated; both stay in this home.

    Raises:
        Malformed: not an IP address in its usual spelling.
    """
    from chaincode.cameras import check_addresses
    from cli.acting import committed_text

    if ip is not None:
        check_addresses(ip, location or "", private=False)
    stated = {"ip": ip, "location": None if location is None else location or "not stated"}
    return {
        name: committed_text(home, text, subject=f"camera/{camera}/{name}", url=settings.people.url)
        for name, text in stated.items()
        if text is not None
    }


def public_key(path: Path) -> tuple[bytes, str]:
    """DER and key id of the public key in a PEM file, a certificate's too."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    from evidence.digests import sha256
    from evidence.errors import KeyUnavailable

    data = path.read_bytes()
    try:
        key = (
            x509.load_pem_x509_certificate(data).public_key()
            if b"BEGIN CERTIFICATE" in data
            else serialization.load_pem_public_key(data)
        )
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable("this is not a public key or certificate in PEM form", where=str(path)) from error
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der, sha256(der).hex()


def sha256_of(home_file: Path) -> str:
    """SHA-256 of a file, read in pieces."""
    import hashlib

    if not home_file.is_file():
        raise ConfigInvalid("there is no such file", where=str(home_file), next_step="check the path")
    with home_file.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def entry_of(home: Home, camera: str) -> dict[str, Any]:
    """A camera's entry in force, as the ledger has it."""
    from cli.acting import every, reading

    with reading(home) as reader:
        entries = every(reader, f"camera/{camera}/")
    if not entries:
        raise ConfigInvalid(f"there is no camera {camera} on this ledger", next_step="veriframe camera list")
    return entries[-1]
