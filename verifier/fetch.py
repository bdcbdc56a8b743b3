"""Opens a home or a ledger for reading, and changes nothing: the one place where the verifier meets custody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from evidence.errors import ConfigInvalid, Malformed, ObjectCorrupt, ObjectMissing
from evidence.fabric_configuration import FabricConfiguration
from evidence.fabric_read import MAX_READ_BYTES, SignedRead
from evidence.fabric_receipt import FullReceipt
from evidence.leaf_list import MAX_LEAF_LIST_BYTES
from evidence.ledger_format import LedgerBlock, Receipt
from evidence.proof_file import MAX_PROOF_FILE_BYTES
from evidence.registry import Position
from evidence.trust import MAX_TRUST_BYTES, FabricTrust, Trust, parse_trust
from sdk.home import Home, open_home, snapshot
from sdk.index import Index
from sdk.ledger import LedgerReader, read_ledger
from sdk.settings import load
from sdk.spool import Spool
from sdk.store import Store, batch_file_key, get_bytes, open_store, proof_key
from verifier.bundle import SlotName
from verifier.court import own_word
from verifier.fabric_source import FabricSource, Fresh, Full

_MAX_ROOTS = 1 << 20
_PROOF_NAME = re.compile(r"proof/([a-z0-9][a-z0-9-]{0,62})/([0-9]{10})-([0-9]{10})")

Opened = TypeVar("Opened", Index, Spool)


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """What a home keeps beside its ledger: store, spool and index; the first half of `verifier.source.Source`.

    `index` and `spool` are None where the home has none, or where they cannot be read: both can be done without.
    """

    store: Store | None = None
    index: Index | None = None
    spool: Spool | None = None

    @property
    def has_store(self) -> bool:
        return self.store is not None

    def proof(self, slot: SlotName) -> bytes | None:
        if self.store is not None:
            try:
                return get_bytes(self.store, proof_key(*slot), limit=MAX_PROOF_FILE_BYTES)
            except ObjectMissing:
                pass
        row = None if self.spool is None else self.spool.row(*slot)
        return None if row is None else row.proof

    def stored(self) -> Sequence[SlotName]:
        found: set[SlotName] = set()
        for key in () if self.store is None else self.store.list("proof"):
            match = _PROOF_NAME.fullmatch(key)
            if match is not None:
                found.add((match[1], int(match[2]), int(match[3])))
        after = 0
        while self.spool is not None and (rows := self.spool.unstored(after=after)):
            after = rows[-1].number
            found.update((row.camera, row.chain, row.sequence) for row in rows)
        return sorted(found)

    def hints(self, digests: Iterable[bytes]) -> Iterable[SlotName]:
        if self.index is None:
            return ()
        try:
            return {(hit.camera, hit.chain, hit.sequence) for hit in self.index.find(digests)}
        except Malformed:
            return ()

    def batch_hints(self, slot: SlotName) -> Iterable[tuple[str, str, int]]:
        if self.index is None:
            return ()
        try:
            return self.index.batches_of(*slot)
        except Malformed:
            return ()

    def leaf_list(self, site: str, recorder: str, batch: int) -> bytes | None:
        if self.store is None:
            return None
        try:
            return get_bytes(self.store, batch_file_key(site, recorder, batch), limit=MAX_LEAF_LIST_BYTES)
        except (ObjectMissing, ObjectCorrupt):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeSource(Custody):
    """An embedded ledger, and where there is a home also what it keeps."""

    reader: LedgerReader

    @property
    def ledger_id(self) -> str:
        return self.reader.genesis.ledger_id

    @property
    def own_trust(self) -> Trust:
        return own_word(self.reader.genesis)

    @property
    def genesis(self) -> bytes:
        return self.reader.genesis.canonical()

    @property
    def height(self) -> int:
        return self.reader.height

    @property
    def reads(self) -> tuple[SignedRead, ...]:
        return ()

    @property
    def configuration(self) -> FabricConfiguration | None:
        return None

    def full_receipt(self, position: Position) -> FullReceipt | None:
        return None

    @property
    def authorities(self) -> tuple[bytes, ...]:
        return ()

    def entries(self, prefix: str, *, first: str = "", last: str = "") -> Iterable[tuple[Position, str, bytes]]:
        return self.reader.proven_entries(prefix, first=first, last=last)

    def entry(self, key: str) -> tuple[Position, str, bytes] | None:
        return self.reader.proven_get(key)

    def believe(self, trust: Trust | None) -> None:
        """One ledger says one thing."""

    def prepare(self, camera: str, chain: int, first: int, last: int) -> None:
        """All of it is at hand."""

    def shown(self, key: str, position: Position) -> Receipt:
        return self.reader.receipt_at(position)

    def block(self, height: int) -> LedgerBlock:
        return self.reader.block(height)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChannel:
    """A Fabric channel that is to be asked now, beside what a home keeps.

    Attributes:
        profile: how it is reached.
        home: whose store is looked into; None: the channel alone.
        identity: a folder with the certificate and key that ask; None: `name` of the home's wallet, or whoever of it
            is shown most.
        full: also fetch the blocks in which what is shown was written, and the channel's configuration.
        now: Unix microseconds.
    """

    profile: Path
    home: Path | None
    identity: Path | None = None
    name: str | None = None
    full: bool = False
    now: Callable[[], int]


@contextmanager
def open_source(where: Path | str | OnChannel) -> Iterator[HomeSource | FabricSource]:
    """Open a home (a path) or a ledger (its URL, or a channel) for reading; databases are copied with their journals
    and only the copies are opened.

    Raises:
        ConfigInvalid: no home there, or no such kind of ledger. Malformed: what is there cannot be read.
        StoreUnavailable, LedgerUnavailable.
    """
    with ExitStack() as stack:
        if isinstance(where, str):
            yield HomeSource(reader=stack.enter_context(read_ledger(where)))
            return
        if isinstance(where, OnChannel):
            yield _channel(stack, where)
            return
        home = open_home(where, writing=False)
        if home.profile is not None:
            yield _kept(stack, home)
            return
        copy = stack.enter_context(snapshot(home))
        if not copy.ledger.exists():
            raise Malformed(
                "the home has lost its ledger", where=str(home.ledger), next_step="restore it from a back-up"
            )
        reader = stack.enter_context(read_ledger(f"sqlite:///{copy.ledger}"))
        custody = _custody(stack, home, copy)
        yield HomeSource(reader=reader, store=custody.store, index=custody.index, spool=custody.spool)


def _custody(stack: ExitStack, home: Home, copy: Home) -> Custody:
    return Custody(
        store=_store(home),
        index=_optional(stack, lambda: Index(copy.index) if copy.index.exists() else None),
        spool=_optional(stack, lambda: _spool(copy)),
    )


def _kept(
    stack: ExitStack, home: Home, fresh: Fresh | None = None, full: Full | None = None,
    configuration: FabricConfiguration | None = None, founding: Callable[[], Iterable[bytes]] | None = None,
) -> FabricSource:  # fmt: skip
    """A home on a channel, as its kept signed reads show the ledger; with `fresh` ones where the network is asked."""
    custody = _custody(stack, home, stack.enter_context(snapshot(home)))
    return FabricSource(
        home.ledger_id, custody, kept=_KeptReads(custody.store, founding), fresh=fresh, full=full,
        configuration=configuration, own=lambda: own_channel(home), authorities=_authorities(home),
    )  # fmt: skip


def _channel(stack: ExitStack, where: OnChannel) -> FabricSource:
    # What reaches a channel is needed by those alone who ask one.
    from sdk.channel_reads import asking

    home = None if where.home is None else open_home(where.home, writing=False)
    reads = stack.enter_context(
        asking(home, where.profile, identity=where.identity, name=where.name, now=where.now)
    )  # fmt: skip
    full, configuration = (reads.full, reads.configuration()) if where.full else (None, None)
    if home is None:
        return FabricSource(
            reads.ledger_id, Custody(), kept=_KeptReads(None, reads.founding), fresh=reads.take, full=full,
            configuration=configuration,
        )  # fmt: skip
    if home.profile is None or home.ledger_id != reads.ledger_id:
        raise ConfigInvalid(
            "this home's ledger is another one than the channel that is to be asked",
            where=str(home.path),
            next_step="leave --ledger out, or name the profile of the home's own channel",
        )
    source = _kept(stack, home, reads.take, full, configuration, reads.founding)
    reads.hints = source.batch_hints
    return source


class _KeptReads:
    """The signed reads in a home's store; where there are none, the founding as the network signs it now."""

    def __init__(self, store: Store | None, founding: Callable[[], Iterable[bytes]] | None = None) -> None:
        self._store = store
        self._founding = founding

    def __call__(self, camera: str | None) -> Iterator[bytes]:
        """All that are kept for a camera; without a name the newest of each, which show the founding as well."""
        keys = [] if self._store is None else list(self._store.list("reads"))
        of: dict[str, list[str]] = {}
        for key in keys:
            of.setdefault(key.split("/")[1], []).append(key)
        wanted = [each[-1] for each in of.values()] if camera is None else of.get(camera, [])
        if camera is None and not wanted and self._founding is not None:
            yield from self._founding()
        for key in wanted:
            assert self._store is not None
            try:
                yield get_bytes(self._store, key, limit=MAX_READ_BYTES)
            except (ObjectMissing, ObjectCorrupt):
                continue


