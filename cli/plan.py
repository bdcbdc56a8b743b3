"""`veriframe plan`: what a number of cameras takes on a Fabric channel, before anything is bought."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import Annotated, Any

import typer

from cli.console import raw, remark, result, show
from cli.options import JsonOption, examples, make_app

app = make_app("Predict transactions, ledger and disks for a number of cameras on Fabric.")

SITE_CAMERAS = 100  # of one site, where nobody says how many sites there are


@app.command(
    epilog=examples("veriframe plan --cameras 16 --open", "veriframe plan --cameras 100000 --sites 1000 --json")
)
def plan(
    cameras: Annotated[int, typer.Option("--cameras", metavar="N", help="How many cameras.")],
    sites: Annotated[
        int | None, typer.Option("--sites", metavar="N", help="Sites with a recorder each; else one for 100 cameras.")
    ] = None,
    fps: Annotated[float, typer.Option("--fps", metavar="N", help="Pictures a second of each camera.")] = 25.0,
    segment_s: Annotated[float, typer.Option("--segment-s", metavar="SECONDS", help="Length of a segment.")] = 10.0,
    anchor_s: Annotated[
        float, typer.Option("--anchor-s", metavar="SECONDS", help="How often a recorder anchors.")
    ] = 60.0,
    sealed: Annotated[
        bool | None,
        typer.Option("--sealed/--open", help="One root for a batch, or every block; else as `anchoring: auto` does."),
    ] = None,
    samples: Annotated[float, typer.Option("--samples", metavar="N", help="Samples a second of each camera.")] = 1.0,
    peers: Annotated[int, typer.Option("--peers", metavar="N", help="Peers that keep the ledger.")] = 4,
    orderers: Annotated[int, typer.Option("--orderers", metavar="N", help="Orderers that keep it too.")] = 3,
    batch_timeout_ms: Annotated[
        int, typer.Option("--batch-timeout-ms", metavar="MS", help="How long orderers gather a block.")
    ] = 250,
    as_json: JsonOption = False,
) -> None:
    """Print rates, and bytes a day and a year for peers, orderers and the store. The video is not counted."""
    from sdk.plan import OPEN_CAMERAS, Load, plan

    places = max(1, math.ceil(cameras / SITE_CAMERAS)) if sites is None else sites
    load = Load(
        cameras=cameras,
        sites=places,
        pictures_per_s=fps,
        segment_s=segment_s,
        anchor_s=anchor_s,
        sealed=cameras > OPEN_CAMERAS * places if sealed is None else sealed,
        samples_per_s=samples,
        peers=peers,
        orderers=orderers,
        batch_timeout_ms=batch_timeout_ms,
    )
    found = plan(load)
    if as_json:
        more = ("pictures_per_s", "peer_year_bytes", "orderer_year_bytes", "store_year_bytes", "network_day_bytes")
        raw(json.dumps(asdict(found) | {name: getattr(found, name) for name in more}, indent=2) + "\n")
        return
    from rich.table import Table

    kind = "sealed: one root for each batch" if load.sealed else "open: every block on the ledger"
    result(f"{cameras} cameras at {places} {'site' if places == 1 else 'sites'}, {kind}")
    rates = Table("rate", "")
    rates.add_row("pictures anchored a second", f"{found.pictures_per_s:,.0f}")
    rates.add_row("transactions a second", f"{found.transactions_per_s:,.3g}")
    rates.add_row("segments in a transaction", f"{found.blocks_per_transaction:,.0f}")
    rates.add_row("ledger blocks a second", f"{found.ledger_blocks_per_s:,.3g}")
    rates.add_row("ledger bytes for a camera-second", f"{found.ledger_bytes_per_camera_s:,.3g}")
    show(rates)
    sizes = Table("disk", "a day", "a year")
    rows: tuple[tuple[str, Any, Any], ...] = (
        (f"each of {peers} peers", found.peer_day_bytes, found.peer_year_bytes),
        (f"each of {orderers} orderers", found.orderer_day_bytes, found.orderer_year_bytes),
        ("the store, beside the video", found.store_day_bytes, found.store_year_bytes),
    )
    for name, day, year in rows:
        sizes.add_row(name, _size(day), _size(year))
    show(sizes)
    remark(
        f"Assumed: segments of {segment_s:g} s, anchored every {anchor_s:g} s; {fps:g} pictures, {samples:g} samples a "
        "second; two endorsing organisations, P-256 certificates. Measured with Fabric 3.1.5 (docs/benchmarks.md)."
    )


def _size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000:
            return f"{size_bytes:.3g} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.3g} TB" if size_bytes < 1000 else f"{size_bytes:,.0f} TB"
