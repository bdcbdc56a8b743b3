"""What only the original's container said about showing its pictures is compared with what the record kept of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.verifier.clips import Clip, scene, verify
from verifier.model import State
from verifier.recorded import Recorded


@pytest.fixture(scope="module")
def clip() -> Clip:
    return scene("IPPP IPPP IPPP").recorded()


def test_a_size_that_only_the_container_states_must_be_the_recorded_one(clip: Clip) -> None:
    (record,) = clip.records

    def verdict(codec: str, height: int = 48) -> State:
        coded = [replace(segment, width=64, height=48, codec=codec) for segment in record.segments]
        known = replace(clip, records=(Recorded.of(coded),))
        return verify(known.container(codec=codec, height=height)).state

    assert verdict("msmpeg4v3") is State.VERIFIED
    assert verdict("msmpeg4v3", height=96) is State.ALTERED
    assert verdict("h264", height=96) is State.VERIFIED
