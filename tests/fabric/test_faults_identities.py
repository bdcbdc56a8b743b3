"""Clocks that are off, certificates that end or are revoked, people who are suspended: refused in words that say so.

On the second network: its peers look at the clock, and its organisations' certificates come and go.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from cli.main import app
from evidence.errors import EndorseFailed, LedgerUnavailable, Refused, SubmitFailed, VeriframeError
from evidence.fabric_block import parse_fabric_block
from evidence.fabric_configuration import FabricConfiguration, parse_configuration
from evidence.fabric_identities import FabricIdentity
from network.renewal import renew
from network.revocation import revoke, revoked_serials
from network.status import network_status
from network.topology import Node
from sdk.authority import load_authority
from sdk.channel_ledger import ChannelLedger
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import TlsClient
from sdk.fabric_proposal import creator_of
from sdk.gateway import Outcome
from sdk.gateway_blocking import BlockingGateway
from sdk.identities import Identity
from sdk.keys import load_or_create_key
from sdk.shipper import Shipper
from sdk.spool import Spool
from sdk.store import FileStore
from tests.fabric.anchors import Site
from tests.fabric.conftest import now_us
from tests.hosts.cast import members
from tests.unit.sdk.miniature import Recorder, Ticking

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.slow, pytest.mark.xdist_group("fabric")]

CAMERA = "people-1"
MINUTE_US = 60_000_000
DAY_US = 86_400_000_000
BOTH = ["ControlRoomMSP", "PoliceMSP"]
PATIENCE_S = 60

T = TypeVar("T")


@pytest.fixture(scope="module")
def site(strict_site: Site) -> Site:
    strict_site.camera(CAMERA)
    return strict_site


@pytest.fixture
def police(site: Site) -> Node:
    return site.network.topology.peer_of("PoliceMSP")


def sooner_or_later(ask: Callable[[], T]) -> T:
    """What `ask` gives, as soon as it raises none of our errors."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except VeriframeError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def anchor(site: Site, who: Identity, sequence: int, *, organisations: list[str] | None = None) -> Outcome:
    with site.acting(who) as gateway:
        return gateway.submit("anchor", site.batch(CAMERA, sequence), organisations=organisations, timeout_s=5)


# -- clocks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [20, -20])
def test_a_clock_that_is_twenty_minutes_off_holds_the_spool_until_it_is_right(
    site: Site, tmp_path: Path, minutes: int
) -> None:
    camera = "slow-clock" if minutes < 0 else "fast-clock"
    site.camera(camera)
    ahead_us = minutes * MINUTE_US
    profile, recorder = site.profile(), site.cast["recorder"]
    ledger = ChannelLedger(FabricLedger(profile, identity=recorder, clock=lambda: now_us() + ahead_us))
    try:
        with Spool(tmp_path / "spool", now=Ticking(now_us=now_us())) as spool:
            Recorder(camera=camera, signer=site.cast.key(camera), media=False).record(spool, 4)
            shipper = Shipper(spool, FileStore(tmp_path / "store"), ledger)
            started = time.monotonic()
            done = shipper.drain()
            assert time.monotonic() - started < 5  # refused at once: repeating does not set a clock right
            assert (done.anchored, done.pending_anchor) == (0, 4)
            said = " ".join(trouble.reason for trouble in done.troubles)
            assert "timestamp" in said
            assert "set the clock of this machine right" in said
            ahead_us = 0
            done = shipper.drain()
            assert (done.anchored, done.pending_anchor, done.troubles) == (4, 0, ())
            slots = [each.key for each in ledger.reader.entries(f"block/{camera}/")]
            assert len(slots) == len(set(slots)) == 4 + 1  # and the one that began the cast's chain
    finally:
        ledger.close()


# -- people ------------------------------------------------------------------------------------------------------------


def test_whom_their_admin_suspended_the_contract_refuses(site: Site) -> None:
    second = site.cast["recorder-2"]
    with site.acting(site.cast.admin()) as admin:
        admin.submit("suspend_participant", members(participant="recorder-2"))
        with pytest.raises(Refused) as caught:
            anchor(site, second, 1)
        assert caught.value.reason == "denied"
        assert "suspended" in str(caught.value).lower()
        admin.submit("reinstate_participant", members(participant="recorder-2"))
    assert anchor(site, second, 1).block is not None
    site.stands_once(CAMERA, [1])


