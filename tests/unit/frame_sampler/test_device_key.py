"""A camera's key is made once, stays on this machine and is never replaced."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from evidence.errors import ConfigInvalid, KeyUnavailable
from evidence.keys import ED25519
from frame_sampler.device_key import device_key
from sdk.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path, databases=tmp_path, ledger_id="embedded:" + "00" * 32, demo=True)


def test_the_key_is_made_on_first_use_and_found_again(home: Home) -> None:
    first = device_key(home, "gate-1")
    again = device_key(home, "gate-1")
    assert again.public_key.key_id == first.public_key.key_id
    assert first.public_key.verify(again.sign(b"words"), b"words")


def test_the_key_file_is_for_its_owner_alone(home: Home) -> None:
    device_key(home, "gate-1")
    assert home.device_key("gate-1").stat().st_mode & 0o777 == 0o600


def test_cameras_do_not_share_a_key(home: Home) -> None:
    assert device_key(home, "gate-1").public_key.key_id != device_key(home, "gate-2").public_key.key_id


def test_an_ed25519_key_is_made_when_asked_for(home: Home) -> None:
    assert device_key(home, "gate-1", algorithm=ED25519).public_key.algorithm == ED25519


def test_starting_several_at_once_gives_one_key(home: Home) -> None:
    with ThreadPoolExecutor(8) as pool:
        signers = list(pool.map(lambda _: device_key(home, "gate-1"), range(8)))
    assert len({signer.public_key.key_id for signer in signers}) == 1


def test_a_damaged_key_is_reported_and_kept(home: Home) -> None:
    device_key(home, "gate-1")
    path = home.device_key("gate-1")
    path.write_bytes(b"scratched")
    with pytest.raises(KeyUnavailable):
        device_key(home, "gate-1")
    assert path.read_bytes() == b"scratched"


@pytest.mark.parametrize("camera", ["", "../gate", "Gate", "gate 1", "a" * 64])
def test_a_name_that_could_leave_the_folder_is_refused(home: Home, camera: str) -> None:
    with pytest.raises(ConfigInvalid):
        device_key(home, camera)
