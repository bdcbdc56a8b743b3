"""Hyperledger's own Node chaincode shim and ours endorse the same transactions, byte for byte.

On the double both stand on the same state and what a peer would sign is compared. On the real network one organisation
runs ours and the other Hyperledger's under one definition whose rule needs both, so that whatever they do not agree
about is never committed.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2, ledger_pb2
from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_event_pb2, proposal_pb2, proposal_response_pb2, transaction_pb2

from chaincode.fabric import Contract
from evidence.errors import LedgerUnavailable, Refused, VeriframeError
from network.bring_up import Network
from network.founding import profile_file
from sdk.fabric_profile import Deadlines, GatewayAddress, Profile, read_profile
from sdk.fabric_proposal import Transaction, build_proposal, creator_of
from sdk.gateway_blocking import BlockingGateway
from tests.fabric.conftest import now_us
from tests.fabric.double.endorsing import action_of
from tests.fabric.double.gateway import DoubleGateway
from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.peer import READY_OF_3_1, SHIM, DoublePeer
from tests.fabric.double.stand import served
from tests.fabric.key_values import FUNCTIONS, invoke
from tests.fabric.lifecycle import define, install
from tests.fabric.parties import free_address, node_contract
from tests.hosts.cast import Cast, the_cast

REPOSITORY = Path(__file__).resolve().parents[2]
CHAINCODE = "keyvalues"
PACKAGE = "keyvalues_1:00"
SETTLE_S = 20
OURS, THEIRS = "ControlRoomMSP", "PoliceMSP"
BOTH = (OURS, THEIRS)

# What is asked of a state of 250 entries under row/, with answers of every kind.
CASES: dict[str, tuple[bytes, ...]] = {
    "an entry": (b"get", b"row/0007"),
    "several entries in no order": (b"get", b"row/0207", b"row/0001", b"row/0100"),
    "an entry twice": (b"get", b"row/0003", b"row/0003"),
    "nothing there": (b"get", b"row/0001", b"row/9999"),
    "one write": (b"put", b"new/1", b"\x00\xff no text"),
    "writes in no order, one key twice": (b"put", b"z/1", b"1", b"a/1", b"2", b"row/0001", b"3", b"a/1", b"4"),
    "many writes": (b"fill", b"many", b"1200"),
    "deletes": (b"delete", b"row/0249", b"never/1", b"row/0000"),
    "no entry in the range": (b"range", b"nothing/", b"nothing0"),
    "a few entries": (b"range", b"row/0010", b"row/0020"),
    "a batch and no more": (b"range", b"row/0000", b"row/0100"),
    "a batch and one": (b"range", b"row/0000", b"row/0101"),
    "all entries, in several batches": (b"range", b"row/", b"row0"),
    "the first ones": (b"first", b"row/", b"row0", b"3"),
    "the first ones of the second batch": (b"first", b"row/", b"row0", b"101"),
    "a range left where it ends": (b"first", b"row/0000", b"row/0010", b"10"),
    "a range copied": (b"copy", b"row/0000", b"row/0150", b"copy"),
    "an event": (b"tell", b"said", '{"text":"grüße"}'.encode(), b"said/1"),
    **{f"a refusal with {status}": (b"refuse", status.encode()) for status in ("400", "403", "404", "409", "410")},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Addresses of the two contracts, without TLS."""

    ours: str
    theirs: str


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    server, ours = served(Contract(PACKAGE, functions=invoke))
    theirs = free_address()
    with node_contract(theirs, PACKAGE, tmp_path_factory.mktemp("node") / "log"):
        yield Servers(ours=ours, theirs=theirs)
    server.stop(grace=0).wait()


@pytest.fixture(scope="module")
def ledger() -> DoubleLedger:
    made = DoubleLedger()
    for number in range(250):
        made.set(f"row/{number:04d}", f"value {number}".encode())
    return made


@pytest.fixture(scope="module")
def peers(servers: Servers, ledger: DoubleLedger) -> Iterator[dict[str, DoublePeer]]:
    """On one state: a peer before Hyperledger's contract, and two peers of different versions before ours."""
    options: dict[str, tuple[str, bytes]] = {
        "theirs": (servers.theirs, READY_OF_3_1),
        "ours": (servers.ours, READY_OF_3_1),
        "ours beside an older peer": (servers.ours, b""),
    }
    made = {
        name: DoublePeer(address, ledger, package_id=PACKAGE, chaincode=CHAINCODE, ready=ready)
        for name, (address, ready) in options.items()
    }
    yield made
    for peer in made.values():
        peer.close()


def proposed(cast: Cast, nonce: int, arguments: tuple[bytes, ...]) -> tuple[str, Any]:
    """Transaction id and signed proposal."""
    operator = cast["operator"]
    proposal = build_proposal(
        creator_of(operator),
        channel="evidence",
        chaincode=CHAINCODE,
        arguments=arguments,
        now_us=now_us(),
        nonce=nonce.to_bytes(24, "big"),
    )
    signature = operator.signer.sign(proposal.message)
    return proposal.tx_id, proposal_pb2.SignedProposal(proposal_bytes=proposal.message, signature=signature)


