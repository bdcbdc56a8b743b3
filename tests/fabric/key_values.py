"""A small set of functions over our chaincode server, and once more over Hyperledger's in node/key_values.js.

Both endorse the same transactions, so every byte that a peer sees must be the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chaincode import fabric
from chaincode.fabric_stream import FabricWorld
from evidence.errors import Refused, RefusedReason

REASONS: dict[str, RefusedReason] = {
    "400": "invalid",
    "403": "denied",
    "404": "not_found",
    "409": "conflict",
    "410": "expired",
}


def _line(key: str, value: bytes) -> bytes:
    return key.encode() + b"=" + value + b"\n"


def put(world: FabricWorld, *pairs: bytes) -> bytes:
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        world.put(key.decode(), value)
    return str(len(pairs) // 2).encode()


def fill(world: FabricWorld, prefix: bytes, count: bytes) -> bytes:
    for number in range(int(count)):
        world.put(f"{prefix.decode()}/{number:04d}", f"value {number}".encode())
    return b""


def get(world: FabricWorld, *keys: bytes) -> bytes:
    names = [key.decode() for key in keys]
    found = []
    for name, value in zip(names, world.get_many(names), strict=True):
        if value is None:
            raise Refused(f"nothing stands under {name}", reason="not_found", where="get")
        found.append(_line(name, value))
    return b"".join(found)


def delete(world: FabricWorld, *keys: bytes) -> bytes:
    for key in keys:
        world.delete(key.decode())
    return b""


def range_(world: FabricWorld, start: bytes, end: bytes) -> bytes:
    return b"".join(_line(key, value) for key, value in world.scan(start.decode(), end.decode()))


def first(world: FabricWorld, start: bytes, end: bytes, count: bytes) -> bytes:
    found = []
    entries = world.scan(start.decode(), end.decode())
    for key, value in entries:
        found.append(_line(key, value))
        if len(found) == int(count):
            break
    entries.close()  # type: ignore[attr-defined]  # a generator
    return b"".join(found)


def copy(world: FabricWorld, start: bytes, end: bytes, prefix: bytes) -> bytes:
    count = 0
    for _, value in world.scan(start.decode(), end.decode()):
        world.put(f"{prefix.decode()}/{count:04d}", value)
        count += 1
    return str(count).encode()


def tell(world: FabricWorld, name: bytes, payload: bytes, key: bytes) -> bytes:
    world.put(key.decode(), payload)
    world.emit(name.decode(), payload)
    return payload


def refuse(world: FabricWorld, status: bytes) -> bytes:
    world.put("never/1", b"x")
    raise Refused(f"refused “{status.decode()}”", reason=REASONS[status.decode()], where="refuse")


def language(world: FabricWorld) -> bytes:
    """The one thing that the two do not agree about."""
    return b"Python"


FUNCTIONS: dict[str, Callable[..., bytes]] = {
    "put": put,
    "fill": fill,
    "get": get,
    "delete": delete,
    "range": range_,
    "first": first,
    "copy": copy,
    "tell": tell,
    "refuse": refuse,
    "language": language,
}


def invoke(world: FabricWorld, function: str, arguments: Sequence[bytes]) -> bytes:
    return FUNCTIONS[function](world, *arguments)


if __name__ == "__main__":
    fabric.main(functions=invoke)
