"""`veriframe participant import`: identities that an organisation's own authority issued, into a home."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import remark, result
from cli.options import ConfigOption, HomeOption, examples, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.identities import Identity


def import_(
    source: Annotated[
        Path, typer.Argument(metavar="DIR", help="certificate.pem with key.pem, or signcerts/ with keystore/; or many.")
    ],
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Bring certificates with their keys into a home on a Fabric channel, as Fabric CA or `network` made them."""
    from sdk.acting import with_fabric

    with with_fabric():
        from sdk.channel_home import import_identities
        from sdk.fabric_profile import read_profile

    at, _ = opened(home, config, writing=True)
    if at.profile is None:
        raise ConfigInvalid(
            "this home keeps a ledger of its own and issues its own certificates",
            where=str(at.path),
            next_step="veriframe participant register makes identities here",
        )
    names = import_identities(source, at.identities, msp=read_profile(at.profile).msp)
    result("IMPORTED", *names)
    remark("next: an ADMIN registers them on the ledger: veriframe participant register --help")


def brought_in(home: Home, name: str, role: str, places: Mapping[str, str]) -> Identity:
    """The identity `name` of a home on a channel, whose certificate says just this role and place.

    Raises:
        ConfigInvalid: it is not there, or its certificate says otherwise: the contract would refuse who acts with it.
    """
    from chaincode.roles import PLACES
    from evidence.certificates import parse_certificate
    from sdk.identities import identity_names, load_identity

    if name not in identity_names(home.identities):
        raise ConfigInvalid(
            f"there is no identity {name} in this home, and on Fabric its organisation's own authority issues it",
            where=str(home.identities),
            next_step="bring in certificate and key: veriframe participant import DIR",
        )
    found = load_identity(home.identities, name)
    said = parse_certificate(found.certificate).attributes
    wanted = {"role": role, **{place: places.get(place) for place in PLACES}}
    differs = [each for each in wanted if said.get(each) != wanted[each]]
    if differs:
        raise ConfigInvalid(
            f"the certificate of {name} says {differs[0]} {said.get(differs[0]) or 'none'}, "
            f"not {wanted[differs[0]] or 'none'}",
            where=str(home.identities / name),
            next_step="register what the certificate says, or have another one issued",
        )
    return found


def add_to(app: typer.Typer) -> None:
    """Register this command with `veriframe participant`."""
    words = "veriframe participant import"
    app.command("import", epilog=examples(f"{words} recorder-7", f"{words} fabric-ca/people"))(import_)
