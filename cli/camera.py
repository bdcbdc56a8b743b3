"""`veriframe camera`: from proposal to retirement, and the sampling policy."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import camera_changes, camera_facts, camera_table
from cli.console import raw, remark, result, show
from cli.deciding import block_cells, block_columns, private_place, public_key
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, ReasonOption, examples, make_app, opened
from evidence.errors import ConfigInvalid

app = make_app("Propose, approve, change and look up cameras; set the sampling policy.")

CameraArgument = Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id: a-z, 0-9, dash.")]


@app.command(
    epilog=examples(
        "veriframe camera propose gate-1 --site north --ip 10.0.4.17",
        "veriframe camera propose yard-2 --site north --ip 10.0.4.18 --make Axis",
    )
)
def propose(
    camera: CameraArgument,
    site: Annotated[str, typer.Option(help="Where it stands; its recorder must belong to this site.")],
    ip: Annotated[str, typer.Option(help="Its address.")],
    make: Annotated[str, typer.Option(help="Who built it.")] = "",
    model: Annotated[str, typer.Option(help="Its model.")] = "",
    serial: Annotated[str, typer.Option(help="Its serial number.")] = "",
    firmware: Annotated[str, typer.Option(help="Its firmware.")] = "",
    hardware_address: Annotated[str, typer.Option(help="Its MAC address.")] = "",
    location: Annotated[str, typer.Option(help="What it looks at.")] = "",
    specification: Annotated[str, typer.Option(help="Resolution, rate and the like, in words.")] = "",
    view_of: Annotated[str | None, typer.Option(help="The camera whose further stream this is.")] = None,
    device_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Public key of its recorder; else one is made in this home.")
    ] = None,
    key_custody: Annotated[str, typer.Option(help="Who holds the key: file, tpm, hsm or camera.")] = "file",
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Propose a camera. Somebody else, a manager, approves it.

    An owner proposes a private one: its address and location stay in this home, the ledger gets commitments to them.
    """
    from cli.acting import call, identity_for, warn_without_recorder
    from evidence.certificates import parse_certificate

    at, settings = opened(home, config, writing=True)
    who = identity_for(at, "propose_camera", acting)
    # Who belongs to no control room is refused for their role, once what they say has a form.
    room = parse_certificate(who.certificate).attributes.get("control_room", "none")
    members: dict[str, object] = {
        "camera": camera, "site": site, "ip": ip, "make": make, "model": model, "serial": serial,
        "firmware": firmware, "hardware_address": hardware_address, "location": location, "control_room": room,
        "device_key": base64.b64encode(_device_key(at, camera, device_key)).decode("ascii"),
        "key_custody": key_custody, "specification": specification,
    }  # fmt: skip
    if view_of is not None:
        members["view_of"] = view_of
    if who.role == "OWNER":
        members |= {"owner": who.name, **private_place(at, settings, camera, ip, location)}
    call(at, "propose_camera", members, name=who.name)
    result("PROPOSED", f"camera {camera}, proposed by {who.name}")
    remark(f"next: a manager approves it: veriframe camera approve {camera}")
    warn_without_recorder(at, camera)


def _device_key(home: Any, camera: str, path: Path | None) -> bytes:
    """DER of the public key in a PEM file, or of the key that this home keeps (or now makes) for the camera."""
    from frame_sampler.device_key import device_key

    return device_key(home, camera).public_key.spki if path is None else public_key(path)[0]


