"""The store: durable, idempotent, never overwriting, and clear about what stops it."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, Malformed, ObjectCorrupt, ObjectMissing, Refused, StoreUnavailable
from sdk.store import FileStore, batch_file_key, get_bytes, object_key, open_store, proof_key, put_bytes, ring_key

DATA = b"stored bytes" * 1000
KEY = object_key(sha256(DATA))


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def test_the_same_bytes_again_succeed_and_change_nothing(store: FileStore) -> None:
    put_bytes(store, KEY, DATA)
    before = (store.folder / KEY).stat()
    put_bytes(store, KEY, DATA)
    assert (store.folder / KEY).stat().st_mtime_ns == before.st_mtime_ns
    assert get_bytes(store, KEY, limit=len(DATA)) == DATA
    assert list(store.list("objects")) == [KEY]
    assert list((store.folder / "tmp").iterdir()) == []


def test_a_put_that_reported_failure_although_it_succeeded_is_simply_repeated(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    folders = []

    def fails_on_folders(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            folders.append(descriptor)
            raise OSError(5, "Input/output error")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails_on_folders)
        with pytest.raises(StoreUnavailable):
            put_bytes(store, KEY, DATA)
    assert folders
    put_bytes(store, KEY, DATA)
    assert get_bytes(store, KEY, limit=len(DATA)) == DATA


def test_bytes_that_do_not_hash_to_the_name_are_not_taken(store: FileStore) -> None:
    with pytest.raises(ObjectCorrupt, match="do not hash"):
        put_bytes(store, KEY, DATA + b"!")
    assert not store.exists(KEY)
    assert list((store.folder / "tmp").iterdir()) == []


def test_a_damaged_object_is_named_and_never_overwritten(store: FileStore) -> None:
    put_bytes(store, KEY, DATA)
    path = store.folder / KEY
    path.chmod(0o600)
    path.write_bytes(b"damage")
    with pytest.raises(ObjectCorrupt, match="not what its name says"):
        put_bytes(store, KEY, DATA)
    assert path.read_bytes() == b"damage"


def test_another_proof_under_the_same_name_is_a_conflict(store: FileStore) -> None:
    key = proof_key("gate-1", 1_761_993_600, 7)
    put_bytes(store, key, b"proof")
    with pytest.raises(Refused, match="something else") as error:
        put_bytes(store, key, b"other")
    assert error.value.reason == "conflict"
    assert get_bytes(store, key, limit=100) == b"proof"


def test_only_key_rings_are_rewritten(store: FileStore) -> None:
    ring = ring_key(sha256(b"o"))
    put_bytes(store, ring, b"one")
    with pytest.raises(Refused, match="something else"):
        put_bytes(store, ring, b"two")
    store.replace(ring, io.BytesIO(b"two"))
    assert get_bytes(store, ring, limit=10) == b"two"
    for key in (KEY, proof_key("gate-1", 1, 2), batch_file_key("north", "recorder", 0)):
        with pytest.raises(Refused, match="only key rings"):
            store.replace(key, io.BytesIO(b"x"))


@pytest.mark.parametrize(
    "key",
    [
        "objects/../../etc/passwd", "objects/" + "A" * 64, "/etc/passwd", "", "objects/",
        "proof/Gate/0000000001-0000000000", "proof/gate/1-0", "batches/north/recorder-1", "elsewhere/" + "a" * 64,
        KEY + "\n", KEY + "/x",
    ],
)  # fmt: skip
def test_names_that_no_store_has_are_malformed(store: FileStore, key: str) -> None:
    for use in (lambda: put_bytes(store, key, b"x"), lambda: store.get(key), lambda: store.exists(key)):
        with pytest.raises(Malformed):
            use()


def test_what_is_missing_is_said_to_be_missing(store: FileStore) -> None:
    with pytest.raises(ObjectMissing):
        store.get(KEY)
    with pytest.raises(ObjectMissing):
        store.size_bytes(KEY)
    with pytest.raises(ObjectCorrupt, match="larger"):
        put_bytes(store, KEY, DATA)
        get_bytes(store, KEY, limit=10)


def test_keys_are_listed_in_order_and_strangers_apart(store: FileStore) -> None:
    keys = [proof_key("gate-1", 10, n) for n in (0, 2, 11)] + [proof_key("gate-2", 9, 0)]
    for key in reversed(keys):
        put_bytes(store, key, b"proof")
    (store.folder / "proof" / "gate-1" / "notes.txt").write_text("left by somebody")
    assert list(store.list("proof")) == keys
    assert list(store.strangers("proof")) == ["proof/gate-1/notes.txt"]
    with pytest.raises(Malformed):
        list(store.list("secrets"))


def test_stored_files_are_private_and_read_only(store: FileStore) -> None:
    put_bytes(store, KEY, DATA)
    assert (store.folder / KEY).stat().st_mode & 0o777 == 0o400
    assert store.folder.stat().st_mode & 0o777 == 0o700


def test_the_self_test_passes_and_leaves_nothing(store: FileStore) -> None:
    store.self_test()
    assert list((store.folder / "tmp").iterdir()) == []


def test_a_folder_cannot_promise_to_be_immutable(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="immutable"):
        FileStore(tmp_path / "store", immutable=True).self_test()


def test_a_file_system_without_hard_links_keeps_the_same_promises(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    put_bytes(store, KEY, DATA)
    put_bytes(store, KEY, DATA)
    key = proof_key("gate-1", 1, 0)
    put_bytes(store, key, b"proof")
    with pytest.raises(Refused):
        put_bytes(store, key, b"other")
    store.self_test()


def test_stores_of_other_kinds_are_not_known(tmp_path: Path) -> None:
    assert open_store("file:store", base=tmp_path).folder == tmp_path / "store"
    assert open_store(f"file://{tmp_path}/x", base=Path("/elsewhere")).folder == tmp_path / "x"
    for url in ("", "store", "ftp://x", "file:"):
        with pytest.raises(ConfigInvalid):
            open_store(url, base=tmp_path)


def test_an_unfinished_write_of_long_ago_is_swept(store: FileStore) -> None:
    old, fresh = store.folder / "tmp" / "old", store.folder / "tmp" / "fresh"
    for path in (old, fresh):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    FileStore(store.folder)
    assert [path.name for path in (store.folder / "tmp").iterdir()] == ["fresh"]
