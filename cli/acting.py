"""Acting on a home's ledger: as whom, and with the openings of what is committed kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaincode.roles import in_words
from chaincode.table import TABLE
from cli.console import remark
from evidence.canonical import canonical, parse_canonical
from evidence.errors import ConfigInvalid
from evidence.genesis import Genesis
from sdk.acting import act_as, camera_entry, state_of
from sdk.home import Home, snapshot
from sdk.identities import Identity, identity_names, load_identity
from sdk.ledger import Committed, HomeLedger, LedgerReader, StateReader, read_ledger
from sdk.people import open_people


def now_us() -> int:
    """This machine's clock, Unix microseconds UTC."""
    return time.time_ns() // 1000


def identity_for(home: Home, function: str, name: str | None) -> Identity:
    """The identity that is to call `function`: the one named, else the only one here that the rules let.

    Raises:
        ConfigInvalid: no identity of that name; none or several here may do it.
    """
    if name is not None:
        return load_identity(home.identities, name)
    roles = TABLE[function].roles
    able = [each for each in _identities(home) if each.role in roles]
    if len(able) == 1:
        return able[0]
    who = in_words(roles)
    if not able:
        raise ConfigInvalid(
            f"no identity of this home may do this; it takes {who}",
            where=str(home.identities),
            next_step="register one: veriframe participant register --help",
        )
    names = ", ".join(each.name for each in able)
    raise ConfigInvalid(f"several identities of this home may do this: {names}", next_step="choose one with --as NAME")


def _identities(home: Home) -> list[Identity]:
    return [load_identity(home.identities, name) for name in identity_names(home.identities)]


@contextmanager
def ledger_as(home: Home, identity: Identity) -> Iterator[HomeLedger]:
    """The home's ledger, open for transactions of `identity`."""
    ledger = act_as(home, identity.name, now=now_us)
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def reading(home: Home) -> Iterator[StateReader]:
    """The home's ledger for looking only: a private copy, so that nothing in the home changes."""
    with state_of(home, now=now_us) as reader:
        yield reader


@contextmanager
def reading_file(home: Home, what: str) -> Iterator[LedgerReader]:
    """An embedded ledger for looking only, with receipts and blocks.

    Raises:
        ConfigInvalid: the home's ledger is a Fabric channel, where `what` is asked of peers.
    """
    if home.profile is not None:
        raise ConfigInvalid(
            f"{what} needs a ledger that is a file; this home's is a Fabric channel",
            where=str(home.path),
            next_step="ask the organisations' peers, see docs/operations/fabric.md",
        )
    with snapshot(home) as copy, read_ledger(f"sqlite:///{copy.ledger.absolute()}") as reader:
        yield reader


def call(home: Home, function: str, members: Mapping[str, object], *, name: str | None) -> tuple[Identity, Committed]:
    """Submit one transaction, and tell who did it."""
    identity = identity_for(home, function, name)
    with ledger_as(home, identity) as ledger:
        return identity, ledger.submit(function, canonical(dict(members)))


def committed_text(home: Home, text: str, *, subject: str, url: str | None = None) -> str:
    """Keep a text and give its commitment for the ledger, 64 hex digits.

    Args:
        url: of the database where texts are kept (`people.url` of the settings); None: a file of the home.
    """
    with open_people(home.people, url, now=now_us) as people:
        return people.commit(text, subject=subject).hex()


def opened_text(home: Home, commitment: str | None, *, url: str | None = None) -> str | None:
    """The text behind a commitment where this home holds it."""
    if commitment is None or (url is None and not home.people.exists()):
        return None
    with open_people(home.people, url, now=now_us) as people:
        opening = people.opening(bytes.fromhex(commitment))
    return None if opening is None else opening.text


def newest(reader: StateReader, kind: str) -> list[dict[str, Any]]:
    """The entry in force of every subject of a kind (`camera`, `participant`, `policy`), by id."""
    found: dict[str, dict[str, Any]] = {}
    for entry in reader.entries(f"{kind}/"):
        # Keys end in a ten-digit number and come in order, so the last of a subject is the one in force.
        found[entry.key.rsplit("/", 1)[0]] = parse_canonical(entry.value, f"{kind} entry", limit=1 << 20)
    return list(found.values())


def warn_without_recorder(home: Home, camera: str) -> None:
    """Say so where nobody could anchor what this camera records: only a recorder of its own site may."""
    with reading(home) as reader:
        entry = camera_entry(reader, camera)
        people = newest(reader, "participant")
    if entry is None:
        return
    room, site = entry.control_room, entry.site
    if not any(
        (each["role"], each["status"], each["site"], each["control_room"]) == ("RECORDER", "ACTIVE", site, room)
        for each in people
    ):
        remark(
            f"There is no recorder of site {site}, so nothing of camera {camera} can be anchored. Register one: "
            f"veriframe participant register NAME --role RECORDER --site {site} --control-room {room}"
        )


def every(reader: StateReader, prefix: str) -> list[dict[str, Any]]:
    """All entries under a prefix, oldest first, each with its ledger block."""
    return [
        {
            "block": entry.position.height if entry.position.height >= 0 else None,
            **parse_canonical(entry.value, "ledger entry", limit=1 << 20),
        }
        for entry in reader.entries(prefix)
    ]


def genesis_of(home: Home) -> Genesis:
    """The founding document of the home's ledger."""
    with reading(home) as reader:
        return reader.genesis
