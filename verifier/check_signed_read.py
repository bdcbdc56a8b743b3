"""Checks 7 and 8 on Fabric: which organisations signed that this stands on the ledger, and are they those asked for?

A signed read is judged once, however many keys it shows. One that belongs to another channel or contract, or that two
believed reads contradict, is BROKEN; one under organisations, roots or a rule other than the examiner's is UNTRUSTED.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from evidence.certificates import Certificate, parse_certificate
from evidence.errors import Malformed
from evidence.fabric_identities import FabricIdentity
from evidence.fabric_read import SignedRead
from evidence.proof_ranges import covered, owner_of, whole_range
from evidence.registry import Position
from evidence.trust import FabricTrust, Trust
from verifier.anchor import NOT_TRUSTED, SOUND, Anchor, Judgement, Shown, Standing, broken, untrusted
from verifier.sentences import joined, short_ledger

# Organisational units by which Fabric tells the holders of an organisation's certificates apart. Only peers endorse:
# the key of a person must not be able to speak for the ledger.
PEER_UNIT = "peer"
NODE_UNITS = frozenset({PEER_UNIT, "client", "admin", "orderer"})

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


class SignedReadJudge:
    """Judges what signed reads of one channel show, under what the examiner trusts.

    Args:
        ledger_id: `fabric:<channel>:<genesis header hash>`, as the evidence names it.
        named: what the trust file says about this ledger; None where it says nothing.
        trust: the whole trust file, for revocations.
        reads: all signed reads at hand.
        authorities: certificates that are offered as organisations' roots; those that the trust file pins count.
        own_word: the evidence's keeper chose whom to trust, so nothing but the keeper's word excludes other readers.
    """

    def __init__(
        self,
        ledger_id: str,
        named: FabricTrust | None,
        trust: Trust,
        reads: Sequence[SignedRead],
        authorities: Iterable[Certificate],
        *,
        own_word: bool,
    ) -> None:
        self._ledger_id = ledger_id
        self._channel = ledger_id.split(":")[1]
        self._named = named
        self._revoked = {each.sha256 for each in trust.revoked}
        self._own_word = own_word
        self._authorities = _pinned(named, authorities)
        self._certificates: dict[bytes, Certificate | None] = {}
        self._reads = tuple(reads)
        self._judged = {id(read): self._judge(read) for read in reads}
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
        moments = [read.transaction.time_us + TIME_WINDOW_US for read in reads if self._timed(read)]
        return Anchor(
            judgement=judgement,
            position=shown.position,
            transaction=best.transaction.tx_id,
            anchored_by_us=min(moments, default=None),
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

    @property
    def registry_as_of(self) -> int | None:
        """Height of the newest believed read that shows all participants and a camera's revoked keys."""
        heights = [
            read.as_of.height
            for read in self._sound
            if covered(read.ranges, *whole_range("participant"))
            and any(owner_of(each).kind == "revocation" for each in read.ranges)
        ]
        return max(heights, default=None)

    @property
    def keepers(self) -> tuple[str, ...]:
        """Organisations that signed every believed read."""
        signed = [{*self._judged[id(read)][1]} for read in self._sound]
        return tuple(sorted(set.intersection(*signed))) if signed else ()

    def _judge(self, read: SignedRead) -> tuple[Judgement, tuple[str, ...]]:
        transaction, named = read.transaction, self._named
        if transaction.channel != self._channel:
            return broken("other_channel", "a signed read belongs to another channel than the ledger named"), ()
        if named is None:
            ledger = short_ledger(self._ledger_id)
            return untrusted("ledger_not_trusted", f"the ledger {ledger} {NOT_TRUSTED}"), ()
        if transaction.chaincode != named.chaincode:
            return broken("other_chaincode", "a signed read comes from another contract than the one trusted"), ()
        signers = transaction.signers()
        if len(signers) < len({identity.serialized for identity, _ in transaction.endorsements}):
            text = "an organisation's signature does not fit what it is said to have signed"
            return broken("endorsement_signature", text), ()
        reasons = [(identity.msp, self._unfit(identity, named, transaction.time_us)) for identity in signers]
        endorsers = tuple(sorted({msp for msp, reason in reasons if not reason}))
        if set(named.endorse_all) <= {*endorsers} and (not named.endorse_any or {*named.endorse_any} & {*endorsers}):
            return SOUND, endorsers
        unfit = next((reason for _, reason in reasons if reason), "")
        signed = joined(endorsers) or "nobody whom the examiner trusts"
        asked = joined([*named.endorse_all, *([" or ".join(named.endorse_any)] if named.endorse_any else [])])
        text = f"it is signed by {signed}, where the examiner asks for {asked}" + (f" ({unfit})" if unfit else "")
        return untrusted("endorsement", text), endorsers

    def _unfit(self, identity: FabricIdentity, named: FabricTrust, time_us: int) -> str:
        """Why this signer speaks for no organisation that the examiner trusts; empty where it does."""
        if identity.msp not in named.msps:
            return f"{identity.msp} {NOT_TRUSTED}"
        if identity.certificate not in self._certificates:
            self._certificates[identity.certificate] = identity.parsed()
        certificate = self._certificates[identity.certificate]
        if certificate is None:
            return f"a certificate of {identity.msp} cannot be read"
        issuer = next((root for root in self._authorities.get(identity.msp, ()) if certificate.issued_by(root)), None)
        if issuer is None:
            return f"a certificate was not issued by the root of {identity.msp} that the examiner trusts"
        if {*certificate.units} & NODE_UNITS != {PEER_UNIT}:
            return f"a certificate of {identity.msp} is not a peer's"
        if not certificate.valid_at(time_us):
            return f"a certificate of {identity.msp} was used outside its validity"
        # Whoever holds a revoked key signs any time: only the examiner's own list counts, and it counts for all of it.
        if {certificate.sha256, issuer.sha256} & self._revoked:
            return f"a certificate of {identity.msp} is revoked in what the examiner was told to trust"
        return ""

    def _timed(self, read: SignedRead) -> bool:
        """Whether an organisation that is not the asker's, and whom the examiner believes to check times, signed."""
        judgement, endorsers = self._judged[id(read)]
        others = {*endorsers} - {read.transaction.creator.msp}
        checked = self._named is not None and bool(others & {*self._named.timewindow_msps})
        return checked and judgement.standing is Standing.SOUND


def _pinned(named: FabricTrust | None, authorities: Iterable[Certificate]) -> Mapping[str, list[Certificate]]:
    if named is None:
        return {}
    offered = {each.sha256: each for each in authorities}
    return {msp: [offered[root] for root in roots if root in offered] for msp, roots in named.msps.items()}


def readable_authorities(offered: Iterable[bytes]) -> list[Certificate]:
    """Those of the DER certificates that can be read."""
    found = []
    for der in offered:
        try:
            found.append(parse_certificate(der))
        except Malformed:
            continue
    return found
