"""Sources that lie: an index that names later batches, leaf lists that are lost, keys that no contract writes."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from evidence.batches import batch_key, make_batch
from evidence.blocks import SignedBlock
from evidence.digests import sha256
from evidence.leaf_list import leaf_list
from evidence.ledger_format import LedgerBlock, Receipt
from evidence.registry import Position
from evidence.trust import SeenCheckpoint, Trust
from media.footage import Footage
from sdk.ledger import LedgerReader
from tests.unit.verifier import small_site
from tests.unit.verifier.small_site import NOON, Site, footage_of, picture
from verifier.asked import Asked
from verifier.bundle import SlotName
from verifier.court import Court
from verifier.gather import gather
from verifier.judge import judge
from verifier.model import Axis, State
from verifier.verdict import Exhibit, Result, Verdict

CHAIN = NOON // 1_000_000
SECOND = ("gate-1", CHAIN, 1)


@dataclass
class Told:
    """A site as its keeper shows it."""

    site: Site
    reader: LedgerReader
    leaf_lists: Mapping[str, bytes]
    named: Mapping[SlotName, Sequence[tuple[str, str, int]]] = field(default_factory=dict)
    has_store: bool = True

    reads = ()
    authorities = ()
    configuration = None

    @property
    def ledger_id(self) -> str:
        return self.site.genesis.ledger_id

    @property
    def own_trust(self) -> Trust:
        return self.site.trust

    @property
    def genesis(self) -> bytes:
        return self.site.genesis.canonical()

    @property
    def height(self) -> int:
        return self.reader.height

    def believe(self, trust: Trust | None) -> None:
        pass

    def proof(self, slot: SlotName) -> bytes | None:
        return self.site.proofs.get(slot)

    def stored(self) -> Sequence[SlotName]:
        return sorted(self.site.proofs)

    def hints(self, digests: Iterable[bytes]) -> Iterable[SlotName]:
        return ()

    def batch_hints(self, slot: SlotName) -> Iterable[tuple[str, str, int]]:
        return self.named.get(slot, ())

    def entries(self, prefix: str, *, first: str = "", last: str = "") -> Iterable[tuple[Position, str, bytes]]:
        return self.reader.entries(prefix, first=first, last=last)

    def entry(self, key: str) -> tuple[Position, str, bytes] | None:
        return self.reader.get(key)

    def prepare(self, camera: str, chain: int, first: int, last: int) -> None:
        """All of it is at hand."""

    def full_receipt(self, position: Position) -> None:
        """Not for this ledger."""

    def shown(self, key: str, position: Position) -> Receipt:
        return self.reader.receipt_at(position)

    def block(self, height: int) -> LedgerBlock:
        return self.reader.block(height)

    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None:
        return self.leaf_lists.get(batch_key(site, recorder, batch))


def examined(told: Told, footage: Footage, asked: Asked | None = None) -> Verdict:
    asked, trust = asked or Asked(), told.site.trust
    court = Court(gather(told, footage, asked, trust), trust)
    return judge(footage, [Exhibit.of(footage)], court, asked)


def told(site: Site, *, without: Sequence[int] = (), named: int | None = None) -> Told:
    lost = {batch_key("north", "rec-1", number) for number in without}
    lists = {key: data for key, data in site.leaf_lists.items() if key not in lost}
    hints = {} if named is None else {SECOND: [("north", "rec-1", named)]}
    return Told(site=site, reader=site.host.reader, leaf_lists=lists, named=hints)


def other_picture(camera: str, number: int, letter: str = "P") -> bytes:
    return sha256(f"other {camera} {number}".encode())


OTHER = footage_of([other_picture("gate-1", number) for number in range(10, 20)])


@pytest.fixture
def twice(site: Site, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Seals the second record of gate-1 twice, with batches of another camera between; returns the first proof."""

    def make(again: Callable[[], None] = site.anchor_sealed) -> bytes:
        site.enrol("gate-1")
        site.enrol("gate-2")
        site.record("gate-1", "IPPPPPPPPP")
        state = site.states["gate-1"]
        site.record("gate-1", "IPPPPPPPPP")
        first = site.proofs[SECOND]
        site.anchor_sealed()
        for _ in range(2):
            site.record("gate-2", "IPPPP")
            site.anchor_sealed()
        site.states["gate-1"] = state
        with monkeypatch.context() as patched:
            patched.setattr(small_site, "picture", other_picture)
            site.record("gate-1", "IPPPPPPPPP")
        again()
        return first

    return make


@pytest.mark.parametrize("named", [None, 3])
def test_a_later_version_is_not_verified_whatever_the_index_names(
    site: Site, twice: Callable[..., bytes], named: int | None
) -> None:
    twice()
    assert examined(told(site, named=named), OTHER).state is State.UNDETERMINED


