"""Clips built from a string, tampered with by verbs, judged by a strip.

A clip is written picture by picture in decode order: `I` a clean key picture, `P` any other, `B` one shown before
the picture decoded ahead of it. A lower-case letter or a digit is a picture whose bytes depend on the letter alone, so
that it repeats: `IPPP rrrr rrrr` is a lens that was covered (`k` is such a picture that is a key). A space begins a
segment, `|` a segment of a new connection.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from evidence.leaves import KEY, TIME_INFERRED
from evidence.records import Display
from media.footage import Footage, Side, Track
from verifier.findings import Examined, examine_script
from verifier.interval import Interval, interval_of
from verifier.model import Operation, State, worst_within_file
from verifier.operations import match
from verifier.recorded import Recorded, RecordedSegment, RecordedSide
from verifier.script import Script
from verifier.strip import strip_of

TICK_US = 1_000
PICTURE_US = 40_000
START_US = 1_762_000_000_000_000


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One coded picture as it stands in a file: what it is, when it is shown, what stands beside it."""

    name: str
    at_us: int
    clean: int = 0
    key: bool = False
    inferred: bool = False
    context: str | None = "sets"
    sides: tuple[tuple[str, bool], ...] = ()
    segment: int = 0
    connection: int = 0

    @property
    def coded(self) -> bytes:
        return digest(self.name)


