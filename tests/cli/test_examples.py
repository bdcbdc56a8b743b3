"""Every `--help` ends with two examples, and each of them works when copied into a shell."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

import pytest

from cli.reference import commands, examples_of, manual
from tests.cli.conftest import Places
from tests.conftest import REPOSITORY

# Bringing a Fabric network up takes its programs and minutes; tests/fabric does that.
COMMANDS = [(words, made) for words, made in commands() if not words.startswith("veriframe network")]
EXAMPLES = [(words, line) for words, made in COMMANDS for line in examples_of(made)]

PROPOSED = "veriframe camera propose gate-1 --site north --ip 10.0.4.17"
ANNA = "veriframe participant register anna --role CRM --control-room cr-1"

# Where an example begins, if not in a home in which two cameras were recorded, and what was done there before.
BEGINS: Mapping[str, tuple[str, str]] = {
    "veriframe demo": ("empty", ""),
    "veriframe init": ("empty", ""),
    "veriframe sample": ("empty", ""),
    "veriframe trust export": ("recorded", "rm trust.json"),
    "veriframe camera propose": ("founded", ""),
    "veriframe camera approve": ("founded", PROPOSED),
    "veriframe camera reject": ("founded", PROPOSED),
    "veriframe camera reinstate": ("recorded", "veriframe camera suspend gate-1 --reason 'lens damaged'"),
    "veriframe participant suspend": ("founded", ANNA),
    "veriframe participant reinstate": ("founded", f"{ANNA} && veriframe participant suspend anna"),
}


def test_every_command_has_two_examples() -> None:
    for words, made in COMMANDS:
        lines = examples_of(made)
        assert len(lines) == 2, words
        assert all(line == words or line.startswith(f"{words} ") for line in lines), words


def test_examples_fit_on_a_line() -> None:
    assert [line for _, line in EXAMPLES if len(line) > 76] == []


@pytest.mark.slow
@pytest.mark.parametrize(("words", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_works_when_copied(places: Places, words: str, line: str) -> None:
    begins, before = BEGINS.get(words, ("recorded", ""))
    place = places(begins)
    if before:
        assert place.shell(before).returncode == 0
    ended = place.shell(line)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout


def test_the_manual_is_up_to_date() -> None:
    assert (REPOSITORY / "docs/cli.md").read_text(encoding="utf-8") == manual(), "run `make docs`"


def test_the_root_help_imports_no_command() -> None:
    script = (
        "import sys\nfrom cli.main import app\n"
        "try: app(['--help'], prog_name='veriframe')\nexcept SystemExit: pass\n"
        "heavy = {'av', 'numpy', 'cryptography', 'pydantic', 'rich', 'sqlite3'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert "verify" in ended.stdout
