"""What is printed for people: durations they can grasp, and words beside codes."""

from __future__ import annotations

import pytest

from cli.inspect import _ODD, _in_words
from cli.verdict_text import _lasting, facts
from media.display import ODD_NOTES
from media.footage import NOTES
from verifier.model import State
from verifier.verdict import AnchorFact, Verdict


@pytest.mark.parametrize(
    ("duration_us", "text"),
    [
        (1_400_000, "1.4 s"),
        (3_599_000_000, "3599 s"),
        (12_060_000_000, "12060 s (3 h 21 min)"),
        (28_015_200_400_000, "28015200.4 s (324 d 6 h)"),
    ],
)
def test_a_long_time_is_also_told_in_days_and_hours(duration_us: int, text: str) -> None:
    assert _lasting(duration_us) == text


@pytest.mark.parametrize(("signed_read", "word"), [(True, "signed read"), (False, "transaction")])
def test_a_signed_read_is_not_called_a_transaction(signed_read: bool, word: str) -> None:
    """Nobody finds the id of a read on the ledger."""
    anchor = AnchorFact(
        ledger="fabric:evidence:00", camera="gate-1", chain=1, sequences=(0, 1), block=13, transaction="ab" * 32,
        batch=None, anchored_by_us=None, anchored_by_source="none", endorsers=(), signed_read=signed_read,
    )  # fmt: skip
    verdict = Verdict(state=State.VERIFIED, sentence="", proof=(anchor,))
    assert f"{word} {'ab' * 32}" in dict(facts(verdict))["anchored"]


def test_every_note_of_a_scan_has_words() -> None:
    assert set(_ODD) == ODD_NOTES
    for note in (*NOTES, *ODD_NOTES):
        assert " " in _in_words(note) and "no words" not in _in_words(note)
