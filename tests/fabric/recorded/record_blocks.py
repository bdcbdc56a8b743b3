"""Plays a short life of both networks and keeps what they wrote: blocks, endorsed reads, and what the programs say.

Run by hand, where Fabric's programs are: python -m tests.fabric.recorded.record_blocks [BASE_PORT]
Without a port nothing is recorded, and the programs are asked anew about what is there.
Everything recorded is made by our own networks with certificates made for the purpose; their keys are not kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2, configtx_pb2, ledger_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.orderer import configuration_pb2

from chaincode.anchors import open_batch
from evidence.blocks import slot_key
from evidence.errors import CommitInvalid, EndorseFailed
from evidence.proof_ranges import request, whole_range
from network.bring_up import Network
from network.founding import profile_file
from network.programs import find_programs
from network.topology import lay_out, read_topology
from sdk.authority import save_authority
from sdk.fabric_profile import Profile, read_profile
from sdk.gateway import Gateway
from sdk.identities import Identity
from tests.fabric import oracles
from tests.fabric.stage import FabricStage, profiles_of
from tests.hosts.cast import CHAIN, NOW_US, members, the_cast
from tests.hosts.stage import Stage

HERE = Path(__file__).parent / "blocks"
THREE = ("ControlRoomMSP", "PoliceMSP", "AuditorMSP")
SLOTS = 53
REVOKED = "officer"


def main(base_port: int | None) -> None:
    programs = find_programs(os.environ, Path.home())
    if base_port is not None:
        record(programs, base_port)
    translator = programs["configtxlator"]
    said = subprocess.run([str(programs["peer"]), "version"], capture_output=True, text=True, check=True).stdout
    facts = {
        "fabric": next(line.partition(":")[2].strip() for line in said.splitlines() if "Version:" in line),
        "messages": {name: each for folder in ("raft", "bft") for name, each in asked(translator, folder).items()},
        "damaged": {name: damaged(translator, (HERE / name).read_bytes()) for name in oracles.DAMAGED},
    }
    (HERE / "facts.json").write_text(_lines(facts))


def record(programs: Mapping[str, Path], base_port: int) -> None:
    HERE.mkdir(exist_ok=True)
    for old in HERE.glob("*/*"):
        old.unlink()
    for number, name in enumerate(("raft", "bft")):
        settings = read_topology(name).settings
        values = {"base_port": base_port + 200 * number, "batch_timeout_ms": 500, "time_window": "87600h"}
        topology = lay_out(settings.model_validate({**settings.model_dump(), **values}))
        with tempfile.TemporaryDirectory() as folder:
            network = Network(topology=topology, root=Path(folder) / "net", programs=programs, founded=False)
            for each in topology.settings.organisations:
                save_authority(the_cast().authorities[each.msp], network.material.organisation(each.name) / "ca")
            (HERE / name).mkdir(exist_ok=True)
            try:
                network.up(now_us=time.time_ns() // 1000)
                play(network, HERE / name)
            finally:
                network.down(purge=True)


def _lines(value: oracles.Facts) -> str:
    """JSON with a line for each recorded message."""
    parts = [f' "fabric": {json.dumps(value["fabric"])}']
    for name in ("messages", "damaged"):
        rows = [f"  {json.dumps(key)}: {json.dumps(each, sort_keys=True)}" for key, each in value[name].items()]
        parts.append(f' "{name}": {{\n' + ",\n".join(rows) + "\n }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def damaged(program: Path, data: bytes) -> list[str | None]:
    """configtxlator's answer to each flip of a block, as a digest; None where it cannot decode it or read the facts."""
    found: list[str | None] = []
    for number in range(oracles.FLIPS):
        try:
            facts = oracles.facts_of_decoded_block(
                oracles.decoded(program, "common.Block", oracles.flipped(data, number))
            )
        except (KeyError, TypeError, ValueError):
            found.append(None)
        else:
            found.append(oracles.digest_of(facts))
    return found


