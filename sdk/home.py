"""A home: the one directory that holds ledger, identities, keys, spool, store, index and settings."""

from __future__ import annotations

import os
import secrets
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from platformdirs import user_config_path, user_data_path

from evidence.canonical import Fields, canonical, parse_canonical
from evidence.errors import ConfigInvalid, Malformed, StoreUnavailable, VeriframeError
from sdk.database import sync_folder, translated
from sdk.keys import write_new_file

HOME_TYPE = "veriframe/home/1"
HOME_VARIABLE = "VERIFRAME_HOME"
_WHAT = "the home"
_MANIFEST = "home.json"
_BUILDING = ".init-"
_DATABASES = ("ledger.db", "index.db", "people.db", "spool/spool.db")
_COPY_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Paths of an opened home.

    Attributes:
        databases: where the databases are; the home itself, or the private copies that `snapshot` makes.
        ledger_id: `embedded:<genesis hash>`, or `fabric:<channel>:<genesis header hash>`.
        demo: made by `init --demo`: one process holds every organisation's keys.
        profile: how the Fabric channel is reached; None where the ledger is a file of this home.
    """

    path: Path
    databases: Path
    ledger_id: str
    demo: bool
    profile: Path | None = None

    @property
    def ledger(self) -> Path:
        return self.databases / "ledger.db"

    @property
    def index(self) -> Path:
        return self.databases / "index.db"

    @property
    def people(self) -> Path:
        return self.databases / "people.db"

    @property
    def spool(self) -> Path:
        return self.databases / "spool"

    @property
    def store(self) -> Path:
        return self.path / "store"

    @property
    def identities(self) -> Path:
        return self.path / "identities"

    @property
    def authorities(self) -> Path:
        return self.path / "authorities"

    @property
    def keys(self) -> Path:
        return self.path / "keys"

    @property
    def channel_trust(self) -> Path:
        """What a Fabric channel's peers said of its organisations when the home was made, as a trust file."""
        return self.path / "channel.json"

    @property
    def channel_roots(self) -> Path:
        """The root certificates behind `channel_trust`, as PEM."""
        return self.path / "channel-roots.pem"

    @property
    def seen(self) -> Path:
        """What a channel last said that recording needs, so that it goes on while the network is away."""
        return self.path / "seen"

    @property
    def settings(self) -> Path:
        return self.path / "veriframe.yaml"

    def device_key(self, camera: str) -> Path:
        return self.keys / "devices" / f"{camera}.pem"

    @property
    def operator_key(self) -> Path:
        """The key that signs the embedded ledger's checkpoints."""
        return self.keys / "ledger-operator.pem"


