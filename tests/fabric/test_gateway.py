"""The gateway client against real peers: steps, signatures made elsewhere, replays, races, events, missing peers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from chaincode.anchors import open_batch
from evidence.errors import (
    CommitInvalid,
    ConfigInvalid,
    EndorseFailed,
    KeyUnavailable,
    LedgerUnavailable,
    Refused,
    VeriframeError,
)
from evidence.keys import PublicKey
from evidence.registry import Position
from network.bring_up import Network
from network.founding import profile_file
from sdk import ledger as ledgers
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import GatewayAddress, Profile, read_profile
from sdk.gateway import Gateway
from sdk.gateway_blocking import BlockingGateway
from sdk.gateway_checkpoint import Checkpoint, CheckpointFile
from sdk.identities import Identity
from tests.fabric.lifecycle import define
from tests.hosts.cast import NOW_US, Cast, members, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

CHAINCODE = "gateway"


def clock() -> int:
    return NOW_US


@pytest.fixture(scope="module")
def cast() -> Cast:
    return the_cast()


@pytest.fixture(scope="module")
def profile(fabric_network: Network, cast: Cast) -> Profile:
    """Of the control room, over a chaincode that is founded and knows manager, operator and recorder."""
    define(fabric_network, [CHAINCODE])
    found = read_profile(profile_file(fabric_network.root, "control-room"))
    own = found.model_copy(update={"chaincode": CHAINCODE})
    with BlockingGateway(own, cast.admin(), clock=clock) as gateway:
        gateway.submit("init", cast.genesis.canonical())
        for name in ("manager", "operator", "recorder"):
            gateway.submit("register_participant", members(**cast.registration(name)))
    return own


@pytest.fixture
def operator(profile: Profile, cast: Cast) -> Iterator[BlockingGateway]:
    with BlockingGateway(profile, cast["operator"], clock=clock) as gateway:
        yield gateway


def test_a_refusal_of_the_contract_arrives_as_it_was_said(operator: BlockingGateway, cast: Cast) -> None:
    for call in (operator.evaluate, operator.submit):
        with pytest.raises(Refused) as caught:
            call("approve_camera", members(camera="gate-1"))
        assert caught.value.reason == "denied"
        assert caught.value.where == "approve_camera"
        assert "CRM" in str(caught.value)
    with pytest.raises(Refused) as caught:
        operator.evaluate("no_such_function", b"{}")
    assert caught.value.reason == "invalid"


class _Elsewhere:
    """A signer whose key is not here."""

    def __init__(self, public_key: PublicKey) -> None:
        self.public_key = public_key

    def sign(self, message: bytes) -> bytes:
        raise KeyUnavailable("the key is elsewhere")


def test_every_step_takes_a_signature_that_was_made_elsewhere(profile: Profile, cast: Cast) -> None:
    who, key = cast["operator"], cast.key("operator")
    absent = Identity(
        name=who.name, msp=who.msp, certificate=who.certificate, role=who.role, signer=_Elsewhere(key.public_key)
    )
    with BlockingGateway(profile, absent, clock=clock) as gateway:
        with pytest.raises(KeyUnavailable):
            gateway.evaluate("describe", b"{}")
        proposal = gateway.propose("propose_camera", members(**cast.camera("offline-1")))
        transaction = gateway.endorse(proposal, key.sign(proposal.message))
        assert transaction.writes
        asked = gateway.send(transaction, key.sign(transaction.message))
        assert gateway.commit_status(asked, key.sign(asked.message)) > 0
        with pytest.raises(VeriframeError):
            gateway.endorse(gateway.propose("describe", b"{}"), key.sign(b"another message"))


def test_the_same_envelope_twice_is_one_commit(operator: BlockingGateway, cast: Cast) -> None:
    transaction = operator.endorse(operator.propose("propose_camera", members(**cast.camera("twice-1"))))
    first = operator.commit_status(operator.send(transaction))
    assert operator.commit_status(operator.send(transaction)) == first


def test_of_two_that_race_one_is_void_and_a_repetition_gets_the_contracts_answer(
    operator: BlockingGateway, cast: Cast
) -> None:
    argument = members(**cast.camera("race-1"))
    both = [operator.endorse(operator.propose("propose_camera", argument)) for _ in range(2)]
    asked = [operator.send(each) for each in both]
    outcomes = []
    for each in asked:
        try:
            outcomes.append(operator.commit_status(each))
        except CommitInvalid as error:
            assert "MVCC" in str(error)
            outcomes.append(None)
    assert sorted(outcome is None for outcome in outcomes) == [False, True]
    found = operator._wait(_all_at_once(operator, members(**cast.camera("race-2"))))
    refused = [each for each in found if isinstance(each, Refused)]
    assert len(found) - len(refused) == 1
    assert {each.reason for each in refused} == {"conflict"}


async def _all_at_once(operator: BlockingGateway, argument: bytes) -> list[object]:
    calls = [operator._gateway.submit("propose_camera", argument) for _ in range(4)]
    return list(await asyncio.gather(*calls, return_exceptions=True))


def test_endorsements_of_the_wrong_organisations_are_void_and_somebody_is_told(
    operator: BlockingGateway, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    argument = members(**cast.camera("alone-1"))
    with caplog.at_level(logging.ERROR), pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
        operator.submit("propose_camera", argument, organisations=["ControlRoomMSP"])
    assert "void twice" in caplog.text
    outcome = operator.submit("propose_camera", argument, organisations=["ControlRoomMSP", "AuditorMSP"])
    assert outcome.block is not None


def test_events_go_on_where_the_last_checkpoint_stands(
    profile: Profile, cast: Cast, operator: BlockingGateway, tmp_path: Path
) -> None:
    kept = CheckpointFile(tmp_path / "events" / "checkpoint")
    assert kept.load() is None
    sent = [operator.submit("propose_camera", members(**cast.camera(f"event-{n}"))).tx_id for n in range(4)]

    def follow(until: str, count: int) -> list[str]:
        seen = []
        stream = operator.events(kept.load())
        for event in stream:
            seen.append(event.tx_id)
            kept.save(Checkpoint(block=event.block, tx_id=event.tx_id))
            if event.tx_id == until or len(seen) == count:
                stream.close()  # type: ignore[attr-defined]
                break
        return seen

    first = follow(sent[1], 1000)
    assert first[-2:] == sent[:2]
    assert follow(sent[-1], 1) == [sent[2]]
    assert follow(sent[-1], 1000) == [sent[3]]
    later = operator.submit("propose_camera", members(**cast.camera("event-9"))).tx_id
    assert follow(later, 1000) == [later]


def test_a_dead_gateway_is_passed_over_and_deadlines_hold(profile: Profile, cast: Cast) -> None:
    dead = GatewayAddress(address="127.0.0.1:9", tls_root=profile.gateways[0].tls_root)
    two = profile.model_copy(update={"gateways": (dead, *profile.gateways)})
    with BlockingGateway(two, cast["operator"], clock=clock) as gateway:
        assert gateway.evaluate("describe", b"{}")
        assert gateway.submit("propose_camera", members(**cast.camera("dead-1"))).block is not None
    with BlockingGateway(profile.model_copy(update={"gateways": (dead,)}), cast["operator"], clock=clock) as gateway:
        for call in (gateway.evaluate, gateway.submit):
            started = time.monotonic()
            with pytest.raises(LedgerUnavailable):
                call("describe", b"{}", timeout_s=1.0)
            assert time.monotonic() - started < 3


def test_strangers_and_wrong_places_are_no_outage(profile: Profile, cast: Cast) -> None:
    other = cast.identity("operator", "PoliceMSP", "OPERATOR", {"control_room": "cr-1"})
    forged = Identity(
        name="x", msp="ControlRoomMSP", certificate=other.certificate, role="OPERATOR", signer=cast.key("operator")
    )
    for changed, who in (
        ({}, forged),
        ({"channel": "elsewhere"}, cast["operator"]),
        ({"chaincode": "elsewhere"}, cast["operator"]),
    ):
        with BlockingGateway(profile.model_copy(update=changed), who, clock=clock) as gateway:
            started = time.monotonic()
            with pytest.raises((EndorseFailed, ConfigInvalid)):
                gateway.submit("propose_camera", members(**cast.camera("never")), timeout_s=20)
            assert time.monotonic() - started < 15


def test_the_ledger_over_it_is_like_any_other(fabric_network: Network, cast: Cast, tmp_path: Path) -> None:
    source = profile_file(fabric_network.root, "control-room")
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(source.read_text()), "chaincode": CHAINCODE}))
    url = f"fabric:{path}"
    ledger = ledgers.open(url, identity=cast["operator"], clock=clock)
    assert isinstance(ledger, FabricLedger)
    try:
        committed = ledger.submit("propose_camera", members(**cast.camera("gate-1")))
        assert committed.position is not None
        assert committed.event is not None
        entry = next(each for each in ledger.entries("camera/gate-1/"))
        assert entry.position == committed.position
        behind = Position(height=committed.position.height - 1, index=1 << 20)
        assert [event.position for event in ledger.events(behind)] == [committed.position]
        assert list(ledger.events(committed.position)) == []
    finally:
        ledger.close()
    manager = ledgers.open(url, identity=cast["manager"], clock=clock)
    recorder = ledgers.open(url, identity=cast["recorder"], clock=clock)
    assert isinstance(recorder, FabricLedger)
    try:
        manager.submit("approve_camera", members(camera="gate-1"))
        batch = open_batch(cast.blocks(0, 1))
        assert recorder.submit("anchor", batch).position is not None
        assert recorder.submit("anchor", batch).position is None  # it stands there: nothing to write, nothing sent
        several = recorder.submit_many([("anchor", [open_batch(cast.blocks(0))]), ("anchor", [b"{}"])])
        assert [type(each).__name__ for each in several] == ["Committed", "Refused"]
    finally:
        manager.close()
        recorder.close()
    with pytest.raises(ConfigInvalid, match="PoliceMSP"):
        ledgers.open(url, identity=cast["officer"], clock=clock)
    with pytest.raises(ConfigInvalid):
        ledgers.open("fabric:", identity=cast["officer"], clock=clock)


def test_the_asyncio_face_is_the_same(profile: Profile, cast: Cast) -> None:
    async def work() -> None:
        async with Gateway(profile, cast["operator"], clock=clock) as gateway:
            answers = await asyncio.gather(*(gateway.evaluate("describe", b"{}") for _ in range(20)))
            assert len(set(answers)) == 1
            stream = gateway.events()
            first = await anext(stream)
            await stream.aclose()
            assert first.name == "init"

    asyncio.run(work())
