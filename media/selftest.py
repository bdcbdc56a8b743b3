"""What a hostile file would make the media child do, on demand: proof that the caller survives it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from evidence.errors import UnsupportedMedia
from media.frames import Message, Send


def selftest_task(arguments: Mapping[str, Any], send: Send) -> Message:
    """Behave as `arguments["as"]` says; without a known word, answer with what was asked."""
    match arguments.get("as"):
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(3600)
        case "spin":
            while True:
                pass
        case "bomb":
            return Message(head={}, columns=(bytes(1 << 40),))
        case "flood":
            return Message(head={}, columns=(bytes(64 << 20),))
        case "leave":
            sys.stderr.write("gone\n")
            sys.stderr.flush()
            os._exit(3)
        case "refuse":
            raise UnsupportedMedia("it holds no pictures", where="a.mp4", next_step="name another file")
        case "stumble":
            raise KeyError("stumbled")
        case "talk":
            for number in range(3):
                send(Message(head={"number": number}, columns=(bytes([number]),)))
    return Message(head={"arguments": dict(arguments)}, columns=(b"", b"column"))
