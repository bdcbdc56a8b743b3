"""Footage whose proof several organisations signed: what they must have signed, and which forgeries are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from evidence.certificates import parse_certificate
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.proof_ranges import KeyRange, whole_range
from evidence.registry import Position, numbered_key, parse_camera_entry
from evidence.trust import FabricTrust, Revocation, Trust
from media.footage import Footage
from tests.unit.verifier import small_site
from tests.unit.verifier.signed_reads import Channel, Signer, intruder, signer, trusting
from tests.unit.verifier.small_site import Site, footage_of, picture
from tests.unit.verifier.test_judge import sealed_in_two_chains
from tests.unit.verifier.test_verdict import check
from verifier.asked import Asked
from verifier.check_vouched import VouchedDecisions
from verifier.court import Court
from verifier.fabric_source import FabricSource
from verifier.gather import gather
from verifier.judge import judge
from verifier.model import State
from verifier.shown_registry import ShownRegistry
from verifier.verdict import Exhibit, Verdict

SCENE = "IPPPPPPPPP IPPPPPPPPP IPPPPPPPPP"
WHOLE = footage_of([picture("gate-1", number) for number in range(30)])


@pytest.fixture
def channel(site: Site) -> Channel:
    """A camera's three records, anchored."""
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor()
    return Channel(site)


def examined(
    source: FabricSource,
    trust: FabricTrust | Trust | None,
    footage: Footage = WHOLE,
    *,
    own: bool = False,
    **asked: Any,
) -> Verdict:
    believed = Trust(ledgers=(trust,)) if isinstance(trust, FabricTrust) else trust
    asked.setdefault("trust_source", "home" if own else "none" if trust is None else "file")
    question = Asked(**asked)
    court = Court(gather(source, footage, question, believed), believed, own_word=own)
    verdict = judge(footage, [Exhibit.of(footage)], court, question)
    check(verdict.to_json())
    return verdict


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.findings}


def test_what_two_organisations_signed_is_verified_without_a_keeper(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read()), channel.trust)
    assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)
    assert verdict.kept_by == ("ControlRoomMSP", "PoliceMSP")
    assert "unless the keeper" not in verdict.sentence
    assert "the time that organisations check" in verdict.sentence
    assert verdict.trust is not None and verdict.trust.registry_as_of == channel.site.host.reader.height
    assert {fact.endorsers for fact in verdict.proof} == {("ControlRoomMSP", "PoliceMSP")}


def test_a_changed_picture_is_altered(channel: Channel) -> None:
    pictures = [picture("gate-1", number) for number in range(30)]
    pictures[7] = sha256(b"another")
    verdict = examined(channel.source(channel.read()), channel.trust, footage_of(pictures))
    assert verdict.state is State.ALTERED and verdict.strip[7] == "M"


def test_without_an_organisation_that_checks_times_no_time_is_stated(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read()), replace(channel.trust, timewindow_msps=()))
    assert verdict.state is State.VERIFIED
    assert "at a time not independently proven" in verdict.sentence


def test_who_asks_cannot_vouch_for_the_time_alone(channel: Channel) -> None:
    trust = replace(channel.trust, timewindow_msps=("ControlRoomMSP",))
    assert "at a time not independently proven" in examined(channel.source(channel.read()), trust).sentence


def test_the_homes_own_word_always_prints_the_keeper(channel: Channel) -> None:
    source = channel.source(channel.read(), own=True)
    verdict = examined(source, source.own_trust, own=True)
    assert verdict.state is State.VERIFIED
    assert "unless the keeper of this ledger rewrote it" in verdict.sentence


def test_several_reads_together_show_a_long_interval(channel: Channel) -> None:
    pages = [channel.read(channel.ranges(slots=slots)) for slots in ((0, 2), (2, 99))]
    assert examined(channel.source(*pages), channel.trust).state is State.VERIFIED


