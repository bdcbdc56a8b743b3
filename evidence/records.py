"""Records: what a recorder states about one segment of footage, or about one gap between segments.

A record is made once, hashed into a block, and never edited. Field by field: docs/formats/record.md. Reading one from
bytes: `evidence.record_parser`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from evidence.canonical import canonical
from evidence.digests import sha256

SEGMENT_TYPE = "veriframe/segment/1"
GAP_TYPE = "veriframe/gap/1"

TAPS = ("rtsp", "device", "nvr_file", "import")
CLOCK_SOURCES = ("ntp", "camera", "free", "import")
KEPT = ("all", "keys", "substream", "none")
NOTE_CAUSES = ("loss", "stall", "headers", "time_jump", "undecoded")
GAP_CAUSES = (
    "source_lost",
    "credentials",
    "network",
    "power",
    "maintenance",
    "configuration",
    "replaced",
    "upstream_motion_only",
    "spool_full",
    "clock_step",
    "state_lost",
    "policy",
    "shutdown",
    "unknown",
)

MAX_RECORD_BYTES = 1 << 20
MAX_UNITS = 1 << 20  # of one segment; 20 s at 60 pictures/s are 1,200
MAX_SLOT_NUMBER = 9_999_999_999  # chain and sequence stand as 10 digits in ledger keys
MAX_SIDE_LENGTH = 1 << 17  # pixels of a picture's edge


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The recorder's clock while recording; all times in microseconds."""

    source: str
    offset_us: int
    uncertainty_us: int | None
    boot: str
    mono_us: int
    mono_end_us: int
    camera_us: int | None

    def to_json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "offset_us": self.offset_us,
            "uncertainty_us": self.uncertainty_us,
            "boot": self.boot,
            "mono_us": self.mono_us,
            "mono_end_us": self.mono_end_us,
            "camera_us": self.camera_us,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """How a player is to show the coded pictures.

    `rotate` clockwise in degrees (0, 90, 180, 270); `mirror` left-right, applied before the rotation; `sar` sample
    aspect ratio; `crop` left, top, right, bottom in luma pixels; `colour` H.273 primaries, transfer, matrix and full
    range.
    """

    rotate: int = 0
    mirror: bool = False
    sar: tuple[int, int] = (1, 1)
    crop: tuple[int, int, int, int] = (0, 0, 0, 0)
    colour: tuple[int, int, int, int] = (2, 2, 2, 0)

    def to_json(self) -> dict[str, Any]:
        return {
            "rotate": self.rotate,
            "mirror": self.mirror,
            "sar": list(self.sar),
            "crop": list(self.crop),
            "colour": list(self.colour),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderAt:
    """Parameter sets in force from unit `at` on; None where the stream lacked them."""

    at: int
    sha256: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The tree over every coded picture: `first` is the running number in the chain, `source_us` the first pts."""

    first: int
    count: int
    root: bytes
    source_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Size and root of a tree of side messages or samples."""

    count: int
    root: bytes

    def to_json(self) -> dict[str, Any]:
        return {"count": self.count, "root": self.root.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """The stored object: clear length, digest of the clear bytes, digest of the stored bytes (its name)."""

    size_bytes: int
    sha256: bytes
    object: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened at a unit without ending the segment."""

    unit: int
    cause: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Beacon:
    """Newest ledger block known when recording of the segment began."""

    ledger: str
    height: int
    hash: bytes

    def to_json(self) -> dict[str, Any]:
        return {"ledger": self.ledger, "height": self.height, "hash": self.hash.hex()}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    """What segments and gaps have in common."""

    camera: str
    site: str
    ip: str
    enrolment: bytes
    key: str
    chain: int
    sequence: int
    previous: bytes | None
    start_us: int
    end_us: int
    sealed_us: int
    received_us: int
    tap: str
    clock: Clock
    connection: int
    policy: bytes
    beacon: Beacon | None
    software: str
    decoder: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def _common(self) -> dict[str, Any]:
        return {
            "camera": self.camera,
            "site": self.site,
            "ip": self.ip,
            "enrolment": self.enrolment.hex(),
            "key": self.key,
            "chain": self.chain,
            "sequence": self.sequence,
            "previous": None if self.previous is None else self.previous.hex(),
            "start_us": self.start_us,
            "end_us": self.end_us,
            "sealed_us": self.sealed_us,
            "received_us": self.received_us,
            "tap": self.tap,
            "clock": self.clock.to_json(),
            "connection": self.connection,
            "policy": self.policy.hex(),
            "beacon": None if self.beacon is None else self.beacon.to_json(),
            "recorder": {"software": self.software, "decoder": self.decoder},
            "extra": dict(self.extra),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentRecord(_Record):
    """One segment of footage, closed and sealed."""

    codec: str
    width: int
    height: int
    display: Display
    headers: tuple[HeaderAt, ...]
    units: Units
    side: Tree
    samples: Tree
    sound: Mapping[str, Any] | None = None
    renditions: tuple[Mapping[str, Any], ...] = ()
    kept: str
    media: Media | None
    notes: tuple[Note, ...] = ()

    @property
    def kind(self) -> str:
        return "segment"

    @property
    def first_unit(self) -> int:
        return self.units.first

    def canonical(self) -> bytes:
        """The bytes that are hashed. Raises Malformed where a value has no canonical form."""
        return canonical(
            {
                **self._common(),
                "type": SEGMENT_TYPE,
                "codec": self.codec,
                "width": self.width,
                "height": self.height,
                "display": self.display.to_json(),
                "headers": [{"at": h.at, "sha256": None if h.sha256 is None else h.sha256.hex()} for h in self.headers],
                "units": {
                    "first": self.units.first,
                    "count": self.units.count,
                    "root": self.units.root.hex(),
                    "source_us": self.units.source_us,
                },
                "side": self.side.to_json(),
                "samples": self.samples.to_json(),
                "sound": self.sound,
                "renditions": list(self.renditions),
                "kept": self.kept,
                "media": None
                if self.media is None
                else {
                    "bytes": self.media.size_bytes,
                    "sha256": self.media.sha256.hex(),
                    "object": self.media.object.hex(),
                },
                "notes": [{"unit": n.unit, "cause": n.cause, "count": n.count} for n in self.notes],
            }
        )

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecord(_Record):
    """A stretch that was not recorded, stated and signed by the recorder."""

    first_unit: int
    cause: str
    detected_us: int
    step_us: int | None = None

    @property
    def kind(self) -> str:
        return "gap"

    def canonical(self) -> bytes:
        """The bytes that are hashed. Raises Malformed where a value has no canonical form."""
        return canonical(
            {
                **self._common(),
                "type": GAP_TYPE,
                "units": {"first": self.first_unit},
                "cause": self.cause,
                "detected_us": self.detected_us,
                "step_us": self.step_us,
            }
        )

    @property
    def digest(self) -> bytes:
        return sha256(self.canonical())


Record = SegmentRecord | GapRecord
