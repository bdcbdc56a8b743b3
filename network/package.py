"""The chaincode package of one organisation: where its peer finds the organisation's own chaincode process.

Nothing of the contract is inside: the package holds an address and the certificates for mutual TLS.
"""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path

from evidence.digests import sha256

# What a peer runs instead of building: three small steps, told apart by the name they are called under.
_BUILDER = {
    "detect": """#!/bin/sh
# Ours are the packages whose metadata names the type ccaas (chaincode as a service).
grep -q '"type": *"ccaas"' "$2/metadata.json"
""",
    "build": """#!/bin/sh
# Nothing is compiled: the package says where the chaincode listens.
cp "$1/connection.json" "$3/connection.json"
""",
    "release": """#!/bin/sh
mkdir -p "$2/chaincode/server" && cp "$1/connection.json" "$2/chaincode/server/connection.json"
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package's bytes, and the id under which peers know it."""

    label: str
    data: bytes

    @property
    def id(self) -> str:
        return f"{self.label}:{sha256(self.data).hex()}"


def write_builder(folder: Path) -> None:
    """The external builder in `folder`/bin."""
    for name, text in _BUILDER.items():
        path = folder / "bin" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        path.chmod(0o755)


def make_package(label: str, *, address: str, root_pem: str, client_pem: str, client_key_pem: str) -> Package:
    """Package for a chaincode that listens on `address` with mutual TLS.

    Args:
        root_pem: authority of the chaincode server's certificate.
        client_pem, client_key_pem: what the peer shows to the chaincode server.
    """
    connection = {
        "address": address,
        "dial_timeout": "10s",
        "tls_required": True,
        "client_auth_required": True,
        "client_key": client_key_pem,
        "client_cert": client_pem,
        "root_cert": root_pem,
    }
    code = _tar_gz({"connection.json": json.dumps(connection).encode("ascii")})
    metadata = json.dumps({"type": "ccaas", "label": label}).encode("ascii")
    return Package(label=label, data=_tar_gz({"metadata.json": metadata, "code.tar.gz": code}))


def _tar_gz(files: dict[str, bytes]) -> bytes:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o600
            tar.addfile(entry, io.BytesIO(data))
    return gzip.compress(plain.getvalue(), mtime=0)
