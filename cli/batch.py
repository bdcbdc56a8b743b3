"""`veriframe batch`: blocks under one root, and the auditor's word that their list was delivered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import raw, result
from cli.deciding import height, submitted, tabled
from cli.options import AsOption, ConfigOption, HomeOption, JsonOption, examples, make_app, opened
from evidence.errors import Malformed

if TYPE_CHECKING:
    from sdk.ledger import StateReader

app = make_app("Sealed batches: list them, and attest that their leaf lists were delivered.")


@app.command(
    epilog=examples(
        "veriframe batch attest leaves.json --as auditor",
        "veriframe batch attest leaves.json --as auditor --home evidence",
    )
)
def attest(
    leaves: Annotated[
        Path, typer.Argument(metavar="LEAVES", help="The leaf list; the recorder has it in store/batches/SITE.")
    ],
    acting: AsOption = None,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Attest that a batch's leaf list was delivered to you: from now on nobody can lose or exchange it unnoticed.

    The list is held against the root on the ledger first: what does not belong to it is not attested.
    """
    from cli.acting import reading
    from evidence.batches import batch_key, parse_batch
    from evidence.digests import sha256
    from evidence.errors import Refused
    from evidence.leaf_list import MAX_LEAF_LIST_BYTES, parse_leaf_list

    with leaves.open("rb") as file:
        data = file.read(MAX_LEAF_LIST_BYTES + 1)
    try:
        found = parse_leaf_list(data)
    except Malformed as error:
        error.where = error.where or str(leaves)
        raise
    at, _ = opened(home, config, writing=True)
    with reading(at) as reader:
        standing = reader.get(batch_key(found.site, found.recorder, found.batch))
    name = f"batch {found.batch} of {found.recorder} at {found.site}"
    if standing is None:
        raise Refused(f"{name} is not on this ledger", reason="not_found", next_step="veriframe batch list")
    if not found.belongs_to(parse_batch(standing.value)):
        raise Malformed(
            f"this is not the leaf list of {name}: it gives another root", where=str(leaves),
            next_step="ask the recorder for the list again, and do not attest this one",
        )  # fmt: skip
    digest = sha256(data).hex()
    members = {"site": found.site, "recorder": found.recorder, "batch": found.batch, "leaves": digest}
    who, answer = submitted(home, config, acting, "attest_leaves", members)
    result("ATTESTED" if answer.get("attested") else "ATTESTED BEFORE", f"{name}, leaf list {digest}, by {who}")


@app.command("list", epilog=examples("veriframe batch list", "veriframe batch list --json"))
def list_batches(home: HomeOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List sealed batches, and who attested their leaf lists. Changes nothing."""
    from cli.acting import looking

    at, settings = opened(home, config, writing=False)
    with looking(at, settings.people.url) as (reader, words):
        found = list(_batches(reader))
    if as_json:
        raw(json.dumps({"batches": found}, indent=2) + "\n")
        return
    rows = [
        (
            each["site"], words.who(each["recorder"]), str(each["batch"]), str(each["blocks"]),
            height(each["anchored_in"]), ", ".join(words.who(one["by"]) for one in each["attested"]),
        )
        for each in found
    ]  # fmt: skip
    columns = ("site", "recorder", "batch", "blocks", "ledger block", "attested by")
    tabled(rows, columns, f"{len(found)} {'batch' if len(found) == 1 else 'batches'}")


def _batches(reader: StateReader) -> Iterator[dict[str, Any]]:
    from cli.acting import every, ledger_block
    from evidence.batches import parse_batch

    for entry in reader.entries("root/"):
        batch = parse_batch(entry.value)
        attested = every(reader, f"attested/{batch.site}/{batch.recorder}/{batch.batch:010d}/")
        yield {
            "site": batch.site, "recorder": batch.recorder, "batch": batch.batch, "blocks": batch.count,
            "root": batch.root.hex(), "anchored_in": ledger_block(entry),
            "attested": [{"by": each["by"], "leaves": each["leaves"]} for each in attested],
        }  # fmt: skip
