"""`veriframe participant`: who may act, registered by the ADMIN of their organisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli import channel_identities, participant_keys, participant_names
from cli.console import raw, remark, result
from cli.deciding import tabled, when
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app, moment_us, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.identities import Identity

app = make_app("Register, suspend and list those who may act.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A pseudonym: a-z, 0-9, dash. Never a real name.")]


@app.command(
    epilog=examples(
        "veriframe participant register anna --role CRM --control-room cr-1",
        "veriframe participant register po-7 --role PO --department d-1 \\\n    --name 'Wilhelmina Brown'",
    )
)
def register(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="CRM, CRS, OPERATOR, RECORDER, OWNER, PO, PCRO, LAS, AUDITOR or ADMIN.")],
    control_room: Annotated[str | None, typer.Option(help="For CRM, CRS, OPERATOR, RECORDER and OWNER.")] = None,
    department: Annotated[str | None, typer.Option(help="For PO and PCRO.")] = None,
    site: Annotated[str | None, typer.Option(help="For RECORDER.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Registration ends then.")] = None,
    msp: Annotated[str | None, typer.Option(help="The organisation, where the role exists in several.")] = None,
    real_name: Annotated[
        str | None, typer.Option("--name", help="Who it is. Stays in this home's own database, never on the ledger.")
    ] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a key and certificate in this home's wallet and register them on the ledger."""
    from chaincode.roles import PLACES, ROLES
    from cli.acting import call, now_us
    from sdk.authority import load_authority
    from sdk.identities import create_identity, identity_names
    from sdk.init import ORGANISATIONS

    if role not in ROLES:
        raise ConfigInvalid(f"there is no role {role!r}", next_step=f"one of {', '.join(ROLES)}")
    organisation = msp or ROLES[role].msps[0]
    if msp is None and len(ROLES[role].msps) > 1:
        raise ConfigInvalid(
            f"{role} exists in several organisations", next_step=f"--msp {' | '.join(ROLES[role].msps)}"
        )
    if organisation not in ROLES[role].msps:
        raise ConfigInvalid(f"{organisation} has no {role}", next_step=f"one of {', '.join(ROLES[role].msps)}")
    ends_us = moment_us(until, option="--until")
    if ends_us is not None and ends_us <= now_us():
        raise ConfigInvalid(
            f"--until lies in the past ({when(ends_us)}): {name} could never act",
            next_step="name a later time, or leave --until out",
        )
    places = dict(zip(PLACES, (control_room, department, site), strict=True))
    _check_places(role, places, ROLES[role].within)
    at, settings = opened(home, config, writing=True)
    admin = acting or admin_of(at, organisation)
    attributes = {place: value for place, value in places.items() if value is not None}
    if at.profile is not None:
        made = channel_identities.brought_in(at, name, role, attributes)
    else:
        left = _left_unregistered(at, name, role, attributes)
        if name in identity_names(at.identities) and left is None:
            raise ConfigInvalid(f"there is an identity {name} in this home already", next_step="choose another name")
        authority = load_authority(at.authorities / ORGANISATIONS[organisation])
        made = left or create_identity(
            at.identities, name, authority, role=role, attributes=attributes, now_us=now_us()
        )
    if real_name is not None:
        participant_names.remember(at, settings, name, real_name)
    members: dict[str, object] = {"participant": name, "key": made.key_id, "role": role, **attributes}
    if ends_us is not None:
        members["valid_until_us"] = ends_us
    call(at, "register_participant", members, name=admin)
    result("ACTIVE", f"participant {name}, {role} of {organisation}, registered by {admin}")
    remark(f"its key stays in {at.identities / name}; act with --as {name}")


def _left_unregistered(home: Home, name: str, role: str, attributes: dict[str, str]) -> Identity | None:
    """An identity just so, that an interrupted call made and did not register; None where there is none."""
    from cli.acting import reading
    from evidence.certificates import parse_certificate
    from sdk.acting import participant_of
    from sdk.identities import identity_names, load_identity

    if name not in identity_names(home.identities):
        return None
    with reading(home) as reader:
        if participant_of(home, reader, name) is not None:
            return None
    found = load_identity(home.identities, name)
    said = parse_certificate(found.certificate).attributes
    return found if said == {"role": role, **attributes} else None


