"""The hfc client without hfc and Fabric: its profile, what it makes of answers, a worker that does not start."""

from __future__ import annotations

import ast
import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import proposal_response_pb2

from evidence.digests import sha256
from evidence.errors import CommitUnknown, ConfigInvalid, EndorseFailed, LedgerUnavailable, Refused, SubmitFailed
from sdk import ledger as ledgers
from sdk.fabric_proposal import Proposal, Transaction, build_proposal
from sdk.gateway_errors import Reaction, Trouble
from sdk.hfc_messages import events_payload, read_answer, read_broadcast, validation_code
from sdk.hfc_process import CACHE, Worker, WorkerGone, encode, hfc_python
from sdk.hfc_profile import HfcProfile, PeerAddress, read_hfc_profile
from sdk.hfc_steps import HfcSteps
from tests.hosts.cast import NOW_US, the_cast

C = grpc.StatusCode

PROFILE = """
channel: evidence
chaincode: veriframe
msp: ControlRoomMSP
peers:
  - {msp: ControlRoomMSP, address: "127.0.0.5:7051", server_name: peer0}
  - {msp: PoliceMSP, address: "127.0.1.5:7051"}
  - {msp: AuditorMSP, address: "127.0.2.5:7051"}
orderers:
  - {address: "127.0.0.5:7050"}
  - {address: "127.0.1.5:7050"}
endorsement: [[ControlRoomMSP, PoliceMSP], [ControlRoomMSP, AuditorMSP]]
"""
AWAY = {"code": "UNAVAILABLE", "details": "failed to connect to all addresses; last error: Connection refused"}
BROKEN = {"code": "UNAVAILABLE", "details": "Socket closed"}
REFUSAL = '{"code":"conflict","detail":"it stands there","where":"anchor"}'


def said(payload: bytes = b"same", *, status: int = 200, message: str = "", result: bytes = b"{}") -> dict[str, str]:
    response = proposal_response_pb2.ProposalResponse(payload=payload)
    response.response.status = status
    response.response.message = message
    response.response.payload = result
    return {"response": encode(response.SerializeToString())}


