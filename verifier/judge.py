"""One exhibit against the judged evidence: from matching, findings and checks to the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from types import MappingProxyType

from evidence.ledger_format import Receipt
from evidence.trust import EmbeddedTrust, FabricTrust
from evidence.version import VERSION as SOFTWARE
from media.footage import Footage
from verifier import absent, sentences, ways_out
from verifier.anchor import Judgement, Standing
from verifier.asked import Asked, unmet
from verifier.check_policy import check_policy
from verifier.check_proof import Judged
from verifier.check_sealed import check_sealed
from verifier.check_sequence import check_chains, check_links, record_of
from verifier.check_time import check_time, exposure_us, latest_anchoring
from verifier.court import Court
from verifier.findings import examine_script
from verifier.interval import interval_of
from verifier.model import Finding, Op, Operation, Span, State
from verifier.operations import match
from verifier.recorded import Recorded
from verifier.script import Script
from verifier.statement import OPEN_END, Facts, statement
from verifier.states import NEEDS_TRUST, axes_of, axes_without_match, state_of
from verifier.strip import strip_of
from verifier.verdict import AnchorFact, Exhibit, Result, TrustFact, Verdict

# Untrusted for who recorded, not for who keeps the ledger.
_ORIGIN = frozenset(
    {
        *("camera_unknown", "camera_not_active", "key_differs", "enrolment", "recorder", "registry_incomplete"),
        *("camera_decision", "own_approval", "camera_entry", "participant"),
    }
)
_OPEN_ENDED = frozenset({"h264", "hevc", "obu", "mpegvideo", "m4v"})
_WHOSE = MappingProxyType(
    {
        "operator": "the time of the ledger's one operator",
        "witness": "the time of witnesses",
        "organisations": "the time that organisations check",
        "timestamp": "the time of a timestamp authority",
        "none": "",
    }
)


def versions() -> dict[str, str | int]:
    return {"veriframe": SOFTWARE, "evidence": 1, "verdict": 1, "sentences": sentences.VERSION}


def judge(footage: Footage, exhibits: Sequence[Exhibit], court: Court, asked: Asked) -> Verdict:
    """The verdict on one file, or on several joined to one.

    Whatever the evidence does not support under the examiner's trust ends in UNTRUSTED_PROOF with what it would be.
    """
    verdict = _Trial(footage, exhibits, court, asked, assume=False).verdict()
    if verdict.state is not State.UNTRUSTED_PROOF or verdict.if_trusted is not None:
        return verdict
    would = _Trial(footage, exhibits, court, asked, assume=True).verdict()
    if would.state is State.UNTRUSTED_PROOF:
        return verdict
    return replace(verdict, if_trusted=would, sentence=f"{verdict.sentence} {sentences.if_trusted(would.state)}")


class _Trial:
    """One pass over one exhibit; `assume` takes what is merely untrusted for trusted."""

    def __init__(
        self, footage: Footage, exhibits: Sequence[Exhibit], court: Court, asked: Asked, *, assume: bool
    ) -> None:
        self.footage = footage
        self.exhibits = tuple(exhibits)
        self.court = court
        self.asked = asked
        self.assume = assume

    def verdict(self) -> Verdict:
        records = self.court.recorded(assume=self.assume)
        script = match(self.footage, records, camera=self.asked.camera, asked_us=self.asked.span_us)
        script = _opened_end(self.footage, script)
        elsewhere = script.own is not None and self.asked.camera not in (None, script.own.camera)
        return self._matched(script) if script.matched and not elsewhere else self._unmatched(script)

    # Nothing matches, or nothing of the camera named.

    def _unmatched(self, script: Script) -> Verdict:
        if script.unplaceable:
            reason = "its pictures repeat so that no one place in the record can be told"
            return self._without_match(State.UNDETERMINED, sentences.undetermined([reason]), "ambiguous_time")
        if not self.court.bundle.searched:
            finding = Finding.of("proof_absent", "A ledger alone holds no proof of pictures; name the home instead.")
            sentence = sentences.undetermined(["a ledger alone holds no proof of pictures"])
            verdict = self._without_match(State.UNDETERMINED, sentence, "proof_absent", (finding,))
            return replace(verdict, next_step=ways_out.LEDGER_ALONE)
        unusable = [] if script.matched else self.court.unusable(self.footage.coded, assume=self.assume)
        if unusable:
            return self._not_usable(unusable[-1].judgement)
        if self.court.bundle.lacking and not script.matched:
            return self._not_usable(absent.lacking(self.court))
        state, sentence, findings = absent.explain(self.court, self.asked, script, assume=self.assume)
        verdict = self._without_match(state, sentence, state.name.lower(), findings)
        camera = self.asked.camera
        if state is State.NOT_ANCHORED and camera is not None and self.court.camera(camera) is None:
            known = self.court.registry.registry.cameras
            return replace(verdict, next_step=ways_out.unknown_camera(camera, known))
        return verdict

    def _not_usable(self, judgement: Judgement) -> Verdict:
        if judgement.standing is Standing.UNTRUSTED:
            code = "origin_not_trusted" if judgement.code in _ORIGIN else "anchor_not_trusted"
            sentence = sentences.untrusted(judgement.text, None)
            finding = Finding.of(code, sentences.whole(judgement.text))
            verdict = self._without_match(State.UNTRUSTED_PROOF, sentence, judgement.code, (finding,))
            return replace(verdict, next_step=self._next_step(State.UNTRUSTED_PROOF, judgement.code))
        finding = Finding.of("proof_damaged", sentences.whole(judgement.text))
        sentence = sentences.undetermined([judgement.text])
        return self._without_match(State.UNDETERMINED, sentence, judgement.code, (finding,))

    def _without_match(self, state: State, sentence: str, reason: str, findings: tuple[Finding, ...] = ()) -> Verdict:
        count = self.footage.count
        last = count - 1
        script = (Operation(op=Op.UNKNOWN, file=(0, last), shown=(0, last), cause=reason),) if count else ()
        anchoring = Result.FAIL if state is State.UNTRUSTED_PROOF else Result.NOT_PRESENT
        return replace(
            self._base(state, sentence, self.asked.camera),
            axes=axes_without_match(reason, anchoring),
            findings=findings,
            script=script,
            strip=strip_of(script),
            camera=self.asked.camera if state is State.NO_MATCH else None,
        )

    def _base(self, state: State, sentence: str, camera: str | None) -> Verdict:
        court = self.court
        ledger = court.ledger if isinstance(court.ledger, EmbeddedTrust) else None
        return Verdict(
            state=state,
            sentence=sentence,
            exhibits=self.exhibits,
            kept_by=court.keepers,
            trust=TrustFact(
                source=self.asked.trust_source,
                sha256=None if self.asked.trust_source == "none" else court.trust.digest.hex(),
                ledger=court.ledger_id,
                operators=() if ledger is None else tuple(key.text for key in ledger.operators),
                single_operator=ledger is not None and ledger.single_operator,
                witnesses=() if ledger is None else tuple(key.text for key in ledger.witnesses),
                organisations=tuple(sorted(court.ledger.msps)) if isinstance(court.ledger, FabricTrust) else (),
                registry_as_of=court.receipts.registry_as_of(camera),
            ),
            next_step=self._next_step(state),
            asked=self.asked.to_json(),
            versions=versions(),
        )

    def _next_step(self, state: State, code: str = "") -> str:
        return ways_out.after_untrusted(state, trust_source=self.asked.trust_source, code=code)

    # The file matches records.

    def _matched(self, script: Script) -> Verdict:
        own, in_use, asked_us = script.own, self._in_use(script), self.asked.span_us
        assert own is not None
        examined = examine_script(script, self.footage, asked_us=asked_us, track_chosen=self.asked.track_chosen)
        interval = interval_of(script, self.footage, asked_us=asked_us)
        span_us = None if interval is None else interval.span_us
        beside = any(operation.cause == "record_missing" for operation in script.operations)
        findings = (*examined.findings, *self._checks(own, span_us, in_use), *self._beside(in_use, 1 if beside else 0))
        outside = self._outside(own, span_us)
        if outside and span_us is not None:
            findings += (Finding.of("equals_elsewhere", sentences.whole(outside), time_us=span_us),)
        state = state_of(script.operations, findings)
        anchors = [judged.anchor for judged in in_use if judged.anchor is not None]
        anchored_by_us, source = latest_anchoring(anchors)
        facts = Facts(
            camera=own.camera,
            ledger=f"the ledger {sentences.short_ledger(self.court.ledger_id)}",
            interval_us=span_us,
            picture_us=_picture_us(own),
            when=sentences.anchored_when(anchored_by_us, _WHOSE[source]),
            keeper=any(anchor.keeper for anchor in anchors),
            before=interval is not None and interval.before,
            after=interval is not None and interval.after,
            script=script.operations,
            findings=findings,
            outside=outside,
        )
        verdict = replace(
            self._base(state, statement(state, facts), own.camera),
            next_step=ways_out.after_match(self.footage, findings, outside=bool(outside)),
            camera=own.camera,
            chain=next((each.chain for each in script.operations if each.chain is not None), own.chain),
            interval_us=span_us,
            excerpt=interval is not None and interval.excerpt,
            axes=axes_of(self.footage, script.operations, findings, in_use),
            script=script.operations,
            findings=findings,
            strip=strip_of(script.operations, examined.marks),
            exposure_us=exposure_us(in_use),
            proof=self._anchor_facts(in_use),
        )
        return self._required(verdict, in_use)

    def _outside(self, own: Recorded, shown_us: Span | None) -> str:
        """A clause that says so where none of the pictures is from the time that was named."""
        start, end = self.asked.start_us, self.asked.end_us
        if shown_us is None:
            return ""
        early, late = start is not None and shown_us[1] < start, end is not None and shown_us[0] >= end
        return sentences.outside(own.camera, shown_us) if early or late else ""

    def _in_use(self, script: Script) -> list[Judged]:
        """Records between the first and the last picture that the file speaks of, and those of the asked interval."""
        own = script.own
        assert own is not None and script.hull is not None
        low, high = script.hull
        first, last = own.place(low).segment, own.place(high).segment
        begin, end = own.segments.index(first), own.segments.index(last)
        asked = self.asked.span_us
        if asked is not None:
            inside = [at for at, each in enumerate(own.segments) if each.start_us < asked[1] and each.end_us > asked[0]]
            begin, end = min([begin, *inside]), max([end, *inside])
        return [
            self.court.judged[segment.camera, segment.chain, segment.sequence]
            for segment in own.segments[begin : end + 1]
        ]

    def _checks(self, own: Recorded, shown_us: Span | None, in_use: list[Judged]) -> Iterable[Finding]:
        """The checks that look at records, not at pictures."""
        court = self.court
        span_us = shown_us or (own.start_us, own.end_us)
        record = next(record for record in map(record_of, in_use) if record is not None)
        yield from check_links(in_use)
        yield from check_chains(
            in_use,
            [each for each in court.judged.values() if court.usable(each, assume=self.assume)],
            court.bundle,
            court.receipts,
            camera=own.camera,
            site=record.site,
            interval_us=span_us,
            assume=self.assume,
        )
        yield from check_sealed(
            in_use, court.bundle, court.receipts, court.registry, site=record.site, assume=self.assume
        )
        yield from check_time(in_use, self._headers())
        yield from check_policy(in_use, court.registry)
        yield from self._shorter(own.camera)
        if any(
            judged.anchor is not None and court.registry.address_differs(each, judged.anchor.position)
            for judged in in_use
            if (each := record_of(judged)) is not None
        ):
            yield Finding.of("ip_differs", "The camera's address in the records is not the one it was approved with.")

    def _shorter(self, camera: str) -> Iterable[Finding]:
        """An older copy of the ledger than one that the examiner saw: what it says may have been overtaken."""
        court = self.court
        newest = max((each.height for each in court.trust.checkpoints if each.ledger == court.ledger_id), default=0)
        height = court.receipts.registry_as_of(camera)
        if height is not None and height < newest:
            text = f"The ledger is shown up to block {height}; the examiner saw its block {newest} earlier."
            yield Finding.of("ledger_shorter", text)

    def _headers(self) -> dict[int, bytes]:
        found = {height: block.digest for height, block in self.court.bundle.headers.items()}
        shown = {id(each): each for each in self.court.bundle.state.values()}.values()
        found |= {each.block.height: each.block.digest for each in shown if isinstance(each, Receipt)}
        return found

    def _beside(self, in_use: Sequence[Judged], reach: int) -> Iterable[Finding]:
        """Records between those in use that stand on the ledger or in the store, and cannot be used.

        Args:
            reach: how many records before the first and behind the last are concerned as well.
        """
        used = {judged.slot for judged in in_use}
        reasons: dict[str, list[int]] = {}
        for camera, chain in sorted({slot[:2] for slot in used}):
            sequences = [slot[2] for slot in used if slot[:2] == (camera, chain)]
            for sequence in range(max(0, min(sequences) - reach), max(sequences) + reach + 1):
                slot = (camera, chain, sequence)
                judged = self.court.judged.get(slot)
                sound = judged is not None and self.court.usable(judged, assume=self.assume)
                if slot not in used and not sound and (judged is not None or slot in self.court.bundle.lacking):
                    reason = self.court.bundle.lacking[slot] if judged is None else judged.judgement.text
                    reasons.setdefault(reason, []).append(sequence)
        for reason, sequences in reasons.items():
            many = f"records {sequences[0]} to {sequences[-1]}" if len(sequences) > 1 else f"record {sequences[0]}"
            yield Finding.of("proof_damaged", f"Nothing can be used of {many}: {reason}.")

    def _anchor_facts(self, in_use: Iterable[Judged]) -> tuple[AnchorFact, ...]:
        groups: dict[tuple[str, int, str], list[Judged]] = {}
        for judged in in_use:
            if judged.anchor is not None:
                groups.setdefault((judged.slot[0], judged.slot[1], judged.anchor.transaction), []).append(judged)
        facts = []
        for (camera, chain, transaction), members in groups.items():
            anchor = members[0].anchor
            assert anchor is not None
            sequences = [judged.slot[2] for judged in members]
            facts.append(
                AnchorFact(
                    ledger=self.court.ledger_id,
                    camera=camera,
                    chain=chain,
                    sequences=(min(sequences), max(sequences)),
                    block=anchor.position.height,
                    transaction=transaction,
                    signed_read=anchor.signed_read,
                    batch=members[0].batch,
                    anchored_by_us=anchor.anchored_by_us,
                    anchored_by_source=anchor.source,
                    endorsers=anchor.endorsers or (() if anchor.caller is None else (anchor.caller.msp,)),
                )
            )
        return tuple(facts)

    def _required(self, verdict: Verdict, in_use: Iterable[Judged]) -> Verdict:
        """A proof weaker than what the examiner requires supports nothing."""
        lacks = unmet(
            self.asked.require,
            organisations=self.court.vouching,
            timestamped=any(fact.anchored_by_source == "timestamp" for fact in verdict.proof),
            sealed=any(judged.batch is not None for judged in in_use),
        )
        if lacks is None or verdict.state not in NEEDS_TRUST:
            return verdict
        weaker = self._without_match(
            State.UNTRUSTED_PROOF,
            sentences.untrusted(lacks, verdict.state),
            "requirement_unmet",
            (Finding.of("requirement_unmet", sentences.whole(lacks)),),
        )
        return replace(weaker, if_trusted=verdict, next_step="ask for a stronger proof, or require less (--require)")


def _picture_us(own: Recorded) -> int:
    """The usual distance of two pictures of a recording, microseconds."""
    return (own.end_us - own.start_us) // max(1, own.count)


def _opened_end(footage: Footage, script: Script) -> Script:
    """The script with a last picture that equals no recorded one as `unknown`, where a raw stream ends in it.

    A raw stream that is cut within a picture looks like one that ends behind it, so neither can be said of it.
    """
    if footage.container not in _OPEN_ENDED or len(script.operations) < 2:
        return script
    last, behind = script.operations[-1], footage.count - 1
    before = next((each for each in reversed(script.operations[:-1]) if each.file is not None), None)
    if last.op not in (Op.INSERTED, Op.MODIFIED) or last.file != (behind, behind) or before is None:
        return script
    unknown = replace(last, op=Op.UNKNOWN, record=None, chain=None, time_us=None, cause=OPEN_END)
    return replace(script, operations=(*script.operations[:-1], unknown), ops=(*script.ops[:-1], Op.UNKNOWN))
