"""The commands of `veriframe participant` about deputies, changes, new keys and lost ADMINs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chaincode.roles import PLACES
from cli.console import remark, result
from cli.deciding import public_key, required_us, submitted, two_persons, when
from cli.options import AsOption, ConfigOption, HomeOption, examples, moment_us, opened
from evidence.errors import ConfigInvalid

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
    """Change role, place and end of a registration. The certificate has to say the same: `rotate-key` issues it."""
    name, ends_us = _participant_id(home, config, name), moment_us(until, option="--until")
    members = {
        "participant": name, "role": role, "control_room": control_room, "department": department, "site": site,
        "valid_until_us": ends_us,
    }  # fmt: skip
    from cli.acting import now_us
    from cli.participant import admin_for

    acting = acting or admin_for(opened(home, config, writing=True)[0], name)
    who, _ = submitted(home, config, acting, "change_participant", members)
    result("CHANGED", f"participant {name}, {role}, changed by {who}")
    if ends_us is not None and ends_us <= now_us():
        remark(f"this registration has EXPIRED: it ended {when(ends_us)}, and nothing they sign counts")
    remark(f"next: a certificate that says the same: veriframe participant rotate-key {name}")


def rotate_key(
    name: NameArgument,
    key: Annotated[
        Path | None,
        typer.Argument(metavar="[PEM]", help="The new public key, where another machine has the private one."),
    ] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Give a participant a new key; the old one counts no longer.

    Without PEM the key is made in this home's wallet, and acts as soon as the ledger knows it. What was interrupted
    goes on by itself: whoever acts next acts with the key that the ledger knows. The old key is kept.
    """
    from cli.participant import admin_for, admin_of

    if key is not None:
        participant = _participant_id(home, config, name)
        acting = acting or admin_for(opened(home, config, writing=True)[0], participant)
        members = {"participant": participant, "key": public_key(key)[1]}
        who, _ = submitted(home, config, acting, "rotate_participant_key", members)
        result("CHANGED", f"participant {name} acts with key {members['key']} from now on, decided by {who}")
        return
    from cli.acting import call, now_us, reading
    from sdk.acting import participant_of, use_registered_key
    from sdk.authority import load_authority
    from sdk.identities import spare_identity
    from sdk.init import ORGANISATIONS

    at, _ = opened(home, config, writing=True)
    if at.profile is not None:
        raise ConfigInvalid(
            "on Fabric the organisation's own authority issues certificates, and this home has none",
            where=str(at.identities),
            next_step=f"have a new key certified there, then: veriframe participant rotate-key {name} CERTIFICATE",
        )
    with reading(at) as reader:
        entry = participant_of(at, reader, name)
        if entry is None:
            raise ConfigInvalid(
                f"the ledger knows no key of {name}", next_step="register them: veriframe participant register --help"
            )
        places = {place: getattr(entry, place) for place in PLACES}
        # What stands on the ledger, not on the old certificate: roles and places may have changed since.
        made = spare_identity(
            at.identities, name, load_authority(at.authorities / ORGANISATIONS[entry.msp]), role=entry.role,
            attributes={place: value for place, value in places.items() if value is not None}, now_us=now_us(),
            known=lambda key_id: reader.get(f"key/{key_id}") is not None,
        )  # fmt: skip
    # A crash before this leaves a spare key for the next call; after it, use_registered_key goes on whoever calls it.
    admin, _ = call(
        at, "rotate_participant_key", {"participant": entry.id, "key": made.key_id},
        name=acting or admin_of(at, entry.msp),
    )  # fmt: skip
    with reading(at) as reader:
        use_registered_key(at, reader, name)
    result("CHANGED", f"participant {name} acts with key {made.key_id} from now on, decided by {admin.name}")
    remark("the new key was made in this home; the old one is kept beside it and counts no longer")


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
    from cli.acting import participant_id

    return participant_id(opened(home, config, writing=False)[0], name)


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe participant`."""
    admin = "\\\n    --as admin-control-room"
    for name, function, first, second in (
        (
            "change", change, f"anna --role CRS --control-room cr-1 {admin}",
            f"anna --role CRM --control-room cr-2 {admin}",
        ),
        ("rotate-key", rotate_key, "anna", f"operator key.pem {admin}"),
        ("delegate", delegate, "ben --to 2036-01-01T00:00Z", "ben --to 2036-01-01T00:00Z --as manager"),
        ("end-delegation", end_delegation, "ben", "ben --as manager"),
        (
            "replace-admin", replace_admin, "admin-control-room admin-2 key.pem \\\n    --as admin-police",
            "admin-control-room admin-3 key.pem \\\n    --as admin-auditor",
        ),
    ):  # fmt: skip
        lines = examples(f"veriframe participant {name} {first}", f"veriframe participant {name} {second}")
        app.command(name, epilog=lines)(function)
