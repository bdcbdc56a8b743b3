"""`veriframe network`: a Fabric network of four organisations on this machine, as plain processes."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import raw, remark, result, show
from cli.exits import INTERNAL
from cli.options import HomeOption, JsonOption, examples, home_path, make_app
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from network.bring_up import Network

CONTAINERS = "containers"
SHIPPED = ("raft", "bft")

app = make_app("Bring a Hyperledger Fabric network up and down on this machine.")

TopologyOption = Annotated[
    str | None,
    typer.Option(
        "--topology",
        metavar="NAME",
        help="raft, bft, containers (compose.yaml), or a file of your own; else the folder's own, or raft.",
    ),
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="Where the network stands; else beside the home.")
]
OnlyOption = Annotated[
    str | None, typer.Option("--only", metavar="NAME", help="This is the host of this organisation alone.")
]
PortOption = Annotated[
    int | None,
    typer.Option(
        "--port", min=1024, max=64000, help="First port; nodes count up from it in tens. A folder knows its own."
    ),
]


@app.command(epilog=examples("veriframe network install hyperledger-fabric-linux-amd64-3.1.5.tar.gz --sha256 DIGEST"))
def install(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="Fabric's official release archive.")],
    sha256: Annotated[str, typer.Option("--sha256", metavar="DIGEST", help="The digest published with it.")],
) -> None:
    """Unpack Fabric's programs from a release archive into the user's cache."""
    from network.programs import CACHE, install_archive

    target = Path.home() / CACHE
    names = install_archive(archive, sha256, target)
    result("INSTALLED", *names)
    remark(f"into {target}")


@app.command(epilog=examples("veriframe network prepare", "veriframe network prepare --topology containers"))
def prepare(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
) -> None:
    """Make keys, certificates and configuration, and start nothing. `up` does this by itself."""
    from cli.acting import now_us
    from network.compose import ENVIRONMENT_FILE, environment_file
    from network.remembered import remember

    network = _network(topology, folder, port, home, only)
    network.prepare(now_us=now_us())
    if network.elsewhere:
        (network.root / ENVIRONMENT_FILE).write_text(environment_file(network), encoding="ascii")
    else:
        remember(network.root, network.topology)
    result("PREPARED", str(network.root))


@app.command(epilog=examples("veriframe network channel --only control-room --topology hosts.yaml"))
def channel(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
) -> None:
    """Write the channel's first block and the founding document from the public files of all organisations.

    For several hosts; on one machine `up` does this by itself.
    """
    network = _network(topology, folder, port, home, only, programs=True)
    path = network.write_channel()
    result("WRITTEN", str(path))
    remark(f"founding document {network.genesis.digest.hex()}: each organisation compares this before it runs `up`")


@app.command(epilog=examples("veriframe network up", "veriframe network up --topology bft --port 19050"))
def up(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    contract: Annotated[bool, typer.Option("--contract/--no-contract", help="Without it: nodes and channel.")] = True,
) -> None:
    """Bring the network up, or what of it is down; changes nothing that is there."""
    from cli.acting import now_us
    from network.remembered import remember

    network = _network(topology, folder, port, home, only, programs=True)
    if not network.elsewhere:
        remember(network.root, network.topology)
    network.up(now_us=now_us(), say=remark, chaincode=contract)
    result("UP", f"channel {network.topology.channel}, {len(network.topology.peers)} organisations")
    remark(f"in {network.root}")


@app.command(epilog=examples("veriframe network down", "veriframe network down --purge"))
def down(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove ledgers, keys and certificates as well.")] = False,
) -> None:
    """End the network's processes. The ledgers stay for the next `up`, unless purged."""
    network = _network(topology, folder, port, home, only)
    network.down(purge=purge)
    result("PURGED" if purge else "DOWN", str(network.root))


