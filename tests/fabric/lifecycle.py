"""Define the installed contract, or another one, under further names: a ledger of its own for each, on one channel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from fabric_protos.peer import policy_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2

from evidence.errors import EndorseFailed
from network.bring_up import Network
from network.founding import profile_file
from network.package import make_package
from network.topology import Node
from sdk.fabric_profile import read_profile
from sdk.gateway import Gateway
from tests.fabric.conftest import now_us
from tests.hosts.cast import NOW_US, the_cast

LIFECYCLE = "_lifecycle"
COMMAND_S = 120


def define(
    network: Network,
    names: Sequence[str],
    *,
    package_ids: Mapping[str, str] | None = None,
    probe: Sequence[bytes] | None = None,
) -> None:
    """Approve by every organisation, and commit, definitions of `names` like that of the network's own chaincode.

    Args:
        package_ids: what the organisations run, by MSP id; who is not named runs nothing. None: the contract.
        probe: function and arguments that are endorsed, and never sent, to see that everything is ready.
    """
    if package_ids is None:
        package_ids = {peer.msp: network.package(peer).id for peer in network.topology.peers}
    asyncio.run(_define(network, names, package_ids, probe or (b"init", the_cast().genesis.canonical())))


def install(network: Network, msp: str, label: str, address: str, folder: Path) -> str:
    """Install a package for a chaincode that listens on `address`; gives its id."""
    peer = network.topology.peer_of(msp)
    tls = network.material.node(peer) / "tls"
    package = make_package(
        label,
        address=address,
        root_pem=network.material.tls_root(peer.organisation).read_text(encoding="ascii"),
        client_pem=(tls / "certificate.pem").read_text(encoding="ascii"),
        client_key_pem=(tls / "key.pem").read_text(encoding="ascii"),
    )
    path = folder / f"{label}.tar.gz"
    path.write_bytes(package.data)
    network.peer(peer, ["lifecycle", "chaincode", "install", str(path)])
    return package.id


async def _define(
    network: Network, names: Sequence[str], package_ids: Mapping[str, str], probe: Sequence[bytes]
) -> None:
    peers = network.topology.peers
    gateways = {peer.msp: _admin(network, peer) for peer in peers}
    try:
        first = gateways[peers[0].msp]
        asked = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=network.topology.chaincode).SerializeToString()
        answer = await first.evaluate(
            "QueryChaincodeDefinition", asked, chaincode=LIFECYCLE, organisations=[peers[0].msp]
        )
        rule = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(answer).validation_parameter
        policy_pb2.ApplicationPolicy.FromString(rule)
        common = {
            "sequence": 1,
            "version": "1",
            "validation_parameter": rule,
            "endorsement_plugin": "escc",
            "validation_plugin": "vscc",
        }
        work = []
        for peer in peers:
            source = _source(package_ids.get(peer.msp))
            for name in names:
                approval = lifecycle_pb2.ApproveChaincodeDefinitionForMyOrgArgs(name=name, source=source, **common)
                work.append(
                    gateways[peer.msp].submit(
                        "ApproveChaincodeDefinitionForMyOrg",
                        approval.SerializeToString(),
                        chaincode=LIFECYCLE,
                        organisations=[peer.msp],
                        timeout_s=COMMAND_S,
                    )
                )
        await asyncio.gather(*work)
        everybody = [peer.msp for peer in peers]
        await asyncio.gather(
            *(
                first.submit(
                    "CommitChaincodeDefinition",
                    lifecycle_pb2.CommitChaincodeDefinitionArgs(name=name, **common).SerializeToString(),
                    chaincode=LIFECYCLE,
                    organisations=everybody,
                    timeout_s=COMMAND_S,
                )
                for name in names
            )
        )
        for name in names:
            await _endorsable(first, name, probe)
    finally:
        for gateway in gateways.values():
            await gateway.close()


def _source(package_id: str | None) -> lifecycle_pb2.ChaincodeSource:
    source = lifecycle_pb2.ChaincodeSource
    if package_id is None:
        return source(unavailable=source.Unavailable())
    return source(local_package=source.Local(package_id=package_id))


async def _endorsable(gateway: Gateway, name: str, probe: Sequence[bytes]) -> None:
    """Wait until the gateway finds endorsers: peers tell each other every few seconds what they run."""
    own = Gateway(gateway.profile.model_copy(update={"chaincode": name}), the_cast().admin(), clock=lambda: NOW_US)
    try:
        for _ in range(COMMAND_S):
            try:
                await own.endorse(own.propose(probe[0].decode(), *probe[1:]))  # endorsed, never sent
                return
            except EndorseFailed:
                await asyncio.sleep(0.5)
        raise TimeoutError(f"nobody endorses for {name}")
    finally:
        await own.close()


def _admin(network: Network, peer: Node) -> Gateway:
    profile = read_profile(profile_file(network.root, peer.organisation))
    return Gateway(profile, network.material.identity(f"admin-{peer.organisation}"), clock=now_us)
