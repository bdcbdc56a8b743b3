"""One import under way: what the recording task hands over is sealed and taken into custody, in order.

The file is scanned first, as any examiner will scan it, and what is sealed is what that scan found. The recording task
then copies the segments and samples their pictures. It may crash or hang on hostile footage; the units are recorded
all the same, with fewer or no samples, and the record says so.
"""

from __future__ import annotations

import os
import secrets
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from evidence.commitments import SEED_BYTES
from evidence.errors import Malformed, UnsupportedMedia, VeriframeError
from evidence.leaves import KEY, TIME_INFERRED, USER_SIDE
from evidence.records import HeaderAt, Note
from evidence.version import VERSION
from frame_sampler.enrolment import Enrolled, Signing, beacon, boot_id
from frame_sampler.handover import Handover, parse_handover
from frame_sampler.keeping import Keeper, recipients_of
from frame_sampler.pieces import Plan
from frame_sampler.sealing import Columns, Moments, Recorder, seal_segment
from media.child import Limits, run
from media.display import ODD_NOTES
from media.footage import Footage, offsets_us
from media.frames import Message
from sdk.home import Home
from sdk.ledger import StateReader
from sdk.sealed import ChainState, Sealed
from sdk.spool import Spool

if TYPE_CHECKING:
    from sdk.settings import StoreSettings  # loads pydantic, which who calls this has loaded or does not need

Now = Callable[[], int]
Progress = Callable[[int, int], None]  # units sealed, units in all

