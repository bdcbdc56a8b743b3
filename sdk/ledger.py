"""The ledger as custody sees it: transactions signed here, whoever hosts them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from chaincode.check import Problem, check_ledger
from chaincode.committed import Committed, Event
from chaincode.embedded import EmbeddedHost, found
from chaincode.reader import LedgerEntry, LedgerReader
from evidence import dsse
from evidence.canonical import canonical, parse_canonical
from evidence.errors import CommitInvalid, CommitUnknown, ConfigInvalid, VeriframeError
from evidence.genesis import Genesis
from evidence.keys import Signer
from evidence.ledger_format import TRANSACTION_PAYLOAD_TYPE, VALID, Receipt, Transaction, transaction_id
from evidence.registry import Position
from sdk.identities import Identity

__all__ = [
    "Committed",
    "EmbeddedLedger",
    "Event",
    "HomeLedger",
    "Ledger",
    "LedgerEntry",
    "LedgerReader",
    "Position",
    "Problem",
    "StateReader",
    "Written",
    "ask",
    "check_ledger",
    "found_ledger",
    "open",
    "open_ledger",
    "read_ledger",
]

Clock = Callable[[], int]

# Attempts at one call that concurrent transactions keep overtaking. Each loser means that another was committed, so a
# handful of attempts carries a call through any number of clients that do something else in between.
MAX_ATTEMPTS = 8


class Ledger(Protocol):
    """What custody needs of a ledger, on any host."""

    def submit(self, function: str, *arguments: bytes) -> Committed:
        """Sign a transaction and have it committed; durable when this returns.

        Raises:
            Refused: the contract says no. LedgerUnavailable, CommitUnknown, CommitInvalid.
        """
        ...

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        """Ask the contract; nothing is written. Raises Refused, LedgerUnavailable."""
        ...

    def receipt_for(self, key: str) -> Receipt | None:
        """Receipt of the transaction that wrote what stands under `key`, None where nothing does."""
        ...

    def events(self, after: Position | None = None) -> Iterator[Event]:
        """Events behind `after`, in ledger order, up to now."""
        ...

    def close(self) -> None: ...


class StateReader(Protocol):
    """What a ledger holds now, for looking at: the embedded one's `LedgerReader`, a channel's `ChannelView`."""

    @property
    def genesis(self) -> Genesis: ...

    @property
    def height(self) -> int:
        """Height of the newest ledger block."""
        ...

    def newest_block(self) -> tuple[int, bytes]:
        """Height and hash of the newest ledger block."""
        ...

    def get(self, key: str) -> LedgerEntry | None: ...

    def entries(self, prefix: str = "", *, first: str = "", last: str = "") -> tuple[LedgerEntry, ...]:
        """What stands under every key with `prefix` (ending in a slash), narrowed to first <= key <= last."""
        ...


class Written(Protocol):
    """What one transaction wrote, as far as the one who sent it is told at once."""

    @property
    def writes(self) -> Mapping[str, bytes]: ...

    def canonical(self) -> bytes | None:
        """The receipt to keep; None where it is taken later, as a signed read."""
        ...


class HomeLedger(Protocol):
    """A home's ledger, acting as one of its identities, whatever the ledger is."""

    @property
    def reader(self) -> StateReader: ...

    @property
    def identity(self) -> Identity: ...

    def submit(self, function: str, *arguments: bytes) -> Committed: ...

    def submit_many(self, calls: Sequence[tuple[str, Sequence[bytes]]]) -> list[Committed | VeriframeError]: ...

    def evaluate(self, function: str, *arguments: bytes) -> bytes: ...

    def receipt_for(self, key: str) -> Written | None: ...

    def close(self) -> None: ...


class EmbeddedLedger:
    """A `Ledger` over a file of this computer, acting as one identity.

    Args:
        identity: whose name stands on the transactions.
        operator: key that signs the ledger's checkpoints.
        clock: Unix microseconds; the client's and, since both run here, the host's.
    """

    def __init__(self, path: Path, *, identity: Identity, operator: Signer, clock: Clock) -> None:
        self._host = EmbeddedHost(path, operator=operator, clock=clock)
        self._identity = identity
        self._clock = clock

    @property
    def genesis(self) -> Genesis:
        return self._host.genesis

    @property
    def reader(self) -> LedgerReader:
        return self._host.reader

    @property
    def identity(self) -> Identity:
        return self._identity

    def submit(self, function: str, *arguments: bytes) -> Committed:
        outcome = self.submit_many([(function, arguments)])[0]
        if isinstance(outcome, VeriframeError):
            raise outcome
        return outcome

    def submit_many(self, calls: Sequence[tuple[str, Sequence[bytes]]]) -> list[Committed | VeriframeError]:
        """Submit independent calls together: one block, one wait for the disk.

        A call that a concurrent transaction overtook is signed and sent again, so that the contract itself gives the
        answer. Returns for each call what `submit` would have returned or raised.
        """
        outcomes: dict[int, Committed | VeriframeError] = {}
        open_calls = list(range(len(calls)))
        for _ in range(MAX_ATTEMPTS):
            signed = [self._signed(*calls[index]) for index in open_calls]
            for index, envelope, outcome in zip(open_calls, signed, self._host.submit_many(signed), strict=True):
                outcomes[index] = self._settled(envelope, outcome) if isinstance(outcome, CommitUnknown) else outcome
            open_calls = [index for index in open_calls if isinstance(outcomes[index], CommitInvalid)]
            if not open_calls:
                break
        return [outcomes[index] for index in range(len(calls))]

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        return self._host.evaluate(self._signed(function, arguments))

    def receipt_for(self, key: str) -> Receipt | None:
        return self._host.reader.receipt_for(key)

    def events(self, after: Position | None = None) -> Iterator[Event]:
        return self._host.reader.events(after)

    def close(self) -> None:
        self._host.close()

    def _signed(self, function: str, arguments: Sequence[bytes]) -> bytes:
        return sign_transaction(self._host.genesis.digest, self._identity, function, arguments, now_us=self._clock())

    def _settled(self, envelope: bytes, unknown: CommitUnknown) -> Committed | VeriframeError:
        """What became of a transaction whose commit could not be confirmed."""
        try:
            known = self._host.reader.status(_id_of(envelope))
        except VeriframeError:
            return unknown
        # Not on the ledger, and not on its way there either: a failed commit is not tried again by anybody.
        if known is None:
            return unknown
        return known[1] if known[0] == VALID else CommitInvalid("a concurrent transaction won")


