"""What a chaincode server must do that light use does not show; each test fails where the rule is broken."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.peer import chaincode_shim_pb2, chaincode_shim_pb2_grpc, proposal_pb2
from fabric_protos.peer import proposal_response_pb2 as responses

from chaincode import fabric, fabric_stream
from chaincode.fabric import OPTIONS, Contract
from chaincode.world import World, check_write, prefix_range
from evidence.certificates import ATTRIBUTES_OID
from evidence.errors import Refused
from sdk.fabric_proposal import build_proposal, creator_of
from sdk.identities import Identity
from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.peer import READY_OF_3_1, SHIM, DoublePeer, ready
from tests.fabric.double.stand import PACKAGE, served
from tests.hosts.cast import NOW_US, Cast, the_cast

CHANNEL = "evidence"


class Bench:
    """A contract of a few plain functions on our server, and a peer that speaks to it."""

    def __init__(self, cast: Cast) -> None:
        self.functions: dict[str, Callable[[World, Sequence[bytes]], bytes]] = {}
        self.ledger = DoubleLedger()
        self.cast = cast
        self.contract = Contract(PACKAGE, functions=self._invoke)
        self.server, self.address = served(self.contract)
        self._peers: list[DoublePeer] = []
        self._nonce = 0

    def _invoke(self, world: World, function: str, arguments: Sequence[bytes]) -> bytes:
        return self.functions[function](world, arguments)

    def peer(self, **options: Any) -> DoublePeer:
        self._peers.append(DoublePeer(self.address, self.ledger, **options))
        return self._peers[-1]

    def signed(self, *arguments: bytes, who: Identity | None = None, channel: str = CHANNEL) -> tuple[str, Any]:
        """Transaction id and signed proposal."""
        identity = who or self.cast["operator"]
        self._nonce += 1
        proposal = build_proposal(
            creator_of(identity),
            channel=channel,
            chaincode="veriframe",
            arguments=arguments,
            now_us=NOW_US,
            nonce=self._nonce.to_bytes(24, "big"),
        )
        signature = identity.signer.sign(proposal.message)
        return proposal.tx_id, proposal_pb2.SignedProposal(proposal_bytes=proposal.message, signature=signature)

    def start(self, peer: DoublePeer, function: str, *arguments: bytes) -> Any:
        tx_id, signed = self.signed(function.encode(), *arguments)
        return peer.start(CHANNEL, tx_id, [function.encode(), *arguments], signed)

    def run(self, peer: DoublePeer, function: str, *arguments: bytes, who: Identity | None = None) -> tuple[Any, Any]:
        """Response of a COMPLETED message, or the ERROR message itself; and what was read and written."""
        tx_id, signed = self.signed(function.encode(), *arguments, who=who)
        answer, simulation = peer.run(CHANNEL, tx_id, [function.encode(), *arguments], signed)
        assert answer is not None
        return (responses.Response.FromString(answer.payload) if answer.type == SHIM.COMPLETED else answer), simulation

    def close(self) -> None:
        for peer in self._peers:
            peer.close()
        self.server.stop(grace=0).wait()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(the_cast())
    yield made
    made.close()


def read_all(world: World, keys: Sequence[bytes]) -> bytes:
    return b",".join(world.get(key.decode()) or b"-" for key in keys)


# 1. One outstanding request per transaction.


def test_requests_of_one_transaction_come_one_after_the_other(bench: Bench) -> None:
    slow = bench.peer(before_answer=lambda message: time.sleep(0.02))
    for number in range(8):
        bench.ledger.set(f"k/{number}", str(number).encode())
    bench.functions["read"] = read_all
    response, _ = bench.run(slow, "read", *(f"k/{number}".encode() for number in range(8)))
    assert response.payload == b"0,1,2,3,4,5,6,7"
    assert slow.dropped == 0


def test_a_contract_that_asks_from_two_threads_is_served_one_by_one_too(bench: Bench) -> None:
    slow = bench.peer(before_answer=lambda message: time.sleep(0.05))
    bench.ledger.set("a/1", b"1")
    bench.ledger.set("a/2", b"2")

    def twice(world: World, arguments: Sequence[bytes]) -> bytes:
        with futures.ThreadPoolExecutor(2) as pool:
            return b",".join(pool.map(lambda key: world.get(key) or b"-", ["a/1", "a/2"]))

    bench.functions["twice"] = twice
    response, _ = bench.run(slow, "twice")
    assert response.payload == b"1,2"
    assert slow.dropped == 0


# 2. Transactions run concurrently; the reader is never blocked.


def test_a_transaction_that_waits_holds_up_no_other_and_no_keepalive(bench: Bench) -> None:
    gate = threading.Event()

    def hold(message: Any) -> None:
        if message.type == SHIM.GET_STATE and b"held" in message.payload:
            gate.wait(10)

    peer = bench.peer(before_answer=hold)
    bench.ledger.set("free/1", b"free")
    bench.functions["read"] = read_all
    held = [bench.start(peer, "read", b"held/1") for _ in range(fabric.TRANSACTIONS - 1)]
    response, _ = bench.run(peer, "read", b"free/1")
    assert response.payload == b"free"
    # More than run at once wait for a place; the reader goes on all the same.
    held += [bench.start(peer, "read", b"held/1") for _ in range(4)]
    peer.send(SHIM.KEEPALIVE)
    assert peer.keepalives.get(timeout=5).type == SHIM.KEEPALIVE
    time.sleep(0.3)
    assert peer.requests["GET_STATE"] == fabric.TRANSACTIONS + 1
    gate.set()
    for each in held:
        assert each.done.get(timeout=10).type == SHIM.COMPLETED


def test_many_transactions_at_once_each_get_their_own_answer(bench: Bench) -> None:
    peer = bench.peer()
    bench.functions["read"] = read_all
    for number in range(60):
        bench.ledger.set(f"n/{number}", f"value {number}".encode())
    started = [bench.start(peer, "read", f"n/{number}".encode()) for number in range(60)]
    for number, each in enumerate(started):
        answer = each.done.get(timeout=10)
        assert responses.Response.FromString(answer.payload).payload == f"value {number}".encode()


# 3. Idle pings, time-compressed: a peer pings every 60 s, a careless server ends the connection after a few.

PINGING = (
    ("grpc.keepalive_time_ms", 100),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)


def test_a_peer_that_pings_an_idle_stream_keeps_it(bench: Bench) -> None:
    peer = bench.peer(options=PINGING)
    assert not peer.ended.wait(9)
    bench.functions["read"] = read_all
    assert bench.run(peer, "read")[0].status == 200


def test_without_the_options_the_same_pings_end_the_stream(bench: Bench) -> None:
    careless = grpc.server(futures.ThreadPoolExecutor(2))
    chaincode_shim_pb2_grpc.add_ChaincodeServicer_to_server(bench.contract, careless)
    address = f"127.0.0.1:{careless.add_insecure_port('127.0.0.1:0')}"
    careless.start()
    peer = DoublePeer(address, bench.ledger, options=PINGING)
    try:
        assert peer.ended.wait(10)
    finally:
        peer.close()
        careless.stop(grace=0).wait()
    assert dict(OPTIONS)["grpc.http2.min_recv_ping_interval_without_data_ms"] <= 30_000


# 4. KEEPALIVE is echoed; answers are matched by channel and transaction id.


def test_the_same_transaction_id_on_two_channels_is_two_transactions(bench: Bench) -> None:
    waiting = threading.Barrier(2, timeout=10)

    def together(message: Any) -> None:
        if message.type == SHIM.GET_STATE:
            waiting.wait()
            if message.channel_id == "second":
                time.sleep(0.1)

    peer = bench.peer(before_answer=together)
    bench.ledger.set("one/1", b"first")
    bench.ledger.set("two/1", b"second")
    bench.functions["read"] = read_all
    tx_id, signed = bench.signed(b"read")
    second = peer.start("second", tx_id, [b"read", b"two/1"], signed)
    first = peer.start("first", tx_id, [b"read", b"one/1"], signed)
    found = [responses.Response.FromString(each.done.get(timeout=10).payload).payload for each in (first, second)]
    assert found == [b"first", b"second"]


# 5. Refusals leave as COMPLETED 4xx; ERROR is for what is broken, and never tells a trace.


@pytest.mark.parametrize(
    ("reason", "status"), [("denied", 403), ("conflict", 409), ("not_found", 404), ("invalid", 400), ("expired", 410)]
)
def test_a_refusal_is_a_completed_transaction_with_its_words(bench: Bench, reason: Any, status: int) -> None:
    def refuse(world: World, arguments: Sequence[bytes]) -> bytes:
        world.put("never/1", b"x")
        raise Refused("only a CRM may", reason=reason, where="approve_camera", next_step="ask a CRM")

    peer = bench.peer()
    bench.functions["refuse"] = refuse
    response, simulation = bench.run(peer, "refuse")
    assert response.status == status
    assert json.loads(response.message) == {
        "code": reason,
        "detail": "only a CRM may",
        "where": "approve_camera",
        "next_step": "ask a CRM",
    }
    assert simulation.writes == {}


def test_a_defect_is_an_error_without_a_trace(bench: Bench) -> None:
    def broken(world: World, arguments: Sequence[bytes]) -> bytes:
        raise KeyError("a secret detail")

    peer = bench.peer()
    bench.functions["broken"] = broken
    answer, _ = bench.run(peer, "broken")
    assert answer.type == SHIM.ERROR
    assert b"secret" not in answer.payload
    assert b"Traceback" not in answer.payload
    bench.functions["read"] = read_all
    assert bench.run(peer, "read")[0].status == 200  # the stream lives on


def test_an_unreadable_proposal_is_refused_and_no_more(bench: Bench) -> None:
    peer = bench.peer()
    for signed, arguments in (
        (proposal_pb2.SignedProposal(proposal_bytes=b"\xff\xff"), [b"read"]),
        (bench.signed(b"read")[1], []),
        (bench.signed(b"read")[1], [b"\xff"]),
    ):
        answer, _ = peer.run(CHANNEL, f"tx-{arguments}", arguments, signed)
        assert answer.type == SHIM.COMPLETED
        assert responses.Response.FromString(answer.payload).status == 400


def test_the_peers_errors_end_the_transaction_as_an_error(bench: Bench) -> None:
    peer = bench.peer()
    bench.functions["batch"] = lambda world, arguments: fabric_stream.FabricWorld._query(  # type: ignore[attr-defined]
        world, SHIM.QUERY_STATE_NEXT, chaincode_shim_pb2.QueryStateNext(id="unknown")
    )
    answer, _ = bench.run(peer, "batch")
    assert answer.type == SHIM.ERROR


# 6. No own writes are read; the last write counts; one event; nothing reads as absent.


def test_a_transaction_does_not_see_its_own_writes_and_the_last_one_counts(bench: Bench) -> None:
    seen: list[object] = []

    def write(world: World, arguments: Sequence[bytes]) -> bytes:
        world.put("key/1", b"first")
        seen.append(world.get("key/1"))
        world.put("key/1", b"second")
        seen.append(list(world.scan("key/", "key0")))
        world.emit("written", b"{}")
        with pytest.raises(ValueError, match="one event"):
            world.emit("again", b"{}")
        with pytest.raises(ValueError, match="wrote nothing"):
            world.put("key/2", b"")
        return b"ok"

    peer = bench.peer()
    bench.functions["write"] = write
    tx_id, signed = bench.signed(b"write")
    answer, simulation = peer.run(CHANNEL, tx_id, [b"write"], signed)
    assert seen == [None, []]
    assert simulation.writes == {"key/1": b"second"}
    assert peer.requests["PUT_STATE"] == 1
    assert (answer.chaincode_event.event_name, answer.chaincode_event.tx_id) == ("written", tx_id)


# 7. Range reads come in batches, are closed, and never end silently.


def fill(bench: Bench, count: int) -> None:
    for number in range(count):
        bench.ledger.set(f"row/{number:05d}", b"x")


def test_a_range_read_goes_over_all_batches_in_order(bench: Bench) -> None:
    fill(bench, 250)
    bench.ledger.set("rov/1", b"x")
    bench.ledger.set("row0", b"x")
    peer = bench.peer()
    bench.functions["scan"] = lambda world, _: str([key for key, _ in world.scan(*prefix_range("row/"))]).encode()
    response, simulation = bench.run(peer, "scan")
    assert response.payload == str([f"row/{number:05d}" for number in range(250)]).encode()
    assert peer.requests["QUERY_STATE_NEXT"] == 2
    assert simulation.ranges[0].itr_exhausted
    assert peer.left_open == 0


def test_a_range_read_that_is_left_early_is_closed(bench: Bench) -> None:
    fill(bench, 250)
    peer = bench.peer()
    bench.functions["first"] = lambda world, _: next(world.scan(*prefix_range("row/")))[0].encode()
    assert bench.run(peer, "first")[0].payload == b"row/00000"
    assert peer.left_open == 0
    assert peer.requests["QUERY_STATE_CLOSE"] == 1


def test_a_range_read_that_is_not_answered_is_not_followed_by_a_second_request(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is open would be closed with a request that the peer drops, and waited for as long again."""
    monkeypatch.setattr(fabric_stream, "ANSWER_S", 0.3)
    for number in range(250):
        bench.ledger.set(f"k/{number:04d}", b"v")
    told = threading.Event()

    def silent_on_next(message: Any) -> None:
        if message.type == SHIM.QUERY_STATE_NEXT:
            told.wait(10)

    silent = bench.peer(before_answer=silent_on_next)
    bench.functions["scan"] = lambda world, arguments: str(len(list(world.scan("k/", "k0")))).encode()
    answer, _ = bench.run(silent, "scan")
    told.set()
    assert answer.type == SHIM.ERROR
    assert b"did not answer" in answer.payload
    assert (silent.dropped, silent.requests["QUERY_STATE_CLOSE"]) == (0, 0)