# Segments that follow each other within this are taken to meet: containers round times, and intervals vary.
_MEETS_US = 1_000_000
# A segment is at most 20 s of footage; a decoder that takes longer than this over one has hung.
_IDLE_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What importing one file did.

    Attributes:
        units, segments: of the file and chain in all; `added_units` and `added_segments` of them by this call.
        samples: taken by this call.
        undecoded: samples that the policy promises and the decoder did not give, noted in the records.
        unfaithful: stored segments that do not read exactly as their units; the records are right all the same.
        notes: what was odd about the file, as scanning found it.
    """

    path: Path
    camera: str
    chain: int
    start_us: int
    end_us: int
    units: int
    segments: int
    added_units: int
    added_segments: int
    samples: int
    undecoded: int
    unfaithful: int
    trouble: str
    notes: tuple[str, ...]

    @property
    def complete_before(self) -> bool:
        """It had been imported to the end already; nothing was added."""
        return self.added_units == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rung:
    """One way to go on; the next is tried where the child dies on the one before."""

    decode: bool = True
    container: str | None = None
    media: bool = True


_LADDER = (_Rung(), _Rung(decode=False), _Rung(decode=False, container="avi"), _Rung(decode=False, media=False))


class Recording:
    """One import under way: seals what the recording task hands over, in order."""

    def __init__(
        self,
        home: Home,
        reader: StateReader,
        enrolled: Enrolled,
        footage: Footage,
        path: Path,
        start_us: int,
        store: StoreSettings,
        spool: Spool,
        state: ChainState,
        now: Now,
        progress: Progress | None,
    ) -> None:
        self._home, self._reader, self._enrolled = home, reader, enrolled
        self._footage, self._path, self._start_us = footage, path, start_us
        self._recipients = recipients_of(store)
        self._spool, self._now, self._progress = spool, now, progress
        self.state = self._before = state
        self._offsets = footage.offsets_us()
        # What no `display` can say of the original must not condemn its copies.
        odd = sorted(ODD_NOTES.intersection(footage.notes))
        self._recorder = Recorder(
            camera=enrolled.entry, signer=enrolled.signer, policy=enrolled.policy, tap="import", clock="import",
            boot=boot_id(), software=f"veriframe {VERSION}", decoder="",
            extra={"file": footage.sha256.hex()} | ({"display_notes": odd} if odd else {}),
        )  # fmt: skip
        self._signing = Signing(home, reader, enrolled.entry.id)
        self._beacon = enrolled.beacon
        self._rung = _Rung()
        self._plan = Plan(prefix=spool.temporary())
        self._handed = 0
        self._failed: VeriframeError | None = None
        self._samples = self._undecoded = self._unfaithful = 0
        self._trouble = ""

    def run(self, track: int | None, limits: Limits | None) -> None:
        """Record to the end of the file, going down the ladder where the child dies."""
        for rung in _LADDER:
            self._rung = rung
            try:
                self._attempt(track, limits or self._limits())
            except (Malformed, UnsupportedMedia) as error:
                if self._failed is not None or rung is _LADDER[-1]:
                    error.where = error.where or str(self._path)
                    raise
                self._trouble = self._trouble or error.detail
            else:
                break
        if self.state.next_unit != self._footage.count:
            raise self._disagreement()

    def result(self) -> Imported:
        footage, added = self._footage, self.state.next_unit - self._before.next_unit
        end_us = self.state.end_us
        assert end_us is not None  # a scanned file has at least one unit, and all are sealed
        return Imported(
            path=self._path, camera=self.state.camera, chain=self.state.chain, start_us=self._start_us, end_us=end_us,
            units=footage.count, segments=self.state.next_sequence, added_units=added,
            added_segments=self.state.next_sequence - self._before.next_sequence, samples=self._samples,
            undecoded=self._undecoded, unfaithful=self._unfaithful, trouble=self._trouble, notes=footage.notes,
        )  # fmt: skip

    def _limits(self) -> Limits:
        # Decoding takes far less than half a second of processor time for any picture that a camera makes.
        return Limits(cpu_s=120 + self._footage.count // 2, wall_s=None, idle_s=_IDLE_S)

    def _attempt(self, track: int | None, limits: Limits) -> None:
        first, footage = self.state.next_unit, self._footage
        kept = self._enrolled.policy.kept if self._rung.media else "none"
        # A file offers no second stream: all of it is what there is to keep.
        self._plan = Plan(prefix=self._spool.temporary(), kept="all" if kept == "substream" else kept)
        self._handed = 0
        examined = next((each.index for each in footage.tracks if each.examined), track)
        arguments = {
            "path": os.path.abspath(self._path),
            "track": examined,
            "policy": self._enrolled.policy.to_json(),
            "prefix": str(self._plan.prefix),
            "kept": self._plan.kept,
            "container": self._rung.container,
            "first_unit": first,
            "warm_up": footage.keys.rfind(1, 0, first + 1) if 1 in footage.keys[: first + 1] else 0,
            "decode": self._rung.decode,
        }
        self._beacon = beacon(self._home, self._reader)
        with self._swept():
            run("record", arguments, limits=limits, on_message=self._on_message)

    @contextmanager
    def _swept(self) -> Iterator[None]:
        """Remove the segment files that an attempt leaves behind when it ends."""
        try:
            yield
        finally:
            for left in self._plan.prefix.parent.glob(f"{self._plan.prefix.name}-*"):
                left.unlink(missing_ok=True)

    def _on_message(self, message: Message) -> None:
        try:
            self._seal(parse_handover(message))
        except VeriframeError as error:
            self._failed = error
            raise

    def _seal(self, handover: Handover) -> None:
        """Seal one segment and take it into custody; a crash before the commit leaves it to the next attempt."""
        received_us = self._now()
        clear = self._plan.path(self._handed)
        self._handed += 1
        columns = self._columns(handover)
        keeper = Keeper(self._recipients)
        media, media_path = None, None
        if self._plan.kept != "none":
            media, media_path = keeper.media(clear, clear.with_name(f"{clear.name}-sealed"))
        start_us, end_us = self._times(columns.count, columns.interval_us)
        # Asked as late as can be: a key that was approved a moment ago counts for this slot already.
        entry, signer = self._signing.at(self.state.chain, self.state.next_sequence)
        sealed = seal_segment(
            columns,
            replace(self._recorder, camera=entry, signer=signer, decoder=handover.decoder),
            self.state,
            Moments(
                start_us=start_us, end_us=end_us, received_us=received_us, sealed_us=self._now(), beacon=self._beacon
            ),
            kept=self._plan.kept,
            media=media,
            seed=secrets.token_bytes(SEED_BYTES),
            keep_private=keeper.private,
        )
        self.state = self._spool.append(
            Sealed(
                record=sealed.record,
                block=sealed.block,
                proof=sealed.proof,
                media_path=media_path,
                ring=keeper.ring(),
            )
        )
        self._samples += len(columns.looks)
        self._undecoded += sum(note.count for note in columns.notes if note.cause == "undecoded")
        self._unfaithful += handover.copied.faithful is False
        self._beacon = beacon(self._home, self._reader)
        if self._progress is not None:
            self._progress(self.state.next_unit, self._footage.count)

    def _columns(self, handover: Handover) -> Columns:
        """The segment as scanning found it; the recording task must have found the same units."""
        footage, copied = self._footage, handover.copied
        first, end = self.state.next_unit, self.state.next_unit + len(copied.flags)
        if copied.first_unit != first or copied.coded != footage.coded[32 * first : 32 * end]:
            raise self._disagreement()
        offsets = offsets_us(footage.pts[first:end], footage.time_base)
        last = end + 1 if end == footage.count else end
        return Columns(
            codec=footage.codec, width=copied.width, height=copied.height, display=footage.display, connection=0,
            source_us=offsets_us(footage.pts[first : first + 1], footage.time_base, 0)[0],
            coded=copied.coded, offsets_us=offsets,
            # AVI and raw streams state no presentation times: whatever stands in their place is our own guess.
            flags=bytes(
                KEY * key + TIME_INFERRED * (inferred or not footage.times)
                for key, inferred in zip(footage.keys[first:end], footage.inferred[first:end], strict=True)
            ),
            interval_us=copied.interval_us, headers=_headers(footage, first, end),
            sides=tuple(
                (side.unit - first | (USER_SIDE if side.user else 0), side.digest)
                for side in footage.sides
                if first <= side.unit < last
            ),
            looks=handover.looks, notes=self._notes(handover, offsets),
            mono_us=copied.mono_us, mono_end_us=copied.mono_end_us,
        )  # fmt: skip

    def _notes(self, handover: Handover, offsets: array[int]) -> tuple[Note, ...]:
        notes = [Note(unit=unit, cause=cause, count=count) for unit, cause, count in handover.copied.notes]
        minimum = self._enrolled.policy.minimum_per_s
        if not self._rung.decode and minimum:
            slots = len({offset * minimum // 1_000_000 for offset in offsets})
            notes.append(Note(unit=0, cause="undecoded", count=slots))
        elif handover.missing:
            notes.append(Note(unit=handover.missing[0], cause="undecoded", count=len(handover.missing)))
        return tuple(sorted(notes, key=lambda note: (note.unit, note.cause)))

    def _times(self, count: int, interval_us: int) -> tuple[int, int]:
        """Start and end of the segment at the next unit; it ends where the one behind it begins, if they meet."""
        first = self.state.next_unit
        start_us = self._start_us + self._offsets[first]
        last_us = self._start_us + max(self._offsets[first : first + count])
        end_us = last_us + interval_us
        if first + count < self._footage.count:
            next_us = self._start_us + self._offsets[first + count]
            if abs(next_us - end_us) <= _MEETS_US:
                end_us = max(next_us, last_us)
        return start_us, max(start_us, end_us)

    def _disagreement(self) -> VeriframeError:
        return UnsupportedMedia(
            "its tables and its packets tell of different pictures",
            where=f"{self._path}, picture {self.state.next_unit}",
            next_step="re-package it without re-encoding, as `ffmpeg -i FILE -c copy NEW.mkv`, and import that",
        )


def _headers(footage: Footage, first: int, end: int) -> tuple[HeaderAt, ...]:
    before = [context for at, context in footage.headers if at <= first]
    inside = [HeaderAt(at=at - first, sha256=context) for at, context in footage.headers if first < at < end]
    return (HeaderAt(at=0, sha256=before[-1]), *inside) if before else tuple(inside)
