"""`veriframe inspect`: what a file is, and what proof a home holds for it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import progress, raw, remark, result
from cli.options import HomeOption, JsonOption, examples, home_path, make_app

if TYPE_CHECKING:
    from media.footage import Footage

_ODD = {
    "odd_matrix": "the container turns or bends the picture otherwise than by quarter turns",
    "odd_size": "the container states a size that contradicts the stream's",
    "odd_entry_size": "the container's description of the coding states another size than the stream",
    "odd_track": "the container places or blends the picture track in a way of its own",
    "several_sample_descriptions": "the container describes the coding several times, and players may differ",
    "ordered_editions": "the container's chapters tell players to show parts in an order of their own",
}
"""What `media.display.ODD_NOTES` say."""

app = make_app("Tell what a file is, and what proof there is for it.")


@app.command(epilog=examples("veriframe inspect clip.mp4", "veriframe inspect clip.mp4 --home evidence --json"))
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="Footage; only read.")],
    track: Annotated[int | None, typer.Option(help="The picture track, where there are several.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell tracks, codec, pictures and edits, and which camera and time a file seems to be from. No verdict."""
    from media.scan import scan

    with progress(f"reading {file.name}", quiet=as_json) as report:
        footage = scan(file, track=track)
        report(1.0, file.name)
    seen = _seen_in(home, footage)
    if as_json:
        raw(json.dumps({**_members(footage), "seems_from": seen}, indent=2) + "\n")
        return
    result(f"{footage.container.upper()} with {footage.codec.upper()}, {footage.count} pictures")
    for name, text in _facts(footage):
        result(f"{name:<12} {text}")
    if seen is None:
        remark("No home was found, so nothing can be said of proof. Name one with --home.")
    elif not seen:
        result("proof        no key picture of this file is known in this home")
    for each in seen or ():
        where = f"{each['start']} to {each['end']}"
        result(f"proof        {each['key_pictures']} key pictures of camera {each['camera']}, {where}")
    if seen:
        remark(f"This is a search result, no examination: veriframe verify {file} --trust FILE")


def _facts(footage: Footage) -> list[tuple[str, str]]:
    keys = sum(footage.keys)
    facts = [
        ("file", f"{footage.name}, {footage.size_bytes} bytes, sha256 {footage.sha256.hex()}"),
        ("picture", f"{footage.width}×{footage.height}, {_display(footage)}"),
        ("pictures", f"{footage.count}, of them {keys} key pictures, {_distinct(footage)} distinct"),
        ("duration", f"{_duration_us(footage) / 1e6:.3f} s" if footage.times else "not stated: no presentation times"),
    ]
    facts += [
        ("track", f"{t.index}: {t.kind} {t.codec}{'' if t.examined else ', not examined'}") for t in footage.tracks
    ]
    facts += [("edit list", f"hides pictures {first} to {last}") for first, last in footage.hidden]
    facts += [("edit list", f"pictures {first} to {last} are not shown (preroll)") for first, last in footage.preroll]
    if footage.edits_retimed:
        facts.append(("edit list", "repeats, reorders, stretches or pauses pictures"))
    if footage.cut:
        facts.append(("cut", f"incomplete pictures: {', '.join(map(str, footage.cut))}"))
    own = sum(not side.user for side in footage.sides)
    if footage.sides:
        facts.append(("side data", f"{own} bound, {len(footage.sides) - own} user messages"))
    return facts + [("note", f"{_in_words(note)} [{note}]") for note in footage.notes]


def _in_words(note: str) -> str:
    from media.footage import NOTES

    return NOTES.get(note) or _ODD.get(note, "something that this version has no words for")


def _display(footage: Footage) -> str:
    shown = footage.display
    parts = [f"rotated {shown.rotate}°"] if shown.rotate else []
    parts += ["mirrored"] if shown.mirror else []
    parts += [f"pixel aspect {shown.sar[0]}:{shown.sar[1]}"] if shown.sar[0] != shown.sar[1] else []
    parts += [f"cropped {shown.crop}"] if any(shown.crop) else []
    return ", ".join(parts) or "shown as coded"


def _distinct(footage: Footage) -> int:
    return len({footage.unit_digest(index) for index in range(footage.count)})


def _duration_us(footage: Footage) -> int:
    offsets = footage.offsets_us()
    return max(offsets) - min(offsets) if offsets else 0


def _members(footage: Footage) -> dict[str, Any]:
    return {
        "name": footage.name, "bytes": footage.size_bytes, "sha256": footage.sha256.hex(),
        "container": footage.container, "codec": footage.codec, "width": footage.width, "height": footage.height,
        "pictures": footage.count, "key_pictures": sum(footage.keys), "distinct": _distinct(footage),
        "times": footage.times, "duration_us": _duration_us(footage), "display": footage.display.to_json(),
        "hidden": footage.hidden, "preroll": footage.preroll, "edits_retimed": footage.edits_retimed,
        "cut": footage.cut, "notes": footage.notes,
        "tracks": [
            {"index": t.index, "kind": t.kind, "codec": t.codec, "examined": t.examined} for t in footage.tracks
        ],
    }  # fmt: skip


def _seen_in(home: Path | None, footage: Footage) -> list[dict[str, Any]] | None:
    """Cameras whose key pictures this file holds, by the index; None where there is no home to ask."""
    from sdk.home import is_home, open_home, snapshot
    from sdk.index import Index
    from verifier.sentences import utc

    path = home_path(home)
    if home is None and not is_home(path):
        return None
    keys = [footage.unit_digest(index) for index, key in enumerate(footage.keys) if key]
    with snapshot(open_home(path, writing=False)) as copy:
        if not os.path.exists(copy.index):
            return []
        with Index(copy.index) as index:
            hits = index.find(keys)
            slots = {(slot.camera, slot.chain, slot.sequence): slot for slot in index.slots()}
    found: dict[tuple[str, int], list[Any]] = {}
    for hit in hits:
        found.setdefault((hit.camera, hit.chain), []).append(slots[hit.camera, hit.chain, hit.sequence])
    return [
        {
            "camera": camera, "chain": chain, "key_pictures": len(where),
            "start": utc(min(slot.start_us for slot in where)), "end": utc(max(slot.end_us for slot in where)),
        }
        for (camera, chain), where in sorted(found.items())
    ]  # fmt: skip
