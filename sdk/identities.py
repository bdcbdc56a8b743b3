"""The wallet: one folder for each identity that may act from this home.

identities/<name>/key.pem           made here, 0600, never leaves
identities/<name>/msp               the organisation's MSP id
identities/<name>/certificate.pem   written last: without it the identity is not complete and can be made again
identities/<name>/<key id>/…        the same three for every later key
identities/<name>/in-use            id of the key that acts; without it, the first
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from evidence.certificates import Certificate, parse_certificate
from evidence.digests import is_ident
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from evidence.genesis import is_msp
from evidence.keys import Signer
from sdk.authority import Authority
from sdk.keys import load_key, load_or_create_key, replace_file, write_new_file
from sdk.spare_keys import Known, kept_keys, spare_key

_MAX_FILE = 64 << 10
_KEYS = "{}/key.pem"
_IN_USE = "in-use"


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
    return _certified(place, name, signer, authority, role, attributes, now_us)


def spare_identity(
    folder: Path,
    name: str,
    authority: Authority,
    *,
    role: str,
    attributes: Mapping[str, str] | None = None,
    now_us: int,
    known: Known,
) -> Identity:
    """The identity `name` under a new key, certified and ready, that acts only after `switch_identity`.

    Raises:
        ConfigInvalid: there is none of this name. KeyUnavailable: the files cannot be read or written.
    """
    place = _place(folder, name)
    _require(folder, place, name)
    signer = spare_key(place, _KEYS, known=known)
    return _certified(place / signer.public_key.key_id, name, signer, authority, role, attributes, now_us)


def switch_identity(folder: Path, name: str, key_id: str) -> bool:
    """Let the key `key_id` act for the identity from now on; False where this wallet does not have it.

    Raises:
        ConfigInvalid: there is none of this name. KeyUnavailable: its files are damaged or cannot be written.
    """
    place = _place(folder, name)
    _require(folder, place, name)
    if _certified_key(place) != key_id:
        if not (place / key_id / "certificate.pem").is_file():
            return False
        _load(place / key_id, name)  # what cannot act is not switched to
    try:
        replace_file(place / _IN_USE, key_id.encode("ascii") + b"\n")
    except OSError as error:
        raise KeyUnavailable(f"the switch cannot be written: {error.strerror}", where=str(place)) from error
    return True


def key_in_use(folder: Path, name: str) -> str:
    """Id of the key that acts for an identity, by its certificate: the key itself may be lost."""
    place = _place(folder, name)
    _require(folder, place, name)
    return _certified_key(_in_use(place))


def key_ids(folder: Path, name: str) -> tuple[str, ...]:
    """Ids of all keys that the wallet has of an identity, the first one first."""
    place = _place(folder, name)
    _require(folder, place, name)
    return (_certified_key(place), *(key_id for key_id, _ in kept_keys(place, _KEYS)))


def _certified(
    place: Path, name: str, signer: Signer, authority: Authority, role: str, attributes: Mapping[str, str] | None,
    now_us: int,
) -> Identity:  # fmt: skip
    """Certify a key and write what stands beside it, the certificate last."""
    certificate = authority.issue(signer.public_key, subject=name, role=role, attributes=attributes, now_us=now_us)
    pem = x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)
    try:
        (place / "msp").unlink(missing_ok=True)
        write_new_file(place / "msp", authority.msp.encode("ascii") + b"\n")
        replace_file(place / "certificate.pem", pem, mode=0o644)
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be written: {error.strerror}", where=str(place)) from error
    return Identity(name=name, msp=authority.msp, certificate=certificate, role=role, signer=signer)


def load_identity(folder: Path, name: str) -> Identity:
    """The identity `name` of a wallet, under the key that is in use.

    Raises:
        ConfigInvalid: there is none of this name. KeyUnavailable: its files are damaged, or do not belong together.
    """
    place = _place(folder, name)
    _require(folder, place, name)
    return _load(_in_use(place), name)


def _require(folder: Path, place: Path, name: str) -> None:
    if not (place / "certificate.pem").is_file():
        known = ", ".join(identity_names(folder)) or "none"
        raise ConfigInvalid(f"there is no identity {name} here", where=str(place), next_step=f"known here: {known}")


def _in_use(place: Path) -> Path:
    """The folder of the key that acts."""
    try:
        named = _read(place / _IN_USE).decode("ascii", "replace").strip()
    except FileNotFoundError:
        return place
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be read: {error.strerror}", where=str(place)) from error
    # Switched back to, or damaged: then loading says what does not fit.
    return place / named if any(named == key_id for key_id, _ in kept_keys(place, _KEYS)) else place


def _load(place: Path, name: str) -> Identity:
    der, certificate = _certificate(place)
    try:
        msp = _read(place / "msp").decode("ascii", "replace").strip()
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be read: {error.strerror}", where=str(place)) from error
    signer = load_key(place / "key.pem")
    if not is_msp(msp) or certificate.public_key != signer.public_key:
        raise KeyUnavailable("certificate and key do not belong together", where=str(place))
    return Identity(name=name, msp=msp, certificate=der, role=certificate.role, signer=signer)


def _certified_key(place: Path) -> str:
    return _certificate(place)[1].public_key.key_id


def _certificate(place: Path) -> tuple[bytes, Certificate]:
    """DER and content of the certificate in a folder."""
    try:
        der = x509.load_pem_x509_certificate(_read(place / "certificate.pem")).public_bytes(serialization.Encoding.DER)
        return der, parse_certificate(der)
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be read: {error.strerror}", where=str(place)) from error
    except (ValueError, Malformed) as error:
        raise KeyUnavailable(
            "the identity's certificate is damaged", where=str(place), next_step="restore the folder from the back-up"
        ) from error


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
