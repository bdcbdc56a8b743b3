"""A Fabric channel, real or double, as a host for the scenarios of tests/hosts.

One chaincode name, thus one world state, for each scenario.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from chaincode.roles import MSPS
from evidence.canonical import canonical, parse_canonical
from evidence.registry import Position
from network.bring_up import Network
from network.founding import profile_file
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Profile, read_profile
from sdk.identities import Identity
from tests.hosts.cast import NOW_US, Cast
from tests.hosts.stage import TestClock

SETTLE_S = 20


class FabricStage:
    """The chaincode `name`, founded; every submission is kept so that another host can repeat it."""

    def __init__(self, profile_of: Callable[[str], Profile], name: str, cast: Cast) -> None:
        self._profile_of = profile_of
        self._name = name
        self._cast = cast
        self._clock = TestClock()
        self._ledgers: dict[bytes, FabricLedger] = {}
        self._state: dict[str, bytes] = {}
        self._events: list[bytes] = []
        self._at: Position | None = None
        self.sent: list[tuple[Identity, str, bytes, int]] = []
        self._reader = self._ledger(cast.admin())
        self._at = Position(height=self._reader.height() - 1, index=1 << 30)
        self.submit(cast.admin(), "init", cast.genesis.canonical(), time_us=NOW_US)

    def submit(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        self._clock.now_us = time_us
        self.sent.append((who, function, argument, time_us))
        result = self._ledger(who).submit(function, argument).result
        assert result is not None
        self._settle()
        return result

    def evaluate(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        self._clock.now_us = time_us
        return self._ledger(who).evaluate(function, argument)

    def state(self) -> Sequence[tuple[str, bytes]]:
        self._read_on()
        return sorted(self._state.items())

    def events(self) -> Sequence[bytes]:
        self._read_on()
        return list(self._events)

    def _settle(self) -> None:
        """Wait until every organisation's peer has the newest block.

        A commit is waited for on the submitter's own peer only. People come later than that; a scenario does not, and
        the next endorsement by a peer that is a block behind would be a refusal from the past.
        """
        peers = [self._ledger(self._cast.admin(msp)) for msp in MSPS]
        newest = max(peer.height() for peer in peers)
        deadline = time.monotonic() + SETTLE_S
        while any(peer.height() < newest for peer in peers):
            assert time.monotonic() < deadline, "a peer stays behind"
            time.sleep(0.02)

    def close(self) -> None:
        for ledger in self._ledgers.values():
            ledger.close()

    def _read_on(self) -> None:
        # The organisation whose peer is asked committed everything that these tests waited for only if it is the
        # submitter's own; all others may be a block behind, so the highest of the asked peers' ledgers is read.
        reader = max(self._ledgers.values(), key=lambda each: each.height())
        for position, transaction in reader.transactions(self._at):
            self._at = position
            for write in transaction.writes:
                if write.chaincode == self._name:
                    assert write.value is not None
                    self._state[write.key] = write.value
            if transaction.event is not None and transaction.event.chaincode == self._name:
                self._events.append(transaction.event.payload)

    def _ledger(self, who: Identity) -> FabricLedger:
        if who.certificate not in self._ledgers:
            own = self._profile_of(who.msp).model_copy(update={"chaincode": self._name})
            self._ledgers[who.certificate] = FabricLedger(own, identity=who, clock=self._clock)
        return self._ledgers[who.certificate]


def profiles_of(network: Network) -> Callable[[str], Profile]:
    """The profile of each organisation, by MSP id."""
    return lambda msp: read_profile(profile_file(network.root, network.topology.peer_of(msp).organisation))


def without_tx_ids(events: Sequence[bytes]) -> list[bytes]:
    """Events of two hosts differ in nothing but the transaction's id."""
    found = []
    for payload in events:
        members = parse_canonical(payload, "event")
        found.append(canonical({name: value for name, value in members.items() if name != "tx_id"}))
    return found