def test_a_transaction_that_reaches_a_closed_stream_is_passed_over() -> None:
    stream = fabric._Stream(PACKAGE, None, lambda world, function, arguments: b"")
    stream.close()
    stream._take(SHIM(type=SHIM.TRANSACTION, channel_id=CHANNEL, txid="ab" * 32))
    assert not stream.busy


def test_a_range_read_that_the_peer_cut_off_is_not_taken_for_whole(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fabric_stream, "QUERY_LIMIT", 150)
    bench.functions["count"] = lambda world, _: str(len(list(world.scan(*prefix_range("row/"))))).encode()
    peer = bench.peer(limit=150)
    fill(bench, 149)
    assert bench.run(peer, "count")[0].payload == b"149"
    fill(bench, 151)
    answer, _ = bench.run(peer, "count")
    assert answer.type == SHIM.ERROR


# 8. What READY offers is used, and what it does not offer is not.


@pytest.mark.parametrize(
    ("payload", "batches", "puts"),
    [
        (ready(use_write_batch=True, max_size_write_batch=3), [3, 3, 1], 0),
        (ready(use_write_batch=True, max_size_write_batch=1000), [7], 0),
        (ready(use_write_batch=False, max_size_write_batch=1000), [], 7),
        (b"", [], 7),
        (b"\xff\xff", [], 7),
    ],
)
def test_writes_go_in_batches_where_the_peer_takes_them(
    bench: Bench, payload: bytes, batches: list[int], puts: int
) -> None:
    def write(world: World, arguments: Sequence[bytes]) -> bytes:
        for number in (5, 2, 6, 0, 3, 1, 4):
            world.put(f"w/{number}", str(number).encode())
        return b"ok"

    peer = bench.peer(ready=payload)
    bench.functions["write"] = write
    _, simulation = bench.run(peer, "write")
    assert simulation.writes == {f"w/{number}": str(number).encode() for number in range(7)}
    assert list(simulation.writes) == sorted(simulation.writes)
    assert (peer.batches, peer.requests["PUT_STATE"]) == (batches, puts)


