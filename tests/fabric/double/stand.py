"""The double put together: our chaincode server, a peer of each organisation on it, and a gateway before them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc

from chaincode.dispatch import invoke
from chaincode.fabric import Contract, Functions, serve
from sdk.fabric_profile import Deadlines, GatewayAddress, Profile
from sdk.identities import Identity
from tests.fabric.double.gateway import DoubleGateway
from tests.fabric.double.ledger import DoubleLedger
from tests.fabric.double.peer import DoublePeer
from tests.hosts.cast import MSPS, Cast

PACKAGE = "veriframe_1:00"
QUICK = Deadlines(evaluate_s=5, endorse_s=5, submit_s=0.4, commit_s=0.4, total_s=4)


class Stand:
    """A whole double of one channel."""

    def __init__(self, cast: Cast, *, now_s: Callable[[], float] | None = None, ready: bytes = b"") -> None:
        self.cast = cast
        self.ledger = DoubleLedger()
        self.functions: Functions = invoke  # a test may put others in their place
        self.contract = Contract(PACKAGE, functions=lambda *call: self.functions(*call))
        self.server, address = served(self.contract)
        self.peers: dict[str, tuple[DoublePeer, Identity]] = {}
        for msp in (MSPS[0], MSPS[1], MSPS[3]):
            endorser = cast.identity(f"peer-{msp[:-3].lower()}", msp, "", {})
            self.peers[msp] = (DoublePeer(address, self.ledger, ready=ready), endorser)
        self.gateway = DoubleGateway(self.ledger, self.peers, now_s=now_s)

    def profile(self, msp: str = "ControlRoomMSP", **changed: Any) -> Profile:
        values = {"channel": "evidence", "chaincode": "veriframe", "msp": msp, "deadlines": QUICK, **changed}
        return Profile(gateways=(GatewayAddress(address=self.gateway.address),), **values)

    def close(self) -> None:
        self.gateway.close()
        for peer, _ in self.peers.values():
            peer.close()
        self.contract.end(1)
        self.server.stop(grace=1).wait()


def served(contract: Contract) -> tuple[grpc.Server, str]:
    """A started chaincode server without TLS, and its address."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return serve(address, contract, None), address
