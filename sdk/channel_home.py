"""A home whose ledger is a Fabric channel: no ledger file, no authorities; identities are brought in.

What the channel's peer says of the channel is remembered at once (`channel.json`, a trust file that nobody has to
believe, and `channel-roots.pem`), so that the home's own word can be taken later without the network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from evidence.certificates import Certificate, parse_certificate
from evidence.digests import is_ident
from evidence.errors import ConfigInvalid, KeyUnavailable, Malformed
from sdk.channel_word import ChannelWord, Rule, ask_channel
from sdk.fabric_profile import read_profile
from sdk.gateway_blocking import BlockingGateway
from sdk.home import Home, building, open_home, write_manifest
from sdk.identities import Identity, identity_names, load_identity
from sdk.keys import load_private_key, private_key_pem, write_new_file

_MAX_CERTIFICATE = 64 << 10


def init_channel_home(
    path: Path, profile: Path, identities: Path, *, now: Callable[[], int], rule: Rule | None = None
) -> tuple[Home, ChannelWord, tuple[str, ...]]:
    """Make a home at `path` whose ledger is the channel of `profile`.

    Args:
        identities: see `import_identities`; those of the profile's organisation are taken.
        rule: who has to endorse, where the contract's rule cannot be read as `all of, any of`.

    Returns:
        the home, what the channel's peer said, and the names of the identities taken.

    Raises:
        ConfigInvalid: something is at `path`, the profile or the identities are not usable, or the channel is one that
            nobody could trust.
        LedgerUnavailable: the network does not answer. KeyUnavailable, EndorseFailed, Malformed.
    """
    read = read_profile(profile)
    with building(path) as folder:
        home = Home(path=folder, databases=folder, ledger_id="", demo=False, profile=profile.absolute())
        names = import_identities(identities, home.identities, msp=read.msp)
        with BlockingGateway(read, load_identity(home.identities, names[0]), clock=now) as gateway:
            said = ask_channel(gateway, rule=rule)
        remember_channel(home, said)
        write_manifest(folder, ledger_id=said.ledger_id, demo=False, profile=profile.absolute())
    return open_home(path), said, names


def remember_channel(home: Home, said: ChannelWord) -> None:
    """Keep what the channel's peer said, for `--trust home` and for offline examinations.

    Raises:
        ConfigInvalid: nobody could trust it.
    """
    write_new_file(home.channel_trust, said.trust.canonical(), mode=0o644)
    write_new_file(home.channel_roots, said.authorities, mode=0o644)


def import_identities(source: Path, wallet: Path, *, msp: str) -> tuple[str, ...]:
    """Copy certificates with their keys into a wallet; what stands there under the same name stays.

    Args:
        source: a folder with one identity, or with a folder for each. An identity is `certificate.pem` with `key.pem`
            (as `veriframe network identities` names them), or `signcerts/` with `keystore/` (as `fabric-ca-client`
            leaves them). Files `msp` that name another organisation are passed over.
        msp: the organisation that they are of.

    Returns:
        names of the identities that the wallet has now and the source has, at least one.

    Raises:
        ConfigInvalid: nothing of this organisation is there, or a name is taken by somebody else.
        KeyUnavailable: a key or certificate cannot be read, or the two do not belong together.
    """
    found: list[str] = []
    for folder, certificate_path, key_path in _places(source):
        stated = folder / "msp"
        if stated.is_file() and stated.read_text(encoding="ascii", errors="replace").strip() != msp:
            continue
        pem, certificate = _certificate(certificate_path)
        name = _name(folder, certificate)
        if name in identity_names(wallet):
            if load_identity(wallet, name).certificate != certificate.der:
                raise ConfigInvalid(
                    f"the home has another identity of the name {name}", where=str(folder),
                    next_step="rename the folder that you bring in",
                )  # fmt: skip
        else:
            _take(wallet / name, key_path, pem, msp)
            _checked(wallet, name, folder)
        found.append(name)
    if not found:
        raise ConfigInvalid(
            f"there is no identity of {msp} here", where=str(source),
            next_step="name a folder with certificate.pem and key.pem, or with signcerts/ and keystore/",
        )  # fmt: skip
    return tuple(sorted(found))


def _places(source: Path) -> Iterator[tuple[Path, Path, Path]]:
    """(folder, certificate, key) of the identity at `source`, or of every one that has a folder there."""
    if not source.is_dir():
        raise ConfigInvalid("this is not a folder with identities", where=str(source))
    own = _place(source)
    below = () if own is not None else sorted(each for each in source.iterdir() if each.is_dir())
    yield from filter(None, (own, *map(_place, below)))


def _place(folder: Path) -> tuple[Path, Path, Path] | None:
    if (folder / "certificate.pem").is_file():
        return folder, folder / "certificate.pem", folder / "key.pem"
    for inside in (folder, folder / "msp"):
        certificates = sorted(inside.glob("signcerts/*.pem"))
        keys = sorted(each for each in inside.glob("keystore/*") if each.is_file())
        if not certificates:
            continue
        if len(certificates) != 1 or len(keys) != 1:
            raise ConfigInvalid(
                f"{len(certificates)} certificates and {len(keys)} keys are here, not one of each",
                where=str(inside), next_step="leave one in signcerts/ and its key in keystore/",
            )  # fmt: skip
        return folder, certificates[0], keys[0]
    return None


def _certificate(path: Path) -> tuple[bytes, Certificate]:
    try:
        with path.open("rb") as file:
            made = x509.load_pem_x509_certificate(file.read(_MAX_CERTIFICATE))
        return made.public_bytes(Encoding.PEM), parse_certificate(made.public_bytes(Encoding.DER))
    except OSError as error:
        raise KeyUnavailable(f"the certificate cannot be read: {error.strerror}", where=str(path)) from error
    except (ValueError, Malformed) as error:
        raise KeyUnavailable("this is not a certificate that Veriframe can use", where=str(path)) from error


def _name(folder: Path, certificate: Certificate) -> str:
    """The folder's name where that is an id, else the certificate's common name."""
    if is_ident(folder.name) and folder.name != "msp":
        return folder.name
    names = x509.load_der_x509_certificate(certificate.der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if names and is_ident(names[0].value):
        return str(names[0].value)
    raise ConfigInvalid(
        "neither the folder nor the certificate has a name of a-z, 0-9 and dashes", where=str(folder),
        next_step="rename the folder to the participant's pseudonym",
    )  # fmt: skip


def _take(place: Path, key: Path, certificate: bytes, msp: str) -> None:
    try:
        # The key is read and written anew: other forms of PEM become ours, and a foreign mode stays behind.
        if not (place / "key.pem").exists():  # else an interrupted call left it, and loading says whether it fits
            write_new_file(place / "key.pem", private_key_pem(load_private_key(key)))
        (place / "msp").unlink(missing_ok=True)
        write_new_file(place / "msp", msp.encode("ascii") + b"\n")
        write_new_file(place / "certificate.pem", certificate, mode=0o644)
    except OSError as error:
        raise KeyUnavailable(f"the identity cannot be written: {error.strerror}", where=str(place)) from error


def _checked(wallet: Path, name: str, source: Path) -> Identity:
    try:
        return load_identity(wallet, name)
    except KeyUnavailable as error:
        error.where = str(source)
        (wallet / name / "certificate.pem").unlink(missing_ok=True)
        raise
