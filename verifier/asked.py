"""What the examiner names beside the file."""

from __future__ import annotations

import re
from dataclasses import dataclass

from evidence.digests import is_ident
from evidence.errors import ConfigInvalid
from verifier import sentences
from verifier.model import Span

_ORGANISATIONS = re.compile(r"organisations=([1-9][0-9]?)")
REQUIREMENTS = ("organisations=N", "timestamp", "open_anchors")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A camera and a time that the footage is said to be from, and how strong its proof must be.

    start_us, end_us: inclusive and exclusive, Unix microseconds UTC.
    require: of `REQUIREMENTS`.
    trust_source: `file`, `home` or `none`.
    track_chosen: the examiner said which video track is meant.
    """

    camera: str | None = None
    start_us: int | None = None
    end_us: int | None = None
    require: tuple[str, ...] = ()
    trust_source: str = "none"
    track_chosen: bool = False

    @property
    def span_us(self) -> Span | None:
        """The interval that must be accounted for, if a whole one was named."""
        return None if self.start_us is None or self.end_us is None else (self.start_us, self.end_us)

    @property
    def named(self) -> bool:
        return self.camera is not None or self.start_us is not None or self.end_us is not None

    def to_json(self) -> dict[str, str]:
        members = {
            "camera": self.camera,
            "from": None if self.start_us is None else sentences.utc(self.start_us),
            "to": None if self.end_us is None else sentences.utc(self.end_us),
            "require": ",".join(self.require),
        }
        return {name: text for name, text in members.items() if text}


def check_camera(camera: str | None) -> None:
    """Refuse what cannot be the name of a camera, before anything is read.

    Raises:
        ConfigInvalid: not a camera's name.
    """
    if camera is not None and not is_ident(camera):
        raise ConfigInvalid(
            f"{camera[:80]!r} is not a camera's name",
            where="--camera",
            next_step="use small letters, digits and hyphens, at most 63, beginning with a letter or digit",
        )


def check_requirements(require: tuple[str, ...]) -> tuple[str, ...]:
    """Refuse what is not a requirement, before anything is read.

    Raises:
        ConfigInvalid: a requirement that is not known.
    """
    for each in require:
        if each not in REQUIREMENTS[1:] and _ORGANISATIONS.fullmatch(each) is None:
            raise ConfigInvalid(
                f"{each!r} cannot be required of a proof", where="--require", next_step=f"use {', '.join(REQUIREMENTS)}"
            )
    return require


def unmet(require: tuple[str, ...], *, organisations: int, timestamped: bool, sealed: bool) -> str | None:
    """Say what of `require` a proof lacks, as a clause behind `Proof exists, but …`; None where it lacks nothing.

    Args:
        organisations: how many vouch for the ledger.
        timestamped: a timestamp token bounds the moment of anchoring.
        sealed: some of the records are anchored in sealed batches only.
    """
    for each in require:
        wanted = _ORGANISATIONS.fullmatch(each)
        if wanted is not None and organisations < int(wanted[1]):
            keepers = "one organisation vouches" if organisations == 1 else f"{organisations} organisations vouch"
            return f"{keepers} for it where the examiner requires {wanted[1]}"
        if each == "timestamp" and not timestamped:
            return "no timestamp token bounds its moment, which the examiner requires"
        if each == "open_anchors" and sealed:
            return "records are anchored in sealed batches, where the examiner requires open anchors"
    return None
