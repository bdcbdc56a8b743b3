"""Keys and certificates are made once, fit together, and say what Fabric classifies by."""

from __future__ import annotations

import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evidence.certificates import parse_certificate
from evidence.errors import ConfigInvalid
from evidence.genesis import parse_genesis
from network.bring_up import Network
from network.configuration import channel_configuration, orderer_configuration, peer_configuration
from network.founding import genesis_file, hfc_profile_file, make_genesis, profile_file, write_profiles
from network.material import PEOPLE, Material, make_material, public_files
from network.renewal import renew_people
from network.topology import Topology, read_topology
from sdk.fabric_profile import read_profile
from sdk.hfc_profile import read_hfc_profile
from sdk.identities import identity_names
from tests.hosts.cast import NOW_US


@pytest.fixture(scope="module")
def topology() -> Topology:
    return read_topology("raft")


@pytest.fixture(scope="module")
def material(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Material:
    return make_material(topology, tmp_path_factory.mktemp("material"), now_us=NOW_US)


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_second_time_makes_nothing_new(topology: Topology, material: Material) -> None:
    def digest() -> dict[str, bytes]:
        files = [path for path in material.root.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes() for path in files}

    before = digest()
    make_material(topology, material.root, now_us=NOW_US + 1)
    assert digest() == before


def test_nodes_carry_their_unit_and_a_year(topology: Topology, material: Material) -> None:
    for node in topology.nodes:
        root = certificate(material.organisation(node.organisation) / "ca" / "root.pem")
        tls_root = certificate(material.tls_root(node.organisation))
        signing = certificate(material.node(node) / "signing" / "certificate.pem")
        tls = certificate(material.node(node) / "tls" / "certificate.pem")
        signing.verify_directly_issued_by(root)
        tls.verify_directly_issued_by(tls_root)
        units = signing.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        assert [unit.value for unit in units] == [node.kind]
        names = tls.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert node.name in names.get_values_for_type(x509.DNSName)
        left = signing.not_valid_after_utc - datetime.fromtimestamp(NOW_US / 1_000_000, UTC)
        assert 363 <= left.days <= 366
        assert (material.node(node) / "msp" / "signcerts" / "cert.pem").read_bytes() == (
            material.node(node) / "signing" / "certificate.pem"
        ).read_bytes()


def test_keys_are_their_owners_alone(material: Material) -> None:
    keys = list(material.root.rglob("key.pem"))
    assert len(keys) > 20
    assert {path.stat().st_mode & 0o777 for path in keys} == {0o600}
    # A copy of a key is for a moment open to whoever reaches its folder.
    copies = {path.parent for path in keys if path.parent.name == "keystore"}
    assert len(copies) > 10
    assert {folder.stat().st_mode & 0o077 for folder in copies} == {0}


def test_there_is_one_person_of_each_role_with_an_msp_folder(material: Material) -> None:
    for person in PEOPLE:
        identity = material.identity(person.name)
        assert (identity.msp, identity.role) == (person.msp, person.role)
        unit = certificate(material.person_msp(person.name) / "signcerts" / "cert.pem").subject
        kind = "admin" if person.role == "ADMIN" else "client"
        assert unit.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)[0].value == kind


def test_the_founding_document_is_made_once_and_names_every_organisation(
    topology: Topology, material: Material
) -> None:
    genesis = make_genesis(topology, material)
    assert make_genesis(topology, material) == genesis
    assert parse_genesis(genesis_file(material.root).read_bytes()).digest == genesis.digest
    assert set(genesis.msps) == {each.msp for each in topology.settings.organisations}
    assert genesis.demo
    assert genesis.msps["PoliceMSP"].admins == (material.identity("admin-police").key_id,)


def test_commands_that_come_at_once_make_one_founding_document(topology: Topology, tmp_path: Path) -> None:
    """Contract processes endorse the one whose digest they were given: a second one would never be endorsed."""
    made = make_material(topology, tmp_path, now_us=NOW_US)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: make_genesis(topology, made), range(16)))
    assert {each.digest for each in found} == {make_genesis(topology, made).digest}


def test_each_organisation_gets_a_profile_for_a_network_without_gateways(
    topology: Topology, material: Material
) -> None:
    write_profiles(topology, material)
    for peer in topology.peers:
        profile = read_hfc_profile(hfc_profile_file(material.root, peer.organisation))
        assert profile.msp == peer.msp
        assert {(each.msp, each.address) for each in profile.peers} == {(p.msp, p.address()) for p in topology.peers}
        assert [each.address for each in profile.orderers] == [each.address() for each in topology.orderers]
        assert profile.endorsement == (("ControlRoomMSP", "PoliceMSP"), ("ControlRoomMSP", "AuditorMSP"))


