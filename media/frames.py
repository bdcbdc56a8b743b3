"""Messages between the media child and its parent: a JSON head and raw columns, every length stated first.

Nothing is ever unpickled: the parent takes the child to be in the hands of whoever made the file.

    frame = u32 head bytes · u32 number of columns · u64 bytes of each column · head (JSON object) · columns
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evidence.errors import Malformed

HEAD_LIMIT_BYTES = 64 << 20
COLUMN_LIMIT = 64

_PREFIX = struct.Struct(">II")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one frame says: JSON values in `head`, bulk in `columns`."""

    head: Mapping[str, Any]
    columns: tuple[bytes, ...] = field(default=())


Send = Callable[[Message], None]


def frame(message: Message) -> Sequence[bytes]:
    """The pieces of one frame, to be written one after the other."""
    head = json.dumps(message.head, separators=(",", ":")).encode()
    sizes = struct.pack(f">{len(message.columns)}Q", *(len(column) for column in message.columns))
    return (_PREFIX.pack(len(head), len(message.columns)) + sizes + head, *message.columns)


class FrameReader:
    """Cuts what arrives on the pipe into messages and refuses what is larger than agreed."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._pending = bytearray()
        self._wanted = _PREFIX.size

    def feed(self, data: bytes) -> list[Message]:
        """Take the next bytes and return the messages that are now complete.

        Raises:
            Malformed: a frame larger than the limit, or a head that is not a JSON object.
        """
        self._pending += data
        messages = []
        while len(self._pending) >= self._wanted:
            message = self._next()
            if message is not None:
                messages.append(message)
        return messages

    def _next(self) -> Message | None:
        """Cut one message off the front, or learn how many bytes it needs and return None."""
        head_bytes, count = _PREFIX.unpack_from(self._pending)
        if head_bytes > HEAD_LIMIT_BYTES or count > COLUMN_LIMIT:
            raise Malformed("the media reader sent a message that is larger than agreed")
        begin = _PREFIX.size + 8 * count
        if len(self._pending) < begin:
            self._wanted = begin
            return None
        sizes = struct.unpack_from(f">{count}Q", self._pending, _PREFIX.size)
        total = begin + head_bytes + sum(sizes)
        if total > self._limit:
            raise Malformed("the media reader sent a message that is larger than agreed")
        if len(self._pending) < total:
            self._wanted = total
            return None
        position = begin + head_bytes
        head = _parse_head(bytes(self._pending[begin:position]))
        columns = []
        for size in sizes:
            columns.append(bytes(self._pending[position : position + size]))
            position += size
        del self._pending[:position]
        self._wanted = _PREFIX.size
        return Message(head=head, columns=tuple(columns))


def _parse_head(data: bytes) -> dict[str, Any]:
    try:
        head = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed("the media reader sent a message that cannot be read") from error
    if not isinstance(head, dict):
        raise Malformed("the media reader sent a message that cannot be read")
    return head
