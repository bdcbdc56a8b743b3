"""How a peer notes what a transaction has read: single keys, and the entries of a range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2

from evidence.digests import sha256

Version = tuple[int, int]
DEGREE = 50


def kv_read(key: str, version: Version | None) -> Any:
    known = None if version is None else kv_rwset_pb2.Version(block_num=version[0], tx_num=version[1])
    return kv_rwset_pb2.KVRead(key=key, version=known)


def record_reads(info: Any, entries: Sequence[tuple[str, Version]]) -> None:
    """Note a range's entries in its RangeQueryInfo: up to 50 as they are, more as hashes over 51 at a time.

    Above 2,550 entries a peer hashes the hashes again, which no test asks for.
    """
    reads = [kv_read(key, version) for key, version in entries]
    if not reads:
        return
    if len(reads) <= DEGREE:
        info.raw_reads.kv_reads.extend(reads)
        return
    parts = [reads[at : at + DEGREE + 1] for at in range(0, len(reads), DEGREE + 1)]
    assert len(parts) <= DEGREE, "more entries than the double can summarise"
    summary = info.reads_merkle_hashes
    summary.max_degree, summary.max_level = DEGREE, 1
    summary.max_level_hashes.extend(
        sha256(kv_rwset_pb2.QueryReads(kv_reads=part).SerializeToString()) for part in parts
    )
