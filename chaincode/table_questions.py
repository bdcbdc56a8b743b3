"""Rows of the table: what may be asked about decisions and reports."""

from __future__ import annotations

from chaincode import access, incidents, locks, proofs, questions, requests
from chaincode.arguments import Argument
from chaincode.roles import ROLES
from chaincode.rule import Rule, RuleFunction
from chaincode.table_decisions import CAMERA, SPAN

EVERYBODY = tuple(ROLES)
PAGE = (Argument(name="limit", kind="number", optional=True), Argument(name="bookmark", kind="text", optional=True))

SEES_CAMERAS = tuple(role for role in ROLES if role != "ADMIN")
SEES_BLOCKS = tuple(role for role in SEES_CAMERAS if role != "LAS")
KEEPERS = ("CRM", "CRS", "OPERATOR", "RECORDER", "AUDITOR")
_INCIDENTS = ("CRM", "CRS", "OPERATOR", "PO", "PCRO", "LAS", "AUDITOR")
_REQUESTS = ("CRM", "CRS", "OPERATOR", "RECORDER", "OWNER", "PO", "PCRO", "AUDITOR")
_EXAMINERS = ("CRM", "CRS", "PO", "PCRO", "AUDITOR")
_RECEIVERS = ("PO", "PCRO", "AUDITOR")
_LOCKS = ("CRM", "CRS", "OPERATOR", "RECORDER", "PO", "PCRO", "AUDITOR")


def _ask(function: RuleFunction, roles: tuple[str, ...], text: str, *arguments: Argument) -> Rule:
    return Rule(function=function, kind="evaluate", roles=roles, text=text, arguments=arguments)


def _status(choices: tuple[str, ...]) -> Argument:
    return Argument(name="status", choices=choices, optional=True)


def _of_camera(function: RuleFunction, what: str) -> Rule:
    text = f"{what} of a camera are shown to whoever is shown the camera"
    return _ask(function, SEES_CAMERAS, text, CAMERA, *PAGE)


_INCIDENTS_SHOWN = "incidents are shown to their control room, police, local authority and auditors"
_REQUESTS_SHOWN = (
    "a request is shown to who made it, its control room, the camera's owner and auditors; the state of one that names "
    "an incident also to the local authority"
)
_DISCLOSED = "what was handed over is shown to whoever is shown the request"
_VERIFICATIONS_SHOWN = "verifications are shown to managers, supervisors, police and auditors"
_EXHIBITS_SHOWN = "exhibits are shown to the organisation that received them and to auditors"
_LOCKS_SHOWN = "locks are shown to their control room, police and auditors"

QUESTIONS = (
    _ask(
        access.access,
        EVERYBODY,
        "every participant may ask whether they may see footage: the camera exists and the query is valid, they are in "
        "its list and not expired, and their role sees footage",
        CAMERA,
        *SPAN,
    ),
    _ask(
        proofs.read_proof,
        SEES_BLOCKS,
        "what was anchored for a camera is shown to its control room, its owner, auditors, and police who are granted "
        "or have requested it; sealed batches to the recorder's control room and auditors; participants, policies, "
        "delegations and the founding to all of these",
        Argument(name="ranges", kind="list of [start, end]"),
    ),
    _of_camera(questions.find_changes, "changes"),
    _of_camera(questions.find_recommendations, "recommendations"),
    _of_camera(questions.find_revocations, "revoked keys"),
    _of_camera(questions.find_maintenance, "maintenance times"),
    _ask(questions.find_delegations, EVERYBODY, "every participant may see who is whose deputy", *PAGE),
    _ask(
        questions.find_grants,
        EVERYBODY,
        "who is in a camera's list is shown to its control room, its owner and auditors, and to everybody their own",
        CAMERA,
        *PAGE,
    ),
    _ask(
        questions.find_holds,
        (*KEEPERS, "OWNER"),
        "which footage is held is shown to the camera's control room, its owner and auditors",
        CAMERA,
    ),
    _ask(questions.get_incident, _INCIDENTS, _INCIDENTS_SHOWN, Argument(name="incident")),
    _ask(questions.find_incidents, _INCIDENTS, _INCIDENTS_SHOWN, _status(incidents.STATUSES), *PAGE),
    _ask(questions.history_incident, _INCIDENTS, _INCIDENTS_SHOWN, Argument(name="incident"), *PAGE),
    _ask(questions.get_request, (*_REQUESTS, "LAS"), _REQUESTS_SHOWN, Argument(name="request")),
    _ask(questions.find_requests, (*_REQUESTS, "LAS"), _REQUESTS_SHOWN, _status(requests.STATUSES), *PAGE),
    _ask(questions.history_request, (*_REQUESTS, "LAS"), _REQUESTS_SHOWN, Argument(name="request"), *PAGE),
    _ask(questions.find_disclosures, _REQUESTS, _DISCLOSED, Argument(name="request"), *PAGE),
    _ask(questions.get_verification, _EXAMINERS, _VERIFICATIONS_SHOWN, Argument(name="verification")),
    _ask(
        questions.find_verifications,
        _EXAMINERS,
        _VERIFICATIONS_SHOWN,
        Argument(name="footage", kind="digest", optional=True),
        *PAGE,
    ),
    _ask(questions.history_verification, _EXAMINERS, _VERIFICATIONS_SHOWN, Argument(name="verification"), *PAGE),
    _ask(questions.get_exhibit, _RECEIVERS, _EXHIBITS_SHOWN, Argument(name="exhibit")),
    _ask(questions.find_exhibits, _RECEIVERS, _EXHIBITS_SHOWN, *PAGE),
    _ask(questions.get_lock, _LOCKS, _LOCKS_SHOWN, Argument(name="lock")),
    _ask(questions.find_locks, _LOCKS, _LOCKS_SHOWN, _status(locks.STATUSES), *PAGE),
    _ask(questions.history_lock, _LOCKS, _LOCKS_SHOWN, Argument(name="lock"), *PAGE),
    _ask(
        questions.find_attestations,
        KEEPERS,
        "attested leaf lists are shown to the recorder's control room and to auditors",
        Argument(name="site"),
        Argument(name="recorder"),
        Argument(name="batch", kind="number", optional=True),
        *PAGE,
    ),
    _ask(questions.find_pending, EVERYBODY, "every participant may see what waits for a second person", *PAGE),
    _ask(questions.get_rules, EVERYBODY, "every participant may ask which version of the rules is in force"),
)
