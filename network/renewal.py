"""New certificates before the old ones end, and nodes started anew one after the other.

Keys stay: a certificate over the same key needs no change of the channel, where orderers' TLS certificates stand, and
none of the registry, which knows people by their keys. A node is stopped only when the one before it has caught up, so
that transactions go on.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from evidence.certificates import parse_certificate
from evidence.errors import EndorseFailed, LedgerUnavailable, Refused
from network.bring_up import Network
from network.founding import profile_file
from network.heights import wait_until_caught_up
from network.material import Material, issue_node, write_certificate
from network.topology import Node, Topology
from sdk.authority import load_authority
from sdk.fabric_profile import read_profile
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import identity_names

FOUND_S = 60.0  # peers tell each other every few seconds that they are there

Say = Callable[[str], None]


def renew(network: Network, *, within_days: int, now_us: int, say: Say = lambda text: None) -> list[str]:
    """Renew the certificates of nodes and people that end within so many days; returns whose.

    Nodes are started anew, and the contract process of a peer moves to a package with the new certificate.

    Raises:
        KeyUnavailable: the authority's key is not here: certificates then come from elsewhere (`restart` takes them).
        LedgerUnavailable: a node did not come back; those behind it still run, on their old certificates.
    """
    network.require_own_processes()
    material, renewed = network.material, []
    for node in network.own_nodes:
        folder = material.node(node)
        due = [part for part in ("signing", "tls") if _ends(folder / part / "certificate.pem", within_days, now_us)]
        for part in due:
            issue_node(material, node, part, now_us)
        if due:
            say(f"{node.name}: {' and '.join(due)}")
            restart(network, node)
            renewed.append(node.name)
    return renewed + renew_people(network.material, network.topology, within_days=within_days, now_us=now_us, say=say)


def renew_people(
    material: Material, topology: Topology, *, within_days: int, now_us: int, say: Say = lambda text: None
) -> list[str]:
    """Renew the people's certificates that end within so many days; returns whose. Raises: KeyUnavailable."""
    renewed = []
    for name in identity_names(material.people):
        if _ends(material.people / name / "certificate.pem", within_days, now_us):
            _renew_person(material, topology, name, now_us)
            say(name)
            renewed.append(name)
    return renewed


def restart_all(network: Network, *, say: Say = lambda text: None) -> None:
    """Start all nodes and contract processes anew, one after the other."""
    for node in network.own_nodes:
        say(node.name)
        restart(network, node)


def restart(network: Network, node: Node) -> None:
    """Start a node anew with the certificates that lie there now, and wait until it has what the others have.

    Raises: LedgerUnavailable: it did not come up, or does not catch up.
    """
    network.require_own_processes()
    folder = network.material.node(node)
    shutil.copyfile(folder / "signing" / "certificate.pem", folder / "msp" / "signcerts" / "cert.pem")
    network.processes.stop(node.name)
    network.start_node(node)
    network.wait_for_node(node)
    wait_until_caught_up(network, node)
    if node.kind == "peer" and network.contract.sequence() is not None:
        network.contract.replace(node)
        for other in network.own_peers:
            if other != node:
                # Peers forget each other when one goes, and the next one may only go when this one counts again.
                _wait_until_found(network, other, node)
        for other in network.topology.peers:
            if other != node:
                _wait_until_found(network, node, other)


def _wait_until_found(network: Network, gateway: Node, endorser: Node) -> None:
    """Wait until transactions through one organisation's peer find the other organisation's."""
    profile = read_profile(profile_file(network.root, gateway.organisation))
    admin = network.material.identity(f"admin-{gateway.organisation}")
    deadline = time.monotonic() + FOUND_S
    with BlockingGateway(profile, admin, clock=lambda: time.time_ns() // 1000) as client:
        while True:
            try:
                # Endorsed and never sent; a refusal of the contract is an answer as well.
                client.endorse(client.propose("get_genesis", b"{}", organisations=[endorser.msp]))
                return
            except Refused:
                return
            except (EndorseFailed, LedgerUnavailable):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def _ends(path: Path, within_days: int, now_us: int) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    now = datetime.fromtimestamp(now_us / 1_000_000, UTC)
    return certificate.not_valid_after_utc - now < timedelta(days=within_days)


def _renew_person(material: Material, topology: Topology, name: str, now_us: int) -> None:
    identity = material.identity(name)
    organisation = topology.peer_of(identity.msp).organisation
    attributes = {
        key: value for key, value in parse_certificate(identity.certificate).attributes.items() if key != "role"
    }
    der = load_authority(material.organisation(organisation) / "ca").issue(
        identity.signer.public_key, subject=name, role=identity.role, attributes=attributes, now_us=now_us
    )
    write_certificate(material.people / name / "certificate.pem", der)
    shutil.copyfile(material.people / name / "certificate.pem", material.person_msp(name) / "signcerts" / "cert.pem")
