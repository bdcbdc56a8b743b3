"""Rows of the table: what people decide and report about participants, cameras, footage and evidence."""

from __future__ import annotations

from chaincode import (
    access,
    attestations,
    cameras,
    changes,
    deputies,
    examinations,
    incidents,
    locks,
    participants,
    requests,
    second_person,
)
from chaincode.arguments import Argument
from chaincode.rule import Rule
from evidence.decisions import CHANGE_KINDS, CHANGEABLE
from evidence.registry import KEY_CUSTODY

CAMERA = Argument(name="camera")
CAMERAS = Argument(name="cameras", kind="list of ids")
PARTICIPANT = Argument(name="participant")
REASON = Argument(name="reason", kind="digest")
SPAN = (Argument(name="from_us", kind="number"), Argument(name="until_us", kind="number"))
NUMBER = Argument(name="number", kind="number")
NEW_KEY = Argument(name="key", kind="key id")

DECISIONS = (
    Rule(
        function=participants.rotate_participant_key,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMIN of an organisation gives its participants new keys; the old one counts no longer",
        arguments=(PARTICIPANT, NEW_KEY),
        subject="participant",
    ),
    Rule(
        function=second_person.replace_admin,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMINs of two other organisations replace a lost ADMIN, both with the same arguments",
        arguments=(Argument(name="lost"), PARTICIPANT, NEW_KEY),
        subject="lost",
    ),
    Rule(
        function=second_person.activate_rules,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMINs of two organisations activate the next version of the rules, both with the same arguments",
        arguments=(Argument(name="version", kind="number"),),
    ),
    Rule(
        function=deputies.delegate,
        kind="submit",
        roles=("CRM",),
        text="a manager makes a supervisor of the same control room deputy for a time; deputies act in their own name",
        arguments=(PARTICIPANT, *SPAN),
        subject="participant",
        deputy=False,
    ),
    Rule(
        function=deputies.end_delegation,
        kind="submit",
        roles=("CRM",),
        text="a manager of the control room ends a delegation",
        arguments=(PARTICIPANT,),
        subject="participant",
        deputy=False,
    ),
    Rule(
        function=cameras.recommend_camera,
        kind="submit",
        roles=("CRS",),
        text="a supervisor of the camera's control room recommends a proposed camera; that activates nothing",
        arguments=(CAMERA,),
        subject="camera",
    ),
    Rule(
        function=changes.propose_change,
        kind="submit",
        roles=("OPERATOR", "RECORDER"),
        text="an operator or recorder of the camera's control room proposes a change of address, device, key or "
        "firmware; a new key names the chain and sequence from which it counts",
        arguments=(
            CAMERA,
            Argument(name="kind", choices=tuple(CHANGE_KINDS)),
            *(
                Argument(name=name, kind="text", optional=True)
                for name in CHANGEABLE
                if name not in ("device_key", "key_custody")
            ),
            Argument(name="device_key", kind="public key", optional=True),
            Argument(name="key_custody", choices=KEY_CUSTODY, optional=True),
            Argument(name="chain", kind="number", optional=True),
            Argument(name="sequence", kind="number", optional=True),
        ),
        subject="camera",
    ),
    Rule(
        function=changes.approve_change,
        kind="submit",
        roles=("CRM",),
        text="a manager of the camera's control room, who did not propose it, approves a change",
        arguments=(CAMERA, NUMBER),
        subject="camera",
    ),
    Rule(
        function=changes.reject_change,
        kind="submit",
        roles=("CRM",),
        text="a manager of the camera's control room, who did not propose it, rejects a change, with a reason",
        arguments=(CAMERA, NUMBER, REASON),
        subject="camera",
    ),
    Rule(
        function=changes.revoke_key,
        kind="submit",
        roles=("CRM",),
        text="a manager of the camera's control room revokes a key of the camera, says since when it was compromised, "
        "and gives a reason; nothing more is anchored under it",
        arguments=(CAMERA, NEW_KEY, Argument(name="compromised_since_us", kind="number"), REASON),
        subject="camera",
    ),
    Rule(
        function=changes.announce_maintenance,
        kind="submit",
        roles=("OPERATOR", "CRM"),
        text="an operator or manager of the camera's control room announces maintenance, unless the camera is "
        "rejected or retired; that explains gaps and excuses nothing",
        arguments=(CAMERA, *SPAN),
        subject="camera",
    ),
    Rule(
        function=access.grant_access,
        kind="submit",
        roles=("CRM", "OWNER"),
        text="a manager of the camera's control room, for a private camera its owner, grants somebody access for a "
        "purpose and a time",
        arguments=(CAMERA, PARTICIPANT, Argument(name="purpose", kind="digest"), *SPAN),
        subject="camera",
    ),
    Rule(
        function=access.revoke_access,
        kind="submit",
        roles=("CRM", "OWNER"),
        text="a manager of the camera's control room, for a private camera its owner, revokes access",
        arguments=(CAMERA, PARTICIPANT),
        subject="camera",
    ),
    Rule(
        function=incidents.report_incident,
        kind="submit",
        roles=("PCRO", "PO", "LAS", "OPERATOR"),
        text="police, local authority and operators report incidents at cameras of one control room",
        arguments=(
            Argument(name="incident"),
            Argument(name="kind", choices=incidents.KINDS),
            CAMERAS,
            Argument(name="at_us", kind="number"),
            Argument(name="text", kind="digest", optional=True),
        ),
        subject="incident",
    ),
    Rule(
        function=incidents.respond_incident,
        kind="submit",
        roles=("OPERATOR", "CRS", "CRM"),
        text="the control room of the cameras responds to an incident",
        arguments=(Argument(name="incident"), Argument(name="answer", kind="digest")),
        subject="incident",
    ),
    Rule(
        function=incidents.close_incident,
        kind="submit",
        roles=("OPERATOR", "CRS", "CRM"),
        text="the control room of the cameras closes an incident, with a reason",
        arguments=(Argument(name="incident"), REASON),
        subject="incident",
    ),
    Rule(
        function=requests.request_footage,
        kind="submit",
        roles=("PO", "PCRO", "AUDITOR"),
        text="police and auditors ask for footage, with purpose, legal basis and an expiry; it is held from then on",
        arguments=(
            Argument(name="request"),
            CAMERAS,
            *SPAN,
            Argument(name="purpose", kind="digest"),
            Argument(name="legal_basis", kind="digest"),
            Argument(name="encryption_key", kind="encryption key"),
            Argument(name="expires_us", kind="number"),
            Argument(name="incident", optional=True),
        ),
        subject="request",
    ),
    Rule(
        function=requests.withdraw_request,
        kind="submit",
        roles=("PO", "PCRO", "AUDITOR"),
        text="who asked for footage withdraws the request",
        arguments=(Argument(name="request"),),
        subject="request",
    ),
    Rule(
        function=requests.decide_request,
        kind="submit",
        roles=("OWNER", "CRM", "CRS"),
        text="the owner of a private camera, else a manager or supervisor of the control room, never the requester, "
        "grants a request, perhaps narrower or masked, or denies it with a reason; once",
        arguments=(
            Argument(name="request"),
            Argument(name="decision", choices=requests.DECISIONS),
            Argument(name="cameras", kind="list of ids", optional=True),
            Argument(name="from_us", kind="number", optional=True),
            Argument(name="until_us", kind="number", optional=True),
            Argument(name="masking", kind="yes or no", optional=True),
            Argument(name="reason", kind="digest", optional=True),
        ),
        subject="request",
    ),
    Rule(
        function=requests.record_disclosure,
        kind="submit",
        roles=("RECORDER", "CRM"),
        text="a recorder of the site or a manager records what was handed over under a grant, inside its scope and "
        "time, to who asked",
        arguments=(
            Argument(name="request"),
            CAMERA,
            Argument(name="recipient"),
            *SPAN,
            Argument(name="masked", kind="yes or no"),
            Argument(name="objects", kind="list of digests"),
        ),
        subject="request",
    ),
    Rule(
        function=examinations.record_verification,
        kind="submit",
        roles=("CRM", "CRS", "PO", "PCRO", "AUDITOR"),
        text="managers, supervisors, police and auditors record what an examination of footage ended in",
        arguments=(
            Argument(name="verification"),
            Argument(name="footage", kind="digest"),
            Argument(name="state", choices=examinations.STATES),
            Argument(name="report", kind="digest"),
        ),
        subject="verification",
    ),
    Rule(
        function=examinations.supersede_verification,
        kind="submit",
        roles=("CRM", "CRS", "PO", "PCRO", "AUDITOR"),
        text="the organisation that recorded a verification supersedes it by another, and names the error",
        arguments=(
            Argument(name="verification"),
            Argument(name="superseded_by"),
            Argument(name="error", kind="digest"),
        ),
        subject="verification",
    ),
    Rule(
        function=examinations.receive_exhibit,
        kind="submit",
        roles=("PO", "PCRO", "AUDITOR"),
        text="police and auditors register footage that no recorder saw, so that it is unchanged since received",
        arguments=(
            Argument(name="exhibit"),
            Argument(name="footage", kind="digest"),
            Argument(name="copy", choices=examinations.COPIES),
            Argument(name="clock_check", kind="digest", optional=True),
            Argument(name="text", kind="digest", optional=True),
        ),
        subject="exhibit",
    ),
    Rule(
        function=locks.lock_evidence,
        kind="submit",
        roles=("PO", "PCRO", "CRM"),
        text="police and managers lock footage of cameras of one control room until somebody reviews the lock",
        arguments=(
            Argument(name="lock"),
            CAMERAS,
            *SPAN,
            Argument(name="review_us", kind="number"),
            REASON,
        ),
        subject="lock",
    ),
    Rule(
        function=locks.release_evidence,
        kind="submit",
        roles=("PO", "PCRO", "CRM"),
        text="two persons of two organisations, police and managers, release a lock, both with the same arguments",
        arguments=(Argument(name="lock"), REASON),
        subject="lock",
    ),
    Rule(
        function=attestations.attest_leaves,
        kind="submit",
        roles=("AUDITOR",),
        text="an auditor attests the leaf list that was delivered for a sealed batch",
        arguments=(
            Argument(name="site"),
            Argument(name="recorder"),
            Argument(name="batch", kind="number"),
            Argument(name="leaves", kind="digest"),
        ),
    ),
)
