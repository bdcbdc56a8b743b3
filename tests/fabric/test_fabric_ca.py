"""Certificates that a real Fabric CA issued, beside our own authority's for the same people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from chaincode.dispatch import invoke
from chaincode.world import MemoryWorld
from evidence.certificates import ATTRIBUTES_OID, Certificate, caller_of, parse_certificate
from evidence.errors import Refused
from evidence.genesis import Organisation
from evidence.keys import PrivateKeySigner
from sdk.authority import make_authority
from sdk.keys import generate_key
from tests.hosts.cast import NOW_US, REASON, members, the_cast
from tests.unit.chaincode.the_world import person, state_with

RECORDED = Path(__file__).parent / "recorded" / "fabric_ca"
POLICE = {"role": "PO", "department": "police-1"}
# File, the unit that Fabric classifies by, and the attributes. Without a choice Fabric CA adds three of its own.
PEOPLE = {
    "officer": ("client", {**POLICE, "hf.Affiliation": "", "hf.EnrollmentID": "officer-1", "hf.Type": "client"}),
    "officer-chosen-attributes": ("client", POLICE),
    "officer-with-affiliation": (
        "client",
        {**POLICE, "hf.Affiliation": "police-1", "hf.EnrollmentID": "officer-2", "hf.Type": "client"},
    ),
    "admin": ("admin", {"role": "ADMIN"}),
    "odd-characters": (
        "client",
        {"role": "PO", "note": "a<b>&é", "hf.Affiliation": "", "hf.EnrollmentID": "strange", "hf.Type": "client"},
    ),
}


def recorded(name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((RECORDED / f"{name}.pem").read_bytes())


def parsed(name: str) -> Certificate:
    return parse_certificate(recorded(name).public_bytes(Encoding.DER))


def attribute_extension(certificate: x509.Certificate) -> x509.Extension[x509.UnrecognizedExtension]:
    found = certificate.extensions.get_extension_for_oid(ATTRIBUTES_OID)
    assert isinstance(found.value, x509.UnrecognizedExtension)
    return found  # type: ignore[return-value]  # checked in the line above


def units(certificate: x509.Certificate) -> list[str | bytes]:
    return [each.value for each in certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)]


@pytest.mark.parametrize("name", PEOPLE)
def test_a_person_of_fabric_ca_is_read_as_one_of_ours(name: str) -> None:
    unit, attributes = PEOPLE[name]
    certificate, root = parsed(name), parsed("root")
    assert dict(certificate.attributes) == attributes
    assert certificate.role == attributes["role"]
    assert not certificate.is_authority
    assert root.is_authority
    assert certificate.issued_by(root)
    assert unit in units(recorded(name))
    assert certificate.valid_at(certificate.not_before_us)
    assert caller_of("PoliceMSP", certificate).role == attributes["role"]


@pytest.mark.parametrize("name", PEOPLE)
def test_our_authority_writes_the_attributes_byte_for_byte_as_fabric_ca_does(name: str) -> None:
    unit, attributes = PEOPLE[name]
    further = {key: value for key, value in attributes.items() if key != "role"}
    ours = x509.load_der_x509_certificate(
        make_authority("PoliceMSP", now_us=NOW_US).issue(
            PrivateKeySigner(generate_key()).public_key,
            subject="officer-1",
            role=attributes["role"],
            attributes=further,
            now_us=NOW_US,
        )
    )
    theirs = recorded(name)
    assert attribute_extension(ours).value.value == attribute_extension(theirs).value.value
    assert attribute_extension(ours).critical == attribute_extension(theirs).critical
    assert units(ours) == [unit]
    assert units(theirs)[0] == unit
    for kind in (x509.KeyUsage, x509.BasicConstraints):
        assert ours.extensions.get_extension_for_class(kind).value == (
            theirs.extensions.get_extension_for_class(kind).value
        )


def test_the_root_that_issued_decides_the_organisation() -> None:
    genesis = the_cast().genesis
    officer = parsed("officer")
    assert genesis.msp_of(officer) is None
    police = Organisation(roots=(*genesis.msps["PoliceMSP"].roots, parsed("root")), admins=("ab" * 32,))
    widened = replace(genesis, msps={**genesis.msps, "PoliceMSP": police})
    assert widened.msp_of(officer) == "PoliceMSP"
    assert widened.msp_of(parsed("peer-tls")) == "PoliceMSP"
    assert not officer.issued_by(parsed("admin"))


def test_the_contract_lets_a_person_of_fabric_ca_act_in_their_role_and_no_other() -> None:
    officer = parsed("officer")
    caller = caller_of("PoliceMSP", officer)
    exhibit = members(exhibit="exhibit-2", footage=REASON, copy="master")

    def receive(role: str, **registered: str) -> bytes:
        entry = person("officer-1", "PoliceMSP", role, officer.public_key, **registered)
        world = MemoryWorld(state_with(entry), caller=caller, tx_id="ab" * 32, tx_time_us=NOW_US)
        return invoke(world, "receive_exhibit", [exhibit])

    assert receive("PO", department="police-1") == members(exhibit="exhibit-2")
    with pytest.raises(Refused, match="certificate says role PO, the registry says PCRO"):
        receive("PCRO", department="police-1")
    with pytest.raises(Refused, match="certificate says department police-1"):
        receive("PO", department="police-2")
    other = replace(caller, msp="ControlRoomMSP")
    entry = person("officer-1", "PoliceMSP", "PO", officer.public_key, department="police-1")
    with pytest.raises(Refused, match="ControlRoomMSP"):
        world = MemoryWorld(state_with(entry), caller=other, tx_id="ab" * 32, tx_time_us=NOW_US)
        invoke(world, "receive_exhibit", [exhibit])


def test_nodes_of_fabric_ca_carry_the_unit_and_hosts_that_the_network_asks_for() -> None:
    root, signing, tls = recorded("root"), recorded("peer"), recorded("peer-tls")
    for certificate in (signing, tls):
        certificate.verify_directly_issued_by(root)
        assert units(certificate) == ["peer"]
    names = tls.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"peer-police"}
    ours = make_authority("PoliceMSP", now_us=NOW_US).issue_node(
        PrivateKeySigner(generate_key()).public_key,
        name="peer-police",
        unit="peer",
        hosts=["peer-police"],
        now_us=NOW_US,
    )
    usages = [
        each.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        for each in (tls, x509.load_der_x509_certificate(ours))
    ]
    assert set(usages[0]) == set(usages[1])
