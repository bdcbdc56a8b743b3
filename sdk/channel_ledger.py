"""A home's ledger on a Fabric channel: transactions, what stands there, and which of the home's identities looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from chaincode.committed import Committed
from evidence.errors import ConfigInvalid, EndorseFailed, LedgerUnavailable, Refused, VeriframeError
from sdk.channel_view import ChannelView, RememberedView, question_s
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import read_profile
from sdk.gateway_blocking import BlockingGateway
from sdk.home import Home
from sdk.identities import Identity, identity_names, load_identity

# Who sees most comes first; the last two are shown no ranges of the ledger, only lists.
_LOOKING = ("AUDITOR", "CRM", "CRS", "OPERATOR", "RECORDER", "PO", "PCRO", "OWNER", "LAS", "ADMIN")


@dataclass(frozen=True, slots=True)
class ChannelWrites:
    """What a transaction wrote, as the gateway's peer says; the organisations' word about it is read later."""

    writes: Mapping[str, bytes]

    def canonical(self) -> None:
        return None


class ChannelLedger:
    """A `HomeLedger` over a channel; one identity acts."""

    def __init__(self, ledger: FabricLedger) -> None:
        self._ledger = ledger
        self._reader = ChannelView(ledger.gateway)
        self._written: Mapping[str, bytes] = {}
        self.away: LedgerUnavailable | None = None  # why nobody answered when the channel was opened for looking

    @property
    def gateway(self) -> BlockingGateway:
        return self._ledger.gateway

    @property
    def reader(self) -> ChannelView:
        return self._reader

    @property
    def identity(self) -> Identity:
        return self._ledger.identity

    def submit(self, function: str, *arguments: bytes) -> Committed:
        committed = self._ledger.submit(function, *arguments)
        self._written = {} if committed.position is None else self._ledger.writes_at(committed.position)
        return committed

    def submit_many(self, calls: Sequence[tuple[str, Sequence[bytes]]]) -> list[Committed | VeriframeError]:
        return self._ledger.submit_many(calls)

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        return self._ledger.evaluate(function, *arguments)

    def receipt_for(self, key: str) -> ChannelWrites | None:
        """What the last submission wrote, where `key` is among it; else what stands under `key`."""
        if key in self._written:
            return ChannelWrites(self._written)
        found = self._reader.get(key)
        return None if found is None else ChannelWrites({key: found.value})

    def close(self) -> None:
        self._ledger.close()


def open_channel(home: Home, name: str, *, now: Callable[[], int]) -> ChannelLedger:
    """The channel of a home, acting as the identity `name`. Close it after use.

    Raises:
        ConfigInvalid: no such identity, one of another organisation than the profile's, or no such profile.
        KeyUnavailable: its key cannot be used.
    """
    return _opened(home, load_identity(home.identities, name), now)


def _opened(home: Home, identity: Identity, now: Callable[[], int]) -> ChannelLedger:
    assert home.profile is not None  # who calls this has asked
    return ChannelLedger(FabricLedger(read_profile(home.profile), identity=identity, clock=now))


@contextmanager
def looking_at(
    home: Home, *, now: Callable[[], int], name: str | None = None, profile: Path | None = None
) -> Iterator[ChannelLedger]:
    """The channel for looking at, as `name`, else as the identity of this home that is shown most.

    Args:
        profile: another way to the channel than the home remembers.

    Raises:
        ConfigInvalid: no identity of the profile's organisation in this home.
        Refused: the ledger knows none of them. LedgerUnavailable is raised by what is asked, not here.
    """
    home = home if profile is None else replace(home, profile=profile)
    ledger = open_channel(home, name, now=now) if name is not None else _chosen(home, now)
    try:
        yield ledger
    finally:
        ledger.close()


def _chosen(home: Home, now: Callable[[], int]) -> ChannelLedger:
    assert home.profile is not None
    msp = read_profile(home.profile).msp
    wallet = (load_identity(home.identities, each) for each in identity_names(home.identities))
    able = sorted((each for each in wallet if each.msp == msp and each.role in _LOOKING), key=_rank)
    refused: Refused | EndorseFailed | None = None
    for identity in able:
        ledger = _opened(home, identity, now)
        try:
            ledger.gateway.evaluate("get_rules", b"{}", timeout_s=question_s(ledger.gateway))
        except (Refused, EndorseFailed) as error:
            refused = error  # not registered yet, suspended, or with an old key: another one may still look
            ledger.close()
        except LedgerUnavailable as error:
            ledger.away = error
            return ledger
        except BaseException:
            ledger.close()
            raise
        else:
            return ledger
    if refused is not None:
        raise refused
    raise ConfigInvalid(
        f"no identity of {msp} is in this home",
        where=str(home.identities),
        next_step="bring one in: veriframe participant import DIR",
    )


def _rank(identity: Identity) -> tuple[int, str]:
    return _LOOKING.index(identity.role), identity.name


@contextmanager
def remembered(home: Home, *, now: Callable[[], int]) -> Iterator[RememberedView]:
    """The channel as recording looks at it: also while the network is away, then as it was last seen."""
    with looking_at(home, now=now) as ledger:
        yield RememberedView(ledger.reader, home.seen, away=ledger.away)
