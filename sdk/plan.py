"""What anchoring a number of cameras on a Fabric channel takes: transactions, bytes on the ledger, disks.

The constants are measured (bench/p8_ledger_bytes.py, and P11 for the store; docs/benchmarks.md has the dates): Fabric
3.1.5, P-256 certificates, endorsement by two organisations, names of about ten letters. A test holds the result against
what a network on this machine writes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from evidence.errors import ConfigInvalid

DAY_S, YEAR_DAYS = 86_400, 365

# Bytes in the block files that every peer and orderer keeps. Blocks are never pruned.
LEDGER_BLOCK_BYTES = 930  # header, the leading orderer's signature and certificate
OPEN_BYTES = 4303  # an anchor of blocks: client's and two endorsers' certificates and signatures, and the rest
SINGLE_BYTES = 118  # more where one block comes alone, since nothing in it repeats
SLOT_BYTES = 744  # each block in it: as argument, as value, and its keys
CAMERA_BYTES = 262  # each camera of which there are blocks: keys that the contract reads
SEALED_BYTES = 4833  # an anchor of a sealed batch, however many blocks are under its root

# Bytes that a peer keeps beside the block files: indexes, state, history of keys. Before LevelDB packs them.
PEER_BLOCK_BYTES, PEER_TRANSACTION_BYTES = 260, 125
OPEN_KEY_BYTES, SEALED_KEY_BYTES = 658, 436
ORDERER_BLOCK_BYTES = 117
ORDERER_FIXED_BYTES = 128_000_000  # Raft's write-ahead log: two files made at full size

# Bytes in the store beside the video, from P11 (720p, 25 pictures/s, one sample/s), and of a sealed batch's leaf list.
PICTURE_BYTES = 32
SAMPLE_BYTES = 678
SEGMENT_BYTES = 1674
LEAF_BYTES = 510

MOST_BLOCKS = 500  # in one open batch, as chaincode/anchors.py has it
OPEN_CAMERAS = 16  # up to so many cameras of a site `anchoring: auto` puts every block on the ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What is planned for.

    Args:
        sites: with a recorder each; the cameras are spread evenly.
        anchor_s: how often a recorder anchors what it has. Until then its operator could have edited unnoticed.
        sealed: one root for each batch; else every block is on the ledger.
        batch_timeout_ms, batch_messages: when orderers cut a ledger block.
    """

    cameras: int
    sites: int
    pictures_per_s: float = 25.0
    segment_s: float = 10.0
    anchor_s: float = 60.0
    sealed: bool = True
    samples_per_s: float = 1.0
    peers: int = 4
    orderers: int = 3
    batch_timeout_ms: int = 250
    batch_messages: int = 500

    def __post_init__(self) -> None:
        wrong = (
            (self.cameras < 1 or self.sites < 1 or self.sites > self.cameras, "sites are 1 to the number of cameras"),
            (min(self.pictures_per_s, self.segment_s, self.anchor_s) <= 0, "rates and times are positive"),
            (self.samples_per_s < 0, "samples a second are not negative"),
            (self.peers < 1 or self.orderers < 1, "there is at least one peer and one orderer"),
            (self.batch_timeout_ms < 1 or self.batch_messages < 1, "orderers wait and gather"),
        )
        for bad, rule in wrong:
            if bad:
                raise ConfigInvalid(f"this cannot be planned: {rule}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was, or is going to be, written to a channel: all that its size depends on.

    Args:
        single: open transactions that hold one block alone.
        slots: blocks in open transactions.
        cameras: how often a camera has blocks in an open transaction.
    """

    ledger_blocks: float
    open: float = 0.0
    single: float = 0.0
    slots: float = 0.0
    cameras: float = 0.0
    sealed: float = 0.0

    @property
    def transactions(self) -> float:
        return self.open + self.sealed

    @property
    def block_file_bytes(self) -> float:
        """Growth of the channel's block files, the same on every peer and orderer."""
        anchors = self.open * OPEN_BYTES + self.single * SINGLE_BYTES + self.sealed * SEALED_BYTES
        return anchors + self.slots * SLOT_BYTES + self.cameras * CAMERA_BYTES + self.ledger_blocks * LEDGER_BLOCK_BYTES

    @property
    def peer_bytes(self) -> float:
        """Growth of one peer's disk."""
        keys = self.slots * OPEN_KEY_BYTES + self.sealed * SEALED_KEY_BYTES
        index = self.ledger_blocks * PEER_BLOCK_BYTES + self.transactions * PEER_TRANSACTION_BYTES
        return self.block_file_bytes + index + keys

    @property
    def orderer_bytes(self) -> float:
        """Growth of one orderer's disk, without what it takes from the beginning."""
        return self.block_file_bytes + self.ledger_blocks * ORDERER_BLOCK_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a load takes. Rates are averages a second; sizes are bytes."""

    load: Load
    transactions_per_s: float
    ledger_blocks_per_s: float
    blocks_per_transaction: float
    ledger_bytes_per_camera_s: float
    ledger_day_bytes: int
    peer_day_bytes: int
    orderer_day_bytes: int
    store_day_bytes: int

    @property
    def pictures_per_s(self) -> float:
        return self.load.cameras * self.load.pictures_per_s

    @property
    def peer_year_bytes(self) -> int:
        return self.peer_day_bytes * YEAR_DAYS

    @property
    def orderer_year_bytes(self) -> int:
        """With what an orderer takes from the beginning."""
        return self.orderer_day_bytes * YEAR_DAYS + ORDERER_FIXED_BYTES

    @property
    def store_year_bytes(self) -> int:
        return self.store_day_bytes * YEAR_DAYS

    @property
    def network_day_bytes(self) -> int:
        """On all peers and orderers together."""
        return self.load.peers * self.peer_day_bytes + self.load.orderers * self.orderer_day_bytes


def plan(load: Load) -> Plan:
    """Predict what `load` takes."""
    each_s, rate = written_per_s(load)
    segments = load.cameras / load.segment_s
    store = load.cameras * (load.pictures_per_s * PICTURE_BYTES + load.samples_per_s * SAMPLE_BYTES)
    store += segments * (SEGMENT_BYTES + (LEAF_BYTES if load.sealed else 0))
    return Plan(
        load=load,
        transactions_per_s=rate,
        ledger_blocks_per_s=each_s.ledger_blocks,
        blocks_per_transaction=segments / rate,
        ledger_bytes_per_camera_s=each_s.block_file_bytes / load.cameras,
        ledger_day_bytes=round(each_s.block_file_bytes * DAY_S),
        peer_day_bytes=round(each_s.peer_bytes * DAY_S),
        orderer_day_bytes=round(each_s.orderer_bytes * DAY_S),
        store_day_bytes=round(store * DAY_S),
    )


def written_per_s(load: Load) -> tuple[Written, float]:
    """What is written in an average second, and how many transactions that takes."""
    cameras = load.cameras / load.sites
    gathered = max(1.0, cameras * load.anchor_s / load.segment_s)  # blocks of a recorder between two anchors
    segments = load.cameras / load.segment_s
    if load.sealed:
        rate = segments / gathered
        return Written(ledger_blocks=ledger_blocks_per_s(rate, load), sealed=rate), rate
    parts = math.ceil(gathered / MOST_BLOCKS)
    rate = segments / gathered * parts
    return (
        Written(
            ledger_blocks=ledger_blocks_per_s(rate, load),
            open=rate,
            single=rate if gathered == 1.0 else 0.0,
            slots=segments,
            cameras=rate * min(cameras, gathered / parts),
        ),
        rate,
    )


def ledger_blocks_per_s(transactions_per_s: float, load: Load) -> float:
    """How many blocks orderers cut: one `batch_timeout_ms` after the first transaction came, or when it is full.

    Transactions of many recorders come as they like, so the first one of a block is on average waited for as long as
    they come apart.
    """
    timeout_s = load.batch_timeout_ms / 1000
    return max(transactions_per_s / (1 + transactions_per_s * timeout_s), transactions_per_s / load.batch_messages)
