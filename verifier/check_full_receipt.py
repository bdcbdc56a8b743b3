"""Check 8, where the whole block is shown: who wrote it, who endorsed the write, and in which chain of blocks.

A full receipt adds to a signed read and never replaces it: that its transaction was valid, the block does not show.
Which of two transactions won the signed read says: its version must be the receipt's position. So a loser's receipt,
another envelope of the same block, or another block fit nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chaincode.table import TABLE
from evidence.certificates import Caller, caller_of
from evidence.fabric_receipt import FullReceipt
from evidence.registry import Position
from evidence.trust import FabricTrust
from verifier.anchor import SOUND, Judgement, broken, untrusted
from verifier.fabric_signers import ORDERER, PEER, Signers
from verifier.sentences import joined


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What a full receipt shows about a write; `caller` None where its certificate cannot be read."""

    judgement: Judgement
    transaction: str = ""
    function: str = ""
    caller: Caller | None = None
    time_us: int = 0
    endorsers: tuple[str, ...] = ()


class FullReceiptJudge:
    """Judges full receipts of one channel.

    Args:
        named: what the trust file says about this ledger; None where it says nothing.
        seen: hashes of blocks that the examiner saw earlier, by height.
    """

    def __init__(self, channel: str, named: FabricTrust | None, seen: Mapping[int, bytes], signers: Signers) -> None:
        self._channel = channel
        self._named = named
        self._seen = seen
        self._signers = signers
        self._judged: dict[int, tuple[FullReceipt, Written]] = {}

    def written(self, receipt: FullReceipt, key: str, value: bytes, position: Position) -> Written:
        """What `receipt` shows about the write of `value` under `key` at `position`; never raises."""
        known = self._judged.get(id(receipt))
        if known is None:
            known = self._judged[id(receipt)] = receipt, self._written(receipt)
        if receipt.position != position or receipt.writes.get(key) != value:
            return Written(
                judgement=broken("other_write", "a full receipt does not write what the signed read shows in its place")
            )
        return known[1]

    def _written(self, receipt: FullReceipt) -> Written:
        transaction = receipt.transaction
        certificate = transaction.creator.parsed()
        endorsers = self._signers.organisations(transaction.signers(), PEER, transaction.time_us)
        caller = None if certificate is None else caller_of(transaction.creator.msp, certificate)
        return Written(
            judgement=self._judge(receipt, caller, endorsers),
            transaction=transaction.tx_id,
            function=transaction.function,
            caller=caller,
            time_us=transaction.time_us,
            endorsers=endorsers,
        )

    def _judge(self, receipt: FullReceipt, caller: Caller | None, endorsers: tuple[str, ...]) -> Judgement:
        transaction, named = receipt.transaction, self._named
        if transaction.channel != self._channel:
            return broken("other_channel", "a full receipt belongs to another channel than the ledger named")
        shown = {height: digest for height, digest in self._seen.items() if height in receipt.headers}
        if any(receipt.headers[height].digest != digest for height, digest in shown.items()):
            return untrusted("rewritten", "the ledger shows another past than the one that the examiner saw earlier")
        if named is None:
            return SOUND  # that the ledger is not trusted, the signed read says
        if transaction.chaincode != named.chaincode or transaction.status != 200:
            return broken("other_chaincode", "a full receipt comes from another contract than the one trusted")
        reason = self._signers.unfit(transaction.creator, None, transaction.time_us)
        if caller is None or reason:
            return untrusted("creator", f"who wrote it is not established ({reason or 'an unreadable certificate'})")
        rule = TABLE.get(transaction.function)
        if rule is None or not (rule.permits(caller.role, caller.msp) or rule.permits_deputy(caller.role, caller.msp)):
            return untrusted("role", f"{caller.role or 'nobody'} of {caller.msp} may not call {transaction.function}")
        if not named.satisfied_by(endorsers):
            whom = joined(endorsers) or "nobody whom the examiner trusts"
            return untrusted("write_endorsement", f"the write was endorsed by {whom}, not by {named.rule}")
        signed = receipt.block.signers(self._signers.consenters)
        orderers = self._signers.keys(signed, ORDERER, transaction.time_us)
        if orderers < named.orderer_quorum:
            text = f"{orderers} trusted orderers signed its block, where the examiner asks for {named.orderer_quorum}"
            return untrusted("orderers", text)
        return SOUND
