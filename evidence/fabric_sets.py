"""What a transaction on Fabric read and would write: the read-write set that endorsers sign."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from evidence.fabric_checks import refusal
from evidence.fabric_messages import KV_RW_SET, TX_READ_WRITE_SET
from evidence.fabric_wire import Values, read_message
from evidence.registry import Position

MAX_SET_BYTES = 32 << 20
MAX_KEYS = 250_000  # read or written by one transaction; peers hand out 100,000 to a query


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRead:
    """A key that was read, and the transaction that wrote what was found; `version` None: nothing was there."""

    key: str
    version: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeRead:
    """Every key with start <= key < end that was there.

    `exhausted` False: the reader stopped at the key `end`. `reads` None: only a Merkle summary was kept of them.
    """

    start: str
    end: str
    exhausted: bool
    reads: tuple[KeyRead, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The read-write set of one chaincode. A write of None deletes; `further`: metadata or private collections."""

    namespace: str
    reads: tuple[KeyRead, ...]
    ranges: tuple[RangeRead, ...]
    writes: tuple[tuple[str, bytes | None], ...]
    further: bool

    @property
    def keys(self) -> int:
        """How many keys stand in it, one that is read and written counting twice."""
        return len(self.reads) + len(self.writes) + sum(1 + len(each.reads or ()) for each in self.ranges)

    @property
    def changes_nothing(self) -> bool:
        return not self.writes and not self.further


def parse_spaces(data: bytes) -> tuple[Space, ...]:
    """Read a serialized TxReadWriteSet.

    Raises:
        Malformed: not what a peer writes; namespaces or keys not in strictly ascending byte order.
    """
    values = read_message(TX_READ_WRITE_SET, data, limit=MAX_SET_BYTES)
    if values["data_model"] != 0:
        raise refusal("result", "the read-write set is not one of keys and values")
    spaces: list[Space] = []
    keys = 0
    for each in values["ns_rwset"]:
        spaces.append(_space(each))
        keys += spaces[-1].keys
        if keys > MAX_KEYS:
            raise refusal("too_large", f"a transaction with more than {MAX_KEYS} keys")
    _ascending("namespaces", (space.namespace for space in spaces))
    return tuple(spaces)


def _space(values: Values) -> Space:
    found = read_message(KV_RW_SET, values["rwset"], limit=MAX_SET_BYTES)
    name = values["namespace"]
    if not name:
        raise refusal("result", "a read-write set names no chaincode")
    reads = _reads(found["reads"], f"reads of {name}")
    writes = tuple((each["key"], None if each["is_delete"] else each["value"]) for each in found["writes"])
    _ascending(f"writes of {name}", (key for key, _ in writes))
    if any(each["is_delete"] and each["value"] for each in found["writes"]):
        raise refusal("result", f"a write of {name} deletes and writes a value")
    return Space(
        namespace=name,
        reads=reads,
        ranges=tuple(_range(each, name) for each in found["range_queries_info"]),
        writes=writes,
        further=bool(found["metadata_writes"] or values["collection_hashed_rwset"]),
    )


def _range(values: Values, name: str) -> RangeRead:
    raw, summary = values["raw_reads"], values["reads_merkle_hashes"]
    if raw is not None and summary is not None:
        raise refusal("result", f"a range of {name} has its keys and a summary of them")
    start, end, exhausted = values["start_key"], values["end_key"], values["itr_exhausted"]
    reads: tuple[KeyRead, ...] | None = None
    if summary is None:
        reads = _reads([] if raw is None else raw["kv_reads"], f"a range of {name}")
        for each in reads:
            # A range that was not read to its end names the last key found; no end at all is behind every key.
            below = each.key < end or (each.key == end and not exhausted) or not end
            if each.version is None or each.key < start or not below:
                raise refusal("read_write_set", f"a range of {name} holds a key that lies outside it")
    return RangeRead(start=start, end=end, exhausted=exhausted, reads=reads)


def _reads(found: Iterable[Values], what: str) -> tuple[KeyRead, ...]:
    reads = tuple(KeyRead(key=each["key"], version=_position(each["version"])) for each in found)
    _ascending(what, (each.key for each in reads))
    return reads


def _position(values: Values | None) -> Position | None:
    return None if values is None else Position(height=values["block_num"], index=values["tx_num"])


def _ascending(what: str, names: Iterable[str]) -> None:
    # Fabric orders by bytes; code points of text order alike.
    if any(before >= after for before, after in pairwise(names)):
        raise refusal("read_write_set", f"{what} are not in strictly ascending order")
