"""Check 2: was the camera approved, and was the key valid, when the block was anchored?

The registry is rebuilt from evidence and every decision in it is judged again. Times that records claim play no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from evidence.blocks import Block, SignedBlock
from evidence.errors import Malformed
from evidence.genesis import Genesis
from evidence.policy import Policy, parse_policy
from evidence.records import Record
from evidence.registry import CameraEntry, Position, judge_block
from verifier.anchor import AFTER_ALL, SOUND, Anchor, AnchorJudge, Judgement, Standing, broken, untrusted
from verifier.bundle import Bundle
from verifier.shown_registry import ShownRegistry, worst

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


class DecisionJudge(Protocol):
    """Knows whether decisions were their authors' to make."""

    def decision(self, key: str) -> Judgement:
        """Of one entry of the registry; asked in ledger order."""
        ...

    def recorder(self, camera: CameraEntry, anchor: Anchor, block: Block) -> Judgement:
        """Whether a recorder of the camera's site anchored this block."""
        ...

    def complete(self, camera: CameraEntry, anchor: Anchor) -> Judgement:
        """Whether all entries that could speak about the camera at that moment are shown."""
        ...


class RegistryJudge:
    """The registry that a bundle shows, every entry with a judgement."""

    def __init__(
        self, bundle: Bundle, genesis: Genesis, receipts: AnchorJudge, shown: ShownRegistry, decided: DecisionJudge
    ) -> None:
        self._genesis = genesis
        self._shown = shown
        self._decided = decided
        self.registry = shown.registry
        self._founded = _judge_founding(bundle, receipts)
        for key in shown.in_order:
            shown.judged[key] = worst((shown.judged[key], decided.decision(key)))
        self._histories: dict[tuple[object, ...], Judgement] = {}

    def judge(self, record: Record, signed: SignedBlock, anchor: Anchor | None) -> Judgement:
        """Check 2 (and the signature of check 3) for one block.

        Args:
            anchor: of the transaction that anchored it; None where it is pending, which the present registry judges.
        """
        position = AFTER_ALL if anchor is None else anchor.position
        camera = self.registry.camera_at(record.camera, position)
        judgement = self.judge_block(signed, anchor)
        if judgement.standing is not Standing.SOUND or camera is None:
            return judgement
        if not self.registry.enrolled(camera.id, record.enrolment, position) or record.site != camera.site:
            return untrusted("enrolment", "the record was made under another approval of the camera")
        return judgement

    def judge_block(self, signed: SignedBlock, anchor: Anchor | None) -> Judgement:
        """The same of a block whose record is not at hand."""
        name, position = signed.block.camera, AFTER_ALL if anchor is None else anchor.position
        camera = self.registry.camera_at(name, position)
        earlier = [entry for at, entry in self.registry.camera_history(name) if at < position]
        revoked = {each.key for at, each in self._shown.decisions.revocations(name) if at < position}
        reason = judge_block(camera, signed, earlier=earlier, revoked=revoked)
        if reason is not None or camera is None:
            return _BLOCK[reason or "camera_unknown"]
        compromised = self._compromised(camera.id, signed.block.key, anchor)
        if compromised.standing is not Standing.SOUND:
            return compromised
        known = (camera.id, position, "" if anchor is None else anchor.transaction, camera.n)
        if known not in self._histories:
            history = self._shown.history("camera", camera.id, camera.n)
            self._histories[known] = worst((self._founded, history, *self._anchoring(camera, anchor, signed.block)))
        return self._histories[known]

    def lets_in(self, signed: SignedBlock, anchor: Anchor) -> bool:
        """Whether the contract would have taken this block at that moment from whoever anchored it."""
        name, position = signed.block.camera, anchor.position
        camera = self.registry.camera_at(name, position)
        earlier = [entry for at, entry in self.registry.camera_history(name) if at < position]
        revoked = {each.key for at, each in self._shown.decisions.revocations(name) if at < position}
        if camera is None or judge_block(camera, signed, earlier=earlier, revoked=revoked) is not None:
            return False
        return self._decided.recorder(camera, anchor, signed.block).standing is Standing.SOUND

    def _compromised(self, camera: str, key: str, anchor: Anchor | None) -> Judgement:
        """Whether a later revocation reaches back to this block: by when it was proven anchored decides, nothing else.

        What a record says of its own time is worth nothing here: a thief writes any time into it.
        """
        revocations = self._shown.decisions.revocations(camera)
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
        known = {int(name[len(prefix) :]) for name in self._shown.judged if name.startswith(prefix)}
        found += [
            judged
            for name, judged in self._shown.judged.items()
            if name.startswith(prefix) and judged.standing is Standing.BROKEN
        ]
        if known != set(range(len(known))):
            found.append(untrusted("registry_incomplete", f"the history of {camera}'s keys is not complete"))
        return worst(found)

    def _anchoring(self, camera: CameraEntry, anchor: Anchor | None, block: Block) -> tuple[Judgement, ...]:
        if anchor is None:
            return ()
        return self._decided.recorder(camera, anchor, block), self._decided.complete(camera, anchor)

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


def _judge_founding(bundle: Bundle, receipts: AnchorJudge) -> Judgement:
    shown = bundle.state.get("genesis")
    if shown is None or shown.writes.get("genesis") != bundle.genesis:
        return broken("genesis", "the ledger does not hold its own genesis")
    return receipts.anchor(shown).judgement
