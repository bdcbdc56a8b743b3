"""The trust file: what an examiner has decided to believe, brought along by the examiner and by nobody else.

Nothing in a bundle, a home or a ledger can widen it. Its SHA-256 is printed in every verdict.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.checkpoint import ALGORITHM_COSIGNATURE, ALGORITHM_NOTE, NoteKey, parse_note_key
from evidence.digests import parse_digest, sha256
from evidence.errors import Malformed
from evidence.genesis import MAX_MSPS, is_msp, log_origin

TRUST_TYPE = "veriframe/trust/1"
MAX_TRUST_BYTES = 1 << 20
MAX_ENTRIES = 1000

_EMBEDDED = re.compile(r"embedded:([0-9a-f]{64})")
_FABRIC = re.compile(r"fabric:[a-z][a-z0-9.-]{0,248}:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedTrust:
    """An embedded ledger: its operators' keys, witnesses with a quorum, and whether one operator's word is enough."""

    id: str
    operators: tuple[NoteKey, ...]
    witnesses: tuple[NoteKey, ...] = ()
    quorum: int = 0
    single_operator: bool = False

    @property
    def genesis(self) -> bytes:
        return bytes.fromhex(self.id.partition(":")[2])

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "operators": [key.text for key in self.operators],
            "witnesses": [key.text for key in self.witnesses],
            "quorum": self.quorum,
            "single_operator": self.single_operator,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FabricTrust:
    """A Fabric channel: pinned roots of its organisations and the endorsement rule the examiner asks for."""

    id: str
    chaincode: str
    msps: Mapping[str, tuple[bytes, ...]]
    endorse_all: tuple[str, ...]
    endorse_any: tuple[str, ...]
    orderer_quorum: int
    timewindow_msps: tuple[str, ...]

    @property
    def channel(self) -> str:
        return self.id.split(":")[1]

    def satisfied_by(self, msps: Collection[str]) -> bool:
        """Tell whether the signatures of these organisations are enough."""
        enough = not self.endorse_any or any(msp in msps for msp in self.endorse_any)
        return enough and all(msp in msps for msp in self.endorse_all)

    @property
    def rule(self) -> str:
        """The endorsement rule in words."""
        return " and ".join((*self.endorse_all, *((" or ".join(self.endorse_any),) if self.endorse_any else ())))

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "chaincode": self.chaincode,
            "msps": {msp: [root.hex() for root in roots] for msp, roots in self.msps.items()},
            "endorsement": {"all": list(self.endorse_all), "any": list(self.endorse_any)},
            "orderer_quorum": self.orderer_quorum,
            "timewindow_msps": list(self.timewindow_msps),
        }


LedgerTrust = EmbeddedTrust | FabricTrust


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """A certificate that is not believed for anything proven to have happened at `since_us` or later."""

    sha256: bytes
    since_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenCheckpoint:
    """The hash of a ledger block that the examiner saw earlier."""

    ledger: str
    height: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A whole trust file."""

    ledgers: tuple[LedgerTrust, ...]
    timestamp_roots: tuple[bytes, ...] = ()
    issuers: tuple[bytes, ...] = ()
    revoked: tuple[Revocation, ...] = ()
    checkpoints: tuple[SeenCheckpoint, ...] = ()

    def canonical(self) -> bytes:
        return canonical(
            {
                "type": TRUST_TYPE,
                "ledgers": [ledger.to_json() for ledger in self.ledgers],
                "timestamp_roots": [each.hex() for each in self.timestamp_roots],
                "issuers": [each.hex() for each in self.issuers],
                "revoked": [{"sha256": each.sha256.hex(), "since_us": each.since_us} for each in self.revoked],
                "checkpoints": [
                    {"ledger": each.ledger, "height": each.height, "hash": each.hash.hex()} for each in self.checkpoints
                ],
            }
        )

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())

    def ledger(self, ledger_id: str) -> LedgerTrust | None:
        """What this file says about one ledger, None where it does not name it."""
        return next((each for each in self.ledgers if each.id == ledger_id), None)


NO_TRUST = Trust(ledgers=())


def parse_trust(data: bytes) -> Trust:
    """Read a trust file.

    Raises:
        Malformed: not canonical, a ledger twice, keys that do not belong to the ledger, a quorum beyond the witnesses.
    """
    f = Fields(
        parse_canonical(data, "trust file", limit=MAX_TRUST_BYTES),
        "trust file",
        ("type", "ledgers", "timestamp_roots", "issuers", "revoked", "checkpoints"),
    )
    f.const("type", TRUST_TYPE)
    ledgers = tuple(_ledger(each) for each in f.list("ledgers", limit=MAX_ENTRIES))
    if len({each.id for each in ledgers}) != len(ledgers):
        raise Malformed("trust file names a ledger twice")
    return Trust(
        ledgers=ledgers,
        timestamp_roots=_digests(f, "timestamp_roots"),
        issuers=_digests(f, "issuers"),
        revoked=tuple(_revocation(each) for each in f.list("revoked", limit=MAX_ENTRIES)),
        checkpoints=tuple(_seen(each) for each in f.list("checkpoints", limit=MAX_ENTRIES)),
    )