def test_a_revoked_certificate_lets_nobody_in_and_a_new_one_does(site: Site, tmp_path: Path) -> None:
    second = site.cast["recorder-2"]
    with site.acting(second) as gateway:
        endorsed = gateway.endorse(gateway.propose("anchor", site.batch(CAMERA, 2)))
        (tmp_path / "certificate.pem").write_bytes(pem(second.certificate))
        code, said = by_command(site, tmp_path, "revoke", "control-room", str(tmp_path / "certificate.pem"))
        assert (code, said) == (0, "REVOKED 1 on the list of control-room")
        for ask in (gateway.evaluate, gateway.submit):
            with pytest.raises(EndorseFailed, match="revoked"):
                ask("describe", b"{}")
        # Endorsed while the certificate counted, and sent when it did no more.
        with pytest.raises(SubmitFailed, match="revoked"):
            gateway.send(endorsed)
    assert anchor(site, site.cast["recorder"], 2).block is not None  # others are as before, and the block is not lost
    assert revoke(site.network, second.msp, [second.certificate], now_us=now_us()) == 1  # once is enough
    # Who verifies offline reads the same from the block.
    heeded = configuration_in_force(site, tmp_path)
    assert heeded.revokes(as_identity(second))
    assert not heeded.revokes(as_identity(site.cast["recorder"]))
    # The contract knows people by their keys: a new certificate over the same one is all that is needed.
    assert anchor(site, replace(second, certificate=issued(site, second, now_us())), 3).block is not None
    site.stands_once(CAMERA, [2, 3])


def test_what_a_revoked_peer_endorsed_does_not_count(site: Site, police: Node) -> None:
    recorder, tls = site.cast["recorder"], certificate_file(site, police, "tls").read_bytes()
    with site.acting(recorder) as gateway:
        assert site.endorsers(sooner_or_later(lambda: anchor(site, recorder, 4, organisations=BOTH))) == set(BOTH)
        endorsed = gateway.endorse(gateway.propose("anchor", site.batch(CAMERA, 5), organisations=BOTH))
        revoke(site.network, police.msp, [signing_certificate(site, police)], now_us=now_us())
        with pytest.raises(EndorseFailed, match="ENDORSEMENT_POLICY_FAILURE"):
            gateway.commit_status(gateway.send(endorsed))
        # The gateway finds another organisation by itself, and nobody can have this one.
        outcome = sooner_or_later(lambda: anchor(site, recorder, 5))
        assert site.endorsers(outcome) == {"ControlRoomMSP", "AuditorMSP"}
        with pytest.raises((LedgerUnavailable, EndorseFailed)):
            anchor(site, recorder, 6, organisations=BOTH)
    assert len(revoked_serials(site.network, police.msp)) == 1
    renewed(site, police, tls)
    assert site.endorsers(sooner_or_later(lambda: anchor(site, recorder, 6, organisations=BOTH))) == set(BOTH)
    site.stands_once(CAMERA, [4, 5, 6])


# -- certificates that end ---------------------------------------------------------------------------------------------


def test_certificates_that_end_are_named_and_renewed_ones_go_on(site: Site, police: Node, tmp_path: Path) -> None:
    recorder = site.cast["recorder"]
    key = load_or_create_key(tmp_path / "key.pem")
    own_tls = TlsClient(certificate=tmp_path / "client.pem", key=tmp_path / "key.pem")
    authority = load_authority(site.network.material.organisation("control-room") / "tlsca")

    def client_tls(now: int, days: int) -> None:
        der = authority.issue_node(
            key.public_key, name="client", unit="client", hosts=["localhost"], now_us=now, days=days
        )
        own_tls.certificate.write_bytes(pem(der))

    end_soon(site, police, 12)
    short = replace(recorder, certificate=issued(site, recorder, ending_in(5)))
    client_tls(ending_in(5), 1)
    clients_end = time.monotonic() + 5
    profile = site.profile().model_copy(update={"tls_client": own_tls})
    with BlockingGateway(profile, recorder, clock=now_us) as running:
        assert running.submit("anchor", site.batch(CAMERA, 10)).block is not None
        assert anchor(site, short, 11).block is not None
        time.sleep(max(0.0, clients_end + 1 - time.monotonic()))
        # A person's certificate.
        with pytest.raises(EndorseFailed, match=r"expired.*have a new one issued"):
            anchor(site, short, 12)
        # A connection outlives the certificate with which it was made; the next one is not made with it.
        assert running.submit("anchor", site.batch(CAMERA, 13)).block is not None
        with BlockingGateway(profile, recorder, clock=now_us) as starting:
            with pytest.raises(LedgerUnavailable, match=r"TLS certificate ended.*renewed one in its place"):
                starting.submit("anchor", site.batch(CAMERA, 14))
            client_tls(now_us(), 30)
            assert sooner_or_later(lambda: starting.submit("anchor", site.batch(CAMERA, 14))).block is not None
    # A peer's: the others go on without it, and status names it.
    wait_until_ended(site, police)
    outcome = sooner_or_later(lambda: anchor(site, recorder, 15))
    assert site.endorsers(outcome) == {"ControlRoomMSP", "AuditorMSP"}
    code, said = by_command(site, tmp_path, "status")
    assert code != 0
    assert said.startswith("UNHEALTHY")
    assert "the first has ended: CN=peer-police" in said
    with (
        site.acting(site.cast.admin("PoliceMSP")) as gateway,
        pytest.raises(LedgerUnavailable, match=r"TLS certificate (has )?ended"),
    ):
        gateway.evaluate("describe", b"{}", timeout_s=2)
    assert renew(site.network, within_days=1, now_us=now_us()) == [police.name]
    assert site.endorsers(sooner_or_later(lambda: anchor(site, recorder, 12, organisations=BOTH))) == set(BOTH)
    site.stands_once(CAMERA, range(10, 16))  # Police's peer has caught up
    assert network_status(site.network, now_us=now_us()).healthy