def sign_transaction(
    ledger: bytes, identity: Identity, function: str, arguments: Sequence[bytes], *, now_us: int
) -> bytes:
    """A signed transaction for the embedded ledger with this genesis digest, with a fresh nonce."""
    transaction = Transaction(
        ledger=ledger,
        function=function,
        arguments=tuple(arguments),
        msp=identity.msp,
        certificate=identity.certificate,
        time_us=now_us,
        nonce=secrets.token_bytes(24),
    )
    return dsse.sign(TRANSACTION_PAYLOAD_TYPE, transaction.canonical(), identity.signer).canonical()


def found_ledger(path: Path, genesis: Genesis, *, operator: Signer, identity: Identity, clock: Clock) -> Committed:
    """Found an embedded ledger at `path`; `identity` is one of the ADMINs in the genesis document."""
    envelope = sign_transaction(genesis.digest, identity, "init", [genesis.canonical()], now_us=clock())
    return found(path, envelope, operator=operator, clock=clock)


def open_ledger(url: str, *, identity: Identity, operator: Signer | None = None, clock: Clock) -> EmbeddedLedger:
    """Open a ledger by URL: `sqlite:///path/to/ledger.db`.

    Raises:
        ConfigInvalid: another kind of URL, or nothing there.
    """
    path = _sqlite_path(url)
    if operator is None:
        raise ConfigInvalid("an embedded ledger needs its operator's key", where=url)
    return EmbeddedLedger(path, identity=identity, operator=operator, clock=clock)


def open(url: str, *, identity: Identity, operator: Signer | None = None, clock: Clock) -> Ledger:
    """Open a ledger of any kind: `sqlite:///path/to/ledger.db`, or a Fabric channel.

    `fabric:profile.yaml` reaches the channel through its Gateway, `hfc:profile.yaml` where the network has none.

    Raises:
        ConfigInvalid: another kind of URL, nothing there, or the libraries for Fabric are not installed.
    """
    if not url.startswith(("fabric:", "hfc:")):
        return open_ledger(url, identity=identity, operator=operator, clock=clock)
    try:
        from sdk.fabric_ledger import open_fabric  # gRPC is needed by nobody else
        from sdk.hfc_ledger import open_hfc
    except ImportError as error:
        raise ConfigInvalid(
            "the libraries for Fabric are not installed", where=url, next_step="install veriframe[fabric]"
        ) from error
    opened = open_hfc if url.startswith("hfc:") else open_fabric
    return opened(url, identity=identity, clock=clock)


def read_ledger(url: str) -> LedgerReader:
    """Open an embedded ledger for reading alone: no identity, no key."""
    return LedgerReader(_sqlite_path(url))


class Asked(Protocol):
    """What can be asked."""

    def evaluate(self, function: str, *arguments: bytes) -> bytes: ...


def ask(ledger: Asked, function: str, members: Mapping[str, object] | None = None) -> object:
    """`evaluate` with named arguments; returns the parsed answer."""
    answer = ledger.evaluate(function, canonical(dict(members or {})))
    return parse_canonical(answer, f"answer of {function}", limit=16 << 20)


def _sqlite_path(url: str) -> Path:
    scheme, separator, rest = url.partition("://")
    if scheme != "sqlite" or not separator or not rest.startswith("/"):
        raise ConfigInvalid("this is not a ledger's address", where=url, next_step="use sqlite:///path/to/ledger.db")
    # sqlite:///relative and sqlite:////absolute, as SQLAlchemy writes them.
    return Path(rest[1:])


def _id_of(envelope: bytes) -> str:
    parsed = dsse.parse_envelope(envelope, TRANSACTION_PAYLOAD_TYPE)
    return transaction_id(parsed.payload)
