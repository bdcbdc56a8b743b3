"""Every `--help` ends with two examples, and each of them works when copied into a shell."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Mapping

import pytest

from chaincode.table import TABLE
from cli.reach import COMMAND_OF
from cli.reference import commands, examples_of, manual
from evidence.canonical import parse_canonical
from sdk.ledger import read_ledger
from tests.cli.conftest import Places
from tests.conftest import REPOSITORY

# Bringing a Fabric network up takes its programs and minutes; tests/fabric does that.
ON_FABRIC = ("veriframe network", "veriframe participant import")
COMMANDS = [(words, made) for words, made in commands() if not words.startswith(ON_FABRIC)]
EXAMPLES = [(words, line) for words, made in COMMANDS for line in examples_of(made)]

PROPOSED = "veriframe camera propose gate-1 --site north --ip 10.0.4.17"
ANNA = "veriframe participant register anna --role CRM --control-room cr-1"

OFFICER = "veriframe participant register po-7 --role PO --department d-1"
BEN = "veriframe participant register ben --role CRS --control-room cr-1"
KEY = "openssl genpkey -algorithm {} -out secret.pem && openssl pkey -in secret.pem -pubout -out key.pem"
X25519, P256 = KEY.format("X25519"), KEY.format("EC -pkeyopt ec_paramgen_curve:P-256")
SPAN = "--from 2026-10-01T08:00Z --to 2026-10-01T09:00Z"
ASK = (
    f"{OFFICER} && {X25519} && veriframe request create ask-1 --camera gate-1 {SPAN} --purpose theft "
    "--legal-basis law --key key.pem --expires 2036-01-01T00:00Z"
)
REPORT = "veriframe incident report i-1 --camera gate-1 --at 2026-10-01T08:00Z"
LOCK = f"veriframe lock set l-1 --camera gate-1 {SPAN} --review 2036-01-01T00:00Z --reason trial --as manager"
CHANGE = "veriframe camera change gate-1 --firmware 2.1 --as operator"
VERDICT = "veriframe verify clip.mp4 --trust trust.json --json > verdict.json"
VERIFIED = (
    f"{VERDICT} && veriframe verification record v-1 --verdict verdict.json --as manager && "
    "veriframe verification record v-2 --verdict verdict.json --as manager"
)
SUSPENDED = "veriframe camera suspend gate-1 --reason 'lens damaged'"
# Recorded without shipping, then anchored in a batch; its leaf list lies in the store.
SEALED = (
    "printf 'store:\n  url: file:store\nrecorder:\n  anchoring: sealed\n' > veriframe.yaml && "
    "veriframe participant register auditor --role AUDITOR && "
    "veriframe sample other.mp4 --camera gate-1 --start 2026-10-02T08:00Z --config veriframe.yaml && "
    "cp $(find . -path '*batches/*' -type f | head -1) leaves.json"
)
CSV = "printf 'camera,site,ip,make\\ngate-7,north,10.0.4.27,Axis\\ngate-8,north,10.0.4.28,\\n' > cameras.csv"

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
    "veriframe camera import": ("founded", CSV),
    "veriframe camera approve-all": ("founded", f"{CSV} && veriframe camera import cameras.csv"),
    "veriframe camera recommend": ("founded", f"{PROPOSED} && {BEN.replace(' ben ', ' supervisor ')}"),
    "veriframe camera approve-change": ("recorded", CHANGE),
    "veriframe camera reject-change": ("recorded", CHANGE),
    "veriframe participant change": ("founded", ANNA),
    "veriframe participant rotate-key": ("founded", f"{ANNA} && {P256}"),
    "veriframe participant replace-admin": ("founded", P256),
    "veriframe participant delegate": ("founded", BEN),
    "veriframe participant end-delegation": (
        "founded",
        f"{BEN} && veriframe participant delegate ben --to 2036-01-01T00:00Z",
    ),
    "veriframe access grant": ("recorded", OFFICER),
    "veriframe access revoke": (
        "recorded",
        f"{OFFICER} && veriframe access grant gate-1 po-7 --purpose x {SPAN}",
    ),
    "veriframe request create": ("recorded", f"{OFFICER} && {X25519}"),
    "veriframe request decide": ("recorded", ASK),
    "veriframe request withdraw": ("recorded", ASK),
    "veriframe request disclosures": ("recorded", ASK),
    "veriframe request disclose": ("recorded", f"{ASK} && veriframe request decide ask-1 --grant"),
    "veriframe incident respond": ("recorded", REPORT),
    "veriframe incident close": ("recorded", REPORT),
    "veriframe lock release": ("recorded", LOCK),
    "veriframe lock set": ("recorded", ""),
    "veriframe exhibit receive": ("recorded", OFFICER),
    "veriframe lock history": ("recorded", LOCK),
    "veriframe incident history": ("recorded", REPORT),
    "veriframe request history": ("recorded", ASK),
    "veriframe verification record": ("recorded", VERDICT),
    "veriframe verification supersede": ("recorded", VERIFIED),
    "veriframe verification history": ("recorded", VERIFIED),
    "veriframe text show": ("recorded", SUSPENDED),
    "veriframe text forget": ("recorded", SUSPENDED),
    "veriframe batch attest": ("recorded", SEALED),
    "veriframe participant reinstate": ("founded", f"{ANNA} && veriframe participant suspend anna"),
}


def test_every_command_has_two_examples() -> None:
    for words, made in COMMANDS:
        lines = examples_of(made)
        assert len(lines) == 2, words
        assert all(line == words or line.startswith(f"{words} ") for line in lines), words


def test_examples_fit_on_a_line() -> None:
    assert [part for _, line in EXAMPLES for part in line.splitlines() if len(part) > 76] == []


@pytest.mark.slow
@pytest.mark.parametrize(("words", "line"), EXAMPLES, ids=[line for _, line in EXAMPLES])
def test_an_example_works_when_copied(places: Places, words: str, line: str) -> None:
    begins, before = BEGINS.get(words, ("recorded", ""))
    place = places(begins)
    if before:
        assert place.shell(before).returncode == 0
    ended = place.shell(line)
    if words == "veriframe rules activate":  # there is no next version yet, and a ledger is not ended by an example
        assert (ended.returncode, "write nothing more" in ended.stderr) == (2, True)
        return
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout or ">" in line
    for name in (name for name, command in COMMAND_OF.items() if command == words and TABLE[name].kind == "submit"):
        made = line.split("--home ")[1].split()[0] if words == "veriframe init" else place.home.name
        with read_ledger(f"sqlite:///{place.home.parent / made / 'ledger.db'}") as reader:
            kinds = {parse_canonical(each.payload, "event")["name"] for each in reader.events()}
        assert name in kinds or words == "veriframe camera policy", "the example does what the table says it does"


def test_every_transaction_and_question_of_the_contract_has_a_command() -> None:
    assert set(COMMAND_OF) == set(TABLE), "a row of the contract's table without a command, or the other way round"
    known = dict(commands())
    for name, words in COMMAND_OF.items():
        assert words in known, f"{name}: there is no command {words}"


def test_every_transaction_is_called_from_the_command_line() -> None:
    source = [
        path.read_bytes()
        for room in ("cli", "sdk")
        for path in (REPOSITORY / room).glob("*.py")
        if path.stem != "reach"
    ]
    literals = {node.value for text in source for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    lacking = [name for name, rule in TABLE.items() if rule.kind == "submit" and name not in literals]
    assert lacking == [], "listed, but nothing submits it"


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