def asked(program: Path, folder: str) -> dict[str, oracles.Facts]:
    """configtxlator's answer to every recorded message."""
    found = {}
    for path in sorted((HERE / folder).iterdir()):
        name = f"{folder}/{path.name}"
        if path.suffix == ".block":
            found[name] = oracles.facts_of_decoded_block(oracles.decoded(program, "common.Block", path.read_bytes()))
        else:
            payload = oracles.decoded(program, "common.Payload", path.read_bytes())
            found[name] = oracles.facts_of_decoded_transaction(payload)
    return found


def play(network: Network, folder: Path) -> None:
    cast = the_cast()
    short = network.topology.settings.consensus == "BFT"
    profile = read_profile(profile_file(network.root, "control-room"))
    asyncio.run(_endorsable(profile))
    host = FabricStage(profiles_of(network), "veriframe", cast)
    stage = Stage(host, cast)
    try:
        stage.registers("manager", "operator", "recorder")
        stage.enrols("gate-1")
        stage.anchors(cast.blocks(0, 1, 2))
        if not short:
            stage.anchors(cast.blocks(*range(3, SLOTS)))
        asyncio.run(_reads(profile, folder, short=short))
        asyncio.run(_rivals(profile, 3 if short else SLOTS))
        _reconfigure(network)
        stage.anchors(cast.blocks(4 if short else SLOTS + 1))
        blocks = asyncio.run(all_blocks(profile, cast.admin()))
        newest = len(blocks) - 1
        # Large ones of which another is kept are left out: the many slots, and one network's configurations each.
        kept = range(newest - 3, newest + 1) if short else [*range(newest - 3), newest - 2, newest]
        for number in kept:
            (folder / f"{number:02d}.block").write_bytes(blocks[number])
        peer = network.topology.peers[0]
        channel = ["-c", network.topology.channel, *network.orderer_arguments(peer)]
        network.peer(peer, ["channel", "fetch", str(newest), str(folder / f"ordered-{newest}.block"), *channel])
    finally:
        host.close()


def gateway_of(profile: Profile, identity: Identity) -> Gateway:
    return Gateway(profile, identity, clock=lambda: NOW_US)


async def all_blocks(profile: Profile, identity: Identity) -> list[bytes]:
    """Every block of the gateway's peer, serialized, as it hands them out."""
    channel, own = profile.channel.encode("utf-8"), [profile.msp]
    async with gateway_of(profile, identity) as gateway:
        info = await gateway.evaluate("GetChainInfo", channel, chaincode="qscc", organisations=own)
        return [
            await gateway.evaluate(
                "GetBlockByNumber", channel, str(number).encode(), chaincode="qscc", organisations=own
            )
            for number in range(ledger_pb2.BlockchainInfo.FromString(info).height)
        ]


async def _endorsable(profile: Profile) -> None:
    async with gateway_of(profile, the_cast().admin()) as gateway:
        for _ in range(60):
            try:
                await gateway.endorse(gateway.propose("init", the_cast().genesis.canonical()))
                return
            except EndorseFailed:
                await asyncio.sleep(0.5)


async def _reads(profile: Profile, folder: Path, *, short: bool) -> None:
    def slot(number: int) -> str:
        return slot_key("gate-1", CHAIN, number)

    async def read(name: str, ranges: Sequence[tuple[str, str]], organisations: Sequence[str] = THREE) -> None:
        proposal = gateway.propose("read_proof", request(ranges), organisations=organisations)
        (folder / f"{name}.payload").write_bytes((await gateway.endorse(proposal)).message)

    async with gateway_of(profile, the_cast()["manager"]) as gateway:
        await read("slots", [(slot(0), slot(3)), whole_range("chain", "gate-1")])
        if short:
            return
        registry = [whole_range(kind, *["gate-1"] * (kind in ("camera", "change", "revocation"))) for kind in KINDS]
        await read("registry", registry)
        await read("alone", [(slot(0), slot(2))], ["ControlRoomMSP"])
        await read("summary", [(slot(0), slot(51))])
        other = gateway.propose("get_camera", members(camera="gate-1"), organisations=THREE)
        (folder / "another-question.payload").write_bytes((await gateway.endorse(other)).message)


