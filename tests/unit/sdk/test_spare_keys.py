"""Keys that follow each other: named by their ids, taken up again after a crash, never replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaincode.roles import CONTROL_ROOM
from evidence.errors import ConfigInvalid, KeyUnavailable
from sdk.authority import Authority, make_authority
from sdk.identities import (
    create_identity,
    identity_names,
    key_ids,
    key_in_use,
    load_identity,
    spare_identity,
    switch_identity,
)
from sdk.spare_keys import kept_key, kept_keys, spare_key

FILE = "{}.pem"
NOW_US = 1_761_993_600_000_000


def test_a_key_that_nobody_knows_is_taken_up_and_a_known_one_is_not(tmp_path: Path) -> None:
    first = spare_key(tmp_path, FILE, known=lambda _: False).public_key.key_id
    assert spare_key(tmp_path, FILE, known=lambda _: False).public_key.key_id == first
    second = spare_key(tmp_path, FILE, known=lambda key_id: key_id == first).public_key.key_id
    assert {key_id for key_id, _ in kept_keys(tmp_path, FILE)} == {first, second}
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())


def test_a_key_under_another_name_is_refused(tmp_path: Path) -> None:
    made = spare_key(tmp_path, FILE, known=lambda _: False).public_key.key_id
    other = "ab" * 32
    (tmp_path / f"{made}.pem").rename(tmp_path / f"{other}.pem")
    assert kept_key(tmp_path, FILE, made) is None
    with pytest.raises(KeyUnavailable, match="another one than its name says"):
        kept_key(tmp_path, FILE, other)
    (tmp_path / "notes.pem").write_text("no key")
    assert [key_id for key_id, _ in kept_keys(tmp_path, FILE)] == [other], "files of other names are none of ours"


@pytest.fixture
def authority() -> Authority:
    return make_authority(CONTROL_ROOM, now_us=NOW_US)


def test_a_new_key_acts_only_after_the_switch_and_the_first_can_come_back(tmp_path: Path, authority: Authority) -> None:
    room = {"control_room": "cr-1"}
    first = create_identity(tmp_path, "anna", authority, role="CRS", attributes=room, now_us=NOW_US).key_id
    spare = spare_identity(
        tmp_path, "anna", authority, role="CRM", attributes=room, now_us=NOW_US, known=lambda _: False
    )
    assert load_identity(tmp_path, "anna").key_id == first == key_in_use(tmp_path, "anna")
    assert switch_identity(tmp_path, "anna", spare.key_id)
    assert (load_identity(tmp_path, "anna").key_id, load_identity(tmp_path, "anna").role) == (spare.key_id, "CRM")
    assert key_ids(tmp_path, "anna") == (first, spare.key_id)
    assert identity_names(tmp_path) == ("anna",)
    assert not switch_identity(tmp_path, "anna", "cd" * 32), "a key that is not here"
    assert load_identity(tmp_path, "anna").key_id == spare.key_id
    assert switch_identity(tmp_path, "anna", first)
    assert load_identity(tmp_path, "anna").key_id == first


def test_a_lost_first_key_does_not_keep_its_owner_from_the_next(tmp_path: Path, authority: Authority) -> None:
    create_identity(tmp_path, "anna", authority, role="AUDITOR", now_us=NOW_US)
    (tmp_path / "anna/key.pem").unlink()
    spare = spare_identity(tmp_path, "anna", authority, role="AUDITOR", now_us=NOW_US, known=lambda _: False)
    assert switch_identity(tmp_path, "anna", spare.key_id)
    assert load_identity(tmp_path, "anna").key_id == spare.key_id
    with pytest.raises(ConfigInvalid, match="no identity ben"):
        spare_identity(tmp_path, "ben", authority, role="AUDITOR", now_us=NOW_US, known=lambda _: False)
