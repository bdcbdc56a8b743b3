"""The entry point: files in, verdicts out. Everything that can go wrong with the evidence ends in a verdict."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

from evidence.errors import ConfigInvalid, UnsupportedMedia, VeriframeError
from evidence.trust import Trust
from media.footage import Footage
from media.scan import scan
from verifier import sentences
from verifier.asked import Asked, check_camera, check_requirements
from verifier.bundling import Progress
from verifier.court import Court
from verifier.fetch import OnChannel, open_source
from verifier.gather import gather
from verifier.joined import join
from verifier.judge import judge, versions
from verifier.model import Finding, State
from verifier.source import Source
from verifier.states import axes_without_match
from verifier.verdict import Exhibit, Verdict

Reason = tuple[str, str, str]
"""Code of a finding, a clause behind `because`, and what can be done about it."""

ABSENT = ("proof_absent", "there is no proof and no index to look in", "")
UNUSABLE = "file_unusable"
_PIECE_BYTES = 1 << 20


def examine(
    paths: Sequence[Path],
    *,
    source: Path | str | OnChannel | None,
    trust: Trust | Literal["home"] | None,
    camera: str | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    track: int | None = None,
    as_one: bool = False,
    require: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Verdict]:
    """Examine files against what was recorded; one verdict per file, or one over all of them.

    Nothing is written, neither beside the files nor in the home.

    Args:
        source: a home (path), a ledger (URL) or a channel that is asked now; None where there is no evidence at all.
        trust: the examiner's trust file; `home` takes the word of the home's own ledger; None trusts nothing.
        camera, start_us, end_us: what the footage is said to be; Unix microseconds UTC, the end exclusive.
        track: index of the video track that is meant.
        as_one: judge the files as one sequence, in the order given.
        require: how strong the proof must be (`verifier.asked.REQUIREMENTS`).

    Raises:
        ConfigInvalid: no such file, home or ledger, an unknown requirement, no camera's name: the question, not the
            footage, is wrong.
    """
    check_camera(camera)
    asked = Asked(
        camera=camera,
        start_us=start_us,
        end_us=end_us,
        require=check_requirements(tuple(require)),
        trust_source="none" if trust is None else "home" if trust == "home" else "file",
        track_chosen=track is not None,
    )
    with opened(source) as evidence:
        verdicts = []
        for group in [paths] if as_one else [[path] for path in paths]:
            exhibits, footage, unusable = _read(group, track)
            if footage is None:
                verdicts.append(_undetermined(exhibits, asked, *unusable))
            else:
                verdicts.append(verdict_on(footage, exhibits, evidence, trust, asked, progress))
        return verdicts


@contextmanager
def opened(source: Path | str | OnChannel | None) -> Iterator[Source | Reason]:
    """The evidence in a home or ledger, or the reason why there is none that can be read.

    Raises:
        ConfigInvalid: no home or ledger there.
    """
    with ExitStack() as stack:
        evidence: Source | Reason = ABSENT
        try:
            if source is not None:
                evidence = stack.enter_context(open_source(source))
        except ConfigInvalid:
            raise
        except VeriframeError as error:
            evidence = _unreadable(error)
        yield evidence


def verdict_on(
    footage: Footage,
    exhibits: Sequence[Exhibit],
    evidence: Source | Reason,
    trust: Trust | Literal["home"] | None,
    asked: Asked,
    progress: Progress | None = None,
) -> Verdict:
    """The verdict on pictures that have been read; whatever is wrong with the evidence ends in one."""
    if isinstance(evidence, tuple):
        return _undetermined(exhibits, asked, *evidence)
    try:
        believed = evidence.own_trust if trust == "home" else trust
        bundle = gather(evidence, footage, asked, believed, progress)
        court = Court(bundle, believed, own_word=trust == "home")
    except VeriframeError as error:
        return _undetermined(exhibits, asked, *_unreadable(error))
    return judge(footage, exhibits, court, asked)


def _read(paths: Sequence[Path], track: int | None) -> tuple[list[Exhibit], Footage | None, Reason]:
    """Scan what is to be judged as one: its exhibits, its pictures, and why there are none."""
    exhibits: list[Exhibit] = []
    footages: list[Footage] = []
    reason = ("", "", "")
    first = 0
    for path in paths:
        try:
            footage = scan(path, track=track)
        except ConfigInvalid:
            raise
        except VeriframeError as error:
            exhibits.append(_unusable(path))
            reason = (UNUSABLE, f"{path.name} is not usable video ({error.detail})", error.next_step)
            continue
        if not footage.count:
            reason = (UNUSABLE, f"{path.name} holds no pictures", "")
        exhibits.append(Exhibit.of(footage, first))
        footages.append(footage)
        first += footage.count
    if reason[0]:
        return exhibits, None, reason
    try:
        return exhibits, join(footages), reason
    except UnsupportedMedia as error:
        return exhibits, None, (UNUSABLE, error.detail, error.next_step)


def _unusable(path: Path) -> Exhibit:
    """Name, size and digest of a file that could be read, but not as video."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE_BYTES):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise ConfigInvalid(f"the file cannot be read: {error.strerror}", where=str(path)) from error
    return Exhibit(name=path.name, sha256=digest.digest(), size_bytes=size)


def _unreadable(error: VeriframeError) -> Reason:
    return "proof_damaged", f"the evidence cannot be read ({error.detail})", error.next_step


def _undetermined(exhibits: Sequence[Exhibit], asked: Asked, code: str, reason: str, next_step: str) -> Verdict:
    return Verdict(
        state=State.UNDETERMINED,
        sentence=sentences.undetermined([reason]),
        exhibits=tuple(exhibits),
        axes=axes_without_match(code),
        # A file's name is not a word: it stays as it is.
        findings=(Finding.of(code, f"{reason if code == UNUSABLE else reason[:1].upper() + reason[1:]}."),),
        asked=asked.to_json(),
        versions=versions(),
        next_step=next_step,
    )
