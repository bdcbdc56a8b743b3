"""Rules about footage that somebody asks for: request, decision, disclosure.

REQUESTED ─decide→ GRANTED or DENIED; the requester may withdraw what is not denied. From the request on the footage is
held: until it is denied, withdrawn, disclosed or expired.
"""

from __future__ import annotations

from collections.abc import Iterator

from chaincode import documents
from chaincode.access import is_open, requests_of, require_holder
from chaincode.arguments import Arguments
from chaincode.cameras import existing_camera
from chaincode.documents import Document
from chaincode.incidents import existing_incident
from chaincode.rule import refuse
from chaincode.world import World
from evidence.canonical import canonical
from evidence.digests import to_base64
from evidence.errors import Malformed
from evidence.registry import ParticipantEntry

STATUSES = ("REQUESTED", "GRANTED", "DENIED", "WITHDRAWN")
DECISIONS = ("grant", "deny")


def request_footage(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("request")
    documents.require_new(world, "request", subject)
    from_us, until_us = arguments.number("from_us"), arguments.number("until_us")
    expires_us = arguments.number("expires_us")
    documents.check_span(from_us, until_us)
    if expires_us <= world.tx_time_us:
        raise Malformed(
            f"the request would have expired already ({documents.utc(expires_us)})",
            next_step="name a later time for its end",
        )
    cameras = [existing_camera(world, each) for each in arguments.names("cameras")]
    if len({(each.control_room, each.owner) for each in cameras}) != 1:
        raise refuse(
            "invalid",
            "a request names cameras about which one party decides: one control room, or one owner",
            "make a request for each",
        )
    incident = arguments.maybe_text("incident")
    if incident is not None:
        existing_incident(world, incident)
    members = {
        "request": subject,
        "status": "REQUESTED",
        "requester": actor.id,
        "cameras": [each.id for each in cameras],
        "control_room": cameras[0].control_room,
        "owner": cameras[0].owner,
        "from_us": from_us,
        "until_us": until_us,
        "purpose": arguments.data("purpose").hex(),
        "legal_basis": arguments.data("legal_basis").hex(),
        "encryption_key": to_base64(arguments.data("encryption_key")),
        "expires_us": expires_us,
        "incident": incident,
        "masking": False,
        "reason": None,
        "by": actor.id,
    }
    documents.append(world, "request", subject, members, n=0)
    for each in cameras:
        world.put(f"asked/{each.id}/{actor.id}/{subject}", canonical({"request": subject}))
    return {"request": subject}


def withdraw_request(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    found = existing_request(world, arguments.text("request"))
    subject = found.text("request")
    if found.text("requester") != actor.id:
        raise refuse(
            "denied", "a request is withdrawn by who made it", f"the requester ({found.text('requester')}) can do this"
        )
    if found.status not in ("REQUESTED", "GRANTED"):
        raise refuse("conflict", f"only a request that stands is withdrawn; {subject} is {found.status}")
    n = documents.follow(world, "request", subject, found, status="WITHDRAWN", by=actor.id)
    return {"request": subject, "n": n, "status": "WITHDRAWN"}


def decide_request(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Grant, perhaps less than was asked and masked, or deny with a reason. One decision, never the requester's."""
    found = existing_request(world, arguments.text("request"))
    subject = found.text("request")
    if found.text("requester") == actor.id:
        raise refuse("denied", "nobody decides about their own request", "the control room or the owner can do this")
    require_holder(actor, existing_camera(world, found.names("cameras")[0]), "CRM or CRS")
    if found.status != "REQUESTED":
        raise refuse("conflict", f"a request is decided once, and {subject} is {found.status}")
    if world.tx_time_us > found.number("expires_us"):
        raise refuse("expired", f"request {subject} has expired", "the requester can make a new one")
    denied = arguments.text("decision") == "deny"
    _check_decision(arguments, denied=denied)
    scope = {} if denied else _scope(arguments, found)
    status = "DENIED" if denied else "GRANTED"
    n = documents.follow(
        world, "request", subject, found, **scope, status=status, reason=arguments.maybe_hex("reason"), by=actor.id
    )
    return {"request": subject, "n": n, "status": status}


def _check_decision(arguments: Arguments, *, denied: bool) -> None:
    if denied and not arguments.has("reason"):
        raise Malformed("a denial says why, and no reason is given", next_step="give a reason")
    if denied and any(arguments.has(name) for name in ("cameras", "from_us", "until_us", "masking")):
        raise Malformed(
            "a denial denies all of a request: cameras, times and masking belong to a grant",
            next_step="leave them out, or grant less than was asked",
        )


def _scope(arguments: Arguments, request: Document) -> dict[str, object]:
    """What is granted: what was asked, or less."""
    cameras = arguments.names("cameras") if arguments.has("cameras") else request.names("cameras")
    from_us = arguments.number("from_us") if arguments.has("from_us") else request.number("from_us")
    until_us = arguments.number("until_us") if arguments.has("until_us") else request.number("until_us")
    documents.check_span(from_us, until_us)
    if (
        not set(cameras) <= set(request.names("cameras"))
        or from_us < request.number("from_us")
        or until_us > request.number("until_us")
    ):
        raise refuse("invalid", f"a grant may narrow what was asked, not widen it (request {request.text('request')})")
    masking = arguments.flag("masking") if arguments.has("masking") else False
    return {"cameras": list(cameras), "from_us": from_us, "until_us": until_us, "masking": masking}


def record_disclosure(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    found = existing_request(world, arguments.text("request"))
    subject, camera = found.text("request"), existing_camera(world, arguments.text("camera"))
    if actor.control_room != camera.control_room or (actor.role == "RECORDER" and actor.site != camera.site):
        raise refuse(
            "denied",
            f"footage is handed over by its own control room and site: {camera.id} stands at {camera.site} of "
            f"{camera.control_room}",
            f"a manager of {camera.control_room} or a recorder of {camera.site} can do this",
        )
    if found.status != "GRANTED":
        raise refuse(
            "denied", f"footage is handed over under a grant, and request {subject} is {found.status}",
            "whoever decides about the request can grant it (decide_request)",
        )  # fmt: skip
    if world.tx_time_us > found.number("expires_us"):
        raise refuse("expired", f"the grant of request {subject} has expired", "the requester can make a new request")
    from_us, until_us = arguments.number("from_us"), arguments.number("until_us")
    documents.check_span(from_us, until_us)
    _check_disclosed(arguments, found, camera.id, (from_us, until_us))
    members = {
        "request": subject,
        "camera": camera.id,
        "recipient": arguments.text("recipient"),
        "from_us": from_us,
        "until_us": until_us,
        "masked": arguments.flag("masked"),
        "objects": list(arguments.names("objects")),
        "by": actor.id,
    }
    return {"request": subject, "n": documents.append_next(world, "disclosure", subject, members)}


def _check_disclosed(arguments: Arguments, request: Document, camera: str, span_us: tuple[int, int]) -> None:
    subject = request.text("request")
    if arguments.text("recipient") != request.text("requester"):
        raise refuse("denied", f"footage goes to who asked for it: {request.text('requester')} for request {subject}")
    inside = request.number("from_us") <= span_us[0] and span_us[1] <= request.number("until_us")
    if camera not in request.names("cameras") or not inside:
        raise refuse(
            "denied",
            f"this lies outside what request {subject} was granted for: {', '.join(request.names('cameras'))} from "
            f"{documents.utc(request.number('from_us'))} to {documents.utc(request.number('until_us'))}",
            "the requester can ask for more (request_footage)",
        )
    if request.flag("masking") and not arguments.flag("masked"):
        raise refuse("denied", f"request {subject} was granted for masked footage only")


def existing_request(world: World, subject: str) -> Document:
    """The request in force. Raises Refused where there is none."""
    return documents.require(world, "request", subject, "request_footage makes one")


def holds(world: World, camera: str) -> Iterator[Document]:
    """Requests that hold footage of a camera now: asked or granted, not expired, nothing of it handed over yet."""
    for request in requests_of(world, camera):
        stands = is_open(request, world.tx_time_us) and camera in request.names("cameras")
        handed_over = documents.every(world, "disclosure", request.text("request"))
        # What was handed over of one camera says nothing about another that the same request names.
        if stands and not any(each.text("camera") == camera for each in handed_over):
            yield request
