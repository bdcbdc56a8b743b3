"""Recorders that anchor one block after the other while something breaks, and what must stand on every ledger then.

Nothing lost: an anchor that was acknowledged stands where it was said to stand, on every organisation's ledger; one
that was not can be sent again. Nothing doubled: no slot is written twice, however often its block was sent.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import transaction_pb2

from chaincode.anchors import open_batch
from evidence.blocks import slot_key
from evidence.errors import EndorseFailed, VeriframeError
from network.bring_up import Network
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Deadlines, Profile
from sdk.gateway import Gateway, Outcome
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import Identity
from tests.fabric.stage import profiles_of
from tests.hosts.cast import CHAIN, Cast, members

CATCH_UP_S = 60
MOST_ANCHORS = 400
PAUSE_S = 0.5  # after a failure, as a recorder would make one
BEFORE, AFTER = 24, 24  # anchors acknowledged before something breaks, and after it came back
# Short ones, so that what is lost on the way is noticed within a test.
DEADLINES = Deadlines(evaluate_s=20, endorse_s=40, submit_s=3, commit_s=3, total_s=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """What became of the anchors of a run, by sequence of the block; and when, on the monotonic clock."""

    acknowledged: dict[int, Outcome] = field(default_factory=dict)
    acknowledged_s: dict[int, float] = field(default_factory=dict)
    failed: dict[int, VeriframeError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A founded ledger, `name`, on a network, where cameras are registered and anchored by recorders."""

    network: Network
    name: str
    cast: Cast
    clock: Callable[[], int]

    def profile(self, msp: str = "ControlRoomMSP", deadlines: Deadlines = DEADLINES) -> Profile:
        found = profiles_of(self.network)(msp)
        return found.model_copy(update={"chaincode": self.name, "deadlines": deadlines})

    def found(self) -> None:
        with self.acting(self.cast.admin()) as admin:
            self._submit_once_endorsable(admin, "init", self.cast.genesis.canonical())
            for name in ("manager", "manager-2", "operator", "recorder", "recorder-2"):
                admin.submit("register_participant", members(**self.cast.registration(name)))

    def camera(self, camera: str) -> None:
        """A camera that may be anchored, with its chain begun."""
        with self.acting(self.cast["operator"]) as operator:
            operator.submit("propose_camera", members(**self.cast.camera(camera)))
        with self.acting(self.cast["manager"]) as manager:
            manager.submit("approve_camera", members(camera=camera))
        with self.acting(self.cast["recorder"]) as recorder:
            recorder.submit("anchor", self.batch(camera, 0))

    def _submit_once_endorsable(self, gateway: BlockingGateway, function: str, argument: bytes) -> None:
        """Peers that have just started take some seconds to know each other; nobody else is found to endorse then."""
        deadline = time.monotonic() + CATCH_UP_S
        while True:
            try:
                gateway.submit(function, argument)
                return
            except EndorseFailed:
                assert time.monotonic() < deadline
                time.sleep(0.2)

    def batch(self, camera: str, *sequences: int) -> bytes:
        return open_batch(self.cast.blocks(*sequences, camera=camera))

    def anchor_while(
        self, camera: str, disturb: Callable[[], None], *, in_flight: int = 8, deadlines: Deadlines = DEADLINES
    ) -> Anchored:
        """Anchor blocks 1, 2, 3 … singly, `in_flight` at once, before, while and after `disturb` runs."""
        return asyncio.run(self._anchor_while(camera, disturb, in_flight, self.profile(deadlines=deadlines)))

    async def _anchor_while(
        self, camera: str, disturb: Callable[[], None], in_flight: int, profile: Profile
    ) -> Anchored:
        run = Anchored()
        following = iter(range(1, MOST_ANCHORS))
        disturbed: asyncio.Task[None] | None = None
        enough = MOST_ANCHORS

        async def recorder(gateway: Gateway) -> None:
            nonlocal disturbed, enough
            for sequence in following:
                document = self.batch(camera, sequence)
                try:
                    run.acknowledged[sequence] = await gateway.submit("anchor", document)
                    run.acknowledged_s[sequence] = time.monotonic()
                except VeriframeError as error:
                    run.failed[sequence] = error
                    await asyncio.sleep(PAUSE_S)
                if disturbed is None and len(run.acknowledged) >= BEFORE:
                    disturbed = asyncio.create_task(asyncio.to_thread(disturb))
                if disturbed is not None and disturbed.done() and enough == MOST_ANCHORS:
                    enough = len(run.acknowledged) + AFTER
                if len(run.acknowledged) >= enough:
                    return

        async with Gateway(profile, self.cast["recorder"], clock=self.clock) as gateway:
            await asyncio.gather(*(recorder(gateway) for _ in range(in_flight)))
        assert disturbed is not None, run
        await disturbed
        assert enough < MOST_ANCHORS, "the disturbance outlasted the run"
        return run

    def send_again(self, camera: str, run: Anchored) -> None:
        """What failed is sent once more, as it was: it is taken now, or answered to stand there already."""
        with self.acting(self.cast["recorder"]) as recorder:
            for sequence in run.failed:
                assert recorder.submit("anchor", self.batch(camera, sequence)).result

    def stands_once(self, camera: str, sequences: Sequence[int], run: Anchored | None = None) -> None:
        """Every block of `sequences` is written once, at the same place on every organisation's ledger."""
        slots = {slot_key(camera, CHAIN, sequence): sequence for sequence in sequences}
        acknowledged = {} if run is None else run.acknowledged
        ledgers = {msp: self.ledger(msp) for msp in self.cast.genesis.msps}
        try:
            newest = max(ledger.height() for ledger in ledgers.values())
            for msp, ledger in ledgers.items():
                self._catch_up(msp, ledger, newest)
                standing: dict[str, list[tuple[int, str]]] = defaultdict(list)
                for position, transaction in ledger.transactions():
                    for write in transaction.writes:
                        if write.chaincode == self.name and write.key in slots:
                            standing[write.key].append((position.height, transaction.tx_id))
                assert standing.keys() == slots.keys(), (msp, "lost", slots.keys() ^ standing.keys())
                for key, places in standing.items():
                    assert len(places) == 1, (msp, "doubled", key, places)
                    told = acknowledged.get(slots[key])
                    if told is not None and told.block is not None:
                        assert places == [(told.block, told.tx_id)], (msp, key)
        finally:
            for ledger in ledgers.values():
                ledger.close()

    def _catch_up(self, msp: str, ledger: FabricLedger, height: int) -> None:
        deadline = time.monotonic() + CATCH_UP_S
        while ledger.height() < height:
            assert time.monotonic() < deadline, f"{msp} stays behind"
            time.sleep(0.1)

    def endorsers(self, outcome: Outcome) -> set[str]:
        """Organisations that endorsed a transaction, by the gateway's ledger."""
        assert outcome.block is not None
        profile = self.profile()
        with self.acting(self.cast.admin()) as admin:
            data = admin.evaluate(
                "GetBlockByNumber",
                *(profile.channel.encode(), str(outcome.block).encode()),
                chaincode="qscc",
                organisations=[profile.msp],
            )
        return endorsing_organisations(data, outcome.tx_id)

    def ledger(self, msp: str) -> FabricLedger:
        return FabricLedger(self.profile(msp), identity=self.cast.admin(msp), clock=self.clock)

    def acting(self, who: Identity, deadlines: Deadlines = DEADLINES) -> BlockingGateway:
        return BlockingGateway(self.profile(who.msp, deadlines), who, clock=self.clock)


def endorsing_organisations(data: bytes, tx_id: str) -> set[str]:
    """Whose peers endorsed the transaction of this id in a block."""
    found: set[str] = set()
    for envelope in common_pb2.Block.FromString(data).data.data:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(envelope).payload)
        if common_pb2.ChannelHeader.FromString(payload.header.channel_header).tx_id == tx_id:
            for action in transaction_pb2.Transaction.FromString(payload.data).actions:
                endorsed = transaction_pb2.ChaincodeActionPayload.FromString(action.payload).action
                for each in endorsed.endorsements:
                    found.add(identities_pb2.SerializedIdentity.FromString(each.endorser).mspid)
    return found
