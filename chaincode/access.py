"""Who may see footage: grants, and the algorithm of the seed paper that decides about a query.

Two things open a camera to somebody: a grant (`grant_access`), and a footage request that was granted
(`decide_request`). Both are read here, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaincode import documents, entries
from chaincode.arguments import Arguments
from chaincode.cameras import existing_camera
from chaincode.documents import Document
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import refuse
from chaincode.world import World, prefix_range
from evidence.registry import CameraEntry, ParticipantEntry

# Roles that may see footage once they are in the list. The others handle cameras, people or incidents, not pictures.
VIEWERS = ("CRM", "CRS", "OPERATOR", "OWNER", "PO", "PCRO", "AUDITOR")


def require_holder(actor: ParticipantEntry, camera: CameraEntry, deciders: str) -> None:
    """Footage of a private camera is the owner's to give, all other the control room's.

    Raises:
        Refused: `actor` is neither.
    """
    if camera.owner is not None:
        if (camera.owner, actor.role) != (actor.id, "OWNER"):
            raise refuse(
                "denied",
                f"footage of a private camera is its owner's to give, and {camera.id} belongs to {camera.owner}",
                f"its owner ({camera.owner}) can do this",
            )
    elif actor.role == "OWNER" or actor.control_room != camera.control_room:
        raise refuse(
            "denied",
            f"footage of a camera is its control room's to give, and {camera.id} belongs to {camera.control_room}",
            f"{deciders} of {camera.control_room} can do this",
        )


def grant_access(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera, subject = existing_camera(world, arguments.text("camera")), arguments.text("participant")
    require_holder(actor, camera, "CRM")
    from_us, until_us = arguments.number("from_us"), arguments.number("until_us")
    documents.check_span(from_us, until_us)
    if entries.newest(world, "participant", subject) is None:
        raise refuse("not_found", f"there is no participant {subject}", "register_participant makes one")
    members = {
        "camera": camera.id,
        "participant": subject,
        "status": "GRANTED",
        "purpose": arguments.data("purpose").hex(),
        "from_us": from_us,
        "until_us": until_us,
        "by": actor.id,
    }
    return {
        "camera": camera.id,
        "participant": subject,
        "n": documents.append_next(world, "grant", f"{camera.id}/{subject}", members),
    }


def revoke_access(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera, subject = existing_camera(world, arguments.text("camera")), arguments.text("participant")
    require_holder(actor, camera, "CRM")
    found = documents.newest(world, "grant", f"{camera.id}/{subject}")
    if found is None:
        raise refuse("not_found", f"{subject} was never granted access to {camera.id}", "grant_access grants it")
    if found.status != "GRANTED":
        raise refuse("conflict", f"access is revoked once, and that of {subject} to {camera.id} has been")
    n = documents.follow(world, "grant", f"{camera.id}/{subject}", found, status="REVOKED", by=actor.id)
    return {"camera": camera.id, "participant": subject, "n": n}


def access(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """The algorithm of the seed paper: camera and query valid, then in the list, then the role."""
    subject, from_us, until_us = arguments.text("camera"), arguments.number("from_us"), arguments.number("until_us")
    camera = entries.camera(world, subject)
    if camera is None:
        return _denied(f"there is no camera {subject}")
    if from_us >= until_us:
        return _denied("the query is not valid: it ends before it begins")
    source, why = _listed(world, actor, subject, from_us, until_us)
    if source is None:
        return _denied(why)
    if actor.role not in VIEWERS:
        return _denied(f"role {actor.role} does not see footage")
    return {"decision": "granted", "reason": source}


def _denied(reason: str) -> object:
    return {"decision": "denied", "reason": reason}


def _listed(world: World, actor: ParticipantEntry, camera: str, from_us: int, until_us: int) -> tuple[str | None, str]:
    """What put `actor` into the camera's list now, or why nothing did."""
    why = f"{actor.id} is not in the list of {camera}"
    grant = documents.newest(world, "grant", f"{camera}/{actor.id}")
    if grant is not None and grant.status == "GRANTED":
        if grant.number("from_us") <= world.tx_time_us <= grant.number("until_us"):
            return f"grant {grant.n}", ""
        why = f"the grant of {actor.id} for {camera} has expired or not begun"
    for request in requests_of(world, camera, actor.id):
        if request.status != "GRANTED" or camera not in request.names("cameras"):
            continue
        if world.tx_time_us > request.number("expires_us"):
            why = f"the granted request {request.text('request')} has expired"
        elif request.number("from_us") <= from_us and until_us <= request.number("until_us"):
            masked = ", for masked footage only" if request.flag("masking") else ""
            return f"request {request.text('request')}{masked}", ""
        else:
            why = f"the query lies outside what request {request.text('request')} was granted for"
    return None, why


def requests_of(world: World, camera: str, participant: str | None = None) -> Iterator[Document]:
    """Footage requests that name a camera, as they stand; `participant` narrows to one requester."""
    prefix = f"asked/{camera}/" if participant is None else f"asked/{camera}/{participant}/"
    for key, _ in world.scan(*prefix_range(prefix)):
        found = documents.newest(world, "request", key.rpartition("/")[2])
        if found is not None:
            yield found


def sees_by_grant(world: World, actor: ParticipantEntry, camera: str) -> bool:
    """Whether a camera is shown to `actor` because they are granted it or have requested its footage."""
    grant = documents.newest(world, "grant", f"{camera}/{actor.id}")
    if grant is not None and grant.status == "GRANTED" and world.tx_time_us <= grant.number("until_us"):
        return True
    return any(is_open(request, world.tx_time_us) for request in requests_of(world, camera, actor.id))


def is_open(request: Document, moment_us: int) -> bool:
    """Whether a request stands: asked or granted, and not expired."""
    return request.status in ("REQUESTED", "GRANTED") and moment_us <= request.number("expires_us")


def keeps(actor: ParticipantEntry, camera: CameraEntry) -> bool:
    """Whether `actor` belongs to those who keep the camera: its control room, its owner, auditors."""
    if actor.role == "AUDITOR":
        return True
    if actor.role == "OWNER":
        return camera.owner == actor.id
    return actor.msp == CONTROL_ROOM and actor.role != "ADMIN" and camera.control_room == actor.control_room