def test_what_more_organisations_are_asked_for_counts_who_signed(channel: Channel) -> None:
    source = channel.source(channel.read())
    assert examined(source, channel.trust, require=("organisations=2",)).state is State.VERIFIED
    assert examined(source, channel.trust, require=("organisations=3",)).state is State.UNTRUSTED_PROOF


def test_reads_that_different_organisations_signed_count_as_the_weakest_of_them(channel: Channel) -> None:
    """Whom a gateway asks changes from read to read: two that two each signed are no weaker than one of them."""
    others = [channel.peers[msp] for msp in ("ControlRoomMSP", "AuditorMSP")]
    source = channel.source(channel.read(), channel.read(endorsers=others))
    found = examined(source, channel.trust, require=("organisations=2",))
    assert found.state is State.VERIFIED and found.kept_by == ("ControlRoomMSP",)
    more = examined(source, channel.trust, require=("organisations=3",))
    assert more.state is State.UNTRUSTED_PROOF and "2 organisations vouch" in more.sentence


# Who signed.


@pytest.mark.parametrize("alone", ["ControlRoomMSP", "PoliceMSP"])
def test_one_organisation_alone_is_not_enough(channel: Channel, alone: str) -> None:
    verdict = examined(channel.source(channel.read(endorsers=[channel.peers[alone]])), channel.trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert f"it is signed by {alone}, where the examiner asks for" in verdict.sentence
    assert verdict.if_trusted is not None and verdict.if_trusted.state is State.VERIFIED


def test_organisations_that_the_trust_file_does_not_name_do_not_count(channel: Channel) -> None:
    trust = replace(channel.trust, msps={"ControlRoomMSP": channel.trust.msps["ControlRoomMSP"]}, endorse_any=(),
                    endorse_all=("ControlRoomMSP",), timewindow_msps=())  # fmt: skip
    read = channel.read(endorsers=[channel.peers["PoliceMSP"], channel.peers["AuditorMSP"]])
    verdict = examined(channel.source(read), trust)
    assert verdict.state is State.UNTRUSTED_PROOF and "signed by nobody whom the examiner trusts" in verdict.sentence


Forgers = Callable[[Channel], list[Signer]]


def _under_another_root(channel: Channel) -> list[Signer]:
    return [channel.peers["ControlRoomMSP"], intruder("PoliceMSP", channel.site.now_us)]


def _people(channel: Channel) -> list[Signer]:
    authorities = channel.site.authorities
    return [signer(authorities[msp], channel.site.now_us, unit="client") for msp in ("ControlRoomMSP", "PoliceMSP")]


def _an_orderer(channel: Channel) -> list[Signer]:
    authority = channel.site.authorities["PoliceMSP"]
    return [channel.peers["ControlRoomMSP"], signer(authority, channel.site.now_us, unit="orderer")]


def _under_another_name(channel: Channel) -> list[Signer]:
    return [channel.peers["ControlRoomMSP"], replace(channel.peers["ControlRoomMSP"], msp="PoliceMSP")]


def _the_same_twice(channel: Channel) -> list[Signer]:
    return [channel.peers["ControlRoomMSP"], signer(channel.site.authorities["ControlRoomMSP"], channel.site.now_us)]


def _before_its_time(channel: Channel) -> list[Signer]:
    later = channel.site.now_us + 10 * 86_400 * 1_000_000
    return [channel.peers["ControlRoomMSP"], signer(channel.site.authorities["PoliceMSP"], later)]


@pytest.mark.parametrize(
    "forgers", [_under_another_root, _people, _an_orderer, _under_another_name, _the_same_twice, _before_its_time]
)
def test_whoever_is_no_peer_of_the_organisation_does_not_speak_for_it(channel: Channel, forgers: Forgers) -> None:
    verdict = examined(channel.source(channel.read(endorsers=forgers(channel))), channel.trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "where the examiner asks for ControlRoomMSP and PoliceMSP or AuditorMSP" in verdict.sentence


@pytest.mark.parametrize("whose", ["peer", "root"])
def test_a_revoked_endorser_does_not_count(channel: Channel, whose: str) -> None:
    der = channel.peers["PoliceMSP"].certificate if whose == "peer" else channel.site.authorities["PoliceMSP"].root_der
    revoked = Revocation(sha256=parse_certificate(der).sha256, since_us=channel.site.now_us + 1)
    verdict = examined(channel.source(channel.read()), trusting(channel.trust, revoked=(revoked,)))
    assert verdict.state is State.UNTRUSTED_PROOF and "is revoked" in verdict.sentence


def test_a_signature_over_something_else_is_damage(channel: Channel) -> None:
    peer = channel.peers["PoliceMSP"]
    stranger = replace(peer, key=channel.peers["AuditorMSP"].key)
    verdict = examined(
        channel.source(channel.read(endorsers=[channel.peers["ControlRoomMSP"], stranger])), channel.trust
    )
    assert verdict.state is State.UNDETERMINED and "signature does not fit" in verdict.sentence


def test_a_void_signature_beside_enough_good_ones_takes_nothing_away(channel: Channel) -> None:
    stranger = replace(channel.peers["AuditorMSP"], key=channel.peers["PoliceMSP"].key)
    endorsers = [stranger, channel.peers["ControlRoomMSP"], channel.peers["PoliceMSP"]]
    verdict = examined(channel.source(channel.read(endorsers=endorsers)), channel.trust)
    assert verdict.state is State.VERIFIED and verdict.kept_by == ("ControlRoomMSP", "PoliceMSP")


def test_without_trust_nothing_is_believed(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read()), None)
    assert verdict.state is State.UNTRUSTED_PROOF and "--trust FILE" in verdict.next_step


# What they signed.


@pytest.mark.parametrize(("other", "word"), [({"channel": "other"}, "channel"), ({"chaincode": "other"}, "contract")])
def test_a_read_of_another_channel_or_contract_proves_nothing(channel: Channel, other: Any, word: str) -> None:
    verdict = examined(channel.source(channel.read(**other)), channel.trust)
    assert verdict.state is State.UNDETERMINED and f"another {word}" in verdict.sentence


def test_another_value_in_the_slot_is_damage(channel: Channel) -> None:
    site = channel.site
    own, other = (f"block/gate-1/{site.states['gate-1'].chain:010d}/{number:010d}" for number in (1, 2))
    held = {entry.key: entry.value for entry in site.host.reader.entries()}
    verdict = examined(channel.source(channel.read(values={own: held[other]})), channel.trust)
    assert verdict.state is not State.VERIFIED
    assert "another record in this place" in str(verdict.to_json())


def test_two_organisations_that_signed_two_contents_are_not_believed(channel: Channel) -> None:
    site = channel.site
    slot = f"block/gate-1/{site.states['gate-1'].chain:010d}/{1:010d}"
    again = channel.read(positions={slot: Position(1, 7)})
    verdict = examined(channel.source(channel.read(), again), channel.trust)
    assert verdict.state is State.UNDETERMINED and "two different contents" in str(verdict.to_json())


def test_slots_that_were_not_asked_for_are_not_anchored(channel: Channel) -> None:
    verdict = examined(channel.source(channel.read(channel.ranges(slots=(0, 2)))), channel.trust)
    assert verdict.state is State.UNDETERMINED
    assert verdict.strip == "." * 20 + "p" * 10


def test_a_slot_that_was_left_out_is_not_anchored(channel: Channel) -> None:
    read = channel.read(without=lambda key: key.endswith(f"/{1:010d}") and key.startswith("block/"))
    verdict = examined(channel.source(read), channel.trust)
    assert verdict.state is State.UNDETERMINED and "p" in verdict.strip


@pytest.mark.parametrize("kind", ["camera", "change", "revocation", "participant", "delegation", "policy"])
def test_a_registry_that_is_not_shown_whole_could_hide_a_revocation(channel: Channel, kind: str) -> None:
    ranges = [each for each in channel.ranges() if not each.start.startswith(f"{kind}/")]
    if kind == "camera":
        ranges.append(KeyRange("camera/gate-1/0000000000", "camera/gate-1/0000000002"))
    if kind == "participant":
        ranges.append(KeyRange("participant/admin", "participant/z"))
    verdict = examined(channel.source(channel.read(ranges)), channel.trust)
    assert verdict.state is State.UNTRUSTED_PROOF
    assert "not everything is shown that the ledger says about camera gate-1" in verdict.sentence


def test_a_change_needs_its_own_decision_by_somebody_else(channel: Channel) -> None:
    site = channel.site
    approved = parse_camera_entry(site.host.reader.entries("camera/gate-1/")[-1].value)
    another = replace(approved, device_key=site.people["op-1"].signer.public_key)
    key = numbered_key("camera", "gate-1", approved.n)
    trust = trusting(channel.trust)
    for value, code in ((approved, ""), (another, "camera_decision")):
        source = channel.source(channel.read(values={key: value.canonical()}))
        court = Court(gather(source, WHOLE, Asked(), trust), trust)
        decided = VouchedDecisions(ShownRegistry(court.bundle, court.receipts), court.receipts)
        assert decided.decision(key).code == code


def test_a_decided_change_of_the_address_is_followed(channel: Channel) -> None:
    site = channel.site
    site.call("op-1", "propose_change", camera="gate-1", kind="address", ip="10.0.4.99", location="x")
    site.call("crm-1", "approve_change", camera="gate-1", number=0)
    site.record("gate-1", "IPPPPPPPPP", start_us=site.states["gate-1"].end_us)
    site.anchor()
    pictures = footage_of([picture("gate-1", number) for number in range(40)])
    verdict = examined(channel.source(channel.read()), channel.trust, pictures)
    assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)


