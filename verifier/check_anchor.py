"""Checks 7 and 8 of one receipt: who wrote what into which ledger, and whose word that rests on.

A receipt is judged once, however many slots it covers. Structure that does not hold together is BROKEN (somebody edited
it); structure that holds, under keys the examiner did not name, is UNTRUSTED. Neither supports any finding.
"""

from __future__ import annotations

from collections.abc import Mapping

from chaincode.table import TABLE
from evidence import merkle
from evidence.certificates import Certificate, caller_of, parse_certificate
from evidence.checkpoint import Checkpoint, parse_checkpoint
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.genesis import Genesis
from evidence.ledger_format import VALID, LedgerBlock, Receipt, parse_transaction, write_set
from evidence.registry import Position
from evidence.trust import EmbeddedTrust, Trust
from verifier.anchor import NOT_TRUSTED, SOUND, Anchor, Judgement, Shown, Standing, broken, untrusted
from verifier.sentences import short_ledger


class ReceiptJudge:
    """Judges receipts of one embedded ledger under what the examiner trusts.

    Args:
        ledger: what the trust file says about this ledger; None where it says nothing.
        trust: the whole trust file, for revocations and checkpoints seen earlier.
        headers: ledger blocks by height, to lead from an anchor to a checkpoint seen earlier.
        height: of the newest ledger block at hand.
    """

    def __init__(
        self,
        genesis: Genesis,
        ledger: EmbeddedTrust | None,
        trust: Trust,
        headers: Mapping[int, LedgerBlock],
        *,
        height: int | None = None,
    ) -> None:
        self._height = height
        self._genesis = genesis
        self._digest = genesis.digest
        self._ledger = ledger
        self._revoked = {each.sha256: each.since_us for each in trust.revoked}
        self._seen = {each.height: each.hash for each in trust.checkpoints if each.ledger == genesis.ledger_id}
        self._headers = headers
        self._rewritten = any(
            height in headers and headers[height].digest != digest for height, digest in self._seen.items()
        )
        # Keyed by identity, with the receipt kept alive beside the answer: hashing megabytes again would cost more
        # than judging them.
        self._judged: dict[int, tuple[Receipt, Anchor]] = {}
        self._certificates: dict[bytes, tuple[Certificate, str | None] | None] = {}
        self._notes: dict[bytes, Checkpoint | None] = {}
        self._endorsed: dict[bytes, bool] = {}

    def shows_all(self, start: str, end: str, *, since: Position, assume: bool = False) -> bool:
        """Always: whoever reads the ledger's file holds its state against its log, and then knows all of it."""
        return True

    def overrules(self, shown: Shown) -> bool:
        """Never: what stands in the ledger's file stands there, whoever wrote it."""
        return False

    def registry_as_of(self, camera: str | None) -> int | None:
        """Height of the newest ledger block at hand, for all cameras."""
        return self._height

    def anchor(self, receipt: Shown) -> Anchor:
        """What `receipt` shows; never raises."""
        if not isinstance(receipt, Receipt):
            return Anchor(judgement=broken("receipt_malformed", "what is shown is no receipt of an embedded ledger"))
        known = self._judged.get(id(receipt))
        if known is None:
            known = self._judged[id(receipt)] = (receipt, self._judge(receipt))
        return known[1]

    def _judge(self, receipt: Receipt) -> Anchor:
        try:
            return self._examine(receipt)
        except Malformed as error:
            return Anchor(judgement=broken("receipt_malformed", f"a receipt cannot be read ({error.detail})"))

    def _examine(self, receipt: Receipt) -> Anchor:
        transaction = parse_transaction(receipt.transaction.payload)
        tx_id = receipt.tx_id
        index = next((i for i, entry in enumerate(receipt.block.transactions) if entry.tx_id == tx_id), None)
        checkpoint = self._checkpoint(receipt.checkpoint)
        certified = self._certificate(transaction.certificate)
        judgement = SOUND
        if transaction.ledger != self._digest:
            judgement = broken("other_ledger", "a receipt belongs to another ledger")
        elif index is None or not self._wrote(receipt, index):
            judgement = broken("writes_differ", "a receipt's ledger block does not hold what the receipt claims")
        elif certified is None or not _signed(receipt, certified[0]):
            judgement = broken("transaction_signature", "a transaction's signature does not fit its certificate")
        elif checkpoint is None or not self._included(receipt, checkpoint):
            judgement = broken("not_included", "a receipt's ledger block is not in the log that its checkpoint signs")
        else:
            judgement = self._entitled(transaction.msp, transaction.function, transaction.time_us, certified)
        caller = caller_of(transaction.msp, certified[0]) if certified is not None else None
        witnessed_us, seen = self._witnessed(checkpoint), self._was_seen(receipt.block)
        if judgement.standing is Standing.SOUND and checkpoint is not None:
            judgement = self._vouched(receipt, checkpoint, witnessed_us, seen)
        anchored_by_us, source = self._anchored_by(receipt.block.time_us, witnessed_us)
        if judgement.standing is Standing.SOUND and certified is not None:
            judgement = self._unrevoked(certified[0], transaction.msp, anchored_by_us)
        return Anchor(
            judgement=judgement,
            position=Position(receipt.block.height, index or 0),
            transaction=tx_id,
            function=transaction.function,
            caller=caller,
            time_us=transaction.time_us,
            block_time_us=receipt.block.time_us,
            anchored_by_us=anchored_by_us,
            source=source,
            keeper=witnessed_us is None and not seen,
        )

    def _wrote(self, receipt: Receipt, index: int) -> bool:
        entry = receipt.block.transactions[index]
        return entry.code == VALID and entry.writes == sha256(write_set(receipt.writes))

    def _certificate(self, der: bytes) -> tuple[Certificate, str | None] | None:
        if der not in self._certificates:
            try:
                certificate = parse_certificate(der)
                self._certificates[der] = (certificate, self._genesis.msp_of(certificate))
            except Malformed:
                self._certificates[der] = None
        return self._certificates[der]

    def _checkpoint(self, note: bytes) -> Checkpoint | None:
        if note not in self._notes:
            try:
                self._notes[note] = parse_checkpoint(note)
            except Malformed:
                self._notes[note] = None
        return self._notes[note]

    def _included(self, receipt: Receipt, checkpoint: Checkpoint) -> bool:
        return (
            checkpoint.origin == self._genesis.origin
            and checkpoint.size == receipt.size
            and merkle.verify_inclusion(
                merkle.leaf_hash(receipt.block.canonical()),
                receipt.block.height,
                receipt.size,
                receipt.path,
                checkpoint.root,
            )
        )

    def _entitled(self, msp: str, function: str, time_us: int, certified: tuple[Certificate, str | None]) -> Judgement:
        certificate, issuer = certified
        rule = TABLE.get(function)
        if issuer is None or issuer != msp:
            return untrusted("issuer", f"a certificate used was not issued by {msp} of this ledger's genesis")
        if not certificate.valid_at(time_us):
            return untrusted("certificate_expired", "a certificate was used outside its validity")
        # Whether a deputy had a manager's word at that moment, the registry says.
        permitted = rule is not None and (
            rule.permits(certificate.role, msp) or rule.permits_deputy(certificate.role, msp)
        )
        if rule is None or rule.kind != "submit" or not permitted:
            return untrusted("role", f"{certificate.role or 'nobody'} of {msp} may not call {function}")
        return SOUND

    def _witnessed(self, checkpoint: Checkpoint | None) -> int | None:
        """Moment by which a quorum of the examiner's witnesses had cosigned, Unix microseconds."""
        if self._ledger is None or checkpoint is None or not self._ledger.witnesses:
            return None
        seconds = sorted(
            second
            for second in (checkpoint.cosigned_by(witness) for witness in self._ledger.witnesses)
            if second is not None
        )
        quorum = max(1, self._ledger.quorum)
        return seconds[quorum - 1] * 1_000_000 if len(seconds) >= quorum else None

    def _was_seen(self, block: LedgerBlock) -> bool:
        """Whether `block` is, or provably precedes, a ledger block that the examiner saw earlier."""
        if not self._seen:
            return False
        if block.height in self._seen:
            return self._seen[block.height] == block.digest
        later = min((height for height in self._seen if height > block.height), default=None)
        if later is None:
            return False
        expected = self._seen[later]
        for height in range(later, block.height, -1):
            header = self._headers.get(height)
            if header is None or header.height != height or header.previous is None or header.digest != expected:
                return False
            expected = header.previous
        return expected == block.digest

    def _vouched(self, receipt: Receipt, checkpoint: Checkpoint, witnessed_us: int | None, seen: bool) -> Judgement:
        if self._ledger is None:
            return untrusted("ledger_not_trusted", f"the ledger {short_ledger(self._genesis.ledger_id)} {NOT_TRUSTED}")
        if receipt.checkpoint not in self._endorsed:
            self._endorsed[receipt.checkpoint] = any(checkpoint.signed_by(key) for key in self._ledger.operators)
        if not self._endorsed[receipt.checkpoint]:
            return untrusted("operator_not_trusted", f"the key that signed the ledger's log {NOT_TRUSTED}")
        if self._rewritten or self._seen.get(receipt.block.height, receipt.block.digest) != receipt.block.digest:
            return untrusted("rewritten", "the ledger shows another past than the one that the examiner saw earlier")
        if not seen and any(receipt.block.height <= height < receipt.size for height in self._seen):
            # Its operator signs a log that reaches beyond the block seen; leaving out what lies between proves nothing.
            return untrusted(
                "unconnected", "the ledger is not shown to lead up to the block that the examiner saw earlier"
            )
        if witnessed_us is None and not seen and not self._ledger.single_operator:
            return untrusted(
                "single_operator",
                f"the word of the ledger's one operator, beside whom no witness stands, {NOT_TRUSTED}",
            )
        return SOUND

    def _anchored_by(self, block_time_us: int, witnessed_us: int | None) -> tuple[int | None, str]:
        operator = self._ledger is not None and self._ledger.single_operator
        if operator and (witnessed_us is None or block_time_us <= witnessed_us):
            return block_time_us, "operator"
        return (None, "none") if witnessed_us is None else (witnessed_us, "witness")

    def _unrevoked(self, certificate: Certificate, msp: str, anchored_by_us: int | None) -> Judgement:
        chain = [certificate, *(root for root in self._genesis.msps[msp].roots if certificate.issued_by(root))]
        for each in chain if self._revoked else ():
            since_us = min((self._revoked[digest] for digest in each.digests & self._revoked.keys()), default=None)
            if since_us is not None and (anchored_by_us is None or anchored_by_us >= since_us):
                return untrusted("revoked", "a certificate used is revoked in what the examiner was told to trust")
        return SOUND


def _signed(receipt: Receipt, certificate: Certificate) -> bool:
    envelope = receipt.transaction
    if len(envelope.signatures) != 1 or envelope.signatures[0].key_id != certificate.public_key.key_id:
        return False
    return certificate.public_key.verify(envelope.signatures[0].signature, envelope.signing_input())