@pytest.mark.parametrize(
    ("payload", "together", "alone"),
    [
        (ready(use_get_multiple_keys=True, max_size_get_multiple_keys=3), [3, 3, 1], 0),
        (ready(use_get_multiple_keys=True, max_size_get_multiple_keys=1000), [7], 0),
        (ready(use_get_multiple_keys=True, max_size_get_multiple_keys=0), [], 7),
        (ready(use_get_multiple_keys=False, max_size_get_multiple_keys=1000), [], 7),
        (b"", [], 7),
        (b"\xff\xff", [], 7),
    ],
)
def test_keys_are_read_together_where_the_peer_takes_that(
    bench: Bench, payload: bytes, together: list[int], alone: int
) -> None:
    for number in (0, 1, 2, 4, 6):
        bench.ledger.set(f"k/{number}", str(number).encode())

    def read(world: World, keys: Sequence[bytes]) -> bytes:
        return b",".join(value or b"-" for value in world.get_many([key.decode() for key in keys]))

    peer = bench.peer(ready=payload)
    bench.functions["many"], bench.functions["single"] = read, read_all
    keys = [f"k/{number}".encode() for number in (6, 0, 3, 1, 4, 5, 2)]
    response, simulation = bench.run(peer, "many", *keys, keys[0])  # one of them twice
    assert response.payload == b"6,0,-,1,4,-,2,6"
    assert (peer.gets, peer.requests["GET_STATE"]) == (together, alone)
    # What counts as read decides about conflicts, and is endorsed: it must not depend on how the keys were asked for.
    _, singly = bench.run(peer, "single", *keys)
    assert simulation.results("veriframe") == singly.results("veriframe")
    assert len(simulation.reads) == 7


