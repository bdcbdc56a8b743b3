"""Our chaincode server and the double, held against what real peers said: tests/fabric/recorded/streams.

The real peer's side is played to our server, which must answer every byte as it did then. The double's peer, given the
same transaction on the same state, must say and endorse what the real one did. And the contract must come to the same
results on it, whichever way it asks for what it reads.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.peer import chaincode_event_pb2, chaincode_pb2, proposal_pb2, proposal_response_pb2

from chaincode import dispatch
from chaincode.fabric import Contract, Functions
from chaincode.world import World
from tests.fabric import key_values
from tests.fabric.double.endorsing import action_of
from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.peer import DoublePeer, Simulation
from tests.fabric.double.stand import served
from tests.fabric.streams import (
    FROM_CHAINCODE,
    FROM_PEER,
    SHIM,
    Said,
    kinds,
    read_stream,
    replay,
    state_of,
    with_plain_ids,
)

RECORDED = Path(__file__).parent / "recorded" / "streams"
STREAMS = sorted(path.relative_to(RECORDED).as_posix() for path in RECORDED.rglob("*.stream"))
OF_THE_CONTRACT = [name for name in STREAMS if name.startswith("contract/")]
OF_KEY_VALUES = [name for name in STREAMS if name not in OF_THE_CONTRACT]
FUNCTIONS: dict[str, Functions] = {
    "key-values": key_values.invoke,
    "key-values-older-peer": key_values.invoke,
    "contract": dispatch.invoke,
}


def package_of(said: Sequence[Said]) -> str:
    return str(chaincode_pb2.ChaincodeID.FromString(SHIM.FromString(said[0][1]).payload).name)


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[tuple[str, str], str]]:
    """Addresses of our server, by recorded folder and package id."""
    started: list[tuple[grpc.Server, Contract]] = []
    addresses = {}
    for folder, functions in FUNCTIONS.items():
        for package in {package_of(read_stream(RECORDED / name)) for name in STREAMS if name.startswith(f"{folder}/")}:
            contract = Contract(package, functions=functions)
            server, addresses[folder, package] = served(contract)
            started.append((server, contract))
    yield addresses
    for server, contract in started:
        contract.end(1)
        server.stop(grace=1).wait()


def address(name: str, said: Sequence[Said], servers: dict[tuple[str, str], str]) -> str:
    return servers[name.partition("/")[0], package_of(said)]


@pytest.mark.parametrize("name", OF_KEY_VALUES)
def test_our_server_answers_a_real_peer_as_it_did(name: str, servers: dict[tuple[str, str], str]) -> None:
    said = read_stream(RECORDED / name)
    found = replay(address(name, said, servers), said)
    assert found == said, f"said {kinds(found)[-1]} in place of {kinds(said)[len(found) - 1]}"


def test_another_answer_would_be_seen() -> None:
    def lie(world: World, function: str, arguments: Sequence[bytes]) -> bytes:
        return b"row/0007=value 8\n" if world.get("row/0007") else b""

    said = read_stream(RECORDED / "key-values/get.stream")
    server, at = served(Contract(package_of(said), functions=lie))
    try:
        found = replay(at, said)
        assert found[:-1] == said[: len(found) - 1]
        assert found != said
    finally:
        server.stop(grace=0).wait()


class Listened(DoublePeer):
    """The double's peer, with everything that it and the chaincode said."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.said: list[tuple[str, Any]] = []
        super().__init__(*arguments, **options)

    def _outgoing(self) -> Iterator[Any]:
        for message in super()._outgoing():
            self.said.append((FROM_PEER, message.SerializeToString()))
            yield message

    def _take(self, message: Any) -> None:
        self.said.append((FROM_CHAINCODE, message.SerializeToString()))
        super()._take(message)


@pytest.mark.parametrize("name", OF_KEY_VALUES)
def test_the_double_says_and_endorses_what_a_real_peer_did(name: str, servers: dict[tuple[str, str], str]) -> None:
    said = read_stream(RECORDED / name)
    transaction = transaction_in(said)
    chaincode = chaincode_of(transaction)
    endorsed = endorsed_of(name, chaincode)
    ledger, state = DoubleLedger(), state_of(said)
    if endorsed is not None:
        # Where a range was left early the peer had read one entry further than it showed.
        state |= {each.end_key: b"unseen" for each in endorsed[1].range_queries_info if not each.itr_exhausted}
    # All entries were written by one transaction: a single read of one tells the version behind the hashes of many.
    (read,) = space_of_endorsed("key-values/get.stream", chaincode).reads
    for key, value in state.items():
        ledger.set(key, value, (read.version.block_num, read.version.tx_num))
    peer, answer, simulation = run(said, address(name, said, servers), ledger)
    assert kinds(peer.said) == kinds(said)
    assert with_plain_ids(peer.said) == with_plain_ids(said)
    if endorsed is None:
        assert answer.type == SHIM.ERROR or proposal_response_pb2.Response.FromString(answer.payload).status >= 400
        return
    action, reads_and_writes = endorsed
    ours = proposal_pb2.ChaincodeAction.FromString(action_of(answer, simulation, chaincode, transaction.txid))
    assert ours.response == action.response
    assert chaincode_event_pb2.ChaincodeEvent.FromString(ours.events) == chaincode_event_pb2.ChaincodeEvent.FromString(
        action.events
    )
    assert space_of(ours.results, chaincode) == reads_and_writes


