"""`veriframe sample`: record and anchor finished files."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import progress, raw, remark, result
from cli.exits import exit_code, say_error
from cli.options import (
    AsOption,
    ConfigOption,
    HomeOption,
    JsonOption,
    LedgerOption,
    examples,
    home_path,
    make_app,
    moment_us,
    profile_of,
)
from evidence.errors import ConfigInvalid, VeriframeError

if TYPE_CHECKING:
    from cli.recording import Source
    from frame_sampler.importer import Imported
    from sdk.shipper import Drained

app = make_app("Record and anchor files as footage of a camera.")

_RETRY = 5
_LIVE = ("rtsp://", "rtsps://", "/dev/video")


@app.command(
    epilog=examples(
        "veriframe sample clip.mp4 --camera gate-1 --start 2026-11-01T08:00:00Z",
        "veriframe sample export --camera gate-1 --timezone Europe/Berlin",
    )
)
def sample(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE…", help="Files and folders; only read.")],
    camera: Annotated[str, typer.Option(help="The camera that they are footage of.")],
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="When the first picture was taken, with a zone.")
    ] = None,
    timezone: Annotated[str | None, typer.Option(help="Zone of times in file names, as Europe/Berlin.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="How names tell times: %Y %m %d %H %M %S %f %z, * for all.")
    ] = None,
    track: Annotated[int | None, typer.Option(help="The picture track, where there are several.")] = None,
    enrol: Annotated[
        bool, typer.Option("--enrol", help="In a demo home: also propose and approve the camera.")
    ] = False,
    ip: Annotated[str, typer.Option(help="The camera's address, for --enrol.")] = "127.0.0.1",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Store and anchor before returning.")] = True,
    acting: AsOption = None,
    ledger: LedgerOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Record finished files of an approved camera. The same file and start again continues, or adds nothing."""
    from cli.acting import warn_without_recorder
    from cli.recording import anchoring_identity, drain, home_for_recording, may_record, status_of
    from evidence.errors import Refused
    from evidence.registry import ACTIVE, PROPOSED
    from frame_sampler.device_key import check_camera_name
    from sdk.home import is_empty
    from sdk.settings import load

    check_camera_name(camera)
    _require_fingerprints()
    start_us = moment_us(start, option="--start")
    files = list(_files(sources, start_us, timezone, pattern))
    path = home_path(home)
    settings = load(config=config, home=path, environment=os.environ)
    profile = profile_of(ledger)
    fresh = is_empty(path)
    at = home_for_recording(path, profile)
    may_record(at, camera, ip=ip, enrol=enrol or fresh)
    status = status_of(at, camera)
    if at.demo and status in (None, PROPOSED):
        raise Refused(
            f"camera {camera} is not approved in this demo home",
            reason="denied",
            next_step="add --enrol, which proposes and approves it as two identities",
        )
    # Who anchors is settled before hours of recording, not behind them. Of another camera nothing is recorded.
    recorder = anchoring_identity(at, settings, acting) if wait and status == ACTIVE else acting
    warn_without_recorder(at, camera)
    done: list[Imported] = []
    failed: list[VeriframeError] = []
    for each in _recorded(files, at, settings, camera, track, as_json, failed):
        done.append(each)
    drained = drain(at, settings, recorder=recorder) if wait else None
    state = _state(camera, done, drained)
    if as_json:
        raw(json.dumps(_members(state, done, drained), indent=2) + "\n")
    else:
        result(state, *(_line(each) for each in done))
        _say_drained(camera, drained)
    for error in failed:
        say_error(error)
    _leave(camera, done, failed, drained)


def _require_fingerprints() -> None:
    """What is recorded without samples stays so for ever: the records are signed, and say that there are none."""
    if find_spec("imagehash") is None:
        raise ConfigInvalid(
            "recording needs ImageHash, which is not installed", next_step="pip install 'veriframe[sampler]'"
        )


def _files(
    sources: Sequence[str], start_us: int | None, timezone: str | None, pattern: str | None
) -> Iterator[Source | Path]:
    """Every file with its start; a bare path continues where the file before it ended."""
    from cli.recording import Source
    from frame_sampler.file_times import start_of, zone_named
    from frame_sampler.importer import folder_starts

    zone = None if timezone is None else zone_named(timezone)
    given = start_us is not None
    for name in sources:
        if name.startswith(_LIVE):
            raise ConfigInvalid(
                "live sources are not built yet", where=name, next_step="record to a file and sample that"
            )
        path = Path(name)
        if path.is_dir():
            if given:
                raise ConfigInvalid(
                    "a folder's files have starts of their own",
                    where=name,
                    next_step="leave --start out; see --pattern",
                )
            yield from (Source(path=file, start_us=at) for at, file in folder_starts(path, zone=zone, pattern=pattern))
        elif not path.exists():
            raise ConfigInvalid("there is no such file or folder", where=name, next_step="check the path")
        elif start_us is not None:
            yield Source(path=path, start_us=start_us)
            start_us = None
        elif given:
            yield path
        else:
            yield Source(path=path, start_us=start_of(path.name, zone=zone, pattern=pattern))


