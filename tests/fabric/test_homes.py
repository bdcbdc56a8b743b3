"""The main job on a real channel, as people do it: homes of two organisations, record, anchor, examine, be offline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from cli.demo_edits import change_picture
from cli.main import app
from evidence.fabric_read import parse_signed_read
from evidence.trust import FabricTrust, parse_trust
from network.bring_up import Network
from network.founding import make_genesis, profile_file
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import read_profile
from tests.conftest import SceneMaker
from tests.fabric.conftest import now_us
from tests.fabric.lifecycle import define

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

NAME = "homes"
START = "2026-10-01T08:00:00Z"
VERIFIED, ALTERED, UNTRUSTED, UNDETERMINED = 0, 10, 14, 15


@dataclass(frozen=True, slots=True)
class Town:
    """Homes of control room and police on one channel, a clip that was recorded there, and what examiners trust."""

    folder: Path
    network: Network

    @property
    def home(self) -> Path:
        return self.folder / "control-room"

    @property
    def clip(self) -> Path:
        return self.folder / "clip.mp4"

    @property
    def trust(self) -> Path:
        return self.folder / "trust.json"

    def profile(self, organisation: str, **changed: object) -> str:
        """Address of the channel as this organisation reaches it."""
        path = self.folder / f"{organisation}{''.join(changed)}.yaml"
        values = yaml.safe_load(profile_file(self.network.root, organisation).read_text(encoding="utf-8"))
        path.write_text(yaml.safe_dump({**values, "chaincode": NAME, **changed}), encoding="utf-8")
        return f"fabric:{path}"

    def away(self) -> str:
        """The same channel behind a gateway that nobody listens on."""
        values = yaml.safe_load(profile_file(self.network.root, "control-room").read_text(encoding="utf-8"))
        gateways = [{**values["gateways"][0], "address": "127.0.0.1:9"}]
        return self.profile("control-room", gateways=gateways, deadlines={"evaluate_s": 0.5})

    def ends(self, *arguments: str | Path) -> tuple[int, str]:
        """Run a command; its exit code (3 for an error that says what is wrong) and what it printed."""
        done = CliRunner().invoke(app, list(map(str, arguments)))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            return 3, str(done.exception)
        return done.exit_code, done.stdout  # progress goes to stderr, when something takes long

    def ok(self, *arguments: str | Path) -> str:
        code, said = self.ends(*arguments)
        assert code == 0, said
        return said

    def verify(self, file: Path, *arguments: str | Path) -> tuple[int, str]:
        return self.ends("verify", file, "--home", self.home, *arguments)


@pytest.fixture(scope="module")
def town(
    fabric_network: Network, scene: SceneMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:  # fmt: skip
    """Everything up to a recorded clip; signed reads were taken as it was anchored."""
    network = fabric_network
    genesis = make_genesis(network.topology, network.material)
    define(network, [NAME])
    made = Town(tmp_path_factory.mktemp("town"), network)
    profile = read_profile(Path(made.profile("control-room").partition(":")[2]))
    founding = FabricLedger(profile, identity=network.material.identity("admin-control-room"), clock=now_us)
    founding.submit("init", genesis.canonical())
    founding.close()
    people = network.material.people
    shutil.copy(scene(seconds=25, gop=10), made.clip)
    made.ok("init", "--home", made.home, "--ledger", made.profile("control-room"), "--identities", people)
    for name, *more in (
        ("operator-1", "OPERATOR"), ("manager-1", "CRM"), ("recorder-1", "RECORDER", "--site", "site-1"),
    ):  # fmt: skip
        role, *place = more
        made.ok("participant", "register", name, "--role", role, "--control-room", "cr-1", *place, "--home", made.home)
    made.ok("camera", "propose", "gate-1", "--site", "site-1", "--ip", "10.0.4.17", "--home", made.home)
    made.ok("camera", "approve", "gate-1", "--home", made.home)
    said = made.ok("sample", made.clip, "--camera", "gate-1", "--start", START, "--home", made.home)
    assert said.startswith("ANCHORED"), said
    made.ok("trust", "export", "-o", made.trust, "--home", made.home)
    yield made


def test_one_signed_read_was_kept_for_what_was_anchored(town: Town) -> None:
    (kept,) = (town.home / "store/reads/gate-1").iterdir()
    read = parse_signed_read(kept.read_bytes())
    assert sum(key.startswith("block/gate-1/") for key in read.entries) == 3
    assert len({signer.msp for signer in read.transaction.signers()}) == 2


def test_what_the_channel_says_of_itself_is_written_for_others_to_compare(town: Town) -> None:
    (entry,) = parse_trust(town.trust.read_bytes()).ledgers
    assert isinstance(entry, FabricTrust)
    assert (entry.endorse_all, entry.endorse_any) == (("ControlRoomMSP",), ("AuditorMSP", "PoliceMSP"))
    assert len(entry.msps) == 4
    # Remembered when the home was made, and the same still.
    assert (town.home / "channel.json").read_bytes() == town.trust.read_bytes()


def test_who_is_believed_to_check_times_bounds_the_moment_of_anchoring(town: Town, tmp_path: Path) -> None:
    assert "at a time not independently proven" in town.verify(town.clip, "--trust", town.trust)[1]
    trust = tmp_path / "clocks.json"
    clocks = ("--checks-time", "PoliceMSP", "--checks-time", "AuditorMSP")
    town.ok("trust", "export", "-o", trust, "--home", town.home, *clocks)
    assert "the time that organisations check" in town.verify(town.clip, "--trust", trust)[1]
    code, said = town.ends("trust", "export", "--home", town.home, "--checks-time", "NobodyMSP")
    assert code == 3 and "NobodyMSP is no organisation of this channel" in said


def test_the_clip_is_verified_online_and_from_what_was_kept(town: Town) -> None:
    code, said = town.verify(town.clip, "--trust", town.trust, "--ledger", town.profile("control-room"))
    assert (code, said.splitlines()[0]) == (VERIFIED, "VERIFIED"), said
    code, said = town.verify(town.clip, "--trust", town.trust)
    assert code == VERIFIED, said
    assert "unless the keeper" not in said
    assert "other versions" not in said  # the reads show that nothing was sealed beside the open anchors


def test_whole_blocks_show_the_transaction_that_anchored(town: Town) -> None:
    asked = ("--trust", town.trust, "--ledger", town.profile("control-room"), "--full", "--json")
    code, said = town.verify(town.clip, *asked)
    assert code == VERIFIED, said
    named = {each["transaction"] for each in json.loads(said)["proof"]}
    profile = read_profile(Path(town.profile("control-room").partition(":")[2]))
    ledger = FabricLedger(profile, identity=town.network.material.identity("manager-1"), clock=now_us)
    try:
        anchored = [each for _, each in ledger.transactions() if each.event and each.event.name == "anchor"]
    finally:
        ledger.close()
    assert named <= {each.tx_id for each in anchored}
    assert named


def test_without_trust_it_is_untrusted_and_the_homes_own_word_names_its_keeper(town: Town) -> None:
    assert town.verify(town.clip)[0] == UNTRUSTED
    code, said = town.verify(town.clip, "--trust", "home")
    assert code == VERIFIED, said
    assert "unless the keeper of this ledger rewrote it" in said


def test_an_altered_copy_is_altered_also_while_the_network_is_away(town: Town, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    change_picture(town.clip, copy, None)
    # Not even the profile is there any more: an examination of what was kept asks nobody.
    offline = tmp_path / "home"
    shutil.copytree(town.home, offline)
    manifest = offline / "home.json"
    manifest.write_text(manifest.read_text().replace(str(town.folder), "/nowhere"))
    assert town.ends("verify", copy, "--home", offline, "--trust", town.trust)[0] == ALTERED
    assert town.ends("verify", town.clip, "--home", offline, "--trust", town.trust)[0] == VERIFIED
    code, said = town.verify(town.clip, "--trust", town.trust, "--ledger", town.away())
    assert code == UNDETERMINED
    assert "failed to connect" in said


def test_reads_that_were_lost_are_taken_again_and_a_channel_alone_holds_no_pictures(town: Town, tmp_path: Path) -> None:
    lost = tmp_path / "home"
    shutil.copytree(town.home, lost)
    shutil.rmtree(lost / "store/reads")
    asked = ("--trust", town.trust, "--ledger", town.profile("control-room"))
    code, said = town.ends("verify", town.clip, "--home", lost, "--trust", town.trust)
    assert code == UNDETERMINED
    assert "no signed read at hand" in said
    assert town.ends("verify", town.clip, "--home", lost, *asked)[0] == VERIFIED
    me = town.network.material.people / "manager-1"
    code, said = town.ends("verify", town.clip, *asked, "--identity", me)
    assert code == UNDETERMINED
    assert "a ledger alone holds no proof" in said


def test_police_see_for_themselves_once_they_were_granted_it(town: Town) -> None:
    home, profile = town.folder / "police", town.profile("police")
    people = town.network.material.people
    town.ok("init", "--home", home, "--ledger", profile, "--identities", people)
    town.ok("participant", "register", "officer-1", "--role", "PO", "--department", "police-1", "--home", home)
    asking = ("--trust", town.trust, "--ledger", profile, "--identity", people / "officer-1")
    code, said = town.verify(town.clip, *asking)
    assert code == UNDETERMINED
    assert "police who were granted it" in said
    span = ("--from", "2026-10-01T00:00Z", "--to", "2036-01-01T00:00Z")
    town.ok("access", "grant", "gate-1", "officer-1", "--purpose", "theft", *span, "--home", town.home)
    code, said = town.verify(town.clip, *asking)
    assert code == VERIFIED, said


def test_recording_goes_on_while_the_network_is_away_and_is_anchored_later(
    town: Town, scene: SceneMaker, tmp_path: Path
) -> None:
    later = tmp_path / "later.mp4"
    shutil.copy(scene(seconds=12, gop=10, seed=3), later)
    sample = ("sample", later, "--camera", "gate-1", "--start", "2026-10-01T09:00:00Z", "--home", town.home)
    said = town.ok(*sample, "--ledger", town.away(), "--no-wait")
    assert said.startswith("PENDING"), said
    assert town.ok(*sample).startswith("ANCHORED")
    assert len(list((town.home / "store/reads/gate-1").iterdir())) == 2
    assert town.verify(later, "--trust", town.trust)[0] == VERIFIED
    # What was examined before still holds beside the new chain.
    assert town.verify(town.clip, "--trust", town.trust)[0] == VERIFIED


def test_sealed_recordings_stand_beside_open_ones(
    town: Town, scene: SceneMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VERIFRAME_RECORDER__ANCHORING", "sealed")
    files = []
    for hour, seed in (("10", 4), ("11", 5)):
        files.append(tmp_path / f"{hour}.mp4")
        shutil.copy(scene(seconds=12, gop=10, seed=seed), files[-1])
        start = f"2026-10-01T{hour}:00:00Z"
        said = town.ok("sample", files[-1], "--camera", "gate-1", "--start", start, "--home", town.home)
        assert said.startswith("ANCHORED"), said
    for file in (*files, town.clip):
        code, said = town.verify(file, "--trust", town.trust)
        assert code == VERIFIED, said
        code, said = town.verify(file, "--trust", town.trust, "--ledger", town.profile("control-room"))
        assert code == VERIFIED, said


def test_what_needs_a_ledger_file_says_that_there_is_none(town: Town) -> None:
    code, said = town.ends("ledger", "list", "--home", town.home)
    assert code == 3
    assert "this home's is a Fabric channel" in said
    assert "SOUND" in town.ok("store", "fsck", "--home", town.home)
    code, said = town.ends("participant", "register", "nobody-1", "--role", "LAS", "--home", town.home)
    assert code == 3
