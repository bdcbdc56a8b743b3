"""The ledger's founding document on a network, and the profiles by which clients of each organisation reach it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evidence.certificates import Certificate, parse_certificate
from evidence.errors import ConfigInvalid, EndorseFailed, Malformed, Refused
from evidence.genesis import Genesis, Organisation, parse_genesis
from evidence.keys import ED25519, PrivateKeySigner
from evidence.policy import DEFAULT_POLICY
from network.endorsement import endorsing_sets
from network.material import Material
from network.topology import SERVICE, Node, Topology
from sdk.fabric_profile import read_profile
from sdk.gateway_blocking import BlockingGateway
from sdk.keys import generate_key, write_new_file

FOUNDING_S = 60.0


def genesis_file(root: Path) -> Path:
    return root / "genesis.json"


def profile_file(root: Path, organisation: str) -> Path:
    return root / "profiles" / f"{organisation}.yaml"


def make_genesis(topology: Topology, material: Material, *, demo: bool = True) -> Genesis:
    """The founding document, made once: each organisation's root and its first ADMIN.

    Args:
        demo: the keys of all organisations lie on one machine.

    Raises:
        ConfigInvalid: an organisation's public files are not there. Malformed: a damaged file.
    """
    path = genesis_file(material.root)
    if path.exists():
        return parse_genesis(path.read_bytes())
    genesis = Genesis(
        # Nobody signs checkpoints here: the private half is gone with this line. Zeros would not do: they are a point
        # of small order, under which signatures can be made by anybody.
        operator=PrivateKeySigner(generate_key(ED25519)).public_key.spki[-32:],
        msps={
            each.msp: Organisation(
                roots=(_certificate(material.organisation(each.name) / "msp" / "cacerts" / "ca.pem"),),
                admins=(_certificate(material.first_admin(each.name)).public_key.key_id,),
            )
            for each in topology.settings.organisations
        },
        policy=DEFAULT_POLICY,
        demo=demo,
        nonce=secrets.token_bytes(16),
    )
    try:
        write_new_file(path, genesis.canonical(), mode=0o644)
    except FileExistsError:  # another command made one meanwhile: that one is the ledger's
        return parse_genesis(path.read_bytes())
    return genesis


def _certificate(path: Path) -> Certificate:
    try:
        return parse_certificate(x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER))
    except (OSError, ValueError, Malformed) as error:
        raise ConfigInvalid("an organisation's public certificate cannot be read", where=str(path)) from error


def hfc_profile_file(root: Path, organisation: str) -> Path:
    return root / "profiles" / f"{organisation}.hfc.yaml"


def write_profiles(topology: Topology, material: Material, peers: Sequence[Node] | None = None) -> None:
    """Two connection profiles for each organisation: through the gateway of its own peer, and without any gateway."""
    own = topology.peers if peers is None else peers

    def address(node: Node) -> dict[str, str]:
        return {"address": node.address(SERVICE), "tls_root": str(material.tls_root(node.organisation))}

    for peer in own:
        tls = material.node(peer) / "tls"
        begins = {"channel": topology.channel, "chaincode": topology.chaincode, "msp": peer.msp}
        ends = {"tls_client": {"certificate": str(tls / "certificate.pem"), "key": str(tls / "key.pem")}}
        hfc = {
            "peers": [{"msp": each.msp, **address(each)} for each in topology.peers],
            "orderers": [address(each) for each in topology.orderers],
            "endorsement": [list(each) for each in endorsing_sets(topology.settings.endorsement)],
        }
        for path, reached in (
            (profile_file(material.root, peer.organisation), {"gateways": [address(peer)]}),
            (hfc_profile_file(material.root, peer.organisation), hfc),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(yaml.safe_dump({**begins, **reached, **ends}, sort_keys=False), encoding="utf-8")


def _founded_now(gateway: BlockingGateway, genesis: Genesis) -> bool:
    try:
        gateway.submit("init", genesis.canonical(), timeout_s=FOUNDING_S)
        return True
    except Refused as error:
        if error.reason == "conflict":
            return False
        raise


def found(material: Material, genesis: Genesis, *, by: Node, now_us: int) -> bool:
    """Put the founding document on the ledger unless it stands there, and wait until transactions find endorsers.

    Args:
        by: peer of the organisation whose ADMIN does it.

    Returns whether it was put there in the last attempt.

    Raises:
        Refused: another one stands there. LedgerUnavailable, EndorseFailed, CommitUnknown.
    """
    profile = read_profile(profile_file(material.root, by.organisation))
    admin = material.identity(f"admin-{by.organisation}")
    deadline = time.monotonic() + FOUNDING_S
    with BlockingGateway(profile, admin, clock=lambda: now_us) as gateway:
        while True:
            try:
                new = _founded_now(gateway, genesis)
                # A question that is endorsed and never sent: shows that the gateway finds those whom the rule needs.
                # One that all versions of the contract answer alike, since organisations may run different ones.
                gateway.endorse(gateway.propose("get_genesis", b"{}"))
                return new
            except EndorseFailed:
                # Peers that have just started do not know each other yet, and the gateway finds nobody to endorse.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
