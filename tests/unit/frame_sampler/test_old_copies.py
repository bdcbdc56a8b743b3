"""A spool that was restored from a back-up knows less than it once gave away."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from frame_sampler.importer import import_file
from sdk.store import open_store, proof_key, put_bytes
from tests.conftest import SceneMaker
from tests.unit.frame_sampler.importing import CLEAR, START_US, UNSAMPLED, bring_in, kept, make_home, now_us


@pytest.mark.parametrize("shipped", [True, False])
def test_an_older_copy_gives_no_number_twice(scene: SceneMaker, tmp_path: Path, shipped: bool) -> None:
    clip = scene(seconds=24, width=160, height=90, fps=5, gop=5)
    home, copy = make_home(tmp_path / "home", policy=UNSAMPLED), tmp_path / "copy"

    def interrupt(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        import_file(home, clip, camera="gate-1", start_us=START_US, store=CLEAR, now=now_us, progress=interrupt)
    shutil.copytree(home.spool, copy)
    first = bring_in(home, clip)
    if shipped:
        proof = kept(home, first)[1].row.proof
        assert proof is not None
        put_bytes(open_store(CLEAR.url, base=home.path), proof_key("gate-1", first.chain, 1), proof)
    shutil.rmtree(home.spool)
    shutil.copytree(copy, home.spool)
    again = bring_in(home, clip)
    assert (again.chain > first.chain) is shipped
    assert again.added_units == (first.units if shipped else first.added_units)
