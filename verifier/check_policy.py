"""Check 11: did the recorder sample as often as the policy in force promised?"""

from __future__ import annotations

from collections.abc import Iterable

from evidence.policy import sample_shortfall
from evidence.records import SegmentRecord
from verifier.anchor import AFTER_ALL
from verifier.check_proof import Judged
from verifier.check_registry import RegistryJudge
from verifier.model import Finding


def check_policy(own: Iterable[Judged], registry: RegistryJudge) -> list[Finding]:
    """Name the records with fewer samples than promised, and those whose policy was never set. Notes: pictures are
    covered one by one, whatever the sampling rate.
    """
    short, unknown, lacking = 0, 0, 0
    for judged in own:
        if judged.proof is None or not isinstance(judged.proof.record, SegmentRecord):
            continue
        record = judged.proof.record
        position = AFTER_ALL if judged.anchor is None else judged.anchor.position
        policy = registry.policy(record.policy, record.camera, position)
        if policy is None:
            unknown += 1
            continue
        shortfall = sample_shortfall(policy, record, judged.proof.offsets_us)
        short += shortfall > 0
        lacking += shortfall
    findings = []
    if short:
        text = f"{short} records hold fewer samples than the policy promised, {lacking} in all."
        findings.append(Finding.of("fewer_samples", text, detail=(("samples", lacking),)))
    if unknown:
        findings.append(Finding.of("policy_unknown", f"{unknown} records name a sampling policy that was never set."))
    return findings
