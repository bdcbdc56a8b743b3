"""A `Ledger` on a Fabric channel, through its gateway.

What the embedded ledger reads from its file is read here from the blocks of the gateway's peer: positions, events,
entries. That is what this peer says; what counts as proof comes as signed reads of several organisations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock

from fabric_protos.common import ledger_pb2
from google.protobuf.message import DecodeError

from chaincode.committed import Committed, Event
from chaincode.reader import LedgerEntry
from evidence.errors import CommitUnknown, ConfigInvalid, Malformed, VeriframeError
from evidence.ledger_format import Receipt
from evidence.registry import Position
from sdk.fabric_blocks import VALID, BlockTransaction, parse_block
from sdk.fabric_profile import ChannelProfile, read_profile
from sdk.gateway import Outcome
from sdk.gateway_blocking import BlockingGateway
from sdk.gateway_steps import Steps
from sdk.identities import Identity

BLOCKS_KEPT = 32  # transactions that are submitted together share a block, which is then fetched once


class FabricLedger:
    """A `Ledger` (sdk/ledger.py) over a channel; one identity acts.

    Args:
        steps: how single calls are made, where not by the gateways of the profile; called in the client's event loop.
    """

    def __init__(
        self,
        profile: ChannelProfile,
        *,
        identity: Identity,
        clock: Callable[[], int],
        steps: Callable[[], Steps] | None = None,
    ) -> None:
        if identity.msp != profile.msp:
            raise ConfigInvalid(
                f"{identity.name} belongs to {identity.msp}, the profile to {profile.msp}",
                next_step="use the profile of the identity's own organisation",
            )
        self._gateway = BlockingGateway(profile, identity, clock=clock, steps=steps)
        self._blocks: OrderedDict[int, tuple[BlockTransaction, ...]] = OrderedDict()
        self._lock = Lock()

    @property
    def gateway(self) -> BlockingGateway:
        return self._gateway

    @property
    def identity(self) -> Identity:
        return self._gateway.identity

    def submit(self, function: str, *arguments: bytes) -> Committed:
        return self._committed(self._gateway.submit(function, *arguments))

    def submit_many(self, calls: Sequence[tuple[str, Sequence[bytes]]]) -> list[Committed | VeriframeError]:
        """Submit independent calls at once. Returns for each what `submit` would have returned or raised."""
        found: list[Committed | VeriframeError] = []
        for outcome in self._gateway.submit_many(calls):
            if isinstance(outcome, Outcome):
                try:
                    found.append(self._committed(outcome))
                except VeriframeError as error:
                    found.append(error)
            elif isinstance(outcome, VeriframeError):
                found.append(outcome)
            else:
                raise outcome
        return found

    def evaluate(self, function: str, *arguments: bytes) -> bytes:
        return self._gateway.evaluate(function, *arguments)

    def receipt_for(self, key: str) -> Receipt | None:
        """Raises ConfigInvalid: such receipts are the embedded ledger's; on Fabric, reads are signed."""
        raise ConfigInvalid("a Fabric ledger gives no receipts of this kind", where=key)

    def height(self) -> int:
        """Blocks that the gateway's peer has. Raises LedgerUnavailable."""
        try:
            return int(ledger_pb2.BlockchainInfo.FromString(self._system("GetChainInfo")).height)
        except DecodeError as error:
            raise Malformed("the peer's word about its ledger cannot be read") from error

    def events(self, after: Position | None = None) -> Iterator[Event]:
        """Events behind `after`, in ledger order, up to now."""
        for position, transaction in self.transactions(after):
            said = transaction.event
            if said is not None and said.chaincode == self._gateway.profile.chaincode:
                yield Event(name=said.name, payload=said.payload, position=position)

    def entries(self, prefix: str = "") -> list[LedgerEntry]:
        """What stands under keys that begin with `prefix`, by key, with where each was written.

        Reads the whole chain: for comparing and exporting, not for questions.
        """
        state: dict[str, LedgerEntry] = {}
        for position, transaction in self.transactions(None):
            for write in transaction.writes:
                if write.chaincode != self._gateway.profile.chaincode or not write.key.startswith(prefix):
                    continue
                if write.value is None:
                    state.pop(write.key, None)
                else:
                    state[write.key] = LedgerEntry(position=position, key=write.key, value=write.value)
        return [state[key] for key in sorted(state)]

    def close(self) -> None:
        self._gateway.close()

    def _committed(self, outcome: Outcome) -> Committed:
        if outcome.block is None:
            return Committed(tx_id=outcome.tx_id, position=None, result=outcome.result)
        try:
            block = self._block(outcome.block)
        except VeriframeError as error:
            # Not as the question's own error, which would say that nothing was written.
            raise CommitUnknown(
                f"the transaction is on the ledger, in block {outcome.block}, and the peer does not show that block: "
                f"{error.detail}",
                where=f"transaction {outcome.tx_id}",
                next_step="look at what stands there before sending it again",
            ) from error
        for transaction in block:
            if transaction.tx_id == outcome.tx_id and transaction.code == VALID:
                position = Position(height=outcome.block, index=transaction.index)
                said = transaction.event
                event = None if said is None else Event(name=said.name, payload=said.payload, position=position)
                return Committed(tx_id=outcome.tx_id, position=position, result=outcome.result, event=event)
        raise Malformed("the peer's block lacks a transaction that it called committed", where=outcome.tx_id)

    def transactions(self, after: Position | None = None) -> Iterator[tuple[Position, BlockTransaction]]:
        """Valid transactions of the channel behind `after`, of every chaincode, up to now."""
        first = 0 if after is None else after.height
        for number in range(first, self.height()):
            for transaction in self._block(number):
                position = Position(height=number, index=transaction.index)
                if transaction.code == VALID and (after is None or position > after):
                    yield position, transaction

    def writes_at(self, position: Position) -> dict[str, bytes]:
        """What the transaction at `position` wrote of this chaincode, by key; empty where none stands there."""
        name = self._gateway.profile.chaincode
        for transaction in self._block(position.height):
            if transaction.index == position.index and transaction.code == VALID:
                written = [each for each in transaction.writes if each.chaincode == name]
                return {each.key: each.value for each in written if each.value is not None}
        return {}

    def _block(self, number: int) -> tuple[BlockTransaction, ...]:
        with self._lock:  # held while fetching: whoever else wants the same block waits for it instead of asking too
            if number not in self._blocks:
                found, transactions = parse_block(self._system("GetBlockByNumber", str(number).encode("ascii")))
                if found != number:
                    raise Malformed(f"the peer answered with block {found} for block {number}")
                self._blocks[number] = transactions
                while len(self._blocks) > BLOCKS_KEPT:
                    self._blocks.popitem(last=False)
            return self._blocks[number]

    def _system(self, function: str, *arguments: bytes) -> bytes:
        profile = self._gateway.profile
        channel = profile.channel.encode("utf-8")
        return self._gateway.evaluate(function, channel, *arguments, chaincode="qscc", organisations=(profile.msp,))


def open_fabric(url: str, *, identity: Identity, clock: Callable[[], int]) -> FabricLedger:
    """Open `fabric:path/to/profile.yaml`. Raises ConfigInvalid."""
    scheme, _, path = url.partition(":")
    if scheme != "fabric" or not path:
        raise ConfigInvalid("this is not a Fabric ledger's address", where=url, next_step="use fabric:profile.yaml")
    return FabricLedger(read_profile(Path(path)), identity=identity, clock=clock)
