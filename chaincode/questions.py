"""What may be asked about decisions and reports, by whom: changes, grants, incidents, requests, locks and the like."""

from __future__ import annotations

from collections.abc import Callable

from chaincode import documents
from chaincode.access import keeps
from chaincode.arguments import Arguments
from chaincode.cameras import existing_camera
from chaincode.documents import Document
from chaincode.incidents import existing_incident
from chaincode.queries import Row, newest_of_each, page, slot_number, value_of, visible_camera, visible_recorder
from chaincode.requests import existing_request, holds
from chaincode.roles import CONTROL_ROOM
from chaincode.rule import refuse
from chaincode.second_person import rules_in_force
from chaincode.world import World, prefix_range
from evidence.registry import ParticipantEntry

Shown = Callable[[Document], object | None]


# What belongs to a camera is shown to whoever is shown the camera.


def _of_camera(world: World, actor: ParticipantEntry, arguments: Arguments, kind: str) -> object:
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=False)
    return page(world, prefix_range(f"{kind}/{camera.id}/"), arguments, value_of)


def find_changes(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _of_camera(world, actor, arguments, "change")


def find_recommendations(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _of_camera(world, actor, arguments, "recommendation")


def find_revocations(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _of_camera(world, actor, arguments, "revocation")


def find_maintenance(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _of_camera(world, actor, arguments, "maintenance")


def find_delegations(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return page(world, prefix_range("delegation/"), arguments, value_of)


def find_grants(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """All entries of a camera's list for those who keep it, their own for everybody else."""
    camera = existing_camera(world, arguments.text("camera"))
    keeper = keeps(actor, camera)

    def select(row: Row) -> object | None:
        document = documents.read(*row)
        return document.members if keeper or document.text("participant") == actor.id else None

    return page(world, prefix_range(f"grant/{camera.id}/"), arguments, select)


def find_holds(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """Which footage of a camera may not be deleted now because somebody has asked for it."""
    camera = existing_camera(world, arguments.text("camera"))
    if not keeps(actor, camera):
        raise refuse(
            "denied",
            "holds are shown to the camera's control room, its owner and auditors",
            f"an operator of {camera.control_room} can do this",
        )
    members = ("request", "from_us", "until_us", "expires_us", "status")
    return {"items": [{name: each.members.get(name) for name in members} for each in holds(world, camera.id)]}


# Incidents: the control room's own; police and local authority see all.


def _incident(actor: ParticipantEntry) -> Shown:
    def shown(found: Document) -> object | None:
        outside = actor.msp != CONTROL_ROOM
        return found.members if outside or found.text("control_room") == actor.control_room else None

    return shown


def get_incident(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _one(existing_incident(world, arguments.text("incident")), _incident(actor), "incidents of another room")


def find_incidents(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _listed(world, "incident", arguments, _incident(actor))


def history_incident(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _history(
        world, "incident", existing_incident(world, arguments.text("incident")), arguments, _incident(actor)
    )


# Requests: who asked, who decides, auditors; the local authority sees the state of those that name an incident.


def _request(actor: ParticipantEntry) -> Shown:
    def shown(found: Document) -> object | None:
        if actor.role == "LAS":
            state = {name: found.members.get(name) for name in ("request", "status", "incident", "n")}
            return None if found.maybe_text("incident") is None else state
        if actor.role == "OWNER":
            keeper = found.maybe_text("owner") == actor.id
        else:
            # The control room also hands over what an owner granted, so it sees those requests as well.
            keeper = found.text("control_room") == actor.control_room
        return found.members if keeper or actor.role == "AUDITOR" or found.text("requester") == actor.id else None

    return shown


def get_request(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _one(existing_request(world, arguments.text("request")), _request(actor), "requests of others")


def find_requests(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _listed(world, "request", arguments, _request(actor))


def history_request(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _history(world, "request", existing_request(world, arguments.text("request")), arguments, _request(actor))


def find_disclosures(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    found = existing_request(world, arguments.text("request"))
    _one(found, _request(actor), "disclosures to others")
    return page(world, prefix_range(f"disclosure/{found.text('request')}/"), arguments, value_of)


# Verifications, exhibits, locks.


def _everything(found: Document) -> object | None:
    return found.members


def get_verification(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _required(world, "verification", arguments).members


def find_verifications(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    wanted = arguments.maybe_hex("footage")

    def shown(found: Document) -> object | None:
        return found.members if wanted in (None, found.text("footage")) else None

    return page(world, prefix_range("verification/"), arguments, _through(shown), group=newest_of_each)


def history_verification(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _history(world, "verification", _required(world, "verification", arguments), arguments, _everything)


def _exhibit(actor: ParticipantEntry) -> Shown:
    return lambda found: found.members if actor.role == "AUDITOR" or found.text("msp") == actor.msp else None


def get_exhibit(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _one(_required(world, "exhibit", arguments), _exhibit(actor), "exhibits of another organisation")


def find_exhibits(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return page(world, prefix_range("exhibit/"), arguments, _through(_exhibit(actor)), group=newest_of_each)


def _lock(actor: ParticipantEntry) -> Shown:
    def shown(found: Document) -> object | None:
        outside = actor.msp != CONTROL_ROOM
        return found.members if outside or found.text("control_room") == actor.control_room else None

    return shown


def get_lock(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _one(_required(world, "lock", arguments), _lock(actor), "locks of another control room")


def find_locks(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _listed(world, "lock", arguments, _lock(actor))


def history_lock(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _history(world, "lock", _required(world, "lock", arguments), arguments, _lock(actor))


def find_attestations(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    site, recorder = arguments.text("site"), arguments.text("recorder")
    visible_recorder(world, actor, recorder)
    batch = f"{slot_number(arguments, 'batch'):010d}/" if arguments.has("batch") else ""
    return page(world, prefix_range(f"attested/{site}/{recorder}/{batch}"), arguments, value_of)


def find_pending(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """What waits for a second person."""

    def shown(found: Document) -> object | None:
        waiting = found.status == "WAITING"
        return {**found.members, "arguments": found.key.split("/")[2]} if waiting else None

    return page(world, prefix_range("pending/"), arguments, _through(shown), group=newest_of_each)


def get_rules(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return {"in_force": rules_in_force(world)}


def _required(world: World, kind: str, arguments: Arguments) -> Document:
    return documents.require(world, kind, arguments.text(kind), f"find_{kind}s lists them")


def _through(shown: Shown) -> Callable[[Row], object | None]:
    return lambda row: shown(documents.read(*row))


def _one(found: Document, shown: Shown, what: str) -> object:
    value = shown(found)
    if value is None:
        raise refuse("denied", f"{what} are not shown to you", "those concerned, or an auditor, can ask")
    return value


def _listed(world: World, kind: str, arguments: Arguments, shown: Shown) -> object:
    status = arguments.maybe_text("status")

    def select(row: Row) -> object | None:
        found = documents.read(*row)
        return shown(found) if status in (None, found.status) else None

    return page(world, prefix_range(f"{kind}/"), arguments, select, group=newest_of_each)


def _history(world: World, kind: str, found: Document, arguments: Arguments, shown: Shown) -> object:
    _one(found, shown, f"a {kind} of others")
    return page(world, prefix_range(f"{kind}/{found.text(kind)}/"), arguments, _through(shown))