def _recorded(
    files: Sequence[Source | Path], home: Any, settings: Any, camera: str, track: int | None, quiet: bool,
    failed: list[VeriframeError],
) -> Iterator[Imported]:  # fmt: skip
    """Record one file after the other. One that cannot be is kept for the end, and the others go on."""
    from cli.recording import Source, record

    end_us: int | None = None
    for file in files:
        if isinstance(file, Path):
            if end_us is None:
                continue  # when it starts is not known, since the file before it could not be recorded
            file = Source(path=file, start_us=end_us)
        end_us = None
        try:
            with progress(f"recording {file.path.name}", quiet=quiet) as report:
                imported = record(home, settings, camera, file, report, track)
        except VeriframeError as error:
            if len(files) == 1:
                raise
            failed.append(error)
            continue
        end_us = imported.end_us
        yield imported


def _state(camera: str, done: Sequence[Imported], drained: Drained | None) -> str:
    """The state of this camera's records; what waits of others is told, and is none of its business."""
    if drained is None or _still_waits(camera, drained):
        return "PENDING"
    if any((camera, each.chain) in drained.unanchorable for each in done):
        return "UNANCHORABLE"
    nothing_new = bool(done) and all(each.complete_before for each in done) and not drained.anchored
    return "COMPLETE" if nothing_new else "ANCHORED"


def _still_waits(camera: str, drained: Drained) -> bool:
    """Whether a later drain may still store or anchor something of the camera."""
    unstored, unanchored = drained.waiting.get(camera, (0, 0))
    return unstored > 0 or unanchored > _unanchorable(camera, drained)


def _unanchorable(camera: str, drained: Drained) -> int:
    return sum(count for (each, _), count in drained.unanchorable.items() if each == camera)


def _line(each: Imported) -> str:
    from verifier.sentences import utc

    span = f"{utc(each.start_us)} to {utc(each.end_us)}"
    if each.complete_before:
        return f"{each.path}: recorded before, nothing added; camera {each.camera}, {each.units} pictures, {span}"
    text = f"{each.path}: camera {each.camera}, {each.added_units} pictures in {each.added_segments} segments, {span}"
    text += f", {each.samples} samples"
    if each.undecoded:
        text += f"; {each.undecoded} samples could not be decoded, and the records say so"
    if each.trouble:
        text += f"; {each.trouble}"
    return text


def _say_drained(camera: str, drained: Drained | None) -> None:
    if drained is None:
        remark("Left in the spool; the next `veriframe sample` stores and anchors it.")
        return
    for trouble in drained.troubles:
        remark(f"not shipped: {trouble.subject}: {trouble.reason}")
    for each, (unstored, unanchored) in drained.waiting.items():
        of = "" if each == camera else f" of camera {each}"
        never = _unanchorable(each, drained)
        if unstored or unanchored > never:
            remark(f"{unstored} not stored and {unanchored - never} not anchored yet{of}; nothing is lost.")
        if never:
            remark(
                f"{never} of camera {each} can never be anchored: they were signed under a key that has been revoked "
                "since. The footage is kept."
            )
            remark(f"To give up anchoring them: veriframe store give-up --camera {each} --reason WHY")
    if drained.unread:
        remark(
            f"{drained.unread} anchored, but the organisations' word for it is still to be taken; the next drain does."
        )


def _members(state: str, done: Sequence[Imported], drained: Drained | None) -> dict[str, Any]:
    return {
        "state": state,
        "files": [
            {
                "path": str(each.path), "camera": each.camera, "chain": each.chain, "start_us": each.start_us,
                "end_us": each.end_us, "pictures": each.units, "segments": each.segments,
                "added_pictures": each.added_units, "added_segments": each.added_segments, "samples": each.samples,
                "undecoded": each.undecoded, "trouble": each.trouble, "notes": list(each.notes),
            }
            for each in done
        ],
        "drained": None if drained is None else {
            "stored": drained.stored, "anchored": drained.anchored, "pending_store": drained.pending_store,
            "pending_anchor": drained.pending_anchor, "unread": drained.unread,
            "unanchorable": sum(drained.unanchorable.values()),
            "troubles": [
                {"subject": t.subject, "reason": t.reason, "retryable": t.retryable} for t in drained.troubles
            ],
        },
    }  # fmt: skip


def _leave(camera: str, done: Sequence[Imported], failed: Sequence[VeriframeError], drained: Drained | None) -> None:
    if failed:
        raise typer.Exit(exit_code(failed[0]))
    if drained is not None and _state(camera, done, drained) in ("PENDING", "UNANCHORABLE"):
        away = any(trouble.retryable for trouble in drained.troubles)
        raise typer.Exit(_RETRY if away else 6)
