"""Every transaction of the contract: who may call it, what it takes, and the rule in words.

One row is one transaction; adding one is writing its function and its row. Dispatch, the reference, the help of the
interfaces and the role matrix tests all read this table and nothing else. No host is imported here.
"""

from __future__ import annotations

from chaincode import anchors, cameras, participants, policies, queries
from chaincode.arguments import Argument, Arguments
from chaincode.roles import ROLES
from chaincode.rule import Rule
from chaincode.table_decisions import CAMERA, DECISIONS, PARTICIPANT, REASON
from chaincode.table_questions import EVERYBODY, KEEPERS, PAGE, QUESTIONS, SEES_BLOCKS, SEES_CAMERAS
from chaincode.world import World
from evidence.genesis import MAX_GENESIS_BYTES
from evidence.registry import CAMERA_STATUSES, KEY_CUSTODY, PARTICIPANT_STATUSES, ParticipantEntry

VERSION = 1

_PLACED = (
    Argument(name="role", choices=tuple(ROLES)),
    Argument(name="control_room", optional=True),
    Argument(name="department", optional=True),
    Argument(name="site", optional=True),
    Argument(name="valid_until_us", kind="number", optional=True),
)


def describe(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    """This table as data."""
    return {
        "version": VERSION,
        "roles": {name: {"words": role.words, "msps": list(role.msps)} for name, role in ROLES.items()},
        "transactions": [
            {
                "name": rule.name,
                "kind": rule.kind,
                "roles": list(rule.roles),
                "rule": rule.text,
                "document": rule.document_bytes > 0,
                "arguments": [
                    {
                        "name": each.name,
                        "kind": "choice" if each.choices else each.kind,
                        "optional": each.optional,
                        "choices": list(each.choices),
                    }
                    for each in rule.arguments
                ],
            }
            for rule in TABLE.values()
        ],
    }


_SUBMIT = (
    Rule(
        function=participants.init,
        kind="submit",
        roles=("ADMIN",),
        text="an ADMIN named in the genesis document founds the ledger, once",
        document_bytes=MAX_GENESIS_BYTES,
        founding=True,
    ),
    Rule(
        function=participants.register_participant,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMIN of an organisation registers its participants, each under a key of its own",
        arguments=(PARTICIPANT, Argument(name="key", kind="key id"), *_PLACED),
        subject="participant",
    ),
    Rule(
        function=participants.change_participant,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMIN of an organisation changes its participants' role, place and end of registration",
        arguments=(PARTICIPANT, *_PLACED),
        subject="participant",
    ),
    Rule(
        function=participants.suspend_participant,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMIN of an organisation suspends its participants",
        arguments=(PARTICIPANT,),
        subject="participant",
    ),
    Rule(
        function=participants.reinstate_participant,
        kind="submit",
        roles=("ADMIN",),
        text="the ADMIN of an organisation reinstates its suspended participants",
        arguments=(PARTICIPANT,),
        subject="participant",
    ),
    Rule(
        function=cameras.propose_camera,
        kind="submit",
        roles=("OPERATOR", "OWNER"),
        text="an operator proposes a camera of the control room, an owner a private one",
        arguments=(
            CAMERA,
            Argument(name="site"),
            *(
                Argument(name=name, kind="text")
                for name in ("ip", "make", "model", "serial", "firmware", "hardware_address", "location")
            ),
            Argument(name="control_room"),
            Argument(name="owner", optional=True),
            Argument(name="view_of", optional=True),
            Argument(name="device_key", kind="public key"),
            Argument(name="key_custody", choices=KEY_CUSTODY),
            Argument(name="specification", kind="text"),
        ),
        subject="camera",
    ),
    Rule(
        function=cameras.approve_camera,
        kind="submit",
        roles=("CRM",),
        text="a control room manager of the camera's control room, who did not propose it, approves a camera",
        arguments=(CAMERA,),
        subject="camera",
    ),
    Rule(
        function=cameras.reject_camera,
        kind="submit",
        roles=("CRM", "CRS"),
        text="a manager or supervisor of the camera's control room rejects a proposed camera, with a reason",
        arguments=(CAMERA, REASON),
        subject="camera",
    ),
    Rule(
        function=cameras.suspend_camera,
        kind="submit",
        roles=("CRM", "CRS"),
        text="a manager or supervisor of the camera's control room suspends an active camera, with a reason",
        arguments=(CAMERA, REASON),
        subject="camera",
    ),
    Rule(
        function=cameras.reinstate_camera,
        kind="submit",
        roles=("CRM",),
        text="a manager of the camera's control room reinstates a suspended camera, with a reason",
        arguments=(CAMERA, REASON),
        subject="camera",
    ),
    Rule(
        function=cameras.retire_camera,
        kind="submit",
        roles=("CRM",),
        text="a manager of the camera's control room retires a camera for good, with a reason",
        arguments=(CAMERA, REASON),
        subject="camera",
    ),
    Rule(
        function=policies.set_policy,
        kind="submit",
        roles=("CRM", "CRS"),
        text="a manager sets the control room's sampling policy, a supervisor within the manager's bounds",
        arguments=(Argument(name="policy", kind="object"), Argument(name="bounds", kind="object", optional=True)),
    ),
    Rule(
        function=anchors.anchor,
        kind="submit",
        roles=("RECORDER",),
        text="the recorder of a site anchors blocks of the site's active cameras",
        document_bytes=anchors.MAX_BATCH_BYTES,
        ahead=anchors.keys_ahead,
    ),
)

_EVALUATE = (
    Rule(function=describe, kind="evaluate", roles=EVERYBODY, text="every participant may ask what the rules are"),
    Rule(
        function=queries.get_genesis,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may read the founding document",
    ),
    Rule(
        function=queries.get_camera,
        kind="evaluate",
        roles=SEES_CAMERAS,
        text="a camera is shown to its control room, its owner, the local authority, auditors and whom it was granted",
        arguments=(CAMERA,),
    ),
    Rule(
        function=queries.find_cameras,
        kind="evaluate",
        roles=SEES_CAMERAS,
        text="cameras are shown to their control room, their owner, the local authority and auditors",
        arguments=(
            Argument(name="status", choices=CAMERA_STATUSES, optional=True),
            Argument(name="site", optional=True),
            *PAGE,
        ),
    ),
    Rule(
        function=queries.history_camera,
        kind="evaluate",
        roles=SEES_CAMERAS,
        text="a camera's history is shown to its control room, its owner, the local authority and auditors",
        arguments=(CAMERA, *PAGE),
    ),
    Rule(
        function=queries.get_participant,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may look up a pseudonym",
        arguments=(PARTICIPANT,),
    ),
    Rule(
        function=queries.find_participants,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may list the pseudonyms",
        arguments=(
            Argument(name="status", choices=PARTICIPANT_STATUSES, optional=True),
            Argument(name="role", choices=tuple(ROLES), optional=True),
            *PAGE,
        ),
    ),
    Rule(
        function=queries.history_participant,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may read a pseudonym's history",
        arguments=(PARTICIPANT, *PAGE),
    ),
    Rule(
        function=policies.get_policy,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may read the sampling policy in force",
        arguments=(Argument(name="control_room"),),
    ),
    Rule(
        function=queries.history_policy,
        kind="evaluate",
        roles=EVERYBODY,
        text="every participant may read all sampling policies",
        arguments=(Argument(name="control_room"), *PAGE),
    ),
    Rule(
        function=queries.get_block,
        kind="evaluate",
        roles=SEES_BLOCKS,
        text="what was anchored for a camera is shown to its control room, its owner and auditors",
        arguments=(CAMERA, Argument(name="chain", kind="number"), Argument(name="sequence", kind="number")),
    ),
    Rule(
        function=queries.find_blocks,
        kind="evaluate",
        roles=SEES_BLOCKS,
        text="what was anchored for a camera is shown to its control room, its owner and auditors",
        arguments=(
            CAMERA,
            Argument(name="chain", kind="number"),
            Argument(name="first", kind="number", optional=True),
            *PAGE,
        ),
    ),
    Rule(
        function=queries.find_chains,
        kind="evaluate",
        roles=SEES_BLOCKS,
        text="the chains of a camera are shown to its control room, its owner and auditors",
        arguments=(CAMERA, *PAGE),
    ),
    Rule(
        function=queries.get_batch,
        kind="evaluate",
        roles=KEEPERS,
        text="sealed batches are shown to the recorder's control room and to auditors",
        arguments=(Argument(name="site"), Argument(name="recorder"), Argument(name="batch", kind="number")),
    ),
    Rule(
        function=queries.find_batches,
        kind="evaluate",
        roles=KEEPERS,
        text="sealed batches are shown to the recorder's control room and to auditors",
        arguments=(Argument(name="site"), Argument(name="recorder"), *PAGE),
    ),
)

TABLE: dict[str, Rule] = {rule.name: rule for rule in (*_SUBMIT, *DECISIONS, *_EVALUATE, *QUESTIONS)}