class Scripted:
    """Answers in the worker's place; keeps what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], Any]) -> None:
        self._answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def call(self, call: str, timeout_s: float, **members: Any) -> Any:
        self.asked.append((call, members))
        answer = self._answer(call, members)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def places(self, call: str, member: str) -> list[int]:
        return [members[member] for name, members in self.asked if name == call]


@pytest.fixture
def profile(tmp_path: Path) -> HfcProfile:
    (tmp_path / "profile.yaml").write_text(PROFILE, encoding="utf-8")
    return read_hfc_profile(tmp_path / "profile.yaml")


@pytest.fixture
def stand(
    profile: HfcProfile, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[str, dict[str, Any]], Any]], tuple[HfcSteps, Scripted]]:
    def make(answer: Callable[[str, dict[str, Any]], Any]) -> tuple[HfcSteps, Scripted]:
        worker = Scripted(answer)
        monkeypatch.setattr("sdk.hfc_steps.Worker", lambda python, configuration: worker)
        steps = HfcSteps(profile, the_cast().admin(), python=Path("none"), clock=lambda: NOW_US)
        return steps, worker

    return make


@pytest.fixture
def proposal() -> Proposal:
    return build_proposal(
        b"creator", channel="evidence", chaincode="veriframe", arguments=(b"f",), now_us=NOW_US, nonce=bytes(24)
    )


TRANSACTION = Transaction(channel="evidence", tx_id="ab" * 32, message=b"payload", result=b"", writes=True)


def trouble_of(work: Any) -> Trouble:
    with pytest.raises(Trouble) as caught:
        asyncio.run(work)
    return caught.value


# -- profile and environment -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (PROFILE + "colour: red\n", "colour"),
        (PROFILE + "gateways: []\n", "gateways"),
        (PROFILE.replace("[ControlRoomMSP, AuditorMSP]", "[]"), "without organisations"),
        (PROFILE.replace("AuditorMSP]", "NobodyMSP]"), "NobodyMSP"),
        (PROFILE.replace("msp: ControlRoomMSP\n", "msp: FarAwayMSP\n"), "FarAwayMSP"),
        (PROFILE.replace('"127.0.0.5:7050"', '"127.0.0.5"'), "orderers.0.address"),
        (PROFILE.replace("server_name: peer0", "tls_root: gone.pem"), "gone.pem"),
        (PROFILE + "tls_client: {certificate: gone-too.pem, key: key.pem}\n", "gone-too.pem"),
        ("a: [", "not YAML"),
    ],
)
def test_a_profile_is_read_strictly(changed: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(ConfigInvalid) as caught:
        read_hfc_profile(tmp_path / "profile.yaml")
    assert says in str(caught.value)


def test_paths_of_a_profile_are_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("", encoding="ascii")
    (tmp_path / "profile.yaml").write_text(PROFILE.replace("server_name: peer0", "tls_root: ca.pem"), encoding="utf-8")
    assert read_hfc_profile(tmp_path / "profile.yaml").peers[0].tls_root == tmp_path / "ca.pem"


def test_the_environment_is_named_or_in_the_cache_and_whole(tmp_path: Path) -> None:
    named, cached = tmp_path / "named", tmp_path / CACHE
    assert hfc_python({}, tmp_path) is None
    for folder, variables in ((cached, {}), (named, {"HFC_VENV": str(named)})):
        (folder / "bin").mkdir(parents=True)
        (folder / "bin" / "python").touch()
        assert hfc_python(variables, tmp_path) is None  # an installation that was broken off
        (folder / ".ready").touch()
        assert hfc_python(variables, tmp_path) == folder / "bin" / "python"
    assert hfc_python({"HFC_VENV": str(tmp_path / "elsewhere")}, tmp_path) is None


def test_without_the_environment_the_url_says_how_to_make_it(
    tmp_path: Path, profile: HfcProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HFC_VENV", str(tmp_path / "nowhere"))
    with pytest.raises(ConfigInvalid, match="make hfc"):
        ledgers.open(f"hfc:{tmp_path / 'profile.yaml'}", identity=the_cast().admin(), clock=lambda: NOW_US)
    with pytest.raises(ConfigInvalid, match="address"):
        ledgers.open("hfc:", identity=the_cast().admin(), clock=lambda: NOW_US)


def test_the_worker_needs_nothing_of_ours() -> None:
    source = Path(sys.modules["sdk.hfc_process"].__file__ or "").with_name("hfc_worker.py")
    names = set()
    for node in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    assert names - sys.stdlib_module_names == {"hfc", "grpc"}


# -- the process -------------------------------------------------------------------------------------------------------


def test_a_worker_that_cannot_start_says_why() -> None:
    for python, says in ((Path(sys.executable), "hfc"), (Path("/nowhere/python"), "No such file")):
        with pytest.raises(ConfigInvalid) as caught:
            asyncio.run(Worker(python, {}).call("propose", 1.0))
        assert says in str(caught.value)


def test_a_worker_that_never_gets_ready_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 600\n", encoding="ascii")
    sleeper.chmod(0o700)
    monkeypatch.setattr("sdk.hfc_process.START_S", 0.2)

    async def work() -> None:
        worker = Worker(sleeper, {})
        with pytest.raises(WorkerGone, match="did not start"):
            await worker.call("propose", 1.0)
        assert worker.pid is None

    asyncio.run(work())


# -- what answers mean -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "code", "says"),
    [
        (said(), C.OK, ""),
        (said(status=409, message=REFUSAL), C.UNKNOWN, "chaincode response 409"),
        (said(b"", status=500, message="could not launch"), C.ABORTED, "could not launch"),
        (said(b"x", status=500, message="from a contract"), C.UNKNOWN, "chaincode response 500"),
        ({"response": encode(b"\xff\xff")}, C.INTERNAL, "cannot be read"),
        (AWAY, C.UNAVAILABLE, "refused"),
        ({"code": "UNKNOWN", "details": "error validating proposal"}, C.FAILED_PRECONDITION, "validating"),
        ({"code": "DEADLINE_EXCEEDED", "details": ""}, C.DEADLINE_EXCEEDED, "deadline"),
        ({"failed": "TypeError: x"}, C.INTERNAL, "TypeError"),
        ({"code": "NEVER_HEARD_OF"}, C.INTERNAL, ""),
    ],
)
def test_a_peers_answer(answer: dict[str, Any], code: grpc.StatusCode, says: str) -> None:
    found = read_answer(0, answer)
    assert found.code is code
    assert says in found.text


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"status": 200, "info": ""}, C.OK),
        ({"status": 503, "info": "no leader"}, C.UNAVAILABLE),
        ({"status": 403, "info": ""}, C.FAILED_PRECONDITION),
        ({"status": 777, "info": ""}, C.UNAVAILABLE),
        (AWAY, C.UNAVAILABLE),
        (BROKEN, C.DEADLINE_EXCEEDED),  # broken off while sending: it may have arrived
        ({"code": "DEADLINE_EXCEEDED", "details": ""}, C.DEADLINE_EXCEEDED),
        ({"failed": "OSError"}, C.DEADLINE_EXCEEDED),
    ],
)
def test_an_orderers_answer(answer: dict[str, Any], code: grpc.StatusCode) -> None:
    assert read_broadcast(answer)[0] is code


def test_validation_codes_have_fabrics_names() -> None:
    assert [validation_code(name) for name in ("VALID", "MVCC_READ_CONFLICT", "INVENTED")] == [0, 11, None]


@pytest.mark.parametrize("block", [None, 0, 7])
def test_the_request_for_events_names_channel_certificate_and_block(block: int | None) -> None:
    payload = common_pb2.Payload.FromString(
        events_payload(
            b"creator", channel="evidence", block=block, certificate_hash=b"h" * 32, now_us=1_500_000, nonce=b"n" * 24
        )
    )
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    assert (header.type, header.channel_id, header.tls_cert_hash) == (5, "evidence", b"h" * 32)
    assert (header.timestamp.seconds, header.timestamp.nanos) == (1, 500_000_000)
    assert header.tx_id == sha256(b"n" * 24, b"creator").hex()
    wanted = ab_pb2.SeekInfo.FromString(payload.data)
    assert wanted.start.WhichOneof("Type") == ("newest" if block is None else "specified")
    assert wanted.start.specified.number == (block or 0)
    assert wanted.stop.specified.number > 1 << 62


# -- asking and endorsing ----------------------------------------------------------------------------------------------


def test_another_peer_answers_where_the_own_one_is_away(stand: Any, proposal: Proposal) -> None:
    steps, worker = stand(lambda call, members: AWAY if members["peer"] == 0 else said(result=b"answer"))
    assert asyncio.run(steps.evaluate(proposal, b"", 5.0)) == b"answer"
    assert worker.places("propose", "peer") == [0, 1]


def test_a_refused_question_is_asked_nowhere_else(stand: Any, proposal: Proposal) -> None:
    steps, worker = stand(lambda call, members: said(status=404, message=REFUSAL))
    trouble = trouble_of(steps.evaluate(proposal, b"", 5.0))
    assert isinstance(trouble.error, Refused)
    assert trouble.error.reason == "not_found"
    assert worker.places("propose", "peer") == [0]


def test_where_nobody_answers_the_ledger_is_away(stand: Any, proposal: Proposal) -> None:
    steps, _ = stand(lambda call, members: WorkerGone("gone") if members["peer"] == 1 else AWAY)
    trouble = trouble_of(steps.evaluate(proposal, b"", 5.0))
    assert isinstance(trouble.error, LedgerUnavailable)
    assert trouble.reaction is Reaction.AGAIN
    assert "127.0.2.5:7051" in str(trouble.error)


def test_an_organisation_that_was_away_is_asked_last(stand: Any, proposal: Proposal) -> None:
    def answer(call: str, members: dict[str, Any]) -> Any:
        return {"failed": "enough"} if call == "assemble" else AWAY if members["peer"] == 1 else said()

    steps, worker = stand(answer)
    for asked in ([0, 1, 2], [0, 2]):
        worker.asked.clear()
        trouble_of(steps.endorse(proposal, b"", 5.0))
        assert worker.places("propose", "peer") == asked
        assert worker.asked[-1][0] == "assemble"  # control room and auditor


def test_results_that_differ_are_never_put_together(stand: Any, proposal: Proposal) -> None:
    steps, worker = stand(lambda call, members: said(b"own" if members["peer"] == 0 else b"another"))
    trouble = trouble_of(steps.endorse(proposal, b"", 5.0))
    assert isinstance(trouble.error, LedgerUnavailable)
    assert "differ" in str(trouble.error)
    assert "assemble" not in [call for call, _ in worker.asked]


def test_organisations_that_agree_are_enough(stand: Any, proposal: Proposal) -> None:
    def answer(call: str, members: dict[str, Any]) -> Any:
        return {"failed": "enough"} if call == "assemble" else said(b"altered" if members["peer"] == 1 else b"same")

    steps, worker = stand(answer)
    assert isinstance(trouble_of(steps.endorse(proposal, b"", 5.0)).error, EndorseFailed)
    assert worker.asked[-1][1]["responses"] == [said(b"same")["response"]] * 2


def test_only_another_organisations_refusal_is_asked_again(stand: Any, proposal: Proposal) -> None:
    for refusing, reaction in ((1, Reaction.AGAIN), (0, Reaction.STOP)):
        steps, _ = stand(
            lambda call, members, at=refusing: said(status=409, message=REFUSAL) if members["peer"] == at else said()
        )
        trouble = trouble_of(steps.endorse(proposal, b"", 5.0))
        assert isinstance(trouble.error, Refused)
        assert trouble.reaction is reaction


# -- ordering and commit -----------------------------------------------------------------------------------------------


def ordering(*answers: Any) -> Callable[[str, dict[str, Any]], Any]:
    script: Iterator[Any] = iter(answers)
    return lambda call, members: {"following": True} if call == "follow" else next(script)


TAKEN = {"status": 200, "info": ""}


@pytest.mark.parametrize("first", [AWAY, BROKEN, {"status": 503, "info": "no leader"}])
def test_the_next_orderer_gets_the_same_envelope(first: dict[str, Any], stand: Any) -> None:
    steps, worker = stand(ordering(first, TAKEN, TAKEN))
    asyncio.run(steps.submit(TRANSACTION, b"signature", 5.0))
    assert worker.places("broadcast", "orderer") == [0, 1]
    assert len({(members["payload"], members["signature"]) for _, members in worker.asked}) == 1
    asyncio.run(steps.submit(TRANSACTION, b"signature", 5.0))
    assert worker.places("broadcast", "orderer") == [0, 1, 1]  # which took it stays the first


@pytest.mark.parametrize(
    ("answers", "error", "reaction", "perhaps"),
    [
        ((AWAY, AWAY), LedgerUnavailable, Reaction.SAME_ENVELOPE, False),
        ((AWAY, {"status": 503, "info": "no leader"}), LedgerUnavailable, Reaction.SAME_ENVELOPE, False),
        ((BROKEN, AWAY), CommitUnknown, Reaction.ASK_STATUS, True),
        ((BROKEN, {"status": 403, "info": ""}), CommitUnknown, Reaction.ASK_STATUS, True),
        (({"status": 403, "info": "not a writer"},), SubmitFailed, Reaction.STOP, False),
        ((WorkerGone("killed"),), CommitUnknown, Reaction.ASK_STATUS, True),
    ],
)
def test_what_became_of_an_envelope(
    answers: Any, error: type[Exception], reaction: Reaction, perhaps: bool, stand: Any
) -> None:
    steps, _ = stand(ordering(*answers))
    trouble = trouble_of(steps.submit(TRANSACTION, b"signature", 5.0))
    assert isinstance(trouble.error, error)
    assert trouble.reaction is reaction
    assert trouble.perhaps_taken is perhaps


def test_nothing_is_sent_before_the_event_hub_is_open(stand: Any) -> None:
    steps, worker = stand(ordering({"broken": True, "last": 41}, TAKEN))
    asyncio.run(steps.submit(TRANSACTION, b"signature", 5.0))
    assert [call for call, _ in worker.asked] == ["broadcast", "follow", "broadcast"]

    def shut(call: str, members: dict[str, Any]) -> Any:
        return {"following": False} if call == "follow" else {"broken": True, "last": None}

    steps, worker = stand(shut)
    trouble = trouble_of(steps.submit(TRANSACTION, b"signature", 5.0))
    assert isinstance(trouble.error, LedgerUnavailable)
    assert not trouble.perhaps_taken
    assert [call for call, _ in worker.asked] == ["broadcast", "follow"]


def test_the_configuration_holds_no_signing_key(profile: HfcProfile) -> None:
    from sdk.hfc_messages import worker_configuration

    own = profile.model_copy(update={"peers": (PeerAddress(msp="PoliceMSP", address="127.0.0.9:1"), *profile.peers)})
    configuration = worker_configuration(own)
    assert configuration["own_peer"] == 1
    assert set(configuration) == {"channel", "own_peer", "options", "tls_client", "peers", "orderers"}
