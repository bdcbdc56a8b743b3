"""Rotated, revoked and stolen keys, from the decision on the ledger to the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chaincode import changes, entries
from chaincode.world import World
from evidence.blocks import parse_signed_block, sign_block, slot_key
from evidence.canonical import canonical
from evidence.decisions import Revocation
from evidence.digests import sha256, to_base64
from evidence.errors import Refused
from evidence.keys import PrivateKeySigner
from evidence.registry import PROPOSED, CameraEntry
from sdk.keys import generate_key
from tests.unit.verifier.small_site import NOON, Site
from verifier.anchor import Standing
from verifier.court import Court

REASON = sha256(b"why").hex()
CHAIN = NOON // 1_000_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "site")
    made.enrol("gate-1")
    yield made
    made.host.close()


def standings(site: Site) -> dict[int, str]:
    """Sequence -> `SOUND`, or the code of what is wrong with it."""
    judged = Court(site.bundle(), site.trust).judged
    return {slot[2]: each.judgement.code or each.standing.name for slot, each in sorted(judged.items())}


def rotate(site: Site, sequence: int, *, kind: str = "key", **more: Any) -> PrivateKeySigner:
    new = PrivateKeySigner(generate_key())
    site.call(
        "op-1", "propose_change", camera="gate-1", kind=kind, key_custody="tpm", chain=CHAIN, sequence=sequence,
        device_key=to_base64(new.public_key.spki), **more,
    )  # fmt: skip
    site.call("crm-1", "approve_change", camera="gate-1", number=0)
    return new


def revoke(site: Site, key: PrivateKeySigner, since_us: int) -> None:
    site.call(
        "crm-1", "revoke_key", camera="gate-1", key=key.public_key.key_id, compromised_since_us=since_us, reason=REASON
    )


def test_a_rotation_switches_keys_at_the_named_sequence(site: Site) -> None:
    site.record("gate-1", "IPPP IPPP IPPP")
    late = site.waiting.pop()  # sealed under the old key, delivered after the switch
    site.anchor()
    new = rotate(site, 3)
    site.waiting.append(late)
    site.anchor()
    site.devices["gate-1"] = new
    site.record("gate-1", "IPPP IPPP")
    site.anchor()
    assert standings(site) == dict.fromkeys(range(5), "SOUND")


def test_behind_the_switch_the_old_key_is_refused_and_before_it_the_new_one(site: Site) -> None:
    old = site.devices["gate-1"]
    site.record("gate-1", "IPPP")
    site.anchor()
    site.record("gate-1", "IPPP IPPP")
    new = rotate(site, 2)
    first, second = site.waiting
    site.waiting = [second]
    with pytest.raises(Refused, match="key_differs"):
        site.anchor()  # sequence 2 under the old key
    site.waiting = [sign_block(first.block, old)]
    site.anchor()
    assert standings(site)[1] == "SOUND"
    assert new.public_key.key_id != old.public_key.key_id


def test_a_replaced_device_and_a_new_address_are_judged_too(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    described = dict.fromkeys(("make", "model", "serial", "firmware", "hardware_address"), "y")
    site.devices["gate-1"] = rotate(site, 1, kind="device", **described)
    site.call("op-1", "propose_change", camera="gate-1", kind="address", ip="10.0.4.18", location="y")
    site.call("crm-2", "approve_change", camera="gate-1", number=1)
    site.call("crm-1", "suspend_camera", camera="gate-1", reason=REASON)
    site.call("crm-1", "reinstate_camera", camera="gate-1", reason=REASON)
    site.record("gate-1", "IPPP")
    site.anchor()
    assert standings(site) == {0: "SOUND", 1: "SOUND"}


def test_what_was_anchored_before_a_key_was_compromised_stays(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    since_us = site.now_us + 1
    site.now_us += 3_600_000_000
    site.record("gate-1", "IPPP")
    site.anchor()
    revoke(site, site.devices["gate-1"], since_us)
    assert standings(site) == {0: "SOUND", 1: "key_compromised"}
    judged = Court(site.bundle(), site.trust).judged
    assert {each.standing for each in judged.values()} == {Standing.SOUND, Standing.UNTRUSTED}


def test_a_thief_gains_nothing_by_signing_last_month(site: Site) -> None:
    since_us = site.now_us
    site.now_us += 3_600_000_000
    site.record("gate-1", "IPPP", start_us=NOON - 30 * 86_400_000_000)
    site.anchor()
    revoke(site, site.devices["gate-1"], since_us)
    assert standings(site) == {0: "key_compromised"}


def test_without_a_proven_time_a_revoked_key_proves_nothing(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    revoke(site, site.devices["gate-1"], site.now_us + 3_600_000_000)
    assert standings(site) == {0: "SOUND"}
    judged = Court(site.bundle(), None).judged
    assert all(each.standing is Standing.UNTRUSTED for each in judged.values())


def test_nothing_is_anchored_under_a_revoked_key(site: Site) -> None:
    site.record("gate-1", "IPPP IPPP")
    site.anchor()
    revoke(site, site.devices["gate-1"], site.now_us + 1)
    site.record("gate-1", "IPPP")
    waiting = list(site.waiting)
    with pytest.raises(Refused, match="key_revoked"):
        site.anchor()
    assert standings(site)[2] == "key_revoked"  # pending, and judged by the registry as it stands
    # In a sealed batch nobody looks at single blocks until the verifier does.
    site.waiting = waiting
    site.anchor_sealed()
    assert standings(site) == {0: "SOUND", 1: "SOUND", 2: "key_revoked"}


def test_a_later_revocation_may_only_reach_further_back(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    anchored_us = site.now_us
    revoke(site, site.devices["gate-1"], anchored_us + 5)
    with pytest.raises(Refused, match="only an earlier moment"):
        revoke(site, site.devices["gate-1"], anchored_us + 6)
    assert standings(site) == {0: "SOUND"}
    revoke(site, site.devices["gate-1"], anchored_us - 5)
    assert standings(site) == {0: "key_compromised"}


def test_a_sealed_block_of_a_suspended_camera_is_reported(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor_sealed()
    site.record("gate-1", "IPPP")
    site.call("crm-1", "suspend_camera", camera="gate-1", reason=REASON)
    site.anchor_sealed()
    assert standings(site) == {0: "SOUND", 1: "camera_not_active"}


def test_a_change_that_was_not_proposed_by_somebody_else_is_found(site: Site) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    site.devices["gate-1"] = rotate(site, 1)
    site.record("gate-1", "IPPP")
    site.anchor()
    bundle = site.bundle()
    proposal = "change/gate-1/0000000000/0000000000"
    lacking = {key: receipt for key, receipt in bundle.state.items() if key != proposal}
    judged = Court(type(bundle)(**{**_members(bundle), "state": lacking}), site.trust).judged
    assert [each.judgement.code for _, each in sorted(judged.items())] == ["", "camera_decision"]


def test_a_deputys_approval_counts_while_the_word_stands(site: Site) -> None:
    site.register("crs-1", "CRS", control_room="cr-1")
    site.enrol("gate-2", approve=False)
    with pytest.raises(Refused, match="no manager's delegation"):
        site.call("crs-1", "approve_camera", camera="gate-2")
    site.call("crm-1", "delegate", participant="crs-1", from_us=NOON, until_us=NOON + 3_600_000_000)
    site.call("crs-1", "approve_camera", camera="gate-2")
    site.call("crm-1", "end_delegation", participant="crs-1")
    site.record("gate-2", "IPPP")
    site.anchor()
    assert standings(site) == {0: "SOUND"}
    bundle = site.bundle()
    state = {key: receipt for key, receipt in bundle.state.items() if not key.startswith("delegation/")}
    judged = Court(type(bundle)(**{**_members(bundle), "state": state}), site.trust).judged
    assert [each.judgement.code for each in judged.values()] == ["camera_decision"]


def test_a_replaced_admin_registers_people_whose_word_counts(site: Site) -> None:
    lost = next(
        entry.key.split("/")[1]
        for entry in site.host.reader.entries("participant/")
        if b'"ControlRoomMSP"' in entry.value and b'"ADMIN"' in entry.value
    )
    person = site._person("admin-2", "ControlRoomMSP", "ADMIN", {})
    call = {"lost": lost, "participant": "admin-2", "key": person.signer.public_key.key_id}
    site.call("admin-policemsp", "replace_admin", **call)
    with pytest.raises(Refused, match="another organisation"):
        site.call("admin-policemsp", "replace_admin", **call)
    site.call("admin-auditormsp", "replace_admin", **call)
    key = site._person("rec-2", "ControlRoomMSP", "RECORDER", {"control_room": "cr-1", "site": "north"})
    site.submit(
        "admin-2",
        "register_participant",
        canonical(
            {
                "participant": "rec-2", "role": "RECORDER", "control_room": "cr-1", "site": "north",
                "key": key.signer.public_key.key_id,
            }
        ),
    )  # fmt: skip
    site.record("gate-1", "IPPP")
    site.anchor("rec-2")
    assert standings(site) == {0: "SOUND"}
    held = parse_signed_block(site.bundle().state[slot_key("gate-1", CHAIN, 0)].writes[slot_key("gate-1", CHAIN, 0)])
    assert held.block.camera == "gate-1"
    bundle = site.bundle()
    first = min(key for key in bundle.state if key.startswith("pending/replace-admin/"))
    state = {key: receipt for key, receipt in bundle.state.items() if key != first}
    judged = Court(type(bundle)(**{**_members(bundle), "state": state}), site.trust).judged
    assert [each.judgement.code for each in judged.values()] == ["participant"]


def test_what_a_bent_contract_let_in_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger's operator ran other rules: everything is signed and in its place, and judged again here."""
    site.record("gate-1", "IPPP")
    site.anchor()
    monkeypatch.setattr("chaincode.anchors.judge_block", lambda *given, **named: None)
    site.record("gate-1", "IPPP IPPP")
    suspended, revoked = site.waiting
    site.call("crm-1", "suspend_camera", camera="gate-1", reason=REASON)
    site.waiting = [suspended]
    site.anchor()
    site.call("crm-1", "reinstate_camera", camera="gate-1", reason=REASON)
    revoke(site, site.devices["gate-1"], site.now_us + 3_600_000_000)
    site.waiting = [revoked]
    site.anchor()
    assert standings(site) == {0: "SOUND", 1: "camera_not_active", 2: "key_revoked"}
    assert site.host.reader.get(slot_key("gate-1", CHAIN, 2)) is not None


