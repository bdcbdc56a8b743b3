"""A recorder in miniature: real keys, records, blocks and signatures, without any video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from evidence.blocks import block_of, sign_block
from evidence.canonical import canonical
from evidence.digests import sha256
from evidence.keys import PrivateKeySigner
from evidence.leaves import unit_root
from evidence.merkle import EMPTY_ROOT
from evidence.proof_file import ProofFile, write_proof_file
from evidence.records import Clock, Display, GapRecord, HeaderAt, Media, SegmentRecord, Tree, Units
from sdk.acting import act_as
from sdk.home import Home
from sdk.index import Index
from sdk.ledger import EmbeddedLedger
from sdk.shipper import Shipper
from sdk.spool import ChainState, Sealed, Spool
from sdk.store import FileStore

START_US = 1_761_993_600_000_000
UNITS = 5


@dataclass(slots=True)
class Ticking:
    """A clock that moves one millisecond whenever it is asked."""

    now_us: int = START_US

    def __call__(self) -> int:
        self.now_us += 1000
        return self.now_us


@dataclass(slots=True, kw_only=True)
class Recorder:
    """Seals segments of five pictures and, every fourth time, a gap; the content follows from the slot alone."""

    camera: str = "gate-1"
    signer: PrivateKeySigner = field(default_factory=lambda: PrivateKeySigner(ec.generate_private_key(ec.SECP256R1())))
    gaps: bool = False
    media: bool = True
    pictures: bytes = b""

    def seal(self, state: ChainState, spool: Spool) -> Sealed:
        start_us = START_US if state.end_us is None else state.end_us
        common = {
            "camera": self.camera, "site": "north", "ip": "10.0.4.17", "enrolment": sha256(b"enrolment"),
            "key": self.signer.public_key.key_id, "chain": state.chain, "sequence": state.next_sequence,
            "previous": state.previous, "start_us": start_us, "end_us": start_us + 200_000,
            "sealed_us": start_us + 250_000, "received_us": start_us, "tap": "import",
            "clock": Clock(source="import", offset_us=0, uncertainty_us=None, boot="b", mono_us=0, mono_end_us=0,
                           camera_us=None),
            "connection": 0, "policy": sha256(b"policy"), "beacon": None, "software": "test", "decoder": "none",
        }  # fmt: skip
        if state.opens_with_gap or (self.gaps and state.next_sequence % 4 == 3):
            cause = "state_lost" if state.opens_with_gap else "network"
            gap = GapRecord(**common, first_unit=state.next_unit, cause=cause, detected_us=start_us)  # type: ignore[arg-type]
            block = sign_block(block_of(gap), self.signer)
            return Sealed(record=gap, block=block, proof=write_proof_file(ProofFile(record=gap, signed=block)))
        coded = b"".join(self.picture(state.next_unit + n) for n in range(UNITS))
        offsets, flags = [n * 40_000 for n in range(UNITS)], bytes([1, 0, 0, 0, 0])
        data = b"media of " + coded * 20
        segment = SegmentRecord(
            **common,  # type: ignore[arg-type]
            codec="h264", width=320, height=180, display=Display(), headers=(HeaderAt(at=0, sha256=sha256(b"h")),),
            units=Units(first=state.next_unit, count=UNITS, root=unit_root(coded, offsets, flags), source_us=0),
            side=Tree(count=0, root=EMPTY_ROOT), samples=Tree(count=0, root=EMPTY_ROOT),
            kept="all" if self.media else "none",
            media=Media(size_bytes=len(data), sha256=sha256(data), object=sha256(data)) if self.media else None,
        )  # fmt: skip
        block = sign_block(block_of(segment), self.signer)
        proof = ProofFile(record=segment, signed=block, coded=coded, offsets_us=offsets, flags=flags)
        path = None
        if self.media:
            path = spool.temporary()
            path.write_bytes(data)
        return Sealed(record=segment, block=block, proof=write_proof_file(proof), media_path=path)

    def picture(self, number: int) -> bytes:
        return sha256(self.camera.encode(), self.pictures, number.to_bytes(8, "big"))

    def record(self, spool: Spool, count: int, *, start_us: int = START_US, file: bytes = b"file") -> ChainState:
        """Import `count` segments of a file, going on where an earlier call stopped."""
        with spool.hold(self.camera):
            state = spool.open_import(self.camera, start_us=start_us, sha256=sha256(file))
            for _ in range(count):
                state = spool.append(self.seal(state, spool))
        return state


@dataclass(slots=True)
class Site:
    """A demo home with an approved camera `gate-1`, its spool, store, index and the ledger as the recorder sees it."""

    home: Home
    spool: Spool
    store: FileStore
    index: Index
    ledger: EmbeddedLedger
    recorder: Recorder
    clock: Ticking

    def shipper(self, **options: Any) -> Shipper:
        return Shipper(self.spool, self.store, self.ledger, **{"index": self.index, **options})

    def as_manager(self, function: str, **arguments: str) -> None:
        ledger = act_as(self.home, "manager", now=self.clock)
        ledger.submit(function, canonical(arguments))
        ledger.close()
