"""Every scenario on every host, and the same world state on all of them."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings

from chaincode.check import check_ledger
from evidence.errors import Refused
from tests.hosts import scenarios, sequences
from tests.hosts.cast import the_cast
from tests.hosts.decisions import DECISIONS
from tests.hosts.replay import outcomes
from tests.hosts.scenarios import SCENARIOS, Scenario
from tests.hosts.sequences import Call
from tests.hosts.stage import EmbeddedStage, MemoryStage, Stage, signed_transaction

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


@settings(max_examples=15, deadline=None)
@given(called=sequences.sequences)
def test_a_random_sequence_ends_alike_on_both_hosts(
    called: list[Call], tmp_path_factory: pytest.TempPathFactory
) -> None:
    embedded = EmbeddedStage(tmp_path_factory.mktemp("embedded"), the_cast())
    try:
        memory = MemoryStage(the_cast().genesis, embedded.sent[0])
        assert sequences.outcomes(embedded, called) == sequences.outcomes(memory, called)
        assert memory.state() == embedded.state()
    finally:
        embedded.close()


def test_every_scenario_is_in_the_list() -> None:
    told = {name for name, value in vars(scenarios).items() if getattr(value, "__module__", "") == scenarios.__name__}
    assert {each.__name__ for each in SCENARIOS} == told - {"Scenario"}


def test_nothing_depends_on_hash_seed_time_zone_or_locale(tmp_path: Path) -> None:
    """Every transaction of every scenario, in processes of their own: the same reads, writes, results and events."""
    sent: list[list[bytes]] = []
    for scenario in (*SCENARIOS, *DECISIONS):
        founding = signed_transaction(the_cast().genesis, the_cast().admin(), "init", the_cast().genesis.canonical())
        memory = MemoryStage(the_cast().genesis, founding)
        scenario(Stage(memory, the_cast()))
        sent.append(memory.sent)
    told = tmp_path / "told.json"
    genesis = the_cast().genesis.canonical()
    told.write_text(
        json.dumps({"genesis": genesis.decode(), "sent": [[each.decode() for each in one] for one in sent]})
    )
    places = (("0", "UTC", "C"), ("1", "Pacific/Kiritimati", "C.UTF-8"), ("4242", "America/St_Johns", "POSIX"))
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.hosts.replay", str(told)],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, zone, locale in places
    ]
    answers = {each.communicate(timeout=300)[0] for each in started}
    assert [each.returncode for each in started] == [0] * len(places)
    assert len(answers) == 1
    assert json.loads(answers.pop()) == [outcomes(genesis, each) for each in sent]
