"""Fabric's own programs: found where operators put them, or unpacked from a release archive.

They are looked up in FABRIC_BIN, then on PATH, then in the user's cache. Veriframe ships none and builds none.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Self

from evidence.errors import ConfigInvalid, Malformed

PROGRAMS = ("peer", "orderer", "configtxgen", "configtxlator", "osnadmin", "ledgerutil")
NEEDED = ("peer", "orderer", "configtxgen", "osnadmin")
CACHE = Path(".cache") / "veriframe" / "fabric" / "bin"

MAX_PROGRAM_BYTES = 512 << 20
MAX_ARCHIVE_BYTES = 4 << 30  # unpacked: what stands before a program must be read through
MAX_ENTRIES = 1000
MAX_DESCRIPTION_BYTES = 1 << 20
_DESCRIBING = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)

WHERE_TO_GET_THEM = (
    "Fabric's programs ({missing}) were not found in FABRIC_BIN, on PATH or in ~/.cache/veriframe/fabric/bin.\n"
    "They are in Fabric's official release archive (hyperledger-fabric-linux-amd64-….tar.gz) and container images.\n"
    "Set FABRIC_BIN to their folder, or run: veriframe network install ARCHIVE --sha256 DIGEST"
)


def find_programs(environment: Mapping[str, str], home: Path) -> dict[str, Path]:
    """The programs that are there, by name."""
    found: dict[str, Path] = {}
    for name in PROGRAMS:
        candidates = [Path(environment["FABRIC_BIN"]) / name] if environment.get("FABRIC_BIN") else []
        on_path = shutil.which(name, path=environment.get("PATH", ""))
        candidates += [Path(on_path)] if on_path else []
        candidates.append(home / CACHE / name)
        place = next((each for each in candidates if each.is_file() and os.access(each, os.X_OK)), None)
        if place is not None:
            found[name] = place
    return found


def require_programs(environment: Mapping[str, str], home: Path) -> dict[str, Path]:
    """The programs a network needs.

    Raises:
        ConfigInvalid: some are not there; the text says where operators get them.
    """
    found = find_programs(environment, home)
    missing = [name for name in NEEDED if name not in found]
    if missing:
        raise ConfigInvalid(WHERE_TO_GET_THEM.format(missing=", ".join(missing)))
    return found


def install_archive(archive: Path, sha256: str, target: Path) -> tuple[str, ...]:
    """Unpack the programs of a release archive into `target`; returns their names.

    Only regular files named `bin/<program>` are taken, whatever else is in the archive.

    Raises:
        Malformed: another digest, not a gzip tar archive, too many or too large entries, or none of the programs.
        ConfigInvalid: the archive cannot be read or the folder not be written.
    """
    try:
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != sha256.lower():
                raise Malformed(f"the archive's SHA-256 is {digest}, not the one given", where=str(archive))
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r|gz", tarinfo=_Entry) as tar:
                return _unpack(tar, target)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise Malformed("this is not a gzip tar archive", where=str(archive)) from error
    except OSError as error:
        raise ConfigInvalid(f"cannot install: {error.strerror or error}", where=str(archive)) from error


class _Entry(tarfile.TarInfo):
    """An entry; what describes the next one (a long name, further members) is read into memory whole, and is small."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        entry = super().frombuf(buf, encoding, errors)
        if entry.size < 0 or (entry.type in _DESCRIBING and entry.size > MAX_DESCRIPTION_BYTES):
            raise tarfile.ReadError("a description of an entry is too large")
        return entry


def _unpack(tar: tarfile.TarFile, target: Path) -> tuple[str, ...]:
    target.mkdir(parents=True, exist_ok=True)
    taken: list[str] = []
    passed_bytes = 0
    for number, entry in enumerate(tar):
        passed_bytes += entry.size
        if number >= MAX_ENTRIES or passed_bytes > MAX_ARCHIVE_BYTES:
            raise Malformed(f"the archive holds more than {MAX_ENTRIES} entries or {MAX_ARCHIVE_BYTES} bytes")
        path = PurePosixPath(entry.name)
        if path.parts[-2:-1] != ("bin",) or path.name not in PROGRAMS or not entry.isreg():
            continue
        if entry.size > MAX_PROGRAM_BYTES:
            raise Malformed(f"{entry.name} is larger than {MAX_PROGRAM_BYTES} bytes")
        source = tar.extractfile(entry)
        if source is None:
            continue
        draft = target / f".{path.name}.new"
        try:
            with draft.open("wb") as out:
                shutil.copyfileobj(source, out)
            draft.chmod(0o755)
            draft.rename(target / path.name)
        finally:
            draft.unlink(missing_ok=True)
        taken.append(path.name)
    if not taken:
        raise Malformed("the archive holds none of Fabric's programs under bin/")
    return tuple(taken)
