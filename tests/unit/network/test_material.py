"""Keys and certificates are made once, fit together, and say what Fabric classifies by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from evidence.genesis import parse_genesis
from network.configuration import channel_configuration, orderer_configuration, peer_configuration
from network.founding import genesis_file, hfc_profile_file, make_genesis, profile_file, write_profiles
from network.material import PEOPLE, Material, make_material
from network.topology import Topology, read_topology
from sdk.fabric_profile import read_profile
from sdk.hfc_profile import read_hfc_profile
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
