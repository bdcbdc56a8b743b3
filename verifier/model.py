"""The words of a verdict: states, operations, findings, and one table for each question asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Literal, NamedTuple

__all__ = [
    "ACROSS_EXHIBITS",
    "FINDINGS",
    "OPERATIONS",
    "STRIP_WORST_FIRST",
    "WITHIN_FILE",
    "Axis",
    "Finding",
    "FindingRule",
    "Op",
    "OpRule",
    "Operation",
    "Origin",
    "Severity",
    "Span",
    "State",
    "worst_of_exhibits",
    "worst_within_file",
]

Span = tuple[int, int]
"""Inclusive (first, last)."""

Severity = Literal["state", "note"]


class State(Enum):
    """What an examination ends in. The value is the exit code of `verify`."""

    VERIFIED = 0
    ALTERED = 10
    INCOMPLETE = 11
    NOT_ANCHORED = 12
    NO_MATCH = 13
    UNTRUSTED_PROOF = 14
    UNDETERMINED = 15
    SIMILAR_ONLY = 16

    @property
    def exit_code(self) -> int:
        return self.value


WITHIN_FILE = (State.ALTERED, State.INCOMPLETE, State.SIMILAR_ONLY, State.UNDETERMINED, State.VERIFIED)
"""Which state wins among those that operations and findings of one matched file call for, first wins."""

ACROSS_EXHIBITS = (
    State.ALTERED,
    State.NO_MATCH,
    State.INCOMPLETE,
    State.UNTRUSTED_PROOF,
    State.SIMILAR_ONLY,
    State.UNDETERMINED,
    State.NOT_ANCHORED,
    State.VERIFIED,
)
"""Which state stands for several exhibits together, first wins."""


class Axis(StrEnum):
    """What a finding is about. Axes are reported side by side and never merged."""

    INTEGRITY = "integrity"
    ORIGIN = "origin"
    ANCHORING = "anchoring"
    COMPLETENESS = "completeness"
    TIME = "time"
    AUTHORISATION = "authorisation"
    SOUND = "sound"


class Op(StrEnum):
    """What became of a picture. Every picture of file and record stands in exactly one operation."""

    SAME = "same"
    MODIFIED = "modified"
    DAMAGED = "damaged"
    MISSING = "missing"
    INSERTED = "inserted"
    DUPLICATED = "duplicated"
    REORDERED = "reordered"
    REPLAYED = "replayed"
    FOREIGN = "foreign"
    REENCODED = "reencoded"
    PENDING = "pending"
    UNKNOWN = "unknown"


class OpRule(NamedTuple):
    """How an operation is drawn, and the state that it calls for (None: none)."""

    strip: str
    state: State | None


OPERATIONS: Mapping[Op, OpRule] = MappingProxyType(
    {
        Op.SAME: OpRule(".", None),
        Op.MODIFIED: OpRule("M", State.ALTERED),
        Op.DAMAGED: OpRule("d", State.ALTERED),
        Op.MISSING: OpRule("-", State.INCOMPLETE),
        Op.INSERTED: OpRule("+", State.INCOMPLETE),
        Op.DUPLICATED: OpRule("D", State.INCOMPLETE),
        Op.REORDERED: OpRule("R", State.INCOMPLETE),
        Op.REPLAYED: OpRule("P", State.INCOMPLETE),
        Op.FOREIGN: OpRule("F", State.INCOMPLETE),
        Op.REENCODED: OpRule("~", State.SIMILAR_ONLY),
        Op.PENDING: OpRule("p", State.UNDETERMINED),
        Op.UNKNOWN: OpRule("?", State.UNDETERMINED),
    }
)
"""Every operation, in the order in which counts are listed."""

CUT_PICTURE = "cut_picture"
"""The cause of an `unknown` that calls for no state: the container holds only a part of the picture."""

CUT_BEGIN = "cut_begin"
"""The cause of an `unknown` first picture of which the file holds a part, and from which others are decoded."""


class FindingRule(NamedTuple):
    """Where a finding belongs, how it is drawn (None: not), and the state that it calls for (None: a note)."""

    check: int
    axis: Axis
    strip: str | None
    state: State | None


FINDINGS: Mapping[str, FindingRule] = MappingProxyType(
    {
        "headers_changed": FindingRule(5, Axis.INTEGRITY, "H", State.ALTERED),
        "side_changed": FindingRule(5, Axis.INTEGRITY, "H", State.ALTERED),
        "display_changed": FindingRule(5, Axis.INTEGRITY, "H", State.ALTERED),
        "region": FindingRule(6, Axis.INTEGRITY, "#", State.ALTERED),
        "affected": FindingRule(5, Axis.INTEGRITY, "a", None),
        "hidden": FindingRule(5, Axis.INTEGRITY, "h", State.INCOMPLETE),
        "retimed": FindingRule(5, Axis.TIME, "T", State.INCOMPLETE),
        "record_missing": FindingRule(9, Axis.COMPLETENESS, None, State.UNDETERMINED),
        "parallel_chain": FindingRule(9, Axis.COMPLETENESS, None, State.UNDETERMINED),
        "not_anchored_yet": FindingRule(7, Axis.ANCHORING, None, State.UNDETERMINED),
        "ambiguous_time": FindingRule(4, Axis.TIME, None, State.UNDETERMINED),
        "several_video_tracks": FindingRule(5, Axis.INTEGRITY, None, State.UNDETERMINED),
        "undecodable": FindingRule(5, Axis.INTEGRITY, None, State.UNDETERMINED),
        "link_broken": FindingRule(9, Axis.COMPLETENESS, None, State.UNDETERMINED),
        "proof_damaged": FindingRule(1, Axis.INTEGRITY, None, State.UNDETERMINED),
        "proof_absent": FindingRule(1, Axis.INTEGRITY, None, State.UNDETERMINED),
        "file_unusable": FindingRule(1, Axis.INTEGRITY, None, State.UNDETERMINED),
        "origin_not_trusted": FindingRule(2, Axis.ORIGIN, None, State.UNTRUSTED_PROOF),
        "anchor_not_trusted": FindingRule(8, Axis.ANCHORING, None, State.UNTRUSTED_PROOF),
        "requirement_unmet": FindingRule(8, Axis.ANCHORING, None, State.UNTRUSTED_PROOF),
        "recording_gap": FindingRule(9, Axis.COMPLETENESS, None, None),
        "preroll": FindingRule(5, Axis.INTEGRITY, None, None),
        "user_data_changed": FindingRule(5, Axis.INTEGRITY, None, None),
        "display_dropped": FindingRule(5, Axis.INTEGRITY, None, None),
        "held": FindingRule(5, Axis.TIME, None, None),
        "time_step": FindingRule(5, Axis.TIME, None, None),
        "times_not_compared": FindingRule(5, Axis.TIME, None, None),
        "cut_picture": FindingRule(4, Axis.INTEGRITY, None, None),
        "chain_change": FindingRule(9, Axis.COMPLETENESS, None, None),
        "sealed_leaves": FindingRule(9, Axis.COMPLETENESS, None, None),
        "undecodable_start": FindingRule(5, Axis.INTEGRITY, None, None),
        "subtitle_track": FindingRule(5, Axis.INTEGRITY, None, None),
        "ip_differs": FindingRule(2, Axis.ORIGIN, None, None),
        "late": FindingRule(7, Axis.ANCHORING, None, None),
        "imported": FindingRule(10, Axis.TIME, None, None),
        "clock_free": FindingRule(10, Axis.TIME, None, None),
        "clocks_disagree": FindingRule(10, Axis.TIME, None, None),
        "beacon_unproven": FindingRule(10, Axis.TIME, None, None),
        "fewer_samples": FindingRule(11, Axis.COMPLETENESS, None, None),
        "policy_unknown": FindingRule(11, Axis.COMPLETENESS, None, None),
        "equals_elsewhere": FindingRule(4, Axis.INTEGRITY, None, None),
        "further_chain": FindingRule(9, Axis.COMPLETENESS, None, None),
        "ledger_shorter": FindingRule(8, Axis.ANCHORING, None, None),
    }
)
"""Every finding that stands beside the operations. Checks that fail for another reason bring codes of their own."""

STRIP_WORST_FIRST = "M#Hd-+FPRDhTa~?p."


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where duplicated, replayed or foreign pictures come from.

    record: running numbers in `chain` of `camera`.
    time_us: wall clock of the first and last picture in presentation order, Unix microseconds UTC.
    """

    camera: str
    chain: int
    record: Span
    time_us: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What became of a run of pictures.

    file: positions in decode order in the file (all exhibits joined) from 0; None for `missing`.
    record: running numbers in `chain`; None where the pictures have no place of their own in the record.
    time_us: earliest and latest recorded presentation, Unix microseconds UTC.
    shown: lowest and highest presentation index among the file's pictures.
    chain: the chain that `record` counts in.
    cause: `cut_picture` on an `unknown` that calls for no state.
    """

    op: Op
    file: Span | None
    record: Span | None = None
    time_us: Span | None = None
    shown: Span | None = None
    of: Origin | None = None
    chain: int | None = None
    cause: str | None = None

    @property
    def pictures(self) -> int:
        span = self.file if self.file is not None else self.record
        return 0 if span is None else span[1] - span[0] + 1

    @property
    def state(self) -> State | None:
        """The state that this operation calls for."""
        if self.op is Op.UNKNOWN and self.cause == CUT_PICTURE:
            return None
        return OPERATIONS[self.op].state


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One observation, with the check that made it.

    severity: `state` where it calls for the state of its table row, `note` where it is only named.
    file, record: as in `Operation`; None where it is about the whole exhibit.
    detail: members that the text speaks of, for those who count rather than read.
    """

    check: int
    axis: Axis
    code: str
    severity: Severity
    text: str
    file: Span | None = None
    record: Span | None = None
    time_us: Span | None = None
    chain: int | None = None
    detail: tuple[tuple[str, int | str], ...] = ()

    @classmethod
    def of(
        cls,
        code: str,
        text: str,
        *,
        file: Span | None = None,
        record: Span | None = None,
        time_us: Span | None = None,
        chain: int | None = None,
        detail: tuple[tuple[str, int | str], ...] = (),
        note: bool = False,
    ) -> Finding:
        """Make the finding `code` of the table; `note` keeps it from calling for a state."""
        rule = FINDINGS[code]
        severity: Severity = "note" if note or rule.state is None else "state"
        return cls(
            check=rule.check, axis=rule.axis, code=code, severity=severity, text=text,
            file=file, record=record, time_us=time_us, chain=chain, detail=detail,
        )  # fmt: skip

    @property
    def state(self) -> State | None:
        """The state that this finding calls for."""
        rule = FINDINGS.get(self.code)
        return rule.state if rule is not None and self.severity == "state" else None


def worst_within_file(states: Iterable[State]) -> State:
    """Return the state that wins among those called for by one matched file; VERIFIED where none is."""
    return min(states, key=WITHIN_FILE.index, default=State.VERIFIED)


def worst_of_exhibits(states: Iterable[State]) -> State:
    """Return the state that stands for several exhibits; of none at all: UNDETERMINED."""
    return min(states, key=ACROSS_EXHIBITS.index, default=State.UNDETERMINED)