@pytest.mark.parametrize("answer", [b"\xff\xff", b"", b"\x0a\x01a\x0a\x01b\x0a\x01c"])
def test_an_answer_with_other_than_one_value_for_each_key_ends_the_transaction(bench: Bench, answer: bytes) -> None:
    class Wrong(DoublePeer):
        def _handle(self, message: Any, simulation: Any) -> bytes | None:
            return answer if message.type == SHIM.GET_STATE_MULTIPLE else super()._handle(message, simulation)

    peer = Wrong(bench.address, bench.ledger, ready=READY_OF_3_1)
    try:
        bench.functions["two"] = lambda world, _: b"" if world.get_many(["a/1", "a/2"]) else b"x"
        found, _ = bench.run(peer, "two")
        assert found.type == SHIM.ERROR
    finally:
        peer.close()


# 9. Keys: no composite keys, nothing that a range's end could miss.


@pytest.mark.parametrize("key", ["\x00camera\x00gate-1\x00", "camera/\U0010ffff", "camera/é", "", "camera//1", "a b"])
def test_no_key_reaches_the_peer_that_a_range_could_miss(key: str) -> None:
    with pytest.raises(ValueError, match="a rule built the key"):
        check_write(key, b"x")


def test_a_prefix_range_holds_exactly_the_keys_behind_the_slash(bench: Bench) -> None:
    for key in ("cam/a", "cam/z", "cam/zz-9/0000000001", "cam-2/a", "cam", "cam0", "cam0/a"):
        bench.ledger.set(key, b"x")
    peer = bench.peer()
    bench.functions["scan"] = lambda world, _: " ".join(key for key, _ in world.scan(*prefix_range("cam/"))).encode()
    assert bench.run(peer, "scan")[0].payload == b"cam/a cam/z cam/zz-9/0000000001"


