"""Every refusal names the thing that is meant, under the name the user knows, and what to do next."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Place


@pytest.mark.parametrize("damage", ["lost", "malformed"])
def test_a_ledger_that_is_lost_or_malformed_is_named_where_it_belongs(recorded: Place, damage: str) -> None:
    for path in recorded.home.glob("ledger.db*"):
        path.unlink()
    if damage == "malformed":
        (recorded.home / "ledger.db").write_bytes(b"notes, not tables" * 300)
    for command in (("store", "fsck"), ("camera", "list")):
        ended = recorded.run(*command)
        assert ended.returncode in (2, 3), ended
        assert f"where: {recorded.home / 'ledger.db'}\n" in ended.stderr
        assert "restore it from" in ended.stderr and "back-up" in ended.stderr
        assert "veriframe init" not in ended.stderr
