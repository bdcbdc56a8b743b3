"""Flipped bytes in every database of custody: a clear error or nothing, never a traceback, and nothing double sent."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import VeriframeError
from sdk.acting import act_as
from sdk.index import Index
from sdk.people import People
from sdk.shipper import Shipper
from sdk.spool import Spool
from sdk.store import FileStore
from tests.unit.sdk.miniature import START_US, Recorder, Site, Ticking

FLIPS = 150


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 1, 1, 5, 50))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def try_each(database: Path, work: Path, use: Callable[[Path, random.Random], None]) -> int:
    """Use copies of a database with bytes flipped; returns how often that was refused."""
    refused = 0
    for seed in range(FLIPS):
        chance = random.Random(seed)
        copy = work / "copy.db"
        shutil.copyfile(database, copy)
        for ending in ("-wal", "-shm"):
            copy.with_name(copy.name + ending).unlink(missing_ok=True)
        flip(copy, chance)
        try:
            use(copy, chance)
        except VeriframeError as error:
            assert str(error)
            refused += 1
    return refused


def test_a_flipped_index_is_refused_or_answers_something(site: Site, tmp_path: Path) -> None:
    site.recorder.record(site.spool, 8)
    site.shipper(sealed=("site-1", "recorder")).drain()
    site.index.close()

    def use(path: Path, chance: random.Random) -> None:
        with Index(path) as index:
            index.find([site.recorder.picture(n) for n in range(0, 40, 5)])
            index.slots(camera="gate-1", from_us=START_US)
            index.batches_of("gate-1", site.spool._rows("1", ())[0].chain, 3)

    assert try_each(site.home.index, tmp_path, use) > 0


def test_a_flipped_file_of_openings_is_refused_or_answers_the_truth(tmp_path: Path, clock: Ticking) -> None:
    path = tmp_path / "people.db"
    with People(path, now=clock) as people:
        texts = {people.commit(f"reason {n}", subject=f"camera {n}"): f"reason {n}" for n in range(20)}

    def use(copy: Path, chance: random.Random) -> None:
        with People(copy, now=clock) as people:
            for commitment, text in texts.items():
                opening = people.opening(commitment)
                assert opening is None or opening.text == text

    assert try_each(path, tmp_path, use) > 0


@pytest.mark.slow
def test_a_flipped_spool_never_sends_what_was_not_sealed(site: Site, tmp_path: Path) -> None:
    """Whatever a drain of the damaged spool puts on the ledger was sealed, and what is stored is what was sealed."""
    state = site.recorder.record(site.spool, 6)
    sealed = {row.sequence: row.record_sha256 for row in site.spool.unstored()}
    site.spool.close()
    base = tmp_path / "base"
    shutil.copytree(site.home.path, base)
    refused = 0
    for seed in range(FLIPS // 3):
        chance = random.Random(seed)
        shutil.rmtree(site.home.path)
        shutil.copytree(base, site.home.path)
        flip(site.home.spool / "spool.db", chance)
        ledger = act_as(site.home, "recorder", now=site.clock)
        try:
            with Spool(site.home.spool, now=site.clock) as spool:
                done = Shipper(spool, FileStore(site.home.store), ledger).drain()
                refused += bool(done.troubles)
                fresh: Any = Recorder(signer=site.recorder.signer, pictures=b"more")
                fresh.record(spool, 1, file=sha256(b"more"))
        except VeriframeError as error:
            assert str(error)
            refused += 1
        blocks = [entry.key for entry in ledger.reader.entries(f"block/gate-1/{state.chain:010d}/")]
        for key in blocks:
            sequence = int(key[-10:])
            standing = ledger.reader.get(key)
            assert standing is not None
            assert sealed[sequence].hex().encode() in standing.value
        ledger.close()
    assert refused > 0
    shutil.rmtree(site.home.path)
    shutil.copytree(base, site.home.path)
