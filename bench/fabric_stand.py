"""A Fabric network for a measurement: four organisations, three orderers, a site with cameras; gone afterwards."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evidence.blocks import Block, SignedBlock, sign_block
from evidence.canonical import canonical
from evidence.digests import sha256, to_base64
from evidence.errors import ConfigInvalid, EndorseFailed
from evidence.keys import PrivateKeySigner
from network.bring_up import Network
from network.founding import profile_file
from network.package import Package, make_package
from network.programs import require_programs
from network.topology import Node, Topology, lay_out, read_topology
from sdk.authority import load_authority
from sdk.fabric_blocks import VALID, parse_block
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile, read_profile
from sdk.gateway import Gateway
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import Identity, create_identity
from sdk.keys import generate_key

BARE = "bare"
BARE_PORT = 9  # counted from a peer's base, beside those that network/topology.py names
ENDORSEMENT = "AND('ControlRoomMSP.peer', OR('PoliceMSP.peer', 'AuditorMSP.peer'))"
CONTROL_ROOM = "ControlRoomMSP"
CHAIN = 1_780_000_000
ROOM = "cr-1"


def now_us() -> int:
    return time.time_ns() // 1000


def programs_or_exit() -> Mapping[str, Path]:
    """Fabric's programs; where they are missing, say so and end the measurement in good order."""
    try:
        return require_programs(os.environ, Path.home())
    except ConfigInvalid as error:
        print(f"not measured: {error.detail}")
        sys.exit(0)


def _free_base_port() -> int:
    for base in range(30000, 60000, 200):
        probes: list[socket.socket] = []
        try:
            for port in range(base, base + 100):
                probes.append(socket.socket())
                probes[-1].bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise SystemExit("no free ports")


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A network that is up, its profiles and people, and cameras that were approved through the contract.

    Recorder n stands at site n, and every camera at one of the sites.
    """

    network: Network
    signers: Mapping[str, PrivateKeySigner]
    recorders: int = 1

    def site_of(self, camera: str) -> int:
        """Number of the camera's site, from 1 on."""
        return 1 + int(camera.rpartition("-")[2]) % self.recorders

    @property
    def topology(self) -> Topology:
        return self.network.topology

    @cached_property
    def profile(self) -> Profile:
        return read_profile(profile_file(self.network.root, self.topology.peer_of(CONTROL_ROOM).organisation))

    def person(self, name: str) -> Identity:
        return self.network.material.identity(name)

    def gateway(self, person: str, *, chaincode: str | None = None) -> Gateway:
        """To be made within a running event loop."""
        return Gateway(self.profile_for(chaincode), self.person(person), clock=now_us)

    def profile_for(self, chaincode: str | None) -> Profile:
        return self.profile.model_copy(update={} if chaincode is None else {"chaincode": chaincode})

    def blocks(self, camera: str, first: int, count: int) -> list[SignedBlock]:
        """Signed blocks of a camera's one chain, from sequence `first` on, ten seconds each."""
        signer = self.signers[camera]
        return [sign_block(block_at(camera, signer, first + each), signer) for each in range(count)]


def block_at(camera: str, signer: PrivateKeySigner, sequence: int) -> Block:
    start_us = CHAIN * 1_000_000 + sequence * 10_000_000
    return Block(
        camera=camera,
        ip="10.0.4.17",
        chain=CHAIN,
        sequence=sequence,
        kind="segment",
        start_us=start_us,
        end_us=start_us + 10_000_000,
        key=signer.public_key.key_id,
        previous=None if sequence == 0 else record_digest(camera, sequence - 1),
        record=record_digest(camera, sequence),
    )


def record_digest(camera: str, sequence: int) -> bytes:
    return sha256(b"record", camera.encode("ascii"), sequence.to_bytes(8, "big"))