@pytest.mark.needs("node")
@pytest.mark.parametrize("case", CASES)
def test_both_shims_answer_a_transaction_alike(case: str, peers: dict[str, DoublePeer]) -> None:
    arguments = CASES[case]
    tx_id, signed = proposed(the_cast(), list(CASES).index(case), arguments)
    endorsed, answered = {}, set()
    for name, peer in peers.items():
        answer, simulation = peer.run("evidence", tx_id, list(arguments), signed)
        assert answer is not None
        assert answer.type == SHIM.COMPLETED
        assert (peer.dropped, peer.left_open) == (0, 0), name
        endorsed[name] = action_of(answer, simulation, CHAINCODE, tx_id)
        answered.add(answer.payload)
    assert len(answered) == 1, answered
    (response,) = (proposal_response_pb2.Response.FromString(each) for each in answered)
    if case == "nothing there" or case.startswith("a refusal"):
        # No peer signs this. Theirs has passed its writes on before it refused, ours had not yet.
        assert 400 <= response.status < 500
        return
    assert response.status == 200
    assert len(set(endorsed.values())) == 1, {
        name: proposal_pb2.ChaincodeAction.FromString(each) for name, each in endorsed.items()
    }
    events = proposal_pb2.ChaincodeAction.FromString(endorsed["theirs"]).events
    assert bool(events) == (case == "an event")
    if events:
        event = chaincode_event_pb2.ChaincodeEvent.FromString(events)
        assert (event.chaincode_id, event.tx_id, event.event_name) == (CHAINCODE, tx_id, "said")


def test_every_function_is_asked_for() -> None:
    assert {arguments[0].decode() for arguments in CASES.values()} == FUNCTIONS.keys() - {"language"}


@pytest.mark.needs("node")
def test_a_defect_is_endorsed_by_neither(peers: dict[str, DoublePeer]) -> None:
    tx_id, signed = proposed(the_cast(), 1000, (b"no_such_function",))
    answers = {name: peer.run("evidence", tx_id, [b"no_such_function"], signed)[0] for name, peer in peers.items()}
    # Theirs calls it a completed transaction with status 500. Ours a broken conversation: others may be asked.
    assert answers["theirs"].type == SHIM.COMPLETED
    assert proposal_response_pb2.Response.FromString(answers["theirs"].payload).status == 500
    assert {answers["ours"].type, answers["ours beside an older peer"].type} == {SHIM.ERROR}


# Committed: the same story through a gateway of the double, and through real peers.


@pytest.fixture(scope="module")
def on_the_double(servers: Servers) -> Iterator[Profile]:
    cast, ledger = the_cast(), DoubleLedger()
    peers = {
        msp: DoublePeer(address, ledger, package_id=PACKAGE, chaincode=CHAINCODE, ready=READY_OF_3_1)
        for msp, address in zip(BOTH, (servers.ours, servers.theirs), strict=True)
    }
    endorsers = {msp: (peer, cast.identity(f"peer-{msp[:-3].lower()}", msp, "", {})) for msp, peer in peers.items()}
    gateway = DoubleGateway(ledger, endorsers, chaincode=CHAINCODE)
    yield Profile(
        gateways=(GatewayAddress(address=gateway.address),),
        channel="evidence",
        chaincode=CHAINCODE,
        msp=OURS,
        deadlines=Deadlines(),
    )
    gateway.close()
    for peer in peers.values():
        peer.close()


@pytest.fixture(scope="module")
def on_fabric(fabric_network: Network, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Profile]:
    """One definition; the control room runs our contract, the police Hyperledger's, and nobody else any."""
    folder = tmp_path_factory.mktemp("packages")
    addresses = {msp: free_address() for msp in BOTH}
    ids = {
        msp: install(fabric_network, msp, f"keyvalues_{msp.lower()}", address, folder)
        for msp, address in addresses.items()
    }
    tls = {}
    for msp in BOTH:
        peer = fabric_network.topology.peer_of(msp)
        own = fabric_network.material.node(peer) / "tls"
        tls[msp] = (own / "certificate.pem", own / "key.pem", fabric_network.material.tls_root(peer.organisation))
    name, (certificate, key, root) = "keyvalues-control-room", tls[OURS]
    fabric_network.processes.start(
        name,
        [
            *(sys.executable, "-m", "tests.fabric.key_values", "--address", addresses[OURS], "--package-id", ids[OURS]),
            *("--certificate", str(certificate), "--key", str(key), "--client-root", str(root)),
        ],
        {**os.environ, "PYTHONPATH": str(REPOSITORY)},
        REPOSITORY,
    )
    try:
        with node_contract(addresses[THEIRS], ids[THEIRS], folder / "log", tls=tls[THEIRS]):
            define(fabric_network, [CHAINCODE], package_ids=ids, probe=(b"range", b"a", b"b"))
            found = read_profile(profile_file(fabric_network.root, "control-room"))
            yield found.model_copy(update={"chaincode": CHAINCODE})
    finally:
        fabric_network.processes.stop(name)


