"""The index: finds, is never believed, and is the same again after a rebuild."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import Malformed
from sdk.index import Hit, Index, rebuild
from sdk.store import proof_key, put_bytes


def test_key_pictures_and_times_are_found(site: Any) -> None:
    site.recorder.gaps = True
    state = site.recorder.record(site.spool, 5)
    site.shipper().drain()
    # Sequence 3 is the gap, so picture 15 opens sequence 4.
    wanted = [site.recorder.picture(5), site.recorder.picture(15), site.recorder.picture(6), sha256(b"unknown")]
    assert site.index.find(wanted) == [
        Hit(camera="gate-1", chain=state.chain, sequence=1, unit=0),
        Hit(camera="gate-1", chain=state.chain, sequence=4, unit=0),
    ]
    slots = site.index.slots(camera="gate-1")
    assert [(s.sequence, s.kind, s.first_unit, s.units) for s in slots] == [
        (0, "segment", 0, 5), (1, "segment", 5, 5), (2, "segment", 10, 5), (3, "gap", 15, 0), (4, "segment", 15, 5),
    ]  # fmt: skip
    middle = slots[2]
    assert [s.sequence for s in site.index.slots(from_us=middle.start_us, to_us=middle.end_us)] == [2]
    assert site.index.slots(camera="gate-2") == []
    assert site.index.slots(from_us=slots[-1].end_us) == []


def test_many_digests_are_asked_at_once(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    site.shipper().drain()
    noise = [sha256(n.to_bytes(4, "big")) for n in range(2000)]
    assert len(site.index.find([*noise, site.recorder.picture(0), site.recorder.picture(10)])) == 2


@pytest.mark.parametrize("sealed", [None, ("site-1", "recorder")])
def test_a_rebuilt_index_equals_the_original(site: Any, sealed: Any) -> None:
    site.recorder.gaps = True
    for file in (b"one", b"two", b"three"):
        site.recorder.record(site.spool, 5, file=file)
        site.shipper(sealed=sealed).drain()
    original = site.index.contents()
    assert len(original) > 15
    site.index.close()
    site.home.index.write_bytes(b"damaged")
    seen: list[str] = []
    assert rebuild(site.home.index, site.store, site.ledger.reader, progress=seen.append) == []
    assert len(seen) == 15
    with Index(site.home.index) as fresh:
        assert fresh.contents() == original
    site.index = Index(site.home.index)
    site.index.close()


def test_adding_again_changes_nothing(site: Any) -> None:
    from evidence.proof_file import parse_proof_file

    site.recorder.record(site.spool, 2)
    rows = site.spool.unstored()
    for row in rows * 2:
        site.index.add(parse_proof_file(row.proof))
    assert len(site.index.contents()) == 4


def test_what_is_damaged_is_left_out_and_named(site: Any) -> None:
    state = site.recorder.record(site.spool, 3)
    site.shipper(sealed=("site-1", "recorder")).drain()
    proof = site.store.folder / proof_key("gate-1", state.chain, 1)
    proof.chmod(0o600)
    proof.write_bytes(proof.read_bytes()[:-5])
    put_bytes(
        site.store, proof_key("gate-9", 1, 1), (site.store.folder / proof_key("gate-1", state.chain, 0)).read_bytes()
    )
    (leaves,) = (site.store.folder / key for key in site.store.list("batches"))
    leaves.unlink()
    site.index.close()
    problems = rebuild(site.home.index, site.store, site.ledger.reader)
    assert [problem.split(":")[0] for problem in problems] == [
        proof_key("gate-1", state.chain, 1), proof_key("gate-9", 1, 1), "batches/site-1/recorder-0000000000",
    ]  # fmt: skip
    assert "another slot's name" in problems[1]
    with Index(site.home.index) as fresh:
        assert [slot.sequence for slot in fresh.slots()] == [0, 2]


def test_a_damaged_index_is_named_with_the_command_that_makes_it_anew(tmp_path: Path) -> None:
    path = tmp_path / "index.db"
    path.write_bytes(b"this is no database, however long it may be" * 100)
    with pytest.raises(Malformed, match="the index is damaged") as error:
        Index(path)
    assert error.value.next_step.endswith("veriframe store reindex")
