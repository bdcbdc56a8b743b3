"""compose.yaml says what the plain processes say: programs, arguments, files, ports and environment."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from network.bring_up import Network
from network.compose import (
    CONTRACT_IMAGE,
    FABRIC,
    ROOT,
    contained,
    environment_file,
    package_variable,
    services,
    text,
)
from network.configuration import orderer_configuration, peer_configuration
from network.material import Material, make_material
from network.services import configuration_folder, contract_service, data_folder, node_service
from network.topology import SERVICE, Topology, read_topology
from tests.hosts.cast import NOW_US

REPOSITORY = Path(__file__).resolve().parents[3]
# What the compose format lets a service, a volume and the file itself have, as far as this file uses it.
SERVICE_KEYS = {
    *("image", "build", "hostname", "command", "entrypoint", "environment", "volumes", "ports", "expose", "restart"),
    "profiles",
}
PORT = re.compile(r"(127\.0\.0\.1:)?[0-9]{4,5}:[0-9]{4,5}")
MOUNT = re.compile(r"(\.|\./[a-z0-9./-]+|[a-z0-9-]+|\$\{FABRIC_BIN:\?[^}]*\}):(/[a-z0-9./-]+)(:ro)?")


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    value = yaml.safe_load((REPOSITORY / "network" / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


@pytest.fixture(scope="module")
def topology() -> Topology:
    return contained(read_topology("raft"))


def test_the_file_is_the_one_that_the_tables_give() -> None:
    assert (REPOSITORY / "network" / "compose.yaml").read_text(encoding="utf-8") == text()


def test_the_file_is_in_the_compose_format(written: dict[str, Any]) -> None:
    assert set(written) == {"name", "services", "volumes"}
    assert all(value == {} for value in written["volumes"].values())
    for service in written["services"].values():
        assert set(service) <= SERVICE_KEYS
        assert isinstance(service["image"], str)
        for key in ("command", "entrypoint", "volumes", "ports", "expose", "profiles"):
            assert all(isinstance(each, str) for each in service.get(key, []))
        assert all(isinstance(value, str) for value in service["environment"].values())
        assert all(PORT.fullmatch(port) for port in service.get("ports", []))
        assert all(MOUNT.fullmatch(mount) for mount in service["volumes"]), service["volumes"]
        assert set(service.get("build", {})) <= {"context", "dockerfile"}


def test_every_image_is_official_or_ours_and_has_a_version(written: dict[str, Any]) -> None:
    images = {name: service["image"] for name, service in written["services"].items()}
    for name, image in images.items():
        kind = name.partition("-")[0]
        official = f"hyperledger/fabric-{kind}:{FABRIC}"
        assert image == (CONTRACT_IMAGE if kind in ("chaincode", "tools") else official)
        assert re.fullmatch(r"[a-z/-]+:[0-9]+\.[0-9]+\.[0-9]+", image)
    assert len(images) == 4 + 4 + 3 + 1


def test_containers_run_what_the_plain_processes_run(topology: Topology, written: dict[str, Any]) -> None:
    """Both ways: nothing of a plain process is missing, and nothing is in the file that no process uses."""
    plain = {node.name: node_service(topology, ROOT, node) for node in topology.nodes}
    for peer in topology.peers:
        package = f"${{{package_variable(peer.organisation)}:-}}"
        contract = contract_service(ROOT, peer, package_id=package, genesis="${GENESIS:-}", checkout="/veriframe")
        plain[contract.name] = contract
    assert set(written["services"]) - {"tools"} == set(plain)
    program = {"peer": ["peer"], "orderer": ["orderer"], "contract": ["python", "-m", "chaincode.fabric"]}
    used = set()
    for name, service in plain.items():
        container = written["services"][name]
        assert container["command"] == [*program[service.kind], *service.arguments]
        assert container["environment"] == dict(service.environment)
        assert container["hostname"] == service.host == name
        mounted = {MOUNT.fullmatch(mount).group(2, 1, 3) for mount in container["volumes"]}  # type: ignore[union-attr]
        wanted: set[tuple[str | None, ...]] = {
            (str(path), f"./{path.relative_to(ROOT)}", ":ro") for path in service.reads
        }
        if service.keeps is not None:
            wanted.add((str(service.keeps), f"data-{name}", None))
            used.add(f"data-{name}")
        assert mounted == wanted
        shown = {int(port.rpartition(":")[2]) for port in container.get("ports", [])}
        inside = {int(port) for port in container.get("expose", [])}
        assert shown | inside == set(service.ports.values())
        assert not shown & inside
        # Whoever reaches the contract can drive it; operations and administration are for this machine only.
        assert inside == ({service.ports["contract"]} if service.kind == "contract" else set())
        assert [port for port in container.get("ports", []) if not port.startswith("127.0.0.1:")] == (
            [] if service.kind == "contract" else [f"{service.ports['service']}:{service.ports['service']}"]
        )
    assert set(written["volumes"]) == used


def test_no_container_sees_another_ones_keys(topology: Topology, written: dict[str, Any]) -> None:
    for name, service in written["services"].items():
        if name == "tools":
            continue
        organisation = name.partition("-")[2]
        own = {f"peer-{organisation}", f"orderer-{organisation}"}
        for mount in service["volumes"]:
            source = mount.partition(":")[0].removeprefix("./").split("/")
            assert source[0] not in ("people", ".")
            assert source[0] != "nodes" or source[1] in own
            assert source[0] != "organisations" or source[2] == "msp"


def paths_in(value: object) -> set[Path]:
    if isinstance(value, dict):
        return set().union(*(paths_in(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(paths_in(each) for each in value))
    return {Path(value)} if isinstance(value, str) and value.startswith("/") else set()


def test_every_file_that_a_node_is_configured_with_is_mounted(topology: Topology) -> None:
    material = Material(ROOT)
    by_name = {service.name: service for service in services(topology)}
    for node in topology.nodes:
        service = by_name[node.name]
        data = data_folder(ROOT, node)
        configuration = (
            peer_configuration(topology, material, node, data, ROOT / "builder")
            if node.kind == "peer"
            else orderer_configuration(topology, material, node, data)
        )
        assert service.keeps is not None
        places = (*service.reads, service.keeps)
        for path in paths_in(configuration):
            assert any(path.is_relative_to(place) for place in places), f"{node.name} is not given {path}"
        assert service.environment["FABRIC_CFG_PATH"] == str(configuration_folder(ROOT, node))


def test_a_contained_node_listens_everywhere_and_is_reached_by_its_name(topology: Topology) -> None:
    peer = topology.peer_of("PoliceMSP")
    assert peer.address() == f"peer-police:{peer.port(SERVICE)}"
    core = peer_configuration(topology, Material(ROOT), peer, Path("/data"), Path("/builder"))["peer"]
    assert core["listenAddress"] == f"0.0.0.0:{peer.port(SERVICE)}"
    assert core["address"] == core["gossip"]["externalEndpoint"] == peer.address()
    assert peer.contract_host == "chaincode-police"


def test_the_environment_file_names_every_variable_that_compose_asks_for(topology: Topology, tmp_path: Path) -> None:
    network = Network(topology=topology, root=tmp_path, programs={}, elsewhere=True)
    make_material(topology, tmp_path, now_us=NOW_US)
    lines = dict(line.split("=", 1) for line in environment_file(network).splitlines())
    asked = set(re.findall(r"\$\{([A-Z_]+)", text())) - {"VERIFRAME", "FABRIC_BIN"}
    assert set(lines) == asked
    assert all(re.fullmatch(r"veriframe_1:[0-9a-f]{64}", value) for name, value in lines.items() if name != "GENESIS")
    assert re.fullmatch(r"[0-9a-f]{64}", lines["GENESIS"])
    again = environment_file(network)
    assert dict(line.split("=", 1) for line in again.splitlines()) == lines


def test_the_image_of_the_contract_copies_what_exists() -> None:
    lines = (REPOSITORY / "network" / "contract.Dockerfile").read_text(encoding="utf-8").splitlines()
    assert next(line for line in lines if not line.startswith("#")).startswith("FROM python:3.")
    copied = [line.split()[1] for line in lines if line.startswith("COPY ")]
    assert "chaincode" in copied
    assert all((REPOSITORY / source).exists() for source in copied)