def _check_places(role: str, places: dict[str, str | None], within: tuple[str, ...]) -> None:
    """Said before a key is made: the contract would refuse, and leave an identity that nobody registered."""
    for place, value in places.items():
        option = f"--{place.replace('_', '-')}"
        if place in within and value is None:
            raise ConfigInvalid(f"{role} needs {option}", next_step=f"add {option} NAME")
        if place not in within and value is not None:
            raise ConfigInvalid(f"{role} takes no {option}", next_step=f"leave {option} out")


def admin_of(home: Home, organisation: str) -> str:
    """Name of the only ADMIN of an organisation in this home."""
    from sdk.identities import identity_names, load_identity

    found = [load_identity(home.identities, name) for name in identity_names(home.identities)]
    admins = [each.name for each in found if each.role == "ADMIN" and each.msp == organisation]
    if len(admins) == 1:
        return admins[0]
    cause = f"no ADMIN of {organisation} is in this home" if not admins else "several ADMINs are in this home"
    raise ConfigInvalid(cause, where=str(home.identities), next_step="name one with --as NAME")


@app.command(
    epilog=examples("veriframe participant suspend anna", "veriframe participant suspend anna --as admin-control-room")
)
def suspend(name: NameArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None) -> None:
    """Suspend a participant: from the next transaction on nothing they sign counts."""
    _set("suspend_participant", "SUSPENDED", name, acting, home, config)


@app.command(
    epilog=examples(
        "veriframe participant reinstate anna", "veriframe participant reinstate anna --as admin-control-room"
    )
)
def reinstate(
    name: NameArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Reinstate a suspended participant."""
    _set("reinstate_participant", "ACTIVE", name, acting, home, config)


def _set(function: str, state: str, name: str, acting: str | None, home: Path | None, config: Path | None) -> None:
    from cli.acting import call, participant_id

    at, _ = opened(home, config, writing=True)
    name = participant_id(at, name)
    acting = acting or admin_for(at, name)
    call(at, function, {"participant": name}, name=acting)
    result(state, f"participant {name}, decided by {acting}")


def admin_for(home: Home, participant: str) -> str:
    """Name of the only ADMIN in this home who may decide about a participant."""
    from cli.acting import newest, reading

    with reading(home) as reader:
        known = {each["id"]: each for each in newest(reader, "participant")}
    if participant not in known:
        raise ConfigInvalid(f"there is no participant {participant}", next_step="veriframe participant list")
    return admin_of(home, known[participant]["msp"])


@app.command("list", epilog=examples("veriframe participant list", "veriframe participant list --json"))
def list_participants(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List participants, with their names where this home knows them. Changes nothing."""
    from cli.acting import looking, newest, now_us
    from cli.standing import standing
    from sdk.identities import identity_names, key_ids

    at, settings = opened(home, config, writing=False)
    here = {key_id: name for name in identity_names(at.identities) for key_id in key_ids(at.identities, name)}
    with looking(at, settings.people.url) as (reader, words):
        found = newest(reader, "participant")
    for each in found:
        each["name"] = words.names.get(each["id"])
        each["identity"] = here.get(each["key"])
        each["standing"] = standing("participant", each, now_us())
    if as_json:
        raw(json.dumps({"participants": found}, indent=2) + "\n")
        return
    rows = [
        (
            each["id"], each["name"] or "", each["standing"], each["role"], each["msp"],
            ", ".join(each[place] for place in ("control_room", "department", "site") if each[place]),
            when(each["valid_until_us"]), each["identity"] or "",
        )
        for each in found
    ]  # fmt: skip
    columns = ("participant", "name", "status", "role", "organisation", "belongs to", "until", "in this home as")
    tabled(rows, columns, f"{len(found)} {'participant' if len(found) == 1 else 'participants'}")


participant_names.add_to(app)
channel_identities.add_to(app)
participant_keys.add_to(app)
