"""What may be asked of the ledger, by whom, in pages.

Nothing here is proof: proofs are made from the ledger's own blocks. Organisations that keep the ledger could read all
of it anyway; these rules say what the contract itself hands out to whom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from chaincode import entries
from chaincode.access import keeps, sees_by_grant
from chaincode.arguments import Arguments
from chaincode.rule import refuse
from chaincode.world import World, prefix_range
from evidence.batches import batch_key
from evidence.blocks import slot_key
from evidence.canonical import parse_canonical
from evidence.errors import Malformed
from evidence.genesis import MAX_GENESIS_BYTES, parse_genesis
from evidence.records import MAX_SLOT_NUMBER
from evidence.registry import CameraEntry, ParticipantEntry, parse_camera_entry

DEFAULT_PAGE = 100
MAX_PAGE = 1000
# Keys that one page may look at, found or not: on Fabric a scan stops silently at 100,000.
MAX_SCANNED = 20_000

Row = tuple[str, bytes]
T = TypeVar("T")


def get_genesis(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    data = found(world.get(entries.GENESIS_KEY), "genesis document")
    with entries.stored(entries.GENESIS_KEY):
        digest = parse_genesis(data).digest
    return {"digest": digest.hex(), "genesis": _json(data, MAX_GENESIS_BYTES)}


def get_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return _json(visible_camera(world, actor, arguments.text("camera"), blocks=False).canonical())


def find_cameras(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    status, site = arguments.maybe_text("status"), arguments.maybe_text("site")

    def select(row: Row) -> object | None:
        with entries.stored(row[0]):
            camera = parse_camera_entry(row[1])
        wanted = status in (None, camera.status) and site in (None, camera.site)
        return _json(row[1]) if wanted and _sees(world, actor, camera, blocks=False) else None

    return page(world, prefix_range("camera/"), arguments, select, group=newest_of_each)


def history_camera(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=False)
    return page(world, prefix_range(f"camera/{camera.id}/"), arguments, value_of)


def get_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    subject = arguments.text("participant")
    return _json(found(entries.newest(world, "participant", subject), f"participant {subject}")[1])


def find_participants(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    wanted = {name: arguments.maybe_text(name) for name in ("status", "role")}

    def select(row: Row) -> object | None:
        entry = _json(row[1])
        return entry if all(value in (None, entry.get(name)) for name, value in wanted.items()) else None

    return page(world, prefix_range("participant/"), arguments, select, group=newest_of_each)


def history_participant(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return page(world, prefix_range(f"participant/{arguments.text('participant')}/"), arguments, value_of)


def history_policy(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    return page(world, prefix_range(f"policy/{arguments.text('control_room')}/"), arguments, value_of)


def get_block(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=True)
    chain, sequence = slot_number(arguments, "chain"), slot_number(arguments, "sequence")
    return _json(found(world.get(slot_key(camera.id, chain, sequence)), f"block {sequence} in chain {chain}"))


def find_blocks(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=True)
    chain = slot_number(arguments, "chain")
    first = slot_number(arguments, "first") if arguments.has("first") else 0
    # The chain's own last possible key, and just behind it.
    span = (slot_key(camera.id, chain, first), prefix_range(f"block/{camera.id}/{chain:010d}/")[1])
    return page(world, span, arguments, value_of)


def find_chains(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    camera = visible_camera(world, actor, arguments.text("camera"), blocks=True)

    def select(row: Row) -> object:
        return {"chain": entries.number_of(row[0]), **_json(row[1])}

    return page(world, prefix_range(f"chain/{camera.id}/"), arguments, select)


def get_batch(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    site, recorder = arguments.text("site"), arguments.text("recorder")
    visible_recorder(world, actor, recorder)
    number = slot_number(arguments, "batch")
    return _json(found(world.get(batch_key(site, recorder, number)), f"batch {number} of {recorder}"), 1 << 20)


def find_batches(world: World, actor: ParticipantEntry, arguments: Arguments) -> object:
    site, recorder = arguments.text("site"), arguments.text("recorder")
    visible_recorder(world, actor, recorder)
    return page(world, prefix_range(f"root/{site}/{recorder}/"), arguments, value_of)


def _sees(world: World, actor: ParticipantEntry, camera: CameraEntry, *, blocks: bool) -> bool:
    """Tell whether the contract shows `actor` this camera, or (`blocks`) what was anchored for it."""
    if keeps(actor, camera):
        return True
    if actor.role == "LAS":
        return not blocks
    return actor.role in ("PO", "PCRO") and sees_by_grant(world, actor, camera.id)


def visible_camera(world: World, actor: ParticipantEntry, subject: str, *, blocks: bool) -> CameraEntry:
    """The camera in force, where it (or, `blocks`, what was anchored for it) is shown to `actor`. Raises Refused."""
    camera = found(entries.camera(world, subject), f"camera {subject}")
    if not _sees(world, actor, camera, blocks=blocks):
        of_room = f"a control room manager (CRM) of {camera.control_room}"
        holder = of_room if camera.owner is None else f"its owner ({camera.owner})"
        raise refuse(
            "denied",
            f"{'what was anchored for a camera' if blocks else 'a camera'} is shown to its control room, its owner, "
            f"auditors{'' if blocks else ', the local authority'}, and police who were granted it or have requested it",
            f"{holder} can grant it to you (grant_access), or request its footage (request_footage)",
        )
    return camera


def visible_recorder(world: World, actor: ParticipantEntry, recorder: str) -> None:
    """Raises Refused where there is no such recorder, or its batches are not shown to `actor`."""
    entry = found(entries.participant(world, recorder), f"recorder {recorder}")
    if actor.role != "AUDITOR" and (actor.control_room is None or actor.control_room != entry.control_room):
        raise refuse(
            "denied",
            "sealed batches are shown to the recorder's control room and to auditors",
            f"an operator of {entry.control_room} or an auditor can do this",
        )


def newest_of_each(rows: Iterator[Row]) -> Iterator[tuple[str, Row | None]]:
    """Numbered entries -> one row for each subject, its newest, under the key of the subject's first one.

    Yields (key to begin at to see this subject again, row or None while a subject is still being read).
    """
    first, last = "", None
    for key, value in rows:
        if last is not None and key[:-10] != last[0][:-10]:
            yield first, last
            last = None
        if last is None:
            first = key
        last = (key, value)
    if last is not None:
        yield first, last


def _each_row(rows: Iterator[Row]) -> Iterator[tuple[str, Row | None]]:
    for row in rows:
        yield row[0], row


def page(
    world: World,
    span: tuple[str, str],
    arguments: Arguments,
    select: Callable[[Row], object | None],
    *,
    group: Callable[[Iterator[Row]], Iterator[tuple[str, Row | None]]] = _each_row,
) -> object:
    """At most `limit` of what `select` makes of the rows in `span`, and the bookmark at which the next page begins.

    A page may hold fewer, even none, and still name a bookmark: what it may look at is limited too.
    """
    limit = arguments.maybe_number("limit") or DEFAULT_PAGE
    if limit > MAX_PAGE:
        raise Malformed(f"'limit' is larger than {MAX_PAGE}")
    start, end = span
    bookmark = arguments.maybe_text("bookmark")
    if bookmark is not None:
        if not start <= bookmark < end:
            raise Malformed("'bookmark' belongs to another question")
        start = bookmark
    items: list[object] = []
    for seen, (key, row) in enumerate(group(world.scan(start, end))):
        if len(items) == limit or seen == MAX_SCANNED:
            return {"items": items, "next": key}
        item = None if row is None else select(row)
        if item is not None:
            items.append(item)
    return {"items": items, "next": None}


def value_of(row: Row) -> object:
    """What an entry says."""
    return _json(row[1], 1 << 20)


def _json(data: bytes, limit: int = 64 << 10) -> dict[str, object]:
    with entries.stored("state"):
        value = parse_canonical(data, "ledger entry", limit=limit)
        if not isinstance(value, dict):
            raise Malformed("ledger entry is not a JSON object")
    return value


def slot_number(arguments: Arguments, name: str) -> int:
    """A number that fits into ten digits. Raises Malformed."""
    number = arguments.number(name)
    if number > MAX_SLOT_NUMBER:
        raise Malformed(f"{name!r} is larger than {MAX_SLOT_NUMBER}")
    return number


def found(value: T | None, what: str) -> T:
    """`value`, which must be there. Raises Refused."""
    if value is None:
        raise refuse("not_found", f"there is no {what} on this ledger")
    return value
