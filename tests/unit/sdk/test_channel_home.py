"""Bringing identities into a home on a channel, and reading what a channel says about who has to endorse."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2

from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from evidence.trust import FabricTrust, parse_trust
from sdk.authority import make_authority
from sdk.channel_home import import_identities, remember_channel
from sdk.channel_word import ChannelWord, Rule, rule_of
from sdk.home import Home, building, open_home, write_manifest
from sdk.identities import create_identity, identity_names, load_identity
from verifier.fetch import open_source

NOW_US = 1_780_000_000_000_000


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wallet as a development network makes it: people of two organisations."""
    folder = tmp_path_factory.mktemp("people")
    for msp, names in (("ControlRoomMSP", ("recorder-1", "manager-1")), ("PoliceMSP", ("officer-1",))):
        authority = make_authority(msp, now_us=NOW_US)
        for name in names:
            create_identity(folder, name, authority, role="CRM" if "manager" in name else "PO", now_us=NOW_US)
    return folder


def test_the_people_of_the_own_organisation_are_taken(people: Path, tmp_path: Path) -> None:
    assert import_identities(people, tmp_path, msp="ControlRoomMSP") == ("manager-1", "recorder-1")
    assert identity_names(tmp_path) == ("manager-1", "recorder-1")
    assert load_identity(tmp_path, "manager-1").certificate == load_identity(people, "manager-1").certificate
    assert (tmp_path / "manager-1/key.pem").stat().st_mode & 0o777 == 0o600
    # Once more changes nothing, and so does one of them alone.
    assert import_identities(people / "manager-1", tmp_path, msp="ControlRoomMSP") == ("manager-1",)


def test_what_fabric_ca_leaves_is_taken_under_the_name_in_the_certificate(people: Path, tmp_path: Path) -> None:
    enrolled = tmp_path / "msp"
    for place in ("signcerts", "keystore"):
        (enrolled / place).mkdir(parents=True)
    shutil.copy(people / "officer-1/certificate.pem", enrolled / "signcerts/cert.pem")
    shutil.copy(people / "officer-1/key.pem", enrolled / "keystore/a1b2_sk")
    assert import_identities(enrolled, tmp_path / "wallet", msp="PoliceMSP") == ("officer-1",)
    assert load_identity(tmp_path / "wallet", "officer-1").msp == "PoliceMSP"
    shutil.copy(people / "officer-1/key.pem", enrolled / "keystore/c3d4_sk")
    with pytest.raises(ConfigInvalid, match="1 certificates and 2 keys"):
        import_identities(enrolled, tmp_path / "wallet", msp="PoliceMSP")


def test_a_name_is_given_away_once_and_nobody_is_replaced(people: Path, tmp_path: Path) -> None:
    import_identities(people, tmp_path / "wallet", msp="PoliceMSP")
    other = create_identity(
        tmp_path / "elsewhere", "officer-1", make_authority("PoliceMSP", now_us=NOW_US), role="PO", now_us=NOW_US
    )
    with pytest.raises(ConfigInvalid, match="another identity of the name officer-1"):
        import_identities(tmp_path / "elsewhere", tmp_path / "wallet", msp="PoliceMSP")
    assert load_identity(tmp_path / "wallet", "officer-1").certificate != other.certificate


