"""Checks 7 and 8 on Fabric: which organisations signed that this stands on the ledger, and are they those asked for?

A signed read is judged once, however many keys it shows. One that belongs to another channel or contract, or that two
believed reads contradict, is BROKEN; one under organisations, roots or a rule other than the examiner's is UNTRUSTED.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from evidence.fabric_read import SignedRead
from evidence.fabric_receipt import FullReceipt
from evidence.proof_ranges import covered, whole_range
from evidence.registry import Position
from evidence.trust import FabricTrust
from verifier.anchor import NOT_TRUSTED, SOUND, Anchor, Judgement, Shown, Standing, broken, untrusted
from verifier.check_full_receipt import FullReceiptJudge, Written
from verifier.fabric_signers import PEER, Signers
from verifier.sentences import joined, short_ledger

# Peers that check it refuse a proposal whose time is further than this from their own clock.
TIME_WINDOW_US = 15 * 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadValue:
    """What signed reads show under one key: the value, and the position of the write. `reads` is never empty."""

    key: str
    value: bytes
    position: Position
    reads: tuple[SignedRead, ...] = field(repr=False)

    @property
    def writes(self) -> Mapping[str, bytes]:
        return {self.key: self.value}


def judge_read(
    read: SignedRead, ledger_id: str, named: FabricTrust | None, signers: Signers
) -> tuple[Judgement, tuple[str, ...]]:
    """What one signed read is worth, and which organisations vouch for it; see `SignedReadJudge`."""
    transaction = read.transaction
    if transaction.channel != ledger_id.split(":")[1]:
        return broken("other_channel", "a signed read belongs to another channel than the ledger named"), ()
    if named is not None and transaction.chaincode != named.chaincode:
        return broken("other_chaincode", "a signed read comes from another contract than the one trusted"), ()
    found = transaction.signers()
    endorsers = signers.organisations(found, PEER, transaction.time_us)
    if named is not None and named.satisfied_by(endorsers):
        return SOUND, endorsers  # whatever else stands beside enough signatures neither adds nor takes anything
    # A signature under a kind of key that is not read here may be good or not.
    if len(found) < len({each.serialized for each, _ in transaction.endorsements if each.parsed() is not None}):
        text = "an organisation's signature does not fit what it is said to have signed"
        return broken("endorsement_signature", text), ()
    if named is None:
        return untrusted("ledger_not_trusted", f"the ledger {short_ledger(ledger_id)} {NOT_TRUSTED}"), ()
    unfit = next(filter(None, (signers.unfit(each, PEER, transaction.time_us) for each in found)), "")
    signed = joined(endorsers) or "nobody whom the examiner trusts"
    text = f"it is signed by {signed}, where the examiner asks for {named.rule}"
    return untrusted("endorsement", f"{text} ({unfit})" if unfit else text), endorsers


class SignedReadJudge:
    """Judges what signed reads of one channel show, under what the examiner trusts.

    Args:
        ledger_id: `fabric:<channel>:<genesis header hash>`, as the evidence names it.
        named: what the trust file says about this ledger; None where it says nothing.
        reads: all signed reads at hand.
        receipts: full receipts that accompany them, by position.
        seen: hashes of ledger blocks that the examiner saw earlier, by height.
        own_word: the evidence's keeper chose whom to trust, so nothing but that keeper's word excludes other readers.
    """

    def __init__(
        self,
        ledger_id: str,
        named: FabricTrust | None,
        reads: Sequence[SignedRead],
        signers: Signers,
        *,
        receipts: Mapping[Position, FullReceipt] = MappingProxyType({}),
        seen: Mapping[int, bytes] = MappingProxyType({}),
        own_word: bool = False,
    ) -> None:
        self._named = named
        self._own_word = own_word
        self._receipts = receipts
        self._full = FullReceiptJudge(ledger_id.split(":")[1], named, seen, signers)
        self._reads = tuple(reads)
        self._judged = {id(read): judge_read(read, ledger_id, named, signers) for read in reads}
        self._sound = [read for read in reads if self._judged[id(read)][0].standing is Standing.SOUND]
        self._said: dict[str, set[tuple[Position, bytes]]] = defaultdict(set)
        for read in self._sound:
            for key, said in read.entries.items():
                self._said[key].add(said)

    def anchor(self, shown: Shown) -> Anchor:
        """What `shown` is worth; never raises."""
        if not isinstance(shown, ReadValue):
            return Anchor(judgement=broken("receipt_malformed", "what is shown is no signed read"))
        reads = [read for read in shown.reads if read.entries.get(shown.key) == (shown.position, shown.value)]
        if not reads:
            return Anchor(judgement=broken("not_read", "a signed read does not show what it stands for"))
        best = min(reads, key=lambda read: self._judged[id(read)][0].standing)
        judgement, endorsers = self._judged[id(best)]
        if judgement.standing is Standing.SOUND and self._said[shown.key] != {(shown.position, shown.value)}:
            judgement = broken("contradiction", "organisations signed two different contents of one ledger entry")
        receipt = self._receipts.get(shown.position)
        written = None
        if receipt is not None:
            written = self._full.written(receipt, shown.key, shown.value, shown.position)
            judgement = max(judgement, written.judgement, key=lambda each: each.standing)
        moments = [read.transaction.time_us for read in reads if self._timed(read)]
        if written is not None and judgement.standing is Standing.SOUND and self._checks_time(written):
            moments.append(written.time_us)
        return Anchor(
            judgement=judgement,
            position=shown.position,
            transaction=best.transaction.tx_id if written is None else written.transaction,
            signed_read=written is None,
            function="" if written is None else written.function,
            caller=None if written is None else written.caller,
            time_us=0 if written is None else written.time_us,
            anchored_by_us=min(moments) + TIME_WINDOW_US if moments else None,
            source="organisations" if moments else "none",
            keeper=self._own_word or len(endorsers) < 2,
            endorsers=endorsers,
            key=shown.key,
        )

    def shows_all(self, start: str, end: str, *, since: Position, assume: bool = False) -> bool:
        """Whether believed reads that are not older than `since` show every key with start <= key < end."""
        limit = Standing.UNTRUSTED if assume else Standing.SOUND
        reads = [read for read in self._reads if read.as_of >= since and self._judged[id(read)][0].standing <= limit]
        return covered([each for read in reads for each in read.ranges], start, end)

    def overrules(self, shown: Shown) -> bool:
        """Whether a believed read looked in this place, and none of them knows of what is shown there."""
        return (
            isinstance(shown, ReadValue)
            and shown.key not in self._said
            and any(each.start <= shown.key < each.end for read in self._sound for each in read.ranges)
        )

    def registry_as_of(self, camera: str | None) -> int | None:
        """Height of the newest believed read that shows all participants and the camera's revoked keys."""
        if camera is None:
            return None
        wanted = whole_range("participant"), whole_range("revocation", camera)
        heights = [read.as_of.height for read in self._sound if all(covered(read.ranges, *each) for each in wanted)]
        return max(heights, default=None)

    @property
    def keepers(self) -> tuple[str, ...]:
        """Organisations that signed every believed read."""
        signed = [{*self._judged[id(read)][1]} for read in self._sound]
        return tuple(sorted(set.intersection(*signed))) if signed else ()

    @property
    def vouching(self) -> int:
        """How many organisations signed the believed read that fewest did; of two reads they need not be the same."""
        return min((len(self._judged[id(read)][1]) for read in self._sound), default=0)

    def _timed(self, read: SignedRead) -> bool:
        """Whether an organisation that is not the asker's, and whom the examiner believes to check times, signed."""
        judgement, endorsers = self._judged[id(read)]
        return judgement.standing is Standing.SOUND and self._window(endorsers, read.transaction.creator.msp)

    def _checks_time(self, written: Written) -> bool:
        return written.caller is not None and self._window(written.endorsers, written.caller.msp)

    def _window(self, endorsers: Iterable[str], creator: str) -> bool:
        return self._named is not None and bool(({*endorsers} - {creator}) & {*self._named.timewindow_msps})
