"""Full, read-only and closed disks: a clear error, nothing acknowledged that is not kept, and going on afterwards."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, SpoolFull, StoreUnavailable, VeriframeError
from sdk.home import open_home, snapshot
from sdk.index import Index
from sdk.init import init_home
from sdk.people import People
from sdk.shipper import Shipper
from sdk.spool import Spool
from sdk.store import FileStore, object_key, put_bytes
from tests.unit.sdk.miniature import Recorder, Site, Ticking


def fill(folder: Path) -> Path:
    """Take all the space that is left."""
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 4096, 512, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return path


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder bound to itself and made read-only: root, too, is kept out."""
    if subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Act as a user without rights: root may read and write everything, whatever the mode says."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def test_a_spool_that_fills_up_says_so_and_keeps_what_it_acknowledged(
    small_disk: Path, recorder: Recorder, clock: Ticking
) -> None:
    with Spool(small_disk / "spool", now=clock) as spool:
        state = recorder.record(spool, 3)
        filler = fill(small_disk)
        failures = 0
        for _ in range(300):
            try:
                state = spool.append(recorder.seal(state, spool))
            except (SpoolFull, OSError) as error:
                # Writing the media file itself is the sampler's, and fails as the system says it.
                failures += 1
                if isinstance(error, SpoolFull):
                    assert "free space" in error.next_step
            if failures > 3:
                break
        assert failures > 3
        kept = state.next_sequence
        assert len(spool.unstored(limit=1000)) == kept
        filler.unlink()
        for path in (spool.folder / "tmp").iterdir():
            path.unlink()
        assert spool.append(recorder.seal(state, spool)).next_sequence == kept + 1
    with Spool(small_disk / "spool", now=clock) as again:
        rows = again.unstored(limit=1000)
        assert [row.sequence for row in rows] == list(range(kept + 1))
        assert all(row.media_path is not None and row.media_path.stat().st_size > 0 for row in rows)


def test_an_append_without_space_for_the_row_gives_the_media_back(
    small_disk: Path, recorder: Recorder, clock: Ticking
) -> None:
    with Spool(small_disk / "spool", now=clock) as spool:
        state = recorder.record(spool, 1)
        sealed = recorder.seal(state, spool)
        large = type(sealed)(
            record=sealed.record, block=sealed.block, proof=os.urandom(4 << 20), media_path=sealed.media_path
        )
        with pytest.raises(SpoolFull):
            spool.append(large)
        assert sealed.media_path is not None
        assert sealed.media_path.exists()
        assert spool.chain("gate-1", state.chain) == state
        assert spool.append(sealed).next_sequence == 2


def test_a_store_that_fills_up_leaves_the_rest_pending_and_goes_on(small_disk: Path, site: Site) -> None:
    store = FileStore(small_disk / "store")
    site.recorder.record(site.spool, 6)
    filler = fill(small_disk)
    done = Shipper(site.spool, store, site.ledger, index=site.index).drain()
    assert (done.anchored, done.pending_anchor) == (6, 0)
    assert done.pending_store == 6
    assert "no space left in the store" in done.troubles[0].reason
    assert list((store.folder / "tmp").iterdir()) == []
    filler.unlink()
    assert Shipper(site.spool, store, site.ledger, index=site.index).drain().complete


def test_a_large_object_that_does_not_fit_leaves_nothing_behind(small_disk: Path) -> None:
    store = FileStore(small_disk / "store")
    data = os.urandom(3 << 20)
    with pytest.raises(StoreUnavailable, match="no space"):
        put_bytes(store, object_key(sha256(data)), data)
    assert not store.exists(object_key(sha256(data)))
    put_bytes(store, object_key(sha256(data[:1000])), data[:1000])


def test_a_home_cannot_be_made_on_a_full_disk_and_can_afterwards(small_disk: Path, clock: Ticking) -> None:
    filler = fill(small_disk)
    with pytest.raises(VeriframeError):
        init_home(small_disk / "home", demo=True, now=clock)
    filler.unlink()
    init_home(small_disk / "home", demo=True, now=clock)


OPENERS: dict[str, Callable[[Path], Any]] = {
    "spool": lambda folder: Spool(folder / "spool", now=Ticking()),
    "index": lambda folder: Index(folder / "index.db"),
    "people": lambda folder: People(folder / "people.db", now=Ticking()),
    "store": lambda folder: FileStore(folder / "store"),
    "home": lambda folder: init_home(folder / "home", demo=False, now=Ticking()),
}


@pytest.mark.parametrize("name", OPENERS)
def test_a_read_only_disk_is_said_clearly(small_disk: Path, name: str) -> None:
    with read_only(small_disk), pytest.raises((ConfigInvalid, StoreUnavailable)) as error:
        OPENERS[name](small_disk)
    assert str(small_disk) in error.value.where
    assert error.value.next_step


@pytest.mark.parametrize("name", OPENERS)
def test_a_folder_without_rights_is_said_clearly(name: str) -> None:
    folder = Path("/var/tmp") / f"veriframe-{os.getpid()}-{name}"
    folder.mkdir(mode=0o755)
    try:
        with as_nobody():
            if os.access(folder, os.W_OK, effective_ids=True):
                pytest.skip("needs root: only root has folders that others may not write")
            with pytest.raises((ConfigInvalid, StoreUnavailable)) as error:
                OPENERS[name](folder)
        assert error.value.where
        assert error.value.next_step
    finally:
        folder.rmdir()


def test_a_store_that_became_read_only_leaves_everything_pending(site: Site, small_disk: Path) -> None:
    store = FileStore(small_disk / "store")
    site.recorder.record(site.spool, 2)
    with read_only(small_disk):
        done = Shipper(site.spool, store, site.ledger).drain()
        assert (done.anchored, done.stored) == (2, 0)
        assert "read-only" in done.troubles[0].reason
        with pytest.raises(StoreUnavailable):
            store.self_test()
    assert Shipper(site.spool, store, site.ledger).drain().complete


def test_a_spool_that_became_read_only_says_so_and_goes_on_later(
    small_disk: Path, recorder: Recorder, clock: Ticking
) -> None:
    with Spool(small_disk / "spool", now=clock) as spool:
        state = recorder.record(spool, 1)
        sealed = recorder.seal(state, spool)
    with read_only(small_disk), pytest.raises(ConfigInvalid):
        Spool(small_disk / "spool", now=clock)
    with Spool(small_disk / "spool", now=clock) as spool:
        assert sealed.media_path is not None
        assert spool.append(sealed).next_sequence == 2


def test_a_home_on_read_only_media_can_be_looked_at(site: Site) -> None:
    site.recorder.record(site.spool, 3)
    site.shipper().drain()
    site.recorder.record(site.spool, 1)
    before = {path: path.stat().st_mtime_ns for path in site.home.path.rglob("*")}
    with read_only(site.home.path), snapshot(open_home(site.home.path, writing=False)) as copy:
        with Index(copy.index) as index, Spool(copy.spool, now=Ticking()) as spool:
            assert len(index.slots()) == 3
            assert spool.backlog().unanchored == 1
        store = FileStore(copy.store, writing=False)
        assert len(list(store.list("objects"))) == 3
    assert {path: path.stat().st_mtime_ns for path in site.home.path.rglob("*")} == before
