"""A real network comes up, stays what it is over a restart, says how it is, and goes away without a trace."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from evidence.canonical import canonical
from evidence.errors import EndorseFailed
from network.bring_up import Network
from network.founding import make_genesis, profile_file
from network.programs import find_programs
from network.status import network_status
from sdk import ledger as ledgers
from tests.fabric.conftest import laid_out, now_us

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]


def test_a_second_up_changes_nothing(fabric_network: Network) -> None:
    before = {name: fabric_network.processes.running(name) for name in fabric_network.processes.names()}
    heights = {each.msp: each.height for each in network_status(fabric_network, now_us=now_us()).organisations}
    started = time.monotonic()
    fabric_network.up(now_us=now_us())
    assert time.monotonic() - started < 60
    assert {name: fabric_network.processes.running(name) for name in fabric_network.processes.names()} == before
    after = network_status(fabric_network, now_us=now_us())
    assert {each.msp: each.height for each in after.organisations} == heights


def test_status_shows_that_all_organisations_hold_the_same(fabric_network: Network) -> None:
    status = network_status(fabric_network, now_us=now_us())
    assert status.healthy, status
    assert len(status.organisations) == 4
    digests = {each.state_digest for each in status.organisations}
    assert len(digests) == 1
    assert len({each.chaincode_version for each in status.organisations} - {None}) == 1
    assert all(each.package and each.package.startswith("veriframe_") for each in status.organisations)
    # Nodes' certificates end first, after a year; people's and authorities' last longer.
    assert status.certificates[0].days_left in (363, 364, 365)
    assert {each.path.parts[-3] for each in status.certificates} >= {
        node.name for node in fabric_network.topology.nodes
    }
    late = network_status(fabric_network, now_us=now_us() + 400 * 86_400 * 1_000_000)
    assert not late.healthy
    assert late.certificates[0].days_left < 0


def test_status_names_what_is_down(fabric_network: Network) -> None:
    peer = fabric_network.topology.peer_of("AuditorMSP")
    fabric_network.processes.stop(peer.name)
    fabric_network.processes.stop("chaincode-police")
    try:
        status = network_status(fabric_network, now_us=now_us())
        assert not status.healthy
        down = {each.msp: (each.peer_runs, each.chaincode_runs) for each in status.organisations}
        assert down["AuditorMSP"] == (False, True)
        assert down["PoliceMSP"] == (True, False)
        assert next(each for each in status.organisations if each.msp == "AuditorMSP").trouble
    finally:
        fabric_network.up(now_us=now_us())
    assert network_status(fabric_network, now_us=now_us()).healthy


def test_a_restart_keeps_the_ledger(fabric_network: Network) -> None:
    before = network_status(fabric_network, now_us=now_us())
    fabric_network.down()
    assert fabric_network.processes.names() == []
    fabric_network.up(now_us=now_us())
    after = network_status(fabric_network, now_us=now_us())
    assert after.healthy
    digests = [{(each.height, each.state_digest) for each in status.organisations} for status in (before, after)]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 1


def test_a_network_of_bft_orderers_comes_up_by_command_and_is_purged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    topology = laid_out("bft")
    places = ["--topology", "bft", "--port", str(topology.settings.base_port), "--folder", str(tmp_path / "net")]
    runner = CliRunner()
    network = Network(topology=topology, root=tmp_path / "net", programs=find_programs(os.environ, Path.home()))
    try:
        up = runner.invoke(app, ["network", "up", *places], catch_exceptions=False)
        assert up.exit_code == 0
        assert up.stdout.startswith("UP")
        shown = runner.invoke(app, ["network", "status", "--json", *places], catch_exceptions=False)
        status = json.loads(shown.stdout)
        assert shown.exit_code == 0
        assert status["agreed"]
        assert [each["runs"] for each in status["orderers"]] == [True] * 4
        assert len({each["height"] for each in status["orderers"]}) == 1
        listed = runner.invoke(app, ["network", "identities", "--json", *places], catch_exceptions=False)
        people = {each["name"]: each for each in json.loads(listed.stdout)["identities"]}
        assert people["recorder-1"]["belongs_to"] == {"control_room": "cr-1", "site": "site-1"}
        assert {each["role"] for each in people.values()} == {
            *("ADMIN", "CRM", "CRS", "OPERATOR", "RECORDER", "PO", "PCRO", "LAS", "AUDITOR")
        }
        _first_use(network)
        gone = runner.invoke(app, ["network", "down", "--purge", *places], catch_exceptions=False)
        assert gone.exit_code == 0
        assert network.processes.names() == []
        assert list((tmp_path / "net").iterdir()) == []
    finally:
        network.down(purge=True)


def _first_use(network: Network) -> None:
    """The founded ledger takes its first registration, and nothing from a clock that is 20 minutes off."""
    url = f"fabric:{profile_file(network.root, 'control-room')}"
    admin, manager = network.material.identity("admin-control-room"), network.material.identity("manager-1")
    registration = canonical({"participant": "manager-1", "key": manager.key_id, "role": "CRM", "control_room": "cr-1"})
    for minutes in (20, -20):
        wrong = ledgers.open(url, identity=admin, clock=lambda: now_us() + minutes * 60_000_000)  # noqa: B023
        try:
            with pytest.raises(EndorseFailed, match="timestamp"):
                wrong.submit("register_participant", registration)  # at once: it would be refused for ever
        finally:
            wrong.close()
    right = ledgers.open(url, identity=admin, clock=now_us)
    try:
        assert right.submit("register_participant", registration).position is not None
        genesis = make_genesis(network.topology, network.material)
        assert genesis.digest.hex().encode() in right.evaluate("get_genesis", b"{}")
    finally:
        right.close()


def test_where_no_programs_are_the_command_says_where_they_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("FABRIC_BIN", raising=False)
    run = CliRunner().invoke(app, ["network", "up", "--folder", str(tmp_path / "net")])
    assert run.exception is not None
    assert "veriframe network install" in str(run.exception)
    assert not (tmp_path / "net").exists()
