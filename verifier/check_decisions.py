"""Who decided: every entry of the registry is held against the transaction that wrote it, in ledger order.

Whoever wrote it was entitled to, proposer and decider differ, and nothing but the decision changed. For ledgers that
show their transactions; `check_vouched` is for those whose organisations sign what stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from chaincode.table import TABLE
from evidence.blocks import Block
from evidence.canonical import Fields, parse_canonical
from evidence.decisions import (
    Change,
    changed_camera,
    delegation_in_force,
    parse_change,
    parse_delegation,
    parse_revocation,
)
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.genesis import Genesis
from evidence.ledger_format import Receipt, parse_transaction
from evidence.registry import (
    ACTIVE,
    PROPOSED,
    REJECTED,
    RETIRED,
    SUSPENDED,
    CameraEntry,
    ParticipantEntry,
    Position,
    numbered_key,
)
from verifier.anchor import SOUND, Anchor, Judgement, Standing, broken, untrusted
from verifier.said import as_signed
from verifier.shown_registry import ShownRegistry, worst

# Which decision moves a camera from which status to which.
_MOVES: Mapping[str, tuple[frozenset[str], str]] = MappingProxyType(
    {
        "approve_camera": (frozenset({PROPOSED}), ACTIVE),
        "reject_camera": (frozenset({PROPOSED}), REJECTED),
        "suspend_camera": (frozenset({ACTIVE}), SUSPENDED),
        "reinstate_camera": (frozenset({SUSPENDED}), ACTIVE),
        "retire_camera": (frozenset({ACTIVE, SUSPENDED}), RETIRED),
    }
)
_REGISTRARS = frozenset(
    {
        *("init", "register_participant", "change_participant", "suspend_participant", "reinstate_participant"),
        *("rotate_participant_key", "replace_admin"),
    }
)


class WrittenDecisions:
    """Judges decisions by the transactions that wrote them."""

    def __init__(self, shown: ShownRegistry, genesis: Genesis) -> None:
        self._shown = shown
        self._genesis = genesis

    def complete(self, camera: CameraEntry, anchor: Anchor) -> Judgement:
        """Whether all that concerns the camera is shown: whoever reads the ledger's file sees to that."""
        return SOUND

    def recorder(self, camera: CameraEntry, anchor: Anchor, block: Block) -> Judgement:
        """Whether a recorder of the camera's site anchored."""
        actor = self._actor(anchor)
        place = (camera.site, camera.control_room)
        if anchor.function != "anchor" or actor is None or (actor.site, actor.control_room) != place:
            return untrusted("recorder", "the block was not anchored by a recorder of the camera's site")
        return self._participant(actor)

    def decision(self, key: str) -> Judgement:
        """Whether whoever wrote the entry was entitled to; participants before cameras, in ledger order."""
        kind, subject, *_, number = key.split("/")
        anchor = self._shown.anchors[key]
        if not self._as_signed(kind, key, anchor):
            return broken("not_signed", f"the registry says something else than its author signed ({key})")
        if kind in ("change", "delegation", "revocation", "pending"):
            return self._word(kind, subject, key, anchor)
        after = Position(anchor.position.height, anchor.position.index + 1)
        if kind == "participant":
            entry = self._shown.registry.participant_at(subject, after)
            return (
                untrusted("participant", "a participant's entry is overwritten")
                if entry is None
                else self._registrar(entry, anchor)
            )
        if kind == "policy":
            actor = self._actor(anchor)
            entitled = actor is not None and actor.control_room == subject and anchor.function == "set_policy"
            return SOUND if entitled else untrusted("policy", "a sampling policy was set by somebody not entitled to")
        camera = self._shown.registry.camera_at(subject, after)
        if camera is None or camera.n != int(number):
            return untrusted("camera_entry", "entries of the camera contradict each other")
        before = self._shown.registry.camera_at(subject, anchor.position)
        return self._camera_decision(camera, before, anchor)

    def _as_signed(self, kind: str, key: str, anchor: Anchor) -> bool:
        receipt = self._shown.shown[key]
        if kind == "pending" or not isinstance(receipt, Receipt):
            return True
        arguments = parse_transaction(receipt.transaction.payload).arguments
        return as_signed(kind, anchor.function, arguments, receipt.writes[key])

    def _registrar(self, entry: ParticipantEntry, anchor: Anchor) -> Judgement:
        refused = untrusted("participant", f"{entry.id} was registered by somebody not entitled to")
        if anchor.function not in _REGISTRARS or anchor.caller is None:
            return refused
        if anchor.function == "replace_admin":
            return SOUND if self._replaced(entry, anchor) else refused
        if anchor.function == "init":
            organisation = self._genesis.msps.get(entry.msp)
            founding = organisation is not None and entry.key in organisation.admins and entry.role == "ADMIN"
            return SOUND if founding and entry.n == 0 else refused
        actor = self._actor(anchor)
        entitled = actor is not None and actor.role == "ADMIN" and actor.msp == entry.msp and actor.id != entry.id
        return worst((SOUND if entitled else refused, self._participant(actor)))

    def _camera_decision(self, entry: CameraEntry, before: CameraEntry | None, anchor: Anchor) -> Judgement:
        refused = untrusted("camera_decision", f"camera {entry.id} was decided about by somebody not entitled to")
        actor = self._actor(anchor)
        if actor is None or actor.control_room != entry.control_room:
            return refused
        if before is None:
            proposed = (entry.n, entry.status, entry.proposer, entry.decided_by) == (0, PROPOSED, actor.id, None)
            fits = proposed and anchor.function == "propose_camera"
        elif anchor.function == "approve_change":
            return worst((SOUND if self._changed(entry, before, actor, anchor) else refused, self._participant(actor)))
        else:
            start, end = _MOVES.get(anchor.function, (frozenset[str](), ""))
            expected = replace(before, n=before.n + 1, status=end, decided_by=actor.id, reason=entry.reason)
            fits = before.status in start and entry == expected
            if anchor.function == "approve_camera" and actor.id == entry.proposer:
                return untrusted("own_approval", f"camera {entry.id} was approved by the one who proposed it")
        return worst((SOUND if fits else refused, self._participant(actor)))

    def _actor(self, anchor: Anchor) -> ParticipantEntry | None:
        """The participant who acted, as registered at that moment; None where the certificate says something else."""
        if anchor.caller is None:
            return None
        entry = self._shown.registry.participant_by_key(anchor.caller.public_key.key_id, anchor.position)
        if entry is None or not entry.active_at(anchor.time_us):
            return None
        if (entry.msp, entry.role) != (anchor.caller.msp, anchor.caller.role):
            return None
        rule = TABLE.get(anchor.function)
        if rule is None or rule.permits(entry.role, entry.msp):
            return entry
        return self._deputy(entry, anchor)

    def _deputy(self, entry: ParticipantEntry, anchor: Anchor) -> ParticipantEntry | None:
        """The same participant as a manager, where one had given them their word; the word itself must be sound."""
        delegation = self._shown.decisions.delegation_at(entry.id, anchor.position)
        if delegation is None:
            return None
        manager = self._shown.registry.participant_at(delegation.by, anchor.position)
        if not delegation_in_force(delegation, entry, manager, anchor.time_us):
            return None
        word = self._shown.judged.get(numbered_key("delegation", entry.id, delegation.n), SOUND)
        return replace(entry, role="CRM") if word.standing is not Standing.BROKEN else None

    def _word(self, kind: str, subject: str, key: str, anchor: Anchor) -> Judgement:
        """Whether a decision that is neither a camera's nor a participant's entry was its author's to make."""
        refused = untrusted(kind, f"a {kind} was written by somebody not entitled to ({subject})")
        actor, value = self._actor(anchor), self._shown.shown[key].writes[key]
        if actor is None:
            return refused
        entitled = False
        if kind == "delegation":
            delegation = parse_delegation(value)
            own = (actor.control_room, actor.id) == (delegation.control_room, delegation.by)
            entitled = own and anchor.function in ("delegate", "end_delegation")
        elif kind == "pending":
            entitled = anchor.function == "replace_admin" and actor.role == "ADMIN"
        elif kind == "revocation":
            camera = self._shown.registry.camera_at(subject, anchor.position)
            own = camera is not None and camera.control_room == actor.control_room
            entitled = own and anchor.function == "revoke_key" and parse_revocation(value).by == actor.id
        elif kind == "change":
            entitled = self._may_change(parse_change(value), actor, anchor)
        return worst((SOUND if entitled else refused, self._participant(actor)))

    def _may_change(self, change: Change, actor: ParticipantEntry, anchor: Anchor) -> bool:
        camera = self._shown.registry.camera_at(change.camera, anchor.position)
        if camera is None or camera.control_room != actor.control_room:
            return False
        if change.n == 0:
            proposed = (change.status, change.proposer, change.decided_by) == ("PROPOSED", actor.id, None)
            return proposed and anchor.function == "propose_change"
        found = self._shown.decisions.change(change.camera, change.number, 0)
        status = {"approve_change": "APPROVED", "reject_change": "REJECTED"}.get(anchor.function, "")
        if found is None or found[1].proposer == actor.id or not found[0] < anchor.position:
            return False
        return change == replace(found[1], n=1, status=status, decided_by=actor.id, reason=change.reason)

    def _changed(self, entry: CameraEntry, before: CameraEntry, actor: ParticipantEntry, anchor: Anchor) -> bool:
        """Whether an entry says what a change said that somebody else had proposed, and nothing more."""
        decision = self._shown.decisions.decided_at(entry.id, anchor.position)
        if decision is None or decision.status != "APPROVED" or before.status not in (ACTIVE, SUSPENDED):
            return False
        proposal = self._shown.judged.get(numbered_key(f"change/{entry.id}", f"{decision.number:010d}", 0))
        return (
            proposal is not None
            and proposal.standing is Standing.SOUND
            and self._may_change(decision, actor, anchor)
            and entry == changed_camera(before, decision, actor.id)
        )

    def _replaced(self, entry: ParticipantEntry, anchor: Anchor) -> bool:
        """Whether two ADMINs of two other organisations signed the same replacement of a lost one."""
        signed = {}
        for key, receipt in self._shown.shown.items():
            if key.startswith("pending/replace-admin/") and isinstance(receipt, Receipt):
                for argument in parse_transaction(receipt.transaction.payload).arguments:
                    signed[key] = argument if sha256(argument).hex() == key.split("/")[2] else b""
        second = [key for key in signed if self._shown.anchors[key].position == anchor.position]
        if len(second) != 1 or not signed[second[0]]:
            return False
        calls = [
            (key, self._actor(self._shown.anchors[key]))
            for key, argument in signed.items()
            if argument == signed[second[0]] and not anchor.position < self._shown.anchors[key].position
        ]
        sound = [each for key, each in calls if self._shown.judged[key].standing is Standing.SOUND]
        standing = {each.msp for each in sound if each is not None}
        actor = self._actor(anchor)
        if actor is None or entry.msp in standing | {actor.msp} or len(standing | {actor.msp}) < 2:
            return False
        try:
            asked = Fields(parse_canonical(signed[second[0]], "argument"), "argument", ("lost", "participant", "key"))
        except Malformed:
            return False
        if entry.n == 0:
            return (entry.id, entry.key, entry.role) == (asked.raw("participant"), asked.raw("key"), "ADMIN")
        before = self._shown.registry.participant_at(entry.id, anchor.position)
        lost = before is not None and entry == replace(before, n=before.n + 1, status=SUSPENDED)
        return lost and entry.id == asked.raw("lost")

    def _participant(self, entry: ParticipantEntry | None) -> Judgement:
        return SOUND if entry is None else self._shown.history("participant", entry.id, entry.n)
