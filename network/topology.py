"""Which organisations, peers and orderers make up a network, and on which ports they listen.

A topology is a small YAML file; `topologies/` holds the two that come with Veriframe. Ports are counted up from one
base port, so that a second network on the same machine needs one number changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evidence.errors import ConfigInvalid
from sdk.yaml_lines import parse_document

# Ports of one node, counted from the node's own base.
SERVICE, OPERATIONS, CHAINCODE, ADMIN, SHIM, NEXT_CHAINCODE = 0, 1, 2, 3, 4, 5
PORTS_OF_A_NODE = 10


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OrganisationSettings(_Strict):
    """One organisation: its MSP id, a short name for hosts and folders, and how many orderers it runs."""

    msp: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,30}MSP$")
    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")
    orderers: int = Field(default=0, ge=0, le=7)


class TopologySettings(_Strict):
    """The topology file."""

    channel: str = Field(default="evidence", pattern=r"^[a-z][a-z0-9.-]{0,248}$")
    chaincode: str = Field(default="veriframe", pattern=r"^[a-z][a-z0-9_-]{0,62}$")
    consensus: Literal["etcdraft", "BFT"] = "etcdraft"
    # Where others reach a node; `{name}` stands for the node's name.
    host: str = "127.0.0.1"
    # Nodes that stand elsewhere, by name (`peer-police`, `orderer-auditor`, `chaincode-police`): on other machines, or
    # in a network namespace of this one (`Network.enter`).
    hosts: dict[str, str] = Field(default_factory=dict)
    # Where nodes listen, if that is not where others reach them.
    listen: str = ""
    base_port: int = Field(default=17050, ge=1024, le=64000)
    organisations: tuple[OrganisationSettings, ...] = Field(min_length=1, max_length=16)
    endorsement: str
    batch_timeout_ms: int = Field(default=250, ge=10, le=60_000)
    batch_messages: int = Field(default=500, ge=1, le=10_000)
    # How long a gateway waits for one organisation's endorsement before it asks another one instead. A peer that is cut
    # off does not refuse: every submission stands still for this long until the others count it as gone, about 25 s.
    endorsement_timeout: str = Field(default="10s", pattern=r"^[1-9][0-9]{0,3}s$")
    # How far a client's time may lie from a peer's. The contract has no other clock; more is for rehearsals only.
    time_window: str = Field(default="15m", pattern=r"^[1-9][0-9]{0,5}[smh]$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One peer or orderer: `port(SERVICE)` and its siblings; `host` is what its certificate names."""

    kind: Literal["peer", "orderer"]
    name: str
    msp: str
    organisation: str
    host: str
    base: int
    # Where the organisation's contract process is, for peers; where the node listens, if not at `host`.
    contract_host: str = ""
    listen: str = ""

    def port(self, which: int) -> int:
        return self.base + which

    def address(self, which: int = SERVICE) -> str:
        """Where others reach it."""
        return f"{self.host}:{self.port(which)}"

    def listens(self, which: int = SERVICE) -> str:
        return f"{self.listen or self.host}:{self.port(which)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A network laid out: settings, one peer an organisation, and the orderers."""

    settings: TopologySettings
    peers: tuple[Node, ...]
    orderers: tuple[Node, ...]

    @property
    def channel(self) -> str:
        return self.settings.channel

    @property
    def chaincode(self) -> str:
        return self.settings.chaincode

    @property
    def nodes(self) -> tuple[Node, ...]:
        return self.orderers + self.peers

    def peer_of(self, msp: str) -> Node:
        for peer in self.peers:
            if peer.msp == msp:
                return peer
        raise ConfigInvalid(f"the network has no organisation {msp}")


def lay_out(settings: TopologySettings) -> Topology:
    """Give every node its name and ports.

    Raises:
        ConfigInvalid: an organisation twice, no orderer, fewer than four orderers under BFT, or a host for a node that
            is not there.
    """
    organisations = settings.organisations
    if len({each.msp for each in organisations} | {each.name for each in organisations}) != 2 * len(organisations):
        raise ConfigInvalid("the topology names an organisation twice")

    def host(name: str) -> str:
        return settings.hosts.get(name) or settings.host.replace("{name}", name)

    orderers: list[Node] = []
    peers: list[Node] = []
    for number, each in enumerate(organisations):
        whose = {"msp": each.msp, "organisation": each.name, "listen": settings.listen}
        name, contract = f"peer-{each.name}", f"chaincode-{each.name}"
        # A contract process stands beside its peer unless it is given a place of its own.
        beside = contract not in settings.hosts and (name in settings.hosts or "{name}" not in settings.host)
        peers.append(
            Node(
                kind="peer",
                name=name,
                host=host(name),
                contract_host=host(name if beside else contract),
                base=settings.base_port + number * PORTS_OF_A_NODE,
                **whose,
            )
        )
        for own in range(each.orderers):
            place = settings.base_port + (len(organisations) + len(orderers)) * PORTS_OF_A_NODE
            name = f"orderer-{each.name}" + (f"-{own}" if each.orderers > 1 else "")
            orderers.append(Node(kind="orderer", name=name, host=host(name), base=place, **whose))
    needed = 4 if settings.consensus == "BFT" else 1
    if len(orderers) < needed:
        raise ConfigInvalid(f"{settings.consensus} needs at least {needed} orderers, the topology has {len(orderers)}")
    known = {node.name for node in (*peers, *orderers)} | {f"chaincode-{each.name}" for each in organisations}
    unknown = settings.hosts.keys() - known
    if unknown:
        raise ConfigInvalid(f"the topology gives a host to {min(unknown)}, and there is no such node")
    return Topology(settings=settings, peers=tuple(peers), orderers=tuple(orderers))


def parse_topology(text: str, where: str = "topology") -> Topology:
    """Read a topology file. Raises ConfigInvalid, naming the member."""
    document = parse_document(text.encode("utf-8"), "the topology")
    for line, cause, fix in document.problems[:1]:
        raise ConfigInvalid(cause, where=f"{where}:{line}" if line else where, next_step=fix)
    try:
        return lay_out(TopologySettings.model_validate(document.value))
    except ValidationError as error:
        first = error.errors()[0]
        member = ".".join(str(part) for part in first["loc"]) or "topology"
        raise ConfigInvalid(f"{member}: {first['msg']}", where=where) from error


def read_topology(name: str) -> Topology:
    """The topology in the file `name`, or the shipped one of that name (`raft`, `bft`)."""
    shipped = Path(__file__).parent / "topologies" / f"{name}.yaml"
    path = shipped if shipped.is_file() else Path(name)
    try:
        return parse_topology(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigInvalid(
            "the topology cannot be read", where=str(path), next_step="name raft, bft or a file"
        ) from error
