"""Taking signed reads as a recorder goes, on the double: what is kept, what is tried again, and what a page holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from fabric_protos.peer import transaction_pb2

from evidence.batches import batch_key, make_batch
from evidence.blocks import Block, chain_key, parse_block, slot_key
from evidence.canonical import canonical
from evidence.errors import LedgerUnavailable, Malformed, Refused
from evidence.fabric_read import SignedRead, parse_signed_read
from evidence.proof_ranges import PROOF_PREFIXES, KeyRange, covered, whole_range
from sdk import fabric_reads, sealed_ranges
from sdk.channel_ledger import ChannelLedger
from sdk.channel_view import ChannelView, RememberedView
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_proposal import Proposal, Transaction
from sdk.interval_reads import Interval, read_interval
from sdk.read_back import ReadBack
from sdk.sealed import Row
from sdk.sealed_ranges import SealedBatches
from sdk.shipper import Drained, Shipper
from sdk.spool import Spool
from sdk.store import FileStore, get_bytes
from tests.fabric.double.peer import READY_OF_3_1
from tests.fabric.double.stand import Stand
from tests.fabric.stage import FabricStage
from tests.hosts.cast import NOW_US, the_cast
from tests.hosts.stage import Stage
from tests.unit.sdk.miniature import START_US, Recorder

CAMERA = "gate-1"


class Town:
    """The double with an approved camera, and the recorder of its site with spool and store."""

    def __init__(self, folder: Path) -> None:
        cast = the_cast()
        self.stand = Stand(cast, ready=READY_OF_3_1)
        self.host = FabricStage(self.stand.profile, "veriframe", cast)
        self.stage = Stage(self.host, cast)
        self.stage.opens_for_business()
        ledger = FabricLedger(self.stand.profile(), identity=cast["recorder"], clock=lambda: NOW_US)
        self.ledger = ChannelLedger(ledger)
        self.spool = Spool(folder / "spool", now=lambda: NOW_US)
        self.store = FileStore(folder / "store")
        self.recorder = Recorder(camera=CAMERA, signer=cast.key(CAMERA))

    def drain(self, gateway: Any = None, *, sealed: tuple[str, str] | None = None) -> Drained:
        reading = ReadBack(self.spool, self.store, gateway or self.ledger.gateway, wait=lambda seconds: None)
        return Shipper(self.spool, self.store, self.ledger, sealed=sealed, reading=reading).drain()

    def reads(self) -> list[SignedRead]:
        return [parse_signed_read(get_bytes(self.store, key, limit=1 << 24)) for key in self.store.list("reads")]

    def close(self) -> None:
        self.spool.close()
        self.ledger.close()
        self.host.close()
        self.stand.close()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    made = Town(tmp_path)
    yield made
    made.close()


class Disturbed:
    """The gateway, with something wrong at endorsing, a call each: an error to raise, or an old answer to give."""

    def __init__(self, gateway: Any, faults: Sequence[Exception | Transaction]) -> None:
        self._gateway = gateway
        self._faults = iter(faults)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def endorse(self, proposal: Proposal) -> Transaction:
        fault = next(self._faults, None)
        if isinstance(fault, Exception):
            raise fault
        return fault or self._gateway.endorse(proposal)  # type: ignore[no-any-return]


def test_what_is_anchored_is_signed_by_organisations_and_kept(town: Town) -> None:
    state = town.recorder.record(town.spool, 3)
    done = town.drain()
    assert (done.anchored, done.unread, done.troubles, done.complete) == (3, 0, (), True)
    (read,) = town.reads()
    slots = {slot_key(CAMERA, state.chain, number) for number in range(3)}
    assert slots <= read.entries.keys()
    assert {"genesis", chain_key(CAMERA, state.chain), f"camera/{CAMERA}/0000000001"} <= read.entries.keys()
    # One more slot than there is: nothing stands behind, and who signs says so.
    assert covered(read.ranges, slot_key(CAMERA, state.chain, 0), slot_key(CAMERA, state.chain, 4))
    for kind, names in PROOF_PREFIXES.items():
        if not names:
            asked = ("policy/cr-1/", "policy/cr-10") if kind == "policy" else whole_range(kind)
            assert covered(read.ranges, *asked), kind
    assert {signer.msp for signer in read.transaction.signers()} >= {"ControlRoomMSP"}
    assert len(read.transaction.signers()) == 2
    row = town.spool.row(CAMERA, state.chain, 1)
    assert row is not None
    assert town.spool.receipt(row.number) == next(town.store.list("reads")).encode("ascii")
    # Nothing is asked a second time.
    town.drain(Disturbed(town.ledger.gateway, [AssertionError("nothing is left to read")]))


def test_what_goes_on_is_read_in_a_page_of_its_own_that_touches_the_one_before(town: Town) -> None:
    state = town.recorder.record(town.spool, 2)
    town.drain()
    town.recorder.record(town.spool, 2)
    town.drain()
    names = [key.rpartition("/")[2][11:32] for key in town.store.list("reads")]
    assert names == ["0000000000-0000000001", "0000000002-0000000003"]
    both = [each for read in town.reads() for each in read.ranges if each.start.startswith("block/")]
    assert covered(both, slot_key(CAMERA, state.chain, 0), slot_key(CAMERA, state.chain, 5))
    assert slot_key(CAMERA, state.chain, 1) in town.reads()[1].entries


def test_what_could_not_be_read_stays_to_be_read_and_the_next_drain_reads_it(town: Town) -> None:
    town.recorder.record(town.spool, 3)
    away = [LedgerUnavailable("the other organisation's peer is away")] * 20
    done = town.drain(Disturbed(town.ledger.gateway, away))
    assert (done.anchored, done.complete, done.unread) == (3, True, 3)
    assert [(each.subject, each.retryable) for each in done.troubles] == [("signed read gate-1", True)]
    assert town.reads() == []
    assert (town.spool.folder / "media").is_dir()
    done = town.drain()
    assert (done.anchored, done.unread, len(town.reads())) == (0, 0, 1)


class Forging:
    """A gateway that alters what it hands over: signatures, or which block the answer shows."""

    def __init__(self, gateway: Any, alter: Callable[[Any], None]) -> None:
        self._gateway = gateway
        self._alter = alter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def endorse(self, proposal: Proposal) -> Transaction:
        made = self._gateway.endorse(proposal)
        payload = common_pb2.Payload.FromString(made.message)
        transaction = transaction_pb2.Transaction.FromString(payload.data)
        action = transaction_pb2.ChaincodeActionPayload.FromString(transaction.actions[0].payload)
        self._alter(action.action)
        transaction.actions[0].payload = action.SerializeToString()
        payload.data = transaction.SerializeToString()
        return replace(made, message=payload.SerializeToString())


def test_what_nobody_signed_is_not_kept_and_stays_to_be_read(town: Town) -> None:
    def unsigned(action: Any) -> None:
        signature = bytearray(action.endorsements[1].signature)
        signature[-1] ^= 1
        action.endorsements[1].signature = bytes(signature)

    town.recorder.record(town.spool, 2)
    done = town.drain(Forging(town.ledger.gateway, unsigned))
    assert (done.anchored, done.unread) == (2, 2)
    assert "did not give" in done.troubles[0].reason
    assert town.reads() == []
    assert town.drain().unread == 0
    assert len(town.reads()) == 1


def test_a_read_of_another_block_than_was_anchored_is_not_kept(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the own peer alone could sign it: its signature is good, and what it signs is not what was recorded here."""
    town.recorder.record(town.spool, 2)
    town.drain(Disturbed(town.ledger.gateway, [LedgerUnavailable("away")] * 20))
    genuine = town.spool.unread

    def recorded_otherwise(**narrowed: Any) -> list[Row]:
        rows = genuine(**narrowed)
        blocks = [parse_block(each.block) for each in rows]
        others = [replace(each, end_us=each.end_us + 1).canonical() for each in blocks]
        return [replace(row, block=other) for row, other in zip(rows, others, strict=True)]

    with monkeypatch.context() as patch:
        patch.setattr(town.spool, "unread", recorded_otherwise)
        done = town.drain()
    assert done.unread == 2
    assert "something else than was anchored" in done.troubles[0].reason
    assert town.reads() == []
    assert town.drain().unread == 0