def own_channel(home: Home) -> FabricTrust | None:
    """Whom a home on a channel names: what its peer said when the home was made. Raises Malformed: it is damaged."""
    try:
        data = home.channel_trust.read_bytes()[: MAX_TRUST_BYTES + 1]
    except OSError:
        return None
    try:
        found = parse_trust(data).ledger(home.ledger_id)
    except Malformed as error:
        raise Malformed(
            f"what the home remembers of its channel is damaged: {error.detail}",
            where=str(home.channel_trust),
            next_step="bring a trust file of your own (--trust FILE), or write one anew: veriframe trust export",
        ) from error
    return found if isinstance(found, FabricTrust) else None


def _authorities(home: Home) -> tuple[bytes, ...]:
    try:
        found = x509.load_pem_x509_certificates(home.channel_roots.read_bytes()[:_MAX_ROOTS])
    except (OSError, ValueError):
        return ()  # the founding document names roots too; what nobody shows is missing under its own name
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def _store(home: Home) -> Store:
    settings = load(config=None, home=home.path, environment={})
    return open_store(settings.store.url, base=home.path, writing=False)


def _spool(copy: Home) -> Spool | None:
    # Opening a spool sweeps up after crashes; this one is a private copy.
    return Spool(copy.spool, now=lambda: 0) if (copy.spool / "spool.db").exists() else None


def _optional(stack: ExitStack, opened: Callable[[], Opened | None]) -> Opened | None:
    try:
        made = opened()
    except Malformed:
        return None
    return None if made is None else stack.enter_context(made)
