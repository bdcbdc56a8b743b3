"""`veriframe store give-up`: stop waiting for what can never be anchored, with a lasting note of why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import remark, result
from cli.options import ConfigOption, HomeOption, examples, opened
from evidence.errors import ConfigInvalid

if TYPE_CHECKING:
    from sdk.sealed import Row


def give_up(
    camera: Annotated[str, typer.Option(help="The camera that they are footage of.")],
    reason: Annotated[str, typer.Option(help="Why. It stands in the note of each, in this home.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only name them.")] = False,
    home: HomeOption = None,
    config: ConfigOption = None,
) -> None:
    """Give up anchoring what was sealed under a key that has been revoked since: no ledger ever takes it.

    Footage and proof files stay in the store; a note of each record stays in spool/given-up. Such a file can then be
    recorded anew, under the camera's new key.
    """
    from cli.acting import now_us, reading
    from sdk import giving_up
    from sdk.acting import camera_entry
    from sdk.spool import Spool
    from sdk.store import open_store, proof_key

    at, settings = opened(home, config, writing=True)
    with reading(at) as reader, Spool(at.spool, now=now_us) as spool, spool.hold(camera):
        if camera_entry(reader, camera) is None:
            raise ConfigInvalid(f"there is no camera {camera} on this ledger", next_step="veriframe camera list")
        found = giving_up.unanchorable(spool, reader, camera)
        if not found:
            result("NOTHING", f"nothing of camera {camera} waits under a revoked key")
            return
        store = open_store(settings.store.url, base=at.path, writing=False)
        _check_stored([row for row in found if not store.exists(proof_key(row.camera, row.chain, row.sequence))])
        if dry_run:
            result("UNANCHORABLE", *(row.name for row in found))
            return
        notes = giving_up.give_up(spool, found, reason=reason, now_us=now_us())
    result("GIVEN UP", f"{len(notes)} records of camera {camera} will not be anchored; their footage is kept")
    remark(f"a note of each is in {at.spool / giving_up.FOLDER}")


def _check_stored(lacking: list[Row]) -> None:
    """Raises ConfigInvalid where footage is in the spool only: giving up would lose it."""
    if lacking:
        raise ConfigInvalid(
            f"{len(lacking)} of these records are not in the store yet, the first is {lacking[0].name}",
            next_step="store them first: every `veriframe sample` does",
        )


def add_to(app: typer.Typer) -> None:
    """Register this command with `veriframe store`."""
    words = 'veriframe store give-up --camera gate-1 --reason "key stolen"'
    app.command("give-up", epilog=examples(words, f"{words} --dry-run"))(give_up)
