"""Run `veriframe` and die, as kill -9 would have it, behind the Nth step that changes keys or ledger.

    python crash_after.py N ARGUMENT…

A step is a name given to a finished file below `keys/` or `identities/`, or a transaction committed. N = 0 dies before
the first one. A run with fewer steps ends as it always does.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

DIED = 137
_left = 0


def _step() -> None:
    global _left
    _left -= 1
    if _left == 0:
        os._exit(DIED)


def _counting(function: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
    def run(*arguments: Any, **more: Any) -> Any:
        matters = counts(*arguments)
        if matters and _left == 0:
            os._exit(DIED)
        done = function(*arguments, **more)
        if matters:
            _step()
        return done

    return run


def _is_a_key(source: object, target: object) -> bool:
    return any(f"/{folder}/" in str(target) for folder in ("keys", "identities"))


def main(count: int, arguments: list[str]) -> None:
    global _left
    _left = count
    os.link = _counting(os.link, _is_a_key)
    os.replace = _counting(os.replace, _is_a_key)
    from sdk.ledger import EmbeddedLedger

    EmbeddedLedger.submit = _counting(EmbeddedLedger.submit, lambda *_: True)  # type: ignore[method-assign]
    sys.argv = ["veriframe", *arguments]
    from cli.main import run

    run()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
