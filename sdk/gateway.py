"""A client of Fabric's Gateway service: ask, endorse, submit, await the commit, follow events.

    async with Gateway(profile, identity, clock=now_us) as gateway:
        answer = await gateway.evaluate("describe")
        committed = await gateway.submit("approve_camera", argument)

`evaluate` and `submit` repeat what may be repeated, as the table in `sdk/gateway_errors.py` says, within a deadline.
The single steps (`propose`, `endorse`, `send`, `commit_status`) repeat nothing and take a signature made elsewhere.
Nothing here is specific to Veriframe's contract. `sdk/gateway_blocking.py` is the same without `await`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType

from evidence.errors import CommitUnknown, ConfigInvalid, EndorseFailed, LedgerUnavailable, Malformed
from sdk.fabric_profile import ChannelProfile, Profile
from sdk.fabric_proposal import (
    NONCE_BYTES,
    CommitRequest,
    Proposal,
    Transaction,
    build_proposal,
    commit_request,
    creator_of,
    events_request,
)
from sdk.gateway_checkpoint import MAX_BLOCK, Checkpoint
from sdk.gateway_endorsers import Endorsers
from sdk.gateway_errors import Reaction, Trouble
from sdk.gateway_steps import ChaincodeEvent, GatewaySteps, Steps
from sdk.identities import Identity

LOG = logging.getLogger("veriframe.gateway")

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
# A stream of events that ended after so long had been open: longer than it takes to find that nobody is there.
STOOD_S = 60.0
# For a refusal by other organisations only, whose peers may not have the newest block yet: some three seconds, as
# it takes a peer to find another orderer when its own has died.
LAGGING_ATTEMPTS = 6
_TX_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A transaction that succeeded. `block` is None where it had nothing to write and was therefore not sent."""

    tx_id: str
    block: int | None
    result: bytes


