"""A verdict's sentence says what was covered, whose word it rests on, and nothing wider."""

import re

import pytest

from verifier import sentences
from verifier.model import State

NOON = 1_700_000_000_000_000
LATER = NOON + 90_500_000

EVERY = {
    "verified": sentences.verified(
        (NOON, LATER), ledger="ledger embedded:ab", when=sentences.anchored_when(LATER, "x"), keeper=True
    ),
    "verified_long": sentences.verified(
        (NOON, LATER),
        ledger="ledger embedded:ab",
        when=sentences.anchored_when(None, ""),
        keeper=False,
        clauses=(
            sentences.gap(3_000_000, ["power"]),
            sentences.continues(True, True),
            sentences.IMPORTED,
            sentences.NO_TIMES,
            sentences.CUT_PICTURE,
            sentences.OTHER_VERSIONS,
        ),
    ),
    "altered": sentences.altered((NOON, LATER), places=2),
    "damaged": sentences.altered((NOON, LATER), places=1, damaged_only=True),
    "incomplete": sentences.incomplete(5_000_000, kinds=["missing", "hidden"], added=3),
    "nothing_expected": sentences.nothing_expected("not enrolled", whom="camera gate-1"),
    "nothing_known": sentences.nothing_known(),
    "no_match": sentences.no_match(["gate-1"], equals=sentences.elsewhere("gate-2", (NOON, LATER))),
    "untrusted": sentences.untrusted("the ledger is not among what the examiner was told to trust", State.VERIFIED),
    "undetermined": sentences.undetermined(["the file holds no pictures", sentences.pending(NOON, LATER)]),
    "similar_only": sentences.similar_only((NOON, LATER), distance="0.02", false_match_rate="1e-6"),
}


@pytest.mark.parametrize("text", EVERY.values(), ids=EVERY.keys())
def test_no_sentence_claims_what_the_method_cannot_know(text: str) -> None:
    for word in sentences.FORBIDDEN:
        assert re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is None, word


@pytest.mark.parametrize("name", ["verified", "verified_long", "altered", "incomplete", "similar_only"])
def test_the_sound_is_always_named_as_not_examined(name: str) -> None:
    assert EVERY[name].endswith("The sound was not examined.")


def test_verified_names_the_keeper_only_where_nobody_watches_him() -> None:
    assert "would have been detected unless the keeper of this ledger rewrote it." in EVERY["verified"]
    assert "would have been detected." in EVERY["verified_long"]
    assert "at a time not independently proven" in EVERY["verified_long"]


def test_times_are_written_in_utc_and_never_rounded_up() -> None:
    assert sentences.utc(NOON + 999_999) == "2023-11-14T22:13:20.999Z"
    assert sentences.utc(2**53 - 1).endswith("Z")
    assert sentences.utc(-(2**63)).endswith(" us")


@pytest.mark.parametrize(
    ("microseconds", "text"), [(5_000_000, "5"), (400_000, "0.4"), (40_000, "0.04"), (12_340_000, "12.3"), (0, "0")]
)
def test_durations_are_short_and_never_shown_as_zero(microseconds: int, text: str) -> None:
    assert sentences.seconds(microseconds) == text


def test_incomplete_without_added_material_says_that_what_is_present_matches() -> None:
    text = sentences.incomplete(5_000_000, kinds=["missing"])
    assert text.startswith("5 s of recorded pictures are not shown as recorded (missing). The picture data that is pre")


def test_incomplete_with_added_material_speaks_only_of_recorded_pictures() -> None:
    assert "The recorded picture data that is present matches." in EVERY["incomplete"]
    assert "(missing, hidden or with other material between them)" in EVERY["incomplete"]
    alone = sentences.incomplete(0, kinds=[], added=3)
    assert alone.startswith("Recorded pictures are not shown as recorded (with other material between them).")


def test_untrusted_says_what_trust_would_change() -> None:
    assert EVERY["untrusted"].endswith("If it were trusted, the result would be VERIFIED.")