def test_an_old_registry_does_not_vouch_for_newer_blocks(channel: Channel) -> None:
    old = channel.read()
    channel.site.call("crm-1", "suspend_camera", camera="gate-1", reason="ab" * 32)
    channel.site.call("crm-1", "reinstate_camera", camera="gate-1", reason="ab" * 32)
    channel.site.record("gate-1", "IPPPPPPPPP")
    channel.site.anchor()
    newer = channel.read(channel.ranges()[-2:])
    longer = footage_of([picture("gate-1", number) for number in range(40)])
    verdict = examined(channel.source(old, newer), channel.trust, longer)
    assert verdict.state is not State.VERIFIED
    assert examined(channel.source(old, newer, channel.read()), channel.trust, longer).state is State.VERIFIED


def test_a_revoked_key_is_not_believed_behind_the_moment_of_its_theft(channel: Channel) -> None:
    site = channel.site
    key = site.devices["gate-1"].public_key.key_id
    site.call("crm-1", "revoke_key", camera="gate-1", key=key, compromised_since_us=1, reason="ab" * 32)
    verdict = examined(channel.source(channel.read()), channel.trust)
    assert verdict.state is State.UNTRUSTED_PROOF and "compromised" in verdict.sentence


# Chains beside the one shown.


def test_chains_that_are_not_listed_leave_it_open(channel: Channel) -> None:
    ranges = [each for each in channel.ranges() if not each.start.startswith("chain/")]
    verdict = examined(channel.source(channel.read(ranges)), channel.trust)
    assert verdict.state is State.UNDETERMINED
    assert "Not all chains are shown" in str([finding.text for finding in verdict.findings])


