"""The sampling policy: how many pictures a second are fingerprinted in depth, and what is kept.

Its digest stands in every record, so that fewer samples than promised are a finding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.records import KEPT, SegmentRecord

POLICY_TYPE = "veriframe/policy/1"
MAX_POLICY_BYTES = 16 << 10
MAX_RATE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One sampling policy.

    `minimum_per_s` to `maximum_per_s` pictures a second are sampled (both 0: none); the rate rises when importance (0
    to 1,000) reaches `raise_at` and falls when it stays below `lower_at` for `hold_s`; at most `budget_per_minute`
    samples beyond the minimum are taken in a minute.
    """

    minimum_per_s: int = 1
    maximum_per_s: int = 4
    key_pictures: bool = False
    raise_at: int = 120
    lower_at: int = 60
    hold_s: int = 3
    budget_per_minute: int = 120
    kept: str = "all"
    tiles: bool = False
    references: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "type": POLICY_TYPE,
            "minimum_per_s": self.minimum_per_s,
            "maximum_per_s": self.maximum_per_s,
            "key_pictures": self.key_pictures,
            "raise_at": self.raise_at,
            "lower_at": self.lower_at,
            "hold_s": self.hold_s,
            "budget_per_minute": self.budget_per_minute,
            "kept": self.kept,
            "tiles": self.tiles,
            "references": self.references,
        }

    def canonical(self) -> bytes:
        return canonical(self.to_json())

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


DEFAULT_POLICY = Policy()


def policy_from_json(value: object) -> Policy:
    """Read a policy that stands inside another document. Raises Malformed."""
    f = Fields(value, "policy", ("type", *Policy.__slots__))
    f.const("type", POLICY_TYPE)
    minimum, maximum = f.integer("minimum_per_s", 0, MAX_RATE), f.integer("maximum_per_s", 0, MAX_RATE)
    if maximum < minimum or (minimum == 0) != (maximum == 0):
        raise Malformed("policy: sampling runs from a minimum of at least 1 up to a maximum, or both are 0")
    lower_at = f.integer("lower_at", 0, 1000)
    return Policy(
        minimum_per_s=minimum,
        maximum_per_s=maximum,
        key_pictures=f.boolean("key_pictures"),
        raise_at=f.integer("raise_at", lower_at, 1000),
        lower_at=lower_at,
        hold_s=f.integer("hold_s", 0, 3600),
        budget_per_minute=f.integer("budget_per_minute", 0, MAX_RATE * 60),
        kept=f.choice("kept", KEPT),
        tiles=f.boolean("tiles"),
        references=f.boolean("references"),
    )


def parse_policy(data: bytes) -> Policy:
    """Read a canonical policy document. Raises Malformed."""
    return policy_from_json(parse_canonical(data, "policy", limit=MAX_POLICY_BYTES))


def sample_shortfall(policy: Policy, record: SegmentRecord, offsets_us: Sequence[int]) -> int:
    """How many samples `record` lacks of what `policy` promises, 0 where it is kept.

    Time is cut into slots of one minimum interval, counted from the first unit; a segment owes at most one sample for
    every slot that holds a picture, so pauses between pictures owe none. Pictures that the recorder says it could not
    decode (`undecoded` notes) excuse as many samples.

    Args:
        offsets_us: presentation offsets of the segment's units.
    """
    if policy.minimum_per_s == 0 or not offsets_us:
        return 0
    span_us = max(offsets_us) - min(offsets_us)
    slots = {offset * policy.minimum_per_s // 1_000_000 for offset in offsets_us if offset >= 0}
    promised = min(span_us * policy.minimum_per_s // 1_000_000, len(slots))
    undecoded = sum(note.count for note in record.notes if note.cause == "undecoded")
    return max(0, promised - undecoded - record.samples.count)
