"""Cameras, their changes and footage requests beside plain models of the design page: both must always agree."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from chaincode.dispatch import invoke
from chaincode.world import MemoryState, MemoryWorld
from evidence.canonical import parse_canonical
from evidence.errors import Refused
from tests.hosts.cast import ENCRYPTION_KEY, NOW_US, REASON, members, the_cast
from tests.unit.chaincode.the_world import caller, person

CONTROL, POLICE, AUDIT = "ControlRoomMSP", "PoliceMSP", "AuditorMSP"
# name -> role, organisation, control room
STAFF = {
    "operator": ("OPERATOR", CONTROL, "cr-1"),
    "manager": ("CRM", CONTROL, "cr-1"),
    "manager-2": ("CRM", CONTROL, "cr-1"),
    "supervisor": ("CRS", CONTROL, "cr-1"),
    "elsewhere": ("CRM", CONTROL, "cr-2"),
    "recorder": ("RECORDER", CONTROL, "cr-1"),
    "officer": ("PO", POLICE, None),
    "auditor": ("AUDITOR", AUDIT, None),
}
people = st.sampled_from(sorted(STAFF))
HOUR_US = 3_600_000_000
_CAST = the_cast()


class Ledger(RuleBasedStateMachine):
    """A ledger with staff on it, and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = NOW_US
        self.state = MemoryState()
        self.state.set("genesis", _CAST.genesis.canonical())
        for name, (role, msp, room) in STAFF.items():
            more = {} if room is None else {"control_room": room}
            entry = person(name, msp, role, _CAST.key(name).public_key, **more)
            self.state.set(f"participant/{name}/0000000000", entry.canonical())
            self.state.set(f"key/{entry.key}", members(participant=name))

    def asks(self, name: str, function: str, **values: Any) -> tuple[str, Any]:
        """`("ok", result)`, or the reason of the refusal."""
        role, msp, _ = STAFF[name]
        who = caller(_CAST.key(name).public_key, msp, role)
        world = MemoryWorld(self.state, caller=who, tx_id="ab" * 32, tx_time_us=self.now_us)
        try:
            result = invoke(world, function, [members(**values)])
        except Refused as refused:
            assert not world.writes
            return refused.reason, None
        world.commit()
        return "ok", parse_canonical(result, "result")

    def is_(self, name: str, *roles: str) -> bool:
        """Whether somebody has one of these roles in control room cr-1, or outside control rooms."""
        role, _, room = STAFF[name]
        return role in roles and room in ("cr-1", None)


