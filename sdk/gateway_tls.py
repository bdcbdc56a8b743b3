"""The files with which a client speaks TLS to a gateway: read, compared, and looked at when a connection fails.

A connection that stands outlives its certificates; the next one does not. A client that runs for months therefore takes
up renewed files by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import grpc
from cryptography import x509

from evidence.errors import ConfigInvalid, LedgerUnavailable
from sdk.fabric_profile import Address, ChannelProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """What the files of a profile held when they were read."""

    root: bytes
    certificate: bytes | None
    key: bytes | None

    def credentials(self) -> grpc.ChannelCredentials:
        return grpc.ssl_channel_credentials(
            root_certificates=self.root, private_key=self.key, certificate_chain=self.certificate
        )


def read_tls(address: Address, profile: ChannelProfile) -> TlsFiles | None:
    """None: without TLS. Raises ConfigInvalid: a file cannot be read."""
    if address.tls_root is None:
        return None
    client = profile.tls_client
    try:
        return TlsFiles(
            root=address.tls_root.read_bytes(),
            certificate=client.certificate.read_bytes() if client else None,
            key=client.key.read_bytes() if client else None,
        )
    except OSError as error:
        raise ConfigInvalid(
            f"a TLS file of the profile cannot be read: {error.strerror}", where=error.filename
        ) from error


def ended(files: TlsFiles, profile: ChannelProfile, now_us: int) -> LedgerUnavailable | None:
    """Why no node lets this client in any longer, if its own certificate is the reason."""
    if files.certificate is None or profile.tls_client is None:
        return None
    try:
        end = x509.load_pem_x509_certificate(files.certificate).not_valid_after_utc
    except ValueError:
        return None  # refused in other words when the connection is made
    if end > datetime.fromtimestamp(now_us / 1_000_000, UTC):
        return None
    return LedgerUnavailable(
        f"this client's TLS certificate ended on {end:%Y-%m-%d %H:%M} UTC, and no peer lets it in",
        where=str(profile.tls_client.certificate),
        next_step="put a renewed one in its place",
    )
