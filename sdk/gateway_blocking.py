"""The gateway client without `await`: an event loop in a thread of its own, shared by all callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from types import TracebackType
from typing import Any, TypeVar

from evidence.errors import LedgerUnavailable
from sdk.fabric_profile import ChannelProfile
from sdk.fabric_proposal import CommitRequest, Proposal, Transaction
from sdk.gateway import Gateway, Outcome
from sdk.gateway_checkpoint import Checkpoint
from sdk.gateway_steps import ChaincodeEvent, Steps
from sdk.identities import Identity

T = TypeVar("T")

# A gateway refuses more than 500 at once of all its clients, and more only wait there: on two cores two hundred take a
# second or more.
AT_ONCE = 200
END_S = 5.0  # what calls under way get when the client is closed


class BlockingGateway:
    """`Gateway` for threads: every method waits. Safe to share between threads; not across a fork."""

    def __init__(
        self,
        profile: ChannelProfile,
        identity: Identity,
        *,
        clock: Callable[[], int],
        steps: Callable[[], Steps] | None = None,
    ) -> None:
        self._ending = threading.Lock()
        self._ended = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fabric-gateway", daemon=True)
        self._thread.start()
        try:
            self._gateway = self._wait(_made(profile, identity, clock, steps))
        except BaseException:
            self._stop()
            raise

    def __enter__(self) -> BlockingGateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Calls of other threads that still wait end with LedgerUnavailable."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
        asyncio.run_coroutine_threadsafe(_end(self._gateway), self._loop).result()
        self._stop()

    @property
    def profile(self) -> ChannelProfile:
        return self._gateway.profile

    @property
    def identity(self) -> Identity:
        return self._gateway.identity

    def evaluate(
        self,
        function: str,
        *arguments: bytes,
        chaincode: str | None = None,
        organisations: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> bytes:
        """See `Gateway.evaluate`."""
        return self._wait(
            self._gateway.evaluate(
                function, *arguments, chaincode=chaincode, organisations=organisations, timeout_s=timeout_s
            )
        )

    def submit(
        self,
        function: str,
        *arguments: bytes,
        chaincode: str | None = None,
        organisations: Sequence[str] | None = None,
        transient: Mapping[str, bytes] | None = None,
        timeout_s: float | None = None,
    ) -> Outcome:
        """See `Gateway.submit`."""
        return self._wait(
            self._gateway.submit(
                function,
                *arguments,
                chaincode=chaincode,
                organisations=organisations,
                transient=transient,
                timeout_s=timeout_s,
            )
        )

    def submit_many(self, calls: Sequence[tuple[str, Sequence[bytes]]]) -> list[Outcome | BaseException]:
        """Submit independent calls, `AT_ONCE` of them at a time; gives for each what `submit` returned or raised."""

        async def all_of_them() -> list[Outcome | BaseException]:
            places = asyncio.Semaphore(AT_ONCE)

            async def one(function: str, arguments: Sequence[bytes]) -> Outcome:
                async with places:
                    return await self._gateway.submit(function, *arguments)

            return await asyncio.gather(*(one(*call) for call in calls), return_exceptions=True)

        return self._wait(all_of_them())

    def propose(self, function: str, *arguments: bytes, organisations: Sequence[str] | None = None) -> Proposal:
        """See `Gateway.propose`."""
        return self._gateway.propose(function, *arguments, organisations=organisations)

    def endorse(self, proposal: Proposal, signature: bytes | None = None) -> Transaction:
        """See `Gateway.endorse`."""
        return self._wait(self._gateway.endorse(proposal, signature))

    def send(self, transaction: Transaction, signature: bytes | None = None) -> CommitRequest:
        """See `Gateway.send`."""
        return self._wait(self._gateway.send(transaction, signature))

    def commit_request(self, tx_id: str) -> CommitRequest:
        return self._gateway.commit_request(tx_id)

    def commit_status(self, asked: CommitRequest, signature: bytes | None = None) -> int:
        """See `Gateway.commit_status`."""
        return self._wait(self._gateway.commit_status(asked, signature))

    def events(self, after: Checkpoint | None = None, *, chaincode: str | None = None) -> Iterator[ChaincodeEvent]:
        """See `Gateway.events`; close the iterator to end the stream."""
        stream = self._gateway.events(after, chaincode=chaincode)
        try:
            while True:
                yield self._wait(_next(stream))
        finally:
            if not self._ended:
                self._wait(_closed(stream))

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        with self._ending:  # else the loop could stop between the two, and the call would wait for ever
            if self._ended:
                work.close()
                raise _closed_client()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError as error:
            raise _closed_client() from error
        except BaseException:
            future.cancel()  # for an interrupt of the waiting thread; without effect on work that has ended
            raise

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _made(
    profile: ChannelProfile, identity: Identity, clock: Callable[[], int], steps: Callable[[], Steps] | None
) -> Gateway:
    return Gateway(profile, identity, clock=clock, steps=steps() if steps else None)


async def _end(gateway: Gateway) -> None:
    """Ends whatever still runs on the loop, so that nobody waits for it, then the connections."""
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running, timeout=END_S)
    await asyncio.get_running_loop().shutdown_asyncgens()
    await gateway.close()


def _closed_client() -> LedgerUnavailable:
    return LedgerUnavailable(
        "the client of the gateway was closed; what became of a transaction that was under way is not known",
        next_step="open it anew",
    )


async def _next(stream: AsyncGenerator[ChaincodeEvent, None]) -> ChaincodeEvent:
    return await anext(stream)


async def _closed(stream: AsyncGenerator[ChaincodeEvent, None]) -> None:
    await stream.aclose()