def test_a_key_that_is_another_certificates_leaves_no_identity_behind(people: Path, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(people / "manager-1", mixed / "manager-1")
    shutil.copy(people / "recorder-1/key.pem", mixed / "manager-1/key.pem")
    with pytest.raises(KeyUnavailable, match="do not belong together"):
        import_identities(mixed, tmp_path / "wallet", msp="ControlRoomMSP")
    assert identity_names(tmp_path / "wallet") == ()


def test_a_folder_without_anybody_of_the_organisation_says_what_it_should_hold(people: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no identity of AuditorMSP"):
        import_identities(people, tmp_path / "wallet", msp="AuditorMSP")
    with pytest.raises(ConfigInvalid, match="not a folder"):
        import_identities(tmp_path / "nowhere", tmp_path / "wallet", msp="AuditorMSP")


def test_a_home_remembers_its_channel_and_how_it_is_reached(tmp_path: Path) -> None:
    with building(tmp_path / "home") as folder:
        write_manifest(folder, ledger_id="fabric:evidence:" + "ab" * 32, demo=False, profile=Path("/etc/p.yaml"))
    home = open_home(tmp_path / "home")
    assert isinstance(home, Home)
    assert (home.ledger_id, home.profile) == ("fabric:evidence:" + "ab" * 32, Path("/etc/p.yaml"))


def word_of(roots: Mapping[str, tuple[bytes, ...]], rule: Rule) -> ChannelWord:
    return ChannelWord(ledger_id="fabric:evidence:" + "ab" * 32, chaincode="veriframe", roots=dict(roots), rule=rule)


def test_a_channel_that_nobody_could_trust_is_named_before_there_is_a_home(tmp_path: Path) -> None:
    one, other = (make_authority(msp, now_us=NOW_US).root_der for msp in ("ControlRoomMSP", "PoliceMSP"))
    both = Rule(all=("ControlRoomMSP", "PoliceMSP"), any=())
    home = Home(path=tmp_path, databases=tmp_path, ledger_id="", demo=False)
    for roots, rule, why in (
        ({"ControlRoomMSP": (one,), "PoliceMSP": (one,)}, both, "one root for two organisations"),
        ({"ControlRoomMSP": (one,)}, both, "an organisation without roots"),
        ({"ControlRoomMSP": (one,), "PoliceMSP": (other,)}, Rule((), ()), "the endorsement rule is empty"),
    ):
        with pytest.raises(ConfigInvalid, match=why) as caught:
            remember_channel(home, word_of(roots, rule))
        assert "root certificate of its own" in caught.value.next_step
        assert not home.channel_trust.exists()
    remember_channel(home, word_of({"ControlRoomMSP": (one,), "PoliceMSP": (other,)}, both))
    (entry,) = parse_trust(home.channel_trust.read_bytes()).ledgers
    assert isinstance(entry, FabricTrust) and entry.endorse_all == both.all


def test_a_damaged_memory_of_the_channel_hinders_only_who_takes_the_homes_word(tmp_path: Path) -> None:
    with building(tmp_path / "home") as folder:
        write_manifest(folder, ledger_id="fabric:evidence:" + "ab" * 32, demo=False, profile=Path("/etc/p.yaml"))
    home = open_home(tmp_path / "home")
    home.channel_trust.write_bytes(b"{}")
    with open_source(home.path) as source:
        assert source.ledger_id == home.ledger_id
        with pytest.raises(Malformed, match="what the home remembers of its channel is damaged") as caught:
            _ = source.own_trust
    assert caught.value.where == str(home.channel_trust)
    assert "--trust FILE" in caught.value.next_step


def signed_by(number: int) -> Any:
    return policies_pb2.SignaturePolicy(signed_by=number)


def of(count: int, *rules: Any) -> Any:
    inner = policies_pb2.SignaturePolicy.NOutOf(n=count, rules=rules)
    return policies_pb2.SignaturePolicy(n_out_of=inner)


def policy(rule: Any) -> Any:
    principals = [
        msp_principal_pb2.MSPPrincipal(
            principal=msp_principal_pb2.MSPRole(msp_identifier=msp, role="PEER").SerializeToString()
        )
        for msp in ("A", "B", "C", "D")
    ]
    return policies_pb2.SignaturePolicyEnvelope(rule=rule, identities=principals)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (of(2, signed_by(2), of(1, signed_by(0), signed_by(1))), Rule(all=("C",), any=("A", "B"))),
        (of(2, signed_by(0), of(2, signed_by(1), of(1, signed_by(2), signed_by(3)))), Rule(("A", "B"), ("C", "D"))),
        (signed_by(3), Rule(("D",), ())),
        (of(1, signed_by(0), signed_by(1)), Rule((), ("A", "B"))),
        (of(1, signed_by(1)), Rule(("B",), ())),
    ],
)
def test_rules_of_all_and_any_are_read(rule: Any, said: Rule) -> None:
    assert rule_of(policy(rule)) == said


@pytest.mark.parametrize(
    "rule",
    [
        of(2, signed_by(0), signed_by(1), signed_by(2)),
        of(2, of(1, signed_by(0), signed_by(1)), of(1, signed_by(2), signed_by(3))),
        of(1, signed_by(0), of(2, signed_by(1), signed_by(2))),
    ],
)
def test_rules_that_cannot_be_said_so_are_asked_for(rule: Any) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be said") as caught:
        rule_of(policy(rule))
    assert "--endorsed-by-all" in caught.value.next_step