@dataclass(frozen=True, kw_only=True, repr=False)
class Clip:
    """Pictures in decode order, what the container adds, and the records that they are judged against."""

    pictures: tuple[Picture, ...]
    records: tuple[Recorded, ...] = ()
    trailing: tuple[tuple[str, bool], ...] = ()
    changes: dict[str, object] = field(default_factory=dict)

    def __repr__(self) -> str:
        records = ", ".join(f"{record.camera}/{record.chain}" for record in self.records)
        return f"Clip({' '.join(picture.name for picture in self.pictures)!r}, [{records}], {self.changes})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))

    # Recording.

    def recorded(
        self,
        camera: str = "gate-1",
        *,
        chain: int = 100,
        start_us: int = START_US,
        pending: Sequence[int] = (),
        lost: Sequence[int] = (),
        gaps: dict[int, tuple[str, int]] | None = None,
    ) -> Clip:
        """Record the clip: `pending` and `lost` name segments that are not anchored, or not at hand.

        gaps: before which segment a signed gap stands, with its cause and its length in microseconds, by which the
        wall clock of all that follows is later.
        """
        origin = self.pictures[0].at_us
        segments: list[RecordedSegment] = []
        sequence = number = shift = 0
        connection_origin = {}
        for label in sorted({picture.segment for picture in self.pictures}):
            part = [picture for picture in self.pictures if picture.segment == label]
            begin = start_us + part[0].at_us - origin + shift
            common = {"camera": camera, "chain": chain, "anchored": label not in pending}
            if gaps and label in gaps:
                cause, length = gaps[label]
                segments.append(
                    RecordedSegment(
                        **common, sequence=sequence, start_us=begin, end_us=begin + length, first=number,
                        offsets=array("q"), cause=cause,
                    )
                )  # fmt: skip
                sequence, shift, begin = sequence + 1, shift + length, begin + length
            connection_origin.setdefault(part[0].connection, 77_000 * (1 + part[0].connection))
            if label not in lost:
                segments.append(
                    RecordedSegment(
                        **common, sequence=sequence, start_us=begin,
                        end_us=begin + max(p.at_us for p in part) - part[0].at_us + PICTURE_US,
                        first=number, coded=b"".join(picture.coded for picture in part),
                        offsets=array("q", [picture.at_us - part[0].at_us for picture in part]),
                        flags=bytes(KEY * p.key | TIME_INFERRED * p.inferred for p in part),
                        headers=headers_of(part), sides=sides_of(part), display=Display(), width=64, height=48,
                        source_us=connection_origin[part[0].connection] + part[0].at_us, connection=part[0].connection,
                        codec="h264",
                    )
                )  # fmt: skip
            sequence += 1
            number += len(part)
        return replace(self, records=(*self.records, Recorded.of(segments)))

    def beside(self, *others: Clip) -> Clip:
        """Judge against what these have recorded, too."""
        return replace(self, records=self.records + tuple(record for other in others for record in other.records))

    # Tampering. Times stay with their places unless a verb says otherwise.

    def _with(self, pictures: Sequence[Picture], *, close: bool = True) -> Clip:
        if close:
            # The usual editor: pictures follow each other at the usual distance, in presentation order as before.
            order = sorted(range(len(pictures)), key=lambda at: self._rank(pictures, at))
            times = {at: self.pictures[0].at_us + PICTURE_US * index for index, at in enumerate(order)}
            pictures = [replace(picture, at_us=times[at]) for at, picture in enumerate(pictures)]
        return replace(self, pictures=tuple(pictures))

    @staticmethod
    def _rank(pictures: Sequence[Picture], at: int) -> float:
        shown_early = pictures[at].name.startswith("B")
        return at - 1.5 if shown_early else at

    def cut(self, first: int, last: int) -> Clip:
        """Keep pictures first to last only, with their times."""
        return replace(self, pictures=self.pictures[first : last + 1])

    def delete(self, first: int, last: int | None = None, *, gap: bool = False) -> Clip:
        """Take pictures out; `gap`: the rest keeps its times."""
        last = first if last is None else last
        return self._with((*self.pictures[:first], *self.pictures[last + 1 :]), close=not gap)

    def swap(self, one: int, other: int) -> Clip:
        """Exchange two pictures."""
        changed = list(self.pictures)
        changed[one], changed[other] = changed[other], changed[one]
        return self._with(changed)

    def move(self, first: int, last: int, to: int) -> Clip:
        """Put pictures first to last before the picture `to` of what remains."""
        rest = [*self.pictures[:first], *self.pictures[last + 1 :]]
        return self._with([*rest[:to], *self.pictures[first : last + 1], *rest[to:]])

    def replaced(self, first: int, last: int | None = None, *, by: str = "forged") -> Clip:
        """Change the bytes of pictures."""
        last = first if last is None else last
        changed = [
            replace(picture, name=f"{by} {index}") if first <= index <= last else picture
            for index, picture in enumerate(self.pictures)
        ]
        return self._with(changed, close=False)

    def insert(self, at: int, other: Clip | str) -> Clip:
        """Put another clip's pictures before the picture `at`."""
        other = scene(other, name=f"stranger {other}") if isinstance(other, str) else other
        return self._with([*self.pictures[:at], *other.pictures, *self.pictures[at:]])

    def splice(self, first: int, last: int, other: Clip) -> Clip:
        """Put another clip's pictures in the place of first to last."""
        return self._with([*self.pictures[:first], *other.pictures, *self.pictures[last + 1 :]])

    def repeat(self, first: int, last: int) -> Clip:
        """Show pictures first to last twice in a row."""
        return self._with([*self.pictures[: last + 1], *self.pictures[first:]])

    def retime(self, change: Callable[[int, int], int]) -> Clip:
        """Change when pictures are shown: `change(index, at_us)`."""
        return self._with(
            [replace(p, at_us=change(index, p.at_us)) for index, p in enumerate(self.pictures)], close=False
        )

    def side(self, at: int, text: str = "film grain", *, user: bool = False) -> Clip:
        """Add a side message before the picture `at`; behind the last picture where `at` is the count."""
        if at == len(self.pictures):
            return replace(self, trailing=(*self.trailing, (text, user)))
        return self._each(at, lambda picture: replace(picture, sides=(*picture.sides, (text, user))))

    def strip_side(self, at: int) -> Clip:
        """Drop the side messages before the picture `at`."""
        return self._each(at, lambda picture: replace(picture, sides=()))

    def sets(self, first: int, text: str | None) -> Clip:
        """Decode from the picture `first` on by other parameter sets; None: the file lacks them."""
        changed = [replace(p, context=text) if at >= first else p for at, p in enumerate(self.pictures)]
        return self._with(changed, close=False)

    def _each(self, at: int, change: Callable[[Picture], Picture]) -> Clip:
        changed = [change(picture) if index == at else picture for index, picture in enumerate(self.pictures)]
        return self._with(changed, close=False)

    def container(self, **changes: object) -> Clip:
        """Set members of the `Footage`: hidden, preroll, display, tracks, container, times …"""
        return replace(self, changes={**self.changes, **changes})

    def footage(self) -> Footage:
        """The file as scanning it would show it."""
        base = self.pictures[0].at_us if self.pictures else 0
        members: dict[str, object] = {
            "name": "clip.mp4", "size_bytes": 1, "sha256": bytes(32), "container": "mp4", "codec": "h264",
            "width": 64, "height": 48, "time_base": (TICK_US, 1_000_000), "times": True,
            "coded": b"".join(picture.coded for picture in self.pictures),
            "pts": array("q", [(picture.at_us - base) // TICK_US for picture in self.pictures]),
            "keys": bytes(picture.key for picture in self.pictures),
            "inferred": bytes(picture.inferred for picture in self.pictures),
            "clean": bytes(picture.clean for picture in self.pictures),
            "headers": headers_of(self.pictures),
            "sides": tuple(
                Side(unit=unit, digest=digest(text), user=user)
                for unit, sides in enumerate((*(p.sides for p in self.pictures), self.trailing))
                for text, user in sides
            ),
            "cut": (), "shown_us": None, "hidden": (), "preroll": (), "edits_retimed": False,
            "display": Display(), "stream_display": Display(), "display_stated": frozenset(),
            "tracks": (Track(index=0, kind="video", codec="h264", examined=True),), "notes": (),
        }  # fmt: skip
        return Footage(**{**members, **self.changes})  # type: ignore[arg-type]


def headers_of(pictures: Sequence[Picture]) -> tuple[tuple[int, bytes | None], ...]:
    found: list[tuple[int, bytes | None]] = []
    for at, picture in enumerate(pictures):
        context = None if picture.context is None else digest(picture.context)
        if not found or found[-1][1] != context:
            found.append((at, context))
    return tuple(found)


def sides_of(pictures: Sequence[Picture]) -> tuple[RecordedSide, ...]:
    return tuple(
        RecordedSide(index=at, digest=digest(text), user=user)
        for at, picture in enumerate(pictures)
        for text, user in picture.sides
    )


def scene(pattern: str, *, name: str = "") -> Clip:
    """Build a clip; two scenes of different `name` share only their lower-case pictures."""
    pictures: list[Picture] = []
    segment = connection = 0
    for character in pattern.strip():
        if character == " ":
            segment += 1
        elif character == "|":
            segment, connection = segment + 1, connection + 1
        else:
            at = len(pictures)
            repeated = character.islower() or character.isdigit()
            key = character in "Ik"
            pictures.append(
                Picture(
                    name=character if repeated else f"{character} {name} {at}",
                    at_us=PICTURE_US * at,
                    clean=int(key),
                    key=key,
                    segment=segment,
                    connection=connection,
                )
            )
    labels = {label: index for index, label in enumerate(sorted({picture.segment for picture in pictures}))}
    clip = Clip(pictures=tuple(replace(picture, segment=labels[picture.segment]) for picture in pictures))
    return clip._with(clip.pictures) if "B" in pattern else clip


@dataclass(frozen=True, kw_only=True, repr=False)
class Judgement:
    """What the pure part of the verifier says about a clip."""

    script: Script
    examined: Examined
    interval: Interval | None
    strip: str

    def __repr__(self) -> str:
        told = ", ".join(f"{each.op} {each.file} {each.record or each.of}" for each in self.script.operations)
        return f"Judgement({self.strip!r}, {told}, {sorted(self.codes)}, hull {self.script.hull})"

    @property
    def state(self) -> State:
        """What the operations and findings call for; nothing at all matched: NOT_ANCHORED."""
        if not self.script.matched and not self.script.unplaceable:
            return State.NOT_ANCHORED
        calls = [*self.script.operations, *self.examined.findings]
        return worst_within_file(call.state for call in calls if call.state is not None)

    @property
    def codes(self) -> set[str]:
        return {finding.code for finding in self.examined.findings}

    def ops(self, name: str) -> list[Operation]:
        return [operation for operation in self.script.operations if operation.op == name]


def verify(
    clip: Clip, *, camera: str | None = None, asked_us: tuple[int, int] | None = None, track_chosen: bool = False
) -> Judgement:
    """Judge a clip against what it brings along."""
    footage = clip.footage()
    script = match(footage, clip.records, camera=camera, asked_us=asked_us)
    examined = examine_script(script, footage, asked_us=asked_us, track_chosen=track_chosen)
    return Judgement(
        script=script,
        examined=examined,
        interval=interval_of(script, footage, asked_us=asked_us),
        strip=strip_of(script.operations, examined.marks),
    )
