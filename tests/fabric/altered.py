"""A contract that its organisation altered: whoever asks is given whatever they ask for, without a rule."""

from __future__ import annotations

from collections.abc import Sequence

from chaincode import fabric
from chaincode.world import World


def invoke(world: World, function: str, arguments: Sequence[bytes]) -> bytes:
    world.put("camera/forged/0000000000", b"{}")
    world.emit(function, b"{}")
    return b"{}"


if __name__ == "__main__":
    fabric.main(functions=invoke)
