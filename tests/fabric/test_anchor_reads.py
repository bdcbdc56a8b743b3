"""What an anchor asks of a peer: few questions, and reads enough that whoever changes its ground meanwhile wins."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from evidence.blocks import Block
from evidence.errors import Refused, VeriframeError
from tests.fabric.double.peer import READY_OF_3_1
from tests.fabric.double.stand import Stand
from tests.fabric.stage import FabricStage
from tests.hosts.cast import CHAIN, NOW_US, REASON, the_cast
from tests.hosts.stage import Stage


class Scene:
    """A stage on the double, whose peers all speak as version 3.1."""

    def __init__(self) -> None:
        self.stand = Stand(the_cast(), ready=READY_OF_3_1)
        self.host = FabricStage(self.stand.profile, "veriframe", the_cast())
        self.stage = Stage(self.host, the_cast())
        self.stage.opens_for_business()

    def requests(self) -> Counter[str]:
        """What one organisation's chaincode has asked of its peer so far."""
        peer, _ = self.stand.peers["ControlRoomMSP"]
        return Counter(peer.requests)

    def close(self) -> None:
        self.host.close()
        self.stand.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.close()


def asked(scene: Scene, *blocks: Block) -> Counter[str]:
    """Kinds and numbers of the requests that anchoring these blocks took."""
    before = scene.requests()
    scene.stage.anchors([the_cast().signed(each) for each in blocks])
    return scene.requests() - before


def test_an_anchor_takes_one_question_and_one_write_however_many_blocks_it_holds(scene: Scene) -> None:
    block = the_cast().block
    opening = asked(scene, block(0))
    assert opening == {"GET_STATE_MULTIPLE": 1, "GET_STATE_BY_RANGE": 1, "WRITE_BATCH_STATE": 1, "COMPLETED": 1}
    few = {"GET_STATE_MULTIPLE": 1, "WRITE_BATCH_STATE": 1, "COMPLETED": 1}
    assert asked(scene, block(1)) == few
    assert asked(scene, *(block(number) for number in range(2, 60))) == few


CHANGES: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "its camera is suspended": ("manager", "suspend_camera", {"camera": "gate-1", "reason": REASON}),
    "its camera's key is revoked": (
        "manager",
        "revoke_key",
        {"camera": "gate-1", "key": the_cast().key("gate-1").public_key.key_id, "compromised_since_us": NOW_US}
        | {"reason": REASON},
    ),
    "its recorder is suspended": ("admin", "suspend_participant", {"participant": "recorder"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_anchor_is_void_when_meanwhile(change: str, scene: Scene) -> None:
    """Entries are read by their numbers: the number that is not there yet must count as read."""
    cast = the_cast()
    scene.stage.anchors([cast.signed(cast.block(0))])
    who, function, values = CHANGES[change]
    scene.stand.ledger.held = True
    outcome: list[VeriframeError] = []

    def changing() -> None:
        scene.stage.does(cast.admin() if who == "admin" else who, function, **values)

    def anchoring() -> None:
        try:
            scene.stage.anchors([cast.signed(cast.block(1))])
        except VeriframeError as error:
            outcome.append(error)

    threads = [threading.Thread(target=changing)]
    threads[0].start()
    waiting(scene, 1)
    threads.append(threading.Thread(target=anchoring))
    threads[1].start()
    waiting(scene, 2)  # both endorsed, on the same ground
    scene.stand.ledger.held = False
    scene.stand.ledger.cut()
    for thread in threads:
        thread.join(20)
    assert [commit.code for commit in scene.stand.ledger.commits][-2:] == [0, 11]
    assert isinstance(outcome[0], Refused)
    assert f"block/gate-1/{CHAIN:010d}/0000000001" not in dict(scene.host.state())


def waiting(scene: Scene, count: int) -> None:
    deadline = time.monotonic() + 10
    while len(scene.stand.ledger._waiting) < count:
        assert time.monotonic() < deadline, "nothing was sent"
        time.sleep(0.005)