def test_a_ledger_cannot_put_another_key_into_a_proposal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operator and manager signed in good faith; the ledger's keeper wrote a key of the keeper's own."""
    forged, append = PrivateKeySigner(generate_key()), entries.append_camera

    def bent(world: World, entry: CameraEntry) -> None:
        append(world, replace(entry, device_key=forged.public_key) if entry.status == PROPOSED else entry)

    monkeypatch.setattr(entries, "append_camera", bent)
    site.enrol("yard-2")
    site.devices["yard-2"] = forged
    site.record("yard-2", "IPPP")
    site.anchor()
    assert standings(site) == {0: "not_signed"}


def test_a_ledger_cannot_let_a_revocation_reach_less_far_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    since_us = site.now_us
    site.now_us += 3_600_000_000
    site.record("gate-1", "IPPP")
    site.anchor()
    monkeypatch.setattr(
        changes, "Revocation", lambda **given: Revocation(**{**given, "compromised_since_us": site.now_us + 1})
    )
    revoke(site, site.devices["gate-1"], since_us)
    assert standings(site) == {0: "not_signed"}


def test_a_change_approved_by_its_proposer_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.record("gate-1", "IPPP")
    site.anchor()
    site.register("op-2", "OPERATOR", control_room="cr-1")
    new = PrivateKeySigner(generate_key())
    site.call(
        "op-2", "propose_change", camera="gate-1", kind="key", key_custody="file", chain=CHAIN, sequence=1,
        device_key=to_base64(new.public_key.spki),
    )  # fmt: skip
    site.call("admin-controlroommsp", "change_participant", participant="op-2", role="CRM", control_room="cr-1")
    promoted = site.authorities["ControlRoomMSP"].issue(
        site.people["op-2"].signer.public_key, subject="op-2", role="CRM", attributes={"control_room": "cr-1"},
        now_us=site.now_us,
    )  # fmt: skip
    site.people["op-2"].certificate = promoted
    with pytest.raises(Refused, match="nobody decides"):
        site.call("op-2", "approve_change", camera="gate-1", number=0)
    # Other rules: whoever comes may approve.
    proposed = changes._proposed
    monkeypatch.setattr(
        changes,
        "_proposed",
        lambda world, actor, entry, number: proposed(world, replace(actor, id="somebody-else"), entry, number),
    )
    site.call("op-2", "approve_change", camera="gate-1", number=0)
    site.devices["gate-1"] = new
    site.record("gate-1", "IPPP")
    site.anchor()
    assert standings(site) == {0: "SOUND", 1: "camera_decision"}


def _members(bundle: Any) -> dict[str, Any]:
    return {name: getattr(bundle, name) for name in type(bundle).__slots__}
