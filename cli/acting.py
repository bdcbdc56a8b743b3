"""Acting on a home's ledger: as whom, and with the openings of what is committed kept."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from chaincode.reader import LedgerEntry
from chaincode.roles import in_words
from chaincode.table import TABLE
from cli.console import remark
from evidence.canonical import canonical, parse_canonical
from evidence.errors import ConfigInvalid
from evidence.genesis import Genesis
from sdk.acting import act_as, camera_entry, participant_of, recording_state, state_of
from sdk.home import Home, snapshot
from sdk.identities import Identity, identity_names, load_identity
from sdk.ledger import Committed, HomeLedger, LedgerReader, StateReader, read_ledger
from sdk.people import Openings, open_people

_NAMED = 4  # identities that a message lists


def now_us() -> int:
    """This machine's clock, Unix microseconds UTC."""
    return time.time_ns() // 1000


def identity_for(home: Home, function: str, name: str | None, *, anybody: bool = False) -> Identity:
    """The identity that is to call `function`: the one named, else the only one (`anybody`: the first) here that may.

    Raises:
        ConfigInvalid: no identity of that name; none or several here may do it.
    """
    if name is not None:
        return load_identity(home.identities, name)
    roles = TABLE[function].roles
    able = [each for each in _identities(home) if each.role in roles]
    if len(able) == 1 or (able and anybody):
        return able[0]
    who = in_words(roles)
    if not able:
        raise ConfigInvalid(
            f"no identity of this home may do this; it takes {who}",
            where=str(home.identities),
            next_step="register one: veriframe participant register --help",
        )
    names = ", ".join(each.name for each in able[:_NAMED])
    if len(able) > _NAMED:
        names += f" and {len(able) - _NAMED} more"
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


def participant_id(home: Home, name: str) -> str:
    """The pseudonym behind an identity of this home: founding ADMINs are registered under ids made from their keys.

    Any other name is taken for a pseudonym.
    """
    if name not in identity_names(home.identities):
        return name
    with reading(home) as reader:
        entry = participant_of(home, reader, name)
    return name if entry is None else entry.id


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


class Words:
    """The texts behind commitments and the names behind pseudonyms, as far as the caller's database has them."""

    def __init__(self, people: Openings | None) -> None:
        self._people = people
        self.names: Mapping[str, str] = {} if people is None else people.names()

    def text(self, commitment: str | None) -> str:
        """The text behind a commitment of 64 hex digits; empty where there is no commitment."""
        if not commitment:
            return ""
        opening = None if self._people is None else self._people.opening(bytes.fromhex(commitment))
        return "(not known here)" if opening is None else opening.text

    def who(self, pseudonym: str | None) -> str:
        """A pseudonym, with the name behind it where that is known."""
        name = self.names.get(pseudonym or "")
        return f"{pseudonym} ({name})" if name else pseudonym or ""


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


@contextmanager
def looking(home: Home, url: str | None) -> Iterator[tuple[StateReader, Words]]:
    """The home's ledger and words for looking only, see `reading`."""
    with reading(home) as reader, snapshot(home, only=("people.db",)) as copy, ExitStack() as stack:
        kept = url is not None or copy.people.exists()
        people = stack.enter_context(open_people(copy.people, url, now=now_us)) if kept else None
        yield reader, Words(people)


def newest(reader: StateReader, kind: str) -> list[dict[str, Any]]:
    """The entry in force of every subject of a kind (`camera`, `participant`, `policy`), with its ledger block."""
    return newest_below(reader, f"{kind}/")


def newest_below(reader: StateReader, prefix: str) -> list[dict[str, Any]]:
    """The newest entry of every subject under a prefix, in the order of their keys."""
    found: dict[str, dict[str, Any]] = {}
    for entry in reader.entries(prefix):
        # Keys end in a ten-digit number and come in order, so the last of a subject is the one in force.
        found[entry.key.rsplit("/", 1)[0]] = _read(entry)
    return list(found.values())


def warn_without_recorder(home: Home, *cameras: str) -> None:
    """Say so where nobody could anchor what these cameras record: only a recorder of a camera's own site may."""
    with recording_state(home, now=now_us) as reader:
        entries = [camera_entry(reader, camera) for camera in cameras]
        people = newest(reader, "participant")
    manned = {(each["site"], each["control_room"]) for each in people if _records(each)}
    lacking: dict[tuple[str, str], list[str]] = {}
    for entry in entries:
        if entry is not None and (entry.site, entry.control_room) not in manned:
            lacking.setdefault((entry.site, entry.control_room), []).append(entry.id)
    for (site, room), ids in lacking.items():
        which = f"camera {ids[0]}" if len(ids) == 1 else f"its {len(ids)} cameras"
        remark(
            f"There is no recorder of site {site}, so nothing of {which} can be anchored. Register one: "
            f"veriframe participant register NAME --role RECORDER --site {site} --control-room {room}"
        )


def _records(participant: Mapping[str, Any]) -> bool:
    """Whether the participant may anchor now."""
    ends_us = participant["valid_until_us"]
    return (participant["role"], participant["status"]) == ("RECORDER", "ACTIVE") and (
        ends_us is None or ends_us > now_us()
    )


def every(reader: StateReader, prefix: str) -> list[dict[str, Any]]:
    """All entries under a prefix, oldest first, each with its ledger block."""
    return [_read(entry) for entry in reader.entries(prefix)]


def ledger_block(entry: LedgerEntry) -> int | None:
    """The ledger block that an entry stands in; None on Fabric, where the contract does not say it."""
    return entry.position.height if entry.position.height >= 0 else None


def _read(entry: LedgerEntry) -> dict[str, Any]:
    return {"block": ledger_block(entry), **parse_canonical(entry.value, "ledger entry", limit=1 << 20)}


def genesis_of(home: Home) -> Genesis:
    """The founding document of the home's ledger."""
    with reading(home) as reader:
        return reader.genesis
