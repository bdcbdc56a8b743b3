"""What bad input gets: words that say what, where and the next step, the right exit code, and never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import av
import pytest

from media.scan import scan
from tests.cli.conftest import START, Place, Places

Make = Callable[[Path, Path], None]


def truncated(clip: Path, path: Path) -> None:
    path.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])  # without the index, which stands at the end


def emptied(clip: Path, path: Path) -> None:
    path.write_bytes(b"")


def zeros(clip: Path, path: Path) -> None:
    path.write_bytes(bytes(100_000))


def text(clip: Path, path: Path) -> None:
    path.write_text("These are notes about a camera.\n" * 200)


def absurd_sizes(clip: Path, path: Path) -> None:
    data = bytearray(clip.read_bytes())
    at = data.index(b"stsz") + 8
    data[at : at + 8] = b"\xff\xff\xff\xff\xff\xff\xff\xff"
    path.write_bytes(bytes(data))


def audio_only(clip: Path, path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as output:
        stream = output.add_stream("aac", rate=8000)
        for number in range(10):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.planes[0].update(bytes(4096))
            frame.sample_rate, frame.pts = 8000, number * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))


def no_pictures(clip: Path, path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(path), "w", format="matroska") as output:
        output.add_stream_from_template(source.streams.video[0])
        output.start_encoding()


def only_side_messages(clip: Path, path: Path) -> None:
    sei = b"\x00\x00\x00\x01\x06\x05\x11" + bytes(range(16)) + b"x\x80"
    path.write_bytes(sei * 50)


UNUSABLE: dict[str, Make] = {
    "truncated.mp4": truncated,
    "empty.mp4": emptied,
    "zeros.mp4": zeros,
    "notes.mp4": text,
    "absurd.mp4": absurd_sizes,
    "sound.mp4": audio_only,
    "none.mkv": no_pictures,
    "messages.h264": only_side_messages,
}


@pytest.fixture(scope="module")
def ready(_recorded: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place that the tests of this module share: they add files of their own, and `sample` must refuse them."""
    folder = tmp_path_factory.mktemp("ready")
    shutil.copytree(_recorded.folder, folder, dirs_exist_ok=True)
    place = Place(folder, _recorded.variables)
    for name, make in UNUSABLE.items():
        make(folder / "clip.mp4", folder / name)
    return place


def test_files_that_are_no_footage_end_in_undetermined(ready: Place) -> None:
    ended = ready.run("verify", *UNUSABLE, "--trust", "trust.json", "--json")
    assert ended.returncode == 15, ended.stdout + ended.stderr
    document = json.loads(ended.stdout)
    found = {each["footage"][0]["name"]: (each["state"], each["findings"][0]["code"]) for each in document["results"]}
    assert found == dict.fromkeys(UNUSABLE, ("UNDETERMINED", "file_unusable"))


@pytest.mark.parametrize("name", UNUSABLE)
def test_files_that_are_no_footage_are_not_recorded(ready: Place, name: str) -> None:
    ended = ready.run("sample", name, "--camera", "gate-1", "--start", START)
    assert ended.returncode == 3, ended.stderr
    assert ended.stderr.startswith("error: ")
    assert name in ended.stderr
    assert ended.stdout == ""


