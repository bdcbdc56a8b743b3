"""A small site: real authorities, ledger, recorder and records over pictures that exist as digests only."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaincode.anchors import open_batch
from chaincode.embedded import EmbeddedHost, found
from evidence import dsse
from evidence.batches import batch_key, make_batch
from evidence.blocks import SignedBlock
from evidence.canonical import canonical
from evidence.certificates import parse_certificate
from evidence.checkpoint import note_key
from evidence.digests import sha256, to_base64
from evidence.genesis import Genesis, Organisation
from evidence.keys import ED25519, PrivateKeySigner
from evidence.leaf_list import leaf_list
from evidence.ledger_format import TRANSACTION_PAYLOAD_TYPE, Transaction
from evidence.policy import Policy
from evidence.records import Display, HeaderAt
from evidence.registry import parse_camera_entry
from evidence.trust import EmbeddedTrust, Trust
from frame_sampler.sealing import Columns, Moments, Recorder, SealedProof, seal_gap, seal_segment
from media.footage import Footage, Track
from sdk.authority import Authority, make_authority
from sdk.keys import generate_key
from sdk.sealed import ChainState
from verifier.bundle import Bundle, SlotName

NOON = 1_700_000_000_000_000
PICTURE_US = 40_000
HEADERS = sha256(b"parameter sets")
MSPS = ("ControlRoomMSP", "PoliceMSP", "LocalAuthorityMSP", "AuditorMSP")
NO_SAMPLES = Policy(minimum_per_s=0, maximum_per_s=0)


@dataclass(slots=True)
class Person:
    msp: str
    signer: PrivateKeySigner
    certificate: bytes


@dataclass
class Site:
    """One embedded ledger with everything that records and anchors on it."""

    folder: Path
    now_us: int = NOON
    policy: Policy = NO_SAMPLES
    authorities: dict[str, Authority] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    devices: dict[str, PrivateKeySigner] = field(default_factory=dict)
    proofs: dict[SlotName, bytes] = field(default_factory=dict)
    sealed: dict[SlotName, str] = field(default_factory=dict)
    leaf_lists: dict[str, bytes] = field(default_factory=dict)
    waiting: list[SignedBlock] = field(default_factory=list)
    states: dict[str, ChainState] = field(default_factory=dict)
    batch_digests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operator = PrivateKeySigner(generate_key(ED25519))
        for msp in MSPS:
            self.authorities[msp] = make_authority(msp, now_us=self.now_us)
            self._person(f"admin-{msp.lower()}", msp, "ADMIN", {})
        self.genesis = Genesis(
            operator=self.operator.public_key.spki[-32:],
            msps={
                msp: Organisation(
                    roots=(parse_certificate(self.authorities[msp].root_der),),
                    admins=(self.people[f"admin-{msp.lower()}"].signer.public_key.key_id,),
                )
                for msp in MSPS
            },
            policy=self.policy,
            demo=True,
            nonce=bytes(16),
        )
        self._nonces = itertools.count(1)
        self.folder.mkdir(exist_ok=True)
        path = self.folder / "ledger.db"
        envelope = self._signed("admin-controlroommsp", "init", self.genesis.canonical())
        found(path, envelope, operator=self.operator, clock=lambda: self.now_us)
        self.host = EmbeddedHost(path, operator=self.operator, clock=lambda: self.now_us)
        room = {"control_room": "cr-1"}
        for name, role in (("op-1", "OPERATOR"), ("crm-1", "CRM"), ("crm-2", "CRM")):
            self.register(name, role, **room)
        self.register("rec-1", "RECORDER", **room, site="north")

    def _person(self, name: str, msp: str, role: str, places: Mapping[str, str]) -> Person:
        signer = PrivateKeySigner(generate_key())
        certificate = self.authorities[msp].issue(
            signer.public_key, subject=name, role=role, attributes=places, now_us=self.now_us
        )
        self.people[name] = Person(msp=msp, signer=signer, certificate=certificate)
        return self.people[name]

    def _signed(self, name: str, function: str, *arguments: bytes) -> bytes:
        person = self.people[name]
        payload = Transaction(
            ledger=self.genesis.digest,
            function=function,
            arguments=arguments,
            msp=person.msp,
            certificate=person.certificate,
            time_us=self.now_us,
            nonce=next(self._nonces).to_bytes(24, "big"),
        ).canonical()
        return dsse.sign(TRANSACTION_PAYLOAD_TYPE, payload, person.signer).canonical()

    def submit(self, name: str, function: str, *arguments: bytes) -> None:
        self.now_us += 1000
        self.host.submit(self._signed(name, function, *arguments))

    def call(self, name: str, function: str, **arguments: Any) -> None:
        self.submit(name, function, canonical(arguments))

    def register(self, name: str, role: str, **places: str) -> None:
        key = self._person(name, "ControlRoomMSP", role, places).signer.public_key.key_id
        self.call("admin-controlroommsp", "register_participant", participant=name, key=key, role=role, **places)

    def enrol(self, camera: str, *, approve: bool = True) -> None:
        self.devices[camera] = PrivateKeySigner(generate_key())
        described = dict.fromkeys(("make", "model", "serial", "firmware", "hardware_address", "location"), "x")
        self.call(
            "op-1", "propose_camera", camera=camera, site="north", ip="10.0.4.17", control_room="cr-1",
            device_key=to_base64(self.devices[camera].public_key.spki), key_custody="file", specification="",
            **described,
        )  # fmt: skip
        if approve:
            self.call("crm-1", "approve_camera", camera=camera)

    def recorder(self, camera: str, **changes: Any) -> Recorder:
        entries = self.host.reader.entries(f"camera/{camera}/")
        values: dict[str, Any] = {
            "camera": parse_camera_entry(entries[-1].value), "signer": self.devices[camera], "policy": self.policy,
            "tap": "rtsp", "clock": "ntp", "boot": "b", "software": "test", "decoder": "none",
        }  # fmt: skip
        return Recorder(**values | changes)

    def record(self, camera: str, pictures: str, *, start_us: int | None = None, **changes: Any) -> None:
        """Seal segments, one per word of `pictures` (one letter a picture); the word `gap` is a signed gap of 1 s."""
        recorder = self.recorder(camera, **changes)
        for word in pictures.split():
            state = self.states.get(camera) or ChainState(
                camera=camera, chain=NOON // 1_000_000, next_sequence=0, next_unit=0, previous=None, end_us=None,
                opens_with_gap=False, complete=False,
            )  # fmt: skip
            begin = start_us if start_us is not None else (state.end_us or NOON)
            start_us = None
            sealed, count, end_us = self._seal(recorder, state, word, begin)
            self.states[camera] = ChainState(
                camera=camera, chain=state.chain, next_sequence=state.next_sequence + 1,
                next_unit=state.next_unit + count, previous=sealed.record.digest, end_us=end_us,
                opens_with_gap=False, complete=False,
            )  # fmt: skip
            self.proofs[camera, state.chain, state.next_sequence] = sealed.proof
            self.waiting.append(sealed.block)

    def _seal(self, recorder: Recorder, state: ChainState, word: str, start_us: int) -> tuple[SealedProof, int, int]:
        if word == "gap":
            moments = Moments(
                start_us=start_us, end_us=start_us + 1_000_000, received_us=start_us, sealed_us=start_us + 1_000_000
            )
            sealed = seal_gap(recorder, state, moments, cause="network", connection=0, mono_us=0, mono_end_us=0)
            return sealed, 0, moments.end_us
        count = len(word)
        moments = Moments(
            start_us=start_us, end_us=start_us + count * PICTURE_US, received_us=start_us, sealed_us=start_us
        )
        camera = recorder.camera.id
        columns = Columns(
            codec="h264", width=320, height=180, display=Display(), connection=0,
            source_us=start_us - NOON,
            coded=b"".join(picture(camera, state.next_unit + index, letter) for index, letter in enumerate(word)),
            offsets_us=array("q", [index * PICTURE_US for index in range(count)]),
            flags=bytes(1 if letter == "I" else 0 for letter in word),
            interval_us=PICTURE_US, headers=(HeaderAt(at=0, sha256=HEADERS),), sides=(), looks=(), notes=(),
            mono_us=0, mono_end_us=count * PICTURE_US,
        )  # fmt: skip
        sealed = seal_segment(columns, recorder, state, moments, kept="none", media=None, seed=bytes(32))
        return sealed, count, moments.end_us

    def anchor(self, name: str = "rec-1") -> None:
        """Anchor openly what waits."""
        blocks, self.waiting = self.waiting, []
        self.now_us = max(self.now_us, *(each.block.end_us for each in blocks)) + 1000
        self.submit(name, "anchor", open_batch(blocks))

    def anchor_sealed(self) -> None:
        """Anchor what waits as one sealed batch."""
        blocks, self.waiting = self.waiting, []
        number = len(self.batch_digests)
        batch, ordered = make_batch(
            [each.block for each in blocks],
            site="north",
            recorder="rec-1",
            batch=number,
            previous=self.batch_digests[-1] if number else None,
        )
        self.now_us = max(self.now_us, *(each.block.end_us for each in blocks)) + 1000
        self.submit("rec-1", "anchor", batch.canonical())
        self.batch_digests.append(batch.digest)
        key = batch_key("north", "rec-1", number)
        self.leaf_lists[key] = leaf_list(batch, blocks).canonical()
        for block in ordered:
            self.sealed[block.camera, block.chain, block.sequence] = key

    @property
    def trust(self) -> Trust:
        key = note_key(self.genesis.origin, self.genesis.operator)
        return Trust(
            ledgers=(EmbeddedTrust(id=self.genesis.ledger_id, operators=(key,), single_operator=True),),
        )

    def bundle(self) -> Bundle:
        reader = self.host.reader
        return Bundle(
            ledger_id=self.genesis.ledger_id,
            genesis=self.genesis.canonical(),
            state={entry.key: reader.receipt_at(entry.position) for entry in reader.entries()},
            proofs=dict(self.proofs),
            leaf_lists=dict(self.leaf_lists),
            sealed=dict(self.sealed),
            height=reader.height,
        )


def picture(camera: str, number: int, letter: str = "P") -> bytes:
    """Unit digest of a picture; the letter `z` is the same picture wherever it stands."""
    return sha256(b"covered") if letter == "z" else sha256(f"{camera} {number}".encode())


def footage_of(pictures: list[bytes], *, keys: bytes | None = None, name: str = "copy.mp4") -> Footage:
    """A file that shows these pictures at the recorded rate."""
    count = len(pictures)
    return Footage(
        name=name, size_bytes=1000, sha256=sha256(*pictures), container="mp4", codec="h264", width=320, height=180,
        time_base=(1, 25), times=True, coded=b"".join(pictures), pts=array("q", range(count)),
        keys=keys or bytes(count), inferred=bytes(count), clean=keys or bytes(count), headers=((0, HEADERS),), sides=(),
        cut=(), shown_us=None, hidden=(), preroll=(), edits_retimed=False, display=Display(), stream_display=Display(),
        display_stated=frozenset(), tracks=(Track(index=0, kind="video", codec="h264", examined=True),), notes=(),
    )  # fmt: skip
