"""Keys and certificates of a network's nodes and people, in the folders that Fabric's programs read.

    <root>/organisations/<name>/ca, tlsca          authorities of the organisation, for signing and for TLS
    <root>/organisations/<name>/msp                what others need to know of it
    <root>/nodes/<node>/msp, tls                   one peer or orderer
    <root>/people/<name>                           wallet identities (sdk/identities), with an MSP folder for `peer`

On one machine all of it stands in one place; over several hosts each organisation makes its own (`own`) and passes on
what `public_files` lists, which holds no key.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from network.topology import Node, OrganisationSettings, Topology
from sdk.authority import load_authority, make_authority, save_authority
from sdk.identities import Identity, create_identity, identity_names, load_identity
from sdk.keys import load_or_create_key

# Classifies certificates by organisational unit, as Fabric CA issues them.
_NODE_OUS = """NodeOUs:
  Enable: true
  ClientOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: client}
  PeerOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: peer}
  AdminOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: admin}
  OrdererOUIdentifier: {Certificate: cacerts/ca.pem, OrganizationalUnitIdentifier: orderer}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who acts on the network: pseudonym, organisation, role and the attributes beside it."""

    name: str
    msp: str
    role: str
    attributes: Mapping[str, str]


# One of each role, so that every transaction can be tried; a site makes its own with `participant register`.
PEOPLE: tuple[Person, ...] = (
    Person(name="admin-control-room", msp="ControlRoomMSP", role="ADMIN", attributes={}),
    Person(name="admin-police", msp="PoliceMSP", role="ADMIN", attributes={}),
    Person(name="admin-local-authority", msp="LocalAuthorityMSP", role="ADMIN", attributes={}),
    Person(name="admin-auditor", msp="AuditorMSP", role="ADMIN", attributes={}),
    Person(name="operator-1", msp="ControlRoomMSP", role="OPERATOR", attributes={"control_room": "cr-1"}),
    Person(name="manager-1", msp="ControlRoomMSP", role="CRM", attributes={"control_room": "cr-1"}),
    Person(name="supervisor-1", msp="ControlRoomMSP", role="CRS", attributes={"control_room": "cr-1"}),
    Person(
        name="recorder-1", msp="ControlRoomMSP", role="RECORDER", attributes={"control_room": "cr-1", "site": "site-1"}
    ),
    Person(name="officer-1", msp="PoliceMSP", role="PO", attributes={"department": "police-1"}),
    Person(name="police-operator-1", msp="PoliceMSP", role="PCRO", attributes={"department": "police-1"}),
    Person(name="staff-1", msp="LocalAuthorityMSP", role="LAS", attributes={}),
    Person(name="auditor-1", msp="AuditorMSP", role="AUDITOR", attributes={}),
)


@dataclass(frozen=True, slots=True)
class Material:
    """Where the keys and certificates of a network stand."""

    root: Path

    def organisation(self, name: str) -> Path:
        return self.root / "organisations" / name

    def node(self, node: Node) -> Path:
        return self.root / "nodes" / node.name

    def first_admin(self, organisation: str) -> Path:
        """Certificate of the ADMIN whom the founding document names."""
        return self.organisation(organisation) / "admin.pem"

    @property
    def people(self) -> Path:
        return self.root / "people"

    def tls_root(self, organisation: str) -> Path:
        return self.organisation(organisation) / "msp" / "tlscacerts" / "tlsca.pem"

    def person_msp(self, name: str) -> Path:
        """Folder that `peer` takes as CORE_PEER_MSPCONFIGPATH for a person."""
        return self.people / name / "as-msp"

    def identity(self, name: str) -> Identity:
        return load_identity(self.people, name)


def make_material(
    topology: Topology, root: Path, *, people: Sequence[Person] = PEOPLE, own: str | None = None, now_us: int
) -> Material:
    """Make whatever is missing; what is there stays as it is.

    Args:
        own: name of the organisation whose host this is; None: all of them stand here.

    Raises:
        KeyUnavailable, ConfigInvalid: files that stand there are damaged.
    """
    material = Material(root)
    names = {each.msp: each.name for each in topology.settings.organisations if own in (None, each.name)}
    for organisation in topology.settings.organisations:
        if organisation.msp in names:
            _organisation(material, organisation, now_us)
    for node in topology.nodes:
        if node.msp in names:
            _node(material, node, now_us)
    # On an organisation's own host nobody but its ADMIN, whom the founding document names.
    listed = [each for each in people if own is None and each.msp in names]
    admins = [
        Person(name=f"admin-{name}", msp=msp, role="ADMIN", attributes={})
        for msp, name in names.items()
        if f"admin-{name}" not in {each.name for each in listed}
    ]
    known = set(identity_names(material.people))
    for person in (*listed, *admins):
        if person.name not in known:
            create_identity(
                material.people,
                person.name,
                load_authority(material.organisation(names[person.msp]) / "ca"),
                role=person.role,
                attributes=person.attributes,
                now_us=now_us,
            )
        folder, wallet = material.person_msp(person.name), material.people / person.name
        if not folder.exists():
            _msp_folder(
                folder, material.organisation(names[person.msp]) / "msp", wallet / "certificate.pem", wallet / "key.pem"
            )
        admin = material.first_admin(names[person.msp])
        if person.name == f"admin-{names[person.msp]}" and not admin.exists():
            shutil.copyfile(wallet / "certificate.pem", admin)
    return material


def public_files(topology: Topology, organisation: str) -> tuple[str, ...]:
    """What others need of an organisation to write the channel and the founding document; paths below the root."""
    nodes = [node for node in topology.orderers if node.organisation == organisation]
    parts = ("tls", "signing") if topology.settings.consensus == "BFT" else ("tls",)
    files = ("msp/cacerts/ca.pem", "msp/tlscacerts/tlsca.pem", "msp/config.yaml", "admin.pem")
    return (
        *(f"organisations/{organisation}/{name}" for name in files),
        *(f"nodes/{node.name}/{part}/certificate.pem" for node in nodes for part in parts),
    )


def _organisation(material: Material, organisation: OrganisationSettings, now_us: int) -> None:
    folder = material.organisation(organisation.name)
    for part in ("ca", "tlsca"):  # one that stands here may be a root alone, whose key is elsewhere
        if not (folder / part / "root.pem").exists():
            save_authority(make_authority(organisation.msp, now_us=now_us), folder / part)
    public = folder / "msp"
    for place, source in (("cacerts/ca.pem", "ca/root.pem"), ("tlscacerts/tlsca.pem", "tlsca/root.pem")):
        (public / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / source, public / place)
    (public / "config.yaml").write_text(_NODE_OUS, encoding="ascii")


def _node(material: Material, node: Node, now_us: int) -> None:
    folder = material.node(node)
    for part in ("signing", "tls"):
        if not (folder / part / "certificate.pem").exists():
            issue_node(material, node, part, now_us)
    if not (folder / "msp").exists():
        public = material.organisation(node.organisation) / "msp"
        _msp_folder(folder / "msp", public, folder / "signing" / "certificate.pem", folder / "signing" / "key.pem")


def issue_node(material: Material, node: Node, part: str, now_us: int) -> None:
    """A node's `signing` or `tls` certificate, over the key that is there or a new one; an older one is replaced.

    Raises: KeyUnavailable: the authority's key is not here.
    """
    authority = load_authority(material.organisation(node.organisation) / ("ca" if part == "signing" else "tlsca"))
    place = material.node(node) / part
    key = load_or_create_key(place / "key.pem")
    hosts = sorted({node.host, node.contract_host or node.host, "localhost", "127.0.0.1", node.name})
    der = authority.issue_node(
        key.public_key, name=node.name, unit=node.kind, hosts=hosts if part == "tls" else (), now_us=now_us
    )
    write_certificate(place / "certificate.pem", der)


def write_certificate(path: Path, der: bytes) -> None:
    # Made aside and renamed: a crash must not leave a node without a certificate.
    draft = path.with_suffix(".new")
    draft.write_bytes(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM))
    draft.rename(path)


def _msp_folder(target: Path, organisation: Path, certificate: Path, key: Path) -> None:
    """A local MSP: the organisation's public one, with one certificate and its key."""
    # Made aside and renamed, so that a crash leaves no half folder that looks whole.
    draft = target.with_name(target.name + ".new")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(organisation, draft)
    for place, source in (("signcerts/cert.pem", certificate), ("keystore/key.pem", key)):
        # Nobody else's folder: the copy of a key takes its mode only once it is there.
        (draft / place).parent.mkdir(mode=0o700)
        shutil.copy2(source, draft / place)
    draft.rename(target)