KINDS = ("genesis", "camera", "participant", "policy", "delegation", "pending/replace-admin", "revocation", "change")


async def _rivals(profile: Profile, sequence: int) -> None:
    """Two blocks for one slot, endorsed before either is sent: both stand in one block of the ledger."""
    cast = the_cast()
    both = [cast.block(sequence), cast.block(sequence, record=bytes(32))]
    async with gateway_of(profile, cast["recorder"]) as gateway:
        endorsed = [
            await gateway.endorse(gateway.propose("anchor", open_batch([cast.signed(each)]), organisations=THREE))
            for each in both
        ]
        for each in endorsed:
            await gateway.send(each)
        for each in endorsed:
            try:
                await gateway.commit_status(gateway.commit_request(each.tx_id))
            except CommitInvalid:
                continue  # the one that lost


def _reconfigure(network: Network) -> None:
    """A configuration with another batch timeout and a revocation list, signed by the admins of all organisations."""
    topology, peers = network.topology, network.topology.peers
    folder = network.root / "update"
    folder.mkdir()
    orderer = network.orderer_arguments(peers[0])
    network.peer(peers[0], ["channel", "fetch", "config", str(folder / "block"), "-c", topology.channel, *orderer])
    envelope = common_pb2.Envelope.FromString(common_pb2.Block.FromString((folder / "block").read_bytes()).data.data[0])
    config = configtx_pb2.ConfigEnvelope.FromString(common_pb2.Payload.FromString(envelope.payload).data).config
    (folder / "before").write_bytes(config.SerializeToString())
    timeout = config.channel_group.groups["Orderer"].values["BatchTimeout"]
    timeout.value = configuration_pb2.BatchTimeout(timeout="400ms").SerializeToString()
    revoked = _revocation_list(the_cast()[REVOKED])  # one for both sections: signatures differ each time
    for section in ("Orderer", "Application"):
        for organisation in config.channel_group.groups[section].groups.values():
            value = organisation.values["MSP"]
            outer = msp_config_pb2.MSPConfig.FromString(value.value)
            inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
            if inner.name == "PoliceMSP":
                inner.revocation_list.append(revoked)
                outer.config = inner.SerializeToString()
                value.value = outer.SerializeToString()
    (folder / "after").write_bytes(config.SerializeToString())
    files = [
        "--original",
        str(folder / "before"),
        "--updated",
        str(folder / "after"),
        "--output",
        str(folder / "update"),
    ]
    program = str(network.programs["configtxlator"])
    subprocess.run([program, "compute_update", "--channel_id", topology.channel, *files], check=True)
    update = configtx_pb2.ConfigUpdateEnvelope(config_update=(folder / "update").read_bytes())
    header = common_pb2.Header(
        channel_header=common_pb2.ChannelHeader(
            type=common_pb2.CONFIG_UPDATE, channel_id=topology.channel
        ).SerializeToString()
    )
    payload = common_pb2.Payload(header=header, data=update.SerializeToString()).SerializeToString()
    (folder / "envelope").write_bytes(common_pb2.Envelope(payload=payload).SerializeToString())
    for peer in peers[1:]:
        network.peer(peer, ["channel", "signconfigtx", "-f", str(folder / "envelope")])
    network.peer(peers[0], ["channel", "update", "-f", str(folder / "envelope"), "-c", topology.channel, *orderer])
    time.sleep(3)  # until every peer and orderer has taken it


def _revocation_list(identity: Identity) -> bytes:
    authority = the_cast().authorities[identity.msp]
    certificate = x509.load_der_x509_certificate(identity.certificate)
    moment = datetime.fromtimestamp(NOW_US // 1_000_000, UTC)
    revoked = x509.RevokedCertificateBuilder(serial_number=certificate.serial_number, revocation_date=moment).build()
    key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.certificate.public_key())  # type: ignore[arg-type]
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(moment)
        .next_update(moment + timedelta(days=3650))
        .add_extension(key_id, critical=False)
        .add_revoked_certificate(revoked)
    )
    return builder.sign(authority._key, hashes.SHA256()).public_bytes(Encoding.PEM)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