def test_a_camera_that_peers_do_not_show_yet_holds_up_no_other(town: Town) -> None:
    town.stage.enrols("gate-2")
    other = Recorder(camera="gate-2", signer=the_cast().key("gate-2"))
    town.recorder.record(town.spool, 1)
    other.record(town.spool, 1)
    gateway = town.ledger.gateway
    town.drain(Disturbed(gateway, [LedgerUnavailable("away")] * 20))
    faults: list[Exception] = [fabric_reads.Behind("not shown yet")] * 7
    done = town.drain(Disturbed(gateway, faults))
    assert done.unread == 1
    assert [each.subject for each in done.troubles] == ["signed read gate-1"]


def test_peers_that_are_behind_or_differ_for_a_moment_are_asked_again(town: Town) -> None:
    state = town.recorder.record(town.spool, 1)
    gateway = town.ledger.gateway
    interval = Interval.of(CAMERA, state.chain, 0, 0)
    read_interval(gateway, interval, times_us=(START_US, START_US + 1))
    # Of before the anchoring: all of it is true, and it does not show what stands there now.
    old = Recording(gateway)
    read_interval(old, interval, times_us=(START_US, START_US + 1))  # type: ignore[arg-type]
    faults = [LedgerUnavailable("ProposalResponsePayloads do not match"), *old.endorsed, *old.endorsed]
    done = town.drain(Disturbed(gateway, [*faults, Refused("there is no camera gate-1", reason="not_found")]))
    assert (done.unread, done.troubles) == (0, ())
    assert slot_key(CAMERA, state.chain, 0) in town.reads()[0].entries


