"""Check 2: was the camera approved, and was the key valid, when the block was anchored?

The registry is rebuilt from receipts and every decision in it is judged again, in ledger order: who was entitled to it,
that proposer and decider differ, that nothing but the decision changed. Times that records claim play no part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from chaincode.table import TABLE
from evidence.blocks import SignedBlock
from evidence.canonical import Fields, parse_canonical
from evidence.decisions import (
    Change,
    Decisions,
    changed_camera,
    delegation_in_force,
    parse_change,
    parse_delegation,
    parse_revocation,
)
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.genesis import Genesis
from evidence.ledger_format import parse_transaction
from evidence.policy import Policy, parse_policy
from evidence.records import Record
from evidence.registry import (
    ACTIVE,
    PROPOSED,
    REJECTED,
    RETIRED,
    SUSPENDED,
    CameraEntry,
    ParticipantEntry,
    Position,
    Registry,
    judge_block,
    numbered_key,
)
from verifier.bundle import Bundle
from verifier.check_anchor import SOUND, Anchor, Judgement, ReceiptJudge, Standing, broken, untrusted

AFTER_ALL = Position(2**53, 0)
"""A position behind every block: the registry as it stands now, by which pending blocks are judged."""

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
REGISTRY_KINDS = (
    *("camera/", "participant/", "policy/", "change/", "delegation/", "revocation/"),
    "pending/replace-admin/",
)
"""Prefixes of the ledger keys that this check needs, all of them."""

# What `judge_block` answers, as a standing and a clause behind `Proof exists, but …`.
_BLOCK: Mapping[str, Judgement] = MappingProxyType(
    {
        "camera_unknown": untrusted("camera_unknown", "the camera was not registered when the block was anchored"),
        "camera_not_active": untrusted("camera_not_active", "the camera was not approved when the block was anchored"),
        "key_revoked": untrusted("key_revoked", "the key that signed had been revoked when the block was anchored"),
        "key_differs": untrusted("key_differs", "the key that signed was not the camera's when the block was anchored"),
        "signature_invalid": broken("signature", "the signature does not fit the block"),
    }
)


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """The judgement with the worst standing, the first among equals."""
    return max(judgements, key=lambda each: each.standing, default=SOUND)


class RegistryJudge:
    """The registry that a bundle shows, every entry with a judgement."""

    def __init__(self, bundle: Bundle, genesis: Genesis, receipts: ReceiptJudge) -> None:
        self._genesis = genesis
        self._judged: dict[str, Judgement] = {}
        self._anchors: dict[str, Anchor] = {}
        values: list[tuple[Position, str, bytes]] = []
        for key in bundle.state:
            if not key.startswith(REGISTRY_KINDS):
                continue
            receipt = bundle.state[key]
            anchor, value = receipts.anchor(receipt), receipt.writes.get(key)
            if value is None:
                anchor = replace(anchor, judgement=broken("not_written", "a receipt does not write what it stands for"))
            self._anchors[key] = anchor
            self._judged[key] = anchor.judgement
            if value is not None and anchor.judgement.standing is not Standing.BROKEN:
                values.append((anchor.position, key, value))
        for key, reason in bundle.damaged.items():
            if key.startswith(REGISTRY_KINDS):
                self._judged[key] = broken("registry_damaged", f"an entry of the registry cannot be read ({reason})")
        self._receipts = {key: bundle.state[key] for _, key, _ in values}
        readable = self._readable(values)
        self.registry = Registry(readable)
        self._decisions = Decisions(readable)
        self._founded = self._judge_founding(bundle, receipts)
        for _, key, _ in sorted(values, key=lambda each: each[:2]):
            if self._judged[key].standing is not Standing.BROKEN:
                self._judged[key] = worst((self._judged[key], self._decision(key)))
        self._histories: dict[tuple[str, str, int], Judgement] = {}

    def _readable(self, values: list[tuple[Position, str, bytes]]) -> list[tuple[Position, str, bytes]]:
        """All entries that parse; the others are BROKEN."""
        readable = []
        for value in values:
            try:
                Registry([value])
                Decisions([value])
                readable.append(value)
            except Malformed as error:
                self._judged[value[1]] = broken(
                    "registry_entry", f"an entry of the registry cannot be read ({error.detail})"
                )
        return readable

    def _judge_founding(self, bundle: Bundle, receipts: ReceiptJudge) -> Judgement:
        receipt = bundle.state.get("genesis")
        if receipt is None or receipt.writes.get("genesis") != bundle.genesis:
            return broken("genesis", "the ledger does not hold its own genesis")
        return receipts.anchor(receipt).judgement

    def _decision(self, key: str) -> Judgement:
        """Whether whoever wrote the entry was entitled to; participants before cameras, in ledger order."""
        kind, subject, *_, number = key.split("/")
        anchor = self._anchors[key]
        if kind in ("change", "delegation", "revocation", "pending"):
            return self._word(kind, subject, key, anchor)
        after = Position(anchor.position.height, anchor.position.index + 1)
        if kind == "participant":
            entry = self.registry.participant_at(subject, after)
            return (
                untrusted("participant", "a participant's entry is overwritten")
                if entry is None
                else self._registrar(entry, anchor)
            )
        if kind == "policy":
            actor = self._actor(anchor)
            entitled = actor is not None and actor.control_room == subject and anchor.function == "set_policy"
            return SOUND if entitled else untrusted("policy", "a sampling policy was set by somebody not entitled to")
        camera = self.registry.camera_at(subject, after)
        if camera is None or camera.n != int(number):
            return untrusted("camera_entry", "entries of the camera contradict each other")
        before = self.registry.camera_at(subject, anchor.position)
        return self._camera_decision(camera, before, anchor)

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
        entry = self.registry.participant_by_key(anchor.caller.public_key.key_id, anchor.position)
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
        delegation = self._decisions.delegation_at(entry.id, anchor.position)
        if delegation is None:
            return None
        manager = self.registry.participant_at(delegation.by, anchor.position)
        if not delegation_in_force(delegation, entry, manager, anchor.time_us):
            return None
        word = self._judged.get(numbered_key("delegation", entry.id, delegation.n), SOUND)
        return replace(entry, role="CRM") if word.standing is not Standing.BROKEN else None

    def _word(self, kind: str, subject: str, key: str, anchor: Anchor) -> Judgement:
        """Whether a decision that is neither a camera's nor a participant's entry was its author's to make."""
        refused = untrusted(kind, f"a {kind} was written by somebody not entitled to ({subject})")
        actor, value = self._actor(anchor), self._receipts[key].writes[key]
        if actor is None:
            return refused
        entitled = False
        if kind == "delegation":
            own = actor.control_room == parse_delegation(value).control_room
            entitled = own and anchor.function in ("delegate", "end_delegation")
        elif kind == "pending":
            entitled = anchor.function == "replace_admin" and actor.role == "ADMIN"
        elif kind == "revocation":
            camera = self.registry.camera_at(subject, anchor.position)
            own = camera is not None and camera.control_room == actor.control_room
            entitled = own and anchor.function == "revoke_key" and parse_revocation(value).by == actor.id
        elif kind == "change":
            entitled = self._may_change(parse_change(value), actor, anchor)
        return worst((SOUND if entitled else refused, self._participant(actor)))

    def _may_change(self, change: Change, actor: ParticipantEntry, anchor: Anchor) -> bool:
        camera = self.registry.camera_at(change.camera, anchor.position)
        if camera is None or camera.control_room != actor.control_room:
            return False
        if change.n == 0:
            proposed = (change.status, change.proposer, change.decided_by) == ("PROPOSED", actor.id, None)
            return proposed and anchor.function == "propose_change"
        found = self._decisions.change(change.camera, change.number, 0)
        status = {"approve_change": "APPROVED", "reject_change": "REJECTED"}.get(anchor.function, "")
        if found is None or found[1].proposer == actor.id or not found[0] < anchor.position:
            return False
        return change == replace(found[1], n=1, status=status, decided_by=actor.id, reason=change.reason)

    def _changed(self, entry: CameraEntry, before: CameraEntry, actor: ParticipantEntry, anchor: Anchor) -> bool:
        """Whether an entry says what a change said that somebody else had proposed, and nothing more."""
        decision = self._decisions.decided_at(entry.id, anchor.position)
        if decision is None or decision.status != "APPROVED" or before.status not in (ACTIVE, SUSPENDED):
            return False
        proposal = self._judged.get(numbered_key(f"change/{entry.id}", f"{decision.number:010d}", 0))
        return (
            proposal is not None
            and proposal.standing is Standing.SOUND
            and self._may_change(decision, actor, anchor)
            and entry == changed_camera(before, decision, actor.id)
        )

    def _replaced(self, entry: ParticipantEntry, anchor: Anchor) -> bool:
        """Whether two ADMINs of two other organisations signed the same replacement of a lost one."""
        signed = {}
        for key, receipt in self._receipts.items():
            if key.startswith("pending/replace-admin/"):
                for argument in parse_transaction(receipt.transaction.payload).arguments:
                    signed[key] = argument if sha256(argument).hex() == key.split("/")[2] else b""
        second = [key for key in signed if self._anchors[key].position == anchor.position]
        if len(second) != 1 or not signed[second[0]]:
            return False
        calls = [
            (key, self._actor(self._anchors[key]))
            for key, argument in signed.items()
            if argument == signed[second[0]] and not anchor.position < self._anchors[key].position
        ]
        sound = [each for key, each in calls if self._judged[key].standing is Standing.SOUND]
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
        before = self.registry.participant_at(entry.id, anchor.position)
        lost = before is not None and entry == replace(before, n=before.n + 1, status=SUSPENDED)
        return lost and entry.id == asked.raw("lost")

    def _participant(self, entry: ParticipantEntry | None) -> Judgement:
        return SOUND if entry is None else self._history("participant", entry.id, entry.n)

    def _history(self, kind: str, subject: str, n: int) -> Judgement:
        """The worst of all entries up to number `n`; a number that is lacking could be a suspension."""
        lacking = untrusted("registry_incomplete", f"the history of {subject} in the registry is not complete")
        return worst(self._judged.get(numbered_key(kind, subject, number), lacking) for number in range(n + 1))

    def judge(self, record: Record, signed: SignedBlock, anchor: Anchor | None) -> Judgement:
        """Check 2 (and the signature of check 3) for one block.

        Args:
            anchor: of the transaction that anchored it; None where it is pending, which the present registry judges.
        """
        position = AFTER_ALL if anchor is None else anchor.position
        camera = self.registry.camera_at(record.camera, position)
        earlier = [entry for at, entry in self.registry.camera_history(record.camera) if at < position]
        revoked = {each.key for at, each in self._decisions.revocations(record.camera) if at < position}
        reason = judge_block(camera, signed, earlier=earlier, revoked=revoked)
        if reason is not None or camera is None:
            return _BLOCK[reason or "camera_unknown"]
        compromised = self._compromised(camera.id, signed.block.key, anchor)
        if compromised.standing is not Standing.SOUND:
            return compromised
        if not self.registry.enrolled(camera.id, record.enrolment, position) or record.site != camera.site:
            return untrusted("enrolment", "the record was made under another approval of the camera")
        known = (camera.id, "" if anchor is None else anchor.transaction, camera.n)
        if known not in self._histories:
            self._histories[known] = worst(
                (self._founded, self._history("camera", camera.id, camera.n), self._recorder(camera, anchor))
            )
        return self._histories[known]

    def lets_in(self, signed: SignedBlock, anchor: Anchor) -> bool:
        """Whether the contract would have taken this block at that moment from whoever anchored it."""
        name, position = signed.block.camera, anchor.position
        camera = self.registry.camera_at(name, position)
        earlier = [entry for at, entry in self.registry.camera_history(name) if at < position]
        revoked = {each.key for at, each in self._decisions.revocations(name) if at < position}
        if camera is None or judge_block(camera, signed, earlier=earlier, revoked=revoked) is not None:
            return False
        return self._recorder(camera, anchor).standing is Standing.SOUND

    def _compromised(self, camera: str, key: str, anchor: Anchor | None) -> Judgement:
        """Whether a later revocation reaches back to this block: by when it was proven anchored decides, nothing else.

        What a record says of its own time is worth nothing here: a thief writes any time into it.
        """
        revocations = self._decisions.revocations(camera)
        found = [SOUND]
        since_us = min((each.compromised_since_us for _, each in revocations if each.key == key), default=None)
        if since_us is not None and (
            anchor is None or anchor.anchored_by_us is None or anchor.anchored_by_us > since_us
        ):
            found.append(
                untrusted(
                    "key_compromised",
                    "the key that signed was revoked as compromised since before the block was proven anchored",
                )
            )
        prefix = f"revocation/{camera}/"
        known = {int(name[len(prefix) :]) for name in self._judged if name.startswith(prefix)}
        found += [
            judged
            for name, judged in self._judged.items()
            if name.startswith(prefix) and judged.standing is Standing.BROKEN
        ]
        if known != set(range(len(known))):
            found.append(untrusted("registry_incomplete", f"the history of {camera}'s keys is not complete"))
        return worst(found)

    def _recorder(self, camera: CameraEntry, anchor: Anchor | None) -> Judgement:
        """Whether a recorder of the camera's site anchored."""
        if anchor is None:
            return SOUND
        actor = self._actor(anchor)
        place = (camera.site, camera.control_room)
        if anchor.function != "anchor" or actor is None or (actor.site, actor.control_room) != place:
            return untrusted("recorder", "the block was not anchored by a recorder of the camera's site")
        return self._participant(actor)

    def address_differs(self, record: Record, position: Position) -> bool:
        camera = self.registry.camera_at(record.camera, position)
        return camera is not None and camera.ip != record.ip

    def policy(self, digest: bytes, camera: str, position: Position) -> Policy | None:
        """The policy document with `digest` that was in force for the camera at `position`, None where it was not."""
        entry = self.registry.camera_at(camera, position)
        if entry is None:
            return None
        history = [value for at, value in self.registry.policies(entry.control_room) if at < position]
        for value in history:
            try:
                policy = parse_policy(value)
            except Malformed:
                continue
            if policy.digest == digest:
                return policy
        return self._genesis.policy if self._genesis.policy.digest == digest else None