class Cameras(Ledger):
    """PROPOSED → ACTIVE or REJECTED; ACTIVE ↔ SUSPENDED; both → RETIRED. A change needs two people."""

    def __init__(self) -> None:
        super().__init__()
        self.status: dict[str, str] = {}
        self.firmware: dict[str, str] = {}
        self.changes: dict[str, list[tuple[str, str]]] = {}

    cameras = st.sampled_from(["gate-1", "gate-2"])

    @rule(name=people, camera=cameras)
    def propose(self, name: str, camera: str) -> None:
        answer, _ = self.asks(name, "propose_camera", **_CAST.camera(camera))
        if not self.is_(name, "OPERATOR"):
            assert answer == "denied"
        elif camera in self.status:
            assert answer == "conflict"
        else:
            assert answer == "ok"
            self.status[camera], self.firmware[camera], self.changes[camera] = "PROPOSED", "1.2.3", []

    @rule(
        name=people,
        camera=cameras,
        move=st.sampled_from(
            [
                ("approve_camera", ("CRM",), ("PROPOSED",), "ACTIVE"),
                ("reject_camera", ("CRM", "CRS"), ("PROPOSED",), "REJECTED"),
                ("suspend_camera", ("CRM", "CRS"), ("ACTIVE",), "SUSPENDED"),
                ("reinstate_camera", ("CRM",), ("SUSPENDED",), "ACTIVE"),
                ("retire_camera", ("CRM",), ("ACTIVE", "SUSPENDED"), "RETIRED"),
            ]
        ),
    )
    def decide(self, name: str, camera: str, move: tuple[str, tuple[str, ...], tuple[str, ...], str]) -> None:
        function, roles, before, after = move
        reason = {} if function == "approve_camera" else {"reason": REASON}
        answer, _ = self.asks(name, function, camera=camera, **reason)
        if STAFF[name][0] not in roles:
            assert answer == "denied"
        elif camera not in self.status:
            assert answer == "not_found"
        elif not self.is_(name, *roles):
            assert answer == "denied"
        elif self.status[camera] not in before:
            assert answer == "conflict"
        else:
            assert answer == "ok"
            self.status[camera] = after

    @rule(name=people, camera=cameras, firmware=st.sampled_from(["2.0", "3.0"]))
    def propose_change(self, name: str, camera: str, firmware: str) -> None:
        answer, result = self.asks(name, "propose_change", camera=camera, kind="firmware", firmware=firmware)
        if STAFF[name][0] not in ("OPERATOR", "RECORDER"):
            assert answer == "denied"
        elif camera not in self.status:
            assert answer == "not_found"
        elif self.status[camera] not in ("ACTIVE", "SUSPENDED"):
            assert answer == "conflict"
        else:
            assert (answer, result["number"]) == ("ok", len(self.changes[camera]))
            self.changes[camera].append(("PROPOSED", firmware))

    @rule(name=people, camera=cameras, number=st.integers(0, 2), approve=st.booleans())
    def decide_change(self, name: str, camera: str, number: int, approve: bool) -> None:
        function, more = ("approve_change", {}) if approve else ("reject_change", {"reason": REASON})
        answer, _ = self.asks(name, function, camera=camera, number=number, **more)
        if STAFF[name][0] != "CRM":
            assert answer == "denied"
        elif camera not in self.status:
            assert answer == "not_found"
        elif not self.is_(name, "CRM"):
            assert answer == "denied"
        elif number >= len(self.changes[camera]):
            assert answer == "not_found"
        elif self.changes[camera][number][0] != "PROPOSED" or (
            approve and self.status[camera] not in ("ACTIVE", "SUSPENDED")
        ):
            assert answer == "conflict"
        else:
            assert answer == "ok"
            firmware = self.changes[camera][number][1]
            self.changes[camera][number] = ("DECIDED", firmware)
            if approve:
                self.firmware[camera] = firmware

    @invariant()
    def both_say_the_same(self) -> None:
        _, found = self.asks("auditor", "find_cameras")
        assert {each["id"]: each["status"] for each in found["items"]} == self.status
        assert {each["id"]: each["firmware"] for each in found["items"]} == self.firmware


