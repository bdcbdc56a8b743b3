"""Evidence from a Fabric channel: what kept or freshly taken signed reads show, beside what a home keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from evidence.certificates import Certificate
from evidence.errors import Malformed
from evidence.fabric_configuration import FabricConfiguration
from evidence.fabric_read import SignedRead, parse_signed_read
from evidence.fabric_receipt import FullReceipt, parse_full_receipt
from evidence.genesis import parse_genesis
from evidence.ledger_format import LedgerBlock
from evidence.registry import Position
from evidence.trust import NO_TRUST, FabricTrust, Trust
from verifier.anchor import Standing
from verifier.bundle import SlotName
from verifier.check_signed_read import ReadValue, judge_read
from verifier.fabric_signers import Signers, readable_authorities

Kept = Callable[[str | None], Iterable[bytes]]
"""Signed reads that are kept for a camera; without a name, some of any camera."""
Fresh = Callable[[str, int, int, int], Iterable[bytes]]
"""Takes new signed reads about a camera: chain, first and last sequence. Raises VeriframeError."""

Said = tuple[Position, bytes]
"""What a read shows under a key: the position of the write, and the value."""
Full = Callable[[Position], bytes | None]
"""The full receipt of the transaction at a position, where there is one."""


class Custody(Protocol):
    """What is kept beside the ledger; see `verifier.source.Source`."""

    @property
    def has_store(self) -> bool: ...
    def proof(self, slot: SlotName) -> bytes | None: ...
    def stored(self) -> Sequence[SlotName]: ...
    def hints(self, digests: Iterable[bytes]) -> Iterable[SlotName]: ...
    def batch_hints(self, slot: SlotName) -> Iterable[tuple[str, str, int]]: ...
    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None: ...


class FabricSource:
    """A `verifier.source.Source` over signed reads.

    Args:
        ledger_id: `fabric:<channel>:<genesis header hash>`.
        fresh: None where the network shall not be asked.
        full: None where whole blocks are neither kept nor asked for.
        own: what it means to take the keeper's own word; None where the keeper names nobody. Asked for only where
            somebody takes it, and may raise Malformed then.
        authorities: certificates (DER) that are offered as the organisations' roots.
    """

    def __init__(
        self,
        ledger_id: str,
        custody: Custody,
        *,
        kept: Kept,
        fresh: Fresh | None = None,
        full: Full | None = None,
        own: Callable[[], FabricTrust | None] = lambda: None,
        configuration: FabricConfiguration | None = None,
        authorities: Iterable[bytes] = (),
    ) -> None:
        self.ledger_id = ledger_id
        self.authorities = tuple(authorities)
        self._own = own
        self._custody = custody
        self._kept = kept
        self._fresh = fresh
        self._full = full
        self.configuration = configuration
        self._reads: dict[bytes, SignedRead] = {}
        self._loaded: set[str | None] = set()
        self._unreadable = 0
        # Everything that reads show: by key, the reads that show one value since one position.
        self._shown: dict[str, dict[Said, list[SignedRead]]] = {}
        self._values: dict[tuple[str, Position], ReadValue] = {}
        self._trust = NO_TRUST
        self._standings: dict[bytes, Standing] = {}

        self.has_store = custody.has_store
        self.proof = custody.proof
        self.stored = custody.stored
        self.hints = custody.hints
        self.batch_hints = custody.batch_hints
        self.leaf_list = custody.leaf_list

    @property
    def own_trust(self) -> Trust:
        named = self._own()
        return Trust(ledgers=() if named is None else (named,))

    @property
    def reads(self) -> tuple[SignedRead, ...]:
        return tuple(self._reads.values())

    @property
    def genesis(self) -> bytes:
        if not self._reads:
            self._load(None)
        found = self.entry("genesis")
        if found is None:
            many = f" ({self._unreadable} cannot be read)" if self._unreadable else ""
            raise Malformed(
                f"no signed read at hand shows the ledger's founding document{many}",
                next_step="take new ones from the network: --ledger fabric:PROFILE",
            )
        return found[2]

    @property
    def height(self) -> int | None:
        return max((read.as_of.height for read in self.reads), default=None)

    def believe(self, trust: Trust | None) -> None:
        self._trust = NO_TRUST if trust is None else trust
        self._standings.clear()
        self._values.clear()

    def prepare(self, camera: str, chain: int, first: int, last: int) -> None:
        self._load(camera)
        if self._fresh is not None:
            self._take(self._fresh(camera, chain, first, last))

    def entries(self, prefix: str, *, first: str = "", last: str = "") -> list[tuple[Position, str, bytes]]:
        parts = prefix.split("/")
        if parts[0] in ("block", "chain", "camera", "change", "revocation") and len(parts) > 2:
            self._load(parts[1])
        keys = [key for key in self._shown if key.startswith(prefix) and key >= first and (not last or key <= last)]
        return [self._entry(key) for key in sorted(keys)]

    def entry(self, key: str) -> tuple[Position, str, bytes] | None:
        parts = key.split("/")
        if parts[0] == "block":
            self._load(parts[1])
        return self._entry(key) if key in self._shown else None

    def shown(self, key: str, position: Position) -> ReadValue:
        known = self._values.get((key, position))
        if known is None:
            said = [each for each in self._shown.get(key, ()) if each[0] == position]
            if not said:
                raise Malformed("no signed read shows it", where=key)
            _, value = self._best(key, said)
            known = ReadValue(key=key, value=value, position=position, reads=tuple(self._shown[key][position, value]))
            self._values[key, position] = known
        return known

    def full_receipt(self, position: Position) -> FullReceipt | None:
        document = None if self._full is None else self._full(position)
        return None if document is None else parse_full_receipt(document)

    def block(self, height: int) -> LedgerBlock:
        raise Malformed(f"signed reads hold no ledger block {height}")

    def _entry(self, key: str) -> tuple[Position, str, bytes]:
        position, value = self._best(key, self._shown[key])
        return position, key, value

    def _best(self, key: str, said: Collection[Said]) -> Said:
        """What the reads worth most say: anybody can write a read that says something else."""
        # Where believed reads contradict each other, the judge says so; which of them stands here is all the same.
        if len(said) == 1:
            return next(iter(said))
        return min(said, key=lambda each: (min(map(self._standing, self._shown[key][each])), each))

    def _standing(self, read: SignedRead) -> Standing:
        if not self._standings:
            named = self._trust.ledger(self.ledger_id)
            named = named if isinstance(named, FabricTrust) else None
            offered = [*readable_authorities(self.authorities), *self._founding_roots()]
            signers = Signers(named, self._trust, offered, self.configuration)
            for each in self.reads:
                self._standings[each.document] = judge_read(each, self.ledger_id, named, signers)[0].standing
        return self._standings[read.document]

    def _founding_roots(self) -> Iterable[Certificate]:
        """Of whatever is shown as the founding document: those alone count that the trust file pins."""
        for _, value in self._shown.get("genesis", ()):
            try:
                yield from (root for each in parse_genesis(value).msps.values() for root in each.roots)
            except Malformed:
                continue

    def _load(self, camera: str | None) -> None:
        if camera not in self._loaded:
            self._loaded.add(camera)
            self._take(self._kept(camera))

    def _take(self, documents: Iterable[bytes]) -> None:
        for document in documents:
            if document in self._reads:
                continue
            try:
                read = parse_signed_read(document)
            except Malformed:
                self._unreadable += 1  # what it would have shown is lacking, and is named as such where it is needed
                continue
            self._reads[document] = read
            self._values.clear()
            self._standings.clear()
            for key, said in read.entries.items():
                self._shown.setdefault(key, {}).setdefault(said, []).append(read)