@pytest.fixture
def second_chain(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Records the camera once more in a chain of its own, beginning so many microseconds behind the first one."""

    def record(later_us: int) -> None:
        site = channel.site
        state = site.states["gate-1"]
        site.states["gate-1"] = replace(
            state, chain=state.chain + 1, next_sequence=0, next_unit=0, previous=None, end_us=small_site.NOON + later_us
        )
        with monkeypatch.context() as patched:
            patched.setattr(small_site, "picture", lambda camera, number, letter="P": sha256(b"second %d" % number))
            site.record("gate-1", SCENE)
        site.anchor()
        site.states["gate-1"] = state

    return record


def other_chain(channel: Channel, end: str = "0000000099") -> KeyRange:
    chain = channel.site.states["gate-1"].chain + 1
    return KeyRange(f"block/gate-1/{chain:010d}/0000000000", f"block/gate-1/{chain:010d}/{end}")


def test_a_second_chain_at_the_same_time_is_named(channel: Channel, second_chain: Callable[[int], None]) -> None:
    second_chain(0)
    read = channel.read([*channel.ranges(), other_chain(channel)])
    verdict = examined(channel.source(read), channel.trust)
    assert verdict.state is State.UNDETERMINED and "parallel_chain" in codes(verdict)


def test_a_second_chain_that_is_not_shown_could_lie_at_the_same_time(
    channel: Channel, second_chain: Callable[[int], None]
) -> None:
    second_chain(3_600_000_000)
    hidden = examined(channel.source(channel.read()), channel.trust)
    assert hidden.state is State.UNDETERMINED and "parallel_chain" in codes(hidden)
    shown = examined(channel.source(channel.read([*channel.ranges(), other_chain(channel)])), channel.trust)
    assert shown.state is State.VERIFIED, shown.findings
    # Its first slot begins behind the interval: nothing that follows can reach back into it.
    first = channel.read([*channel.ranges(), other_chain(channel, "0000000001")])
    assert examined(channel.source(first), channel.trust).state is State.VERIFIED


def test_a_second_chain_before_must_be_shown_to_its_end(channel: Channel, second_chain: Callable[[int], None]) -> None:
    second_chain(-3_600_000_000)
    first = channel.read([*channel.ranges(), other_chain(channel, "0000000001")])
    verdict = examined(channel.source(first), channel.trust)
    assert verdict.state is State.UNDETERMINED and "parallel_chain" in codes(verdict)


# Sealed batches.


def sealed(site: Site) -> Channel:
    site.enrol("gate-1")
    site.record("gate-1", SCENE)
    site.anchor_sealed()
    return Channel(site)


def test_a_sealed_batch_is_verified_from_a_signed_root(site: Site) -> None:
    channel = sealed(site)
    read = channel.read([*channel.ranges(), whole_range("root", "north", "rec-1")])
    verdict = examined(channel.source(read), channel.trust)
    assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)
    assert "pp" in examined(channel.source(channel.read()), channel.trust).strip


def test_two_sealed_chains_of_a_camera_are_verified_from_signed_roots(site: Site) -> None:
    sealed_in_two_chains(site)
    channel = Channel(site)
    later = footage_of([picture("gate-1", number) for number in range(100, 130)])
    blocks, roots = whole_range("block", "gate-1"), whole_range("root", "north", "rec-1")
    read = channel.read([*channel.ranges()[:-1], blocks, roots])
    for footage in (WHOLE, later):
        verdict = examined(channel.source(read), channel.trust, footage)
        assert verdict.state is State.VERIFIED, (verdict.sentence, verdict.findings)


# Any byte.


def test_no_flipped_bit_of_a_read_is_ever_verified_as_something_else(channel: Channel) -> None:
    read = channel.read()
    for at in range(11, len(read), 211):
        for bit in (0, 3):
            flipped = bytearray(read)
            flipped[at] ^= 1 << bit
            try:
                verdict = examined(channel.source(bytes(flipped)), channel.trust)
            except Malformed:
                continue
            assert verdict.state is not State.VERIFIED, (at, bit)
