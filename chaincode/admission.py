"""Who signed this transaction, and may it be considered at all: every question before a rule runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from evidence.certificates import Caller, Certificate, caller_of, parse_certificate
from evidence.digests import sha256
from evidence.dsse import Envelope, parse_envelope
from evidence.errors import Refused
from evidence.genesis import Genesis
from evidence.ledger_format import (
    MAX_PAYLOAD_BYTES,
    TRANSACTION_PAYLOAD_TYPE,
    Transaction,
    parse_transaction,
    transaction_id,
)

# How far a transaction's time may lie from the host's clock (the check that Fabric's peers make).
TIME_WINDOW_US = 15 * 60 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A transaction whose signature and certificate are good; `nonce` is unique for its certificate."""

    envelope: Envelope
    transaction: Transaction
    tx_id: str
    caller: Caller
    nonce: bytes


class Admission:
    """Admits transactions for one ledger."""

    def __init__(self, genesis: Genesis) -> None:
        self._genesis = genesis
        # A recorder sends the same certificate with every transaction; its chain is checked once.
        self._certificate = lru_cache(maxsize=1024)(self._parse_certificate)

    def _parse_certificate(self, der: bytes) -> tuple[Certificate, str | None]:
        certificate = parse_certificate(der)
        return certificate, self._genesis.msp_of(certificate)

    def authenticate(self, envelope: Envelope) -> Admitted:
        """Read a signed transaction and establish its caller, whenever it was made.

        Raises:
            Malformed: transaction or certificate do not parse.
            Refused: another ledger's transaction, a certificate that no root of the organisation issued or that was not
                valid at the transaction's time, or a bad signature.
        """
        transaction = parse_transaction(envelope.payload)
        if transaction.ledger != self._genesis.digest:
            raise Refused("the transaction was signed for another ledger", reason="invalid")
        certificate, msp = self._certificate(transaction.certificate)
        if msp is None or msp != transaction.msp:
            raise Refused(
                f"the certificate was not issued by {transaction.msp}, the organisation it is used for",
                reason="denied",
                next_step=f"use a certificate that {transaction.msp} issued",
            )
        if certificate.is_authority or not certificate.valid_at(transaction.time_us):
            raise Refused(
                "the certificate is not valid at the time of the transaction",
                reason="expired",
                next_step=f"have {transaction.msp} issue a new one, and check this computer's clock",
            )
        if not _signed_once_by(envelope, certificate):
            raise Refused("the transaction's signature does not fit its certificate", reason="denied")
        return Admitted(
            envelope=envelope,
            transaction=transaction,
            tx_id=transaction_id(envelope.payload),
            caller=caller_of(msp, certificate),
            nonce=sha256(transaction.nonce, transaction.certificate),
        )

    def admit(self, envelope: bytes, *, now_us: int, window_us: int = TIME_WINDOW_US) -> Admitted:
        """`authenticate`, and refuse a transaction whose time is not now.

        Raises:
            Malformed, Refused: as `authenticate`; Refused (`expired`) outside the time window.
        """
        admitted = self.authenticate(read_envelope(envelope))
        distance_us = admitted.transaction.time_us - now_us
        if abs(distance_us) > window_us:
            raise Refused(
                f"the transaction's time is {abs(distance_us) // 1_000_000} s "
                f"{'ahead of' if distance_us > 0 else 'behind'} the ledger's clock, more than the "
                f"{window_us // 1_000_000} s allowed",
                reason="expired",
                next_step="set this computer's clock, then send a new transaction",
            )
        return admitted


def read_envelope(envelope: bytes) -> Envelope:
    """Read the canonical envelope of a transaction. Raises Malformed."""
    return parse_envelope(envelope, TRANSACTION_PAYLOAD_TYPE, limit=MAX_PAYLOAD_BYTES, what="transaction")


def _signed_once_by(envelope: Envelope, certificate: Certificate) -> bool:
    # Exactly one signature under its right key id, so that an envelope has no part that nobody vouches for.
    if len(envelope.signatures) != 1 or envelope.signatures[0].key_id != certificate.public_key.key_id:
        return False
    return certificate.public_key.verify(envelope.signatures[0].signature, envelope.signing_input())