@app.command(epilog=examples("veriframe camera approve gate-1", "veriframe camera approve gate-1 --as manager"))
def approve(
    camera: CameraArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Approve a proposed camera: from now on its footage can be anchored."""
    _decide("approve_camera", "ACTIVE", camera, None, acting, home, config)


@app.command(
    epilog=examples(
        'veriframe camera reject gate-1 --reason "no sign put up"',
        'veriframe camera reject gate-1 --reason "wrong site" --as manager',
    )
)
def reject(
    camera: CameraArgument, reason: ReasonOption, acting: AsOption = None, home: HomeOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Reject a proposed camera, with a reason."""
    _decide("reject_camera", "REJECTED", camera, reason, acting, home, config)


@app.command(
    epilog=examples(
        'veriframe camera suspend gate-1 --reason "lens damaged"',
        'veriframe camera suspend gate-1 --reason "under repair" --as manager',
    )
)
def suspend(
    camera: CameraArgument, reason: ReasonOption, acting: AsOption = None, home: HomeOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Suspend an active camera: nothing of it is anchored until it is reinstated."""
    _decide("suspend_camera", "SUSPENDED", camera, reason, acting, home, config)


@app.command(
    epilog=examples(
        'veriframe camera reinstate gate-1 --reason "lens replaced"',
        'veriframe camera reinstate gate-1 --reason "repaired" --as manager',
    )
)
def reinstate(
    camera: CameraArgument, reason: ReasonOption, acting: AsOption = None, home: HomeOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Reinstate a suspended camera."""
    _decide("reinstate_camera", "ACTIVE", camera, reason, acting, home, config)


@app.command(
    epilog=examples(
        'veriframe camera retire gate-1 --reason "taken down"',
        'veriframe camera retire gate-1 --reason "replaced by gate-2" --as manager',
    )
)
def retire(
    camera: CameraArgument, reason: ReasonOption, acting: AsOption = None, home: HomeOption = None,
    config: ConfigOption = None,
) -> None:  # fmt: skip
    """Retire a camera for good; its id is never used again."""
    _decide("retire_camera", "RETIRED", camera, reason, acting, home, config)


def _decide(
    function: str, state: str, camera: str, reason: str | None, acting: str | None, home: Path | None,
    config: Path | None,
) -> None:  # fmt: skip
    from cli.acting import call, committed_text, identity_for, warn_without_recorder

    at, settings = opened(home, config, writing=True)
    who = identity_for(at, function, acting)
    members: dict[str, object] = {"camera": camera}
    if reason is not None:
        members["reason"] = committed_text(at, reason, subject=f"camera/{camera}", url=settings.people.url)
    call(at, function, members, name=who.name)
    result(state, f"camera {camera}, decided by {who.name}")
    if state == "ACTIVE":
        warn_without_recorder(at, camera)


@app.command("list", epilog=examples("veriframe camera list", "veriframe camera list --json"))
def list_cameras(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List cameras and their status. Changes nothing."""
    from cli.acting import looking, newest
    from sdk.acting import NOT_STATED

    at, settings = opened(home, config, writing=False)
    with looking(at, settings.people.url) as (reader, words):
        cameras = newest(reader, "camera")
    if as_json:
        raw(json.dumps({"cameras": cameras}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("camera", "status", "site", "ip", "make and model", "proposed by", "decided by")
    for each in cameras:
        built = " ".join(text for text in (each["make"], each["model"]) if text not in ("", NOT_STATED))
        table.add_row(
            each["id"], each["status"], each["site"], "private" if each["owner"] else each["ip"], built,
            words.who(each["proposer"]), words.who(each["decided_by"]),
        )  # fmt: skip
    result(f"{len(cameras)} {'camera' if len(cameras) == 1 else 'cameras'}")
    show(table)


@app.command(epilog=examples("veriframe camera history gate-1", "veriframe camera history gate-1 --json"))
def history(
    camera: CameraArgument, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """Every entry of a camera, oldest first, with the reasons that this home can open. Changes nothing."""
    from cli.acting import every, looking
    from cli.standing import dated

    at, settings = opened(home, config, writing=False)
    with looking(at, settings.people.url) as (reader, words):
        entries = every(reader, f"camera/{camera}/")
        known = dated(reader, entries)
        for each in entries:
            each["reason_text"] = words.text(each["reason"]) or None
    if not entries:
        raise ConfigInvalid(f"there is no camera {camera} on this ledger", next_step="veriframe camera list")
    if as_json:
        raw(json.dumps({"camera": camera, "entries": entries}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("entry", "status", "by", *block_columns(known), "what changed", "reason")
    for before, each in zip([None, *entries], entries, strict=False):
        who = words.who(each["decided_by"] or each["proposer"])
        changed = "; ".join(camera_facts.change_in_words(before, each, words))
        cells = (str(each["n"]), each["status"], who, *block_cells(each, known))
        table.add_row(*cells, changed, each["reason_text"] or "")
    result(f"camera {camera}: {entries[-1]['status']}")
    show(table)


@app.command(epilog=examples("veriframe camera policy", "veriframe camera policy --minimum 2 --maximum 8 --as manager"))
def policy(
    minimum: Annotated[int | None, typer.Option(help="Samples a second at least.")] = None,
    maximum: Annotated[int | None, typer.Option(help="Samples a second at most.")] = None,
    key_pictures: Annotated[bool | None, typer.Option(help="Also sample every key picture.")] = None,
    file: Annotated[Path | None, typer.Option("--set", metavar="JSON", help="A whole policy document.")] = None,
    lowest: Annotated[int | None, typer.Option(help="Fewest samples a second that a supervisor may set.")] = None,
    highest: Annotated[int | None, typer.Option(help="Most samples a second that a supervisor may set.")] = None,
    control_room: Annotated[str | None, typer.Option(help="Whose policy to show; else the only one.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the sampling policy in force, or set a new one for one's control room.

    A supervisor may set only what a manager allowed with --lowest and --highest.
    """
    from cli.acting import call, identity_for
    from evidence.certificates import parse_certificate

    changes = {"minimum_per_s": minimum, "maximum_per_s": maximum, "key_pictures": key_pictures}
    changes = {name: value for name, value in changes.items() if value is not None}
    given = {"lowest_per_s": lowest, "highest_per_s": highest}
    bounds = {name: value for name, value in given.items() if value is not None}
    if len(bounds) == 1:
        raise ConfigInvalid("a supervisor's bounds are two", next_step="--lowest N --highest N")
    setting = bool(changes) or bool(bounds) or file is not None
    at, _ = opened(home, config, writing=setting)
    if setting:
        who = identity_for(at, "set_policy", acting)
        room = parse_certificate(who.certificate).attributes.get("control_room", "")
        document = _policy_document(file) if file is not None else _in_force(at, room)[1]
        members: dict[str, object] = {"policy": {**document, **changes}}
        call(at, "set_policy", members | ({"bounds": bounds} if bounds else {}), name=who.name)
        control_room = room
    room, document = _in_force(at, control_room)
    allowed = _bounds_in_force(at, room)
    if as_json:
        raw(json.dumps({"control_room": room, "policy": document, "bounds": allowed}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("member", "value")
    for name, value in document.items():
        if name != "type":
            table.add_row(name, json.dumps(value))
    if allowed is not None:
        table.add_row("a supervisor may set", f"{allowed['lowest_per_s']} to {allowed['highest_per_s']} per_s")
    result(f"sampling policy of {room or 'every control room (founding document)'}{', now set' if setting else ''}")
    show(table)


def _policy_document(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ConfigInvalid(
            f"not JSON: {error}", where=str(path), next_step="start from: camera policy --json"
        ) from error
    if not isinstance(value, dict):
        raise ConfigInvalid("a policy is a JSON object", where=str(path))
    found = value.get("policy", value)
    return dict(found) if isinstance(found, dict) else value


def _in_force(home: Any, control_room: str | None) -> tuple[str, dict[str, Any]]:
    """The newest policy of a control room (None: the only one there is), else the founding one."""
    from cli.acting import every, newest, reading

    with reading(home) as reader:
        rooms = sorted({entry.key.split("/")[1] for entry in reader.entries("policy/")})
        if control_room is None and len(rooms) > 1:
            raise ConfigInvalid(f"several control rooms have policies: {', '.join(rooms)}", next_step="--control-room")
        room = control_room if control_room is not None else (rooms[0] if rooms else "")
        entries = every(reader, f"policy/{room}/") if room in rooms else []
        if room and not entries and not any(each["control_room"] == room for each in newest(reader, "participant")):
            raise ConfigInvalid(
                f"nobody of a control room {room} is registered", next_step="veriframe participant list"
            )
        if not entries:
            return "", reader.genesis.policy.to_json()
    found = dict(entries[-1])
    del found["block"]
    return room, found


def _bounds_in_force(home: Any, control_room: str) -> dict[str, Any] | None:
    """What a manager lets supervisors set in a control room; None where nothing was said."""
    from cli.acting import every, reading

    with reading(home) as reader:
        entries = every(reader, f"bounds/{control_room}/") if control_room else []
    return {name: entries[-1][name] for name in ("lowest_per_s", "highest_per_s")} if entries else None


camera_facts.add_to(app)
camera_changes.add_to(app)
camera_table.add_to(app)
