"""`veriframe participant`: who may act, registered by the ADMIN of their organisation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli import participant_keys
from cli.console import raw, remark, result, show
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app, moment_us, opened
from evidence.errors import ConfigInvalid

app = make_app("Register, suspend and list those who may act.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A pseudonym: a-z, 0-9, dash. Never a real name.")]


@app.command(
    epilog=examples(
        "veriframe participant register anna --role CRM --control-room cr-1",
        "veriframe participant register po-7 --role PO --department d-1",
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
    places = dict(zip(PLACES, (control_room, department, site), strict=True))
    _check_places(role, places, ROLES[role].within)
    at, _ = opened(home, config, writing=True)
    admin = acting or _admin_of(at, organisation)
    attributes = {place: value for place, value in places.items() if value is not None}
    if name in identity_names(at.identities):
        raise ConfigInvalid(f"there is an identity {name} in this home already", next_step="choose another name")
    authority = load_authority(at.authorities / ORGANISATIONS[organisation])
    made = create_identity(at.identities, name, authority, role=role, attributes=attributes, now_us=now_us())
    members: dict[str, object] = {"participant": name, "key": made.key_id, "role": role, **attributes}
    ends_us = moment_us(until, option="--until")
    if ends_us is not None:
        members["valid_until_us"] = ends_us
    call(at, "register_participant", members, name=admin)
    result("ACTIVE", f"participant {name}, {role} of {organisation}, registered by {admin}")
    remark(f"its key stays in {at.identities / name}; act with --as {name}")


def _check_places(role: str, places: dict[str, str | None], within: tuple[str, ...]) -> None:
    """Said before a key is made: the contract would refuse, and leave an identity that nobody registered."""
    for place, value in places.items():
        option = f"--{place.replace('_', '-')}"
        if place in within and value is None:
            raise ConfigInvalid(f"{role} needs {option}", next_step=f"add {option} NAME")
        if place not in within and value is not None:
            raise ConfigInvalid(f"{role} takes no {option}", next_step=f"leave {option} out")


def _admin_of(home: object, organisation: str) -> str:
    from sdk.home import Home
    from sdk.identities import identity_names, load_identity

    assert isinstance(home, Home)
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
    from cli.acting import call, newest, reading

    at, _ = opened(home, config, writing=True)
    if acting is None:
        with reading(at) as reader:
            known = {each["id"]: each for each in newest(reader, "participant")}
        if name not in known:
            raise ConfigInvalid(f"there is no participant {name}", next_step="veriframe participant list")
        acting = _admin_of(at, known[name]["msp"])
    call(at, function, {"participant": name}, name=acting)
    result(state, f"participant {name}, decided by {acting}")


@app.command("list", epilog=examples("veriframe participant list", "veriframe participant list --json"))
def list_participants(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List participants. Changes nothing."""
    from cli.acting import newest, reading
    from sdk.identities import identity_names

    at, _ = opened(home, config, writing=False)
    with reading(at) as reader:
        found = newest(reader, "participant")
    if as_json:
        raw(json.dumps({"participants": found}, indent=2) + "\n")
        return
    from rich.table import Table

    here = identity_names(at.identities)
    table = Table("participant", "status", "role", "organisation", "belongs to", "key in this home")
    for each in found:
        place = ", ".join(each[place] for place in ("control_room", "department", "site") if each[place])
        table.add_row(each["id"], each["status"], each["role"], each["msp"], place, "yes" if each["id"] in here else "")
    result(f"{len(found)} {'participant' if len(found) == 1 else 'participants'}")
    show(table)


participant_keys.add_to(app)
