"""Play transactions from a file over the rules alone, and print what each of them does: a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from evidence.digests import sha256
from evidence.errors import Refused
from evidence.genesis import parse_genesis
from evidence.ledger_format import write_set
from tests.hosts.stage import MemoryStage


def outcomes(genesis: bytes, sent: list[bytes]) -> list[str]:
    """For each transaction behind the first: digest of its write set and result, or its refusal."""
    memory = MemoryStage(parse_genesis(genesis), sent[0])
    told = []
    for envelope in sent[1:]:
        try:
            world, result = memory.send(envelope)
            told.append(sha256(write_set(world.writes), result).hex())
        except Refused as refused:
            told.append(str(refused))
    return told


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    sys.stdout.write(json.dumps(outcomes(given["genesis"].encode(), [each.encode() for each in given["sent"]])))
