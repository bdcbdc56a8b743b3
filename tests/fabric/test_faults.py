"""Peers, orderers and contract processes that die while recorders anchor: nothing is lost, nothing doubled."""

from __future__ import annotations

import re
import time
import urllib.request
from collections.abc import Callable

import pytest

from evidence.errors import CommitUnknown, EndorseFailed, LedgerUnavailable
from network.bring_up import Network
from network.topology import OPERATIONS, Node
from tests.fabric.anchors import Site
from tests.fabric.lifecycle import define
from tests.hosts.cast import NOW_US, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAME = "faults"
ELECTION_S = 30


@pytest.fixture(scope="module")
def site(fabric_network: Network) -> Site:
    define(fabric_network, [NAME])
    made = Site(network=fabric_network, name=NAME, cast=the_cast(), clock=lambda: NOW_US)
    made.found()
    return made


def anchored_while(site: Site, camera: str, disturb: Callable[[], None]) -> None:
    """Anchor, disturb in between; then mend, send what failed again, and every block stands once everywhere."""
    site.camera(camera)
    run = site.anchor_while(camera, disturb)
    site.network.start_nodes()
    site.network.start_chaincode()
    for error in run.failed.values():
        assert isinstance(error, LedgerUnavailable | CommitUnknown | EndorseFailed), error
    site.send_again(camera, run)
    site.stands_once(camera, [0, *run.acknowledged, *run.failed], run)


@pytest.mark.parametrize("victim", ["peer-police", "peer-auditor", "chaincode-police"])
def test_one_of_two_other_organisations_is_enough(site: Site, victim: str) -> None:
    anchored_while(site, victim, lambda: _kill(site.network, victim))


def test_the_orderers_leader_may_die(site: Site) -> None:
    def disturb() -> None:
        gone = _leader(site.network)
        _kill(site.network, gone.name)
        assert _leader(site.network) != gone  # the other two have elected one of them; from here on anchors go through

    anchored_while(site, "leader", disturb)


@pytest.mark.parametrize("victim", ["peer-control-room", "chaincode-control-room"])
def test_anchors_wait_for_the_own_peer_and_the_own_contract_process(site: Site, victim: str) -> None:
    def disturb() -> None:
        _kill(site.network, victim)
        time.sleep(1)
        site.network.start_nodes()
        site.network.start_chaincode()

    anchored_while(site, victim, disturb)


def test_where_the_own_contract_process_stays_away_that_is_an_outage_and_no_refusal(site: Site) -> None:
    _kill(site.network, "chaincode-control-room")
    try:
        with site.acting(site.cast["operator"]) as operator:
            assert operator.evaluate("describe", b"{}")  # another organisation's answers
            with pytest.raises(LedgerUnavailable):
                operator.evaluate("describe", b"{}", organisations=["ControlRoomMSP"], timeout_s=2)
            with pytest.raises(LedgerUnavailable):
                operator.submit("propose_camera", members(**site.cast.camera("away")), timeout_s=2)
    finally:
        site.network.start_chaincode()


def _kill(network: Network, name: str) -> None:
    assert network.processes.stop(name, kill=True)


def _leader(network: Network) -> Node:
    """The orderer that the others follow, by its own metrics."""
    deadline = time.monotonic() + ELECTION_S
    while True:
        for node in network.topology.orderers:
            if re.search(r'^consensus_etcdraft_is_leader\{channel="evidence"\} 1$', _metrics(node), re.MULTILINE):
                return node
        assert time.monotonic() < deadline, "nobody leads"
        time.sleep(0.1)


def _metrics(node: Node) -> str:
    try:
        with urllib.request.urlopen(f"http://{node.address(OPERATIONS)}/metrics", timeout=2) as answer:
            return str(answer.read().decode("utf-8"))
    except OSError:
        return ""  # not running
