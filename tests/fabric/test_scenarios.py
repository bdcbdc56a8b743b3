"""Every scenario of tests/hosts on a real Fabric network and on the double: the same world state, byte for byte."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from evidence.errors import Refused
from network.bring_up import Network
from tests.fabric.double.peer import READY_OF_3_1
from tests.fabric.double.stand import Stand
from tests.fabric.lifecycle import define
from tests.fabric.stage import FabricStage, profiles_of, without_tx_ids
from tests.hosts import sequences
from tests.hosts.cast import the_cast
from tests.hosts.decisions import DECISIONS
from tests.hosts.scenarios import SCENARIOS, Scenario
from tests.hosts.sequences import Call
from tests.hosts.stage import EmbeddedStage, Stage

NAMES = {scenario.__name__: f"s{number:02d}" for number, scenario in enumerate((*SCENARIOS, *DECISIONS))}
# A sequence that fails is told as it came: each needs a ledger of its own, and shrinking would need many.
RANDOM_LEDGERS = [f"r{number:02d}" for number in range(3)]
RANDOM = settings(
    max_examples=len(RANDOM_LEDGERS), deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip


@pytest.fixture(scope="module")
def defined(fabric_network: Network) -> Network:
    define(fabric_network, [*NAMES.values(), *RANDOM_LEDGERS])
    return fabric_network


@pytest.mark.needs("fabric")
@pytest.mark.slow
@pytest.mark.xdist_group("fabric")
@pytest.mark.parametrize("scenario", (*SCENARIOS, *DECISIONS), ids=lambda each: each.__name__)
def test_on_fabric(scenario: Scenario, defined: Network, tmp_path: Path) -> None:
    play(scenario, FabricStage(profiles_of(defined), NAMES[scenario.__name__], the_cast()), tmp_path)


@pytest.mark.parametrize("scenario", (*SCENARIOS, *DECISIONS), ids=lambda each: each.__name__)
def test_on_the_double(scenario: Scenario, tmp_path: Path) -> None:
    # Peers of version 3.1 take reads and writes together; those of 2.5, which say nothing, one by one.
    stand = Stand(the_cast(), ready=READY_OF_3_1 if scenario in SCENARIOS else b"")
    try:
        play(scenario, FabricStage(stand.profile, "veriframe", the_cast()), tmp_path)
        for peer, _ in stand.peers.values():
            assert peer.dropped == 0
            assert peer.left_open == 0
    finally:
        stand.close()


def play(scenario: Scenario, fabric: FabricStage, tmp_path: Path) -> None:
    """The scenario here, then the same submissions on the embedded host; both must end alike."""
    try:
        scenario(Stage(fabric, the_cast()))
        embedded = EmbeddedStage(tmp_path, the_cast())
        try:
            for who, function, argument, time_us in fabric.sent[1:]:
                with contextlib.suppress(Refused):
                    embedded.submit(who, function, argument, time_us=time_us)
            assert fabric.state() == embedded.state()
            assert without_tx_ids(fabric.events()) == without_tx_ids(embedded.events())
        finally:
            embedded.close()
    finally:
        fabric.close()


@pytest.mark.needs("fabric")
@pytest.mark.slow
@pytest.mark.xdist_group("fabric")
def test_random_sequences_on_fabric(defined: Network, tmp_path_factory: pytest.TempPathFactory) -> None:
    ledgers = iter(RANDOM_LEDGERS)

    @RANDOM
    @given(called=sequences.sequences)
    def played(called: list[Call]) -> None:
        fabric = FabricStage(profiles_of(defined), next(ledgers), the_cast())
        ends_alike(fabric, called, tmp_path_factory.mktemp("random"))

    played()


@settings(max_examples=6, deadline=None)
@given(called=sequences.sequences)
def test_random_sequences_on_the_double(called: list[Call], tmp_path_factory: pytest.TempPathFactory) -> None:
    stand = Stand(the_cast(), ready=READY_OF_3_1)
    try:
        ends_alike(FabricStage(stand.profile, "veriframe", the_cast()), called, tmp_path_factory.mktemp("random"))
    finally:
        stand.close()


def ends_alike(fabric: FabricStage, called: list[Call], folder: Path) -> None:
    embedded = EmbeddedStage(folder, the_cast())
    try:
        assert sequences.outcomes(fabric, called) == sequences.outcomes(embedded, called)
        assert fabric.state() == embedded.state()
        assert without_tx_ids(fabric.events()) == without_tx_ids(embedded.events())
    finally:
        embedded.close()
        fabric.close()
