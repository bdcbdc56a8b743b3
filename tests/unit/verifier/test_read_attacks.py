"""Attacks on evidence from a Fabric channel: what a holder of kept reads, an organisation or a thief might try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from evidence.batches import batch_key, make_batch
from evidence.canonical import canonical, parse_canonical
from evidence.certificates import parse_certificate
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.leaf_list import leaf_list
from evidence.proof_ranges import KeyRange, whole_range
from evidence.registry import Position
from evidence.trust import Revocation, parse_trust
from tests.unit.verifier import small_site
from tests.unit.verifier.signed_reads import Channel, Signer, intruder, respelled, trusting
from tests.unit.verifier.small_site import Site, footage_of, picture
from tests.unit.verifier.test_signed_reads import codes, examined, other_chain, second_chain
from verifier.anchor import Standing
from verifier.court import Court
from verifier.model import State

__all__ = ["second_chain"]

SCENE = "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP"


@pytest.fixture
def channel(site: Site) -> Channel:
    """A camera's three records, anchored."""
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor()
    return Channel(site)


def value_under(channel: Channel, key: str) -> bytes:
    return next(entry.value for entry in channel.site.host.reader.entries() if entry.key == key)


def strangers(channel: Channel) -> list[Signer]:
    return [intruder(msp, channel.site.now_us) for msp in ("ControlRoomMSP", "PoliceMSP")]


# Reads that nobody believes, beside the true one.


def revoked(channel: Channel) -> bytes:
    """A true read that shows the device key as stolen, and the key's id."""
    site = channel.site
    key = site.devices["gate-1"].public_key.key_id
    site.call("crm-1", "revoke_key", camera="gate-1", key=key, compromised_since_us=1, reason="ab" * 32)
    return channel.read()


@pytest.mark.parametrize("spoiled", ["another_key", "unreadable"])
def test_a_read_of_nobody_cannot_put_another_revocation_before_the_true_one(channel: Channel, spoiled: str) -> None:
    true = revoked(channel)
    key = "revocation/gate-1/0000000000"
    value = parse_canonical(value_under(channel, key), "revocation")
    forged = canonical({**value, "key": "00" * 32}) if spoiled == "another_key" else b"{}"
    read = channel.read(
        [whole_range("revocation", "gate-1")], values={key: forged}, positions={key: Position(0, 0)},
        endorsers=strangers(channel),
    )  # fmt: skip
    for reads in ((true, read), (read, true)):
        verdict = examined(channel.source(*reads), channel.trust)
        assert verdict.state is State.UNTRUSTED_PROOF and "compromised" in verdict.sentence


def test_a_read_of_nobody_beside_a_sound_one_changes_nothing(channel: Channel) -> None:
    true = channel.read()
    keys = [entry.key for entry in channel.site.host.reader.entries()]
    read = channel.read(positions={key: Position(0, 0) for key in keys}, endorsers=strangers(channel))
    alien = channel.read(positions={key: Position(0, 0) for key in keys}, channel="other")
    for reads in ((true, read, alien), (alien, read, true)):
        assert examined(channel.source(*reads), channel.trust).state is State.VERIFIED


@pytest.mark.parametrize("value", [b"{}", None])
def test_a_founding_that_nobody_believes_takes_no_place(channel: Channel, value: bytes | None) -> None:
    forged = value or canonical({**parse_canonical(value_under(channel, "genesis"), "genesis"), "nonce": "11" * 16})
    read = channel.read(
        [whole_range("genesis")], values={"genesis": forged}, positions={"genesis": Position(0, 0)},
        endorsers=strangers(channel),
    )  # fmt: skip
    for reads in ((channel.read(), read), (read, channel.read())):
        assert examined(channel.source(*reads), channel.trust).state is State.VERIFIED


def test_a_revocation_that_nobody_believed_shows_condemns_nothing(channel: Channel) -> None:
    true = channel.read()
    revoked(channel)
    assert examined(channel.source(true, channel.read(endorsers=strangers(channel))), channel.trust).state is (
        State.VERIFIED
    )
    assert examined(channel.source(true, channel.read()), channel.trust).state is State.UNTRUSTED_PROOF


