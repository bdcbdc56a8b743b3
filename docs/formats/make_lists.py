"""Writes lists.md, every closed list of the formats and of the verdict, from the tables in the code."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from evidence import blocks, leaves, ledger_format, records, registry
from verifier.model import FINDINGS, OPERATIONS, State

LISTS: dict[str, Iterable[str]] = {
    "Where packets were taken (`tap`)": records.TAPS,
    "Clock sources (`clock.source`)": records.CLOCK_SOURCES,
    "What is kept (`kept`)": records.KEPT,
    "Causes of notes": records.NOTE_CAUSES,
    "Causes of gaps": records.GAP_CAUSES,
    "Kinds of block": blocks.KINDS,
    "States of a camera": registry.CAMERA_STATUSES,
    "States of a participant": registry.PARTICIPANT_STATUSES,
    "Roles": registry.ROLES,
    "Who holds a device key (`key_custody`)": registry.KEY_CUSTODY,
    "What became of a transaction (`code`)": ledger_format.CODES,
}
KINDS = ("UNIT", "SAMPLE", "BLOCK", "TILE", "SOUND", "SIDE")


def page() -> str:
    lines = [
        "# Closed lists",
        "",
        "Generated from the code by `make docs`. A value that stands in none of them makes an answer UNDETERMINED.",
        "",
    ]
    lines += ["## Kind byte of leaves", "", "| byte | leaf |", "|---|---|"]
    lines += [f"| {getattr(leaves, kind)} | {kind.lower()} |" for kind in KINDS]
    for title, values in LISTS.items():
        lines += ["", f"## {title}", "", " · ".join(f"`{value}`" for value in values)]
    lines += ["", "## Operations", "", "| operation | strip | state |", "|---|---|---|"]
    lines += [
        f"| `{op}` | `{rule.strip}` | {rule.state.name if rule.state else ''} |" for op, rule in OPERATIONS.items()
    ]
    lines += ["", "## Findings", "", "| finding | check | axis | strip | state |", "|---|---|---|---|---|"]
    for code, rule in FINDINGS.items():
        strip, state = f"`{rule.strip}`" if rule.strip else "", rule.state.name if rule.state else ""
        lines.append(f"| `{code}` | {rule.check} | {rule.axis} | {strip} | {state} |")
    lines += ["", "## States and exit codes of `verify`", "", "| code | state |", "|---|---|"]
    lines += [f"| {state.exit_code} | {state.name} |" for state in State]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("lists.md").write_text(page())
