"""Record what real peers and our chaincode server say to each other, for tests on machines without Fabric.

    python -m tests.fabric.record_streams [BASE_PORT]

Run by hand, where Fabric's programs are found. Brings up a network of its own, in which two organisations' contract
processes are this program, plays the cases below on it, and writes recorded/streams anew: for each case the messages of
its one transaction, behind those that opened the stream, and beside it what the peer signed (`.endorsed`, a serialized
`protos.ProposalResponsePayload`; a refused transaction has none). Nothing recorded is committed anywhere else.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.peer import transaction_pb2

from chaincode.anchors import open_batch
from chaincode.dispatch import invoke
from chaincode.fabric import OPTIONS, Contract, Functions
from evidence.errors import VeriframeError
from network.bring_up import Network
from network.founding import profile_file
from network.topology import Node
from sdk.fabric_profile import read_profile
from sdk.fabric_proposal import Proposal, Transaction
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import Identity
from tests.fabric import key_values
from tests.fabric.conftest import network_of_the_cast, now_us
from tests.fabric.lifecycle import define, install
from tests.fabric.parties import free_address
from tests.fabric.streams import FROM_CHAINCODE, FROM_PEER, SHIM, Said, kinds, write_stream
from tests.hosts.cast import members, the_cast

RECORDED = Path(__file__).parent / "recorded" / "streams"
NEWER, OLDER = "ControlRoomMSP", "PoliceMSP"
SETTLE_S = 30

KEY_VALUE_CASES: dict[str, tuple[bytes, ...]] = {
    "get": (b"get", b"row/0007"),
    "get-absent": (b"get", b"row/9999"),
    "get-several": (b"get", b"row/0207", b"row/0001", b"row/0100"),
    "range": (b"range", b"row/0010", b"row/0030"),
    "range-in-batches": (b"range", b"row/", b"row0"),
    "range-left-early": (b"first", b"row/", b"row0", b"3"),
    "range-empty": (b"range", b"nothing/", b"nothing0"),
    "writes": (b"put", b"z/1", b"\x00\xff", b"a/1", b"2", b"row/0001", b"3"),
    "deletes": (b"delete", b"row/0249", b"never/1"),
    "event": (b"tell", b"said", '{"text":"grüße"}'.encode(), b"said/1"),
    "refusal": (b"refuse", b"409"),
    "defect": (b"no_such_function",),
}


class Recorder:
    """Our chaincode server with an ear on the wire.

    Args:
        tls: certificate, key and the peers' authority.
    """

    def __init__(self, address: str, package_id: str, functions: Functions, tls: tuple[Path, Path, Path]) -> None:
        self._contract = Contract(package_id, functions=functions)
        self._said: list[Said] = []
        self._lock = threading.Lock()
        # Without a (de)serializer, so that the bytes of the wire are seen.
        connect = grpc.stream_stream_rpc_method_handler(self._connect)
        self._server = grpc.server(futures.ThreadPoolExecutor(8), options=OPTIONS)
        handler = grpc.method_handlers_generic_handler("protos.Chaincode", {"Connect": connect})
        self._server.add_generic_rpc_handlers((handler,))
        certificate, key, root = (path.read_bytes() for path in tls)
        credentials = grpc.ssl_server_credentials([(key, certificate)], root, require_client_auth=True)
        self._server.add_secure_port(address, credentials)
        self._server.start()

    def close(self) -> None:
        self._contract.end(1)
        self._server.stop(grace=1).wait()

    def of(self, tx_id: str) -> list[Said]:
        """What was said of one transaction, behind what opened the newest stream."""
        with self._lock:
            opened: list[Said] = []
            found: list[Said] = []
            for side, data in self._said:
                message = SHIM.FromString(data)
                if message.type == SHIM.REGISTER:
                    opened = []
                if message.txid == tx_id:
                    found.append((side, data))
                elif not message.txid:
                    opened.append((side, data))
        return opened + found

    def _connect(self, incoming: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        for message in self._contract.Connect(self._heard(incoming), context):
            data = message.SerializeToString()
            self._note(FROM_CHAINCODE, data)
            yield data

    def _heard(self, incoming: Iterator[bytes]) -> Iterator[Any]:
        for data in incoming:
            self._note(FROM_PEER, data)
            yield SHIM.FromString(data)

    def _note(self, side: str, data: bytes) -> None:
        with self._lock:
            self._said.append((side, data))


class Stage:
    """The network, two definitions on it, and a recorder for each organisation and definition."""

    def __init__(self, network: Network, folder: Path, open_until_end: contextlib.ExitStack) -> None:
        self._network = network
        self._open = open_until_end
        self._gateways: dict[tuple[str, bytes], BlockingGateway] = {}
        self.recorders: dict[tuple[str, str], Recorder] = {}
        for name, functions, probe in (
            ("keyvalues", key_values.invoke, (b"range", b"a", b"b")),
            ("contract", invoke, None),
        ):
            ids = {}
            for msp in (NEWER, OLDER):
                address, peer = free_address(), network.topology.peer_of(msp)
                ids[msp] = install(network, msp, f"{name}_{msp.lower()}", address, folder)
                own = network.material.node(peer) / "tls"
                tls = (own / "certificate.pem", own / "key.pem", network.material.tls_root(peer.organisation))
                self.recorders[name, msp] = Recorder(address, ids[msp], functions, tls)
                open_until_end.callback(self.recorders[name, msp].close)
            define(network, [name], package_ids=ids, probe=probe)

    def gateway(self, name: str, who: Identity) -> BlockingGateway:
        known = (name, who.certificate)
        if known not in self._gateways:
            profile = read_profile(profile_file(self._network.root, "control-room")).model_copy(
                update={"chaincode": name}
            )
            self._gateways[known] = self._open.enter_context(BlockingGateway(profile, who, clock=now_us))
        return self._gateways[known]

    def commit(self, name: str, who: Identity, function: str, *arguments: bytes, record: str | None = None) -> None:
        """Have it endorsed and committed on both organisations' peers."""
        gateway = self.gateway(name, who)
        proposal = gateway.propose(function, *arguments, organisations=[NEWER])
        transaction = gateway.endorse(proposal)
        if record is not None:
            self._keep(record, proposal, transaction, name, NEWER)
        block = gateway.commit_status(gateway.send(transaction))
        deadline = time.monotonic() + SETTLE_S
        while any(self._height(gateway, msp) <= block for msp in (NEWER, OLDER)):
            assert time.monotonic() < deadline, "a peer stays behind"
            time.sleep(0.05)

    def record(self, where: str, name: str, msp: str, who: Identity, function: str, *arguments: bytes) -> None:
        """Have it endorsed by one organisation, and never send it."""
        gateway = self.gateway(name, who)
        proposal = gateway.propose(function, *arguments, organisations=[msp])
        transaction = None
        # A refusal, or a defect of the functions: both are cases.
        with contextlib.suppress(VeriframeError):
            transaction = gateway.endorse(proposal)
        self._keep(where, proposal, transaction, name, msp)

    def _keep(self, where: str, proposal: Proposal, transaction: Transaction | None, name: str, msp: str) -> None:
        path = RECORDED / f"{where}.stream"
        path.parent.mkdir(parents=True, exist_ok=True)
        said = self.recorders[name, msp].of(proposal.tx_id)
        write_stream(path, said)
        if transaction is not None:
            payload = common_pb2.Payload.FromString(transaction.message)
            action = transaction_pb2.Transaction.FromString(payload.data).actions[0]
            endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
            path.with_suffix(".endorsed").write_bytes(endorsed.proposal_response_payload)
        sys.stdout.write(f"{where}: {' '.join(kinds(said))}\n")

    def _height(self, gateway: BlockingGateway, msp: str) -> int:
        channel = self._network.topology.channel.encode()
        found = gateway.evaluate("GetChainInfo", channel, chaincode="qscc", organisations=[msp])
        return int(ledger_pb2.BlockchainInfo.FromString(found).height)


