"""An open batch may come compressed: what stands on the ledger is the same, and nothing else gets in that way."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chaincode.anchors import MAX_BATCH_BYTES, open_batch
from evidence.batches import make_batch
from evidence.canonical import canonical
from tests.hosts.cast import the_cast
from tests.hosts.stage import EmbeddedStage, Stage


@contextmanager
def opened(folder: Path) -> Iterator[Stage]:
    host = EmbeddedStage(folder, the_cast())
    try:
        made = Stage(host, the_cast())
        made.opens_for_business()
        yield made
    finally:
        host.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with opened(tmp_path) as made:
        yield made


def plain(count: int) -> bytes:
    cast = the_cast()
    return canonical([cast.signed(cast.block(sequence)).to_json() for sequence in range(count)])


def test_several_blocks_go_compressed_and_one_goes_as_it_is() -> None:
    cast = the_cast()
    blocks = [cast.signed(cast.block(sequence)) for sequence in range(6)]
    assert zlib.decompress(open_batch(blocks)) == plain(6)
    assert len(open_batch(blocks)) < len(plain(6)) / 2
    assert open_batch(blocks[:1]) == plain(1)


def test_the_same_stands_on_the_ledger_either_way(stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with opened(tmp_path / "other") as other:
        packed = zlib.compress(plain(4), 9)
        assert stage.does("recorder", "anchor", plain(4)) == other.does("recorder", "anchor", packed)
        assert stage.host.state() == other.host.state()
        assert other.does("recorder", "anchor", plain(4)) == {"anchored": 0, "standing": 4}


@pytest.mark.parametrize(
    "document",
    [
        b"x",
        zlib.compress(plain(2))[:-1],
        zlib.compress(plain(2)) + b"\0",
        zlib.compress(zlib.compress(plain(2))),
        zlib.compress(b"[" + b" " * (MAX_BATCH_BYTES + 1) + b"]"),
        zlib.compress(plain(2).replace(b",", b", ", 1)),
        zlib.compress(b"[]"),
        b"\x1f\x8b" + zlib.compress(plain(2))[2:],
    ],
    ids=["no zlib", "cut off", "more behind", "twice", "too large", "not canonical", "empty", "gzip"],
)
def test_what_is_no_compressed_list_of_blocks_is_refused(stage: Stage, document: bytes) -> None:
    stage.refuses("invalid", "recorder", "anchor", document)


def test_a_sealed_batch_is_not_compressed_since_it_stands_as_it_comes(stage: Stage) -> None:
    batch, _ = make_batch([the_cast().block(0)], site="north", recorder="recorder", batch=0, previous=None)
    stage.refuses("invalid", "recorder", "anchor", zlib.compress(batch.canonical()), says="not compressed")
    assert stage.does("recorder", "anchor", batch.canonical()) == {"anchored": 1, "standing": 0}