@pytest.mark.parametrize("name", OF_THE_CONTRACT)
def test_the_contract_comes_to_the_same_results(name: str, servers: dict[tuple[str, str], str]) -> None:
    said = read_stream(RECORDED / name)
    chaincode = chaincode_of(transaction_in(said))
    ledger = DoubleLedger()
    for before in OF_THE_CONTRACT[: OF_THE_CONTRACT.index(name)]:
        for write in (endorsed_of(before, chaincode) or (None, kv_rwset_pb2.KVRWSet()))[1].writes:
            ledger.set(write.key, write.value)
    _, answer, simulation = run(said, address(name, said, servers), ledger)
    hint = "Is that meant? Then record anew: python -m tests.fabric.record_streams"
    last = SHIM.FromString(said[-1][1])
    assert (answer.type, answer.payload, answer.chaincode_event) == (last.type, last.payload, last.chaincode_event), (
        hint
    )
    endorsed = endorsed_of(name, chaincode)
    written = {} if endorsed is None else {write.key: write.value for write in endorsed[1].writes}
    assert simulation.writes == written, hint


def transaction_in(said: Sequence[Said]) -> Any:
    return next(each for each in (SHIM.FromString(data) for _, data in said) if each.type == SHIM.TRANSACTION)


def run(said: Sequence[Said], at: str, ledger: DoubleLedger) -> tuple[Listened, Any, Simulation]:
    """The recorded transaction on the double's peer: the peer, the chaincode's last word, what it read and wrote."""
    transaction = transaction_in(said)
    peer = Listened(
        at,
        ledger,
        package_id=package_of(said),
        chaincode=chaincode_of(transaction),
        ready=next(each.payload for each in (SHIM.FromString(data) for _, data in said) if each.type == SHIM.READY),
    )
    try:
        arguments = list(chaincode_pb2.ChaincodeInput.FromString(transaction.payload).args)
        answer, simulation = peer.run(transaction.channel_id, transaction.txid, arguments, transaction.proposal)
    finally:
        peer.close()
    return peer, answer, simulation


def chaincode_of(transaction: Any) -> str:
    proposal = proposal_pb2.Proposal.FromString(transaction.proposal.proposal_bytes)
    header = common_pb2.ChannelHeader.FromString(common_pb2.Header.FromString(proposal.header).channel_header)
    return str(proposal_pb2.ChaincodeHeaderExtension.FromString(header.extension).chaincode_id.name)


def endorsed_of(name: str, chaincode: str) -> tuple[Any, Any] | None:
    """The recorded ChaincodeAction, and what it says was read and written under the chaincode's own name."""
    path = (RECORDED / name).with_suffix(".endorsed")
    if not path.exists():
        return None
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(path.read_bytes())
    action = proposal_pb2.ChaincodeAction.FromString(payload.extension)
    return action, space_of(action.results, chaincode)


def space_of(results: bytes, chaincode: str) -> Any:
    # A real peer also reads the chaincode's definition, under the name _lifecycle.
    spaces = {each.namespace: each.rwset for each in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset}
    return kv_rwset_pb2.KVRWSet.FromString(spaces.get(chaincode, b""))


def space_of_endorsed(name: str, chaincode: str) -> Any:
    endorsed = endorsed_of(name, chaincode)
    assert endorsed is not None
    return endorsed[1]


def test_what_is_recorded_shows_every_kind_of_conversation() -> None:
    shown: dict[str, set[str]] = {folder: set() for folder in FUNCTIONS}
    batches = {}
    for name in STREAMS:
        said = read_stream(RECORDED / name)
        shown[name.partition("/")[0]] |= set(kinds(said))
        batches[name] = kinds(said).count("<QUERY_STATE_NEXT")
    opening = {"<REGISTER", ">REGISTERED", ">READY", ">TRANSACTION", ">RESPONSE", "<COMPLETED"}
    ranges = {"<GET_STATE_BY_RANGE", "<QUERY_STATE_NEXT", "<QUERY_STATE_CLOSE"}
    newer, older = {"<GET_STATE_MULTIPLE", "<WRITE_BATCH_STATE"}, {"<PUT_STATE", "<DEL_STATE"}
    assert shown["key-values"] == opening | ranges | newer | {"<GET_STATE", "<ERROR"}
    assert shown["key-values-older-peer"] == opening | ranges | older | {"<GET_STATE", "<ERROR"}
    assert shown["contract"] >= opening | {"<WRITE_BATCH_STATE"}
    assert len(OF_THE_CONTRACT) == 9
    assert batches["key-values/range-in-batches.stream"] == 2


def test_recordings_are_small_and_say_what_made_them() -> None:
    files = [path for path in RECORDED.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 300_000
    versions = json.loads((RECORDED / "versions.json").read_text(encoding="utf-8"))
    assert versions.keys() == {"peer", "hyperledger-fabric-protos", "grpcio"}
