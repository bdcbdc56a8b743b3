"""One real network for all tests of a run, and a second one for faults: own ports, own folder, purged at the end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from network.bring_up import Network
from network.programs import find_programs
from network.topology import Topology, lay_out, read_topology
from sdk.authority import save_authority
from tests.conftest import REQUIREMENTS
from tests.fabric.anchors import Site
from tests.fabric.links import Links, links
from tests.hosts.cast import NOW_US, the_cast

# Wide enough for the scenarios, which are set on one day and step over hours.
REHEARSAL_WINDOW = "87600h"


def free_base_port(count: int = 100) -> int:
    """A base port with `count` free ports behind it, for this process alone: several runs stand side by side."""
    for base in range(21050, 60000, 500):
        if _is_claimed(base) and all(_is_free(base + step) for step in range(count)):
            return base
    raise RuntimeError("no free ports")


_CLAIMED: set[int] = set()


def _is_claimed(base: int) -> bool:
    """Claim it until this process ends: between looking at a network's ports and listening on them seconds go by."""
    if base not in _CLAIMED:
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0veriframe-test-network-{base}")
        except OSError:
            claim.close()
            return False
        claim.detach()  # open, and nobody's, until the process ends
        _CLAIMED.add(base)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def laid_out(name: str, **changed: object) -> Topology:
    """A shipped topology on free ports, with quick blocks."""
    settings = read_topology(name).settings
    values = {"base_port": free_base_port(), "batch_timeout_ms": 40, **changed}
    return lay_out(settings.model_validate({**settings.model_dump(), **values}))


def now_us() -> int:
    return time.time_ns() // 1000


def network_of_the_cast(root: Path, **changed: object) -> Network:
    """Four organisations and three Raft orderers, not yet up; certificates come from the cast's authorities."""
    network = Network(
        topology=laid_out("raft", **{"time_window": REHEARSAL_WINDOW, **changed}),
        root=root,
        programs=find_programs(os.environ, Path.home()),
        founded=False,
    )
    assert now_us() > NOW_US, "this machine's clock stands before the day that the scenarios are set on"
    for each in network.topology.settings.organisations:
        save_authority(the_cast().authorities[each.msp], network.material.organisation(each.name) / "ca")
    return network


@pytest.fixture(scope="session")
def fabric_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four organisations and three Raft orderers with the contract, up."""
    network = network_of_the_cast(tmp_path_factory.mktemp("network"))
    try:
        network.up(now_us=now_us())
        yield network
    finally:
        network.down(purge=True)


@pytest.fixture(scope="session")
def places() -> Iterator[Links | None]:
    """Hosts of their own for the orderers and for Police's peer, where this machine can have such."""
    if REQUIREMENTS["netns"]() is not None:
        yield None
        return
    made = links("orderers", "police")
    try:
        made.up()
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def strict_site(tmp_path_factory: pytest.TempPathFactory, places: Links | None) -> Iterator[Site]:
    """A second network for faults that would spoil the first: peers look at the clock, and certificates come and go."""
    changed: dict[str, object] = {"time_window": "15m", "endorsement_timeout": "2s"}
    if places is not None:
        orderers = {node.name: places.address("orderers") for node in read_topology("raft").orderers}
        changed |= {"host": places.address(), "hosts": {"peer-police": places.address("police"), **orderers}}
    network = network_of_the_cast(tmp_path_factory.mktemp("strict"), **changed)
    network = replace(network, enter={} if places is None else places.enter())
    try:
        network.up(now_us=now_us())
        site = Site(network=network, name=network.topology.chaincode, cast=the_cast(), clock=now_us)
        site.found()
        yield site
    finally:
        network.down(purge=True)
