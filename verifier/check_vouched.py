"""Who decided, where organisations sign what stands on the ledger: they ran the contract, and their rule is trusted.

So an entry's writer is not shown again; that the decision is another person's than the proposal, and made by whom the
registry knows for it, is read from the entries themselves. What has to be excluded is that something was left out: an
omitted revocation would revive a stolen key. Hence every range in which an entry about the camera could stand must be
shown whole, in a read that is not older than the block.
"""

from __future__ import annotations

from dataclasses import replace

from evidence.blocks import Block
from evidence.decisions import changed_camera
from evidence.registry import ACTIVE, PROPOSED, CameraEntry, Position, numbered_key
from verifier.anchor import SOUND, Anchor, AnchorJudge, Judgement, Standing, untrusted
from verifier.shown_registry import ShownRegistry, worst

_DECIDERS = ("CRM", "CRS")  # a supervisor may be a manager's deputy


class VouchedDecisions:
    """Judges decisions by what the entries say."""

    def __init__(self, shown: ShownRegistry, receipts: AnchorJudge) -> None:
        self._shown = shown
        self._receipts = receipts

    def decision(self, key: str) -> Judgement:
        kind, subject, *_ = key.split("/")
        if kind != "camera":
            return SOUND
        position = self._shown.anchors[key].position
        history = self._shown.registry.camera_history(subject)
        entry = next(each for _, each in history if key == numbered_key("camera", subject, each.n))
        before = self._shown.registry.camera_at(subject, position)
        contradict = untrusted("camera_entry", f"entries of camera {subject} contradict each other")
        if before is None:
            return SOUND if (entry.n, entry.status) == (0, PROPOSED) else contradict
        if entry.n != before.n + 1:
            return contradict
        if before.status == PROPOSED and entry.status == ACTIVE and entry.decided_by == entry.proposer:
            return untrusted("own_approval", f"camera {subject} was approved by the one who proposed it")
        if not (self._moved(entry, before) or self._changed(entry, before, position)):
            return untrusted("camera_decision", f"camera {subject} was changed without a decision about that change")
        decider = None if entry.decided_by is None else self._shown.registry.participant_at(entry.decided_by, position)
        if decider is None or decider.role not in _DECIDERS or decider.control_room != entry.control_room:
            return untrusted("camera_decision", f"camera {subject} was decided about by somebody not entitled to")
        return self._shown.history("participant", decider.id, decider.n)

    def _moved(self, entry: CameraEntry, before: CameraEntry) -> bool:
        """Whether nothing but the camera's standing changed."""
        moved = replace(before, n=entry.n, status=entry.status, decided_by=entry.decided_by, reason=entry.reason)
        return entry.status != before.status and entry == moved

    def _changed(self, entry: CameraEntry, before: CameraEntry, position: Position) -> bool:
        """Whether it says what was decided in the same transaction about somebody else's proposal."""
        decision, decider = self._shown.decisions.decided_at(entry.id, position), entry.decided_by
        if decision is None or decider is None or decision.status != "APPROVED" or decider == decision.proposer:
            return False
        return decider == decision.decided_by and entry == changed_camera(before, decision, decider)

    def recorder(self, camera: CameraEntry, anchor: Anchor, block: Block) -> Judgement:
        """Of a slot the contract has seen to that. In a sealed batch it saw no leaf: its site must be the camera's."""
        if not anchor.key.startswith("root/"):
            return SOUND
        _, site, recorder, _ = anchor.key.split("/")
        entry = self._shown.registry.participant_at(recorder, anchor.position)
        place = ("RECORDER", camera.site, camera.control_room)
        if entry is None or site != camera.site or (entry.role, entry.site, entry.control_room) != place:
            return untrusted("recorder", "the block was not anchored by a recorder of the camera's site")
        return self._shown.history("participant", entry.id, entry.n)

    def complete(self, camera: CameraEntry, anchor: Anchor) -> Judgement:
        name = camera.id
        subjects = (f"camera/{name}", f"change/{name}", f"revocation/{name}", f"policy/{camera.control_room}")
        shown = all(
            self._receipts.shows_all(f"{subject}/", f"{subject}0", since=anchor.position)
            for subject in (*subjects, "participant", "delegation")
        )
        if not shown:
            text = f"not everything is shown that the ledger says about camera {name}"
            return untrusted("registry_incomplete", text)
        # What cannot be read or is contradicted has no place in the history, so that nothing else would miss it.
        about = tuple(f"{subject}/" for subject in subjects)
        return worst(
            judged
            for key, judged in self._shown.judged.items()
            if key.startswith(about) and judged.standing is Standing.BROKEN
        )
