"""Recording finished files: each is a chain of its own, and taking it up again goes on after the last sealed unit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from evidence.blocks import slot_key
from evidence.errors import ConfigInvalid, StoreUnavailable, UnsupportedMedia
from frame_sampler.enrolment import enrolled_camera
from frame_sampler.file_times import start_of
from frame_sampler.recording import Imported, Now, Progress, Recording
from media.child import Limits
from media.footage import Footage
from media.scan import scan
from sdk.acting import recording_state
from sdk.home import Home
from sdk.ledger import StateReader
from sdk.sealed import ChainState
from sdk.spool import Spool
from sdk.store import open_store, proof_key

if TYPE_CHECKING:
    from sdk.settings import StoreSettings  # loads pydantic, which who calls this has loaded or does not need

__all__ = ["Imported", "folder_starts", "import_file", "import_folder"]

# The ledger takes times that much ahead of its own.
_AHEAD_US = 15 * 60 * 1_000_000


def import_file(
    home: Home,
    path: Path,
    *,
    camera: str,
    start_us: int,
    store: StoreSettings,
    now: Now,
    track: int | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Record a finished file for an approved camera; nothing is sent yet, that is the shipper's errand.

    Args:
        start_us: when its first picture was taken, Unix microseconds: a claim, recorded as one.
        store: whether media and private parts are encrypted, and for whom.
        track: index of its picture track; None: the only one.
        limits: of the recording task; None: by the size of the file.
        progress: told after every segment.

    Raises:
        ConfigInvalid: no such file, several picture tracks, a start that lies in the future or before 1970.
        Refused: the camera is unknown or not approved, or is being recorded by another process.
        Malformed, UnsupportedMedia, SourceLost: the file. KeyUnavailable: the camera's key.
        SpoolFull, StoreUnavailable: the disk; the same command goes on later.
    """
    with recording_state(home, now=now) as reader:
        # The registry is asked first: nobody waits for a scan to hear that the camera is unknown.
        enrolled = enrolled_camera(home, reader, camera)
        footage = _scanned(path, track)
        _check_times(footage, path, start_us, now())
        with Spool(home.spool, now=now) as spool, spool.hold(camera):
            state = spool.open_import(
                camera, start_us=start_us, sha256=footage.sha256, ledger_chains=enrolled.chains,
                outrun=lambda chain: _goes_on_elsewhere(home, reader, store, chain),
            )  # fmt: skip
            recording = Recording(home, reader, enrolled, footage, path, start_us, store, spool, state, now, progress)
            if state.next_unit < footage.count:
                recording.run(track, limits)
            if not state.complete:
                spool.finish_import(recording.state)
            return recording.result()


def import_folder(
    home: Home,
    folder: Path,
    *,
    camera: str,
    store: StoreSettings,
    now: Now,
    zone: ZoneInfo | None = None,
    pattern: str | None = None,
    progress: Progress | None = None,
) -> Iterator[Imported]:
    """Record the finished files of a folder, in the order of the times in their names; each is a chain of its own.

    All names are read before anything is recorded, so that one that is not certain stops it all.

    Args:
        zone, pattern: how names tell times, see `start_of`.

    Raises:
        ConfigInvalid: no folder, no file in it, or a name that does not tell its time; otherwise as `import_file`.
    """
    for start_us, path in folder_starts(folder, zone=zone, pattern=pattern):
        yield import_file(home, path, camera=camera, start_us=start_us, store=store, now=now, progress=progress)


def folder_starts(
    folder: Path, *, zone: ZoneInfo | None = None, pattern: str | None = None
) -> tuple[tuple[int, Path], ...]:
    """The files of a folder and below with the starts that their names tell, earliest first; hidden ones left out.

    Raises:
        ConfigInvalid: see `import_folder`.
    """
    if not folder.is_dir():
        raise ConfigInvalid("this is not a folder", where=str(folder))
    try:
        found = [
            path
            for path in sorted(folder.rglob("*"))
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        ]
    except OSError as error:
        raise ConfigInvalid(f"the folder cannot be read ({error.strerror})", where=str(folder)) from error
    if not found:
        raise ConfigInvalid("there is no file in this folder", where=str(folder))
    starts = [(start_of(path.relative_to(folder).as_posix(), zone=zone, pattern=pattern), path) for path in found]
    return tuple(sorted(starts))


def _goes_on_elsewhere(home: Home, reader: StateReader, store: StoreSettings, state: ChainState) -> bool:
    """Whether the next record of a chain has left this machine before, so that the spool is an older copy of itself."""
    slot = state.camera, state.chain, state.next_sequence
    if reader.get(slot_key(*slot)) is not None:
        return True
    try:
        return open_store(store.url, base=home.path, writing=False).exists(proof_key(*slot))
    except StoreUnavailable:
        return False  # recording does not wait for the store


def _scanned(path: Path, track: int | None) -> Footage:
    footage = scan(path, track=track)
    if track is None and "several_video_tracks" in footage.notes:
        videos = ", ".join(str(each.index) for each in footage.tracks if each.kind == "video")
        raise ConfigInvalid(
            f"it holds several picture tracks ({videos})", where=str(path), next_step="choose one with --track"
        )
    if min(footage.width, footage.height) < 1:
        raise UnsupportedMedia("it does not say how large its pictures are", where=str(path))
    return footage


def _check_times(footage: Footage, path: Path, start_us: int, now_us: int) -> None:
    offsets = footage.offsets_us()
    if start_us + min(offsets) < 0:
        raise ConfigInvalid("its start lies before 1970", where=str(path), next_step="correct --start")
    if start_us + max(offsets) > now_us + _AHEAD_US:
        raise ConfigInvalid(
            "it would end in the future if it began then", where=str(path), next_step="correct --start, or the clock"
        )
