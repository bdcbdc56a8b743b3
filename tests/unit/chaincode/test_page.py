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


def test_a_role_note_names_exactly_those_whom_the_rule_lets() -> None:
    for name, rule in TABLE.items():
        note = rule.role_note
        for role, made in ROLES.items():
            allowed = any(rule.permits(role, msp) for msp in made.msps)
            named = note.roles == "everybody" or role in note.roles.removesuffix(" (or a deputy)").split(", ")
            assert named == allowed, (name, role)
            assert not allowed or note.roles == "everybody" or f"({role})" in note.who, (name, role)
        deputies = rule.permits_deputy("CRS", ROLES["CRS"].msps[0]) and "CRS" not in rule.roles
        assert note.roles.endswith(" (or a deputy)") == deputies == ("deputy" in note.who), name
        assert note.rule == rule.text
        assert all(part in note.text for part in (note.roles, note.rule, note.who))
        assert f"| `{name}` | {note.roles} | {note.rule} |" in page(), "code and page say the same"
