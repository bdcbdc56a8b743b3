"""The commands of `veriframe camera` about what changes in a camera's life: address, device, key, firmware."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import remark, result
from cli.deciding import entry_of, height, listed, private_place, public_key, required_us, span_of, submitted, when
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, ReasonOption, examples, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from cli.acting import Words

CameraArgument = Annotated[str, typer.Argument(metavar="CAMERA", help="The camera's id.")]
NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="The change's number.")]

_COMMITMENT = re.compile(r"[0-9a-f]{64}")
_DEVICE = ("make", "model", "serial", "firmware", "hardware_address")


def recommend(
    camera: CameraArgument, acting: AsOption = None, home: HomeOption = None, config: ConfigOption = None
) -> None:
    """Put a supervisor's word for a proposed camera on the record; it activates nothing."""
    who, _ = submitted(home, config, acting, "recommend_camera", {"camera": camera})
    result("RECOMMENDED", f"camera {camera}, recommended by {who}")


def change(
    camera: CameraArgument,
    ip: Annotated[str | None, typer.Option(help="Its new address.")] = None,
    location: Annotated[str | None, typer.Option(help="What it looks at now.")] = None,
    make: Annotated[str | None, typer.Option(help="Who built the new device.")] = None,
    model: Annotated[str | None, typer.Option(help="The new device's model.")] = None,
    serial: Annotated[str | None, typer.Option(help="The new device's serial number.")] = None,
    firmware: Annotated[str | None, typer.Option(help="Its new firmware.")] = None,
    hardware_address: Annotated[str | None, typer.Option(help="The new device's MAC address.")] = None,
    device_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Its new public key, where another machine has the private one.")
    ] = None,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Make its new key in this home; it signs once this is approved.")
    ] = False,
    key_custody: Annotated[str | None, typer.Option(help="Who holds the new key.")] = None,
    chain: Annotated[int | None, typer.Option(help="The chain from which the new key counts.")] = None,
    sequence: Annotated[int | None, typer.Option(help="The sequence from which the new key counts.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Propose a change of a camera; somebody else, a manager, decides.

    The options tell its kind: address, firmware, key, or device (a new one, with its key).
    """
    at, settings = opened(home, config, writing=True)
    before = entry_of(at, camera)
    with_key = new_key or device_key is not None
    if new_key and device_key is not None:
        raise ConfigInvalid("--new-key and --device-key exclude each other", next_step="name one")
    given: dict[str, Any] = {
        "ip": ip, "location": location, "make": make, "model": model, "serial": serial, "firmware": firmware,
        "hardware_address": hardware_address,
    }  # fmt: skip
    kind = _kind({name for name, value in given.items() if value is not None}, with_key=with_key)
    members: dict[str, object] = {"camera": camera, "kind": kind}
    needed = {"address": ("ip", "location"), "firmware": ("firmware",), "device": _DEVICE, "key": ()}[kind]
    if kind == "address" and before["owner"]:
        given |= private_place(at, settings, camera, ip, location)
    members |= {name: given[name] if given[name] is not None else before[name] for name in needed}
    if with_key:
        from cli.acting import identity_for
        from cli.key_change import new_device_key, slot_behind

        identity_for(at, "propose_change", acting)  # who may not act needs no key made
        from_chain, from_sequence = slot_behind(at, camera, chain, sequence)
        spki = public_key(device_key)[0] if device_key is not None else new_device_key(at, camera)
        members |= {
            "device_key": base64.b64encode(spki).decode("ascii"),
            "key_custody": key_custody or before["key_custody"], "chain": from_chain, "sequence": from_sequence,
        }  # fmt: skip
    who, answer = submitted(home, config, acting, "propose_change", members)
    result("PROPOSED", f"change {answer['number']} of camera {camera} ({kind}), proposed by {who}")
    if with_key:
        remark(f"the new key will count from chain {from_chain}, sequence {from_sequence}, once this is approved")
    remark(f"next: a manager decides: veriframe camera approve-change {camera} {answer['number']}")


def _kind(given: set[str], *, with_key: bool) -> str:
    if with_key:
        kind, allowed = ("device", set(_DEVICE)) if given else ("key", set())
    elif given & {"ip", "location"}:
        kind, allowed = "address", {"ip", "location"}
    else:
        kind, allowed = "firmware", {"firmware"}
    if not given and not with_key:
        raise ConfigInvalid("nothing to change was named", next_step="veriframe camera change --help")
    if given - allowed:
        option = min(given - allowed).replace("_", "-")
        raise ConfigInvalid(
            f"--{option} belongs to another kind of change",
            next_step="propose two changes; a new device needs its key as well (--device-key or --new-key)",
        )
    return kind


def approve_change(
    camera: CameraArgument,
    number: NumberArgument,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Approve a new key although footage that waits could then not be anchored.")
    ] = False,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Approve a change that somebody else proposed.

    Before a new key is approved, what this home has sealed under the old one is anchored: afterwards it could not be.
    """
    from cli.key_change import nothing_left_behind

    at, settings = opened(home, config, writing=True)
    with nothing_left_behind(at, settings, camera, number, anyway=anyway):
        who, _ = submitted(home, config, acting, "approve_change", {"camera": camera, "number": number})
    result("APPROVED", f"change {number} of camera {camera}, decided by {who}")


def reject_change(
    camera: CameraArgument, number: NumberArgument, reason: ReasonOption, acting: AsOption = None,
    home: HomeOption = None, config: ConfigOption = None,
) -> None:  # fmt: skip
    """Reject a change that somebody else proposed, with a reason."""
    members = {"camera": camera, "number": number}
    subject = f"change/{camera}/{number}"
    who, _ = submitted(home, config, acting, "reject_change", members, subject=subject, texts={"reason": reason})
    result("REJECTED", f"change {number} of camera {camera}, decided by {who}")


def changes(
    camera: CameraArgument, home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False
) -> None:
    """List the changes of a camera and what became of them. Changes nothing."""
    listed(
        home, config, "change", prefix=f"change/{camera}/", as_json=as_json,
        columns=("change", "status", "kind", "to", "proposed by", "decided by", "ledger block", "reason"),
        row=lambda each, words: (
            str(each["number"]), each["status"], each["kind"], _new_values(each, words), words.who(each["proposer"]),
            words.who(each["decided_by"]), height(each["block"]), words.text(each["reason"]),
        ),
    )  # fmt: skip


def _new_values(entry: Mapping[str, Any], words: Words) -> str:
    """What a change sets: a manager decides about that. Texts of a private camera where this home knows them."""
    from evidence.digests import sha256

    parts = []
    for name in ("ip", "location", *_DEVICE):
        value = entry.get(name)
        if value:
            private = name in ("ip", "location") and _COMMITMENT.fullmatch(value) is not None
            parts.append(f"{name.replace('_', ' ')} {words.text(value) if private else value}")
    if entry.get("device_key"):
        key_id = sha256(base64.b64decode(entry["device_key"])).hex()
        chain, sequence = entry["key_from"]
        parts.append(f"key {key_id[:16]} from chain {chain}, sequence {sequence} on")
    return "; ".join(parts)


def revoke_key(
    camera: CameraArgument,
    since: Annotated[str, typer.Option(metavar="TIME", help="Since when the key is not safe.")],
    reason: ReasonOption,
    key: Annotated[str | None, typer.Option(metavar="HEX", help="The key's id; else the camera's present key.")] = None,
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Revoke a camera's key: nothing more is anchored under it, and what was not anchored by then proves nothing."""
    from evidence.digests import sha256

    at, _ = opened(home, config, writing=True)
    key_id = key or sha256(base64.b64decode(entry_of(at, camera)["device_key"])).hex()
    members = {"camera": camera, "key": key_id, "compromised_since_us": required_us(since, option="--since")}
    subject = f"revocation/{camera}"
    who, _ = submitted(home, config, acting, "revoke_key", members, subject=subject, texts={"reason": reason})
    result("REVOKED", f"key {key_id} of camera {camera}, compromised since {since}, revoked by {who}")
    remark(f"next: give it a new key: veriframe camera change {camera} --new-key")


def maintenance(
    camera: CameraArgument,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="When it begins.")],
    end: Annotated[str, typer.Option("--to", metavar="TIME", help="When it ends.")],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Announce maintenance. It explains gaps and excuses nothing."""
    span = span_of(start, end)
    who, _ = submitted(home, config, acting, "announce_maintenance", {"camera": camera, **span})
    result("ANNOUNCED", f"maintenance of {camera} from {when(span['from_us'])}, announced by {who}")


def add_to(app: typer.Typer) -> None:
    """Register these commands with `veriframe camera`."""
    for name, function, first, second in (
        ("recommend", recommend, "gate-1 --as supervisor", "gate-1"),
        ("change", change, "gate-1 --ip 10.0.4.99 --as operator", "gate-1 --new-key --as operator"),
        ("changes", changes, "gate-1", "gate-1 --json"),
        ("approve-change", approve_change, "gate-1 0", "gate-1 0 --as manager"),
        (
            "reject-change", reject_change, 'gate-1 0 --reason "typing error"',
            'gate-1 0 --reason "not yet" --as manager',
        ),
        (
            "revoke-key", revoke_key, "gate-1 --since 2026-10-01T08:00Z --reason stolen",
            "gate-1 --since 2026-10-01T08:00Z --reason lost \\\n    --as manager",
        ),
        (
            "maintenance", maintenance, "gate-1 --from 2026-10-01T08:00Z \\\n    --to 2026-10-01T09:00Z --as operator",
            "gate-1 --from 2026-10-01T08:00Z \\\n    --to 2026-10-01T09:00Z --as manager",
        ),
    ):  # fmt: skip
        lines = examples(f"veriframe camera {name} {first}", f"veriframe camera {name} {second}")
        app.command(name, epilog=lines)(function)
