"""The embedded host: admission, conflicts, several writers on one file, a crash, receipts."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chaincode.anchors import open_batch
from chaincode.check import check_ledger
from chaincode.embedded import EmbeddedHost, found
from chaincode.ledger_file import make_file
from chaincode.reader import LedgerReader
from evidence import merkle
from evidence.blocks import slot_key
from evidence.canonical import canonical
from evidence.checkpoint import note_key, parse_checkpoint
from evidence.errors import (
    CommitInvalid,
    CommitUnknown,
    ConfigInvalid,
    KeyUnavailable,
    LedgerUnavailable,
    Malformed,
    Refused,
    VeriframeError,
)
from evidence.genesis import Genesis
from evidence.keys import ED25519, PrivateKeySigner
from evidence.ledger_format import parse_receipt, parse_transaction, transaction_id
from evidence.registry import Position
from sdk.keys import generate_key, private_key_pem, write_new_file
from tests.hosts.cast import CHAIN, NOW_US, Cast, members, the_cast
from tests.hosts.stage import EmbeddedStage, Stage, TestClock, signed_transaction

REPOSITORY = Path(__file__).resolve().parents[3]
WINDOW_US = 15 * 60 * 1_000_000


@pytest.fixture
def cast() -> Cast:
    return the_cast()


@pytest.fixture
def stage(tmp_path: Path, cast: Cast) -> Iterator[Stage]:
    embedded = EmbeddedStage(tmp_path, cast)
    stage = Stage(embedded, cast)
    stage.opens_for_business()
    yield stage
    embedded.close()


@pytest.fixture
def host(stage: Stage) -> EmbeddedHost:
    assert isinstance(stage.host, EmbeddedStage)
    return stage.host.host


def anchor(cast: Cast, *sequences: int, time_us: int = NOW_US, **more: bytes) -> bytes:
    batch = open_batch(cast.blocks(*sequences))
    return signed_transaction(cast.genesis, cast["recorder"], "anchor", batch, time_us=time_us, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("off_us", "good"),
    [(0, True), (WINDOW_US, True), (-WINDOW_US, True), (WINDOW_US + 1, False), (-WINDOW_US - 1, False)],
)
def test_a_transaction_is_of_now(host: EmbeddedHost, cast: Cast, off_us: int, good: bool) -> None:
    envelope = anchor(cast, 0, time_us=NOW_US + off_us)
    if good:
        assert host.submit(envelope).position is not None
    else:
        with pytest.raises(Refused, match="clock") as caught:
            host.submit(envelope)
        assert caught.value.reason == "expired"


def test_a_replayed_transaction_is_refused(host: EmbeddedHost, cast: Cast) -> None:
    # In one call, since after its commit the rule itself would have nothing left to write.
    envelope = anchor(cast, 0)
    first, second = host.submit_many([envelope, envelope])
    assert not isinstance(first, VeriframeError)
    assert isinstance(second, Refused)
    assert second.reason == "conflict"
    assert host.reader.status(first.tx_id) is not None
    registration = signed_transaction(
        cast.genesis, cast.admin(), "suspend_participant", members(participant="operator")
    )
    host.submit(registration)
    with pytest.raises(Refused):
        host.submit(registration)


def test_a_nonce_is_used_once_by_one_certificate(host: EmbeddedHost, cast: Cast) -> None:
    nonce = bytes(range(24))
    host.submit(anchor(cast, 0, nonce=nonce))
    with pytest.raises(Refused, match="nonce") as caught:
        host.submit(anchor(cast, 1, nonce=nonce))
    assert caught.value.reason == "conflict"
    suspend = members(participant="operator")
    host.submit(signed_transaction(cast.genesis, cast.admin(), "suspend_participant", suspend, nonce=nonce))


def test_what_is_not_signed_by_the_certificate_is_refused(host: EmbeddedHost, cast: Cast) -> None:
    forged = signed_transaction(
        cast.genesis, cast["recorder"], "anchor", open_batch(cast.blocks(0)), signer=cast.key("thief")
    )
    with pytest.raises(Refused, match="signature"):
        host.submit(forged)
    good = json.loads(anchor(cast, 0))
    other = json.loads(anchor(cast, 1))
    good["signatures"] = other["signatures"]
    with pytest.raises(Refused, match="signature"):
        host.submit(json.dumps(good, separators=(",", ":")).encode())


def test_another_authority_cannot_speak_for_an_organisation(host: EmbeddedHost, cast: Cast) -> None:
    stranger = Cast()  # the same names under authorities of its own
    batch = open_batch(cast.blocks(0))
    with pytest.raises(Refused, match="not issued by ControlRoomMSP"):
        host.submit(signed_transaction(cast.genesis, stranger["recorder"], "anchor", batch))
    with pytest.raises(Refused, match="another ledger"):
        host.submit(signed_transaction(stranger.genesis, cast["recorder"], "anchor", batch))


def test_a_certificate_outside_its_validity_is_refused(tmp_path: Path, cast: Cast) -> None:
    later = NOW_US + 6 * 365 * 86_400_000_000
    clock = TestClock(later)
    founding = signed_transaction(cast.genesis, cast.admin(), "init", cast.genesis.canonical(), time_us=later)
    with pytest.raises(Refused, match="not valid at the time"):
        found(tmp_path / "ledger.db", founding, operator=cast.operator, clock=clock)
    assert not (tmp_path / "ledger.db").exists()


@pytest.mark.parametrize(
    "bytes_", [b"", b"{}", b"\x00" * 100, b"[" * 5000, b'{"payload":1,"payloadType":2,"signatures":[]}']
)
def test_rubbish_is_malformed(host: EmbeddedHost, bytes_: bytes) -> None:
    with pytest.raises(Malformed):
        host.submit(bytes_)


def test_nothing_reads_its_own_or_its_neighbours_writes(host: EmbeddedHost, cast: Cast) -> None:
    """Sequence 1 runs over the state before sequence 0 is there: as on Fabric it is refused, not carried along."""
    first, second = host.submit_many([anchor(cast, 0), anchor(cast, 1)])
    assert not isinstance(first, VeriframeError)
    assert isinstance(second, Refused)


def test_of_two_that_race_for_a_key_exactly_one_wins(host: EmbeddedHost, cast: Cast) -> None:
    one = cast.camera("gate-2")
    two = cast.camera("gate-2", make="Other", device_key=cast.camera("gate-3")["device_key"])
    won, lost = host.submit_many(
        [signed_transaction(cast.genesis, cast["operator"], "propose_camera", members(**each)) for each in (one, two)]
    )
    assert not isinstance(won, VeriframeError)
    assert isinstance(lost, CommitInvalid)
    assert "conflict" in str(lost)
    newest = host.reader.block(host.reader.height)
    assert [entry.code for entry in newest.transactions] == ["VALID", "CONFLICT"]
    entry = host.reader.get("camera/gate-2/0000000000")
    assert entry is not None
    assert b'"make":"Acme"' in entry.value
    assert host.reader.get(f"key/{cast.key('gate-3').public_key.key_id}") is None
    status = host.reader.status(newest.transactions[1].tx_id)
    assert status is not None
    assert status[0] == "CONFLICT"
    assert check_ledger(host.reader.path) == ()


def test_a_later_key_in_a_range_that_was_read_is_a_conflict(host: EmbeddedHost, cast: Cast) -> None:
    """Two recorders that open chains at once: the higher one committed first makes the lower one fail, as a phantom."""
    high, low = (open_batch(cast.blocks(0, chain=CHAIN + each)) for each in (9, 4))
    envelopes = [
        signed_transaction(cast.genesis, cast["recorder"], "anchor", high),
        signed_transaction(cast.genesis, cast["recorder-2"], "anchor", low),
    ]
    first, second = host.submit_many(envelopes)
    assert not isinstance(first, VeriframeError)
    assert isinstance(second, CommitInvalid)
    # The other way round both are in order: what stands below a new chain does not matter to it.
    low, high = (open_batch(cast.blocks(0, chain=CHAIN + each)) for each in (20, 30))
    both = host.submit_many(
        [
            signed_transaction(cast.genesis, cast["recorder"], "anchor", low),
            signed_transaction(cast.genesis, cast["recorder-2"], "anchor", high),
        ]
    )
    assert not any(isinstance(each, VeriframeError) for each in both)


def test_threads_share_blocks(host: EmbeddedHost, cast: Cast) -> None:
    host.submit(anchor(cast, 0))
    before = host.reader.height
    envelopes = [anchor(cast, each) for each in range(1, 41)]
    failures: list[BaseException] = []

    def work(mine: list[bytes]) -> None:
        try:
            for envelope in mine:
                host.submit(envelope)
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(envelopes[start::8],)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(host.reader.entries("block/gate-1/")) == 41
    assert host.reader.height - before <= 40
    assert check_ledger(host.reader.path) == ()


RACER = """
import sys, time
from pathlib import Path
from chaincode.embedded import EmbeddedHost
from evidence.errors import VeriframeError
from evidence.keys import PrivateKeySigner
from sdk.keys import load_private_key
path, key, start, count, *envelopes = sys.argv[1:]
host = EmbeddedHost(Path(path), operator=PrivateKeySigner(load_private_key(Path(key))), clock=lambda: {now})
print("ready", flush=True)
sys.stdin.readline()
for name in envelopes:
    try:
        host.submit(Path(name).read_bytes())
        print("won", flush=True)
    except VeriframeError as error:
        print(error.code, flush=True)
