"""A PostgreSQL server of the tests' own: a throw-away cluster on a Unix socket, nothing on the network."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.conftest import postgres_program

_PATIENCE_S = 60.0
_OWNER = "tests"


@contextmanager
def server() -> Iterator[str]:
    """A running server; gives the URL of its first database. The process is ended, by its id, and all of it removed."""
    # A socket's path has room for about 100 characters: pytest's own folders are too deep.
    folder = Path(tempfile.mkdtemp(prefix="vfpg-"))
    as_other, account = _not_root()
    process: subprocess.Popen[bytes] | None = None
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data, log = folder / "data", folder / "log"
        made = subprocess.run(
            [
                *as_other, str(_program("initdb")), "-D", str(data), "-U", _OWNER, "--auth=trust", "--encoding=UTF8",
                "--locale=C", "--no-sync",
            ],
            capture_output=True, text=True, cwd=folder,
        )  # fmt: skip
        assert made.returncode == 0, made.stdout + made.stderr
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "max_connections": "20",
        }
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*as_other, str(_program("postgres")), "-D", str(data), *(f"-c{k}={v}" for k, v in settings.items())],
                stdout=output, stderr=output, cwd=folder,
            )  # fmt: skip
        url = f"postgresql+psycopg://{_OWNER}@/postgres?host={folder}"
        _wait(url, process, log)
        yield url
    finally:
        if process is not None:
            process.terminate()  # closes every session, rolls their transactions back, and ends
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server_url: str, name: str) -> Iterator[str]:
    """An empty database on the server, gone afterwards."""
    engine = create_engine(server_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        yield server_url.replace("/postgres?", f"/{name}?")
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        engine.dispose()


def _not_root() -> tuple[Sequence[str], pwd.struct_passwd | None]:
    """How to start a program as somebody else than root, as whom PostgreSQL does not run."""
    if os.geteuid() != 0:
        return (), None
    known = {each.pw_name: each for each in pwd.getpwall()}
    account = known.get("postgres") or known["nobody"]
    ids = (f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    # setpriv becomes the program, so that the process we end is the server itself.
    return ("setpriv", *ids), account


def _program(name: str) -> Path:
    found = postgres_program(name)
    assert found is not None  # who asks has been marked as needing it
    return found.resolve()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    engine = create_engine(url, poolclass=NullPool)
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with engine.connect():
                return
        except OperationalError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
