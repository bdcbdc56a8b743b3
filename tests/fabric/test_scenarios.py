"""Every scenario of tests/hosts on a real Fabric network, and the same world state there, byte for byte."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from evidence.errors import Refused
from network.bring_up import Network
from tests.fabric.lifecycle import define
from tests.fabric.stage import FabricStage, without_tx_ids
from tests.hosts.cast import the_cast
from tests.hosts.scenarios import SCENARIOS, Scenario
from tests.hosts.stage import EmbeddedStage, Stage

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAMES = {scenario.__name__: f"s{number:02d}" for number, scenario in enumerate(SCENARIOS)}


@pytest.fixture(scope="module")
def defined(fabric_network: Network) -> Network:
    define(fabric_network, list(NAMES.values()))
    return fabric_network


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.__name__)
def test_on_fabric(scenario: Scenario, defined: Network, tmp_path: Path) -> None:
    fabric = FabricStage(defined, NAMES[scenario.__name__], the_cast())
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
