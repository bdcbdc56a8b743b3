"""The commands of `veriframe participant` about deputies, changes, new keys and lost ADMINs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.console import remark, result
from cli.deciding import public_key, required_us, submitted, two_persons
from cli.options import AsOption, ConfigOption, HomeOption, examples, moment_us, opened

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A pseudonym.")]
KeyArgument = Annotated[Path, typer.Argument(metavar="PEM", help="The new public key, or a certificate with it.")]


def change(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="The role from now on.")],
    control_room: Annotated[str | None, typer.Option(help="For CRM, CRS, OPERATOR, RECORDER and OWNER.")] = None,
    department: Annotated[str | None, typer.Option(help="For PO and PCRO.")] = None,
    site: Annotated[str | None, typer.Option(help="For RECORDER.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Registration ends then.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Change role, place and end of a registration. The certificate has to say the same: issue a new one."""
    members = {
        "participant": name, "role": role, "control_room": control_room, "department": department, "site": site,
        "valid_until_us": moment_us(until, option="--until"),
    }  # fmt: skip
    who, _ = submitted(home, config, acting, "change_participant", members)
    result("CHANGED", f"participant {name}, {role}, changed by {who}")


def rotate_key(
    name: NameArgument, key: KeyArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Give a participant a new key; the old one counts no longer."""
    members = {"participant": name, "key": public_key(key)[1]}
    who, _ = submitted(home, config, acting, "rotate_participant_key", members)
    result("CHANGED", f"participant {name} acts with key {members['key']} from now on, decided by {who}")


def delegate(
    name: NameArgument,
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="Until when.")],
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when on; else from now.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Make a supervisor one's deputy for a time. The deputy acts under the deputy's own name."""
    from cli.acting import now_us

    from_us = moment_us(start, option="--from")
    members = {
        "participant": name,
        "from_us": now_us() if from_us is None else from_us,
        "until_us": required_us(end, option="--to"),
    }
    who, _ = submitted(home, config, acting, "delegate", members)
    result("ACTIVE", f"{name} is deputy of {who} until {end}")


def end_delegation(
    name: NameArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """End a delegation."""
    who, _ = submitted(home, config, acting, "end_delegation", {"participant": name})
    result("ENDED", f"{name} is nobody's deputy any more, decided by {who}")


def replace_admin(
    lost: Annotated[str, typer.Argument(metavar="LOST", help="The ADMIN whose key is lost.")],
    name: Annotated[str, typer.Argument(metavar="NEW", help="Pseudonym of the new ADMIN.")],
    key: KeyArgument,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Replace a lost ADMIN. The ADMINs of two other organisations call this with the same arguments."""
    lost = _participant_id(home, config, lost)
    members = {"lost": lost, "participant": name, "key": public_key(key)[1]}
    who, answer = submitted(home, config, acting, "replace_admin", members)
    two_persons(answer, "REPLACED", f"{lost} by {name}, called by {who}")
    if answer.get("executed"):
        remark(f"{name} acts with a certificate of its own organisation for that key")


def _participant_id(home: Path | None, config: Path | None, name: str) -> str:
    """The pseudonym behind an identity of this home: founding ADMINs are registered by their key alone."""
    from cli.acting import every, reading
    from sdk.identities import identity_names, load_identity

    at, _ = opened(home, config, writing=False)
    if name not in identity_names(at.identities):
        return name
    key = load_identity(at.identities, name).key_id
    with reading(at) as reader:
        return next((str(each["id"]) for each in every(reader, "participant/") if each["key"] == key), name)


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe participant`."""
    admin = "\\\n    --as admin-control-room"
    for name, function, first, second in (
        (
            "change", change, f"anna --role CRS --control-room cr-1 {admin}",
            f"anna --role CRM --control-room cr-2 {admin}",
        ),
        ("rotate-key", rotate_key, f"anna key.pem {admin}", f"operator key.pem {admin}"),
        ("delegate", delegate, "ben --to 2036-01-01T00:00Z", "ben --to 2036-01-01T00:00Z --as manager"),
        ("end-delegation", end_delegation, "ben", "ben --as manager"),
        (
            "replace-admin", replace_admin, "admin-control-room admin-2 key.pem \\\n    --as admin-police",
            "admin-control-room admin-3 key.pem \\\n    --as admin-auditor",
        ),
    ):  # fmt: skip
        lines = examples(f"veriframe participant {name} {first}", f"veriframe participant {name} {second}")
        app.command(name, epilog=lines)(function)
