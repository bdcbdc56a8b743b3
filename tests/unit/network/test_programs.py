"""Fabric's programs are found where operators put them; archives are taken for what they may be."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import tracemalloc
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, Malformed
from network import programs
from network.programs import CACHE, NEEDED, find_programs, install_archive, require_programs


def archive(path: Path, *entries: tuple[tarfile.TarInfo, bytes]) -> tuple[Path, str]:
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for entry, data in entries:
            entry.size = len(data) if entry.isreg() else 0
            tar.addfile(entry, io.BytesIO(data))
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=0))
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def regular(name: str, data: bytes = b"#!/bin/sh\n") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), data


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, target
    return entry, b""


def program(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_named_folder_comes_before_path_and_cache(tmp_path: Path) -> None:
    cached = program(tmp_path / "home" / CACHE, "peer")
    environment = {"PATH": str(tmp_path / "path")}
    assert find_programs(environment, tmp_path / "home") == {"peer": cached}
    on_path = program(tmp_path / "path", "peer")
    assert find_programs(environment, tmp_path / "home") == {"peer": on_path}
    named = program(tmp_path / "named", "peer")
    assert find_programs({**environment, "FABRIC_BIN": str(tmp_path / "named")}, tmp_path / "home") == {"peer": named}
    named.chmod(0o644)
    assert find_programs({**environment, "FABRIC_BIN": str(tmp_path / "named")}, tmp_path / "home") == {"peer": on_path}


def test_what_is_missing_is_named_in_three_lines_with_where_to_get_it(tmp_path: Path) -> None:
    for name in NEEDED[1:]:
        program(tmp_path / CACHE, name)
    with pytest.raises(ConfigInvalid) as caught:
        require_programs({"PATH": ""}, tmp_path)
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "(peer)" in lines[0]
    assert "veriframe network install ARCHIVE --sha256" in lines[2]


def test_an_archive_gives_its_programs_and_nothing_else(tmp_path: Path) -> None:
    path, digest = archive(
        tmp_path / "a.tar.gz",
        regular("bin/peer", b"peer"),
        regular("bin/ordererd"),
        regular("config/core.yaml"),
        regular("fabric/bin/orderer"),
    )
    target = tmp_path / "bin"
    assert set(install_archive(path, digest.upper(), target)) == {"peer", "orderer"}
    assert sorted(each.name for each in target.iterdir()) == ["orderer", "peer"]
    assert (target / "peer").read_bytes() == b"peer"
    assert (target / "peer").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    "entry",
    [
        special("bin/peer", tarfile.SYMTYPE, "/etc/passwd"),
        special("bin/peer", tarfile.LNKTYPE, "../../outside"),
        special("bin/peer", tarfile.CHRTYPE),
        special("bin/peer", tarfile.FIFOTYPE),
        special("bin/peer", tarfile.DIRTYPE),
        regular("peer"),
        regular("bin/../peer"),
        regular("bin/peer/../../x"),
    ],
    ids=lambda each: f"{each[0].name}-{each[0].type!r}",
)
def test_links_devices_and_other_places_are_passed_over(entry: tuple[tarfile.TarInfo, bytes], tmp_path: Path) -> None:
    path, digest = archive(tmp_path / "a.tar.gz", entry)
    with pytest.raises(Malformed, match="none of Fabric's programs"):
        install_archive(path, digest, tmp_path / "deep" / "bin")
    assert list((tmp_path / "deep" / "bin").iterdir()) == []


def test_a_program_with_a_path_upwards_stays_in_the_folder(tmp_path: Path) -> None:
    path, digest = archive(tmp_path / "a.tar.gz", regular("../../bin/peer", b"x"), regular("/bin/orderer", b"y"))
    install_archive(path, digest, tmp_path / "deep" / "bin")
    assert sorted(each.name for each in (tmp_path / "deep" / "bin").iterdir()) == ["orderer", "peer"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.tar.gz", "deep"]


def test_another_archive_than_the_one_meant_is_not_opened(tmp_path: Path) -> None:
    path, _ = archive(tmp_path / "a.tar.gz", regular("bin/peer"))
    with pytest.raises(Malformed, match="not the one given"):
        install_archive(path, "00" * 32, tmp_path / "bin")
    assert not (tmp_path / "bin").exists()


def test_damaged_and_cut_archives_are_malformed(tmp_path: Path) -> None:
    path, _ = archive(tmp_path / "a.tar.gz", regular("bin/peer", bytes(range(256)) * 100))
    whole = path.read_bytes()
    for data in (b"", b"PK\x03\x04", whole[: len(whole) // 2], whole[:40] + b"\xff" * 40 + whole[80:]):
        path.write_bytes(data)
        with pytest.raises(Malformed):
            install_archive(path, hashlib.sha256(data).hexdigest(), tmp_path / "bin")
    leftovers = list((tmp_path / "bin").iterdir()) if (tmp_path / "bin").exists() else []
    assert all(not each.name.startswith(".") for each in leftovers)
    with pytest.raises(ConfigInvalid):
        install_archive(tmp_path / "absent", "00" * 32, tmp_path / "bin")


def test_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, digest = archive(
        tmp_path / "a.tar.gz", *(regular(f"x/{n}") for n in range(9)), regular("bin/peer", b"x" * 99)
    )
    for limit, value in (("MAX_ENTRIES", 5), ("MAX_ARCHIVE_BYTES", 50), ("MAX_PROGRAM_BYTES", 98)):
        with monkeypatch.context() as patch:
            patch.setattr(programs, limit, value)
            with pytest.raises(Malformed):
                install_archive(path, digest, tmp_path / "bin")
    assert install_archive(path, digest, tmp_path / "bin") == ("peer",)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_description_as_large_as_memory_is_not_read(kind: bytes, tmp_path: Path) -> None:
    """Some megabytes of such an archive would become gigabytes: names and further members are held whole."""
    entry = tarfile.TarInfo("bin/peer")
    entry.type, entry.size = kind, 64 << 20
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(entry.tobuf(tarfile.USTAR_FORMAT) + bytes(64 << 20), 1))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            install_archive(path, digest, tmp_path / "bin")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()
