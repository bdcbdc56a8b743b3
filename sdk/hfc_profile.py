"""The profile of a network without the Gateway: which peers endorse, who orders, whose endorsements are enough.

    channel: evidence
    chaincode: veriframe
    msp: ControlRoomMSP
    peers:                             # of every organisation that endorses, and of one's own
      - {msp: ControlRoomMSP, address: "10.0.0.5:7051", tls_root: tls/ca.pem, server_name: peer0.example}
      - {msp: PoliceMSP, address: "10.1.0.5:7051", tls_root: tls/police-ca.pem}
    orderers:
      - {address: "10.0.0.5:7050", tls_root: tls/ca.pem}
    endorsement:                       # each set satisfies the contract's rule; the first that can be had is taken
      - [ControlRoomMSP, PoliceMSP]
      - [ControlRoomMSP, AuditorMSP]
    tls_client: {certificate: tls/client.pem, key: tls/client.key}
    deadlines: {evaluate_s: 30, endorse_s: 60, submit_s: 30, commit_s: 20, total_s: 180}

With the Gateway a peer finds out all this by itself; here it has to be kept in step with the network by hand.
Paths are relative to the file.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from evidence.errors import ConfigInvalid
from sdk.fabric_profile import Address, ChannelProfile, beside, parse_profile


class PeerAddress(Address):
    """A peer, and the organisation that it belongs to."""

    msp: str = Field(min_length=1, max_length=63)


class OrdererAddress(Address):
    """An orderer."""


class HfcProfile(ChannelProfile):
    """A profile for the hfc client, as read."""

    peers: tuple[PeerAddress, ...] = Field(min_length=1, max_length=64)
    orderers: tuple[OrdererAddress, ...] = Field(min_length=1, max_length=64)
    endorsement: tuple[tuple[str, ...], ...] = Field(min_length=1, max_length=64)

    def peers_of(self, msp: str) -> tuple[int, ...]:
        """Places in `peers` of an organisation's peers."""
        return tuple(place for place, each in enumerate(self.peers) if each.msp == msp)


def read_hfc_profile(path: Path) -> HfcProfile:
    """The profile in a file, its paths made absolute.

    Raises:
        ConfigInvalid: not there, a member is wrong, a TLS file cannot be read, or no peer of an organisation is named.
    """
    profile = parse_profile(path, HfcProfile)
    profile = profile.model_copy(
        update={"peers": beside(path, profile.peers), "orderers": beside(path, profile.orderers)}
    )
    if any(not each for each in profile.endorsement):
        raise ConfigInvalid("endorsement: a set without organisations", where=str(path))
    for msp in (profile.msp, *(msp for each in profile.endorsement for msp in each)):
        if not profile.peers_of(msp):
            raise ConfigInvalid(f"peers: none of {msp}", where=str(path), next_step="name a peer of each organisation")
    files = [each.tls_root for each in (*profile.peers, *profile.orderers)]
    if profile.tls_client is not None:
        files += [profile.tls_client.certificate, profile.tls_client.key]
    for file in sorted({file for file in files if file is not None}):
        try:
            file.open("rb").close()
        except OSError as error:
            raise ConfigInvalid(
                f"a TLS file of the profile cannot be read: {error.strerror}", where=str(file)
            ) from error
    return profile
