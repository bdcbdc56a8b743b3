"""`veriframe store`: what is kept, whether it is still what its names say, and the index anew."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import progress, raw, remark, result, show
from cli.exits import INTERNAL
from cli.options import ConfigOption, HomeOption, JsonOption, examples, make_app, opened
from evidence.errors import VeriframeError

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.settings import Settings
    from sdk.store import FileStore

app = make_app("List, check and index what is kept.")


@app.command("ls", epilog=examples("veriframe store ls", "veriframe store ls --camera gate-1 --json"))
def list_store(
    camera: Annotated[str | None, typer.Option(help="Only what belongs to this camera.")] = None,
    home: HomeOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List recorded segments and gaps by camera, chain and sequence. Changes nothing."""
    from verifier.sentences import utc

    at, settings = opened(home, config, writing=False)
    store = _store(at, settings)
    rows = [_row(store, key) for key in _keys(store, "proof") if camera in (None, key.split("/")[1])]
    if as_json:
        raw(json.dumps({"segments": rows}, indent=2) + "\n")
        return
    from rich.table import Table

    table = Table("camera", "chain", "sequence", "kind", "start", "end", "pictures", "footage")
    for row in rows:
        if "problem" in row:
            table.add_row(str(row["key"]), "", "", "damaged", str(row["problem"]))
            continue
        start, end = utc(int(str(row["start_us"]))), utc(int(str(row["end_us"])))
        kept = "" if row["media_bytes"] is None else f"{row['media_bytes']} bytes"
        names = (str(row[name]) for name in ("camera", "chain", "sequence", "kind"))
        table.add_row(*names, start, end, str(row["pictures"]), kept)
    result(f"{len(rows)} {'record' if len(rows) == 1 else 'records'}")
    show(table)


def _row(store: FileStore, key: str) -> dict[str, object]:
    from evidence.proof_file import MAX_PROOF_FILE_BYTES, parse_proof_file
    from evidence.records import SegmentRecord
    from sdk.store import get_bytes

    try:
        record = parse_proof_file(get_bytes(store, key, limit=MAX_PROOF_FILE_BYTES)).record
    except VeriframeError as error:
        return {"key": key, "problem": error.detail}
    segment = record if isinstance(record, SegmentRecord) else None
    media = segment.media if segment is not None else None
    return {
        "key": key, "camera": record.camera, "chain": record.chain, "sequence": record.sequence, "kind": record.kind,
        "start_us": record.start_us, "end_us": record.end_us,
        "pictures": segment.units.count if segment is not None else 0,
        "media_bytes": None if media is None else media.size_bytes,
    }  # fmt: skip


@app.command(epilog=examples("veriframe store fsck", "veriframe store fsck --json"))
def fsck(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check every file of the store and every block of the ledger. Changes nothing; exit code 1 if damaged."""
    from sdk.home import snapshot
    from sdk.ledger import check_ledger
    from sdk.store import AREAS

    at, settings = opened(home, config, writing=False)
    store = _store(at, settings)
    problems: list[str] = []
    with progress("checking", quiet=as_json) as report:
        keys = [key for area in AREAS for key in _keys(store, area)]
        for number, key in enumerate(keys):
            problems += _problems_of(store, key)
            report((number + 1) / (len(keys) + 1), key)
        problems += _missing_media(store)
        problems += [f"{name}: no file of the store" for area in AREAS for name in _strangers(store, area)]
        with snapshot(at) as copy:
            problems += [f"ledger: {problem}" for problem in check_ledger(copy.ledger)]
    if as_json:
        raw(json.dumps({"sound": not problems, "files": len(keys), "problems": problems}, indent=2) + "\n")
    else:
        result("DAMAGED" if problems else "SOUND", f"{len(keys)} files and the ledger checked", *problems)
    if problems:
        raise typer.Exit(INTERNAL)


def _problems_of(store: FileStore, key: str) -> Iterator[str]:
    """What is wrong with one stored file, by its area's own rule."""
    checks: dict[str, Callable[[FileStore, str], str | None]] = {"objects": _object_problem, "proof": _proof_problem}
    check = checks.get(key.split("/")[0])
    found = check(store, key) if check is not None else None
    if found is not None:
        yield f"{key}: {found}"


def _object_problem(store: FileStore, key: str) -> str | None:
    digest = hashlib.sha256()
    with store.get(key) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return None if key == f"objects/{digest.hexdigest()}" else "its bytes are not what its name says"


def _proof_problem(store: FileStore, key: str) -> str | None:
    from evidence.proof_file import MAX_PROOF_FILE_BYTES, mismatch, parse_proof_file
    from sdk.store import get_bytes, proof_key

    try:
        proof = parse_proof_file(get_bytes(store, key, limit=MAX_PROOF_FILE_BYTES))
    except VeriframeError as error:
        return error.detail
    if key != proof_key(proof.record.camera, proof.record.chain, proof.record.sequence):
        return "it stands under another slot's name"
    found = mismatch(proof)
    return f"its parts do not belong together ({found})" if found else None


def _missing_media(store: FileStore) -> Iterator[str]:
    from evidence.proof_file import MAX_PROOF_FILE_BYTES, parse_proof_file
    from evidence.records import SegmentRecord
    from sdk.store import get_bytes, object_key

    for key in _keys(store, "proof"):
        try:
            record = parse_proof_file(get_bytes(store, key, limit=MAX_PROOF_FILE_BYTES)).record
        except VeriframeError:
            continue  # said already
        media = record.media if isinstance(record, SegmentRecord) else None
        if media is not None and not store.exists(object_key(media.object)):
            yield f"{key}: its footage, {object_key(media.object)}, is not here"


@app.command(epilog=examples("veriframe store reindex", "veriframe store reindex --home evidence"))
def reindex(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Make the index anew from store and ledger."""
    from sdk.index import rebuild
    from sdk.ledger import read_ledger

    at, settings = opened(home, config, writing=True)
    store = _store(at, settings)
    total = max(1, len(_keys(store, "proof")))
    done = 0
    with progress("indexing") as report, read_ledger(f"sqlite:///{at.ledger.absolute()}") as reader:

        def told(key: str) -> None:
            nonlocal done
            done += 1
            report(done / total, key)

        problems = rebuild(at.index, store, reader, progress=told)
    result("INDEXED", f"{done} records", *problems)
    if problems:
        remark("What is named above was left out; `veriframe store fsck` says more.")


def _store(home: Home, settings: Settings) -> FileStore:
    from sdk.store import open_store

    return open_store(settings.store.url, base=home.path, writing=False)


def _keys(store: FileStore, area: str) -> list[str]:
    """Keys of an area; none before anything was stored."""
    return list(store.list(area)) if (store.folder / area).is_dir() else []


def _strangers(store: FileStore, area: str) -> list[str]:
    return list(store.strangers(area)) if (store.folder / area).is_dir() else []