def _digests(f: Fields, name: str) -> tuple[bytes, ...]:
    return tuple(parse_digest(each, f"trust file: {name!r}") for each in f.list(name, limit=MAX_ENTRIES))


def _ledger(value: object) -> LedgerTrust:
    identifier = value.get("id") if isinstance(value, dict) else None
    if isinstance(identifier, str) and _EMBEDDED.fullmatch(identifier):
        return _embedded(value, identifier)
    if isinstance(identifier, str) and _FABRIC.fullmatch(identifier):
        return _fabric(value, identifier)
    raise Malformed("trust file: a ledger's id is neither embedded:<digest> nor fabric:<channel>:<digest>")


def _embedded(value: object, identifier: str) -> EmbeddedTrust:
    f = Fields(value, "trust file: ledger", ("id", "operators", "witnesses", "quorum", "single_operator"))
    operators = tuple(parse_note_key(each) for each in f.list("operators", limit=16))
    witnesses = tuple(parse_note_key(each) for each in f.list("witnesses", limit=64))
    origin = log_origin(bytes.fromhex(identifier.partition(":")[2]))
    if not operators or any(key.algorithm != ALGORITHM_NOTE or key.name != origin for key in operators):
        raise Malformed(f"trust file: operators of a ledger are note keys named {origin}")
    if any(key.algorithm != ALGORITHM_COSIGNATURE for key in witnesses) or len(set(witnesses)) != len(witnesses):
        raise Malformed("trust file: witnesses are different cosignature keys")
    return EmbeddedTrust(
        id=identifier,
        operators=operators,
        witnesses=witnesses,
        quorum=f.integer("quorum", 0, len(witnesses)),
        single_operator=f.boolean("single_operator"),
    )


def _msps(f: Fields, name: str) -> tuple[str, ...]:
    listed = f.list(name, limit=MAX_MSPS)
    if not all(is_msp(each) for each in listed) or len(set(listed)) != len(listed):
        raise Malformed(f"trust file: {name!r} does not list different MSP ids")
    return tuple(listed)


def _fabric(value: object, identifier: str) -> FabricTrust:
    f = Fields(
        value,
        "trust file: ledger",
        ("id", "chaincode", "msps", "endorsement", "orderer_quorum", "timewindow_msps"),
    )
    listed = f.raw("msps")
    if not isinstance(listed, dict) or not 1 <= len(listed) <= MAX_MSPS or not all(is_msp(msp) for msp in listed):
        raise Malformed("trust file: 'msps' does not name 1 to 64 organisations")
    msps = {}
    for msp in listed:
        roots = Fields(listed, "trust file: msps", listed.keys()).list(msp, limit=16)
        msps[msp] = tuple(parse_digest(root, f"trust file: root of {msp}") for root in roots)
        if not roots:
            raise Malformed(f"trust file pins no root for {msp}")
    if len({root for roots in msps.values() for root in roots}) < sum(map(len, msps.values())):
        # Whoever one root certifies for both could sign under either name, and count twice.
        raise Malformed("trust file pins one root for two organisations, or twice")
    rule = Fields(f.raw("endorsement"), "trust file: endorsement", ("all", "any"))
    endorse_all, endorse_any = _msps(rule, "all"), _msps(rule, "any")
    window = _msps(f, "timewindow_msps")
    if not endorse_all + endorse_any or not {*endorse_all, *endorse_any, *window} <= msps.keys():
        raise Malformed("trust file: the endorsement rule is empty or names an organisation without roots")
    return FabricTrust(
        id=identifier,
        chaincode=f.text("chaincode", limit=128),
        msps=msps,
        endorse_all=endorse_all,
        endorse_any=endorse_any,
        orderer_quorum=f.integer("orderer_quorum", 0, 1000),
        timewindow_msps=window,
    )


def _revocation(value: object) -> Revocation:
    f = Fields(value, "trust file: revoked", ("sha256", "since_us"))
    return Revocation(sha256=f.digest("sha256"), since_us=f.integer("since_us"))


def _seen(value: object) -> SeenCheckpoint:
    f = Fields(value, "trust file: checkpoint", ("ledger", "height", "hash"))
    return SeenCheckpoint(ledger=f.text("ledger", limit=512), height=f.integer("height"), hash=f.digest("hash"))
