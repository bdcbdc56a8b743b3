"""Every scenario on every host, and the same world state on all of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from chaincode.check import check_ledger
from evidence.errors import Refused
from tests.hosts import decisions, scenarios
from tests.hosts.cast import the_cast
from tests.hosts.decisions import DECISIONS
from tests.hosts.replay import outcomes
from tests.hosts.scenarios import SCENARIOS, Scenario
from tests.hosts.stage import EmbeddedStage, MemoryStage, Stage

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("scenario", (*SCENARIOS, *DECISIONS), ids=lambda each: each.__name__)
def test_on_the_embedded_host(scenario: Scenario, tmp_path: Path) -> None:
    embedded = EmbeddedStage(tmp_path, the_cast())
    try:
        scenario(Stage(embedded, the_cast()))
        memory = MemoryStage(the_cast().genesis, embedded.sent[0])
        for envelope in embedded.sent[1:]:
            with contextlib.suppress(Refused):
                memory.send(envelope)
        assert memory.state() == embedded.state()
        assert memory.events() == embedded.events()
    finally:
        embedded.close()
    assert check_ledger(embedded.path) == ()


def test_every_scenario_is_in_the_list() -> None:
    told = {name for name, value in vars(scenarios).items() if getattr(value, "__module__", "") == scenarios.__name__}
    assert {each.__name__ for each in SCENARIOS} == told - {"Scenario"}


@pytest.mark.parametrize(
    "scenario",
    [
        scenarios.chains_begin_at_zero_and_only_go_up,
        decisions.a_request_is_granted_narrowed_and_disclosed_within_it,
        decisions.a_lock_is_released_by_two_persons_of_two_organisations,
    ],
    ids=lambda each: each.__name__,
)
def test_write_sets_do_not_depend_on_hash_seed_time_zone_or_locale(scenario: Scenario, tmp_path: Path) -> None:
    embedded = EmbeddedStage(tmp_path, the_cast())
    stage = Stage(embedded, the_cast())
    try:
        scenario(stage)
    finally:
        embedded.close()
    told = tmp_path / "told.json"
    told.write_text(
        json.dumps(
            {
                "genesis": the_cast().genesis.canonical().decode(),
                "sent": [envelope.decode() for envelope in embedded.sent],
            }
        )
    )
    answers = set()
    for seed, zone, locale in (
        ("0", "UTC", "C"),
        ("1", "Pacific/Kiritimati", "C.UTF-8"),
        ("4242", "America/St_Johns", "POSIX"),
    ):
        run = subprocess.run(
            [sys.executable, "-m", "tests.hosts.replay", str(told)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale},
            capture_output=True,
            text=True,
            check=True,
        )
        answers.add(run.stdout)
    assert len(answers) == 1
    assert json.loads(answers.pop()) == outcomes(the_cast().genesis.canonical(), embedded.sent)
