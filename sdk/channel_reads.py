"""Fresh signed reads for an examination, whoever asks: one of a home, or somebody of another organisation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from evidence.errors import ConfigInvalid
from evidence.fabric_block import parse_fabric_block
from evidence.fabric_configuration import FabricConfiguration, parse_configuration
from evidence.fabric_receipt import full_receipt_document
from evidence.proof_ranges import whole_range
from evidence.registry import Position
from sdk.channel_home import import_identities
from sdk.channel_ledger import looking_at
from sdk.channel_view import question_s
from sdk.channel_word import block_bytes, configuration_block, genesis_hash
from sdk.fabric_profile import read_profile
from sdk.fabric_reads import collect
from sdk.gateway_blocking import BlockingGateway
from sdk.home import Home
from sdk.identities import Identity, load_identity
from sdk.interval_reads import BatchHints, Interval, read_interval


class ChannelReads:
    """Takes signed reads of a channel for one identity.

    Attributes:
        ledger_id: `fabric:<channel>:<genesis header hash>`, as the gateway's peer says.
        hints: which sealed batches hold a slot; set by whoever knows.
    """

    def __init__(self, gateway: BlockingGateway) -> None:
        self._gateway = gateway
        digest = genesis_hash(gateway, timeout_s=question_s(gateway))
        self.ledger_id = f"fabric:{gateway.profile.channel}:{digest.hex()}"
        self.hints: BatchHints = lambda slot: ()
        self._blocks: dict[int, bytes] = {}

    def take(self, camera: str, chain: int, first: int, last: int) -> list[bytes]:
        """Signed reads that show slots `first` to `last` of a chain and what belongs to them; see `read_interval`."""
        return read_interval(self._gateway, Interval.of(camera, chain, first, last), hints=self.hints)

    def founding(self) -> list[bytes]:
        """A signed read of the founding document alone."""
        return collect(self._gateway, [whole_range("genesis")])

    def full(self, position: Position) -> bytes | None:
        """The full receipt of the transaction at `position`: its whole block, which shows who wrote, and when."""
        if position.height not in self._blocks:
            self._blocks[position.height] = block_bytes(self._gateway, position.height)
        return full_receipt_document(self._blocks[position.height], position.index)

    def configuration(self) -> FabricConfiguration:
        """The channel's configuration in force, which can only narrow what an examiner trusts."""
        return parse_configuration(parse_fabric_block(configuration_block(self._gateway)))


@contextmanager
def asking(
    home: Home | None,
    profile: Path,
    *,
    identity: Path | None = None,
    name: str | None = None,
    now: Callable[[], int],
) -> Iterator[ChannelReads]:
    """Reach a channel as the identity in a folder, else as one of the home's wallet.

    Raises:
        ConfigInvalid: no such identity or profile. Refused: the ledger does not know it.
        LedgerUnavailable: nobody answers. KeyUnavailable, Malformed.
    """
    with ExitStack() as stack:
        if identity is not None:
            found = _identity(stack, identity, read_profile(profile).msp)
            gateway = stack.enter_context(BlockingGateway(read_profile(profile), found, clock=now))
        elif home is not None:
            gateway = stack.enter_context(looking_at(home, now=now, name=name, profile=profile)).gateway
        else:
            raise ConfigInvalid(
                "without a home nobody is there to ask the channel",
                where="--ledger",
                next_step="name the folder with your certificate and key: --identity DIR",
            )
        yield ChannelReads(gateway)


def _identity(stack: ExitStack, source: Path, msp: str) -> Identity:
    """The one identity in a folder, read as a wallet reads it: through a private copy."""
    wallet = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="veriframe-")))
    names = import_identities(source, wallet, msp=msp)
    if len(names) > 1:
        raise ConfigInvalid(
            f"this folder holds several identities: {', '.join(names)}", where=str(source),
            next_step="name the folder of the one that is to ask",
        )  # fmt: skip
    return load_identity(wallet, names[0])