def test_a_file_that_is_not_there_is_wrong_usage(ready: Place) -> None:
    for command in (
        ("verify", "nowhere.mp4"), ("inspect", "nowhere.mp4"), ("verify", "export"), ("trust", "show", "nowhere.json"),
        ("sample", "nowhere.mp4", "--camera", "gate-1", "--start", START), ("verify", "clip.mp4", "--home", "nowhere"),
        ("verify", "clip.mp4", "--trust", "nowhere.json"), ("store", "ls", "--home", "nowhere"),
    ):  # fmt: skip
        ended = ready.run(*command)
        assert ended.returncode == 2, (command, ended.stderr)
        assert ended.stdout == ""
        assert any(part in ended.stderr for part in ("nowhere", "export")), ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("verify",),
        ("verify", "clip.mp4", "--from", "2026-10-01T08:00:00"),
        ("verify", "clip.mp4", "--from", "2026-10-01T09:00:00Z", "--to", "2026-10-01T08:00:00Z"),
        ("verify", "clip.mp4", "--require", "miracles"),
        ("verify", "clip.mp4", "--json", "--quiet"),
        ("sample", "clip.mp4", "--camera", "Gate 1", "--start", START),
        ("sample", "clip.mp4", "--camera", "gate-1", "--start", "2999-01-01T00:00:00Z"),
        ("sample", "clip.mp4", "--camera", "gate-1"),
        ("sample", "rtsp://192.0.2.1/stream", "--camera", "gate-1"),
        ("camera", "approve", "gate-1", "--as", "nobody"),
        ("participant", "register", "x", "--role", "KING"),
        ("participant", "register", "x", "--role", "CRM"),
        ("frobnicate",),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_in_2(ready: Place, arguments: tuple[str, ...]) -> None:
    ended = ready.run(*arguments)
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr
    assert ended.stdout == ""


@pytest.mark.parametrize("content", [b"", b"{}", b'{"type":"veriframe/trust/2"}', b"\xff" * 50, b"[" * 10_000])
def test_a_damaged_trust_file_is_never_half_believed(ready: Place, content: bytes) -> None:
    (ready.folder / "bad.json").write_bytes(content)
    ended = ready.run("verify", "clip.mp4", "--trust", "bad.json")
    assert ended.returncode == 2
    assert "bad.json" in ended.stderr
    assert ended.stdout == ""


def test_without_trust_the_answer_is_untrusted_and_says_how_to_name_it(ready: Place) -> None:
    ended = ready.run("verify", "clip.mp4")
    assert ended.returncode == 14
    assert "--trust" in ended.stdout


def test_without_any_home_the_proof_is_absent(empty: Place) -> None:
    ended = empty.run("verify", "clip.mp4")
    assert ended.returncode == 15
    assert "proof_absent" in ended.stdout


def test_the_trust_named_beside_the_evidence_is_ignored(recorded: Place) -> None:
    trust = recorded.folder / "trust.json"
    (recorded.home / "veriframe.yaml").write_text(f"verify:\n  trust: {trust}\n")
    assert recorded.run("verify", "clip.mp4").returncode == 14
    (recorded.folder / "mine.yaml").write_text(f"verify:\n  trust: {trust}\n")
    assert recorded.run("verify", "clip.mp4", "--config", "mine.yaml").returncode == 0


def test_a_wrong_setting_is_named_with_line_and_fix(ready: Place) -> None:
    (ready.folder / "wrong.yaml").write_text("store:\n  url: file:store\nrecorder:\n  identiy: me\n")
    ended = ready.run("config", "check", "--config", "wrong.yaml")
    assert ended.returncode == 2
    assert ended.stdout.splitlines()[0] == "INVALID"
    assert "wrong.yaml:4" in ended.stdout
    assert "recorder.identity" in ended.stdout


def test_a_camera_whose_key_is_another_is_refused(recorded: Place) -> None:
    devices = recorded.home / "keys/devices"
    (devices / "gate-1.pem").unlink()
    shutil.copy(devices / "gate-2.pem", devices / "gate-1.pem")
    ended = recorded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", "2026-10-02T08:00:00Z")
    assert ended.returncode == 6, ended.stderr
    assert "key" in ended.stderr
    assert recorded.run("verify", "clip.mp4", "--trust", "trust.json").returncode == 0


def test_a_home_of_a_newer_version_is_left_alone(recorded: Place) -> None:
    manifest = recorded.home / "home.json"
    manifest.chmod(0o600)
    manifest.write_bytes(manifest.read_bytes().replace(b"veriframe/home/1", b"veriframe/home/9"))
    ended = recorded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert ended.returncode in (2, 3)
    assert "veriframe/home/9" in ended.stderr or "home.json" in ended.stderr
    assert recorded.run("verify", "clip.mp4", "--trust", "trust.json").returncode == 15