def test_a_suspension_cannot_be_made_unreadable(site: Site) -> None:
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor_sealed()
    site.record("gate-1", "IPPPPPPPPP IPPPPPPPPP")
    site.call("crm-1", "suspend_camera", camera="gate-1", reason="ab" * 32)
    site.anchor_sealed()
    channel = Channel(site)
    root = whole_range("root", "north", "rec-1")
    true = channel.read([*channel.ranges(), root])
    behind = footage_of([picture("gate-1", number) for number in range(10, 30)])
    assert examined(channel.source(true), channel.trust, behind).state is State.UNTRUSTED_PROOF
    key = "camera/gate-1/0000000002"
    spoiled = channel.read(
        [whole_range("camera", "gate-1")], values={key: b"{}"}, positions={key: Position(0, 0)},
        endorsers=strangers(channel),
    )  # fmt: skip
    assert examined(channel.source(true, spoiled), channel.trust, behind).state is State.UNTRUSTED_PROOF
    # Not even where organisations signed both.
    spoiled = channel.read([whole_range("camera", "gate-1")], values={key: b"{}"}, positions={key: Position(0, 0)})
    assert examined(channel.source(true, spoiled), channel.trust, behind).state is not State.VERIFIED


def test_a_parallel_chain_cannot_be_moved_to_another_time(
    channel: Channel, second_chain: Callable[[int], None]
) -> None:
    second_chain(0)
    chain = channel.site.states["gate-1"].chain + 1
    true = channel.read([*channel.ranges(), other_chain(channel)])
    middle = footage_of([picture("gate-1", number) for number in range(10, 20)])
    assert "parallel_chain" in codes(examined(channel.source(true), channel.trust, middle))
    key = f"block/gate-1/{chain:010d}/0000000001"
    value = parse_canonical(value_under(channel, key), "block")
    value["block"]["start_us"] -= 10**12
    value["block"]["end_us"] -= 10**12
    values = {key: canonical(value)}
    read = channel.read(
        [other_chain(channel)], values=values, positions={key: Position(0, 0) for key in values},
        endorsers=strangers(channel),
    )  # fmt: skip
    verdict = examined(channel.source(true, read), channel.trust, middle)
    assert verdict.state is State.UNDETERMINED and "parallel_chain" in codes(verdict)


# Old reads beside new ones.


def test_an_old_read_does_not_show_another_chain_as_it_is_now(
    channel: Channel, second_chain: Callable[[int], None]
) -> None:
    site = channel.site
    own = site.states["gate-1"]
    second_chain(-3_600_000_000)
    chain = f"block/gate-1/{own.chain + 1:010d}"
    early = channel.read([*channel.ranges(), KeyRange(f"{chain}/0000000000", f"{chain}0")])
    assert examined(channel.source(early), channel.trust).state is State.VERIFIED
    # The other chain goes on, over the same time.
    site.states["gate-1"] = replace(
        own, chain=own.chain + 1, next_sequence=3, previous=bytes(32), end_us=small_site.NOON
    )
    site.record("gate-1", SCENE)
    site.anchor()
    site.states["gate-1"] = own
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    whole = footage_of([picture("gate-1", number) for number in range(40)])
    late = channel.read()  # lists both chains, and shows nothing of the other one
    verdict = examined(channel.source(early, late), channel.trust, whole)
    assert verdict.state is State.UNDETERMINED and "parallel_chain" in codes(verdict)


def test_the_registry_is_as_old_as_what_is_shown_of_this_camera(channel: Channel) -> None:
    site = channel.site
    own = channel.read()
    height = site.host.reader.height
    site.enrol("gate-2")
    site.record("gate-2", SCENE)
    site.anchor()
    other = channel.read(channel.ranges("gate-2"))
    verdict = examined(channel.source(own, other), channel.trust)
    assert verdict.state is State.VERIFIED
    assert verdict.trust is not None and verdict.trust.registry_as_of == height


# Keys that the contract never writes.