@contextmanager
def fabric_stand(cameras: int, *, recorders: int = 1, bare: bool = False, **changed: object) -> Iterator[Stand]:
    """A network of this run alone, purged at the end.

    Args:
        bare: with the chaincode of bench/bare_chaincode.py beside the contract.
        changed: settings of the topology.
    """
    programs = programs_or_exit()
    settings = read_topology("raft").settings
    topology = lay_out(settings.model_validate({**settings.model_dump(), "base_port": _free_base_port(), **changed}))
    with tempfile.TemporaryDirectory(prefix="veriframe-bench-") as folder:
        network = Network(topology=topology, root=Path(folder), programs=programs)
        try:
            network.up(now_us=now_us(), say=lambda text: print(f"  {text}", file=sys.stderr))
            signers = {f"camera-{number:04d}": PrivateKeySigner(generate_key()) for number in range(cameras)}
            stand = Stand(network=network, signers=signers, recorders=recorders)
            _make_recorders(stand)
            asyncio.run(_populate(stand))
            if bare:
                _start_bare(network)
                asyncio.run(_endorsable(stand))
            yield stand
        finally:
            network.down(purge=True)


def _make_recorders(stand: Stand) -> None:
    """Identities beside the one that every network is made with."""
    material = stand.network.material
    authority = load_authority(material.organisation(stand.topology.peer_of(CONTROL_ROOM).organisation) / "ca")
    for number in range(2, stand.recorders + 1):
        places = {"control_room": ROOM, "site": f"site-{number}"}
        create_identity(
            material.people, f"recorder-{number}", authority, role="RECORDER", attributes=places, now_us=now_us()
        )


async def _populate(stand: Stand) -> None:
    """Register those who act, have the cameras proposed by one person and approved by another."""
    people: list[tuple[str, str, dict[str, str]]] = [("operator-1", "OPERATOR", {}), ("manager-1", "CRM", {})]
    people += [(f"recorder-{n}", "RECORDER", {"site": f"site-{n}"}) for n in range(1, stand.recorders + 1)]
    async with stand.gateway("admin-control-room") as admin:
        for name, role, more in people:
            members = {"participant": name, "key": stand.person(name).key_id, "role": role, "control_room": ROOM}
            await admin.submit("register_participant", canonical({**members, **more}))
    async with stand.gateway("operator-1") as operator:
        await asyncio.gather(
            *(
                operator.submit("propose_camera", canonical(_camera(name, key, f"site-{stand.site_of(name)}")))
                for name, key in stand.signers.items()
            )
        )
    async with stand.gateway("manager-1") as manager:
        await asyncio.gather(*(manager.submit("approve_camera", canonical({"camera": name})) for name in stand.signers))


def _camera(name: str, signer: PrivateKeySigner, site: str) -> dict[str, str]:
    texts = ("make", "model", "serial", "firmware", "hardware_address", "location", "specification")
    return {
        **dict.fromkeys(texts, ""),
        "camera": name,
        "site": site,
        "ip": "10.0.4.17",
        "control_room": ROOM,
        "device_key": to_base64(signer.public_key.spki),
        "key_custody": "file",
    }


# -- the bare chaincode ------------------------------------------------------------------------------------------------


def _bare_package(network: Network, peer: Node) -> Package:
    tls = network.material.node(peer) / "tls"
    return make_package(
        f"{BARE}_1",
        address=peer.address(BARE_PORT),
        root_pem=network.material.tls_root(peer.organisation).read_text(encoding="ascii"),
        client_pem=(tls / "certificate.pem").read_text(encoding="ascii"),
        client_key_pem=(tls / "key.pem").read_text(encoding="ascii"),
    )


