"""The read that organisations sign: what it shows, to whom, and how much at once."""

from __future__ import annotations

from typing import Any

import pytest

from chaincode import proofs
from chaincode.dispatch import invoke
from chaincode.world import MemoryState, MemoryWorld
from evidence.blocks import slot_key
from evidence.canonical import canonical, parse_canonical
from evidence.errors import Refused
from evidence.proof_ranges import PROOF_PREFIXES, whole_range
from tests.hosts.cast import CHAIN, NOW_US, members, the_cast
from tests.unit.chaincode.the_world import caller, person, state_with

CAMERA = "active-1"


def ask(ranges: list[list[str]], *, role: str = "CRM", msp: str = "ControlRoomMSP", **more: bytes) -> Any:
    """What somebody of this role is shown of the ledger with one of everything, and `more` under further keys."""
    key = the_cast().key("asker").public_key
    state = state_with(person("asker", msp, role, key))
    for name, value in more.items():
        state.set(name, value)
    return asked_of(state, ranges, role=role, msp=msp)


def asked_of(state: MemoryState, ranges: list[list[str]], *, role: str = "CRM", msp: str = "ControlRoomMSP") -> Any:
    who = caller(the_cast().key("asker").public_key, msp, role)
    world = MemoryWorld(state, caller=who, tx_id="ab" * 32, tx_time_us=NOW_US)
    answer = parse_canonical(invoke(world, "read_proof", [members(ranges=ranges)]), "answer", limit=16 << 20)
    assert not world.writes and world.event is None
    return answer["ranges"]


def whole(kind: str, *subject: str) -> list[str]:
    return list(whole_range(kind, *subject))


def slots(count: int) -> dict[str, bytes]:
    return {slot_key(CAMERA, CHAIN, number): canonical({"number": number}) for number in range(1, count + 1)}


def test_every_entry_of_each_range_is_shown_in_the_order_asked() -> None:
    ranges = [whole("participant"), [slot_key(CAMERA, CHAIN, 1), slot_key(CAMERA, CHAIN, 4)], whole("genesis")]
    shown = ask(ranges, **slots(9))
    assert [[each["start"], each["end"]] for each in shown] == ranges
    assert [entry["value"] for entry in shown[1]["entries"]] == [{"number": 1}, {"number": 2}, {"number": 3}]
    assert [entry["key"] for entry in shown[2]["entries"]] == ["genesis"]
    assert "participant/asker/0000000000" in [entry["key"] for entry in shown[0]["entries"]]


def test_the_bytes_under_every_key_can_be_made_again_from_what_is_shown() -> None:
    """Signatures and digests are over the stored bytes, of every kind of entry that can be proven."""
    more = {
        f"policy/cr-1/{0:010d}": canonical({"rate": 2}),
        f"revocation/{CAMERA}/{0:010d}": canonical({"key": 'é\u2028"\\'}),
        f"pending/replace-admin/{'ab' * 32}/{0:010d}": canonical({"status": "WAITING"}),
    }
    state = state_with(person("asker", "AuditorMSP", "AUDITOR", the_cast().key("asker").public_key), **more)
    seen = set()
    for kind, names in PROOF_PREFIXES.items():
        subject = {"camera": (CAMERA,), "site": ("north", "recorder")}[names[0]] if names else ()
        for entry in asked_of(state, [whole(kind, *subject)], role="AUDITOR", msp="AuditorMSP")[0]["entries"]:
            assert canonical(entry["value"]) == state.get(entry["key"])
            seen.add(kind)
    assert seen == set(PROOF_PREFIXES)


@pytest.mark.parametrize(
    ("role", "msp", "kind", "subject"),
    [
        *(("PO", "PoliceMSP", kind, (CAMERA,)) for kind in ("block", "chain", "camera", "change", "revocation")),
        ("PO", "PoliceMSP", "root", ("north", "recorder")),
        ("OWNER", "ControlRoomMSP", "block", (CAMERA,)),
    ],
)
def test_one_range_that_is_not_shown_refuses_the_whole_read(
    role: str, msp: str, kind: str, subject: tuple[str, ...]
) -> None:
    with pytest.raises(Refused) as refused:
        ask([whole("participant"), whole(kind, *subject)], role=role, msp=msp)
    assert refused.value.reason == "denied"
    # What belongs to nobody in particular is shown to the same person.
    assert ask([whole(each) for each, names in PROOF_PREFIXES.items() if not names], role=role, msp=msp)


def test_a_camera_nobody_knows_is_named() -> None:
    with pytest.raises(Refused, match="there is no camera gate-77") as refused:
        ask([whole("block", "gate-77")])
    assert refused.value.reason == "not_found"


@pytest.mark.parametrize("start", ["grant/active-1/", "key/", "incident/", "block/", "camera/"])
def test_what_is_no_proof_of_footage_is_not_read(start: str) -> None:
    with pytest.raises(Refused, match="can be proven") as refused:
        ask([[start, start[:-1] + "0"]])
    assert refused.value.reason == "invalid"


def test_a_read_shows_a_thousand_entries_and_not_one_more() -> None:
    ranges = [[slot_key(CAMERA, CHAIN, 1), slot_key(CAMERA, CHAIN, 601)]]
    ranges.append([slot_key(CAMERA, CHAIN, 601), slot_key(CAMERA, CHAIN, 2000)])
    assert sum(len(each["entries"]) for each in ask(ranges, **slots(1000))) == 1000
    with pytest.raises(Refused, match=r"more than 1000 entries.*fewer or narrower") as refused:
        ask(ranges, **slots(1001))
    assert refused.value.reason == "invalid"


def test_a_read_that_would_grow_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proofs, "MAX_ANSWER_BYTES", 100)
    more = slots(20)
    ranges = [[slot_key(CAMERA, CHAIN, 1), slot_key(CAMERA, CHAIN, 6)]]
    assert len(ask(ranges, **more)[0]["entries"]) == 5
    with pytest.raises(Refused, match="larger than 100 bytes"):
        ask([[slot_key(CAMERA, CHAIN, 1), slot_key(CAMERA, CHAIN, 20)]], **more)
