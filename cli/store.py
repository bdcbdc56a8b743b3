"""`veriframe store`: what is kept, whether it is still what its names say, and the index anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from cli import giving_up
from cli.console import progress, raw, remark, result, show
from cli.exits import INTERNAL
from cli.options import ConfigOption, HomeOption, JsonOption, examples, make_app, opened
from evidence.errors import ConfigInvalid, VeriframeError

if TYPE_CHECKING:
    from sdk.home import Home
    from sdk.settings import Settings
    from sdk.store import FileStore

_DAMAGE = ("corrupt", "missing")  # other findings of a check are worth a look and no damage

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
    if camera is not None and not rows:
        _check_known(at, camera)
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


def _check_known(home: Home, camera: str) -> None:
    """Raises ConfigInvalid: the ledger has no such camera."""
    from cli.acting import newest, reading

    with reading(home) as reader:
        known = [each["id"] for each in newest(reader, "camera")]
    if camera not in known:
        here = f"the ledger knows {', '.join(known)}" if known else "the ledger knows none yet"
        raise ConfigInvalid(f"there is no camera {camera[:80]}", where="--camera", next_step=here)


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
    """Check every file of the store and every block of the ledger. Changes nothing; exit code 1 if damaged.

    A ledger on Fabric is its peers' to check; the store is then held against its own records and signed reads.
    """
    from cli.acting import reading_file
    from sdk.fsck import check_empty, check_store
    from sdk.home import snapshot
    from sdk.ledger import check_ledger

    at, settings = opened(home, config, writing=False)
    store = _store(at, settings)
    damage: list[str] = []
    with progress("checking", quiet=as_json) as report, snapshot(at) as copy:
        spooled = _spooled(copy)
        if at.profile is not None:
            found = list(check_store(store, None, spooled=spooled, progress=report)) if _has_any(store) else []
        else:
            problems = [str(each).replace(str(copy.databases), str(at.path)) for each in check_ledger(copy.ledger)]
            damage = [f"ledger: {problem}" for problem in problems]
            with reading_file(at, "checking") as reader:
                if _has_any(store):
                    found = list(check_store(store, reader, spooled=spooled, progress=report))
                else:
                    found = list(check_empty(store, reader, spooled=spooled))
    damage += [str(problem) for problem in found if problem.kind in _DAMAGE]
    remarks = [f"{problem} ({problem.kind})" for problem in found if problem.kind not in _DAMAGE]
    if as_json:
        raw(json.dumps({"sound": not damage, "damage": damage, "remarks": remarks}, indent=2) + "\n")
    else:
        result("DAMAGED" if damage else "SOUND", *damage, *remarks)
    if damage:
        raise typer.Exit(INTERNAL)


@app.command(epilog=examples("veriframe store reindex", "veriframe store reindex --home evidence"))
def reindex(home: HomeOption = None, config: ConfigOption = None) -> None:
    """Make the index anew from store and ledger."""
    from cli.acting import reading
    from sdk.index import rebuild

    at, settings = opened(home, config, writing=True)
    store = _store(at, settings, writing=True)
    total = max(1, len(_keys(store, "proof")))
    done = 0
    with progress("indexing") as report, reading(at) as reader:

        def told(key: str) -> None:
            nonlocal done
            done += 1
            report(done / total, key)

        problems = rebuild(at.index, store, reader, progress=told)
    result("INDEXED", f"{done} records", *problems)
    if problems:
        remark("What is named above was left out; `veriframe store fsck` says more.")


def _store(home: Home, settings: Settings, *, writing: bool = False) -> FileStore:
    from sdk.store import open_store

    return open_store(settings.store.url, base=home.path, writing=writing)


def _spooled(copy: Home) -> set[str]:
    """The proof files that still wait in the spool; `copy` is a private one, since opening a spool sweeps it."""
    from cli.acting import now_us
    from sdk.spool import Spool
    from sdk.store import proof_key

    found: set[str] = set()
    if (copy.spool / "spool.db").exists():
        with Spool(copy.spool, now=now_us) as spool:
            after = 0
            while rows := spool.unstored(after=after):
                found.update(proof_key(row.camera, row.chain, row.sequence) for row in rows)
                after = rows[-1].number
    return found


def _has_any(store: FileStore) -> bool:
    """Whether anything was ever stored: the folders are made by the first to write."""
    return (store.folder / "proof").is_dir()


def _keys(store: FileStore, area: str) -> list[str]:
    return list(store.list(area)) if _has_any(store) else []


giving_up.add_to(app)