# ----------------------------------------------------------------------------------------------------------------------


def ending_in(seconds: float) -> int:
    """The time at which a certificate for one day is issued that ends so soon."""
    return now_us() - DAY_US + int(seconds * 1_000_000)


def issued(site: Site, who: Identity, when_us: int) -> bytes:
    """A certificate over the same key: for one day from then on."""
    places = {"control_room": "cr-1", "site": "north"}
    return site.cast.authorities[who.msp].issue(
        who.signer.public_key, subject=who.name, role=who.role, attributes=places, now_us=when_us, days=1
    )


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def by_command(site: Site, folder: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and output of `veriframe network …` for this network."""
    topology = folder / "topology.yaml"
    topology.write_text(yaml.safe_dump(site.network.topology.settings.model_dump(mode="json")), encoding="utf-8")
    places = ["--topology", str(topology), "--folder", str(site.network.root)]
    run = CliRunner().invoke(app, ["network", *arguments, *places], catch_exceptions=False)
    return run.exit_code, " ".join(run.stdout.split())


def configuration_in_force(site: Site, folder: Path) -> FabricConfiguration:
    """The channel's newest configuration, as the verifier reads it."""
    path, network = folder / "block", site.network
    network.peer(network.topology.peers[0], ["channel", "fetch", "config", str(path), "-c", network.topology.channel])
    return parse_configuration(parse_fabric_block(path.read_bytes()))


def as_identity(who: Identity) -> FabricIdentity:
    return FabricIdentity(msp=who.msp, certificate=who.certificate, serialized=creator_of(who))


def certificate_file(site: Site, node: Node, part: str) -> Path:
    return site.network.material.node(node) / part / "certificate.pem"


def signing_certificate(site: Site, node: Node) -> bytes:
    path = certificate_file(site, node, "signing")
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


def end_soon(site: Site, node: Node, seconds: float) -> None:
    """The node runs on with certificates that end in so many seconds."""
    when_us, hosts = ending_in(seconds), (node.host, "localhost", "127.0.0.1", node.name)
    restarted(site, node, node_certificate(site, node, when_us, 1), node_certificate(site, node, when_us, 1, hosts))


def node_certificate(site: Site, node: Node, when_us: int, days: int, hosts: Sequence[str] = ()) -> bytes:
    """A signing certificate over the node's key, PEM; for TLS where there are hosts."""
    part, issuer = ("tls", "tlsca") if hosts else ("signing", "ca")
    authority = load_authority(site.network.material.organisation(node.organisation) / issuer)
    key = load_or_create_key(certificate_file(site, node, part).with_name("key.pem")).public_key
    return pem(authority.issue_node(key, name=node.name, unit=node.kind, hosts=hosts, now_us=when_us, days=days))


def renewed(site: Site, node: Node, tls: bytes) -> None:
    """A new signing certificate over the same key, the good one for TLS, and a restart."""
    restarted(site, node, node_certificate(site, node, now_us(), 365), tls)


def restarted(site: Site, node: Node, signing: bytes, tls: bytes) -> None:
    certificate_file(site, node, "signing").write_bytes(signing)
    certificate_file(site, node, "tls").write_bytes(tls)
    (site.network.material.node(node) / "msp" / "signcerts" / "cert.pem").write_bytes(signing)
    site.network.processes.stop(node.name)
    site.network.start_nodes()


def wait_until_ended(site: Site, node: Node) -> None:
    end = x509.load_der_x509_certificate(signing_certificate(site, node)).not_valid_after_utc.timestamp()
    time.sleep(max(0.0, end + 1 - time.time()))
