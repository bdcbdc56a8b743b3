"""Programs that we did not write, run beside ours: Hyperledger's Node client and Node chaincode shim."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk.fabric_profile import Profile

FOLDER = Path(__file__).parent / "node"
CALL_S = 60
START_S = 30


def node(script: str, *arguments: str) -> list[str]:
    program = shutil.which("node")
    assert program is not None  # whoever comes here asked for `needs("node")`
    return [program, str(FOLDER / script), *arguments]


@dataclass(frozen=True, slots=True)
class NodeClient:
    """One person at one place, through the official client.

    Args:
        profile: file with a connection profile in JSON.
        identity: folder of the wallet.
    """

    profile: Path
    identity: Path

    def evaluate(self, function: str, **members: Any) -> dict[str, Any]:
        return self._call("evaluate", function, self._argument(members))

    def submit(self, function: str, **members: Any) -> dict[str, Any]:
        return self._call("submit", function, self._argument(members))

    def events(self, first_block: int, count: int) -> list[dict[str, Any]]:
        found = self._call("events", str(first_block), str(count))
        assert "error" not in found, found
        return list(found["events"])

    def _argument(self, members: dict[str, Any]) -> str:
        # In no good order and with spaces: bringing it into canonical form is the client's own work.
        return json.dumps(dict(reversed(members.items())), indent=1)

    def _call(self, verb: str, *rest: str) -> dict[str, Any]:
        done = subprocess.run(
            node("client.js", verb, str(self.profile), str(self.identity), *rest),
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.stdout, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode != 0) == ("error" in found)
        return found


def write_profile(path: Path, profile: Profile) -> Path:
    """The profile in its JSON spelling, which our client reads as well as the Node one."""
    path.write_text(profile.model_dump_json(exclude_none=True), encoding="utf-8")
    return path


@contextlib.contextmanager
def node_contract(address: str, package_id: str, log: Path, *, tls: Sequence[Path] = ()) -> Iterator[None]:
    """The Node contract while the block runs, listening on `address`.

    Args:
        tls: certificate, key and the peers' authority; without them there is no TLS.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(
            node("key_values.js", address, package_id, *map(str, tls)),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CORE_CHAINCODE_LOGGING_LEVEL": "ERROR"},
        )
        try:
            _listening(address, process, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=START_S)


def _listening(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    host, _, port = address.rpartition(":")
    deadline = time.monotonic() + START_S
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection((host, int(port)), timeout=1).close()
            return
        said = log.read_text(encoding="utf-8", errors="replace")
        assert process.poll() is None and time.monotonic() < deadline, f"the Node contract does not listen: {said}"
        time.sleep(0.05)


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
