"""Every row of the error table, caused on demand: what the caller is told, and what is sent again."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from evidence.errors import (
    CommitInvalid,
    CommitUnknown,
    ConfigInvalid,
    EndorseFailed,
    LedgerUnavailable,
    Malformed,
    Refused,
    SubmitFailed,
    VeriframeError,
)
from sdk import gateway as gateway_module
from sdk.fabric_ledger import FabricLedger
from sdk.gateway import LAGGING_ATTEMPTS
from sdk.gateway_blocking import BlockingGateway
from sdk.gateway_checkpoint import Checkpoint
from sdk.gateway_errors import TABLE, Detail, Reaction, classify, classify_validation
from sdk.gateway_steps import ChaincodeEvent
from tests.fabric.double.gateway import Fault
from tests.fabric.double.stand import QUICK, Stand
from tests.hosts.cast import NOW_US, members, the_cast

C = grpc.StatusCode
OVERLOAD = "too many requests for gateway.Gateway, exceeding concurrency limit (500)"
REFUSAL = '{"code":"denied","detail":"only a CRM may","where":"approve_camera","next_step":"ask"}'


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    made = Stand(the_cast(), now_s=lambda: NOW_US / 1_000_000)
    with BlockingGateway(made.profile(), the_cast().admin(), clock=lambda: NOW_US) as admin:
        admin.submit("init", the_cast().genesis.canonical())
        admin.submit("register_participant", members(**the_cast().registration("operator")))
    yield made
    made.close()


@pytest.fixture
def operator(stand: Stand) -> Iterator[BlockingGateway]:
    stand.gateway.faults.clear()
    stand.gateway.log.calls.clear()
    stand.gateway.log.envelopes.clear()
    with BlockingGateway(stand.profile(), the_cast()["operator"], clock=lambda: NOW_US) as gateway:
        yield gateway
    stand.ledger.held = False


_cameras = iter(range(10_000))


def camera() -> bytes:
    return members(**the_cast().camera(f"cam-{next(_cameras)}"))


def calls(stand: Stand, *kinds: str) -> list[tuple[str, str]]:
    return [each for each in stand.gateway.log.calls if each[0] in kinds]


# -- any call ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 409, 410, 422, 500])
@pytest.mark.parametrize("call", ["evaluate", "endorse"])
def test_a_refusal_is_final(stand: Stand, operator: BlockingGateway, call: str, status: int) -> None:
    stand.gateway.faults.append(Fault(call=call, status=C.UNKNOWN, text=f"chaincode response {status}, {REFUSAL}"))
    ask = operator.evaluate if call == "evaluate" else operator.submit
    with pytest.raises(Refused) as caught:
        ask("describe", b"{}")
    expected = {403: "denied", 404: "not_found", 409: "conflict", 410: "expired"}.get(status, "invalid")
    assert (caught.value.reason, caught.value.detail, caught.value.where) == (
        expected,
        "only a CRM may",
        "approve_camera",
    )
    assert len(calls(stand, call)) == 1


@pytest.mark.parametrize("call", ["evaluate", "endorse", "submit", "commit status"])
def test_an_overloaded_gateway_is_asked_again_later(stand: Stand, operator: BlockingGateway, call: str) -> None:
    stand.gateway.faults += [Fault(call=call, status=C.UNKNOWN, text=OVERLOAD)] * 2
    if call == "evaluate":
        assert operator.evaluate("describe", b"{}")
    else:
        assert operator.submit("propose_camera", camera()).block is not None
    assert len(calls(stand, call)) == 3
    assert len({tx_id for _, tx_id in calls(stand, "submit", "commit status")}) <= 1


# -- evaluate and endorse ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["evaluate", "endorse"])
def test_a_failed_precondition_is_for_people_to_fix(stand: Stand, operator: BlockingGateway, call: str) -> None:
    stand.gateway.faults.append(Fault(call=call, status=C.FAILED_PRECONDITION, text="no combination of peers"))
    ask = operator.evaluate if call == "evaluate" else operator.submit
    with pytest.raises(EndorseFailed, match="no combination"):
        ask("describe", b"{}")
    assert len(calls(stand, call)) == 1


@pytest.mark.parametrize("status", [C.UNAVAILABLE, C.ABORTED])
@pytest.mark.parametrize("call", ["evaluate", "endorse"])
def test_away_means_again_under_a_new_transaction_id(
    stand: Stand, operator: BlockingGateway, call: str, status: grpc.StatusCode
) -> None:
    stand.gateway.faults.append(
        Fault(call=call, status=status, text="see details", details=(("PoliceMSP", "failed to connect"),))
    )
    if call == "evaluate":
        operator.evaluate("describe", b"{}")
    else:
        operator.submit("propose_camera", camera())
    ids = [tx_id for _, tx_id in calls(stand, call)]
    assert len(ids) == len(set(ids)) == 2


def test_who_is_away_is_named_when_time_is_over(stand: Stand, operator: BlockingGateway) -> None:
    away = Fault(call="endorse", status=C.ABORTED, text="failed", details=(("PoliceMSP", "failed to connect"),))
    stand.gateway.faults += [away] * 50
    with pytest.raises(LedgerUnavailable, match="PoliceMSP at peer:7051: failed to connect") as caught:
        operator.submit("propose_camera", camera(), timeout_s=1)
    assert caught.value.retryable
    assert not stand.gateway.log.envelopes


def test_a_peer_that_says_nothing_costs_its_deadline_and_no_more(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults.append(Fault(call="evaluate", silent=True))
    with pytest.raises(LedgerUnavailable):
        operator.evaluate("describe", b"{}", timeout_s=0.3)


@pytest.mark.parametrize("behind", [("PoliceMSP",), ("PoliceMSP", "AuditorMSP")], ids=["one", "both"])
def test_foreign_peers_that_lag_are_asked_again_and_believed_in_the_end(
    stand: Stand, operator: BlockingGateway, behind: tuple[str, ...]
) -> None:
    details = tuple((msp, f"chaincode response 404, {REFUSAL}") for msp in behind)
    lags = Fault(call="endorse", status=C.ABORTED, text="failed", details=details)
    stand.gateway.faults.append(lags)
    assert operator.submit("propose_camera", camera()).block is not None
    stand.gateway.log.calls.clear()
    stand.gateway.faults += [lags] * 20
    with pytest.raises(Refused):
        operator.submit("propose_camera", camera())
    assert len(calls(stand, "endorse")) == LAGGING_ATTEMPTS
    # Where the own peer refuses as well there is nothing to wait for.
    stand.gateway.log.calls.clear()
    stand.gateway.faults[:] = [replace(lags, details=(*details, ("ControlRoomMSP", details[0][1])))]
    with pytest.raises(Refused):
        operator.submit("propose_camera", camera())
    assert len(calls(stand, "endorse")) == 1


def test_a_contract_process_that_breaks_is_an_outage_and_no_refusal(
    stand: Stand, operator: BlockingGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object) -> bytes:
        raise KeyError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(stand, "functions", broken)
        for ask in (operator.evaluate, operator.submit):
            with pytest.raises(LedgerUnavailable, match="error in simulation"):
                ask("describe", b"{}", timeout_s=0.4)
    assert operator.submit("propose_camera", camera()).block is not None


# -- submit ------------------------------------------------------------------------------------------------------------


def test_where_no_orderer_took_it_the_same_envelope_goes_again(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults += [Fault(call="submit", status=C.UNAVAILABLE, text="no orderers could process")] * 2
    assert operator.submit("propose_camera", camera()).block is not None
    assert len(stand.gateway.log.envelopes) == 3
    assert len(set(stand.gateway.log.envelopes)) == 1
    assert len(calls(stand, "endorse")) == 1


def test_where_no_orderer_ever_takes_it_that_is_said(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults += [Fault(call="submit", status=C.UNAVAILABLE, text="no orderers could process")] * 50
    with pytest.raises(LedgerUnavailable, match="no orderers"):
        operator.submit("propose_camera", camera(), timeout_s=1)


@pytest.mark.parametrize("after", [False, True], ids=["lost before ordering", "only the answer lost"])
def test_after_silence_the_same_transactions_status_is_asked_first(
    stand: Stand, operator: BlockingGateway, after: bool
) -> None:
    stand.gateway.faults.append(Fault(call="submit", silent=True, after=after))
    outcome = operator.submit("propose_camera", camera())
    kinds = [call for call, _ in calls(stand, "submit", "commit status")]
    assert kinds[:2] == ["submit", "commit status"]
    assert len(set(stand.gateway.log.envelopes)) == 1
    assert len(stand.gateway.log.envelopes) == (1 if after else 2)
    assert {tx_id for _, tx_id in stand.gateway.log.calls} == {outcome.tx_id}


def test_a_status_that_breaks_off_is_asked_again_and_nothing_is_sent_twice(
    stand: Stand, operator: BlockingGateway
) -> None:
    stand.gateway.faults += [Fault(call="commit status", status=C.UNAVAILABLE, text="the peer went away")] * 2
    outcome = operator.submit("propose_camera", camera())
    assert len(stand.gateway.log.envelopes) == 1
    assert [tx_id for _, tx_id in calls(stand, "commit status")] == [outcome.tx_id] * 3


@pytest.mark.parametrize(
    "lost",
    [
        Fault(call="submit", swallowed=True),
        # So it came from peers of version 3.1.5, when the deadline was over by their clock and not yet by ours.
        Fault(call="commit status", status=C.CANCELLED, text="Stream removed (RST_STREAM with error code 8)"),
    ],
    ids=["forgotten by a leader that died", "broken off"],
)
def test_what_was_acknowledged_and_is_not_heard_of_goes_out_again_as_it_was(
    stand: Stand, operator: BlockingGateway, lost: Fault
) -> None:
    stand.gateway.faults.append(lost)
    outcome = operator.submit("propose_camera", camera())
    assert [call for call, _ in calls(stand, "submit", "commit status")] == ["submit", "commit status"] * 2
    assert len(set(stand.gateway.log.envelopes)) == 1
    assert {tx_id for _, tx_id in stand.gateway.log.calls} == {outcome.tx_id}
    assert next(each.code for each in stand.ledger.commits if each.tx_id == outcome.tx_id) == 0


@pytest.mark.parametrize(
    ("text", "orderers", "error"),
    [
        ("no orderers could successfully process transaction", ("connection refused", "error while dialing"), "no"),
        ("no orderer nodes available", (), "no"),
        ("failed to connect to all addresses", (), "no"),
        ("no orderers could successfully process transaction", ("connection refused", "EOF"), "perhaps"),
        ("Socket closed", (), "perhaps"),
    ],
)
def test_only_where_surely_nothing_was_sent_that_is_said(
    stand: Stand, operator: BlockingGateway, text: str, orderers: tuple[str, ...], error: str
) -> None:
    details = tuple(("OrdererMSP", said) for said in orderers)
    stand.gateway.faults += [Fault(call="submit", status=C.UNAVAILABLE, text=text, details=details)] * 50
    with pytest.raises(LedgerUnavailable if error == "no" else CommitUnknown):
        operator.submit("propose_camera", camera(), timeout_s=0.6)


def test_an_outcome_that_nobody_tells_is_unknown(stand: Stand, operator: BlockingGateway) -> None:
    stand.ledger.held = True
    with pytest.raises(CommitUnknown, match="status before sending it again") as caught:
        operator.submit("propose_camera", camera(), timeout_s=1.5)
    assert len(set(stand.gateway.log.envelopes)) == 1
    tx_id = caught.value.where.removeprefix("transaction ")
    stand.ledger.held = False
    stand.ledger.cut()
    assert operator.commit_status(operator.commit_request(tx_id)) > 0


def test_what_an_orderer_will_never_take_is_a_failed_submission(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults.append(Fault(call="submit", status=C.INTERNAL, text="no"))
    with pytest.raises(SubmitFailed):
        operator.submit("propose_camera", camera())
    assert len(stand.gateway.log.envelopes) == 1


@pytest.mark.parametrize(
    "then",
    [
        Fault(call="commit status", status=C.PERMISSION_DENIED, text="not allowed to ask"),
        Fault(call="commit status", status=C.INTERNAL, text="no"),
    ],
    ids=["status not told", "status broken"],
)
def test_an_acknowledged_envelope_never_ends_as_if_nothing_had_been_sent(
    stand: Stand, operator: BlockingGateway, then: Fault
) -> None:
    stand.gateway.faults.append(then)
    with pytest.raises(CommitUnknown) as caught:
        operator.submit("propose_camera", camera())
    tx_id = caught.value.where.removeprefix("transaction ")
    assert operator.commit_status(operator.commit_request(tx_id)) > 0


def test_a_repetition_that_is_refused_says_nothing_about_the_first_envelope(
    stand: Stand, operator: BlockingGateway
) -> None:
    forbidden = "no orderers could process: received unsuccessful response: status=FORBIDDEN"
    stand.gateway.faults += [
        Fault(call="submit", silent=True, after=True),
        Fault(call="commit status", silent=True),
        Fault(call="submit", status=C.ABORTED, text=forbidden),
    ]
    with pytest.raises(CommitUnknown, match="FORBIDDEN") as caught:
        operator.submit("propose_camera", camera())
    assert operator.commit_status(operator.commit_request(caught.value.where.removeprefix("transaction "))) > 0


def test_what_was_committed_is_never_told_as_if_it_had_failed(stand: Stand) -> None:
    """The block is fetched after the commit; a ledger without it must not say `away` or `refused`."""
    ledger = FabricLedger(stand.profile(), identity=the_cast()["operator"], clock=lambda: NOW_US)
    lost = Fault(call="evaluate", status=C.UNKNOWN, text="chaincode response 500, Entry not found in index")
    try:
        stand.gateway.faults[:] = [lost]
        with pytest.raises(CommitUnknown, match="is on the ledger, in block"):
            ledger.submit("propose_camera", camera())
        stand.gateway.faults[:] = [lost]
        found = ledger.submit_many([("propose_camera", [camera()]), ("propose_camera", [camera()])])
        assert sorted(type(each).__name__ for each in found) == ["CommitUnknown", "Committed"]
    finally:
        ledger.close()


# -- validation codes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [11, 12])
def test_a_stale_read_is_endorsed_anew(stand: Stand, operator: BlockingGateway, code: int) -> None:
    stand.gateway.faults.append(Fault(call="commit status", code=code))
    # The first one truly stands, so that the contract refuses the second: what counts here is that it was made anew.
    with pytest.raises(Refused):
        operator.submit("propose_camera", camera())
    ids = {tx_id for _, tx_id in calls(stand, "endorse")}
    assert len(ids) == 2


def test_a_true_conflict_in_one_block_leaves_one_and_answers_the_other(stand: Stand, operator: BlockingGateway) -> None:
    argument = camera()
    both = [operator.endorse(operator.propose("propose_camera", argument)) for _ in range(2)]
    stand.ledger.held = True
    asked = [operator.send(each) for each in both]
    stand.ledger.cut()
    stand.ledger.held = False
    assert operator.commit_status(asked[0]) > 0
    with pytest.raises(CommitInvalid, match="MVCC_READ_CONFLICT"):
        operator.commit_status(asked[1])
    with pytest.raises(Refused) as caught:
        operator.submit("propose_camera", argument)
    assert caught.value.reason == "conflict"


def test_a_duplicate_looks_at_the_first_commit(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults.append(Fault(call="commit status", code=9))
    outcome = operator.submit("propose_camera", camera())
    assert outcome.block is not None
    assert [tx_id for _, tx_id in calls(stand, "commit status")] == [outcome.tx_id] * 2
    transaction = operator.endorse(operator.propose("propose_camera", camera()))
    first = operator.commit_status(operator.send(transaction))
    assert operator.commit_status(operator.send(transaction)) == first
    assert [each.code for each in stand.ledger.commits if each.tx_id == transaction.tx_id] == [0, 9]


def test_wrong_organisations_are_tried_once_more_and_then_somebody_is_told(
    stand: Stand, operator: BlockingGateway, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
        operator.submit("propose_camera", camera(), organisations=["ControlRoomMSP"])
    assert len(calls(stand, "endorse")) == 2
    assert "void twice" in caplog.text
    assert operator.submit("propose_camera", camera(), organisations=["ControlRoomMSP", "AuditorMSP"]).block


def test_a_transaction_void_for_another_reason_is_not_repeated(stand: Stand, operator: BlockingGateway) -> None:
    stand.gateway.faults.append(Fault(call="commit status", code=4))
    with pytest.raises(CommitInvalid, match="BAD_CREATOR_SIGNATURE"):
        operator.submit("propose_camera", camera())
    assert len(calls(stand, "endorse")) == 1


# -- what the double itself looks at: it is no yes-man -----------------------------------------------------------------


def test_foreign_signatures_and_wrong_clocks_do_not_get_in(stand: Stand, operator: BlockingGateway) -> None:
    key = the_cast().key("operator")
    with pytest.raises(EndorseFailed, match="signature"):
        operator.endorse(operator.propose("describe", b"{}"), key.sign(b"something else"))
    transaction = operator.endorse(operator.propose("propose_camera", camera()))
    with pytest.raises(CommitInvalid, match="BAD_CREATOR_SIGNATURE"):
        operator.commit_status(operator.send(transaction, key.sign(b"something else")))
    with pytest.raises(ConfigInvalid):
        operator.commit_status(operator.commit_request(transaction.tx_id), key.sign(b"something else"))
    with BlockingGateway(stand.profile(), the_cast()["operator"], clock=lambda: NOW_US + 20 * 60_000_000) as fast:
        with pytest.raises(EndorseFailed, match="clock"):
            fast.evaluate("describe", b"{}")
        with pytest.raises(EndorseFailed, match="clock"):
            fast.submit("propose_camera", camera())


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "error validating proposal: access denied: channel [evidence] creator org unknown, creator is malformed",
            "revoked",
        ),
        (
            "request unauthorized due to incorrect timestamp 2026-11-21T18:09:06Z, peer time 2026-11-21T17:49:06Z",
            "clock",
        ),
        ("proposal client identity expired", "new one"),
        ("error validating proposal: empty proposal bytes", "identity"),
    ],
)
@pytest.mark.parametrize("call", ["evaluate", "endorse"])
def test_what_a_peer_never_lets_in_is_not_repeated(
    stand: Stand, operator: BlockingGateway, call: str, said: str, advice: str
) -> None:
    # In these words, and as ABORTED, from peers of version 3.1.5.
    stand.gateway.faults.append(Fault(call=call, status=C.ABORTED, text="failed", details=(("ControlRoomMSP", said),)))
    with pytest.raises(EndorseFailed, match=said.split()[0]) as caught:
        (operator.evaluate if call == "evaluate" else operator.submit)("describe", b"{}")
    assert len(calls(stand, call)) == 1
    assert advice in caught.value.next_step


# -- events ------------------------------------------------------------------------------------------------------------


def test_a_broken_stream_of_events_loses_and_doubles_nothing(
    stand: Stand, operator: BlockingGateway, tmp_path: Path
) -> None:
    sent = [operator.submit("propose_camera", camera()).tx_id for _ in range(5)]
    stand.gateway.faults += [Fault(call="events broken")] * 3 + [Fault(call="events", status=C.UNAVAILABLE)]
    stream = operator.events()
    seen = []
    at = None
    for event in stream:
        seen.append(event.tx_id)
        if event.tx_id == sent[2]:
            at = Checkpoint(block=event.block, tx_id=event.tx_id)
        if event.tx_id == sent[-1]:
            break
    stream.close()  # type: ignore[attr-defined]
    assert seen[-5:] == sent
    assert len(seen) == len(set(seen))
    later = operator.events(at)
    assert [next(later).tx_id, next(later).tx_id] == sent[3:]
    later.close()  # type: ignore[attr-defined]


class Scripted:
    """Streams of events as a test wants them; after the last one, none answers."""

    def __init__(self, *streams: tuple[float, list[ChaincodeEvent]]) -> None:
        self.streams = list(streams)
        self.opened = 0

    async def close(self) -> None:
        return None

    async def events(self, asked: Any, signature: bytes) -> AsyncGenerator[ChaincodeEvent, None]:
        self.opened += 1
        silent_s, events = self.streams.pop(0) if self.streams else (0.0, [])
        await asyncio.sleep(silent_s)
        for event in events:
            yield event
        raise classify("events", C.UNAVAILABLE, "Socket closed")


def following(stand: Stand, steps: Scripted) -> BlockingGateway:
    profile = stand.profile(deadlines=QUICK.model_copy(update={"total_s": 0.3}))
    steps_: Any = steps
    return BlockingGateway(profile, the_cast()["operator"], clock=lambda: NOW_US, steps=lambda: steps_)


def an_event(block: int, tx_id: str = "a" * 64) -> ChaincodeEvent:
    return ChaincodeEvent(block=block, tx_id=tx_id, name="e", payload=b"")


def test_a_stream_that_was_silent_for_long_is_opened_again_when_it_breaks(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway_module, "STOOD_S", 0.4)
    with following(stand, Scripted((0.5, []), (0.0, [an_event(7)]), (0.5, []), (0.0, [an_event(8)]))) as gateway:
        stream = gateway.events()
        assert [next(stream).block, next(stream).block] == [7, 8]


def test_a_peer_that_stays_away_ends_the_stream_after_the_stated_time(stand: Stand) -> None:
    steps = Scripted((0.0, [an_event(7)]))
    with following(stand, steps) as gateway:
        stream = gateway.events()
        assert next(stream).block == 7
        with pytest.raises(LedgerUnavailable):
            next(stream)
    assert 2 < steps.opened < 10


@pytest.mark.parametrize("lie", [an_event(6), an_event(1 << 60), an_event(8, "x" * 64), an_event(8, "a" * 65)])
def test_a_peer_leads_nobody_back_nor_to_a_place_that_no_checkpoint_holds(stand: Stand, lie: ChaincodeEvent) -> None:
    with following(stand, Scripted((0.0, [an_event(7), lie]))) as gateway:
        stream = gateway.events()
        assert next(stream).block == 7
        with pytest.raises(Malformed):
            next(stream)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_closing_leaves_no_other_thread_waiting(stand: Stand, operator: BlockingGateway) -> None:
    stand.ledger.held = True
    said: list[BaseException] = []

    def submit() -> None:
        try:
            operator.submit("propose_camera", camera(), timeout_s=60)
        except VeriframeError as error:
            said.append(error)

    other = threading.Thread(target=submit, daemon=True)
    other.start()
    deadline = time.monotonic() + 10
    while not calls(stand, "commit status") and time.monotonic() < deadline:
        time.sleep(0.01)
    operator.close()
    operator.close()
    other.join(10)
    assert not other.is_alive()
    assert [type(each) for each in said] == [LedgerUnavailable]
    with pytest.raises(LedgerUnavailable, match="closed"):
        operator.evaluate("describe", b"{}")


# -- the table as data -------------------------------------------------------------------------------------------------


def test_every_call_and_code_has_an_answer() -> None:
    for call in ("evaluate", "endorse", "submit", "commit status", "events"):
        for code in grpc.StatusCode:
            trouble = classify(call, code, "whatever", ())
            assert isinstance(trouble.error, VeriframeError)
            if trouble.reaction is Reaction.STOP:
                assert trouble.error.next_step
    assert {row.error for row in TABLE} >= {LedgerUnavailable, EndorseFailed, SubmitFailed, CommitUnknown}
    assert classify_validation(0, "x") is None
    assert all(classify_validation(code, "x") is not None for code in range(1, 256))


@pytest.mark.parametrize("message", ["{", "[1]", "null", '{"detail": 7}', "", "x" * 5000, "[" * 5000])
def test_a_refusal_in_foreign_words_is_still_a_refusal(message: str) -> None:
    error: Any = classify("evaluate", C.UNKNOWN, f"chaincode response 403, {message}").error
    assert isinstance(error, Refused)
    assert error.reason == "denied"
    assert len(str(error)) < 500
    said = classify("endorse", C.ABORTED, "x", [Detail(address="a", msp="M", message="chaincode response 200, ok")])
    assert not isinstance(said.error, Refused)
