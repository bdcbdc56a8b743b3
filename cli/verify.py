"""`veriframe verify`: examine footage. The exit code is the state."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.console import Report, progress, raw, result
from cli.options import (
    AsOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    examples,
    home_path,
    make_app,
    moment_us,
    profile_of,
)
from evidence.errors import ConfigInvalid, Malformed, VeriframeError

if TYPE_CHECKING:
    from evidence.trust import Trust
    from verifier.fetch import OnChannel
    from verifier.verdict import Verdict

app = make_app("Examine footage: what still matches, what not, and where.")


@app.command(
    epilog=examples(
        "veriframe verify doubtful.mp4 --trust trust.json",
        "veriframe verify doubtful.mp4 --camera gate-1 --trust home --json",
    )
)
def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Footage; only read, each an exhibit.")],
    camera: Annotated[str | None, typer.Option(help="The camera that it is said to be from.")] = None,
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Said to begin then.")] = None,
    end: Annotated[str | None, typer.Option("--to", metavar="TIME", help="Said to end before then.")] = None,
    as_one: Annotated[bool, typer.Option("--as-one", help="Judge the files as one sequence, in this order.")] = False,
    track: Annotated[int | None, typer.Option(help="The picture track, where there are several.")] = None,
    home: HomeOption = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="sqlite:////path/ledger.db alone, or fabric:PROFILE, which is asked for fresh signed reads.",
        ),
    ] = None,
    acting: AsOption = None,
    identity: Annotated[
        Path | None,
        typer.Option(
            "--identity", metavar="DIR", help="With fabric: the certificate and key that ask, not the home's."
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="With fabric: also fetch whole blocks, which show who wrote and when.")
    ] = False,
    trust: Annotated[
        str | None, typer.Option(metavar="FILE|home", help="Whom you believe; `home`: this home's own word.")
    ] = None,
    require: Annotated[
        list[str] | None, typer.Option(metavar="WHAT", help="organisations=N, timestamp or open_anchors.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    as_ndjson: Annotated[bool, typer.Option("--ndjson", help="One JSON verdict a line, and nothing else.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the state and nothing else.")] = False,
) -> None:
    """Examine footage against what was recorded and anchored. Nothing is written anywhere.

    Exit codes: 0 VERIFIED, 10 ALTERED, 11 INCOMPLETE, 12 NOT_ANCHORED, 13 NO_MATCH, 14 UNTRUSTED_PROOF,
    15 UNDETERMINED, 16 SIMILAR_ONLY; 1 internal error, 2 wrong usage or a missing file.
    """
    from verifier.verdict import exit_code_of

    if as_json + as_ndjson + quiet > 1:
        raise ConfigInvalid("--json, --ndjson and --quiet exclude each other", next_step="choose one")
    source = _source(home, ledger, acting, identity, full=full)
    believed = _trust(trust, config)
    span = moment_us(start, option="--from"), moment_us(end, option="--to")
    if span[0] is not None and span[1] is not None and span[0] >= span[1]:
        raise ConfigInvalid("--from is not before --to", where="--from", next_step="exchange them")
    with progress("examining", quiet=as_json or as_ndjson or quiet) as report:
        verdicts = _examined(files, source, believed, camera, span, track, as_one, tuple(require or ()), report)
    _print(verdicts, as_json=as_json, as_ndjson=as_ndjson, quiet=quiet)
    raise typer.Exit(exit_code_of(verdicts))


def _examined(
    files: Sequence[Path], source: Path | str | OnChannel | None, trust: Trust | Literal["home"] | None,
    camera: str | None, span: tuple[int | None, int | None], track: int | None, as_one: bool,
    require: tuple[str, ...], report: Report,
) -> Sequence[Verdict]:  # fmt: skip
    from verifier.examine import examine
    from verifier.model import State
    from verifier.sentences import undetermined
    from verifier.verdict import Verdict

    def told(what: str, done: int, total: int) -> None:
        report(done / total if total else 0.0, what)

    try:
        return examine(
            files, source=source, trust=trust, camera=camera, start_us=span[0], end_us=span[1], track=track,
            as_one=as_one, require=require, progress=told,
        )  # fmt: skip
    except ConfigInvalid:
        raise
    except (VeriframeError, OSError) as error:
        # The machine failed, not the footage: that, too, is said as a verdict, so that `--json` stays JSON.
        detail = error.detail if isinstance(error, VeriframeError) else (error.strerror or "system error").lower()
        return [Verdict(state=State.UNDETERMINED, sentence=undetermined([detail]))]


def _source(
    home: Path | None, ledger: str | None, acting: str | None, identity: Path | None, *, full: bool
) -> Path | str | OnChannel | None:
    """Where the evidence is; None where nothing is named and nothing is found."""
    from sdk.home import is_home

    path = home_path(home)
    here = path if home is not None or is_home(path) else None
    if ledger is not None and ledger.startswith("fabric:"):
        return _on_channel(here, ledger, acting, identity, full)
    if acting is not None or identity is not None or full:
        raise ConfigInvalid(
            "no network is asked", where="--as" if acting else "--identity" if identity else "--full",
            next_step="leave it out, or name the channel to ask: --ledger fabric:PROFILE",
        )  # fmt: skip
    if ledger is not None:
        if home is not None:
            raise ConfigInvalid("--home and --ledger exclude each other", next_step="name one")
        return ledger
    return here


def _on_channel(home: Path | None, ledger: str, acting: str | None, identity: Path | None, full: bool) -> OnChannel:
    from cli.acting import now_us
    from sdk.acting import with_fabric
    from verifier.fetch import OnChannel

    with with_fabric():
        import sdk.channel_reads  # noqa: F401  said here, in words, rather than where it is needed
    profile = profile_of(ledger)
    assert profile is not None
    if acting is not None and identity is not None:
        raise ConfigInvalid("--as and --identity exclude each other", next_step="choose who asks")
    return OnChannel(profile=profile, home=home, identity=identity, name=acting, full=full, now=now_us)


def _trust(named: str | None, config: Path | None) -> Trust | Literal["home"] | None:
    from evidence.trust import MAX_TRUST_BYTES, parse_trust
    from sdk.settings import load

    # Not from the home: who keeps the evidence must not choose whom the examiner believes.
    named = named or load(config=config, home=None, environment=os.environ).verify.trust
    if named is None:
        return None
    if named == "home":
        return "home"
    path = Path(named)
    try:
        with path.open("rb") as file:
            return parse_trust(file.read(MAX_TRUST_BYTES + 1))
    except OSError as error:
        reason = (error.strerror or "system error").lower()
        raise ConfigInvalid(f"the trust file cannot be read: {reason}", where=str(path)) from error
    except Malformed as error:
        step = "get it again from its issuer, and compare its sha256 (veriframe trust show)"
        raise ConfigInvalid(f"this is no trust file: {error.detail}", where=str(path), next_step=step) from error


def _print(verdicts: Sequence[Verdict], *, as_json: bool, as_ndjson: bool, quiet: bool) -> None:
    from verifier.model import worst_of_exhibits
    from verifier.verdict import to_text

    state = worst_of_exhibits(verdict.state for verdict in verdicts)
    if as_json:
        raw(to_text(verdicts))
    elif as_ndjson:
        raw("".join(json.dumps(verdict.to_json(), ensure_ascii=False, sort_keys=True) + "\n" for verdict in verdicts))
    elif quiet:
        result(state.name)
    else:
        from cli.verdict_text import print_verdicts

        print_verdicts(verdicts, state)