class Requests(Ledger):
    """REQUESTED → GRANTED or DENIED, WITHDRAWN by who asked; disclosures under a grant; holds until the first."""

    names = st.sampled_from(["ask-1", "ask-2"])

    def __init__(self) -> None:
        super().__init__()
        self.requests: dict[str, dict[str, Any]] = {}
        assert self.asks("operator", "propose_camera", **_CAST.camera("gate-1"))[0] == "ok"
        assert self.asks("manager", "approve_camera", camera="gate-1")[0] == "ok"

    @rule(hours=st.integers(0, 2))
    def time_passes(self, hours: int) -> None:
        self.now_us += hours * HOUR_US

    @rule(name=people, request=names, hours=st.integers(-1, 3), start=st.integers(0, 3), end=st.integers(0, 3))
    def ask(self, name: str, request: str, hours: int, start: int, end: int) -> None:
        expires_us = self.now_us + hours * HOUR_US
        answer, _ = self.asks(
            name, "request_footage", request=request, cameras=["gate-1"], from_us=start, until_us=end, purpose=REASON,
            legal_basis=REASON, encryption_key=ENCRYPTION_KEY, expires_us=expires_us,
        )  # fmt: skip
        if not self.is_(name, "PO", "PCRO", "AUDITOR"):
            assert answer == "denied"
        elif request in self.requests:
            assert answer == "conflict"
        elif start >= end or hours <= 0:
            assert answer == "invalid"
        else:
            assert answer == "ok"
            self.requests[request] = {
                "status": "REQUESTED", "by": name, "span": (start, end), "expires_us": expires_us, "masked": False,
                "handed": False,
            }  # fmt: skip

    @rule(
        name=people,
        request=names,
        grant=st.booleans(),
        masked=st.booleans(),
        span=st.none() | st.tuples(st.integers(0, 3), st.integers(0, 3)),
    )
    def decide(self, name: str, request: str, grant: bool, masked: bool, span: tuple[int, int] | None) -> None:
        more: dict[str, Any] = {"decision": "grant", "masking": masked} if grant else {"decision": "deny"}
        if grant and span is not None:
            more |= {"from_us": span[0], "until_us": span[1]}
        elif not grant:
            more["reason"] = REASON
        answer, _ = self.asks(name, "decide_request", request=request, **more)
        found = self.requests.get(request)
        if STAFF[name][0] not in ("CRM", "CRS"):
            assert answer == "denied"
        elif found is None:
            assert answer == "not_found"
        elif not self.is_(name, "CRM", "CRS"):
            assert answer == "denied"
        elif found["status"] != "REQUESTED":
            assert answer == "conflict"
        elif self.now_us > found["expires_us"]:
            assert answer == "expired"
        elif grant and span is not None and not (found["span"][0] <= span[0] < span[1] <= found["span"][1]):
            assert answer == "invalid"
        else:
            assert answer == "ok"
            found["status"] = "GRANTED" if grant else "DENIED"
            if grant:
                found["span"], found["masked"] = span or found["span"], masked

    @rule(name=people, request=names)
    def withdraw(self, name: str, request: str) -> None:
        answer, _ = self.asks(name, "withdraw_request", request=request)
        found = self.requests.get(request)
        if not self.is_(name, "PO", "PCRO", "AUDITOR"):
            assert answer == "denied"
        elif found is None:
            assert answer == "not_found"
        elif found["by"] != name:
            assert answer == "denied"
        elif found["status"] not in ("REQUESTED", "GRANTED"):
            assert answer == "conflict"
        else:
            assert answer == "ok"
            found["status"] = "WITHDRAWN"

    @rule(name=people, request=names, start=st.integers(0, 3), end=st.integers(0, 3), masked=st.booleans(), to=people)
    def hand_over(self, name: str, request: str, start: int, end: int, masked: bool, to: str) -> None:
        answer, _ = self.asks(
            name, "record_disclosure", request=request, camera="gate-1", recipient=to, from_us=start, until_us=end,
            masked=masked, objects=[REASON],
        )  # fmt: skip
        found = self.requests.get(request)
        if STAFF[name][0] not in ("RECORDER", "CRM"):
            assert answer == "denied"
        elif found is None:
            assert answer == "not_found"
        elif not self.is_(name, "RECORDER", "CRM") or found["status"] != "GRANTED":
            assert answer == "denied"
        elif self.now_us > found["expires_us"]:
            assert answer == "expired"
        elif start >= end:
            assert answer == "invalid"
        elif (
            to != found["by"]
            or not found["span"][0] <= start < end <= found["span"][1]
            or (found["masked"] and not masked)
        ):
            assert answer == "denied"
        else:
            assert answer == "ok"
            found["handed"] = True

    @invariant()
    def footage_is_held_and_shown_as_the_model_says(self) -> None:
        _, listed = self.asks("auditor", "find_requests")
        assert {each["request"]: each["status"] for each in listed["items"]} == {
            name: each["status"] for name, each in self.requests.items()
        }
        stand = {
            name: each
            for name, each in self.requests.items()
            if each["status"] in ("REQUESTED", "GRANTED") and self.now_us <= each["expires_us"]
        }
        _, held = self.asks("operator", "find_holds", camera="gate-1")
        assert {each["request"] for each in held["items"]} == {
            name for name, each in stand.items() if not each["handed"]
        }
        shown = any(each["by"] == "officer" for each in stand.values())
        assert self.asks("officer", "get_camera", camera="gate-1")[0] == ("ok" if shown else "denied")
        for who in ("officer", "auditor"):
            granted = any(
                each["by"] == who and each["status"] == "GRANTED" and each["span"][0] <= 1 and each["span"][1] >= 2
                for each in stand.values()
            )
            _, answer = self.asks(who, "access", camera="gate-1", from_us=1, until_us=2)
            assert answer["decision"] == ("granted" if granted else "denied")


TestCameras = Cameras.TestCase
TestCameras.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
