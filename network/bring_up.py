"""Bring a network up and down: every step is skipped where its effect is already there, so that `up` can be repeated.

Order: keys and certificates · orderers and peers · channel · chaincode package, definition and process of each
organisation. A crash between two steps leaves what the next `up` continues from; `down` keeps the ledgers,
`down(purge=True)` removes them.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from evidence.errors import ConfigInvalid, LedgerUnavailable
from evidence.genesis import Genesis
from network.configuration import channel_configuration, orderer_configuration, peer_configuration, write_json
from network.contract import Contract
from network.founding import found, make_genesis, write_profiles
from network.heights import wait_until_caught_up
from network.material import Material, make_material, public_files
from network.package import Package, write_builder
from network.processes import Processes
from network.services import builder_folder, configuration_folder, data_folder, node_service
from network.topology import ADMIN, SERVICE, Node, Topology

PROFILE = "Evidence"
CHANNEL_FILES = ("genesis.block", "genesis.json")
COMMAND_S = 90
READY_S = 45

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """One network on this machine.

    Args:
        root: folder of everything that belongs to it.
        programs: Fabric's programs by name, from `network.programs`.
        founded: put the founding document on the ledger; organisations then endorse this one and no other.
        own: name of the organisation whose host this is; None: all of them stand on this machine.
        elsewhere: its processes are started and ended by others, in containers for example.
        enter: what stands before the commands of nodes and contract processes on a host, by host: how they come to run
            there, such as `ip netns exec NAME`. Hosts without an entry are this machine as it is.
    """

    topology: Topology
    root: Path
    programs: Mapping[str, Path]
    founded: bool = True
    own: str | None = None
    elsewhere: bool = False
    enter: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def material(self) -> Material:
        return Material(self.root)

    @property
    def processes(self) -> Processes:
        return Processes(self.root)

    @property
    def contract(self) -> Contract:
        return Contract(network=self, name=self.topology.chaincode)

    def is_own(self, node: Node) -> bool:
        return self.own in (None, node.organisation)

    @property
    def own_nodes(self) -> tuple[Node, ...]:
        """Those that are started and looked after from here."""
        return tuple(node for node in self.topology.nodes if self.is_own(node))

    @property
    def own_peers(self) -> tuple[Node, ...]:
        return tuple(peer for peer in self.topology.peers if self.is_own(peer))

    def package(self, peer: Node) -> Package:
        """The package of the contract that an organisation uses."""
        return self.contract.package(peer)

    def data(self, node: Node) -> Path:
        return data_folder(self.root, node)

    def _configuration(self, node: Node) -> Path:
        return configuration_folder(self.root, node)

    @property
    def genesis_block(self) -> Path:
        return self.root / "genesis.block"

    # -- up and down ---------------------------------------------------------------------------------------------

    def up(self, *, now_us: int, say: Say = lambda text: None, chaincode: bool = True) -> None:
        """Bring everything up and wait until the channel takes transactions.

        Raises:
            LedgerUnavailable: a process ended or did not answer in time; the text names its log.
            ConfigInvalid: a port is taken, or another `up` or `down` is at work on this network.
        """
        with self.processes.alone():
            self._up(now_us=now_us, say=say, chaincode=chaincode)

    def _up(self, *, now_us: int, say: Say, chaincode: bool) -> None:
        say("keys and certificates")
        self.prepare(now_us=now_us)
        if self.own is not None:
            self._require(
                CHANNEL_FILES + self._public_files(), "veriframe network channel writes it; unpack channel.tar"
            )
        orderers = sum(node.kind == "orderer" for node in self.own_nodes)
        say(f"orderers: {orderers}, peers: {len(self.own_peers)}")
        self.start_nodes()
        say(f"channel {self.topology.channel}")
        self._join()
        if chaincode:
            say(f"chaincode {self.topology.chaincode}")
            defined = self.contract.define()
            self.start_chaincode()
            if not defined:
                say("approved; committed once a majority of the organisations has")
            elif self.founded:
                say("founding document")
                found(self.material, self.genesis, by=self.own_peers[0], now_us=now_us)

    def prepare(self, *, now_us: int) -> None:
        """Make keys, certificates, configuration and profiles: all that nodes need before they start."""
        make_material(self.topology, self.root, own=self.own, now_us=now_us)
        self._configure()
        write_profiles(self.topology, self.material, self.own_peers)
        if self.own is not None:
            self._pack(f"public-{self.own}.tar", public_files(self.topology, self.own))

    def write_channel(self) -> Path:
        """Write the channel's first block and the founding document from all organisations' public files.

        Returns: an archive of all that the others need. Raises: ConfigInvalid: a file is missing.
        """
        self._require(self._public_files(), "unpack each organisation's public-….tar here")
        self._write_genesis_block()
        _ = self.genesis
        return self._pack("channel.tar", (*self._public_files(), *CHANNEL_FILES))

    @property
    def genesis(self) -> Genesis:
        """The founding document; made where there is none yet."""
        return make_genesis(self.topology, self.material, demo=self.own is None)

    def _public_files(self) -> tuple[str, ...]:
        names = [each.name for each in self.topology.settings.organisations]
        return tuple(path for name in names for path in public_files(self.topology, name))

    def _require(self, files: Sequence[str], next_step: str) -> None:
        for name in files:
            if not (self.root / name).is_file():
                raise ConfigInvalid("a file of another organisation is not here", where=name, next_step=next_step)

    def _pack(self, name: str, files: Sequence[str]) -> Path:
        path = self.root / name
        with tarfile.open(path, "w") as tar:
            for each in files:
                tar.add(self.root / each, arcname=each)
        return path

    def down(self, *, purge: bool = False) -> None:
        """End all processes; with `purge` the ledgers, keys and certificates go as well."""
        if self.root.is_dir():
            with self.processes.alone():
                self._down(purge=purge)

    def _down(self, *, purge: bool) -> None:
        for name in sorted(self.processes.names(), key=lambda name: ("chaincode" not in name, "peer" not in name)):
            self.processes.stop(name)
        if purge:
            for part in (
                "data",
                "configuration",
                "nodes",
                "organisations",
                "people",
                "run",
                "log",
                "builder",
                "packages",
                "profiles",
            ):
                shutil.rmtree(self.root / part, ignore_errors=True)
            for pattern in (*CHANNEL_FILES, "channel.tar", "public-*.tar", ".env"):
                for path in self.root.glob(pattern):
                    path.unlink()

    def start_nodes(self) -> None:
        for node in self.own_nodes:
            self.start_node(node)
        for node in self.own_nodes:
            self.wait_for_node(node)

    def wait_for_node(self, node: Node) -> None:
        """Wait until a node listens. Raises LedgerUnavailable: it ended, or does not in time."""
        for port in (SERVICE, ADMIN) if node.kind == "orderer" else (SERVICE,):
            self.wait_for_port(node.name, node.host, node.port(port))

    def start_node(self, node: Node) -> None:
        if self.elsewhere:
            return
        service = node_service(self.topology, self.root, node)
        for port in service.ports.values():
            self.require_free_port(node.name, node.host, port)
        self.processes.start(
            node.name,
            [*self.enter.get(node.host, ()), str(self.programs[node.kind]), *service.arguments],
            {"PATH": os.environ.get("PATH", ""), **service.environment},
            self.data(node),
        )

    def start_chaincode(self) -> None:
        """One contract process for each organisation, on its own package and certificates."""
        self.contract.start()

    def _configure(self) -> None:
        builder = builder_folder(self.root)
        write_builder(builder)
        for node in self.own_nodes:
            make, name = (
                (orderer_configuration(self.topology, self.material, node, self.data(node)), "orderer.yaml")
                if node.kind == "orderer"
                else (peer_configuration(self.topology, self.material, node, self.data(node), builder), "core.yaml")
            )
            write_json(self._configuration(node) / name, make)
        channel = channel_configuration(self.topology, self.material, PROFILE)
        write_json(self.root / "configuration" / "channel" / "configtx.yaml", channel)

    def require_own_processes(self) -> None:
        """Raises ConfigInvalid where others start and end the processes."""
        if self.elsewhere:
            raise ConfigInvalid(
                "the processes of this network are started and ended elsewhere",
                next_step="docs/operations/fabric.md says how to do this for containers and other machines",
            )

    def runs(self, name: str, node: Node, host: str, port: int) -> bool:
        """Tell whether a process runs: as this machine knows it, or, where it is another's, by its port."""
        if self.is_own(node) and not self.elsewhere:
            return self.processes.running(name) is not None
        return _answers(host, port)

    def require_free_port(self, name: str, host: str, port: int) -> None:
        """Raises ConfigInvalid: somebody else listens where `name` is to, and would be taken for it."""
        if self.processes.running(name) is None and _answers(host, port):
            raise ConfigInvalid(
                f"port {port} is taken by another process", where=name,
                next_step="end it, or move the network: --port",
            )  # fmt: skip

    def wait_for_port(self, name: str, host: str, port: int) -> None:
        deadline = time.monotonic() + READY_S
        while True:
            if not self.elsewhere:
                self.processes.require(name)
            if _answers(host, port):
                return
            if time.monotonic() > deadline:
                raise LedgerUnavailable(f"{name} does not listen on port {port}", where=str(self.processes.log(name)))
            time.sleep(0.1)

    # -- channel -------------------------------------------------------------------------------------------------

    def _join(self) -> None:
        if self.own is None:
            self._write_genesis_block()
        for node in self.own_nodes:
            if node.kind == "orderer" and self.topology.channel not in self._osn_channels(node):
                self.osnadmin(node, "join", "--config-block", str(self.genesis_block))
        joined = [node for node in self.own_peers if self.topology.channel not in self.peer(node, ["channel", "list"])]
        for node in joined:
            self.peer(node, ["channel", "join", "-b", str(self.genesis_block)])
        if len(joined) < len(self.topology.peers):
            # A channel that goes on already: what is asked of a peer next it only knows when it has caught up.
            for node in joined:
                wait_until_caught_up(self, node)

    def _write_genesis_block(self) -> None:
        if not self.genesis_block.exists():
            draft = self.genesis_block.with_suffix(".new")
            self._run(
                "configtxgen",
                ["-profile", PROFILE, "-channelID", self.topology.channel, "-outputBlock", str(draft)],
                {"FABRIC_CFG_PATH": str(self.root / "configuration" / "channel")},
            )
            draft.rename(self.genesis_block)

    def _osn_channels(self, node: Node) -> str:
        return self.osnadmin(node, "list", channel=False)

    def osnadmin(self, node: Node, verb: str, *arguments: str, channel: bool = True) -> str:
        tls = self.material.node(node) / "tls"
        return self._run(
            "osnadmin",
            [
                *(
                    "channel",
                    verb,
                    "-o",
                    node.address(ADMIN),
                    "--ca-file",
                    str(self.material.tls_root(node.organisation)),
                ),
                *("--client-cert", str(tls / "certificate.pem"), "--client-key", str(tls / "key.pem")),
                *(("--channelID", self.topology.channel) if channel else ()),
                *arguments,
            ],
            {},
        )

    def peer(self, node: Node, arguments: Sequence[str], *, as_person: str | None = None) -> str:
        """Run the `peer` program against one peer, as its organisation's ADMIN or somebody else.

        Another organisation's peer is asked as the ADMIN of the own one, and answers what members may know.
        """
        caller = node if self.is_own(node) else self.own_peers[0]
        tls = self.material.node(caller) / "tls"
        person = as_person or f"admin-{caller.organisation}"
        return self._run(
            "peer",
            arguments,
            {
                "FABRIC_CFG_PATH": str(self._configuration(caller)),
                "CORE_PEER_ADDRESS": node.address(SERVICE),
                "CORE_PEER_LOCALMSPID": caller.msp,
                "CORE_PEER_MSPCONFIGPATH": str(self.material.person_msp(person)),
                "CORE_PEER_TLS_ENABLED": "true",
                "CORE_PEER_TLS_ROOTCERT_FILE": str(self.material.tls_root(node.organisation)),
                "CORE_PEER_TLS_CLIENTAUTHREQUIRED": "true",
                "CORE_PEER_TLS_CLIENTCERT_FILE": str(tls / "certificate.pem"),
                "CORE_PEER_TLS_CLIENTKEY_FILE": str(tls / "key.pem"),
            },
        )

    def orderer_arguments(self, node: Node) -> list[str]:
        """How `peer` reaches an orderer."""
        orderer = self.topology.orderers[0]
        tls = self.material.node(node) / "tls"
        return [
            *("-o", orderer.address(SERVICE), "--tls", "--cafile", str(self.material.tls_root(orderer.organisation))),
            *("--clientauth", "--certfile", str(tls / "certificate.pem"), "--keyfile", str(tls / "key.pem")),
        ]

    def configtxlator(self, *arguments: str) -> str:
        """Run the `configtxlator` program. Raises ConfigInvalid: it is not here; LedgerUnavailable: it failed."""
        if "configtxlator" not in self.programs:
            raise ConfigInvalid("Fabric's program configtxlator is not here", next_step="it comes with the others")
        return self._run("configtxlator", arguments, {})

    def _run(self, program: str, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
        try:
            done = subprocess.run(
                [str(self.programs[program]), *arguments],
                env={
                    "PATH": os.environ.get("PATH", ""),
                    "HOME": os.environ.get("HOME", ""),
                    "FABRIC_LOGGING_SPEC": "error",
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=COMMAND_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise LedgerUnavailable(f"{program} {arguments[0]} did not end within {COMMAND_S} s") from error
        # osnadmin ends with status 0 when the orderer refused; the HTTP status stands in what it prints.
        refused = program == "osnadmin" and not done.stdout.startswith(("Status: 200", "Status: 201"))
        if done.returncode != 0 or refused:
            lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise LedgerUnavailable(f"{program} {' '.join(arguments[:2])}: {lines[-1] if lines else 'no output'}")
        return done.stdout


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def network_folder(home: Path, topology: Topology) -> Path:
    """Where the network of this topology stands beside a user's other data."""
    return home / "networks" / f"{topology.channel}-{topology.settings.base_port}"
