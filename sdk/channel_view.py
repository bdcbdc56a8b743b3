"""The state of a Fabric ledger for looking at, as the contract shows it to one identity.

The same members as the embedded ledger's reader, as far as clients need them. It is the word of the gateway's peer and
proves nothing; where an entry was written, it does not say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from chaincode.reader import LedgerEntry
from evidence.canonical import Fields, canonical, parse_canonical
from evidence.digests import parse_digest
from evidence.errors import ConfigInvalid, LedgerUnavailable, Malformed, Refused
from evidence.genesis import Genesis, parse_genesis
from evidence.proof_ranges import KeyRange, owner_of, whole_range
from evidence.registry import Position, numbered_key, parse_participant_entry
from sdk.channel_word import tip
from sdk.database import translated
from sdk.fabric_reads import plain_entries
from sdk.gateway_blocking import BlockingGateway
from sdk.keys import replace_file
from sdk.ledger import StateReader

T = TypeVar("T")

UNKNOWN = Position(-1, 0)
"""Where an entry stands that a plain question showed."""

_QUESTION_S = 5.0  # longer than a busy peer takes, short enough to notice that the network is away
_PAGE = 500
_MAX_PAGES = 4000
# Roles that the contract shows no ranges, see the table: they ask for lists, which hold the newest entries only.
_LISTS_ONLY = frozenset({"ADMIN", "LAS"})
# Kind -> the question that lists its subjects' newest entries, and the member that names a subject.
_LISTS: Mapping[str, tuple[str, str]] = {
    "camera": ("find_cameras", "id"),
    "participant": ("find_participants", "id"),
    "incident": ("find_incidents", "incident"),
    "request": ("find_requests", "request"),
    "verification": ("find_verifications", "verification"),
    "exhibit": ("find_exhibits", "exhibit"),
    "lock": ("find_locks", "lock"),
    "delegation": ("find_delegations", "participant"),
    "pending": ("find_pending", "arguments"),
}
# Kind -> the question that lists all entries of one subject, and the argument that names it.
_HISTORIES: Mapping[str, tuple[str, str]] = {
    "camera": ("history_camera", "camera"),
    "participant": ("history_participant", "participant"),
    "policy": ("history_policy", "control_room"),
    "incident": ("history_incident", "incident"),
    "request": ("history_request", "request"),
    "verification": ("history_verification", "verification"),
    "lock": ("history_lock", "lock"),
    "recommendation": ("find_recommendations", "camera"),
    "maintenance": ("find_maintenance", "camera"),
    "grant": ("find_grants", "camera"),
}


def question_s(gateway: BlockingGateway) -> float:
    """How long a plain question may take, seconds."""
    return min(_QUESTION_S, gateway.profile.deadlines.evaluate_s)


class ChannelView:
    """A channel's state through the contract's questions, asked with one gateway client. Thread-safe as that is."""

    def __init__(self, gateway: BlockingGateway, *, patient: bool = False) -> None:
        """`patient`: questions may take as long as the profile says."""
        self._gateway = gateway
        self._timeout_s = None if patient else question_s(gateway)
        self._endorser = _Asking(gateway, self._timeout_s)

    @cached_property
    def genesis(self) -> Genesis:
        return parse_genesis(canonical(self._ask("get_genesis", {}).get("genesis")))

    @property
    def height(self) -> int:
        return self.newest_block()[0]

    def newest_block(self) -> tuple[int, bytes]:
        return tip(self._gateway, timeout_s=self._timeout_s)

    def get(self, key: str) -> LedgerEntry | None:
        if key.startswith("key/"):
            return self._holder(key)
        # In the order of keys nothing stands between a key and that key with a dash behind it.
        return next((each for each in self._range(KeyRange(key, f"{key}-")) if each.key == key), None)

    def _holder(self, key: str) -> LedgerEntry | None:
        """Whose key it is, of those that act: the contract lists participants, not keys."""
        for each in self._listed("participant/"):
            entry = parse_canonical(each.value, "participant entry")
            if entry.get("key") == key.removeprefix("key/"):
                return LedgerEntry(UNKNOWN, key, canonical({"participant": entry["id"]}))
        return None

    def entries(self, prefix: str = "", *, first: str = "", last: str = "") -> tuple[LedgerEntry, ...]:
        """What stands under every key with `prefix` (ending in a slash), in key order.

        Args:
            first, last: narrow it to first <= key <= last.

        Raises:
            Refused: not shown to this identity. ConfigInvalid: the contract has no question for it.
            LedgerUnavailable, Malformed.
        """
        whole = KeyRange(prefix, f"{prefix[:-1]}0")
        if not prefix.endswith("/"):
            raise _no_question(prefix)
        if prefix == "root/":
            return tuple(_narrowed(self._batches(), first, last))
        try:
            owner_of(whole)
        except Malformed:
            return tuple(_narrowed(self._listed(prefix), first, last))
        if self._gateway.identity.role in _LISTS_ONLY:
            return tuple(_narrowed(self._listed(prefix), first, last))
        start, end = max(whole.start, first), min(whole.end, f"{last}-") if last else whole.end
        return tuple(self._range(KeyRange(start, end))) if start < end else ()

    def _batches(self) -> Iterator[LedgerEntry]:
        """Sealed batches of every recorder whose batches are shown to this identity."""
        people = [parse_participant_entry(each.value) for each in self._listed("participant/")]
        for site, recorder in sorted((each.site or "", each.id) for each in people if each.role == "RECORDER"):
            try:
                yield from self._range(whole_range("root", site, recorder))
            except Refused as error:
                if error.reason != "denied":
                    raise

    def _range(self, asked: KeyRange) -> Iterator[LedgerEntry]:
        try:
            found = plain_entries(self._endorser, asked)
        except Refused as error:
            if error.reason == "not_found":
                return  # there is no such camera or recorder, so nothing stands there
            raise
        for key, value in found:
            yield LedgerEntry(UNKNOWN, key, value)

    def _listed(self, prefix: str) -> Iterator[LedgerEntry]:
        """Entries that the contract hands out as lists: all of one subject, or the newest of each."""
        kind, _, subject = prefix[:-1].partition("/")
        known, name = (_HISTORIES if subject else _LISTS).get(kind, ("", ""))
        members: dict[str, object] = {name: subject} if subject else {}
        if kind == "attested" and subject.count("/") == 2:
            known, (site, recorder, batch) = "find_attestations", subject.split("/")
            members = {"site": site, "recorder": recorder, "batch": int(batch)}
        elif not known or "/" in subject:
            raise _no_question(prefix)
        bookmark: str | None = None
        for _ in range(_MAX_PAGES):
            page = self._ask(known, {**members, "limit": _PAGE, **({} if bookmark is None else {"bookmark": bookmark})})
            try:
                numbers = [(item, subject or str(item[name]), int(item.get("n", 0))) for item in page["items"]]
                bookmark = page["next"]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise Malformed(f"the peer answered {known} with something else than a page of entries") from error
            for item, whose, number in numbers:
                yield LedgerEntry(UNKNOWN, numbered_key(kind, whose, number), canonical(item))
            if bookmark is None:
                return
        raise Malformed(f"the peer's answer to {known} does not end")

    def _ask(self, function: str, members: Mapping[str, object]) -> Any:
        data = self._gateway.evaluate(function, canonical(dict(members)), timeout_s=self._timeout_s)
        answer = parse_canonical(data, f"answer of {function}", limit=16 << 20)
        if not isinstance(answer, dict):
            raise Malformed(f"the peer answered {function} with something else than an object")
        return answer


def _narrowed(entries: Iterator[LedgerEntry], first: str, last: str) -> Iterator[LedgerEntry]:
    return (each for each in entries if each.key >= first and (not last or each.key <= last))


def _no_question(prefix: str) -> ConfigInvalid:
    return ConfigInvalid(
        f"on a Fabric ledger the contract has no question that lists {prefix or 'everything'}",
        next_step="use a command that names what you want to see",
    )


class _Asking:
    """A gateway client whose plain questions end within a stated time."""

    def __init__(self, gateway: BlockingGateway, timeout_s: float | None) -> None:
        self._gateway = gateway
        self._timeout_s = timeout_s
        self.propose = gateway.propose
        self.endorse = gateway.endorse

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        return self._gateway.evaluate(function, *arguments, timeout_s=self._timeout_s)


class RememberedView:
    """A view that keeps what recording needs to know, and answers from there while the network is away.

    Recording does not wait for the ledger: what is recorded under an approval that meanwhile ended is refused when it
    is anchored, and said then. Only what was asked before is known; single slots are never.
    """

    def __init__(self, view: StateReader, folder: Path, *, away: LedgerUnavailable | None = None) -> None:
        self._view = view
        self._folder = folder
        self._away = away  # once nobody answered, nobody is asked again

    @property
    def away(self) -> LedgerUnavailable | None:
        """Why the last answers came from memory; None where the ledger answered."""
        return self._away

    @property
    def genesis(self) -> Genesis:
        return parse_genesis(self._kept("genesis", lambda: self._view.genesis.canonical()))

    @property
    def height(self) -> int:
        return self.newest_block()[0]

    def newest_block(self) -> tuple[int, bytes]:
        def asked() -> bytes:
            height, digest = self._view.newest_block()
            return canonical({"height": height, "hash": digest.hex()})

        f = Fields(parse_canonical(self._kept("newest-block", asked), "newest block"), "newest block", _TIP)
        return f.integer("height"), parse_digest(f.raw("hash"), "newest block")

    def get(self, key: str) -> LedgerEntry | None:
        """What stands under a key; None also while the network is away."""
        found = self._live(lambda: self._view.get(key))
        return None if isinstance(found, LedgerUnavailable) else found

    def entries(self, prefix: str = "", *, first: str = "", last: str = "") -> tuple[LedgerEntry, ...]:
        def asked() -> bytes:
            found = self._view.entries(prefix, first=first, last=last)
            return canonical([[each.key, each.value.decode("utf-8")] for each in found])

        rows = parse_canonical(
            self._kept("\n".join((prefix, first, last)), asked), "remembered entries", limit=64 << 20
        )
        return tuple(LedgerEntry(UNKNOWN, str(key), str(value).encode("utf-8")) for key, value in rows)

    def _live(self, asked: Callable[[], T]) -> T | LedgerUnavailable:
        if self._away is not None:
            return self._away
        try:
            return asked()
        except LedgerUnavailable as error:
            self._away = error
            return error

    def _kept(self, what: str, asked: Callable[[], bytes]) -> bytes:
        path = self._folder / hashlib.sha256(what.encode("utf-8")).hexdigest()[:32]
        found = self._live(asked)
        if isinstance(found, bytes):
            with translated(self._folder, "the home"):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                if not path.exists() or path.read_bytes() != found:
                    replace_file(path, found)  # several recorders of a home may do this at once
            return found
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise found from None


_TIP = ("height", "hash")