def test_each_organisation_gets_a_profile_to_its_own_peer(topology: Topology, material: Material) -> None:
    write_profiles(topology, material)
    for peer in topology.peers:
        profile = read_profile(profile_file(material.root, peer.organisation))
        assert (profile.msp, profile.channel) == (peer.msp, topology.channel)
        assert profile.gateways[0].address == peer.address()
        assert profile.tls_client is not None
        assert profile.tls_client.key.exists()


@pytest.mark.parametrize("name", ["raft", "bft"])
def test_configuration_wants_mutual_tls_everywhere(name: str, tmp_path: Path) -> None:
    topology = read_topology(name)
    material = Material(tmp_path)
    for node in topology.peers:
        core = peer_configuration(topology, material, node, tmp_path, tmp_path)
        assert core["peer"]["tls"]["enabled"]
        assert core["peer"]["tls"]["clientAuthRequired"]
        assert core["peer"]["authentication"]["timewindow"] == "15m"
        assert core["peer"]["gossip"]["externalEndpoint"] == node.address()
    for node in topology.orderers:
        general = orderer_configuration(topology, material, node, tmp_path)["General"]
        assert general["TLS"]["Enabled"]
        assert general["TLS"]["ClientAuthRequired"]
    profile = channel_configuration(topology, material, "P")["Profiles"]["P"]
    assert profile["Capabilities"] == {"V3_0": True}
    assert profile["Application"]["Capabilities"] == {"V2_5": True}
    # Orderer addresses stand with their organisations; the channel-wide list is refused under V3_0.
    assert "Addresses" not in profile["Orderer"]
    for organisation in profile["Orderer"]["Organizations"]:
        assert organisation["OrdererEndpoints"]
    assert all(each["AnchorPeers"] for each in profile["Application"]["Organizations"])
    json.dumps(profile)


def test_people_get_new_certificates_over_the_same_keys(topology: Topology, tmp_path: Path) -> None:
    material = make_material(topology, tmp_path, now_us=NOW_US)
    before = {person.name: material.identity(person.name) for person in PEOPLE}
    year_us = 365 * 86_400 * 1_000_000
    assert renew_people(material, topology, within_days=30, now_us=NOW_US) == []
    names = renew_people(material, topology, within_days=30, now_us=NOW_US + 5 * year_us)
    assert sorted(names) == sorted(before)
    for name, old in before.items():
        new = material.identity(name)
        first, second = parse_certificate(old.certificate), parse_certificate(new.certificate)
        assert (new.key_id, new.role, second.attributes, second.subject) == (
            old.key_id, old.role, first.attributes, first.subject,
        )  # fmt: skip
        assert second.not_after_us > first.not_after_us + 4 * year_us
        assert (material.person_msp(name) / "signcerts" / "cert.pem").read_bytes() == (
            material.people / name / "certificate.pem"
        ).read_bytes()


def test_an_organisation_of_its_own_host_makes_its_own_keys_and_passes_on_none(tmp_path: Path) -> None:
    topology = read_topology("raft")
    networks = {
        name: Network(topology=topology, root=tmp_path / name, programs={}, own=name)
        for name in ("control-room", "police", "local-authority", "auditor")
    }
    for name, network in networks.items():
        network.prepare(now_us=NOW_US)
        organisations = {path.name for path in (network.root / "organisations").iterdir()}
        assert organisations == {name}
        assert identity_names(network.material.people) == (f"admin-{name}",)
        assert {path.stem for path in (network.root / "profiles").glob("*.yaml")} == {name, f"{name}.hfc"}
        passed_on = network.root / f"public-{name}.tar"
        with tarfile.open(passed_on) as tar:
            assert sorted(tar.getnames()) == sorted(public_files(topology, name))
            for member in tar.getmembers():
                file = tar.extractfile(member)
                assert file is not None
                assert b"PRIVATE KEY" not in file.read()
    # Once everything is issued, the authorities' keys may go to a machine without network.
    for key in networks["police"].root.glob("organisations/police/*ca/key.pem"):
        key.unlink()
    networks["police"].prepare(now_us=NOW_US)
    with pytest.raises(ConfigInvalid, match=r"organisations/police/msp/cacerts/ca\.pem"):
        networks["control-room"].write_channel()
    with pytest.raises(ConfigInvalid, match=r"genesis\.block"):
        networks["police"].up(now_us=NOW_US)


def test_only_an_orderers_own_organisation_administers_it(topology: Topology, material: Material) -> None:
    for node in topology.orderers:
        admin = orderer_configuration(topology, material, node, Path("/data"))["Admin"]["TLS"]
        assert admin["ClientRootCAs"] == [str(material.tls_root(node.organisation))]
        assert admin["ClientAuthRequired"] is True