@app.command(epilog=examples("veriframe network status", "veriframe network status --json"))
def status(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show heights, state digests and contract of each organisation, and certificates. Exit code 1: not healthy."""
    from cli.acting import now_us
    from network.status import network_status

    network = _network(topology, folder, port, home, only, programs=True, stands=True)
    found = network_status(network, now_us=now_us())
    if as_json:
        members = asdict(found) | {"agreed": found.agreed, "healthy": found.healthy}
        raw(json.dumps(members, indent=2, default=str) + "\n")
    else:
        from rich.table import Table

        table = Table("organisation", "peer", "contract runs", "height", "state digest", "contract", "package", "")
        for each in found.organisations:
            digest = "" if each.state_digest is None else f"{each.state_digest[:16]}… at {each.digest_height}"
            height = "" if each.height is None else str(each.height)
            words = {True: "runs", False: "down", None: ""}
            runs = [words[each.peer_runs], words[each.chaincode_runs]]
            table.add_row(
                each.msp, *runs, height, digest, each.chaincode_version or "", each.package or "", each.trouble
            )
        result("HEALTHY" if found.healthy else "UNHEALTHY")
        show(table)
        for orderer in found.orderers:
            state = "down" if not orderer.runs else "runs"
            if orderer.runs and orderer.takes_part is False:
                state = "runs, and does not take part in the channel"
            if orderer.height is not None:
                state = f"height {orderer.height}" + (f", {orderer.behind} behind" if orderer.behind else "")
            result(f"{orderer.name}: {state}")
        if found.certificates:
            first = found.certificates[0]
            ends = "has ended" if first.days_left < 0 else f"ends in {first.days_left} days"
            result(f"{len(found.certificates)} certificates; the first {ends}: {first.subject}")
    if not found.healthy:
        raise typer.Exit(INTERNAL)


@app.command(epilog=examples("veriframe network upgrade", "veriframe network upgrade --organisation police"))
def upgrade(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    organisation: Annotated[
        list[str] | None, typer.Option("--organisation", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    definition: Annotated[
        bool, typer.Option("--definition", help="Only approve the definition's next version, with what runs.")
    ] = False,
) -> None:
    """Move organisations, one after the other, to the contract as it is installed now; transactions go on.

    Behind the last one a next version of the definition is committed, which `status` shows. New rules count only once
    the ADMINs of two organisations have called activate_rules.
    """
    network = _network(topology, folder, port, home, only, programs=True, stands=True)
    peers = {peer.organisation: peer for peer in network.own_peers}
    for name in () if definition else organisation or peers:
        if name not in peers:
            raise ConfigInvalid(f"the network has no organisation {name}", next_step=f"one of {', '.join(peers)}")
        result("UPGRADED", f"{name} to {network.contract.replace(peers[name])}")
    if definition or (not organisation and only is None):
        committed = network.contract.advance()
        result("DEFINED" if committed else "APPROVED", f"version {network.contract.sequence()} is in force")


@app.command(epilog=examples("veriframe network renew", "veriframe network renew --within-days 60"))
def renew(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    within_days: Annotated[int, typer.Option(min=1, help="Renew what ends within so many days.")] = 30,
) -> None:
    """Renew certificates over the same keys, and start their nodes anew one by one; transactions go on."""
    from cli.acting import now_us
    from network.renewal import renew as renewed

    network = _network(topology, folder, port, home, only, programs=True, stands=True)
    names = renewed(network, within_days=within_days, now_us=now_us(), say=remark)
    result("RENEWED" if names else "NOTHING DUE", *([", ".join(names)] if names else []))


@app.command(epilog=examples("veriframe network restart"))
def restart(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
) -> None:
    """Start nodes and contract processes anew, one by one, each when the one before has caught up; transactions go on.

    For certificates that came from elsewhere, and for new versions of Fabric's programs.
    """
    from network.renewal import restart_all

    restart_all(_network(topology, folder, port, home, only, programs=True, stands=True), say=remark)
    result("RESTARTED")


@app.command(epilog=examples("veriframe network revoke police nodes/peer-police/signing/certificate.pem"))
def revoke(
    organisation: Annotated[str, typer.Argument(metavar="ORGANISATION", help="Short name, as in the topology.")],
    certificates: Annotated[
        list[Path], typer.Argument(metavar="CERTIFICATE...", help="Certificates that its authority issued (PEM).")
    ],
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
) -> None:
    """Have peers and orderers let nobody in who holds one of these certificates; what stands on the ledger stays.

    The organisation's revocation list in the channel's configuration is changed, which its own ADMIN signs.
    """
    from cli.acting import now_us
    from network.revocation import read_certificate
    from network.revocation import revoke as put_on_the_list

    network = _network(topology, folder, port, home, only, programs=True, stands=True)
    msps = {each.name: each.msp for each in network.topology.settings.organisations}
    if organisation not in msps:
        raise ConfigInvalid(f"the network has no organisation {organisation}", next_step=f"one of {', '.join(msps)}")
    ders = [read_certificate(path) for path in certificates]
    listed = put_on_the_list(network, msps[organisation], ders, now_us=now_us())
    result("REVOKED", f"{listed} on the list of {organisation}")


@app.command(epilog=examples("veriframe network identities", "veriframe network identities --json"))
def identities(
    topology: TopologyOption = None,
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    only: OnlyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the identities that were made with the network, one of each role."""
    from evidence.certificates import parse_certificate
    from sdk.identities import identity_names

    network = _network(topology, folder, port, home, only)
    people = network.material.people
    rows = []
    for name in identity_names(people):
        each = network.material.identity(name)
        places = {k: v for k, v in parse_certificate(each.certificate).attributes.items() if k != "role"}
        rows.append({"name": name, "msp": each.msp, "role": each.role, "belongs_to": places, "key": each.key_id})
    if as_json:
        raw(json.dumps({"folder": str(people), "identities": rows}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("identity", "organisation", "role", "belongs to")
    for row in rows:
        belongs = row["belongs_to"]
        assert isinstance(belongs, dict)
        table.add_row(str(row["name"]), str(row["msp"]), str(row["role"]), ", ".join(belongs.values()))
    result(f"{len(rows)} identities in {people}")
    show(table)


def _network(
    topology: str | None,
    folder: Path | None,
    port: int | None,
    home: Path | None,
    only: str | None = None,
    *,
    programs: bool = False,
    stands: bool = False,
) -> Network:
    """The network meant. `programs`: Fabric's are needed, and where to get them is said when they are not there.
    `stands`: it must have been brought up before.
    """
    from network.bring_up import Network, network_folder
    from network.compose import ROOT, contained
    from network.programs import find_programs, require_programs
    from network.remembered import remembered, same_place
    from network.topology import lay_out, read_topology

    contains = topology == CONTAINERS
    known = None if folder is None or contains else remembered(folder)
    if contains:
        plan = contained(read_topology("raft"))
    elif topology is not None or known is None:
        plan = read_topology(topology or "raft")
    else:
        plan = known
    if port is None and known is not None and topology in SHIPPED:
        port = known.settings.base_port  # these name no place of their own
    if port is not None:
        plan = lay_out(plan.settings.model_copy(update={"base_port": port}))
    if known is not None:
        same_place(known, plan, where=folder)
    found = require_programs(os.environ, Path.home()) if programs else find_programs(os.environ, Path.home())
    names = [each.name for each in plan.settings.organisations]
    if only is not None and only not in names:
        raise ConfigInvalid(f"the network has no organisation {only}", next_step=f"one of {', '.join(names)}")
    root = ROOT if contains else network_folder(home_path(home), plan)
    network = Network(
        topology=plan,
        root=folder.absolute() if folder is not None else root,
        programs=found,
        own=only,
        elsewhere=contains,
    )
    if stands and not (network.root / "organisations").is_dir():
        raise ConfigInvalid(
            "no network stands here",
            where=str(network.root),
            next_step="veriframe network up; or name the --folder or --port with which it was brought up",
        )
    return network
