"""Every node has its own ports and name, and a topology that cannot work is refused before anything starts."""

from __future__ import annotations

import pytest

from evidence.errors import ConfigInvalid
from network.topology import ADMIN, CHAINCODE, OPERATIONS, SERVICE, SHIM, parse_topology, read_topology

MINIMAL = """
endorsement: "AND('AMSP.peer')"
organisations:
  - {msp: AMSP, name: a, orderers: 1}
"""


@pytest.mark.parametrize(("name", "orderers", "consensus"), [("raft", 3, "etcdraft"), ("bft", 4, "BFT")])
def test_the_shipped_topologies_are_laid_out(name: str, orderers: int, consensus: str) -> None:
    topology = read_topology(name)
    assert topology.settings.consensus == consensus
    assert [peer.msp for peer in topology.peers] == ["ControlRoomMSP", "PoliceMSP", "LocalAuthorityMSP", "AuditorMSP"]
    assert len(topology.orderers) == orderers
    ports = [node.port(which) for node in topology.nodes for which in (SERVICE, OPERATIONS, CHAINCODE, ADMIN, SHIM)]
    assert len(set(ports)) == len(ports)
    assert len({node.name for node in topology.nodes}) == len(topology.nodes)


def test_both_shipped_topologies_want_control_room_and_another_organisation() -> None:
    rules = {read_topology(name).settings.endorsement for name in ("raft", "bft")}
    assert rules == {"AND('ControlRoomMSP.peer', OR('PoliceMSP.peer', 'AuditorMSP.peer'))"}


def test_the_shipped_topologies_run_side_by_side() -> None:
    taken = [{n.port(w) for n in read_topology(name).nodes for w in range(5)} for name in ("raft", "bft")]
    assert not taken[0] & taken[1]


def test_a_node_may_stand_on_a_host_of_its_own() -> None:
    topology = parse_topology(MINIMAL + "host: 10.0.0.1\nhosts: {orderer-a: 10.0.0.2}\n")
    assert [node.host for node in topology.nodes] == ["10.0.0.2", "10.0.0.1"]


def test_a_topology_file_is_read_strictly() -> None:
    assert parse_topology(MINIMAL).peer_of("AMSP").name == "peer-a"
    for text, says in (
        (MINIMAL + "colour: red\n", "colour"),
        (MINIMAL.replace("AMSP, name", "A!MSP, name"), "organisations.0.msp"),
        (MINIMAL.replace("orderers: 1", "orderers: 0"), "at least 1"),
        (MINIMAL + "consensus: BFT\n", "at least 4"),
        (MINIMAL + "  - {msp: AMSP, name: b}\n", "twice"),
        (MINIMAL + "base_port: 80\n", "base_port"),
        (MINIMAL + "time_window: ever\n", "time_window"),
        (MINIMAL + "endorsement_timeout: 1m\n", "endorsement_timeout"),
        (MINIMAL + "hosts: {peer-b: 10.0.0.2}\n", "peer-b"),
        ("a: [", "not YAML"),
        ("a: " + "[" * 5000, "too deeply"),
        ("", "organisations"),
    ):
        with pytest.raises(ConfigInvalid) as caught:
            parse_topology(text)
        assert says in str(caught.value)
    with pytest.raises(ConfigInvalid):
        read_topology("no-such-topology")
    with pytest.raises(ConfigInvalid, match="no organisation"):
        parse_topology(MINIMAL).peer_of("BMSP")
