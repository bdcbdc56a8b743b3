"""Fixtures of the verifier's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from media.footage import Footage
from tests.unit.verifier.small_site import Site, footage_of, picture


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A ledger with an operator, two managers and a recorder; no camera yet."""
    made = Site(folder=tmp_path)
    yield made
    made.host.close()


@pytest.fixture
def film() -> Callable[[str, int, int], Footage]:
    """Make a file from pictures of a camera: `film("gate-1", 0, 25)` shows the first 25."""

    def make(camera: str, first: int, behind: int) -> Footage:
        return footage_of([picture(camera, number) for number in range(first, behind)])

    return make
