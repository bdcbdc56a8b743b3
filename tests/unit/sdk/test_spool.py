"""The spool: what was acknowledged is kept, chains go on where they stopped, and nothing is ever numbered twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, Malformed, Refused
from evidence.records import GapRecord
from sdk.giving_up import set_aside
from sdk.spool import LedgerTip, Spool

START_US = 1_761_993_600_000_000
SECOND = START_US // 1_000_000


def again(spool: Spool, clock: Any) -> Spool:
    """As another process would open it."""
    return Spool(spool.folder, now=clock)


def test_what_was_appended_is_there_after_reopening(spool: Spool, recorder: Any, clock: Any) -> None:
    state = recorder.record(spool, 3)
    with again(spool, clock) as other:
        rows = other.unstored()
        assert [row.sequence for row in rows] == [0, 1, 2]
        assert all(row.media_path is not None and row.media_path.is_file() for row in rows)
        assert [row.stored_at_us for row in rows] == [row.anchored_at_us for row in rows] == [None, None, None]
        assert other.chain("gate-1", state.chain) == state
    assert (state.next_sequence, state.next_unit) == (3, 15)
    assert state.previous == rows[-1].record_sha256


def test_the_same_import_goes_on_and_another_begins(spool: Spool, recorder: Any, clock: Any) -> None:
    first = recorder.record(spool, 2)
    resumed = recorder.record(spool, 1)
    assert (resumed.chain, resumed.next_sequence, resumed.next_unit) == (first.chain, 3, 15)
    other_file = recorder.record(spool, 1, file=b"another file")
    other_start = recorder.record(spool, 1, start_us=START_US + 1)
    # All within the same Unix second: each import takes the next one unused.
    assert [other_file.chain, other_start.chain] == [first.chain + 1, first.chain + 2]
    assert first.chain == SECOND


def test_a_chain_begins_above_those_of_the_ledger(spool: Spool) -> None:
    state = spool.open_import("gate-1", start_us=0, sha256=sha256(b"f"), ledger_chains=[SECOND + 7, SECOND])
    assert state.chain == SECOND + 8
    assert spool.open_import("gate-2", start_us=0, sha256=sha256(b"f")).chain == SECOND


def test_an_import_without_a_sealed_record_takes_a_fresh_chain(spool: Spool, recorder: Any) -> None:
    empty = spool.open_import("gate-1", start_us=0, sha256=sha256(b"a"))
    recorder.record(spool, 1, file=b"b")
    resumed = spool.open_import("gate-1", start_us=0, sha256=sha256(b"a"))
    assert resumed.chain > empty.chain + 1
    assert resumed.next_sequence == 0


def test_a_finished_import_says_so(spool: Spool, recorder: Any) -> None:
    state = recorder.record(spool, 2)
    spool.finish_import(state)
    found = spool.open_import("gate-1", start_us=START_US, sha256=sha256(b"file"))
    assert found.complete
    assert found.next_unit == 10


def test_a_record_that_does_not_continue_its_chain_is_refused(spool: Spool, recorder: Any) -> None:
    state = recorder.record(spool, 1)
    sealed = recorder.seal(state, spool)
    spool.append(sealed)
    sealed.media_path.write_bytes(b"again")
    with pytest.raises(Refused, match="sequence 2 and picture 10 come next"):
        spool.append(sealed)
    assert sealed.media_path.exists()
    assert len(spool.unstored()) == 2


def test_a_chain_that_was_never_opened_is_refused(spool: Spool, recorder: Any, tmp_path: Path, clock: Any) -> None:
    with Spool(tmp_path / "other", now=clock) as other:
        sealed = recorder.seal(other.open_import("gate-1", start_us=0, sha256=sha256(b"f")), spool)
    with pytest.raises(Refused, match="never opened"):
        spool.append(sealed)


def test_block_and_media_must_belong_to_the_record(spool: Spool, recorder: Any) -> None:
    from dataclasses import replace

    state = spool.open_import("gate-1", start_us=0, sha256=sha256(b"f"))
    sealed = recorder.seal(state, spool)
    with pytest.raises(Malformed, match="media"):
        spool.append(replace(sealed, media_path=None))
    other = replace(sealed.block, block=replace(sealed.block.block, sequence=5))
    with pytest.raises(Malformed, match="block"):
        spool.append(replace(sealed, block=other))
    assert spool.unstored() == []


def test_the_two_facts_are_independent_and_the_first_answer_stays(spool: Spool, recorder: Any) -> None:
    recorder.record(spool, 3)
    one, two, three = spool.unstored()
    spool.mark_stored([one.number])
    spool.mark_anchored([two.number, three.number], b"receipt")
    spool.mark_anchored([two.number], b"a second answer")
    assert [row.sequence for row in spool.unstored()] == [1, 2]
    assert [row.sequence for row in spool.unanchored()] == [0]
    assert spool.receipt(two.number) == spool.receipt(three.number) == b"receipt"
    assert spool.receipt(one.number) is None
    backlog = spool.backlog()
    assert (backlog.unstored, backlog.unanchored, backlog.refused) == (2, 1, 0)


def test_a_refused_row_stays_pending_with_its_reason(spool: Spool, recorder: Any) -> None:
    recorder.record(spool, 2)
    spool.mark_refused([spool.unstored()[0].number], "the camera is suspended")
    assert [(row.sequence, row.refused) for row in spool.refused()] == [(0, "the camera is suspended")]
    assert len(spool.unanchored()) == 2
    spool.mark_anchored([spool.unstored()[0].number], b"receipt")
    assert spool.refused() == []


def test_only_what_is_stored_and_anchored_is_dropped(spool: Spool, recorder: Any) -> None:
    recorder.record(spool, 4)
    rows = spool.unstored()
    for row in rows[:3]:
        spool.mark_stored([row.number])
    spool.mark_anchored([row.number for row in rows[1:]], b"receipt")
    assert spool.prune() == 2
    kept = [path.name[-1] for path in sorted((spool.folder / "media").iterdir())]
    assert kept == ["0", "3"]
    assert spool.prune() == 0
    assert recorder.record(spool, 1).next_sequence == 5


def test_a_camera_is_held_by_one_process_at_a_time(spool: Spool, clock: Any) -> None:
    with spool.hold("gate-1"), again(spool, clock) as other:
        with pytest.raises(Refused, match="another process"), other.hold("gate-1"):
            pass
        with other.hold("gate-2"):
            pass
    with spool.hold("gate-1"):
        pass


def test_what_a_crash_left_is_swept(spool: Spool, recorder: Any, clock: Any) -> None:
    recorder.record(spool, 2)
    (spool.folder / "media" / "gate-1-1761993600-0000000002").write_bytes(b"no row claims this")
    (spool.folder / "tmp" / "999999999-dead").write_bytes(b"of a process that is gone")
    mine = spool.temporary()
    mine.write_bytes(b"being written")
    with again(spool, clock):
        assert len(list((spool.folder / "media").iterdir())) == 2
        assert list((spool.folder / "tmp").iterdir()) == [mine]


def test_a_damaged_receipt_is_malformed(spool: Spool, recorder: Any) -> None:
    recorder.record(spool, 1)
    (row,) = spool.unstored()
    spool.mark_anchored([row.number], b"receipt" * 100)
    with sqlite3.connect(spool.folder / "spool.db") as raw:
        kept = raw.execute("SELECT receipt FROM receipts").fetchone()[0]
        raw.execute("UPDATE receipts SET receipt=?", (kept[:-3],))
    raw.close()
    with pytest.raises(Malformed, match="damaged"):
        spool.receipt(row.number)


# ---- live chains -----------------------------------------------------------------------------------------------------


def live(spool: Spool, recorder: Any, count: int, tip: LedgerTip | None = None) -> Any:
    state = spool.open_live("gate-1", tip=tip)
    for _ in range(count):
        state = spool.append(recorder.seal(state, spool))
    return state


def test_a_live_chain_goes_on_after_a_restart(spool: Spool, recorder: Any, clock: Any) -> None:
    state = live(spool, recorder, 2)
    tip = LedgerTip(chain=state.chain, sequence=0, record=spool.unstored()[0].record_sha256)
    with again(spool, clock) as other:
        assert other.open_live("gate-1", tip=tip) == state
        assert other.open_live("gate-1", tip=None) == state


def test_a_missing_spool_begins_a_later_chain_with_a_gap(spool: Spool, recorder: Any) -> None:
    tip = LedgerTip(chain=SECOND + 5, sequence=41, record=sha256(b"last anchored"))
    state = spool.open_live("gate-1", tip=tip)
    assert state.opens_with_gap
    assert state.chain == SECOND + 6
    assert state.previous == tip.record
    sealed = recorder.seal(state, spool)
    assert isinstance(sealed.record, GapRecord)
    assert sealed.record.previous == tip.record
    after = spool.append(sealed)
    assert (after.next_sequence, after.next_unit, after.opens_with_gap) == (1, 0, False)


def test_a_later_chain_that_begins_with_a_segment_is_refused(spool: Spool, recorder: Any) -> None:
    from dataclasses import replace

    state = spool.open_live("gate-1", tip=LedgerTip(chain=SECOND, sequence=0, record=sha256(b"r")))
    with pytest.raises(Refused, match="state_lost"):
        spool.append(recorder.seal(replace(state, opens_with_gap=False), spool))


def test_a_spool_older_than_the_ledger_never_reuses_a_number(spool: Spool, recorder: Any) -> None:
    state = live(spool, recorder, 2)
    tip = LedgerTip(chain=state.chain, sequence=2, record=sha256(b"sealed after the back-up"))
    later = spool.open_live("gate-1", tip=tip)
    assert later.chain > state.chain
    assert later.opens_with_gap
    assert later.previous == tip.record


def test_an_import_meanwhile_does_not_end_a_live_chain(spool: Spool, recorder: Any) -> None:
    state = live(spool, recorder, 2)
    imported = recorder.record(spool, 1)
    assert imported.chain > state.chain
    tip = LedgerTip(chain=imported.chain, sequence=0, record=imported.previous)
    assert spool.open_live("gate-1", tip=tip) == state


def test_an_edited_chain_state_is_in_doubt_and_a_new_chain_begins(spool: Spool, recorder: Any) -> None:
    state = live(spool, recorder, 3)
    with sqlite3.connect(spool.folder / "spool.db") as raw:
        raw.execute("UPDATE chains SET next_sequence=1")
    raw.close()
    later = spool.open_live("gate-1", tip=None)
    assert later.chain > state.chain
    assert later.opens_with_gap


def test_an_edited_import_is_in_doubt_and_begins_again(spool: Spool, recorder: Any) -> None:
    state = recorder.record(spool, 3)
    with sqlite3.connect(spool.folder / "spool.db") as raw:
        raw.execute("UPDATE chains SET previous=?", (sha256(b"edited"),))
    raw.close()
    later = spool.open_import("gate-1", start_us=START_US, sha256=sha256(b"file"))
    assert later.chain > state.chain
    assert later.next_unit == 0


# ---- damage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"not a database at all, but long enough to look" * 100])
def test_a_damaged_spool_is_named_and_can_be_set_aside(spool: Spool, recorder: Any, clock: Any, damage: bytes) -> None:
    recorder.record(spool, 1)
    spool.close()
    database = spool.folder / "spool.db"
    for name in ("spool.db-wal", "spool.db-shm"):
        (spool.folder / name).unlink(missing_ok=True)
    data = bytearray(database.read_bytes())
    if damage:
        database.write_bytes(damage)
    else:
        data[100:4000] = b"\xff" * 3900
        database.write_bytes(data)
    with pytest.raises(Malformed, match="damaged") as error:
        Spool(spool.folder, now=clock).unstored()
    assert error.value.next_step
    moved = set_aside(spool.folder, now=clock)
    assert (moved / "spool.db").exists()
    assert len(list((moved / "media").iterdir())) == 1
    with Spool(spool.folder, now=clock) as fresh:
        assert fresh.unstored() == []


def test_a_spool_of_a_newer_version_is_left_alone(spool: Spool, clock: Any) -> None:
    spool.close()
    with sqlite3.connect(spool.folder / "spool.db") as raw:
        raw.execute("PRAGMA user_version=2")
    raw.close()
    with pytest.raises(Malformed, match="version 2"):
        Spool(spool.folder, now=clock)


def test_a_spool_that_cannot_be_made_is_said_clearly(tmp_path: Path, clock: Callable[[], int]) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigInvalid):
        Spool(tmp_path / "file" / "spool", now=clock)
    with pytest.raises(ConfigInvalid):
        set_aside(tmp_path / "absent", now=clock)
