"""What a receipt is worth is decided by the examiner's trust file, and by nothing that came with the evidence."""

from __future__ import annotations

from evidence.ledger_format import Receipt
from evidence.trust import Trust
from tests.unit.verifier.small_site import Site
from verifier.anchor import Standing
from verifier.check_anchor import ReceiptJudge


def judge(site: Site, trust: Trust | None = None) -> ReceiptJudge:
    trust = trust or site.trust
    ledger = trust.ledger(site.genesis.ledger_id)
    return ReceiptJudge(site.genesis, ledger, trust, {})


def receipt(site: Site) -> Receipt:
    site.enrol("gate-1")
    site.record("gate-1", "IPPP IPPP")
    site.anchor()
    return next(r for k, r in site.bundle().state.items() if k.startswith("block/"))


def test_a_receipt_under_the_trusted_operator_is_sound(site: Site) -> None:
    anchor = judge(site).anchor(receipt(site))
    assert anchor.judgement.standing is Standing.SOUND, anchor
    assert (anchor.source, anchor.keeper, anchor.function) == ("operator", True, "anchor")
    assert anchor.caller is not None and anchor.caller.role == "RECORDER"
