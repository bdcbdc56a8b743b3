"""The embedded ledger as custody uses it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chaincode.anchors import open_batch
from evidence.blocks import slot_key
from evidence.canonical import canonical
from evidence.errors import CommitInvalid, ConfigInvalid, Refused, VeriframeError
from sdk.identities import Identity
from sdk.ledger import Committed, EmbeddedLedger, ask, check_ledger, found_ledger, open_ledger, read_ledger
from tests.hosts.cast import CHAIN, NOW_US, Cast, members, the_cast


@pytest.fixture
def cast() -> Cast:
    return the_cast()


@pytest.fixture
def url(tmp_path: Path, cast: Cast) -> str:
    path = tmp_path / "ledger.db"
    found_ledger(path, cast.genesis, operator=cast.operator, identity=cast.admin(), clock=lambda: NOW_US)
    return f"sqlite:///{path}"


def act(url: str, cast: Cast, who: str | Identity) -> EmbeddedLedger:
    identity = cast[who] if isinstance(who, str) else who
    return open_ledger(url, identity=identity, operator=cast.operator, clock=lambda: NOW_US)


@pytest.fixture
def recorder(url: str, cast: Cast) -> Iterator[EmbeddedLedger]:
    admin = act(url, cast, cast.admin())
    for name in ("manager", "operator", "recorder", "recorder-2"):
        admin.submit("register_participant", canonical(cast.registration(name)))
    admin.close()
    operator, manager = act(url, cast, "operator"), act(url, cast, "manager")
    operator.submit("propose_camera", canonical(cast.camera()))
    manager.submit("approve_camera", members(camera="gate-1"))
    operator.close()
    manager.close()
    ledger = act(url, cast, "recorder")
    yield ledger
    ledger.close()


def test_submitting_asking_and_receipts(recorder: EmbeddedLedger, cast: Cast) -> None:
    done = recorder.submit("anchor", open_batch(cast.blocks(0, 1)))
    assert done.result == b'{"anchored":2,"standing":0}'
    assert done.position is not None
    assert done.event is not None
    assert done.event.name == "anchor"
    receipt = recorder.receipt_for(slot_key("gate-1", CHAIN, 1))
    assert receipt is not None
    assert receipt.tx_id == done.tx_id
    answer = ask(recorder, "find_blocks", {"camera": "gate-1", "chain": CHAIN})
    assert isinstance(answer, dict)
    assert len(answer["items"]) == 2
    assert [event.position for event in recorder.events()][-1] == done.position
    again = recorder.submit("anchor", open_batch(cast.blocks(0, 1)))
    assert again.position is None


def test_a_refusal_says_the_rule_and_who(recorder: EmbeddedLedger) -> None:
    with pytest.raises(Refused) as caught:
        recorder.submit("approve_camera", members(camera="gate-1"))
    assert str(caught.value).startswith("approve_camera: ")
    assert "control room manager (CRM)" in caught.value.next_step


def test_an_overtaken_call_is_sent_again_until_the_contract_answers(
    recorder: EmbeddedLedger, url: str, cast: Cast
) -> None:
    """Two recorders keep opening chains of one camera: whoever is overtaken is told by the rule, not by the host."""
    other = act(url, cast, "recorder-2")
    outcomes: list[Committed | VeriframeError] = []
    lock = threading.Lock()

    def work(ledger: EmbeddedLedger, first: int) -> None:
        for chain in range(CHAIN + first, CHAIN + 24, 2):
            try:
                result: Committed | VeriframeError = ledger.submit("anchor", open_batch(cast.blocks(0, chain=chain)))
            except VeriframeError as error:
                result = error
            with lock:
                outcomes.append(result)

    threads = [threading.Thread(target=work, args=each) for each in ((recorder, 0), (other, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    won = [each for each in outcomes if isinstance(each, Committed)]
    lost = [each for each in outcomes if isinstance(each, Refused)]
    assert len(won) + len(lost) == 24
    assert not any(isinstance(each, CommitInvalid) for each in outcomes)
    assert all("numbered above" in str(each) for each in lost)
    assert len(recorder.reader.entries("chain/gate-1/")) == len(won)
    assert check_ledger(recorder.reader.path) == ()


def test_several_calls_share_a_block(recorder: EmbeddedLedger, cast: Cast) -> None:
    recorder.submit("anchor", open_batch(cast.blocks(0)))
    before = recorder.reader.height
    outcomes = recorder.submit_many([("anchor", [open_batch(cast.blocks(each))]) for each in range(1, 6)])
    assert all(isinstance(each, Committed) for each in outcomes)
    assert recorder.reader.height == before + 1


def test_reading_needs_no_key_and_a_copy_will_do(
    recorder: EmbeddedLedger, url: str, cast: Cast, tmp_path: Path
) -> None:
    recorder.submit("anchor", open_batch(cast.blocks(0)))
    # Beside a writer that is still open, with what has been committed only to the journal.
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in tmp_path.glob("ledger.db*"):
        (copy / file.name).write_bytes(file.read_bytes())
    for address in (url, f"sqlite:///{copy}/ledger.db"):
        with read_ledger(address) as reader:
            assert reader.genesis.digest == cast.genesis.digest
            assert [entry.key for entry in reader.entries("block/gate-1/")] == [slot_key("gate-1", CHAIN, 0)]
            first, last = slot_key("gate-1", CHAIN, 1), slot_key("gate-1", CHAIN, 9)
            assert reader.entries("block/gate-1/", first=first, last=last) == ()
    assert check_ledger(copy / "ledger.db") == ()


@pytest.mark.parametrize("url", ["", "ledger.db", "fabric:profile.yaml", "sqlite://ledger.db", "http:///x"])
def test_what_is_no_address_is_named(url: str, cast: Cast) -> None:
    with pytest.raises(ConfigInvalid, match="not a ledger's address"):
        read_ledger(url)


def test_an_embedded_ledger_needs_its_operators_key(url: str, cast: Cast) -> None:
    with pytest.raises(ConfigInvalid, match="operator's key"):
        open_ledger(url, identity=cast.admin(), clock=lambda: NOW_US)
