"""Who endorsed before: asked by name next time, a gateway need not find out again who is needed.

A gateway that is left to choose endorses on its own peer first, works out from the rule and from whom it sees who else
is needed, and then asks those. Naming them spares it that, and all endorse at the same time.
"""

from __future__ import annotations

LEARNING = 8  # transactions of a contract for which the gateway chooses, before any is remembered
AGAIN_EVERY = 50  # and one of so many later on, so that a change of rule or of organisations is seen


class Endorsers:
    """What one client saw: for each contract, the sets of organisations that a gateway chose and that counted."""

    def __init__(self) -> None:
        self._sets: dict[str, list[tuple[str, ...]]] = {}
        self._asked: dict[str, int] = {}

    def next(self, chaincode: str) -> tuple[str, ...] | None:
        """Organisations to name in the next proposal, all known sets in turn; None: let the gateway choose."""
        asked = self._asked.get(chaincode, 0)
        self._asked[chaincode] = asked + 1
        known = self._sets.get(chaincode)
        if not known or asked < LEARNING or asked % AGAIN_EVERY == 0:
            return None
        return known[asked % len(known)]

    def counted(self, chaincode: str, organisations: tuple[str, ...]) -> None:
        """A gateway chose these, and the transaction was valid."""
        known = self._sets.setdefault(chaincode, [])
        named = tuple(sorted(set(organisations)))
        if named and named not in known:
            known.append(named)

    def failed(self, chaincode: str) -> None:
        """With organisations that were named something went wrong: one may be away, or another rule may be in force."""
        self._sets.pop(chaincode, None)
        self._asked.pop(chaincode, None)