class Recording:
    """The gateway, remembering what was endorsed."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        self.endorsed: list[Transaction] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def endorse(self, proposal: Proposal) -> Transaction:
        self.endorsed.append(self._gateway.endorse(proposal))
        return self.endorsed[-1]


def test_more_slots_than_a_read_shows_are_pages_that_each_hold_the_whole_registry(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fabric_reads, "MAX_ENTRIES", 180)
    state = town.recorder.record(town.spool, 190)
    assert town.drain().unread == 0
    reads = town.reads()
    assert len(reads) > 1
    for read in reads:
        assert {"genesis", chain_key(CAMERA, state.chain), f"camera/{CAMERA}/0000000001"} <= read.entries.keys()
        assert covered(read.ranges, *whole_range("revocation", CAMERA))
    everything = [each for read in reads for each in read.ranges]
    assert covered(everything, slot_key(CAMERA, state.chain, 0), f"block/{CAMERA}/{state.chain:010d}0")


def test_files_imported_together_share_a_read_and_a_later_one_shows_them_all(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is a chain, and every chain of a camera has to be shown with each: there may be many."""
    monkeypatch.setattr(fabric_reads, "MAX_RANGES", 24)
    chains = []
    for number in range(16):
        file = number.to_bytes(2, "big")
        chains.append(town.recorder.record(town.spool, 2, file=file, start_us=START_US + number).chain)
    assert town.drain().unread == 0
    together = town.reads()
    assert len(together) <= 2
    late = town.recorder.record(town.spool, 1, file=b"late")
    assert town.drain().unread == 0
    before = {read.document for read in together}
    added = [read for read in town.reads() if read.document not in before]
    assert len(added) == 2  # what has no room beside the slots stands in a read of its own, which is no older
    written = max(read.entries[slot_key(CAMERA, late.chain, 0)][0] for read in added)
    assert all(read.as_of >= written for read in added)
    ranges = [each for read in added for each in read.ranges]
    assert covered(ranges, *whole_range("chain", CAMERA))
    for chain in chains:  # what lies in the time of the late one, and what begins behind it
        assert covered(ranges, slot_key(CAMERA, chain, 0), slot_key(CAMERA, chain, 2))


