"""Shipping: what is sealed reaches store and ledger once, whatever fails on the way and whatever we are told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, BinaryIO

import pytest

from evidence.batches import batch_key, parse_batch
from evidence.blocks import chain_key, parse_signed_block, slot_key
from evidence.digests import sha256
from evidence.errors import CommitUnknown, LedgerUnavailable, StoreUnavailable
from evidence.leaf_list import parse_leaf_list
from evidence.ledger_format import Receipt, parse_receipt
from sdk.rings import make_ring, parse_ring, recipient_of, rewrap
from sdk.shipper import Shipper
from sdk.store import batch_file_key, get_bytes, object_key, proof_key, ring_key


def anchored_slots(site: Any) -> list[str]:
    return [entry.key for entry in site.ledger.reader.entries("block/gate-1/")]


class FaultyLedger:
    """The real ledger, whose answers are lost or which is away, as `faults` says: one word per call."""

    def __init__(self, ledger: Any, faults: Iterator[str]) -> None:
        self._ledger = ledger
        self._faults = faults

    @property
    def reader(self) -> Any:
        return self._ledger.reader

    def submit(self, function: str, *arguments: bytes) -> object:
        fault = next(self._faults, "works")
        if fault == "away":
            raise LedgerUnavailable("the ledger cannot be reached")
        outcome = self._ledger.submit(function, *arguments)
        if fault == "answer lost":
            raise CommitUnknown("no answer came")
        return outcome

    def receipt_for(self, key: str) -> Receipt | None:
        return self._ledger.receipt_for(key)  # type: ignore[no-any-return]


class FaultyStore:
    """The real store, likewise."""

    def __init__(self, store: Any, faults: Iterator[str]) -> None:
        self._store = store
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def put(self, key: str, data: BinaryIO) -> None:
        fault = next(self._faults, "works")
        if fault == "away":
            raise StoreUnavailable("the store cannot be reached")
        self._store.put(key, data)
        if fault == "answer lost":
            raise StoreUnavailable("no answer came")


def test_everything_sealed_is_stored_and_anchored_and_dropped_from_the_spool(site: Any) -> None:
    state = site.recorder.record(site.spool, 5)
    done = site.shipper().drain()
    assert (done.stored, done.anchored, done.complete, done.troubles) == (5, 5, True, ())
    assert anchored_slots(site) == [slot_key("gate-1", state.chain, n) for n in range(5)]
    assert list(site.store.list("proof")) == [proof_key("gate-1", state.chain, n) for n in range(5)]
    assert len(list(site.store.list("objects"))) == 5
    assert list((site.spool.folder / "media").iterdir()) == []
    row = site.spool.row("gate-1", state.chain, 2)
    receipt = parse_receipt(site.spool.receipt(row.number))
    assert parse_signed_block(receipt.writes[slot_key("gate-1", state.chain, 2)]).block.record == row.record_sha256
    assert site.shipper().drain().anchored == 0


def test_gaps_and_segments_without_media_are_shipped_too(site: Any) -> None:
    site.recorder.gaps = True
    site.recorder.media = False
    site.recorder.record(site.spool, 5)
    assert site.shipper().drain().complete
    assert list(site.store.list("objects")) == []
    assert len(list(site.store.list("proof"))) == 5


@pytest.mark.parametrize("fault", ["away", "answer lost"])
@pytest.mark.parametrize("call", range(8))
def test_every_write_to_the_store_is_repeated_whatever_became_of_it(site: Any, fault: str, call: int) -> None:
    site.recorder.record(site.spool, 4)
    store = FaultyStore(site.store, iter(["works"] * call + [fault]))
    first = Shipper(site.spool, store, site.ledger, index=site.index).drain()
    assert not first.complete
    assert first.anchored == 4
    assert [t.retryable for t in first.troubles] == [True]
    second = site.shipper().drain()
    assert second.complete
    assert first.stored + second.stored == 4
    assert len(list(site.store.list("objects"))) == len(list(site.store.list("proof"))) == 4


@pytest.mark.parametrize("fault", ["away", "answer lost"])
@pytest.mark.parametrize("call", range(3))
@pytest.mark.parametrize("sealed", [None, ("site-1", "recorder")])
def test_every_anchoring_is_repeated_whatever_became_of_it(site: Any, fault: str, call: int, sealed: Any) -> None:
    state = site.recorder.record(site.spool, 6)
    ledger = FaultyLedger(site.ledger, iter(["works"] * call + [fault]))
    options: dict[str, Any] = {"index": site.index, "sealed": sealed, "most_blocks": 2}
    Shipper(site.spool, site.store, ledger, **options).drain()
    height = site.ledger.reader.height
    done = site.shipper(sealed=sealed, most_blocks=2).drain()
    assert done.complete
    if sealed is None:
        assert len(anchored_slots(site)) == 6
        if fault == "answer lost":
            # What was on the ledger already is not written again.
            assert site.ledger.reader.height == height + 2 - call
    else:
        (entry,) = site.ledger.reader.entries("root/")
        assert parse_batch(entry.value).count == 6
    for sequence in range(6):
        row = site.spool.row("gate-1", state.chain, sequence)
        assert row.anchored_at_us is not None
        parse_receipt(site.spool.receipt(row.number))


def test_an_outage_is_ridden_out_with_growing_pauses(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    pauses: list[float] = []
    ledger = FaultyLedger(site.ledger, iter(["away"] * 4))
    done = Shipper(site.spool, site.store, ledger).drain(patience_s=300, wait=pauses.append, jitter=lambda: 1.0)
    assert done.complete
    assert pauses == [1.0, 2.0, 4.0, 8.0]


def test_patience_ends_and_the_rest_stays_pending(site: Any) -> None:
    site.recorder.record(site.spool, 2)
    pauses: list[float] = []
    ledger = FaultyLedger(site.ledger, iter(["away"] * 1000))
    done = Shipper(site.spool, site.store, ledger).drain(patience_s=10, wait=pauses.append, jitter=lambda: 1.0)
    assert (done.stored, done.anchored, done.pending_anchor) == (2, 0, 2)
    assert sum(pauses) == pytest.approx(10, abs=0.1)
    assert "cannot be reached" in done.troubles[0].reason
    assert site.shipper().drain().complete


def test_what_a_suspended_camera_recorded_stays_pending_with_the_reason(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    site.as_manager("suspend_camera", camera="gate-1", reason="ab" * 32)
    done = site.shipper().drain()
    assert (done.stored, done.anchored, done.pending_anchor) == (3, 0, 3)
    assert done.waiting == {"gate-1": (0, 3)}
    assert all("not approved, or suspended" in row.refused for row in site.spool.refused())
    assert not any(trouble.retryable for trouble in done.troubles)
    site.as_manager("reinstate_camera", camera="gate-1", reason="cd" * 32)
    assert site.shipper().drain().complete
    assert site.spool.refused() == []


def test_a_lost_answer_followed_by_a_suspension_still_finds_its_receipt(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    Shipper(site.spool, site.store, FaultyLedger(site.ledger, iter(["answer lost"]))).drain()
    site.as_manager("suspend_camera", camera="gate-1", reason="ab" * 32)
    assert site.shipper().drain().complete


def test_an_unknown_camera_and_another_key_are_refused_with_the_next_step(site: Any, make_recorder: Any) -> None:
    make_recorder(camera="yard-1").record(site.spool, 1)
    make_recorder(camera="gate-1").record(site.spool, 1)
    site.recorder.record(site.spool, 1, file=b"genuine")
    done = site.shipper().drain()
    assert done.anchored == 1
    reasons = {row.camera: row.refused for row in site.spool.refused()}
    assert "does not know this camera" in reasons["yard-1"]
    assert "camera propose" in reasons["yard-1"]
    assert "another key" in reasons["gate-1"]


def test_one_block_that_the_ledger_refuses_does_not_hold_up_the_others(site: Any, clock: Any) -> None:
    state = site.recorder.record(site.spool, 4)
    # The same slots were filled from elsewhere by somebody who has the camera's key.
    other = type(site.recorder)(signer=site.recorder.signer, pictures=b"other")
    from sdk.spool import Spool

    with Spool(site.home.path / "stolen", now=type(site.clock)(now_us=state.chain * 1_000_000)) as stolen:
        assert other.record(stolen, 2).chain == state.chain
        Shipper(stolen, site.store.__class__(site.home.path / "elsewhere"), site.ledger).drain()
    done = site.shipper().drain()
    assert done.anchored == 2
    assert [(row.sequence, "holds another" in row.refused) for row in site.spool.refused()] == [(0, True), (1, True)]


@pytest.mark.parametrize("column", ["block", "signature", "proof", "record_sha256", "sequence", "camera"])
@pytest.mark.parametrize("sealed", [None, ("site-1", "recorder")])
def test_an_edited_row_is_named_and_never_sent(site: Any, column: str, sealed: Any) -> None:
    state = site.recorder.record(site.spool, 3)
    with sqlite3.connect(site.spool.folder / "spool.db") as raw:
        number, value = raw.execute(f"SELECT number, {column} FROM sealed WHERE sequence=1").fetchone()
        changed: Any = {"sequence": 77, "camera": "gate-2"}.get(column)
        if changed is None:
            changed = bytes([*value[:-8], value[-8] ^ 1, *value[-7:]])
        raw.execute(f"UPDATE sealed SET {column}=? WHERE number=?", (changed, number))
    raw.close()
    done = site.shipper(sealed=sealed).drain()
    assert not done.complete
    assert done.troubles
    good = [site.spool.row("gate-1", state.chain, n) for n in (0, 2)]
    assert all(row.anchored_at_us is not None and row.stored_at_us is not None for row in good)
    # The block itself may still be anchored where only the proof file is damaged; nothing edited ever is.
    if column != "proof":
        if sealed is None:
            assert anchored_slots(site) == [slot_key("gate-1", state.chain, n) for n in (0, 2)]
        else:
            assert parse_batch(site.ledger.reader.entries("root/")[0].value).count == 2
        assert len(site.spool.refused()) == 1
    if column != "signature":
        assert not site.store.exists(proof_key("gate-1", state.chain, 1))


def test_a_media_file_that_was_changed_or_lost_is_named(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    rows = site.spool.unstored()
    rows[0].media_path.write_bytes(b"changed")
    rows[1].media_path.unlink()
    done = site.shipper().drain()
    assert (done.stored, done.anchored, done.pending_store) == (1, 3, 2)
    reasons = sorted(trouble.reason for trouble in done.troubles)
    assert "do not hash" in reasons[1]
    assert "no longer in the spool" in reasons[0]


def test_a_ring_is_stored_and_a_rewritten_one_is_left_alone(site: Any) -> None:
    from dataclasses import replace

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    alice, bob, carol = (X25519PrivateKey.generate() for _ in range(3))
    state = site.spool.open_import("gate-1", start_us=0, sha256=sha256(b"f"))
    sealed = site.recorder.seal(state, site.spool)
    opens = sealed.record.media.object
    ring = make_ring(opens, bytes(32), [recipient_of(alice), recipient_of(bob)])
    site.spool.append(replace(sealed, ring=ring.canonical()))
    Shipper(site.spool, FaultyStore(site.store, iter(["works", "answer lost"])), site.ledger).drain()
    changed = rewrap(ring, alice, add=[recipient_of(carol)])
    from io import BytesIO

    site.store.replace(ring_key(opens), BytesIO(changed.canonical()))
    assert site.shipper().drain().complete
    assert parse_ring(get_bytes(site.store, ring_key(opens), limit=10_000)) == changed


def test_an_index_that_cannot_be_written_holds_up_nothing(site: Any) -> None:
    site.recorder.record(site.spool, 3)
    with sqlite3.connect(site.home.index) as raw:
        raw.execute("DROP TABLE keys")
    raw.close()
    done = site.shipper().drain()
    assert done.complete
    assert [(trouble.subject, "reindex" in trouble.reason) for trouble in done.troubles] == [("index", True)]


# ---- sealed batches --------------------------------------------------------------------------------------------------


def test_a_sealed_batch_stands_on_the_ledger_and_its_leaf_list_in_the_store(site: Any) -> None:
    state = site.recorder.record(site.spool, 3)
    shipper = site.shipper(sealed=("site-1", "recorder"))
    assert shipper.drain().complete
    site.recorder.record(site.spool, 2)
    assert shipper.drain().complete
    first, second = site.ledger.reader.entries("root/")
    assert second.key == batch_key("site-1", "recorder", 1)
    batch = parse_batch(second.value)
    assert batch.previous == sha256(first.value)
    assert parse_batch(first.value).opened == (("gate-1", state.chain),)
    assert site.ledger.reader.get(chain_key("gate-1", state.chain)) is not None
    leaves = parse_leaf_list(get_bytes(site.store, batch_file_key("site-1", "recorder", 1), limit=1 << 20))
    assert leaves.belongs_to(batch)
    newest = site.spool.batches.newest("site-1", "recorder")
    assert (newest.document, newest.leaves) == (second.value, b"")
    assert not leaves.belongs_to(parse_batch(first.value))
    assert [signed.block.sequence for signed in leaves.blocks] == [3, 4]
    assert site.index.batches_of("gate-1", state.chain, 4) == [("site-1", "recorder", 1)]
    row = site.spool.row("gate-1", state.chain, 4)
    assert parse_receipt(site.spool.receipt(row.number)).writes[second.key] == second.value


def test_the_batch_that_was_committed_is_the_one_that_is_sent_later(site: Any) -> None:
    site.recorder.record(site.spool, 2)
    away = FaultyLedger(site.ledger, iter(["away"]))
    Shipper(site.spool, site.store, away, sealed=("site-1", "recorder")).drain()
    (pending,) = site.spool.batches.pending("site-1", "recorder")
    site.recorder.record(site.spool, 2)
    assert site.shipper(sealed=("site-1", "recorder")).drain().complete
    first, second = site.ledger.reader.entries("root/")
    assert first.value == pending.document
    assert parse_batch(second.value).count == 2


def test_a_new_spool_goes_on_after_the_ledgers_last_batch(site: Any) -> None:
    from sdk.spool import Spool

    site.recorder.record(site.spool, 2)
    site.shipper(sealed=("site-1", "recorder")).drain()
    with Spool(site.home.path / "replaced", now=site.clock) as fresh:
        site.clock.now_us += 10_000_000
        site.recorder.record(fresh, 2, file=b"next")
        done = Shipper(fresh, site.store, site.ledger, sealed=("site-1", "recorder")).drain()
    assert done.complete
    assert [parse_batch(e.value).batch for e in site.ledger.reader.entries("root/")] == [0, 1]


def test_a_batch_number_that_another_spool_took_gives_its_rows_back(site: Any) -> None:
    from sdk.spool import Spool

    sealed = ("site-1", "recorder")
    site.recorder.record(site.spool, 2)
    Shipper(site.spool, site.store, FaultyLedger(site.ledger, iter(["away"])), sealed=sealed).drain()
    with Spool(site.home.path / "twin", now=type(site.clock)(now_us=site.clock.now_us - 50_000_000)) as twin:
        site.recorder.record(twin, 1, file=b"twin")
        assert Shipper(twin, site.store, site.ledger, sealed=sealed).drain().anchored == 1
    site.store = type(site.store)(site.home.path / "own store")
    done = site.shipper(sealed=sealed).drain()
    assert done.complete
    assert [parse_batch(e.value).count for e in site.ledger.reader.entries("root/")] == [1, 2]


def test_a_batch_that_never_came_to_the_ledger_does_not_keep_the_name_of_its_leaf_list(site: Any) -> None:
    from sdk.spool import Spool

    sealed = ("site-1", "recorder")
    site.recorder.record(site.spool, 2)
    Shipper(site.spool, site.store, FaultyLedger(site.ledger, iter(["away"])), sealed=sealed).drain()
    with Spool(site.home.path / "replaced", now=site.clock) as fresh:
        site.clock.now_us += 10_000_000
        site.recorder.record(fresh, 1, file=b"next")
        done = Shipper(fresh, site.store, site.ledger, sealed=sealed).drain()
    assert (done.complete, done.troubles) == (True, ())
    (anchored,) = site.ledger.reader.entries("root/")
    leaves = parse_leaf_list(get_bytes(site.store, batch_file_key(*sealed, 0), limit=1 << 20))
    assert leaves.belongs_to(parse_batch(anchored.value))


@pytest.mark.parametrize("sealed", [None, ("site-1", "recorder")])
def test_a_block_of_another_site_is_turned_down_and_the_others_go_through(site: Any, sealed: Any) -> None:
    from evidence.canonical import canonical
    from evidence.digests import to_base64
    from sdk.acting import act_as
    from sdk.keys import create_key
    from tests.unit.sdk.miniature import Recorder

    key = create_key(site.home.device_key("gate-9"))
    described = dict.fromkeys(("make", "model", "serial", "firmware", "hardware_address", "location"), "x")
    entry = {
        **described, "camera": "gate-9", "site": "site-9", "ip": "10.0.4.9", "control_room": "cr-1",
        "device_key": to_base64(key.public_key.spki), "key_custody": "file", "specification": "x",
    }  # fmt: skip
    operator = act_as(site.home, "operator", now=site.clock)
    operator.submit("propose_camera", canonical(entry))
    operator.close()
    site.as_manager("approve_camera", camera="gate-9")
    foreign = Recorder(camera="gate-9", signer=key).record(site.spool, 2)
    site.recorder.record(site.spool, 3)
    done = site.shipper(sealed=sealed).drain()
    assert (done.anchored, done.waiting) == (3, {"gate-9": (0, 2)})
    told = {trouble.reason for trouble in done.troubles}
    assert told
    assert all("site-9 of cr-1" in each and "site-1" in each for each in told)
    assert site.spool.row("gate-9", foreign.chain, 0).anchored_at_us is None
    if sealed is not None:
        (batch,) = site.ledger.reader.entries("root/")
        assert parse_batch(batch.value).count == 3, "nothing of it is under the root"


def test_the_object_a_record_names_is_in_the_store_under_that_name(site: Any) -> None:
    state = site.spool.open_import("gate-1", start_us=0, sha256=sha256(b"f"))
    sealed = site.recorder.seal(state, site.spool)
    data = sealed.media_path.read_bytes()
    site.spool.append(sealed)
    site.shipper().drain()
    assert get_bytes(site.store, object_key(sealed.record.media.object), limit=1 << 20) == data


@pytest.mark.parametrize("sealed", [None, ("site-1", "recorder")])
def test_several_drains_at_once_send_everything_once(site: Any, sealed: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from sdk.acting import act_as
    from sdk.index import Index
    from sdk.spool import Spool
    from sdk.store import FileStore

    state = site.recorder.record(site.spool, 24)

    def drain(_: int) -> Any:
        ledger = act_as(site.home, "recorder", now=site.clock)
        with Spool(site.home.spool, now=site.clock) as spool, Index(site.home.index) as index:
            shipper = Shipper(spool, FileStore(site.home.store), ledger, index=index, sealed=sealed, most_blocks=5)
            done = shipper.drain(patience_s=20, wait=lambda s: None)
        ledger.close()
        return done

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(drain, range(4)))
    assert [t for done in outcomes for t in done.troubles] == []
    assert site.shipper(sealed=sealed).drain().complete
    if sealed is None:
        assert len(anchored_slots(site)) == 24
    else:
        assert sum(parse_batch(e.value).count for e in site.ledger.reader.entries("root/")) == 24
    assert len(list(site.store.list("proof"))) == 24
    assert all(site.spool.row("gate-1", state.chain, n).anchored_at_us for n in range(24))
