"""kill -9 between any two steps: nothing that was acknowledged is lost, nothing is recorded or anchored twice."""

from __future__ import annotations

import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from evidence.blocks import parse_signed_block, slot_key
from evidence.proof_file import ProofFile, parse_proof_file
from evidence.records import SegmentRecord
from sdk.fsck import check_store
from sdk.index import Index, rebuild
from sdk.store import get_bytes, proof_key
from tests.faults.crashing_recorder import SEGMENTS
from tests.unit.sdk.miniature import START_US

REPOSITORY = Path(__file__).parents[2]


def cut_short(site: Any, tmp_path: Path, *arguments: str) -> set[tuple[int, int, str]]:
    """Run the crashing recorder over the site's home; returns what it acknowledged."""
    site.index.close()
    site.spool.close()
    site.ledger.close()
    acks = tmp_path / "acks"
    acks.touch()
    command = [sys.executable, "-m", "tests.faults.crashing_recorder", str(site.home.path), str(acks), *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in acks.read_text().splitlines()]
    acknowledged = [(int(chain), int(sequence), digest) for chain, sequence, digest in lines]
    assert len(set(acknowledged)) == len(acknowledged), "a slot was acknowledged twice"
    return set(acknowledged)


def proofs(site: Any, chains: dict[int, list[Any]]) -> dict[int, list[ProofFile]]:
    return {
        chain: [
            parse_proof_file(get_bytes(site.store, proof_key("gate-1", chain, row.sequence), limit=1 << 20))
            for row in rows
        ]
        for chain, rows in chains.items()
    }


def rows_by_chain(spool: Any) -> dict[int, list[Any]]:
    chains: dict[int, list[Any]] = defaultdict(list)
    for row in spool._rows("1 ORDER BY chain, sequence", ()):
        chains[row.chain].append(row)
    return chains


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "lives", "parameter"), [("random", 60, 1), ("steps", 75, 7)])
def test_a_recorder_killed_again_and_again_loses_and_doubles_nothing(
    site: Any, tmp_path: Path, mode: str, lives: int, parameter: int
) -> None:
    acknowledged = cut_short(site, tmp_path, str(lives), mode, str(parameter))
    assert len(acknowledged) > 20
    reopened = type(site)(**{**{f: getattr(site, f) for f in site.__slots__}, **reopen(site)})
    try:
        done = reopened.shipper().drain()
        assert (done.pending_store, done.pending_anchor, done.troubles) == (0, 0, ())
        chains = rows_by_chain(reopened.spool)
        kept = {(row.chain, row.sequence, row.record_sha256.hex()) for rows in chains.values() for row in rows}
        # A life may end between the commit and its acknowledgement, never the other way round.
        assert acknowledged <= kept
        assert len(kept) - len(acknowledged) <= lives
        check_chains(reopened, chains)
        check_ledger_has_each_once(reopened, chains)
        assert list(check_store(reopened.store, reopened.ledger.reader)) == []
        check_imports(reopened, chains)
        original = reopened.index.contents()
        reopened.index.close()
        rebuild(site.home.index, reopened.store, reopened.ledger.reader)
        with Index(site.home.index) as fresh:
            assert fresh.contents() == original
    finally:
        reopened.spool.close()
        reopened.ledger.close()


def reopen(site: Any) -> dict[str, Any]:
    from sdk.acting import act_as
    from sdk.spool import Spool
    from tests.faults.crashing_recorder import now_us

    return {
        "spool": Spool(site.home.spool, now=now_us),
        "index": Index(site.home.index),
        "ledger": act_as(site.home, "recorder", now=now_us),
    }


def check_chains(site: Any, chains: dict[int, list[Any]]) -> None:
    """Sequence, running picture number and link to the predecessor are intact in every chain."""
    for chain, files in proofs(site, chains).items():
        next_unit, previous = 0, None
        for sequence, proof in enumerate(files):
            record = proof.record
            assert (record.sequence, record.first_unit, record.previous) == (sequence, next_unit, previous), chain
            next_unit += record.units.count if isinstance(record, SegmentRecord) else 0
            previous = record.digest
        state = site.spool.chain("gate-1", chain)
        assert (state.next_sequence, state.next_unit, state.previous) == (len(files), next_unit, previous)


def check_ledger_has_each_once(site: Any, chains: dict[int, list[Any]]) -> None:
    slots = {entry.key: parse_signed_block(entry.value).block for entry in site.ledger.reader.entries("block/")}
    expected = {slot_key("gate-1", chain, r.sequence): r.record_sha256 for chain, rows in chains.items() for r in rows}
    assert {key: block.record for key, block in slots.items()} == expected
    for key in slots:
        assert len(site.ledger.reader.history(key)) == 1


def check_imports(site: Any, chains: dict[int, list[Any]]) -> None:
    """Every file but the last is whole, and none was imported twice."""
    assert sorted(len(rows) for rows in chains.values())[1:] == [SEGMENTS] * (len(chains) - 1)
    first_pictures = {files[0].coded[:32] for files in proofs(site, chains).values()}
    assert len(first_pictures) == len(chains)
    assert proofs(site, chains)[min(chains)][0].record.start_us == START_US