def locate(given: Path | None, environment: Mapping[str, str]) -> Path:
    """Which directory is meant: `--home`, else VERIFRAME_HOME, else the user's data folder."""
    if given is not None:
        return given.expanduser().absolute()
    named = environment.get(HOME_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    data = environment.get("XDG_DATA_HOME")
    return Path(data) / "veriframe" if data else user_data_path("veriframe", appauthor=False)


def user_settings(environment: Mapping[str, str]) -> Path:
    """The user's own settings file, under XDG_CONFIG_HOME."""
    config = environment.get("XDG_CONFIG_HOME")
    folder = Path(config) / "veriframe" if config else user_config_path("veriframe", appauthor=False)
    return folder / "veriframe.yaml"


def is_home(path: Path) -> bool:
    return (path / _MANIFEST).is_file()


def is_empty(path: Path) -> bool:
    """Whether a home can be made here: nothing is there, or only what an interrupted `building` left."""
    if not path.exists():
        return True
    with translated(path, _WHAT):
        return path.is_dir() and all(each.name.startswith(_BUILDING) for each in path.iterdir())


def open_home(path: Path, *, writing: bool = True) -> Home:
    """Open a home that `init` has made.

    Args:
        writing: also insist that no other user can write into it.

    Raises:
        ConfigInvalid: no home there, or open to others. Malformed: its manifest is damaged or of a newer version.
    """
    manifest = path / _MANIFEST
    try:
        data = manifest.read_bytes()[: 1 << 16]
    except FileNotFoundError as error:
        raise ConfigInvalid(
            "there is no Veriframe home here",
            where=str(path),
            next_step=f"make one: veriframe init --home {path}"
            if writing
            else "name the folder where the evidence is: --home DIR, or VERIFRAME_HOME",
        ) from error
    except OSError as error:
        raise ConfigInvalid(
            f"the home cannot be read ({error.strerror})", where=str(manifest), next_step="check owner and permissions"
        ) from error
    f = Fields(parse_canonical(data, "home.json"), "home.json", ("type", "ledger", "demo"), ("profile",))
    f.const("type", HOME_TYPE)
    if writing:
        _check_private(path)
    profile = f.optional("profile", f.text)
    return Home(
        path=path, databases=path, ledger_id=f.text("ledger", limit=512), demo=f.boolean("demo"),
        profile=None if profile is None else Path(profile),
    )  # fmt: skip


@contextmanager
def building(path: Path) -> Iterator[Path]:
    """A folder in which to make a home; what the body leaves there becomes the home at `path` when it ends.

    A crash leaves a folder `.init-…` that the next attempt removes. Only a crash within the few renames at the end
    needs a person, and has recorded nothing.

    Raises:
        ConfigInvalid: something is there already, or the place cannot be written.
    """
    if is_home(path):
        raise ConfigInvalid(
            "there is a home here already", where=str(path), next_step="use it, or choose another place"
        )
    if not is_empty(path):
        raise ConfigInvalid(
            "this folder is not empty and is no home",
            where=str(path),
            next_step="choose an empty folder; if an earlier init was interrupted here, remove the folder first",
        )
    with translated(path, _WHAT):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(path, 0o700)
        for left in path.iterdir():
            shutil.rmtree(left)
        folder = path / f"{_BUILDING}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
    try:
        yield folder
        with translated(path, _WHAT):
            # The manifest goes last: without it nothing takes the folder for a home.
            for each in sorted(folder.iterdir(), key=lambda entry: entry.name == _MANIFEST):
                os.rename(each, path / each.name)
            sync_folder(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_manifest(folder: Path, *, ledger_id: str, demo: bool, profile: Path | None = None) -> None:
    members: dict[str, object] = {"type": HOME_TYPE, "ledger": ledger_id, "demo": demo}
    if profile is not None:
        members["profile"] = str(profile)
    with translated(folder, _WHAT):
        write_new_file(folder / _MANIFEST, canonical(members), mode=0o600)


@contextmanager
def snapshot(home: Home, *, only: Sequence[str] = _DATABASES) -> Iterator[Home]:
    """The home with private copies of its databases, so that looking at it changes nothing, also on read-only media.

    An error about a copy is told of the original.

    Args:
        only: which of them are copied; the others are not there.
    """
    with tempfile.TemporaryDirectory(prefix="veriframe-") as name:
        folder = Path(name)
        for each in only:
            if (home.path / each).exists():
                target = folder / each
                target.parent.mkdir(mode=0o700, exist_ok=True)
                copy_database(home.path / each, target)
        try:
            yield replace(home, databases=folder)
        except VeriframeError as error:
            if Path(error.where).is_relative_to(folder):
                error.where = str(home.path / Path(error.where).relative_to(folder))
            raise


def copy_database(source: Path, target: Path) -> None:
    """Copy a database with its journal, without opening the original.

    Raises:
        ConfigInvalid: it cannot be read. StoreUnavailable: no moment of rest was found to copy it.
    """
    journal = source.with_name(source.name + "-wal")
    with translated(source, "the database"):
        for _ in range(_COPY_TRIES):
            before = _state(source), _state(journal)
            shutil.copyfile(source, target)
            if before[1] is not None:
                shutil.copyfile(journal, target.with_name(target.name + "-wal"))
            # A commit or checkpoint in between would give two halves of different times.
            if before == (_state(source), _state(journal)):
                return
    # Somebody writes all the time, so the folder is writable, and SQLite itself may take a consistent copy.
    try:
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as original:
            target.unlink()
            target.with_name(target.name + "-wal").unlink(missing_ok=True)
            with closing(sqlite3.connect(target)) as copy:
                original.backup(copy)
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(
            "the database is being written all the time", where=str(source), next_step="try again"
        ) from error
    except sqlite3.DatabaseError as error:
        raise Malformed(f"the database is damaged ({error})", where=str(source)) from error


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _check_private(path: Path) -> None:
    with translated(path, _WHAT):
        status = path.stat()
    if status.st_mode & 0o022:
        raise ConfigInvalid(
            f"other users can write into this home (mode {stat.S_IMODE(status.st_mode):04o})",
            where=str(path),
            next_step=f"chmod 700 {path}, after looking at what may have been changed",
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise ConfigInvalid(
            "this home belongs to another user", where=str(path), next_step="run the command as its owner"
        )