class Gateway:
    """One identity's view of one channel and chaincode. Enter it inside a running event loop.

    Args:
        clock: Unix microseconds; stands in every proposal.
        nonce: fresh random bytes for each transaction.
        steps: how the single calls are made; None: by the gateways of the profile.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        identity: Identity,
        *,
        clock: Callable[[], int],
        nonce: Callable[[int], bytes] = secrets.token_bytes,
        steps: Steps | None = None,
    ) -> None:
        self.profile = profile
        self.identity = identity
        self._clock = clock
        self._nonce = nonce
        self._creator = creator_of(identity)
        # Other steps choose by themselves who endorses, and know what they choose from.
        self._endorsers = Endorsers() if steps is None else None
        if steps is None:
            if not isinstance(profile, Profile):
                raise ConfigInvalid("the profile names no gateways")
            steps = GatewaySteps(profile, clock)
        self._steps = steps

    async def __aenter__(self) -> Gateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._steps.close()

    # -- whole transactions --------------------------------------------------------------------------------------

    async def evaluate(
        self,
        function: str,
        *arguments: bytes,
        chaincode: str | None = None,
        organisations: Sequence[str] = (),
        timeout_s: float | None = None,
    ) -> bytes:
        """Ask the contract; nothing is written.

        Args:
            organisations: whose peers may answer; none: the gateway chooses.
            timeout_s: for everything, repetitions included.

        Raises:
            Refused: the contract says no. LedgerUnavailable: nobody answered in time. EndorseFailed, ConfigInvalid:
            the question cannot be put like this.
        """
        pause = _Pause(timeout_s or self.profile.deadlines.evaluate_s)
        while True:
            proposal = self.propose(function, *arguments, chaincode=chaincode, organisations=organisations)
            try:
                return await self._steps.evaluate(proposal, self._sign(proposal.message), pause.left_s)
            except Trouble as trouble:
                if trouble.reaction is not Reaction.AGAIN or not await pause.wait():
                    raise trouble.error from trouble

    async def submit(
        self,
        function: str,
        *arguments: bytes,
        chaincode: str | None = None,
        organisations: Sequence[str] | None = None,
        transient: Mapping[str, bytes] | None = None,
        timeout_s: float | None = None,
    ) -> Outcome:
        """Have a transaction endorsed, ordered and committed; returns when the gateway's peer has committed it.

        Args:
            organisations: whose endorsements are wanted; None: as the profile says, else as the gateway finds out,
                or those that it found before and that counted.
            timeout_s: for everything, repetitions included; None: the profile's `total_s`.

        Raises:
            Refused: the contract says no.
            CommitInvalid: concurrent transactions kept winning, or it was void for good.
            CommitUnknown: sent, and nobody said in time what became of it.
            EndorseFailed, SubmitFailed, LedgerUnavailable, ConfigInvalid.
        """
        pause = _Pause(timeout_s or self.profile.deadlines.total_s)
        policy_failures = lagging = 0
        name = chaincode or self.profile.chaincode
        # Private data goes to some organisations only, and which they are the gateway knows.
        free = organisations is None and not self.profile.endorsing_organisations and transient is None
        endorsers = self._endorsers if free else None
        while True:
            known = endorsers.next(name) if endorsers is not None else None
            proposal = self.propose(
                function,
                *arguments,
                chaincode=chaincode,
                organisations=organisations if known is None else known,
                transient=transient,
            )
            try:
                endorse_s = min(pause.left_s, self.profile.deadlines.endorse_s)
                transaction = await self._steps.endorse(proposal, self._sign(proposal.message), endorse_s)
                if not transaction.writes:
                    return Outcome(tx_id=transaction.tx_id, block=None, result=transaction.result)
                block = await self._deliver(transaction, pause)
                if endorsers is not None and known is None:
                    endorsers.counted(name, transaction.endorsers)
                return Outcome(tx_id=transaction.tx_id, block=block, result=transaction.result)
            except Trouble as trouble:
                if endorsers is not None and known is not None and _endorsers_failed(trouble):
                    endorsers.failed(name)
                lagging += trouble.elsewhere
                policy_failures += trouble.reaction is Reaction.ONCE_MORE
                again = trouble.reaction is Reaction.AGAIN and lagging < LAGGING_ATTEMPTS
                if policy_failures > 1:
                    LOG.error("endorsements were void twice: the organisations that endorse do not satisfy the rule")
                elif policy_failures == 1 and trouble.reaction is Reaction.ONCE_MORE:
                    again = True
                if not again or not await pause.wait():
                    raise trouble.error from trouble

    async def _deliver(self, transaction: Transaction, pause: _Pause) -> int:
        """Send one envelope until its fate is known; never signs a second one. Returns the block."""
        signature = self._sign(transaction.message)
        asked = self.commit_request(transaction.tx_id)
        asked_signature = self._sign(asked.message)
        to_send, doubtful, looked = True, False, False
        while True:
            try:
                if to_send:
                    await self._steps.submit(transaction, signature, min(pause.left_s, self._submit_s))
                    to_send, doubtful = False, True
                return await self._steps.commit_status(asked, asked_signature, min(pause.left_s, self._commit_s))
            except Trouble as trouble:
                if trouble.reaction is Reaction.LOOK_AT_FIRST and not looked:
                    looked = True  # the peer's index answers with the first commit of this id
                    continue
                if trouble.reaction not in (Reaction.ASK_STATUS, Reaction.SAME_ENVELOPE):
                    # What the ledger says of a transaction is the end of it. What only a call says, be it a refused
                    # repetition or a status that is not told, leaves open what became of an envelope that was sent.
                    if trouble.of_ledger or not doubtful:
                        raise
                    raise Trouble(_unknown(transaction.tx_id, trouble.error.detail), Reaction.STOP) from trouble
                doubtful = doubtful or trouble.perhaps_taken
                if trouble.reaction is Reaction.ASK_STATUS:
                    # The orderers may have it: ask first. Where nothing is heard of it in time the same envelope goes
                    # out again, even if it was acknowledged: a leader that dies takes along what it has not passed
                    # on. Harmless, since a second one of the same id is void.
                    to_send = not to_send and trouble.unanswered
                if not await pause.wait():
                    if not doubtful:
                        raise
                    raise Trouble(_unknown(transaction.tx_id), Reaction.STOP) from trouble

    # -- single steps, for signatures made elsewhere -------------------------------------------------------------

    def propose(
        self,
        function: str,
        *arguments: bytes,
        chaincode: str | None = None,
        organisations: Sequence[str] | None = None,
        transient: Mapping[str, bytes] | None = None,
    ) -> Proposal:
        """A proposal under a new transaction id; `message` is what its creator signs."""
        return build_proposal(
            self._creator,
            channel=self.profile.channel,
            chaincode=chaincode or self.profile.chaincode,
            arguments=(function.encode("utf-8"), *arguments),
            now_us=self._clock(),
            nonce=self._nonce(NONCE_BYTES),
            transient=transient,
            organisations=self.profile.endorsing_organisations if organisations is None else organisations,
        )

    async def endorse(self, proposal: Proposal, signature: bytes | None = None) -> Transaction:
        """Have a proposal endorsed, once. Raises Refused, EndorseFailed, LedgerUnavailable, ConfigInvalid."""
        try:
            return await self._steps.endorse(
                proposal, self._or_sign(signature, proposal.message), self.profile.deadlines.endorse_s
            )
        except Trouble as trouble:
            raise trouble.error from trouble

    async def send(self, transaction: Transaction, signature: bytes | None = None) -> CommitRequest:
        """Hand an endorsed transaction to the orderers, once. Raises LedgerUnavailable, CommitUnknown, SubmitFailed."""
        try:
            await self._steps.submit(transaction, self._or_sign(signature, transaction.message), self._submit_s)
        except Trouble as trouble:
            raise trouble.error from trouble
        return self.commit_request(transaction.tx_id)

    def commit_request(self, tx_id: str) -> CommitRequest:
        """The question what became of a transaction; `message` is what the asker signs."""
        return commit_request(self._creator, channel=self.profile.channel, tx_id=tx_id)

    async def commit_status(self, asked: CommitRequest, signature: bytes | None = None) -> int:
        """Block of a committed, valid transaction. Raises CommitInvalid, EndorseFailed (void), CommitUnknown."""
        try:
            return await self._steps.commit_status(asked, self._or_sign(signature, asked.message), self._commit_s)
        except Trouble as trouble:
            raise trouble.error from trouble

    # -- events --------------------------------------------------------------------------------------------------

    async def events(
        self, after: Checkpoint | None = None, *, chaincode: str | None = None
    ) -> AsyncGenerator[ChaincodeEvent, None]:
        """Events behind `after` (None: from the beginning of the channel), then those to come, without end.

        A broken stream is opened again behind the last event that was handed out, so that none is lost and none comes
        twice; over a restart of the client that holds if it keeps a checkpoint of what it has dealt with.

        Raises:
            ConfigInvalid: not allowed, or no such channel. LedgerUnavailable: away for longer than `total_s`.
            Malformed: an event that comes before one that was handed out.
        """
        at = after or Checkpoint(block=0, tx_id="")
        away: _Pause | None = None  # since when nothing was heard, which a stream that stands in silence is not
        while True:
            asked = events_request(
                self._creator,
                channel=self.profile.channel,
                chaincode=chaincode or self.profile.chaincode,
                block=at.block,
                after_tx_id=at.tx_id,
            )
            opened = asyncio.get_running_loop().time()
            error = LedgerUnavailable("the peer keeps ending the stream of events", where="gateway")
            try:
                async with aclosing(self._steps.events(asked, self._sign(asked.message))) as stream:
                    async for event in stream:
                        at = _behind(at, event)
                        away = None
                        yield event
            except Trouble as trouble:
                if trouble.reaction is not Reaction.AGAIN or not isinstance(trouble.error, LedgerUnavailable):
                    raise trouble.error from trouble
                error = trouble.error
            # Else the peer ended the stream in good order, which it does when it shuts down.
            if away is None or asyncio.get_running_loop().time() - opened > STOOD_S:
                away = _Pause(self.profile.deadlines.total_s)
            if not await away.wait():
                raise error

    # ------------------------------------------------------------------------------------------------------------

    @property
    def _submit_s(self) -> float:
        return self.profile.deadlines.submit_s

    @property
    def _commit_s(self) -> float:
        return self.profile.deadlines.commit_s

    def _sign(self, message: bytes) -> bytes:
        return self.identity.signer.sign(message)

    def _or_sign(self, signature: bytes | None, message: bytes) -> bytes:
        return self._sign(message) if signature is None else signature


class _Pause:
    """Growing pauses between repetitions, with jitter so that clients do not come back together; until a deadline."""

    def __init__(self, total_s: float) -> None:
        self._ends = asyncio.get_running_loop().time() + total_s
        self._next_s = FIRST_PAUSE_S

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, at least a token one: a call without any would not even be tried."""
        return max(self._ends - asyncio.get_running_loop().time(), 0.05)

    async def wait(self) -> bool:
        """Wait, unless the deadline would be over by then; returns whether there is time for another attempt."""
        pause_s = self._next_s * random.uniform(0.5, 1.0)
        if asyncio.get_running_loop().time() + pause_s >= self._ends:
            return False
        self._next_s = min(self._next_s * 2, LONGEST_PAUSE_S)
        await asyncio.sleep(pause_s)
        return True


def _endorsers_failed(trouble: Trouble) -> bool:
    """Whether others might have endorsed; not so where the contract refuses, nor in a conflict."""
    return trouble.elsewhere or isinstance(trouble.error, LedgerUnavailable | EndorseFailed)


def _behind(at: Checkpoint, event: ChaincodeEvent) -> Checkpoint:
    """Where an event stands. Raises Malformed: not behind what came before, or in no place that could be kept."""
    if not at.block <= event.block <= MAX_BLOCK or not _TX_ID.fullmatch(event.tx_id):
        raise Malformed(
            "the peer sent an event that stands nowhere behind the one before", where=f"block {event.block}"
        )
    return Checkpoint(block=event.block, tx_id=event.tx_id)


def _unknown(tx_id: str, said: str = "") -> CommitUnknown:
    return CommitUnknown(
        f"the transaction was sent, and nobody said in time what became of it{said and f': {said}'}",
        where=f"transaction {tx_id}",
        next_step="ask for the same transaction's status before sending it again",
    )
