"""Where scenarios play: a host, whatever it is, and verbs for what people do there.

Another host joins by offering `Host`; it then runs every scenario, and its world state must be byte-identical.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import pytest

from chaincode.admission import Admission, read_envelope
from chaincode.anchors import open_batch
from chaincode.dispatch import invoke
from chaincode.embedded import EmbeddedHost, found
from chaincode.world import MemoryState, MemoryWorld
from evidence import dsse
from evidence.blocks import SignedBlock
from evidence.canonical import parse_canonical
from evidence.errors import Refused
from evidence.genesis import Genesis
from evidence.keys import Signer
from evidence.ledger_format import TRANSACTION_PAYLOAD_TYPE, Transaction
from sdk.identities import Identity
from tests.hosts.cast import NOW_US, Cast, members


class Host(Protocol):
    """One ledger under test. Both calls raise what the contract raises."""

    def submit(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes: ...

    def evaluate(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes: ...

    def state(self) -> Sequence[tuple[str, bytes]]: ...

    def events(self) -> Sequence[bytes]: ...

    def close(self) -> None: ...


def signed_transaction(
    genesis: Genesis,
    who: Identity,
    function: str,
    *arguments: bytes,
    time_us: int = NOW_US,
    nonce: bytes | None = None,
    signer: Signer | None = None,
) -> bytes:
    transaction = Transaction(
        ledger=genesis.digest,
        function=function,
        arguments=arguments,
        msp=who.msp,
        certificate=who.certificate,
        time_us=time_us,
        nonce=nonce or secrets.token_bytes(24),
    )
    return dsse.sign(TRANSACTION_PAYLOAD_TYPE, transaction.canonical(), signer or who.signer).canonical()


class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False

    def __init__(self, now_us: int = NOW_US) -> None:
        self.now_us = now_us

    def __call__(self) -> int:
        return self.now_us


class EmbeddedStage:
    """The embedded host, founded in `folder`."""

    def __init__(self, folder: Path, cast: Cast) -> None:
        self.path = folder / "ledger.db"
        self.clock = TestClock()
        self.sent: list[bytes] = []
        self._genesis = cast.genesis
        founding = signed_transaction(cast.genesis, cast.admin(), "init", cast.genesis.canonical())
        self.sent.append(founding)
        found(self.path, founding, operator=cast.operator, clock=self.clock)
        self.host = EmbeddedHost(self.path, operator=cast.operator, clock=self.clock)

    def submit(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        self.clock.now_us = time_us
        envelope = signed_transaction(self._genesis, who, function, argument, time_us=time_us)
        self.sent.append(envelope)
        result = self.host.submit(envelope).result
        assert result is not None
        return result

    def evaluate(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        self.clock.now_us = time_us
        return self.host.evaluate(signed_transaction(self._genesis, who, function, argument, time_us=time_us))

    def state(self) -> Sequence[tuple[str, bytes]]:
        return [(entry.key, entry.value) for entry in self.host.reader.entries()]

    def events(self) -> Sequence[bytes]:
        return [event.payload for event in self.host.reader.events()]

    def close(self) -> None:
        self.host.close()


class MemoryStage:
    """The rules over memory, with nothing of a host but the caller's authentication.

    Args:
        world: what a transaction sees the memory through.
    """

    def __init__(self, genesis: Genesis, founding: bytes, *, world: type[MemoryWorld] = MemoryWorld) -> None:
        self.sent = [founding]
        self._world = world
        self._genesis = genesis
        self._admission = Admission(genesis)
        self._state = MemoryState()
        self._events: list[bytes] = []
        self.send(founding)

    def send(self, envelope: bytes, *, commit: bool = True) -> tuple[MemoryWorld, bytes]:
        admitted = self._admission.authenticate(read_envelope(envelope))
        transaction = admitted.transaction
        world = self._world(self._state, caller=admitted.caller, tx_id=admitted.tx_id, tx_time_us=transaction.time_us)
        result = invoke(world, transaction.function, transaction.arguments)
        if commit:
            world.commit()
            if world.event is not None:
                self._events.append(world.event[1])
        return world, result

    def submit(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        self.sent.append(signed_transaction(self._genesis, who, function, argument, time_us=time_us))
        return self.send(self.sent[-1])[1]

    def evaluate(self, who: Identity, function: str, argument: bytes, *, time_us: int) -> bytes:
        envelope = signed_transaction(self._genesis, who, function, argument, time_us=time_us)
        return self.send(envelope, commit=False)[1]

    def state(self) -> Sequence[tuple[str, bytes]]:
        return list(self._state.items())

    def events(self) -> Sequence[bytes]:
        return self._events

    def close(self) -> None:
        pass


class Stage:
    """A host with the cast on it."""

    def __init__(self, host: Host, cast: Cast) -> None:
        self.host = host
        self.cast = cast
        self.now_us = NOW_US

    def does(self, who: str | Identity, function: str, argument: bytes = b"", /, **values: Any) -> Any:
        """`who` submits; returns the parsed result."""
        return self._parse(
            self.host.submit(self._who(who), function, argument or members(**values), time_us=self.now_us)
        )

    def asks(self, who: str | Identity, function: str, /, **values: Any) -> Any:
        return self._parse(self.host.evaluate(self._who(who), function, members(**values), time_us=self.now_us))

    def refuses(
        self,
        reason: str,
        who: str | Identity,
        function: str,
        argument: bytes = b"",
        /,
        *,
        says: str = "",
        **values: Any,
    ) -> Refused:
        """`who` submits and is refused for this reason; nothing changes."""
        before = self.host.state()
        with pytest.raises(Refused) as caught:
            self.host.submit(self._who(who), function, argument or members(**values), time_us=self.now_us)
        assert caught.value.reason == reason, str(caught.value)
        assert says in str(caught.value)
        assert self.host.state() == before
        return caught.value

    def anchors(self, blocks: Sequence[SignedBlock], who: str = "recorder") -> Any:
        return self.does(who, "anchor", open_batch(blocks))

    def refuses_anchor(
        self, reason: str, blocks: Sequence[SignedBlock], who: str = "recorder", says: str = ""
    ) -> Refused:
        return self.refuses(reason, who, "anchor", open_batch(blocks), says=says)

    def registers(self, *names: str) -> None:
        for name in names:
            msp = self.cast[name].msp
            self.does(self.cast.admin(msp), "register_participant", **self.cast.registration(name))

    def opens_for_business(self) -> None:
        """Everybody registered, gate-1 approved."""
        self.registers("manager", "manager-2", "supervisor", "operator", "recorder", "recorder-2", "recorder-south")
        self.enrols("gate-1")

    def enrols(self, camera: str, **changed: Any) -> None:
        self.does("operator", "propose_camera", **self.cast.camera(camera, **changed))
        self.does("manager", "approve_camera", camera=camera)

    def keys(self, prefix: str = "") -> list[str]:
        return [key for key, _ in self.host.state() if key.startswith(prefix)]

    def _who(self, who: str | Identity) -> Identity:
        return self.cast[who] if isinstance(who, str) else who

    @staticmethod
    def _parse(data: bytes) -> Any:
        return parse_canonical(data, "result", limit=16 << 20)
