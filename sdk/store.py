"""The store: footage and proof as files that are named once and never overwritten.

    objects/<SHA-256 of the stored bytes>            media
    proof/<camera>/<chain>-<sequence>                record, block, signature, leaves, samples, private part
    batches/<site>/<recorder>-<batch>                leaf list of a sealed batch
    rings/<SHA-256>                                  wrapped keys, the only thing that is ever rewritten
    reads/<camera>/<chain>-<first>-<last>-<SHA-256>  what organisations signed about these slots of a Fabric ledger

Chain, sequence and batch have ten digits, so that names sort as numbers do.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from evidence.digests import DIGEST_BYTES
from evidence.errors import ConfigInvalid, Malformed, ObjectCorrupt, ObjectMissing, Refused, StoreUnavailable
from sdk.database import sync_folder

_IDENT = "[a-z0-9][a-z0-9-]{0,62}"
_KEY = re.compile(
    rf"(objects/[0-9a-f]{{64}}|rings/[0-9a-f]{{64}}|proof/{_IDENT}/\d{{10}}-\d{{10}}|batches/{_IDENT}/{_IDENT}-\d{{10}}"
    rf"|reads/{_IDENT}/\d{{10}}-\d{{10}}-\d{{10}}-[0-9a-f]{{64}})"
)
AREAS = ("objects", "proof", "batches", "rings", "reads")
_COPY_BYTES = 1 << 20
_STALE_SECONDS = 86_400  # an unfinished write older than this is a crash's; a put takes seconds


class Store(Protocol):
    """Where footage and proof are kept. `put` returns only when the bytes are durable; the same bytes again succeed."""

    def put(self, key: str, data: BinaryIO) -> None: ...

    def replace(self, key: str, data: BinaryIO) -> None: ...

    def get(self, key: str) -> BinaryIO: ...

    def exists(self, key: str) -> bool: ...

    def list(self, area: str) -> Iterator[str]: ...


def object_key(digest: bytes) -> str:
    return f"objects/{_hex(digest)}"


def ring_key(digest: bytes) -> str:
    return f"rings/{_hex(digest)}"


def proof_key(camera: str, chain: int, sequence: int) -> str:
    return f"proof/{camera}/{chain:010d}-{sequence:010d}"


def batch_file_key(site: str, recorder: str, batch: int) -> str:
    return f"batches/{site}/{recorder}-{batch:010d}"


def read_key(camera: str, chain: int, first: int, last: int, document: bytes) -> str:
    return f"reads/{camera}/{chain:010d}-{first:010d}-{last:010d}-{hashlib.sha256(document).hexdigest()}"


def put_bytes(store: Store, key: str, data: bytes) -> None:
    store.put(key, io.BytesIO(data))


def get_bytes(store: Store, key: str, *, limit: int) -> bytes:
    """The whole of a small file. Raises ObjectMissing; ObjectCorrupt: more than `limit` bytes."""
    with store.get(key) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ObjectCorrupt(f"larger than {limit} bytes, which no such file is", where=key)
    return data


def open_store(url: str, *, base: Path, immutable: bool = False, writing: bool = True) -> FileStore:
    """The store that settings name: `file:PATH`, relative to the home.

    Raises:
        ConfigInvalid: another scheme, or `immutable` on a store that cannot keep its word.
    """
    scheme, separator, rest = url.partition(":")
    if not separator or scheme != "file" or not rest:
        raise ConfigInvalid(f"a store of the kind {url!r} is not known", where="store.url", next_step="use file:PATH")
    if rest.startswith("//"):
        rest = rest[2:]
    return FileStore(base / rest, immutable=immutable, writing=writing)


class FileStore:
    """A store in a local folder."""

    def __init__(self, folder: Path, *, immutable: bool = False, writing: bool = True) -> None:
        """Open the store; for writing, its folders are made.

        Raises:
            StoreUnavailable: the folder cannot be made or written.
            ConfigInvalid: `immutable` is asked for, which a folder cannot enforce (see `self_test`).
        """
        self.folder = folder
        self._immutable = immutable
        if writing:
            with self._translated(folder):
                for each in (folder, folder / "tmp", *(folder / area for area in AREAS)):
                    each.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._sweep()

    def put(self, key: str, data: BinaryIO) -> None:
        """Keep `data` under `key` for good.

        Raises:
            ObjectCorrupt: an object's bytes do not hash to its name, or what stands there already does not.
            Refused: something else stands there (`conflict`). StoreUnavailable: not durable; nothing is half there.
        """
        target = self._path(key)
        with self._translated(target):
            if target.exists():
                self._confirm(key, target, _digest(data))
                return
            self._make_folder(target.parent)
            temporary, digest = self._write(data)
            try:
                _check_name(key, digest)
                if not _link(temporary, target, self.folder):
                    self._confirm(key, target, digest)
                    return
                # A crash before this line may forget the name, never show half a file.
                sync_folder(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def replace(self, key: str, data: BinaryIO) -> None:
        """Put a key ring in the place of the former one, whole. Raises Refused for anything that is not a ring."""
        if not key.startswith("rings/"):
            raise Refused("only key rings are ever rewritten", reason="denied", where=key)
        target = self._path(key)
        with self._translated(target):
            self._make_folder(target.parent)
            temporary, _ = self._write(data)
            try:
                os.replace(temporary, target)
                sync_folder(target.parent)
            finally:
                temporary.unlink(missing_ok=True)

    def get(self, key: str) -> BinaryIO:
        """Open for reading. The bytes are not checked here: whoever uses them holds a digest. Raises ObjectMissing."""
        target = self._path(key)
        try:
            return target.open("rb")
        except FileNotFoundError as error:
            raise ObjectMissing("the store does not hold it", where=key) from error
        except OSError as error:
            raise self._unavailable(error, target) from error

    def exists(self, key: str) -> bool:
        with self._translated(self.folder):
            return self._path(key).is_file()

    def size_bytes(self, key: str) -> int:
        """Raises ObjectMissing."""
        try:
            return self._path(key).stat().st_size
        except OSError as error:
            raise ObjectMissing("the store does not hold it", where=key) from error

    def list(self, area: str) -> Iterator[str]:
        """The keys of one area in order; files that are no keys are left out (`strangers` names them)."""
        yield from (key for key in self._walk(area) if _KEY.fullmatch(key))

    def strangers(self, area: str) -> Iterator[str]:
        """Paths within an area that no put has made."""
        yield from (key for key in self._walk(area) if not _KEY.fullmatch(key))

    def self_test(self) -> None:
        """Write, read, write again and delete a small file, as start-up does.

        Raises:
            StoreUnavailable: it does not work. ConfigInvalid: `immutable`, but a folder lets its files be deleted.
        """
        data = secrets.token_bytes(64)
        path = self.folder / "tmp" / f"self-test-{secrets.token_hex(8)}"
        with self._translated(path):
            temporary, _ = self._write(io.BytesIO(data))
            try:
                linked = _link(temporary, path, self.folder)
                overwritten = _link(temporary, path, self.folder)
                sound = linked and not overwritten and path.read_bytes() == data
            finally:
                temporary.unlink(missing_ok=True)
                path.unlink(missing_ok=True)
        if not sound:
            raise StoreUnavailable(
                "the store does not keep what is written, or lets it be overwritten", where=str(self.folder)
            )
        if self._immutable:
            # The file just written could be deleted: no lock stands behind the promise.
            raise ConfigInvalid(
                "this store lets objects be deleted, so it cannot promise `immutable: true`",
                where=str(self.folder),
                next_step="set store.immutable to false, or use a store that locks objects",
            )

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _path(self, key: str) -> Path:
        if _KEY.fullmatch(key) is None:
            raise Malformed("this is not a name that the store knows", where=key[:200])
        return self.folder / key

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder.parent)

    def _write(self, data: BinaryIO) -> tuple[Path, bytes]:
        """Copy into a fresh temporary file, synced; gives it and the SHA-256."""
        temporary = self.folder / "tmp" / secrets.token_hex(16)
        digest = hashlib.sha256()
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        try:
            with os.fdopen(descriptor, "wb") as file:
                while block := data.read(_COPY_BYTES):
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return temporary, digest.digest()

    def _confirm(self, key: str, target: Path, digest: bytes) -> None:
        """The name is taken: by the same bytes (an earlier put whose answer was lost), or by others, which stay."""
        with target.open("rb") as file:
            found = _digest(file)
        _check_name(key, digest)
        if found != digest:
            if key.startswith("objects/"):
                raise ObjectCorrupt(
                    "the stored object is not what its name says",
                    where=str(target),
                    next_step="move the damaged file aside; what is still in the spool is then stored again",
                )
            raise Refused("something else is stored under this name", reason="conflict", where=str(target))
        # The earlier put may have crashed before its own sync.
        sync_folder(target.parent)

    def _walk(self, area: str) -> Iterator[str]:
        if area not in AREAS:
            raise Malformed("this is not an area of the store", where=area[:100])
        top = self.folder / area
        if area == "reads" and not top.is_dir():
            return  # a store made before there were any
        with self._translated(top):
            for folder, folders, files in os.walk(top, onerror=_raise):
                folders.sort()
                for name in sorted(files):
                    yield str((Path(folder) / name).relative_to(self.folder))

    def _sweep(self) -> None:
        for path in (self.folder / "tmp").iterdir():
            if path.lstat().st_mtime < time.time() - _STALE_SECONDS:
                path.unlink(missing_ok=True)

    @contextmanager
    def _translated(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._unavailable(error, path) from error

    def _unavailable(self, error: OSError, path: Path) -> StoreUnavailable:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            cause, fix = "no space left in the store", "free space on that disk; the spool keeps what is not stored yet"
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            cause = f"the store cannot be read or written ({error.strerror})"
            fix = "check the folder's owner and permissions, and that the disk is not mounted read-only"
        else:
            cause, fix = f"the store's disk reports an error ({error.strerror})", "check the disk and the path"
        return StoreUnavailable(cause, where=str(error.filename or path), next_step=fix)


def _hex(digest: bytes) -> str:
    if len(digest) != DIGEST_BYTES:
        raise Malformed("a stored object is named by a digest of 32 bytes")
    return digest.hex()


def _digest(data: BinaryIO) -> bytes:
    digest = hashlib.sha256()
    while block := data.read(_COPY_BYTES):
        digest.update(block)
    return digest.digest()


def _check_name(key: str, digest: bytes) -> None:
    if key.startswith("objects/") and key != object_key(digest):
        raise ObjectCorrupt("the bytes do not hash to the object's name", where=key)
    if key.startswith("reads/") and not key.endswith(f"-{digest.hex()}"):
        raise ObjectCorrupt("the bytes do not hash to the signed read's name", where=key)


def _link(temporary: Path, target: Path, folder: Path) -> bool:
    """Give a finished file its name unless the name is taken; tells whether it did."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS):
            raise
    else:
        return True
    # A file system without hard links: ask and rename under a lock that all our processes take.
    with (folder / "tmp" / "lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return False
        os.rename(temporary, target)
        return True


def _raise(error: OSError) -> None:
    raise error
