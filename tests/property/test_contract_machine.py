"""The contract as a state machine: whatever people do in whatever order, what must never happen does not."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chaincode.anchors import open_batch
from chaincode.dispatch import invoke
from chaincode.world import MemoryState, MemoryWorld
from evidence.certificates import caller_of, parse_certificate
from evidence.errors import Refused
from evidence.registry import ACTIVE, parse_camera_entry, parse_participant_entry
from sdk.identities import Identity
from tests.hosts.cast import CHAIN, NOW_US, PEOPLE, REASON, members, the_cast

CAST = the_cast()
NAMES = [name for name, (msp, _, _) in PEOPLE.items() if msp == "ControlRoomMSP"]
CAMERAS = ("gate-1", "gate-2")
people = st.sampled_from([*NAMES, "manager", "manager", "recorder", "recorder", "recorder"])
cameras = st.sampled_from(CAMERAS)


class Contract(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = MemoryState()
        self.anchored: dict[str, bytes] = {}
        self.history: dict[str, bytes] = {}
        self.count = 0

    def does(self, who: Identity, function: str, argument: bytes = b"", **values: Any) -> bool:
        self.count += 1
        caller = caller_of(who.msp, parse_certificate(who.certificate))
        world = MemoryWorld(self.state, caller=caller, tx_id=f"{self.count:064x}", tx_time_us=NOW_US)
        try:
            invoke(world, function, [argument or members(**values)])
        except Refused as refused:
            assert refused.where == function
            return False
        assert (world.event is not None) == bool(world.writes)
        assert not any(self.state.get(key) is not None for key in world.writes), "nothing is ever overwritten"
        world.commit()
        return True

    @initialize()
    def found(self) -> None:
        assert self.does(CAST.admin(), "init", CAST.genesis.canonical())
        # Half of the people are there from the start, so that more than refusals happens.
        for name in ("operator", "manager", "recorder", "recorder-south"):
            self.register(name)
        assert self.does(CAST["operator"], "propose_camera", **CAST.camera("gate-1"))

    @rule(name=people)
    def register(self, name: str) -> None:
        self.does(CAST.admin(), "register_participant", **CAST.registration(name))

    @rule(name=people, function=st.sampled_from(["suspend_participant", "reinstate_participant"]))
    def change_standing(self, name: str, function: str) -> None:
        self.does(CAST.admin(), function, participant=name)

    @rule(name=people, camera=cameras, site=st.sampled_from(["north", "south"]))
    def propose(self, name: str, camera: str, site: str) -> None:
        self.does(CAST[name], "propose_camera", **CAST.camera(camera, site=site))

    @rule(name=people, camera=cameras)
    def approve(self, name: str, camera: str) -> None:
        self.does(CAST[name], "approve_camera", camera=camera)

    @rule(
        name=people,
        camera=cameras,
        function=st.sampled_from(["reject_camera", "suspend_camera", "reinstate_camera", "retire_camera"]),
    )
    def decide(self, name: str, camera: str, function: str) -> None:
        self.does(CAST[name], function, camera=camera, reason=REASON)

    @rule(
        name=people,
        camera=cameras,
        sequences=st.sets(st.integers(0, 3), min_size=1),
        chain=st.integers(CHAIN, CHAIN + 2),
        other=st.booleans(),
    )
    def anchor(self, name: str, camera: str, sequences: set[int], chain: int, other: bool) -> None:
        record = {"record": bytes(32)} if other else {}
        blocks = [CAST.signed(CAST.block(each, camera=camera, chain=chain, **record)) for each in sorted(sequences)]
        active = self.status(camera) == ACTIVE
        before = len(list(self.state.items()))
        if self.does(CAST[name], "anchor", open_batch(blocks)):
            wrote = len(list(self.state.items())) > before
            assert active or not wrote
            assert PEOPLE[name][1] == "RECORDER"

    def status(self, camera: str) -> str | None:
        found = [value for _, value in self.state.scan(f"camera/{camera}/", f"camera/{camera}0")]
        return parse_camera_entry(found[-1]).status if found else None

    @invariant()
    def nothing_is_rewritten(self) -> None:
        now = dict(self.state.items())
        assert all(now[key] == value for key, value in self.history.items())
        self.history = now

    @invariant()
    def entries_are_numbered_without_a_hole(self) -> None:
        for key, value in self.state.items():
            kind, _, rest = key.partition("/")
            if kind in ("camera", "participant"):
                subject, n = rest.split("/")
                entry = parse_camera_entry(value) if kind == "camera" else parse_participant_entry(value)
                assert (entry.id, entry.n) == (subject, int(n))
                assert int(n) == 0 or self.state.get(f"{kind}/{subject}/{int(n) - 1:010d}") is not None

    @invariant()
    def nobody_decided_about_their_own_proposal(self) -> None:
        for _, value in self.state.scan("camera/", "camera0"):
            entry = parse_camera_entry(value)
            assert entry.status != ACTIVE or entry.decided_by not in (None, entry.proposer)

    @invariant()
    def every_block_stands_in_a_chain_that_was_opened(self) -> None:
        for key, _ in self.state.scan("block/", "block0"):
            _, camera, chain, _ = key.split("/")
            assert self.state.get(f"chain/{camera}/{chain}") is not None


TestContract = Contract.TestCase
TestContract.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
