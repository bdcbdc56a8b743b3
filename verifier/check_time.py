"""Check 10: do clock, beacon and ledger agree on when, and how long could the footage have been edited before?"""

from __future__ import annotations

from collections.abc import Iterable

from verifier.anchor import Anchor
from verifier.check_proof import Judged
from verifier.check_sequence import record_of
from verifier.model import Finding
from verifier.sentences import seconds, utc

# The hosts refuse transactions whose time is further from their own clock; two honest clocks differ by less.
CLOCK_WINDOW_US = 15 * 60 * 1_000_000


def check_time(own: Iterable[Judged], headers: dict[int, bytes]) -> list[Finding]:
    """Findings about the times of the records in use.

    Args:
        own: records of the interval.
        headers: digests of ledger blocks at hand, by height.
    """
    findings: dict[str, Finding] = {}
    waited_us = 0
    for judged in own:
        record, anchor = record_of(judged), judged.anchor
        if record is None:
            continue
        span_us = record.start_us, record.end_us
        if record.clock.source == "import":
            findings.setdefault("imported", Finding.of("imported", "The times were stated when the file was imported."))
        elif record.clock.source == "free":
            findings.setdefault("clock_free", Finding.of("clock_free", "The recorder's clock was not synchronised."))
        beacon = record.beacon
        if beacon is not None and headers.get(beacon.height, beacon.hash) != beacon.hash:
            text = "The ledger block that a record names as the newest then known is not the ledger's."
            findings.setdefault("beacon_unproven", Finding.of("beacon_unproven", text, time_us=span_us))
        if anchor is None or anchor.anchored_by_us is None:
            continue
        if record.end_us > anchor.anchored_by_us + CLOCK_WINDOW_US:
            text = (
                f"A record that ends at {utc(record.end_us)} was anchored by {utc(anchor.anchored_by_us)}, before it."
            )
            findings.setdefault("clocks_disagree", Finding.of("clocks_disagree", text, time_us=span_us))
        elif record.tap != "import" and anchor.anchored_by_us - record.end_us > CLOCK_WINDOW_US:
            waited_us = max(waited_us, anchor.anchored_by_us - record.end_us)
    if waited_us:
        text = f"Records waited for up to {seconds(waited_us)} s before they were anchored."
        findings["late"] = Finding.of("late", text)
    return list(findings.values())


def exposure_us(own: Iterable[Judged]) -> int | None:
    """The longest time from capture to anchoring; None where a moment of anchoring is not known or lies before."""
    longest: int | None = None
    for judged in own:
        record, anchor = record_of(judged), judged.anchor
        if record is None or anchor is None:
            continue
        if anchor.anchored_by_us is None or anchor.anchored_by_us < record.start_us:
            return None
        longest = max(longest or 0, anchor.anchored_by_us - record.start_us)
    return longest


def latest_anchoring(anchors: Iterable[Anchor]) -> tuple[int | None, str]:
    """The moment by which all of them were anchored, and whose word it is; None where one has no such moment."""
    found = list(anchors)
    if not found or any(anchor.anchored_by_us is None for anchor in found):
        return None, "none"
    last = max(found, key=lambda anchor: anchor.anchored_by_us or 0)
    weakest = "operator" if any(anchor.source == "operator" for anchor in found) else last.source
    return last.anchored_by_us, weakest
