"""Changes, revocations and deputies' words as bytes; which key counts for which slot."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.canonical import canonical
from evidence.decisions import (
    Change,
    Decisions,
    Revocation,
    change_key,
    changed_camera,
    parse_change,
    parse_delegation,
    parse_revocation,
)
from evidence.errors import Malformed
from evidence.keys import PrivateKeySigner
from evidence.registry import Position, key_of_slot, parse_camera_entry
from sdk.keys import generate_key
from tests.unit.evidence import builders

NEW = PrivateKeySigner(generate_key()).public_key
NEWER = PrivateKeySigner(generate_key()).public_key
KEY = Change(
    camera="gate-1", number=0, n=0, status="PROPOSED", kind="key", proposer="op-1", device_key=NEW, key_custody="tpm",
    key_from=(7, 3),
)  # fmt: skip
REVOKED = Revocation(camera="gate-1", n=0, key="11" * 32, compromised_since_us=5, reason=bytes(32), by="crm-1")
WORD = canonical(
    {
        "type": "veriframe/delegation/1", "participant": "crs-1", "n": 0, "status": "ACTIVE", "control_room": "cr-1",
        "by": "crm-1", "from_us": 1, "until_us": 2,
    }
)  # fmt: skip


def test_what_is_written_is_what_is_read() -> None:
    assert parse_change(KEY.canonical()) == KEY
    assert parse_revocation(REVOKED.canonical()) == REVOKED
    assert parse_delegation(WORD).until_us == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "address"}, {"kind": "device"}, {"kind": "paint"}, {"key_from": None}, {"key_from": [1]},
        {"key_from": [1, -1]}, {"firmware": "2"}, {"device_key": None}, {"device_key": "AAAA"}, {"status": "DONE"},
        {"number": -1}, {"surplus": 1},
    ],
)  # fmt: skip
def test_a_change_states_exactly_what_its_kind_replaces(changed: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse_change(canonical({**json.loads(KEY.canonical()), **changed}))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), which=st.sampled_from([KEY.canonical(), REVOKED.canonical(), WORD]))
def test_hostile_bytes_are_malformed_or_what_they_say(data: st.DataObject, which: bytes) -> None:
    at = data.draw(st.integers(0, len(which) - 1))
    bent = which[:at] + data.draw(st.binary(max_size=3)) + which[at + data.draw(st.integers(0, 3)) :]
    for parse in (parse_change, parse_revocation, parse_delegation):
        try:
            parse(bent)
        except Malformed:
            continue
        assert json.loads(bent)["type"].startswith("veriframe/")


def test_an_entry_without_a_new_key_reads_as_it_always_did() -> None:
    entry = builders.camera()
    assert b"key_from" not in entry.canonical()
    spelled = json.loads(entry.canonical()) | {"key_from": None}
    with pytest.raises(Malformed, match="need not state"):
        parse_camera_entry(canonical(spelled))
    switched = changed_camera(entry, KEY, "crm-1")
    assert parse_camera_entry(switched.canonical()) == switched
    assert (switched.key_from, switched.device_key, switched.status) == ((7, 3), NEW, entry.status)


def test_every_slot_has_the_key_of_its_time() -> None:
    first = builders.camera()
    second = changed_camera(first, KEY, "crm-1")
    renamed = replace(second, n=second.n + 1, ip="10.0.0.9")  # an address changes no key
    third = changed_camera(renamed, replace(KEY, number=1, device_key=NEWER, key_from=(9, 0)), "crm-1")
    history = (second, first, renamed)  # in any order
    for slot, key in (
        ((7, 2), first.device_key), ((6, 99), first.device_key), ((7, 3), NEW), ((8, 0), NEW), ((9, 0), NEWER),
        ((10, 5), NEWER),
    ):  # fmt: skip
        assert key_of_slot(third, history, *slot) == key, slot
    assert key_of_slot(second, [first, renamed, third], 9, 0) == NEW, "entries behind the one in force do not matter"
    assert key_of_slot(first, (), 0, 0) == first.device_key


def test_decisions_stand_under_their_own_keys() -> None:
    at = Position(3, 0)
    known = Decisions(
        [
            (at, change_key(KEY), KEY.canonical()),
            (Position(4, 0), "revocation/gate-1/0000000000", REVOKED.canonical()),
            (Position(5, 0), "delegation/crs-1/0000000000", WORD),
            (at, "camera/gate-1/0000000000", b"not looked at"),
        ]
    )
    assert known.change("gate-1", 0, 0) == (at, KEY)
    assert known.decided_at("gate-1", at) is None, "a proposal is no decision"
    assert [each for _, each in known.revocations("gate-1")] == [REVOKED]
    assert known.delegation_at("crs-1", Position(5, 0)) is None
    assert known.delegation_at("crs-1", Position(5, 1)) == parse_delegation(WORD)
    for key, value in (
        ("change/gate-1/0000000001/0000000000", KEY.canonical()),
        ("revocation/gate-2/0000000000", REVOKED.canonical()),
        ("delegation/crs-1/0000000001", WORD),
    ):
        with pytest.raises(Malformed, match="another key"):
            Decisions([(at, key, value)])
