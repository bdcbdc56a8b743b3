"""Keys in files: made once, kept closed, never replaced."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from evidence.errors import KeyUnavailable
from evidence.keys import ECDSA_P256, ED25519
from sdk.keys import create_key, generate_key, load_key, load_or_create_key, private_key_pem, write_new_file

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("algorithm", [ECDSA_P256, ED25519])
def test_a_made_key_is_private_and_signs_after_loading(tmp_path: Path, algorithm: str) -> None:
    path = tmp_path / "keys" / "camera.pem"
    made = create_key(path, algorithm=algorithm)
    assert path.stat().st_mode & 0o777 == 0o600
    loaded = load_key(path)
    assert loaded.public_key == made.public_key
    assert loaded.public_key.algorithm == algorithm
    assert made.public_key.verify(loaded.sign(b"message"), b"message")
    assert list(path.parent.iterdir()) == [path]


def test_a_key_is_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    first = create_key(path)
    with pytest.raises(KeyUnavailable, match="never overwritten"):
        create_key(path)
    assert load_key(path).public_key == first.public_key
    assert load_or_create_key(path).public_key == first.public_key


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604, 0o601])
def test_a_key_open_to_others_is_not_used(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key.pem"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(KeyUnavailable, match="open to other users") as caught:
        load_key(path)
    assert f"chmod 600 {path}" in str(caught.value)


def test_a_lost_key_is_said_to_be_lost(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="is not there") as caught:
        load_key(tmp_path / "key.pem")
    assert "cannot be made again" in caught.value.next_step


def _pem(key: object, encryption: serialization.KeySerializationEncryption | None = None) -> bytes:
    assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption or serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 50,
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        b"x" * (17 << 10),
        _pem(ec.generate_private_key(ec.SECP384R1())),
        _pem(rsa.generate_private_key(65537, 2048)),
        _pem(ec.generate_private_key(ec.SECP256R1()), serialization.BestAvailableEncryption(b"secret")),
    ],
    ids=["empty", "zeros", "broken", "huge", "P-384", "RSA", "encrypted"],
)
def test_what_is_no_usable_key_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key.pem"
    write_new_file(path, content)
    with pytest.raises(KeyUnavailable) as caught:
        load_key(path)
    assert str(path) in str(caught.value)


def test_a_folder_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable):
        load_key(tmp_path)
    with pytest.raises(KeyUnavailable, match="cannot be written"):
        create_key(Path("/dev/null/key.pem"))
    with pytest.raises(KeyUnavailable):
        load_or_create_key(Path("/proc/no/key.pem"))


def test_two_that_come_at_once_get_the_same_key(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_or_create_key(path).public_key.key_id)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert set(found) == {load_key(path).public_key.key_id}


def test_a_writer_killed_half_way_leaves_no_key(tmp_path: Path) -> None:
    """The file appears under its name whole or not at all."""
    path = tmp_path / "key.pem"
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nimport sdk.keys as keys\n"
        "keys.os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL)\n"
        "keys.create_key(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, check=False)
    assert not path.exists()
    assert load_or_create_key(path)


@pytest.fixture
def unreadable() -> Iterator[Path]:
    """A key that only its owner, or nobody, may read, in a folder that everybody may enter."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "key.pem"
        create_key(path)
        Path(folder).chmod(0o755)
        path.chmod(0o000)
        yield path


def test_an_unreadable_key_is_named(unreadable: Path, nobody: None) -> None:
    with pytest.raises(KeyUnavailable, match="cannot be read"):
        load_key(unreadable)


def test_an_unknown_algorithm_is_named() -> None:
    with pytest.raises(KeyUnavailable, match="dilithium"):
        generate_key("dilithium")
    assert b"PRIVATE KEY" in private_key_pem(generate_key())