"""


def racer(path: Path, key: Path, envelopes: list[Path]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", RACER.format(now=NOW_US), str(path), str(key), "0", "0", *map(str, envelopes)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def operator_key(folder: Path, cast: Cast) -> Path:
    path = folder / "operator.pem"
    write_new_file(path, private_key_pem(cast.operator._private_key))
    return path


def test_two_processes_race_and_every_slot_is_won_once(host: EmbeddedHost, cast: Cast, tmp_path: Path) -> None:
    host.submit(anchor(cast, 0))
    key = operator_key(tmp_path, cast)
    files: list[list[Path]] = [[], []]
    for sequence in range(1, 21):
        for side, mine in enumerate(files):
            block = cast.block(sequence, record=bytes([side]) * 32)
            path = tmp_path / f"{side}-{sequence}"
            path.write_bytes(
                signed_transaction(cast.genesis, cast["recorder"], "anchor", open_batch([cast.signed(block)]))
            )
            mine.append(path)
    processes = [racer(host.reader.path, key, mine) for mine in files]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    answers = []
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        answers.append(process.communicate(timeout=60)[0].split())
        assert process.returncode == 0
    for ours, theirs in zip(*answers, strict=True):
        assert sorted((ours, theirs)) in (["refused", "won"], ["commit_invalid", "won"])
    assert len(host.reader.entries("block/gate-1/")) == 21
    assert check_ledger(host.reader.path) == ()


@pytest.mark.parametrize("after", [1, 4, 9])
def test_a_killed_writer_leaves_whole_blocks(host: EmbeddedHost, cast: Cast, tmp_path: Path, after: int) -> None:
    host.submit(anchor(cast, 0))
    key = operator_key(tmp_path, cast)
    files = []
    for sequence in range(1, 61):
        path = tmp_path / f"tx-{sequence}"
        path.write_bytes(anchor(cast, sequence))
        files.append(path)
    process = racer(host.reader.path, key, files)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    acknowledged = sum(process.stdout.readline() == "won\n" for _ in range(after))
    time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    acknowledged += process.communicate()[0].count("won")
    assert check_ledger(host.reader.path) == ()
    standing = len(host.reader.entries("block/gate-1/"))
    assert acknowledged + 1 <= standing <= acknowledged + 2  # nothing acknowledged is lost
    assert host.submit(anchor(cast, 60)).position is not None


def test_a_receipt_proves_what_stands_under_a_key(host: EmbeddedHost, cast: Cast) -> None:
    host.submit(anchor(cast, 0, 1, 2))
    host.submit(anchor(cast, 3))
    receipt = host.reader.receipt_for(slot_key("gate-1", CHAIN, 1))
    assert receipt is not None
    again = parse_receipt(receipt.canonical())
    assert again == receipt
    checkpoint = parse_checkpoint(receipt.checkpoint)
    assert checkpoint.signed_by(note_key(cast.genesis.origin, cast.genesis.operator))
    leaf = merkle.leaf_hash(receipt.block.canonical())
    assert merkle.verify_inclusion(leaf, receipt.block.height, receipt.size, receipt.path, checkpoint.root)
    assert parse_transaction(receipt.transaction.payload).function == "anchor"
    assert transaction_id(receipt.transaction.payload) == receipt.block.transactions[0].tx_id
    assert receipt.writes[slot_key("gate-1", CHAIN, 1)] == cast.blocks(1)[0].canonical()
    # One transaction, one receipt, however many slots it covers.
    assert host.reader.receipt_for(slot_key("gate-1", CHAIN, 2)) is receipt
    assert host.reader.receipt_for(slot_key("gate-1", CHAIN, 9)) is None


def test_every_block_is_proven_in_every_later_log(host: EmbeddedHost, cast: Cast) -> None:
    for sequence in range(9):
        host.submit(anchor(cast, sequence))
    for size in range(1, host.reader.height + 2):
        for height in range(size):
            receipt = host.reader.receipt_at(Position(height, 0), size=size)
            checkpoint = parse_checkpoint(receipt.checkpoint)
            leaf = merkle.leaf_hash(receipt.block.canonical())
            assert checkpoint.size == size
            assert merkle.verify_inclusion(leaf, height, size, receipt.path, checkpoint.root)


def test_history_and_events_are_in_ledger_order(host: EmbeddedHost, cast: Cast) -> None:
    start = Position(host.reader.height, 0)
    host.submit(anchor(cast, 0))
    host.submit(anchor(cast, 1))
    events = list(host.reader.events(start))
    assert [event.name for event in events] == ["anchor", "anchor"]
    assert list(host.reader.events(events[0].position)) == events[1:]
    assert list(host.reader.events(events[1].position)) == []
    [only] = host.reader.history(slot_key("gate-1", CHAIN, 1))
    assert only.value == cast.blocks(1)[0].canonical()
    assert only.position == events[1].position
    assert host.reader.history("block/none") == ()
    everything = host.reader.entries()
    assert [entry.key for entry in everything] == sorted(entry.key for entry in everything)


def test_a_ledger_is_founded_once_and_by_its_operator(tmp_path: Path, cast: Cast) -> None:
    path = tmp_path / "ledger.db"
    founding = signed_transaction(cast.genesis, cast.admin(), "init", cast.genesis.canonical())
    clock = TestClock()
    with pytest.raises(ConfigInvalid, match="no ledger"):
        EmbeddedHost(path, operator=cast.operator, clock=clock)
    wrong = PrivateKeySigner(generate_key(ED25519))
    with pytest.raises(KeyUnavailable, match="operator"):
        found(path, founding, operator=wrong, clock=clock)
    make_file(path)  # what a crash between making the file and founding leaves
    with pytest.raises(Malformed, match="never founded"):
        LedgerReader(path)
    found(path, founding, operator=cast.operator, clock=clock)
    with pytest.raises(Refused, match="stands here already"):
        found(path, founding, operator=cast.operator, clock=clock)
    with pytest.raises(KeyUnavailable, match="operator"):
        EmbeddedHost(path, operator=wrong, clock=clock)
    assert path.stat().st_mode & 0o777 == 0o600
    other = signed_transaction(cast.genesis, cast.admin(), "init", _other(cast).canonical())
    with pytest.raises(Malformed, match="another ledger"):
        found(tmp_path / "other.db", other, operator=cast.operator, clock=clock)


def _other(cast: Cast) -> Genesis:
    return replace(cast.genesis, nonce=bytes(15) + b"\x01")


def test_what_is_no_ledger_is_said_to_be_none(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"not a database" * 100)
    with pytest.raises(Malformed):
        LedgerReader(text)
    database = tmp_path / "other.db"
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE t (x)")
    connection.close()
    with pytest.raises(Malformed, match="not a Veriframe ledger"):
        LedgerReader(database)
    with pytest.raises(ConfigInvalid):
        LedgerReader(tmp_path)
    empty = tmp_path / "empty"
    empty.touch()
    with pytest.raises(Malformed):
        LedgerReader(empty)


def test_a_newer_format_is_named(host: EmbeddedHost) -> None:
    connection = sqlite3.connect(host.reader.path)
    connection.execute("PRAGMA user_version=2")
    connection.close()
    with pytest.raises(Malformed, match="format version 2"):
        LedgerReader(host.reader.path)


def test_a_busy_file_is_a_retryable_error(host: EmbeddedHost, cast: Cast) -> None:
    blocker = sqlite3.connect(host.reader.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    host._writer.execute("PRAGMA busy_timeout=50")
    with pytest.raises(LedgerUnavailable, match="in use") as caught:
        host.submit(anchor(cast, 0))
    assert caught.value.retryable
    blocker.execute("ROLLBACK")
    blocker.close()
    assert host.submit(anchor(cast, 0)).position is not None


@pytest.fixture
def read_only(host: EmbeddedHost, cast: Cast) -> Iterator[Path]:
    """A ledger that everybody may read and nobody but its owner write, in a folder likewise."""
    host.submit(anchor(cast, 0))
    host.close()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        shutil.copyfile(host.reader.path, path)
        path.chmod(0o444)
        Path(folder).chmod(0o555)
        yield path
        Path(folder).chmod(0o700)


def test_a_read_only_folder_is_named(read_only: Path, cast: Cast, nobody: None) -> None:
    with pytest.raises(ConfigInvalid):
        EmbeddedHost(read_only, operator=cast.operator, clock=TestClock()).submit(anchor(cast, 1))


def test_an_endless_write_set_is_refused_before_it_is_ordered(host: EmbeddedHost, cast: Cast) -> None:
    opened = [["gate-1", CHAIN + each] for each in range(4001)]
    batch = members(
        type="veriframe/batch/1", site="north", recorder="recorder", batch=0, from_us=0, to_us=1, count=4001,
        root="00" * 32, opened=opened,
    )[:-1]  # fmt: skip
    document = json.loads(batch + b"}")
    document["previous"] = None
    envelope = signed_transaction(cast.genesis, cast["recorder"], "anchor", canonical(document))
    with pytest.raises(Refused, match="4000") as caught:
        host.submit(envelope)
    assert caught.value.reason == "invalid"


def test_a_full_disk_loses_nothing_and_says_so(host: EmbeddedHost, cast: Cast) -> None:
    host.submit(anchor(cast, 0))
    before = host.reader.entries()
    pages = host._writer.execute("PRAGMA page_count").fetchone()[0]
    host._writer.execute(f"PRAGMA max_page_count={pages}")
    with pytest.raises(LedgerUnavailable, match="no space left") as caught:
        host.submit(anchor(cast, *range(1, 200)))
    assert caught.value.retryable
    assert host.reader.entries() == before
    host._writer.execute("PRAGMA max_page_count=1000000")
    assert host.submit(anchor(cast, *range(1, 200))).position is not None
    assert check_ledger(host.reader.path) == ()


def test_a_damaged_entry_is_the_ledgers_fault_and_not_the_callers(host: EmbeddedHost, cast: Cast) -> None:
    connection = sqlite3.connect(host.reader.path)
    connection.execute("UPDATE state SET value=x'7b' WHERE key LIKE 'camera/gate-1/%1'")
    connection.commit()
    connection.close()
    with pytest.raises(Malformed, match="damaged") as caught:
        host.submit(anchor(cast, 0))
    assert caught.value.where == "camera/gate-1/0000000001"


def test_a_commit_that_the_disk_did_not_confirm_is_unknown_and_nothing_breaks(host: EmbeddedHost, cast: Cast) -> None:
    host.submit(anchor(cast, 0))
    journal = host.reader.path.with_name("ledger.db-wal").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    envelope = anchor(cast, 1)
    # The file may not grow: SQLite's write of the journal fails, and with it COMMIT.
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal + 100, hard))
    try:
        with pytest.raises(CommitUnknown, match="status") as caught:
            host.submit(envelope)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.retryable
    assert host.reader.get(slot_key("gate-1", CHAIN, 1)) is None
    assert host.submit(envelope).position is not None
    assert check_ledger(host.reader.path) == ()


def test_a_genesis_document_names_a_key_once(cast: Cast, tmp_path: Path) -> None:
    key_id = cast.admin().key_id
    msps = {msp: replace(each, admins=(key_id,)) for msp, each in cast.genesis.msps.items()}
    genesis = replace(cast.genesis, msps=msps)
    founding = signed_transaction(genesis, cast.admin(), "init", genesis.canonical())
    with pytest.raises(Refused, match="one key as ADMIN twice"):
        found(tmp_path / "ledger.db", founding, operator=cast.operator, clock=TestClock())
