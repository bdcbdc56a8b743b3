"""Scan a file: the child reads it, while this process computes the digest of its bytes."""

from __future__ import annotations

import hashlib
import os
import stat
import threading
from array import array
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evidence.errors import ConfigInvalid, Malformed, SourceLost, VeriframeError
from evidence.records import Display
from media.child import Limits, run
from media.footage import Footage, Side, Track
from media.frames import Message, Send

_PIECE_BYTES = 1 << 20
# Slowest reading that is waited for, besides the time that any file is given.
_SLOWEST_BYTES_PER_S = 4 << 20
_ANY_FILE_S = 30


def scan(path: str | os.PathLike[str], *, track: int | None = None, limits: Limits | None = None) -> Footage:
    """Read what a file's pictures are, without decoding them; the file is only read, never changed.

    Args:
        track: index of the track to examine; None takes the first enabled picture track.
        limits: what the child may use; None allows for the size of the file.

    Raises:
        ConfigInvalid: no such file, or not a regular one, or no permission to read it.
        Malformed: the file cannot be read as video.
        UnsupportedMedia: it can, and holds no pictures that can be examined.
        SourceLost: it changed while it was read.
    """
    where = os.fspath(path)
    before = _status(where)
    if limits is None:
        allowed_s = _ANY_FILE_S + before.st_size // _SLOWEST_BYTES_PER_S
        limits = Limits(cpu_s=allowed_s, wall_s=2.0 * allowed_s)
    digest = _FileDigest(where)
    digest.start()
    try:
        arguments = {"path": os.path.abspath(where), "track": track}
        footage = _footage(run("scan", arguments, limits=limits))
        sha256 = digest.result()
    except VeriframeError as error:
        error.where = error.where or where
        raise
    finally:
        digest.stop()
    if _same(before) != _same(_status(where)):
        raise SourceLost("the file changed while it was read", where=where, next_step="scan it again")
    return replace(footage, name=Path(where).name, size_bytes=before.st_size, sha256=sha256)


def _status(where: str) -> os.stat_result:
    try:
        status = os.stat(where)
        if stat.S_ISREG(status.st_mode):
            with open(where, "rb"):
                return status
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigInvalid(f"cannot be read: {reason}", where=where) from error
    raise ConfigInvalid("is not a file", where=where, next_step="name the files themselves")


def _same(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


class _FileDigest(threading.Thread):
    """SHA-256 of a file, beside the child's work: hashing large pieces leaves the interpreter free."""

    def __init__(self, where: str) -> None:
        super().__init__(daemon=True)
        self._where = where
        self._stopped = threading.Event()
        self._outcome: bytes | OSError = b""

    def run(self) -> None:
        digest, piece = hashlib.sha256(), memoryview(bytearray(_PIECE_BYTES))
        try:
            with open(self._where, "rb", buffering=0) as file:
                while not self._stopped.is_set() and (count := file.readinto(piece)):
                    digest.update(piece[:count])
        except OSError as error:
            self._outcome = error
            return
        self._outcome = digest.digest()

    def result(self) -> bytes:
        self.join()
        if isinstance(self._outcome, OSError):
            raise SourceLost(f"the file cannot be read: {self._outcome.strerror}") from self._outcome
        return self._outcome

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def scan_task(arguments: Mapping[str, Any], send: Send) -> Message:
    """The child's part of `scan`."""
    from media.footage_reader import read_footage

    footage = read_footage(arguments["path"], track=arguments["track"], processes=min(2, os.cpu_count() or 1))
    return pack(footage)


_PLAIN = ("container", "codec", "width", "height", "times", "edits_retimed")


def pack(footage: Footage) -> Message:
    """Put what the child found into one message; name, size and digest of the file are the parent's."""
    head = {name: getattr(footage, name) for name in _PLAIN} | {
        "time_base": footage.time_base,
        "headers": [[at, digest.hex() if digest else None] for at, digest in footage.headers],
        "cut": footage.cut,
        "hidden": footage.hidden,
        "preroll": footage.preroll,
        "display": footage.display.to_json(),
        "stream_display": footage.stream_display.to_json(),
        "display_stated": sorted(footage.display_stated),
        "tracks": [[track.index, track.kind, track.codec, track.examined] for track in footage.tracks],
        "notes": footage.notes,
        "edited": footage.shown_us is not None,
        "last_us": footage.last_us,
    }
    sides = footage.sides
    return Message(
        head=head,
        columns=(
            *(footage.coded, footage.keys, footage.inferred, footage.clean, footage.pts.tobytes()),
            b"" if footage.shown_us is None else footage.shown_us.tobytes(),
            array("q", [side.unit for side in sides]).tobytes(),
            b"".join(side.digest for side in sides),
            bytes(side.user for side in sides),
        ),
    )


def _footage(message: Message) -> Footage:
    """Take the child's message apart.

    Raises:
        Malformed: columns that do not fit each other, which only a child that was taken over would send.
    """
    try:
        return _unpacked(message)
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed("the media reader sent a message that cannot be read") from error


def _unpacked(message: Message) -> Footage:
    head = message.head
    coded, keys, inferred, clean, pts, shown, side_units, side_digests, side_users = message.columns
    count = len(keys)
    units, times, shown_us = array("q", side_units), array("q", pts), array("q", shown) if head["edited"] else None
    lengths = {len(inferred), len(clean), len(times), count if shown_us is None else len(shown_us)}
    if lengths != {count} or len(coded) != 32 * count:
        raise ValueError("columns of units differ in length")
    if len(side_users) != len(units) or len(side_digests) != 32 * len(units):
        raise ValueError("columns of side data differ in length")
    return Footage(
        name="",
        size_bytes=0,
        sha256=b"",
        time_base=_pair(head["time_base"]),
        coded=coded,
        pts=times,
        keys=keys,
        inferred=inferred,
        clean=clean,
        headers=tuple((int(at), bytes.fromhex(digest) if digest else None) for at, digest in head["headers"]),
        sides=tuple(
            Side(unit=units[index], digest=side_digests[32 * index : 32 * index + 32], user=bool(side_users[index]))
            for index in range(len(units))
        ),
        cut=tuple(int(unit) for unit in head["cut"]),
        shown_us=shown_us,
        hidden=tuple(_pair(each) for each in head["hidden"]),
        preroll=tuple(_pair(each) for each in head["preroll"]),
        display=_display(head["display"]),
        stream_display=_display(head["stream_display"]),
        display_stated=frozenset(map(str, head["display_stated"])),
        tracks=tuple(
            Track(index=int(index), kind=str(kind), codec=str(codec), examined=bool(examined))
            for index, kind, codec, examined in head["tracks"]
        ),
        notes=tuple(map(str, head["notes"])),
        container=str(head["container"]),
        codec=str(head["codec"]),
        width=int(head["width"]),
        height=int(head["height"]),
        times=bool(head["times"]),
        edits_retimed=bool(head["edits_retimed"]),
        last_us=None if head["last_us"] is None else int(head["last_us"]),
    )


def _pair(value: Any) -> tuple[int, int]:
    first, second = value
    return int(first), int(second)


def _display(said: Mapping[str, Any]) -> Display:
    left, top, right, bottom = (int(value) for value in said["crop"])
    primaries, transfer, matrix, full = (int(value) for value in said["colour"])
    return Display(
        rotate=int(said["rotate"]),
        mirror=bool(said["mirror"]),
        sar=_pair(said["sar"]),
        crop=(left, top, right, bottom),
        colour=(primaries, transfer, matrix, full),
    )