@pytest.fixture(
    params=[
        pytest.param("on_the_double"),
        pytest.param(
            "on_fabric", marks=[pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]
        ),
    ]
)
def gateway(request: pytest.FixtureRequest) -> Iterator[BlockingGateway]:
    profile = request.getfixturevalue(request.param)
    with BlockingGateway(profile, the_cast()["operator"], clock=now_us) as opened:
        yield opened


def commit(gateway: BlockingGateway, *arguments: bytes) -> Transaction:
    """Have a transaction endorsed by both and committed, on both organisations' peers."""
    transaction = gateway.endorse(gateway.propose(arguments[0].decode(), *arguments[1:], organisations=list(BOTH)))
    assert endorsers_of(transaction) == set(BOTH)
    block = gateway.commit_status(gateway.send(transaction))
    deadline = time.monotonic() + SETTLE_S
    # The status is that of the own peer. Another one may be a block behind, and would endorse something else next.
    while height(gateway, THEIRS) <= block:
        assert time.monotonic() < deadline, "a peer stays behind"
        time.sleep(0.02)
    return transaction


def height(gateway: BlockingGateway, organisation: str) -> int:
    channel = gateway.profile.channel.encode()
    found = gateway.evaluate("GetChainInfo", channel, chaincode="qscc", organisations=[organisation])
    return int(ledger_pb2.BlockchainInfo.FromString(found).height)


def action_in(transaction: Transaction) -> Any:
    payload = common_pb2.Payload.FromString(transaction.message)
    action = transaction_pb2.Transaction.FromString(payload.data).actions[0]
    return transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action


def endorsers_of(transaction: Transaction) -> set[str]:
    """Who signed; there is one payload, so that both signed the same bytes."""
    signed = action_in(transaction).endorsements
    return {identities_pb2.SerializedIdentity.FromString(each.endorser).mspid for each in signed}


def read_write_set(transaction: Transaction) -> Any:
    payload = proposal_response_pb2.ProposalResponsePayload.FromString(action_in(transaction).proposal_response_payload)
    results = proposal_pb2.ChaincodeAction.FromString(payload.extension).results
    spaces = {space.namespace: space.rwset for space in rwset_pb2.TxReadWriteSet.FromString(results).ns_rwset}
    return kv_rwset_pb2.KVRWSet.FromString(spaces[CHAINCODE])


@pytest.mark.needs("node")
def test_what_both_endorse_is_committed(gateway: BlockingGateway) -> None:
    commit(gateway, b"fill", b"row", b"250")
    commit(gateway, b"put", b"a/1", b"\x00\xff", b"a/2", b"two", b"a/3", b"three")
    deleted = read_write_set(commit(gateway, b"delete", b"a/3", b"row/0249", b"never/1"))
    assert [(write.key, write.is_delete) for write in deleted.writes] == [
        ("a/3", True),
        ("never/1", True),
        ("row/0249", True),
    ]
    copied = read_write_set(commit(gateway, b"copy", b"row/", b"row0", b"copy"))
    assert len(copied.writes) == 249
    assert copied.range_queries_info[0].itr_exhausted
    left = read_write_set(commit(gateway, b"first", b"row/", b"row0", b"101")).range_queries_info[0]
    assert not left.itr_exhausted
    # Two batches were asked for, and the peer looked one entry further.
    assert left.end_key == "row/0200"
    told = commit(gateway, b"tell", b"said", '{"text":"grüße"}'.encode(), b"said/1")
    stream = gateway.events()
    event = next(each for each in stream if each.tx_id == told.tx_id)
    stream.close()  # type: ignore[attr-defined]  # a generator
    assert (event.name, event.payload.decode()) == ("said", '{"text":"grüße"}')
    for function, *arguments in CASES.values():
        if function != b"refuse" and arguments != list(CASES["nothing there"][1:]):
            answers = {
                gateway.evaluate(function.decode(), *arguments, organisations=[organisation]) for organisation in BOTH
            }
            assert len(answers) == 1, function


@pytest.mark.needs("node")
@pytest.mark.parametrize("status", ["400", "403", "404", "409", "410"])
def test_a_refusal_of_either_is_told_alike(gateway: BlockingGateway, status: str) -> None:
    told = []
    for organisation in BOTH:
        with pytest.raises(Refused) as caught:
            gateway.evaluate("refuse", status.encode(), organisations=[organisation])
        told.append((caught.value.reason, caught.value.detail, caught.value.where, caught.value.next_step))
    assert told[0] == told[1]
    assert told[0][1] == f"refused “{status}”"
    with pytest.raises(Refused) as caught:
        gateway.submit("refuse", status.encode(), organisations=list(BOTH))
    assert caught.value.reason == told[0][0]


@pytest.mark.needs("node")
def test_what_they_do_not_agree_about_is_not_endorsed(gateway: BlockingGateway) -> None:
    assert gateway.evaluate("language", organisations=[OURS]) == b"Python"
    assert gateway.evaluate("language", organisations=[THEIRS]) == b"JavaScript"
    with pytest.raises(VeriframeError, match="ProposalResponsePayloads do not match") as caught:
        gateway.submit("language", organisations=list(BOTH), timeout_s=2)
    assert isinstance(caught.value, LedgerUnavailable)