def test_of_other_chains_the_slots_next_to_the_interval_are_shown(town: Town) -> None:
    early = town.recorder.record(town.spool, 9, file=b"early")
    late = town.recorder.record(town.spool, 3, file=b"late")
    town.drain()
    span_us = (START_US + 1_000_000, START_US + 1_200_000)  # what the sixth record of `early` covers
    interval = Interval.of(CAMERA, late.chain, 0, 2)
    (document,) = read_interval(town.ledger.gateway, interval, times_us=span_us)
    read = parse_signed_read(document)
    beside = [key for key in read.entries if key.startswith(f"block/{CAMERA}/{early.chain:010d}/")]
    assert beside == [slot_key(CAMERA, early.chain, number) for number in (4, 5, 6)]
    after_us = (START_US + 60_000_000, START_US + 61_000_000)
    (document,) = read_interval(town.ledger.gateway, interval, times_us=after_us)
    # Nothing of it lies behind: that is shown up to the chain's end.
    end = f"block/{CAMERA}/{early.chain:010d}0"
    assert covered(parse_signed_read(document).ranges, slot_key(CAMERA, early.chain, 8), end)


def test_a_sealed_batch_is_read_with_the_one_before_it(town: Town) -> None:
    for _ in range(3):
        town.recorder.record(town.spool, 2)
        assert town.drain(sealed=("north", "recorder")).unread == 0
    reads = town.reads()
    assert len(reads) == 3
    held = [[key for key in read.entries if key.startswith("root/")] for read in reads]
    assert held[0] == [batch_key("north", "recorder", 0)]
    # The one that holds the record before, and one more at both ends of the run, of which the last does not exist.
    assert held[2] == [batch_key("north", "recorder", number) for number in (0, 1, 2)]
    # The site's other recorder sealed nothing, and that is shown as well.
    assert covered(reads[0].ranges, *whole_range("root", "north", "recorder-2"))
    assert not covered(reads[0].ranges, *whole_range("root", "south", "recorder-south"))


def test_beside_open_anchors_it_is_shown_that_nothing_was_sealed(town: Town) -> None:
    town.recorder.record(town.spool, 2)
    assert town.drain().unread == 0
    (read,) = town.reads()
    for recorder in ("recorder", "recorder-2"):
        assert covered(read.ranges, *whole_range("root", "north", recorder))
    assert not any(each.start.startswith("root/south/") for each in read.ranges)


def seal(town: Town, count: int, *, start_us: int) -> None:
    """Batches of the site's other recorder, each over one second, a second between them."""
    previous = None
    for number in range(count):
        begin_us = start_us + number * 2_000_000
        block = Block(
            camera="gate-2", ip="10.0.4.18", chain=1, sequence=number + 1, kind="segment", key="00" * 32, previous=None,
            start_us=begin_us, end_us=begin_us + 1_000_000, record=bytes(32),
        )  # fmt: skip
        batch, _ = make_batch([block], site="north", recorder="recorder-2", batch=number, previous=previous)
        town.host.submit(town.stage.cast["recorder-2"], "anchor", batch.canonical(), time_us=NOW_US)
        previous = batch.digest


