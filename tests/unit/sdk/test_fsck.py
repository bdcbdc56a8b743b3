"""Checking a store: what is missing, damaged, left over or foreign is named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from evidence.digests import sha256
from evidence.errors import Malformed
from evidence.proof_file import parse_proof_file
from evidence.records import Media
from sdk.fsck import check_empty, check_store
from sdk.rings import make_ring, recipient_of
from sdk.seal_stream import MEDIA, seal_bytes
from sdk.store import object_key, proof_key, put_bytes, ring_key


def problems(site: Any, *, ledger: bool = True) -> list[tuple[str, str]]:
    found = check_store(site.store, site.ledger.reader if ledger else None)
    return sorted((problem.kind, problem.key) for problem in found)


@pytest.fixture(params=[None, ("site-1", "recorder")], ids=["open", "sealed"])
def kept(site: Any, request: Any) -> Any:
    site.recorder.gaps = True
    state = site.recorder.record(site.spool, 5)
    assert site.shipper(sealed=request.param).drain().complete
    return site, state.chain


def edit(site: Any, key: str, data: bytes | None) -> None:
    path = site.store.folder / key
    if data is None:
        path.unlink()
    else:
        path.chmod(0o600)
        path.write_bytes(data)


def test_a_sound_store_has_no_problems(kept: Any) -> None:
    site, _ = kept
    shares: list[float] = []
    assert list(check_store(site.store, site.ledger.reader, progress=lambda share, _: shares.append(share))) == []
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_damage_loss_leftovers_and_strangers_are_told_apart(kept: Any) -> None:
    site, _ = kept
    objects = list(site.store.list("objects"))
    edit(site, objects[0], b"damage")
    edit(site, objects[1], None)
    put_bytes(site.store, object_key(sha256(b"left over")), b"left over")
    (site.store.folder / "proof" / "gate-1" / "notes.txt").write_text("x")
    (site.store.folder / "objects" / "README").write_text("x")
    found = problems(site)
    missing = [key for kind, key in found if kind == "missing"]
    assert ("corrupt", objects[0]) in found
    assert len(missing) == 1
    assert missing[0].startswith("proof/gate-1/")
    assert ("orphan", object_key(sha256(b"left over"))) in found
    assert [key for kind, key in found if kind == "stranger"] == ["objects/README", "proof/gate-1/notes.txt"]
    assert len(found) == 5


def test_a_proof_file_that_the_ledger_anchors_is_missed(kept: Any) -> None:
    site, chain = kept
    lost = proof_key("gate-1", chain, 1)
    edit(site, lost, None)
    assert ("missing", lost) in problems(site)
    found = check_store(site.store, site.ledger.reader, spooled={lost})
    assert "missing" not in {problem.kind for problem in found}


def test_an_empty_store_of_a_ledger_with_anchors_is_not_sound(kept: Any) -> None:
    site, _ = kept
    expected = len(list(site.store.list("proof"))) + len(list(site.store.list("batches")))
    for area in ("proof", "batches"):
        for key in list(site.store.list(area)):
            edit(site, key, None)
    found = list(check_empty(site.store, site.ledger.reader))
    assert {problem.kind for problem in found} == {"missing"}
    # Behind a batch whose list is lost, nobody can tell any more which blocks it holds.
    assert len(found) == (1 if any(p.key.startswith("batches/") for p in found) else expected)


def test_a_changed_byte_of_a_proof_file_is_noticed(kept: Any) -> None:
    site, chain = kept
    key = proof_key("gate-1", chain, 1)
    data = (site.store.folder / key).read_bytes()
    for at in range(0, len(data), 37):
        changed = data[:at] + bytes([data[at] ^ 0x20]) + data[at + 1 :]
        edit(site, key, changed)
        # The bits that fill up the last byte of a compressed stream stand for nothing: the same proof is read.
        assert ("corrupt", key) in problems(site) or parse_proof_file(changed) == parse_proof_file(data), at
    edit(site, key, data)
    assert problems(site) == []


def test_a_proof_file_in_anothers_place_is_noticed(kept: Any) -> None:
    site, chain = kept
    data = (site.store.folder / proof_key("gate-1", chain, 0)).read_bytes()
    edit(site, proof_key("gate-1", chain, 1), data)
    assert ("corrupt", proof_key("gate-1", chain, 1)) in problems(site)


def test_what_the_ledger_does_not_hold_is_said(site: Any) -> None:
    state = site.recorder.record(site.spool, 2)
    site.as_manager("suspend_camera", camera="gate-1", reason="ab" * 32)
    site.shipper().drain()
    assert problems(site) == [("unanchored", proof_key("gate-1", state.chain, n)) for n in (0, 1)]
    assert problems(site, ledger=False) == []


def test_a_record_signed_by_a_stranger_is_corrupt(site: Any, make_recorder: Any) -> None:
    state = make_recorder(camera="gate-1").record(site.spool, 1)
    site.shipper().drain()
    assert problems(site) == [("corrupt", proof_key("gate-1", state.chain, 0))]


def test_leaf_lists_are_held_against_the_ledger(site: Any) -> None:
    state = site.recorder.record(site.spool, 2)
    site.shipper(sealed=("site-1", "recorder")).drain()
    (key,) = site.store.list("batches")
    data = (site.store.folder / key).read_bytes()
    edit(site, key, data.replace(b'"sequence":1', b'"sequence":2'))
    found = problems(site)
    assert ("corrupt", key) in found
    assert ("unanchored", proof_key("gate-1", state.chain, 1)) in found
    edit(site, key, None)
    assert ("missing", key) in problems(site)


def test_rings_are_needed_by_what_is_encrypted_and_by_nothing_else(site: Any) -> None:
    data_key = bytes(32)
    state = site.spool.open_import("gate-1", start_us=0, sha256=sha256(b"f"))
    sealed = site.recorder.seal(state, site.spool)
    clear = sealed.media_path.read_bytes()
    stored = seal_bytes(clear, data_key, MEDIA)
    sealed.media_path.write_bytes(stored)
    media = Media(size_bytes=len(clear), sha256=sha256(clear), object=sha256(stored))
    from evidence.blocks import block_of, sign_block
    from evidence.proof_file import parse_proof_file, write_proof_file

    record = replace(sealed.record, media=media)
    block = sign_block(block_of(record), site.recorder.signer)
    proof = write_proof_file(replace(parse_proof_file(sealed.proof), record=record, signed=block))
    recipients = [recipient_of(X25519PrivateKey.generate()) for _ in range(2)]
    ring = make_ring(media.object, data_key, recipients).canonical()
    site.spool.append(replace(sealed, record=record, block=block, proof=proof, ring=ring))
    assert site.shipper().drain().complete
    assert problems(site) == []
    key = ring_key(media.object)
    other = ring_key(sha256(b"other"))
    put_bytes(site.store, other, make_ring(sha256(b"other"), data_key, recipients).canonical())
    assert problems(site) == [("orphan", other)]
    edit(site, other, ring)
    assert problems(site) == [("corrupt", other)]
    edit(site, other, None)
    edit(site, key, None)
    assert problems(site) == [("missing", proof_key("gate-1", state.chain, 0))]


def test_a_damaged_ledger_is_a_problem_and_the_store_is_checked_all_the_same(kept: Any) -> None:
    site, _ = kept

    class Damaged:
        def entries(self, prefix: str) -> Any:
            raise Malformed("the ledger file is damaged")

    (key, *_) = site.store.list("objects")
    edit(site, key, b"damage")
    found = {(problem.kind, problem.key) for problem in check_store(site.store, Damaged())}  # type: ignore[arg-type]
    assert found == {("corrupt", "ledger"), ("corrupt", key)}
