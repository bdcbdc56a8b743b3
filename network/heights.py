"""How far each node of a network has come, and waiting until one has what the others have."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from evidence.errors import LedgerUnavailable, VeriframeError
from network.topology import Node

if TYPE_CHECKING:
    from network.bring_up import Network

CAUGHT_UP_S = 60.0


def node_height(network: Network, node: Node) -> int:
    """How many blocks a node has.

    Raises: LedgerUnavailable: it does not answer, or an orderer does not take part in the channel.
    """
    channel = network.topology.channel
    if node.kind == "peer" and not network.is_own(node):
        return int(block_of(network, node, "newest").header.number) + 1  # its blocks are all that others may ask for
    if node.kind == "peer":
        text = network.peer(node, ["channel", "getinfo", "-c", channel])
        return int(json_behind(text, "Blockchain info:").get("height", 0))
    found = json_behind(network.osnadmin(node, "list").partition("\n")[2], "")
    if found.get("status") != "active":
        raise LedgerUnavailable(f"{node.name} is {found.get('status')} in channel {channel}")
    return int(found.get("height", 0))


def block_of(network: Network, peer: Node, which: str) -> common_pb2.Block:
    with tempfile.TemporaryDirectory(prefix="veriframe-") as folder:
        path = Path(folder) / "block"
        network.peer(peer, ["channel", "fetch", which, str(path), "-c", network.topology.channel])
        try:
            return common_pb2.Block.FromString(path.read_bytes())
        except (OSError, DecodeError) as error:
            raise LedgerUnavailable(f"block {which} of {peer.name} cannot be read") from error


def json_behind(text: str, prefix: str) -> dict[str, Any]:
    try:
        value = json.loads(text.strip().removeprefix(prefix))
    except ValueError as error:
        raise LedgerUnavailable("the peer program printed something else than JSON") from error
    if not isinstance(value, dict):
        raise LedgerUnavailable("the peer program printed something else than an object")
    return value


def wait_until_caught_up(network: Network, node: Node) -> None:
    """Wait until a node has the blocks that any other one has now. Raises LedgerUnavailable."""
    target = max(_heights(network, node), default=0)
    deadline = time.monotonic() + CAUGHT_UP_S
    while (height := _height(network, node)) is None or height < target:
        if time.monotonic() > deadline:
            raise LedgerUnavailable(
                f"{node.name} has not caught up with block {target}", where=str(network.processes.log(node.name))
            )
        time.sleep(0.1)


def _heights(network: Network, but: Node) -> Iterator[int]:
    for node in network.topology.nodes:
        asked = node != but and (node.kind == "peer" or network.is_own(node))
        height = _height(network, node) if asked else None
        if height is not None:
            yield height


def _height(network: Network, node: Node) -> int | None:
    try:
        return node_height(network, node)
    except VeriframeError:
        return None
