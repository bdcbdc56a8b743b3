"""The wallet: one folder for each identity that may act from this home.

identities/<name>/key.pem           made here, 0600, never leaves
identities/<name>/msp               the organisation's MSP id
identities/<name>/certificate.pem   written last: without it the identity is not complete and can be made again
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evidence.certificates import parse_certificate
from evidence.digests import is_ident
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from evidence.genesis import is_msp
from evidence.keys import Signer
from sdk.authority import Authority
from sdk.keys import load_key, load_or_create_key, write_new_file

_MAX_FILE = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who acts: organisation, certificate (DER) and the key behind it."""

    name: str
    msp: str
    certificate: bytes
    role: str
    signer: Signer = field(repr=False)

    @property
    def key_id(self) -> str:
        return self.signer.public_key.key_id


def create_identity(
    folder: Path,
    name: str,
    authority: Authority,
    *,
    role: str,
    attributes: Mapping[str, str] | None = None,
    now_us: int,
) -> Identity:
    """Make a key in `folder`/`name` and have the authority certify it, with `name` as its pseudonym.

    What an interrupted call left is continued.

    Raises:
        ConfigInvalid: the name is no id, or such an identity exists. KeyUnavailable: the files cannot be written.
    """
    place = _place(folder, name)
    if (place / "certificate.pem").exists():
        raise ConfigInvalid(f"there is an identity {name} already", where=str(place), next_step="choose another name")
    signer = load_or_create_key(place / "key.pem")
    certificate = authority.issue(signer.public_key, subject=name, role=role, attributes=attributes, now_us=now_us)
    pem = x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)
    try:
        (place / "msp").unlink(missing_ok=True)
        write_new_file(place / "msp", authority.msp.encode("ascii") + b"\n")
        write_new_file(place / "certificate.pem", pem, mode=0o644)
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be written: {error.strerror}", where=str(place)) from error
    return Identity(name=name, msp=authority.msp, certificate=certificate, role=role, signer=signer)


def load_identity(folder: Path, name: str) -> Identity:
    """The identity `name` of a wallet.

    Raises:
        ConfigInvalid: there is none of this name. KeyUnavailable: its files are damaged, or do not belong together.
    """
    place = _place(folder, name)
    if not (place / "certificate.pem").is_file():
        known = ", ".join(identity_names(folder)) or "none"
        raise ConfigInvalid(f"there is no identity {name} here", where=str(place), next_step=f"known here: {known}")
    try:
        pem = _read(place / "certificate.pem")
        msp = _read(place / "msp").decode("ascii").strip()
        der = x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER)
        certificate = parse_certificate(der)
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be read: {error.strerror}", where=str(place)) from error
    except (ValueError, Malformed) as error:
        raise KeyUnavailable(
            "the identity's certificate or organisation is damaged",
            where=str(place),
            next_step="restore the folder from the back-up",
        ) from error
    signer = load_key(place / "key.pem")
    if not is_msp(msp) or certificate.public_key != signer.public_key:
        raise KeyUnavailable("certificate and key do not belong together", where=str(place))
    return Identity(name=name, msp=msp, certificate=der, role=certificate.role, signer=signer)


def identity_names(folder: Path) -> tuple[str, ...]:
    """Names of the complete identities in a wallet, sorted."""
    if not folder.is_dir():
        return ()
    return tuple(sorted(each.name for each in folder.iterdir() if (each / "certificate.pem").is_file()))


def _place(folder: Path, name: str) -> Path:
    if not is_ident(name):
        raise ConfigInvalid(
            f"{name[:64]!r} cannot be an identity's name", next_step="use lower-case letters, digits and dashes"
        )
    return folder / name


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MAX_FILE)
