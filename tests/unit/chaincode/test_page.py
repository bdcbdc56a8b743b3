"""The reference page is what the table says."""

from __future__ import annotations

from pathlib import Path

from chaincode.examinations import STATES
from chaincode.page import page
from chaincode.roles import ROLES
from chaincode.table import TABLE
from verifier.model import State

PAGE = Path(__file__).resolve().parents[3] / "docs" / "contract.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_the_page_names_every_transaction_with_its_roles() -> None:
    text = page()
    for name, rule in TABLE.items():
        (row,) = (line for line in text.splitlines() if line.startswith(f"| `{name}` "))
        assert rule.text in row
        assert all(role in row for role in rule.roles) or set(rule.roles) == set(ROLES)


def test_every_rule_is_said_in_words() -> None:
    for rule in TABLE.values():
        assert len(rule.text) > 20
        assert rule.text[0].islower() or rule.text.startswith("ADMIN"), rule.text
        assert not rule.text.endswith(".")


def test_the_states_of_a_verification_are_those_that_examinations_end_in() -> None:
    assert set(STATES) == {each.name for each in State}
