"""Which certificates speak for an organisation of a Fabric channel, under what the examiner trusts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evidence.certificates import Certificate, parse_certificate
from evidence.errors import Malformed
from evidence.fabric_configuration import FabricConfiguration
from evidence.fabric_identities import FabricIdentity
from evidence.trust import FabricTrust, Trust
from verifier.anchor import NOT_TRUSTED

# Organisational units by which Fabric tells the holders of an organisation's certificates apart. Only peers endorse and
# only orderers sign blocks: the key of a person must not be able to speak for the ledger.
PEER, ORDERER = "peer", "orderer"
_NODE_UNITS = frozenset({PEER, ORDERER, "client", "admin"})


class Signers:
    """Judges who signed.

    Args:
        named: what the trust file says about the ledger; None where it says nothing, so that nobody counts.
        trust: the whole trust file, for revocations.
        authorities: certificates that are offered as organisations' roots; those that the trust file pins count.
        configuration: of the channel, where it is at hand; its revocation lists narrow what is trusted.
    """

    def __init__(
        self,
        named: FabricTrust | None,
        trust: Trust,
        authorities: Iterable[Certificate],
        configuration: FabricConfiguration | None = None,
    ) -> None:
        self._named = named
        self._revoked = {each.sha256 for each in trust.revoked}
        self._configuration = configuration
        offered = {each.sha256: each for each in authorities}
        self._roots: Mapping[str, list[Certificate]] = {
            msp: [offered[root] for root in roots if root in offered]
            for msp, roots in ({} if named is None else named.msps).items()
        }
        self._judged: dict[tuple[str, bytes, str | None], tuple[Certificate | None, str]] = {}

    @property
    def consenters(self) -> Mapping[int, FabricIdentity]:
        """SmartBFT's orderers by the number under which they sign blocks."""
        return {} if self._configuration is None else self._configuration.consenters

    def unfit(self, identity: FabricIdentity, unit: str | None, time_us: int) -> str:
        """Why this signer speaks for no organisation that the examiner trusts; empty where it does.

        Args:
            unit: as what it must be certified, None where anybody of the organisation will do.
        """
        known = identity.msp, identity.certificate, unit
        if known not in self._judged:
            self._judged[known] = self._judge(identity, unit)
        certificate, reason = self._judged[known]
        if certificate is not None and not reason and not certificate.valid_at(time_us):
            return f"a certificate of {identity.msp} was used outside its validity"
        return reason

    def keys(self, identities: Iterable[FabricIdentity], unit: str, time_us: int) -> int:
        """How many of these signers count: one key is one, under however many certificates or names."""
        fit = (each.parsed() for each in identities if not self.unfit(each, unit, time_us))
        return len({certificate.public_key.key_id for certificate in fit if certificate is not None})

    def organisations(self, identities: Iterable[FabricIdentity], unit: str, time_us: int) -> tuple[str, ...]:
        """Organisations for which at least one of these signers speaks."""
        return tuple(sorted({each.msp for each in identities if not self.unfit(each, unit, time_us)}))

    def _judge(self, identity: FabricIdentity, unit: str | None) -> tuple[Certificate | None, str]:
        msp = identity.msp
        if self._named is None or msp not in self._named.msps:
            return None, f"{msp} {NOT_TRUSTED}"
        certificate = identity.parsed()
        if certificate is None:
            return None, f"a certificate of {msp} cannot be read"
        issuer = next((root for root in self._roots[msp] if certificate.issued_by(root)), None)
        if issuer is None:
            return None, f"a certificate was not issued by the root of {msp} that the examiner trusts"
        if unit is not None and {*certificate.units} & _NODE_UNITS != {unit}:
            return None, f"a certificate of {msp} is not that of a {unit}"
        # Whoever holds a revoked key signs any time, so a revocation counts for all that the key ever signed.
        if (certificate.digests | issuer.digests) & self._revoked:
            return None, f"a certificate of {msp} is revoked in what the examiner was told to trust"
        if self._configuration is not None and self._configuration.revokes(identity):
            return None, f"a certificate of {msp} is revoked in the channel's configuration"
        return certificate, ""


def readable_authorities(offered: Iterable[bytes]) -> list[Certificate]:
    """Those of the DER certificates that can be read."""
    found = []
    for der in offered:
        try:
            found.append(parse_certificate(der))
        except Malformed:
            continue
    return found
