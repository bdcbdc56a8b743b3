"""The single calls of a transaction without the Gateway, the classic flow: every endorsing peer is asked by us, then an
orderer, then the event hub of our own peer.

hfc, in its worker, carries messages and puts the transaction together. What is signed is built and signed here, and
what peers answered is judged here by the same table as the Gateway's answers.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from fabric_protos.common import common_pb2

from evidence.digests import sha256
from evidence.errors import ConfigInvalid, Malformed
from sdk.fabric_blocks import parse_block
from sdk.fabric_proposal import (
    NONCE_BYTES,
    CommitRequest,
    EventsRequest,
    Proposal,
    Transaction,
    build_proposal,
    creator_of,
    parse_endorsed,
)
from sdk.gateway_errors import Call, Detail, Reaction, Trouble, classify, classify_validation
from sdk.gateway_steps import ChaincodeEvent
from sdk.hfc_messages import (
    Answer,
    events_payload,
    read_answer,
    read_broadcast,
    validation_code,
    worker_configuration,
)
from sdk.hfc_process import Worker, WorkerGone, decode, encode
from sdk.hfc_profile import HfcProfile
from sdk.identities import Identity

LOG = logging.getLogger("veriframe.hfc")

_C = grpc.StatusCode
_ELSEWHERE = (_C.UNAVAILABLE, _C.DEADLINE_EXCEEDED, _C.ABORTED)  # another peer may do better
PATIENCE_S = 10.0  # how long one peer or orderer may take before the next one is asked
AWAY_S = 30.0  # how long an organisation that did not answer is asked last
FOLLOW_S = 10.0
LOOK_EVERY_S = 0.5


class HfcSteps:
    """Speaks to the peers and orderers of a profile. Made and used within one running event loop.

    Args:
        identity: whose signature stands under requests that are no transactions: for events, and about commits.
        clock: Unix microseconds.
    """

    def __init__(self, profile: HfcProfile, identity: Identity, *, python: Path, clock: Callable[[], int]) -> None:
        self._profile = profile
        self._identity = identity
        self._creator = creator_of(identity)
        self._clock = clock
        self._worker = Worker(python, worker_configuration(profile))
        self._certificate_hash = _certificate_hash(profile)
        self._orderer = 0
        self._away: dict[str, float] = {}
        self._last: int | None = None  # block that this worker's event hub showed last, when it broke
        self._following = asyncio.Lock()

    @property
    def worker(self) -> Worker:
        return self._worker

    async def close(self) -> None:
        await self._worker.close()

    # -- proposals -----------------------------------------------------------------------------------------------

    async def evaluate(self, proposal: Proposal, signature: bytes, timeout_s: float) -> bytes:
        """One peer's answer: of the organisations asked for, else of the own one first."""
        wanted = proposal.organisations or (self._profile.msp, *dict.fromkeys(each.msp for each in self._profile.peers))
        ends = time.monotonic() + timeout_s
        said: list[Answer] = []
        for peer in dict.fromkeys(place for msp in wanted for place in self._profile.peers_of(msp)):
            answer = await self._propose(peer, proposal, signature, min(ends, time.monotonic() + PATIENCE_S))
            if answer.code is _C.OK:
                return answer.result
            said.append(answer)
            if answer.code not in _ELSEWHERE or time.monotonic() >= ends:
                break
        if not said:
            raise Trouble(ConfigInvalid(f"the profile names no peer of {', '.join(wanted)}"), Reaction.STOP)
        raise self._trouble("evaluate", said, wanted)

    async def endorse(self, proposal: Proposal, signature: bytes, timeout_s: float) -> Transaction:
        """Endorsements of the first set of organisations that can be had and agree, put together to a transaction."""
        ends = time.monotonic() + timeout_s
        sets = (proposal.organisations,) if proposal.organisations else self._profile.endorsement
        said: dict[str, Answer] = {}
        differing: tuple[str, ...] = ()
        for wanted in sorted(sets, key=lambda each: any(self._is_away(msp) for msp in each)):
            missing = [msp for msp in wanted if msp not in said]
            found = await asyncio.gather(*(self._of_organisation(msp, proposal, signature, ends) for msp in missing))
            said.update(zip(missing, found, strict=True))
            if any(each.code is _C.UNKNOWN for each in said.values()):
                break  # the contract's word, which no other organisation changes
            if all(said[msp].code is _C.OK for msp in wanted):
                if len({said[msp].payload for msp in wanted}) == 1:
                    return await self._assemble(proposal, [said[msp] for msp in wanted], ends)
                differing = wanted
            if time.monotonic() >= ends:
                break
        failed = [each for each in said.values() if each.code is not _C.OK]
        if differing and not any(each.code is _C.UNKNOWN for each in failed):
            # One peer may be a block behind the other; another contract would differ for ever.
            details = [self._detail(said[msp], "endorsed another result") for msp in differing]
            raise classify("endorse", _C.ABORTED, "the organisations' results differ", details)
        raise self._trouble("endorse", failed, said)

    async def _of_organisation(self, msp: str, proposal: Proposal, signature: bytes, ends: float) -> Answer:
        answer = None
        for peer in self._profile.peers_of(msp):
            answer = await self._propose(peer, proposal, signature, min(ends, time.monotonic() + PATIENCE_S))
            if answer.code not in _ELSEWHERE or time.monotonic() >= ends:
                break
        if answer is not None and answer.code in (_C.UNAVAILABLE, _C.DEADLINE_EXCEEDED):
            self._away[msp] = time.monotonic() + AWAY_S
        else:
            self._away.pop(msp, None)
        if answer is None:
            raise Trouble(ConfigInvalid(f"the profile names no peer of {msp}"), Reaction.STOP)
        return answer

    def _is_away(self, msp: str) -> bool:
        return self._away.get(msp, 0.0) > time.monotonic()

    async def _propose(self, peer: int, proposal: Proposal, signature: bytes, ends: float) -> Answer:
        left_s = max(ends - time.monotonic(), 0.05)
        try:
            said = await self._worker.call(
                "propose", left_s, peer=peer, proposal=encode(proposal.message), signature=encode(signature)
            )
        except WorkerGone as error:
            return Answer(peer=peer, code=_C.UNAVAILABLE, text=str(error))
        return read_answer(peer, said)

    async def _assemble(self, proposal: Proposal, answers: Sequence[Answer], ends: float) -> Transaction:
        try:
            said = await self._worker.call(
                "assemble",
                max(ends - time.monotonic(), 0.05),
                proposal=encode(proposal.message),
                responses=[encode(each.response) for each in answers],
            )
        except WorkerGone as error:
            raise classify("endorse", _C.UNAVAILABLE, str(error)) from error
        if "payload" not in said:
            raise classify("endorse", _C.INTERNAL, str(said.get("failed", "no payload")))
        try:
            return parse_endorsed(proposal, common_pb2.Envelope(payload=decode(said["payload"])))
        except Malformed as error:
            raise Trouble(error, Reaction.STOP) from error

    def _trouble(self, call: Call, said: Sequence[Answer], asked: Sequence[str] | Mapping[str, Answer]) -> Trouble:
        """The contract's refusal counts most, then what never changes, then that somebody is away."""
        order = (_C.UNKNOWN, _C.FAILED_PRECONDITION, _C.INTERNAL, _C.ABORTED, _C.DEADLINE_EXCEEDED, _C.UNAVAILABLE)
        code = next((code for code in order if any(each.code is code for each in said)), said[0].code)
        # A refusal by one foreign organisation alone may come from a peer that is a block behind.
        details = [self._detail(each, each.text) for each in said]
        return classify(call, code, f"asked {', '.join(asked)}", details, own_msp=self._profile.msp)

    def _detail(self, answer: Answer, text: str) -> Detail:
        peer = self._profile.peers[answer.peer]
        return Detail(address=peer.address, msp=peer.msp, message=text)

    # -- ordering and commit -------------------------------------------------------------------------------------

    async def submit(self, transaction: Transaction, signature: bytes, timeout_s: float) -> None:
        """Hand the envelope to an orderer; where one does not take it, the same envelope to the next."""
        ends = time.monotonic() + timeout_s
        said: list[Detail] = []
        perhaps: list[Detail] = []  # may have taken it without saying so; a second one that takes it too does no harm
        while len(said) < len(self._profile.orderers) and (left_s := ends - time.monotonic()) > 0:
            at = self._orderer
            try:
                answer = await self._worker.call(
                    "broadcast",
                    min(left_s, PATIENCE_S),
                    orderer=at,
                    tx_id=transaction.tx_id,
                    payload=encode(transaction.message),
                    signature=encode(signature),
                )
            except (WorkerGone, ConfigInvalid) as error:
                raise classify("submit", _C.DEADLINE_EXCEEDED, str(error)) from error
            if answer.get("broken"):
                self._last = answer["last"]
                await self._follow(min(left_s, FOLLOW_S))
                continue
            code, text = read_broadcast(answer)
            if code is _C.OK:
                return
            said.append(Detail(address=self._profile.orderers[at].address, msp="an orderer", message=text))
            if code is _C.FAILED_PRECONDITION and not perhaps:
                raise classify("submit", code, "", said)
            if code is _C.DEADLINE_EXCEEDED:
                perhaps.append(said[-1])
            if self._orderer == at:
                self._orderer = (at + 1) % len(self._profile.orderers)
        if perhaps:
            raise classify("submit", _C.DEADLINE_EXCEEDED, "nobody said that it was taken", perhaps)
        raise classify("submit", _C.UNAVAILABLE, "no orderer takes it", said)

    async def commit_status(self, asked: CommitRequest, signature: bytes, timeout_s: float) -> int:
        """Block of a valid transaction, from the event hub; where that did not see it, from the peer's index."""
        ends = time.monotonic() + timeout_s
        while (left_s := ends - time.monotonic()) > 0:
            try:
                answer = await self._worker.call("committed", left_s, tx_id=asked.tx_id)
                if answer.get("broken"):
                    self._last = answer["last"]
                    await self._follow(min(left_s, FOLLOW_S))
                    continue
            except (WorkerGone, Trouble, ConfigInvalid):
                answer = {}
            if "block" in answer:
                code = validation_code(answer["validation"])
                if code is not None:
                    return _valid(code, asked.tx_id, int(answer["block"]))
            found = await self._look(asked.tx_id, max(ends - time.monotonic(), 0.5))
            if found is not None:
                return _valid(found[1], asked.tx_id, found[0])
            await asyncio.sleep(min(LOOK_EVERY_S, max(ends - time.monotonic(), 0)))
        raise classify("commit status", _C.DEADLINE_EXCEEDED, "nobody said in time what became of it")

    async def _look(self, tx_id: str, timeout_s: float) -> tuple[int, int] | None:
        """Block and validation code by the own peer's index; None: not there, or nobody to ask."""
        channel = self._profile.channel
        proposal = build_proposal(
            self._creator,
            channel=channel,
            chaincode="qscc",
            arguments=(b"GetBlockByTxID", channel.encode("utf-8"), tx_id.encode("ascii")),
            now_us=self._clock(),
            nonce=secrets.token_bytes(NONCE_BYTES),
            organisations=(self._profile.msp,),
        )
        try:
            data = await self.evaluate(proposal, self._identity.signer.sign(proposal.message), timeout_s)
            number, transactions = parse_block(data)
        except (Trouble, ConfigInvalid):
            return None
        except Malformed as error:
            LOG.warning("%s", error)
            return None
        # The index holds the first transaction of an id; a replay of it in the same block stands behind.
        return next(((number, each.code) for each in transactions if each.tx_id == tx_id), None)

    async def _follow(self, timeout_s: float) -> None:
        """Have the event hub open before anything is sent, so that no commit goes by unseen."""
        async with self._following:
            try:
                answer = await self._worker.call("follow", timeout_s, envelope=encode(self._request_for_events()))
            except WorkerGone as error:
                raise classify("submit", _C.UNAVAILABLE, f"no orderer was asked: {error}") from error
        if not answer.get("following"):
            said = answer.get("details") or answer.get("failed") or "the own peer shows no blocks"
            raise classify("submit", _C.UNAVAILABLE, f"no orderer was asked, since the event hub is away: {said}")

    def _request_for_events(self) -> bytes:
        payload = events_payload(
            self._creator,
            channel=self._profile.channel,
            block=self._last,
            certificate_hash=self._certificate_hash,
            now_us=self._clock(),
            nonce=secrets.token_bytes(NONCE_BYTES),
        )
        envelope = common_pb2.Envelope(payload=payload, signature=self._identity.signer.sign(payload))
        return bytes(envelope.SerializeToString())

    async def events(self, asked: EventsRequest, signature: bytes) -> AsyncGenerator[ChaincodeEvent, None]:
        """Raises Trouble: without the Gateway, events are read from the ledger's blocks (`Ledger.events`)."""
        none: tuple[ChaincodeEvent, ...] = ()
        for event in none:
            yield event
        error = ConfigInvalid("the hfc client follows no events", next_step="read them from the ledger")
        raise Trouble(error, Reaction.STOP)


def _valid(code: int, tx_id: str, block: int) -> int:
    trouble = classify_validation(code, tx_id)
    if trouble is not None:
        raise trouble
    return block


def _certificate_hash(profile: HfcProfile) -> bytes:
    """What binds a request for events to the TLS connection that it came on."""
    if profile.tls_client is None:
        return b""
    path = profile.tls_client.certificate
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigInvalid("the client's TLS certificate cannot be read", where=str(path)) from error
    return sha256(certificate.public_bytes(serialization.Encoding.DER))
