"""A network in containers: the processes of `network.services` in Fabric's official images.

`python -m network.compose` prints network/compose.yaml, which stands in the repository.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from evidence.version import VERSION
from network.bring_up import Network
from network.services import Service, contract_service, node_service
from network.topology import Topology, lay_out, read_topology

FABRIC = "3.1.5"
CONTRACT_IMAGE = f"veriframe-contract:{VERSION}"
# What runs a service: its image, and the program in front of its arguments.
PROGRAMS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "peer": (f"hyperledger/fabric-peer:{FABRIC}", ("peer",)),
    "orderer": (f"hyperledger/fabric-orderer:{FABRIC}", ("orderer",)),
    "contract": (CONTRACT_IMAGE, ("python", "-m", "chaincode.fabric")),
}
# Where the machine shows a port. The rest stays between the containers: whoever reaches a contract can drive it.
SHOWN = {"service": "", "administration": "127.0.0.1:", "operations": "127.0.0.1:"}

ROOT = Path("/network")  # the network's folder, in every container
CHECKOUT = "/veriframe"
ENVIRONMENT_FILE = ".env"  # beside compose.yaml; written by `network prepare`, read by docker compose

_HEAD = """\
# Four organisations with a peer and a contract process each, and three orderers, in containers on one machine.
# Written by `python -m network.compose` from the same tables as the plain processes; docs/operations/fabric.md says how
# to use it. Copy it into an empty folder, which becomes the network's.
"""


def contained(topology: Topology) -> Topology:
    """The same network with a host for every process, named like the process."""
    return lay_out(topology.settings.model_copy(update={"host": "{name}", "hosts": {}, "listen": "0.0.0.0"}))


def package_variable(organisation: str) -> str:
    """Environment variable that names the package of an organisation's contract."""
    return f"PACKAGE_ID_{organisation.upper().replace('-', '_')}"


def services(topology: Topology) -> list[Service]:
    """Every process of a contained topology, with variables where `network prepare` decides."""
    contracts = [
        contract_service(
            ROOT,
            peer,
            package_id=f"${{{package_variable(peer.organisation)}:-}}",
            genesis="${GENESIS:-}",
            checkout=CHECKOUT,
        )
        for peer in topology.peers
    ]
    return [*(node_service(topology, ROOT, node) for node in topology.nodes), *contracts]


def compose(topology: Topology) -> dict[str, Any]:
    """The compose file of a contained topology."""
    found = services(topology)
    volumes: dict[str, dict[str, str]] = {_volume(each): {} for each in found if each.keeps is not None}
    return {
        "name": "veriframe",
        "services": {each.name: _service(each) for each in found} | {"tools": _tools()},
        "volumes": volumes,
    }


def _service(service: Service) -> dict[str, Any]:
    image, program = PROGRAMS[service.kind]
    mounts = [_mount(path, read_only=True) for path in service.reads]
    if service.keeps is not None:
        mounts.append(f"{_volume(service)}:{service.keeps}")
    shown = [f"{SHOWN[what]}{port}:{port}" for what, port in service.ports.items() if what in SHOWN]
    inside = [str(port) for what, port in service.ports.items() if what not in SHOWN]
    return {
        "image": image,
        **({"build": _build()} if service.kind == "contract" else {}),
        "hostname": service.host,
        "command": [*program, *service.arguments],
        "environment": dict(service.environment),
        "volumes": mounts,
        **({"ports": shown} if shown else {}),
        **({"expose": inside} if inside else {}),
        "restart": "unless-stopped",
    }


def _tools() -> dict[str, Any]:
    """`veriframe network …` among the containers, with Fabric's programs from the machine; runs when it is called."""
    return {
        "image": CONTRACT_IMAGE,
        "build": _build(),
        "profiles": ["tools"],
        "entrypoint": ["python", "-m", "cli.main"],
        "environment": {"PYTHONPATH": CHECKOUT, "FABRIC_BIN": "/fabric"},
        "volumes": [".:" + str(ROOT), "${FABRIC_BIN:?the folder of Fabric's programs}:/fabric:ro"],
    }


def _build() -> dict[str, str]:
    return {"context": "${VERIFRAME:?the folder of Veriframe's checkout}", "dockerfile": "network/contract.Dockerfile"}


def _volume(service: Service) -> str:
    return f"data-{service.name}"


def _mount(path: Path, *, read_only: bool) -> str:
    relative = PurePosixPath(path).relative_to(ROOT)
    return f"./{relative}:{path}" + (":ro" if read_only else "")


def environment_file(network: Network) -> str:
    """Text of `.env`: each organisation's package id, and the founding document's digest; makes what is not there."""
    packages = {package_variable(peer.organisation): network.package(peer).id for peer in network.topology.peers}
    genesis = network.genesis.digest.hex()
    return "".join(f"{name}={value}\n" for name, value in {**packages, "GENESIS": genesis}.items())


def text() -> str:
    value = compose(contained(read_topology("raft")))
    return _HEAD + yaml.safe_dump(value, sort_keys=False, width=118)


def main(arguments: Sequence[str] = ()) -> None:
    sys.stdout.write(text())


if __name__ == "__main__":
    main(sys.argv[1:])