def become_older(network: Network, peer: Node) -> None:
    """Restart a peer so that it offers in READY nothing that came with version 3.1."""
    path = network._configuration(peer) / "core.yaml"
    core = json.loads(path.read_text(encoding="utf-8"))
    core["chaincode"]["runtimeParams"] |= {"useWriteBatch": False, "useGetMultipleKeys": False}
    network.processes.stop(peer.name)
    path.write_text(json.dumps(core), encoding="utf-8")
    network.start_node(peer)
    network.start_nodes()  # waits for its port


def play(stage: Stage) -> None:
    cast = the_cast()
    operator = cast["operator"]
    stage.commit("keyvalues", operator, "fill", b"row", b"250")
    for case, (function, *arguments) in KEY_VALUE_CASES.items():
        for msp, folder in ((NEWER, "key-values"), (OLDER, "key-values-older-peer")):
            stage.record(f"{folder}/{case}", "keyvalues", msp, operator, function.decode(), *arguments)
    # Numbered, and without a gap: what each finds in the state is what those before it wrote.
    stage.commit("contract", cast.admin(), "init", cast.genesis.canonical(), record="contract/1-init")
    for number, name in enumerate(("manager", "operator", "recorder"), 2):
        argument = members(**cast.registration(name))
        record = f"contract/{number}-register-{name}"
        stage.commit("contract", cast.admin(), "register_participant", argument, record=record)
    argument = members(**cast.camera("gate-1"))
    stage.commit("contract", operator, "propose_camera", argument, record="contract/5-propose-camera")
    approval = members(camera="gate-1")
    stage.record("contract/6-refusal", "contract", NEWER, operator, "approve_camera", approval)
    stage.commit("contract", cast["manager"], "approve_camera", approval, record="contract/7-approve-camera")
    stage.record("contract/8-get-camera", "contract", NEWER, operator, "get_camera", approval)
    batch = open_batch(cast.blocks(0, 1))
    stage.commit("contract", cast["recorder"], "anchor", batch, record="contract/9-anchor")


def main(base_port: int) -> None:
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        network = network_of_the_cast(
            Path(folder) / "network",
            base_port=base_port,
            endorsement=f"OR('{NEWER}.peer', '{OLDER}.peer')",
        )
        stack.callback(lambda: network.down(purge=True))
        network.up(now_us=now_us())
        become_older(network, network.topology.peer_of(OLDER))
        stage = Stage(network, Path(folder), stack)
        for old in (*RECORDED.rglob("*.stream"), *RECORDED.rglob("*.endorsed")):
            old.unlink()
        play(stage)
        said = network.peer(network.topology.peers[0], ["version"]).split()
        versions = {
            "peer": said[said.index("Version:") + 1],
            "hyperledger-fabric-protos": importlib.metadata.version("hyperledger-fabric-protos"),
            "grpcio": importlib.metadata.version("grpcio"),
        }
        (RECORDED / "versions.json").write_text(json.dumps(versions, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 33000)
