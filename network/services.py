"""What runs in a network: peers, orderers and contract processes, each with arguments, files and ports.

One table for all ways of running them: plain processes (network/bring_up), containers (network/compose) and machines of
their own, for which it tells which files have to be there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from network.material import Material
from network.topology import ADMIN, CHAINCODE, OPERATIONS, SERVICE, Node, Topology


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One process.

    Args:
        arguments: behind the program's name.
        reads: folders and files of the network that it reads, and no others.
        keeps: folder that it writes and that has to outlive it; None where it keeps nothing.
        ports: that others reach, by what they are for.
    """

    kind: Literal["peer", "orderer", "contract"]
    name: str
    host: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    reads: tuple[Path, ...]
    keeps: Path | None
    ports: Mapping[str, int]


def configuration_folder(root: Path, node: Node) -> Path:
    return root / "configuration" / node.name


def data_folder(root: Path, node: Node) -> Path:
    return root / "data" / node.name


def builder_folder(root: Path) -> Path:
    return root / "builder"


def node_service(topology: Topology, root: Path, node: Node) -> Service:
    """A peer or an orderer."""
    material = Material(root)
    public = tuple(material.organisation(each.name) / "msp" for each in topology.settings.organisations)
    peer = node.kind == "peer"
    further = {} if peer else {"administration": node.port(ADMIN)}
    return Service(
        kind=node.kind,
        name=node.name,
        host=node.host,
        arguments=("node", "start") if peer else (),
        environment={
            "FABRIC_CFG_PATH": str(configuration_folder(root, node)),
            "FABRIC_LOGGING_SPEC": "warning",
        },
        reads=(
            configuration_folder(root, node),
            material.node(node),
            *public,
            *((builder_folder(root),) if peer else ()),
        ),
        keeps=data_folder(root, node),
        ports={"service": node.port(SERVICE), "operations": node.port(OPERATIONS), **further},
    )


def contract_service(
    root: Path,
    peer: Node,
    *,
    package_id: str,
    genesis: str | None,
    checkout: str,
    slot: int = CHAINCODE,
    name: str = "",
) -> Service:
    """The contract process of one organisation, which its peer connects to.

    Args:
        genesis: digest of the founding document that it endorses, hexadecimal; None: whichever comes first.
        checkout: folder of Veriframe's packages.
    """
    material = Material(root)
    tls, client_root = material.node(peer) / "tls", material.tls_root(peer.organisation)
    return Service(
        kind="contract",
        name=name or f"chaincode-{peer.organisation}",
        host=peer.contract_host,
        arguments=(
            *("--address", f"{peer.contract_host}:{peer.port(slot)}", "--package-id", package_id),
            *("--certificate", str(tls / "certificate.pem"), "--key", str(tls / "key.pem")),
            *("--client-root", str(client_root)),
            *(("--genesis", genesis) if genesis else ()),
        ),
        environment={"PYTHONPATH": checkout, "PYTHONUNBUFFERED": "1"},
        reads=(tls, client_root),
        keeps=None,
        ports={"contract": peer.port(slot)},
    )
