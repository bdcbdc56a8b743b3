"""The same thing sent twice, and sent without hearing of it, over a real network: it counts once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from evidence.canonical import parse_canonical
from evidence.errors import CommitUnknown
from evidence.keys import PublicKey, Signer
from network.bring_up import Network
from network.topology import SERVICE
from sdk.fabric_ledger import FabricLedger
from sdk.fabric_profile import Deadlines
from sdk.gateway_blocking import BlockingGateway
from tests.fabric.anchors import Site
from tests.fabric.lifecycle import define
from tests.fabric.relay import Relay
from tests.hosts.cast import NOW_US, the_cast

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.xdist_group("fabric")]

NAME = "sending"
CAMERA = "twice-1"
VALID, DUPLICATE = 0, 9


@pytest.fixture(scope="module")
def site(fabric_network: Network) -> Site:
    define(fabric_network, [NAME])
    made = Site(network=fabric_network, name=NAME, cast=the_cast(), clock=lambda: NOW_US)
    made.found()
    made.camera(CAMERA)
    return made


@pytest.fixture
def relay(fabric_network: Network) -> Iterator[Relay]:
    peer = fabric_network.topology.peer_of("ControlRoomMSP")
    made = Relay(peer.host, peer.port(SERVICE))
    yield made
    made.close()


@dataclass
class Alerting:
    """Signs like its owner, and calls `alert` right before the second signature: the one over the transaction."""

    signer: Signer
    alert: Callable[[], None]
    made: int = 0

    @property
    def public_key(self) -> PublicKey:
        return self.signer.public_key

    def sign(self, message: bytes) -> bytes:
        self.made += 1
        if self.made == 2:
            self.alert()
        return self.signer.sign(message)


def through(relay: Relay, site: Site, alert: Callable[[], None], **deadlines: float) -> BlockingGateway:
    """The recorder's gateway behind the relay; `alert` is called when its first transaction is about to be sent."""
    profile = site.profile()
    by_relay = profile.gateways[0].model_copy(update={"address": relay.address})
    profile = profile.model_copy(update={"gateways": (by_relay,), "deadlines": Deadlines(**deadlines)})
    recorder = site.cast["recorder"]
    return BlockingGateway(profile, replace(recorder, signer=Alerting(recorder.signer, alert)), clock=site.clock)


def codes(site: Site, tx_id: str) -> list[int]:
    """Validation codes of all envelopes with this id on the gateway's ledger, oldest first."""
    ledger = FabricLedger(site.profile(), identity=site.cast.admin(), clock=site.clock)
    try:
        everything = [each for number in range(ledger.height()) for each in ledger._block(number)]
    finally:
        ledger.close()
    return [each.code for each in everything if each.tx_id == tx_id]


def later(seconds: float, act: Callable[[], None]) -> Callable[[], None]:
    return lambda: threading.Timer(seconds, act).start()


def test_an_envelope_that_is_sent_twice_counts_once(site: Site) -> None:
    with site.acting(site.cast["recorder"]) as recorder:
        transaction = recorder.endorse(recorder.propose("anchor", site.batch(CAMERA, 1)))
        first = recorder.commit_status(recorder.send(transaction))
        assert recorder.commit_status(recorder.send(transaction)) == first
        # The second one is void on the ledger as well; it takes a block of its own, which the next anchor is behind.
        recorder.submit("anchor", site.batch(CAMERA, 2))
    assert codes(site, transaction.tx_id) == [VALID, DUPLICATE]
    site.stands_once(CAMERA, [1, 2])


def test_a_line_that_is_cut_behind_the_sending_has_the_same_envelope_sent_again(site: Site, relay: Relay) -> None:
    def alert() -> None:
        relay.hold()
        later(1, relay.cut)()

    with through(relay, site, alert, submit_s=20, commit_s=20, total_s=60) as recorder:
        outcome = recorder.submit("anchor", site.batch(CAMERA, 3))
        assert outcome.block is not None
        recorder.submit("anchor", site.batch(CAMERA, 4))
    assert codes(site, outcome.tx_id) == [VALID, DUPLICATE]
    site.stands_once(CAMERA, [3, 4])


def test_where_the_answer_is_late_the_same_transactions_status_is_asked_and_nothing_sent(
    site: Site, relay: Relay
) -> None:
    def alert() -> None:
        relay.hold()
        later(2.5, relay.release)()

    with through(relay, site, alert, submit_s=1, commit_s=20, total_s=60) as recorder:
        outcome = recorder.submit("anchor", site.batch(CAMERA, 5))
        assert outcome.block is not None
        recorder.submit("anchor", site.batch(CAMERA, 6))
    assert codes(site, outcome.tx_id) == [VALID]
    site.stands_once(CAMERA, [5, 6])


def test_an_outcome_that_nobody_tells_is_unknown_and_can_be_asked_for_and_sent_again(site: Site, relay: Relay) -> None:
    with through(relay, site, relay.hold, submit_s=1, commit_s=1, total_s=3) as recorder:
        with pytest.raises(CommitUnknown, match="status before sending it again") as caught:
            recorder.submit("anchor", site.batch(CAMERA, 7))
        assert caught.value.retryable
        relay.release()
        tx_id = caught.value.where.removeprefix("transaction ")
        assert recorder.commit_status(recorder.commit_request(tx_id)) > 0
        again = recorder.submit("anchor", site.batch(CAMERA, 7))
        assert again.block is None
        assert parse_canonical(again.result, "answer") == {"anchored": 0, "standing": 1}
    site.stands_once(CAMERA, [7])


def test_two_recorders_that_anchor_the_same_blocks_at_once_write_each_once(site: Site) -> None:
    batches = [site.batch(CAMERA, *range(at, at + 4)) for at in range(10, 50, 4)]
    found: dict[str, list[object]] = {}

    def anchor(name: str) -> None:
        with site.acting(site.cast[name]) as recorder:
            found[name] = list(recorder.submit_many([("anchor", [batch]) for batch in batches]))

    threads = [threading.Thread(target=anchor, args=(name,)) for name in ("recorder", "recorder-2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = 0
    for outcomes in found.values():
        for outcome in outcomes:
            answer = parse_canonical(outcome.result, "answer")  # type: ignore[attr-defined]
            written += answer["anchored"]
            assert answer["anchored"] + answer["standing"] == 4
    assert written == 40
    site.stands_once(CAMERA, range(10, 50))
