"""The registry that a bundle shows: every entry with what its evidence is worth, before anybody asks who decided it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from evidence.decisions import Decisions
from evidence.errors import Malformed
from evidence.registry import Position, Registry, numbered_key
from verifier.anchor import SOUND, Anchor, AnchorJudge, Judgement, Shown, Standing, broken, untrusted
from verifier.bundle import Bundle

REGISTRY_KINDS = (
    *("camera/", "participant/", "policy/", "change/", "delegation/", "revocation/"),
    "pending/replace-admin/",
)
"""Prefixes of the ledger keys that this check needs, all of them."""


def worst(judgements: Iterable[Judgement]) -> Judgement:
    """The judgement with the worst standing, the first among equals."""
    return max(judgements, key=lambda each: each.standing, default=SOUND)


class ShownRegistry:
    """All entries at hand.

    Attributes:
        judged: by ledger key, what an entry is worth; whoever judges decisions writes into it.
        anchors: by ledger key, what its evidence shows.
        shown: evidence of the entries that could be read, by ledger key.
        in_order: keys of these, in ledger order.
    """

    def __init__(self, bundle: Bundle, receipts: AnchorJudge) -> None:
        self.judged: dict[str, Judgement] = {}
        self.anchors: dict[str, Anchor] = {}
        values: list[tuple[Position, str, bytes]] = []
        for key in bundle.state:
            shown = bundle.state[key]
            if not key.startswith(REGISTRY_KINDS) or receipts.overrules(shown):
                continue
            anchor, value = receipts.anchor(shown), shown.writes.get(key)
            if value is None:
                anchor = replace(anchor, judgement=broken("not_written", "a receipt does not write what it stands for"))
            self.anchors[key] = anchor
            self.judged[key] = anchor.judgement
            if value is not None and anchor.judgement.standing is not Standing.BROKEN:
                values.append((anchor.position, key, value))
        for key, reason in bundle.damaged.items():
            if key.startswith(REGISTRY_KINDS):
                self.judged[key] = broken("registry_damaged", f"an entry of the registry cannot be read ({reason})")
        self.shown: dict[str, Shown] = {key: bundle.state[key] for _, key, _ in values}
        readable = self._readable(values)
        self.registry = Registry(readable)
        self.decisions = Decisions(readable)
        self.in_order = [
            key
            for _, key, _ in sorted(values, key=lambda each: each[:2])
            if self.judged[key].standing is not Standing.BROKEN
        ]

    def _readable(self, values: list[tuple[Position, str, bytes]]) -> list[tuple[Position, str, bytes]]:
        """All entries that parse; the others are BROKEN."""
        readable = []
        for value in values:
            try:
                Registry([value])
                Decisions([value])
                readable.append(value)
            except Malformed as error:
                self.judged[value[1]] = broken(
                    "registry_entry", f"an entry of the registry cannot be read ({error.detail})"
                )
        return readable

    def history(self, kind: str, subject: str, n: int) -> Judgement:
        """The worst of all entries up to number `n`; a number that is lacking could be a suspension."""
        lacking = untrusted("registry_incomplete", f"the history of {subject} in the registry is not complete")
        return worst(self.judged.get(numbered_key(kind, subject, number), lacking) for number in range(n + 1))
