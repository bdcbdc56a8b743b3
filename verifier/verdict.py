"""The result of an examination and its JSON form, `veriframe/verdict/1` (schema in docs/schema/verdict-1.json).

Nothing in it depends on moment or machine of the examination: the same footage, evidence, trust file and version
give the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from media.footage import Footage, Track
from verifier.model import OPERATIONS, Axis, Finding, Operation, Origin, Span, State, worst_of_exhibits
from verifier.sentences import utc

SCHEMA = "veriframe/verdict/1"
SCHEMA_SEVERAL = "veriframe/verdicts/1"


class Result(StrEnum):
    """What an axis ended in."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_PRESENT = "not_present"
    NOT_COVERED = "not_covered"


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisResult:
    """`reason` is a code that says why; empty for a plain pass."""

    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """One file as it was read.

    container, codec: empty where the file is not usable video.
    first: position of its first picture among all exhibits judged together.
    """

    name: str
    sha256: bytes
    size_bytes: int
    container: str = ""
    codec: str = ""
    width: int = 0
    height: int = 0
    first: int = 0
    pictures: int = 0
    tracks: tuple[Track, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, footage: Footage, first: int = 0) -> Exhibit:
        return cls(
            name=footage.name, sha256=footage.sha256, size_bytes=footage.size_bytes, container=footage.container,
            codec=footage.codec, width=footage.width, height=footage.height, first=first, pictures=footage.count,
            tracks=footage.tracks, notes=footage.notes,
        )  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "sha256": self.sha256.hex(),
            "bytes": self.size_bytes,
            "container": self.container,
            "codec": self.codec,
            "width": self.width,
            "height": self.height,
            "first": self.first,
            "pictures": self.pictures,
            "tracks": [
                {"index": track.index, "kind": track.kind, "codec": track.codec, "examined": track.examined}
                for track in self.tracks
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorFact:
    """One transaction that the result rests on.

    sequences: first and last record of the chain that it anchors within the interval.
    anchored_by_us: proven or vouched upper bound of the moment of anchoring; None where nobody vouches.
    transaction: that anchored; where organisations signed what stands on the ledger, the id of that signed read.
    signed_read: `transaction` is such an id, which stands nowhere on the ledger.
    anchored_by_source: `operator`, `witness`, `organisations`, `timestamp` or `none`.
    """

    ledger: str
    camera: str
    chain: int
    sequences: Span
    block: int
    transaction: str
    batch: str | None
    anchored_by_us: int | None
    anchored_by_source: str
    endorsers: tuple[str, ...]
    signed_read: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "ledger": self.ledger,
            "camera": self.camera,
            "chain": self.chain,
            "sequences": list(self.sequences),
            "block": self.block,
            "transaction": self.transaction,
            "batch": self.batch,
            "anchored_by": None if self.anchored_by_us is None else utc(self.anchored_by_us),
            "anchored_by_source": self.anchored_by_source,
            "endorsers": list(self.endorsers),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFact:
    """Under what the result was reached.

    source: `file`, `home` (the home's own word) or `none`.
    organisations: of a Fabric channel, whose roots the trust file pins.
    registry_as_of: height of the newest ledger block seen; what was revoked later is not known here.
    """

    source: str
    sha256: str | None
    ledger: str | None
    operators: tuple[str, ...] = ()
    single_operator: bool = False
    witnesses: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    registry_as_of: int | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "sha256": self.sha256,
            "ledger": self.ledger,
            "operators": list(self.operators),
            "single_operator": self.single_operator,
            "witnesses": list(self.witnesses),
            "organisations": list(self.organisations),
            "registry_as_of_block": self.registry_as_of,
            "later_revocations_seen": False,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an examination of one exhibit (or of several as one) found.

    interval_us: first to last matched anchored picture that is shown; None where there is none.
    if_trusted: what the result would be if all that came with the evidence were believed; only with UNTRUSTED_PROOF.
    next_step: one line that the examiner can act on.
    asked: camera and times that were named, as JSON members.
    """

    state: State
    sentence: str
    exhibits: tuple[Exhibit, ...] = ()
    camera: str | None = None
    chain: int | None = None
    interval_us: Span | None = None
    excerpt: bool = False
    axes: Mapping[Axis, AxisResult] = field(default_factory=dict)
    script: tuple[Operation, ...] = ()
    findings: tuple[Finding, ...] = ()
    strip: str = ""
    kept_by: tuple[str, ...] = ()
    exposure_us: int | None = None
    proof: tuple[AnchorFact, ...] = ()
    trust: TrustFact | None = None
    if_trusted: Verdict | None = None
    next_step: str = ""
    asked: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return self.state.exit_code

    @property
    def name(self) -> str:
        """The exhibit's file names, joined."""
        return " + ".join(exhibit.name for exhibit in self.exhibits)

    @property
    def counts(self) -> dict[str, int]:
        """Pictures per operation, every operation listed."""
        found: Counter[str] = Counter()
        for operation in self.script:
            found[operation.op.value] += operation.pictures
        return {op.value: found[op.value] for op in OPERATIONS}

    def to_json(self) -> dict[str, Any]:
        """The members of `veriframe/verdict/1`."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "state": self.state.name,
            "exit_code": self.exit_code,
            "sentence": self.sentence,
            "camera": self.camera,
            "chain": self.chain,
            "interval": _times(self.interval_us),
            "excerpt": self.excerpt,
            "footage": [exhibit.to_json() for exhibit in self.exhibits],
            "axes": {axis.value: self._axis(axis).result.value for axis in Axis},
            "axis_reasons": {axis.value: self._axis(axis).reason for axis in Axis if self._axis(axis).reason},
            "counts": self.counts,
            "script": [_operation(operation, self.chain) for operation in self.script],
            "findings": [_finding(finding, self.chain) for finding in self.findings],
            "strip": self.strip,
            "kept_by": list(self.kept_by),
            "exposure_s": None if self.exposure_us is None else round(self.exposure_us / 1_000_000, 1),
            "proof": [fact.to_json() for fact in self.proof],
            "trust": (self.trust or TrustFact(source="none", sha256=None, ledger=None)).to_json(),
            "asked": dict(self.asked),
            "versions": dict(self.versions),
        }
        if self.next_step:
            document["next_step"] = self.next_step
        if self.if_trusted is not None:
            would = self.if_trusted
            document["if_trusted"] = {
                "state": would.state.name,
                "sentence": would.sentence,
                "counts": would.counts,
                "strip": would.strip,
            }
        return document

    def _axis(self, axis: Axis) -> AxisResult:
        return self.axes.get(axis, AxisResult(result=Result.NOT_COVERED))


def exit_code_of(verdicts: Sequence[Verdict]) -> int:
    """Exit code for one or several exhibits."""
    return worst_of_exhibits(verdict.state for verdict in verdicts).exit_code


def document_of(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The JSON document for what was examined: one verdict, or several under `veriframe/verdicts/1`."""
    if len(verdicts) == 1:
        return verdicts[0].to_json()
    return {
        "schema": SCHEMA_SEVERAL,
        "exit_code": exit_code_of(verdicts),
        "results": [verdict.to_json() for verdict in verdicts],
    }


def to_text(verdicts: Sequence[Verdict]) -> str:
    """The JSON document as printed by `verify --json`: sorted members, two spaces, one line feed at the end."""
    return json.dumps(document_of(verdicts), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _times(span_us: Span | None) -> dict[str, str] | None:
    return None if span_us is None else {"start": utc(span_us[0]), "end": utc(span_us[1])}


def _pair(span_us: Span | None) -> list[str] | None:
    return None if span_us is None else [utc(span_us[0]), utc(span_us[1])]


def _positions(span: Span | None) -> list[int] | None:
    return None if span is None else list(span)


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "camera": origin.camera,
        "chain": origin.chain,
        "record": list(origin.record),
        "time": _pair(origin.time_us),
    }


def _operation(operation: Operation, first_chain: int | None) -> dict[str, Any]:
    members: dict[str, Any] = {
        "op": operation.op.value,
        "file": _positions(operation.file),
        "record": _positions(operation.record),
        "time": _pair(operation.time_us),
        "shown": _positions(operation.shown),
    }
    if operation.of is not None:
        members["of"] = _origin(operation.of)
    if operation.chain is not None and operation.chain != first_chain:
        members["chain"] = operation.chain
    if operation.cause is not None:
        members["cause"] = operation.cause
    return members


def _finding(finding: Finding, first_chain: int | None) -> dict[str, Any]:
    members: dict[str, Any] = {
        "check": finding.check,
        "axis": finding.axis.value,
        "code": finding.code,
        "severity": finding.severity,
        "text": finding.text,
        "file": _positions(finding.file),
        "record": _positions(finding.record),
        "time": _pair(finding.time_us),
    }
    if finding.chain is not None and finding.chain != first_chain:
        members["chain"] = finding.chain
    if finding.detail:
        members["detail"] = dict(finding.detail)
    return members
