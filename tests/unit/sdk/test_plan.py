"""A plan adds up, and grows with what it is asked for."""

from __future__ import annotations

import pytest

from evidence.errors import ConfigInvalid
from sdk.plan import DAY_S, MOST_BLOCKS, ORDERER_FIXED_BYTES, YEAR_DAYS, Load, Written, plan, written_per_s


def load(**changed: object) -> Load:
    return Load(**{"cameras": 1000, "sites": 10, **changed})  # type: ignore[arg-type]


def test_sealed_batches_go_once_an_interval_for_each_site() -> None:
    found = plan(load(anchor_s=60))
    assert found.transactions_per_s == pytest.approx(10 / 60)
    assert found.blocks_per_transaction == 600
    assert found.pictures_per_s == 25_000
    assert found.ledger_bytes_per_camera_s < 1


def test_open_anchors_hold_no_more_blocks_than_the_contract_takes() -> None:
    found = plan(load(sealed=False, anchor_s=120))
    assert found.blocks_per_transaction == pytest.approx(400)
    assert found.blocks_per_transaction <= MOST_BLOCKS
    assert found.transactions_per_s == pytest.approx(100 / 400)


def test_open_anchors_of_a_small_site_stay_below_a_hundred_bytes_for_a_camera_second() -> None:
    found = plan(Load(cameras=16, sites=1, sealed=False))
    assert 80 < found.ledger_bytes_per_camera_s < 100


def test_nothing_is_anchored_before_there_is_a_segment() -> None:
    often = plan(Load(cameras=1, sites=1, sealed=False, anchor_s=1))
    assert often.transactions_per_s == pytest.approx(0.1)
    each_s, _ = written_per_s(often.load)
    assert each_s.single == each_s.open == each_s.slots == each_s.cameras == pytest.approx(0.1)


def test_orderers_put_many_transactions_into_one_block() -> None:
    busy = plan(load(cameras=1_000_000, sites=100_000, anchor_s=10))
    assert busy.transactions_per_s == 10_000
    assert busy.ledger_blocks_per_s == pytest.approx(20)  # full ones, of 500
    quiet = plan(load(sites=1, anchor_s=60))
    assert quiet.ledger_blocks_per_s == pytest.approx(quiet.transactions_per_s, rel=0.01)


def test_a_year_is_made_of_days_and_an_orderer_begins_with_its_log() -> None:
    found = plan(load())
    assert found.peer_year_bytes == YEAR_DAYS * found.peer_day_bytes
    assert found.orderer_year_bytes == YEAR_DAYS * found.orderer_day_bytes + ORDERER_FIXED_BYTES
    assert found.network_day_bytes == 4 * found.peer_day_bytes + 3 * found.orderer_day_bytes
    assert found.peer_day_bytes > found.orderer_day_bytes > found.ledger_day_bytes > 0


def test_the_store_grows_with_pictures_and_samples_not_with_how_they_are_anchored() -> None:
    base = plan(load(sealed=False)).store_day_bytes
    assert plan(load(sealed=False, pictures_per_s=50)).store_day_bytes - base == 1000 * 25 * 32 * DAY_S
    assert plan(load(sealed=False, anchor_s=600)).store_day_bytes == base
    # P11 in docs/benchmarks.md: about 6 MB for a camera-hour, most of it not on the ledger.
    assert base / 1000 / 24 == pytest.approx(6.0e6, rel=0.1)


def test_what_was_counted_has_a_size() -> None:
    assert Written(ledger_blocks=0).peer_bytes == 0
    one = Written(ledger_blocks=1, open=1, single=1, slots=1, cameras=1)
    assert one.block_file_bytes == pytest.approx(6356, rel=0.01)  # as measured


@pytest.mark.parametrize(
    "changed",
    [
        {"cameras": 0, "sites": 1},
        {"sites": 0},
        {"sites": 1001},
        {"segment_s": 0},
        {"anchor_s": -1},
        {"pictures_per_s": 0},
        {"samples_per_s": -1},
        {"peers": 0},
        {"orderers": 0},
        {"batch_timeout_ms": 0},
        {"batch_messages": 0},
    ],
)
def test_what_makes_no_sense_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ConfigInvalid, match="cannot be planned"):
        load(**changed)