def test_of_many_batches_of_another_recorder_those_around_the_time_are_shown(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal(town, 60, start_us=START_US - 40_000_000)
    monkeypatch.setattr(sealed_ranges, "MOST_BATCHES", 12)
    town.recorder.record(town.spool, 6)  # 1.2 s, while batch 20 was recorded
    assert town.drain().unread == 0
    (read,) = town.reads()
    shown = [int(key[-10:]) for key in read.entries if key.startswith("root/north/recorder-2/")]
    # Two to spare at either end; and the newest, since a record may have been anchored long after its time.
    assert shown == [*range(17, 24), *range(52, 60)]
    assert covered(read.ranges, batch_key("north", "recorder-2", 59), "root/north/recorder-20")
    # Where as many as these are few, nothing is left out between the time and now.
    monkeypatch.setattr(sealed_ranges, "MOST_BATCHES", 50)
    asked = SealedBatches(ChannelView(town.ledger.gateway)).beside(
        "north", [("north", "recorder")], (START_US, START_US)
    )
    assert asked == (KeyRange(batch_key("north", "recorder-2", 17), "root/north/recorder-20"),)
    nowhen = SealedBatches(ChannelView(town.ledger.gateway)).beside("north", [("north", "recorder")], None)
    assert nowhen == (KeyRange(batch_key("north", "recorder-2", 52), "root/north/recorder-20"),)


def test_an_interval_in_more_batches_than_a_read_shows_is_spread_over_several(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What judges the slots stands with the newest batch; those before it are shown in further reads."""
    monkeypatch.setattr(sealed_ranges, "MOST_BESIDE_SLOTS", 2)
    monkeypatch.setattr(fabric_reads, "MAX_ENTRIES", 55)
    for _ in range(8):
        state = town.recorder.record(town.spool, 1)
        town.drain(sealed=("north", "recorder"))
    interval = Interval.of(CAMERA, state.chain, 0, 7)
    documents = read_interval(
        town.ledger.gateway, interval, hints=lambda slot: [("north", "recorder", slot[2])],
        times_us=(START_US, START_US + 1_600_000),
    )  # fmt: skip
    reads = [parse_signed_read(each) for each in documents]
    ranges = [each for read in reads for each in read.ranges]
    assert covered(ranges, batch_key("north", "recorder", 0), batch_key("north", "recorder", 8))
    assert len(reads) > 1
    newest = max(read.as_of for read in reads)
    assert all(read.as_of == newest for read in reads)


def test_batches_of_a_recorder_that_are_not_shown_to_who_asks_are_not_asked_for(town: Town) -> None:
    """Else the whole read would be refused."""

    class Elsewhere(ChannelView):
        def get(self, key: str) -> Any:
            if "/recorder-2/" in key:
                raise Refused("sealed batches are shown to the recorder's control room", reason="denied")
            return super().get(key)

    asked = SealedBatches(Elsewhere(town.ledger.gateway)).beside("north", (), None)
    assert asked == (whole_range("root", "north", "recorder"),)


def test_recording_sees_the_ledger_as_it_was_last_seen_while_nobody_answers(town: Town, tmp_path: Path) -> None:
    town.recorder.record(town.spool, 1)
    town.drain()
    view = RememberedView(ChannelView(town.ledger.gateway), tmp_path / "seen")
    before = view.entries(f"camera/{CAMERA}/")
    assert before
    assert view.away is None

    class Gone(ChannelView):
        def entries(self, *names: Any, **narrowed: Any) -> Any:
            raise LedgerUnavailable("nobody answers")

        get = entries

    away = RememberedView(Gone(town.ledger.gateway), tmp_path / "seen")
    assert away.entries(f"camera/{CAMERA}/") == before
    assert away.get(chain_key(CAMERA, 1)) is None
    assert away.away is not None
    with pytest.raises(LedgerUnavailable, match="nobody answers"):
        away.entries("camera/gate-9/")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"items": 7, "next": None},
        {"items": [7], "next": None},
        {"items": [{"id": "gate-1", "n": "x"}], "next": None},
        {"items": [{"n": 0}], "next": None},
        {"items": []},
        {"items": [], "next": "again"},
    ],
)
def test_a_peer_that_answers_with_something_else_than_a_list_is_malformed(answer: dict[str, Any]) -> None:
    class Strange:
        """A gateway whose peer answers every question alike."""

        identity = the_cast()["operator"]
        propose = endorse = None

        def evaluate(self, function: str, *arguments: bytes, **named: Any) -> bytes:
            return canonical(answer)

    gateway: Any = Strange()
    view = ChannelView(gateway, patient=True)
    with pytest.raises(Malformed):
        view.entries("incident/")
    with pytest.raises(Malformed):
        _ = view.genesis
