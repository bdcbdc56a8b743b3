"""`veriframe trust`: what others are asked to believe, and what a trust file says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import raw, remark, result
from cli.options import (
    AsOption,
    ConfigOption,
    EndorsedByAll,
    EndorsedByAny,
    ForceOption,
    HomeOption,
    JsonOption,
    LedgerOption,
    examples,
    make_app,
    opened,
    profile_of,
    refuse_overwrite,
    with_profile,
)
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from evidence.trust import Trust
    from sdk.home import Home

app = make_app("What others are asked to trust.")


@app.command(
    epilog=examples(
        "veriframe trust export -o trust.json", "veriframe trust export --single-operator -o trust-one.json"
    )
)
def export(
    out: Annotated[Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to; else stdout.")] = None,
    single_operator: Annotated[
        bool,
        typer.Option(
            "--single-operator", help="State that one operator's word is enough; without it a witness must be."
        ),
    ] = False,
    force: ForceOption = False,
    ledger: LedgerOption = None,
    acting: AsOption = None,
    all_of: EndorsedByAll = None,
    any_of: EndorsedByAny = None,
    checks_time: Annotated[
        list[str] | None,
        typer.Option("--checks-time", metavar="MSP", help="On Fabric: its peers refuse wrong times, as 3.x does."),
    ] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Write a trust file for this home's ledger, for examiners to compare and to keep apart from the evidence.

    Of a Fabric channel it names the roots of the organisations as the channel's configuration states them and the rule
    by which the contract is endorsed, both as this organisation's peer says: compare them with each organisation.
    """
    from cli.acting import genesis_of

    at, _ = opened(home, config, writing=False)
    at = with_profile(at, profile_of(ledger))
    if at.profile is not None:
        if single_operator:
            raise ConfigInvalid(
                "nobody keeps a Fabric ledger alone", where="--single-operator", next_step="leave it out"
            )
        trust = _with_clocks(_channel_trust(at, acting, all_of, any_of), checks_time or [])
    else:
        if checks_time:
            raise ConfigInvalid(
                "only a Fabric channel has organisations that check times",
                where="--checks-time",
                next_step="leave it out",
            )
        trust = home_trust(genesis_of(at), single_operator=single_operator)
    data = trust.canonical()
    if out is None:
        raw(data.decode("ascii"))
    else:
        refuse_overwrite(out, force=force)
        out.write_bytes(data)
        result(f"{out}", f"sha256 {trust.digest.hex()}")
    if at.profile is not None:
        remark(
            "The roots are what one organisation's peer says of the others. Compare each sha256 with what that "
            "organisation publishes of itself before you rely on it."
        )
    elif not single_operator:
        remark(
            "Without a witness this file leads to UNTRUSTED_PROOF: one operator keeps the ledger. "
            "Who accepts that operator's word alone says so with --single-operator."
        )


@app.command(epilog=examples("veriframe trust show trust.json", "veriframe trust show trust.json --json"))
def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A trust file.")],
    as_json: JsonOption = False,
) -> None:
    """Say in words whom a trust file believes. Compare its sha256 with what the issuer published."""
    from evidence.trust import parse_trust

    trust = parse_trust(file.read_bytes())
    if as_json:
        raw(json.dumps({"sha256": trust.digest.hex(), **json.loads(trust.canonical())}, indent=2) + "\n")
        return
    result(f"sha256 {trust.digest.hex()}", *_words(trust))


def home_trust(genesis: object, *, single_operator: bool) -> Trust:
    """What believing this ledger's own operator means, as a trust file."""
    from evidence.genesis import Genesis
    from evidence.trust import EmbeddedTrust
    from verifier.court import own_word

    assert isinstance(genesis, Genesis)
    trust = own_word(genesis)
    ledgers = (
        replace(each, single_operator=single_operator) for each in trust.ledgers if isinstance(each, EmbeddedTrust)
    )
    return replace(trust, ledgers=tuple(ledgers))


def _with_clocks(trust: Trust, organisations: list[str]) -> Trust:
    """The same trust with organisations whose peers are believed to refuse what is 15 minutes off their clock."""
    from evidence.trust import FabricTrust

    ledgers = []
    for each in trust.ledgers:
        assert isinstance(each, FabricTrust)  # made of what a channel says
        unknown = sorted({*organisations} - each.msps.keys())
        if unknown:
            raise ConfigInvalid(
                f"{', '.join(unknown)} is no organisation of this channel",
                where="--checks-time",
                next_step=f"name of {', '.join(sorted(each.msps))}",
            )
        ledgers.append(replace(each, timewindow_msps=tuple(sorted({*organisations}))))
    return replace(trust, ledgers=tuple(ledgers))


def _channel_trust(home: Home, name: str | None, all_of: list[str] | None, any_of: list[str] | None) -> Trust:
    """What the channel's peer says now. Raises ConfigInvalid: it is another channel than the home's."""
    from cli.acting import now_us
    from sdk.acting import with_fabric

    with with_fabric():
        from sdk.channel_ledger import looking_at
        from sdk.channel_word import Rule, ask_channel
    rule = Rule(all=tuple(all_of or ()), any=tuple(any_of or ())) if all_of or any_of else None
    with looking_at(home, now=now_us, name=name) as ledger:
        said = ask_channel(ledger.gateway, rule=rule)
    if said.ledger_id != home.ledger_id:
        raise ConfigInvalid(
            f"the channel says that it is {said.ledger_id}, the home that its ledger is {home.ledger_id}",
            where=str(home.path),
            next_step="find out which is right before anything is recorded or believed",
        )
    return said.trust


def _words(trust: Trust) -> list[str]:
    from evidence.trust import EmbeddedTrust

    lines: list[str] = []
    for ledger in trust.ledgers:
        lines.append(f"ledger {ledger.id}")
        if isinstance(ledger, EmbeddedTrust):
            lines += [f"  operator {key.text}" for key in ledger.operators]
            lines += [f"  witness  {key.text}" for key in ledger.witnesses]
            alone = "enough" if ledger.single_operator else "not enough"
            lines.append(f"  quorum of witnesses {ledger.quorum}; the operator's word alone is {alone}")
        else:
            lines.append(f"  chaincode {ledger.chaincode}; organisations {', '.join(ledger.msps)}")
            lines.append(
                f"  endorsed by all of {', '.join(ledger.endorse_all)}, any of {', '.join(ledger.endorse_any)}"
            )
            lines += [f"  root of {msp}: {root.hex()}" for msp, roots in ledger.msps.items() for root in roots]
    counts = (("timestamp roots", trust.timestamp_roots), ("issuers", trust.issuers), ("revocations", trust.revoked))
    lines += [f"{len(members)} {name}" for name, members in counts if members]
    lines += [f"checkpoint seen: {each.ledger} at height {each.height}" for each in trust.checkpoints]
    return lines
