"""`veriframe config`: what is set, where it stands, and what is wrong with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.console import raw, remark, result, show
from cli.exits import USAGE
from cli.options import ConfigOption, HomeOption, JsonOption, examples, home_path, make_app

if TYPE_CHECKING:
    from sdk.settings import ConfigFinding, Loaded

app = make_app("Check, show and describe the settings.")


@app.command(epilog=examples("veriframe config check", "veriframe config check --config veriframe.yaml"))
def check(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Say what is wrong with the settings: line, cause and fix. Exit code 2 when something is."""
    loaded = _loaded(home, config)
    errors = [finding for finding in loaded.findings if finding.level == "error"]
    if as_json:
        members = [
            {"level": f.level, "where": f.where, "key": f.key, "cause": f.cause, "fix": f.fix} for f in loaded.findings
        ]
        raw(json.dumps({"valid": not errors, "findings": members}, indent=2) + "\n")
    else:
        result("INVALID" if errors else "VALID")
        for finding in loaded.findings:
            result(*_lines(finding))
    if errors:
        raise typer.Exit(USAGE)


@app.command("show", epilog=examples("veriframe config show", "veriframe config show --json"))
def show_settings(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Print every setting in force and where it comes from."""
    from sdk.settings import load
    from sdk.settings import show as settings_in_force

    load(config=config, home=home_path(home), environment=os.environ)  # so that an error is said as one
    rows = list(settings_in_force(_loaded(home, config)))
    if as_json:
        raw(json.dumps({key: {"value": value, "from": origin} for key, value, origin in rows}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("setting", "value", "from")
    for key, value, origin in rows:
        table.add_row(key, "" if value is None else json.dumps(value), origin)
    show(table)
    remark("Precedence: --config, environment VERIFRAME_SECTION__KEY, the home's veriframe.yaml, the user's, built-in.")


@app.command(epilog=examples("veriframe config schema", "veriframe config schema > veriframe.schema.json"))
def schema() -> None:
    """Print the JSON Schema of the settings file, for editors."""
    from sdk.settings import schema as settings_schema

    raw(json.dumps(settings_schema(), indent=2) + "\n")


def _loaded(home: Path | None, config: Path | None) -> Loaded:
    from sdk.settings import check as check_settings

    return check_settings(config=config, home=home_path(home), environment=os.environ)


def _lines(finding: ConfigFinding) -> list[str]:
    what = f"{finding.key}: {finding.cause}" if finding.key else finding.cause
    return [f"{finding.level}: {what}", f"  where: {finding.where}", f"  fix:   {finding.fix}"]
