"""The configuration of a channel, from the block that brought it: consenters, and what organisations revoked.

It may only narrow what an examiner trusts: roots named in it are never believed, revocation lists are heeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from evidence.fabric_block import FabricBlock, channel_header
from evidence.fabric_checks import refusal
from evidence.fabric_identities import FabricIdentity, consenter_identity
from evidence.fabric_messages import CONFIG_ENVELOPE, FABRIC_MSP_CONFIG, MSP_CONFIG, ORDERERS, PAYLOAD
from evidence.fabric_wire import Values, read_message

X509_MSP = 0  # an MSP of certificates; others (idemix) sign nothing that is read here


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricConfiguration:
    """A channel's configuration in force from block `number` on.

    Args:
        consenters: SmartBFT's orderers by the number under which they sign; empty for Raft.
        organisations: MSP id -> certificates that revoked others, as PEM or DER revocation lists.
    """

    channel: str
    number: int
    sequence: int
    consenters: Mapping[int, FabricIdentity]
    organisations: Mapping[str, tuple[bytes, ...]]

    def revokes(self, identity: FabricIdentity) -> bool:
        """Tell whether a revocation list of the identity's organisation names its certificate."""
        if identity.parsed() is None:
            return False
        certificate = x509.load_der_x509_certificate(identity.certificate)
        return any(_names(each, certificate) for each in self.organisations.get(identity.msp, ()))


def parse_configuration(block: FabricBlock) -> FabricConfiguration:
    """Read the configuration that `block` brought.

    Raises:
        Malformed: it holds none, or it cannot be read.
    """
    if not block.is_configuration:
        raise refusal("configuration", "the block holds transactions")
    envelope = block.envelopes[0]
    config = read_message(CONFIG_ENVELOPE, read_message(PAYLOAD, envelope.payload)["data"])["config"]
    if config is None or config["channel_group"] is None:
        raise refusal("configuration")
    sections = _map(config["channel_group"], "groups")
    orderer = sections.get("Orderer")
    organisations: dict[str, list[bytes]] = {}
    for section in sections.values():
        for organisation in _map(section, "groups").values():
            values = _map(organisation, "values").get("MSP")
            if values is not None:
                _msp(values, organisations)
    return FabricConfiguration(
        channel=channel_header(envelope)["channel_id"],
        number=block.number,
        sequence=config["sequence"],
        consenters={} if orderer is None else _consenters(_map(orderer, "values").get("Orderers")),
        organisations={msp: tuple(dict.fromkeys(lists)) for msp, lists in organisations.items()},
    )


def _map(group: Values, name: str) -> dict[str, Values]:
    # Fabric writes maps in any order.
    found = {each["key"]: each["value"] for each in group[name]}
    if len(found) != len(group[name]):
        raise refusal("configuration", f"a name stands twice in {name}")
    return found


def _msp(values: Values, organisations: dict[str, list[bytes]]) -> None:
    msp = read_message(MSP_CONFIG, values["value"])
    if msp["type"] != X509_MSP:
        return
    found = read_message(FABRIC_MSP_CONFIG, msp["config"])
    # An organisation with peers and orderers stands in both sections.
    organisations.setdefault(found["name"], []).extend(found["revocation_list"])


def _consenters(values: Values | None) -> dict[int, FabricIdentity]:
    if values is None:
        return {}
    mapping = read_message(ORDERERS, values["value"])["consenter_mapping"]
    found = {each["id"]: consenter_identity(each["msp_id"], each["identity"]) for each in mapping if each["identity"]}
    if len({each["id"] for each in mapping}) != len(mapping):
        raise refusal("configuration", "two consenters have one number")
    return found


def _names(data: bytes, certificate: x509.Certificate) -> bool:
    """Whether a revocation list of the certificate's issuer names it; one that cannot be read names nobody."""
    try:
        pem = data.lstrip().startswith(b"-----BEGIN")
        crl = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        revoked = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
        return crl.issuer == certificate.issuer and revoked is not None
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        return False
