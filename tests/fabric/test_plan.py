"""What `veriframe plan` predicts is what a network writes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

import pytest

from chaincode.anchors import open_batch
from evidence.batches import Batch, make_batch
from evidence.canonical import canonical
from network.bring_up import Network
from sdk.plan import Load, plan
from tests.fabric.lifecycle import define
from tests.fabric.stage import FabricStage, profiles_of
from tests.hosts.cast import NOW_US, Cast, the_cast
from tests.hosts.stage import Stage

CAMERAS = [f"camera-{number:04d}" for number in range(8)]
WITHIN = 0.1
# A site of eight cameras: two segments of each in an anchor.
LOAD = {"cameras": len(CAMERAS), "sites": 1, "segment_s": 10.0, "anchor_s": 20.0, "batch_timeout_ms": 40}
ANCHORS = 8

pytestmark = [pytest.mark.needs("fabric"), pytest.mark.xdist_group("fabric")]


@pytest.fixture(scope="module")
def host(fabric_network: Network) -> Iterator[FabricStage]:
    define(fabric_network, ["planned"])
    made = FabricStage(profiles_of(fabric_network), "planned", the_cast())
    stage = Stage(made, the_cast())
    stage.registers("manager", "operator", "recorder")
    for camera in CAMERAS:
        stage.enrols(camera)
    stage.anchors([the_cast().signed(the_cast().block(0, camera=camera)) for camera in CAMERAS])
    yield made
    made.close()


def opened(cast: Cast) -> Iterator[bytes]:
    for first in count(1, 2):
        yield open_batch(
            cast.signed(cast.block(sequence, camera=camera)) for camera in CAMERAS for sequence in (first, first + 1)
        )


def sealed(cast: Cast) -> Iterator[bytes]:
    batch: Batch | None = None
    for number in count():
        first = 1000 + 2 * number
        blocks = [cast.block(sequence, camera=camera) for camera in CAMERAS for sequence in (first, first + 1)]
        previous = None if batch is None else batch.digest
        batch, _ = make_batch(blocks, site="north", recorder="recorder", batch=number, previous=previous)
        yield batch.canonical()


@pytest.mark.parametrize("kind", ["open", "sealed"])
def test_a_plan_predicts_what_every_disk_of_a_network_takes(
    kind: str, fabric_network: Network, host: FabricStage
) -> None:
    documents = (opened if kind == "open" else sealed)(the_cast())
    for _ in range(3):
        before = sizes(fabric_network)
        for document in islice(documents, ANCHORS):
            result = host.submit(the_cast()["recorder"], "anchor", document, time_us=NOW_US)
            assert result == canonical({"anchored": 16 if kind == "open" else 1, "standing": 0})
        after = sizes(fabric_network)
        if before.keys() == after.keys():  # no database began new files: then it writes what it was given, and no more
            break
    grown: Counter[str] = Counter()
    for (name, path), size in after.items():
        grown[name] += size - before.get((name, path), 0)
    found = plan(Load(**LOAD, sealed=kind == "sealed"))  # type: ignore[arg-type]
    days = ANCHORS * found.load.anchor_s / 86_400
    for node in fabric_network.topology.nodes:
        expected = days * (found.peer_day_bytes if node.kind == "peer" else found.orderer_day_bytes)
        assert grown[node.name] == pytest.approx(expected, rel=WITHIN), node.name


def sizes(network: Network) -> dict[tuple[str, Path], int]:
    """Bytes of each node's files, without the log that an orderer makes at full size in the beginning."""
    found = {}
    for node in network.topology.nodes:
        for path in network.data(node).rglob("*"):
            if path.is_file() and "wal" not in path.parts:
                with contextlib.suppress(FileNotFoundError):  # LevelDB replaces its files while it runs
                    found[(node.name, path)] = path.stat().st_size
    return found