@pytest.mark.parametrize(
    "name", ["camera/gate-1/", "camera/gate-1/1", "camera/gate-1/zzz", "camera/gate-1/0000000001/0000000001"]
)
def test_keys_that_no_contract_writes_end_in_a_verdict(
    channel: Channel, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for endorsers in (strangers(channel), None):
        read = renamed(channel, "camera/gate-1/0000000001", name, monkeypatch, endorsers)
        assert examined(channel.source(channel.read(), read), channel.trust).state is State.VERIFIED


def renamed(
    channel: Channel, key: str, name: str, monkeypatch: pytest.MonkeyPatch, endorsers: list[Signer] | None
) -> bytes:
    """A read that shows an entry under another key."""
    reader = channel.site.host.reader
    held = reader.get(key)
    assert held is not None
    entries = [held._replace(key=name)]
    with monkeypatch.context() as patched:
        patched.setattr(reader, "entries", lambda: entries)
        return channel.read([whole_range("camera", "gate-1")], endorsers=endorsers)


@pytest.mark.parametrize("height", [2**53, 2**63, 2**64 - 1])
def test_positions_beyond_all_reason_end_in_a_verdict(channel: Channel, height: int) -> None:
    keys = [entry.key for entry in channel.site.host.reader.entries()]
    read = channel.read(positions={key: Position(height, height) for key in keys})
    for trust in (channel.trust, None):
        assert examined(channel.source(read), trust).state is not State.VERIFIED


# Who signed.


def test_a_revoked_certificate_stays_so_in_its_other_spelling(channel: Channel) -> None:
    peer = channel.peers["PoliceMSP"]
    revoked = Revocation(sha256=parse_certificate(peer.certificate).sha256, since_us=1)
    other = replace(peer, certificate=respelled(peer.certificate))
    assert other.certificate != peer.certificate
    read = channel.read(endorsers=[channel.peers["ControlRoomMSP"], other])
    assert examined(channel.source(read), channel.trust).state is State.VERIFIED
    verdict = examined(channel.source(read), trusting(channel.trust, revoked=(revoked,)))
    assert verdict.state is State.UNTRUSTED_PROOF


def test_one_root_cannot_be_trusted_for_two_organisations(channel: Channel) -> None:
    """One peer could sign under both names."""
    roots = channel.trust.msps["ControlRoomMSP"]
    trust = replace(channel.trust, msps={**channel.trust.msps, "PoliceMSP": roots})
    with pytest.raises(Malformed, match="one root for two organisations"):
        parse_trust(trusting(trust).canonical())


def test_a_signature_that_does_not_fit_is_damage_for_whoever_trusts_nobody(channel: Channel) -> None:
    stranger = replace(channel.peers["PoliceMSP"], key=channel.peers["AuditorMSP"].key)
    verdict = examined(channel.source(channel.read(endorsers=[channel.peers["ControlRoomMSP"], stranger])), None)
    assert verdict.state is State.UNDETERMINED and verdict.if_trusted is None


# Sealed batches.


def test_a_leaf_list_that_no_batch_holds_does_not_say_that_a_camera_was_anchored(site: Site) -> None:
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor_sealed()
    channel = Channel(site)
    read = channel.read([*channel.ranges(), whole_range("root", "north", "rec-1")])
    (key,) = site.leaf_lists
    made = parse_canonical(site.leaf_lists[key], "leaves")
    for each in made["blocks"]:
        each["block"]["start_us"] += 10**12
        each["block"]["end_us"] += 10**12
    site.leaf_lists[key] = canonical(made)
    foreign = footage_of([sha256(b"foreign %d" % number) for number in range(30)])
    start_us = made["blocks"][0]["block"]["start_us"]
    verdict = examined(
        channel.source(read), channel.trust, foreign, camera="gate-1", start_us=start_us, end_us=start_us + 10**6
    )
    assert verdict.state not in (State.NO_MATCH, State.ALTERED, State.INCOMPLETE), verdict.sentence


def test_a_leaf_that_the_contract_would_not_have_let_in_does_not_say_so_either(site: Site) -> None:
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor_sealed()
    later_us = site.now_us + 10**12
    site.record("gate-1", "IPPPPPPPPP", start_us=later_us)
    site.call("crm-1", "suspend_camera", camera="gate-1", reason="ab" * 32)
    site.anchor_sealed()
    channel = Channel(site)
    read = channel.read([*channel.ranges(), whole_range("root", "north", "rec-1")])
    foreign = footage_of([sha256(b"foreign %d" % number) for number in range(30)])
    verdict = examined(
        channel.source(read), channel.trust, foreign, camera="gate-1", start_us=later_us, end_us=later_us + 10**6
    )
    assert verdict.state is not State.NO_MATCH, verdict.sentence


def test_a_sealed_record_of_a_chain_that_the_ledger_does_not_list_is_not_believed(site: Site) -> None:
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    blocks = [each.block for each in site.waiting]
    batch, _ = make_batch(blocks, site="north", recorder="rec-1", batch=0, previous=None)
    batch = replace(batch, opened=())
    site.now_us = blocks[-1].end_us + 1000
    site.submit("rec-1", "anchor", batch.canonical())
    key = batch_key("north", "rec-1", 0)
    site.leaf_lists[key] = leaf_list(batch, site.waiting).canonical()
    channel = Channel(site)
    read = channel.read([*channel.ranges(), whole_range("root", "north", "rec-1")])
    verdict = examined(channel.source(read), channel.trust)
    assert verdict.state is State.UNTRUSTED_PROOF, verdict.sentence
    site.sealed |= {(each.camera, each.chain, each.sequence): key for each in blocks}
    court = Court(site.bundle(), site.trust)
    assert {judged.standing for judged in court.judged.values()} == {Standing.UNTRUSTED}


@pytest.fixture
def two_recorders(site: Site) -> Channel:
    """A camera whose records one recorder sealed, at a site that has two."""
    site.register("rec-2", "RECORDER", control_room="cr-1", site="north")
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor_sealed()
    return Channel(site)


def test_batches_of_a_sites_other_recorders_must_be_shown(two_recorders: Channel) -> None:
    roots = [whole_range("root", "north", name) for name in ("rec-1", "rec-2")]
    for shown, noted in ((roots, False), (roots[:1], True)):
        verdict = examined(
            two_recorders.source(two_recorders.read([*two_recorders.ranges(), *shown])), two_recorders.trust
        )
        assert verdict.state is State.VERIFIED
        assert ("sealed_leaves" in codes(verdict)) is noted


def test_what_a_thief_anchored_does_not_speak_against_other_footage(channel: Channel) -> None:
    site = channel.site
    foreign = footage_of([sha256(b"foreign %d" % number) for number in range(30)])
    assert examined(channel.source(channel.read()), channel.trust, foreign, camera="gate-1").state is State.NO_MATCH
    site.call("crm-1", "revoke_key", camera="gate-1", key=site.devices["gate-1"].public_key.key_id,
              compromised_since_us=1, reason="ab" * 32)  # fmt: skip
    verdict = examined(channel.source(channel.read()), channel.trust, foreign, camera="gate-1")
    assert verdict.state is State.UNTRUSTED_PROOF and "compromised" in verdict.sentence


# Records that the ledger does not show.


def test_a_signed_record_in_the_place_of_one_that_was_left_out_changes_nothing(channel: Channel) -> None:
    site = channel.site
    state = site.states["gate-1"]
    read = channel.read(without=lambda key: key.startswith("block/") and key.endswith("1"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(small_site, "picture", lambda camera, number, letter="P": sha256(b"second %d" % number))
        site.states["gate-1"] = replace(
            state, next_sequence=1, next_unit=10, previous=None, end_us=small_site.NOON + 400_000
        )
        site.record("gate-1", "IPPPPPPPPP")
    verdict = examined(channel.source(read), channel.trust)
    assert verdict.state is State.UNDETERMINED, verdict.sentence


def test_an_old_read_does_not_say_that_nothing_was_anchored_later(channel: Channel) -> None:
    site = channel.site
    old = channel.read([*channel.ranges()[:-1], whole_range("block", "gate-1")])
    later_us = site.now_us + 10**12
    foreign = footage_of([sha256(b"foreign %d" % number) for number in range(30)])
    verdict = examined(
        channel.source(old), channel.trust, foreign, camera="gate-1", start_us=later_us, end_us=later_us + 10**6
    )
    assert verdict.state is State.UNDETERMINED, verdict.sentence
