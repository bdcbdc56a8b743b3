"""Play transactions from a file over the rules alone, and print what each of them does: a process of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from chaincode.world import MemoryWorld
from evidence.digests import sha256
from evidence.errors import Refused
from evidence.genesis import parse_genesis
from evidence.ledger_format import write_set
from tests.hosts.stage import MemoryStage


class NotedWorld(MemoryWorld):
    """Notes what is read, in order: an endorsement covers that too."""

    read: list[str] | None = None

    def get(self, key: str) -> bytes | None:
        self._note(key)
        return super().get(key)

    def get_many(self, keys: Sequence[str]) -> list[bytes | None]:
        return [self.get(key) for key in keys]

    def scan(self, start: str, end: str) -> Iterator[tuple[str, bytes]]:
        self._note(f"{start} to {end}")
        for key, value in super().scan(start, end):
            self._note(key)
            yield key, value

    def _note(self, what: str) -> None:
        self.read = [] if self.read is None else self.read
        self.read.append(what)


def outcomes(genesis: bytes, sent: list[bytes]) -> list[str]:
    """For each transaction behind the first: digest of reads, writes, result and event, or its refusal."""
    memory = MemoryStage(parse_genesis(genesis), sent[0], world=NotedWorld)
    told = []
    for envelope in sent[1:]:
        try:
            world, result = memory.send(envelope)
            assert isinstance(world, NotedWorld)
            reads = "\n".join(world.read or ()).encode()
            event = b"" if world.event is None else world.event[0].encode() + world.event[1]
            told.append(sha256(*(sha256(each) for each in (reads, write_set(world.writes), result, event))).hex())
        except Refused as refused:
            told.append(str(refused))
    return told


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text())
    told = [outcomes(given["genesis"].encode(), [each.encode() for each in sent]) for sent in given["sent"]]
    sys.stdout.write(json.dumps(told))
