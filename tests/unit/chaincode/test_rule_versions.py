"""Contracts of two versions, side by side before the newer rules count: they must read and write the same."""

from __future__ import annotations

import pytest

from chaincode import dispatch
from chaincode.dispatch import invoke
from chaincode.second_person import rules_in_force, rules_key
from chaincode.world import MemoryState, MemoryWorld
from evidence.certificates import Caller
from evidence.errors import Refused
from tests.hosts.cast import NOW_US, Cast, members, the_cast
from tests.unit.chaincode.the_world import arguments, person, state_with


class ReadWorld(MemoryWorld):
    """Notes which keys are read, in order."""

    def __init__(self, state: MemoryState, caller: Caller) -> None:
        super().__init__(state, caller=caller, tx_id="ab" * 32, tx_time_us=NOW_US)
        self.read: list[str] = []

    def get(self, key: str) -> bytes | None:
        self.read.append(key)
        return super().get(key)

    def scan(self, start: str, end: str):  # type: ignore[no-untyped-def]  # as its base
        self.read.append(f"{start}..{end}")
        return super().scan(start, end)


def caller(cast: Cast, msp: str, role: str, key: str) -> Caller:
    return Caller(
        msp=msp,
        subject="CN=actor",
        role=role,
        attributes={"role": role},
        public_key=cast.key(key).public_key,
        certificate_sha256=bytes(32),
    )


@pytest.mark.parametrize(
    ("function", "msp", "role"),
    [("receive_exhibit", "PoliceMSP", "PO"), ("approve_camera", "ControlRoomMSP", "CRM")],
)
@pytest.mark.parametrize("in_force", [1, 2])
def test_contracts_of_two_versions_read_and_write_the_same(
    function: str, msp: str, role: str, in_force: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = the_cast()
    entry = person("actor", msp, role, cast.key("actor").public_key)
    rules = {rules_key(version): members(version=version) for version in range(2, in_force + 1)}
    seen = []
    for version in (2, 3):
        monkeypatch.setattr(dispatch, "VERSION", version)
        world = ReadWorld(state_with(entry, **rules), caller(cast, msp, role, "actor"))
        result = invoke(world, function, [arguments(function)])
        assert rules_in_force(world) == in_force
        seen.append((world.read, world.writes, result))
    assert seen[0] == seen[1]


def test_a_contract_that_stayed_behind_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cast = the_cast()
    entry = person("actor", "PoliceMSP", "PO", cast.key("actor").public_key)
    rules = {rules_key(version): members(version=version) for version in (2, 3)}
    for version in (1, 2):
        monkeypatch.setattr(dispatch, "VERSION", version)
        world = ReadWorld(state_with(entry, **rules), caller(cast, "PoliceMSP", "PO", "actor"))
        with pytest.raises(Refused, match=f"version 3 of the rules .* knows version {version}"):
            invoke(world, "receive_exhibit", [arguments("receive_exhibit")])
        assert not world.writes