@pytest.mark.parametrize("named", [None, 3, 1])
def test_the_earlier_version_stays_verified_whatever_the_index_names(
    site: Site, film: Callable[..., Footage], twice: Callable[..., bytes], named: int | None
) -> None:
    site.proofs[SECOND] = twice()
    verdict = examined(told(site, named=named), film("gate-1", 10, 20))
    assert verdict.state is State.VERIFIED, verdict.sentence


def test_where_the_earlier_leaf_list_is_lost_the_verdict_says_that_there_could_be_another(
    site: Site, twice: Callable[..., bytes]
) -> None:
    twice()
    verdict = examined(told(site, without=[0]), OTHER)
    assert "the recorder could hold other versions" in verdict.sentence
    assert verdict.axes[Axis.COMPLETENESS].result is Result.INCONCLUSIVE


def test_an_open_anchor_behind_a_sealed_one_does_not_count(
    site: Site, film: Callable[..., Footage], twice: Callable[..., bytes]
) -> None:
    first = twice(site.anchor)
    assert examined(told(site), OTHER).state is State.UNDETERMINED
    site.proofs[SECOND] = first
    verdict = examined(told(site), film("gate-1", 10, 20))
    assert verdict.state is State.VERIFIED, verdict.sentence


def test_a_leaf_that_the_device_did_not_sign_takes_no_slot(site: Site, film: Callable[..., Footage]) -> None:
    site.enrol("gate-1")
    site.enrol("gate-2")
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor_sealed()
    site.record("gate-1", "IPPPPPPPPP")
    (true,) = site.waiting
    forged = SignedBlock(block=replace(true.block, record=bytes(32)), signature=b"\x30" * 70)
    batch, _ = make_batch([forged.block], site="north", recorder="rec-1", batch=1, previous=site.batch_digests[-1])
    site.submit("rec-1", "anchor", batch.canonical())
    site.batch_digests.append(batch.digest)
    site.leaf_lists[batch_key("north", "rec-1", 1)] = leaf_list(batch, [forged]).canonical()
    site.anchor_sealed()
    verdict = examined(told(site), film("gate-1", 0, 20))
    assert verdict.counts["same"] == 20, verdict.sentence
    assert verdict.state is State.VERIFIED, verdict.sentence


@pytest.mark.parametrize(
    "key", ["chain/gate-1/abc", "root/x", "root/a/b/c", "revocation/gate-1/zz", "block/gate-1/abc", "block/gate-1/1/x"]
)
def test_keys_that_no_contract_writes_end_in_a_verdict(
    site: Site, film: Callable[..., Footage], tmp_path: Path, key: str
) -> None:
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    edited = tmp_path / "edited.db"
    with sqlite3.connect(tmp_path / "ledger.db") as whole, sqlite3.connect(edited) as copy:
        whole.backup(copy)
        copy.execute(
            "INSERT INTO state SELECT ?, value, height, position FROM state WHERE key LIKE 'camera/gate-1/%' LIMIT 1",
            (key,),
        )
    whole.close()
    copy.close()
    shutil.copymode(tmp_path / "ledger.db", edited)
    with LedgerReader(edited) as reader:
        shown = Told(site=site, reader=reader, leaf_lists={})
        assert examined(shown, film("gate-1", 0, 10)).state is State.VERIFIED
        named = Asked(camera="gate-1", start_us=NOON, end_us=NOON + 400_000)
        strange = footage_of([picture("nowhere", number) for number in range(10)])
        assert examined(shown, strange, named).state is State.NO_MATCH


@pytest.mark.parametrize("lost", [None, 1, 0])
def test_a_checkpoint_seen_earlier_binds_also_where_blocks_are_left_out(
    site: Site, film: Callable[..., Footage], tmp_path: Path, lost: int | None
) -> None:
    """`lost`: how many blocks before the one seen a block has been taken out of the file."""
    site.enrol("gate-1")
    site.record("gate-1", "IPPPPPPPPP")
    site.anchor()
    site.enrol("gate-2")
    height = site.host.reader.height
    checkpoint = SeenCheckpoint(
        ledger=site.genesis.ledger_id, height=height, hash=site.host.reader.block(height).digest
    )
    site.enrol("gate-3")
    edited = tmp_path / "edited.db"
    with sqlite3.connect(tmp_path / "ledger.db") as whole, sqlite3.connect(edited) as copy:
        whole.backup(copy)
        if lost is not None:
            copy.execute("DELETE FROM blocks WHERE height=?", (height - lost,))
    whole.close()
    copy.close()
    trust = replace(site.trust, checkpoints=(checkpoint,))
    with LedgerReader(edited) as reader:
        shown = Told(site=site, reader=reader, leaf_lists={})
        court = Court(gather(shown, film("gate-1", 0, 10), Asked(), trust), trust)
    verdict = judge(film("gate-1", 0, 10), [], court, Asked())
    assert verdict.state is (State.VERIFIED if lost is None else State.UNTRUSTED_PROOF), verdict.sentence
