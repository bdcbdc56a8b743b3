"""The format pages say what the code and the vectors say."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "formats"


def test_the_closed_lists_are_those_of_the_code() -> None:
    generated = runpy.run_path(str(PAGES / "make_lists.py"))["page"]()
    assert (PAGES / "lists.md").read_text() == generated, "run make docs"


def test_every_digest_in_an_example_stands_in_the_vectors() -> None:
    vectors = "".join(path.read_text() for path in (ROOT / "tests" / "vectors").glob("*.json"))
    quoted = {digest for page in PAGES.glob("*.md") for digest in re.findall(r"\b[0-9a-f]{64}\b", page.read_text())}
    assert len(quoted) > 10
    assert {digest for digest in quoted if digest not in vectors} == set()


def test_every_link_between_the_pages_leads_somewhere() -> None:
    for page in PAGES.glob("*.md"):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"
