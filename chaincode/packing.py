"""How transactions and write sets lie in the ledger's file: taken apart and compressed.

Their canonical forms wrap base64 in base64 and repeat every value; kept as they are, an anchored block takes five times
the room. Nothing here is hashed or signed: the canonical bytes are put together again on reading, and only those count.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping

from evidence.dsse import Envelope, Signature
from evidence.errors import Malformed
from evidence.ledger_format import MAX_WRITE_SET_BYTES, TRANSACTION_PAYLOAD_TYPE, Transaction

_LENGTH = struct.Struct(">I")
_TIME = struct.Struct(">Q")
# Larger than anything that was let in; a damaged file must not unpack into the whole memory.
MAX_UNPACKED_BYTES = 2 * MAX_WRITE_SET_BYTES


def pack_envelope(envelope: Envelope, transaction: Transaction) -> bytes:
    """An admitted envelope without its certificate, which is kept once for all transactions that carry it."""
    [signature] = envelope.signatures
    return _pack(
        (
            transaction.ledger,
            transaction.function.encode("ascii"),
            transaction.msp.encode("ascii"),
            _TIME.pack(transaction.time_us),
            transaction.nonce,
            bytes.fromhex(signature.key_id),
            signature.signature,
            *transaction.arguments,
        )
    )


def unpack_envelope(data: bytes, certificate: bytes) -> Envelope:
    """The envelope that `pack_envelope` took apart; its signature says whether it is still the same.

    Raises:
        Malformed: the bytes are damaged.
    """
    parts = _unpack(data, "transaction")
    try:
        ledger, function, msp, time_us, nonce, key_id, signature, *arguments = parts
        transaction = Transaction(
            ledger=ledger,
            function=function.decode("ascii"),
            arguments=tuple(arguments),
            msp=msp.decode("ascii"),
            certificate=certificate,
            time_us=_TIME.unpack(time_us)[0],
            nonce=nonce,
        )
    except (ValueError, struct.error) as error:
        raise Malformed("the stored transaction is damaged") from error
    return Envelope(
        payload_type=TRANSACTION_PAYLOAD_TYPE,
        payload=transaction.canonical(),
        signatures=(Signature(key_id=key_id.hex(), signature=signature),),
    )


def pack_writes(writes: Mapping[str, bytes]) -> bytes:
    return _pack(part for key in sorted(writes) for part in (key.encode("ascii"), writes[key]))


def unpack_writes(data: bytes) -> dict[str, bytes]:
    """Raises Malformed: the bytes are damaged."""
    parts = _unpack(data, "write set")
    if len(parts) % 2:
        raise Malformed("the stored write set is damaged")
    try:
        return {key.decode("ascii"): value for key, value in zip(parts[::2], parts[1::2], strict=True)}
    except ValueError as error:
        raise Malformed("the stored write set is damaged") from error


def _pack(parts: Iterable[bytes]) -> bytes:
    return zlib.compress(b"".join(_LENGTH.pack(len(part)) + part for part in parts))


def _unpack(data: bytes, what: str) -> list[bytes]:
    unpacking = zlib.decompressobj()
    try:
        joined = unpacking.decompress(data, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        raise Malformed(f"the stored {what} is damaged") from error
    if not unpacking.eof or unpacking.unused_data:
        raise Malformed(f"the stored {what} is damaged")
    parts, at = [], 0
    while at < len(joined):
        end = at + _LENGTH.size
        if end > len(joined):
            raise Malformed(f"the stored {what} is damaged")
        (length,) = _LENGTH.unpack_from(joined, at)
        at = end + length
        if at > len(joined):
            raise Malformed(f"the stored {what} is damaged")
        parts.append(joined[end:at])
    return parts