# 10. Attributes are raw JSON.


def test_the_role_is_read_from_raw_json_and_from_nothing_else(bench: Bench) -> None:
    peer = bench.peer()
    bench.functions["who"] = lambda world, _: f"{world.caller.msp} {world.caller.role}".encode()
    cast = bench.cast
    assert bench.run(peer, "who", who=cast["recorder"])[0].payload == b"ControlRoomMSP RECORDER"
    text = b'{"attrs":{"role":"CRM"}}'
    wrapped = Identity(
        name="x",
        msp="ControlRoomMSP",
        certificate=certificate_with(cast, b"\x04" + bytes([len(text)]) + text),  # as an ASN.1 OCTET STRING
        role="",
        signer=cast.key("operator"),
    )
    response, _ = bench.run(peer, "who", who=wrapped)
    assert response.status == 400
    raw = Identity(
        name="x", msp="ControlRoomMSP", certificate=certificate_with(cast, text), role="", signer=cast.key("operator")
    )
    assert bench.run(peer, "who", who=raw)[0].payload == b"ControlRoomMSP CRM"


def certificate_with(cast: Cast, attributes: bytes) -> bytes:
    authority = cast.authorities["ControlRoomMSP"]
    own = x509.load_der_x509_certificate(cast["operator"].certificate)
    return (
        x509.CertificateBuilder()
        .subject_name(own.subject)
        .issuer_name(own.issuer)
        .public_key(own.public_key())
        .serial_number(7)
        .not_valid_before(own.not_valid_before_utc)
        .not_valid_after(own.not_valid_after_utc)
        .add_extension(x509.UnrecognizedExtension(ATTRIBUTES_OID, attributes), critical=False)
        .sign(authority._key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


# Ending in good order, and the founding document that an organisation endorses.


def test_a_server_that_ends_lets_running_transactions_end(bench: Bench) -> None:
    peer = bench.peer(before_answer=lambda message: time.sleep(0.5))
    bench.functions["read"] = read_all
    running = bench.start(peer, "read", b"k/1")
    while not peer.requests["GET_STATE"]:
        time.sleep(0.01)
    stopped = bench.server.stop(grace=5)
    started = time.monotonic()
    bench.contract.end(5)
    assert running.done.get(timeout=5).type == SHIM.COMPLETED
    stopped.wait()
    assert time.monotonic() - started < 3
    assert peer.ended.wait(3)


def test_an_organisation_endorses_its_own_founding_document_only(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = the_cast()
    for digest, status in ((cast.genesis.digest, 200), (bytes(32), 403), (None, 200)):
        ledger = DoubleLedger()
        server, address = served(Contract(PACKAGE, digest))
        peer = DoublePeer(address, ledger)
        try:
            admin = cast.admin()
            argument = cast.genesis.canonical()
            proposal = build_proposal(
                creator_of(admin),
                channel=CHANNEL,
                chaincode="veriframe",
                arguments=(b"init", argument),
                now_us=NOW_US,
                nonce=bytes(24),
            )
            signed = proposal_pb2.SignedProposal(proposal_bytes=proposal.message)
            answer, _ = peer.run(CHANNEL, proposal.tx_id, [b"init", argument], signed)
            assert responses.Response.FromString(answer.payload).status == status
        finally:
            peer.close()
            server.stop(grace=0).wait()


def test_the_header_says_what_the_rules_see(bench: Bench) -> None:
    peer = bench.peer()
    bench.functions["what"] = lambda world, _: f"{world.tx_id} {world.tx_time_us}".encode()
    tx_id, signed = bench.signed(b"what")
    answer, _ = peer.run(CHANNEL, tx_id, [b"what"], signed)
    assert responses.Response.FromString(answer.payload).payload == f"{tx_id} {NOW_US}".encode()
    header = common_pb2.Header.FromString(proposal_pb2.Proposal.FromString(signed.proposal_bytes).header)
    assert common_pb2.ChannelHeader.FromString(header.channel_header).tx_id == tx_id