def _start_bare(network: Network) -> None:
    common = ["--channelID", network.topology.channel, "--name", BARE, "--version", "1", "--sequence", "1"]
    common += ["--signature-policy", ENDORSEMENT]
    endorsers: list[str] = []
    for peer in network.topology.peers:
        package = _bare_package(network, peer)
        path = network.root / "packages" / f"{BARE}-{peer.organisation}.tar.gz"
        path.write_bytes(package.data)
        network.peer(peer, ["lifecycle", "chaincode", "install", str(path)])
        approval = ["approveformyorg", *network.orderer_arguments(peer), *common, "--package-id", package.id]
        network.peer(peer, ["lifecycle", "chaincode", *approval])
        endorsers += ["--peerAddresses", peer.address()]
        endorsers += ["--tlsRootCertFiles", str(network.material.tls_root(peer.organisation))]
        tls = network.material.node(peer) / "tls"
        script = Path(__file__).with_name("bare_chaincode.py")
        root = network.root / "organisations" / peer.organisation / "msp" / "tlscacerts" / "tlsca.pem"
        command = [sys.executable, str(script), peer.address(BARE_PORT), package.id]
        command += [str(tls / "certificate.pem"), str(tls / "key.pem"), str(root)]
        network.processes.start(f"chaincode-bare-{peer.organisation}", command, os.environ, network.root)
    first = network.topology.peers[0]
    network.peer(first, ["lifecycle", "chaincode", "commit", *network.orderer_arguments(first), *common, *endorsers])


async def _endorsable(stand: Stand) -> None:
    """Wait until the gateway finds endorsers: peers tell each other every few seconds what they run."""
    async with stand.gateway("recorder-1", chaincode=BARE) as gateway:
        for _ in range(120):
            try:
                await gateway.endorse(gateway.propose("put", b"k", b"v"))  # endorsed, never sent
                return
            except EndorseFailed:
                await asyncio.sleep(0.5)
    raise SystemExit("nobody endorses for the bare chaincode")


# -- disks -------------------------------------------------------------------------------------------------------------


def disk_bytes(network: Network, node: Node) -> tuple[int, int]:
    """Size of a node's block files, and of all it keeps but an orderer's log, which is made at full size."""
    blocks = everything = 0
    for path in network.data(node).rglob("*"):
        if path.is_file() and "wal" not in path.parts:
            try:
                size = path.stat().st_size
            except FileNotFoundError:  # LevelDB replaces its files while it runs
                continue
            everything += size
            blocks += size if path.name.startswith("blockfile_") else 0
    return blocks, everything


def settled(network: Network) -> None:
    """Wait until all peers hold the same blocks."""
    deadline = time.monotonic() + 30
    while len(set(heights(network))) > 1:
        if time.monotonic() > deadline:
            raise SystemExit("a peer stays behind")
        time.sleep(0.1)


def heights(network: Network) -> list[int]:
    """How many blocks each peer has."""
    found = []
    for peer in network.topology.peers:
        profile = read_profile(profile_file(network.root, peer.organisation))
        admin = network.material.identity(f"admin-{peer.organisation}")
        with closing(FabricLedger(profile, identity=admin, clock=now_us)) as ledger:
            found.append(ledger.height())
    return found


def void_transactions(stand: Stand, first_block: int) -> int:
    """Transactions that were ordered and did not count, in the blocks from `first_block` on."""
    channel = stand.topology.channel.encode("ascii")
    void = 0
    with BlockingGateway(stand.profile, stand.person("recorder-1"), clock=now_us) as gateway:
        for number in range(first_block, heights(stand.network)[0]):
            asked = str(number).encode("ascii")
            block = gateway.evaluate("GetBlockByNumber", channel, asked, chaincode="qscc", organisations=[CONTROL_ROOM])
            void += sum(each.code != VALID for each in parse_block(block)[1])
    return void


# -- processor time ----------------------------------------------------------------------------------------------------

KINDS = ("peer", "orderer", "chaincode-bare", "chaincode")


def processor_s(network: Network) -> dict[str, float]:
    """Processor seconds used so far by the network's processes, by kind, and by this process as the client."""
    tick = os.sysconf("SC_CLK_TCK")
    used = dict.fromkeys(KINDS, 0.0)
    for name in network.processes.names():
        pid = network.processes.running(name)
        if pid is None:
            continue
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        kind = next(kind for kind in KINDS if name.startswith(kind))
        used[kind] += (int(fields[11]) + int(fields[12])) / tick
    return used | {"client": time.process_time()}


def per_transaction_ms(before: Mapping[str, float], after: Mapping[str, float], count: int) -> dict[str, float]:
    """Processor milliseconds for each of `count` transactions, by kind of process."""
    return {kind: round((after[kind] - before[kind]) * 1000 / count, 2) for kind in after}


def percentile(values: Sequence[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
