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

app = make_app("Bring a Hyperledger Fabric network up and down on this machine.")

TopologyOption = Annotated[
    str, typer.Option("--topology", metavar="NAME", help="raft, bft, or a topology file of your own.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", metavar="DIR", help="Where the network stands; else beside the home.")
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=1024, max=64000, help="First port; nodes count up from it in tens.")
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


@app.command(epilog=examples("veriframe network up", "veriframe network up --topology bft --port 19050"))
def up(
    topology: TopologyOption = "raft",
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
) -> None:
    """Bring the network up, or what of it is down; changes nothing that is there."""
    from cli.acting import now_us

    network = _network(topology, folder, port, home, programs=True)
    network.up(now_us=now_us(), say=remark)
    result("UP", f"channel {network.topology.channel}, {len(network.topology.peers)} organisations")
    remark(f"in {network.root}")


@app.command(epilog=examples("veriframe network down", "veriframe network down --purge"))
def down(
    topology: TopologyOption = "raft",
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    purge: Annotated[bool, typer.Option("--purge", help="Remove ledgers, keys and certificates as well.")] = False,
) -> None:
    """End the network's processes. The ledgers stay for the next `up`, unless purged."""
    network = _network(topology, folder, port, home)
    network.down(purge=purge)
    result("PURGED" if purge else "DOWN", str(network.root))


@app.command(epilog=examples("veriframe network status", "veriframe network status --json"))
def status(
    topology: TopologyOption = "raft",
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show heights, state digests and contract of each organisation, and certificates. Exit code 1: not healthy."""
    from cli.acting import now_us
    from network.status import network_status

    network = _network(topology, folder, port, home, programs=True)
    found = network_status(network, now_us=now_us())
    if as_json:
        members = asdict(found) | {"agreed": found.agreed, "healthy": found.healthy}
        raw(json.dumps(members, indent=2, default=str) + "\n")
    else:
        from rich.table import Table

        table = Table("organisation", "peer", "contract runs", "height", "state digest", "contract", "")
        for each in found.organisations:
            digest = "" if each.state_digest is None else f"{each.state_digest[:16]}… at {each.digest_height}"
            height = "" if each.height is None else str(each.height)
            runs = ["runs" if each.peer_runs else "down", "runs" if each.chaincode_runs else "down"]
            table.add_row(each.msp, *runs, height, digest, each.chaincode_version or "", each.trouble)
        result("HEALTHY" if found.healthy else "UNHEALTHY")
        show(table)
        result(*(f"{name} {'runs' if runs else 'down'}" for name, runs in found.orderers))
        if found.certificates:
            first = found.certificates[0]
            result(f"{len(found.certificates)} certificates; the first ends in {first.days_left} days: {first.subject}")
    if not found.healthy:
        raise typer.Exit(INTERNAL)


@app.command(epilog=examples("veriframe network revoke police nodes/peer-police/signing/certificate.pem"))
def revoke(
    organisation: Annotated[str, typer.Argument(metavar="ORGANISATION", help="Short name, as in the topology.")],
    certificates: Annotated[
        list[Path], typer.Argument(metavar="CERTIFICATE...", help="Certificates that its authority issued (PEM).")
    ],
    topology: TopologyOption = "raft",
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
) -> None:
    """Have peers and orderers let nobody in who holds one of these certificates; what stands on the ledger stays.

    The organisation's revocation list in the channel's configuration is changed, which its own ADMIN signs.
    """
    from cli.acting import now_us
    from network.revocation import read_certificate
    from network.revocation import revoke as put_on_the_list

    network = _network(topology, folder, port, home, programs=True)
    msps = {each.name: each.msp for each in network.topology.settings.organisations}
    if organisation not in msps:
        raise ConfigInvalid(f"the network has no organisation {organisation}", next_step=f"one of {', '.join(msps)}")
    ders = [read_certificate(path) for path in certificates]
    listed = put_on_the_list(network, msps[organisation], ders, now_us=now_us())
    result("REVOKED", f"{listed} on the list of {organisation}")


@app.command(epilog=examples("veriframe network identities", "veriframe network identities --json"))
def identities(
    topology: TopologyOption = "raft",
    folder: FolderOption = None,
    port: PortOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the identities that were made with the network, one of each role."""
    from evidence.certificates import parse_certificate
    from sdk.identities import identity_names

    network = _network(topology, folder, port, home)
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
    topology: str, folder: Path | None, port: int | None, home: Path | None, *, programs: bool = False
) -> Network:
    """The network meant. `programs`: Fabric's are needed, and where to get them is said when they are not there."""
    from network.bring_up import Network, network_folder
    from network.programs import find_programs, require_programs
    from network.topology import lay_out, read_topology

    plan = read_topology(topology)
    if port is not None:
        plan = lay_out(plan.settings.model_copy(update={"base_port": port}))
    found = require_programs(os.environ, Path.home()) if programs else find_programs(os.environ, Path.home())
    root = folder.absolute() if folder is not None else network_folder(home_path(home), plan)
    return Network(topology=plan, root=root, programs=found)