@pytest.mark.parametrize("name", ["ledger.db", "index.db", "spool/spool.db"])
def test_a_damaged_database_never_verifies_what_it_cannot_prove(recorded: Place, name: str) -> None:
    path = recorded.home / name
    path.with_name(path.name + "-wal").unlink(missing_ok=True)
    data = bytearray(path.read_bytes())
    data[: len(data) // 2] = bytes(len(data) // 2)
    path.write_bytes(bytes(data))
    ended = recorded.run("verify", "clip.mp4", "--trust", "trust.json")
    # The index is search only and the spool is empty: without them the answer stands.
    assert ended.returncode == (15 if name == "ledger.db" else 0), ended.stdout + ended.stderr
    assert recorded.run("doctor").returncode == (0 if name == "index.db" else 1)


def test_a_damaged_proof_file_is_no_finding_against_the_footage(recorded: Place) -> None:
    path = min((recorded.home / "store/proof/gate-1").iterdir())
    path.chmod(0o600)
    data = bytearray(path.read_bytes())
    data[data.index(scan(recorded.folder / "clip.mp4").unit_digest(5))] ^= 1
    path.write_bytes(bytes(data))
    ended = recorded.run("verify", "clip.mp4", "--trust", "trust.json")
    assert ended.returncode == 15, ended.stdout
    fsck = recorded.run("store", "fsck")
    assert fsck.returncode == 1
    assert fsck.stdout.splitlines()[0] == "DAMAGED"
    assert f"proof/gate-1/{path.name}" in fsck.stdout


def test_a_full_disk_loses_nothing(founded: Place) -> None:
    line = f"ulimit -f 200; veriframe sample clip.mp4 --camera gate-1 --start {START} --enrol"
    ended = founded.shell(line)
    assert ended.returncode in (5, 6), ended.stdout + ended.stderr
    assert "space" in ended.stderr
    again = founded.run("sample", "clip.mp4", "--camera", "gate-1", "--start", START)
    assert again.returncode == 0, again.stderr
    assert founded.run("verify", "clip.mp4", "--trust", "home").returncode == 0
    assert founded.run("store", "fsck").returncode == 0


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv: the program is not on PATH")
def test_a_file_that_may_not_be_read_is_said_so(ready: Place) -> None:
    secret = ready.folder / "secret.mp4"
    shutil.copy(ready.folder / "clip.mp4", secret)
    secret.chmod(0)
    # Root reads everything; without two capabilities it is a user like others.
    bounded = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    ended = ready.shell([*(bounded if os.geteuid() == 0 else []), "veriframe", "verify", "secret.mp4"])
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "secret.mp4" in ended.stderr
    assert "not readable" in ended.stderr


@pytest.mark.needs("ffmpeg")
def test_encrypted_footage_is_unusable_and_says_why(ready: Place) -> None:
    key = "0123456789abcdef0123456789abcdef"
    command = ["ffmpeg", "-v", "error", "-y", "-i", "clip.mp4", "-c", "copy", "-encryption_scheme", "cenc-aes-ctr"]
    command += ["-encryption_key", key, "-encryption_kid", key, "secret-keys.mp4"]
    subprocess.run(command, cwd=ready.folder, check=True)
    ended = ready.run("verify", "secret-keys.mp4", "--trust", "trust.json")
    assert ended.returncode == 15
    assert "encrypted" in ended.stdout


def test_json_stays_json_whatever_the_file_is(ready: Place) -> None:
    for options in (("--json",), ("--ndjson",)):
        ended = ready.run("verify", "notes.mp4", *options)
        assert ended.returncode == 15
        assert json.loads(ended.stdout)["state"] == "UNDETERMINED"


def test_colour_is_never_written_into_a_pipe(ready: Place) -> None:
    assert "\x1b" not in ready.run("verify", "clip.mp4", "--trust", "trust.json").stdout


def test_an_interrupted_reader_ends_it_quietly(places: Places) -> None:
    ended = places("recorded").shell("set -o pipefail; veriframe store ls | head -c 1 >/dev/null")
    assert "error" not in ended.stderr
